//! Proven transactions, and blocks by way of batches.

use bridge_core::{BlockMessages, Consumption, Message};
use circuits_core::{Digest, F};
use circuits_forging::fixtures::cache;
use circuits_protocol::wrap::block_shape;
use circuits_tasks::provable::Catalogue;
use environments_conformance::secrets::{Recorder, no_secret_is_in, prove_with_worker};
use environments_core::{
    BlockProducer, Environment, EnvironmentId, ProveError, kernel::ProducerSecret, pool::Cell,
};
use plonky2::field::types::Field;

use super::{messages::returned, world};
use crate::{
    NotesError, NotesTransaction,
    account::Account,
    arrival::MAX_ARRIVALS,
    block::{MAX_DIRECT, Variant},
    circuits::prove_transaction,
    emission::Emission,
    execute::StateError,
    fixtures::{
        ELSEWHERE, EXCHANGE, HOME, NETWORK_MINIMUM_FEE, NEWCOMER, START, World, amount, arriving, asset,
        emission, secret,
    },
    provables,
    state::NotesState,
    transaction::{
        ProvenTransaction, TransactionBundleError, TransactionError, TransactionKernel, TransactionProof,
    },
};

#[test]
fn a_producer_takes_proven_transactions_and_names_what_is_wrong_with_the_bad_ones() {
    let mut world = world();
    let state = world.genesis();
    let (pay, _) = world.pay(0, &[1], 5);
    let (other, _) = world.pay(1, &[0], 5);
    let environment = world.environment.clone();
    let good = environment.prove_transaction(cache(), &state, &pay).unwrap();
    let also_good = environment.prove_transaction(cache(), &state, &other).unwrap();
    // A proof is not an identity: the same transaction proved again is the same transaction.
    let again = environment.prove_transaction(cache(), &state, &pay).unwrap();
    let mut proof = good.open(cache()).unwrap().proof.proof.clone();
    let wrong_kernel = ProvenTransaction::new(TransactionKernel::Exchange, &proof, None, None).unwrap();
    proof.public_inputs[3] += F::ONE;
    let other_statement = ProvenTransaction::new(TransactionKernel::Local, &proof, None, None).unwrap();
    let truncated = ProvenTransaction::from_bytes(&good.bytes()[..1000]);
    let mut flipped = good.bytes().to_vec();
    flipped[2000] ^= 1;
    let flipped = ProvenTransaction::from_bytes(&flipped);

    let bad = [wrong_kernel, other_statement, truncated, flipped];
    for bundle in &bad {
        assert!(environment.open_bundle(cache(), bundle.bytes()).unwrap().is_err());
    }
    let lines = bad.into_iter().chain([good, again, also_good]);
    let transactions: Vec<_> = lines.map(|bundle| NotesTransaction::Proven { bundle }).collect();
    // As lines of JSON and back.
    let transactions: Vec<NotesTransaction> = transactions
        .iter()
        .map(|transaction| environment.parse(cache(), &serde_json::to_string(transaction).unwrap()).unwrap())
        .collect();
    let offered: Vec<_> = transactions.iter().collect();
    let proposal = environment.propose(&state, &offered).unwrap();
    assert_eq!(proposal.included, [4, 6]);
    // A pool sees it without executing them.
    let may_come_next = |state: &NotesState, transaction: &NotesTransaction| {
        environment.may_come_next(state, transaction)
            && environment.terms(transaction).footprint.holds(|cell| state.cell(cell))
    };
    let shown = transactions.iter().map(|one| may_come_next(&state, one));
    assert_eq!(shown.collect::<Vec<_>>(), [false, false, false, false, true, true, true]);
    assert!(!transactions.iter().any(|one| may_come_next(&proposal.state, one)), "nor does one come again");
    let reasons: Vec<_> = proposal.rejected.into_iter().map(|(_, reason)| reason).collect();
    use TransactionBundleError::{Format, Proof};
    assert!(matches!(&reasons[0], NotesError::Bundle(Proof(_))), "{}", reasons[0]);
    assert!(matches!(&reasons[1], NotesError::Bundle(Proof(_))), "{}", reasons[1]);
    assert!(matches!(&reasons[2], NotesError::Bundle(Format(_))), "{}", reasons[2]);
    assert!(matches!(&reasons[3], NotesError::Bundle(Format(_))), "{}", reasons[3]);
    assert!(matches!(&reasons[4], NotesError::State(StateError::StaleAccount { .. })), "{}", reasons[4]);

    let block = environment.prove(cache(), &proposal.block).unwrap();
    assert_eq!(block.statement(), proposal.block.statement());
}

#[test]
fn a_bundle_carries_the_message_that_its_proof_states() {
    let mut world = world();
    let state = world.genesis();
    let send = world.send(1, 1, 30);
    let environment = world.environment.clone();
    let good = environment.prove_transaction(cache(), &state, &send).unwrap();
    let opened = good.open(cache()).unwrap().clone();
    let message = opened.message.clone().unwrap();
    assert_eq!(Some(&message), send.message(environment.deployment()).as_ref());
    let with = |message: Option<Message>| {
        ProvenTransaction::new(opened.proof.kernel, &opened.proof.proof, message, None).unwrap()
    };
    assert_eq!(with(Some(message.clone())), good);
    let others = [
        Message { chain_id: 8, ..message.clone() },
        Message { source: ELSEWHERE, ..message.clone() },
        Message { destination: EnvironmentId(901), ..message.clone() },
        Message { sequence: message.sequence + 1, ..message.clone() },
        Message { sender: message.recipient, ..message.clone() },
        Message { recipient: message.sender, ..message.clone() },
        Message { asset: asset(0), ..message.clone() },
        Message { amount: amount(31), ..message.clone() },
        Message { deadline: 1001, ..message.clone() },
        Message { data: message.sender, ..message.clone() },
    ];
    let expected = message.hash();
    for other in others.into_iter().map(Some).chain([None]) {
        let found = other.as_ref().map_or(Digest::ZERO, Message::hash);
        let error = environment.open_bundle(cache(), with(other).bytes()).unwrap().unwrap_err();
        assert_eq!(error, NotesError::Bundle(TransactionBundleError::OtherMessage { expected, found }));
    }
    let transaction = environment.open_bundle(cache(), good.bytes()).unwrap().unwrap();
    assert_eq!(environment.messages(&transaction).outbox, [message]);

    // A client that proves by itself a message to where it comes from, which the bridge would refuse with the
    // whole block.
    let mut send = world.send(0, 1, 30);
    send.send.as_mut().unwrap().destination = environment.id();
    let witness = environment.resolve(&state, &send);
    let proof = prove_transaction(cache(), &witness).unwrap();
    let bundle = ProvenTransaction::new(proof.kernel, &proof.proof, witness.message(), None).unwrap();
    let proven = NotesTransaction::Proven { bundle: bundle.clone() };
    let unopened = Err(NotesError::Bundle(TransactionBundleError::Unopened));
    assert_eq!(environment.execute(&mut state.clone(), &proven), unopened, "nobody verified its proof");
    bundle.open(cache()).unwrap();
    let result = environment.execute(&mut state.clone(), &proven);
    assert_eq!(result, Err(NotesError::Transaction(TransactionError::SendsToItself(environment.id()))));
}

#[test]
fn a_bundle_carries_the_network_account_that_its_proof_leaves() {
    let mut world = world();
    let payments = [20, 2 * NETWORK_MINIMUM_FEE].map(|value| world.payment(EXCHANGE, 0, value));
    let pay = world.request(0, &[], payments.into(), 0);
    let notes = world.notes(&pay);
    let environment = world.environment.clone();
    let pay = NotesTransaction::from(pay);
    let state = environment.propose(&world.genesis(), &[&pay]).unwrap().state;
    // Its maker expects the owner, who has not moved yet, before it.
    let mut ahead = world.clone();
    ahead.own(&[], vec![world.payment(1, 0, 7)], None, 0);
    let deposit = ahead.trade(&notes[..1], &notes[1..], vec![]);
    let expected = world.trade(&notes[..1], &notes[1..], vec![]);
    assert_ne!(deposit, expected);
    assert_eq!(environment.resolve(&state, &deposit), environment.resolve(&state, &expected));
    let collect = world.own(&[], vec![world.payment(1, 0, 5)], None, 0);
    let mut after = state.clone();
    let bundles = [deposit, collect].map(|request| {
        let bundle = environment.prove_transaction(cache(), &after, &request).unwrap();
        environment.execute(&mut after, &NotesTransaction::from(request)).unwrap();
        bundle
    });
    for bundle in &bundles {
        let opened = bundle.open(cache()).unwrap().clone();
        let account = opened.account.clone().unwrap();
        let expected = opened.statement.after;
        assert_eq!(account.hash(), expected);
        let with = |account: Option<Account>| {
            let TransactionProof { kernel, proof } = &opened.proof;
            ProvenTransaction::new(*kernel, proof, None, account).unwrap()
        };
        assert_eq!(with(Some(account.clone())), *bundle);
        for other in [None, Some(Account { nonce: 9, ..account.clone() })] {
            let found = other.as_ref().map_or(Digest::ZERO, Account::hash);
            let error = environment.open_bundle(cache(), with(other).bytes()).unwrap().unwrap_err();
            assert_eq!(error, NotesError::Bundle(TransactionBundleError::OtherAccount { expected, found }));
        }
    }
    // Nor does a local one carry any.
    let local = world.request(1, &[], vec![world.payment(0, 0, 5)], 0);
    let good = environment.prove_transaction(cache(), &state, &local).unwrap();
    let opened = good.open(cache()).unwrap().clone();
    let account = world.clients[1].account.clone();
    let (expected, found) = (Digest::ZERO, account.hash());
    let bad = ProvenTransaction::new(opened.proof.kernel, &opened.proof.proof, None, Some(account)).unwrap();
    let error = environment.open_bundle(cache(), bad.bytes()).unwrap().unwrap_err();
    assert_eq!(error, NotesError::Bundle(TransactionBundleError::OtherAccount { expected, found }));

    let proven = bundles.map(|bundle| NotesTransaction::Proven { bundle });
    // Whoever trades behind them sees what the order holds by then.
    let mut after = state.clone();
    for transaction in &proven {
        let footprint = environment.terms(transaction).footprint;
        let left: Vec<_> = footprint.leaves(|cell| after.cell(cell)).collect();
        environment.execute(&mut after, transaction).unwrap();
        assert!(left.iter().all(|(cell, value)| after.cell(cell) == *value));
        let held = Cell::of_number(
            after.public_account(&world.clients[EXCHANGE].id()).unwrap().vault.balance(asset(0)).get(),
        );
        assert!(left.iter().any(|(_, value)| *value == held));
    }
    let proposal = environment.propose(&state, &proven.each_ref()).unwrap();
    assert_eq!(proposal.included, [0, 1]);
    let order = &world.clients[EXCHANGE].account;
    assert_eq!(proposal.state.public_account(&order.id), Some(order));
    let block = environment.prove(cache(), &proposal.block).unwrap();
    assert_eq!(block.statement(), proposal.block.statement());
}

#[test]
fn a_block_that_takes_in_as_many_messages_as_another_environment_can_send_is_proved() {
    let world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    for n in 0..MAX_ARRIVALS as u64 {
        producer.deliver(&world.message_to(1, 1, 30, n), Consumption::Claim).unwrap();
    }
    assert!(producer.propose_block().unwrap().is_empty());
    let proposed = &producer.block(1).unwrap().block;
    assert_eq!(proposed.witness().variant(), Variant::Inbox);
    assert_eq!(proposed.messages().inbox.len(), MAX_ARRIVALS);
    let block = producer.prove(cache(), 1).unwrap();
    circuits_core::proof::verify(block.proof(), block.key(), &block_shape().common).unwrap();
}

#[test]
fn a_block_with_an_emission_a_claim_and_a_refund_is_proved() {
    let mut world = world();
    let claimed = world.message_to(1, 1, 30, 0);
    let refunded = Message { deadline: 900, ..returned(&world, 0, 20, 0) };
    let arrivals = [(claimed.clone(), Consumption::Claim), (refunded.clone(), Consumption::Refund)];
    let [note, back] = arriving(&world.genesis(), &arrivals)[..] else { unreachable!("two notes") };
    // What arrives is sent on in the same block.
    let send = Emission { deadline: 2000, ..emission(1, START + 30) };
    let on = world.request_with(1, &[note], vec![], Some(send), 1);
    let mut producer = BlockProducer::new(world.environment.clone());
    // In a superblock between their deadlines, the one is refunded and the other claimed.
    producer.expect_superblock(950);
    producer.deliver(&claimed, Consumption::Claim).unwrap();
    producer.deliver(&refunded, Consumption::Refund).unwrap();
    producer.submit(on.clone().into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    assert!(producer.state().has_note(&back.commitment()));
    let block = producer.prove(cache(), 1).unwrap();
    circuits_core::proof::verify(block.proof(), block.key(), &block_shape().common).unwrap();
    let message = on.message(world.environment.deployment()).unwrap();
    let messages = BlockMessages {
        environment: world.environment.id(),
        inbox: vec![(claimed, Consumption::Claim), (refunded, Consumption::Refund)],
        outbox: vec![message],
    };
    assert_eq!(block.messages(), &messages);
    assert_eq!(block.statement().inbox, messages.inbox_digest());
    assert_eq!(block.statement().outbox, messages.outbox_digest());
    environments_core::bundle::BlockBundle::new(&block).encode().unwrap();

    // A block may do nothing but take messages in.
    let more = world.message_to(NEWCOMER, 0, 5, 1);
    producer.deliver(&more, Consumption::Claim).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    let block = producer.prove(cache(), 2).unwrap();
    circuits_core::proof::verify(block.proof(), block.key(), &block_shape().common).unwrap();
    assert_eq!(block.messages().inbox, [(more, Consumption::Claim)]);
}

#[test]
fn a_client_is_told_before_it_proves_what_has_no_proof() {
    let mut world = world();
    let (mut pay, _) = world.pay(0, &[1], 5);
    pay.fee = crate::fixtures::amount(1 << 40);
    let result = world.environment.prove_transaction(cache(), &world.genesis(), &pay);
    assert!(matches!(result, Err(ProveError::Part(_))));
    let witness = world.witness(&pay);
    assert!(prove_transaction(cache(), &witness).is_err());
}

#[test]
fn a_block_of_several_batches_is_proved() {
    let own = secret(31);
    let mut world = World::new(7, HOME, ProducerSecret::new(own));
    let transactions = world.ping_pong(MAX_DIRECT + 1);
    let mut producer = BlockProducer::new(world.environment.clone());
    for transaction in transactions {
        producer.submit(transaction).unwrap();
    }
    assert!(producer.propose_block().unwrap().is_empty());
    let graph = producer.graph(cache(), 1).unwrap();
    let (workers, store) = (provables::add_to(cache(), Catalogue::default()).unwrap(), Recorder::default());
    let block = prove_with_worker(&graph, &workers, &store);
    circuits_core::proof::verify(block.proof(), block.key(), &block_shape().common).unwrap();
    // The clients' secrets are in the witnesses of transactions.
    let clients = (0..world.clients.len() as u64).map(secret);
    no_secret_is_in(&store, &graph, &clients.chain([own, secret(200)]).collect::<Vec<_>>());
}
