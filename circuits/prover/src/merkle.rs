//! Merkle trees with the digests of plonky2's, hashed in lanes.

use p3_goldilocks::Goldilocks;
use p3_maybe_rayon::prelude::*;
use plonky2::hash::{merkle_proofs::MerkleProof, merkle_tree::MerkleCap};

use crate::{basetypes::F, hasher::PackedHasher};

/// The number of leaves of the largest tree that one thread hashes alone, layer by layer.
const SERIAL_LEAVES: usize = 1 << 9;

/// Fills `leaves` with the hashes of rows, of which `row` returns each, all of one length.
pub(crate) fn hash_rows<'r, H: PackedHasher, T: Copy + 'r>(
    leaves: &mut [H::Hash],
    row: impl Fn(usize) -> &'r [T] + Sync,
    convert: impl Fn(T) -> Goldilocks + Sync,
) {
    leaves.par_chunks_mut(SERIAL_LEAVES).enumerate().for_each(|(task, leaves)| {
        H::hash_rows(leaves, |leaf| row(task * SERIAL_LEAVES + leaf), &convert);
    });
}

/// Hashes the tree over leaves with these hashes.
///
/// Returns the digests in the layout of plonky2's `MerkleTree`, in which each half of a tree has its digests on its side
/// of the pair of digests of the halves, and the cap of height `cap_height`.
///
/// The number of leaves is a power of two and at least `2^cap_height`.
pub(crate) fn hash_tree<H: PackedHasher>(
    leaves: Vec<H::Hash>,
    cap_height: usize,
) -> (Vec<H::Hash>, MerkleCap<F, H>) {
    let subtree_leaves = leaves.len() >> cap_height;
    if subtree_leaves == 1 {
        return (vec![], MerkleCap(leaves));
    }
    let subtree_digests = 2 * (subtree_leaves - 1);
    let mut digests = vec![H::Hash::default(); subtree_digests << cap_height];
    let mut cap = vec![H::Hash::default(); 1 << cap_height];
    digests
        .par_chunks_exact_mut(subtree_digests)
        .zip(leaves.par_chunks_exact(subtree_leaves))
        .zip(&mut cap)
        .for_each(|((digests, leaves), root)| *root = hash_subtree::<H>(digests, leaves));
    (digests, MerkleCap(cap))
}

/// The path from leaf `leaf_index` to the cap.
pub(crate) fn prove<H: PackedHasher>(
    digests: &[H::Hash],
    cap: &MerkleCap<F, H>,
    leaf_index: usize,
) -> MerkleProof<F, H> {
    let subtree_digests = digests.len() / cap.len();
    let subtree_leaves = subtree_digests / 2 + 1;
    let subtree = &digests[subtree_digests * (leaf_index / subtree_leaves)..][..subtree_digests];
    let mut node = leaf_index % subtree_leaves;
    let siblings = (0..subtree_leaves.ilog2())
        .map(|layer| {
            let sibling = subtree[digest_index(layer, node ^ 1)];
            node >>= 1;
            sibling
        })
        .collect();
    MerkleProof { siblings }
}

/// Where the digest of a node is among the digests of its tree. Layer 0 has the leaves.
const fn digest_index(layer: u32, node: usize) -> usize {
    let pair = ((node >> 1) << (layer + 1)) + (1 << layer) - 1;
    2 * pair + (node & 1)
}

/// Fills the digests of the tree over leaves with these hashes, and returns its root.
fn hash_subtree<H: PackedHasher>(digests: &mut [H::Hash], leaves: &[H::Hash]) -> H::Hash {
    if leaves.len() <= SERIAL_LEAVES {
        return hash_layers::<H>(digests, leaves);
    }
    let (left, right) = digests.split_at_mut(digests.len() / 2);
    let (left, left_root) = left.split_at_mut(left.len() - 1);
    let (right_root, right) = right.split_at_mut(1);
    let (left_leaves, right_leaves) = leaves.split_at(leaves.len() / 2);
    (left_root[0], right_root[0]) = p3_maybe_rayon::prelude::join(
        || hash_subtree::<H>(left, left_leaves),
        || hash_subtree::<H>(right, right_leaves),
    );
    H::two_to_one(left_root[0], right_root[0])
}

/// As [`hash_subtree`], layer by layer in one thread.
fn hash_layers<H: PackedHasher>(digests: &mut [H::Hash], leaves: &[H::Hash]) -> H::Hash {
    let mut nodes = leaves.to_vec();
    for layer in 0..nodes.len().ilog2() {
        for (node, digest) in nodes.iter().enumerate() {
            digests[digest_index(layer, node)] = *digest;
        }
        let mut parents = vec![H::Hash::default(); nodes.len() / 2];
        H::hash_pairs(&nodes, &mut parents);
        nodes = parents;
    }
    nodes[0]
}
