//! Plans over blocks of which a superblock takes at most one.

use std::{collections::BTreeMap, sync::LazyLock};

use batcher_circuits::{
    follow::follow,
    testing::{block, block_with, digest, free_key_digest, free_proof, free_registry, message, moves},
};
use bridge_core::{BlockMessages, BridgeError, Consumption, Ledger, Message};
use circuits_core::{F, Proof};
use circuits_protocol::{
    registry::EnvironmentId,
    statement::{BlockStatement, statement_digest},
};
use environments_core::block::check_statement;
use plonky2::field::types::Field;
use proptest::{collection::vec, prelude::*};

use super::*;

const CHAIN: u64 = 1;

/// A proof that nobody looks at.
static PROOF: LazyLock<Proof> = LazyLock::new(|| free_proof(&block(1, 1)));

/// The state at a height of one of an environment's branches. All branches begin at genesis.
fn state(id: u16, branch: u64, height: u32) -> Digest {
    let branch = if height == 0 { 0 } else { branch };
    digest(1_000_000 * branch + 1000 * u64::from(id) + u64::from(height))
}

fn candidate(statement: BlockStatement, messages: BlockMessages) -> Candidate {
    let header = check_statement(&statement).expect("a block");
    Candidate { statement, header, key: free_key_digest(), messages, file: [0; 32] }
}

/// The block from height `before` to height `last` of a branch.
fn long(branch: u64, before: u32, last: u32, messages: BlockMessages) -> Candidate {
    let id = messages.environment.get();
    let statement = BlockStatement {
        last_height: F::from_canonical_u32(last),
        previous_state: state(id, branch, before),
        new_state: state(id, branch, last),
        ..block_with(before + 1, &messages)
    };
    candidate(statement, messages)
}

/// The block at `height` of a branch.
fn on(branch: u64, height: u32, messages: BlockMessages) -> Candidate {
    long(branch, height - 1, height, messages)
}

fn silent(id: u16) -> BlockMessages {
    moves(id, &[], &[])
}

/// `candidate` with a body that makes it the first or the last of the two to be tried.
fn tried(candidate: &Candidate, first: bool, other: &Candidate) -> Candidate {
    (0..)
        .map(|label| Candidate {
            statement: BlockStatement { body: digest(label), ..candidate.statement },
            ..candidate.clone()
        })
        .find(|one| (one.rank() < other.rank()) == first)
        .expect("digests are spread")
}

fn select(candidates: &[Candidate]) -> Selection {
    Planner::default()
        .select(&SuperblockState::genesis(CHAIN), &free_registry(4), candidates, None)
        .expect("no kernel is built")
}

/// The selection, after checking that it is the same in every order of files.
fn select_in_any_order(candidates: &[Candidate]) -> Selection {
    let expected = named(&select(candidates), candidates);
    let mut turned = candidates.to_vec();
    for _ in candidates {
        turned.rotate_left(1);
        assert_eq!(named(&select(&turned), &turned), expected);
    }
    turned.reverse();
    assert_eq!(named(&select(&turned), &turned), expected);
    select(candidates)
}

/// A selection without the positions of files.
fn named(selection: &Selection, candidates: &[Candidate]) -> (Vec<Digest>, BTreeMap<Digest, String>) {
    let name = |index: usize| statement_digest(&candidates[index].statement);
    let left_out = selection.left_out.iter().map(|(index, reason)| (name(*index), reason.to_string()));
    (selection.order.iter().map(|&index| name(index)).collect(), left_out.collect())
}

fn out(source: u16, destination: u16, sequence: u64) -> Message {
    Message { sequence, ..message(CHAIN, source, destination, 10) }
}

fn duplicate_of(winner: &Candidate) -> LeftOut {
    let winner_digest = statement_digest(&winner.statement);
    let height = winner.header.first_height;
    LeftOut::Duplicate { environment: winner.environment(), height, winner: winner_digest }
}

#[test]
fn a_block_whose_messages_are_missing_gives_way_to_its_sibling() {
    let missing = out(2, 1, 0);
    let late = Message { deadline: 2, ..out(1, 2, 0) };
    let refund = BlockMessages {
        environment: EnvironmentId(1),
        inbox: vec![(out(1, 2, 1), Consumption::Refund)],
        outbox: vec![],
    };
    let sibling = on(2, 1, silent(1));
    for impossible in [moves(1, &[&missing], &[]), moves(1, &[], &[&late]), refund] {
        let blocked = tried(&on(1, 1, impossible), true, &sibling);
        let candidates = [blocked, sibling.clone()];
        let selection = select_in_any_order(&candidates);
        assert_eq!(selection.order, [1]);
        assert_eq!(selection.left_out, [(0, duplicate_of(&sibling))]);
    }
}

#[test]
fn a_block_whose_message_arrives_later_in_the_superblock_does_not_give_way() {
    let sent = out(2, 1, 0);
    let sibling = on(2, 1, silent(1));
    let waiting = tried(&on(1, 1, moves(1, &[&sent], &[])), true, &sibling);
    let candidates = [sibling, waiting.clone(), on(1, 1, moves(2, &[], &[&sent]))];
    let selection = select_in_any_order(&candidates);
    assert_eq!(selection.order, [2, 1]);
    assert_eq!(selection.left_out, [(0, duplicate_of(&waiting))]);
}

#[test]
fn the_blocks_after_an_alternative_come_with_it() {
    let good = on(2, 1, silent(1));
    let blocked = tried(&on(1, 1, moves(1, &[&out(2, 1, 0)], &[])), true, &good);
    let candidates = [blocked, on(1, 2, silent(1)), on(1, 3, silent(1)), good.clone(), on(2, 2, silent(1))];
    let selection = select_in_any_order(&candidates);
    assert_eq!(selection.order, [3, 4]);
    let other = |height: u32| LeftOut::OtherState {
        environment: EnvironmentId(1),
        height,
        reached: state(1, 2, height - 1),
        found: state(1, 1, height - 1),
    };
    assert_eq!(selection.left_out, [(0, duplicate_of(&good)), (1, other(2)), (2, other(3))]);
}

#[test]
fn a_block_that_leads_nowhere_does_not_hide_a_sibling_that_leads_on() {
    let live = on(2, 1, silent(1));
    let dead = tried(&on(1, 1, silent(1)), true, &live);
    let candidates = [dead.clone(), live.clone(), on(2, 2, silent(1))];
    let selection = select_in_any_order(&candidates);
    assert_eq!((selection.order, selection.left_out), (vec![1, 2], vec![(0, duplicate_of(&live))]));
    // Without a successor the digest decides.
    assert_eq!(select_in_any_order(&candidates[..2]).left_out, [(1, duplicate_of(&dead))]);
}

#[test]
fn an_alternative_behind_other_blocks_gives_way_too() {
    let sibling = on(1, 2, silent(1));
    let blocked = tried(&on(1, 2, moves(1, &[&out(2, 1, 0)], &[])), true, &sibling);
    let candidates = [on(1, 1, silent(1)), blocked, sibling.clone(), on(1, 3, silent(1))];
    let selection = select_in_any_order(&candidates);
    assert_eq!(selection.order, [0, 2, 3]);
    assert_eq!(selection.left_out, [(1, duplicate_of(&sibling))]);
}

#[test]
fn a_block_of_several_heights_that_cannot_come_gives_way_to_shorter_ones() {
    let sent = out(2, 1, 0);
    let (short, next) = (on(1, 1, silent(1)), on(1, 2, silent(1)));
    let long = tried(&long(2, 0, 3, moves(1, &[&sent], &[])), true, &short);
    let candidates = [long.clone(), short.clone(), next, on(1, 1, moves(2, &[], &[&sent]))];

    let without = select_in_any_order(&candidates[..3]);
    assert_eq!((without.order, without.left_out), (vec![1, 2], vec![(0, duplicate_of(&short))]));

    let with = select_in_any_order(&candidates);
    assert_eq!(with.order, [3, 0]);
    let passed = LeftOut::AlreadyIncluded { environment: EnvironmentId(1), height: 3 };
    assert_eq!(with.left_out, [(1, duplicate_of(&long)), (2, passed)]);
}

#[test]
fn if_no_alternative_can_come_each_has_its_own_reason() {
    let [first, second] = [0, 1].map(|sequence| out(2, 1, sequence));
    let candidates =
        [on(1, 1, moves(1, &[&first], &[])), on(2, 1, moves(1, &[&second], &[])), on(2, 2, silent(1))];
    let selection = select_in_any_order(&candidates);
    let name = BlockName { environment: EnvironmentId(1), height: 1 };
    let expected = [
        (0, LeftOut::NotEmitted { message: first.hash() }),
        (1, LeftOut::NotEmitted { message: second.hash() }),
        (2, LeftOut::Follows { block: name, later: true }),
    ];
    assert_eq!((selection.order, selection.left_out), (vec![], expected.to_vec()));
}

#[test]
fn what_waits_for_an_alternative_comes_once_that_is_taken() {
    let sent = out(1, 2, 0);
    let sending = on(2, 1, moves(1, &[], &[&sent]));
    let blocked = tried(&on(1, 1, moves(1, &[&out(2, 1, 0)], &[])), true, &sending);
    let candidates = [blocked, sending, on(1, 1, moves(2, &[&sent], &[]))];
    assert_eq!(select_in_any_order(&candidates).order, [1, 2]);
}

#[test]
fn environments_give_way_one_at_a_time_and_another_one_first_in_each_superblock() {
    // The first choice of environment 1 comes if environment 2 gives way before it.
    let sent = out(2, 1, 0);
    let spare = on(2, 1, silent(1));
    let waiting = tried(&on(1, 1, moves(1, &[&sent], &[])), true, &spare);
    let sending = on(2, 1, moves(2, &[], &[&sent]));
    let blocked = tried(&on(1, 1, moves(2, &[&out(3, 2, 0)], &[])), true, &sending);
    let candidates = [waiting.clone(), spare.clone(), blocked, sending.clone()];
    for (number, order, winner, loser) in
        [(0, [1, 3], &spare, 0), (1, [3, 0], &waiting, 1), (2, [1, 3], &spare, 0)]
    {
        let history = vec![digest(1); number as usize].try_into().expect("not zero");
        let state = SuperblockState { number, history, ..SuperblockState::genesis(CHAIN) };
        let selection = Planner::default()
            .select(&state, &free_registry(4), &candidates, None)
            .expect("no kernel is built");
        assert_eq!(selection.order, order, "after superblock {number}");
        assert_eq!(selection.left_out, [(loser, duplicate_of(winner)), (2, duplicate_of(&sending))]);
    }
}

#[test]
fn of_blocks_that_state_the_same_the_lower_key_wins_whatever_their_files() {
    let block = on(1, 1, silent(1));
    let with = |key: u64, file: u8| Candidate { key: digest(key), file: [file; 32], ..block.clone() };
    for candidates in [[with(1, 2), with(2, 1)], [with(1, 1), with(2, 2)]] {
        assert_eq!(select(&candidates).order, [0]);
    }
}

#[test]
fn two_ways_to_one_state_have_one_continuation() {
    let one = on(1, 1, silent(1));
    let other = tried(&one, false, &one);
    let candidates = [other, one.clone(), on(1, 2, silent(1))];
    let selection = select_in_any_order(&candidates);
    assert_eq!((selection.order, selection.left_out), (vec![1, 2], vec![(0, duplicate_of(&one))]));
}

/// A block of a random world: its environment and height, the branch of the block before, and its own.
type Drawn = (u16, u32, u64, u64);
/// A message of a random world: the blocks that emit and consume it, its amount, and whether it is refunded.
type Sent = (usize, usize, u64, bool);

/// Blocks that continue each other in several ways, some of them alternatives, with messages between them, possible or not.
fn world() -> impl Strategy<Value = Vec<Candidate>> {
    let drawn = (1..4u16, 1..4u32, 0..2u64, 0..2u64);
    let sent = (0..16usize, 0..16usize, 1..30u64, proptest::bool::weighted(0.1));
    (vec(drawn, 1..16), vec(sent, 0..12)).prop_map(|(blocks, messages): (Vec<Drawn>, Vec<Sent>)| {
        let mut all: Vec<_> = blocks.iter().map(|(id, ..)| BlockMessages::none(EnvironmentId(*id))).collect();
        for (sequence, (emitting, consuming, value, refunded)) in (0..).zip(messages) {
            let [emitting, consuming] = [emitting, consuming].map(|index| index % all.len());
            let [source, destination] = [emitting, consuming].map(|index| all[index].environment.get());
            let one = Message { sequence, ..message(CHAIN, source, destination, value) };
            all[emitting].outbox.push(one.clone());
            let consumption = if refunded { Consumption::Refund } else { Consumption::Claim };
            all[consuming].inbox.push((one, consumption));
        }
        let drawn = (0..).zip(blocks).zip(all);
        drawn
            .map(|((body, (id, height, from, to)), messages)| {
                let statement = BlockStatement {
                    previous_state: state(id, from, height - 1),
                    new_state: state(id, to, height),
                    body: digest(body),
                    ..block_with(height, &messages)
                };
                candidate(statement, messages)
            })
            .collect()
    })
}

/// Checks that no candidate that was left out continues an environment and could be added at the end.
fn check_nothing_more_can_come(
    state: &SuperblockState,
    candidates: &[Candidate],
    selection: &Selection,
) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::new(CHAIN, state.number + 1, &state.bridge);
    let mut heads = BTreeMap::new();
    for &index in &selection.order {
        let one = &candidates[index];
        prop_assert_eq!(ledger.apply_block(&one.messages), Ok(()));
        heads.insert(one.environment(), one.end());
    }
    for (index, _) in &selection.left_out {
        let one = &candidates[*index];
        let origin = state.environments.get(one.environment());
        let start = one.start();
        let head = heads.get(&one.environment()).map_or_else(
            || {
                origin
                    .map_or((0, self::state(one.environment().get(), 0, 0)), |head| (head.height, head.state))
            },
            |head| (head.height, head.state),
        );
        if head == (start.height, start.state) {
            prop_assert!(ledger.clone().apply_block(&one.messages).is_err(), "{:?} could come", one.name());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn plans_over_alternatives_apply_in_any_order_of_files_and_leave_out_nothing_that_can_come(
        (candidates, shuffled) in world().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let (planner, registry) = (Planner::default(), free_registry(4));
        let (mut state, mut left, mut shuffled) = (SuperblockState::genesis(CHAIN), candidates, shuffled);
        loop {
            let selection = planner.select(&state, &registry, &left, None).expect("no kernel is built");
            let other = planner.select(&state, &registry, &shuffled, None).expect("no kernel is built");
            prop_assert_eq!(selection.order.len() + selection.left_out.len(), left.len());
            prop_assert_eq!(named(&selection, &left), named(&other, &shuffled));
            check_nothing_more_can_come(&state, &left, &selection)?;
            if selection.order.is_empty() {
                break;
            }
            let remaining = |all: &[Candidate], selection: &Selection| -> Vec<_> {
                selection.left_out.iter().map(|(index, _)| all[*index].clone()).collect()
            };
            (left, shuffled) = (remaining(&left, &selection), remaining(&shuffled, &other));
            let plan = planner.plan(&state, &registry, digest(1), selection);
            prop_assert!(plan.is_ok(), "{:?}", plan.err());
            let transition = plan.expect("checked").transition;
            // Whoever has nothing but the bundle reaches the same state.
            let bundle = transition.bundle(&PROOF, digest(1));
            let followed = follow(&state, &bundle);
            state = transition.new_state;
            prop_assert_eq!(followed.as_ref(), Ok(&state));
        }
    }
}

#[test]
fn a_block_that_a_rule_refuses_for_good_is_still_named_if_no_alternative_comes() {
    let early = BlockMessages {
        environment: EnvironmentId(1),
        inbox: vec![(out(1, 2, 0), Consumption::Refund)],
        outbox: vec![],
    };
    let selection = select(&[on(1, 1, early)]);
    let reason = BridgeError::RefundTooEarly { number: 1, deadline: out(1, 2, 0).deadline };
    assert_eq!(selection.left_out, [(0, LeftOut::Bridge(reason))]);
}
