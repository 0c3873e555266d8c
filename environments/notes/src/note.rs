//! Notes: an amount of one asset, which can be consumed once, as its script allows.

use bridge_core::AssetId;
use circuits_core::{
    Builder, Digest, DigestTarget, F,
    amount::Amount,
    hash::{Domain, hash, hash_circuit},
    layout::Layout,
    trees::Path,
};
use environments_core::environment::EnvironmentId;
use plonky2::{field::types::Field, iop::target::Target};
use serde::{Deserialize, Serialize};

/// Domain of note commitments, the leaves of the note tree.
pub const NOTE: Domain = Domain::new("note");
/// Domain of nullifiers.
pub const NULLIFIER: Domain = Domain::new("nullif");
/// Domain of the serials of a transaction's own outputs.
pub const SERIAL: Domain = Domain::new("serial");
/// Domain of the serials of notes that settle a swap.
pub const SWAP: Domain = Domain::new("swap");
/// Domain of the serials of fee notes.
pub const FEE: Domain = Domain::new("fee");

/// The condition under which a note can be consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Script {
    /// The target may consume it.
    Pay {
        /// The account paid.
        target: Digest,
    },
    /// The target may consume it; the sender may from a height on.
    Reclaim {
        /// The account paid.
        target: Digest,
        /// First height at which the sender may consume it.
        height: u32,
    },
    /// Anyone who creates the requested note for the sender may consume it; the sender may at any time.
    Swap {
        /// The asset requested.
        asset: AssetId,
        /// The amount requested.
        amount: Amount,
    },
}

impl Script {
    /// The script's number in a note's encoding.
    #[must_use]
    pub const fn kind(&self) -> u64 {
        match self {
            Self::Pay { .. } => 0,
            Self::Reclaim { .. } => 1,
            Self::Swap { .. } => 2,
        }
    }
}

/// A note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The asset.
    pub asset: AssetId,
    /// How much of it.
    pub amount: Amount,
    /// The condition under which it can be consumed.
    pub script: Script,
    /// The account that created it; zero for fee notes.
    pub sender: Digest,
    /// Makes the note unique.
    pub serial: Digest,
}

circuits_core::layout! {
    /// What a note's commitment and its nullifier cover: everything.
    pub struct NoteFields<T> {
        /// The packed asset.
        pub asset: T,
        /// The amount.
        pub amount: T,
        /// The script's number.
        pub kind: T,
        /// First height at which the sender may reclaim; 0 for other scripts.
        pub height: T,
        /// The asset that a swap requests, or 0.
        pub requested_asset: T,
        /// The amount that a swap requests, or 0.
        pub requested_amount: T,
        /// The account that created it.
        pub sender: Digest<T>,
        /// The account paid; zero for swaps.
        pub target: Digest<T>,
        /// Makes the note unique.
        pub serial: Digest<T>,
    }
}

/// The position of a note in the note tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Its index.
    pub index: u64,
    /// Its path.
    pub path: Path,
}

impl Note {
    /// The encoding that is hashed.
    #[must_use]
    pub fn fields(&self) -> NoteFields {
        let (target, height, requested_asset, requested_amount) = match self.script {
            Script::Pay { target } => (target, 0, F::ZERO, F::ZERO),
            Script::Reclaim { target, height } => (target, height, F::ZERO, F::ZERO),
            Script::Swap { asset, amount } => (Digest::ZERO, 0, asset.to_field(), amount.to_field()),
        };
        NoteFields {
            asset: self.asset.to_field(),
            amount: self.amount.to_field(),
            kind: F::from_canonical_u64(self.script.kind()),
            height: F::from_canonical_u32(height),
            requested_asset,
            requested_amount,
            sender: self.sender,
            target,
            serial: self.serial,
        }
    }

    /// The leaf of the note tree.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        hash(NOTE, &self.fields().encode())
    }

    /// The digest that consuming the note publishes. It does not depend on the consumer, and only those who know the
    /// note, such as its sender, can link it to the commitment.
    #[must_use]
    pub fn nullifier(&self) -> Digest {
        hash(NULLIFIER, &self.fields().encode())
    }
}

/// In-circuit twin of [`Note::commitment`].
pub fn commitment_circuit(builder: &mut Builder, fields: &NoteFields<Target>) -> DigestTarget {
    hash_circuit(builder, NOTE, &fields.encode())
}

/// In-circuit twin of [`Note::nullifier`].
pub fn nullifier_circuit(builder: &mut Builder, fields: &NoteFields<Target>) -> DigestTarget {
    hash_circuit(builder, NULLIFIER, &fields.encode())
}

/// The serial of output `index` of the transaction that `account` makes with `nonce`. An account never uses a nonce
/// twice, so no two notes share a serial.
#[must_use]
pub fn output_serial(account: Digest, nonce: u32, index: usize) -> Digest {
    let mut input = account.0.to_vec();
    input.extend([F::from_canonical_u32(nonce), F::from_canonical_usize(index)]);
    hash(SERIAL, &input)
}

/// In-circuit twin of [`output_serial`].
pub fn output_serial_circuit(
    builder: &mut Builder,
    account: DigestTarget,
    nonce: Target,
    index: usize,
) -> DigestTarget {
    let mut input = account.0.to_vec();
    input.extend([nonce, builder.constant(F::from_canonical_usize(index))]);
    hash_circuit(builder, SERIAL, &input)
}

/// The serial of the note that settles the swap note with this nullifier: one output settles one request.
#[must_use]
pub fn swap_serial(nullifier: Digest) -> Digest {
    hash(SWAP, &nullifier.0)
}

/// In-circuit twin of [`swap_serial`].
pub fn swap_serial_circuit(builder: &mut Builder, nullifier: DigestTarget) -> DigestTarget {
    hash_circuit(builder, SWAP, &nullifier.0)
}

/// The note that collects the fees of the block at `height`. Anyone can compute it.
#[must_use]
pub fn fee_note(
    chain_id: u64,
    environment: EnvironmentId,
    height: u32,
    asset: AssetId,
    amount: Amount,
    target: Digest,
) -> Note {
    let block = [F::from_canonical_u64(chain_id), environment.to_field(), F::from_canonical_u32(height)];
    let serial = hash(FEE, &block);
    Note { asset, amount, script: Script::Pay { target }, sender: Digest::ZERO, serial }
}

/// The commitment of [`fee_note`], in-circuit.
pub fn fee_note_circuit(
    builder: &mut Builder,
    block: [Target; 3],
    asset: Target,
    amount: Target,
    target: DigestTarget,
) -> DigestTarget {
    let serial = hash_circuit(builder, FEE, &block);
    unsent_note_circuit(builder, asset, amount, target, serial)
}

/// The commitment of a note that pays `target` and that no account created: it collects fees, or was a message.
pub(super) fn unsent_note_circuit(
    builder: &mut Builder,
    asset: Target,
    amount: Target,
    target: DigestTarget,
    serial: DigestTarget,
) -> DigestTarget {
    let zero = builder.zero();
    let fields = NoteFields {
        asset,
        amount,
        kind: zero,
        height: zero,
        requested_asset: zero,
        requested_amount: zero,
        sender: Digest([zero; 4]),
        target,
        serial,
    };
    commitment_circuit(builder, &fields)
}
