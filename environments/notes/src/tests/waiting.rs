//! What waits for a block of a note-based environment.

use bridge_core::{Consumption, MAX_BLOCK_STEPS};
use environments_core::{BlockProducer, Environment, EnvironmentId, ProducerError, producer::Rejection};

use super::{messages::arrival, world};
use crate::{
    Notes, NotesError, NotesTransaction,
    account::Account,
    execute::StateError,
    fixtures::{EXCHANGE, NETWORK_MINIMUM_FEE, START, World, amount, secret},
    note::Note,
    transaction::{ProvenTransaction, Request, TransactionError},
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
    // It pays more, and still comes after what makes its note.
    let take = world.request(1, &notes, vec![], 5);
    producer.submit(take.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!((names(&producer, 1), producer.pending_count()), (vec![], 1));
    producer.submit(pay.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!(names(&producer, 2), [1, 0]);
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
    let left = producer.leftovers().unwrap();
    assert!(matches!(
        left[0].reason,
        Rejection::Environment(NotesError::State(StateError::StaleAccount { .. }))
    ));
    producer.submit(first.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!(names(&producer, 2), [1, 0]);
}

#[test]
fn a_used_nonce_keeps_none_behind_it_from_a_block() {
    let mut world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    let [first, second, third] = [1, 2, 3].map(|paid| world.pay(0, &[1], paid).0);
    let again = Request { fee: amount(9), ..first.clone() };
    for (id, request) in (0..).zip([first, second]) {
        producer.submit(request.into()).unwrap();
        assert!(producer.propose_block().unwrap().is_empty());
        assert_eq!(names(&producer, producer.height()), [id]);
    }
    // The state does not tell that it comes too late, so it waits, and is the first one of its account.
    producer.submit(again.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!((names(&producer, 3), producer.pending_count()), (vec![], 1));
    producer.submit(third.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!((names(&producer, 4), producer.pending_count()), (vec![3], 1));
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

/// A producer whose state has notes of clients 0 and 1 for the order: of each one that fills it, and one for the fee.
fn trading(world: &mut World) -> (BlockProducer<Notes>, [Vec<Note>; 2]) {
    let mut producer = BlockProducer::new(world.environment.clone());
    let paid = [0, 1].map(|who| {
        let payments =
            [(1, 4), (0, 3 * NETWORK_MINIMUM_FEE)].map(|(of, value)| world.payment(EXCHANGE, of, value));
        let pay = world.request(who, &[], payments.into(), 0);
        let notes = world.notes(&pay);
        producer.submit(pay.into()).unwrap();
        notes
    });
    assert!(producer.propose_block().unwrap().is_empty());
    (producer, paid)
}

/// The trade that these notes of client `who` are for.
fn fill(world: &mut World, who: usize, notes: &[Note]) -> Request {
    world.trade(&notes[..1], &notes[1..], vec![world.payment(who, 0, 6)])
}

#[test]
fn a_trade_is_made_on_whatever_state_of_the_order_a_block_finds() {
    let mut world = world();
    let (mut producer, paid) = trading(&mut world);
    // Both start from the order as it is now.
    let second = fill(&mut world.clone(), 1, &paid[1]);
    let first = fill(&mut world, 0, &paid[0]);
    for request in [&first, &second] {
        producer.submit(request.clone().into()).unwrap();
    }
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!(names(&producer, 2), [2, 3]);
    // The second one is what its maker would have made after the first.
    let follows = fill(&mut world, 1, &paid[1]);
    let state = producer.state();
    let order = &world.clients[EXCHANGE].account;
    assert_eq!(state.public_account(&order.id), Some(order));
    assert!(world.notes(&follows).iter().all(|note| state.has_note(&note.commitment())));
    assert!(!world.notes(&second).iter().any(|note| state.has_note(&note.commitment())));

    // So it is if a block comes between them; what consumes notes that are gone is named for that.
    producer.rollback(2).unwrap();
    let mut late = BlockProducer::from_state(world.environment.clone(), producer.state().clone());
    for (expected, request) in (0..).zip([first.clone(), second]) {
        late.submit(request.into()).unwrap();
        assert!(late.propose_block().unwrap().is_empty());
        assert_eq!(names(&late, late.height()), [expected]);
    }
    assert_eq!(late.state().public_account(&order.id), Some(order));
    late.submit(first.into()).unwrap();
    let rejected = late.propose_block().unwrap();
    let Rejection::Environment(NotesError::State(reason)) = &rejected[0].reason else {
        panic!("{rejected:?}")
    };
    assert!(matches!(reason, StateError::AlreadyConsumed { input: 0, .. }), "{reason}");
    assert_eq!((rejected.len(), late.pending_count()), (1, 0));
}

#[test]
fn a_trade_that_the_order_cannot_pay_any_more_is_refused_with_its_reason() {
    let mut world = world();
    let (mut producer, paid) = trading(&mut world);
    let late = fill(&mut world.clone(), 0, &paid[0]);
    let transaction = NotesTransaction::from(late);
    assert!(world.environment.may_come_next(producer.state(), &transaction));
    // The owner leaves 5 of what the order pays 6 of.
    let tip = 3 * NETWORK_MINIMUM_FEE;
    let output = world.payment(2, 0, START - 5 - NETWORK_MINIMUM_FEE - tip);
    let takes_back = world.own(&[], vec![output], None, tip);
    let ids = [takes_back.into(), transaction.clone()].map(|one| producer.submit(one).unwrap());
    let rejected = producer.propose_block().unwrap();
    assert_eq!(names(&producer, 2), ids[..1]);
    let insufficient = TransactionError::Insufficient {
        asset: world.asset(0),
        available: 5 + 3 * NETWORK_MINIMUM_FEE,
        spent: 6 + 3 * NETWORK_MINIMUM_FEE,
    };
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0].id, ids[1]);
    assert_eq!(rejected[0].reason, Rejection::Environment(NotesError::Transaction(insufficient)));
    let footprint = world.environment.terms(&transaction).footprint;
    assert!(!footprint.holds(|cell| producer.state().cell(cell)), "a pool sees it without executing it");
}

#[test]
fn an_owner_who_comes_too_late_is_refused_with_the_reason_and_does_not_wait() {
    let mut world = world();
    let (mut producer, paid) = trading(&mut world);
    let late = world.clone().own(&[], vec![world.payment(2, 0, 1)], None, 0);
    let trade = fill(&mut world, 0, &paid[0]);
    producer.submit(trade.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    producer.submit(late.into()).unwrap();
    let rejected = producer.propose_block().unwrap();
    let account = world.clients[EXCHANGE].id();
    let reason = StateError::NonceUsed { account, made: 1, before: 0 };
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0].reason, Rejection::Environment(NotesError::State(reason)));
    assert_eq!(producer.pending_count(), 0);
}

/// A producer whose state has a note of client 0 that fills the order with what the other notes add to it, and a note for the
/// fee of each trade.
fn adding(world: &mut World) -> (BlockProducer<Notes>, Vec<Note>) {
    let mut producer = BlockProducer::new(world.environment.clone());
    let notes = [
        (1, 2 * (START + ADDED) / 3),
        (0, 3 * NETWORK_MINIMUM_FEE),
        (0, ADDED),
        (0, 2 * NETWORK_MINIMUM_FEE),
    ];
    let payments = notes.map(|(of, value)| world.payment(EXCHANGE, of, value));
    let pay = world.request(0, &[], payments.into(), 0);
    let notes = world.notes(&pay);
    producer.submit(pay.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    (producer, notes)
}

/// What is added to the order.
const ADDED: u64 = 20;

#[test]
fn a_trade_that_the_order_can_pay_only_after_another_one_waits_for_it() {
    let mut world = world();
    let (mut producer, notes) = adding(&mut world);
    let first = world.trade(&notes[2..3], &notes[3..], vec![]);
    let payment = world.payment(0, 0, START + ADDED);
    let second = world.trade(&notes[..1], &notes[1..2], vec![payment]);
    let alone = producer.submit(second.clone().into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!(producer.pending_count(), 1);
    let leftovers = producer.leftovers().unwrap();
    let Rejection::Environment(NotesError::State(reason)) = &leftovers[0].reason else {
        panic!("{leftovers:?}")
    };
    assert!(matches!(reason, StateError::StaleAccount { .. }), "{reason}");
    let first = producer.submit(first.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!(names(&producer, 3), [first, alone]);
}

#[test]
fn trades_that_need_each_other_are_in_one_block() {
    let mut world = world();
    let (mut producer, notes) = adding(&mut world);
    let first = world.trade(&notes[2..3], &notes[3..], vec![]);
    let payment = world.payment(0, 0, START + ADDED);
    let second = world.trade(&notes[..1], &notes[1..2], vec![payment]);
    // The second one pays more, as it moves more.
    let [second, first] = [second, first].map(|trade| producer.submit(trade.into()).unwrap());
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!(names(&producer, 2), [first, second]);
}

#[test]
fn a_trade_that_follows_on_one_that_never_comes_is_made_without_it() {
    let mut world = world();
    let (mut producer, paid) = trading(&mut world);
    // The order is never as the maker of the second trade expects it, who follows on its owner.
    let instead = fill(&mut world.clone(), 0, &paid[0]);
    world.own(&[], vec![world.payment(2, 0, 5)], None, 0);
    let follows = fill(&mut world, 1, &paid[1]);
    assert_eq!((instead.account.nonce, follows.account.nonce), (0, 1));
    for request in [instead, follows] {
        let id = producer.submit(request.into()).unwrap();
        assert!(producer.propose_block().unwrap().is_empty());
        assert_eq!(names(&producer, producer.height()), [id]);
    }
}

#[test]
fn an_account_without_room_for_its_messages_delays_nobody_else() {
    let mut world = world();
    let claim = |n| arrival(&world, &world.message_to(1, 1, 30, n), Consumption::Claim);
    let mut offered: Vec<_> = (1..).take(MAX_BLOCK_STEPS - 34).map(claim).collect();
    // A step each, with room for all but the last one.
    for _ in 0..35 {
        let mut send = world.send(0, 1, 2);
        send.send.as_mut().unwrap().destination = EnvironmentId::L1;
        offered.push(send.into());
    }
    offered.push(world.pay(0, &[1], 5).0.into());
    offered.push(world.pay(1, &[0], 5).0.into());
    let offered: Vec<_> = offered.iter().collect();
    let proposal = world.environment.propose(&world.genesis(), &offered).unwrap();
    assert!(proposal.rejected.is_empty());
    assert_eq!(proposal.included, (0..MAX_BLOCK_STEPS).chain([MAX_BLOCK_STEPS + 2]).collect::<Vec<_>>());
}
