//! The message segment: it applies no block, and only takes steps of the bridge.

use std::collections::BTreeMap;

use bridge_core::{BridgeLists, Capacity, Chunk, CrossingTarget, MAX_BLOCK_STEPS, MAX_L1_BLOCK_STEPS};
use circuits_core::{Builder, Definition, Witness, circuit::named, layout::WitnessError, recursion::Shape};
use circuits_protocol::statement::SegmentStatement;
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

use super::segment::{empty_segment, segment_shape, set_start};

/// Slots of a message segment: they fill 2^15 rows, and take the messages of any block.
pub const MESSAGE_CAPACITY: Capacity = Capacity { new_balances: 24, steps: 179 };
const _: () = assert!(MESSAGE_CAPACITY.steps >= MAX_BLOCK_STEPS);
const _: () = assert!(MESSAGE_CAPACITY.steps >= MAX_L1_BLOCK_STEPS);

/// Takes the bridge's steps after the end of `segment`, and moves the end.
pub(super) fn cross(
    builder: &mut Builder,
    capacity: Capacity,
    segment: &mut SegmentStatement<Target>,
) -> CrossingTarget {
    let mut lists = BridgeLists::of(&segment.accumulated_after);
    let deployment = (segment.chain_id, segment.number);
    let target = CrossingTarget::apply(builder, capacity, deployment, &mut segment.after, &mut lists);
    lists.store(&mut segment.accumulated_after);
    target
}

/// Moves a chunk of messages.
#[derive(Clone, Copy, Debug)]
pub struct MessageSegment {
    pub(crate) capacity: Capacity,
}

/// The segment of [`MESSAGE_CAPACITY`], which plans use.
impl Default for MessageSegment {
    fn default() -> Self {
        Self { capacity: MESSAGE_CAPACITY }
    }
}

/// What the prover of a message segment must know.
#[derive(Clone, Debug)]
pub struct MessagesInput {
    /// The statement; only its start is assigned, its end follows from the steps.
    pub statement: SegmentStatement,
    pub chunk: Chunk,
}

impl Definition for MessageSegment {
    type Statement = SegmentStatement<Target>;
    type NativeStatement = SegmentStatement;
    type Targets = (SegmentStatement<Target>, CrossingTarget);
    type Input = MessagesInput;

    fn name(&self) -> String {
        "segment-messages".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        segment_shape().common.config.clone()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(segment_shape())
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        let Capacity { new_balances, steps } = self.capacity;
        named([("rows", new_balances as u64), ("steps", steps as u64)])
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let start = empty_segment(builder);
        let mut segment = start;
        let crossing = cross(builder, self.capacity, &mut segment);
        (segment, (start, crossing))
    }

    fn assign(
        &self,
        (start, crossing): &Self::Targets,
        input: &MessagesInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set_start(witness, start, &input.statement)?;
        crossing.set_targets(witness, &input.chunk)
    }
}
