//! Our prover makes the proofs of plonky2's for the circuits of the workspace.

use std::{cell::RefCell, collections::BTreeSet};

use batcher_keys::catalogue::visit_all;
use circuits_core::F;
use circuits_forging::fixtures::cache;
use circuits_keys::{AnyDefinition, CircuitCache};
use circuits_prover::stock;
use environments_core::walk::{Visitor, WalkError};
use plonky2::{field::types::Field as _, iop::witness::PartitionWitness};

/// Wants one circuit of each family and proves it with both provers. The names of a family differ in numbers alone, and all
/// wraps are one family.
#[derive(Default)]
struct Families(RefCell<BTreeSet<String>>);

impl Visitor for Families {
    fn wants(&self, name: &str) -> bool {
        let family = if name.ends_with("-wrap") { "wrap" } else { name };
        let family = family.chars().filter(|character| !character.is_ascii_digit()).collect();
        // A walk asks again before it visits.
        self.0.borrow().contains(name) || {
            let is_first = self.0.borrow_mut().insert(family);
            if is_first {
                self.0.borrow_mut().insert(name.to_owned());
            }
            is_first
        }
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

#[test]
fn every_family_of_circuits_is_proved_as_plonky2_proves_it() {
    visit_all(cache(), &mut Families::default()).expect("every circuit is there");
}
