//! Holes of inputs: two values for one class, and flags that are set together.

use circuits_core::{
    circuit::{Compiled, Definition},
    constrain::Constrain,
    layout::{WitnessError, set_target},
};
use circuits_forging::*;
use circuits_prover::basetypes::{Builder, F, Witness, standard_config};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
    plonk::circuit_data::CircuitConfig,
};

/// Two public elements that are declared equal.
struct Twins;

impl Definition for Twins {
    type Statement = [Target; 2];
    type NativeStatement = [F; 2];
    type Targets = [Target; 2];
    type Input = [u64; 2];

    fn name(&self) -> String {
        "twins".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> ([Target; 2], [Target; 2]) {
        let twins = builder.add_virtual_target_arr();
        builder.enforce_equal(twins[0], twins[1]);
        builder.enforce_range(twins[0], 8);
        (twins, twins)
    }

    fn assign(
        &self,
        twins: &[Target; 2],
        input: &[u64; 2],
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        twins
            .iter()
            .zip(input)
            .try_for_each(|(&target, &value)| set_target(witness, target, F::from_canonical_u64(value)))
    }
}

#[test]
fn an_input_with_two_values_for_one_class_is_rejected() {
    let compiled = Compiled::new(Twins).unwrap();
    assert_accepts(&compiled, &[5, 5]);
    assert_rejects(&compiled, &[5, 6]);
    mutate(&Twins, &[[5, 5]], &[[5, 6], [256, 256]]).assert_complete();
}

/// Slots with two flags each, of which the sum is stated. A slot may have both.
struct Slots;

/// More than the kit changes of one array.
const SLOTS: usize = 12;

impl Definition for Slots {
    type Statement = [Target; 1];
    type NativeStatement = [F; 1];
    type Targets = Vec<[BoolTarget; 2]>;
    type Input = Vec<[bool; 2]>;

    fn name(&self) -> String {
        "slots".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> ([Target; 1], Self::Targets) {
        let flags: Vec<_> = (0..SLOTS).map(|_| [builder.new_bool(), builder.new_bool()]).collect();
        let sum = builder.add_many(flags.iter().flatten().map(|flag| flag.target));
        ([sum], flags)
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &Self::Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        targets.iter().zip(input).try_for_each(|(target, flags)| {
            set_target(witness, target[0].target, F::from_bool(flags[0]))?;
            set_target(witness, target[1].target, F::from_bool(flags[1]))
        })
    }
}

#[test]
fn two_flags_of_one_slot_are_set_together_however_many_slots_there_are() {
    // No slot has both, but other slots of the same input have the other one.
    let honest = [0, 1, 2]
        .map(|turn| (0..SLOTS).map(|slot| [slot % 3 == turn, (slot + 1) % 3 == turn]).collect::<Vec<_>>());
    let report = Kit::new(&Compiled::new(Slots).unwrap()).inputs(&honest).run();
    let is_pair = |hole: &Hole| matches!(hole, Hole::Input { kind: Kind::Together, .. });
    assert!(report.holes.iter().any(is_pair), "{report}");
}
