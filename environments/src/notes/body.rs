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
    /// The number of records does not fit the length.
    #[error("a body of {count:?} records of {RECORD_BYTES} bytes was expected, found {found} bytes")]
    Length {
        /// The number of records that the body names, if it is long enough to name one.
        count: Option<u64>,
        /// Bytes found.
        found: usize,
    },
    /// No block has this many transactions.
    #[error("a body has at most {MAX_TRANSACTIONS} records, found {found}")]
    Count {
        /// Records found.
        found: u64,
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

/// The canonical encoding of a body: the number of records as 8 little-endian bytes, then the records.
#[must_use]
pub fn encode_body(records: &[Record]) -> Vec<u8> {
    let count = (records.len() as u64).to_le_bytes();
    count.into_iter().chain(records.iter().flat_map(layout::to_bytes)).collect()
}

/// Reads the canonical encoding of a body.
///
/// # Errors
/// - [`BodyError::Length`]
/// - [`BodyError::Count`]
/// - [`BodyError::Record`]
pub fn decode_body(bytes: &[u8]) -> Result<Vec<Record>, BodyError> {
    let found = bytes.len();
    let Some((&count, bytes)) = bytes.split_first_chunk::<8>() else {
        return Err(BodyError::Length { count: None, found });
    };
    let count = u64::from_le_bytes(count);
    if count > MAX_TRANSACTIONS as u64 {
        return Err(BodyError::Count { found: count });
    }
    if bytes.len() as u64 != count * RECORD_BYTES as u64 {
        return Err(BodyError::Length { count: Some(count), found });
    }
    let records = bytes.chunks_exact(RECORD_BYTES).enumerate();
    records
        .map(|(index, bytes)| layout::from_bytes(bytes).map_err(|source| BodyError::Record { index, source }))
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
