//! What encloses a superblock's segment, and the joining of segments, with statements that nobody has proved.

use circuits_core::{
    Builder, Definition, Digest, F, Witness,
    constrain::DigestOps,
    layout::{WitnessError, new_virtual, set},
};
use circuits_forging::{Exception, Kind, Mutator, fixtures::assert_joins_soundly};
use circuits_protocol::statement::{SegmentStatement, SuperblockStatement};
use circuits_prover::basetypes::standard_config;
use plonky2::{field::types::Field, iop::target::Target, plonk::circuit_data::CircuitConfig};

use crate::{
    packing::Load,
    segment::SegmentChain,
    state::SuperblockState,
    superblock::{FrameTargets, SuperblockChildren, SuperblockInput},
    testing::{block, digest, free_registry, silent},
    transition::Transition,
};

/// A superblock whose segment comes from nowhere.
struct Frame;

const SEGMENT_SET_ROOT: u64 = 9;

impl Definition for Frame {
    type Statement = SuperblockStatement<Target>;
    type NativeStatement = SuperblockStatement;
    type Targets = (FrameTargets, SegmentStatement<Target>);
    type Input = SuperblockInput;

    fn name(&self) -> String {
        "superblock-frame".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let frame = FrameTargets::new_virtual(builder);
        let segment = new_virtual(builder);
        let root = builder.constant_digest(digest(SEGMENT_SET_ROOT));
        (frame.enclose(builder, &segment, root), (frame, segment))
    }

    fn assign(
        &self,
        (frame, segment): &Self::Targets,
        input: &SuperblockInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        frame.set_targets(witness, input)?;
        set(witness, segment, &input.segment)
    }
}

fn transition() -> Transition {
    let blocks = [(1, 1), (2, 1), (1, 2)].map(|(id, height)| block(id, height));
    let state = SuperblockState::genesis(9);
    Transition::new(
        &state,
        &free_registry(2),
        digest(SEGMENT_SET_ROOT),
        &silent(&blocks),
        &Load::default(),
        &[],
    )
    .unwrap()
}

#[test]
fn every_assertion_around_a_segment_is_needed() {
    let honest = transition().superblock_input(SuperblockChildren::Segments(vec![]));
    let changed = |change: &dyn Fn(&mut SuperblockInput)| {
        let mut input = honest.clone();
        change(&mut input);
        input
    };
    let dishonest = [
        // In a history without entries every index looks the same, so only the number speaks against it.
        changed(&|input| input.previous_number += 1),
        changed(&|input| input.history_root = digest(1)),
        changed(&|input| input.segment.segment_set_root = digest(1)),
        changed(&|input| input.segment.accumulated_before.body_chain = digest(1)),
        changed(&|input| input.segment.accumulated_before.l1_outbox = Digest::ZERO),
        changed(&|input| input.segment.accumulated_before.block_count += F::ONE),
        changed(&|input| input.segment.accumulated_before.block_messages = digest(1)),
        changed(&|input| input.segment.accumulated_before.applied = digest(1)),
        changed(&|input| input.segment.accumulated_after.applied = digest(1)),
        changed(&|input| input.segment.accumulated_after.block_count = F::ZERO),
        changed(&|input| input.segment.accumulated_before.consumed = digest(1)),
        changed(&|input| input.segment.accumulated_before.unused_balances = F::ONE),
        changed(&|input| input.segment.accumulated_after.unused_balances = F::ONE),
        changed(&|input| input.segment.chain_id += F::ONE),
    ];
    let unproved = |kind| {
        Exception::new(kind, "the segment's proof, which is left out here, binds its statement", |class| {
            class.hint.is_none()
        })
    };
    Mutator::new(&Frame)
        .honest([&honest])
        .dishonest(&dishonest)
        .except(unproved(Kind::Free))
        .except(unproved(Kind::Unconnected))
        .run()
        .assert_complete();
}

#[test]
fn segments_join_natively_as_in_circuit_with_every_assertion_needed() {
    let transition = transition();
    assert_joins_soundly::<SegmentChain>(transition.segment(0..1), transition.segment(1..3));
}
