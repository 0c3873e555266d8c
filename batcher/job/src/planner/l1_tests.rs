//! The block of environment 0 that a plan has.

use batcher_circuits::testing::{block_with, digest, free_key_digest, free_registry, message, moves};
use bridge_core::{BlockMessages, BridgeError, Consumption, MAX_BLOCK_STEPS, Message, message::MIN_LIFETIME};
use circuits_core::{CircuitError, F};
use circuits_protocol::registry::{EnvironmentId, KernelEntry, RegistryEntry};
use environments_core::{address::Address, block::check_statement};
use environments_l1::{
    Bytes32, Deposit, L1Error, PRODUCER_SECRET, PayoutKind,
    block::{MAX_CONSUMED, MAX_DEPOSITS},
    kernel::Variant,
    registry_entry,
};
use plonky2::field::types::Field;

use super::*;
use crate::l1::l1_state;

const CHAIN: u64 = 1;

/// The free kernel's environments, 1 to this number, and environment 0 with its kernel.
pub(super) fn registry_with_l1(environments: u16) -> Registry {
    let mut registry = free_registry(environments);
    let entry = registry_entry(CHAIN, &[free_key_digest()]).expect("a chain id");
    registry.insert(EnvironmentId::L1, entry).expect("it is not listed yet");
    registry
}

fn free_key(_: Variant) -> Result<Digest, CircuitError> {
    Ok(free_key_digest())
}

/// A selection over the registry of four environments and environment 0.
pub(super) fn select_with_l1(
    planner: Planner,
    state: &SuperblockState,
    candidates: &[Candidate],
    deposits: &[Deposit],
) -> Selection {
    select_over(planner, &registry_with_l1(4), state, candidates, deposits)
}

fn select_over(
    planner: Planner,
    registry: &Registry,
    state: &SuperblockState,
    candidates: &[Candidate],
    deposits: &[Deposit],
) -> Selection {
    let l1 = L1Input { state: l1_state(state), deposits, key: &free_key };
    planner.select(state, registry, candidates, Some(&l1)).expect("the counts are small")
}

/// 10 of L1's asset 1 for environment 1.
pub(super) fn deposit(destination: u16) -> Deposit {
    Deposit {
        depositor: Address([7; 20]),
        destination,
        recipient: Bytes32::of_digest(digest(12)),
        asset: "0:1".parse().expect("an asset"),
        amount: 10,
        lifetime: MIN_LIFETIME,
    }
}

fn plan(state: &SuperblockState, candidates: &[Candidate], deposits: &[Deposit]) -> Plan {
    let selection = select_with_l1(Planner::default(), state, candidates, deposits);
    let plan = Planner::default().plan(state, &registry_with_l1(4), digest(1), selection);
    let plan = plan.expect("a valid plan");
    crate::state::check(&plan.transition.new_state).expect("a possible state");
    assert!(plan.transition.new_state.bridge.is_balanced());
    plan
}

fn candidate(height: u32, messages: BlockMessages) -> Candidate {
    let statement = block_with(height, &messages);
    let header = check_statement(&statement).expect("a block");
    Candidate { statement, header, key: free_key_digest(), messages, file: [0; 32] }
}

/// A withdrawal from environment 1, whose recipient is an address.
fn withdrawal(sequence: u64) -> Message {
    Message { sequence, ..message(CHAIN, 1, 0, 10) }
}

/// What the block of environment 0 consumes and emits.
fn of_l1(plan: &Plan) -> &BlockMessages {
    plan.l1.as_ref().expect("a block of environment 0").block.messages()
}

fn kinds(plan: &Plan) -> Vec<PayoutKind> {
    let l1 = plan.l1.as_ref().expect("a block of environment 0");
    l1.block.witness().outcome.payouts.iter().map(|payout| payout.kind).collect()
}

/// The state in which superblock `number` is next.
fn before(number: u32, state: SuperblockState) -> SuperblockState {
    let number = number - 1;
    SuperblockState {
        number,
        history: vec![digest(1); number as usize].try_into().expect("not zero"),
        ..state
    }
}

#[test]
fn case_83_deposits_are_taken_bounced_and_sent_home_without_any_producer() {
    let broken = Deposit { amount: 0, ..deposit(1) };
    let queue = [deposit(1), broken, deposit(2)];
    let first = plan(&SuperblockState::genesis(CHAIN), &[], &queue);
    assert_eq!((first.order.len(), first.transition.applied.len()), (0, 1));
    assert_eq!((of_l1(&first).outbox.len(), kinds(&first)), (2, vec![PayoutKind::Bounce]));
    assert_eq!(first.transition.new_state.l1.queue.length, 3);

    // The first one is claimed in the next superblock, the other never.
    let messages = of_l1(&first).outbox.clone();
    let [sent, forgotten] = &messages[..] else { panic!("two messages") };
    let state = first.transition.new_state;
    let second = plan(&state, &[candidate(1, moves(1, &[sent], &[]))], &[]);
    assert!(second.l1.is_none() && second.l1_waits.is_none(), "nothing is left to do");
    let late = before(forgotten.deadline + 1, second.transition.new_state);
    let third = plan(&late, &[], &[]);
    assert_eq!(of_l1(&third).inbox, [(forgotten.clone(), Consumption::Refund)]);
    assert_eq!(kinds(&third), [PayoutKind::Refund]);
    assert_eq!(third.transition.new_state.bridge.in_flight().count(), 0);
    assert_eq!(third.transition.new_state.l1.payouts, 2);
}

#[test]
fn the_block_of_environment_0_is_last_and_pays_what_blocks_before_it_send() {
    let sent = withdrawal(0);
    let candidates = [candidate(1, moves(1, &[], &[&sent])), candidate(1, moves(2, &[], &[]))];
    let plan = plan(&SuperblockState::genesis(CHAIN), &candidates, &[deposit(3)]);
    let environments: Vec<_> =
        plan.transition.applied.iter().map(|applied| applied.entry.environment).collect();
    assert_eq!(environments, [1, 2, 0]);
    assert_eq!(of_l1(&plan).inbox, [(sent, Consumption::Claim)]);
    assert_eq!((of_l1(&plan).outbox.len(), kinds(&plan)), (1, vec![PayoutKind::Claim]));
    assert_eq!(plan.transition.new_state.bridge.in_flight().count(), 1, "the deposit");
}

#[test]
fn what_environment_0_emits_is_claimed_in_a_later_superblock() {
    let genesis = SuperblockState::genesis(CHAIN);
    let sent = deposit(1).message(CHAIN, 0, 1).expect("a good deposit");
    let claims = [candidate(1, moves(1, &[&sent], &[]))];
    let first = plan(&genesis, &claims, &[deposit(1)]);
    assert_eq!(first.left_out, [(0, LeftOut::NotEmitted { message: sent.hash() })]);
    assert!(first.left_out[0].1.may_come_later());
    let second = plan(&first.transition.new_state, &claims, &[]);
    assert_eq!(second.order, [0]);
}

#[test]
fn case_66_a_withdrawal_is_paid_or_goes_home_and_never_both() {
    let nobody = Message { recipient: Digest([F::NEG_ONE; 4]), ..withdrawal(1) };
    let sent = candidate(1, moves(1, &[], &[&withdrawal(0), &nobody]));
    let first = plan(&SuperblockState::genesis(CHAIN), &[sent], &[]);
    assert_eq!(of_l1(&first).inbox, [(withdrawal(0), Consumption::Claim)]);
    let refund = |message: Message| BlockMessages {
        inbox: vec![(message, Consumption::Refund)],
        ..BlockMessages::none(EnvironmentId(1))
    };
    let late = before(nobody.deadline + 1, first.transition.new_state);
    let paid = [candidate(2, refund(withdrawal(0)))];
    let paid = select_with_l1(Planner::default(), &late, &paid, &[]);
    assert!(matches!(paid.left_out[0].1, LeftOut::Bridge(BridgeError::NotPending { .. })));
    let home = plan(&late, &[candidate(2, refund(nobody))], &[]);
    assert!(home.left_out.is_empty() && home.l1.is_none());
    assert_eq!(home.transition.new_state.bridge.in_flight().count(), 0);
}

#[test]
fn a_deposit_that_balances_refuse_stays_with_those_after_it_until_they_allow_it() {
    let genesis = SuperblockState::genesis(CHAIN);
    let foreign = Deposit { asset: "1:1".parse().expect("an asset"), ..deposit(2) };
    let queue = [deposit(1), foreign, deposit(3)];
    let first = plan(&genesis, &[], &queue);
    assert_eq!(of_l1(&first).outbox.len(), 1);
    let Some(L1Waits::Deposit { index: 1, source: BridgeError::Balance { .. } }) = first.l1_waits else {
        panic!("{:?}", first.l1_waits);
    };
    // L1 gets some of the asset in the same superblock.
    let sent = candidate(1, moves(1, &[], &[&withdrawal(0)]));
    let second = plan(&first.transition.new_state, &[sent], &queue[1..]);
    assert_eq!((of_l1(&second).outbox.len(), second.l1_waits), (2, None));
}

#[test]
fn one_superblock_takes_so_many_deposits_and_messages_and_the_next_one_goes_on_in_order() {
    let queue = vec![deposit(1); MAX_DEPOSITS + 5];
    let sent: Vec<_> = (0..MAX_CONSUMED as u64 + 5).map(withdrawal).collect();
    let sent: Vec<_> = sent.iter().collect();
    let first = plan(&SuperblockState::genesis(CHAIN), &[candidate(1, moves(1, &[], &sent))], &queue);
    let block = of_l1(&first);
    assert_eq!((block.inbox.len(), block.outbox.len()), (MAX_CONSUMED, MAX_DEPOSITS));
    assert!(block.inbox.iter().zip(&sent).all(|((paid, _), sent)| paid == *sent));
    assert!(first.tree.shares.len() > 1, "they take a message segment");

    let more = candidate(2, moves(1, &[], &[&withdrawal(1000)]));
    let second = plan(&first.transition.new_state, &[more], &queue[MAX_DEPOSITS..]);
    let block = of_l1(&second);
    assert_eq!(block.outbox.len(), 5);
    let paid: Vec<_> = block.inbox.iter().map(|(message, _)| message.sequence).collect();
    let waited = (MAX_CONSUMED as u64..MAX_CONSUMED as u64 + 5).chain([1000]);
    assert_eq!(paid, waited.collect::<Vec<_>>(), "in the order of emission");
    assert_eq!(second.transition.new_state.l1.queue.length as usize, queue.len());
}

#[test]
fn case_90_an_environment_that_floods_l1_keeps_nobody_elses_messages_waiting() {
    // A deposit that nobody claimed, a flood from environment 1, and a withdrawal from environment 2 after it.
    let deposited = plan(&SuperblockState::genesis(CHAIN), &[], &[deposit(3)]).transition.new_state;
    let late = before(MIN_LIFETIME + 2, deposited);
    let deadline = late.number + 1 + MIN_LIFETIME;
    let flood: Vec<_> = (0..MAX_BLOCK_STEPS as u64).map(|n| Message { deadline, ..withdrawal(n) }).collect();
    let one = Message { deadline, ..message(CHAIN, 2, 0, 10) };
    let candidates = [
        candidate(1, moves(1, &[], &flood.iter().collect::<Vec<_>>())),
        candidate(1, moves(2, &[], &[&one])),
    ];
    let plan = plan(&late, &candidates, &[]);
    let paid = &of_l1(&plan).inbox;
    assert_eq!(paid.len(), MAX_CONSUMED);
    assert!(paid.contains(&(one, Consumption::Claim)));
    assert_eq!(paid.iter().filter(|(message, _)| message.source == EnvironmentId::L1).count(), 1);
    let flooded: Vec<_> = paid.iter().filter(|(message, _)| message.source == EnvironmentId(1)).collect();
    assert!(flooded.iter().zip(&flood).all(|((paid, _), sent)| paid == sent), "in the order of emission");
}

#[test]
fn case_90_refunds_have_a_share_first_and_what_one_kind_leaves_is_for_the_other() {
    // More deposits that nobody claimed than there is room for, and as many withdrawals.
    let deposits = vec![deposit(3); MAX_DEPOSITS];
    let mut state = SuperblockState::genesis(CHAIN);
    for _ in 0..2 {
        state = plan(&state, &[], &deposits).transition.new_state;
    }
    let late = before(MIN_LIFETIME + 3, state);
    let deadline = late.number + 1 + MIN_LIFETIME;
    let kinds_with = |count: usize| {
        let sent: Vec<_> = (0..count as u64).map(|n| Message { deadline, ..withdrawal(n) }).collect();
        let sending = candidate(1, moves(1, &[], &sent.iter().collect::<Vec<_>>()));
        kinds(&plan(&late, &[sending], &[]))
    };
    let half = MAX_CONSUMED / 2;
    let both = kinds_with(MAX_BLOCK_STEPS);
    assert_eq!(both, [[PayoutKind::Refund].repeat(half), [PayoutKind::Claim].repeat(half)].concat());
    let few = kinds_with(5);
    let refunds = few.iter().filter(|&&kind| kind == PayoutKind::Refund).count();
    assert_eq!((refunds, few.len()), (MAX_CONSUMED - 5, MAX_CONSUMED));
}

#[test]
fn each_superblock_begins_with_the_next_environment_that_withdraws() {
    let genesis = SuperblockState::genesis(CHAIN);
    let candidates = [1, 2, 3].map(|id| candidate(1, moves(id, &[], &[&message(CHAIN, id, 0, 10)])));
    let sources = |number: u32| {
        let state = before(number, genesis.clone());
        let plan = plan(&state, &candidates, &[]);
        of_l1(&plan).inbox.iter().map(|(message, _)| message.source.get()).collect::<Vec<_>>()
    };
    assert_eq!([1, 2, 3, 4].map(sources), [[1, 2, 3], [2, 3, 1], [3, 1, 2], [1, 2, 3]]);
}

#[test]
fn a_listed_kernel_proves_what_fits_it_if_the_smallest_one_is_not_listed() {
    let genesis = SuperblockState::genesis(CHAIN);
    let key = |variant: Variant| digest(100 + variant.consumed as u64);
    let select = |listed: &[Variant], sent: usize, deposits: &[Deposit]| {
        let mut registry = free_registry(4);
        let keys: Vec<_> = listed.iter().map(|&variant| key(variant)).collect();
        registry.insert(EnvironmentId::L1, registry_entry(CHAIN, &keys).expect("a chain id")).expect("new");
        let sent: Vec<_> = (0..sent as u64).map(withdrawal).collect();
        let sending = candidate(1, moves(1, &[], &sent.iter().collect::<Vec<_>>()));
        let l1 = L1Input { state: l1_state(&genesis), deposits, key: &|variant| Ok(key(variant)) };
        let planner = Planner::default();
        let selection = planner.select(&genesis, &registry, &[sending], Some(&l1)).expect("nothing is built");
        let sizes = selection.l1.map(|PlannedL1 { block, variant, key: found }| {
            assert_eq!(found, key(variant));
            (variant, block.messages().inbox.len(), block.witness().body.deposits.len())
        });
        (sizes, selection.l1_waits)
    };
    let (small, large, queue) = (Variant::SMALL, Variant::LARGE, [deposit(1); MAX_DEPOSITS]);
    // The smallest that takes all, a larger one, and a smaller one for a part of it.
    assert_eq!(select(&Variant::ALL, 3, &queue[..2]).0, Some((small, 3, 2)));
    assert_eq!(select(&[large], 3, &queue[..2]).0, Some((large, 3, 2)));
    assert_eq!(select(&[Variant::EMPTY, small], 90, &queue).0, Some((small, small.consumed, small.deposits)));
    // The kernel of a block of nothing takes nothing of it.
    let (none, waits) = select(&[Variant::EMPTY], 3, &queue[..2]);
    assert_eq!(none, None);
    assert!(matches!(waits, Some(L1Waits::Registry(_))), "{waits:?}");
}

#[test]
fn counts_at_their_end_stop_environment_0_alone() {
    let mut genesis = SuperblockState::genesis(CHAIN);
    genesis.l1.payouts = u32::MAX;
    let candidates = [candidate(1, moves(1, &[], &[&withdrawal(0)]))];
    // The registry starts environment 0 in the state that is at its end.
    let mut registry = free_registry(4);
    let kernel = KernelEntry { key: free_key_digest(), valid_from: 1, valid_until: u32::MAX };
    let start = l1_state(&genesis).commitment();
    let entry = RegistryEntry::new(start, PRODUCER_SECRET.producer(), vec![kernel]);
    registry.insert(EnvironmentId::L1, entry).expect("it is not listed yet");
    let selection = select_over(Planner::default(), &registry, &genesis, &candidates, &[]);
    assert_eq!((selection.order.len(), selection.l1.is_none()), (1, true));
    assert_eq!(selection.l1_waits, Some(L1Waits::Block(L1Error::PayoutsFull)));
}

#[test]
fn without_a_kernel_in_the_registry_nothing_is_done_for_l1_and_it_is_said() {
    let genesis = SuperblockState::genesis(CHAIN);
    let candidates = [candidate(1, moves(1, &[], &[&withdrawal(0)]))];
    let with_entry = |entry: Option<RegistryEntry>| {
        let mut registry = free_registry(4);
        entry.into_iter().for_each(|entry| registry.insert(EnvironmentId::L1, entry).expect("a new one"));
        registry
    };
    let kernel = |from, until| KernelEntry { key: free_key_digest(), valid_from: from, valid_until: until };
    let state = l1_state(&genesis).commitment();
    let entry = |state, kernel| Some(RegistryEntry::new(state, PRODUCER_SECRET.producer(), vec![kernel]));
    for (entry, is_genesis) in
        [(None, false), (entry(state, kernel(2, 9)), false), (entry(digest(5), kernel(1, 9)), true)]
    {
        let registry = with_entry(entry);
        let selection = select_over(Planner::default(), &registry, &genesis, &candidates, &[deposit(1)]);
        assert_eq!((selection.order.len(), selection.l1.is_none()), (1, true));
        let waits = selection.l1_waits.expect("something is to be done");
        assert_eq!(matches!(waits, L1Waits::Genesis { .. }), is_genesis, "{waits}");
        // It says nothing if nothing is to be done.
        let idle = [candidate(1, moves(1, &[], &[]))];
        let selection = select_over(Planner::default(), &registry, &genesis, &idle, &[]);
        assert_eq!(selection.l1_waits, None);
    }
}
