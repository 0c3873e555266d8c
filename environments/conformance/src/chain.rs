//! Promises about chains of proposed blocks.

use circuits_protocol::statement::BlockStatement;
use environments_core::{
    environment::Environment,
    producer::{BlockProducer, ProducerError},
};

use super::{BLOCKS, CHAIN_ID, Subject, chain_of_blocks, id, producer, propose_valid, secret};

fn statements<E: Environment>(producer: &BlockProducer<E>) -> Vec<BlockStatement> {
    producer.blocks().map(|block| *block.block.statement()).collect()
}

/// Each block starts where the one before it ended, at the next height, from genesis on, and states the
/// messages that it carries.
///
/// # Panics
/// If the promise is broken.
pub fn statements_chain<S: Subject>(subject: &S) {
    let producer = chain_of_blocks(subject);
    let environment = producer.environment();
    let mut state = environment.commitment(&environment.genesis());
    assert_eq!(environment.height(&environment.genesis()), 0, "genesis has height 0");
    for (height, block) in (1..).zip(producer.blocks()) {
        let statement = block.block.statement();
        assert_eq!(statement.environment, environment.id().to_field(), "a statement names its environment");
        assert_eq!(block.block.first_height(), height, "heights are consecutive");
        assert_eq!(block.block.last_height(), height, "a block has one height");
        assert_eq!(statement.previous_state, state, "a block starts where the last one ended");
        assert_ne!(statement.new_state, state, "a block changes the commitment, if only by its height");
        assert_eq!(statement.new_state, environment.commitment(&block.state));
        let messages = block.block.messages();
        assert_eq!(messages.environment, environment.id(), "a block's messages name its environment");
        assert_eq!(statement.outbox, messages.outbox_digest(), "the messages emitted are stated");
        assert_eq!(statement.inbox, messages.inbox_digest(), "the messages consumed are stated");
        assert_eq!(statement.producer, environment.producer(), "the producer's commitment is stated");
        state = statement.new_state;
    }
    assert_eq!(producer.height(), BLOCKS);
    assert_eq!(producer.commitment(), state);
}

/// Two producers with the same transactions make the same statements and bodies.
///
/// # Panics
/// If the promise is broken.
pub fn same_inputs_give_the_same_statements<S: Subject>(subject: &S) {
    let (one, other) = (chain_of_blocks(subject), chain_of_blocks(subject));
    assert_eq!(statements(&one), statements(&other));
    for (one, other) in one.blocks().zip(other.blocks()) {
        assert_eq!(one.block.body(), other.block.body());
        assert_eq!(one.state, other.state);
    }
}

/// After a rollback the transactions wait in their order, and proposing again gives the same blocks.
///
/// # Panics
/// If the promise is broken.
pub fn rollback_proposes_the_same_transactions_again<S: Subject>(subject: &S) {
    let mut producer = chain_of_blocks(subject);
    let before = statements(&producer);
    let ids: Vec<Vec<_>> = producer
        .blocks()
        .map(|block| block.transactions.iter().map(|pending| pending.id).collect())
        .collect();

    for absent in [0, BLOCKS + 1] {
        let result = producer.rollback(absent);
        assert!(matches!(result, Err(ProducerError::NoSuchBlock { .. })), "no block {absent} to roll back");
        assert_eq!(statements(&producer), before, "a refused rollback changes nothing");
    }
    assert_eq!(producer.rollback(2).expect("block 2 is proposed"), BLOCKS as usize - 1);
    assert_eq!(producer.height(), 1);
    assert_eq!(producer.commitment(), before[0].new_state);
    let waiting: Vec<_> = producer.pending().map(|pending| pending.id).collect();
    assert_eq!(waiting, ids[1..].concat(), "transactions return to the pool in their order");

    // The same blocks again: the producer gets only the transactions of each.
    let mut later: Vec<_> = producer.pending().cloned().collect();
    let environment = subject.environment(CHAIN_ID, id(0), secret(0));
    let mut again = BlockProducer::from_state(environment, producer.state().clone());
    for (block, ids) in ids[1..].iter().enumerate() {
        let rest = later.split_off(ids.len());
        for pending in std::mem::replace(&mut later, rest) {
            again.submit(pending.transaction).expect("the pool has room");
        }
        assert!(again.propose_block().expect("a block").is_empty());
        assert_eq!(statements(&again)[block], before[block + 1], "the same block is proposed again");
    }
    // The producer itself also proposes them again, but may fill its blocks further.
    let total = producer.pending().len();
    while producer.pending().len() > 0 {
        let left = producer.pending().len();
        let rejected = producer.propose_block().expect("a block");
        assert!(rejected.is_empty(), "what was valid stays valid: {rejected:?}");
        assert!(producer.pending().len() < left, "a block takes at least one valid transaction");
    }
    let included: usize = producer.blocks().skip(1).map(|block| block.transactions.len()).sum();
    assert_eq!(included, total, "no transaction is lost or doubled");
}

/// The height of a block that was left out can be used by another block.
///
/// # Panics
/// If the promise is broken.
pub fn rollback_without_the_culprit_leaves_it_out<S: Subject>(subject: &S) {
    let mut one = chain_of_blocks(subject);
    let left_out = *one.block(BLOCKS).expect("proposed").block.statement();
    one.rollback(BLOCKS).expect("the last block is proposed");
    let mut fresh =
        BlockProducer::from_state(subject.environment(CHAIN_ID, id(0), secret(0)), one.state().clone());
    let mut transactions: Vec<_> = one.pending().map(|pending| pending.transaction.clone()).collect();
    transactions.truncate(1);
    for transaction in transactions {
        fresh.submit(transaction).expect("the pool has room");
    }
    fresh.propose_block().expect("a block of the first transaction alone");
    let statement = *fresh.block(BLOCKS).expect("proposed").block.statement();
    assert_eq!(statement.previous_state, left_out.previous_state);
    assert_eq!(statement.first_height, left_out.first_height);
    assert_ne!(statement.body, left_out.body, "another choice of transactions is another block");
}

/// Confirmed blocks cannot be rolled back, and the chain continues from them.
///
/// # Panics
/// If the promise is broken.
pub fn confirmed_blocks_stay<S: Subject>(subject: &S) {
    let mut producer = chain_of_blocks(subject);
    let head = producer.commitment();
    producer.confirm(2).expect("block 2 is proposed");
    assert_eq!(producer.commitment(), head);
    assert_eq!(producer.blocks().len(), BLOCKS as usize - 2);
    assert!(matches!(producer.rollback(2), Err(ProducerError::NoSuchBlock { base: 2, .. })));
    producer.confirm(BLOCKS).expect("the last block is proposed");
    assert_eq!((producer.commitment(), producer.height()), (head, BLOCKS));
    propose_valid(subject, &mut producer);
    assert_eq!(producer.height(), BLOCKS + 1);
}

/// Statements carry the commitment to the producer's secret, so those of another producer differ.
///
/// # Panics
/// If the promise is broken.
pub fn other_producers_are_stated<S: Subject>(subject: &S) {
    let mut ours = producer(subject);
    let mut stranger = BlockProducer::new(subject.environment(CHAIN_ID, id(0), secret(1)));
    propose_valid(subject, &mut ours);
    propose_valid(subject, &mut stranger);
    let (ours, stranger) = (statements(&ours)[0], statements(&stranger)[0]);
    assert_eq!(ours.producer, secret(0).commitment());
    assert_eq!(stranger.producer, secret(1).commitment());
    assert_ne!(ours.producer, stranger.producer);
}
