//! What a full pool gives up, and for what.

use environments_core::{
    BlockProducer, PoolError, Rejection,
    pool::{MAX_FAILING, MAX_PENDING, MAX_PENDING_BYTES, MAX_PER_SENDER},
};

use crate::market::{
    Market, MarketError, Order, included, next, order, producer, refused, sender, submit, waiting,
};

/// A quarter of a pool's memory.
const QUARTER: usize = MAX_PENDING_BYTES / 4;

/// An order that takes a quarter of a pool's memory.
fn big(sender: u64, nonce: u64, fee: u64) -> Order {
    Order { bytes: QUARTER, ..order(sender, nonce, fee) }
}

fn evicted(id: u64, by: u64) -> (u64, String) {
    (id, Rejection::<MarketError>::Evicted { by }.to_string())
}

/// A full pool with three transactions of sender 1 that come too early and one of sender 2 that does since a block
/// later, and the error for another small one.
fn early() -> (BlockProducer<Market>, PoolError) {
    let mut producer = producer(10);
    submit(&mut producer, [big(1, 5, 9), big(1, 6, 9), big(1, 7, 9)]);
    assert!(included(&mut producer).is_empty());
    submit(&mut producer, [big(2, 5, 9)]);
    assert!(included(&mut producer).is_empty());
    (producer, PoolError::TooManyBytes { waiting: MAX_PENDING_BYTES, found: 100 })
}

#[test]
fn who_waits_longest_gives_up_the_last_for_what_the_next_block_can_have() {
    let (mut producer, full) = early();
    // What cannot come next either waits outside.
    for late in [order(3, 1, 9), Order { needs: Some(1), ..order(3, 0, 9) }] {
        assert_eq!(refused(&mut producer, late), full);
    }
    assert_eq!(submit(&mut producer, [order(3, 0, 0)]), [4]);
    assert_eq!(waiting(&producer).len(), 4);
    let leftovers = producer.leftovers().unwrap();
    assert!(matches!(leftovers[0].reason, Rejection::Evicted { by: 4 }));
    assert_eq!(next(&mut producer), (vec![4], vec![evicted(2, 4)]));
    assert_eq!(next(&mut producer), (vec![], vec![]), "what was evicted is reported once");
    // In this order, down to what came later.
    for (sender, quarters, given_up) in [(4, 1, 1), (5, 2, 0), (6, 3, 3)] {
        let filler = Order { bytes: quarters * QUARTER, ..order(sender, 0, 0) };
        let ids = submit(&mut producer, [filler, order(10 + sender, 0, 0)]);
        assert_eq!(next(&mut producer), (ids.clone(), vec![evicted(given_up, ids[1])]));
    }
}

#[test]
fn as_many_give_way_as_are_needed_or_none_does() {
    let (mut producer, _) = early();
    let wide = |quarters: usize| Order { bytes: quarters * QUARTER, ..order(3, 0, 0) };
    assert_eq!(submit(&mut producer, [wide(3)]), [4]);
    let gone = [0, 1, 2].map(|id| evicted(id, 4));
    let (block, mut rejected) = next(&mut producer);
    rejected.sort();
    assert_eq!((block, rejected), (vec![4], gone.to_vec()));

    let (mut producer, _) = early();
    let beyond = PoolError::TooManyBytes { waiting: MAX_PENDING_BYTES, found: 5 * QUARTER };
    assert_eq!(refused(&mut producer, wide(5)), beyond);
}

#[test]
fn who_cannot_pay_gives_way_to_who_can() {
    let mut producer = producer(1);
    let poor = |nonce| Order { pays_from: Some(7), ..big(1, nonce, 99) };
    submit(&mut producer, [poor(0), poor(1)]);
    // More than one block tries, so that it does not try the others.
    let crowd = u64::try_from(MAX_FAILING + 10).unwrap();
    let small = Order { bytes: 1, ..Order::default() };
    submit(&mut producer, (0..crowd).map(|_| small.clone()));
    assert_eq!(included(&mut producer).len(), 1);
    let rest = MAX_PENDING_BYTES - 2 * QUARTER - MAX_FAILING - 9;
    let filler = submit(&mut producer, [Order { bytes: rest, ..order(2, 0, 5) }])[0];
    let newcomer = submit(&mut producer, [order(3, 0, 0)])[0];
    // The last one of the sender, and not the one that pays least.
    assert_eq!(next(&mut producer), (vec![filler], vec![evicted(1, newcomer)]));

    // With what the sender needs, it is tried like the others.
    submit(&mut producer, [Order { makes: Some(7), bytes: 1, ..order(4, 0, 100) }]);
    assert_eq!(included(&mut producer).len(), 1);
    let waiting = MAX_PENDING_BYTES - QUARTER - MAX_FAILING - 109;
    submit(&mut producer, [Order { bytes: waiting, ..order(5, 0, 0) }]);
    let full = PoolError::TooManyBytes { waiting: MAX_PENDING_BYTES, found: 100 };
    assert_eq!(refused(&mut producer, order(6, 0, 0)), full);
    assert_eq!(included(&mut producer), [0]);
}

#[test]
fn what_would_be_served_last_gives_way_to_what_goes_before_it() {
    let mut producer = producer(10);
    submit(&mut producer, [big(1, 0, 2), big(1, 1, 50), big(2, 0, 5), Order { slots: 2, ..big(3, 0, 5) }]);
    let full = PoolError::TooManyBytes { waiting: MAX_PENDING_BYTES, found: 100 };
    // An equal fee for each slot is not enough.
    assert_eq!(refused(&mut producer, order(4, 0, 2)), full);
    assert_eq!(refused(&mut producer, Order { slots: 2, ..order(4, 0, 4) }), full);
    let better = submit(&mut producer, [order(4, 0, 3)])[0];
    assert_eq!(next(&mut producer), (vec![2, better, 3, 0], vec![evicted(1, better)]));
}

#[test]
fn what_a_rollback_brought_back_gives_way_to_no_fee() {
    let mut producer = producer(10);
    submit(&mut producer, [big(1, 0, 0), big(2, 0, 0), big(3, 0, 0), big(4, 0, 0)]);
    assert_eq!(included(&mut producer).len(), 4);
    producer.rollback(1).unwrap();
    let full = PoolError::TooManyBytes { waiting: MAX_PENDING_BYTES, found: 100 };
    assert_eq!(refused(&mut producer, order(5, 0, 9)), full);
}

#[test]
fn a_replacement_in_a_full_pool_displaces_nothing_else() {
    let mut producer = producer(10);
    submit(&mut producer, [big(1, 0, 0), big(2, 0, 0), big(3, 0, 0), big(4, 0, 0)]);
    let better = submit(&mut producer, [big(2, 0, 1)])[0];
    let replaced = (1, Rejection::<MarketError>::Replaced { by: better }.to_string());
    assert_eq!(next(&mut producer), (vec![better, 0, 2, 3], vec![replaced]));
}

#[test]
fn who_fills_a_pool_with_what_comes_too_early_keeps_nobody_out() {
    let mut producer = producer(10);
    let share = u64::try_from(MAX_PER_SENDER).unwrap();
    let senders = u64::try_from(MAX_PENDING / MAX_PER_SENDER).unwrap();
    // No transaction of theirs is the first one of its sender.
    submit(
        &mut producer,
        (0..senders).flat_map(|sender| (1..=share).map(move |nonce| order(sender, nonce, 0))),
    );
    assert_eq!(refused(&mut producer, order(senders, 0, 0)), PoolError::Full, "a block finds out");
    assert!(included(&mut producer).is_empty());
    let honest = submit(&mut producer, [order(senders, 0, 1)])[0];
    assert_eq!(producer.pending_count(), MAX_PENDING);
    // Nor may they have more than their share.
    assert_eq!(refused(&mut producer, order(1, 0, 9)), PoolError::TooManyOfSender(sender(1)));
    let given_up = producer.leftovers().unwrap()[0].id;
    assert_eq!(next(&mut producer), (vec![honest], vec![evicted(given_up, honest)]));
}
