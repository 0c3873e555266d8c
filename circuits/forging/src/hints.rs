//! Part (c): hints replaced before they propagate, everything that follows from them computed again.

use std::collections::{BTreeMap, BTreeSet};

use circuits_prover::{basetypes::F, panics::contained};
use plonky2::{
    hash::hash_types::HashOut,
    iop::{generator::GeneratedValues, witness::PartitionWitness},
};
use rayon::prelude::*;

use super::{
    model::{Model, mix, value},
    overwrite::{Census, dishonest_values},
    report::Hole,
    run::{INPUT, Run, UNSET},
};

/// Outputs tried of one generator; of a gate with more, a sample is.
const MAX_OUTPUTS: usize = 64;

/// Whether a dishonest hint leads to a witness.
enum Outcome {
    Rejected,
    /// A witness of the same public inputs.
    Harmless,
    /// A witness of other public inputs, at these positions.
    Forged(Vec<usize>),
}

/// What part (c) did.
#[derive(Default)]
pub(super) struct Hints {
    pub(super) tried: usize,
    pub(super) harmless: usize,
    pub(super) holes: Vec<Hole>,
}

/// Replaces the outputs of `generators` in `run`, one at a time.
pub(super) fn replace(
    model: &Model<'_>,
    census: &Census,
    input: usize,
    run: &Run<'_>,
    generators: &[usize],
    seed: u64,
) -> Hints {
    let dependencies = model.dependencies();
    let trials: Vec<(usize, usize)> = generators
        .iter()
        .flat_map(|&generator| {
            let mut outputs: Vec<_> = run.outputs[generator]
                .iter()
                .copied()
                .filter(|&class| run.set_at[class] == run.finished_at[generator])
                .collect();
            outputs.sort_unstable_by_key(|&class| mix(seed, class as u64));
            outputs.dedup();
            outputs.truncate(MAX_OUTPUTS);
            outputs.into_iter().map(move |class| (generator, class))
        })
        .collect();
    trials
        .par_iter()
        .map_init(
            || Replay::new(model, census, run, &dependencies),
            |replay, &(_, class)| {
                let mut found = Hints { tried: 1, ..Hints::default() };
                for value in dishonest_values(value(&run.witness, class), mix(seed, class as u64)) {
                    match replay.attempt(class, value) {
                        Outcome::Rejected => {}
                        Outcome::Harmless => found.harmless = 1,
                        Outcome::Forged(public_inputs) => {
                            let class = census.describe(model, Some(run), class);
                            found.holes.push(Hole::Forged { input, class, value, public_inputs });
                            break;
                        }
                    }
                }
                found
            },
        )
        .reduce(Hints::default, |mut all, mut one| {
            all.tried += one.tried;
            all.harmless += one.harmless;
            all.holes.append(&mut one.holes);
            all
        })
}

/// The public inputs that can change alone, see [`super::Report::loose`].
pub(super) fn loose(model: &Model<'_>, census: &Census, run: &Run<'_>, seed: u64) -> BTreeSet<usize> {
    let dependencies = model.dependencies();
    let mut replay = Replay::new(model, census, run, &dependencies);
    let mut loose = BTreeSet::new();
    for (index, &target) in model.public_inputs.iter().enumerate() {
        let class = model.class(target);
        if run.set_at[class] != INPUT {
            continue;
        }
        let values = dishonest_values(value(&run.witness, class), mix(seed, class as u64));
        let alone = |outcome| matches!(outcome, Outcome::Forged(changed) if changed == [index]);
        if values.into_iter().any(|value| alone(replay.attempt(class, value))) {
            loose.insert(index);
        }
    }
    loose
}

/// A copy of a run in which one value is changed at a time.
struct Replay<'m, 'c> {
    model: &'m Model<'c>,
    census: &'m Census,
    run: &'m Run<'c>,
    dependencies: &'m [Vec<Vec<usize>>],
    witness: PartitionWitness<'c, F>,
    /// Classes changed so far, with their honest values.
    changed: BTreeMap<usize, Option<F>>,
    /// Positions of the generators that must run again.
    queue: BTreeSet<u32>,
}

impl<'m, 'c> Replay<'m, 'c> {
    fn new(
        model: &'m Model<'c>,
        census: &'m Census,
        run: &'m Run<'c>,
        dependencies: &'m [Vec<Vec<usize>>],
    ) -> Self {
        let (changed, queue) = Default::default();
        Self { model, census, run, dependencies, witness: run.witness.clone(), changed, queue }
    }

    fn attempt(&mut self, class: usize, value: F) -> Outcome {
        let at = self.run.set_at[class];
        self.change(class, value);
        let mut touched = vec![class];
        let mut broken = self.is_broken(&touched, at);
        while !broken && let Some(at) = self.queue.pop_first() {
            touched.clear();
            self.rerun(at, &mut touched);
            broken = self.is_broken(&touched, at);
        }
        let outcome = if broken { Outcome::Rejected } else { self.judge() };
        self.queue.clear();
        for (class, honest) in std::mem::take(&mut self.changed) {
            self.witness.values[class] = honest;
        }
        outcome
    }

    fn change(&mut self, class: usize, value: F) {
        let honest = self.witness.values[class].replace(value);
        self.changed.entry(class).or_insert(honest);
        let at = self.run.set_at[class];
        for &watcher in self.model.watches.get(&class).into_iter().flatten() {
            let finished = self.run.finished_at[watcher];
            if finished != UNSET && finished > at {
                self.queue.insert(finished);
            }
        }
    }

    /// Runs a generator again. Where it panics the old values stay; where another one set a class first, that value
    /// stays. The constraints judge.
    fn rerun(&mut self, at: u32, touched: &mut Vec<usize>) {
        let generator = &self.model.generators[self.run.order[at as usize - 1]].0;
        let mut buffer = GeneratedValues::empty();
        if contained(|| generator.run(&self.witness, &mut buffer)) != Ok(true) {
            return;
        }
        for (target, new) in buffer.target_values {
            let class = self.model.class(target);
            if self.run.set_at[class] == at && value(&self.witness, class) != new {
                self.change(class, new);
                touched.push(class);
            }
        }
    }

    /// Whether a constraint on the `touched` classes is violated that no generator after `at` can mend.
    fn is_broken(&self, touched: &[usize], at: u32) -> bool {
        let rows: BTreeSet<usize> =
            touched.iter().flat_map(|&class| self.census.rows(self.model, class)).collect();
        rows.into_iter().any(|row| {
            // The hash of the public inputs is compared at the end.
            if self.model.is_public_input_row(row) {
                return false;
            }
            let constraints = self.model.evaluate(row, &self.witness, None, &self.run.public_inputs_hash);
            let dependencies = &self.dependencies[self.model.gate_index(row)];
            constraints.iter().zip(dependencies).any(|(&constraint, columns)| {
                constraint != plonky2::field::types::Field::ZERO
                    && columns.iter().all(|&column| {
                        let set_at = self.run.set_at[self.model.wire_class(row, column)];
                        set_at == UNSET || set_at == INPUT || set_at <= at
                    })
            })
        })
    }

    fn judge(&self) -> Outcome {
        let before = self.model.public_input_values(&self.run.witness);
        let after = self.model.public_input_values(&self.witness);
        let hash: HashOut<F> = self.model.public_inputs_hash(&self.witness);
        let rows: BTreeSet<usize> =
            self.changed.keys().flat_map(|&class| self.census.rows(self.model, class)).collect();
        if rows.into_iter().any(|row| self.model.violation(row, &self.witness, None, &hash).is_some()) {
            return Outcome::Rejected;
        }
        let differing: Vec<_> = (0..before.len()).filter(|&index| before[index] != after[index]).collect();
        if differing.is_empty() { Outcome::Harmless } else { Outcome::Forged(differing) }
    }
}
