//! Witness generation that can be watched and tampered with.

use std::collections::BTreeMap;

use circuits_prover::{
    basetypes::{F, Witness},
    panics::contained,
};
use plonky2::{
    hash::hash_types::HashOut,
    iop::{generator::GeneratedValues, witness::PartitionWitness},
};
use rayon::prelude::*;

use super::model::{Model, Violation};

/// The order of values that the input set.
pub(super) const INPUT: u32 = 0;
/// The order of values that nothing set.
pub(super) const UNSET: u32 = u32::MAX;

/// A filled witness, with the history of who set what.
///
/// What generators contradict does not stop it: the first value of a class stays, and the constraints judge the
/// result. So a circuit never owes a rejection to the honesty of a generator.
pub(super) struct Run<'c> {
    pub(super) witness: PartitionWitness<'c, F>,
    /// For each class, when it was set: [`INPUT`], the position of a generator in `order`, counted from 1, or
    /// [`UNSET`].
    pub(super) set_at: Vec<u32>,
    /// Generators in the order in which they finished.
    pub(super) order: Vec<usize>,
    /// For each generator its position in `order`, counted from 1, or [`UNSET`].
    pub(super) finished_at: Vec<u32>,
    /// For each generator the classes that it set, in its own order of outputs.
    pub(super) outputs: Vec<Vec<usize>>,
    /// The first contradiction, panic or missing value.
    pub(super) trouble: Option<String>,
    /// Two values that the input gives to targets that the circuit declares equal: no witness holds both.
    pub(super) impossible: Option<String>,
    pub(super) public_inputs_hash: HashOut<F>,
}

impl<'c> Run<'c> {
    /// The witness for `inputs`, with the answers of generators in `forged` replaced.
    pub(super) fn new(model: &Model<'c>, inputs: &Witness, forged: &BTreeMap<usize, Vec<F>>) -> Self {
        let (degree, num_wires) = (model.num_rows(), model.num_wires());
        let mut run = Self {
            witness: model.empty_witness(),
            set_at: vec![UNSET; model.class_of.len()],
            order: vec![],
            finished_at: vec![UNSET; model.generators.len()],
            outputs: vec![vec![]; model.generators.len()],
            trouble: None,
            impossible: None,
            public_inputs_hash: HashOut::ZERO,
        };
        let mut inputs: Vec<_> =
            inputs.target_values.iter().map(|(&target, &value)| (target, value)).collect();
        inputs.sort_unstable_by_key(|(target, _)| target.index(num_wires, degree));
        for (target, value) in inputs {
            run.set(model.class(target), value, INPUT);
        }
        run.impossible = run.trouble.clone();
        run.generate(model, forged);
        run.public_inputs_hash = model.public_inputs_hash(&run.witness);
        run
    }

    fn set(&mut self, class: usize, value: F, at: u32) -> bool {
        let slot = &mut self.witness.values[class];
        match *slot {
            None => {
                *slot = Some(value);
                self.set_at[class] = at;
                true
            }
            Some(old) => {
                if old != value && self.trouble.is_none() {
                    self.trouble = Some(format!("one copy class is given the values {old} and {value}"));
                }
                false
            }
        }
    }

    fn generate(&mut self, model: &Model<'c>, forged: &BTreeMap<usize, Vec<F>>) {
        let mut pending: Vec<_> = (0..model.generators.len()).collect();
        let mut buffer = GeneratedValues::empty();
        let mut failed = vec![false; model.generators.len()];
        while !pending.is_empty() {
            let mut next = vec![];
            for index in pending {
                if failed[index] || self.finished_at[index] != UNSET {
                    continue;
                }
                let generator = &model.generators[index].0;
                // It fills wires that no constraint reads, with values that differ from run to run.
                if generator.id() == "RandomValueGenerator" {
                    failed[index] = true;
                    continue;
                }
                match contained(|| generator.run(&self.witness, &mut buffer)) {
                    Ok(false) => {}
                    Ok(true) => {
                        self.order.push(index);
                        self.finished_at[index] = self.order.len() as u32;
                    }
                    Err(reason) => {
                        failed[index] = true;
                        let id = generator.id();
                        self.trouble.get_or_insert_with(|| format!("{id} panicked: {reason}"));
                    }
                }
                let at = self.finished_at[index];
                let mut values = std::mem::take(&mut buffer.target_values);
                for ((_, value), &forged) in values.iter_mut().zip(forged.get(&index).into_iter().flatten()) {
                    *value = forged;
                }
                if at == UNSET {
                    continue;
                }
                for (target, value) in values {
                    let class = model.class(target);
                    self.outputs[index].push(class);
                    if self.set(class, value, at) {
                        next.extend(model.watches.get(&class).into_iter().flatten().copied());
                    }
                }
            }
            pending = next;
        }
        for (index, generator) in model.generators.iter().enumerate() {
            if self.finished_at[index] == UNSET && !failed[index] {
                let id = generator.0.id();
                self.trouble.get_or_insert_with(|| format!("{id} waits for a value that nothing sets"));
            }
        }
    }

    /// The first constraint that the values violate, in the order of rows.
    pub(super) fn violation(&self, model: &Model<'_>) -> Option<Violation> {
        (0..model.num_rows())
            .into_par_iter()
            .find_map_first(|row| model.violation(row, &self.witness, None, &self.public_inputs_hash))
    }

    /// What is wrong with it, if it is not a good witness.
    pub(super) fn problem(&self, model: &Model<'_>) -> Option<String> {
        self.trouble.clone().or_else(|| Some(self.violation(model)?.to_string()))
    }

    /// The generator that set `class`, and which of its outputs that is.
    pub(super) fn origin(&self, class: usize) -> Option<(usize, usize)> {
        let at = self.set_at[class];
        if at == INPUT || at == UNSET {
            return None;
        }
        let generator = self.order[at as usize - 1];
        let output = self.outputs[generator].iter().position(|&set| set == class)?;
        Some((generator, output))
    }
}
