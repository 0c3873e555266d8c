//! Which candidates continue the superblock state, environment by environment.

use std::collections::BTreeMap;

use batcher_circuits::state::SuperblockState;
use circuits_core::Digest;
use circuits_protocol::{
    registry::{EnvironmentId, Registry},
    statement::statement_digest,
};

use super::{candidate::Candidate, left_out::LeftOut};

/// For each environment, the candidates that continue `state` one after the other; and the others, with their reasons.
/// All candidates are given by index.
///
/// Of several candidates that continue one state, the one with the lowest statement digest wins, then the one with the
/// lowest hash of its file: the order of `candidates` has no influence.
pub(super) fn chains(
    state: &SuperblockState,
    registry: &Registry,
    candidates: &[Candidate],
) -> (Vec<Vec<usize>>, Vec<(usize, LeftOut)>) {
    let mut by_environment: BTreeMap<EnvironmentId, Vec<Ranked>> = BTreeMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        by_environment.entry(candidate.environment()).or_default().push(Ranked {
            first_height: candidate.header.first_height,
            statement: statement_digest(&candidate.statement),
            file: candidate.file,
            index,
        });
    }
    let (mut chains, mut left_out) = (vec![], vec![]);
    for (environment, mut ranked) in by_environment {
        ranked.sort_unstable();
        let mut head = Head::new(state, registry, environment);
        let mut chain = vec![];
        for one in ranked {
            match head.advance(&candidates[one.index], one.statement) {
                Ok(()) => chain.push(one.index),
                Err(reason) => left_out.push((one.index, reason)),
            }
        }
        chains.push(chain);
    }
    (chains, left_out)
}

/// A candidate in the order in which it is tried.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    first_height: u32,
    statement: Digest,
    file: [u8; 32],
    index: usize,
}

/// How far an environment has come after the blocks chosen so far.
struct Head {
    height: u32,
    state: Digest,
    /// First height and statement digest of the last block chosen.
    winner: Option<(u32, Digest)>,
}

impl Head {
    fn new(state: &SuperblockState, registry: &Registry, environment: EnvironmentId) -> Self {
        let genesis = registry.entry(environment).map_or(Digest::ZERO, |entry| entry.genesis_state);
        let head = state.environments.get(&environment);
        let (height, state) = head.map_or((0, genesis), |head| (head.height, head.state));
        Self { height, state, winner: None }
    }

    /// Moves on to the end of `candidate`, if it continues this head.
    fn advance(&mut self, candidate: &Candidate, digest: Digest) -> Result<(), LeftOut> {
        let (statement, header) = (&candidate.statement, candidate.header);
        let (environment, height) = (header.environment, header.first_height);
        match self.winner {
            Some((taken, winner)) if taken == height => {
                return Err(LeftOut::Duplicate { environment, height, winner });
            }
            Some(_) | None => {}
        }
        if height <= self.height {
            return Err(LeftOut::AlreadyIncluded { environment, height: self.height });
        }
        if height - self.height > 1 {
            return Err(LeftOut::Gap { environment, missing: self.height + 1 });
        }
        if statement.previous_state != self.state {
            let (reached, found) = (self.state, statement.previous_state);
            return Err(LeftOut::OtherState { environment, height, reached, found });
        }
        *self =
            Self { height: header.last_height, state: statement.new_state, winner: Some((height, digest)) };
        Ok(())
    }
}
