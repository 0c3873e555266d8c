//! What encloses a superblock's segment, and the joining of segments, with statements that nobody has proved.

use bridge_core::BlockMessages;
use circuits_core::{
    Builder, Compiled, Definition, Digest, F, Witness,
    constrain::DigestOps,
    layout::{Layout, WitnessError, new_virtual, set},
};
use circuits_forging::{
    Exception, Kind, Mutator, assert_accepts, assert_rejects, check, fixtures::assert_joins_soundly,
};
use circuits_protocol::{
    registry::EnvironmentId,
    statement::{L1Body, SegmentStatement, SuperblockStatement, l1_body_digest},
};
use circuits_prover::basetypes::standard_config;
use plonky2::{field::types::Field, iop::target::Target, plonk::circuit_data::CircuitConfig};

use crate::{
    contents::Contents,
    packing::Load,
    segment::SegmentChain,
    state::SuperblockState,
    superblock::{FrameTargets, SuperblockChildren, SuperblockInput},
    testing::{block, digest, free_registry_with_l1, l1_block, l1_body, silent},
    transition::{Transition, TransitionError},
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

/// Three blocks, and one of environment 0 if `with_l1`.
fn transition(with_l1: bool) -> Transition {
    over(&contents(with_l1)).unwrap()
}

fn over(contents: &Contents) -> Result<Transition, TransitionError> {
    let (state, registry) = (SuperblockState::genesis(9), free_registry_with_l1(2));
    Transition::new(&state, &registry, digest(SEGMENT_SET_ROOT), contents, &Load::default(), &[])
}

fn contents(with_l1: bool) -> Contents {
    let mut contents = silent(&[(1, 1), (2, 1), (1, 2)].map(|(id, height)| block(id, height)));
    if with_l1 {
        contents.blocks.push(l1_block(0, 1, BlockMessages::none(EnvironmentId::L1)));
        contents.l1_body = Some(l1_body(1));
    }
    contents
}

#[test]
fn l1_is_told_the_body_of_the_block_of_environment_0_natively_as_in_circuit() {
    let circuit = Compiled::new(Frame).unwrap();
    for with_l1 in [false, true] {
        let transition = transition(with_l1);
        assert_eq!(transition.statement.l1_block(), with_l1.then(|| l1_body(1)));
        let public = check(&circuit, &transition.superblock_input(SuperblockChildren::Segments(vec![])));
        let stated = SuperblockStatement::decode(&public.unwrap()).unwrap();
        assert_eq!(stated, transition.statement);
    }
    let l1 = Contents { blocks: contents(true).blocks.split_off(3), l1_body: Some(l1_body(1)) };
    assert_eq!(over(&l1).unwrap().statement.block_count, F::ONE, "it needs no other block");
}

#[test]
fn another_body_than_that_of_environment_0_is_refused_natively() {
    let digest_of = |body| Some(l1_body_digest(&body));
    let [stated, other] = [1, 2].map(l1_body);
    for (contents, expected, found) in [
        (Contents { l1_body: Some(other), ..contents(true) }, digest_of(stated), digest_of(other)),
        (Contents { l1_body: None, ..contents(true) }, digest_of(stated), None),
        (Contents { l1_body: Some(stated), ..contents(false) }, None, digest_of(stated)),
        (Contents { l1_body: Some(L1Body::ZERO), ..contents(false) }, None, digest_of(L1Body::ZERO)),
    ] {
        let expected = expected.unwrap_or(Digest::ZERO);
        assert_eq!(over(&contents).unwrap_err(), TransitionError::OtherL1Body { expected, found });
    }
}

/// What L1 could be told falsely of a superblock with and of one without a block of environment 0.
fn false_bodies(with_l1: &SuperblockInput, without: &SuperblockInput) -> Vec<SuperblockInput> {
    let telling = |input: &SuperblockInput, has_l1_block: F, l1_body: L1Body| SuperblockInput {
        has_l1_block,
        l1_body,
        ..input.clone()
    };
    let mut told = vec![
        // Another body, none although there is a block, and one although there is none.
        telling(with_l1, F::ONE, l1_body(2)),
        telling(with_l1, F::ONE, L1Body::ZERO),
        telling(with_l1, F::ZERO, L1Body::ZERO),
        telling(with_l1, F::ZERO, l1_body(1)),
        telling(without, F::ONE, l1_body(1)),
        telling(without, F::ONE, L1Body::ZERO),
        telling(without, F::ZERO, l1_body(1)),
    ];
    // Any single element of it.
    for (index, element) in Layout::<F>::encode(&l1_body(1)).into_iter().enumerate() {
        for (input, base) in [(with_l1, l1_body(1)), (without, L1Body::ZERO)] {
            let mut elements = Layout::<F>::encode(&base);
            elements[index] = element + F::ONE;
            told.push(telling(input, input.has_l1_block, L1Body::decode(&elements).unwrap()));
        }
    }
    // A flag that is neither 0 nor 1, for a body that is nobody's.
    let mut twice = telling(without, F::TWO, L1Body::ZERO);
    let digest = l1_body_digest(&L1Body::ZERO);
    twice.segment.accumulated_after.l1_body = Digest(digest.0.map(|element| element.double()));
    told.push(twice);
    told
}

#[test]
fn l1_is_told_no_other_body_in_circuit() {
    let circuit = Compiled::new(Frame).unwrap();
    let [with_l1, without] = [true, false]
        .map(|with_l1| transition(with_l1).superblock_input(SuperblockChildren::Segments(vec![])));
    for input in [&with_l1, &without] {
        assert_accepts(&circuit, input);
    }
    for input in false_bodies(&with_l1, &without) {
        assert_rejects(&circuit, &input);
    }
}

#[test]
fn every_assertion_around_a_segment_is_needed() {
    let [with_l1, honest] = [true, false]
        .map(|with_l1| transition(with_l1).superblock_input(SuperblockChildren::Segments(vec![])));
    let changed = |change: &dyn Fn(&mut SuperblockInput)| {
        let mut input = honest.clone();
        change(&mut input);
        input
    };
    let mut dishonest = vec![
        // In a history without entries every index looks the same, so only the number speaks against it.
        changed(&|input| input.previous_number += 1),
        changed(&|input| input.history_root = digest(1)),
        changed(&|input| input.segment.segment_set_root = digest(1)),
        changed(&|input| input.segment.accumulated_before.body_chain = digest(1)),
        changed(&|input| input.segment.accumulated_before.l1_body = digest(1)),
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
    dishonest.extend(false_bodies(&with_l1, &honest));
    let unproved = |kind| {
        Exception::new(kind, "the segment's proof, which is left out here, binds its statement", |class| {
            class.hint.is_none()
        })
    };
    Mutator::new(&Frame)
        .honest([&honest, &with_l1])
        .dishonest(&dishonest)
        .except(unproved(Kind::Free))
        .except(unproved(Kind::Unconnected))
        .run()
        .assert_complete();
}

#[test]
fn segments_join_natively_as_in_circuit_with_every_assertion_needed() {
    let transition = transition(false);
    assert_joins_soundly::<SegmentChain>(transition.segment(0..1), transition.segment(1..3));
}
