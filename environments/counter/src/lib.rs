#![doc = include_str!("../README.md")]

use std::{collections::BTreeMap, error::Error, fmt};

use environments_core::{
    BlockProducer, DynEnvironment,
    block::{BlockError, ProposedBlock},
    deps::{
        bridge_core::BlockMessages,
        circuits_core::{
            Builder, Definition, Digest, DigestTarget, F, Witness,
            amount::{Amount, AmountError, enforce_amount},
            circuit::named,
            constrain::DigestOps,
            hash::{Domain, hash, hash_circuit},
            layout::{WitnessError, set, set_target},
        },
        circuits_keys::CircuitCache,
        circuits_protocol::statement::{BlockStatement, empty_list},
        circuits_prover::basetypes::standard_config,
        plonky2::{
            field::types::{Field, PrimeField64},
            iop::target::Target,
            plonk::circuit_data::CircuitConfig,
        },
        serde::{Deserialize, Serialize},
    },
    environment::{Environment, EnvironmentId, EnvironmentIdError, Proposal, ProveError},
    genesis::{ChainIdError, check_chain_id},
    graph::BlockGraph,
    kernel::{AnyKernel, Kernel, OneBlock, ProducerSecret},
    kind::{Kind, KindError, SettledEnvironment, Start},
    walk::{Walk, WalkError},
};

/// Additions that fit into one block.
pub const ADDS: usize = 8;
/// Bytes of a block's body: each addition as 8 little-endian bytes.
pub const BODY_BYTES: usize = 8 * ADDS;
/// Domain of state commitments.
pub const COUNTER: Domain = Domain::new("counter");
/// Domain of bodies.
pub const BODY: Domain = Domain::new("cnt-bod");

/// One counter.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    chain_id: u64,
    id: EnvironmentId,
    secret: ProducerSecret,
    start: Amount,
}

/// A counter's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterState {
    /// Height of the last block.
    pub height: u32,
    /// The count.
    pub value: Amount,
}

environments_core::stored_state!(CounterState { values: [height, value] });

/// A transaction: `{"add": 5}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "environments_core::deps::serde", deny_unknown_fields)]
pub struct Add {
    /// The amount to add; not 0.
    pub add: Amount,
}

/// A block as the kernel's prover needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterBlock {
    /// The state before.
    pub before: CounterState,
    /// The additions; 0 in a slot that is not used.
    pub adds: [Amount; ADDS],
}

/// Why a counter refuses something. thiserror's derive would need a dependency of its own, so the implementations are
/// written by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CounterError {
    /// The chain id is not a field element.
    ChainId(ChainIdError),
    /// The id is L1's.
    Id(EnvironmentIdError),
    /// An addition is 0.
    Zero,
    /// The count would leave its range.
    Overflow {
        /// The count.
        value: Amount,
        /// The addition.
        add: Amount,
        /// The count that is too large.
        source: AmountError,
    },
    /// Heights are exhausted.
    LastHeight(u32),
    /// A body has another length.
    BodyLength {
        /// Bytes found.
        found: usize,
    },
    /// An addition in a body is out of range.
    BodyAdd {
        /// Its position.
        index: usize,
        /// The range.
        source: AmountError,
    },
    /// The block is malformed.
    Block(BlockError),
}

impl fmt::Display for CounterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChainId(error) => error.fmt(f),
            Self::Id(error) => error.fmt(f),
            Self::Zero => f.write_str("an addition of 0 does nothing"),
            Self::Overflow { value, add, .. } => {
                write!(f, "the counter at {value} cannot take an addition of {add}")
            }
            Self::LastHeight(height) => write!(f, "height {height} is the last one"),
            Self::BodyLength { found } => {
                write!(f, "a counter's body has {BODY_BYTES} bytes, found {found}")
            }
            Self::BodyAdd { index, .. } => write!(f, "addition {index} of the body is out of range"),
            Self::Block(error) => error.fmt(f),
        }
    }
}

impl Error for CounterError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Overflow { source, .. } | Self::BodyAdd { source, .. } => Some(source),
            // This error shows their texts, so their sources are its own.
            Self::ChainId(error) => error.source(),
            Self::Id(error) => error.source(),
            Self::Block(error) => error.source(),
            Self::Zero | Self::LastHeight(_) | Self::BodyLength { .. } => None,
        }
    }
}

impl From<BlockError> for CounterError {
    fn from(error: BlockError) -> Self {
        Self::Block(error)
    }
}

impl Counter {
    /// The counter `id` of the deployment `chain_id`, which starts at `start` and whose blocks `secret` proves.
    ///
    /// # Errors
    /// - [`CounterError::ChainId`]: `chain_id` is not below the field's order.
    /// - [`CounterError::Id`]: `id` is L1's.
    pub fn new(
        chain_id: u64,
        id: EnvironmentId,
        secret: ProducerSecret,
        start: Amount,
    ) -> Result<Self, CounterError> {
        check_chain_id(chain_id).map_err(CounterError::ChainId)?;
        let id = EnvironmentId::new(id.get()).map_err(CounterError::Id)?;
        Ok(Self { chain_id, id, secret, start })
    }

    /// The kernel's input for a block of this counter.
    #[must_use]
    pub fn kernel_input(&self, block: &CounterBlock) -> CounterInput {
        CounterInput {
            chain_id: F::from_canonical_u64(self.chain_id),
            environment: self.id.to_field(),
            height: F::from_canonical_u32(block.before.height),
            value: block.before.value.to_field(),
            adds: block.adds.map(Amount::to_field),
            secret: self.secret,
        }
    }
}

impl CounterState {
    /// Adds to the count.
    ///
    /// # Errors
    /// [`CounterError::Overflow`]; the state is then unchanged.
    fn add(&mut self, add: Amount) -> Result<(), CounterError> {
        let value = self.value;
        self.value =
            value.checked_add(add).map_err(|source| CounterError::Overflow { value, add, source })?;
        Ok(())
    }

    /// Ends the block.
    ///
    /// # Errors
    /// [`CounterError::LastHeight`]
    fn close(&mut self) -> Result<(), CounterError> {
        self.height = self.height.checked_add(1).ok_or(CounterError::LastHeight(self.height))?;
        Ok(())
    }
}

/// The additions that a body publishes.
fn read_body(body: &[u8]) -> Result<[Amount; ADDS], CounterError> {
    if body.len() != BODY_BYTES {
        return Err(CounterError::BodyLength { found: body.len() });
    }
    let mut adds = [Amount::ZERO; ADDS];
    for (index, (add, chunk)) in adds.iter_mut().zip(body.chunks_exact(8)).enumerate() {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        *add = Amount::new(u64::from_le_bytes(word))
            .map_err(|source| CounterError::BodyAdd { index, source })?;
    }
    Ok(adds)
}

/// The digest of a body: `H(BODY, additions)`.
fn digest_of(body: &[u8]) -> Result<Digest, CounterError> {
    Ok(hash(BODY, &read_body(body)?.map(Amount::to_field)))
}

/// The kernel of all counters.
pub const KERNEL: Kernel<CounterKernel> = Kernel { definition: CounterKernel };

impl Environment for Counter {
    const KIND: &'static str = "counter";

    type State = CounterState;
    type Transaction = Add;
    type BlockWitness = CounterBlock;
    type Error = CounterError;

    fn id(&self) -> EnvironmentId {
        self.id
    }

    fn chain_id(&self) -> u64 {
        self.chain_id
    }

    fn producer(&self) -> Digest {
        self.secret.commitment()
    }

    fn genesis(&self) -> CounterState {
        CounterState { height: 0, value: self.start }
    }

    fn height(&self, state: &CounterState) -> u32 {
        state.height
    }

    fn commitment(&self, state: &CounterState) -> Digest {
        let chain_id = F::from_canonical_u64(self.chain_id);
        let height = F::from_canonical_u32(state.height);
        commitment(chain_id, self.id.to_field(), height, state.value.to_field())
    }

    fn execute(&self, state: &mut CounterState, transaction: &Add) -> Result<(), CounterError> {
        if transaction.add == Amount::ZERO {
            return Err(CounterError::Zero);
        }
        state.add(transaction.add)
    }

    fn propose(&self, before: &CounterState, transactions: &[&Add]) -> Result<Proposal<Self>, CounterError> {
        let mut block = CounterBlock { before: *before, adds: [Amount::ZERO; ADDS] };
        let (mut state, mut included, mut rejected) = (*before, vec![], vec![]);
        state.close()?;
        for (index, transaction) in transactions.iter().enumerate() {
            if included.len() == ADDS {
                break;
            }
            match self.execute(&mut state, transaction) {
                Ok(()) => {
                    block.adds[included.len()] = transaction.add;
                    included.push(index);
                }
                Err(reason) => rejected.push((index, reason)),
            }
        }
        let statement = self.kernel_input(&block).statement();
        let body = block.adds.iter().flat_map(|add| add.get().to_le_bytes()).collect();
        let block = ProposedBlock::new(statement, BlockMessages::none(self.id), body, block)?;
        Ok(Proposal { block, state, included, rejected })
    }

    fn apply_body(&self, state: &CounterState, body: &[u8]) -> Result<CounterState, CounterError> {
        let mut after = *state;
        for add in read_body(body)? {
            after.add(add)?;
        }
        after.close()?;
        Ok(after)
    }

    fn body_digest(&self, body: &[u8]) -> Result<Digest, CounterError> {
        digest_of(body)
    }

    fn kernels(&self, _: &CircuitCache) -> Result<Vec<Box<dyn AnyKernel>>, ProveError> {
        Ok(vec![Box::new(KERNEL)])
    }

    fn graph<'a>(
        &'a self,
        cache: &'a CircuitCache,
        block: &'a ProposedBlock<CounterBlock>,
    ) -> Result<BlockGraph<'a>, ProveError> {
        Ok(KERNEL.graph(cache, block, self.kernel_input(block.witness()))?)
    }
}

/// `H(COUNTER, chain_id, environment, height, value)`.
fn commitment(chain_id: F, environment: F, height: F, value: F) -> Digest {
    hash(COUNTER, &[chain_id, environment, height, value])
}

/// In-circuit twin of [`commitment`].
fn commitment_circuit(
    builder: &mut Builder,
    chain_id: Target,
    environment: Target,
    height: Target,
    value: Target,
) -> DigestTarget {
    hash_circuit(builder, COUNTER, &[chain_id, environment, height, value])
}

/// What the kernel's prover must know, as field elements, so that tests can use values that no honest block has.
#[derive(Clone, Copy, Debug)]
pub struct CounterInput {
    /// The deployment.
    pub chain_id: F,
    /// The environment.
    pub environment: F,
    /// The height before.
    pub height: F,
    /// The count before.
    pub value: F,
    /// The additions.
    pub adds: [F; ADDS],
    /// The producer's secret.
    pub secret: ProducerSecret,
}

/// A rule of the kernel that an input breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterRule {
    /// An addition is not below 2^58.
    Add {
        /// Its position.
        index: usize,
        /// The range.
        source: AmountError,
    },
    /// The new count is not below 2^58.
    Value(AmountError),
    /// The new height is not below 2^32.
    Height(u64),
}

impl fmt::Display for CounterRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add { index, .. } => write!(f, "addition {index} is out of range"),
            Self::Value(_) => f.write_str("the new count is out of range"),
            Self::Height(height) => write!(f, "new height {height} is not below 2^32"),
        }
    }
}

impl Error for CounterRule {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Add { source, .. } | Self::Value(source) => Some(source),
            Self::Height(_) => None,
        }
    }
}

impl CounterInput {
    /// The statement of a proof from this input, if there is one.
    #[must_use]
    pub fn statement(&self) -> BlockStatement {
        let &Self { chain_id, environment, height, value, adds, secret } = self;
        let new_height = height + F::ONE;
        let new_value = value + adds.into_iter().sum::<F>();
        OneBlock {
            environment,
            height: new_height,
            previous_state: commitment(chain_id, environment, height, value),
            new_state: commitment(chain_id, environment, new_height, new_value),
            outbox: empty_list(),
            inbox: empty_list(),
            body: hash(BODY, &adds),
            secret,
        }
        .statement()
    }

    /// Native twin of the kernel's constraints.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), CounterRule> {
        let height = (self.height + F::ONE).to_canonical_u64();
        u32::try_from(height).map_err(|_| CounterRule::Height(height))?;
        for (index, add) in self.adds.into_iter().enumerate() {
            Amount::new(add.to_canonical_u64()).map_err(|source| CounterRule::Add { index, source })?;
        }
        let value = self.value + self.adds.into_iter().sum::<F>();
        Amount::new(value.to_canonical_u64()).map_err(CounterRule::Value)?;
        Ok(())
    }
}

/// The kernel: one block of a counter.
#[derive(Clone, Copy, Debug)]
pub struct CounterKernel;

/// Targets of [`CounterKernel`].
pub struct CounterTargets {
    chain_id: Target,
    environment: Target,
    height: Target,
    value: Target,
    adds: [Target; ADDS],
    secret: DigestTarget,
}

impl Definition for CounterKernel {
    type Statement = BlockStatement<Target>;
    type NativeStatement = BlockStatement;
    type Targets = CounterTargets;
    type Input = CounterInput;

    fn name(&self) -> String {
        "counter-kernel".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        named([("additions", ADDS as u64)])
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let [chain_id, environment, height, value] = builder.add_virtual_target_arr();
        let adds = builder.add_virtual_target_arr::<ADDS>();
        let secret = builder.new_digest();

        // Each addition is an amount. The sum of all with the old count, which is an amount by induction from
        // genesis, stays below 2^62 and cannot wrap.
        let mut new_value = value;
        for add in adds {
            enforce_amount(builder, add);
            new_value = builder.add(new_value, add);
        }
        // The new count is an amount.
        enforce_amount(builder, new_value);

        let new_height = builder.add_const(height, F::ONE);
        let none = builder.constant_digest(empty_list());
        let statement = OneBlock {
            environment,
            height: new_height,
            previous_state: commitment_circuit(builder, chain_id, environment, height, value),
            new_state: commitment_circuit(builder, chain_id, environment, new_height, new_value),
            outbox: none,
            inbox: none,
            body: hash_circuit(builder, BODY, &adds),
            secret,
        }
        .statement_circuit(builder);
        (statement, CounterTargets { chain_id, environment, height, value, adds, secret })
    }

    fn assign(
        &self,
        targets: &CounterTargets,
        input: &CounterInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set_target(witness, targets.chain_id, input.chain_id)?;
        set_target(witness, targets.environment, input.environment)?;
        set_target(witness, targets.height, input.height)?;
        set_target(witness, targets.value, input.value)?;
        for (target, add) in targets.adds.into_iter().zip(input.adds) {
            set_target(witness, target, add)?;
        }
        set(witness, &targets.secret, &input.secret.expose())
    }
}

/// The counter as a kind, for programs that hold several.
#[derive(Clone, Copy, Debug)]
pub struct CounterKind;

/// The parameters of a genesis: `{"start": 100}`.
#[derive(Deserialize)]
#[serde(crate = "environments_core::deps::serde", deny_unknown_fields)]
struct Genesis {
    start: Amount,
}

impl Kind for CounterKind {
    fn name(&self) -> &'static str {
        Counter::KIND
    }

    fn start(&self, start: &Start<'_>) -> Result<Box<dyn DynEnvironment>, KindError> {
        let Genesis { start: value } = start.genesis()?;
        let counter =
            Counter::new(start.chain_id, start.id, start.secret, value).map_err(KindError::refused)?;
        Ok(Box::new(BlockProducer::new(counter)))
    }

    fn circuits(&self, walk: &mut Walk<'_>) -> Result<(), WalkError> {
        walk.kernel(&CounterKernel.name(), |_| Ok(CounterKernel))
    }

    fn body_digest(&self, _: &SettledEnvironment, body: &[u8]) -> Result<Digest, KindError> {
        digest_of(body).map_err(KindError::refused)
    }
}

#[cfg(test)]
mod tests;
