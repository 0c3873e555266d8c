//! Published block data: what rebuilds the public state from the one before.

use circuits::{
    Builder, Digest, DigestTarget, F,
    hash::{Domain, chain, chain_circuit, hash, hash_circuit},
    layout,
    layout::{Layout, LayoutError},
};
use plonky2::{field::types::Field, iop::target::Target};
use thiserror::Error;

use crate::notes::{
    block::MAX_TRANSACTIONS,
    transaction::{MAX_INPUTS, MAX_OUTPUTS},
};

/// Domain of one transaction's record.
pub const RECORD: Domain = Domain::new("n-recrd");
/// Domain of the list of records.
pub const RECORDS: Domain = Domain::new("n-recds");
/// Domain of a block's body.
pub const BODY: Domain = Domain::new("n-body");

layout! {
    /// What one transaction changes in the public state. Notes that were created and consumed within one batch are in
    /// no record.
    pub struct Record<T> {
        /// Id of the account.
        pub account: Digest<T>,
        /// Hash of the account after.
        pub after: Digest<T>,
        /// Nullifiers of the notes consumed; zero for none.
        pub nullifiers: [Digest<T>; MAX_INPUTS],
        /// Commitments of the notes created; zero for none.
        pub notes: [Digest<T>; MAX_OUTPUTS],
        /// The fee.
        pub fee: T,
    }
}

/// Why bytes are not a body.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// Not a whole number of records.
    #[error("a body is a number of records of {RECORD_BYTES} bytes, found {found} bytes")]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// No block has this many transactions.
    #[error("a body has at most {MAX_TRANSACTIONS} records, found {found}")]
    Count {
        /// Records found.
        found: usize,
    },
    /// A record is not in the canonical encoding.
    #[error("record {index} of the body is malformed")]
    Record {
        /// Its position.
        index: usize,
        /// Why.
        #[source]
        source: LayoutError,
    },
}

/// Bytes of one record.
pub const RECORD_BYTES: usize = 8 * <Record as Layout<F>>::LEN;

/// The canonical encoding of a body.
#[must_use]
pub fn encode_body(records: &[Record]) -> Vec<u8> {
    records.iter().flat_map(layout::to_bytes).collect()
}

/// Reads the canonical encoding of a body.
///
/// # Errors
/// - [`BodyError::Length`]
/// - [`BodyError::Count`]
/// - [`BodyError::Record`]
pub fn decode_body(bytes: &[u8]) -> Result<Vec<Record>, BodyError> {
    if !bytes.len().is_multiple_of(RECORD_BYTES) {
        return Err(BodyError::Length { found: bytes.len() });
    }
    let found = bytes.len() / RECORD_BYTES;
    if found > MAX_TRANSACTIONS {
        return Err(BodyError::Count { found });
    }
    let records = bytes.chunks_exact(RECORD_BYTES).enumerate();
    records
        .map(|(index, bytes)| {
            layout::from_bytes(bytes).map_err(|source| BodyError::Record { index, source })
        })
        .collect()
}

/// The digest of an empty list of records.
#[must_use]
pub fn no_records() -> Digest {
    hash(RECORDS, &[])
}

/// The list of records with one more.
#[must_use]
pub fn add_record(records: Digest, record: &Record) -> Digest {
    chain(RECORDS, records, hash(RECORD, &record.encode()))
}

/// In-circuit twin of [`add_record`].
pub fn add_record_circuit(
    builder: &mut Builder,
    records: DigestTarget,
    record: &Record<Target>,
) -> DigestTarget {
    let record = hash_circuit(builder, RECORD, &record.encode());
    chain_circuit(builder, RECORDS, records, record)
}

/// The digest in the block statement: of the records and the number of them.
#[must_use]
pub fn body_digest(records: Digest, count: u64) -> Digest {
    let mut input = records.0.to_vec();
    input.push(F::from_canonical_u64(count));
    hash(BODY, &input)
}

/// In-circuit twin of [`body_digest`].
pub fn body_digest_circuit(builder: &mut Builder, records: DigestTarget, count: Target) -> DigestTarget {
    let mut input = records.0.to_vec();
    input.push(count);
    hash_circuit(builder, BODY, &input)
}
