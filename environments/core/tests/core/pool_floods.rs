//! What transactions that cost their makers nothing can and cannot do to others.

use std::sync::atomic::Ordering;

use bridge_core::MAX_BLOCK_STEPS;
use environments_core::{
    BlockProducer, PoolError, Rejection,
    pool::{MAX_EARLY_BLOCKS, MAX_FAILING, MAX_GIVING_WAY, MAX_PENDING, MAX_RETRIES},
};

use crate::market::{
    Market, MarketError, Order, PURSE, included, next, order, producer, refused, submit, waiting,
};

/// Transactions that a block holds here.
const LIMIT: usize = 10;
/// More transactions than one block tries.
const FLOOD: u64 = (MAX_FAILING + 2 * LIMIT) as u64;

/// A transaction that spends something, and belongs to nobody.
fn spends(spent: u64, fee: u64) -> Order {
    Order { spends: Some(spent), fee, ..Order::default() }
}

/// A transaction that makes something.
fn makes(made: u64, fee: u64) -> Order {
    Order { makes: Some(made), fee, ..Order::default() }
}

/// What honest users submit, after a flood: for the least that there is.
fn honest(producer: &mut BlockProducer<Market>) -> u64 {
    submit(producer, [order(1, 0, 1)])[0]
}

#[test]
fn who_spends_what_does_not_exist_keeps_nobody_out() {
    let mut producer = producer(LIMIT);
    submit(&mut producer, (0..FLOOD).map(|n| spends(1000 + n, 99)));
    let honest = honest(&mut producer);
    assert_eq!(included(&mut producer), [honest]);
    // Nor does the flood that waits, and one that comes on top of it in every block.
    for nonce in 1..3 {
        submit(&mut producer, (0..FLOOD).map(|n| spends(1000 + n, 99)));
        let later = submit(&mut producer, [order(1, nonce, 1)]);
        assert_eq!(included(&mut producer), later);
    }
}

#[test]
fn of_those_that_spend_one_thing_the_best_is_tried_first_and_the_others_last() {
    let mut producer = producer(LIMIT);
    submit(&mut producer, [makes(7, 0)]);
    assert_eq!(included(&mut producer), [0]);
    submit(&mut producer, (0..FLOOD).map(|n| spends(7, 99 + n % 2)));
    let honest = honest(&mut producer);
    let (block, refused) = next(&mut producer);
    assert_eq!(block, [2, honest]);
    assert_eq!(refused.len(), MAX_FAILING + LIMIT - 2);
    assert_eq!(refused[0], (4, MarketError::SpentAlready(7).to_string()));
}

#[test]
fn a_chain_keeps_its_place_before_a_flood() {
    let mut producer = producer(LIMIT);
    submit(&mut producer, (0..FLOOD).map(|n| spends(1000 + n, 99)));
    let chain = submit(
        &mut producer,
        [makes(7, 5), Order { spends: Some(7), ..makes(8, 4) }, Order { spends: Some(8), ..order(2, 0, 3) }],
    );
    let honest = submit(&mut producer, [order(1, 0, 2), order(1, 1, 6), order(3, 0, 4)]);
    assert_eq!(included(&mut producer), [chain[0], chain[1], honest[2], chain[2], honest[0], honest[1]]);
}

#[test]
fn who_spends_before_it_is_made_is_in_the_same_block_if_nothing_else_waits() {
    let mut producer = producer(LIMIT);
    submit(&mut producer, [spends(7, 9), makes(7, 1)]);
    assert_eq!(included(&mut producer), [1, 0]);
}

#[test]
fn what_waits_is_in_one_block_with_what_makes_it_although_it_pays_more() {
    let mut producer = producer(LIMIT);
    let early = submit(&mut producer, [spends(7, 98)])[0];
    assert!(included(&mut producer).is_empty());
    submit(&mut producer, (0..FLOOD).map(|n| spends(1000 + n, 99)));
    let made = submit(&mut producer, [makes(7, 1)])[0];
    assert_eq!(included(&mut producer), [made, early]);
}

#[test]
fn a_chain_from_what_is_spent_twice_goes_on_from_the_best() {
    let mut producer = producer(LIMIT);
    submit(&mut producer, [makes(7, 0)]);
    assert_eq!(included(&mut producer), [0]);
    // Thousands follow on one that loses.
    submit(&mut producer, [spends(7, 98), Order { spends: Some(7), ..makes(8, 97) }]);
    submit(&mut producer, (0..FLOOD).map(|_| spends(8, 96)));
    let honest = honest(&mut producer);
    assert_eq!(next(&mut producer).0, [1, honest]);
}

#[test]
fn of_those_that_draw_on_one_purse_as_many_are_tried_first_as_it_pays() {
    let mut producer = producer(LIMIT);
    let half = Order { draws: PURSE / 2, fee: 99, ..Order::default() };
    submit(&mut producer, [Order { draws: PURSE / 2 + 1, fee: 98, ..Order::default() }]);
    submit(&mut producer, (0..FLOOD).map(|_| half.clone()));
    let honest = honest(&mut producer);
    let (block, refused) = next(&mut producer);
    assert_eq!(block, [1, 2, honest]);
    assert_eq!(refused[0], (3, MarketError::CannotPay.to_string()));
}

#[test]
fn a_chain_from_a_message_at_the_wrong_time_keeps_nobody_out() {
    let mut producer = producer(LIMIT);
    producer.expect_superblock(2000);
    submit(&mut producer, [Order { sends: 1, ..makes(0, 99) }]);
    submit(&mut producer, (0..FLOOD).map(|n| Order { spends: Some(n), ..makes(n + 1, 98) }));
    let honest = honest(&mut producer);
    let (block, refused) = next(&mut producer);
    assert_eq!(block, [honest]);
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0].0, 0);
}

#[test]
fn those_that_send_more_than_the_bridge_moves_leave_room_to_others() {
    let mut producer = producer(LIMIT);
    // One fits, and two do not.
    let widest = MAX_BLOCK_STEPS / 2 + 1;
    submit(&mut producer, (0..FLOOD).map(|_| Order { sends: widest as u64, fee: 99, ..Order::default() }));
    let honest = honest(&mut producer);
    assert_eq!(included(&mut producer), [0, honest]);
}

#[test]
fn a_flood_that_a_rollback_brings_back_keeps_nobody_out() {
    let mut producer = producer(LIMIT);
    submit(&mut producer, [makes(7, 0)]);
    assert_eq!(included(&mut producer), [0]);
    submit(&mut producer, (0..FLOOD).map(|_| spends(7, 99)));
    let (block, refused) = next(&mut producer);
    assert_eq!((block, refused.len()), (vec![1], MAX_FAILING + LIMIT - 1));
    submit(&mut producer, (0..FLOOD).map(|_| spends(7, 99)));
    producer.rollback(2).unwrap();
    let honest = honest(&mut producer);
    assert_eq!(next(&mut producer).0, [1, honest], "what comes back is tried first");
    // Without what they spend, all of them come too early.
    producer.rollback(1).unwrap();
    producer.confirm(1).unwrap_err();
    assert!(next(&mut producer).0.starts_with(&[0, 1, honest]));
}

#[test]
fn what_waits_is_tried_once_what_it_needs_is_there_however_many_others_wait() {
    let mut producer = producer(LIMIT);
    let early = submit(&mut producer, [spends(7, 1)])[0];
    let others = 4 * MAX_RETRIES as u64;
    submit(&mut producer, (0..others).map(|n| spends(1000 + n, 99)));
    for _ in 0..2 {
        assert!(included(&mut producer).is_empty());
    }
    // All of them wait, and of each the turn comes in every fourth block.
    let made = submit(&mut producer, [makes(7, 2)])[0];
    assert_eq!(included(&mut producer), [made, early]);
    assert_eq!(waiting(&producer).len(), 4 * MAX_RETRIES);
    for _ in 3..MAX_EARLY_BLOCKS - 1 {
        assert!(included(&mut producer).is_empty());
    }
    let rejected = producer.propose_block().unwrap();
    assert_eq!(rejected.len(), 4 * MAX_RETRIES, "and they do not wait for ever");
    assert!(matches!(rejected[0].reason, Rejection::Expired(MarketError::Missing(_))));
}

#[test]
fn what_shows_nothing_is_tried_again_however_many_wait_that_show_what_they_lack() {
    let mut producer = producer(LIMIT);
    let needs = Order { needs: Some(7), fee: 98, ..Order::default() };
    let early = submit(&mut producer, [needs])[0];
    // Each block tries thousands of another flood, all of which wait from then on.
    for _ in 0..4 {
        submit(&mut producer, (0..FLOOD).map(|n| spends(1000 + n, 99)));
        assert!(included(&mut producer).is_empty());
    }
    let made = submit(&mut producer, [makes(7, 100)])[0];
    assert_eq!(included(&mut producer), [made, early]);
}

#[test]
fn the_turns_of_those_that_show_nothing_pass_although_a_block_has_no_time_for_them() {
    let mut producer = producer(LIMIT);
    let needs = |needed| Order { needs: Some(needed), fee: 1, ..Order::default() };
    submit(&mut producer, (0..MAX_RETRIES as u64).map(|n| needs(1000 + n)));
    let early = submit(&mut producer, [needs(7)])[0];
    assert!(included(&mut producer).is_empty());
    // What pays more is all that the next block tries.
    submit(&mut producer, [makes(7, 100)]);
    submit(&mut producer, (0..FLOOD).map(|_| Order { makes: Some(7), fee: 99, ..Order::default() }));
    assert_eq!(next(&mut producer).0.len(), 1);
    assert_eq!(next(&mut producer).0, [early], "the others have had their turn");
}

#[test]
fn a_pool_full_of_messages_at_the_wrong_time_gives_way_to_what_a_block_can_have() {
    let mut producer = producer(LIMIT);
    producer.expect_superblock(2000);
    let untimely = || Order { sends: 1, fee: 99, ..Order::default() };
    submit(&mut producer, (0..MAX_PENDING).map(|_| untimely()));
    assert_eq!(refused(&mut producer, order(1, 0, 98)), PoolError::Full, "a block finds out");
    let (block, refusals) = next(&mut producer);
    assert_eq!((block, refusals.len()), (vec![], MAX_FAILING + LIMIT));
    submit(&mut producer, (0..refusals.len()).map(|_| untimely()));
    assert_eq!(refused(&mut producer, untimely()), PoolError::Full);
    let honest = submit(&mut producer, [order(1, 0, 0)])[0];
    assert_eq!(producer.pending_count(), MAX_PENDING);
    assert_eq!(next(&mut producer).0, [honest]);
}

#[test]
fn a_pool_full_of_what_only_one_of_can_come_gives_way_to_others() {
    let mut producer = producer(LIMIT);
    submit(&mut producer, [makes(7, 0)]);
    assert_eq!(included(&mut producer), [0]);
    // Better ones take the room, so that each block leaves all of these, and each of them is valid.
    let rest = (MAX_PENDING - LIMIT) as u64;
    submit(
        &mut producer,
        (0..rest).map(|_| Order { sends: MAX_BLOCK_STEPS as u64 / 2 + 1, ..spends(7, 50) }),
    );
    let better = submit(&mut producer, (0..LIMIT as u64).map(|n| order(100 + n, 0, 99)));
    assert_eq!(included(&mut producer), better);
    submit(&mut producer, (0..LIMIT as u64).map(|n| order(100 + n, 1, 99)));
    let honest = submit(&mut producer, (0..2 * LIMIT as u64).map(|n| order(n, 0, 0)));
    assert_eq!(producer.pending_count(), MAX_PENDING);
    let (block, refusals) = next(&mut producer);
    assert_eq!(block.len(), LIMIT);
    let evicted = refusals.iter().map(|(_, reason)| reason.clone());
    let by = honest.iter().map(|&by| Rejection::<MarketError>::Evicted { by }.to_string());
    assert!(evicted.eq(by), "{refusals:?}");
}

#[test]
fn a_submission_to_a_full_pool_asks_a_limited_number_of_times_however_much_waits() {
    let mut producer = producer(LIMIT);
    submit(&mut producer, [makes(7, 99)]);
    submit(
        &mut producer,
        (0..MAX_PENDING).skip(1).map(|_| Order { pays_from: Some(7), fee: 98, ..Order::default() }),
    );
    // The block makes what all the others lack, so that none of them gives way any more.
    let (block, refusals) = next(&mut producer);
    assert_eq!(block[0], 0);
    submit(&mut producer, (0..block.len() + refusals.len()).map(|_| Order { fee: 98, ..Order::default() }));
    let asked = |producer: &BlockProducer<Market>| producer.environment().asked.load(Ordering::Relaxed);
    let before = asked(&producer);
    assert_eq!(refused(&mut producer, order(1, 0, 0)), PoolError::Full);
    let asked = asked(&producer) - before;
    assert!(asked <= MAX_GIVING_WAY + 2, "{asked}, and about itself twice");
}
