//! Our prover makes the proofs of plonky2's for the circuits of the workspace.

use std::collections::{BTreeMap, BTreeSet};

use batcher_keys::{catalogue::visit_all, pins::embedded};
use circuits_core::F;
use circuits_forging::fixtures::cache;
use circuits_keys::{AnyDefinition, CircuitCache, pins::Pin};
use circuits_prover::stock;
use environments_core::walk::{Visitor, WalkError};
use plonky2::{field::types::Field as _, iop::witness::PartitionWitness};

/// Two tests share the circuits, as a proof keeps two cores busy only half of the time. Each takes about as many rows.
const PARTS: usize = 2;

/// Wants these circuits and proves them with both provers.
struct Wanted(BTreeSet<String>);

/// The smallest circuit of each family, and one of those that have the same common data. Such circuits have the same gates,
/// degree and parameters, and differ in which rows have which gate, constants and copies: to a prover, in the values of the
/// same polynomials. The names of a family differ in numbers alone, and all wraps are one family. Of them, those of one part.
fn smallest_of_each_family(part: usize) -> BTreeSet<String> {
    let pins = embedded().expect("well-formed");
    let mut smallest = BTreeMap::new();
    for pin in &pins.circuit {
        let family = if pin.name.ends_with("-wrap") { "wrap" } else { pin.name.as_str() };
        let family: String = family.chars().filter(|character| !character.is_ascii_digit()).collect();
        let found = smallest.entry(family).or_insert(pin);
        if pin.degree_bits < found.degree_bits {
            *found = pin;
        }
    }
    let mut common_data = BTreeSet::new();
    let is_new = |pin: &&Pin| {
        let files = pin.files.as_ref().expect("every circuit can be kept");
        common_data.insert(files.common_data.sha3)
    };
    let mut pins: Vec<_> = smallest.into_values().filter(is_new).collect();
    pins.sort_by_key(|pin| pin.degree_bits);
    pins.into_iter().skip(part).step_by(PARTS).map(|pin| pin.name.clone()).collect()
}

impl Visitor for Wanted {
    fn wants(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    fn visit(&mut self, cache: &CircuitCache, definition: Box<dyn AnyDefinition>) -> Result<(), WalkError> {
        let name = definition.identifier();
        let compiled = definition.circuit(cache)?;
        let circuit = compiled.circuit();
        let (common, prover) = (&circuit.common, &circuit.prover_only);
        let mut witness =
            PartitionWitness::new(common.config.num_wires, common.degree(), &prover.representative_map);
        // With arbitrary values no constraint vanishes, so that each of them shows in the proof.
        for (class, value) in (1_u64..).zip(&mut witness.values) {
            *value = Some(F::from_noncanonical_u64(class.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        }
        let [stock, ours] = stock::prove_with_both(circuit, &witness).expect("both make proofs of anything");
        assert!(stock.to_bytes() == ours.to_bytes(), "{name}");
        Ok(())
    }
}

fn compare(part: usize) {
    visit_all(cache(), &mut Wanted(smallest_of_each_family(part))).expect("every circuit is there");
}

#[test]
fn families_of_circuits_are_proved_as_plonky2_proves_them() {
    compare(0);
}

#[test]
fn the_other_families_of_circuits_are_proved_as_plonky2_proves_them() {
    compare(1);
}
