//! What waits for a block of a note-based environment.

use bridge_core::Consumption;
use environments_core::{BlockProducer, Environment, EnvironmentId, ProducerError, producer::Rejection};

use super::{messages::arrival, world};
use crate::{
    Notes, NotesError, NotesTransaction,
    account::Account,
    execute::StateError,
    fixtures::{amount, secret},
    transaction::{ProvenTransaction, Request},
};

fn names(producer: &BlockProducer<Notes>, height: u32) -> Vec<u64> {
    producer.block(height).unwrap().transactions.iter().map(|pending| pending.id).collect()
}

#[test]
fn what_breaks_a_rule_of_the_transaction_never_enters_the_pool() {
    let mut world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    let (pay, _) = world.pay(0, &[1], 5);
    let mut stolen = pay.clone();
    stolen.account.authorisation = secret(77);
    let bad = [
        Request { fee: amount(1 << 40), ..pay.clone() }.into(),
        Request { not_before: 3, valid_until: 2, ..pay.clone() }.into(),
        stolen.into(),
        NotesTransaction::Proven { bundle: ProvenTransaction::from_bytes(b"nobody opened it") },
    ];
    for bad in bad {
        let expected = world.environment.execute(&mut world.genesis(), &bad).unwrap_err();
        let error = producer.submit(bad).unwrap_err();
        assert!(matches!(error, ProducerError::Invalid(_)), "{error}");
        assert_eq!(error.to_string(), expected.to_string(), "the reason is that of a block");
    }
    assert_eq!(producer.pending_count(), 0);
    producer.submit(pay.into()).unwrap();
}

#[test]
fn a_note_that_does_not_exist_yet_is_waited_for() {
    let mut world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    let (pay, notes) = world.pay(0, &[1], 5);
    // It pays more, so it is tried first.
    let take = world.request(1, &notes, vec![], 5);
    producer.submit(pay.into()).unwrap();
    producer.submit(take.into()).unwrap();
    for expected in [0, 1] {
        assert!(producer.propose_block().unwrap().is_empty());
        assert_eq!(names(&producer, producer.height()), [expected]);
    }
}

#[test]
fn the_requests_of_an_account_are_tried_by_nonce() {
    let mut world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    let [first, second] = [0, 9].map(|fee| {
        let payment = world.payment(1, 0, 5);
        world.request(0, &[], vec![payment], fee)
    });
    producer.submit(second.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    let left = producer.leftovers();
    assert!(matches!(
        left[0].reason,
        Rejection::Environment(NotesError::State(StateError::StaleAccount { .. }))
    ));
    producer.submit(first.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!(names(&producer, 2), [1, 0]);
}

#[test]
fn nobody_takes_the_place_of_the_request_of_another() {
    let mut world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    let (pay, _) = world.pay(0, &[1], 5);
    // The same account and nonce, with another secret and a higher fee.
    let authority = world.clients[1].authority;
    let account = Account { authorisation: authority.authorisation(), ..pay.account.clone() };
    let strange = Request { account, authority, fee: amount(50), ..pay.clone() };
    producer.submit(pay.into()).unwrap();
    producer.submit(strange.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty(), "nothing was replaced");
    assert_eq!(names(&producer, 1), [0]);
}

#[test]
fn an_account_without_room_for_its_messages_delays_nobody_else() {
    let mut world = world();
    let mut offered = vec![arrival(&world, &world.message_to(1, 1, 30, 0), Consumption::Claim)];
    // Two steps each, with one left after 63 of them.
    for _ in 0..64 {
        let mut send = world.send(0, 1, 2);
        send.send.as_mut().unwrap().destination = EnvironmentId::L1;
        offered.push(send.into());
    }
    offered.push(world.pay(0, &[1], 5).0.into());
    offered.push(world.pay(1, &[0], 5).0.into());
    let offered: Vec<_> = offered.iter().collect();
    let proposal = world.environment.propose(&world.genesis(), &offered).unwrap();
    assert!(proposal.rejected.is_empty());
    assert_eq!(proposal.included, (0..64).chain([66]).collect::<Vec<_>>());
}
