use circuits_core::{
    Builder, Compiled, Definition, F, Witness,
    layout::{WitnessError, set_target},
    security::Round,
};
use circuits_keys::{
    Made,
    pins::{Pin, Pins},
};
use circuits_prover::basetypes::standard_config;
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

use super::*;
use crate::pins::{embedded, embedded_all};

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
    let pins = embedded_all().expect("well-formed");
    assert!(reports(&pins).len() > pins.count(), "no STARK has a report");
    assert_eq!(too_weak(&pins), []);
}

#[test]
fn the_security_of_every_pin_is_that_of_its_parameters() {
    for pin in &embedded().expect("well-formed").circuit {
        let Pin { name, security, .. } = pin;
        let parameter = |key: &str| usize::try_from(pin.parameters[key]).expect("a small number");
        let rate_bits = parameter("rate_bits");
        assert_eq!(security.degree_bits, pin.degree_bits, "{name}");
        assert_eq!(security.extension_degree, parameter("extension_degree"), "{name}");
        assert_eq!(security.rate_bits, rate_bits, "{name}");
        assert_eq!(security.queries, parameter("queries"), "{name}");
        assert_eq!(security.grinding_bits as usize, parameter("grinding_bits"), "{name}");
        assert_eq!(security.challenges, parameter("challenges"), "{name}");
        assert_eq!(security.routed_wires, parameter("routed_wires"), "{name}");
        // No circuit has a lookup table.
        assert_eq!(security.looked_up, 0, "{name}");
        // FRI folds no more than the degree, and every wire is opened.
        assert!(security.folding_bits.iter().sum::<usize>() <= pin.degree_bits, "{name}");
        assert!(security.openings > parameter("wires") + parameter("routed_wires"), "{name}");
        assert!(security.constraints > 0 && security.identity_degree > 1, "{name}");
        assert!(security.identity_degree <= 1 + (1 << rate_bits), "{name}");
    }
}

#[test]
fn a_circuit_with_too_few_queries_is_named_with_its_round_and_bits() {
    let pin = |queries| Made::new(&Compiled::new(Stated { queries }).expect("it builds")).pin;
    let enough = standard_config().fri_config.num_query_rounds;
    let circuits = Pins::new([pin(enough), pin(28)]);
    let mut keccak_hop = embedded_all().expect("well-formed").keccak_hop.expect("pinned");
    keccak_hop.security.queries = 1;
    let weak = too_weak(&AllPins { circuits, keccak_hop: Some(keccak_hop) });
    assert_eq!(weak.len(), 2);
    assert_eq!((weak[1].name.as_str(), weak[1].round), ("hop-keccak", Round::Queries));
    assert_eq!((weak[0].name.as_str(), weak[0].round), ("stated-28", Round::Queries));
    // 20 + 28 * 1.5.
    assert!((weak[0].bits - 62.0).abs() < 0.1, "{}", weak[0]);
}
