//! A superblock that a stranger settled, read from the contract's events.
//!
//! Such a superblock has one block, which is of environment 0. What that block does follows from the state before, the contract's
//! queue, and the indices of the messages that it consumes, which the contract tells:
//!
//! ```text
//! state before, queue length --events of the queue--> deposits --+
//! indices consumed --messages of the state before----------------+--> block, payouts --statement digest--> superblock
//! ```
//! So nobody has to publish anything. What is made here is the superblock only if its statement has the digest that the contract keeps.

use alloy_primitives::{B256, U256};
use alloy_sol_types::SolEvent as _;
use batcher_circuits::state::SuperblockState;
use batcher_job::{l1::l1_state, payouts::packed};
use batcher_verify::bundle::{BlockEntry, Published, SuperblockBundle};
use bridge_core::Consumption;
use circuits_core::{F, digest::DigestError, stored::ReadFailure};
use circuits_protocol::{
    registry::EnvironmentId,
    statement::{L1Body, SuperblockStatement},
};
use environments_l1::Bytes32;
use plonky2::field::types::Field as _;
use thiserror::Error;

use crate::{
    abi::Settlement::MessagesConsumed,
    blob_source::Settlement,
    contract::Contract,
    history::decode,
    job::Finality,
    l1::{L1Error, begins_with},
    watch::{QueueReader, WatchError},
};

/// Why a superblock cannot be read from the contract's events.
#[derive(Debug, Error)]
pub enum LoneBlockError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    Queue(#[from] WatchError),
    /// A batcher settled it, or the node leaves an event out.
    #[error("the node tells no event of transaction {0} by which a stranger settles")]
    NoStranger(B256),
    /// It consumes what the state does not have.
    #[error("the contract says that message {0} is consumed, which the state does not have")]
    NoMessage(u32),
    /// The state's messages cannot be read.
    #[error("the state's messages cannot be read: {0}")]
    Unreadable(#[from] ReadFailure),
    /// The queue is shorter than what the superblock took of it.
    #[error("the superblock takes deposits {from} to {to}, the node tells of {found}")]
    Deposits { from: u64, to: u64, found: usize },
    /// The contract's event has what is no digest.
    #[error("the event's {field} is no digest: {source}")]
    NoDigest { field: &'static str, source: DigestError },
    /// Environment 0 makes no such block.
    #[error("the block of environment 0: {0}")]
    Block(#[from] environments_l1::L1Error),
}

/// The superblock after `state`, without key and proof, from the events of the transaction that settled it. Whether it is what L1
/// settled is still to be checked.
///
/// # Errors
/// [`LoneBlockError`]
pub(crate) fn superblock_of_events(
    contract: &Contract<'_>,
    finality: Finality,
    state: &SuperblockState,
    settlement: &Settlement,
) -> Result<SuperblockBundle, LoneBlockError> {
    let &Settlement { number, transaction, stated, .. } = settlement;
    let events = contract.l1.events_of(contract.address, transaction)?.unwrap_or_default();
    let topics = [MessagesConsumed::SIGNATURE_HASH, U256::from(number).into()].map(Some);
    let consumed = events.iter().find(|event| begins_with(&event.topics, &topics));
    let consumed = consumed.ok_or(LoneBlockError::NoStranger(transaction))?;
    let MessagesConsumed { indices, .. } = decode(consumed)?;

    let before = l1_state(state);
    let (from, to) = (u64::from(before.queue.length), u64::from(stated.queue_length));
    let queue = QueueReader::default().read(contract, finality)?.deposits;
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    let deposits = range.and_then(|(from, to)| queue.get(from..to));
    let deposits = deposits.ok_or(LoneBlockError::Deposits { from, to, found: queue.len() })?;
    let consume = |&index: &u32| {
        let record = state.bridge.record(index.into()).ok_or(LoneBlockError::NoMessage(index))?;
        let is_claim = record.message.destination == EnvironmentId::L1;
        let consumption = if is_claim { Consumption::Claim } else { Consumption::Refund };
        Ok((record.message, consumption))
    };
    let consumed = indices.iter().map(consume).collect::<Result<Vec<_>, LoneBlockError>>();
    state.check_reads()?;
    let consumed = consumed?;
    let block = before.block(number, deposits, &consumed)?;

    let (of_block, outcome) = (*block.statement(), &block.witness().outcome);
    let entry = BlockEntry {
        environment: EnvironmentId::L1.get(),
        // The block has one more than the last height of environment 0, which is a superblock's number.
        first_height: before.height.saturating_add(1),
        last_height: number,
        new_state: of_block.new_state,
        body: of_block.body,
        outbox: of_block.outbox,
        inbox: of_block.inbox,
    };
    let digest = |field, value: B256| {
        Bytes32(value.0).to_digest().map_err(|source| LoneBlockError::NoDigest { field, source })
    };
    let statement = SuperblockStatement {
        chain_id: F::from_canonical_u64(state.chain_id),
        number: F::from_canonical_u32(number),
        previous_state: state.commitment(),
        new_state: digest("new state", stated.new_state)?,
        registry_root: digest("registry root", stated.registry_root)?,
        body_chain: digest("body chain", stated.body_chain)?,
        block_count: F::ONE,
        has_l1_block: F::ONE,
        l1_body: L1Body::from(&outcome.l1()),
    };
    let messages = block.messages();
    let published = Published {
        blocks: vec![entry],
        messages: if messages.is_empty() { vec![] } else { vec![messages.clone()] },
        consumed: indices,
    };
    Ok(SuperblockBundle::unproved(&statement, published, packed(&outcome.payouts)))
}
