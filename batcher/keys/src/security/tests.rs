use circuits_core::{
    Builder, Compiled, Definition, F, Witness,
    layout::{WitnessError, set_target},
    security::Round,
};
use circuits_keys::Made;
use circuits_prover::basetypes::standard_config;
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

use super::*;
use crate::pins::embedded;

/// States one element, with a number of queries.
struct Stated {
    queries: usize,
}

impl Definition for Stated {
    type Statement = [Target; 1];
    type NativeStatement = [F; 1];
    type Targets = Target;
    type Input = F;

    fn name(&self) -> String {
        format!("stated-{}", self.queries)
    }

    fn config(&self) -> CircuitConfig {
        let mut config = standard_config();
        config.fri_config.num_query_rounds = self.queries;
        config.security_bits = 50;
        config
    }

    fn define(&self, builder: &mut Builder) -> ([Target; 1], Target) {
        let stated = builder.add_virtual_target();
        ([stated], stated)
    }

    fn assign(&self, stated: &Target, input: &F, witness: &mut Witness) -> Result<(), WitnessError> {
        set_target(witness, *stated, *input)
    }
}

#[test]
fn every_pinned_circuit_and_every_stark_has_the_required_bits() {
    let pins = embedded().expect("well-formed");
    assert!(reports(&pins).len() > pins.circuit.len(), "no STARK has a report");
    assert_eq!(too_weak(&pins), []);
}

#[test]
fn a_circuit_with_too_few_queries_is_named_with_its_round_and_bits() {
    let pin = |queries| Made::new(&Compiled::new(Stated { queries }).expect("it builds")).pin;
    let enough = standard_config().fri_config.num_query_rounds;
    let weak = too_weak(&Pins::new([pin(enough), pin(28)]));
    assert_eq!(weak.len(), 1);
    assert_eq!((weak[0].name.as_str(), weak[0].round), ("stated-28", Round::Queries));
    // 20 + 28 * 1.5.
    assert!((weak[0].bits - 62.0).abs() < 0.1, "{}", weak[0]);
}
