//! Promises about messages: what blocks say that they emit and consume is what their transactions do.
//!
//! The bridge moves what a block's lists name, and believes the environment that it gave the assets to the beneficiary.
//! So the suite asks a [`MessageSubject`] what is right, instead of the environment itself.

use std::collections::BTreeSet;

use bridge_core::{BlockMessages, Consumption, Message, message::SEQUENCE_BITS};
use circuits_core::{Digest, amount::Amount};
use circuits_forging::fixtures::cache;
use environments_core::{
    environment::{Environment, EnvironmentId, Proposal},
    producer::{BlockProducer, ChainedBlock},
};
use serde_json::{Value, json};

use super::{Subject, chain_of_blocks, environment, id, producer, propose_valid};

/// The first superblock that can contain the suite's blocks with messages.
///
/// So what a [`MessageSubject`] sends has a deadline of 180 to 2^20, what it has claimed one of at least 116, and what
/// it has refunded one below 100.
pub const SUPERBLOCK: u32 = 100;

type State<S> = <<S as Subject>::Environment as Environment>::State;
type Transaction<S> = <<S as Subject>::Environment as Environment>::Transaction;

/// How the suite makes messages of a state model that has them, and what it expects of them.
///
/// The states that it is given are those that the suite reaches with the transactions of [`Subject::valid`].
pub trait MessageSubject: Subject {
    /// At least two transactions of users that send messages, and what each must send, in order. They are valid on
    /// `state` in this order, and fit into one block together with [`Self::deliveries`].
    fn sends(
        &self,
        environment: &Self::Environment,
        state: &State<Self>,
    ) -> Vec<(Transaction<Self>, Vec<Message>)>;

    /// At least two messages that the environment takes in on `state`, in this order and each alone: messages to it
    /// that are claimed, and messages from it that are refunded.
    fn deliveries(&self, environment: &Self::Environment, state: &State<Self>)
    -> Vec<(Message, Consumption)>;

    /// Whether the beneficiary of `message` got its whole amount, and nothing else changed hands, in a block that led
    /// from `before` to `after` and took in nothing but the message.
    fn credited(
        &self,
        before: &State<Self>,
        after: &State<Self>,
        message: &Message,
        consumption: Consumption,
    ) -> bool;
}

/// What the suite has taken in.
fn deliveries<S: MessageSubject>(
    subject: &S,
    environment: &S::Environment,
    state: &State<S>,
) -> Vec<(Message, Consumption)> {
    let deliveries = subject.deliveries(environment, state);
    assert!(deliveries.len() >= 2, "the subject gives at least two messages to take in");
    deliveries
}

/// What the suite has sent.
fn sends<S: MessageSubject>(
    subject: &S,
    environment: &S::Environment,
    state: &State<S>,
) -> Vec<(Transaction<S>, Vec<Message>)> {
    let sends = subject.sends(environment, state);
    assert!(sends.len() >= 2, "the subject gives at least two transactions that send");
    assert!(sends.iter().all(|(_, messages)| !messages.is_empty()), "each of them sends a message");
    sends
}

/// A producer after `blocks` blocks of valid transactions.
fn producer_at<S: Subject>(subject: &S, blocks: u32) -> BlockProducer<S::Environment> {
    let mut producer = producer(subject);
    producer.expect_superblock(SUPERBLOCK);
    for _ in 0..blocks {
        propose_valid(subject, &mut producer);
    }
    producer
}

/// The block of everything that waits in the pool.
fn propose_all<E: Environment>(producer: &mut BlockProducer<E>) -> &ChainedBlock<E> {
    let rejected = producer.propose_block().expect("a block");
    assert!(rejected.is_empty(), "what the subject sends and takes in is not rejected: {rejected:?}");
    assert_eq!(producer.pending().len(), 0, "what the subject sends and takes in fits into one block");
    producer.block(producer.height()).expect("it was just proposed")
}

/// Adds the transaction that takes in a message.
fn deliver<E: Environment>(producer: &mut BlockProducer<E>, message: &Message, consumption: Consumption) {
    let delivered = producer.deliver(message, consumption);
    assert!(delivered.is_ok(), "{consumption:?} of {message:?} is not taken in: {delivered:?}");
}

/// The blocks of a state model without messages carry none, and it takes none in.
///
/// # Panics
/// If the promise is broken.
pub fn without_messages_none_are_sent_or_taken_in<S: Subject>(subject: &S) {
    const HINT: &str = "a subject of a state model with messages implements `MessageSubject`, \
                        and its tests say `conformance!(.., messages)`";
    let producer = chain_of_blocks(subject);
    for block in producer.blocks() {
        assert!(block.block.messages().is_empty(), "a block has messages: {HINT}");
    }
    let environment = producer.environment();
    let message = Message {
        chain_id: environment.chain_id(),
        source: id(1),
        destination: environment.id(),
        sequence: 0,
        sender: Digest::ZERO,
        recipient: Digest::ZERO,
        asset: bridge_core::AssetId::new(id(1).get(), 1).expect("not 0"),
        amount: Amount::MAX,
        deadline: 2 * SUPERBLOCK,
        data: Digest::ZERO,
    };
    let consumed = environment.consume(&message, Consumption::Claim);
    assert!(consumed.is_none(), "the environment takes messages in, or refuses them: {HINT}");
}

/// A producer whose last block takes in and sends what the subject gives.
pub(crate) fn producer_with_messages<S: MessageSubject>(subject: &S) -> BlockProducer<S::Environment> {
    let mut producer = producer_at(subject, 1);
    for (message, consumption) in deliveries(subject, producer.environment(), producer.state()) {
        deliver(&mut producer, &message, consumption);
    }
    for (transaction, _) in sends(subject, producer.environment(), producer.state()) {
        producer.submit(transaction).expect("the pool has room");
    }
    propose_all(&mut producer);
    producer
}

/// A block emits and consumes the messages that [`Environment::messages`] names for its transactions, in their order,
/// except for what failed transactions would have sent. Its statement has the digests of both lists.
///
/// # Panics
/// If the promise is broken.
pub fn blocks_carry_the_messages_of_their_transactions<S: MessageSubject>(subject: &S) {
    // Without a producer, which makes no other blocks.
    let environment = environment(subject);
    let genesis = environment.genesis();
    let valid = subject.valid(&environment, &genesis);
    let state = propose_and_compare(&environment, &genesis, &valid);
    let arrivals = deliveries(subject, &environment, &state).into_iter().map(|(message, consumption)| {
        let consumed = environment.consume(&message, consumption).expect("the state model has messages");
        consumed.unwrap_or_else(|error| panic!("{consumption:?} of {message:?} is not taken in: {error}"))
    });
    let sends = sends(subject, &environment, &state).into_iter().map(|(transaction, _)| transaction);
    propose_and_compare(&environment, &state, &arrivals.chain(sends).collect::<Vec<_>>());
}

/// Proposes a block of all `transactions`, compares its messages with theirs, and returns the state after it.
fn propose_and_compare<E: Environment>(
    environment: &E,
    before: &E::State,
    transactions: &[E::Transaction],
) -> E::State {
    let offered: Vec<_> = transactions.iter().collect();
    let Proposal { block, state, included, .. } = environment.propose(before, &offered).expect("a block");
    assert_eq!(included.len(), transactions.len(), "what the subject gives is valid and fits into one block");
    let height = block.first_height();
    let failures = environment.failures(block.witness());
    let failed: BTreeSet<_> = failures.into_iter().map(|(position, _)| position).collect();
    let mut expected = BlockMessages::none(environment.id());
    for (position, transaction) in transactions.iter().enumerate() {
        let BlockMessages { environment: named, inbox, outbox } = environment.messages(transaction);
        assert_eq!(named, environment.id(), "a transaction's messages name its environment");
        expected.inbox.extend(inbox);
        if !failed.contains(&position) {
            expected.outbox.extend(outbox);
        }
    }
    let carried = block.messages();
    assert_eq!(
        carried.outbox, expected.outbox,
        "block {height} emits other messages (left) than its transactions name (right)"
    );
    assert_eq!(
        carried.inbox, expected.inbox,
        "block {height} consumes other messages (left) than its transactions name (right)"
    );
    let stated = carried.check_named_in(block.statement());
    assert_eq!(stated, Ok(()), "block {height} states the messages that it carries");
    state
}

/// A transaction sends what its user asked for, to whom they asked for, in the name of its environment; and no two
/// messages of a chain are one.
///
/// # Panics
/// If the promise is broken.
pub fn what_is_sent_is_what_was_asked_for<S: MessageSubject>(subject: &S) {
    let mut producer = producer_at(subject, 2);
    let mut expected = vec![];
    for (transaction, messages) in sends(subject, producer.environment(), producer.state()) {
        producer.submit(transaction).expect("the pool has room");
        expected.extend(messages);
    }
    let sent = propose_all(&mut producer).block.messages().outbox.clone();
    let environment = producer.environment();
    let (chain_id, source) = (environment.chain_id(), environment.id());
    for message in &sent {
        assert_eq!(message.source, source, "a message is sent in the name of another environment");
        assert_eq!(message.chain_id, chain_id, "a message is sent in another deployment");
        assert_ne!(message.destination, source, "a message is sent to the environment that it comes from");
        assert_ne!(message.amount, Amount::ZERO, "a message moves nothing");
        assert!(message.sequence >> SEQUENCE_BITS == 0, "a message's number is not below 2^{SEQUENCE_BITS}");
    }
    assert_eq!(sent.len(), expected.len(), "a block sends as many messages as its users asked for");
    for (sent, expected) in sent.iter().zip(&expected) {
        assert_eq!(
            sent.recipient, expected.recipient,
            "a message has another recipient (left) than its user asked for (right)"
        );
        assert_eq!(sent, expected, "another message is sent (left) than its user asked for (right)");
    }

    let mut hashes = BTreeSet::new();
    for block in producer.blocks() {
        for message in &block.block.messages().outbox {
            assert!(hashes.insert(message.hash()), "a message is sent twice: {message:?}");
        }
    }
}

/// Users cannot write a line that consumes a message: not the line that the producer's own transaction is written as,
/// not one of the usual other spellings, and not one of their own with the message added.
///
/// # Panics
/// If the promise is broken.
pub fn no_line_consumes_a_message<S: MessageSubject>(subject: &S) {
    let environment = environment(subject);
    let genesis = environment.genesis();
    let sends = sends(subject, &environment, &genesis).into_iter().map(|(transaction, _)| transaction);
    let lines: Vec<_> = subject
        .valid(&environment, &genesis)
        .into_iter()
        .chain(sends)
        .map(|transaction| serde_json::to_value(&transaction).expect("a transaction is JSON"))
        .collect();
    // What a line would consume, if it is a transaction at all.
    let consumed = |line: &Value| {
        let parsed = environment.parse(cache(), &line.to_string());
        parsed.map(|transaction| environment.messages(&transaction).inbox).ok()
    };
    for line in &lines {
        let inbox = consumed(line);
        assert_eq!(
            inbox,
            Some(vec![]),
            "a user's transaction is read from its line and consumes nothing: {line}"
        );
    }

    for (message, consumption) in deliveries(subject, &environment, &genesis) {
        let delivery = environment.consume(&message, consumption).expect("messages are taken in");
        let delivery = delivery.expect("the environment takes in what its subject gives");
        let written = serde_json::to_value(&delivery).expect("a transaction is JSON");
        assert_eq!(consumed(&written), None, "a user can write a line that consumes a message: {written}");
        let guesses = spellings(&message, consumption).into_iter();
        for guess in guesses.chain(lines.iter().flat_map(|line| merged(line, &written))) {
            let inbox = consumed(&guess).unwrap_or_default();
            assert!(inbox.is_empty(), "a user can write a line that consumes a message: {guess}");
        }
    }
}

/// How a consumption may be written, by what a derived or hand-written parser commonly reads.
fn spellings(message: &Message, consumption: Consumption) -> Vec<Value> {
    let (message, consumption) = (json!(message), json!(consumption));
    let pair = json!([message, consumption]);
    let both = json!({ "message": message, "consumption": consumption });
    let whole = merge(&message, &json!({ "consumption": consumption }));
    let mut spellings = vec![pair.clone(), both.clone(), whole.clone(), message.clone()];
    let names = ["arrival", "arrive", "claim", "consume", "deliver", "delivery", "receive", "refund", "take"];
    for name in names {
        let capital = name[..1].to_uppercase() + &name[1..];
        for name in [name, capital.as_str()] {
            spellings.extend([&message, &whole, &both, &pair].map(|content| json!({ (name): content })));
            for tag in ["type", "kind"] {
                let tagged = json!({ (tag): name });
                spellings.extend([&message, &whole, &both].map(|content| merge(&tagged, content)));
            }
        }
    }
    spellings
}

/// Two objects as one. Where both have a field, that of `second` counts.
fn merge(first: &Value, second: &Value) -> Value {
    let mut merged = first.clone();
    if let (Some(fields), Some(more)) = (merged.as_object_mut(), second.as_object()) {
        fields.extend(more.clone());
    }
    merged
}

/// A user's line with the fields of a consumption, in both orders.
fn merged(line: &Value, consumption: &Value) -> [Value; 2] {
    [merge(line, consumption), merge(consumption, line)]
}

/// After a block that takes a message in, its beneficiary has what it moves: in the state, in the commitment, and in
/// the state that others compute from the body.
///
/// # Panics
/// If the promise is broken.
pub fn what_is_taken_in_is_in_the_state<S: MessageSubject>(subject: &S) {
    for blocks in [0, 1] {
        let start = producer_at(subject, blocks);
        let deliveries = deliveries(subject, start.environment(), start.state());
        for (message, consumption) in deliveries {
            let mut producer = producer_at(subject, blocks);
            let before = producer.state().clone();
            deliver(&mut producer, &message, consumption);
            let block = propose_all(&mut producer);
            let (body, after) = (block.block.body().to_vec(), block.state.clone());
            assert_eq!(
                block.block.messages().inbox,
                [(message.clone(), consumption)],
                "the block consumes the message that was delivered"
            );

            let environment = producer.environment();
            let without = environment.propose(&before, &[]).expect("a block can be empty").state;
            let what = format!("{consumption:?} of {message:?}");
            assert!(after != without, "{what} leaves no trace in the state");
            assert_ne!(
                environment.commitment(&after),
                environment.commitment(&without),
                "{what} leaves no trace in the commitment"
            );
            let credited = |state| subject.credited(&before, state, &message, consumption);
            assert!(!credited(&without), "the subject sees a credit in a block without messages");
            assert!(credited(&after), "{what} does not credit its beneficiary with its amount");
            let followed = environment.apply_body(&before, &body).expect("a published body applies");
            assert!(followed == after, "{what} is not in the state that the body leads to");
        }
    }
}

/// A message of another deployment, a claim of a message to another environment and a refund of one from another
/// environment are refused: when they are delivered, or at the latest by the block.
///
/// # Panics
/// If the promise is broken.
pub fn messages_of_others_are_not_consumed<S: MessageSubject>(subject: &S) {
    let producer = producer_at(subject, 1);
    let (environment, state) = (producer.environment(), producer.state());
    let own = environment.id();
    for (message, consumption) in deliveries(subject, environment, state) {
        let Message { chain_id, source, destination, .. } = message;
        let readdressed = |environment: EnvironmentId| match consumption {
            Consumption::Claim => Message { destination: environment, ..message.clone() },
            Consumption::Refund => Message { source: environment, ..message.clone() },
        };
        let opposite = match consumption {
            Consumption::Claim if source != own => Some(Consumption::Refund),
            Consumption::Refund if destination != own => Some(Consumption::Claim),
            Consumption::Claim | Consumption::Refund => None,
        };
        let strangers = [
            ("another deployment", Message { chain_id: chain_id + 1, ..message.clone() }, consumption),
            ("another environment", readdressed(id(1)), consumption),
            ("L1", readdressed(EnvironmentId::L1), consumption),
        ];
        let opposite = opposite.map(|opposite| ("the other side", message.clone(), opposite));
        for (whose, message, consumption) in strangers.into_iter().chain(opposite) {
            let consumed =
                environment.consume(&message, consumption).expect("a state model has messages or has none");
            let Ok(transaction) = consumed else { continue };
            let proposal = environment.propose(state, &[&transaction]).expect("a block can be empty");
            let included = proposal.included;
            assert!(included.is_empty(), "the {consumption:?} of {whose} is consumed: {message:?}");
        }
    }
}
