//! The format of files: a versioned header, a checksum, and a payload.
//!
//! ```text
//! "SUPERBLK"  version: u16  kind: u16  payload length: u64  SHA3-256(payload): 32 bytes  payload (postcard)
//! ```
//! Integers are little-endian. The checksum finds damage, not forgery: anyone who can change the payload can change the
//! checksum too, so a matching checksum is no reason to trust a file.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};
use sha3::{Digest as _, Sha3_256};
use thiserror::Error;

/// The first bytes of every file.
pub const MAGIC: [u8; 8] = *b"SUPERBLK";
/// The version that this program writes and reads.
pub const VERSION: u16 = 1;
/// The number of bytes before the payload.
pub const HEADER_BYTES: usize = 8 + 2 + 2 + 8 + 32;
/// The limit, in payload bytes, for files that hold no list of blocks or transactions.
pub const SMALL_LIMIT: u64 = 1 << 20;
/// The limit, in payload bytes, for bundles of one proof with its data.
pub const BUNDLE_LIMIT: u64 = 64 << 20;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum FileKind {
    /// A block's statement, proof, key and body.
    BlockBundle = 2,
    /// A proven transaction.
    TransactionBundle = 3,
    /// A superblock's statement, proof and key.
    SuperblockBundle = 4,
    /// The state that a superblock leads to.
    SuperblockState = 5,
    /// A finished proof of the batcher's own tasks.
    TaskProof = 6,
    /// The reason why a bundle was refused.
    QuarantineRecord = 7,
    /// The environments, their producers and their kernels.
    Registry = 8,
    /// The directory to which a superblock's bundle goes.
    SuperblockLocation = 9,
    /// The proof of a superblock that L1 verifies.
    SuperblockHop = 10,
    /// What a batcher publishes of a superblock on L1.
    SuperblockData = 11,
    /// What a task has to prove.
    Task = 12,
    /// The tasks that one proof needs.
    TaskGraph = 13,
    /// What the prover of a task must know.
    TaskInput = 14,
    /// A block as its producer publishes it, before it is proved.
    ProposedBlock = 15,
    /// The state of an environment after one of its blocks.
    EnvironmentState = 16,
}

/// Codes that kinds had in earlier layouts, which nobody reads any more. No kind gets one of them again.
const FORMER_CODES: [(u16, FileKind); 1] = [(1, FileKind::Registry)];

impl FileKind {
    /// Every kind, ascending by code.
    pub const ALL: [Self; 15] = [
        Self::BlockBundle,
        Self::TransactionBundle,
        Self::SuperblockBundle,
        Self::SuperblockState,
        Self::TaskProof,
        Self::QuarantineRecord,
        Self::Registry,
        Self::SuperblockLocation,
        Self::SuperblockHop,
        Self::SuperblockData,
        Self::Task,
        Self::TaskGraph,
        Self::TaskInput,
        Self::ProposedBlock,
        Self::EnvironmentState,
    ];

    fn from_code(code: u16) -> Result<Self, FormatError> {
        let former = FORMER_CODES.into_iter().find(|(former, _)| *former == code);
        let unknown = || match former {
            Some((_, kind)) => FormatError::FormerLayout { kind },
            None => FormatError::UnknownKind { found: code },
        };
        Self::ALL.into_iter().find(|kind| *kind as u16 == code).ok_or_else(unknown)
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Registry => "registry",
            Self::BlockBundle => "block bundle",
            Self::TransactionBundle => "transaction bundle",
            Self::SuperblockBundle => "superblock bundle",
            Self::SuperblockState => "superblock state",
            Self::TaskProof => "task proof",
            Self::QuarantineRecord => "quarantine record",
            Self::SuperblockLocation => "superblock location",
            Self::SuperblockHop => "superblock hop",
            Self::SuperblockData => "superblock data",
            Self::Task => "task",
            Self::TaskGraph => "graph of tasks",
            Self::TaskInput => "input of a task",
            Self::ProposedBlock => "proposed block",
            Self::EnvironmentState => "environment state",
        })
    }
}

/// Why bytes are not a file of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    /// There are fewer bytes than the header has.
    #[error("the header has {HEADER_BYTES} bytes, but the whole file has {found}")]
    Short { found: usize },
    /// The file belongs to another program.
    #[error("a Superblock file starts with {MAGIC:02x?}, and this one does not")]
    Magic,
    /// The file has another version of the format.
    #[error("format version {VERSION} was expected, found {found}")]
    Version { found: u16 },
    /// This version does not know the file's kind.
    #[error("no kind of file has the code {found}")]
    UnknownKind { found: u16 },
    /// The file has a layout of its kind that this version does not read.
    #[error(
        "the {kind} has the layout of an earlier version, which this version does not read: make it anew"
    )]
    FormerLayout { kind: FileKind },
    /// The file has another kind.
    #[error("a {expected} was expected, found a {found}")]
    FileKind { expected: FileKind, found: FileKind },
    /// The payload does not have the length that the header announces.
    #[error("the header announces a payload of {announced} bytes, found {found}")]
    Length { announced: u64, found: u64 },
    /// The payload is larger than the reader allows for its kind.
    #[error("a {kind} has at most {limit} bytes, found {found}")]
    TooLarge {
        kind: FileKind,
        limit: u64,
        /// The bytes of the payload, or of the whole file if it was not read.
        found: u64,
    },
    /// The payload does not have the checksum that the header announces.
    #[error("the payload's checksum is {found}, the header says {expected}")]
    Checksum {
        /// The checksum in the header, hexadecimal.
        expected: String,
        /// The payload's checksum, hexadecimal.
        found: String,
    },
    /// The payload does not decode.
    #[error("the payload is not a {kind}: {reason}")]
    Payload {
        kind: FileKind,
        /// The message of postcard, which encodes payloads.
        reason: String,
    },
    /// The payload decodes, but is not the one encoding of its value.
    #[error("the payload is not the encoding of the {kind} that it decodes to")]
    NotCanonical { kind: FileKind },
}

/// SHA3-256 of `bytes`.
#[must_use]
pub fn sha3(bytes: &[u8]) -> [u8; 32] {
    Sha3_256::digest(bytes).into()
}

/// Encodes `value` as a file that a reader with the same `limit`, in bytes of the payload, accepts.
///
/// # Errors
/// [`FormatError::Payload`] if `value` cannot be serialised, and [`FormatError::TooLarge`] if it has more than `limit` bytes.
pub fn encode<T: Serialize>(kind: FileKind, value: &T, limit: u64) -> Result<Vec<u8>, FormatError> {
    let payload = postcard::to_stdvec(value)
        .map_err(|error| FormatError::Payload { kind, reason: error.to_string() })?;
    check_size(kind, payload.len(), limit)?;
    Ok(seal(kind, &payload))
}

/// Checks that a payload of `found` bytes is within `limit`.
fn check_size(kind: FileKind, found: usize, limit: u64) -> Result<(), FormatError> {
    let found = found as u64;
    if found > limit { Err(FormatError::TooLarge { kind, limit, found }) } else { Ok(()) }
}

/// Prepends a header to `payload`.
#[must_use]
pub fn seal(kind: FileKind, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((kind as u16).to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(sha3(payload));
    bytes.extend(payload);
    bytes
}

/// Takes an array from the front of `bytes`.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk()?;
    *bytes = tail;
    Some(*head)
}

/// Checks a file's header and checksum, and returns its kind and payload.
///
/// # Errors
/// [`FormatError`] if the header is malformed, or the payload is not the one that it announces.
pub fn open(bytes: &[u8]) -> Result<(FileKind, &[u8]), FormatError> {
    let short = FormatError::Short { found: bytes.len() };
    let mut rest = bytes;
    let magic = take(&mut rest).ok_or_else(|| short.clone())?;
    if magic != MAGIC {
        return Err(FormatError::Magic);
    }
    let version = u16::from_le_bytes(take(&mut rest).ok_or_else(|| short.clone())?);
    if version != VERSION {
        return Err(FormatError::Version { found: version });
    }
    let code = u16::from_le_bytes(take(&mut rest).ok_or_else(|| short.clone())?);
    let announced = u64::from_le_bytes(take(&mut rest).ok_or_else(|| short.clone())?);
    let expected: [u8; 32] = take(&mut rest).ok_or(short)?;
    let kind = FileKind::from_code(code)?;
    if announced != rest.len() as u64 {
        return Err(FormatError::Length { announced, found: rest.len() as u64 });
    }
    let found = sha3(rest);
    if found != expected {
        return Err(FormatError::Checksum { expected: hex::encode(expected), found: hex::encode(found) });
    }
    Ok((kind, rest))
}

/// Decodes what [`encode`] wrote, if the payload has at most `limit` bytes.
///
/// # Errors
/// [`FormatError`] if `bytes` are not exactly what [`encode`] writes for a value of this kind.
pub fn decode<T: Serialize + DeserializeOwned>(
    kind: FileKind,
    bytes: &[u8],
    limit: u64,
) -> Result<T, FormatError> {
    check_size(kind, bytes.len().saturating_sub(HEADER_BYTES), limit)?;
    let (found, payload) = open(bytes)?;
    if found != kind {
        return Err(FormatError::FileKind { expected: kind, found });
    }
    let value = postcard::from_bytes(payload)
        .map_err(|error| FormatError::Payload { kind, reason: error.to_string() })?;
    if encode(kind, &value, limit)? == bytes { Ok(value) } else { Err(FormatError::NotCanonical { kind }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Vec<u8> {
        encode(FileKind::Registry, &(7_u32, "seven".to_owned()), 100).expect("serialisable")
    }

    fn decoded(bytes: &[u8]) -> Result<(u32, String), FormatError> {
        decode(FileKind::Registry, bytes, 100)
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        assert_eq!(decoded(&example()), Ok((7, "seven".to_owned())));
    }

    #[test]
    fn every_changed_byte_is_rejected() {
        let bytes = example();
        for position in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[position] ^= flip;
                assert!(decoded(&changed).is_err(), "byte {position} changed by {flip:#x} was accepted");
            }
        }
    }

    #[test]
    fn every_truncation_and_an_extension_are_rejected() {
        let bytes = example();
        for length in 0..bytes.len() {
            assert!(decoded(&bytes[..length]).is_err(), "{length} bytes were accepted");
        }
        assert!(decoded(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn bytes_after_the_value_are_rejected_with_a_right_checksum() {
        let mut payload = postcard::to_stdvec(&(7_u32, "seven".to_owned())).expect("serialisable");
        payload.push(0);
        assert_eq!(
            decoded(&seal(FileKind::Registry, &payload)),
            Err(FormatError::NotCanonical { kind: FileKind::Registry })
        );
    }

    #[test]
    fn a_longer_encoding_of_a_number_is_rejected() {
        let payload = [0x87, 0x00, 5, b's', b'e', b'v', b'e', b'n'];
        assert_eq!(
            decoded(&seal(FileKind::Registry, &payload)),
            Err(FormatError::NotCanonical { kind: FileKind::Registry })
        );
    }

    #[test]
    fn another_kind_is_rejected_and_named() {
        let error =
            decode::<(u32, String)>(FileKind::BlockBundle, &example(), 100).expect_err("another kind");
        assert_eq!(
            error,
            FormatError::FileKind { expected: FileKind::BlockBundle, found: FileKind::Registry }
        );
        assert_eq!(error.to_string(), "a block bundle was expected, found a registry");
    }

    #[test]
    fn a_file_of_a_former_layout_is_named_and_not_read() {
        for (code, kind) in FORMER_CODES {
            let mut bytes = seal(kind, &[]);
            bytes[10..12].copy_from_slice(&code.to_le_bytes());
            assert_eq!(open(&bytes), Err(FormatError::FormerLayout { kind }));
            assert!(FileKind::ALL.iter().all(|kind| *kind as u16 != code), "code {code} has a new meaning");
        }
        let unknown = FileKind::ALL.map(|kind| kind as u16).into_iter().max().expect("kinds") + 1;
        let mut bytes = example();
        bytes[10..12].copy_from_slice(&unknown.to_le_bytes());
        assert_eq!(open(&bytes), Err(FormatError::UnknownKind { found: unknown }));
    }

    #[test]
    fn a_length_that_asks_for_gigabytes_is_rejected() {
        let payload = [&[7][..], &[0xff, 0xff, 0xff, 0xff, 0x7f]].concat();
        assert!(matches!(decoded(&seal(FileKind::Registry, &payload)), Err(FormatError::Payload { .. })));
        let mut bytes = example();
        bytes[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(decoded(&bytes), Err(FormatError::Length { announced: u64::MAX, .. })));
    }
}
