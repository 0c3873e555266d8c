//! What a trust file would refuse of the next superblock, known before it is made.

use batcher_circuits::state::SuperblockState;
use batcher_verify::trust::Trust;
use circuits_core::{Digest, stored::ReadFailure};
use thiserror::Error;

/// Why a verifier with the trust file would refuse the next superblock.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Untrusted {
    /// The state is of another deployment.
    #[error("the state's chain id is {found}, the trust file has {expected}")]
    ChainId { expected: u64, found: u64 },
    /// The chain ends before the superblock that the trust file starts from.
    #[error(
        "the state is the one after superblock {found}, the trust file starts after superblock {expected}"
    )]
    NotReached { expected: u32, found: u32 },
    /// The chain does not contain the state that the trust file starts from.
    #[error("the state after superblock {number} is {found}, the trust file starts from {expected}")]
    Start { number: u32, expected: Digest, found: Digest },
    /// L1 fixes another registry for the next superblock, or none.
    #[error("superblock {number} would have the registry root {found}, the trust file has {}", root(.expected))]
    Registry { number: u32, expected: Option<Digest>, found: Digest },
    /// L1 does not accept the circuit that would prove the superblock.
    #[error("the superblock would have the key {found}, which the trust file does not list")]
    Key { found: Digest },
    /// A state before this one cannot be read.
    #[error("the states before this one cannot be read: {0}")]
    Unreadable(#[from] ReadFailure),
}

fn root(expected: &Option<Digest>) -> String {
    expected.map_or_else(|| "none for it".to_owned(), |root| root.to_string())
}

/// Checks that `state` is of the trust file's deployment, and that the file's start state leads to it.
///
/// # Errors
/// [`Untrusted::ChainId`], [`Untrusted::NotReached`], [`Untrusted::Start`] or [`Untrusted::Unreadable`].
pub fn check_state(trust: &Trust, state: &SuperblockState) -> Result<(), Untrusted> {
    if state.chain_id != trust.chain_id {
        return Err(Untrusted::ChainId { expected: trust.chain_id, found: state.chain_id });
    }
    let start = trust.start;
    let past = state.history.get(start.number.into());
    state.check_reads()?;
    let reached = match past {
        Some(past) => past,
        None if start.number == state.number => state.commitment(),
        None => return Err(Untrusted::NotReached { expected: start.number, found: state.number }),
    };
    if reached != start.state {
        return Err(Untrusted::Start { number: start.number, expected: start.state, found: reached });
    }
    Ok(())
}

/// Checks the superblock after `state` with the registry of this root: its deployment, its chain and its registry. What
/// the trust file says of deposits is about the last superblock that is verified, which need not be the next one.
///
/// # Errors
/// [`Untrusted`], one variant per rule.
pub fn check(trust: &Trust, state: &SuperblockState, registry_root: Digest) -> Result<(), Untrusted> {
    check_state(trust, state)?;
    let number = state.number.saturating_add(1);
    let expected = trust.registry_root(number);
    if expected != Some(registry_root) {
        return Err(Untrusted::Registry { number, expected, found: registry_root });
    }
    Ok(())
}

/// Checks the key that the proof of superblock `number` will verify under.
///
/// # Errors
/// [`Untrusted::Key`]
pub fn check_key(trust: &Trust, key: Digest, number: u32) -> Result<(), Untrusted> {
    let is_older = trust.older_key(key).is_some_and(|older| number <= older.valid_until);
    if is_older || trust.keys.contains(&key) { Ok(()) } else { Err(Untrusted::Key { found: key }) }
}

#[cfg(test)]
mod tests {
    use batcher_circuits::testing::digest;
    use batcher_verify::{
        circuit::SuperblockCircuit,
        keys::PinnedKeys,
        older_key::OlderKey,
        trust::{Checkpoint, RegistryFrom},
    };
    use circuits_protocol::l1::QueuePosition;

    use super::*;

    const NUMBER: u32 = 3;

    fn state() -> SuperblockState {
        let history = vec![digest(9), digest(1), digest(2)].try_into().expect("not zero");
        SuperblockState { number: NUMBER, history, ..SuperblockState::genesis(5) }
    }

    fn trust() -> Trust {
        Trust {
            chain_id: 5,
            keys: vec![digest(8)],
            start: Checkpoint { number: 1, state: digest(1) },
            l1_queue: Some(QueuePosition { length: 9, ..QueuePosition::default() }),
            registry: vec![
                RegistryFrom { from: 2, root: digest(6) },
                RegistryFrom { from: 4, root: digest(7) },
                RegistryFrom { from: 5, root: digest(6) },
            ],
            older_keys: vec![],
        }
    }

    #[test]
    fn a_chain_may_start_at_any_of_its_states() {
        let latest = Checkpoint { number: NUMBER, state: state().commitment() };
        for start in [Checkpoint { number: 0, state: digest(9) }, trust().start, latest] {
            assert_eq!(check(&Trust { start, ..trust() }, &state(), digest(7)), Ok(()));
        }
        assert_eq!(check_key(&trust(), digest(8), NUMBER), Ok(()));
    }

    #[test]
    fn an_older_key_holds_up_to_its_last_superblock() {
        let circuit = SuperblockCircuit::Blocks(1);
        let key = PinnedKeys::embedded().superblock(circuit).expect("embedded");
        let older = OlderKey::new(circuit, key, NUMBER);
        let found = older.digest;
        let trust = Trust { older_keys: vec![older], ..trust() };
        assert_eq!(check_key(&trust, found, NUMBER), Ok(()));
        assert_eq!(check_key(&trust, found, NUMBER + 1), Err(Untrusted::Key { found }));
    }

    #[test]
    fn what_a_verifier_would_refuse_is_refused() {
        let latest = state().commitment();
        let start = |number, state| Trust { start: Checkpoint { number, state }, ..trust() };
        let registry = |registry| Trust { registry, ..trust() };
        let (expected, found) = (digest(2), digest(1));
        let cases = [
            (Trust { chain_id: 6, ..trust() }, Untrusted::ChainId { expected: 6, found: 5 }),
            (start(1, digest(2)), Untrusted::Start { number: 1, expected, found }),
            (start(NUMBER, digest(2)), Untrusted::Start { number: NUMBER, expected, found: latest }),
            (start(4, latest), Untrusted::NotReached { expected: 4, found: NUMBER }),
            (
                registry(vec![RegistryFrom { from: 1, root: digest(6) }]),
                Untrusted::Registry { number: 4, expected: Some(digest(6)), found: digest(7) },
            ),
            (
                registry(vec![RegistryFrom { from: 5, root: digest(7) }]),
                Untrusted::Registry { number: 4, expected: None, found: digest(7) },
            ),
        ];
        for (trust, expected) in cases {
            assert_eq!(check(&trust, &state(), digest(7)), Err(expected));
        }
        assert_eq!(check_key(&trust(), digest(7), NUMBER), Err(Untrusted::Key { found: digest(7) }));
    }
}
