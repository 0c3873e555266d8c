//! The slots for messages, in a message segment and in a superblock, under the forging kit. The steps
//! themselves are attacked in the bridge's own tests, assertion by assertion; here every kind of step runs
//! where the batcher's circuits take it. A message segment asserts nothing besides.

use std::sync::LazyLock;

use batcher_verify::circuit::SuperblockCircuit;
use bridge_core::{BlockMessages, BridgeLists, Capacity, Consumption, Message, message::MIN_LIFETIME};
use circuits_core::{
    Builder, Compiled, Definition, Witness,
    layout::{Layout, WitnessError},
    recursion::Shape,
};
use circuits_forging::{Exception, Kind, Kit, check};
use circuits_protocol::{
    registry::EnvironmentId,
    statement::{Accumulators, SegmentStatement, SuperblockRoots, SuperblockStatement},
};
use circuits_prover::basetypes::standard_config;
use plonky2::plonk::circuit_data::CircuitConfig;

use crate::{
    contents::{ContentBlock, Contents},
    messages::{MessageSegment, MessagesInput},
    packing::Share,
    segment::BlockInput,
    state::SuperblockState,
    superblock::{SuperblockChildren, SuperblockDefinition, SuperblockInput},
    testing::{
        digest, free_key, free_proof, free_registry_with_l1, l1_block, l1_body, message, moves, talking,
    },
    transition::Transition,
};

const CHAIN: u64 = 9;
/// Slots of the circuits under attack: each is used by some input.
pub(super) const SMALL: Capacity = Capacity { new_balances: 1, steps: 3 };
const IDLE: &str = "a slot that does nothing, or a branch not taken";

/// A message segment that is not padded to the segment shape.
struct SmallSegment(MessageSegment);

impl Definition for SmallSegment {
    type Statement = <MessageSegment as Definition>::Statement;
    type NativeStatement = SegmentStatement;
    type Targets = <MessageSegment as Definition>::Targets;
    type Input = MessagesInput;

    fn name(&self) -> String {
        "segment-messages-small".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn shape(&self) -> Option<&Shape> {
        None
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        self.0.define(builder)
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &MessagesInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        self.0.assign(targets, input, witness)
    }
}

static SEGMENT: LazyLock<Compiled<SmallSegment>> =
    LazyLock::new(|| Compiled::new(SmallSegment(MessageSegment { capacity: SMALL })).unwrap());

/// Blocks that follow a state.
pub(super) struct Scene {
    pub(super) state: SuperblockState,
    pub(super) contents: Contents,
}

impl Scene {
    pub(super) fn new(state: &SuperblockState, blocks: Vec<ContentBlock>) -> Self {
        let has_l1_block = blocks.last().is_some_and(|last| last.messages.environment == EnvironmentId::L1);
        let l1_body = has_l1_block.then(|| l1_body(state.number + 1));
        Self { state: state.clone(), contents: Contents { blocks, l1_body } }
    }

    /// All messages in one chunk: of the superblock, or of a message segment if `apart`.
    pub(super) fn transition(&self, apart: bool) -> Transition {
        let load = self.contents.load(&self.state);
        let all = load.pack(SMALL, SMALL, 0).expect("small moves").remove(0);
        let nothing = Share {
            new_balances: all.new_balances.end..all.new_balances.end,
            moves: all.moves.end..all.moves.end,
            steps: all.steps.end..all.steps.end,
        };
        let shares = [all, nothing];
        let used = if apart { &shares[..] } else { &shares[..1] };
        Transition::new(&self.state, &free_registry_with_l1(3), digest(3), &self.contents, &load, used)
            .expect("honest")
    }

    fn segment(&self) -> MessagesInput {
        self.transition(true).messages_input(self.contents.blocks.len())
    }

    fn superblock(&self) -> SuperblockInput {
        self.superblock_of(&self.transition(false))
    }

    pub(super) fn superblock_of(&self, transition: &Transition) -> SuperblockInput {
        let blocks = self.contents.blocks.iter().zip(&transition.applied);
        let blocks = blocks.map(|(block, applied)| BlockInput {
            proof: free_proof(&block.statement),
            key: free_key().clone(),
            applied: applied.clone(),
        });
        transition.superblock_input(SuperblockChildren::Blocks(blocks.collect()))
    }
}

/// The state that the scene leads to.
pub(super) fn after(scene: &Scene) -> SuperblockState {
    let load = scene.contents.load(&scene.state);
    let shares = load.pack(WIDE, WIDE, 0).expect("small moves");
    Transition::new(&scene.state, &free_registry_with_l1(3), digest(3), &scene.contents, &load, &shares)
        .expect("honest")
        .new_state
}

const WIDE: Capacity = Capacity { new_balances: 8, steps: 8 };

/// A withdrawal of 5 by environment 1.
fn withdrawal(sequence: u64) -> Message {
    Message { sequence, ..message(CHAIN, 1, 0, 5) }
}

/// Environment 2 holds 10, another 10 are on their way to it, L1 holds 5, and another 5 are on their way to it.
pub(super) fn start() -> (SuperblockState, Message) {
    let first = message(CHAIN, 1, 2, 10);
    let second = Message { sequence: 1, ..first.clone() };
    let [paid, waiting] = [2, 3].map(withdrawal);
    let blocks = vec![
        talking(1, moves(1, &[], &[&first, &second, &paid, &waiting])),
        talking(1, moves(2, &[&first], &[])),
        talking(1, moves(3, &[], &[])),
        l1_block(0, 1, moves(0, &[&paid], &[])),
    ];
    (after(&Scene::new(&SuperblockState::genesis(CHAIN), blocks)), second)
}

fn expired(state: &SuperblockState, deadline: u32) -> SuperblockState {
    let mut late = state.clone();
    late.number = deadline;
    late.history = vec![digest(1); deadline as usize].try_into().expect("not zero");
    late
}

/// A deposit of what L1 holds.
fn deposit(sequence: u64) -> Message {
    let asset = message(CHAIN, 1, 0, 1).asset;
    Message { asset, sequence, ..message(CHAIN, 0, 2, 2) }
}

/// Every kind of step, each scene with one block.
pub(super) fn scenes() -> Vec<Scene> {
    let (state, pending) = start();
    let silent = |state: &SuperblockState| Scene::new(state, vec![talking(2, moves(3, &[], &[]))]);
    let one = |state: &SuperblockState, messages| Scene::new(state, vec![talking(2, messages)]);
    let back = |destination, value| Message {
        source: pending.destination,
        destination: EnvironmentId(destination),
        ..Message { amount: circuits_core::amount::Amount::new(value).unwrap(), ..pending.clone() }
    };
    let unseen = Message { asset: bridge_core::AssetId::new(3, 1).unwrap(), ..message(CHAIN, 3, 2, 3) };
    let refund = |environment, message: &Message, outbox: &[&Message]| BlockMessages {
        inbox: vec![(message.clone(), Consumption::Refund)],
        ..moves(environment, &[], outbox)
    };
    let late = pending.deadline + 1;
    let by_l1 = |state: &SuperblockState, before, messages| {
        Scene::new(state, vec![l1_block(before, state.number + 1, messages)])
    };
    let deposited = by_l1(&state, 1, moves(0, &[&withdrawal(3)], &[&deposit(0)]));
    let next_deposit = Message { deadline: late + MIN_LIFETIME, ..deposit(1) };
    let refunded =
        by_l1(&expired(&after(&deposited), pending.deadline), 2, refund(0, &deposit(0), &[&next_deposit]));
    vec![
        silent(&state),
        one(&state, moves(2, &[&pending], &[&back(0, 7)])),
        one(&state, moves(2, &[&pending], &[&back(1, 3), &back(3, 4)])),
        one(&state, moves(3, &[], &[&unseen])),
        one(&expired(&state, pending.deadline), refund(1, &pending, &[])),
        one(&expired(&state, pending.deadline), refund(1, &withdrawal(3), &[])),
        by_l1(&state, 1, moves(0, &[], &[])),
        by_l1(&state, 1, moves(0, &[&withdrawal(3)], &[])),
        deposited,
        refunded,
    ]
}

#[test]
fn a_segment_moves_every_kind_of_message_natively_as_in_circuit() {
    for scene in scenes() {
        let input = scene.segment();
        let public = check(&SEGMENT, &input).unwrap();
        assert_eq!(SegmentStatement::decode(&public).unwrap(), input.statement);
    }
}

#[test]
fn a_superblock_moves_every_kind_of_message_natively_as_in_circuit() {
    let definition = SuperblockDefinition::new(SuperblockCircuit::Blocks(1), digest(3));
    let circuit = Compiled::new(SuperblockDefinition { capacity: SMALL, ..definition }).unwrap();
    let scenes = scenes();
    let inputs: Vec<_> = scenes.iter().map(Scene::superblock).collect();
    for (scene, input) in scenes.iter().zip(&inputs) {
        let public = check(&circuit, input).unwrap();
        assert_eq!(SuperblockStatement::decode(&public).unwrap(), scene.transition(false).statement);
    }
    // The expensive half of the kit is the block's verifier, which other tests attack.
    let report = Kit::new(&circuit).inputs(&inputs[1..]).masked(IDLE).run();
    eprintln!("{report}");
    report.assert_sound();
}

/// What steps do not touch is the same at both ends of a segment.
fn untouched() -> Exception {
    let positions: Vec<usize> = (0..<SegmentStatement as Layout<circuits_core::F>>::LEN).collect();
    let statement: SegmentStatement<usize> = SegmentStatement::decode(&positions).unwrap();
    let SuperblockRoots { environments_root, .. } = statement.before;
    let Accumulators { body_chain, l1_body, block_count, block_messages, .. } = statement.accumulated_before;
    let mut free =
        [statement.segment_set_root, statement.registry_root, environments_root, body_chain, block_messages]
            .map(|digest| digest.0)
            .concat();
    free.extend(l1_body.0);
    free.push(block_count);
    // Lists are only lengthened.
    let BridgeLists { applied, consumed, .. } = BridgeLists::of(&statement.accumulated_before);
    free.extend([applied, consumed].map(|digest| digest.0).concat());
    Exception::new(Kind::Free, "passes through a message segment, and its neighbours bind it", move |class| {
        class.public_input.is_some_and(|position| free.contains(&position))
    })
}

#[test]
fn a_message_segment_withstands_the_forging_kit() {
    let inputs: Vec<_> = scenes().iter().map(Scene::segment).collect();
    let kit = Kit::new(&SEGMENT).inputs(&inputs).masked(IDLE);
    let report = kit.except(untouched()).proofs(2).run();
    eprintln!("{report}");
    report.assert_sound();
}
