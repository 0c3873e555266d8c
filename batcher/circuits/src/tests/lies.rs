//! Kernels that lie about messages: their blocks are refused natively with an error of their own, and with the
//! native check switched off neither a superblock's own circuit nor a message segment has a proof.

use std::sync::LazyLock;

use batcher_verify::circuit::SuperblockCircuit;
use bridge_core::{
    AssetId, BlockMessages, BridgeError, Consumption, Message,
    message::{MAX_LIFETIME, MIN_LIFETIME, MessageFields, message_hash, outbox_append},
};
use circuits_core::{Compiled, Digest, F, amount::Amount};
use circuits_forging::check;
use circuits_protocol::{
    registry::EnvironmentId,
    statement::{BlockStatement, empty_list},
};
use plonky2::field::types::Field;

use crate::{
    assembly::Assembly,
    contents::{ContentBlock, Contents},
    engine::Engine,
    messages::MessageSegment,
    packing::{Load, Share},
    segment::BlockInput,
    state::SuperblockState,
    superblock::{SuperblockChildren, SuperblockDefinition},
    testing::{
        block, digest, engine, free_key, free_proof, free_registry_with_l1, l1_block, l1_body, message,
        moves, talking,
    },
    transition::{Transition, TransitionError},
};

/// What a liar does to a list.
type Change = fn(&mut BlockMessages);

const CHAIN: u64 = 9;
/// The superblock in which the lies are told.
const NUMBER: u32 = 2;

struct Circuits {
    engine: Engine,
    superblock: std::sync::Arc<Compiled<SuperblockDefinition>>,
    segment: std::sync::Arc<Compiled<MessageSegment>>,
}

static CIRCUITS: LazyLock<Circuits> = LazyLock::new(|| {
    let engine = engine();
    let superblock = engine.superblock(SuperblockCircuit::Blocks(1)).unwrap().circuit().unwrap();
    let segment = engine.messages().circuit().unwrap();
    Circuits { engine, superblock, segment }
});

/// Environment 2 claimed the first of these from environment 1, and the second is on its way to it. L1 claimed the third,
/// and the fourth is on its way to it.
fn sent() -> [Message; 4] {
    let first = message(CHAIN, 1, 2, 10);
    let second = Message { sequence: 1, ..first.clone() };
    let [paid, waiting] = [2, 3].map(|sequence| Message { sequence, ..message(CHAIN, 1, 0, 5) });
    [first, second, paid, waiting]
}

/// A deposit, of what L1 holds.
fn deposit(value: u64) -> Message {
    Message { asset: sent()[0].asset, ..message(CHAIN, 0, 2, value) }
}

/// The state after [`sent`], with a deposit of 2 that waits.
fn state() -> SuperblockState {
    let [first, second, paid, waiting] = &sent();
    let blocks = vec![
        talking(1, moves(1, &[], &[first, second, paid, waiting])),
        talking(1, moves(2, &[first], &[])),
        l1_block(0, 1, moves(0, &[paid], &[&deposit(2)])),
    ];
    let contents = Contents { blocks, l1_body: Some(l1_body(1)) };
    transition(&SuperblockState::genesis(CHAIN), &contents).unwrap().new_state
}

const SEGMENT: bridge_core::Capacity = crate::messages::MESSAGE_CAPACITY;

/// [`state`] when the deadline of everything that was sent has passed.
fn late() -> SuperblockState {
    let mut state = state();
    state.number = sent()[0].deadline;
    state.history = vec![digest(1); state.number as usize].try_into().expect("not zero");
    state
}

/// The transition of an honest prover, with all messages in one chunk.
fn transition(state: &SuperblockState, contents: &Contents) -> Result<Transition, TransitionError> {
    let load = contents.load(state);
    let shares = load.pack(SEGMENT, SEGMENT, 0).unwrap();
    Transition::new(state, &free_registry_with_l1(3), root(), contents, &load, &shares)
}

/// The transition of a prover who skips the rules of the bridge, and does not compare messages with statements.
fn unchecked(state: &SuperblockState, contents: &Contents, load: &Load, shares: &[Share]) -> Transition {
    let registry = free_registry_with_l1(3);
    let mut assembly = Assembly::apply_blocks(state, &registry, root(), contents).expect("the blocks apply");
    for share in shares {
        assembly.open_balances(load.balances_of(share)).expect("the tree has room");
        for one in &contents.moves()[share.moves.clone()] {
            assembly.crossing.apply_unchecked(one.messages);
        }
        assembly.end_chunk().expect("the tree has room");
    }
    assembly.finish()
}

fn root() -> Digest {
    CIRCUITS.engine.pinned().key_set().root()
}

/// A superblock of one block.
fn alone(state: &SuperblockState, block: &ContentBlock) -> Contents {
    let l1_body = (block.messages.environment == EnvironmentId::L1).then(|| l1_body(state.number + 1));
    Contents { blocks: vec![block.clone()], l1_body }
}

/// The next block of environment `messages.environment` after `state`, in which its only other block was its first.
fn next(state: &SuperblockState, messages: BlockMessages) -> ContentBlock {
    if messages.environment == EnvironmentId::L1 {
        return l1_block(1, state.number + 1, messages);
    }
    let height = if messages.environment == EnvironmentId(3) { 1 } else { 2 };
    let mut block = talking(height, messages);
    if height == 2 {
        let environment = block.messages.environment.0;
        block.statement.previous_state = self::block(environment, 1).new_state;
    }
    block
}

/// What a prover who skips the native rules can offer for a superblock of one block.
struct Offer {
    transition: Transition,
    statement: BlockStatement,
    shares: [Share; 2],
}

impl Offer {
    /// All messages in one chunk: of the superblock itself, or of a message segment if `apart`.
    fn new(state: &SuperblockState, block: &ContentBlock, apart: bool) -> Self {
        let contents = alone(state, block);
        let load = contents.load(state);
        let all = load.pack(SEGMENT, SEGMENT, 0).unwrap().remove(0);
        let nothing = Share {
            new_balances: all.new_balances.end..all.new_balances.end,
            moves: all.moves.end..all.moves.end,
            steps: all.steps.end..all.steps.end,
        };
        let shares = [all, nothing];
        let used = if apart { &shares[..] } else { &shares[..1] };
        let transition = unchecked(state, &contents, &load, used);
        Self { transition, statement: block.statement, shares }
    }

    /// Whether the superblock's own circuit takes it.
    fn superblock_accepts(&self) -> bool {
        let input = BlockInput {
            proof: free_proof(&self.statement),
            key: free_key().clone(),
            applied: self.transition.applied[0].clone(),
        };
        let input = self.transition.superblock_input(SuperblockChildren::Blocks(vec![input]));
        check(&CIRCUITS.superblock, &input).is_ok()
    }

    /// Whether a message segment takes it.
    fn segment_accepts(&self) -> bool {
        check(&CIRCUITS.segment, &self.transition.messages_input(1)).is_ok()
    }
}

/// Whether a superblock's circuit and a message segment take the block's messages.
fn accepted(state: &SuperblockState, block: &ContentBlock) -> [bool; 2] {
    [Offer::new(state, block, false).superblock_accepts(), Offer::new(state, block, true).segment_accepts()]
}

/// The rule that the block breaks, which both circuits enforce.
fn refused(state: &SuperblockState, messages: BlockMessages) -> BridgeError {
    let block = next(state, messages);
    assert_eq!(accepted(state, &block), [false; 2], "{:?}", block.messages);
    match native(state, &block) {
        TransitionError::Bridge { index: 0, source } => source,
        other => panic!("{other}"),
    }
}

fn native(state: &SuperblockState, block: &ContentBlock) -> TransitionError {
    transition(state, &alone(state, block)).unwrap_err()
}

fn refunds(environment: u16, message: &Message) -> BlockMessages {
    let inbox = vec![(message.clone(), Consumption::Refund)];
    BlockMessages { inbox, ..moves(environment, &[], &[]) }
}

/// A message of `environment` about what it received from environment 1.
fn back(environment: u16, value: u64) -> Message {
    let source = EnvironmentId(environment);
    Message {
        source,
        destination: EnvironmentId(3),
        amount: Amount::new(value).unwrap(),
        ..sent()[0].clone()
    }
}

#[test]
fn honest_messages_pass_where_lies_are_judged() {
    let [_, second, _, waiting] = &sent();
    for (state, messages) in [
        (state(), moves(2, &[second], &[&back(2, 20)])),
        (state(), moves(1, &[], &[&message(CHAIN, 1, 3, 7)])),
        (state(), moves(0, &[waiting], &[&deposit(8)])),
        (late(), refunds(1, second)),
        (late(), refunds(1, waiting)),
    ] {
        assert_eq!(accepted(&state, &next(&state, messages)), [true; 2]);
    }
}

#[test]
fn a_kernel_mints_nothing_without_a_message() {
    let never = Message { sequence: 9, ..sent()[1].clone() };
    let error = refused(&state(), moves(2, &[&never], &[]));
    assert_eq!(error, BridgeError::NotPending { message: never.hash(), consumption: Consumption::Claim });
}

#[test]
fn case_45_a_message_is_claimed_once_and_by_its_destination() {
    let [first, second, ..] = sent();
    let error = refused(&state(), moves(2, &[&first], &[]));
    assert_eq!(error, BridgeError::NotPending { message: first.hash(), consumption: Consumption::Claim });
    let error = refused(&state(), moves(3, &[&second], &[]));
    let (actor, destination) = (EnvironmentId(3), EnvironmentId(2));
    assert_eq!(error, BridgeError::Destination { actor, destination });
    // Twice in one block.
    let error = refused(&state(), moves(2, &[&second, &second], &[]));
    assert!(matches!(error, BridgeError::NotPending { .. }));
}

#[test]
fn case_39_a_message_of_another_deployment_or_in_anothers_name_is_refused() {
    let other = Message { chain_id: CHAIN + 1, ..message(CHAIN, 1, 3, 7) };
    let error = refused(&state(), moves(1, &[], &[&other]));
    assert_eq!(error, BridgeError::ChainId { expected: CHAIN, found: CHAIN + 1 });
    let (actor, source_environment) = (EnvironmentId(2), EnvironmentId(1));
    let error = refused(&state(), moves(2, &[], &[&message(CHAIN, 1, 3, 7)]));
    assert_eq!(error, BridgeError::Source { actor, source_environment });
    let error = refused(&late(), refunds(2, &sent()[1]));
    assert_eq!(error, BridgeError::Source { actor, source_environment });
}

#[test]
fn case_53_balances_stay_in_range_and_nobody_sends_to_himself() {
    let more = refused(&state(), moves(2, &[], &[&back(2, 11)]));
    assert!(matches!(more, BridgeError::Balance { .. }), "{more}");
    let own = refused(&state(), moves(1, &[], &[&message(CHAIN, 1, 1, 7)]));
    assert_eq!(own, BridgeError::SelfMessage(EnvironmentId(1)));
    let zero = refused(&state(), moves(1, &[], &[&message(CHAIN, 1, 3, 0)]));
    assert_eq!(zero, BridgeError::ZeroAmount);
}

#[test]
fn case_72_a_hostile_origin_does_not_overflow_its_row() {
    let most = message(CHAIN, 1, 3, Amount::MAX.get());
    let error = refused(&state(), moves(1, &[], &[&most]));
    assert!(matches!(error, BridgeError::Balance { .. }), "{error}");
}

#[test]
fn case_58_the_deadline_parts_claims_from_refunds() {
    let [first, second, ..] = &sent();
    let deadline = second.deadline;
    let early = refused(&state(), refunds(1, second));
    assert_eq!(early, BridgeError::RefundTooEarly { number: NUMBER, deadline });
    let late_claim = refused(&late(), moves(2, &[second], &[]));
    assert_eq!(late_claim, BridgeError::ClaimTooLate { number: deadline + 1, deadline });
    let both = refused(&late(), refunds(1, first));
    assert!(matches!(both, BridgeError::NotPending { .. }), "it was claimed in time");
}

#[test]
fn case_66_a_withdrawal_that_l1_pays_is_not_consumed_again() {
    let [.., paid, waiting] = &sent();
    let not_pending = |consumption| BridgeError::NotPending { message: paid.hash(), consumption };
    assert_eq!(refused(&late(), refunds(1, paid)), not_pending(Consumption::Refund));
    assert_eq!(refused(&state(), moves(0, &[paid], &[])), not_pending(Consumption::Claim));
    let claim = refused(&state(), moves(2, &[waiting], &[]));
    let (actor, destination) = (EnvironmentId(2), EnvironmentId::L1);
    assert_eq!(claim, BridgeError::Destination { actor, destination });

    // One that L1 has not claimed goes home after its deadline, and no block of environment 0 pays it then.
    let deadline = waiting.deadline;
    let late_claim = refused(&late(), moves(0, &[waiting], &[]));
    assert_eq!(late_claim, BridgeError::ClaimTooLate { number: deadline + 1, deadline });
    let early = refused(&state(), refunds(1, waiting));
    assert_eq!(early, BridgeError::RefundTooEarly { number: NUMBER, deadline });
    let home = transition(&late(), &alone(&late(), &next(&late(), refunds(1, waiting)))).unwrap().new_state;
    assert!(home.bridge.pending(&waiting.hash()).is_none() && home.bridge.is_balanced());
    // Twice in one superblock.
    let mut both = alone(&state(), &next(&state(), moves(0, &[waiting], &[])));
    both.blocks.insert(0, next(&state(), refunds(1, waiting)));
    let error = transition(&state(), &both).unwrap_err();
    assert!(matches!(error, TransitionError::Bridge { index: 0, .. }), "{error}");
}

#[test]
fn case_82_a_kernel_of_environment_0_keeps_the_rules_of_all() {
    let emits = |deposit: Message| refused(&state(), moves(0, &[], &[&deposit]));
    for deadline in [NUMBER + MIN_LIFETIME - 1, NUMBER + MAX_LIFETIME + 1] {
        let expected = BridgeError::Lifetime { number: NUMBER, deadline };
        assert_eq!(emits(Message { deadline, ..deposit(1) }), expected);
    }
    let more = emits(deposit(4));
    assert!(matches!(more, BridgeError::Balance { .. }), "L1 holds 3: {more}");
    let own = emits(Message { destination: EnvironmentId::L1, ..deposit(1) });
    assert_eq!(own, BridgeError::SelfMessage(EnvironmentId::L1));
    assert_eq!(emits(deposit(0)), BridgeError::ZeroAmount);
    let most = Message { asset: AssetId::new(0, 1).unwrap(), ..deposit(Amount::MAX.get()) };
    let full = transition(&state(), &alone(&state(), &next(&state(), moves(0, &[], &[&most])))).unwrap();
    let one_more = Message { amount: Amount::new(1).unwrap(), ..most };
    let block = l1_block(2, NUMBER + 1, moves(0, &[], &[&one_more]));
    assert_eq!(accepted(&full.new_state, &block), [false; 2], "what is outstanding has its bound");
    assert!(matches!(native(&full.new_state, &block), TransitionError::Bridge { .. }));
}

#[test]
fn case_83_with_no_producer_left_environment_0_refunds_and_takes_deposits() {
    let state = late();
    let number = state.number + 1;
    let new = Message { deadline: number + MIN_LIFETIME, sequence: 1, ..deposit(3) };
    let messages = BlockMessages { outbox: vec![new.clone()], ..refunds(0, &deposit(2)) };
    let block = next(&state, messages);
    assert_eq!(accepted(&state, &block), [true; 2]);
    let after = transition(&state, &alone(&state, &block)).unwrap();
    assert_eq!(after.statement.block_count, F::ONE, "no other block is needed");
    assert_eq!(after.statement.l1_block(), Some(l1_body(number)));
    let bridge = &after.new_state.bridge;
    assert!(bridge.pending(&new.hash()).is_some() && bridge.pending(&deposit(2).hash()).is_none());
}

/// The next block of environment 2, which emits what no message can say: `change` of a message that it may emit.
fn unspeakable(change: impl Fn(&mut MessageFields)) -> [Offer; 2] {
    let allowed = back(2, 5);
    let mut block = next(&state(), moves(2, &[], &[&allowed]));
    let mut fields = allowed.fields();
    change(&mut fields);
    block.statement.outbox = outbox_append(empty_list(), message_hash(&fields));
    [false, true].map(|apart| {
        let mut offer = Offer::new(&state(), &block, apart);
        offer.transition.chunks[0].steps[0].fields.message = fields;
        offer
    })
}

fn assert_unspeakable(change: impl Fn(&mut MessageFields)) {
    let [inline, apart] = unspeakable(change);
    let block = ContentBlock { statement: inline.statement, ..next(&state(), moves(2, &[], &[&back(2, 5)])) };
    assert_eq!(native(&state(), &block), TransitionError::OtherMessages { index: 0, list: "outbox" });
    assert!(!inline.superblock_accepts() && !apart.segment_accepts());
}

#[test]
fn no_amount_beyond_its_bits_is_emitted() {
    let [inline, apart] = unspeakable(|_| {});
    assert!(inline.superblock_accepts() && apart.segment_accepts(), "what it may say");
    // Less than nothing, which would leave the sender with more.
    assert_unspeakable(|fields| fields.amount = -F::from_canonical_u64(5));
    assert_unspeakable(|fields| fields.amount = F::from_canonical_u64(1 << 58));
}

#[test]
fn case_50_no_environment_beyond_16_bits_is_sent_to() {
    assert_unspeakable(|fields| fields.destination = F::from_canonical_u64(1 << 16));
    assert_unspeakable(|fields| fields.destination = F::from_canonical_u64(3 + (1 << 16)));
}

#[test]
fn other_messages_than_the_blocks_are_not_moved_in_their_place() {
    let [_, second, ..] = &sent();
    let good = next(&state(), moves(2, &[second], &[&back(2, 5)]));
    let lists: [(&str, Change); 3] = [
        ("inbox", |messages| messages.inbox.clear()),
        ("outbox", |messages| messages.outbox[0].recipient = digest(99)),
        ("outbox", |messages| messages.outbox.clear()),
    ];
    for (list, change) in lists {
        let mut block = good.clone();
        change(&mut block.messages);
        assert_eq!(native(&state(), &block), TransitionError::OtherMessages { index: 0, list });
        // The steps are as good as any: what refuses them is the list of blocks.
        let [inline, segment] = accepted(&state(), &block);
        assert!(!inline && segment, "{list}");
    }
}

#[test]
fn a_superblock_moves_the_messages_of_every_block() {
    let [_, second, ..] = &sent();
    let block = next(&state(), moves(2, &[second], &[]));
    let mut offer = Offer::new(&state(), &block, false);
    offer.transition.chunks[0].steps.clear();
    assert!(!offer.superblock_accepts());
    let contents = alone(&state(), &block);
    let (load, shares) = (contents.load(&state()), &offer.shares[1..]);
    let error =
        Transition::new(&state(), &free_registry_with_l1(3), root(), &contents, &load, shares).unwrap_err();
    assert!(matches!(error, TransitionError::Unmoved { .. }), "{error}");
}
