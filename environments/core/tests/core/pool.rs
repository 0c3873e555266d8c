//! In which order transactions are tried, and what a pool refuses.

use circuits_core::amount::Amount;
use environments_core::{
    BlockProducer, DynEnvironment, PoolError, ProducerError, Rejection,
    dynamic::LineError,
    pool::{MAX_EARLY_BLOCKS, MAX_FAILING, MAX_PENDING_BYTES, MAX_PER_SENDER},
};

use crate::market::{
    Market, MarketError, Order, included, next, order, producer, refused, sender, submit, waiting,
};

#[test]
fn the_best_fee_per_slot_goes_first_and_equal_ones_by_arrival() {
    let mut producer = producer(10);
    let pays = |fee, slots| Order { fee, slots, ..Order::default() };
    submit(
        &mut producer,
        [pays(2, 1), pays(6, 2), pays(0, 1), pays(2, 1), pays(3, 1), pays(9, 4), pays(0, 9)],
    );
    assert_eq!(waiting(&producer), [1, 4, 5, 0, 3, 2, 6]);
    assert_eq!(included(&mut producer), [1, 4, 5, 0, 3, 2, 6]);
}

#[test]
fn the_sender_with_the_best_first_transaction_goes_first_in_the_order_of_its_nonces() {
    let mut producer = producer(10);
    let (a, b, c) = (1, 2, 3);
    let wide = Order { slots: 2, ..order(c, 0, 5) };
    // Each after the one that it follows on, and before it.
    submit(&mut producer, [order(a, 1, 9), order(a, 0, 1), order(b, 0, 3), order(b, 1, 2), wide]);
    assert_eq!(waiting(&producer), [2, 4, 3, 1, 0]);
    assert_eq!(included(&mut producer), [2, 4, 3, 1, 0]);
}

#[test]
fn a_full_block_leaves_the_rest_in_order() {
    let mut producer = producer(2);
    submit(&mut producer, (0..5).map(|n| order(n, 0, n)));
    assert_eq!(included(&mut producer), [4, 3]);
    submit(&mut producer, [order(9, 0, 1)]);
    assert_eq!(included(&mut producer), [2, 1], "an equal fee that arrived earlier goes first");
    assert_eq!(included(&mut producer), [5, 0]);
}

#[test]
fn a_transaction_takes_the_place_of_one_with_its_nonce_if_it_pays_an_eighth_more() {
    let mut producer = producer(10);
    submit(&mut producer, [order(1, 0, 16), order(1, 1, 0), order(2, 0, 9)]);
    for fee in [16, 17] {
        let expected = PoolError::Underpriced { nonce: 0, least: 18, found: Amount::new(fee).unwrap() };
        assert_eq!(refused(&mut producer, order(1, 0, fee)), expected);
    }
    let free = PoolError::Underpriced { nonce: 1, least: 1, found: Amount::ZERO };
    assert_eq!(refused(&mut producer, order(1, 1, 0)), free);
    let better = submit(&mut producer, [order(1, 0, 18), order(1, 1, 1)]);
    assert_eq!(better, [3, 4]);
    assert_eq!(waiting(&producer), [3, 2, 4]);
    let (block, reasons) = next(&mut producer);
    assert_eq!(block, [3, 2, 4]);
    let replaced = |id, by| (id, Rejection::<MarketError>::Replaced { by }.to_string());
    assert_eq!(reasons, [replaced(0, 3), replaced(1, 4)]);
    assert_eq!(next(&mut producer), (vec![], vec![]), "a replacement is reported once");
}

#[test]
fn a_nonce_that_is_ahead_waits_for_the_missing_one() {
    let mut producer = producer(10);
    submit(&mut producer, [order(1, 0, 0), order(1, 2, 9), order(1, 3, 9), order(2, 0, 0)]);
    assert_eq!(included(&mut producer), [0, 3]);
    assert!(included(&mut producer).is_empty());
    assert_eq!(waiting(&producer), [1, 2]);
    submit(&mut producer, [order(1, 1, 0)]);
    assert_eq!(included(&mut producer), [4, 1, 2]);
}

#[test]
fn what_needs_another_one_is_tried_again_after_it() {
    let mut producer = producer(10);
    let needs = Order { needs: Some(7), ..order(1, 0, 9) };
    submit(&mut producer, [needs, order(1, 1, 9), Order { makes: Some(7), ..order(2, 0, 1) }]);
    assert_eq!(included(&mut producer), [2]);
    assert_eq!(included(&mut producer), [0, 1]);
}

#[test]
fn one_that_can_never_be_valid_again_does_not_block_those_behind_it() {
    let mut producer = producer(10);
    submit(&mut producer, [order(1, 0, 0)]);
    assert_eq!(included(&mut producer), [0]);
    submit(&mut producer, [order(1, 0, 0), order(1, 1, 0)]);
    let stale = MarketError::Nonce { expected: 1, found: 0 }.to_string();
    assert_eq!(next(&mut producer), (vec![2], vec![(1, stale)]));
}

#[test]
fn what_comes_too_early_is_dropped_with_its_reason_after_some_blocks() {
    let mut producer = producer(10);
    submit(&mut producer, [order(1, 5, 0), order(1, 6, 0)]);
    for _ in 1..MAX_EARLY_BLOCKS {
        assert!(included(&mut producer).is_empty());
    }
    submit(&mut producer, [order(1, 7, 0)]);
    let rejected = producer.propose_block().unwrap();
    let expired = |found| Rejection::Expired(MarketError::Nonce { expected: 0, found });
    let reasons: Vec<_> = rejected.into_iter().map(|one| (one.id, one.reason)).collect();
    assert_eq!(reasons, [(0, expired(5)), (1, expired(6))]);
    assert_eq!(waiting(&producer), [2], "it is not as old");
}

#[test]
fn one_sender_has_no_more_than_its_share_of_a_pool() {
    let mut producer = producer(1);
    let most = u64::try_from(MAX_PER_SENDER).unwrap();
    submit(&mut producer, (0..most).map(|nonce| order(1, nonce, 0)));
    assert_eq!(refused(&mut producer, order(1, most, 0)), PoolError::TooManyOfSender(sender(1)));
    // Another sender still has room, and so has a replacement.
    let [_, better] = submit(&mut producer, [order(2, 0, 0), order(1, 0, 1)])[..] else {
        panic!("two names")
    };
    assert_eq!(next(&mut producer).0, [better]);
    submit(&mut producer, [order(1, most, 0)]);
}

#[test]
fn a_pool_has_no_more_than_its_bytes() {
    let mut producer = producer(10);
    let big = |bytes| Order { bytes, ..Order::default() };
    submit(&mut producer, [big(MAX_PENDING_BYTES - 10)]);
    let full = PoolError::TooManyBytes { waiting: MAX_PENDING_BYTES - 10, found: 11 };
    assert_eq!(refused(&mut producer, big(11)), full);
    submit(&mut producer, [big(10)]);
    assert_eq!(included(&mut producer), [0, 1]);
    submit(&mut producer, [big(MAX_PENDING_BYTES)]);
}

#[test]
fn what_is_invalid_in_every_state_never_enters_the_pool() {
    let mut producer: Box<dyn DynEnvironment> = Box::new(producer(10));
    let cache = circuits_keys::CircuitCache::default();
    let submission = producer.submit_lines(&cache, "{\"fee\": 1}\n{\"fee\": 9, \"is_malformed\": true}");
    assert_eq!((submission.accepted, producer.pending()), (vec![(1, 0)], 1));
    let [(2, reason)] = &submission.rejected[..] else { panic!("{:?}", submission.rejected) };
    assert!(matches!(reason, LineError::Producer(ProducerError::Invalid(_))), "{reason}");
    assert_eq!(reason.to_string(), MarketError::Malformed.to_string());
}

#[test]
fn a_block_tries_a_limited_number_and_the_rest_keeps_its_order() {
    let mut producer = producer(10);
    let failing = u64::try_from(MAX_FAILING + 10).unwrap();
    let makes = |fee| Order { makes: Some(1), fee, ..Order::default() };
    submit(&mut producer, [makes(9)]);
    assert_eq!(included(&mut producer), [0]);
    submit(&mut producer, (0..failing + 5).map(|_| makes(2)));
    submit(&mut producer, [Order { fee: 1, ..Order::default() }, Order { fee: 3, ..Order::default() }]);
    let (block, refused) = next(&mut producer);
    assert_eq!(block, [failing + 7], "what pays best is tried first");
    assert_eq!(refused.len(), MAX_FAILING + 9);
    assert_eq!(waiting(&producer), (failing..failing + 7).collect::<Vec<_>>());
    let (block, refused) = next(&mut producer);
    assert_eq!((block, refused.len()), (vec![failing + 6], 6));
}

#[test]
fn the_same_submissions_give_the_same_blocks() {
    let chain = || {
        let mut producer = producer(3);
        submit(&mut producer, (0..20).map(|n| Order { makes: Some(n % 7), ..order(n % 5, n / 5, n % 4) }));
        for _ in 0..8 {
            producer.propose_block().unwrap();
        }
        producer.blocks().map(|block| *block.block.statement()).collect::<Vec<_>>()
    };
    assert_eq!(chain(), chain());
}

#[test]
fn leftovers_name_what_keeps_them_from_a_block() {
    let mut producer = producer(1);
    let needs = Order { needs: Some(7), ..Order::default() };
    submit(&mut producer, [order(1, 0, 9), order(1, 1, 5), order(2, 7, 6), needs, order(1, 1, 8)]);
    let left = |producer: &BlockProducer<Market>| -> Vec<_> {
        producer.leftovers().unwrap().into_iter().map(|one| (one.id, one.reason)).collect()
    };
    let replaced = (1, Rejection::Replaced { by: 4 });
    let ahead = (2, Rejection::Environment(MarketError::Nonce { expected: 0, found: 7 }));
    let missing = (3, Rejection::Environment(MarketError::Missing(7)));
    let (first, second) = ((0, Rejection::NoRoom), (4, Rejection::NoRoom));
    assert_eq!(left(&producer), [replaced, first, second, ahead, missing]);
    assert_eq!(next(&mut producer).0, [0]);
    assert_eq!(left(&producer).len(), 3);
    assert_eq!(left(&producer)[0], (4, Rejection::NoRoom));
}
