//! Tills that each break one promise.

use std::{collections::BTreeMap, sync::Mutex};

use circuits_core::{
    Builder, Definition, Digest, F, Witness,
    amount::Amount,
    hash::{Domain, hash},
    layout::WitnessError,
};
use circuits_protocol::statement::BlockStatement;
use circuits_tasks::{
    graph::Task,
    id::KeyBytes,
    provable::{Provable, ProvableError, Request},
};
use environments_conformance::{Subject, id, messages::MessageSubject, secret};
use environments_core::{
    EnvironmentId,
    block::ProposedBlock,
    deps::{
        bridge_core::{BlockMessages, Consumption, Message},
        circuits_keys::CircuitCache,
    },
    environment::{Environment, Proposal, ProveError},
    graph::{BlockGraph, BlockParts, Part},
    kernel::{AnyKernel, Kernel, ProducerSecret},
    pool::{Cell, Draw, Room, Terms},
};
use plonky2::{field::types::Field, plonk::circuit_data::CircuitConfig};
use serde::Deserialize;

use crate::{
    till::{
        KERNEL, TAKES, Till, TillBlock, TillError, TillInput, TillKernel, TillState, TillTransaction,
        amounts, body_digest, name, write_body,
    },
    till_tests::Tills,
};

/// The part of the state with what the till holds.
const HOLDS: u64 = 1;

/// What is wrong with a till.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
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
    /// A database does not keep how many messages were sent.
    ForgetsInADatabase,
    /// The kernel's prover is not told what came in.
    ProvesNoArrivals,
    /// A part that anybody may prove gets the producer's secret.
    SendsItsSecretOut,
    /// The kernel's proofs have few queries.
    ProvesWithFewQueries,
    /// A registry would list a key of which the kernels say nothing.
    ListsAnotherKey,
}

/// What anybody can prove of anything.
struct Gossip;

impl Provable for Gossip {
    type Secret = ();

    fn name(&self) -> String {
        "gossip".to_owned()
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        Ok([0; 32])
    }

    fn verify(&self, _: &Task, _: &[u8]) -> Result<(), ProvableError> {
        Ok(())
    }

    fn prove(&self, _: &Request<'_>, (): &()) -> Result<Vec<u8>, ProvableError> {
        Ok(vec![])
    }
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
pub(super) struct Faulty {
    till: Till,
    fault: Fault,
    /// For [`Fault::RemembersByHeight`].
    remembered: Mutex<BTreeMap<u32, Digest>>,
    /// For [`Fault::CommitsToAttempts`].
    attempts: Mutex<BTreeMap<u32, u32>>,
}

/// Its state.
#[derive(Clone, Copy, Debug)]
pub(super) struct FaultyState {
    till: TillState,
    attempt: u32,
    /// For [`Fault::ForgetsInADatabase`].
    is_forgetful: bool,
}

environments_core::stored_state!(FaultyState {
    values: [till.height, till.holds, till.sent, attempt],
    derived: |state| {
        if state.is_forgetful {
            state.till.sent = 0;
        }
    },
});

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
        let is_forgetful = self.fault == Fault::ForgetsInADatabase;
        FaultyState { till: self.till.genesis(), attempt: 0, is_forgetful }
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
        let state = FaultyState { till: after, attempt: *attempt, ..*before };
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
        Ok(FaultyState { till: self.till.apply_body(&state.till, body)?, attempt: 0, ..*state })
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

    fn graph<'a>(
        &'a self,
        cache: &'a CircuitCache,
        block: &'a ProposedBlock<TillBlock>,
    ) -> Result<BlockGraph<'a>, ProveError> {
        let mut witness = block.witness().clone();
        if self.fault == Fault::ProvesNoArrivals {
            witness.messages.inbox.clear();
        }
        let input = self.till.kernel_input(&witness);
        if self.fault == Fault::SendsItsSecretOut {
            let mut parts = BlockParts::default();
            let part = Part::new("gossip", &[F::ONE], 0);
            let gossip = parts.travelling(Gossip, part, &input.secret.expose())?;
            return Ok(KERNEL.graph_above(cache, block, parts, vec![gossip], move |_| Ok(input))?);
        }
        Ok(KERNEL.graph(cache, block, input)?)
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
pub(super) struct Broken(pub(super) Fault);

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
