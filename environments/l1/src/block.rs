//! Blocks of environment 0: at most one in a superblock, and the last there.

use bridge_core::{Consumption, Message};
use circuits_core::{Digest, chain_id::ChainIdError};
use circuits_protocol::registry::{KernelEntry, RegistryEntry};
use environments_core::{block::ProposedBlock, kernel::ProducerSecret};

use crate::{
    body::{Body, Outcome},
    deposit::Deposit,
    error::L1Error,
    state::L1State,
};

/// The most deposits that a block takes from the queue.
pub const MAX_DEPOSITS: usize = 64;
/// The most messages that a block consumes.
pub const MAX_CONSUMED: usize = 96;

/// The secret of environment 0's producer, which is none: whoever makes a superblock makes this block. Its kernel lets nobody
/// choose what is taken from the queue or paid, and the block's data is in the superblock's, so nobody can freeze L1 by
/// keeping it.
pub const PRODUCER_SECRET: ProducerSecret = ProducerSecret::new(Digest::ZERO);

/// The first superblock.
const FIRST_SUPERBLOCK: u32 = 1;

/// What the kernel's prover must know of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1Witness {
    /// What is published.
    pub body: Body,
    /// What the block does.
    pub outcome: Outcome,
}

/// A block that was executed and is not proved.
pub type L1Block = ProposedBlock<L1Witness>;

impl L1State {
    /// The block of superblock `number`: it consumes the messages, then takes the next deposits of the queue. Whether messages
    /// are pending and deadlines are kept, the bridge decides.
    ///
    /// # Errors
    /// One variant of [`L1Error`] per rule.
    pub fn block(
        &self,
        number: u32,
        deposits: &[Deposit],
        consumed: &[(Message, Consumption)],
    ) -> Result<L1Block, L1Error> {
        let body = Body { before: *self, number, consumed: consumed.to_vec(), deposits: deposits.to_vec() };
        let outcome = body.outcome()?;
        let (statement, bytes) = (body.statement(&outcome), body.encode()?);
        let messages = outcome.messages.clone();
        Ok(ProposedBlock::new(statement, messages, bytes, L1Witness { body, outcome })?)
    }

    /// Moves the state to the one after `block`.
    ///
    /// # Errors
    /// [`L1Error::OtherState`] if the block continues another state.
    pub fn apply(&mut self, block: &L1Block) -> Result<(), L1Error> {
        let L1Witness { body, outcome } = block.witness();
        if body.before != *self {
            let (expected, found) = (body.before.commitment(), self.commitment());
            return Err(L1Error::OtherState { expected, found });
        }
        *self = outcome.after;
        Ok(())
    }
}

/// What a registry says of environment 0: its state before any block, the producer that everybody is, and these kernels, by the
/// digests of their wraps' keys, without an end.
///
/// # Errors
/// [`ChainIdError`]
pub fn registry_entry(chain_id: u64, key_digests: &[Digest]) -> Result<RegistryEntry, ChainIdError> {
    let kernel = |&key| KernelEntry { key, valid_from: FIRST_SUPERBLOCK, valid_until: u32::MAX };
    let kernels = key_digests.iter().map(kernel).collect();
    Ok(RegistryEntry::new(L1State::genesis(chain_id)?.commitment(), PRODUCER_SECRET.producer(), kernels))
}
