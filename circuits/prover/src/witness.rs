//! Generating a witness: from the inputs of a proof to the values of all copy classes.
//!
//! plonky2 queues every generator at the start and again whenever a target that it watches is set, so that most runs
//! find that something is missing. Here a generator waits until everything that it watches is set, and the generators
//! that are ready together run in parallel.
//!
//! Generators that run together do not see each other's values: two that set one target unless it has a value give
//! [`WitnessError::Conflict`] if their values differ, where plonky2 keeps the value of the first.
//!
//! plonky2's `RandomValueGenerator` fills the wires of the public-input gate that nothing uses. Here they are zero, so that
//! a proof is a function of its inputs.

use std::{collections::BTreeMap, mem};

use p3_maybe_rayon::prelude::*;
use plonky2::{
    field::{
        extension::Extendable,
        types::{Field, PrimeField64},
    },
    gates::public_input::PublicInputGate,
    hash::hash_types::NUM_HASH_OUT_ELTS,
    iop::{
        generator::{GeneratedValues, WitnessGeneratorRef},
        target::Target,
        witness::{PartialWitness, PartitionWitness},
    },
    plonk::{circuit_data::CircuitData, config::GenericConfig},
};

use crate::{basetypes::F, panics::contained};

/// The identifier of plonky2's generator of random values.
const RANDOM_VALUE_GENERATOR: &str = "RandomValueGenerator";

/// Generators that one task runs. Fewer cost more to hand out than to run.
const GENERATORS_PER_TASK: usize = 32;

/// The values of all copy classes could not be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// A target is not one of the circuit's.
    #[error("{target:?} is not a target of the circuit")]
    UnknownTarget {
        /// The target.
        target: Target,
    },
    /// Two different values for targets that are copies of each other.
    #[error("{target:?} or a copy of it is set to {first} and then to {second}")]
    Conflict {
        /// The target that was set last.
        target: Target,
        /// The value that it had.
        first: u64,
        /// The value that it was to have.
        second: u64,
    },
    /// A generator panicked, as some of plonky2's do for inputs that violate a constraint.
    #[error("generator {generator} panicked: {reason}")]
    Panicked {
        /// Its identifier.
        generator: String,
        /// Its message.
        reason: String,
    },
    /// Generators whose inputs are incomplete, or that failed.
    #[error("{count} of {total} generators did not run")]
    NotRun {
        /// How many did not run.
        count: usize,
        /// How many the circuit has.
        total: usize,
    },
}

/// Computes the values of all copy classes from the values of some targets.
///
/// # Errors
/// [`WitnessError`] if `inputs` name a target that the circuit does not have, if they lead to two values for one copy
/// class, if they are too few for every generator to run, or if a generator panics.
pub fn generate<C, const D: usize>(
    circuit: &CircuitData<F, C, D>,
    inputs: PartialWitness<F>,
) -> Result<PartitionWitness<'_, F>, WitnessError>
where
    F: Extendable<D>,
    C: GenericConfig<D, F = F>,
{
    let prover = &circuit.prover_only;
    let generators = &prover.generators;
    let mut waiting_for = vec![0; generators.len()];
    for &generator in prover.generator_indices_by_watches.values().flatten() {
        waiting_for[generator] += 1;
    }
    let mut run = Run {
        generators,
        watchers: Watchers::of(&prover.generator_indices_by_watches, prover.representative_map.len()),
        witness: PartitionWitness::new(
            circuit.common.config.num_wires,
            circuit.common.degree(),
            &prover.representative_map,
        ),
        ready: (0..generators.len()).filter(|&generator| waiting_for[generator] == 0).collect(),
        waiting_for,
        finished: vec![false; generators.len()],
        num_set: 0,
    };
    run.set_unused_wires_to_zero(circuit)?;
    for (target, value) in inputs.target_values {
        run.set(target, value)?;
    }
    run.run_ready()?;
    // A generator may be able to run before everything that it watches is set, and may watch what it sets itself.
    loop {
        run.ready = (0..generators.len()).filter(|&generator| !run.finished[generator]).collect();
        let (unfinished, num_set) = (run.ready.len(), run.num_set);
        if unfinished == 0 {
            return Ok(run.witness);
        }
        run.run_ready()?;
        let finished_none = run.finished.iter().filter(|&&finished| !finished).count() == unfinished;
        if finished_none && run.num_set == num_set {
            return Err(WitnessError::NotRun { count: unfinished, total: generators.len() });
        }
    }
}

struct Run<'c, const D: usize>
where
    F: Extendable<D>,
{
    generators: &'c [WitnessGeneratorRef<F, D>],
    watchers: Watchers<'c>,
    witness: PartitionWitness<'c, F>,
    /// For each generator, how many of the copy classes that it watches have no value yet.
    waiting_for: Vec<usize>,
    /// Generators to run next.
    ready: Vec<usize>,
    finished: Vec<bool>,
    /// The number of copy classes that have a value.
    num_set: usize,
}

impl<const D: usize> Run<'_, D>
where
    F: Extendable<D>,
{
    /// Runs some generators.
    fn run_task(&self, task: &[usize]) -> Result<Output, WitnessError> {
        let mut values = GeneratedValues::empty();
        let finished = task
            .iter()
            .map(|&generator| run_one(&self.generators[generator], &self.witness, &mut values))
            .collect::<Result<_, _>>()?;
        Ok(Output { finished, values: values.target_values })
    }

    /// Sets a target and queues the generators that waited for it alone.
    fn set(&mut self, target: Target, value: F) -> Result<(), WitnessError> {
        if !is_in_range(target, &self.witness) {
            return Err(WitnessError::UnknownTarget { target });
        }
        let class =
            self.witness.representative_map[target.index(self.witness.num_wires, self.witness.degree)];
        match self.witness.values[class] {
            None => {
                self.witness.values[class] = Some(value);
                self.num_set += 1;
                for &generator in self.watchers.of_class(class) {
                    self.waiting_for[generator] -= 1;
                    if self.waiting_for[generator] == 0 && !self.finished[generator] {
                        self.ready.push(generator);
                    }
                }
                Ok(())
            }
            Some(first) if first == value => Ok(()),
            Some(first) => Err(WitnessError::Conflict {
                target,
                first: first.to_canonical_u64(),
                second: value.to_canonical_u64(),
            }),
        }
    }

    /// Finishes plonky2's generators of random values, which have no inputs. Another generator may have their identifier:
    /// it stays ready, and runs with the rest.
    fn set_unused_wires_to_zero<C>(&mut self, circuit: &CircuitData<F, C, D>) -> Result<(), WitnessError>
    where
        C: GenericConfig<D, F = F>,
    {
        let mut public_input_rows = BTreeMap::new();
        let mut is_unused = |target| match target {
            Target::Wire(wire) => {
                wire.column >= NUM_HASH_OUT_ELTS
                    && *public_input_rows
                        .entry(wire.row)
                        .or_insert_with(|| has_public_input_gate(circuit, wire.row))
            }
            Target::VirtualTarget { .. } => false,
        };
        for generator in mem::take(&mut self.ready) {
            let mut values = GeneratedValues::empty();
            // Only their values tell which targets generators set.
            let is_random = self.generators[generator].0.id() == RANDOM_VALUE_GENERATOR
                && run_one(&self.generators[generator], &self.witness, &mut values) == Ok(true)
                && !values.target_values.is_empty()
                && values.target_values.iter().all(|&(target, _)| is_unused(target));
            if is_random {
                self.finished[generator] = true;
                for (target, _) in values.target_values {
                    self.set(target, F::ZERO)?;
                }
            } else {
                self.ready.push(generator);
            }
        }
        Ok(())
    }

    /// Runs the generators that are ready, then those that become ready, until none is left.
    fn run_ready(&mut self) -> Result<(), WitnessError> {
        while !self.ready.is_empty() {
            let ready = mem::take(&mut self.ready);
            let run = |task: &[usize]| self.run_task(task);
            // Handing a single task to another thread takes longer than it does.
            let outputs = if ready.len() <= GENERATORS_PER_TASK {
                vec![run(&ready)?]
            } else {
                ready.par_chunks(GENERATORS_PER_TASK).map(run).collect::<Result<_, _>>()?
            };
            for (task, Output { finished, values }) in ready.chunks(GENERATORS_PER_TASK).zip(outputs) {
                for (&generator, finished) in task.iter().zip(finished) {
                    self.finished[generator] = finished;
                }
                for (target, value) in values {
                    self.set(target, value)?;
                }
            }
        }
        Ok(())
    }
}

/// What some generators did.
struct Output {
    /// For each of them, whether it is finished.
    finished: Vec<bool>,
    values: Vec<(Target, F)>,
}

/// For each copy class the generators that watch it. Most classes are watched by none, and a class is looked up whenever it
/// is set.
struct Watchers<'c> {
    /// For each class, one more than the place of its generators in `generators`, or 0.
    places: Vec<u32>,
    generators: Vec<&'c [usize]>,
}

impl<'c> Watchers<'c> {
    fn of(generators_by_class: &'c BTreeMap<usize, Vec<usize>>, num_classes: usize) -> Self {
        let mut watchers = Self { places: vec![0; num_classes], generators: vec![] };
        for (&class, generators) in generators_by_class {
            watchers.generators.push(generators);
            watchers.places[class] = watchers.generators.len() as u32;
        }
        watchers
    }

    fn of_class(&self, class: usize) -> &'c [usize] {
        match self.places[class] {
            0 => &[],
            place => self.generators[place as usize - 1],
        }
    }
}

/// Runs a generator and says whether it is finished.
fn run_one<const D: usize>(
    generator: &WitnessGeneratorRef<F, D>,
    witness: &PartitionWitness<'_, F>,
    values: &mut GeneratedValues<F>,
) -> Result<bool, WitnessError>
where
    F: Extendable<D>,
{
    contained(|| generator.0.run(witness, values))
        .map_err(|reason| WitnessError::Panicked { generator: generator.0.id(), reason })
}

/// Whether the circuit has a target. Its index alone cannot tell: a column that is too large has that of one in the next
/// row, and the index of a virtual target may wrap.
fn is_in_range(target: Target, witness: &PartitionWitness<'_, F>) -> bool {
    let num_wires = witness.num_wires * witness.degree;
    match target {
        Target::Wire(wire) => wire.row < witness.degree && wire.column < witness.num_wires,
        Target::VirtualTarget { index } => index < witness.representative_map.len().saturating_sub(num_wires),
    }
}

/// Whether the gate of a row is that of the public inputs: whether a selector has its value there.
fn has_public_input_gate<C, const D: usize>(circuit: &CircuitData<F, C, D>, row: usize) -> bool
where
    F: Extendable<D>,
    C: GenericConfig<D, F = F>,
{
    let (prover, common) = (&circuit.prover_only, &circuit.common);
    let gate = common.gates.iter().position(|gate| gate.0.as_any().is::<PublicInputGate>());
    let (Some(gate), Some(&point)) = (gate, prover.subgroup.get(row)) else { return false };
    let selectors = prover.constants_sigmas_commitment.polynomials.iter();
    selectors
        .take(common.selectors_info.num_selectors())
        .any(|selector| selector.eval(point) == F::from_canonical_usize(gate))
}
