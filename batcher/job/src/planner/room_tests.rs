//! What a superblock has room for, and that what fits one place fits the next.

use batcher_circuits::{
    messages::MESSAGE_CAPACITY,
    testing::{block_with, digest, free_key_digest, free_registry, message, moves},
};
use batcher_verify::bundle::{BlockEntry, SUPERBLOCK_LIMIT};
use bridge_core::{AssetId, Consumption, MAX_BLOCK_STEPS, Message};
use circuits_core::{F, amount::Amount};
use circuits_files::file::{self, FileKind};
use circuits_protocol::{l1::PAYOUT_BYTES, registry::EnvironmentId};
use environments_core::block::check_statement;
use environments_l1::block::{MAX_CONSUMED, MAX_DEPOSITS};
use plonky2::field::types::{Field, Field64};

use super::{
    l1::L1_BLOCK,
    l1_tests::{deposit, select_with_l1},
    *,
};

const CHAIN: u64 = 1;

/// The block at `height` of environment `id` that sends `count` messages.
fn sending(id: u16, height: u32, count: u64) -> Candidate {
    let sent: Vec<_> = (0..count)
        .map(|index| {
            let sequence = 1000 * u64::from(height) + index;
            Message { sequence, ..message(CHAIN, id, 1 + id % 4, 1) }
        })
        .collect();
    let messages = moves(id, &[], &sent.iter().collect::<Vec<_>>());
    let statement = block_with(height, &messages);
    let header = check_statement(&statement).expect("a block");
    Candidate { statement, header, key: free_key_digest(), messages, file: [0; 32] }
}

fn planner(new_balances: usize, steps: usize) -> Planner {
    Planner { max_messages: Capacity { new_balances, steps }, ..Planner::default() }
}

#[test]
fn a_block_without_room_for_its_steps_waits_for_the_next_superblock_and_smaller_ones_come() {
    let candidates = [sending(1, 1, 2), sending(2, 1, 2), sending(2, 2, 1), sending(3, 1, 1)];
    let (planner, registry) = (planner(10, 3), free_registry(4));
    let genesis = SuperblockState::genesis(CHAIN);
    let first = planner.select(&genesis, &registry, &candidates, None).expect("no kernel is built");
    assert_eq!(first.order, [0, 3]);
    let block = BlockName { environment: EnvironmentId(2), height: 1 };
    let expected =
        [(1, LeftOut::Steps { needed: 2, left: 1, limit: 3 }), (2, LeftOut::Follows { block, later: true })];
    assert_eq!(first.left_out, expected);
    assert!(first.left_out.iter().all(|(_, reason)| reason.may_come_later()));

    let plan = planner.plan(&genesis, &registry, digest(1), first).expect("valid");
    let second = planner
        .select(&plan.transition.new_state, &registry, &candidates[1..3], None)
        .expect("no kernel is built");
    assert_eq!(second.order, [0, 1]);
}

#[test]
fn a_block_without_room_for_its_balances_waits_and_known_balances_take_none() {
    let candidates = [sending(1, 1, 2), sending(1, 2, 5), sending(2, 1, 1)];
    let selection = planner(1, 100)
        .select(&SuperblockState::genesis(CHAIN), &free_registry(4), &candidates, None)
        .expect("no kernel is built");
    assert_eq!(selection.order, [0, 1]);
    assert_eq!(selection.left_out, [(2, LeftOut::Balances { needed: 1, left: 0, limit: 1 })]);
}

#[test]
fn in_full_superblocks_every_environment_is_the_first_in_turn() {
    let (planner, registry) = (Planner { max_blocks: 2, ..Planner::default() }, free_registry(4));
    let mut state = SuperblockState::genesis(CHAIN);
    let mut left: Vec<_> = (1..=4).flat_map(|height| [1, 2, 4].map(|id| sending(id, height, 0))).collect();
    let mut came = vec![];
    while !left.is_empty() {
        let selection = planner.select(&state, &registry, &left, None).expect("no kernel is built");
        came.push(selection.order.iter().map(|&index| left[index].environment().get()).collect::<Vec<_>>());
        let rest = selection.left_out.iter().map(|(index, _)| left[*index].clone()).collect();
        let plan = planner.plan(&state, &registry, digest(1), selection).expect("valid");
        (state, left) = (plan.transition.new_state, rest);
    }
    assert_eq!(came, [[1, 2], [2, 4], [4, 1], [1, 2], [2, 4], [4, 1]]);
}

#[test]
fn a_block_that_no_superblock_has_room_for_never_comes() {
    let candidates = [sending(1, 1, 4)];
    let selection = planner(10, 3)
        .select(&SuperblockState::genesis(CHAIN), &free_registry(4), &candidates, None)
        .expect("no kernel is built");
    assert!(!selection.left_out[0].1.may_come_later());
}

#[test]
fn what_environment_0_may_take_is_kept_free_and_any_other_block_still_fits() {
    let sequences = 0..MAX_BLOCK_STEPS as u64;
    let candidates = [sending(1, 1, sequences.end)];
    let queue = vec![deposit(1); MAX_DEPOSITS];
    let select = |steps, new_balances| {
        let state = SuperblockState::genesis(CHAIN);
        select_with_l1(planner(new_balances, steps), &state, &candidates, &queue)
    };
    let steps = MAX_BLOCK_STEPS + L1_BLOCK.steps;
    let balances = 1 + L1_BLOCK.new_balances;
    let fits = select(steps, balances);
    let l1 = fits.l1.expect("a block of environment 0");
    assert_eq!((fits.order, l1.block.messages().outbox.len()), (vec![0], MAX_DEPOSITS));
    let (needed, left) = (MAX_BLOCK_STEPS, MAX_BLOCK_STEPS - 1);
    let short = select(steps - 1, balances);
    assert_eq!(short.left_out, [(0, LeftOut::Steps { needed, left, limit: left })]);
    assert!(short.l1.is_some(), "its room is its own");
    let short = select(steps, balances - 1);
    assert_eq!(short.left_out, [(0, LeftOut::Balances { needed: 1, left: 0, limit: 0 })]);
}

#[test]
fn the_messages_of_a_superblock_take_a_bounded_number_of_proofs() {
    let most = MAX_MESSAGES.steps / MAX_BLOCK_STEPS;
    let candidates: Vec<_> =
        (1..=most as u32 + 3).map(|height| sending(1, height, MAX_BLOCK_STEPS as u64)).collect();
    let selection = Planner::default()
        .select(&SuperblockState::genesis(CHAIN), &free_registry(4), &candidates, None)
        .expect("no kernel is built");
    assert_eq!(selection.order.len(), most);
    assert!(matches!(selection.left_out[0].1, LeftOut::Steps { limit, .. } if limit == MAX_MESSAGES.steps));
    assert!(selection.left_out.iter().all(|(_, reason)| reason.may_come_later()));
    let tree = ProofTree::cheapest(most, &selection.load, ProofTreeLimits::default());
    // No two of such blocks fit one message segment.
    assert!(2 * MAX_BLOCK_STEPS > MESSAGE_CAPACITY.steps && tree.shares.len() <= most + 1);
}

#[test]
fn the_largest_superblock_fits_its_file() {
    let most = Digest([F::NEG_ONE; 4]);
    let message = Message {
        chain_id: F::ORDER - 1,
        source: EnvironmentId(u16::MAX),
        destination: EnvironmentId::L1,
        sequence: F::ORDER - 1,
        sender: most,
        recipient: most,
        asset: AssetId::new(u16::MAX, u32::MAX).expect("an asset"),
        amount: Amount::MAX,
        deadline: u32::MAX,
        data: most,
    };
    let entry = BlockEntry {
        environment: u16::MAX,
        first_height: u32::MAX,
        last_height: u32::MAX,
        new_state: most,
        body: most,
        outbox: most,
        inbox: most,
    };
    // A message that is emitted or consumed takes a step.
    let moved = vec![(message.clone(), Consumption::Claim); MAX_MESSAGES.steps];
    let consumed = vec![u32::MAX; MAX_MESSAGES.steps];
    let payouts = vec![u8::MAX; PAYOUT_BYTES * (MAX_CONSUMED + MAX_DEPOSITS)];
    let rest = (vec![entry; MAX_BLOCKS + 1], payouts, vec![0_u8; 1 << 18]);
    let bytes = file::encode(FileKind::SuperblockBundle, &(moved, consumed, rest), SUPERBLOCK_LIMIT);
    assert!(bytes.is_ok_and(|bytes| (bytes.len() as u64) < SUPERBLOCK_LIMIT / 4));
}
