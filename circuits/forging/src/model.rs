//! The arithmetization of a built circuit, read back so that it can be evaluated row by row, without FRI.

use std::{collections::BTreeMap, sync::Arc};

use circuits_prover::{
    basetypes::{Builder, C, Circuit, CommonData, D, F},
    generate,
    selectors::UNUSED_SELECTOR,
};
use plonky2::{
    field::types::{Field, PrimeField64},
    hash::{hash_types::HashOut, poseidon::PoseidonHash},
    iop::{generator::WitnessGeneratorRef, target::Target, witness::PartitionWitness},
    plonk::{
        circuit_data::{CircuitData, ProverOnlyCircuitData},
        config::{GenericConfig, Hasher},
        vars::EvaluationVarsBaseBatch,
    },
};

use super::gates::GateFacts;

/// The configuration of circuits that are evaluated only.
type Uncommitted = generate::Uncommitted<C, D>;

/// A circuit that is evaluated only.
pub(super) type UncommittedCircuit = CircuitData<F, Uncommitted, D>;

pub(super) fn build_uncommitted(builder: Builder) -> UncommittedCircuit {
    builder.build::<Uncommitted>()
}

/// A constraint that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The row.
    pub row: usize,
    /// The row's gate, by plonky2's identifier.
    pub gate: String,
    /// Which of the gate's constraints.
    pub constraint: usize,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "constraint {} of row {} ({}) is violated", self.constraint, self.row, self.gate)
    }
}

struct Row {
    gate: usize,
    constants: Vec<F>,
}

/// What decides whether a matrix of wire values is a witness: the gate and the constants of each row, and which
/// targets are copies of each other.
pub(super) struct Model<'c> {
    pub(super) common: &'c CommonData,
    pub(super) generators: &'c [WitnessGeneratorRef<F, D>],
    pub(super) watches: &'c BTreeMap<usize, Vec<usize>>,
    /// For each target its copy class, named by one member.
    pub(super) class_of: &'c [usize],
    pub(super) public_inputs: &'c [Target],
    rows: Vec<Row>,
    /// Rows below this one were added by the circuit's definition, the others by plonky2's `build`.
    pub(super) defined_rows: usize,
}

impl<'c> Model<'c> {
    /// Of a circuit that proves.
    pub(super) fn of(circuit: &'c Circuit, defined_rows: usize) -> Self {
        Self::new(&circuit.prover_only, &circuit.common, defined_rows)
    }

    /// Of a circuit that is evaluated only.
    pub(super) fn of_uncommitted(circuit: &'c UncommittedCircuit, defined_rows: usize) -> Self {
        Self::new(&circuit.prover_only, &circuit.common, defined_rows)
    }

    fn new<Config: GenericConfig<D, F = F>>(
        prover: &'c ProverOnlyCircuitData<F, Config, D>,
        common: &'c CommonData,
        defined_rows: usize,
    ) -> Self {
        assert!(common.luts.is_empty(), "lookup tables are not used and not modelled");
        let columns: Vec<Vec<F>> = prover.constants_sigmas_commitment.polynomials[common.constants_range()]
            .iter()
            .map(|polynomial| polynomial.clone().fft().values)
            .collect();
        let (selectors, constants) = columns.split_at(common.selectors_info.num_selectors());
        let rows = (0..common.degree())
            .map(|row| Row {
                gate: selectors
                    .iter()
                    .map(|column| column[row].to_canonical_u64())
                    .find(|&selector| selector != UNUSED_SELECTOR)
                    .expect("every row has a gate") as usize,
                constants: constants.iter().map(|column| column[row]).collect(),
            })
            .collect();
        Self {
            common,
            generators: &prover.generators,
            watches: &prover.generator_indices_by_watches,
            class_of: &prover.representative_map,
            public_inputs: &prover.public_inputs,
            rows,
            defined_rows,
        }
    }

    pub(super) fn num_wires(&self) -> usize {
        self.common.config.num_wires
    }

    pub(super) fn num_rows(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn empty_witness(&self) -> PartitionWitness<'c, F> {
        PartitionWitness::new(self.num_wires(), self.num_rows(), self.class_of)
    }

    pub(super) fn class(&self, target: Target) -> usize {
        self.class_of[target.index(self.num_wires(), self.num_rows())]
    }

    pub(super) fn wire_class(&self, row: usize, column: usize) -> usize {
        self.class_of[row * self.num_wires() + column]
    }

    pub(super) fn gate_index(&self, row: usize) -> usize {
        self.rows[row].gate
    }

    pub(super) fn gate_id(&self, row: usize) -> String {
        self.common.gates[self.rows[row].gate].0.id()
    }

    /// The rows that plonky2 adds to hash the public inputs, and the row that exposes the hash.
    pub(super) fn is_public_input_row(&self, row: usize) -> bool {
        row >= self.defined_rows && {
            let id = self.gate_id(row);
            id.starts_with("Poseidon") || id.starts_with("PublicInput")
        }
    }

    pub(super) fn public_input_values(&self, witness: &PartitionWitness<'_, F>) -> Vec<F> {
        self.public_inputs.iter().map(|&target| value(witness, self.class(target))).collect()
    }

    pub(super) fn public_inputs_hash(&self, witness: &PartitionWitness<'_, F>) -> HashOut<F> {
        PoseidonHash::hash_no_pad(&self.public_input_values(witness))
    }

    /// The values of the constraints of `row`, with `changed` in place of the value of one class.
    pub(super) fn evaluate(
        &self,
        row: usize,
        witness: &PartitionWitness<'_, F>,
        changed: Option<(usize, F)>,
        public_inputs_hash: &HashOut<F>,
    ) -> Vec<F> {
        let first = row * self.num_wires();
        let wires: Vec<F> = self.class_of[first..first + self.num_wires()]
            .iter()
            .map(|&class| match changed {
                Some((overwritten, value)) if overwritten == class => value,
                _ => value(witness, class),
            })
            .collect();
        let Row { gate, constants } = &self.rows[row];
        let vars = EvaluationVarsBaseBatch::new(1, constants, &wires, public_inputs_hash);
        self.common.gates[*gate].0.eval_unfiltered_base_batch(vars)
    }

    /// The first violated constraint of `row`.
    pub(super) fn violation(
        &self,
        row: usize,
        witness: &PartitionWitness<'_, F>,
        changed: Option<(usize, F)>,
        public_inputs_hash: &HashOut<F>,
    ) -> Option<Violation> {
        let constraint = self
            .evaluate(row, witness, changed, public_inputs_hash)
            .iter()
            .position(|&value| value != F::ZERO)?;
        Some(Violation { row, gate: self.gate_id(row), constraint })
    }

    /// What is known of each gate.
    pub(super) fn gate_facts(&self) -> Vec<Arc<GateFacts>> {
        let num_constants = self.rows.first().map_or(0, |row| row.constants.len());
        let facts = |gate| GateFacts::of(gate, num_constants, self.num_wires());
        self.common.gates.iter().map(facts).collect()
    }
}

/// The value of a class; as in plonky2's prover, a class that nothing set is 0.
pub(super) fn value(witness: &PartitionWitness<'_, F>, class: usize) -> F {
    witness.values[class].unwrap_or(F::ZERO)
}

/// A seeded pseudo-random word, for choices that must be the same in every run (`SplitMix64`).
pub(super) fn mix(seed: u64, index: u64) -> u64 {
    let mut z = (seed ^ index.rotate_left(32))
        .wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The members of each copy class.
pub(super) struct Classes {
    starts: Vec<u32>,
    members: Vec<u32>,
}

impl Classes {
    pub(super) fn new(class_of: &[usize]) -> Self {
        let mut starts = vec![0_u32; class_of.len() + 1];
        for &class in class_of {
            starts[class + 1] += 1;
        }
        for i in 0..class_of.len() {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let mut members = vec![0; class_of.len()];
        for (target, &class) in class_of.iter().enumerate() {
            members[next[class] as usize] =
                u32::try_from(target).expect("a circuit has fewer than 2^32 targets");
            next[class] += 1;
        }
        Self { starts, members }
    }

    /// Indices of the targets in `class`, wires before virtual targets; empty if `class` names no class.
    pub(super) fn members(&self, class: usize) -> &[u32] {
        &self.members[self.starts[class] as usize..self.starts[class + 1] as usize]
    }

    pub(super) fn num_targets(&self) -> usize {
        self.members.len()
    }
}
