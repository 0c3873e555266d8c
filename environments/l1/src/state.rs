//! State 0: what of L1 is taken in.

use circuits_core::{
    Builder, Digest, DigestTarget, F,
    chain_id::{ChainIdError, check_chain_id},
    hash::{Domain, hash, hash_circuit},
    layout::Layout,
};
use circuits_protocol::l1::QueuePosition;
use circuits_tables::keccak::DIGEST_WORDS;
use environments_core::environment::EnvironmentId;
use plonky2::{field::types::Field, iop::target::Target};
use serde::{Deserialize, Serialize};

use crate::bytes32::word_fields;

/// Domain of state commitments.
const STATE: Domain = Domain::new("l1state");

/// The state of environment 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1State {
    /// The deployment.
    pub chain_id: u64,
    /// The superblock of the last block; 0 is genesis.
    pub height: u32,
    /// The deposits taken from the queue.
    pub queue: QueuePosition,
    /// How many payouts there were, which is the index of the next one.
    pub payouts: u32,
}

circuits_core::layout! {
    /// What the commitment of a state covers, beside the environment's id.
    pub struct StateFields<T> {
        pub chain_id: T,
        /// The superblock of the last block.
        pub height: T,
        /// The running digest of the deposits taken.
        pub queue_digest: [T; DIGEST_WORDS],
        pub queue_length: T,
        /// How many payouts there were.
        pub payouts: T,
    }
}

impl L1State {
    /// The state before any block.
    ///
    /// # Errors
    /// [`ChainIdError`]
    pub fn genesis(chain_id: u64) -> Result<Self, ChainIdError> {
        check_chain_id(chain_id)?;
        Ok(Self { chain_id, height: 0, queue: QueuePosition::default(), payouts: 0 })
    }

    /// What the commitment covers.
    #[must_use]
    pub fn fields(&self) -> StateFields {
        let &Self { chain_id, height, queue, payouts } = self;
        StateFields {
            chain_id: F::from_noncanonical_u64(chain_id),
            height: F::from_canonical_u32(height),
            queue_digest: word_fields(queue.digest),
            queue_length: F::from_canonical_u32(queue.length),
            payouts: F::from_canonical_u32(payouts),
        }
    }

    /// The commitment that block statements carry.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        state_commitment(&self.fields())
    }
}

/// `H(STATE, environment 0, fields)`.
#[must_use]
pub fn state_commitment(fields: &StateFields) -> Digest {
    hash(STATE, &[&[EnvironmentId::L1.to_field()][..], &fields.encode()].concat())
}

/// In-circuit twin of [`state_commitment`]. Two rows.
pub fn state_commitment_circuit(builder: &mut Builder, fields: &StateFields<Target>) -> DigestTarget {
    let environment = builder.zero();
    hash_circuit(builder, STATE, &[&[environment][..], &fields.encode()].concat())
}
