//! How many slots the circuits hold.

use circuits::{
    Builder, Definition,
    basetypes::{kernel_config, standard_config},
};
use plonky2::plonk::circuit_data::CircuitConfig;

use super::Slots;
use crate::accounts::block::{CHUNK_SLOTS, DIRECT_SLOTS};

fn rows(config: CircuitConfig, slots: usize) -> usize {
    let mut builder = Builder::new(config);
    Slots(slots).define(&mut builder);
    builder.num_gates()
}

#[test]
fn a_chunk_has_as_many_slots_as_its_shape_holds() {
    let chunk = 1 << 15;
    assert!(rows(standard_config(), CHUNK_SLOTS) < chunk);
    assert!(rows(standard_config(), CHUNK_SLOTS + 1) > chunk);
}

#[test]
fn a_small_block_leaves_room_for_the_verifier_of_its_signatures() {
    // About 4,700 rows in this configuration, and 150 for the block.
    for (slots, degree_bits) in DIRECT_SLOTS.into_iter().zip([13, 14]) {
        let free = (1 << degree_bits) - rows(kernel_config(), slots);
        assert!(free > 4800, "{free} rows are left beside {slots} slots");
    }
}
