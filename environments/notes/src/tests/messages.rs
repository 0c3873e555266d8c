//! Messages that blocks emit and take in, natively.

use bridge_core::{BlockMessages, Consumption, MAX_BLOCK_STEPS, Message};
use circuits_core::{Digest, F};
use circuits_forging::fixtures::cache;
use environments_core::{
    BlockProducer, Environment, EnvironmentId,
    address::Address,
    kind::{Kind as _, SettledEnvironment},
};
use plonky2::field::types::Field;
use proptest::prelude::*;

use super::world;
use crate::{
    NotesError, NotesKind, NotesTransaction,
    arrival::{ArrivalError, MAX_ARRIVALS, arrival_note},
    block::arrivals_beside,
    body::{Body, BodyError},
    emission::Emission,
    execute::StateError,
    fixtures::{ELSEWHERE, HOME, NEWCOMER, START, World, amount, arriving, asset, emission, secret},
    note::Script,
    state::NotesState,
    transaction::{Request, TransactionError},
};

/// What takes a message in.
pub(super) fn arrival(world: &World, message: &Message, consumption: Consumption) -> NotesTransaction {
    world.environment.consume(message, consumption).unwrap().unwrap()
}

/// A message of client `who` that comes back.
pub(super) fn returned(world: &World, who: usize, value: u64, n: u64) -> Message {
    let back = world.message_to(who, 0, value, n);
    Message {
        source: back.destination,
        destination: back.source,
        sender: back.recipient,
        recipient: back.sender,
        ..back
    }
}

/// The state after a block of these transactions, all of which are included, and its messages.
#[track_caller]
fn block(
    world: &World,
    state: &NotesState,
    transactions: &[NotesTransaction],
) -> (NotesState, BlockMessages) {
    let offered: Vec<_> = transactions.iter().collect();
    let proposal = world.environment.propose(state, &offered).unwrap();
    assert!(proposal.rejected.is_empty(), "{:?}", proposal.rejected);
    assert_eq!(proposal.included.len(), transactions.len());
    let body = proposal.block.body();
    assert_eq!(world.environment.apply_body(state, body).unwrap(), proposal.state);
    let stated = proposal.block.statement().body;
    assert_eq!(world.environment.body_digest(body).unwrap(), stated);
    let environment =
        SettledEnvironment { id: world.environment.id(), l1_chain_id: 1, contract: Address::default() };
    assert_eq!(NotesKind.body_digest(&environment, body).unwrap(), stated);
    (proposal.state, proposal.block.messages().clone())
}

#[test]
fn a_message_leaves_its_account_and_stands_in_the_outbox() {
    let mut world = world();
    let (first, second) = (world.send(0, 1, 30), world.send(0, 0, 4));
    let account = &world.clients[0].account;
    assert_eq!(account.vault.balance(asset(0)).get(), START - 4 - 2);
    assert_eq!(account.vault.balance(asset(1)).get(), START - 30);
    let (id, hash) = (account.id, account.hash());
    let (state, messages) = block(&world, &world.genesis(), &[first.into(), second.into()]);
    assert_eq!(state.account(&id), Some(hash));
    let sent = |sequence, of, value| Message {
        chain_id: 7,
        source: HOME,
        destination: ELSEWHERE,
        sequence,
        sender: id,
        recipient: secret(9000),
        asset: asset(of),
        amount: amount(value),
        deadline: 1000,
        data: Digest::ZERO,
    };
    assert_eq!(messages.outbox, [sent(0, 1, 30), sent(4, 0, 4)]);
    assert_eq!(messages.inbox, []);
}

#[test]
fn what_cannot_be_sent_is_refused_for_its_own_reason() {
    let mut world = world();
    let honest = world.send(0, 1, 30);
    let sends = |emission| Request { send: Some(emission), ..honest.clone() };
    let order = world.trade(&[], &[], vec![]);
    let by_order = Request { send: Some(emission(0, 1)), ..order };
    let itself = Emission { destination: HOME, ..emission(1, 30) };
    let too_much = START + 1;
    let cases = [
        (sends(emission(1, 0)), TransactionError::SendsNothing),
        (sends(itself), TransactionError::SendsToItself(HOME)),
        (
            sends(emission(1, too_much)),
            TransactionError::Insufficient { asset: asset(1), available: START, spent: too_much },
        ),
        (by_order, TransactionError::NetworkSends),
    ];
    for (request, expected) in cases {
        let result = world.environment.execute(&mut world.genesis(), &request.into());
        assert_eq!(result, Err(NotesError::Transaction(expected)));
    }
}

#[test]
fn what_is_sent_is_pleasant_json() {
    let mut world = world();
    let request = world.send(0, 1, 30);
    let json = serde_json::to_value(&request).unwrap();
    let sent = serde_json::json!({
        "destination": 900, "recipient": secret(9000), "asset": "1:2", "amount": 30, "deadline": 1000,
    });
    assert_eq!(json["send"], sent);
    let line = serde_json::to_string(&NotesTransaction::from(request.clone())).unwrap();
    assert_eq!(world.environment.parse(cache(), &line).unwrap(), request.into());
    let with = |field: &str| line.replace("\"deadline\"", &format!("\"{field}\": 1, \"deadline\""));
    assert!(
        world.environment.parse(cache(), &with("sequence")).is_err(),
        "its number is not the sender's to choose"
    );
    let beyond = line.replace("\"amount\":30,", "\"amount\":288230376151711744,");
    assert_ne!(beyond, line);
    assert!(world.environment.parse(cache(), &beyond).is_err(), "2^58 is no amount");
}

#[test]
fn a_claim_becomes_a_note_for_the_recipient_and_a_refund_one_for_the_sender() {
    let mut world = world();
    let (claimed, refunded) = (world.message_to(1, 1, 30, 0), returned(&world, 0, 20, 0));
    let arrivals = [(claimed.clone(), Consumption::Claim), (refunded.clone(), Consumption::Refund)];
    let [note, back] = arriving(&world.genesis(), &arrivals)[..] else { unreachable!("two notes") };
    assert_eq!((note.asset, note.amount, note.sender), (asset(1), amount(30), Digest::ZERO));
    assert_eq!(note.script, Script::Pay { target: world.clients[1].id() });
    assert_eq!(back.script, Script::Pay { target: world.clients[0].id() });
    assert_ne!(note.serial, arrival_note(&claimed, Consumption::Refund, 0).serial);

    // Both are consumed in the block that they arrive in.
    let transactions = [
        arrival(&world, &claimed, Consumption::Claim),
        arrival(&world, &refunded, Consumption::Refund),
        world.take(1, &[note]).into(),
        world.take(0, &[back]).into(),
    ];
    let (state, messages) = block(&world, &world.genesis(), &transactions);
    assert_eq!(messages.inbox, [(claimed, Consumption::Claim), (refunded, Consumption::Refund)]);
    assert!(state.is_spent(&note.nullifier()) && state.is_spent(&back.nullifier()));
    assert_eq!(world.clients[1].account.vault.balance(asset(1)).get(), START + 30);
}

#[test]
fn a_note_that_arrived_waits_for_an_account_that_does_not_exist_yet() {
    let mut world = world();
    let message = world.message_to(NEWCOMER, 0, 30, 0);
    let (state, _) = block(&world, &world.genesis(), &[arrival(&world, &message, Consumption::Claim)]);
    let note = arrival_note(&message, Consumption::Claim, world.genesis().next_note());
    let take = world.take(NEWCOMER, &[note]);
    block(&world, &state, &[take.into()]);
}

#[test]
fn messages_that_are_not_ours_or_pay_nobody_are_not_taken_in() {
    let world = world();
    let message = world.message_to(1, 1, 30, 0);
    let consume = |message: &Message, consumption| world.environment.consume(message, consumption).unwrap();
    let refused = |message: Message, consumption, expected| {
        assert_eq!(consume(&message, consumption), Err(NotesError::Arrival(expected)));
    };
    let (here, elsewhere) = (HOME, ELSEWHERE);
    refused(
        Message { chain_id: 8, ..message.clone() },
        Consumption::Claim,
        ArrivalError::OtherChain { expected: 7, found: 8 },
    );
    refused(
        Message { destination: elsewhere, ..message.clone() },
        Consumption::Claim,
        ArrivalError::NotForUs { here, destination: elsewhere },
    );
    refused(message.clone(), Consumption::Refund, ArrivalError::NotFromUs { here, origin: elsewhere });
    // An address of 160 bits is no account here, nor is zero.
    let address = Digest([1, 2, 3, 1 << 41].map(F::from_canonical_u64));
    for recipient in [Digest::ZERO, address] {
        refused(
            Message { recipient, ..message.clone() },
            Consumption::Claim,
            ArrivalError::NoAccount(recipient),
        );
    }
    let home = returned(&world, 1, 30, 0);
    assert!(consume(&Message { recipient: Digest::ZERO, ..home }, Consumption::Refund).is_ok());
}

#[test]
fn case_92_each_copy_of_a_message_can_be_spent() {
    let mut world = world();
    let message = world.message_to(1, 1, 30, 0);
    let copy = arrival(&world, &message, Consumption::Claim);
    let genesis = world.genesis();
    let notes =
        arriving(&genesis, &[(message.clone(), Consumption::Claim), (message.clone(), Consumption::Claim)]);
    let take = world.take(1, &notes);
    let (state, messages) = block(&world, &genesis, &[copy.clone(), copy.clone(), take.into()]);
    assert_eq!(messages.inbox.len(), 2);
    assert_eq!(world.clients[1].account.vault.balance(asset(1)).get(), START + 60);
    let third = arriving(&state, &[(message, Consumption::Claim)]);
    let take = world.take(1, &third);
    block(&world, &state, &[copy, take.into()]);
}

#[test]
fn a_note_arrives_once() {
    let genesis = world().genesis();
    let mut state = genesis.clone();
    state.arrive(&[secret(1)]).unwrap();
    let expected = StateError::AlreadyArrived(secret(1));
    assert_eq!(state.arrive(&[secret(2), secret(1)]).unwrap_err(), expected);
    assert_eq!(genesis.clone().arrive(&[secret(1), secret(2), secret(1)]).unwrap_err(), expected);
    let found = MAX_ARRIVALS + 1;
    let many: Vec<_> = (0..found as u64).map(secret).collect();
    assert_eq!(genesis.clone().arrive(&many).unwrap_err(), StateError::TooManyArrivals { found });
}

#[test]
fn no_line_is_read_as_an_arrival() {
    let world = world();
    let arrival = arrival(&world, &world.message_to(1, 1, 30, 0), Consumption::Claim);
    let line = serde_json::to_string(&arrival).unwrap();
    assert!(line.starts_with(r#"{"type":"arrival","message":{"#), "{line}");
    assert!(world.environment.parse(cache(), &line).is_err());
}

#[test]
fn messages_that_a_block_has_no_room_for_wait_with_what_needs_them() {
    let mut world = world();
    let most = MAX_ARRIVALS as u64;
    let messages: Vec<_> = (0..most + 2).map(|n| world.message_to(1, 1, 30, n)).collect();
    let mut producer = BlockProducer::new(world.environment.clone());
    for message in &messages {
        producer.deliver(message, Consumption::Claim).unwrap();
    }
    // The first block takes the first messages and makes its fee note; the second one takes the others.
    let last = arrival_note(&messages[messages.len() - 1], Consumption::Claim, most + 4 + 1);
    let [take, pay] = [most + 2, most + 3];
    producer.submit(world.take(1, &[last]).into()).unwrap();
    producer.submit(world.pay(0, &[1], 5).0.into()).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    let ids = |producer: &BlockProducer<_>, height| -> Vec<_> {
        let block = producer.block(height).unwrap();
        block.transactions.iter().map(|pending| pending.id).collect()
    };
    let first: Vec<_> = (0..most).collect();
    assert_eq!(ids(&producer, 1), first, "no kernel holds a transaction beside so many messages");
    assert!(producer.propose_block().unwrap().is_empty());
    let mut second = ids(&producer, 2);
    second.sort_unstable();
    assert_eq!(second, [most, most + 1, take, pay]);

    // A block that is left out gives them back in their order: messages, then transactions.
    producer.rollback(1).unwrap();
    let waiting: Vec<_> = producer.pending().map(|pending| pending.id).collect();
    assert_eq!(waiting[..messages.len()], (0..most + 2).collect::<Vec<_>>());
    assert!(producer.propose_block().unwrap().is_empty());
    let inbox: Vec<_> = messages.iter().map(|message| (message.clone(), Consumption::Claim)).collect();
    assert_eq!(producer.block(1).unwrap().block.messages().inbox, inbox[..MAX_ARRIVALS]);
}

/// Transactions and messages of blocks in each of which so many transactions wait, and into which another environment sends
/// as many messages as a block can.
fn kept_up_with(transactions: usize, blocks: usize) -> (usize, usize) {
    let mut world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    let (mut made, mut taken) = (0, 0);
    for block in 0..blocks {
        for n in 0..MAX_BLOCK_STEPS {
            // From senders of their own.
            let n = (block * MAX_BLOCK_STEPS + n) as u64;
            let message = Message { sender: secret(n), ..world.message_to(1, 1, 30, n) };
            producer.deliver(&message, Consumption::Claim).unwrap();
        }
        for _ in 0..transactions {
            producer.submit(world.pay(0, &[1], 5).0.into()).unwrap();
        }
        assert!(producer.propose_block().unwrap().is_empty());
        let last = producer.block(producer.height()).unwrap();
        let arrived = last.block.messages().inbox.len();
        taken += arrived;
        made += last.transactions.len() - arrived;
    }
    (made, taken)
}

#[test]
fn case_90_the_inbox_keeps_up_with_as_many_messages_as_a_block_of_another_environment_can_send() {
    const BLOCKS: usize = 4;
    let all = BLOCKS * MAX_BLOCK_STEPS;
    for transactions in [0, 4, 10, 35, 64] {
        let kept = (BLOCKS * transactions, all);
        assert_eq!(kept_up_with(transactions, BLOCKS), kept, "{transactions} transactions in a block");
    }
    // Where the kernel of a block has less room, messages and transactions go first in turns.
    for transactions in [1, 3, 6, 15, 25] {
        let (made, taken) = kept_up_with(transactions, BLOCKS);
        assert!(taken > all / 2, "{taken} messages beside {transactions} transactions in a block");
        assert!(2 * made >= BLOCKS * transactions, "{made} of {transactions} transactions in a block");
    }
}

#[test]
fn what_arrives_and_what_is_sent_share_the_steps_of_the_bridge() {
    /// Beside so many, a kernel takes in as many messages as the bridge moves.
    const SENT: usize = 35;
    let mut world = world();
    let messages: Vec<_> = (0..MAX_ARRIVALS as u64).map(|n| world.message_to(1, 1, 30, n)).collect();
    let arrivals: Vec<_> =
        messages.iter().map(|message| arrival(&world, message, Consumption::Claim)).collect();
    let sends: Vec<_> = (0..SENT).map(|_| NotesTransaction::from(world.send(0, 1, 3))).collect();
    let offered: Vec<_> = arrivals.iter().chain(&sends).collect();
    let first = world.environment.propose(&world.genesis(), &offered).unwrap();
    let moved = first.block.messages();
    assert_eq!((moved.inbox.len(), moved.outbox.len()), (MAX_ARRIVALS, 0), "what arrives goes first");
    let offered: Vec<_> = arrivals.iter().chain(&sends).collect();
    let second = world.environment.propose(&first.state, &offered).unwrap();
    let moved = second.block.messages();
    assert_eq!((moved.inbox.len(), moved.outbox.len()), (MAX_BLOCK_STEPS - SENT, SENT), "then what is sent");
}

#[test]
fn a_block_has_no_more_messages_than_the_bridge_moves() {
    let mut world = world();
    let claim = |n| arrival(&world, &world.message_to(1, 1, 30, n), Consumption::Claim);
    let mut transactions: Vec<_> = (1..).take(MAX_BLOCK_STEPS - 34).map(claim).collect();
    for _ in 0..35 {
        let mut send = world.send(0, 1, 2);
        send.send.as_mut().unwrap().destination = EnvironmentId::L1;
        transactions.push(send.into());
    }
    let offered: Vec<_> = transactions.iter().collect();
    let proposal = world.environment.propose(&world.genesis(), &offered).unwrap();
    assert!(proposal.rejected.is_empty());
    assert_eq!(proposal.block.messages().steps(), MAX_BLOCK_STEPS);
    assert_eq!(proposal.included, (0..MAX_BLOCK_STEPS).collect::<Vec<_>>());
}

#[test]
fn arrivals_in_a_body_are_notes_and_few() {
    let world = world();
    let apply = |body: &Body| world.environment.apply_body(&world.genesis(), &body.encode());
    let refused = |arrivals: Vec<Digest>, expected: BodyError| {
        let body = Body { arrivals, ..Body::default() };
        assert_eq!(apply(&body), Err(NotesError::Body(expected.clone())));
        assert_eq!(world.environment.body_digest(&body.encode()), Err(NotesError::Body(expected)));
    };
    let found = MAX_ARRIVALS as u64 + 1;
    refused((0..found).map(secret).collect(), BodyError::Arrivals { found });
    // It would have the digest of a body without it.
    refused(vec![secret(1), Digest::ZERO], BodyError::EmptyArrival { index: 1 });
    let mut body = Body { arrivals: vec![secret(1)], ..Body::default() }.encode();
    assert_eq!(Body::decode(&body[..47]), Err(BodyError::Length { expected: 48, found: 47 }));
    body[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    let error = Body::decode(&body).unwrap_err();
    assert!(matches!(error, BodyError::Arrival { index: 0, .. }), "{error}");
    let twice = Body { arrivals: vec![secret(1); 2], ..Body::default() };
    assert_eq!(apply(&twice), Err(NotesError::State(StateError::AlreadyArrived(secret(1)))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn blocks_with_messages_in_any_order_keep_their_promises(
        kinds in proptest::collection::vec(0..4usize, 0..48),
        arrivals_go_first: bool,
    ) {
        let mut world = world();
        let mut transactions = vec![];
        for (n, kind) in (0..).zip(kinds) {
            transactions.push(match kind {
                0 => world.send(0, 1, 3).into(),
                1 => arrival(&world, &world.message_to(1, 0, 4, n), Consumption::Claim),
                2 => arrival(&world, &returned(&world, 1, 5, n), Consumption::Refund),
                _ => world.pay(2, &[1], 5).0.into(),
            });
        }
        let offered: Vec<_> = transactions.iter().collect();
        let genesis = world.genesis();
        let next = world.environment.propose(&genesis, &[]).unwrap().state;
        let before = if arrivals_go_first { genesis } else { next };
        let proposal = world.environment.propose(&before, &offered).unwrap();
        prop_assert!(proposal.rejected.is_empty());
        // A block's messages are those of its transactions, in order; the others wait.
        let mut messages = BlockMessages::none(world.environment.id());
        let mut waiting = vec![];
        for (index, transaction) in transactions.iter().enumerate() {
            let its = world.environment.messages(transaction);
            if proposal.included.contains(&index) {
                messages.inbox.extend(its.inbox);
                messages.outbox.extend(its.outbox);
            } else {
                waiting.push(its.inbox.len());
            }
        }
        prop_assert_eq!(&messages, proposal.block.messages());
        prop_assert!(waiting.iter().all(|&arrivals| arrivals == usize::from(!arrivals_go_first)));
        let made = proposal.included.len() - messages.inbox.len();
        prop_assert!(messages.inbox.len() <= arrivals_beside(made));
        let body = proposal.block.body();
        prop_assert_eq!(&world.environment.apply_body(&before, body).unwrap(), &proposal.state);
        prop_assert_eq!(world.environment.body_digest(body).unwrap(), proposal.block.statement().body);
    }
}
