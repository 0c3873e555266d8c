//! In which order messages are taken in, and how they share a block with transactions.

use bridge_core::{Consumption, Message};
use environments_core::{
    BlockProducer, DeliveryError, EnvironmentId, PoolError, ProducerError, Rejection, Room,
    listing::{Listed, OtherListing},
    pool::{MAX_MESSAGES, MAX_PER_SENDER},
};

use crate::market::{
    Market, MarketError, Order, deliver, included, message, next, order, producer, sender, sent, submit,
    waiting,
};

#[test]
fn a_flood_of_messages_delays_its_sender_only() {
    let mut producer = producer(4);
    for n in 0..10 {
        deliver(&mut producer, &message(6, 1, n));
    }
    for n in 0..2 {
        deliver(&mut producer, &message(6, 2, n));
    }
    // Sender 2 has its turns, and the flood keeps its order.
    assert_eq!(included(&mut producer), [0, 10, 1, 11]);
    deliver(&mut producer, &message(6, 3, 0));
    // It joins the round after the one that was served last.
    assert_eq!(included(&mut producer), [2, 12, 3, 4]);
}

#[test]
fn environments_take_turns_whoever_sends_in_them() {
    let mut producer = producer(4);
    // Many senders of one environment.
    for n in 0..10 {
        deliver(&mut producer, &message(6, n, 0));
    }
    for n in 0..3 {
        deliver(&mut producer, &message(7, 1, n));
    }
    assert_eq!(included(&mut producer), [0, 10, 1, 11]);
    assert_eq!(included(&mut producer), [2, 12, 3, 4]);
    // An environment that was silent has its next turn, and none for its silence.
    for n in 3..7 {
        deliver(&mut producer, &message(7, 1, n));
    }
    let block = included(&mut producer);
    assert_eq!(block.iter().filter(|&&id| id >= 13).count(), 2, "{block:?}");
}

#[test]
fn turns_go_on_in_the_next_block() {
    let mut producer = producer(1);
    for n in 0..3 {
        deliver(&mut producer, &message(6, 1, n));
        deliver(&mut producer, &message(7, 1, n));
    }
    let served: Vec<_> = (0..6).flat_map(|_| included(&mut producer)).collect();
    assert_eq!(served, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn one_sender_elsewhere_has_a_limited_number_of_messages() {
    let mut producer = producer(1);
    let most = u64::try_from(MAX_PER_SENDER).unwrap();
    for n in 0..most {
        deliver(&mut producer, &message(6, 1, n));
    }
    let error = producer.deliver(&message(6, 1, most), Consumption::Claim).unwrap_err();
    let expected = PoolError::TooManyMessagesOfSender { environment: EnvironmentId(6), sender: sender(1) };
    assert!(
        matches!(&error, DeliveryError::Producer(ProducerError::Pool(found)) if *found == expected),
        "{error}"
    );
    deliver(&mut producer, &message(6, 2, most));
    deliver(&mut producer, &message(7, 1, most));
}

#[test]
fn a_message_that_waits_is_not_delivered_again() {
    let mut producer = producer(1);
    let first = message(6, 1, 0);
    let id = deliver(&mut producer, &first);
    let error = producer.deliver(&first, Consumption::Claim).unwrap_err();
    let expected = PoolError::MessageWaits { message: first.hash(), id };
    assert!(
        matches!(&error, DeliveryError::Producer(ProducerError::Pool(found)) if *found == expected),
        "{error}"
    );
    assert_eq!(waiting(&producer), [id]);
}

fn flooded(limit: usize) -> BlockProducer<Market> {
    let mut producer = producer(limit);
    for n in 0..10 {
        deliver(&mut producer, &message(6, 1, n));
    }
    submit(&mut producer, (0..10).map(|n| order(n, 0, 0)));
    producer
}

#[test]
fn messages_and_transactions_have_half_of_a_block_each() {
    let mut producer = flooded(6);
    assert_eq!(included(&mut producer), [0, 1, 2, 10, 11, 12]);
    assert_eq!(included(&mut producer), [3, 4, 5, 13, 14, 15]);
}

#[test]
fn in_a_block_of_one_messages_and_transactions_alternate() {
    let mut producer = flooded(1);
    let blocks: Vec<_> = (0..4).flat_map(|_| included(&mut producer)).collect();
    assert_eq!(blocks, [0, 10, 1, 11]);
    // By height: a block that is made again takes the same.
    producer.rollback(2).unwrap();
    let blocks: Vec<_> = (0..3).flat_map(|_| included(&mut producer)).collect();
    assert_eq!(blocks, [10, 1, 11]);
}

#[test]
fn what_one_leaves_is_for_the_other() {
    let mut producer = producer(6);
    deliver(&mut producer, &message(6, 1, 0));
    submit(&mut producer, (0..10).map(|n| order(n, 0, 0)));
    assert_eq!(included(&mut producer), [0, 1, 2, 3, 4, 5]);
    // Transactions that wait for another one leave their half too.
    let mut producer = flooded_with_early_ones();
    assert_eq!(included(&mut producer), [0, 1, 2, 3, 4, 5]);
}

/// Ten messages, and five transactions that come too early.
fn flooded_with_early_ones() -> BlockProducer<Market> {
    let mut producer = producer(6);
    for n in 0..10 {
        deliver(&mut producer, &message(6, 1, n));
    }
    submit(&mut producer, (0..5).map(|_| Order { needs: Some(1), ..Order::default() }));
    producer
}

#[test]
fn room_that_is_not_shared_is_filled_by_both() {
    let room = Room { transactions: 3, messages: 2, together: 5 };
    let mut producer = BlockProducer::new(Market::new(room, None));
    for n in 0..4 {
        deliver(&mut producer, &message(6, 1, n));
    }
    submit(&mut producer, (0..4).map(|n| order(n, 0, 0)));
    assert_eq!(next(&mut producer).0, [0, 1, 4, 5, 6]);
}

#[test]
fn of_equal_messages_the_second_is_delivered_once_the_first_is_confirmed() {
    let mut producer = producer(1);
    let message = message(6, 1, 0);
    for height in [1, 2] {
        let id = deliver(&mut producer, &message);
        assert!(producer.deliver(&message, Consumption::Claim).is_err(), "one of them waits");
        assert_eq!(included(&mut producer), [id]);
        assert!(producer.deliver(&message, Consumption::Claim).is_err(), "block {height} takes one in");
        producer.confirm(height).unwrap();
    }
}

#[test]
fn a_message_that_an_unconfirmed_block_takes_in_is_not_delivered_again() {
    let mut producer = producer(1);
    let first = message(6, 1, 0);
    let id = deliver(&mut producer, &first);
    assert_eq!(included(&mut producer), [id]);
    let again =
        |producer: &mut BlockProducer<Market>| producer.deliver(&first, Consumption::Claim).unwrap_err();
    let error = again(&mut producer);
    assert!(matches!(&error, DeliveryError::Producer(ProducerError::MessageTaken { height: 1 })), "{error}");
    // Dropped with its block, it waits again.
    producer.rollback(1).unwrap();
    let error = again(&mut producer);
    assert!(
        matches!(&error, DeliveryError::Producer(ProducerError::Pool(PoolError::MessageWaits { .. }))),
        "{error}"
    );
}

#[test]
fn what_transactions_send_takes_the_room_of_messages() {
    for (sends, expected) in [(0, 5), (1, 5), (3, 3), (6, 3)] {
        let mut producer = producer(6);
        for n in 0..10 {
            deliver(&mut producer, &message(6, 1, n));
        }
        let id = submit(&mut producer, [Order { sends, ..order(1, 0, 0) }])[0];
        let block: Vec<_> = (0..expected).chain([id]).collect();
        assert_eq!(included(&mut producer), block, "{sends} messages are sent");
    }
}

#[test]
fn messages_that_are_refused_use_up_no_room() {
    let nobodys = |n| Message { recipient: sender(9), ..message(6, 1, n) };
    let refused =
        |ids: [u64; 3]| ids.map(|id| (id, MarketError::NoRecipient(sender(9)).to_string())).to_vec();
    let mut producer = producer(6);
    for n in 0..3 {
        deliver(&mut producer, &nobodys(n));
    }
    for n in 3..10 {
        deliver(&mut producer, &message(6, 1, n));
    }
    submit(&mut producer, (0..10).map(|n| order(n, 0, 0)));
    // The half of the messages is for those that can be taken in.
    assert_eq!(next(&mut producer), (vec![3, 4, 5, 10, 11, 12], refused([0, 1, 2])));
    // And so is the whole block if no transaction waits.
    let mut alone = self::producer(3);
    for n in 0..3 {
        deliver(&mut alone, &nobodys(n));
    }
    for n in 3..10 {
        deliver(&mut alone, &message(6, 1, n));
    }
    assert_eq!(next(&mut alone), (vec![3, 4, 5], refused([0, 1, 2])));
}

#[test]
fn a_block_with_other_messages_than_its_transactions_is_refused_and_both_are_named() {
    let taken_in = message(6, 1, 0);
    let sending = Order { sends: 2, ..order(1, 0, 0) };
    let room = Room { transactions: 3, messages: 3, together: 6 };
    let claim = Listed::TakenIn(taken_in.hash(), Consumption::Claim);
    let [first, second] = [0, 1].map(|n| Listed::Sent(sent(&sending, n).hash()));
    for (list, carried, named) in [("inbox", Listed::Nothing, claim), ("outbox", second, first)] {
        let mut producer = BlockProducer::new(Market::new(room, Some(list)));
        deliver(&mut producer, &taken_in);
        submit(&mut producer, [sending.clone()]);
        let error = producer.propose_block().unwrap_err();
        let expected = OtherListing { list, position: 1, carried, named };
        assert!(
            matches!(&error, ProducerError::Messages { height: 1, other } if *other == expected),
            "{error}"
        );
        let text = error.to_string();
        assert!([carried, named].iter().all(|one| text.contains(&one.to_string())), "{text}");
        assert_eq!((producer.blocks().len(), waiting(&producer)), (0, vec![0, 1]), "nothing changed");
    }
    let mut honest = BlockProducer::new(Market::new(room, None));
    deliver(&mut honest, &taken_in);
    submit(&mut honest, [sending]);
    assert_eq!(included(&mut honest), [0, 1]);
}

#[test]
fn a_full_pool_has_room_for_messages_that_are_served_before_its_last_ones() {
    let mut producer = producer(2);
    let most = u64::try_from(MAX_PER_SENDER).unwrap();
    let senders = u64::try_from(MAX_MESSAGES).unwrap() / most;
    for n in 0..most {
        for from in 0..senders {
            deliver(&mut producer, &message(6, from, n));
        }
    }
    let last = u64::try_from(MAX_MESSAGES).unwrap() - 1;
    // Another sender's first message comes in the first round, another environment's in its turn.
    let first = deliver(&mut producer, &message(6, senders, 0));
    let other = deliver(&mut producer, &message(7, 1, 0));
    assert_eq!((first, other, producer.pending_count()), (last + 1, last + 2, MAX_MESSAGES));
    let (block, displaced) = next(&mut producer);
    assert_eq!(block, [0, other]);
    let evicted = |id, by| (id, Rejection::<MarketError>::Evicted { by }.to_string());
    assert_eq!(displaced, [evicted(last, first), evicted(last - 1, other)]);
    // What was displaced may be delivered again once there is room.
    deliver(&mut producer, &message(6, senders - 1, most - 1));
    deliver(&mut producer, &message(6, senders + 1, 0));
    // Whoever has many waits until they are served.
    let error = producer.deliver(&message(6, 2, most), Consumption::Claim).unwrap_err();
    let expected = PoolError::TooManyMessagesOfSender { environment: EnvironmentId(6), sender: sender(2) };
    assert!(
        matches!(&error, DeliveryError::Producer(ProducerError::Pool(found)) if *found == expected),
        "{error}"
    );
    let error = producer.deliver(&message(6, senders - 2, most), Consumption::Claim).unwrap_err();
    assert!(
        matches!(&error, DeliveryError::Producer(ProducerError::Pool(PoolError::TooManyMessages))),
        "{error}"
    );
}

#[test]
fn environments_do_not_displace_each_others_messages_in_turn() {
    let mut producer = producer(2);
    let most = u64::try_from(MAX_MESSAGES).unwrap();
    for n in 0..most / 2 {
        deliver(&mut producer, &message(6, n, 0));
        deliver(&mut producer, &message(7, n, 0));
    }
    for source in [6, 7] {
        let error = producer.deliver(&message(source, most, 0), Consumption::Claim).unwrap_err();
        assert!(
            matches!(&error, DeliveryError::Producer(ProducerError::Pool(PoolError::TooManyMessages))),
            "{error}"
        );
    }
    deliver(&mut producer, &message(8, 0, 0));
}
