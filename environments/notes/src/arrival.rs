//! Messages that a block takes in: each becomes a note that pays its beneficiary.
//!
//! ```text
//! slot    0    1    2    3  |  4    5    6    7   ..   in the order of the inbox, from slot 0 on without a gap
//!         └── subtree ──────┘  └── subtree ──────┘     of the note tree, before the block's transactions;
//!                                                      left out if its first slot is empty
//! index   n   n+1  n+2  n+3   n+4  ..                  for n leaves before the block
//! ```
//! A note covers its index: a hostile source can emit one message twice, and its two copies become two notes.
//!
//! The kernel states that a message was consumed, and whether as a claim or as a refund. The bridge proves that it
//! exists, is pending, is addressed to this environment and comes in time.

use bridge_core::{
    Consumption, MAX_BLOCK_STEPS, Message,
    message::{MessageFields, inbox_append_circuit, message_hash_circuit},
};
use circuits_core::{
    Builder, Digest, DigestTarget, F, Witness,
    constrain::{Constrain, DigestOps},
    hash::{Domain, hash, hash_circuit},
    layout::{self, Layout, WitnessError, set},
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
/// Domain of the list of the notes that messages become, which a body's digest covers.
pub const ARRIVALS: Domain = Domain::new("n-arrvs");
/// Messages that one subtree of the note tree takes.
pub(super) const SUBTREE: usize = 1 << OUTPUTS_HEIGHT;
/// Messages that a block takes in, at most: as many as a block of another environment can send.
pub const MAX_ARRIVALS: usize = MAX_BLOCK_STEPS;
const _: () = assert!(MAX_ARRIVALS.is_multiple_of(SUBTREE), "messages fill whole subtrees");
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

    /// The note that it becomes at this index of the note tree.
    #[must_use]
    pub fn note(&self, index: u64) -> Note {
        arrival_note(&self.message, self.consumption, index)
    }

    /// What the kernel's prover must know of it.
    #[must_use]
    pub fn slot(&self) -> ArrivalSlot {
        ArrivalSlot { used: F::ONE, is_refund: self.consumption.to_field(), message: self.message.fields() }
    }
}

/// The serial of the note that a message becomes. No two leaves of the note tree have one index, so no two notes share one.
fn arrival_serial(message: Digest, is_refund: F, index: F) -> Digest {
    hash(ARRIVAL, &[message.0.as_slice(), &[is_refund, index]].concat())
}

/// The note that a message becomes at this index of the note tree. Nothing else enters it, so the account paid can compute it
/// once it knows the block.
#[must_use]
pub fn arrival_note(message: &Message, consumption: Consumption, index: u64) -> Note {
    let index = F::from_noncanonical_u64(index);
    Note {
        asset: message.asset,
        amount: message.amount,
        script: Script::Pay { target: message.beneficiary(consumption) },
        sender: Digest::ZERO,
        serial: arrival_serial(message.hash(), consumption.to_field(), index),
    }
}

/// The commitment of [`arrival_note`], in-circuit, for the message with hash `hash`. Four rows.
fn arrival_note_circuit(
    builder: &mut Builder,
    slot: &ArrivalSlot<Target>,
    hash: DigestTarget,
    index: Target,
) -> DigestTarget {
    let ArrivalSlot { is_refund, message, .. } = slot;
    let serial = hash_circuit(builder, ARRIVAL, &[hash.0.as_slice(), &[*is_refund, index]].concat());
    let is_refund = BoolTarget::new_unsafe(*is_refund);
    let target = builder.select_digest(is_refund, message.sender, message.recipient);
    unsent_note_circuit(builder, message.asset, message.amount, target, serial)
}

/// The list of no notes.
#[must_use]
pub fn no_arrivals() -> Digest {
    hash(ARRIVALS, &[])
}

/// The list with the notes of one more subtree, zero for its empty leaves.
#[must_use]
fn add_arrivals(list: Digest, leaves: &[Digest; SUBTREE]) -> Digest {
    let mut input = list.0.to_vec();
    leaves.encode_into(&mut input);
    hash(ARRIVALS, &input)
}

/// In-circuit twin of [`add_arrivals`]. Three rows.
fn add_arrivals_circuit(
    builder: &mut Builder,
    list: DigestTarget,
    leaves: &[DigestTarget; SUBTREE],
) -> DigestTarget {
    let mut input = list.0.to_vec();
    leaves.encode_into(&mut input);
    hash_circuit(builder, ARRIVALS, &input)
}

/// The list of these notes, none of which is zero.
#[must_use]
pub fn arrivals_list(notes: &[Digest]) -> Digest {
    notes.chunks(SUBTREE).fold(no_arrivals(), |list, notes| add_arrivals(list, &subtree(notes)))
}

/// The leaves of a subtree with these notes.
pub(super) fn subtree(notes: &[Digest]) -> [Digest; SUBTREE] {
    std::array::from_fn(|leaf| notes.get(leaf).copied().unwrap_or(Digest::ZERO))
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
        Layout::decode(&[F::ZERO; <Self as Layout<F>>::LEN]).expect("the length is the layout's")
    }
}

/// What a block's prover must know of the messages that it takes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrivalsWitness {
    /// The messages.
    pub slots: Vec<ArrivalSlot>,
    /// The path of each subtree that their notes take, and that of the next one, where the other subtrees of the circuit
    /// would be.
    pub paths: Vec<Path>,
}

impl ArrivalsWitness {
    /// The messages, and the paths that [`NotesState::arrive`](super::state::NotesState::arrive) gives for them.
    #[must_use]
    pub fn new(arrivals: &[Arrival], paths: Vec<Path>) -> Self {
        Self { slots: arrivals.iter().map(Arrival::slot).collect(), paths }
    }
}

/// Targets of a block's arrivals.
pub struct ArrivalsTargets {
    slots: Vec<ArrivalSlot<Target>>,
    paths: Vec<PathTarget>,
}

impl ArrivalsTargets {
    /// Assigns the witness.
    ///
    /// # Errors
    /// If a target was already set to another value.
    pub fn set_targets(&self, witness: &mut Witness, arrivals: &ArrivalsWitness) -> Result<(), WitnessError> {
        let ArrivalsWitness { slots, paths } = arrivals;
        for (index, target) in self.slots.iter().enumerate() {
            set(witness, target, &slots.get(index).copied().unwrap_or_else(ArrivalSlot::empty))?;
        }
        for (index, target) in self.paths.iter().enumerate() {
            if let Some(path) = paths.get(index).or(paths.last()) {
                target.set_targets(witness, path)?;
            }
        }
        Ok(())
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
        /// The [list](arrivals_list) of their notes.
        pub list: Digest<T>,
    }
}

/// In-circuit twin of [`NotesState::arrive`](super::state::NotesState::arrive), starting with the note
/// tree of this root and number of leaves, and an empty inbox, for up to `capacity` messages, a multiple of 4.
pub fn arrive_circuit(
    builder: &mut Builder,
    capacity: usize,
    mut notes: DigestTarget,
    mut note_count: Target,
) -> (Arrived<Target>, ArrivalsTargets) {
    let slots: Vec<ArrivalSlot<Target>> = (0..capacity).map(|_| layout::new_virtual(builder)).collect();
    let path = |builder: &mut Builder| PathTarget::new_virtual(builder, TREE_DEPTH - OUTPUTS_HEIGHT);
    let paths: Vec<_> = (0..capacity / SUBTREE).map(|_| path(builder)).collect();
    let mut inbox = builder.constant_digest(empty_list());
    let mut list = builder.constant_digest(no_arrivals());
    let mut earlier = builder.one();
    for (slots, path) in slots.chunks_exact(SUBTREE).zip(&paths) {
        let mut leaves = [inbox; SUBTREE];
        for (leaf, (slot, masked)) in slots.iter().zip(&mut leaves).enumerate() {
            let used = BoolTarget::new_unsafe(slot.used);
            builder.enforce_bool(used);
            builder.enforce_bool(BoolTarget::new_unsafe(slot.is_refund));
            // There is no gap, so the first slot of a subtree tells whether it is used, and all before it are.
            let gap = builder.mul_sub(used.target, earlier, used.target);
            builder.enforce_zero(gap);
            earlier = used.target;

            let hash = message_hash_circuit(builder, &slot.message);
            let longer = inbox_append_circuit(builder, inbox, hash, slot.is_refund);
            inbox = builder.select_digest(used, longer, inbox);
            let index = builder.add_const(note_count, F::from_canonical_usize(leaf));
            let commitment = arrival_note_circuit(builder, slot, hash, index);
            *masked = Digest(commitment.0.map(|element| builder.mul(used.target, element)));
        }
        let (root, count) =
            append_subtree_circuit(builder, TREE_DEPTH, OUTPUTS_HEIGHT, notes, note_count, &leaves, path);
        let longer = add_arrivals_circuit(builder, list, &leaves);
        let used = BoolTarget::new_unsafe(slots[0].used);
        notes = builder.select_digest(used, root, notes);
        note_count = builder.select(used, count, note_count);
        list = builder.select_digest(used, longer, list);
    }
    (Arrived { notes, note_count, inbox, list }, ArrivalsTargets { slots, paths })
}
