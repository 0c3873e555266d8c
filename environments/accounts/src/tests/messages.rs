//! What leaves the environment, and what comes in.

use bridge_core::{BlockMessages, BridgeError, Consumption, MAX_BLOCK_STEPS, Message};
use circuits_core::{Digest, F, amount::Amount};
use circuits_protocol::statement::empty_list;
use environments_conformance::{CHAIN_ID, id};
use environments_core::{
    BlockProducer, DynEnvironment, Environment, EnvironmentId,
    kind::{Kind as _, SettledEnvironment},
    producer::Rejection,
    vault::VaultError,
};
use plonky2::field::types::Field;

use super::{address, balance, failure, outcome, world};
use crate::{
    AccountsError, AccountsKind,
    account::ReceiveError,
    address::{Address, LIMB_BITS},
    arrival::ArrivalError,
    block::{DIRECT_SLOTS, UNSIGNED_SLOTS, Variant},
    body::{Body, BodyError, BodyTransaction},
    execute::{Failure, Invalid, Outcome},
    fixtures::{COLLECTOR, DEPOSIT, FEE, NEWCOMER, START, World, amount, asset, bridge, key, transfer},
    state::AccountsState,
    transaction::{AccountsTransaction, Action, Malformed},
    typed_data::Settlement,
};

/// The reason of a refusal, which changes nothing.
fn refused(world: &World, message: &Message, consumption: Consumption) -> ArrivalError {
    let mut state = world.state.clone();
    let reason = state.arrive(message, consumption).expect_err("a message that cannot be taken in");
    assert_eq!(state, world.state);
    reason
}

fn claims(world: &World, count: usize) -> Vec<AccountsTransaction> {
    let claim = |n| AccountsTransaction::Arrival {
        message: world.message(6, n as u64, n % 3, 1, 5),
        consumption: Consumption::Claim,
    };
    (0..count).map(claim).collect()
}

#[test]
fn what_is_sent_leaves_the_account_and_is_in_the_outbox() {
    let mut world = world();
    let before = world.state.clone();
    let actions = [transfer(1, 0, 5), bridge(6, 0, 50), bridge(0, 1, 7)];
    let signed = world.sign(0, world.unsigned(0, &actions));
    let executed = world.state.execute(&signed).unwrap();
    assert_eq!(executed.outcome, Outcome::Done);
    let [first, second] = &executed.emitted[..] else { panic!("two messages") };
    let expected = Message {
        chain_id: CHAIN_ID,
        source: id(0),
        destination: EnvironmentId(6),
        sequence: 1,
        sender: address(0).to_digest(),
        amount: amount(50),
        asset: asset(0),
        data: Digest::ZERO,
        ..first.clone()
    };
    assert_eq!(*first, expected);
    assert_eq!((second.destination, second.sequence, second.amount), (EnvironmentId::L1, 2, amount(7)));
    assert_eq!(balance(&world.state, 0, asset(0)), START - FEE - 5 - 50);
    assert_eq!(balance(&world.state, 0, asset(1)), START - 7);
    let sent = BlockMessages { outbox: executed.emitted.clone(), ..BlockMessages::none(id(0)) };
    assert_eq!(world.state.running().outbox, sent.outbox_digest());
    assert_eq!(world.state.fee_supply(), before.fee_supply() - 50);
    assert_eq!(sent.steps(), 2);
    // The next transaction's messages have other numbers.
    let signed = world.sign(0, world.unsigned(0, &[bridge(6, 0, 50)]));
    assert_eq!(world.state.execute(&signed).unwrap().emitted[0].sequence, 4);
}

#[test]
fn case_52_a_failed_transaction_emits_nothing() {
    let mut world = world();
    let before = world.state.running();
    let fee_supply = world.state.fee_supply();
    let (action, reason) = failure(&mut world, 0, &[bridge(6, 0, 50), bridge(6, 0, START)]);
    assert_eq!(action, 1);
    assert!(matches!(reason, Failure::Sender(VaultError::Balance { .. })));
    assert!(matches!(
        failure(&mut world, 0, &[bridge(6, 0, 50), transfer(0, 0, 1)]),
        (1, Failure::ToOneself)
    ));
    assert_eq!(world.state.running().outbox, before.outbox);
    assert_eq!(balance(&world.state, 0, asset(0)), START - 2 * FEE);
    assert_eq!(world.state.fee_supply(), fee_supply);
}

#[test]
fn a_message_to_oneself_or_about_nothing_is_in_no_block() {
    let world = world();
    for (action, expected) in [
        (bridge(id(0).get(), 0, 5), Malformed::ToItself { action: 0, environment: id(0) }),
        (bridge(6, 0, 0), Malformed::ZeroAmount { action: 0 }),
    ] {
        let signed = world.sign(0, world.unsigned(0, &[action]));
        assert_eq!(world.clone().state.execute(&signed), Err(Invalid::Malformed(expected)));
    }
}

#[test]
fn a_claim_credits_the_recipient_and_a_refund_the_sender() {
    let mut world = world();
    let sent = world.unsigned(0, &[bridge(6, 1, 50)]).messages(CHAIN_ID, id(0)).remove(0);
    assert_eq!(outcome(&mut world, 0, &[bridge(6, 1, 50)]), Outcome::Done);
    world.state.seal().unwrap();
    let before = world.state.clone();
    let received = world.message(6, 3, 1, 1, 20);
    world.state.arrive(&received, Consumption::Claim).unwrap();
    world.state.arrive(&sent, Consumption::Refund).unwrap();
    assert_eq!(balance(&world.state, 1, asset(1)), START + 20);
    assert_eq!(balance(&world.state, 0, asset(1)), START);
    // Nothing else: no nonce, no fee, no key, no other account.
    let (account, was) = (world.state.account(&address(1)).unwrap(), before.account(&address(1)).unwrap());
    assert_eq!((account.nonce, account.key), (was.nonce, was.key));
    let (now, then) = (world.state.running(), before.running());
    assert_eq!((now.fees, now.claims, now.transactions), (then.fees, then.claims, then.transactions));
    assert_eq!((now.outbox, now.count, now.pool_count), (empty_list(), then.count, then.pool_count));
    let inbox = vec![(received, Consumption::Claim), (sent, Consumption::Refund)];
    assert_eq!(now.inbox, BlockMessages { inbox, ..BlockMessages::none(id(0)) }.inbox_digest());
}

#[test]
fn a_claim_creates_an_account_only_with_the_minimum_deposit() {
    let mut world = world();
    let (beneficiary, minimum) = (address(NEWCOMER), amount(DEPOSIT));
    for (n, value) in [(0, 1), (0, DEPOSIT - 1), (1, DEPOSIT), (7, START)] {
        let (asset, amount) = (asset(n), amount(value));
        let reason = refused(&world, &world.message(6, 0, NEWCOMER, n, value), Consumption::Claim);
        assert_eq!(reason, ArrivalError::Deposit { beneficiary, minimum, asset, amount });
    }
    world.state.arrive(&world.message(6, 0, NEWCOMER, 0, DEPOSIT), Consumption::Claim).unwrap();
    let account = world.state.account(&beneficiary).unwrap();
    assert_eq!((account.key, account.nonce, account.balances.balance(asset(0))), (Digest::ZERO, 0, minimum));
    // Now that it exists, it takes anything.
    world.state.arrive(&world.message(6, 1, NEWCOMER, 7, 1), Consumption::Claim).unwrap();
    assert_eq!(balance(&world.state, NEWCOMER, asset(7)), 1);
}

#[test]
fn a_refund_finds_its_way_home_whatever_it_is() {
    let mut world = world();
    for (to, n) in [(NEWCOMER, 7), (NEWCOMER + 1, 0)] {
        let returned = world.returned(6, 0, to, n, 1);
        world.state.arrive(&returned, Consumption::Refund).unwrap();
        assert_eq!(balance(&world.state, to, asset(n)), 1);
    }
}

#[test]
fn a_claim_too_little_for_an_account_stops_no_block_and_stays_pending() {
    let world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    let little = world.message(6, 0, NEWCOMER, 0, DEPOSIT - 1);
    let id = producer.deliver(&little, Consumption::Claim).unwrap();
    producer.deliver(&world.message(6, 1, 1, 0, 5), Consumption::Claim).unwrap();
    let report = DynEnvironment::propose_block(&mut producer).unwrap();
    assert_eq!((report.messages.inbox.len(), report.rejected.len()), (1, 1));
    assert_eq!(report.rejected[0].0, id);
    // Whoever delivers can try again: when the account exists, the message is taken in.
    producer.deliver(&world.message(6, 2, NEWCOMER, 0, DEPOSIT), Consumption::Claim).unwrap();
    producer.deliver(&little, Consumption::Claim).unwrap();
    let report = DynEnvironment::propose_block(&mut producer).unwrap();
    assert_eq!((report.messages.inbox.len(), report.rejected.len()), (2, 0));
}

#[test]
fn each_message_that_cannot_be_taken_in_has_its_reason() {
    let mut world = world();
    let good = world.message(6, 0, 1, 0, 5);
    let refuse = |change: &dyn Fn(&mut Message)| {
        let mut bad = good.clone();
        change(&mut bad);
        refused(&world, &bad, Consumption::Claim)
    };
    let expected = CHAIN_ID;
    assert_eq!(refuse(&|bad| bad.chain_id = 9), ArrivalError::OtherChain { expected, found: 9 });
    let (expected, found) = (id(0), EnvironmentId(9));
    assert_eq!(refuse(&|bad| bad.destination = found), ArrivalError::NotOurs { expected, found });
    let source = ArrivalError::NotOurs { expected, found: EnvironmentId(6) };
    assert_eq!(refused(&world, &good, Consumption::Refund), source);
    assert_eq!(refuse(&|bad| bad.amount = Amount::ZERO), ArrivalError::ZeroAmount);
    for limb in 0..4 {
        let mut nobody = good.recipient;
        nobody.0[limb] += F::from_canonical_u64(1 << LIMB_BITS);
        assert_eq!(refuse(&|bad| bad.recipient = nobody), ArrivalError::NoAddress(nobody));
    }
    let beneficiary = address(1);
    let full = refuse(&|bad| (bad.asset, bad.amount) = (asset(1), Amount::MAX));
    let ArrivalError::Vault { source: ReceiveError::Vault(VaultError::Balance { .. }), .. } = full else {
        panic!("{full}")
    };
    let much = Amount::new(Amount::MAX.get() - START).unwrap();
    assert_eq!(refuse(&|bad| bad.amount = much), ArrivalError::FeeSupply { amount: much });
    let mut full = world.state.account(&beneficiary).unwrap().clone();
    (2..16).for_each(|n| full.balances.credit(asset(n), amount(1)).unwrap());
    world.state.records.set_account(beneficiary, full).unwrap();
    let source = ReceiveError::Reserved { asset: asset(20), empty: 0 };
    let mut other = good.clone();
    other.asset = asset(20);
    assert_eq!(refused(&world, &other, Consumption::Claim), ArrivalError::Vault { beneficiary, source });
    let source = VaultError::Full { asset: asset(20) }.into();
    let back = world.returned(6, 0, 1, 20, 5);
    assert_eq!(refused(&world, &back, Consumption::Refund), ArrivalError::Vault { beneficiary, source });
    outcome(&mut world, 0, &[transfer(1, 0, 5)]);
    let after = ArrivalError::AfterTransactions { transactions: 1 };
    assert_eq!(refused(&world, &good, Consumption::Claim), after);
}

#[test]
fn an_environment_takes_what_names_an_address() {
    let world = world();
    let message = world.message(6, 0, 1, 0, 5);
    let consume = |message: &Message| world.environment.consume(message, Consumption::Claim).unwrap();
    let taken = consume(&message).unwrap();
    assert_eq!(world.environment.messages(&taken).inbox, [(message.clone(), Consumption::Claim)]);
    let mut nobody = message;
    nobody.recipient = Digest([F::NEG_ONE; 4]);
    assert_eq!(consume(&nobody).unwrap_err(), ArrivalError::NoAddress(nobody.recipient).into());
    assert_eq!(Address::from_digest(nobody.recipient), None);
}

#[test]
fn no_claim_makes_a_block_that_cannot_end() {
    let mut world = world();
    // The rest of what an amount can hold comes in, and goes to the collector of the fees.
    let room = Amount::MAX.get() - world.state.fee_supply();
    let mut message = world.message(6, 0, 0, 0, room);
    world.state.arrive(&message, Consumption::Claim).unwrap();
    message.sequence += 1;
    message.amount = amount(1);
    assert!(matches!(refused(&world, &message, Consumption::Claim), ArrivalError::FeeSupply { .. }));
    let all = balance(&world.state, 0, asset(0)) - FEE;
    assert_eq!(outcome(&mut world, 0, &[transfer(COLLECTOR, 0, all)]), Outcome::Done);
    world.state.seal().unwrap();
    // What is sent away makes room.
    assert_eq!(outcome(&mut world, 1, &[bridge(6, 0, 1)]), Outcome::Done);
    world.state.seal().unwrap();
    world.state.arrive(&message, Consumption::Claim).unwrap();
}

fn propose(
    world: &World,
    offered: &[AccountsTransaction],
) -> (environments_core::Proposal<crate::Accounts>, AccountsState) {
    let proposal = world.environment.propose(&world.state, &offered.iter().collect::<Vec<_>>()).unwrap();
    let body = proposal.block.body();
    let after = world.environment.apply_body(&world.state, body).unwrap();
    assert_eq!(after, proposal.state);
    let stated = proposal.block.statement().body;
    assert_eq!(world.environment.body_digest(body).unwrap(), stated);
    let Settlement { chain_id: l1_chain_id, contract } = world.environment.deployment().settlement;
    let environment = SettledEnvironment { id: world.environment.id(), l1_chain_id, contract };
    assert_eq!(AccountsKind.body_digest(&environment, body).unwrap(), stated);
    (proposal, after)
}

#[test]
fn a_block_takes_messages_in_before_its_transactions() {
    let mut world = world();
    let start = world.state.clone();
    // What comes in is sent on, whatever the order in the pool.
    let message = world.message(6, 0, 1, 5, 31);
    let on = world.sign(1, world.unsigned(1, &[bridge(7, 5, 30)]));
    let fails = world.sign(0, world.unsigned(0, &[bridge(7, 5, 30)]));
    let claim = AccountsTransaction::Arrival { message: message.clone(), consumption: Consumption::Claim };
    let nobody = AccountsTransaction::Arrival {
        message: Message { amount: Amount::ZERO, ..message.clone() },
        consumption: Consumption::Claim,
    };
    let offered = [on.clone().into(), nobody, fails.into(), claim];
    let (proposal, _) = propose(&world, &offered);
    assert_eq!(proposal.included, [0, 2, 3]);
    assert_eq!(proposal.rejected, [(1, AccountsError::Arrival(ArrivalError::ZeroAmount))]);
    let block = &proposal.block;
    let expected = BlockMessages {
        environment: id(0),
        inbox: vec![(message, Consumption::Claim)],
        outbox: on.transaction.messages(CHAIN_ID, id(0)),
    };
    assert_eq!(*block.messages(), expected);
    let failures = world.environment.failures(block.witness());
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].0, 1, "the second of the three in the block");
    world.state = start;
    let Body { arrivals, transactions } = Body::decode(block.body()).unwrap();
    assert_eq!((arrivals.len(), transactions.len()), (1, 2));
    // Without the message, or with it as a refund, it is another body.
    let digest = |body: &Body| world.environment.body_digest(&body.encode().unwrap()).unwrap();
    let honest = Body { arrivals, transactions };
    for arrivals in [vec![], vec![(honest.arrivals[0].0.clone(), Consumption::Refund)]] {
        let other = Body { arrivals, ..honest.clone() };
        assert_ne!(digest(&other), digest(&honest));
        assert!(
            world.environment.apply_body(&world.state, &other.encode().unwrap()).ok().as_ref()
                != Some(&proposal.state)
        );
    }
}

#[test]
fn a_block_has_room_for_what_the_bridge_moves() {
    let mut world = world();
    let before = world.clone();
    let mut offered = claims(&world, MAX_BLOCK_STEPS - 4);
    // Three more do not fit into two steps: they wait, and so does what comes after them.
    let transactions = [&[bridge(6, 0, 1); 4][..2], &[bridge(0, 0, 1); 3], &[transfer(1, 0, 1)]];
    offered.extend(transactions.map(|actions| world.act(0, actions).into()));
    let (proposal, _) = propose(&before, &offered);
    assert_eq!(proposal.included.len(), MAX_BLOCK_STEPS - 4 + 1);
    assert!(proposal.rejected.is_empty());
    assert_eq!(proposal.block.messages().steps(), MAX_BLOCK_STEPS - 2);
    assert_eq!(proposal.block.witness().variant(), Some(Variant::Chunks { children: 2, table: 60 }));
    // The rest makes the next block.
    let next = World { state: proposal.state, ..before };
    assert_eq!(propose(&next, &offered[proposal.included.len()..]).0.included, [0, 1]);
}

#[test]
fn a_block_without_transactions_takes_in_what_its_kernel_holds() {
    let mut world = world();
    let mut offered = claims(&world, UNSIGNED_SLOTS + 3);
    let (proposal, after) = propose(&world, &offered);
    assert_eq!(proposal.included, (0..UNSIGNED_SLOTS).collect::<Vec<_>>());
    assert_eq!(proposal.block.witness().variant(), Some(Variant::Unsigned));
    assert_ne!(after, world.state);
    let before = world.clone();
    offered.push(world.act(0, &[transfer(1, 0, 1)]).into());
    let (proposal, _) = propose(&before, &offered);
    assert_eq!(proposal.included.len(), UNSIGNED_SLOTS + 4);
    assert_eq!(
        proposal.block.witness().variant(),
        Some(Variant::Direct { slots: DIRECT_SLOTS[0], table: 30 })
    );
    // The limit counts messages and transactions alike.
    let small = World { environment: before.environment.clone().with_limit(4), ..before };
    assert_eq!(propose(&small, &offered).0.included, [0, 1, 2, 3]);
}

#[test]
fn a_body_takes_in_no_more_messages_than_a_kernel_holds() {
    let world = world();
    let body = |count, transactions| {
        let claim = (world.message(6, 0, 1, 0, 5), Consumption::Claim);
        Body { arrivals: vec![claim; count], transactions }
    };
    let transaction = world.clone().act(0, &[transfer(1, 0, 1)]).transaction;
    let published = BodyTransaction { transaction, key: key(0).public_key() };
    for (transactions, limit) in [(vec![], UNSIGNED_SLOTS), (vec![published], MAX_BLOCK_STEPS)] {
        let fits = body(limit, transactions.clone());
        assert_eq!(Body::decode(&fits.encode().unwrap()), Ok(fits));
        let too_many = body(limit + 1, transactions.clone()).encode().unwrap();
        let (transactions, found) = (transactions.len(), limit + 1);
        assert_eq!(Body::decode(&too_many), Err(BodyError::Messages { transactions, limit, found }));
    }
}

#[test]
fn a_malformed_recipient_or_another_sender_which_the_digest_does_not_cover_is_in_no_body() {
    let world = world();
    let to = |recipient| Action::Bridge {
        destination: EnvironmentId::L1,
        recipient,
        asset: asset(1),
        amount: amount(5),
        deadline: 9,
    };
    let body = |recipient| {
        let transaction = world.unsigned(0, &[transfer(1, 0, 1), to(recipient)]);
        Body {
            arrivals: vec![],
            transactions: vec![BodyTransaction { transaction, key: key(0).public_key() }],
        }
    };
    let domain = world.environment.deployment().signing_domain();
    let good = body(Address::default().to_digest());
    assert_eq!(Body::decode(&good.encode().unwrap()), Ok(good.clone()));
    // Another recipient that is hashed alike.
    let recipient = Digest([F::NEG_ONE; 4]);
    let twin = body(recipient);
    assert_eq!(twin.clone().digest(&domain), good.clone().digest(&domain));
    let source = Malformed::NoAddress { action: 1, recipient };
    assert_eq!(Body::decode(&twin.encode().unwrap()), Err(BodyError::Recipient { index: 0, source }));
    // Another sender, which is not hashed at all.
    let (mut other, sender, found) = (good, address(1), address(0));
    other.transactions[0].transaction.sender = sender;
    assert_eq!(Body::decode(&other.encode().unwrap()), Err(BodyError::Sender { index: 0, sender, found }));
}

#[test]
fn a_producer_delivers_messages_and_keeps_to_deadlines() {
    let mut world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    producer.deliver(&world.message(6, 0, 1, 0, 5), Consumption::Claim).unwrap();
    producer.submit(world.act(0, &[bridge(6, 0, 5)]).into()).unwrap();
    let mut nobody = world.message(6, 1, 1, 0, 5);
    nobody.recipient = Digest([F::NEG_ONE; 4]);
    assert!(producer.deliver(&nobody, Consumption::Claim).is_err());
    assert_eq!(producer.pending().len(), 2);
    let report = DynEnvironment::propose_block(&mut producer).unwrap();
    assert_eq!((report.messages.inbox.len(), report.messages.outbox.len()), (1, 1));
    producer.rollback(1).unwrap();
    assert_eq!(DynEnvironment::propose_block(&mut producer).unwrap().statement, report.statement);
    // Their deadline is superblock 200.
    producer.expect_superblock(190);
    producer.deliver(&world.message(6, 2, 1, 0, 5), Consumption::Claim).unwrap();
    let signed = world.act(0, &[bridge(6, 0, 5)]);
    producer.submit(signed.into()).unwrap();
    let rejected = producer.propose_block().unwrap();
    assert!(matches!(rejected[0].reason, Rejection::Timing(BridgeError::ClaimTooLate { .. })));
    assert!(matches!(rejected[1].reason, Rejection::Timing(BridgeError::Lifetime { .. })));
}
