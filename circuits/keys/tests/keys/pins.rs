//! Pins: what they say of a circuit, and how they differ.

use circuits_core::{
    circuit::{Compiled, Definition},
    layout::{WitnessError, set_target},
    security::SecurityReport,
};
use circuits_keys::{
    Made,
    pins::{Pin, Pins},
};
use circuits_prover::basetypes::{Builder, F, Witness, standard_config};
use plonky2::{
    field::types::Field, gates::noop::NoopGate, iop::target::Target, plonk::circuit_data::CircuitConfig,
};

/// Squares its public input, in a circuit of at least `rows` rows.
struct Square {
    rows: usize,
}

impl Definition for Square {
    type Statement = [Target; 2];
    type NativeStatement = [F; 2];
    type Targets = Target;
    type Input = u64;

    fn name(&self) -> String {
        format!("square-{}", self.rows)
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> ([Target; 2], Target) {
        let root = builder.add_virtual_target();
        let square = builder.square(root);
        while builder.num_gates() < self.rows {
            builder.add_gate(NoopGate, vec![]);
        }
        ([root, square], root)
    }

    fn assign(&self, root: &Target, input: &u64, witness: &mut Witness) -> Result<(), WitnessError> {
        set_target(witness, *root, F::from_canonical_u64(*input))
    }
}

fn pin(rows: usize) -> Pin {
    Made::new(&Compiled::new(Square { rows }).unwrap()).pin
}

#[test]
fn the_computed_proof_size_is_that_of_a_proof() {
    for rows in [1, 40, 1000, 3000] {
        let compiled = Compiled::new(Square { rows }).unwrap();
        let proof = compiled.prove(&7).unwrap();
        assert_eq!(Made::new(&compiled).pin.proof_bytes, proof.to_bytes().len(), "{rows} rows");
    }
}

#[test]
fn building_twice_gives_one_pin() {
    assert_eq!(pin(10), pin(10));
    assert_ne!(pin(10).digest, pin(100).digest);
    assert_ne!(pin(10).key, pin(100).key);
}

#[test]
fn differences_name_the_circuit_the_field_and_both_values() {
    let (small, large) = (pin(1), pin(40));
    let pins = Pins::new([large.clone(), small.clone()]);
    assert_eq!(pins.circuit[0].name, "square-1");
    assert!(pins.differences(&pins).is_empty());

    let moved = Pins::new([Pin { gates: 2, ..small.clone() }, Pin { name: "new".to_owned(), ..large }]);
    let text: Vec<_> = pins.differences(&moved).iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            format!("circuit square-1: gates is pinned as {} but is 2", small.gates),
            "circuit square-40 is pinned but does not exist".to_owned(),
            "circuit new is not pinned".to_owned(),
        ]
    );
}

#[test]
fn pins_survive_their_text() {
    let pins = Pins::new([pin(1), pin(40)]);
    let text = serde_json::to_string(&pins).unwrap();
    assert_eq!(serde_json::from_str::<Pins>(&text).unwrap(), pins);
    assert!(serde_json::from_str::<Pins>(&text.replace("gates", "rows")).is_err());
}

#[test]
fn a_pin_has_the_security_of_its_circuit_and_one_that_does_not_say_it_has_none() {
    let compiled = Compiled::new(Square { rows: 1 }).unwrap();
    let pin = Made::new(&compiled).pin;
    assert_eq!(pin.security(), SecurityReport::of(&compiled));
    pin.security().check().unwrap();
    let mut text = serde_json::to_value(&pin).unwrap();
    text.as_object_mut().unwrap().remove("security").unwrap();
    let silent: Pin = serde_json::from_value(text).unwrap();
    assert!(silent.security().check().is_err());
}
