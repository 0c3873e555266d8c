//! How many slots the circuits hold.

use circuits_core::{Builder, Definition};
use circuits_prover::basetypes::standard_config;
use plonky2::plonk::circuit_data::CircuitConfig;

use super::Slots;
use crate::block::{CHUNK_SLOTS, DIRECT_SLOTS, UNSIGNED_SLOTS};

fn rows(config: CircuitConfig, slots: usize) -> usize {
    let mut builder = Builder::new(config);
    Slots(slots).define(&mut builder);
    builder.num_gates()
}

#[test]
fn a_chunk_has_as_many_slots_as_its_shape_holds() {
    let chunk = 1 << 15;
    let found = [CHUNK_SLOTS, CHUNK_SLOTS + 1].map(|slots| rows(standard_config(), slots));
    assert!(found[0] < chunk && found[1] > chunk, "{found:?}");
}

#[test]
fn a_small_block_leaves_room_for_the_verifier_of_its_signatures() {
    // About 4,700 rows in this configuration, and 150 for the block.
    for (slots, degree_bits) in DIRECT_SLOTS.into_iter().zip([13, 14]) {
        let free = (1 << degree_bits) - rows(standard_config(), slots);
        assert!(free > 4800, "{free} rows are left beside {slots} slots");
    }
}

#[test]
fn a_block_without_signatures_has_as_many_slots_as_its_kernel_holds() {
    // And 150 rows for the block.
    let found = [UNSIGNED_SLOTS, UNSIGNED_SLOTS + 1].map(|slots| rows(standard_config(), slots) + 150);
    assert!(found[0] < 1 << 13 && found[1] > 1 << 13, "{found:?}");
}
