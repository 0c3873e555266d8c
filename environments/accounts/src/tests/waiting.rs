//! What waits for a block of an account-based environment, and in which order.

use bridge_core::{Consumption, MAX_BLOCK_STEPS};
use environments_conformance::CHAIN_ID;
use environments_core::{BlockProducer, Environment, ProducerError, producer::Rejection};

use super::{address, world};
use crate::{
    Accounts,
    block::{CHUNK_SLOTS, MAX_BLOCKS},
    execute::Invalid,
    fixtures::{CLIENTS, FEE, HOME, NEWCOMER, START, amount, bridge, key, settlement, swap, transfer},
    transaction::{AccountsTransaction, MAX_ACTIONS, Transaction},
    typed_data::SigningDomain,
};

fn names(producer: &BlockProducer<Accounts>, height: u32) -> Vec<u64> {
    producer.block(height).unwrap().transactions.iter().map(|pending| pending.id).collect()
}

#[test]
fn what_is_malformed_or_not_signed_by_its_sender_never_enters_the_pool() {
    let world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    let good = world.sign(0, world.unsigned(0, &[transfer(1, 0, 5)]));
    let mut altered = good.clone();
    altered.transaction.fee = amount(FEE + 1);
    let stolen = world.sign(1, good.transaction.clone());
    let nothing = world.sign(0, world.unsigned(0, &[transfer(1, 0, 0)]));
    let mut free = good.transaction.clone();
    free.fee = amount(0);
    let free = world.sign(0, free);
    let elsewhere = SigningDomain { settlement: settlement(CHAIN_ID + 1), environment: HOME };
    let elsewhere = key(0).sign(good.transaction.clone(), &elsewhere).unwrap();
    for bad in [altered, stolen, nothing, free, elsewhere].map(AccountsTransaction::from) {
        let expected = world.environment.execute(&mut world.state.clone(), &bad).unwrap_err();
        let error = producer.submit(bad).unwrap_err();
        assert!(matches!(error, ProducerError::Invalid(_)), "{error}");
        assert_eq!(error.to_string(), expected.to_string(), "the reason is that of a block");
    }
    assert_eq!(producer.pending_count(), 0);
    producer.submit(good.into()).unwrap();
}

#[test]
fn a_nonce_that_is_ahead_waits_for_the_missing_one() {
    let mut world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    let [first, second, third] = [1, 2, 3].map(|value| world.act(0, &[transfer(1, 0, value)]));
    producer.submit(third.into()).unwrap();
    producer.submit(second.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    assert!(names(&producer, 1).is_empty());
    let reasons: Vec<_> = producer.leftovers().unwrap().into_iter().map(|one| one.reason).collect();
    let ahead =
        |found| Rejection::Environment(Invalid::Nonce { sender: address(0), expected: 0, found }.into());
    assert_eq!(reasons, [ahead(1), ahead(2)]);
    producer.submit(first.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!(names(&producer, 2), [2, 1, 0]);
}

#[test]
fn a_nonce_that_was_used_is_refused_at_once() {
    let mut world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    let signed = world.act(0, &[transfer(1, 0, 5)]);
    producer.submit(signed.clone().into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    producer.submit(signed.into()).unwrap();
    let rejected = producer.propose_block().unwrap();
    let used = Invalid::Nonce { sender: address(0), expected: 1, found: 0 };
    assert_eq!(rejected[0].reason, Rejection::Environment(used.into()));
}

#[test]
fn a_transaction_waits_for_the_account_of_its_sender() {
    let mut world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    let early = world.sign(NEWCOMER, world.unsigned(NEWCOMER, &[transfer(1, 0, 5)]));
    producer.submit(early.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!(producer.pending_count(), 1);
    producer.submit(world.act(0, &[transfer(NEWCOMER, 0, 50)]).into()).unwrap();
    // Who cannot pay yet is tried last, and finds what the others sent.
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!(names(&producer, 2), [1, 0]);
}

#[test]
fn exactly_what_a_state_executes_may_come_next() {
    let mut world = world();
    world.act(0, &[transfer(1, 0, 5)]);
    let (state, environment) = (&world.state, &world.environment);
    let honest = world.unsigned(0, &[transfer(1, 0, 5)]);
    let comes = |sender, transaction: Transaction| {
        let transaction = AccountsTransaction::from(world.sign(sender, transaction));
        let comes = environment.terms(&transaction).footprint.holds(|cell| environment.cell(state, cell))
            && environment.may_come_next(state, &transaction);
        let result = environment.execute(&mut state.clone(), &transaction);
        assert_eq!(result.is_ok(), comes, "{result:?}");
        comes
    };
    assert!(comes(0, honest.clone()));
    for nonce in [0, 2, u32::MAX] {
        assert!(!comes(0, Transaction { nonce, ..honest.clone() }), "nonce {nonce}");
    }
    let height = state.height();
    assert!(comes(0, Transaction { deadline: height + 1, ..honest.clone() }));
    assert!(!comes(0, Transaction { deadline: height, ..honest.clone() }));
    assert!(!comes(0, Transaction { fee: amount(2 * START), ..honest }));
    assert!(!comes(NEWCOMER, world.unsigned(NEWCOMER, &[transfer(1, 0, 5)])));
}

#[test]
fn fees_are_compared_per_action() {
    let mut world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    producer.submit(world.act(0, &[transfer(1, 0, 5), transfer(1, 0, 6)]).into()).unwrap();
    producer.submit(world.act(1, &[transfer(0, 0, 5)]).into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!(names(&producer, 1), [1, 0]);
}

#[test]
fn messages_leave_half_of_a_block_to_transactions() {
    let mut world = world();
    let mut producer = BlockProducer::new(world.environment.clone().with_limit(4));
    for n in 0..6 {
        producer.deliver(&world.message(6, n, 1, 0, 5), Consumption::Claim).unwrap();
    }
    for _ in 0..3 {
        producer.submit(world.act(0, &[transfer(1, 0, 5)]).into()).unwrap();
    }
    let blocks = [vec![0, 1, 6, 7], vec![2, 3, 4, 8], vec![5]];
    for (height, expected) in (1..).zip(blocks) {
        assert!(producer.propose_block().unwrap().is_empty());
        assert_eq!(names(&producer, height), expected);
    }
}

#[test]
fn a_sender_without_room_for_its_messages_delays_nobody_else() {
    let mut world = world();
    let before = world.clone();
    let count = MAX_BLOCK_STEPS - 2;
    let claim = |n| AccountsTransaction::Arrival {
        message: before.message(6, n as u64, n % 3, 1, 5),
        consumption: Consumption::Claim,
    };
    let mut offered: Vec<_> = (0..count).map(claim).collect();
    // Three take three steps: they wait, and so does what their sender does next.
    offered.push(world.act(0, &[bridge(0, 0, 1); 3]).into());
    offered.push(world.act(0, &[transfer(1, 0, 1)]).into());
    offered.push(world.act(1, &[transfer(0, 0, 1)]).into());
    offered.push(world.act(1, &[bridge(6, 0, 1)]).into());
    let offered: Vec<_> = offered.iter().collect();
    let proposal = before.environment.propose(&before.state, &offered).unwrap();
    assert!(proposal.rejected.is_empty());
    let expected: Vec<_> = (0..count).chain([count + 2, count + 3]).collect();
    assert_eq!(proposal.included, expected);
}

#[test]
fn a_block_ends_where_the_largest_table_of_hashes_is_full() {
    let mut world = world();
    let before = world.clone();
    let swaps = [swap(0, 10, 0); MAX_ACTIONS];
    let offered: Vec<_> =
        (0..120).map(|n| AccountsTransaction::from(world.act(n % CLIENTS, &swaps))).collect();
    let offered: Vec<_> = offered.iter().collect();
    let proposal = before.environment.propose(&before.state, &offered).unwrap();
    assert!(proposal.rejected.is_empty(), "what does not fit waits");
    let block = proposal.block.witness();
    let hashed: usize = block.transactions.iter().map(|transaction| transaction.blocks.len()).sum();
    // Four swaps take two blocks each, and their transaction three; each client's first one has its key in one more.
    assert_eq!((block.transactions.len(), hashed), (114, 114 * 11 + CLIENTS));
    assert!(hashed <= MAX_BLOCKS && hashed + 11 > MAX_BLOCKS);
    assert!(block.variant().is_some());
}

#[test]
fn a_block_ends_where_the_chunks_of_the_largest_kernel_are_full() {
    // Messages take slots and hash nothing; these leave none in the first chunk for four actions.
    const MESSAGES: usize = CHUNK_SLOTS - MAX_ACTIONS + 1;
    let mut world = world();
    let before = world.clone();
    let mut offered: Vec<_> = (0..MESSAGES)
        .map(|n| AccountsTransaction::Arrival {
            message: before.message(6, n as u64, n % CLIENTS, 0, 5),
            consumption: Consumption::Claim,
        })
        .collect();
    offered.extend((0..180).map(|n| {
        AccountsTransaction::from(world.act(n % CLIENTS, &[transfer((n + 1) % CLIENTS, 0, 1); MAX_ACTIONS]))
    }));
    let offered: Vec<_> = offered.iter().collect();
    let proposal = before.environment.propose(&before.state, &offered).unwrap();
    assert!(proposal.rejected.is_empty(), "what does not fit waits");
    let block = proposal.block.witness();
    assert_eq!(block.arrivals.len(), MESSAGES);
    // Eleven chunks of fifteen transactions each.
    assert_eq!(block.transactions.len(), 11 * (CHUNK_SLOTS / MAX_ACTIONS));
    assert!(block.variant().is_some());
}
