//! Part (b): values overwritten one copy class at a time, nothing recomputed.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use circuits_prover::basetypes::F;
use plonky2::field::types::{Field, Field64, PrimeField64};
use rayon::prelude::*;

use super::{
    gates::GateFacts,
    model::{Classes, Model, mix, value},
    names::Names,
    report::{ClassInfo, Hole},
    run::Run,
};

/// Which classes there are to overwrite.
pub(super) struct Census {
    pub(super) classes: Classes,
    /// Touched by our code: a class with a virtual target or at least two members, unless all its wires are in
    /// rows of plonky2's recursive verifier.
    pub(super) ours: Vec<usize>,
    /// Set, but inside one gate or inside the recursive verifier.
    pub(super) others: Vec<usize>,
    /// Virtual targets that reach no wire.
    pub(super) unconnected: Vec<usize>,
    /// For each public input the class it is in, and its first position.
    public_inputs: BTreeMap<usize, usize>,
    verifier_rows: Vec<Range<usize>>,
    pub(super) names: Names,
}

impl Census {
    pub(super) fn new(model: &Model<'_>, verifier_rows: &[Range<usize>], names: Names) -> Self {
        let classes = Classes::new(model.class_of);
        let mut public_inputs = BTreeMap::new();
        for (index, &target) in model.public_inputs.iter().enumerate() {
            public_inputs.entry(model.class(target)).or_insert(index);
        }
        let mut census = Self {
            classes,
            ours: vec![],
            others: vec![],
            unconnected: vec![],
            public_inputs,
            verifier_rows: verifier_rows.to_vec(),
            names,
        };
        let num_wires = model.num_wires() * model.num_rows();
        for class in 0..census.classes.num_targets() {
            let members = census.classes.members(class);
            let wires = members.partition_point(|&target| (target as usize) < num_wires);
            match (wires, members.len() - wires) {
                (0, 0) => {}
                (0, _) => census.unconnected.push(class),
                (1, 0) => census.others.push(class),
                _ if census.is_inside_verifier(model, class) => census.others.push(class),
                _ => census.ours.push(class),
            }
        }
        census
    }

    /// The rows that have a wire in `class`.
    pub(super) fn rows(&self, model: &Model<'_>, class: usize) -> Vec<usize> {
        let num_wires = model.num_wires();
        let mut rows: Vec<_> = self
            .classes
            .members(class)
            .iter()
            .map(|&target| target as usize / num_wires)
            .take_while(|&row| row < model.num_rows())
            .collect();
        rows.dedup();
        rows
    }

    /// The wires of `class` that are its only ones in their row, as row and column.
    pub(super) fn lone_wires(&self, model: &Model<'_>, class: usize) -> impl Iterator<Item = (usize, usize)> {
        let (num_wires, num_rows) = (model.num_wires(), model.num_rows());
        let place = move |&target: &u32| (target as usize / num_wires, target as usize % num_wires);
        let of_one_row = self.classes.members(class).chunk_by(move |a, b| place(a).0 == place(b).0);
        let lone =
            of_one_row.filter_map(move |wires| if let [wire] = wires { Some(place(wire)) } else { None });
        lone.take_while(move |&(row, _)| row < num_rows)
    }

    /// Whether `class` has wires, all of them in rows of the recursive verifier.
    pub(super) fn is_inside_verifier(&self, model: &Model<'_>, class: usize) -> bool {
        let rows = self.rows(model, class);
        !self.is_public_input(class)
            && !rows.is_empty()
            && rows.iter().all(|row| self.verifier_rows.iter().any(|verifier| verifier.contains(row)))
    }

    /// Whether `class` has a wire in a row of the recursive verifier.
    pub(super) fn is_read_by_verifier(&self, model: &Model<'_>, class: usize) -> bool {
        let rows = self.rows(model, class);
        rows.iter().any(|row| self.verifier_rows.iter().any(|verifier| verifier.contains(row)))
    }

    pub(super) fn is_public_input(&self, class: usize) -> bool {
        self.public_inputs.contains_key(&class)
    }

    /// The first position of the public input that `class` is.
    pub(super) fn public_input(&self, class: usize) -> Option<usize> {
        self.public_inputs.get(&class).copied()
    }

    pub(super) fn describe(&self, model: &Model<'_>, run: Option<&Run<'_>>, class: usize) -> ClassInfo {
        let num_wires = model.num_wires();
        let mut info = ClassInfo {
            wires: vec![],
            virtual_targets: vec![],
            hint: run
                .and_then(|run| run.origin(class))
                .map(|(generator, output)| (model.generators[generator].0.id(), output)),
            value: run.and_then(|run| run.witness.values[class]),
            public_input: self.public_input(class),
            name: self.names.get(class).cloned(),
        };
        for &target in self.classes.members(class) {
            let (row, column) = (target as usize / num_wires, target as usize % num_wires);
            if row < model.num_rows() {
                info.wires.push((row, column, model.gate_id(row)));
            } else {
                info.virtual_targets.push(target as usize - model.num_rows() * num_wires);
            }
        }
        info
    }

    /// The values that the class of `run` can take alone without breaking a constraint.
    ///
    /// The rows that hash the public inputs do not count for a public input: they bind it to the proof, but a
    /// statement that nothing else constrains is free.
    fn accepted(
        &self,
        model: &Model<'_>,
        gate_facts: &[Arc<GateFacts>],
        run: &Run<'_>,
        class: usize,
        seed: u64,
    ) -> Vec<F> {
        let counts = |row: usize| !(self.is_public_input(class) && model.is_public_input_row(row));
        let mut lone = self.lone_wires(model, class).filter(|&(row, _)| counts(row));
        // The honest value satisfies a constraint that no other value satisfies.
        if lone.any(|(row, column)| !gate_facts[model.gate_index(row)].determined_by[column].is_empty()) {
            return vec![];
        }
        let mut rows = self.rows(model, class);
        rows.retain(|&row| counts(row));
        let mut values = dishonest_values(value(&run.witness, class), mix(seed, class as u64));
        values.retain(|&value| {
            rows.iter().all(|&row| {
                model.violation(row, &run.witness, Some((class, value)), &run.public_inputs_hash).is_none()
            })
        });
        values
    }
}

/// `v+1, 0, 1, p-1, v+2^32` and a random value, without the honest `v`.
pub(super) fn dishonest_values(honest: F, random: u64) -> Vec<F> {
    let mut values = vec![
        honest + F::ONE,
        F::ZERO,
        F::ONE,
        F::NEG_ONE,
        honest + F::from_canonical_u64(1 << 32),
        F::from_noncanonical_u64(random % F::ORDER),
    ];
    values.retain(|&value| value != honest);
    values.sort_unstable_by_key(PrimeField64::to_canonical_u64);
    values.dedup();
    values
}

/// Overwrites `classes` in every run, all of which are witnesses; returns those that are free in at least one.
pub(super) fn overwrite(
    model: &Model<'_>,
    census: &Census,
    gate_facts: &[Arc<GateFacts>],
    runs: &[Run<'_>],
    classes: &[usize],
    seed: u64,
) -> Vec<Hole> {
    classes
        .par_iter()
        .filter_map(|&class| {
            let mut found: Option<(Vec<usize>, Vec<F>)> = None;
            for (input, run) in runs.iter().enumerate() {
                let values = census.accepted(model, gate_facts, run, class, seed);
                if !values.is_empty() {
                    found.get_or_insert_with(|| (vec![], values)).0.push(input);
                }
            }
            let (inputs, values) = found?;
            let class = census.describe(model, Some(&runs[inputs[0]]), class);
            Some(Hole::Free { inputs, values, class })
        })
        .collect()
}

/// Targets of our code that have no value.
pub(super) fn unset(model: &Model<'_>, census: &Census, runs: &[Run<'_>]) -> Vec<Hole> {
    let mut holes = vec![];
    for (input, run) in runs.iter().enumerate() {
        for &class in &census.ours {
            if run.witness.values[class].is_none() {
                let class = census.describe(model, Some(run), class);
                holes.push(Hole::Unset { input, class });
            }
        }
    }
    holes
}

/// Virtual targets that reach no gate. Public inputs do reach one: the one that hashes them.
pub(super) fn unconnected(model: &Model<'_>, census: &Census, run: Option<&Run<'_>>) -> Vec<Hole> {
    census
        .unconnected
        .iter()
        .map(|&class| Hole::Unconnected { class: census.describe(model, run, class) })
        .collect()
}

/// The seeded sample of `rate` of `classes` that have a value.
pub(super) fn sample(classes: &[usize], run: &Run<'_>, rate: f64, seed: u64) -> Vec<usize> {
    let limit = (rate.clamp(0.0, 1.0) * u64::MAX as f64) as u64;
    classes
        .iter()
        .copied()
        .filter(|&class| run.witness.values[class].is_some() && mix(!seed, class as u64) <= limit)
        .collect()
}
