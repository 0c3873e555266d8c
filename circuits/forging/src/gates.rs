//! Which wires the constraints of a gate depend on and determine, found by evaluating the gate at random points.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use circuits_prover::basetypes::{D, F};
use plonky2::{
    field::types::Field, gates::gate::GateRef, hash::hash_types::HashOut,
    plonk::vars::EvaluationVarsBaseBatch,
};

use super::model::mix;

/// What is known of a gate's constraints. Each finding is wrong with probability near `degree / p`.
pub(super) struct GateFacts {
    /// For each constraint, the columns that its value depends on.
    pub(super) columns: Vec<Vec<usize>>,
    /// For each column, the constraints that are the wire times a number other than 0, plus what does not depend on the wire.
    /// Where they hold, no other value of the wire satisfies them.
    pub(super) determined_by: Vec<Vec<usize>>,
}

/// Arbitrary values of a row, which are the same in every run.
struct Point {
    constants: Vec<F>,
    wires: Vec<F>,
}

impl Point {
    fn new(seed: u64, num_constants: usize, num_wires: usize) -> Self {
        let at = |index: usize| F::from_noncanonical_u64(mix(seed, index as u64));
        let constants = (0..num_constants).map(at).collect();
        Self { constants, wires: (num_constants..num_constants + num_wires).map(at).collect() }
    }

    fn evaluate(&self, gate: &GateRef<F, D>) -> Vec<F> {
        let hash = HashOut::ZERO;
        let vars = EvaluationVarsBaseBatch::new(1, &self.constants, &self.wires, &hash);
        gate.0.eval_unfiltered_base_batch(vars)
    }

    /// By how much each constraint changes if the wire of `column` changes by `by`; `before` is what it was.
    fn change(&mut self, gate: &GateRef<F, D>, before: &[F], column: usize, by: F) -> Vec<F> {
        let honest = self.wires[column];
        self.wires[column] += by;
        let after = self.evaluate(gate);
        self.wires[column] = honest;
        after.iter().zip(before).map(|(&after, &before)| after - before).collect()
    }
}

impl GateFacts {
    /// The facts of `gate`, in rows of so many constants and wires. They are found once for each identifier of a gate.
    pub(super) fn of(gate: &GateRef<F, D>, num_constants: usize, num_wires: usize) -> Arc<Self> {
        type Known = BTreeMap<(String, usize, usize), Arc<GateFacts>>;
        static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (gate.0.id(), num_constants, num_wires);
        let found = known().get(&key).cloned();
        found.unwrap_or_else(|| {
            let facts = Arc::new(Self::find(gate, num_constants, num_wires));
            known().insert(key, Arc::clone(&facts));
            facts
        })
    }

    fn find(gate: &GateRef<F, D>, num_constants: usize, num_wires: usize) -> Self {
        let mut points = [1, 2].map(|seed| Point::new(seed, num_constants, num_wires));
        let before = points.each_ref().map(|point| point.evaluate(gate));
        let factor = F::from_canonical_u64(3);
        let mut columns = vec![vec![]; before[0].len()];
        let mut determined_by = vec![vec![]; num_wires];
        for (column, determined_by) in determined_by.iter_mut().enumerate() {
            let [first, second] = &mut points;
            let by_one = first.change(gate, &before[0], column, F::ONE);
            let by_factor = second.change(gate, &before[1], column, factor);
            for (constraint, (&by_one, &by_factor)) in by_one.iter().zip(&by_factor).enumerate() {
                if by_one != F::ZERO {
                    columns[constraint].push(column);
                    if by_factor == factor * by_one {
                        determined_by.push(constraint);
                    }
                }
            }
        }
        Self { columns, determined_by }
    }
}
