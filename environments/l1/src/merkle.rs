//! The Merkle tree of a block's payouts, which the contract builds from them.
//!
//! It is OpenZeppelin's `StandardMerkleTree` with its option `sortLeaves: false`: a contract cannot afford to sort, and the
//! order of the payouts is proved. Their `MerkleProof` verifies its proofs.

use circuits_protocol::l1::KeccakDigest;

use crate::{bytes32::keccak256, payout::Payout};

/// A complete binary tree in one array: node `i` is above `2i + 1` and `2i + 2`, and the leaves come last, in reverse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayoutTree {
    nodes: Vec<KeccakDigest>,
    leaves: usize,
}

impl PayoutTree {
    /// The tree of the payouts of one block.
    #[must_use]
    pub fn new(payouts: &[Payout]) -> Self {
        let leaves = payouts.len();
        let mut nodes = vec![KeccakDigest::ZERO; leaves.saturating_sub(1)];
        nodes.extend(payouts.iter().rev().map(Payout::leaf));
        for node in (0..leaves.saturating_sub(1)).rev() {
            nodes[node] = node_hash(nodes[2 * node + 1], nodes[2 * node + 2]);
        }
        Self { nodes, leaves }
    }

    /// The root; 32 zero bytes for a block without payouts, under which nothing can be proved.
    #[must_use]
    pub fn root(&self) -> KeccakDigest {
        self.nodes.first().copied().unwrap_or_default()
    }

    /// The siblings of the payout at `position` in its block, from the leaf up; `None` if there is no such payout.
    #[must_use]
    pub fn proof(&self, position: usize) -> Option<Vec<KeccakDigest>> {
        if position >= self.leaves {
            return None;
        }
        let mut node = self.nodes.len() - 1 - position;
        let mut siblings = vec![];
        while node > 0 {
            // Left children have odd positions.
            siblings.push(self.nodes[if node % 2 == 1 { node + 1 } else { node - 1 }]);
            node = (node - 1) / 2;
        }
        Some(siblings)
    }
}

/// The root that a proof leads to, as OpenZeppelin's `MerkleProof.processProof` computes it.
#[must_use]
pub fn proven_root(leaf: KeccakDigest, proof: &[KeccakDigest]) -> KeccakDigest {
    proof.iter().fold(leaf, |node, &sibling| node_hash(node, sibling))
}

/// The hash of two nodes in either order.
fn node_hash(a: KeccakDigest, b: KeccakDigest) -> KeccakDigest {
    keccak256(&[a.min(b).0, a.max(b).0].concat())
}
