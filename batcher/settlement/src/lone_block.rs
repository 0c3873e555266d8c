//! A superblock that a stranger settled, read from the call that settled it.
//!
//! Such a superblock has one block, which is of environment 0. What that block does follows from the state before, the contract's
//! queue, and the indices of the messages that it consumes, which are in the call:
//!
//! ```text
//! state before, queue length --events of the queue--> deposits --+
//! indices of the call --messages of the state before-------------+--> block, payouts --statement digest--> superblock
//! ```
//! So nobody has to publish anything. What is made here is the superblock only if its statement has the digest that the contract keeps.

use alloy_primitives::B256;
use alloy_sol_types::SolCall as _;
use batcher_circuits::state::SuperblockState;
use batcher_job::{l1::l1_state, payouts::packed};
use batcher_verify::bundle::{BlockEntry, Published, SuperblockBundle};
use bridge_core::Consumption;
use circuits_core::{F, digest::DigestError};
use circuits_protocol::{
    registry::EnvironmentId,
    statement::{L1Body, SuperblockStatement},
};
use environments_l1::Bytes32;
use plonky2::field::types::Field as _;
use thiserror::Error;

use crate::{
    abi::Settlement::settleStalledCall,
    blob_source::Settlement,
    contract::Contract,
    job::Finality,
    l1::{L1Error, Transaction},
    watch::{QueueReader, WatchError},
};

/// Why a superblock cannot be read from the call that settled it.
#[derive(Debug, Error)]
pub enum CallError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    Queue(#[from] WatchError),
    /// A batcher settled it, or somebody through another contract.
    #[error("transaction {0} is no call by which a stranger settles in the contract itself")]
    OtherCall(B256),
    /// It consumes what the state does not have.
    #[error("the call consumes message {0}, which the state does not have")]
    NoMessage(u32),
    /// The queue is shorter than what the superblock took of it.
    #[error("the superblock takes deposits {from} to {to}, the node tells of {found}")]
    Deposits { from: u64, to: u64, found: usize },
    /// The call has what is no digest.
    #[error("the call's {field} is no digest: {source}")]
    NoDigest { field: &'static str, source: DigestError },
    /// Environment 0 makes no such block.
    #[error("the block of environment 0: {0}")]
    Block(#[from] environments_l1::L1Error),
}

/// The superblock after `state`, without key and proof, from the call that settled it. Whether it is what L1 settled is still to be
/// checked.
///
/// # Errors
/// [`CallError`]
pub(crate) fn superblock_of_call(
    contract: &Contract<'_>,
    finality: Finality,
    state: &SuperblockState,
    settlement: &Settlement,
) -> Result<SuperblockBundle, CallError> {
    let other = || CallError::OtherCall(settlement.transaction);
    let transaction = contract.l1.transaction(settlement.transaction)?.ok_or_else(other)?;
    let Transaction { to, input } = transaction;
    let call = settleStalledCall::abi_decode(&input).ok().filter(|_| to == Some(contract.address));
    let settleStalledCall { statement: stated, indices, .. } = call.ok_or_else(other)?;

    let before = l1_state(state);
    let (from, to) = (u64::from(before.queue.length), stated.l1Body.queueLength);
    let queue = QueueReader::default().read(contract, finality)?.deposits;
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    let deposits = range.and_then(|(from, to)| queue.get(from..to));
    let deposits = deposits.ok_or(CallError::Deposits { from, to, found: queue.len() })?;
    let consume = |&index: &u32| {
        let record = state.bridge.record(index.into()).ok_or(CallError::NoMessage(index))?;
        let is_claim = record.message.destination == EnvironmentId::L1;
        let consumption = if is_claim { Consumption::Claim } else { Consumption::Refund };
        Ok((record.message, consumption))
    };
    let consumed: Vec<_> = indices.iter().map(consume).collect::<Result<_, CallError>>()?;
    let number = settlement.number;
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
        Bytes32(value.0).to_digest().map_err(|source| CallError::NoDigest { field, source })
    };
    let statement = SuperblockStatement {
        chain_id: F::from_canonical_u64(state.chain_id),
        number: F::from_canonical_u32(number),
        previous_state: state.commitment(),
        new_state: digest("new state", stated.newState)?,
        registry_root: digest("registry root", stated.registryRoot)?,
        body_chain: digest("body chain", stated.bodyChain)?,
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
