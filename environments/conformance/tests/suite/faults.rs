//! Tills that each break one promise, and what notices: a promise is worth as much as the faults that it sees.

use std::{collections::BTreeMap, sync::Mutex};

use circuits_core::{
    Builder, Definition, Digest, F, Witness,
    amount::Amount,
    hash::{Domain, hash},
    layout::WitnessError,
};
use circuits_protocol::statement::BlockStatement;
use environments_conformance::{
    Subject, body, chain, commitments, execution, id, lines,
    messages::{self, MessageSubject},
    proving, secret,
};
use environments_core::{
    EnvironmentId,
    block::{ProposedBlock, ProvenBlock},
    deps::{
        bridge_core::{BlockMessages, Consumption, Message},
        circuits_keys::CircuitCache,
        circuits_prover::panics::contained,
    },
    environment::{Environment, Proposal, ProveError},
    kernel::{AnyKernel, Kernel, ProducerSecret},
    pool::{Cell, Draw, Room, Terms},
};
use plonky2::{field::types::Field, plonk::circuit_data::CircuitConfig};
use serde::Deserialize;

use crate::{
    till::{
        TAKES, Till, TillBlock, TillError, TillInput, TillKernel, TillState, TillTransaction, amounts,
        body_digest, name, write_body,
    },
    till_tests::Tills,
};

/// The part of the state with what the till holds.
const HOLDS: u64 = 1;

/// What is wrong with a till.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// [`Environment::messages`] is left at its default.
    NamesNoMessages,
    /// A block lists what it sends from the last to the first.
    SendsBackwards,
    /// A block does not list what it takes in.
    HidesArrivals,
    /// Messages go to the till's own name instead of whom the user names.
    SendsToItsOwnName,
    /// Messages are sent in the name of another environment.
    SpeaksForAnother,
    /// All messages have one number.
    NumbersNothing,
    /// The line that the producer's transaction is written as is read.
    ReadsItsOwnLine,
    /// Nothing is written so, but `{"claim": {..}}` is read.
    ReadsAnotherSpelling,
    /// Messages are taken in, and nothing happens.
    CreditsNothing,
    /// Messages are taken in, and something stays behind.
    CreditsTooLittle,
    /// The body does not have what came in.
    PublishesNoArrivals,
    /// The body does not have what came in, and the block states that it does.
    StatesAnotherBody,
    /// A body is read in another form than it is written.
    ReadsLongerBodies,
    /// Messages are taken in, whoever they are for.
    TakesWhatIsNotIts,
    /// The commitment covers nothing but the height.
    CommitsToTheHeight,
    /// The commitment does not cover what the till holds, which no payment changes alone.
    CommitsWithoutHolds,
    /// Commitments are remembered by height.
    RemembersByHeight,
    /// The commitment covers how often a block of its height was proposed before.
    CommitsToAttempts,
    /// Transactions read a cell with something that is not there.
    ReadsWhatIsNotThere,
    /// Transactions write a cell in which they leave nothing.
    WritesWhatItDoesNotLeave,
    /// Transactions take what they say that they do not.
    DrawsMoreThanItSays,
    /// No transaction may come next.
    HidesWhatMayComeNext,
    /// The kernel's prover is not told what came in.
    ProvesNoArrivals,
    /// The kernel's proofs have few queries.
    ProvesWithFewQueries,
    /// A registry would list a key of which the kernels say nothing.
    ListsAnotherKey,
}

/// The till's kernel with few queries.
#[derive(Clone)]
struct WeakKernel;

impl Definition for WeakKernel {
    type Statement = <TillKernel as Definition>::Statement;
    type NativeStatement = BlockStatement;
    type Targets = <TillKernel as Definition>::Targets;
    type Input = TillInput;

    fn name(&self) -> String {
        "weak-till-kernel".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        let mut config = TillKernel.config();
        config.fri_config.num_query_rounds = 28;
        config.security_bits = 50;
        config
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        TillKernel.define(builder)
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &TillInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        TillKernel.assign(targets, input, witness)
    }
}

/// A till with a fault.
struct Faulty {
    till: Till,
    fault: Fault,
    /// For [`Fault::RemembersByHeight`].
    remembered: Mutex<BTreeMap<u32, Digest>>,
    /// For [`Fault::CommitsToAttempts`].
    attempts: Mutex<BTreeMap<u32, u32>>,
}

/// Its state.
#[derive(Clone, Copy, Debug)]
struct FaultyState {
    till: TillState,
    attempt: u32,
}

/// Attempts are no part of the state, as its author thinks.
impl PartialEq for FaultyState {
    fn eq(&self, other: &Self) -> bool {
        self.till == other.till
    }
}

/// What [`Fault::ReadsItsOwnLine`] reads.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum OwnLine {
    Take { message: Message, consumption: Consumption },
}

/// What [`Fault::ReadsAnotherSpelling`] reads.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum AnotherSpelling {
    Claim(Message),
}

impl Faulty {
    /// What a block lists for a transaction.
    fn listed(&self, transaction: &TillTransaction) -> BlockMessages {
        let mut messages = self.till.messages(transaction);
        for message in &mut messages.outbox {
            match self.fault {
                Fault::SendsToItsOwnName => message.recipient = name(),
                Fault::SpeaksForAnother => message.source = id(2),
                Fault::NumbersNothing => message.sequence = 0,
                _ => {}
            }
        }
        messages
    }

    /// What the till's state gets of a message.
    fn credited(&self, amount: Amount) -> Amount {
        match self.fault {
            Fault::CreditsNothing => Amount::ZERO,
            Fault::CreditsTooLittle => Amount::new(amount.get().saturating_sub(1)).unwrap(),
            _ => amount,
        }
    }

    /// The transaction as one that the till itself takes.
    fn disguised(&self, transaction: &TillTransaction) -> TillTransaction {
        match transaction {
            TillTransaction::Take { message, consumption } if self.fault == Fault::TakesWhatIsNotIts => {
                let Till { chain_id, id, .. } = self.till;
                let message = Message {
                    chain_id,
                    source: id,
                    destination: id,
                    sender: name(),
                    recipient: name(),
                    ..message.clone()
                };
                TillTransaction::Take { message, consumption: *consumption }
            }
            other => other.clone(),
        }
    }
}

impl Environment for Faulty {
    const KIND: &'static str = "faulty";

    type State = FaultyState;
    type Transaction = TillTransaction;
    type BlockWitness = TillBlock;
    type Error = TillError;

    fn id(&self) -> EnvironmentId {
        self.till.id()
    }

    fn chain_id(&self) -> u64 {
        self.till.chain_id()
    }

    fn producer(&self) -> Digest {
        self.till.producer()
    }

    fn genesis(&self) -> FaultyState {
        FaultyState { till: self.till.genesis(), attempt: 0 }
    }

    fn height(&self, state: &FaultyState) -> u32 {
        state.till.height
    }

    fn commitment(&self, state: &FaultyState) -> Digest {
        let honest = self.till.commitment(&state.till);
        match self.fault {
            Fault::CommitsToTheHeight => {
                self.till.commitment(&TillState { holds: Amount::ZERO, sent: 0, ..state.till })
            }
            Fault::CommitsWithoutHolds => {
                self.till.commitment(&TillState { holds: Amount::ZERO, ..state.till })
            }
            Fault::RemembersByHeight => {
                *self.remembered.lock().unwrap().entry(state.till.height).or_insert(honest)
            }
            Fault::CommitsToAttempts if state.attempt > 0 => {
                let attempt = F::from_canonical_u32(state.attempt);
                hash(Domain::new("attempt"), &[honest.0.as_slice(), &[attempt]].concat())
            }
            _ => honest,
        }
    }

    fn execute(&self, state: &mut FaultyState, transaction: &TillTransaction) -> Result<(), TillError> {
        self.till.execute(&mut state.till, &self.disguised(transaction))
    }

    fn propose(
        &self,
        before: &FaultyState,
        transactions: &[&TillTransaction],
    ) -> Result<Proposal<Self>, TillError> {
        let disguised: Vec<_> = transactions.iter().map(|transaction| self.disguised(transaction)).collect();
        let honest = self.till.propose(&before.till, &disguised.iter().collect::<Vec<_>>())?;
        let Proposal { block, state: mut after, included, rejected } = honest;

        let mut moved = amounts(block.messages());
        for taken in &mut moved[..TAKES] {
            let credited = self.credited(*taken);
            let kept_back = Amount::new(taken.get() - credited.get()).unwrap();
            after.holds = after.holds.checked_sub(kept_back).unwrap();
            *taken = if self.fault == Fault::PublishesNoArrivals { Amount::ZERO } else { credited };
        }
        let mut messages = BlockMessages::none(self.till.id);
        for &index in &included {
            let BlockMessages { inbox, outbox, .. } = self.listed(transactions[index]);
            messages.inbox.extend(inbox);
            messages.outbox.extend(outbox);
        }
        match self.fault {
            Fault::SendsBackwards => messages.outbox.reverse(),
            Fault::HidesArrivals => messages.inbox.clear(),
            _ => {}
        }

        let mut attempts = self.attempts.lock().unwrap();
        let attempt = attempts.entry(after.height).or_insert(0);
        let state = FaultyState { till: after, attempt: *attempt };
        *attempt += 1;
        let body = body_digest(&moved);
        if self.fault == Fault::StatesAnotherBody {
            moved[..TAKES].fill(Amount::ZERO);
        }
        let statement = BlockStatement {
            previous_state: self.commitment(before),
            new_state: self.commitment(&state),
            outbox: messages.outbox_digest(),
            inbox: messages.inbox_digest(),
            body,
            ..*block.statement()
        };
        let block = ProposedBlock::new(statement, messages, write_body(&moved), block.witness().clone())
            .map_err(TillError::Block)?;
        Ok(Proposal { block, state, included, rejected })
    }

    fn apply_body(&self, state: &FaultyState, body: &[u8]) -> Result<FaultyState, TillError> {
        Ok(FaultyState { till: self.till.apply_body(&state.till, body)?, attempt: 0 })
    }

    fn body_digest(&self, body: &[u8]) -> Result<Digest, TillError> {
        match self.fault {
            Fault::ReadsLongerBodies => self.till.body_digest(body.get(1..).unwrap_or_default()),
            _ => self.till.body_digest(body),
        }
    }

    fn kernels(&self, cache: &CircuitCache) -> Result<Vec<Box<dyn AnyKernel>>, ProveError> {
        match self.fault {
            Fault::ProvesWithFewQueries => Ok(vec![Box::new(Kernel { definition: WeakKernel })]),
            _ => self.till.kernels(cache),
        }
    }

    fn key_digests(&self, cache: &CircuitCache) -> Result<Vec<Digest>, ProveError> {
        let kernels = self.kernels(cache)?;
        let keys: Result<Vec<_>, ProveError> =
            kernels.iter().map(|kernel| Ok(kernel.key_digest(cache)?)).collect();
        let mut keys = keys?;
        if self.fault == Fault::ListsAnotherKey {
            keys.push(Digest::ZERO);
        }
        Ok(keys)
    }

    fn prove(
        &self,
        cache: &CircuitCache,
        block: &ProposedBlock<TillBlock>,
    ) -> Result<ProvenBlock, ProveError> {
        let mut witness = block.witness().clone();
        if self.fault == Fault::ProvesNoArrivals {
            witness.messages.inbox.clear();
        }
        let (statement, messages, body) =
            (*block.statement(), block.messages().clone(), block.body().to_vec());
        self.till.prove(cache, &ProposedBlock::new(statement, messages, body, witness)?)
    }

    fn room(&self) -> Room {
        self.till.room()
    }

    fn terms(&self, transaction: &TillTransaction) -> Terms {
        let mut terms = self.till.terms(transaction);
        let wrong = (Cell { part: 0, name: Digest::ZERO }, secret(0).commitment());
        match self.fault {
            Fault::ReadsWhatIsNotThere => terms.footprint.reads.push(wrong),
            Fault::WritesWhatItDoesNotLeave => terms.footprint.writes.push(wrong),
            Fault::DrawsMoreThanItSays => {
                let (cell, whole) = (Cell { part: HOLDS, name: Digest::ZERO }, None);
                terms.footprint.draws.push(Draw { cell, whole, needed: 0, taken: 0 });
            }
            _ => {}
        }
        terms
    }

    fn cell(&self, state: &FaultyState, cell: &Cell) -> Digest {
        if cell.part == HOLDS { Cell::of_number(state.till.holds.get()) } else { Digest::ZERO }
    }

    fn may_come_next(&self, _: &FaultyState, _: &TillTransaction) -> bool {
        self.fault != Fault::HidesWhatMayComeNext
    }

    fn messages(&self, transaction: &TillTransaction) -> BlockMessages {
        match self.fault {
            Fault::NamesNoMessages => BlockMessages::none(self.till.id),
            _ => self.listed(transaction),
        }
    }

    fn consume(
        &self,
        message: &Message,
        consumption: Consumption,
    ) -> Option<Result<TillTransaction, TillError>> {
        match self.fault {
            Fault::TakesWhatIsNotIts => {
                Some(Ok(TillTransaction::Take { message: message.clone(), consumption }))
            }
            _ => self.till.consume(message, consumption),
        }
    }

    fn parse(&self, cache: &CircuitCache, line: &str) -> Result<TillTransaction, serde_json::Error> {
        match self.fault {
            Fault::ReadsItsOwnLine => {
                if let Ok(OwnLine::Take { message, consumption }) = serde_json::from_str(line) {
                    return Ok(TillTransaction::Take { message, consumption });
                }
            }
            Fault::ReadsAnotherSpelling => {
                if let Ok(AnotherSpelling::Claim(message)) = serde_json::from_str(line) {
                    return Ok(TillTransaction::Take { message, consumption: Consumption::Claim });
                }
            }
            _ => {}
        }
        self.till.parse(cache, line)
    }
}

/// The subject of the till with a fault.
struct Broken(Fault);

impl Subject for Broken {
    type Environment = Faulty;

    fn environment(&self, chain_id: u64, id: EnvironmentId, secret: ProducerSecret) -> Faulty {
        let till = Tills.environment(chain_id, id, secret);
        Faulty { till, fault: self.0, remembered: Mutex::default(), attempts: Mutex::default() }
    }

    fn valid(&self, environment: &Faulty, state: &FaultyState) -> Vec<TillTransaction> {
        Tills.valid(&environment.till, &state.till)
    }

    fn invalid(&self, environment: &Faulty, state: &FaultyState) -> Vec<TillTransaction> {
        Tills.invalid(&environment.till, &state.till)
    }
}

impl MessageSubject for Broken {
    fn sends(&self, environment: &Faulty, state: &FaultyState) -> Vec<(TillTransaction, Vec<Message>)> {
        Tills.sends(&environment.till, &state.till)
    }

    fn deliveries(&self, environment: &Faulty, state: &FaultyState) -> Vec<(Message, Consumption)> {
        Tills.deliveries(&environment.till, &state.till)
    }

    fn credited(
        &self,
        before: &FaultyState,
        after: &FaultyState,
        message: &Message,
        consumption: Consumption,
    ) -> bool {
        Tills.credited(&before.till, &after.till, message, consumption)
    }
}

/// A promise and its name.
type Promise = (&'static str, fn(&Broken));

macro_rules! promises {
    ($($module:ident :: $promise:ident,)+) => {
        &[$((stringify!($promise), $module::$promise::<Broken> as fn(&Broken)),)+]
    };
}

/// All promises that need no proof.
const PROMISES: &[Promise] = promises![
    execution::failed_transactions_change_nothing,
    execution::proposing_and_executing_agree,
    execution::what_executes_may_come_next,
    execution::footprints_leave_what_they_say,
    execution::commitments_name_the_deployment_and_the_environment,
    commitments::different_states_have_different_commitments,
    chain::statements_chain,
    chain::same_inputs_give_the_same_statements,
    chain::rollback_proposes_the_same_transactions_again,
    chain::rollback_without_the_culprit_leaves_it_out,
    chain::confirmed_blocks_stay,
    chain::other_producers_are_stated,
    body::bodies_reproduce_the_states,
    body::altered_bodies_are_noticed,
    lines::bad_lines_are_reported_and_the_rest_go_on,
    lines::dynamic_and_typed_producers_agree,
    messages::blocks_carry_the_messages_of_their_transactions,
    messages::what_is_sent_is_what_was_asked_for,
    messages::no_line_consumes_a_message,
    messages::what_is_taken_in_is_in_the_state,
    messages::messages_of_others_are_not_consumed,
];

/// Each fault, the promises that it breaks, and a part of what they say.
const FAULTS: &[(Fault, &[(&str, &str)])] = &[
    (Fault::Nothing, &[]),
    (
        Fault::SendsToItsOwnName,
        &[("what_is_sent_is_what_was_asked_for", "a message has another recipient (left)")],
    ),
    (
        Fault::SpeaksForAnother,
        &[("what_is_sent_is_what_was_asked_for", "a message is sent in the name of another environment")],
    ),
    (Fault::NumbersNothing, &[("what_is_sent_is_what_was_asked_for", "another message is sent (left)")]),
    (Fault::ReadsItsOwnLine, &[("no_line_consumes_a_message", "a user can write a line that consumes")]),
    (Fault::ReadsAnotherSpelling, &[("no_line_consumes_a_message", "a user can write a line that consumes")]),
    (Fault::CreditsNothing, &[("what_is_taken_in_is_in_the_state", "leaves no trace in the state")]),
    (Fault::CreditsTooLittle, &[("what_is_taken_in_is_in_the_state", "does not credit its beneficiary")]),
    (
        Fault::PublishesNoArrivals,
        &[("what_is_taken_in_is_in_the_state", "is not in the state that the body leads to")],
    ),
    (
        Fault::TakesWhatIsNotIts,
        &[("messages_of_others_are_not_consumed", "of another deployment is consumed")],
    ),
    (
        Fault::CommitsToTheHeight,
        &[
            ("different_states_have_different_commitments", "two states at height 1 have one commitment"),
            ("what_is_taken_in_is_in_the_state", "leaves no trace in the commitment"),
        ],
    ),
    (
        Fault::CommitsWithoutHolds,
        &[("what_is_taken_in_is_in_the_state", "leaves no trace in the commitment")],
    ),
    (
        Fault::RemembersByHeight,
        &[
            ("different_states_have_different_commitments", "two states at height 1 have one commitment"),
            ("what_is_taken_in_is_in_the_state", "leaves no trace in the commitment"),
        ],
    ),
    (
        Fault::CommitsToAttempts,
        &[("different_states_have_different_commitments", "was reached twice and has two commitments")],
    ),
    (
        Fault::ReadsWhatIsNotThere,
        &[("what_executes_may_come_next", "does not have what a valid transaction needs")],
    ),
    (
        Fault::WritesWhatItDoesNotLeave,
        &[("footprints_leave_what_they_say", "a transaction does not leave what it says")],
    ),
    (Fault::DrawsMoreThanItSays, &[("footprints_leave_what_they_say", "were drawn from")]),
    (
        Fault::HidesWhatMayComeNext,
        &[("what_executes_may_come_next", "a valid transaction may not come next")],
    ),
];

/// Faults of which a producer makes no block with messages, what the promise about these says, and the lists that the
/// producer names. Every promise that needs such a block is broken too.
const REFUSED: &[(Fault, &str, &[&str])] = &[
    (Fault::NamesNoMessages, "emits other messages (left)", &["inbox", "outbox"]),
    (Fault::SendsBackwards, "emits other messages (left)", &["outbox"]),
    (Fault::HidesArrivals, "consumes other messages (left)", &["inbox"]),
];

/// The promises that a till with `fault` breaks, with what they say.
fn broken(fault: Fault) -> Vec<(&'static str, String)> {
    let said = |&(name, promise): &Promise| Some((name, contained(|| promise(&Broken(fault))).err()?));
    PROMISES.iter().filter_map(said).collect()
}

#[test]
fn each_fault_breaks_its_promises_alone_and_the_suite_says_what_is_wrong() {
    for (fault, expected) in FAULTS {
        let found = broken(*fault);
        let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
        let expected_names: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, expected_names, "{fault:?}: {found:#?}");
        for ((name, said), (_, part)) in found.iter().zip(*expected) {
            assert!(said.contains(part), "{fault:?} breaks {name}, which says: {said}");
        }
    }
}

#[test]
fn messages_that_transactions_do_not_name_are_noticed_and_their_blocks_are_refused() {
    for (fault, part, lists) in REFUSED {
        let found = broken(*fault);
        let is_own = |(name, _): &(&str, String)| *name == "blocks_carry_the_messages_of_their_transactions";
        let (own, others): (Vec<_>, Vec<_>) = found.into_iter().partition(is_own);
        assert!(own.len() == 1 && own[0].1.contains(part), "{fault:?}: {own:#?}");
        assert!(!others.is_empty(), "{fault:?}: a producer makes its blocks");
        for (name, said) in others {
            let is_refusal = said.contains("Messages { height: ")
                && lists.iter().any(|list| said.contains(&format!("list: \"{list}\"")));
            assert!(is_refusal, "{fault:?} breaks {name}, which says: {said}");
        }
    }
}

#[test]
fn a_body_that_is_not_the_stated_one_is_noticed_and_its_block_is_refused() {
    for (fault, promise, part) in [
        (Fault::StatesAnotherBody, "what_is_taken_in_is_in_the_state", "OtherBody { height: "),
        (Fault::ReadsLongerBodies, "bodies_reproduce_the_states", "MalformedBody { height: "),
    ] {
        let found = broken(fault);
        assert!(found.iter().any(|(name, _)| *name == promise), "{fault:?}: {found:#?}");
        for (name, said) in found {
            assert!(said.contains(part), "{fault:?} breaks {name}, which says: {said}");
        }
    }
}

#[test]
fn a_prover_that_forgets_what_came_in_is_noticed() {
    let faulty = Broken(Fault::ProvesNoArrivals);
    assert_eq!(broken(Fault::ProvesNoArrivals), [], "nothing but a proof shows it");
    proving::proven_blocks_verify(&faulty);
    let said = contained(|| proving::proven_blocks_move_messages(&faulty)).expect_err("no message came in");
    assert!(said.contains("a proposed block has a proof"), "{said}");
}

#[test]
fn a_kernel_with_too_few_bits_is_noticed() {
    let faulty = Broken(Fault::ProvesWithFewQueries);
    assert_eq!(broken(Fault::ProvesWithFewQueries), [], "nothing but its parameters shows it");
    let said = contained(|| proving::kernels_have_the_required_bits(&faulty)).expect_err("28 queries");
    let expected = "weak-till-kernel has 62.0 bits proven, in its queries, and 100 are required";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_listed_key_of_no_kernel_is_noticed() {
    let said = contained(|| proving::kernels_have_the_required_bits(&Broken(Fault::ListsAnotherKey)));
    let said = said.expect_err("a second key");
    assert!(said.contains("a registry would list other keys"), "{said}");
}

#[test]
fn a_state_model_that_hides_its_messages_from_the_suite_is_noticed() {
    let said = contained(|| messages::without_messages_none_are_sent_or_taken_in(&Broken(Fault::Nothing)));
    let said = said.expect_err("the till has messages");
    assert!(said.contains("conformance!(.., messages)"), "{said}");
}
