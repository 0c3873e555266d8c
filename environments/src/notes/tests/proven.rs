//! Proven transactions, and blocks by way of batches.

use circuits::{F, recursion::block_shape};
use plonky2::field::types::Field;

use super::world;
use crate::{
    BlockProducer, Environment, ProveError,
    notes::{
        NotesError, NotesTransaction,
        apply::StateError,
        circuits::transaction_kernels,
        transaction::{ProvenTransaction, TransactionBundleError, TransactionKernel},
    },
};

#[test]
fn a_producer_takes_proven_transactions_and_names_what_is_wrong_with_the_bad_ones() {
    let mut world = world();
    let state = world.genesis();
    let (pay, _) = world.pay(0, &[1], 5);
    let (other, _) = world.pay(1, &[0], 5);
    let environment = world.environment.clone();
    let good = environment.prove_transaction(&state, &pay).unwrap();
    let also_good = environment.prove_transaction(&state, &other).unwrap();
    // A proof is not an identity: the same transaction proved again is the same transaction.
    let again = environment.prove_transaction(&state, &pay).unwrap();
    let mut proof = good.open().unwrap().proof.proof.clone();
    let wrong_kernel = ProvenTransaction::new(TransactionKernel::Exchange, &proof, None).unwrap();
    proof.public_inputs[3] += F::ONE;
    let other_statement = ProvenTransaction::new(TransactionKernel::Local, &proof, None).unwrap();
    let truncated = ProvenTransaction::from_bytes(&good.bytes()[..1000]);
    let mut flipped = good.bytes().to_vec();
    flipped[2000] ^= 1;
    let flipped = ProvenTransaction::from_bytes(&flipped);

    let bad = [wrong_kernel, other_statement, truncated, flipped];
    for bundle in &bad {
        assert!(environment.open_bundle(bundle.bytes()).unwrap().is_err());
    }
    let lines = bad.into_iter().chain([good, again, also_good]);
    let transactions: Vec<_> = lines.map(|bundle| NotesTransaction::Proven { bundle }).collect();
    // As lines of JSON and back.
    let transactions: Vec<NotesTransaction> = transactions
        .iter()
        .map(|transaction| environment.parse(&serde_json::to_string(transaction).unwrap()).unwrap())
        .collect();
    let offered: Vec<_> = transactions.iter().collect();
    let proposal = environment.propose(&state, &offered).unwrap();
    assert_eq!(proposal.included, [4, 6]);
    let reasons: Vec<_> = proposal.rejected.into_iter().map(|(_, reason)| reason).collect();
    use TransactionBundleError::{Format, Proof};
    assert!(matches!(&reasons[0], NotesError::Bundle(Proof(_))), "{}", reasons[0]);
    assert!(matches!(&reasons[1], NotesError::Bundle(Proof(_))), "{}", reasons[1]);
    assert!(matches!(&reasons[2], NotesError::Bundle(Format(_))), "{}", reasons[2]);
    assert!(matches!(&reasons[3], NotesError::Bundle(Format(_))), "{}", reasons[3]);
    assert!(matches!(&reasons[4], NotesError::State(StateError::StaleAccount { .. })), "{}", reasons[4]);

    let block = environment.prove(&proposal.block).unwrap();
    assert_eq!(block.statement(), proposal.block.statement());
}

#[test]
fn a_client_is_told_before_it_proves_what_has_no_proof() {
    let mut world = world();
    let (mut pay, _) = world.pay(0, &[1], 5);
    pay.fee = crate::notes::fixtures::amount(1 << 40);
    let result = world.environment.prove_transaction(&world.genesis(), &pay);
    assert!(matches!(result, Err(ProveError::Part(_))));
    let witness = world.witness(&pay);
    assert!(transaction_kernels().unwrap().prove(&witness).is_err());
}

#[test]
fn a_block_of_several_batches_is_proved() {
    let mut world = world();
    let transactions = world.ping_pong(13);
    let mut producer = BlockProducer::new(world.environment.clone());
    for transaction in transactions {
        producer.submit(transaction).unwrap();
    }
    assert!(producer.propose_block().unwrap().is_empty());
    let block = producer.prove(1).unwrap();
    circuits::proof::verify(block.proof(), block.key(), &block_shape().common).unwrap();
}
