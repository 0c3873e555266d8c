//! Generators that fail, or read what they do not name: inputs that cannot be tested are reported.

use circuits_core::{
    circuit::{Compiled, Definition},
    constrain::Constrain,
    layout::{WitnessError, set_target},
};
use circuits_forging::*;
use circuits_prover::basetypes::{Builder, D, F, Witness, standard_config};
use plonky2::{
    field::types::Field,
    iop::{
        generator::{GeneratedValues, SimpleGenerator},
        target::Target,
        witness::{PartitionWitness, Witness as _, WitnessWrite},
    },
    plonk::circuit_data::{CircuitConfig, CommonCircuitData},
    util::serialization::{Buffer, IoError, IoResult},
};

/// Knows one number only, as a generator with a table of its own does.
#[derive(Debug)]
struct Doubling {
    number: Target,
    double: Target,
    fails_by: Failing,
}

/// What a generator does with a number that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failing {
    Panicking,
    Refusing,
    SettingNothing,
}

/// The number that [`Doubling`] knows.
const KNOWN: u64 = 5;

impl SimpleGenerator<F, D> for Doubling {
    fn id(&self) -> String {
        "Doubling".to_owned()
    }

    fn dependencies(&self) -> Vec<Target> {
        vec![self.number]
    }

    fn run_once(
        &self,
        witness: &PartitionWitness<'_, F>,
        out: &mut GeneratedValues<F>,
    ) -> anyhow::Result<()> {
        let number = witness.get_target(self.number);
        let is_known = number == F::from_canonical_u64(KNOWN);
        assert!(is_known || self.fails_by != Failing::Panicking, "{number} is not in the table");
        anyhow::ensure!(is_known || self.fails_by != Failing::Refusing);
        if is_known {
            out.set_target(self.double, number.double())?;
        }
        Ok(())
    }

    fn serialize(&self, _: &mut Vec<u8>, _: &CommonCircuitData<F, D>) -> IoResult<()> {
        Err(IoError)
    }

    fn deserialize(_: &mut Buffer<'_>, _: &CommonCircuitData<F, D>) -> IoResult<Self> {
        Err(IoError)
    }
}

/// A number that is doubled by a generator which fails on others, and that no statement follows.
struct Brittle {
    fails_by: Failing,
}

impl Definition for Brittle {
    type Statement = [Target; 1];
    type NativeStatement = [F; 1];
    type Targets = [Target; 2];
    type Input = [u64; 2];

    fn name(&self) -> String {
        "brittle".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> ([Target; 1], [Target; 2]) {
        let [number, double, stated] = builder.add_virtual_target_arr();
        builder.add_simple_generator(Doubling { number, double, fails_by: self.fails_by });
        let sum = builder.add(number, number);
        builder.enforce_equal(sum, double);
        builder.enforce_range(stated, 8);
        ([stated], [number, stated])
    }

    fn assign(
        &self,
        &[number, stated]: &[Target; 2],
        input: &[u64; 2],
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set_target(witness, number, F::from_canonical_u64(input[0]))?;
        set_target(witness, stated, F::from_canonical_u64(input[1]))
    }
}

#[test]
fn an_input_that_a_generator_fails_on_is_not_tested() {
    let honest = [KNOWN, 7];
    for (fails_by, reason) in [
        (Failing::Panicking, "Doubling: 0 is not in the table"),
        (Failing::Refusing, "Doubling: it refuses what it reads"),
        (Failing::SettingNothing, "Doubling: it leaves out what it set before"),
    ] {
        let compiled = Compiled::new(Brittle { fails_by }).unwrap();
        let report = Kit::new(&compiled).input(&honest).run();
        let [Hole::Untested { input: 0, class, value, reason: found }] = &report.holes[..] else {
            panic!("{report}");
        };
        assert_eq!((class.field(), *value, found.as_str()), ("number", F::ZERO, reason), "{report}");
        let exception = |fields| Exception::fields(Kind::Untested, fields, "the table has one number");
        let excused = Kit::new(&compiled).input(&honest).except(exception(&["number"])).run();
        excused.assert_sound();
        assert_eq!(excused.excepted.get("the table has one number"), Some(&1));
        let unneeded = Kit::new(&compiled).input(&honest).except(exception(&["number", "stated"])).run();
        let is_unneeded = |hole: &Hole| matches!(hole, Hole::Unneeded { field, .. } if field == "stated");
        assert!(unneeded.holes.iter().any(is_unneeded), "{unneeded}");
    }
}

/// Reads a public input without naming it among its dependencies.
#[derive(Debug)]
struct Hasty {
    square: Target,
    copy: Target,
}

impl SimpleGenerator<F, D> for Hasty {
    fn id(&self) -> String {
        "Hasty".to_owned()
    }

    fn dependencies(&self) -> Vec<Target> {
        vec![]
    }

    fn run_once(
        &self,
        witness: &PartitionWitness<'_, F>,
        out: &mut GeneratedValues<F>,
    ) -> anyhow::Result<()> {
        out.set_target(self.copy, witness.get_target(self.square))
    }

    fn serialize(&self, _: &mut Vec<u8>, _: &CommonCircuitData<F, D>) -> IoResult<()> {
        Err(IoError)
    }

    fn deserialize(_: &mut Buffer<'_>, _: &CommonCircuitData<F, D>) -> IoResult<Self> {
        Err(IoError)
    }
}

/// A number of 8 bits, its square and a summand of the square, of which the input assigns all.
struct Assigned {
    /// Whether a generator needs the square to be assigned.
    is_hasty: bool,
}

impl Definition for Assigned {
    type Statement = [Target; 2];
    type NativeStatement = [F; 2];
    type Targets = [Target; 3];
    type Input = [u64; 2];

    fn name(&self) -> String {
        "assigned".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> ([Target; 2], [Target; 3]) {
        let [number, summand] = builder.add_virtual_target_arr();
        builder.enforce_range(number, 8);
        let square = builder.mul_add(number, number, summand);
        if self.is_hasty {
            let copy = builder.add_virtual_target();
            builder.add_simple_generator(Hasty { square, copy });
            builder.enforce_equal(copy, square);
        }
        ([number, square], [number, summand, square])
    }

    fn assign(
        &self,
        targets: &[Target; 3],
        &[number, summand]: &[u64; 2],
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        let [number, summand] = [number, summand].map(F::from_canonical_u64);
        set_target(witness, targets[0], number)?;
        set_target(witness, targets[1], summand)?;
        set_target(witness, targets[2], number * number + summand)
    }
}

#[test]
fn a_statement_that_an_input_assigns_follows_another_input_nonetheless() {
    let compiled = Compiled::new(Assigned { is_hasty: false }).unwrap();
    let report = Kit::new(&compiled).input(&[9, 4]).run();
    // The number is the sum of its bits, and stays assigned.
    let [Hole::Input { kind: Kind::Unranged, class, changes, .. }] = &report.holes[..] else {
        panic!("{report}");
    };
    assert_eq!((class.value, changes.len()), (Some(F::from_canonical_u64(4)), 1), "{report}");
}

#[test]
fn an_input_that_is_no_witness_without_its_public_inputs_is_reported() {
    let compiled = Compiled::new(Assigned { is_hasty: true }).unwrap();
    assert_accepts(&compiled, &[9, 4]);
    let report = Kit::new(&compiled).input(&[9, 4]).run();
    let [Hole::Honest { input: 0, reason }] = &report.holes[..] else { panic!("{report}") };
    assert!(
        reason.starts_with("without the public inputs that generators can set: Hasty panicked"),
        "{reason}"
    );
}
