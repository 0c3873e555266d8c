//! Promises about the commitments of states.

use circuits_core::Digest;
use environments_core::environment::Environment;

use super::{BLOCKS, CHAIN_ID, Subject, environment, id, secret};

/// The states that blocks of these transactions lead to, with their commitments.
fn outcomes<E: Environment>(
    environment: &E,
    before: &E::State,
    blocks: &[&[&E::Transaction]],
) -> Vec<(E::State, Digest)> {
    let outcome = |block: &&[&E::Transaction]| {
        let state = environment.propose(before, block).expect("a block can be empty").state;
        let commitment = environment.commitment(&state);
        (state, commitment)
    };
    blocks.iter().map(outcome).collect()
}

/// Two states of one height have one commitment exactly if they are equal. The same block on the same state leads to
/// the same state and commitment again, also after other blocks of its height were proposed and dropped, and on a copy
/// of the state in another instance of the environment.
///
/// The suite sees what the subject's transactions tell apart, and nothing else: that a commitment leaves something out
/// does not show if they never change it alone.
///
/// # Panics
/// If the promise is broken.
pub fn different_states_have_different_commitments<S: Subject>(subject: &S) {
    let ours = environment(subject);
    let mut before = ours.genesis();
    for height in 1..=BLOCKS {
        let valid = subject.valid(&ours, &before);
        let offered: Vec<_> = valid.iter().collect();
        // No transaction, the first ones, and each later one alone.
        let blocks: Vec<_> = (0..=offered.len())
            .map(|end| &offered[..end])
            .chain((1..offered.len()).map(|start| &offered[start..=start]))
            .collect();
        let first = outcomes(&ours, &before, &blocks);
        assert!(first[0].0 != first[offered.len()].0, "the subject's transactions change the state");

        let another = subject.environment(CHAIN_ID, id(0), secret(0));
        for again in [outcomes(&ours, &before, &blocks), outcomes(&another, &before, &blocks)] {
            for ((state, commitment), (same_state, same_commitment)) in first.iter().zip(&again) {
                assert!(state == same_state, "one block at height {height} leads to two states");
                assert_eq!(
                    commitment, same_commitment,
                    "a state at height {height} was reached twice and has two commitments"
                );
            }
        }
        for (position, (state, commitment)) in first.iter().enumerate() {
            assert_eq!(
                ours.commitment(state),
                *commitment,
                "the commitment of a state at height {height} has changed"
            );
            for (other, its) in &first[..position] {
                if state == other {
                    assert_eq!(commitment, its, "one state at height {height} has two commitments");
                } else {
                    assert_ne!(commitment, its, "two states at height {height} have one commitment");
                }
            }
        }
        before = first[offered.len()].0.clone();
    }
}
