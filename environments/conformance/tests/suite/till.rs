//! A till: the smallest environment with messages.
//!
//! It holds an amount of one asset, the first of its environment. Users send parts of it to other environments, and what
//! comes back from there, or was not claimed in time, returns to the till. Like a counter, it knows no owners: whoever
//! submits a payment is obeyed.
//!
//! One kernel proves a block that takes in up to 2 messages and sends up to 2, in this order, which is the bridge's:
//!
//! ```text
//! previous_state = H(STATE, chain_id, environment, height,     holds,                       sent)
//! new_state      = H(STATE, chain_id, environment, height + 1, holds + sum(in) - sum(out),  sent + number of messages out)
//! body           = H(BODY, amounts in, amounts out)                                        an unused slot holds 0
//! inbox          = the list of messages taken in, each of which names the till as its beneficiary
//! outbox         = the list of messages sent, each in the till's name
//! ```
//! That a message taken in exists, is pending, and may be consumed by this environment in this way and at this time is
//! proved by the bridge, not by a kernel.

use std::{array, collections::BTreeMap, error::Error, fmt};

use environments_core::{
    block::{BlockError, ProposedBlock},
    deps::{
        bridge_core::{
            AssetId, BlockMessages, Consumption, Message,
            message::{MessageFields, inbox_append_circuit, message_hash_circuit, outbox_append_circuit},
        },
        circuits_core::{
            self, Builder, Definition, Digest, DigestTarget, F, Witness,
            amount::{Amount, AmountError, enforce_amount},
            circuit::named,
            constrain::{Constrain, DigestOps},
            hash::{Domain, hash, hash_circuit},
            layout::{Layout, WitnessError, new_virtual, set, set_target},
        },
        circuits_keys::CircuitCache,
        circuits_protocol::statement::{BlockStatement, empty_list},
        circuits_prover::basetypes::standard_config,
        plonky2::{
            field::types::Field,
            iop::target::{BoolTarget, Target},
            plonk::circuit_data::CircuitConfig,
        },
        serde::{Deserialize, Serialize},
    },
    environment::{Environment, EnvironmentId, Proposal, ProveError},
    graph::BlockGraph,
    kernel::{AnyKernel, Kernel, OneBlock, ProducerSecret},
    pool::Room,
};

/// Messages that one block takes in at most.
pub(crate) const TAKES: usize = 2;
/// Messages that one block sends at most.
pub(crate) const PAYS: usize = 2;
/// Bytes of a block's body: each amount as 8 little-endian bytes.
pub(crate) const BODY_BYTES: usize = 8 * (TAKES + PAYS);
/// Domain of state commitments.
const STATE: Domain = Domain::new("till");
/// Domain of bodies.
const BODY: Domain = Domain::new("til-bod");
/// Domain of the till's name.
const NAME: Domain = Domain::new("til-nam");
/// Bits of an environment's id, and of a deadline.
const ID_BITS: usize = 16;
const DEADLINE_BITS: usize = 32;
/// Bits of the number of messages sent.
const SENT_BITS: usize = 32;

/// The only sender and recipient in the environment: what a message must name to reach the till.
pub(crate) fn name() -> Digest {
    hash(NAME, &[])
}

/// One till.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Till {
    pub(crate) chain_id: u64,
    pub(crate) id: EnvironmentId,
    pub(crate) secret: ProducerSecret,
    /// What it holds at genesis.
    pub(crate) start: Amount,
}

/// A till's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TillState {
    /// Height of the last block.
    pub(crate) height: u32,
    /// What is in the till.
    pub(crate) holds: Amount,
    /// Messages sent so far.
    pub(crate) sent: u32,
}

environments_core::stored_state!(TillState { values: [height, holds, sent] });

/// What users write, and what the producer makes of messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "environments_core::deps::serde", rename_all = "lowercase")]
pub(crate) enum TillTransaction {
    /// `{"pay": {..}}`
    Pay(Payment),
    /// A message that is taken in. Only [`Environment::consume`] makes it: no line is read as one.
    #[serde(skip_deserializing)]
    Take {
        /// The message.
        message: Message,
        /// Whether it is claimed or taken back.
        consumption: Consumption,
    },
}

/// `{"number": 0, "to": 6, "recipient": "..", "amount": 5, "deadline": 200}`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "environments_core::deps::serde", deny_unknown_fields)]
pub(crate) struct Payment {
    /// Messages that the till has sent before. It makes the message unique, and the payment valid once.
    pub(crate) number: u32,
    /// The environment that may claim it.
    pub(crate) to: EnvironmentId,
    /// Who receives it, in that environment's terms.
    pub(crate) recipient: Digest,
    /// How much; not 0.
    pub(crate) amount: Amount,
    /// The last superblock in which it may be claimed.
    pub(crate) deadline: u32,
}

/// A block as the kernel's prover needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TillBlock {
    /// The state before.
    pub(crate) before: TillState,
    /// What it takes in and sends.
    pub(crate) messages: BlockMessages,
}

/// Why a till refuses something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TillError {
    /// A message of amount 0.
    Nothing,
    /// A message to the environment that it comes from. The bridge would refuse its block.
    ToItself(EnvironmentId),
    /// A payment is not the next one.
    Number {
        /// The number of the next one.
        expected: u32,
        /// The payment's.
        found: u32,
    },
    /// A message of another deployment, or that another environment may take in.
    NotOurs {
        /// The message's deployment.
        chain_id: u64,
        /// Where it comes from.
        source: EnvironmentId,
        /// Where it goes.
        destination: EnvironmentId,
    },
    /// A message of another asset.
    Asset(AssetId),
    /// A message for or from somebody else.
    Beneficiary(Digest),
    /// What the till holds would leave its range.
    Holds(AmountError),
    /// The number of messages is exhausted.
    LastMessage,
    /// Heights are exhausted.
    LastHeight(u32),
    /// A body has another length.
    BodyLength {
        /// Bytes found.
        found: usize,
    },
    /// An amount in a body is out of range.
    BodyAmount(AmountError),
    /// The block is malformed.
    Block(BlockError),
}

impl fmt::Display for TillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("a message of amount 0 moves nothing"),
            Self::ToItself(id) => write!(f, "the message is to environment {id}, where it comes from"),
            Self::Number { expected, found } => write!(f, "payment {found} is not the next one, {expected}"),
            Self::NotOurs { chain_id, source, destination } => write!(
                f,
                "the message from environment {source} to {destination} of chain {chain_id} is not taken in here"
            ),
            Self::Asset(asset) => write!(f, "the till does not hold asset {asset}"),
            Self::Beneficiary(digest) => write!(f, "{digest} is not the name of the till"),
            Self::Holds(_) => f.write_str("the till cannot hold that"),
            Self::LastMessage => write!(f, "a till sends less than 2^{SENT_BITS} messages"),
            Self::LastHeight(height) => write!(f, "height {height} is the last one"),
            Self::BodyLength { found } => write!(f, "a till's body has {BODY_BYTES} bytes, found {found}"),
            Self::BodyAmount(_) => f.write_str("an amount of the body is out of range"),
            Self::Block(error) => error.fmt(f),
        }
    }
}

impl Error for TillError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Holds(source) | Self::BodyAmount(source) => Some(source),
            // This error shows its text, so its source is its own.
            Self::Block(error) => error.source(),
            _ => None,
        }
    }
}

impl TillState {
    /// Puts into the till what a message brings.
    pub(crate) fn take(&mut self, amount: Amount) -> Result<(), TillError> {
        self.holds = self.holds.checked_add(amount).map_err(TillError::Holds)?;
        Ok(())
    }

    /// Takes out of the till what a message takes away; nothing if `amount` is 0.
    pub(crate) fn pay(&mut self, amount: Amount) -> Result<(), TillError> {
        let holds = self.holds.checked_sub(amount).map_err(TillError::Holds)?;
        let more = u32::from(amount != Amount::ZERO);
        self.sent = self.sent.checked_add(more).ok_or(TillError::LastMessage)?;
        self.holds = holds;
        Ok(())
    }

    /// Ends the block.
    pub(crate) fn close(&mut self) -> Result<(), TillError> {
        self.height = self.height.checked_add(1).ok_or(TillError::LastHeight(self.height))?;
        Ok(())
    }
}

impl Till {
    /// What it holds.
    pub(crate) fn asset(&self) -> AssetId {
        AssetId::new(self.id.get(), 1).expect("1 is the number of an asset")
    }

    /// The message of a payment.
    pub(crate) fn message(&self, payment: &Payment) -> Message {
        let Payment { number, to, recipient, amount, deadline } = *payment;
        Message {
            chain_id: self.chain_id,
            source: self.id,
            destination: to,
            sequence: number.into(),
            sender: name(),
            recipient,
            asset: self.asset(),
            amount,
            deadline,
            data: Digest::ZERO,
        }
    }

    /// Checks that the till may take a message in, whatever it holds.
    fn check_taken(&self, message: &Message, consumption: Consumption) -> Result<(), TillError> {
        let Message { chain_id, source, destination, .. } = *message;
        let here = match consumption {
            Consumption::Claim => destination,
            Consumption::Refund => source,
        };
        if (chain_id, here) != (self.chain_id, self.id) {
            return Err(TillError::NotOurs { chain_id, source, destination });
        }
        if message.asset != self.asset() {
            return Err(TillError::Asset(message.asset));
        }
        let beneficiary = message.beneficiary(consumption);
        if beneficiary != name() {
            return Err(TillError::Beneficiary(beneficiary));
        }
        if message.amount == Amount::ZERO { Err(TillError::Nothing) } else { Ok(()) }
    }

    /// The kernel's input for a block of this till.
    pub(crate) fn kernel_input(&self, block: &TillBlock) -> TillInput {
        let TillBlock { before, messages } = block;
        let take = |slot: usize| {
            messages.inbox.get(slot).map_or_else(empty, |(message, consumption)| TakeSlot {
                message: message.fields(),
                is_refund: consumption.to_field(),
            })
        };
        let pay = |slot: usize| {
            messages.outbox.get(slot).map_or_else(empty, |message: &Message| {
                let MessageFields { destination, recipient, amount, deadline, .. } = message.fields();
                PaySlot { destination, recipient, amount, deadline }
            })
        };
        TillInput {
            chain_id: F::from_canonical_u64(self.chain_id),
            environment: self.id.to_field(),
            height: F::from_canonical_u32(before.height),
            holds: before.holds.to_field(),
            sent: F::from_canonical_u32(before.sent),
            takes: array::from_fn(take),
            pays: array::from_fn(pay),
            secret: self.secret,
        }
    }

    /// What a proof of a block that leads to `after` states.
    pub(crate) fn statement(&self, block: &TillBlock, after: &TillState) -> BlockStatement {
        OneBlock {
            environment: self.id.to_field(),
            height: F::from_canonical_u32(after.height),
            previous_state: self.commitment(&block.before),
            new_state: self.commitment(after),
            outbox: block.messages.outbox_digest(),
            inbox: block.messages.inbox_digest(),
            body: body_digest(&amounts(&block.messages)),
            secret: self.secret,
        }
        .statement()
    }
}

/// The amounts of a block's slots: those taken in, then those sent.
pub(crate) fn amounts(messages: &BlockMessages) -> [Amount; TAKES + PAYS] {
    let mut amounts = [Amount::ZERO; TAKES + PAYS];
    let (taken, paid) = amounts.split_at_mut(TAKES);
    for (slot, (message, _)) in taken.iter_mut().zip(&messages.inbox) {
        *slot = message.amount;
    }
    for (slot, message) in paid.iter_mut().zip(&messages.outbox) {
        *slot = message.amount;
    }
    amounts
}

/// The body that publishes these amounts.
pub(crate) fn write_body(amounts: &[Amount; TAKES + PAYS]) -> Vec<u8> {
    amounts.iter().flat_map(|amount| amount.get().to_le_bytes()).collect()
}

/// The amounts that a body publishes.
pub(crate) fn read_body(body: &[u8]) -> Result<[Amount; TAKES + PAYS], TillError> {
    if body.len() != BODY_BYTES {
        return Err(TillError::BodyLength { found: body.len() });
    }
    let mut amounts = [Amount::ZERO; TAKES + PAYS];
    for (amount, chunk) in amounts.iter_mut().zip(body.chunks_exact(8)) {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        *amount = Amount::new(u64::from_le_bytes(word)).map_err(TillError::BodyAmount)?;
    }
    Ok(amounts)
}

/// `H(BODY, amounts)`.
pub(crate) fn body_digest(amounts: &[Amount; TAKES + PAYS]) -> Digest {
    hash(BODY, &amounts.map(Amount::to_field))
}

/// The kernel of all tills.
pub(crate) const KERNEL: Kernel<TillKernel> = Kernel { definition: TillKernel };

impl Environment for Till {
    const KIND: &'static str = "till";

    type State = TillState;
    type Transaction = TillTransaction;
    type BlockWitness = TillBlock;
    type Error = TillError;

    fn id(&self) -> EnvironmentId {
        self.id
    }

    fn chain_id(&self) -> u64 {
        self.chain_id
    }

    fn producer(&self) -> Digest {
        self.secret.commitment()
    }

    fn genesis(&self) -> TillState {
        TillState { height: 0, holds: self.start, sent: 0 }
    }

    fn height(&self, state: &TillState) -> u32 {
        state.height
    }

    fn commitment(&self, state: &TillState) -> Digest {
        let TillState { height, holds, sent } = *state;
        let chain_id = F::from_canonical_u64(self.chain_id);
        let [height, sent] = [height, sent].map(F::from_canonical_u32);
        commitment([chain_id, self.id.to_field(), height, holds.to_field(), sent])
    }

    fn execute(&self, state: &mut TillState, transaction: &TillTransaction) -> Result<(), TillError> {
        match transaction {
            TillTransaction::Pay(Payment { number, to, amount, .. }) => {
                if *number != state.sent {
                    return Err(TillError::Number { expected: state.sent, found: *number });
                }
                if *to == self.id {
                    return Err(TillError::ToItself(*to));
                }
                if *amount == Amount::ZERO {
                    return Err(TillError::Nothing);
                }
                state.pay(*amount)
            }
            TillTransaction::Take { message, consumption } => {
                self.check_taken(message, *consumption)?;
                state.take(message.amount)
            }
        }
    }

    fn propose(
        &self,
        before: &TillState,
        transactions: &[&TillTransaction],
    ) -> Result<Proposal<Self>, TillError> {
        let mut block = TillBlock { before: *before, messages: BlockMessages::none(self.id) };
        let (mut state, mut included, mut rejected) = (*before, vec![], vec![]);
        state.close()?;
        // What a block takes in it can send, so messages come first, wherever they are in the pool.
        let (takes, pays): (Vec<_>, Vec<_>) = (0..transactions.len())
            .partition(|&index| matches!(transactions[index], TillTransaction::Take { .. }));
        for (waiting, mut free) in [(takes, TAKES), (pays, PAYS)] {
            for index in waiting {
                if free == 0 {
                    break;
                }
                match self.execute(&mut state, transactions[index]) {
                    Ok(()) => {
                        let BlockMessages { inbox, outbox, .. } = self.messages(transactions[index]);
                        block.messages.inbox.extend(inbox);
                        block.messages.outbox.extend(outbox);
                        included.push(index);
                        free -= 1;
                    }
                    Err(reason) => rejected.push((index, reason)),
                }
            }
        }
        included.sort_unstable();
        rejected.sort_by_key(|(index, _)| *index);
        let (statement, messages) = (self.statement(&block, &state), block.messages.clone());
        let body = write_body(&amounts(&messages));
        let block = ProposedBlock::new(statement, messages, body, block).map_err(TillError::Block)?;
        Ok(Proposal { block, state, included, rejected })
    }

    fn apply_body(&self, state: &TillState, body: &[u8]) -> Result<TillState, TillError> {
        let mut after = *state;
        let amounts = read_body(body)?;
        let (taken, paid) = amounts.split_at(TAKES);
        taken.iter().try_for_each(|amount| after.take(*amount))?;
        paid.iter().try_for_each(|amount| after.pay(*amount))?;
        after.close()?;
        Ok(after)
    }

    fn body_digest(&self, body: &[u8]) -> Result<Digest, TillError> {
        Ok(body_digest(&read_body(body)?))
    }

    fn kernels(&self, _: &CircuitCache) -> Result<Vec<Box<dyn AnyKernel>>, ProveError> {
        Ok(vec![Box::new(KERNEL)])
    }

    fn graph<'a>(
        &'a self,
        cache: &'a CircuitCache,
        block: &'a ProposedBlock<TillBlock>,
    ) -> Result<BlockGraph<'a>, ProveError> {
        Ok(KERNEL.graph(cache, block, self.kernel_input(block.witness()))?)
    }

    fn room(&self) -> Room {
        Room { transactions: PAYS, messages: TAKES, together: PAYS + TAKES }
    }

    fn messages(&self, transaction: &TillTransaction) -> BlockMessages {
        let none = BlockMessages::none(self.id);
        match transaction {
            TillTransaction::Pay(payment) => BlockMessages { outbox: vec![self.message(payment)], ..none },
            TillTransaction::Take { message, consumption } => {
                BlockMessages { inbox: vec![(message.clone(), *consumption)], ..none }
            }
        }
    }

    fn consume(
        &self,
        message: &Message,
        consumption: Consumption,
    ) -> Option<Result<TillTransaction, TillError>> {
        let taken = self.check_taken(message, consumption);
        Some(taken.map(|()| TillTransaction::Take { message: message.clone(), consumption }))
    }
}

/// `H(STATE, chain_id, environment, height, holds, sent)`.
fn commitment(fields: [F; 5]) -> Digest {
    hash(STATE, &fields)
}

/// In-circuit twin of [`commitment`].
fn commitment_circuit(builder: &mut Builder, fields: [Target; 5]) -> DigestTarget {
    hash_circuit(builder, STATE, &fields)
}

circuits_core::layout! {
    /// A slot for a message that a block takes in. It is used if the amount is not 0.
    pub struct TakeSlot<T> {
        pub message: MessageFields<T>,
        /// Whether it is taken back.
        pub is_refund: T,
    }
}

circuits_core::layout! {
    /// A slot for a message that a block sends: what its user chooses. It is used if the amount is not 0.
    pub struct PaySlot<T> {
        pub destination: T,
        pub recipient: Digest<T>,
        pub amount: T,
        pub deadline: T,
    }
}

/// A slot that is not used.
fn empty<L: Layout<F>>() -> L {
    L::decode(&vec![F::ZERO; L::LEN]).expect("as many elements as the layout has")
}

/// What the kernel's prover must know, as field elements, so that tests can use values that no honest block has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TillInput {
    pub(crate) chain_id: F,
    pub(crate) environment: F,
    pub(crate) height: F,
    pub(crate) holds: F,
    pub(crate) sent: F,
    pub(crate) takes: [TakeSlot; TAKES],
    pub(crate) pays: [PaySlot; PAYS],
    pub(crate) secret: ProducerSecret,
}

/// The kernel: one block of a till.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TillKernel;

/// Targets of [`TillKernel`].
pub(crate) struct TillTargets {
    chain_id: Target,
    environment: Target,
    height: Target,
    holds: Target,
    sent: Target,
    takes: [TakeSlot<Target>; TAKES],
    pays: [PaySlot<Target>; PAYS],
    secret: DigestTarget,
}

impl Definition for TillKernel {
    type Statement = BlockStatement<Target>;
    type NativeStatement = BlockStatement;
    type Targets = TillTargets;
    type Input = TillInput;

    fn name(&self) -> String {
        "till-kernel".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        named([("takes", TAKES as u64), ("pays", PAYS as u64)])
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let [chain_id, environment, height, holds, sent] = builder.add_virtual_target_arr();
        let takes: [TakeSlot<Target>; TAKES] = array::from_fn(|_| new_virtual(builder));
        let pays: [PaySlot<Target>; PAYS] = array::from_fn(|_| new_virtual(builder));
        let secret = builder.new_digest();

        let (zero, one) = (builder.zero(), builder.one());
        let name = builder.constant_digest(name());
        // The packed name of the environment's first asset.
        let asset = builder.mul_const_add(F::from_canonical_u64(1 << 32), environment, one);
        let none = builder.constant_digest(empty_list());
        let (mut inbox, mut outbox) = (none, none);
        let (mut new_holds, mut new_sent) = (holds, sent);

        for TakeSlot { message, is_refund } in &takes {
            // The message is claimed or taken back.
            let is_refund = BoolTarget::new_unsafe(*is_refund);
            builder.enforce_bool(is_refund);
            // The till is its beneficiary, and holds its asset.
            let is_unused = builder.is_equal(message.amount, zero);
            let is_used = builder.not(is_unused);
            let beneficiary = builder.select_digest(is_refund, message.sender, message.recipient);
            builder.enforce_digest_equal_if(is_used, beneficiary, name);
            builder.enforce_equal_if(is_used, message.asset, asset);
            // It brings an amount, and joins the inbox.
            enforce_amount(builder, message.amount);
            new_holds = builder.add(new_holds, message.amount);
            let hash = message_hash_circuit(builder, message);
            let longer = inbox_append_circuit(builder, inbox, hash, is_refund.target);
            inbox = builder.select_digest(is_used, longer, inbox);
        }
        // Before anything is sent, the till holds an amount: a sum of 3, which cannot wrap.
        enforce_amount(builder, new_holds);

        for &PaySlot { destination, recipient, amount, deadline } in &pays {
            // The message is one that exists natively.
            builder.enforce_range(destination, ID_BITS);
            builder.enforce_range(deadline, DEADLINE_BITS);
            enforce_amount(builder, amount);
            let is_unused = builder.is_equal(amount, zero);
            let is_used = builder.not(is_unused);
            // It is sent in the till's name, takes an amount away, and joins the outbox.
            let message = MessageFields {
                chain_id,
                source: environment,
                destination,
                sequence: new_sent,
                sender: name,
                recipient,
                asset,
                amount,
                deadline,
                data: Digest([zero; 4]),
            };
            new_sent = builder.add(new_sent, is_used.target);
            new_holds = builder.sub(new_holds, amount);
            let hash = message_hash_circuit(builder, &message);
            let longer = outbox_append_circuit(builder, outbox, hash);
            outbox = builder.select_digest(is_used, longer, outbox);
        }
        // The till had what was sent: if not, the difference is negative and no amount.
        enforce_amount(builder, new_holds);
        // Numbers of messages do not repeat.
        builder.enforce_range(new_sent, SENT_BITS);

        let new_height = builder.add_const(height, F::ONE);
        let before = [chain_id, environment, height, holds, sent];
        let after = [chain_id, environment, new_height, new_holds, new_sent];
        let taken = takes.iter().map(|take| take.message.amount);
        let amounts: Vec<_> = taken.chain(pays.iter().map(|pay| pay.amount)).collect();
        let statement = OneBlock {
            environment,
            height: new_height,
            previous_state: commitment_circuit(builder, before),
            new_state: commitment_circuit(builder, after),
            outbox,
            inbox,
            body: hash_circuit(builder, BODY, &amounts),
            secret,
        }
        .statement_circuit(builder);
        (statement, TillTargets { chain_id, environment, height, holds, sent, takes, pays, secret })
    }

    fn assign(
        &self,
        targets: &TillTargets,
        input: &TillInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set_target(witness, targets.chain_id, input.chain_id)?;
        set_target(witness, targets.environment, input.environment)?;
        set_target(witness, targets.height, input.height)?;
        set_target(witness, targets.holds, input.holds)?;
        set_target(witness, targets.sent, input.sent)?;
        for (target, slot) in targets.takes.iter().zip(&input.takes) {
            set(witness, target, slot)?;
        }
        for (target, slot) in targets.pays.iter().zip(&input.pays) {
            set(witness, target, slot)?;
        }
        set(witness, &targets.secret, &input.secret.expose())
    }
}
