//! Moves one's own states forward with superblocks that others made.
//!
//! ```text
//! bundles --verify, each alone--> those that continue the latest state, in order --follow--> the states after them
//! ```
//!
//! Each bundle is verified as `verify` does, and no proof is made. A bundle that is refused, that comes too early, or that
//! the chain has already, stops none of those that do not need it.
//!
//! A bundle can have 16 MiB, and ten thousand can be followed at a time. Only their statements stay in memory: a bundle that
//! is applied is read once more when its turn comes, and must then have the same statement.

use std::path::{Path, PathBuf};

use batcher_circuits::{
    follow::{FollowError, follow},
    state::SuperblockState,
};
use batcher_verify::{
    keys::PinnedKeys,
    trust::Trust,
    verify::{MAX_FILES, Opened, VerifyError, open},
};
use circuits_core::Digest;
use circuits_files::file::FileError;
use circuits_protocol::{
    l1::{L1Outcome, QueuePosition},
    statement::SuperblockStatement,
};
use plonky2::field::types::PrimeField64;
use thiserror::Error;

use crate::{
    anchor::{self, Untrusted},
    queue::{Queue, QueueError},
    state::{self, InvalidState},
    states::{States, StatesError},
};

/// Applies superblocks to states.
pub struct Follower<'a> {
    /// The keys that proofs verify under, beside the older ones of `trust`.
    pub keys: &'a PinnedKeys,
    /// Nothing is applied that this refuses.
    pub trust: Option<&'a Trust>,
    /// L1's queue: a superblock that consumes other deposits is not applied.
    pub queue: Option<&'a Queue>,
}

/// What became of the bundles, and where the chain is.
#[derive(Debug)]
pub struct Followed {
    /// What became of each bundle: first the valid ones, by number, then the others.
    pub superblocks: Vec<Considered>,
    /// The number of the latest state.
    pub number: u32,
    /// The latest state.
    pub state: Digest,
    /// Whether deployment, start state, registries and keys are those of a trust file.
    pub anchored: bool,
    /// Whether the deposits consumed are known to be L1's: compared with its queue, or with the digest in a trust file.
    pub deposits_checked: bool,
    /// Why some states that are too old to be kept are not removed.
    pub unremoved: Vec<FileError>,
}

/// A bundle and what became of it.
#[derive(Debug)]
pub struct Considered {
    pub path: PathBuf,
    /// The superblock's number, if the bundle is valid.
    pub number: Option<u64>,
    pub decision: Decision,
}

/// What becomes of a bundle.
#[derive(Debug)]
pub enum Decision {
    /// The chain goes on with it; this is the state that it leads to.
    Applied(Digest),
    /// The chain has this superblock already.
    Known,
    /// This file has the same superblock.
    Copy(PathBuf),
    /// The superblock with this number, which comes before, is missing.
    Early { missing: u64 },
    /// It is not applied.
    Refused(Refusal),
}

/// Why a bundle is not applied.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The bundle is invalid, or not what the trust file or L1's queue says.
    #[error(transparent)]
    Invalid(#[from] VerifyError),
    /// The superblock is of another chain.
    #[error("superblock {number}: its {field} state is {found}, the chain has {expected}")]
    OtherChain {
        number: u64,
        /// `previous` or `new`.
        field: &'static str,
        expected: Digest,
        found: Digest,
    },
    /// Two valid superblocks continue one state, and L1 has accepted one of them at most.
    #[error("{other} continues the same state with another superblock {number}; give only the one that L1 accepted", other = .other.display())]
    Rival { number: u64, other: PathBuf },
    /// The file was replaced after it was verified.
    #[error("{path}: it had another superblock when it was verified; give it again once nobody writes it", path = .path.display())]
    Replaced { path: PathBuf },
    /// What the bundle publishes does not lead on from the state.
    #[error("superblock {number}: {source}")]
    Follow { number: u64, source: FollowError },
    /// The state that it leads to breaks a rule of every state. Only a kernel that is not ours does that: the registry's
    /// environment 0 then says of itself something else than it tells L1.
    #[error("superblock {number} leads to an impossible state: {source}")]
    State { number: u64, source: InvalidState },
}

impl Refusal {
    /// Whether a proof or a statement is wrong, rather than a file unreadable.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        match self {
            Self::Invalid(error) => error.is_invalid(),
            Self::OtherChain { .. } | Self::Rival { .. } | Self::Follow { .. } | Self::State { .. } => true,
            Self::Replaced { .. } => false,
        }
    }
}

/// Why no bundle is considered, or why the states do not move.
#[derive(Debug, Error)]
pub enum FollowerError {
    /// There is nothing to follow, or too much.
    #[error(transparent)]
    Files(#[from] VerifyError),
    /// The state is not one that the trust file's start leads to.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The state has taken other deposits than L1's queue has, so L1 accepts nothing that continues it.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A state cannot be read or written. Those before it are there, and the next call lists their superblocks as known.
    #[error(transparent)]
    State(#[from] StatesError),
}

/// A superblock that is valid on its own, without what it publishes.
struct Candidate {
    opened: Opened,
}

impl Candidate {
    fn number(&self) -> u64 {
        self.opened.statement().number.to_canonical_u64()
    }

    fn path(&self) -> PathBuf {
        self.opened.path().to_owned()
    }

    /// Whether it continues the state that superblock `number` led to.
    fn continues(&self, number: u64, state: Digest) -> bool {
        self.number() == number + 1 && self.opened.statement().previous_state == state
    }

    fn decided(self, decision: Decision) -> Considered {
        Considered { path: self.path(), number: Some(self.number()), decision }
    }
}

impl Follower<'_> {
    /// Verifies the superblocks in `paths`, in any order, and applies those that continue the latest of `states`.
    ///
    /// # Errors
    /// [`FollowerError`]. A bundle that is refused is not an error: the outcome lists it.
    pub fn run(&self, paths: Vec<PathBuf>, states: &mut States) -> Result<Followed, FollowerError> {
        let followed = self.run_unchecked(paths, states);
        // An outcome may rest on what was taken for absent, and so may an error.
        states.check_reads()?;
        followed
    }

    fn run_unchecked(&self, paths: Vec<PathBuf>, states: &mut States) -> Result<Followed, FollowerError> {
        match paths.len() {
            0 => return Err(VerifyError::Empty.into()),
            found if found > MAX_FILES => return Err(VerifyError::TooMany { found }.into()),
            _ => {}
        }
        if let Some(trust) = self.trust {
            anchor::check_state(trust, states.latest())?;
        }
        if let Some(queue) = self.queue {
            queue.pending(states.latest().l1.queue)?;
        }
        let (mut candidates, mut invalid) = (vec![], vec![]);
        for path in paths {
            match self.open(&path) {
                Ok(candidate) => candidates.push(candidate),
                Err(error) => {
                    let decision = Decision::Refused(error.into());
                    invalid.push(Considered { path, number: None, decision });
                }
            }
        }
        let copies = set_copies_aside(&mut candidates);
        let mut superblocks = vec![];
        let chain = self.chain(states.latest(), &mut candidates, &mut superblocks);
        let mut unremoved = vec![];
        let mut links = chain.into_iter();
        for candidate in links.by_ref() {
            let next = self.next_state(states.latest(), &candidate);
            let next = match next {
                Ok(state) => check_state(states, state)?,
                Err(refusal) => Err(refusal),
            };
            match next {
                Ok(state) => {
                    unremoved = states.advance(state)?;
                    let reached = candidate.opened.statement().new_state;
                    superblocks.push(candidate.decided(Decision::Applied(reached)));
                }
                Err(refusal) => {
                    superblocks.push(candidate.decided(Decision::Refused(refusal)));
                    break;
                }
            }
        }
        let latest = states.latest();
        superblocks.extend(candidates.into_iter().chain(links).map(|one| left_over(one, latest)));
        superblocks.extend(copies);
        superblocks.sort_by_key(|one| one.number);
        superblocks.extend(invalid);
        Ok(Followed {
            superblocks,
            number: latest.number,
            state: latest.commitment(),
            anchored: self.trust.is_some(),
            deposits_checked: self.knows_deposits(latest.l1.queue),
            unremoved,
        })
    }

    /// Reads and verifies a bundle on its own.
    fn open(&self, path: &Path) -> Result<Candidate, VerifyError> {
        let (opened, _) = open(path.to_owned(), self.trust, self.keys)?;
        self.trust.map_or(Ok(()), |trust| opened.check_trusted(trust))?;
        Ok(Candidate { opened })
    }

    /// Reads the bundle of a candidate again. Returns the state after it.
    fn next_state(&self, state: &SuperblockState, candidate: &Candidate) -> Result<SuperblockState, Refusal> {
        let (opened, bundle) = open(candidate.path(), self.trust, self.keys)?;
        check_same(opened.path(), candidate.opened.statement(), opened.statement())?;
        follow(state, &bundle).map_err(|source| Refusal::Follow { number: candidate.number(), source })
    }

    /// Takes those candidates that continue `state` one after the other, as far as their deposits are L1's. What cannot be
    /// among them is decided.
    fn chain(
        &self,
        state: &SuperblockState,
        candidates: &mut Vec<Candidate>,
        decided: &mut Vec<Considered>,
    ) -> Vec<Candidate> {
        let mut chain: Vec<Candidate> = vec![];
        let (mut number, mut reached) = (u64::from(state.number), state.commitment());
        loop {
            let is_next = |one: &mut Candidate| one.continues(number, reached);
            // L1 accepts no superblock with other deposits than its own: that is no rival of one that it accepts.
            let (mut next, mut others) = (vec![], vec![]);
            for one in candidates.extract_if(.., is_next) {
                match self.check_deposits(&one) {
                    Ok(()) => next.push(one),
                    Err(error) => others.push(one.decided(Decision::Refused(error.into()))),
                }
            }
            decided.extend(others);
            if next.len() != 1 {
                decided.extend(rivals(next));
                break;
            }
            chain.append(&mut next);
            if let Some(last) = chain.last() {
                (number, reached) = (last.number(), last.opened.statement().new_state);
            }
        }
        // What the last block of environment 0 has taken begins with what those before it have. Superblocks after that block
        // take nothing: they stand or fall with it.
        while let Some(last) = chain.iter().rposition(|one| one.opened.l1().is_some()) {
            let error = match self.trust.map_or(Ok(()), |trust| chain[last].opened.check_queue(trust)) {
                Ok(()) => break,
                Err(error) => error,
            };
            let mut after = chain.split_off(last).into_iter();
            let refused = after.next().map(|one| one.decided(Decision::Refused(error.into())));
            decided.extend(refused);
            candidates.extend(after);
        }
        chain
    }

    /// L1 accepts no superblock that takes other deposits than its own: that is no rival of one that it accepts.
    fn check_deposits(&self, one: &Candidate) -> Result<(), VerifyError> {
        let (Some(queue), Some(L1Outcome { queue: found, .. })) = (self.queue, one.opened.l1()) else {
            return Ok(());
        };
        match queue.pending(*found) {
            Ok(_) => Ok(()),
            Err(_) => Err(VerifyError::Deposits { number: one.number(), found: *found }),
        }
    }

    /// Whether the deposits taken are L1's for sure.
    fn knows_deposits(&self, taken: QueuePosition) -> bool {
        self.trust.is_some_and(|trust| trust.l1_queue == Some(taken))
            || self.queue.is_some_and(|queue| queue.pending(taken).is_ok())
    }
}

/// Checks that the state can be written. What it is refused for is the superblock's own fault, or else an error.
fn check_state(
    states: &States,
    state: SuperblockState,
) -> Result<Result<SuperblockState, Refusal>, StatesError> {
    let Err(error) = states.check(&state) else { return Ok(Ok(state)) };
    match state::check(&state) {
        Err(source) => Ok(Err(Refusal::State { number: state.number.into(), source })),
        Ok(()) => Err(error),
    }
}

/// Checks that the file has the superblock that was verified before.
fn check_same(
    path: &Path,
    verified: &SuperblockStatement,
    found: &SuperblockStatement,
) -> Result<(), Refusal> {
    if found == verified { Ok(()) } else { Err(Refusal::Replaced { path: path.to_owned() }) }
}

/// Takes further files with the superblock of another one from the candidates.
fn set_copies_aside(candidates: &mut Vec<Candidate>) -> Vec<Considered> {
    let mut first: Vec<Candidate> = vec![];
    let mut copies = vec![];
    for candidate in candidates.drain(..) {
        let same = |one: &&Candidate| one.opened.statement() == candidate.opened.statement();
        match first.iter().find(same).map(Candidate::path) {
            Some(path) => copies.push(candidate.decided(Decision::Copy(path))),
            None => first.push(candidate),
        }
    }
    *candidates = first;
    copies
}

/// Refuses superblocks that continue one state in different ways.
fn rivals(candidates: Vec<Candidate>) -> Vec<Considered> {
    let paths: Vec<_> = candidates.iter().map(Candidate::path).collect();
    let refused = candidates.into_iter().enumerate().map(|(index, one)| {
        let (number, other) = (one.number(), paths[(index + 1) % paths.len()].clone());
        one.decided(Decision::Refused(Refusal::Rival { number, other }))
    });
    refused.collect()
}

/// What becomes of a superblock that does not continue the `latest` state.
fn left_over(candidate: Candidate, latest: &SuperblockState) -> Considered {
    let (number, statement) = (candidate.number(), candidate.opened.statement());
    let reached = latest.commitment();
    let past = |number: u64| latest.history.get(number).unwrap_or(reached);
    let missing = u64::from(latest.number) + 1;
    let other =
        |field, expected, found| Decision::Refused(Refusal::OtherChain { number, field, expected, found });
    let decision = if number > missing {
        Decision::Early { missing }
    } else if number == missing {
        other("previous", reached, statement.previous_state)
    } else if past(number) == statement.new_state {
        Decision::Known
    } else {
        other("new", past(number), statement.new_state)
    };
    candidate.decided(decision)
}

#[cfg(test)]
mod tests {
    use circuits_core::{F, layout::Layout};
    use plonky2::field::types::Field;

    use super::*;

    #[test]
    fn a_state_in_which_environment_0_is_not_what_l1_was_told_refuses_its_superblock_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let states = States::open(directory.path(), Some(1)).expect("no state yet");
        let mut state = SuperblockState::genesis(1);
        assert!(matches!(check_state(&states, state.clone()), Ok(Ok(same)) if same == state));
        state.l1.payouts = 1;
        let refusal =
            check_state(&states, state).expect("it could be written").expect_err("it is impossible");
        assert!(
            matches!(refusal, Refusal::State { number: 0, source: InvalidState::L1 { .. } }),
            "{refusal}"
        );
        assert!(refusal.is_invalid());
    }

    #[test]
    fn a_file_that_is_replaced_after_it_was_verified_is_refused_whatever_differs() {
        const LEN: usize = <SuperblockStatement as Layout<F>>::LEN;
        let decoded = |elements: &[F]| SuperblockStatement::decode(elements).expect("as many elements");
        let (path, verified) = (Path::new("one.superblock"), decoded(&[F::ZERO; LEN]));
        assert!(check_same(path, &verified, &verified).is_ok());
        for element in 0..LEN {
            let mut elements = [F::ZERO; LEN];
            elements[element] = F::ONE;
            let refusal = check_same(path, &verified, &decoded(&elements)).expect_err("another superblock");
            assert!(
                !refusal.is_invalid() && refusal.to_string().starts_with("one.superblock: "),
                "{refusal}"
            );
        }
    }
}
