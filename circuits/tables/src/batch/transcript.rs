//! The beginning of every transcript, natively and in-circuit: parameters, statement, trace, and only then the
//! challenges of the lookups. starky continues from there.

use circuits_core::layout::Layout;
use circuits_prover::{
    basetypes::{Builder, D, F},
    challenger::Challenger,
    stark::lookup_challenges,
};
use plonky2::{
    hash::{hash_types::MerkleCapTarget, merkle_tree::MerkleCap, poseidon::PoseidonHash},
    iop::{
        challenger::{Challenger as StarkyChallenger, RecursiveChallenger},
        target::Target,
    },
};
use starky::lookup::{
    GrandProductChallengeSet, get_grand_product_challenge_set, get_grand_product_challenge_set_target,
};

use super::{Batch, NUM_CHALLENGES, parameters};

/// What is known before the lookups' challenges are drawn.
fn opening<B: Batch>(size: B, statement: &B::Statement<F>, trace: &MerkleCap<F, PoseidonHash>) -> Vec<F> {
    let cap = trace.0.iter().flat_map(|hash| hash.elements);
    parameters(size).into_iter().chain(statement.encode()).chain(cap).collect()
}

/// The prover's challenger after the lookups' challenges, and these.
pub(super) fn start<B: Batch>(
    size: B,
    statement: &B::Statement<F>,
    trace: &MerkleCap<F, PoseidonHash>,
) -> (Challenger<PoseidonHash>, GrandProductChallengeSet<F>) {
    let mut challenger = Challenger::new();
    challenger.observe_elements(&opening(size, statement, trace));
    let challenges = lookup_challenges(&mut challenger, NUM_CHALLENGES);
    (challenger, challenges)
}

/// starky's challenger where the lookups' challenges are drawn.
pub(super) fn before_lookups<B: Batch>(
    size: B,
    statement: &B::Statement<F>,
    trace: &MerkleCap<F, PoseidonHash>,
) -> StarkyChallenger<F, PoseidonHash> {
    let mut challenger = StarkyChallenger::new();
    challenger.observe_elements(&opening(size, statement, trace));
    challenger
}

/// starky's challenger where [`start`] ends, and the same challenges.
pub(super) fn start_verifying<B: Batch>(
    size: B,
    statement: &B::Statement<F>,
    trace: &MerkleCap<F, PoseidonHash>,
) -> (StarkyChallenger<F, PoseidonHash>, GrandProductChallengeSet<F>) {
    let mut challenger = before_lookups(size, statement, trace);
    let challenges = get_grand_product_challenge_set(&mut challenger, NUM_CHALLENGES);
    (challenger, challenges)
}

/// The in-circuit twin of [`start_verifying`].
pub(super) fn start_circuit<B: Batch>(
    builder: &mut Builder,
    size: B,
    statement: &B::Statement<Target>,
    trace: &MerkleCapTarget,
) -> (RecursiveChallenger<F, PoseidonHash, D>, GrandProductChallengeSet<Target>) {
    let mut challenger = RecursiveChallenger::new(builder);
    for parameter in parameters(size) {
        challenger.observe_element(builder.constant(parameter));
    }
    challenger.observe_elements(&statement.encode());
    challenger.observe_cap(trace);
    let challenges = get_grand_product_challenge_set_target(builder, &mut challenger, NUM_CHALLENGES);
    (challenger, challenges)
}
