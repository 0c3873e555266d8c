//! Applies one block statement to the superblock's roots: the rules that every block meets, natively and in-circuit.

use batcher_verify::bundle::BlockEntry;
use bridge_core::lists::{
    append_block_messages, append_block_messages_circuit, block_messages, block_messages_circuit,
};
use circuits_core::{
    Builder, Digest, DigestTarget, F, Witness,
    constrain::{Constrain, DigestOps},
    hash::{chain, chain_circuit, hash_circuit},
    integer::{HEIGHT_BITS, enforce_less_or_equal},
    layout::{WitnessError, set_target},
    trees::{Path, PathTarget, index_bits},
};
use circuits_protocol::{
    registry::{
        ENVIRONMENT_BITS, EnvironmentId, Registry, RegistryError, RegistryMembership,
        RegistryMembershipTarget,
    },
    statement::{Accumulators, BODY_CHAIN, BODY_ELEMENT, BlockStatement, SuperblockRoots, empty_list},
};
use plonky2::{
    field::types::{Field, PrimeField64},
    iop::target::{BoolTarget, Target},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::state::{EnvironmentHead, SuperblockState, environment_head_circuit};

/// A block does not apply to a superblock state. One variant per rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// The environment's id does not have 16 bits.
    #[error("environment {0} is not an id of 16 bits")]
    EnvironmentId(u64),
    /// A height does not have 32 bits.
    #[error("height {0} is not an integer of 32 bits")]
    Height(u64),
    /// The registry does not allow the kernel or the producer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A block is missing before this one, or it was applied already.
    #[error("environment {environment}: block {expected} comes next, found block {found}")]
    NotNext { environment: EnvironmentId, expected: u64, found: u64 },
    /// The range of heights is empty.
    #[error("environment {environment}: there are no blocks from {first} to {last}")]
    EmptyRange { environment: EnvironmentId, first: u64, last: u64 },
    /// The block starts from another state than the environment is in.
    #[error("environment {environment}: the block starts from state {found}, but {expected} was reached")]
    PreviousState {
        environment: EnvironmentId,
        /// The state reached, or the registry's genesis.
        expected: Digest,
        found: Digest,
    },
    /// A block comes after the superblock's block of environment 0.
    #[error("environment {0}: the superblock has a block of environment 0 already, which is its last one")]
    AfterL1(EnvironmentId),
    /// The heights of environment 0 are superblock numbers.
    #[error("environment 0: the last height is {found}, not the superblock's number {number}")]
    L1Height { number: u32, found: u64 },
}

/// In-circuit twin of [`BlockEntry::element`].
pub fn body_element_circuit(builder: &mut Builder, block: &BlockStatement<Target>) -> DigestTarget {
    let mut input = vec![block.environment, block.first_height, block.last_height];
    for digest in [block.new_state, block.body, block.outbox, block.inbox] {
        input.extend(digest.0);
    }
    hash_circuit(builder, BODY_ELEMENT, &input)
}

/// How a block applies: its entry in the superblock's list of blocks, and what a circuit needs besides the block's
/// statement to apply it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedBlock {
    pub entry: BlockEntry,
    /// Proof that the registry allows the kernel and the producer.
    pub registry: RegistryMembership,
    /// Path of the environment's head.
    pub head_path: Path,
    /// Whether the environment had no head, because this is its first block.
    pub is_first: bool,
}

/// Applies `block`, proved under `key`, to `state` and `accumulators` in superblock `number`. Neither
/// is changed on error.
///
/// # Errors
/// [`ApplyError`], one variant per rule.
pub fn apply_block(
    state: &mut SuperblockState,
    accumulators: &mut Accumulators,
    registry: &Registry,
    number: u32,
    key: Digest,
    block: &BlockStatement,
) -> Result<AppliedBlock, ApplyError> {
    let integer = |element: F| element.to_canonical_u64();
    let environment = u16::try_from(integer(block.environment))
        .map(EnvironmentId)
        .map_err(|_| ApplyError::EnvironmentId(integer(block.environment)))?;
    let (first, last) = (integer(block.first_height), integer(block.last_height));
    let height = u32::try_from(last).map_err(|_| ApplyError::Height(last))?;

    let membership = registry.membership(environment, key, block.producer, number)?;
    let head = state.environments.get(environment);
    let (old_height, old_state) =
        head.map_or((0, membership.digests.genesis_state), |head| (head.height, head.state));
    let expected = u64::from(old_height) + 1;
    if first != expected {
        return Err(ApplyError::NotNext { environment, expected, found: first });
    }
    if last < first {
        return Err(ApplyError::EmptyRange { environment, first, last });
    }
    let first_height = u32::try_from(first).map_err(|_| ApplyError::Height(first))?;
    if block.previous_state != old_state {
        return Err(ApplyError::PreviousState {
            environment,
            expected: old_state,
            found: block.previous_state,
        });
    }
    if accumulators.l1_body != Digest::ZERO {
        return Err(ApplyError::AfterL1(environment));
    }
    if environment == EnvironmentId::L1 && height != number {
        return Err(ApplyError::L1Height { number, found: last });
    }

    let head_path = state.environments.path(environment);
    state.environments.insert(environment, EnvironmentHead { height, state: block.new_state });
    let entry = BlockEntry {
        environment: environment.0,
        first_height,
        last_height: height,
        new_state: block.new_state,
        body: block.body,
        outbox: block.outbox,
        inbox: block.inbox,
    };
    accumulators.body_chain = chain(BODY_CHAIN, accumulators.body_chain, entry.element());
    accumulators.block_count += F::ONE;
    if environment == EnvironmentId::L1 {
        accumulators.l1_body = block.body;
    }
    if block.outbox != empty_list() || block.inbox != empty_list() {
        let element = block_messages(block.environment, block.outbox, block.inbox);
        accumulators.block_messages = append_block_messages(accumulators.block_messages, element);
    }
    Ok(AppliedBlock { entry, registry: membership, head_path, is_first: head.is_none() })
}

/// In-circuit twin of [`AppliedBlock`].
#[derive(Clone, Debug)]
pub struct AppliedBlockTarget {
    registry: RegistryMembershipTarget,
    head_path: PathTarget,
    is_first: BoolTarget,
}

impl AppliedBlockTarget {
    /// Fresh targets.
    pub fn new_virtual(builder: &mut Builder) -> Self {
        Self {
            registry: RegistryMembershipTarget::new_virtual(builder),
            head_path: PathTarget::new_virtual(builder, ENVIRONMENT_BITS),
            is_first: builder.new_bool(),
        }
    }

    /// Assigns the witness of one block.
    ///
    /// # Errors
    /// If a target already has another value.
    pub fn set_targets(&self, witness: &mut Witness, value: &AppliedBlock) -> Result<(), WitnessError> {
        self.registry.set_targets(witness, &value.registry)?;
        self.head_path.set_targets(witness, &value.head_path)?;
        set_target(witness, self.is_first.target, F::from_bool(value.is_first))
    }

    /// In-circuit twin of [`apply_block`]: enforces every rule and moves `roots` and `accumulators` forward.
    ///
    /// | `is_first` | old leaf | previous state | first height |
    /// |---|---|---|---|
    /// | 1 | empty | the registry's genesis | 1 |
    /// | 0 | head (first height - 1, previous state) | in the old leaf | in the old leaf |
    #[expect(
        clippy::too_many_arguments,
        reason = "the same parts as the native twin, roots and accumulators apart"
    )]
    pub fn apply(
        &self,
        builder: &mut Builder,
        registry_root: DigestTarget,
        number: Target,
        key: DigestTarget,
        block: &BlockStatement<Target>,
        roots: &mut SuperblockRoots<Target>,
        accumulators: &mut Accumulators<Target>,
    ) {
        // The environment's id has 16 bits: the index in both trees.
        let environment_bits = index_bits(builder, block.environment, ENVIRONMENT_BITS);

        // The registry allows the kernel and the producer for this environment in this superblock.
        self.registry.verify(
            builder,
            registry_root,
            block.environment,
            &environment_bits,
            key,
            block.producer,
            number,
        );

        // first = old height + 1 and last >= first. The old height has 32 bits: it is 0, or this circuit wrote
        // it as the last height of a head.
        let (zero, one) = (builder.zero(), builder.one());
        let old_height = builder.sub(block.first_height, one);
        builder.enforce_range(block.last_height, HEIGHT_BITS);
        enforce_less_or_equal(builder, block.first_height, block.last_height, HEIGHT_BITS);

        // An environment without a head starts at its genesis with height 1.
        builder.enforce_digest_equal_if(self.is_first, block.previous_state, self.registry.genesis_state());
        builder.enforce_equal_if(self.is_first, old_height, zero);

        // The old leaf is empty or the head that the block continues.
        let old_head = environment_head_circuit(builder, block.environment, old_height, block.previous_state);
        let empty = builder.constant_digest(Digest::ZERO);
        let old_leaf = builder.select_digest(self.is_first, empty, old_head);
        let old_root = self.head_path.root_circuit(builder, &environment_bits, old_leaf);
        builder.enforce_digest_equal(old_root, roots.environments_root);

        // The new leaf is the head that the block reached.
        let new_head =
            environment_head_circuit(builder, block.environment, block.last_height, block.new_state);
        roots.environments_root = self.head_path.root_circuit(builder, &environment_bits, new_head);

        // No block comes after one of environment 0, whose kernel takes its last height for the superblock's number.
        let none = builder.constant_digest(Digest::ZERO);
        builder.enforce_digest_equal(accumulators.l1_body, none);
        let is_l1 = builder.is_equal(block.environment, zero);
        builder.enforce_equal_if(is_l1, block.last_height, number);
        accumulators.l1_body = Digest(block.body.0.map(|element| builder.mul(is_l1.target, element)));

        // A block that emits or consumes joins the blocks whose messages the superblock must move.
        let none = builder.constant_digest(empty_list());
        let silent = [block.outbox, block.inbox].map(|list| builder.digests_equal(list, none));
        let silent = builder.and(silent[0], silent[1]);
        let element = block_messages_circuit(builder, block.environment, block.outbox, block.inbox);
        let before = accumulators.block_messages;
        let joined = append_block_messages_circuit(builder, before, element);
        accumulators.block_messages = builder.select_digest(silent, before, joined);

        // The block joins the body chain.
        let element = body_element_circuit(builder, block);
        accumulators.body_chain = chain_circuit(builder, BODY_CHAIN, accumulators.body_chain, element);
        accumulators.block_count = builder.add(accumulators.block_count, one);
    }
}
