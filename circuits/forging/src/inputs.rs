//! Part (f): assigned inputs replaced, everything that follows from them computed again.
//!
//! The circuit accepts many of these changes, as it should: another input has another statement. What matters is which
//! fields of the statement follow an input, over all honest inputs; see [`Kind`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use circuits_core::layout::ElementName;
use circuits_prover::basetypes::F;
use plonky2::field::types::Field;
use rayon::prelude::*;

use super::{
    gates::GateFacts,
    model::{Model, mix, value},
    names::Group,
    overwrite::{Census, dishonest_values},
    replay::{Replay, Verdict},
    report::{Hole, Kind},
    run::{INPUT, Run},
};

/// Classes tried of one array; of a longer one, a sample is.
const MAX_MEMBERS: usize = 6;
/// Classes tried of all proofs and keys together, which plonky2 assigns.
const MAX_PROOFS: usize = 16;

/// Fields of a kernel's statement.
const PREVIOUS_STATE: &str = "previous_state";
const NEW_STATE: &str = "new_state";
const BODY: &str = "body";
const MESSAGES: [&str; 2] = ["outbox", "inbox"];

/// What part (f) did.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) tried: usize,
    pub(super) loose: BTreeSet<usize>,
    pub(super) holes: Vec<Hole>,
}

/// A value that the circuit accepts in place of an input's.
struct Accepted<'s> {
    value: F,
    /// Public inputs that change with it.
    positions: Vec<usize>,
    /// The fields that these are in.
    fields: BTreeSet<&'s str>,
}

/// What the circuit makes of the values tried in place of an input's.
#[derive(Default)]
struct Trial<'s> {
    accepted: Vec<Accepted<'s>>,
    /// Values that are not accepted and that a generator fails on, and how.
    failed: Vec<(F, String)>,
}

/// The trials of each class, with one honest input.
type Trials<'s> = BTreeMap<usize, Trial<'s>>;

/// What inputs have in common that are judged together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'g> {
    Named(&'g Group),
    /// A class without a name.
    Alone(usize),
    /// Parts of proofs and keys, which the recursive verifier reads.
    Proofs,
}

impl Trial<'_> {
    /// Whether constraints refuse every value, and no generator is to blame.
    fn is_refused(&self) -> bool {
        self.accepted.is_empty() && self.failed.is_empty()
    }
}

/// The inputs to replace, by what they are.
type Groups<'g> = BTreeMap<Key<'g>, Vec<usize>>;

/// A change that the circuit accepts.
#[derive(Clone, Copy)]
struct Change<'t> {
    input: usize,
    class: usize,
    accepted: &'t Accepted<'t>,
}

/// The circuit whose inputs are replaced.
pub(super) struct Subject<'m, 'c> {
    pub(super) model: &'m Model<'c>,
    pub(super) census: &'m Census,
    /// Of the public inputs.
    pub(super) statement: &'m [ElementName],
    pub(super) gate_facts: &'m [Arc<GateFacts>],
    pub(super) seed: u64,
}

impl Subject<'_, '_> {
    /// Replaces inputs in each of `runs`, one at a time.
    pub(super) fn replace(&self, runs: &[&Run<'_>]) -> Inputs {
        let all = self.groups(runs);
        let groups = self.sample(all.clone());
        let stated =
            (0..self.census.classes.num_targets()).filter(|&class| self.census.is_public_input(class));
        let classes: BTreeSet<usize> = groups.values().flatten().copied().chain(stated).collect();
        let trials: Vec<Trials<'_>> = runs.iter().map(|run| self.attempt(run, &classes)).collect();

        let mut found = Inputs { tried: trials.iter().map(BTreeMap::len).sum(), ..Inputs::default() };
        for (&class, trial) in trials.iter().flatten() {
            let index = self.census.public_input(class);
            found.loose.extend(
                index.filter(|index| trial.accepted.iter().any(|change| change.positions == [*index])),
            );
        }
        for members in groups.values() {
            found.holes.extend(self.judge(members, runs, &trials));
        }
        found.holes.extend(self.together(&all, runs, &trials));
        found
    }

    /// All inputs, by what they are, in the order of their assignment.
    fn groups(&self, runs: &[&Run<'_>]) -> Groups<'_> {
        let is_input = |class: usize| {
            runs.iter().any(|run| run.set_at[class] == INPUT) && !self.census.unconnected.contains(&class)
        };
        let mut groups: Groups<'_> = BTreeMap::new();
        let mut named = BTreeSet::new();
        for (class, group) in &self.census.names.assigned {
            named.insert(*class);
            if is_input(*class) {
                groups.entry(Key::Named(group)).or_default().push(*class);
            }
        }
        let unnamed = (0..self.census.classes.num_targets())
            .filter(|&class| !self.census.classes.members(class).is_empty() && !named.contains(&class))
            .filter(|&class| is_input(class));
        for class in unnamed {
            let is_read = self.census.is_read_by_verifier(self.model, class);
            groups.entry(if is_read { Key::Proofs } else { Key::Alone(class) }).or_default().push(class);
        }
        groups
    }

    /// The inputs to replace: of a large group a sample.
    fn sample<'g>(&self, mut groups: Groups<'g>) -> Groups<'g> {
        for (key, members) in &mut groups {
            members.sort_unstable_by_key(|&class| mix(self.seed, class as u64));
            members.truncate(if *key == Key::Proofs { MAX_PROOFS } else { MAX_MEMBERS });
        }
        groups
    }

    fn attempt(&self, run: &Run<'_>, classes: &BTreeSet<usize>) -> Trials<'_> {
        let inputs: Vec<_> = classes.iter().copied().filter(|&class| run.set_at[class] == INPUT).collect();
        inputs
            .into_par_iter()
            .map_init(
                || Replay::new(self.model, self.census, run, self.gate_facts),
                |replay, class| {
                    let values = dishonest_values(value(&run.witness, class), mix(self.seed, class as u64));
                    let mut trial = Trial::default();
                    for value in values {
                        match replay.attempt(&[(class, value)]) {
                            Verdict::Accepted(positions) => {
                                let fields =
                                    positions.iter().map(|&index| self.statement[index].path.as_str());
                                let fields = fields.collect();
                                trial.accepted.push(Accepted { value, fields, positions });
                            }
                            Verdict::Refused => {}
                            Verdict::Failed(reason) => trial.failed.push((value, reason)),
                        }
                    }
                    (class, trial)
                },
            )
            .collect()
    }

    /// What the inputs of one group show over all runs.
    fn judge(&self, members: &[usize], runs: &[&Run<'_>], trials: &[Trials<'_>]) -> Vec<Hole> {
        let tried = || {
            trials.iter().enumerate().flat_map(|(input, trials)| {
                members.iter().filter_map(move |&class| Some((input, class, trials.get(&class)?)))
            })
        };
        let changes: Vec<_> = tried()
            .flat_map(|(input, class, trial)| {
                trial.accepted.iter().map(move |accepted| Change { input, class, accepted })
            })
            .collect();
        // With some honest input nothing else is accepted, so the circuit compares it with something.
        let is_bound = tried().any(|(_, _, trial)| trial.is_refused());
        let fields: BTreeSet<&str> =
            changes.iter().flat_map(|change| change.accepted.fields.iter().copied()).collect();

        let mut holes = vec![];
        if !is_bound && changes.is_empty() {
            let mut failures = tried().flat_map(|(input, class, trial)| {
                trial.failed.iter().map(move |(value, reason)| (input, class, *value, reason.clone()))
            });
            holes.extend(failures.next().map(|(input, class, value, reason)| Hole::Untested {
                input,
                class: self.census.describe(self.model, Some(runs[input]), class),
                value,
                reason,
            }));
            return holes;
        }
        let mut add = |kind, change: Option<&Change<'_>>| {
            holes.extend(change.map(|change| self.hole(kind, runs, change)));
        };
        if !is_bound && fields.is_empty() {
            add(Kind::Unstated, changes.first());
        } else if !is_bound && fields.iter().all(|field| MESSAGES.contains(field)) {
            add(Kind::MessagesOnly, changes.iter().find(|change| !change.accepted.fields.is_empty()));
        }
        let states = [PREVIOUS_STATE, NEW_STATE, BODY];
        if states.iter().all(|field| self.statement.iter().any(|element| element.path == *field)) {
            let is_hidden = |change: &&Change<'_>| {
                states.map(|field| change.accepted.fields.contains(field)) == [false, true, false]
            };
            add(Kind::Unfollowable, changes.iter().find(is_hidden));
        }
        let is_wide = |change: &&Change<'_>| {
            let Change { class, accepted: Accepted { value, fields, .. }, .. } = change;
            let is_integer = self.census.names.get(*class).is_some_and(|name| !name.in_digest)
                && self
                    .census
                    .rows(self.model, *class)
                    .into_iter()
                    .any(|row| !self.model.gate_id(row).starts_with("Poseidon"));
            let is_stated = self.census.is_public_input(*class) || fields.contains(PREVIOUS_STATE);
            is_integer && !is_stated && *value == F::NEG_ONE && !fields.is_empty()
        };
        add(Kind::Unranged, changes.iter().find(is_wide));
        holes
    }

    fn hole(&self, kind: Kind, runs: &[&Run<'_>], change: &Change<'_>) -> Hole {
        let Change { input, class, accepted } = *change;
        Hole::Input {
            kind,
            input,
            class: self.census.describe(self.model, Some(runs[input]), class),
            value: accepted.value,
            changes: accepted.fields.iter().map(|&field| field.to_owned()).collect(),
            with: None,
        }
    }

    /// Flags of which no honest input sets two, and which the circuit lets be set together. What has no effect without the
    /// flag is set as in an honest input that sets it. Flags of two arrays are paired by their positions, or, if one array
    /// is longer, each with its nearest: slots are assigned one after the other.
    fn together(&self, groups: &Groups<'_>, runs: &[&Run<'_>], trials: &[Trials<'_>]) -> Vec<Hole> {
        let flags: Vec<&Vec<usize>> = groups
            .iter()
            .filter(|(key, members)| matches!(key, Key::Named(_)) && is_flag(members, runs, trials))
            .map(|(_, members)| members)
            .collect();
        let order: BTreeMap<usize, usize> = self
            .census
            .names
            .assigned
            .iter()
            .enumerate()
            .map(|(order, (class, _))| (*class, order))
            .collect();
        let nearest = |class: usize, flags: &[usize]| {
            flags.iter().copied().min_by_key(|other| order[&class].abs_diff(order[other]))
        };

        let mut holes = vec![];
        for (first, ours) in flags.iter().enumerate() {
            for theirs in &flags[first + 1..] {
                let pairs: Vec<_> = if ours.len() == theirs.len() {
                    ours.iter().copied().zip(theirs.iter().copied()).collect()
                } else {
                    ours.iter().filter_map(|&class| Some((class, nearest(class, theirs)?))).collect()
                };
                let both = |&(a, b): &(usize, usize)| runs.iter().any(|run| is_set(run, a) && is_set(run, b));
                if !pairs.iter().any(both) {
                    let is_set_in_some = |class: usize| runs.iter().any(|run| is_set(run, class));
                    let ways = pairs.iter().filter(|(a, b)| is_set_in_some(*a) && is_set_in_some(*b));
                    let mut ways = ways.take(MAX_MEMBERS).flat_map(|&(a, b)| [(a, b), (b, a)]);
                    holes.extend(
                        ways.find_map(|(class, other)| self.set_both(class, other, groups, runs, trials)),
                    );
                }
            }
        }
        holes
    }

    /// Sets `class` with each honest input that sets `other`.
    fn set_both(
        &self,
        class: usize,
        other: usize,
        groups: &Groups<'_>,
        runs: &[&Run<'_>],
        trials: &[Trials<'_>],
    ) -> Option<Hole> {
        runs.iter().enumerate().filter(|(_, run)| is_set(run, other)).find_map(|(input, run)| {
            let mut idle = self.idle(groups, run, &trials[input]);
            idle.retain(|&idle| idle != other);
            let mut replay = Replay::new(self.model, self.census, run, self.gate_facts);
            let positions = runs.iter().filter(|from| is_set(from, class)).find_map(|from| {
                let borrowed = idle.iter().map(|&idle| (idle, value(&from.witness, idle)));
                let values: Vec<_> = borrowed.chain([(class, F::ONE)]).collect();
                replay.attempt(&values).accepted().filter(|positions| !positions.is_empty())
            })?;
            let fields = positions.iter().map(|&index| self.statement[index].path.as_str()).collect();
            let accepted = Accepted { value: F::ONE, positions, fields };
            let hole = self.hole(Kind::Together, runs, &Change { input, class, accepted: &accepted });
            Some(hole.with(self.census.names.get(other).cloned()))
        })
    }

    /// The inputs that can be changed in this run without effect.
    fn idle(&self, groups: &Groups<'_>, run: &Run<'_>, trials: &Trials<'_>) -> Vec<usize> {
        let is_idle = |class: &usize| {
            trials.get(class).is_none_or(|Trial { accepted, .. }| {
                !accepted.is_empty() && accepted.iter().all(|accepted| accepted.positions.is_empty())
            })
        };
        let assigned = self.census.names.assigned.iter();
        assigned
            .filter(|(class, group)| {
                run.set_at[*class] == INPUT
                    && groups.get(&Key::Named(group)).is_some_and(|members| members.iter().all(is_idle))
            })
            .map(|(class, _)| *class)
            .collect()
    }
}

fn is_set(run: &Run<'_>, class: usize) -> bool {
    value(&run.witness, class) == F::ONE
}

/// Whether some honest input sets one of `members`, some does not, and nothing but bits is accepted.
fn is_flag(members: &[usize], runs: &[&Run<'_>], trials: &[Trials<'_>]) -> bool {
    let is_bit = |value: F| value == F::ZERO || value == F::ONE;
    let values = || runs.iter().flat_map(|run| members.iter().map(|&class| value(&run.witness, class)));
    let mut accepted = trials
        .iter()
        .flat_map(|trials| members.iter().filter_map(|class| trials.get(class)))
        .flat_map(|trial| &trial.accepted);
    values().all(is_bit)
        && values().any(|value| value == F::ONE)
        && values().any(|value| value == F::ZERO)
        && accepted.all(|accepted| is_bit(accepted.value))
}
