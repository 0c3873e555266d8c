//! Packed constraints have the values that the gates themselves give, on random wires and constants.

use circuits_prover::{
    F,
    gates::{BATCH, Columns, Gates, PACKS},
    hasher::Packed,
    selectors::Selectors,
};
use p3_field::{PackedValue as _, PrimeCharacteristicRing as _, PrimeField64 as _};
use plonky2::{
    field::{
        extension::Extendable,
        types::{Field as _, Sample as _},
    },
    gates::{
        arithmetic_base::ArithmeticGate,
        arithmetic_extension::ArithmeticExtensionGate,
        base_sum::BaseSumGate,
        constant::ConstantGate,
        coset_interpolation::CosetInterpolationGate,
        exponentiation::ExponentiationGate,
        gate::{Gate, GateRef},
        multiplication_extension::MulExtensionGate,
        noop::NoopGate,
        poseidon::PoseidonGate,
        poseidon_mds::PoseidonMdsGate,
        public_input::PublicInputGate,
        random_access::RandomAccessGate,
        reducing::ReducingGate,
        reducing_extension::ReducingExtensionGate,
    },
    hash::hash_types::{HashOut, RichField},
    iop::{ext_target::ExtensionTarget, generator::WitnessGeneratorRef},
    plonk::{
        circuit_builder::CircuitBuilder,
        circuit_data::{CircuitConfig, CommonCircuitData},
        config::GenericConfig,
        vars::{EvaluationTargets, EvaluationVars, EvaluationVarsBaseBatch},
    },
    util::serialization::{Buffer, IoResult},
};

use crate::configuration::{Quadratic, Quartic};

/// Wide enough for every gate over the extension of degree 4.
fn config() -> CircuitConfig {
    CircuitConfig { num_wires: 150, num_routed_wires: 100, ..CircuitConfig::standard_recursion_config() }
}

/// The data of a circuit that has these gates beside those that every circuit has.
fn common<C, const D: usize>(gates: &[GateRef<F, D>]) -> CommonCircuitData<F, D>
where
    F: Extendable<D, Extension = C::FE>,
    C: GenericConfig<D, F = F>,
{
    let mut builder = CircuitBuilder::<F, D>::new(config());
    for gate in gates {
        let gate = gate.clone();
        builder.add_gate_to_gate_set(gate);
    }
    builder.mock_build::<C>().common
}

/// The constraints that plonky2 combines into one sum, by the gates' own methods.
fn stock_sums<const D: usize>(
    common: &CommonCircuitData<F, D>,
    constants: &[F],
    wires: &[F],
    public_inputs_hash: &HashOut<F>,
) -> Vec<F>
where
    F: RichField + Extendable<D>,
{
    let Selectors { polynomials, groups } = Selectors::of(common).unwrap();
    let mut sums = vec![F::ZERO; BATCH * common.num_gate_constraints];
    for (index, (gate, selector)) in common.gates.iter().zip(polynomials).enumerate() {
        let values = gate.0.eval_filtered_base_batch(
            EvaluationVarsBaseBatch::new(BATCH, constants, wires, public_inputs_hash),
            index,
            selector,
            groups[selector].clone(),
            groups.len(),
            common.num_lookup_selectors,
        );
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
    }
    sums
}

fn assert_same_constraints<C, const D: usize>(gates: &[GateRef<F, D>])
where
    F: Extendable<D, Extension = C::FE>,
    C: GenericConfig<D, F = F>,
{
    let common = common::<C, D>(gates);
    for gate in gates {
        assert!(common.gates.contains(gate));
    }
    let constants = F::rand_vec(BATCH * common.num_constants);
    let wires = F::rand_vec(BATCH * common.config.num_wires);
    let public_inputs_hash = HashOut::rand();

    let mut sums = vec![Packed::ZERO; PACKS * common.num_gate_constraints];
    let columns = Columns { constants: &constants, wires: &wires, public_inputs_hash: &public_inputs_hash };
    Gates::of(&common).unwrap().add_filtered(columns, &mut sums);
    let sums: Vec<F> =
        Packed::unpack_slice(&sums).iter().map(|sum| F::from_canonical_u64(sum.as_canonical_u64())).collect();
    assert_eq!(sums, stock_sums(&common, &constants, &wires, &public_inputs_hash));
}

/// The gate that recursions use: of the degree that plonky2 chooses for a quotient of degree 8.
fn interpolation_of_16_points<const D: usize>() -> CosetInterpolationGate<F, D>
where
    F: Extendable<D>,
{
    let mut gate = CosetInterpolationGate::new(4);
    gate.degree = 6;
    gate
}

/// Every gate of plonky2 that has constraints outside lookup tables.
fn gates<const D: usize>() -> Vec<GateRef<F, D>>
where
    F: Extendable<D>,
{
    let config = config();
    vec![
        GateRef::new(ArithmeticGate::new_from_config(&config)),
        GateRef::new(ArithmeticExtensionGate::<D>::new_from_config(&config)),
        GateRef::new(BaseSumGate::<2>::new_from_config::<F>(&config)),
        GateRef::new(BaseSumGate::<4>::new(20)),
        GateRef::new(ConstantGate::new(2)),
        GateRef::new(CosetInterpolationGate::<F, D>::new(1)),
        GateRef::new(CosetInterpolationGate::<F, D>::new(2)),
        GateRef::new(CosetInterpolationGate::<F, D>::new(3)),
        GateRef::new(interpolation_of_16_points::<D>()),
        GateRef::new(ExponentiationGate::<F, D>::new_from_config(&config)),
        GateRef::new(MulExtensionGate::<D>::new_from_config(&config)),
        GateRef::new(NoopGate),
        GateRef::new(PoseidonGate::<F, D>::new()),
        GateRef::new(PoseidonMdsGate::<F, D>::new()),
        GateRef::new(PublicInputGate),
        GateRef::new(RandomAccessGate::<F, D>::new_from_config(&config, 3)),
        GateRef::new(ReducingGate::<D>::new(1)),
        GateRef::new(ReducingGate::<D>::new(ReducingGate::<D>::max_coeffs_len(150, 100))),
        GateRef::new(ReducingExtensionGate::<D>::new(1)),
        GateRef::new(ReducingExtensionGate::<D>::new(ReducingExtensionGate::<D>::max_coeffs_len(150, 100))),
    ]
}

/// A gate that plonky2 does not have: its second wire is the cube of the first.
#[derive(Debug)]
struct Cube;

impl<const D: usize> Gate<F, D> for Cube
where
    F: Extendable<D>,
{
    fn id(&self) -> String {
        "Cube".to_owned()
    }

    fn serialize(&self, _: &mut Vec<u8>, _: &CommonCircuitData<F, D>) -> IoResult<()> {
        Ok(())
    }

    fn deserialize(_: &mut Buffer<'_>, _: &CommonCircuitData<F, D>) -> IoResult<Self> {
        Ok(Self)
    }

    fn eval_unfiltered(&self, vars: EvaluationVars<'_, F, D>) -> Vec<<F as Extendable<D>>::Extension> {
        vec![vars.local_wires[0].cube() - vars.local_wires[1]]
    }

    fn eval_unfiltered_circuit(
        &self,
        builder: &mut CircuitBuilder<F, D>,
        vars: EvaluationTargets<'_, D>,
    ) -> Vec<ExtensionTarget<D>> {
        let cube = builder.cube_extension(vars.local_wires[0]);
        vec![builder.sub_extension(cube, vars.local_wires[1])]
    }

    fn generators(&self, _: usize, _: &[F]) -> Vec<WitnessGeneratorRef<F, D>> {
        vec![]
    }

    fn num_wires(&self) -> usize {
        2
    }

    fn num_constants(&self) -> usize {
        0
    }

    fn degree(&self) -> usize {
        3
    }

    fn num_constraints(&self) -> usize {
        1
    }
}

#[test]
fn a_gate_that_is_not_plonky2s_has_the_same_constraints() {
    assert_same_constraints::<Quadratic, 2>(&[GateRef::new(Cube)]);
    assert_same_constraints::<Quartic, 4>(&[GateRef::new(Cube), GateRef::new(PoseidonGate::<F, 4>::new())]);
}

#[test]
fn each_gate_alone_has_the_same_constraints_over_the_quadratic_extension() {
    for gate in gates::<2>() {
        assert_same_constraints::<Quadratic, 2>(&[gate]);
    }
}

#[test]
fn each_gate_alone_has_the_same_constraints_over_the_quartic_extension() {
    for gate in gates::<4>() {
        assert_same_constraints::<Quartic, 4>(&[gate]);
    }
}

#[test]
fn all_gates_together_have_the_same_constraints() {
    assert_same_constraints::<Quadratic, 2>(&gates::<2>());
    assert_same_constraints::<Quartic, 4>(&gates::<4>());
}
