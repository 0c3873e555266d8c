//! The tree of payouts beside OpenZeppelin's.

use circuits_protocol::l1::KeccakDigest;
use serde::Deserialize;

use super::{block, broken, claim};
use crate::{
    merkle::{PayoutTree, proven_root},
    payout::Payout,
};

/// A tree as OpenZeppelin's package makes it, and proofs of some of its leaves.
#[derive(Deserialize)]
struct Theirs {
    payouts: Vec<Payout>,
    root: KeccakDigest,
    proofs: Vec<TheirProof>,
}

#[derive(Deserialize)]
struct TheirProof {
    position: usize,
    leaf: KeccakDigest,
    proof: Vec<KeccakDigest>,
}

#[test]
fn trees_are_openzeppelins() {
    // Made by `tests/openzeppelin/trees.mjs`.
    let trees: Vec<Theirs> =
        serde_json::from_str(include_str!("../../tests/openzeppelin/trees.json")).unwrap();
    let sizes: Vec<_> = trees.iter().map(|tree| tree.payouts.len()).collect();
    assert_eq!(sizes, [0, 1, 2, 3, 96]);
    for Theirs { payouts, root, proofs } in trees {
        let tree = PayoutTree::new(&payouts);
        assert_eq!(tree.root(), root, "{} payouts", payouts.len());
        assert_eq!(proofs.is_empty(), payouts.is_empty());
        for TheirProof { position, leaf, proof } in proofs {
            assert_eq!(payouts[position].leaf(), leaf);
            assert_eq!(tree.proof(position), Some(proof));
        }
    }
}

#[test]
fn every_payout_has_a_proof_and_nothing_else_has() {
    assert_eq!(PayoutTree::new(&[]).root(), KeccakDigest::ZERO);
    for count in 1..20 {
        let payouts = &block(&vec![claim(1); count], &[broken(1); 3]).outcome.payouts;
        let tree = PayoutTree::new(payouts);
        for (position, payout) in payouts.iter().enumerate() {
            let proof = tree.proof(position).unwrap();
            assert_eq!(proven_root(payout.leaf(), &proof), tree.root());
            let other = Payout { amount: payout.amount + 1, ..*payout };
            assert_ne!(proven_root(other.leaf(), &proof), tree.root());
        }
        assert_eq!(tree.proof(payouts.len()), None);
    }
}
