//! One value of a run changed, and what follows from it computed again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use circuits_prover::{basetypes::F, panics::contained};
use plonky2::{
    hash::hash_types::HashOut,
    iop::{generator::GeneratedValues, witness::PartitionWitness},
};

use super::{
    gates::GateFacts,
    model::{Model, value},
    overwrite::Census,
    run::{INPUT, Run, UNSET},
};

/// What the circuit makes of a change.
pub(super) enum Verdict {
    /// It accepts; the public inputs at these positions change with it.
    Accepted(Vec<usize>),
    /// A constraint is violated.
    Refused,
    /// A constraint is violated, but a generator failed on the change, for the reason given: the values that it left as
    /// they were may be all that is wrong.
    Failed(String),
}

impl Verdict {
    /// The public inputs that change, if the circuit accepts.
    pub(super) fn accepted(self) -> Option<Vec<usize>> {
        match self {
            Self::Accepted(positions) => Some(positions),
            Self::Refused | Self::Failed(_) => None,
        }
    }
}

/// A copy of a run in which one value is changed at a time.
pub(super) struct Replay<'m, 'c> {
    model: &'m Model<'c>,
    census: &'m Census,
    run: &'m Run<'c>,
    gate_facts: &'m [Arc<GateFacts>],
    witness: PartitionWitness<'c, F>,
    /// Classes changed so far, with their honest values.
    changed: BTreeMap<usize, Option<F>>,
    /// Positions of the generators that must run again.
    queue: BTreeSet<u32>,
    /// The first generator that fails on a change, and why.
    failure: Option<String>,
}

impl<'m, 'c> Replay<'m, 'c> {
    pub(super) fn new(
        model: &'m Model<'c>,
        census: &'m Census,
        run: &'m Run<'c>,
        gate_facts: &'m [Arc<GateFacts>],
    ) -> Self {
        let (changed, queue, failure) = Default::default();
        Self { model, census, run, gate_facts, witness: run.witness.clone(), changed, queue, failure }
    }

    /// Gives these classes these values. All of them are set by the input, or there is one.
    pub(super) fn attempt(&mut self, values: &[(usize, F)]) -> Verdict {
        if let &[(class, value)] = values
            && value != self::value(&self.run.witness, class)
            && self.is_determined(class)
        {
            return Verdict::Refused;
        }
        let mut at = INPUT;
        let mut touched = vec![];
        for &(class, value) in values {
            at = self.run.set_at[class];
            self.change(class, value);
            touched.push(class);
        }
        let mut broken = self.is_broken(&touched, at);
        while !broken && let Some(at) = self.queue.pop_first() {
            touched.clear();
            self.rerun(at, &mut touched);
            broken = self.is_broken(&touched, at);
        }
        let changed = if broken { None } else { self.judge() };
        let failure = self.failure.take();
        self.queue.clear();
        for (class, honest) in std::mem::take(&mut self.changed) {
            self.witness.values[class] = honest;
        }
        match (changed, failure) {
            (Some(positions), _) => Verdict::Accepted(positions),
            (None, Some(reason)) => Verdict::Failed(reason),
            (None, None) => Verdict::Refused,
        }
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

    /// Runs a generator again. Where it fails, also by setting less than before, the old values stay; where another one set
    /// a class first, that value stays. The constraints judge.
    fn rerun(&mut self, at: u32, touched: &mut Vec<usize>) {
        let index = self.run.order[at as usize - 1];
        let generator = &self.model.generators[index].0;
        let mut buffer = GeneratedValues::empty();
        let failure = match contained(|| generator.run(&self.witness, &mut buffer)) {
            Ok(true) if self.sets_all(index, &buffer) => None,
            Ok(true) => Some("it leaves out what it set before".to_owned()),
            Ok(false) => Some("it refuses what it reads".to_owned()),
            Err(panic) => Some(panic),
        };
        if let Some(failure) = failure {
            self.failure.get_or_insert_with(|| format!("{}: {failure}", generator.id()));
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

    /// Whether a generator sets all classes again that it set in the run.
    fn sets_all(&self, generator: usize, values: &GeneratedValues<F>) -> bool {
        let set: BTreeSet<usize> =
            values.target_values.iter().map(|&(target, _)| self.model.class(target)).collect();
        self.run.outputs[generator].iter().all(|class| set.contains(class))
    }

    /// Whether another value of `class` than the honest one violates a constraint that no generator can mend, which shows
    /// without evaluating it: it holds in the run, and determines the value.
    fn is_determined(&self, class: usize) -> bool {
        let at = self.run.set_at[class];
        self.census.lone_wires(self.model, class).any(|(row, column)| {
            let facts = &self.gate_facts[self.model.gate_index(row)];
            let is_settled = |&constraint: &usize| self.is_settled(row, &facts.columns[constraint], at);
            !self.model.is_public_input_row(row) && facts.determined_by[column].iter().any(is_settled)
        })
    }

    /// Whether no generator after `at` sets one of these wires.
    fn is_settled(&self, row: usize, columns: &[usize], at: u32) -> bool {
        columns.iter().all(|&column| {
            let set_at = self.run.set_at[self.model.wire_class(row, column)];
            set_at == UNSET || set_at == INPUT || set_at <= at
        })
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
            let facts = &self.gate_facts[self.model.gate_index(row)];
            constraints.iter().zip(&facts.columns).any(|(&constraint, columns)| {
                constraint != plonky2::field::types::Field::ZERO && self.is_settled(row, columns, at)
            })
        })
    }

    fn judge(&self) -> Option<Vec<usize>> {
        let before = self.model.public_input_values(&self.run.witness);
        let after = self.model.public_input_values(&self.witness);
        let hash: HashOut<F> = self.model.public_inputs_hash(&self.witness);
        let rows: BTreeSet<usize> =
            self.changed.keys().flat_map(|&class| self.census.rows(self.model, class)).collect();
        if rows.into_iter().any(|row| self.model.violation(row, &self.witness, None, &hash).is_some()) {
            return None;
        }
        Some((0..before.len()).filter(|&index| before[index] != after[index]).collect())
    }
}
