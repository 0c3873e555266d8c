//! The digest of the body of environment 0's block, natively and in-circuit.

use std::sync::LazyLock;

use circuits_core::{
    Builder, Compiled, Definition, DigestTarget, Witness,
    layout::{Layout, WitnessError, new_virtual, set},
};
use circuits_forging::{Kit, check};
use circuits_protocol::statement::{L1Body, l1_body_digest, l1_body_digest_circuit};
use circuits_prover::basetypes::standard_config;
use plonky2::{field::types::Field64, iop::target::Target, plonk::circuit_data::CircuitConfig};
use proptest::{collection::vec, prelude::*};

use super::*;

/// The digest of the body that is its input.
struct BodyDigest;

impl Definition for BodyDigest {
    type Statement = DigestTarget;
    type NativeStatement = Digest;
    type Targets = L1Body<Target>;
    type Input = L1Body;

    fn name(&self) -> String {
        "l1-body".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let body = new_virtual(builder);
        (l1_body_digest_circuit(builder, &body), body)
    }

    fn assign(
        &self,
        targets: &L1Body<Target>,
        input: &L1Body,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, targets, input)
    }
}

static CIRCUIT: LazyLock<Compiled<BodyDigest>> = LazyLock::new(|| Compiled::new(BodyDigest).unwrap());

const ELEMENTS: usize = <L1Body as Layout<F>>::LEN;

fn body(elements: &[u64]) -> L1Body {
    L1Body::decode(&elements.iter().copied().map(element).collect::<Vec<_>>()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_digest_of_a_body_agrees_natively_and_in_circuit(elements in vec(0..F::ORDER, ELEMENTS)) {
        let body = body(&elements);
        let public = check(&CIRCUIT, &body).unwrap();
        prop_assert_eq!(public, l1_body_digest(&body).0.to_vec());
    }

    #[test]
    fn the_digest_of_a_body_covers_every_element(
        elements in vec(0..F::ORDER, ELEMENTS),
        index in 0..ELEMENTS,
        other in 0..F::ORDER,
    ) {
        let mut changed = elements.clone();
        changed[index] = other;
        let same = l1_body_digest(&body(&changed)) == l1_body_digest(&body(&elements));
        prop_assert_eq!(same, changed == elements);
    }
}

#[test]
fn the_digest_of_a_body_withstands_the_forging_kit() {
    let input = body(&(1..=ELEMENTS as u64).collect::<Vec<_>>());
    Kit::new(&CIRCUIT).input(&input).run().assert_sound();
}
