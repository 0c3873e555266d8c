//! Plans over blocks that wait for each other's messages.

use std::collections::BTreeMap;

use batcher_circuits::testing::{block_with, digest, free_key_digest, free_registry, message, moves};
use bridge_core::{BlockMessages, BridgeError, Consumption, Message};
use circuits_protocol::registry::EnvironmentId;
use environments_core::block::check_statement;
use environments_l1::Deposit;
use proptest::{collection::vec, prelude::*};

use super::{
    l1_tests::{deposit, registry_with_l1, select_with_l1},
    *,
};

const CHAIN: u64 = 1;

fn candidate(height: u32, messages: BlockMessages) -> Candidate {
    let statement = block_with(height, &messages);
    let header = check_statement(&statement).expect("a block");
    Candidate { statement, header, key: free_key_digest(), messages, file: [height as u8; 32] }
}

fn silent(id: u16, height: u32) -> Candidate {
    candidate(height, moves(id, &[], &[]))
}

fn select(candidates: &[Candidate]) -> Selection {
    Planner::default()
        .select(&SuperblockState::genesis(CHAIN), &free_registry(4), candidates, None)
        .expect("no kernel is built")
}

fn plan_on(state: &SuperblockState, candidates: &[Candidate], deposits: &[Deposit]) -> Plan {
    let planner = Planner::default();
    let selection = select_with_l1(planner, state, candidates, deposits);
    planner.plan(state, &registry_with_l1(4), digest(1), selection).expect("a valid plan")
}

fn name(environment: u16, height: u32) -> BlockName {
    BlockName { environment: EnvironmentId(environment), height }
}

/// A message from `source` to `destination` that differs from others by `sequence`.
fn out(source: u16, destination: u16, sequence: u64) -> Message {
    Message { sequence, ..message(CHAIN, source, destination, 10) }
}

#[test]
fn a_block_that_claims_comes_after_the_block_that_emits() {
    let sent = out(2, 1, 0);
    let candidates = [candidate(1, moves(1, &[&sent], &[])), candidate(1, moves(2, &[], &[&sent]))];
    let selection = select(&candidates);
    assert_eq!((selection.order, selection.left_out), (vec![1, 0], vec![]));
}

#[test]
fn an_asset_goes_there_and_back_in_one_superblock() {
    let there = out(1, 2, 0);
    let back = Message { source: EnvironmentId(2), destination: EnvironmentId(1), ..there.clone() };
    let candidates = [
        candidate(2, moves(1, &[&back], &[])),
        candidate(1, moves(2, &[&there], &[&back])),
        candidate(1, moves(1, &[], &[&there])),
    ];
    let plan = plan_on(&SuperblockState::genesis(CHAIN), &candidates, &[]);
    assert_eq!(plan.order, [2, 1, 0]);
    let bridge = &plan.transition.new_state.bridge;
    assert!(bridge.in_flight().next().is_none() && bridge.is_balanced());
    assert_eq!(bridge.balance(there.balance_key(EnvironmentId(1))).get(), 0);
}

#[test]
fn a_message_that_nobody_emitted_keeps_its_block_and_what_follows_and_nothing_else() {
    let sent = out(1, 2, 0);
    let candidates = [candidate(1, moves(2, &[&sent], &[])), silent(2, 2), silent(1, 1), silent(3, 1)];
    let selection = select(&candidates);
    assert_eq!(selection.order, [2, 3]);
    let expected = [
        (0, LeftOut::NotEmitted { message: sent.hash() }),
        (1, LeftOut::Follows { block: name(2, 1), later: true }),
    ];
    assert_eq!(selection.left_out, expected);
    assert!(selection.left_out.iter().all(|(_, reason)| reason.may_come_later()));
}

#[test]
fn a_rule_of_the_bridge_keeps_a_block_with_what_depends_on_it() {
    let late = Message { deadline: 2, ..out(1, 2, 0) };
    let after = out(1, 3, 1);
    let candidates = [
        candidate(1, moves(1, &[], &[&late])),
        candidate(2, moves(1, &[], &[&after])),
        candidate(1, moves(2, &[&late], &[])),
        candidate(1, moves(3, &[&after], &[])),
        silent(4, 1),
    ];
    let selection = select(&candidates);
    assert_eq!(selection.order, [4]);
    let missing = |message: &Message, height| LeftOut::Missing {
        message: message.hash(),
        emitter: name(1, height),
        later: false,
    };
    let expected = [
        (0, LeftOut::Bridge(BridgeError::Lifetime { number: 1, deadline: 2 })),
        (1, LeftOut::Follows { block: name(1, 1), later: false }),
        (2, missing(&late, 1)),
        (3, missing(&after, 2)),
    ];
    assert_eq!(selection.left_out, expected);
}

#[test]
fn a_block_that_waits_for_one_behind_a_gap_names_it_and_may_come_with_it() {
    let sent = out(1, 2, 0);
    let candidates =
        [candidate(2, moves(1, &[], &[&sent])), candidate(1, moves(2, &[&sent], &[])), silent(3, 1)];
    let selection = select(&candidates);
    assert_eq!(selection.order, [2]);
    let missing = LeftOut::Missing { message: sent.hash(), emitter: name(1, 2), later: true };
    assert_eq!(selection.left_out[1], (1, missing));
}

#[test]
fn blocks_in_a_cycle_are_left_out_together_each_naming_it() {
    let (first, second, third) = (out(1, 2, 0), out(2, 1, 0), out(2, 3, 1));
    let candidates = [
        // Environment 1 waits for block 2 of environment 2, whose block 1 waits for environment 1.
        candidate(1, moves(1, &[&second], &[&first])),
        candidate(1, moves(2, &[&first], &[&third])),
        candidate(2, moves(2, &[], &[&second])),
        silent(2, 3),
        candidate(1, moves(3, &[&third], &[])),
        silent(4, 1),
    ];
    let selection = select(&candidates);
    assert_eq!(selection.order, [5], "what is unrelated proceeds");
    let cycle = LeftOut::Cycle { blocks: vec![name(1, 1), name(2, 1), name(2, 2)] };
    let expected = [
        (0, cycle.clone()),
        (1, cycle.clone()),
        (2, cycle.clone()),
        (3, LeftOut::Follows { block: name(2, 1), later: false }),
        (4, LeftOut::Missing { message: third.hash(), emitter: name(2, 1), later: false }),
    ];
    assert_eq!(selection.left_out, expected);
    assert!(cycle.to_string().contains("block 2 of environment 2"), "{cycle}");
}

#[test]
fn a_block_that_waits_for_its_own_successor_is_a_cycle_of_one_environment() {
    let own = out(1, 1, 0);
    let selection = select(&[candidate(1, moves(1, &[&own], &[])), candidate(2, moves(1, &[], &[&own]))]);
    let cycle = LeftOut::Cycle { blocks: vec![name(1, 1), name(1, 2)] };
    assert_eq!(selection.left_out, [(0, cycle.clone()), (1, cycle)]);
}

#[test]
fn an_environment_that_stops_does_not_delay_others() {
    // Environment 1 has sent to 2, and produces no blocks any more.
    let sent = out(1, 2, 0);
    let first = plan_on(&SuperblockState::genesis(CHAIN), &[candidate(1, moves(1, &[], &[&sent]))], &[]);
    let onward = Message { source: EnvironmentId(2), destination: EnvironmentId(3), ..sent.clone() };
    let candidates =
        [candidate(1, moves(2, &[&sent], &[&onward])), candidate(1, moves(3, &[&onward], &[])), silent(3, 2)];
    let second = plan_on(&first.transition.new_state, &candidates, &[]);
    assert_eq!((second.order, second.left_out), (vec![0, 1, 2], vec![]));
}

#[test]
fn case_57_two_blocks_of_one_superblock_do_not_claim_one_message() {
    let sent = out(1, 2, 0);
    let claim = |height| candidate(height, moves(2, &[&sent], &[]));
    let candidates = [candidate(1, moves(1, &[], &[&sent])), claim(1), claim(2)];
    let selection = select(&candidates);
    assert_eq!(selection.order, [0, 1]);
    let twice = BridgeError::NotPending { message: sent.hash(), consumption: Consumption::Claim };
    assert_eq!(selection.left_out, [(2, LeftOut::Bridge(twice))]);
    assert!(!selection.left_out[0].1.may_come_later(), "it is consumed for good");
}

#[test]
fn what_only_has_to_wait_may_come_later() {
    let sent = out(1, 2, 0);
    let refund = BlockMessages {
        environment: EnvironmentId(1),
        inbox: vec![(sent.clone(), Consumption::Refund)],
        outbox: vec![],
    };
    let candidates = [candidate(1, moves(1, &[], &[&sent])), candidate(2, refund)];
    let selection = select(&candidates);
    let early = LeftOut::Bridge(BridgeError::RefundTooEarly { number: 1, deadline: sent.deadline });
    assert!(early.may_come_later());
    assert_eq!(selection.left_out, [(1, early)]);
}

#[test]
fn what_a_full_superblock_leaves_out_is_a_tail_of_the_order() {
    let sent = out(1, 2, 0);
    let candidates =
        [candidate(1, moves(1, &[], &[&sent])), candidate(1, moves(2, &[&sent], &[])), silent(1, 2)];
    let planner = Planner { max_blocks: 1, ..Planner::default() };
    let selection = planner
        .select(&SuperblockState::genesis(CHAIN), &free_registry(4), &candidates, None)
        .expect("no kernel is built");
    assert_eq!(selection.order, [0]);
    assert!(selection.left_out.iter().all(|(_, reason)| *reason == LeftOut::Full { limit: 1 }));
}

/// One message of a random world: from, to, which asset's origin, how much, and whether its claim is a refund.
type Sent = (u16, u16, u16, u64, bool);

/// Chains of blocks in which messages are emitted and consumed anywhere, possible or not.
fn world() -> impl Strategy<Value = Vec<Candidate>> {
    let environment = 1..4u16;
    let sent = (environment.clone(), 0..4u16, environment, 1..30u64, proptest::bool::weighted(0.1));
    (vec((sent, 0..3usize, 0..3usize), 0..12), vec(0..4u32, 3)).prop_map(|(messages, heights)| {
        let mut blocks: BTreeMap<(u16, u32), BlockMessages> = BTreeMap::new();
        for (id, last) in (1..).zip(&heights) {
            for height in 1..=*last {
                blocks.insert((id, height), BlockMessages::none(EnvironmentId(id)));
            }
        }
        for (sequence, (sent, emitted, consumed)) in (0..).zip(messages) {
            let (source, destination, origin, value, refund): Sent = sent;
            let asset = message(CHAIN, origin, 0, 1).asset;
            let one = Message { asset, sequence, ..message(CHAIN, source, destination, value) };
            let (actor, consumption) =
                if refund { (source, Consumption::Refund) } else { (destination, Consumption::Claim) };
            if let Some(block) = blocks.get_mut(&(source, emitted as u32 + 1)) {
                block.outbox.push(one.clone());
            }
            if let Some(block) = blocks.get_mut(&(actor, consumed as u32 + 1)) {
                block.inbox.push((one, consumption));
            }
        }
        blocks.into_iter().map(|((_, height), messages)| candidate(height, messages)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_always_applies_and_does_not_depend_on_the_order_of_files(
        candidates in world(),
        amounts in vec(prop_oneof![Just(0), 1..30u64, Just(u64::MAX)], 0..80),
        turn in 0..100usize,
    ) {
        let queue: Vec<_> = amounts.into_iter().map(|amount| Deposit { amount, ..deposit(1) }).collect();
        let planner = Planner::default();
        // As many superblocks as it takes until nothing more can be placed.
        let mut state = SuperblockState::genesis(CHAIN);
        let mut left = candidates;
        loop {
            let deposits = &queue[state.l1.queue.length as usize..];
            let selection = select_with_l1(planner, &state, &left, deposits);
            prop_assert_eq!(selection.order.len() + selection.left_out.len(), left.len());
            prop_assert_eq!(&selection.l1_waits, &None);

            let mut turned = left.clone();
            turned.rotate_left(turn % left.len().max(1));
            turned.reverse();
            let other = select_with_l1(planner, &state, &turned, deposits);
            prop_assert_eq!(&selection.contents, &other.contents);
            let reasons = |selection: &Selection, candidates: &[Candidate]| -> BTreeMap<_, _> {
                let named = |(index, reason): &(usize, LeftOut)| (candidates[*index].name(), reason.to_string());
                selection.left_out.iter().map(named).collect()
            };
            prop_assert_eq!(reasons(&selection, &left), reasons(&other, &turned));
            if selection.contents.blocks.is_empty() {
                break;
            }
            let plan = plan_on(&state, &left, deposits);
            prop_assert_eq!(&plan.order, &selection.order);
            state = plan.transition.new_state;
            prop_assert!(crate::state::check(&state).is_ok());
            prop_assert!(state.bridge.is_balanced());
            left = plan.left_out.iter().map(|&(index, _)| left[index].clone()).collect();
        }
        prop_assert_eq!(state.l1.queue.length as usize, queue.len());
        let to_l1 = |one: &bridge_core::state::Record| one.message.destination == EnvironmentId::L1;
        prop_assert!(state.bridge.records().filter(to_l1).all(|one| one.consumed.is_some()));
    }
}
