//! Which candidates continue the superblock state, environment by environment.
//!
//! A block leads from one [`Point`] to another. Those that start from one point are *alternatives*: a superblock takes at
//! most one of them, and so the blocks of an environment form a tree, through which a superblock takes one path.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use batcher_circuits::state::SuperblockState;
use circuits_core::Digest;
use circuits_protocol::{
    registry::{EnvironmentId, Registry},
    statement::statement_digest,
};

use super::{candidate::Candidate, left_out::LeftOut};

/// How far an environment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    pub(super) height: u32,
    pub(super) state: Digest,
}

/// The blocks of one environment, and how far they are scheduled. All candidates are given by index.
pub(super) struct Chain {
    /// The candidates by the point that they start from. Alternatives are in the order in which they are tried.
    continuations: BTreeMap<Point, Vec<usize>>,
    /// Where the superblock state left the environment.
    origin: Point,
    /// The block scheduled at each point that was passed.
    scheduled: BTreeMap<Point, usize>,
    /// Where the scheduled blocks lead.
    head: Point,
    /// Why each alternative at the head is not scheduled, as far as it was tried.
    pub(super) obstacles: Vec<Option<LeftOut>>,
}

/// The chains of all environments that have candidates, in the order in which they take turns: by id, one place further on in
/// each superblock. While the same environments have candidates, none is always the first.
///
/// Of alternatives those are tried first that lead furthest: a block that nothing follows does not hide one that a producer
/// went on from. Then the order is that of statement digests, of keys, and of the hashes of files: the order of `candidates`
/// has no influence.
pub(super) fn chains(state: &SuperblockState, registry: &Registry, candidates: &[Candidate]) -> Vec<Chain> {
    let ranked = candidates.iter().zip(reaches(candidates)).map(|(one, reach)| (Reverse(reach), one.rank()));
    let mut ranked: Vec<_> = ranked.zip(0..).collect();
    ranked.sort_unstable();
    let mut by_environment: BTreeMap<EnvironmentId, BTreeMap<Point, Vec<usize>>> = BTreeMap::new();
    for (_, index) in ranked {
        let candidate = &candidates[index];
        let continuations = by_environment.entry(candidate.environment()).or_default();
        continuations.entry(candidate.start()).or_default().push(index);
    }
    let chain = |(environment, continuations)| {
        let genesis = registry.entry(environment).map_or(Digest::ZERO, |entry| entry.genesis_state);
        let head = state.environments.get(environment);
        let (height, state) = head.map_or((0, genesis), |head| (head.height, head.state));
        Chain::new(Point { height, state }, continuations)
    };
    let number = state.number as usize;
    let mut chains: Vec<_> = by_environment.into_iter().map(chain).collect();
    let first = number.checked_rem(chains.len()).unwrap_or(0);
    chains.rotate_left(first);
    chains
}

/// The height to which each candidate leads, with those that can follow it.
fn reaches(candidates: &[Candidate]) -> Vec<u32> {
    let mut last_first: Vec<_> = (0..candidates.len()).collect();
    last_first.sort_unstable_by_key(|&index| Reverse(candidates[index].header.first_height));
    let mut reaches = vec![0; candidates.len()];
    let mut furthest: BTreeMap<(EnvironmentId, Point), u32> = BTreeMap::new();
    for index in last_first {
        let (environment, end) = (candidates[index].environment(), candidates[index].end());
        reaches[index] = furthest.get(&(environment, end)).copied().unwrap_or(end.height);
        let from = furthest.entry((environment, candidates[index].start())).or_default();
        *from = reaches[index].max(*from);
    }
    reaches
}

impl Chain {
    fn new(origin: Point, continuations: BTreeMap<Point, Vec<usize>>) -> Self {
        let scheduled = BTreeMap::new();
        let mut chain = Self { continuations, origin, scheduled, head: origin, obstacles: vec![] };
        chain.obstacles = vec![None; chain.alternatives().len()];
        chain
    }

    /// The candidates that continue the head, in the order in which they are tried.
    pub(super) fn alternatives(&self) -> &[usize] {
        self.starting_from(self.head)
    }

    fn starting_from(&self, point: Point) -> &[usize] {
        self.continuations.get(&point).map_or(&[], Vec::as_slice)
    }

    /// Schedules the candidate `index`, an alternative at the head that leads to `end`.
    pub(super) fn advance(&mut self, index: usize, end: Point) {
        self.scheduled.insert(self.head, index);
        self.head = end;
        self.obstacles = vec![None; self.alternatives().len()];
    }

    /// The candidates that could still come after the head, those that continue it first. Each has the candidate that it
    /// follows, unless that is scheduled; of several that lead to its start it is the first.
    pub(super) fn ahead(&self, candidates: &[Candidate]) -> Vec<(usize, Option<usize>)> {
        let mut ahead: Vec<_> = self.alternatives().iter().map(|&index| (index, None)).collect();
        let mut reached = BTreeSet::from([self.head]);
        let mut next = 0;
        while let Some(&(index, _)) = ahead.get(next) {
            let end = candidates[index].end();
            if reached.insert(end) {
                ahead.extend(self.starting_from(end).iter().map(|&following| (following, Some(index))));
            }
            next += 1;
        }
        ahead
    }

    /// The candidates that are neither scheduled nor `ahead`, with their reasons.
    pub(super) fn others(
        &self,
        candidates: &[Candidate],
        ahead: &[(usize, Option<usize>)],
    ) -> Vec<(usize, LeftOut)> {
        let known: BTreeSet<_> =
            self.scheduled.values().copied().chain(ahead.iter().map(|&(index, _)| index)).collect();
        // The states that the environment passes or can reach. Of several at one height the first counts.
        let mut reached = BTreeMap::new();
        let passed = self.scheduled.keys().copied().chain([self.head]);
        for point in passed.chain(ahead.iter().map(|&(index, _)| candidates[index].end())) {
            reached.entry(point.height).or_insert(point.state);
        }
        let others = self.continuations.values().flatten().copied().filter(|index| !known.contains(index));
        others.map(|index| (index, self.reason(&candidates[index], candidates, &reached))).collect()
    }

    /// Why `candidate` does not continue the environment, whose states at some heights are `reached`.
    fn reason(
        &self,
        candidate: &Candidate,
        candidates: &[Candidate],
        reached: &BTreeMap<u32, Digest>,
    ) -> LeftOut {
        let (environment, height, start) =
            (candidate.environment(), candidate.header.first_height, candidate.start());
        if let Some(&winner) = self.scheduled.get(&start) {
            let winner = statement_digest(&candidates[winner].statement);
            return LeftOut::Duplicate { environment, height, winner };
        }
        if height <= self.origin.height {
            return LeftOut::AlreadyIncluded { environment, height: self.origin.height };
        }
        if let Some(&reached) = reached.get(&start.height) {
            return LeftOut::OtherState { environment, height, reached, found: start.state };
        }
        if height <= self.head.height {
            return LeftOut::AlreadyIncluded { environment, height: self.head.height };
        }
        let last = reached.range(..height).next_back().map_or(self.head.height, |(&height, _)| height);
        LeftOut::Gap { environment, missing: last.saturating_add(1) }
    }
}
