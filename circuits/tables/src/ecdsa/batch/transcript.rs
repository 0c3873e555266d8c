//! The beginning of every transcript, natively and in-circuit: parameters, statement, trace, and only then the
//! challenges of the lookups. starky continues from there.

use circuits_core::layout::Layout;
use circuits_prover::basetypes::{Builder, D, F};
use plonky2::{
    hash::{hash_types::MerkleCapTarget, merkle_tree::MerkleCap, poseidon::PoseidonHash},
    iop::{
        challenger::{Challenger, RecursiveChallenger},
        target::Target,
    },
};
use starky::lookup::{
    GrandProductChallengeSet, get_grand_product_challenge_set, get_grand_product_challenge_set_target,
};

use super::size::{BatchSize, NUM_CHALLENGES};
use crate::ecdsa::SignatureStatement;

/// Observes what is known before the lookups' challenges, and draws the challenges.
pub(super) fn start(
    size: BatchSize,
    statement: &SignatureStatement,
    trace: &MerkleCap<F, PoseidonHash>,
) -> (Challenger<F, PoseidonHash>, GrandProductChallengeSet<F>) {
    let mut challenger = Challenger::new();
    challenger.observe_elements(&size.parameters());
    challenger.observe_elements(&statement.encode());
    challenger.observe_cap::<PoseidonHash>(trace);
    let challenges = get_grand_product_challenge_set(&mut challenger, NUM_CHALLENGES);
    (challenger, challenges)
}

/// The in-circuit twin of [`start`].
pub(super) fn start_circuit(
    builder: &mut Builder,
    size: BatchSize,
    statement: &SignatureStatement<Target>,
    trace: &MerkleCapTarget,
) -> (RecursiveChallenger<F, PoseidonHash, D>, GrandProductChallengeSet<Target>) {
    let mut challenger = RecursiveChallenger::new(builder);
    for parameter in size.parameters() {
        challenger.observe_element(builder.constant(parameter));
    }
    challenger.observe_elements(&statement.encode());
    challenger.observe_cap(trace);
    let challenges = get_grand_product_challenge_set_target(builder, &mut challenger, NUM_CHALLENGES);
    (challenger, challenges)
}
