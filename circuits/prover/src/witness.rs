//! Generating a witness: from the inputs of a proof to the values of all copy classes.
//!
//! plonky2 queues every generator at the start and again whenever a target that it watches is set, so that most runs
//! find that something is missing. Here a generator waits until everything that it watches is set, and the generators
//! that are ready together run in parallel.
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
    };
    run.set_random_values_to_zero()?;
    for (target, value) in inputs.target_values {
        run.set(target, value)?;
    }
    run.run_ready()?;
    // A generator may be able to run before everything that it watches is set.
    loop {
        run.ready = (0..generators.len()).filter(|&generator| !run.finished[generator]).collect();
        let unfinished = run.ready.len();
        if unfinished == 0 {
            return Ok(run.witness);
        }
        run.run_ready()?;
        if run.finished.iter().filter(|&&finished| !finished).count() == unfinished {
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
        let index = target.index(self.witness.num_wires, self.witness.degree);
        let class = *self
            .witness
            .representative_map
            .get(index)
            .filter(|_| is_in_range(target, &self.witness))
            .ok_or(WitnessError::UnknownTarget { target })?;
        match self.witness.values[class] {
            None => {
                self.witness.values[class] = Some(value);
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

    /// Finishes the generators of random values, which have no inputs.
    fn set_random_values_to_zero(&mut self) -> Result<(), WitnessError> {
        let (random, ready) = mem::take(&mut self.ready)
            .into_iter()
            .partition(|&generator| self.generators[generator].0.id() == RANDOM_VALUE_GENERATOR);
        self.ready = ready;
        let random: Vec<usize> = random;
        for generator in random {
            let mut values = GeneratedValues::empty();
            self.finished[generator] = run_one(&self.generators[generator], &self.witness, &mut values)?;
            for (target, _) in values.target_values {
                self.set(target, F::ZERO)?;
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

/// Whether a target is within the rows and columns of the circuit: an index alone cannot tell a column that is too
/// large from a column of the next row.
fn is_in_range(target: Target, witness: &PartitionWitness<'_, F>) -> bool {
    match target {
        Target::Wire(wire) => wire.row < witness.degree && wire.column < witness.num_wires,
        Target::VirtualTarget { .. } => true,
    }
}
