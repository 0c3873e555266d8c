//! A state model for tests of the pool: cheap to execute, with senders, nonces, fees, messages, and transactions that need
//! each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use bridge_core::{AssetId, BlockMessages, Consumption, MAX_BLOCK_STEPS, Message};
use circuits_core::{
    Digest, F,
    amount::Amount,
    hash::{Domain, hash},
    trees::PRESENT,
};
use circuits_keys::CircuitCache;
use environments_conformance::{id, secret};
use environments_core::{
    BlockProducer, Environment, PoolError, ProducerError, ProposedBlock, ProveError, Room, Terms,
    environment::{EnvironmentId, Proposal},
    graph::BlockGraph,
    kernel::{AnyKernel, OneBlock},
    pool::{Cell, Draw, Footprint},
    producer::{Pending, TransactionId},
};
use plonky2::field::types::Field;
use serde::{Deserialize, Serialize};

const MARKET: Domain = Domain::new("market");

/// One environment.
pub(crate) struct Market {
    pub(crate) room: Room,
    /// The list of which its blocks leave out the first message, though its transactions name it.
    pub(crate) forgets: Option<&'static str>,
    /// How often it was asked what may come next.
    pub(crate) asked: AtomicUsize,
}

impl Market {
    pub(crate) const fn new(room: Room, forgets: Option<&'static str>) -> Self {
        Self { room, forgets, asked: AtomicUsize::new(0) }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MarketState {
    height: u32,
    nonces: BTreeMap<u64, u64>,
    /// What transactions made.
    made: BTreeSet<u64>,
    /// What of it transactions spent.
    spent: BTreeSet<u64>,
    /// What was taken from the purse.
    drawn: u64,
    taken_in: u64,
}

environments_core::stored_state!(MarketState { values: [height, nonces, made, spent, drawn, taken_in] });

/// A transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Order {
    pub(crate) sender: Option<u64>,
    pub(crate) nonce: u64,
    pub(crate) fee: u64,
    pub(crate) slots: u32,
    pub(crate) bytes: usize,
    /// What another one must have made.
    pub(crate) needs: Option<u64>,
    /// What nobody else may have made.
    pub(crate) makes: Option<u64>,
    /// What another one must have made before its sender can pay.
    pub(crate) pays_from: Option<u64>,
    /// What another one must have made and none may have spent, as look-ups show.
    pub(crate) spends: Option<u64>,
    /// How much it takes from [`PURSE`], which nobody fills.
    pub(crate) draws: u64,
    /// How many messages it sends.
    pub(crate) sends: u64,
    pub(crate) is_malformed: bool,
    pub(crate) takes_in: Option<(Message, Consumption)>,
}

impl Default for Order {
    fn default() -> Self {
        Self {
            sender: None,
            nonce: 0,
            fee: 0,
            slots: 1,
            bytes: 100,
            needs: None,
            makes: None,
            pays_from: None,
            spends: None,
            draws: 0,
            sends: 0,
            is_malformed: false,
            takes_in: None,
        }
    }
}

/// Why a transaction or a block is refused.
#[derive(Debug, PartialEq)]
pub(crate) enum MarketError {
    Malformed,
    Nonce { expected: u64, found: u64 },
    Missing(u64),
    MadeAlready(u64),
    SpentAlready(u64),
    CannotPay,
    NoRecipient(Digest),
    LastHeight,
}

impl fmt::Display for MarketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the order is malformed"),
            Self::Nonce { expected, found } => write!(f, "nonce {found} is not {expected}"),
            Self::Missing(what) => write!(f, "{what} is missing"),
            Self::MadeAlready(what) => write!(f, "{what} is made already"),
            Self::SpentAlready(what) => write!(f, "{what} is spent already"),
            Self::CannotPay => f.write_str("the sender cannot pay"),
            Self::NoRecipient(recipient) => write!(f, "{recipient} is nobody"),
            Self::LastHeight => f.write_str("no block can follow"),
        }
    }
}

impl Error for MarketError {}

impl Environment for Market {
    const KIND: &'static str = "market";

    type State = MarketState;
    type Transaction = Order;
    type BlockWitness = ();
    type Error = MarketError;

    fn id(&self) -> EnvironmentId {
        id(0)
    }

    fn chain_id(&self) -> u64 {
        environments_conformance::CHAIN_ID
    }

    fn producer(&self) -> Digest {
        secret(0).commitment()
    }

    fn genesis(&self) -> MarketState {
        MarketState::default()
    }

    fn height(&self, state: &MarketState) -> u32 {
        state.height
    }

    fn commitment(&self, state: &MarketState) -> Digest {
        let mut fields = vec![state.height.into(), state.taken_in, state.drawn];
        fields.extend(state.nonces.iter().flat_map(|(sender, nonce)| [*sender, *nonce]));
        fields.extend(state.made.iter().chain(&state.spent));
        hash(MARKET, &fields.into_iter().map(F::from_canonical_u64).collect::<Vec<_>>())
    }

    fn check(&self, order: &Order) -> Result<(), MarketError> {
        if order.is_malformed { Err(MarketError::Malformed) } else { Ok(()) }
    }

    fn terms(&self, order: &Order) -> Terms {
        Terms {
            sender: order.sender.map(sender),
            nonce: order.sender.map(|_| order.nonce),
            fee: Amount::new(order.fee).unwrap(),
            slots: order.slots,
            bytes: order.bytes,
            footprint: footprint(order),
        }
    }

    fn cell(&self, state: &MarketState, cell: &Cell) -> Digest {
        let values = match cell.part {
            MADE => &state.made,
            SPENT => &state.spent,
            _ => return Cell::of_number(PURSE - state.drawn),
        };
        if values.iter().any(|value| Cell::of_number(*value) == cell.name) { PRESENT } else { Digest::ZERO }
    }

    fn may_come_next(&self, state: &MarketState, order: &Order) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        order.pays_from.is_none_or(|source| state.made.contains(&source))
    }

    fn room(&self) -> Room {
        self.room
    }

    fn may_come_later(&self, reason: &MarketError) -> bool {
        match reason {
            MarketError::Nonce { expected, found } => found > expected,
            MarketError::Missing(_) => true,
            _ => false,
        }
    }

    fn execute(&self, state: &mut MarketState, order: &Order) -> Result<(), MarketError> {
        self.check(order)?;
        if let Some(sender) = order.sender {
            let expected = state.nonces.get(&sender).copied().unwrap_or_default();
            if order.nonce != expected {
                return Err(MarketError::Nonce { expected, found: order.nonce });
            }
        }
        if !self.may_come_next(state, order) {
            return Err(MarketError::CannotPay);
        }
        if state.drawn + order.draws > PURSE {
            return Err(MarketError::CannotPay);
        }
        if let Some((Message { recipient, .. }, _)) = order.takes_in
            && recipient != Digest::ZERO
        {
            return Err(MarketError::NoRecipient(recipient));
        }
        if let Some(spent) = order.spends.filter(|spent| state.spent.contains(spent)) {
            return Err(MarketError::SpentAlready(spent));
        }
        let mut needed = order.needs.iter().chain(&order.spends);
        if let Some(needed) = needed.find(|needed| !state.made.contains(needed)) {
            return Err(MarketError::Missing(*needed));
        }
        if let Some(made) = order.makes.filter(|made| state.made.contains(made)) {
            return Err(MarketError::MadeAlready(made));
        }
        state.nonces.extend(order.sender.map(|sender| (sender, order.nonce + 1)));
        state.made.extend(order.makes);
        state.spent.extend(order.spends);
        state.drawn += order.draws;
        state.taken_in += u64::from(order.takes_in.is_some());
        Ok(())
    }

    fn propose(&self, before: &MarketState, orders: &[&Order]) -> Result<Proposal<Self>, MarketError> {
        let (mut state, mut included, mut rejected) = (before.clone(), vec![], vec![]);
        let mut messages = BlockMessages::none(self.id());
        for (index, order) in orders.iter().enumerate() {
            let arrived = messages.inbox.len();
            let moved = self.messages(order);
            let is_full = included.len() == self.room.together
                || messages.steps() + moved.steps() > MAX_BLOCK_STEPS
                || match order.takes_in {
                    Some(_) => arrived == self.room.messages,
                    None => included.len() - arrived == self.room.transactions,
                };
            if is_full {
                continue;
            }
            match self.execute(&mut state, order) {
                Ok(()) => {
                    included.push(index);
                    messages.inbox.extend(moved.inbox);
                    messages.outbox.extend(moved.outbox);
                }
                Err(reason) => rejected.push((index, reason)),
            }
        }
        match self.forgets {
            Some("inbox") => drop(messages.inbox.remove(0)),
            Some("outbox") => drop(messages.outbox.remove(0)),
            _ => {}
        }
        state.height = state.height.checked_add(1).ok_or(MarketError::LastHeight)?;
        let statement = OneBlock {
            environment: self.id().to_field(),
            height: F::from_canonical_u32(state.height),
            previous_state: self.commitment(before),
            new_state: self.commitment(&state),
            outbox: messages.outbox_digest(),
            inbox: messages.inbox_digest(),
            body: Digest::ZERO,
            secret: secret(0),
        }
        .statement();
        let block = ProposedBlock::new(statement, messages, vec![], ()).expect("a block");
        Ok(Proposal { block, state, included, rejected })
    }

    fn apply_body(&self, state: &MarketState, _: &[u8]) -> Result<MarketState, MarketError> {
        Ok(state.clone())
    }

    fn body_digest(&self, _: &[u8]) -> Result<Digest, MarketError> {
        Ok(Digest::ZERO)
    }

    fn kernels(&self, _: &CircuitCache) -> Result<Vec<Box<dyn AnyKernel>>, ProveError> {
        Ok(vec![])
    }

    fn graph<'a>(
        &'a self,
        _: &'a CircuitCache,
        _: &'a ProposedBlock<()>,
    ) -> Result<BlockGraph<'a>, ProveError> {
        Err(ProveError::NoKernel { environment: Self::KIND.to_owned(), transactions: 0, largest: 0 })
    }

    fn messages(&self, order: &Order) -> BlockMessages {
        BlockMessages {
            inbox: order.takes_in.clone().into_iter().collect(),
            outbox: (0..order.sends).map(|n| sent(order, n)).collect(),
            environment: self.id(),
        }
    }

    fn consume(&self, message: &Message, consumption: Consumption) -> Option<Result<Order, MarketError>> {
        Some(Ok(Order { takes_in: Some((message.clone(), consumption)), ..Order::default() }))
    }
}

/// The part of the state with what was made.
const MADE: u64 = 0;
/// The part of the state with what was spent.
const SPENT: u64 = 1;

/// The part of the state with the purse.
const PURSES: u64 = 2;
/// What there is to draw from at first.
pub(crate) const PURSE: u64 = 100;

/// The footprint of an order, which leaves out what it needs and does not spend: only executing it shows that.
fn footprint(order: &Order) -> Footprint {
    let cell = |part, value| Cell { part, name: Cell::of_number(value) };
    let mut footprint = Footprint::NONE;
    if let Some(spent) = order.spends {
        footprint.reads.extend([(cell(MADE, spent), PRESENT), (cell(SPENT, spent), Digest::ZERO)]);
        footprint.writes.push((cell(SPENT, spent), PRESENT));
    }
    footprint.writes.extend(order.makes.map(|made| (cell(MADE, made), PRESENT)));
    if order.draws > 0 {
        let (cell, needed) = (cell(PURSES, 0), order.draws);
        footprint.draws.push(Draw { cell, whole: None, needed, taken: needed });
    }
    footprint
}

/// The sender of a number, as the pool knows it.
pub(crate) fn sender(number: u64) -> Digest {
    Digest([number, 0, 0, 0].map(F::from_canonical_u64))
}

/// Message number `sequence` of a sender of environment `source`.
pub(crate) fn message(source: u16, from: u64, sequence: u64) -> Message {
    Message {
        chain_id: environments_conformance::CHAIN_ID,
        source: EnvironmentId(source),
        destination: id(0),
        sequence,
        sender: sender(from),
        recipient: Digest::ZERO,
        asset: AssetId::new(1, 1).unwrap(),
        amount: Amount::new(1).unwrap(),
        deadline: 1000,
        data: Digest::ZERO,
    }
}

/// The `n`-th message that an order sends.
pub(crate) fn sent(order: &Order, n: u64) -> Message {
    Message {
        source: id(0),
        destination: id(1),
        ..message(0, order.sender.unwrap_or_default(), 4 * order.nonce + n)
    }
}

/// A producer whose blocks hold so many transactions and messages, together.
pub(crate) fn producer(limit: usize) -> BlockProducer<Market> {
    let room = Room { transactions: limit, messages: limit, together: limit };
    BlockProducer::new(Market::new(room, None))
}

/// An order of a sender.
pub(crate) fn order(sender: u64, nonce: u64, fee: u64) -> Order {
    Order { sender: Some(sender), nonce, fee, ..Order::default() }
}

/// Submits orders, and returns their names.
#[track_caller]
pub(crate) fn submit(
    producer: &mut BlockProducer<Market>,
    orders: impl IntoIterator<Item = Order>,
) -> Vec<TransactionId> {
    orders.into_iter().map(|order| producer.submit(order).unwrap()).collect()
}

/// Delivers a claim.
#[track_caller]
pub(crate) fn deliver(producer: &mut BlockProducer<Market>, message: &Message) -> TransactionId {
    producer.deliver(message, Consumption::Claim).unwrap()
}

/// The transactions of the next block, and what it refused, with the reasons as text.
#[track_caller]
pub(crate) fn next(
    producer: &mut BlockProducer<Market>,
) -> (Vec<TransactionId>, Vec<(TransactionId, String)>) {
    let rejected = producer.propose_block().unwrap();
    let block = producer.block(producer.height()).unwrap();
    let reasons = rejected.into_iter().map(|one| (one.id, one.reason.to_string())).collect();
    (names(&block.transactions), reasons)
}

/// As [`next`], of a block that refuses nothing.
#[track_caller]
pub(crate) fn included(producer: &mut BlockProducer<Market>) -> Vec<TransactionId> {
    let (included, refused) = next(producer);
    assert!(refused.is_empty(), "{refused:?}");
    included
}

pub(crate) fn names<'p>(pending: impl IntoIterator<Item = &'p Pending<Order>>) -> Vec<TransactionId> {
    pending.into_iter().map(|pending| pending.id).collect()
}

/// Why the pool refuses the order, which changes nothing.
#[track_caller]
pub(crate) fn refused(producer: &mut BlockProducer<Market>, order: Order) -> PoolError {
    let before = waiting(producer);
    let error = match producer.submit(order).unwrap_err() {
        ProducerError::Pool(error) => error,
        other => panic!("the pool refuses it: {other}"),
    };
    assert_eq!(waiting(producer), before, "nothing changed");
    error
}

/// What waits, in order.
pub(crate) fn waiting(producer: &BlockProducer<Market>) -> Vec<TransactionId> {
    assert_eq!(producer.pending().len(), producer.pending_count());
    names(producer.pending())
}
