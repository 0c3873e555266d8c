//! Messages that a block takes in: each becomes a note that pays its beneficiary.
//!
//! ```text
//! slot    0    1    2    3  |  4    5    6    7        in the order of the inbox, from slot 0 on without a gap
//!         └── subtree ──────┘  └── subtree ──────┘     of the note tree, before the block's transactions;
//!                                                      left out if its first slot is empty
//! ```
//! The kernel states that a message was consumed, and whether as a claim or as a refund. The bridge proves that it
//! exists, is pending, is addressed to this environment and comes in time.

use bridge_core::{
    Consumption, Message,
    message::{MessageFields, inbox_append_circuit, message_hash_circuit},
};
use circuits_core::{
    Builder, Digest, DigestTarget, F, Witness,
    constrain::{Constrain, DigestOps},
    hash::{Domain, hash, hash_circuit},
    layout::{self, WitnessError, set},
    trees::{Path, PathTarget, append_subtree_circuit},
};
use circuits_protocol::statement::empty_list;
use environments_core::environment::EnvironmentId;
use plonky2::{
    field::types::{Field, PrimeField64},
    iop::target::{BoolTarget, Target},
};
use serde::Serialize;
use thiserror::Error;

use crate::{
    config::Deployment,
    note::{Note, Script, unsent_note_circuit},
    state::{OUTPUTS_HEIGHT, TREE_DEPTH},
};

#[cfg(test)]
mod tests;

/// Domain of the serials of the notes that messages become.
pub const ARRIVAL: Domain = Domain::new("arrival");
/// Messages that one subtree of the note tree takes.
const SUBTREE: usize = 1 << OUTPUTS_HEIGHT;
/// Subtrees that a block's messages take, at most.
pub const SUBTREES: usize = 2;
/// Messages that a block takes in, at most.
pub const MAX_ARRIVALS: usize = SUBTREE * SUBTREES;
/// At least one element of an account's id has more bits than this: an id is a hash, so the opposite never happens in
/// practice. Shorter names belong to other environments, or to no account.
const SHORT_NAME_BITS: usize = 48;

/// A message, and whether it is claimed or refunded here. Made by [`Environment::consume`](environments_core::Environment::consume) only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arrival {
    message: Message,
    consumption: Consumption,
}

/// Why a message cannot be taken in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArrivalError {
    /// The message belongs to another deployment.
    #[error("the message belongs to chain {found}, but this is chain {expected}")]
    OtherChain {
        /// This chain.
        expected: u64,
        /// The message's.
        found: u64,
    },
    /// Another environment may claim the message.
    #[error("the message is for environment {destination}, but this is environment {here}")]
    NotForUs {
        /// This environment.
        here: EnvironmentId,
        /// The message's destination.
        destination: EnvironmentId,
    },
    /// Another environment may take the message back.
    #[error("the message is from environment {origin}, but this is environment {here}")]
    NotFromUs {
        /// This environment.
        here: EnvironmentId,
        /// The message's source.
        origin: EnvironmentId,
    },
    /// The beneficiary cannot be the id of an account.
    #[error("{0} is not the id of an account")]
    NoAccount(Digest),
}

impl Arrival {
    /// The arrival of `message` in the environment of `deployment`. The account paid need not exist yet, as for
    /// any note.
    ///
    /// # Errors
    /// [`ArrivalError`]
    pub(super) fn new(
        deployment: &Deployment,
        message: &Message,
        consumption: Consumption,
    ) -> Result<Self, ArrivalError> {
        let (expected, here) = (deployment.chain_id, deployment.environment);
        let Message { chain_id, source, destination, .. } = *message;
        if chain_id != expected {
            return Err(ArrivalError::OtherChain { expected, found: chain_id });
        }
        match consumption {
            Consumption::Claim if destination != here => {
                return Err(ArrivalError::NotForUs { here, destination });
            }
            Consumption::Refund if source != here => {
                return Err(ArrivalError::NotFromUs { here, origin: source });
            }
            Consumption::Claim | Consumption::Refund => {}
        }
        let account = message.beneficiary(consumption);
        if account.0.iter().all(|element| element.to_canonical_u64() >> SHORT_NAME_BITS == 0) {
            return Err(ArrivalError::NoAccount(account));
        }
        Ok(Self { message: message.clone(), consumption })
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Whether it is claimed or refunded.
    #[must_use]
    pub fn consumption(&self) -> Consumption {
        self.consumption
    }

    /// The note that it becomes.
    #[must_use]
    pub fn note(&self) -> Note {
        arrival_note(&self.message, self.consumption)
    }

    /// What the kernel's prover must know of it.
    #[must_use]
    pub fn slot(&self) -> ArrivalSlot {
        ArrivalSlot { used: F::ONE, is_refund: self.consumption.to_field(), message: self.message.fields() }
    }
}

/// The serial of the note that a message becomes: a message is consumed once, so no two notes share one.
fn arrival_serial(message: Digest, is_refund: F) -> Digest {
    hash(ARRIVAL, &[message.0.as_slice(), &[is_refund]].concat())
}

/// The note that a message becomes. It depends on the message alone, so the account paid can compute it.
#[must_use]
pub fn arrival_note(message: &Message, consumption: Consumption) -> Note {
    Note {
        asset: message.asset,
        amount: message.amount,
        script: Script::Pay { target: message.beneficiary(consumption) },
        sender: Digest::ZERO,
        serial: arrival_serial(message.hash(), consumption.to_field()),
    }
}

/// The commitment of [`arrival_note`], in-circuit, for the message with hash `hash`. Four rows.
fn arrival_note_circuit(
    builder: &mut Builder,
    slot: &ArrivalSlot<Target>,
    hash: DigestTarget,
) -> DigestTarget {
    let ArrivalSlot { is_refund, message, .. } = slot;
    let serial = hash_circuit(builder, ARRIVAL, &[hash.0.as_slice(), &[*is_refund]].concat());
    let is_refund = BoolTarget::new_unsafe(*is_refund);
    let target = builder.select_digest(is_refund, message.sender, message.recipient);
    unsent_note_circuit(builder, message.asset, message.amount, target, serial)
}

circuits_core::layout! {
    /// A slot for a message; all zero if it is empty.
    pub struct ArrivalSlot<T> {
        /// Whether there is one.
        pub used: T,
        /// Whether it is refunded to its sender.
        pub is_refund: T,
        /// The message.
        pub message: MessageFields<T>,
    }
}

impl ArrivalSlot {
    /// A slot without a message.
    #[must_use]
    pub fn empty() -> Self {
        layout::Layout::decode(&[F::ZERO; <Self as layout::Layout<F>>::LEN])
            .expect("the length is the layout's")
    }
}

/// What a block's prover must know of the messages that it takes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrivalsWitness {
    /// The messages.
    pub slots: [ArrivalSlot; MAX_ARRIVALS],
    /// The path of each subtree that their notes take, or would take.
    pub paths: [Path; SUBTREES],
}

impl ArrivalsWitness {
    /// The first [`MAX_ARRIVALS`] of `arrivals`, and the paths that
    /// [`NotesState::arrive`](super::state::NotesState::arrive) gives for them.
    #[must_use]
    pub fn new(arrivals: &[Arrival], paths: [Path; SUBTREES]) -> Self {
        let slots =
            std::array::from_fn(|slot| arrivals.get(slot).map_or(ArrivalSlot::empty(), Arrival::slot));
        Self { slots, paths }
    }
}

/// Targets of a block's arrivals.
pub struct ArrivalsTargets {
    slots: [ArrivalSlot<Target>; MAX_ARRIVALS],
    paths: [PathTarget; SUBTREES],
}

impl ArrivalsTargets {
    /// Assigns the witness.
    ///
    /// # Errors
    /// If a target was already set to another value.
    pub fn set_targets(&self, witness: &mut Witness, arrivals: &ArrivalsWitness) -> Result<(), WitnessError> {
        self.slots.iter().zip(&arrivals.slots).try_for_each(|(target, slot)| set(witness, target, slot))?;
        self.paths
            .iter()
            .zip(&arrivals.paths)
            .try_for_each(|(target, path)| target.set_targets(witness, path))
    }
}

circuits_core::layout! {
    /// What the messages that arrive change.
    pub struct Arrived<T> {
        /// Root of the note tree, with their notes.
        pub notes: Digest<T>,
        /// Leaves of the note tree.
        pub note_count: T,
        /// The inbox.
        pub inbox: Digest<T>,
        /// The commitments of their notes; zero for none.
        pub commitments: [Digest<T>; MAX_ARRIVALS],
    }
}

/// In-circuit twin of [`NotesState::arrive`](super::state::NotesState::arrive), starting with the note
/// tree of this root and number of leaves, and an empty inbox.
pub fn arrive_circuit(
    builder: &mut Builder,
    mut notes: DigestTarget,
    mut note_count: Target,
) -> (Arrived<Target>, ArrivalsTargets) {
    let slots: [ArrivalSlot<Target>; MAX_ARRIVALS] = std::array::from_fn(|_| layout::new_virtual(builder));
    let paths = std::array::from_fn(|_| PathTarget::new_virtual(builder, TREE_DEPTH - OUTPUTS_HEIGHT));
    let mut inbox = builder.constant_digest(empty_list());
    let mut commitments = [inbox; MAX_ARRIVALS];
    let mut earlier = builder.one();
    for (slot, masked) in slots.iter().zip(&mut commitments) {
        let used = BoolTarget::new_unsafe(slot.used);
        builder.enforce_bool(used);
        builder.enforce_bool(BoolTarget::new_unsafe(slot.is_refund));
        // There is no gap, so the first slot of a subtree tells whether it is used.
        let gap = builder.mul_sub(used.target, earlier, used.target);
        builder.enforce_zero(gap);
        earlier = used.target;

        let hash = message_hash_circuit(builder, &slot.message);
        let longer = inbox_append_circuit(builder, inbox, hash, slot.is_refund);
        inbox = builder.select_digest(used, longer, inbox);
        let commitment = arrival_note_circuit(builder, slot, hash);
        *masked = Digest(commitment.0.map(|element| builder.mul(used.target, element)));
    }

    let subtrees = slots.chunks_exact(SUBTREE).zip(commitments.chunks_exact(SUBTREE));
    for ((slots, leaves), path) in subtrees.zip(&paths) {
        let (root, count) =
            append_subtree_circuit(builder, TREE_DEPTH, OUTPUTS_HEIGHT, notes, note_count, leaves, path);
        let used = BoolTarget::new_unsafe(slots[0].used);
        notes = builder.select_digest(used, root, notes);
        note_count = builder.select(used, count, note_count);
    }
    (Arrived { notes, note_count, inbox, commitments }, ArrivalsTargets { slots, paths })
}
