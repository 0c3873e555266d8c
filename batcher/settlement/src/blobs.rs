//! Data in the blobs of a transaction.
//!
//! ```text
//! length of the data: u32   data   zeros
//! ```
//! The length is little-endian. 31 bytes of this at a time follow a zero byte, which keeps every element of a blob below the
//! modulus of its field. There are as few blobs as the data needs: one sequence of bytes has one sequence of blobs.

use alloy_consensus::{EthereumTxEnvelope, Signed, TxEip4844, TxEip4844WithSidecar};
use alloy_eips::{
    eip2718::{Decodable2718 as _, Encodable2718 as _},
    eip4844::{AsCkzg as _, BYTES_PER_BLOB, Blob, env_settings::EnvKzgSettings, kzg_to_versioned_hash},
    eip7594::BlobTransactionSidecarEip7594,
};
use alloy_primitives::B256;
use thiserror::Error;

/// The most blobs of a transaction (EIP-7594).
pub const MAX_BLOBS: usize = alloy_eips::eip7594::MAX_BLOBS_PER_TX_FUSAKA as usize;
/// The most blobs that are read. L1 may raise its limit, and others may settle with more then.
pub const MOST_READ_BLOBS: usize = 64;
/// The gas of a blob, on a market of its own (EIP-4844).
pub const GAS_PER_BLOB: u64 = alloy_eips::eip4844::DATA_GAS_PER_BLOB;
/// Bytes of a field element.
const ELEMENT_BYTES: usize = 32;
/// Bytes of data in a field element.
const DATA_BYTES: usize = ELEMENT_BYTES - 1;
/// Bytes of data in a blob.
const BLOB_DATA_BYTES: usize = BYTES_PER_BLOB / ELEMENT_BYTES * DATA_BYTES;
/// Bytes of the length.
const LENGTH_BYTES: usize = size_of::<u32>();
/// Bytes of the most data that the blobs of one transaction hold.
pub const MAX_DATA_BYTES: usize = data_bytes(MAX_BLOBS);
/// Bytes of the most data that is read.
pub const MOST_READ_BYTES: usize = data_bytes(MOST_READ_BLOBS);

/// Why there are no blobs for some data, or no data in some blobs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BlobError {
    /// The data is too long.
    #[error("the data has {found} bytes, {blobs} blobs hold {}", data_bytes(*blobs))]
    TooLong { found: usize, blobs: usize },
    /// It has another length than a blob.
    #[error("blob {blob} has {found} bytes, a blob has {BYTES_PER_BLOB}")]
    Length { blob: usize, found: usize },
    /// There is no blob.
    #[error("there is no blob")]
    Empty,
    /// There are other blobs than the data needs.
    #[error("{found} blobs hold data of {length} bytes, which needs {expected}")]
    Count { length: usize, expected: usize, found: usize },
    /// A field element begins with another byte than zero.
    #[error("blob {blob}: field element {element} begins with {found:#04x}, and data leaves that byte zero")]
    Element { blob: usize, element: usize, found: u8 },
    /// Something follows the data.
    #[error("byte {position} after the data is {found:#04x}, and only zeros follow the data")]
    Trailing { position: usize, found: u8 },
    /// The blobs have no commitment.
    #[error("no commitment to the blobs can be made: {reason}")]
    Commitment { reason: String },
    /// The transaction is about other blobs.
    #[error("the signed transaction is not one with these blobs")]
    OtherTransaction,
}

/// Blobs that belong to a transaction, with what nodes check them by: commitments, and the proofs of their cells (EIP-7594).
#[derive(Debug)]
pub struct Blobs {
    sidecar: BlobTransactionSidecarEip7594,
    hashes: Vec<B256>,
}

impl Blobs {
    /// The blobs of this data.
    ///
    /// # Errors
    /// [`BlobError::TooLong`] or [`BlobError::Commitment`].
    pub fn of(data: &[u8]) -> Result<Self, BlobError> {
        let sidecar = BlobTransactionSidecarEip7594::try_from_blobs(pack(data)?)
            .map_err(|error| BlobError::Commitment { reason: error.to_string() })?;
        let hashes = sidecar.versioned_hashes().collect();
        Ok(Self { sidecar, hashes })
    }

    /// Their versioned hashes: what the transaction and the contract's event name.
    #[must_use]
    pub fn hashes(&self) -> &[B256] {
        &self.hashes
    }

    /// The blobs themselves.
    #[must_use]
    pub fn blobs(&self) -> &[Blob] {
        &self.sidecar.blobs
    }

    /// A signed transaction with its blobs, as nodes take it. `transaction` is what is signed: it names them by their hashes.
    ///
    /// # Errors
    /// [`BlobError::OtherTransaction`]
    pub fn attach(&self, transaction: &[u8]) -> Result<Vec<u8>, BlobError> {
        let mut encoded = transaction;
        let signed = EthereumTxEnvelope::<TxEip4844>::decode_2718(&mut encoded);
        let Ok(EthereumTxEnvelope::Eip4844(signed)) = signed else { return Err(BlobError::OtherTransaction) };
        let (tx, signature, hash) = signed.into_parts();
        if tx.blob_versioned_hashes != self.hashes {
            return Err(BlobError::OtherTransaction);
        }
        let tx = TxEip4844WithSidecar::from_tx_and_sidecar(tx, self.sidecar.clone());
        Ok(EthereumTxEnvelope::Eip4844(Signed::new_unchecked(tx, signature, hash)).encoded_2718())
    }
}

/// Bytes of the most data in so many blobs.
const fn data_bytes(blobs: usize) -> usize {
    blobs * BLOB_DATA_BYTES - LENGTH_BYTES
}

/// How many blobs data of so many bytes needs.
const fn count(length: usize) -> usize {
    (LENGTH_BYTES + length).div_ceil(BLOB_DATA_BYTES)
}

/// Puts data into blobs.
fn pack(data: &[u8]) -> Result<Vec<Blob>, BlobError> {
    let length = match u32::try_from(data.len()) {
        Ok(length) if data.len() <= MAX_DATA_BYTES => length,
        _ => return Err(BlobError::TooLong { found: data.len(), blobs: MAX_BLOBS }),
    };
    let stream = [&length.to_le_bytes()[..], data].concat();
    let mut blobs = vec![Blob::ZERO; count(data.len())];
    for (blob, bytes) in blobs.iter_mut().zip(stream.chunks(BLOB_DATA_BYTES)) {
        for (element, bytes) in blob.chunks_exact_mut(ELEMENT_BYTES).zip(bytes.chunks(DATA_BYTES)) {
            element[1..=bytes.len()].copy_from_slice(bytes);
        }
    }
    Ok(blobs)
}

/// Takes the data out of the blobs of a transaction, up to [`MOST_READ_BLOBS`]. Any other blobs than those that [`Blobs::of`] makes are
/// refused, or would make of as much data.
///
/// # Errors
/// [`BlobError::Length`], [`BlobError::Empty`], [`BlobError::TooLong`], [`BlobError::Count`], [`BlobError::Element`] or
/// [`BlobError::Trailing`].
pub fn data_of(blobs: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, BlobError> {
    let mut stream = Vec::with_capacity(blobs.len().min(MOST_READ_BLOBS) * BLOB_DATA_BYTES);
    for (blob, bytes) in blobs.iter().map(AsRef::as_ref).enumerate().take(MOST_READ_BLOBS) {
        if bytes.len() != BYTES_PER_BLOB {
            return Err(BlobError::Length { blob, found: bytes.len() });
        }
        for (element, bytes) in bytes.chunks_exact(ELEMENT_BYTES).enumerate() {
            if bytes[0] != 0 {
                return Err(BlobError::Element { blob, element, found: bytes[0] });
            }
            stream.extend(&bytes[1..]);
        }
    }
    let (length, rest) = stream.split_first_chunk().ok_or(BlobError::Empty)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MOST_READ_BYTES {
        return Err(BlobError::TooLong { found: length, blobs: MOST_READ_BLOBS });
    }
    let (expected, found) = (count(length), blobs.len());
    if expected != found {
        return Err(BlobError::Count { length, expected, found });
    }
    let (data, padding) = rest.split_at(length);
    match padding.iter().position(|&byte| byte != 0) {
        None => Ok(data.to_vec()),
        Some(position) => Err(BlobError::Trailing { position, found: padding[position] }),
    }
}

/// The versioned hash of a blob, which L1 knows it by.
///
/// # Errors
/// [`BlobError::Length`], or [`BlobError::Commitment`] if an element of it is none of the field.
pub fn versioned_hash(blob: &[u8]) -> Result<B256, BlobError> {
    let wrong = |_| BlobError::Length { blob: 0, found: blob.len() };
    let blob = <&Blob>::try_from(blob).map_err(wrong)?;
    let commitment = EnvKzgSettings::Default.get().blob_to_kzg_commitment(blob.as_ckzg());
    let commitment = commitment.map_err(|error| BlobError::Commitment { reason: error.to_string() })?;
    Ok(kzg_to_versioned_hash(commitment.as_slice()))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{U256, b256};
    use proptest::prelude::*;

    use super::*;

    /// Bytes that no two neighbours of which are equal.
    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|position| (position % 251) as u8 + 1).collect()
    }

    #[test]
    fn data_of_every_length_around_the_ends_of_elements_and_blobs_comes_back() {
        let blob = BLOB_DATA_BYTES - LENGTH_BYTES;
        let lengths =
            [0, 1, 26, 27, 28, 58, 59, blob - 1, blob, blob + 1, MAX_DATA_BYTES - 1, MAX_DATA_BYTES];
        for length in lengths {
            let blobs = pack(&bytes(length)).expect("it fits");
            assert_eq!(blobs.len(), (length + LENGTH_BYTES).div_ceil(BLOB_DATA_BYTES), "{length}");
            assert_eq!(data_of(&blobs), Ok(bytes(length)), "{length}");
        }
        let found = MAX_DATA_BYTES + 1;
        assert_eq!(pack(&bytes(found)), Err(BlobError::TooLong { found, blobs: MAX_BLOBS }));
        assert_eq!(MAX_DATA_BYTES, 761_852);
    }

    #[test]
    fn blobs_that_a_later_program_may_publish_are_read() {
        // Seven blobs: six of them full, and the length stands in the first.
        let length = MAX_DATA_BYTES + 1;
        let mut blobs = pack(&bytes(MAX_DATA_BYTES)).expect("it fits");
        blobs[0][1..=LENGTH_BYTES].copy_from_slice(&u32::try_from(length).expect("small").to_le_bytes());
        blobs.push(Blob::ZERO);
        assert_eq!(data_of(&blobs).map(|data| data.len()), Ok(length));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_blob_with_another_byte_is_refused_or_has_other_data(
            length in 0..300_usize,
            position in 0..BYTES_PER_BLOB,
            flip in 1..=255_u8,
        ) {
            let mut blobs = pack(&bytes(length)).expect("it fits");
            blobs[0][position] ^= flip;
            prop_assert_ne!(data_of(&blobs), Ok(bytes(length)));
        }
    }

    #[test]
    fn blobs_that_are_not_those_of_the_data_are_refused() {
        let blobs = pack(&bytes(100)).expect("it fits");
        let changed = |blob: usize, position: usize, value: u8| {
            let mut blobs = blobs.clone();
            blobs[blob][position] = value;
            data_of(&blobs)
        };
        // The high byte of an element.
        assert_eq!(changed(0, 64, 1), Err(BlobError::Element { blob: 0, element: 2, found: 1 }));
        // Behind the data.
        assert_eq!(
            changed(0, BYTES_PER_BLOB - 1, 9),
            Err(BlobError::Trailing { position: BLOB_DATA_BYTES - LENGTH_BYTES - 100 - 1, found: 9 })
        );
        // A longer length takes zeros for data, one that asks for gigabytes takes nothing.
        assert_eq!(changed(0, 1, 101).map(|data| data.len()), Ok(101));
        assert_eq!(
            changed(0, 4, 0xff),
            Err(BlobError::TooLong { found: 0xff00_0064, blobs: MOST_READ_BLOBS })
        );
        // Blobs that are missing, or too many.
        assert_eq!(data_of(&[] as &[Blob]), Err(BlobError::Empty));
        let count = |blobs: &[Blob]| data_of(blobs);
        let two = [blobs.clone(), vec![Blob::ZERO]].concat();
        assert_eq!(count(&two), Err(BlobError::Count { length: 100, expected: 1, found: 2 }));
        let long = pack(&bytes(BLOB_DATA_BYTES)).expect("it fits");
        let expected = BlobError::Count { length: BLOB_DATA_BYTES, expected: 2, found: 1 };
        assert_eq!(count(&long[..1]), Err(expected));
        let many = vec![Blob::ZERO; MAX_BLOBS + 1];
        assert_eq!(count(&many), Err(BlobError::Count { length: 0, expected: 1, found: MAX_BLOBS + 1 }));
    }

    #[test]
    fn hashes_are_those_that_others_compute() {
        // The commitment to zeros is the point at infinity: 0xc0, then zeros.
        let infinity = b256!("010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014");
        assert_eq!(versioned_hash(Blob::ZERO.as_slice()), Ok(infinity));
        let blobs = Blobs::of(&bytes(BLOB_DATA_BYTES)).expect("it fits");
        let hashes: Vec<_> =
            blobs.blobs().iter().map(|blob| versioned_hash(blob.as_slice()).expect("in range")).collect();
        assert_eq!((hashes.len(), &*hashes), (2, blobs.hashes()));
        blobs.sidecar.validate(&hashes, EnvKzgSettings::Default.get()).expect("the proofs are right");
        assert_eq!(versioned_hash(&[0; 5]), Err(BlobError::Length { blob: 0, found: 5 }));
        assert_eq!(data_of(&[[0; 5]]), Err(BlobError::Length { blob: 0, found: 5 }));
        let mut high = Blob::ZERO;
        high[..ELEMENT_BYTES].copy_from_slice(&U256::MAX.to_be_bytes::<32>());
        assert!(matches!(versioned_hash(high.as_slice()), Err(BlobError::Commitment { .. })));
    }
}
