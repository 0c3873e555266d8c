//! What circuits move fills the rows that they have.

use batcher_verify::circuit::{SuperblockCircuit, superblock_shape};
use bridge_core::Capacity;
use circuits_core::{Digest, circuit::defined, recursion::Shape};

use crate::{messages::MessageSegment, segment::segment_shape, superblock::SuperblockDefinition};

/// Rows that plonky2 adds when it builds a circuit: the hash of the public inputs, and constants.
const ADDED_ROWS: usize = 12;

/// Checks that a circuit holds `capacity` and not one more step, if `rows` counts what it takes.
fn assert_filled(name: &str, shape: &Shape, capacity: Capacity, rows: impl Fn(Capacity) -> usize) {
    let most = (1 << shape.common.degree_bits()) - ADDED_ROWS;
    let [used, more] = [0, 1].map(|one| rows(Capacity { steps: capacity.steps + one, ..capacity }));
    println!("{name}: {used} of {most} rows, a step takes {}", more - used);
    assert!(used <= most && most < more, "{name}");
}

#[test]
fn no_circuit_has_rows_for_another_step() {
    let messages = MessageSegment::default();
    assert_filled("message segment", segment_shape(), messages.capacity, |capacity| {
        defined(&MessageSegment { capacity }).2
    });
    for source in SuperblockCircuit::all() {
        let definition = SuperblockDefinition::new(source, Digest::ZERO);
        assert_filled(&source.name(), superblock_shape(source), definition.capacity, |capacity| {
            defined(&SuperblockDefinition { capacity, ..definition }).2
        });
    }
}
