//! Merkle trees with the digests of plonky2's, hashed in lanes.

use p3_field::{PackedValue as _, PrimeCharacteristicRing as _};
use p3_goldilocks::Goldilocks;
use p3_maybe_rayon::prelude::*;
use plonky2::hash::{
    hash_types::{HashOut, NUM_HASH_OUT_ELTS},
    merkle_proofs::MerkleProof,
    merkle_tree::MerkleCap,
};

use crate::{
    basetypes::F,
    hasher::{Packed, PackedHasher, SPONGE_RATE, SPONGE_WIDTH, digests, from_p3, to_p3},
};

/// The number of leaves of the largest tree that one thread hashes alone, layer by layer.
const SERIAL_LEAVES: usize = 1 << 9;

/// Fills `leaves` with the hashes of rows, of which `row` returns each, all of one length.
pub(crate) fn hash_rows<'r, H: PackedHasher, T: Copy + 'r>(
    leaves: &mut [HashOut<F>],
    row: impl Fn(usize) -> &'r [T] + Sync,
    convert: impl Fn(T) -> Goldilocks + Sync,
) {
    leaves.par_chunks_mut(SERIAL_LEAVES).enumerate().for_each(|(task, leaves)| {
        for (i, leaves) in leaves.chunks_mut(Packed::WIDTH).enumerate() {
            hash_leaves::<H, T>(leaves, task * SERIAL_LEAVES + i * Packed::WIDTH, &row, &convert);
        }
    });
}

/// Hashes the tree over leaves with these hashes.
///
/// Returns the digests in the layout of plonky2's `MerkleTree`, in which each half of a tree has its digests on its side
/// of the pair of digests of the halves, and the cap of height `cap_height`.
///
/// The number of leaves is a power of two and at least `2^cap_height`.
pub(crate) fn hash_tree<H: PackedHasher>(
    leaves: Vec<HashOut<F>>,
    cap_height: usize,
) -> (Vec<HashOut<F>>, MerkleCap<F, H>) {
    let subtree_leaves = leaves.len() >> cap_height;
    if subtree_leaves == 1 {
        return (vec![], MerkleCap(leaves));
    }
    let subtree_digests = 2 * (subtree_leaves - 1);
    let mut digests = vec![HashOut::ZERO; subtree_digests << cap_height];
    let mut cap = vec![HashOut::ZERO; 1 << cap_height];
    digests
        .par_chunks_exact_mut(subtree_digests)
        .zip(leaves.par_chunks_exact(subtree_leaves))
        .zip(&mut cap)
        .for_each(|((digests, leaves), root)| *root = hash_subtree::<H>(digests, leaves));
    (digests, MerkleCap(cap))
}

/// The path from leaf `leaf_index` to the cap.
pub(crate) fn prove<H: PackedHasher>(
    digests: &[HashOut<F>],
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
fn hash_subtree<H: PackedHasher>(digests: &mut [HashOut<F>], leaves: &[HashOut<F>]) -> HashOut<F> {
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
fn hash_layers<H: PackedHasher>(digests: &mut [HashOut<F>], leaves: &[HashOut<F>]) -> HashOut<F> {
    let mut nodes = leaves.to_vec();
    for layer in 0..nodes.len().ilog2() {
        for (node, digest) in nodes.iter().enumerate() {
            digests[digest_index(layer, node)] = *digest;
        }
        // A parent is written after its children have been read: it is at half their index.
        for first in (0..nodes.len() / 2).step_by(Packed::WIDTH) {
            let count = Packed::WIDTH.min(nodes.len() / 2 - first);
            let mut children = [HashOut::ZERO; 2 * Packed::WIDTH];
            children[..2 * count].copy_from_slice(&nodes[2 * first..2 * (first + count)]);
            hash_pairs::<H>(&children, &mut nodes[first..first + count]);
        }
        nodes.truncate(nodes.len() / 2);
    }
    nodes[0]
}

/// Hashes as many rows from `first` as `out` has digests, at most one a lane.
fn hash_leaves<'r, H: PackedHasher, T: Copy + 'r>(
    out: &mut [HashOut<F>],
    first: usize,
    row: &impl Fn(usize) -> &'r [T],
    convert: &impl Fn(T) -> Goldilocks,
) {
    let rows: [&[T]; Packed::WIDTH] = std::array::from_fn(|lane| row(first + lane.min(out.len() - 1)));
    if rows[0].len() <= NUM_HASH_OUT_ELTS {
        for (digest, row) in out.iter_mut().zip(rows) {
            *digest = HashOut::ZERO;
            for (element, value) in digest.elements.iter_mut().zip(row) {
                *element = from_p3(convert(*value));
            }
        }
        return;
    }
    let mut state = [Packed::ZERO; SPONGE_WIDTH];
    for start in (0..rows[0].len()).step_by(SPONGE_RATE) {
        let count = SPONGE_RATE.min(rows[0].len() - start);
        for (i, packed) in state[..count].iter_mut().enumerate() {
            *packed = Packed::from_fn(|lane| convert(rows[lane][start + i]));
        }
        H::permute_packed(&mut state);
    }
    for (out, digest) in out.iter_mut().zip(digests(&state)) {
        *out = digest;
    }
}

/// Hashes pairs of digests, one a lane.
fn hash_pairs<H: PackedHasher>(children: &[HashOut<F>; 2 * Packed::WIDTH], parents: &mut [HashOut<F>]) {
    let mut state = [Packed::ZERO; SPONGE_WIDTH];
    for (i, packed) in state[..2 * NUM_HASH_OUT_ELTS].iter_mut().enumerate() {
        *packed = Packed::from_fn(|lane| {
            to_p3(children[2 * lane + i / NUM_HASH_OUT_ELTS].elements[i % NUM_HASH_OUT_ELTS])
        });
    }
    H::permute_packed(&mut state);
    for (parent, digest) in parents.iter_mut().zip(digests(&state)) {
        *parent = digest;
    }
}
