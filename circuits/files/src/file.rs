//! Files: a versioned header, a checksum, a payload; written so that a reader sees all of it or nothing.
//!
//! ```text
//! "SUPERBLK"  version: u16  kind: u16  payload length: u64  SHA3-256(payload): 32 bytes  payload (postcard)
//! ```
//! Integers are little-endian. The checksum finds damage, not forgery: whoever can change the payload can
//! change it too, so nothing is trusted because its checksum is right.

use std::{
    fmt, fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};
use sha3::{Digest as _, Sha3_256};
use thiserror::Error;

/// The first bytes of every file.
pub const MAGIC: [u8; 8] = *b"SUPERBLK";
/// The version that this program writes and reads.
pub const VERSION: u16 = 1;
/// Bytes before the payload.
pub const HEADER_BYTES: usize = 8 + 2 + 2 + 8 + 32;
/// A limit for files that hold no list of blocks or transactions.
pub const SMALL_LIMIT: u64 = 1 << 20;
/// A limit for bundles of one proof with its data.
pub const BUNDLE_LIMIT: u64 = 64 << 20;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Kind {
    /// Environments and their allowed kernels.
    Registry = 1,
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
    /// Why a bundle was refused.
    QuarantineRecord = 7,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Registry,
        Self::BlockBundle,
        Self::TransactionBundle,
        Self::SuperblockBundle,
        Self::SuperblockState,
        Self::TaskProof,
        Self::QuarantineRecord,
    ];

    fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u16 == code)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Registry => "registry",
            Self::BlockBundle => "block bundle",
            Self::TransactionBundle => "transaction bundle",
            Self::SuperblockBundle => "superblock bundle",
            Self::SuperblockState => "superblock state",
            Self::TaskProof => "task proof",
            Self::QuarantineRecord => "quarantine record",
        })
    }
}

/// Why bytes are not a file of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    /// Fewer bytes than the header has.
    #[error("a file has a header of {HEADER_BYTES} bytes, found {found} bytes in all")]
    Short {
        /// Bytes found.
        found: usize,
    },
    /// Another program's file.
    #[error("a file of superblock starts with {MAGIC:02x?}, found {found:02x?}")]
    Magic {
        /// The first bytes found.
        found: [u8; 8],
    },
    /// Another version's file.
    #[error("format version {VERSION} was expected, found {found}")]
    Version {
        /// The version found.
        found: u16,
    },
    /// A kind that this version does not know.
    #[error("no kind of file has the code {found}")]
    UnknownKind {
        /// The code found.
        found: u16,
    },
    /// A file of another kind.
    #[error("a {expected} was expected, found a {found}")]
    Kind {
        /// The kind asked for.
        expected: Kind,
        /// The kind found.
        found: Kind,
    },
    /// The payload is not as long as the header says.
    #[error("the header announces a payload of {announced} bytes, found {found}")]
    Length {
        /// Bytes announced.
        announced: u64,
        /// Bytes found.
        found: u64,
    },
    /// The payload is larger than its kind may be.
    #[error("a {kind} has at most {limit} bytes, found {found}")]
    TooLarge {
        /// The kind asked for.
        kind: Kind,
        /// The limit.
        limit: u64,
        /// Bytes found or announced.
        found: u64,
    },
    /// The payload does not have the checksum in the header.
    #[error("the payload's checksum is {found}, the header says {expected}")]
    Checksum {
        /// In the header, hexadecimal.
        expected: String,
        /// Of the payload, hexadecimal.
        found: String,
    },
    /// The payload does not decode.
    #[error("the payload is not a {kind}: {reason}")]
    Payload {
        /// The kind asked for.
        kind: Kind,
        /// postcard's reason.
        reason: String,
    },
    /// The payload decodes, but is not how its value is encoded.
    #[error("the payload is not the encoding of the {kind} that it decodes to")]
    NotCanonical {
        /// The kind asked for.
        kind: Kind,
    },
}

/// Why a file could not be read or written.
#[derive(Debug, Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("{path}: cannot {action}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The file's content was refused.
    #[error("{path}: {source}", path = .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FormatError,
    },
}

/// SHA3-256 of `bytes`.
#[must_use]
pub fn sha3(bytes: &[u8]) -> [u8; 32] {
    Sha3_256::digest(bytes).into()
}

/// The file that holds `value`.
///
/// # Errors
/// [`FormatError::Payload`] if `value` cannot be serialised.
pub fn encode<T: Serialize>(kind: Kind, value: &T) -> Result<Vec<u8>, FormatError> {
    let payload = postcard::to_stdvec(value)
        .map_err(|error| FormatError::Payload { kind, reason: error.to_string() })?;
    Ok(seal(kind, &payload))
}

/// Puts a header before `payload`.
#[must_use]
pub fn seal(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((kind as u16).to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(sha3(payload));
    bytes.extend(payload);
    bytes
}

/// Reads an integer or array off the front of `bytes`.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk()?;
    *bytes = tail;
    Some(*head)
}

/// The kind and payload of a file, with header and checksum checked.
///
/// # Errors
/// [`FormatError`] if the header is not ours or the payload is not the one it announces.
pub fn open(bytes: &[u8]) -> Result<(Kind, &[u8]), FormatError> {
    let short = FormatError::Short { found: bytes.len() };
    let mut rest = bytes;
    let magic = take(&mut rest).ok_or_else(|| short.clone())?;
    if magic != MAGIC {
        return Err(FormatError::Magic { found: magic });
    }
    let version = u16::from_le_bytes(take(&mut rest).ok_or_else(|| short.clone())?);
    if version != VERSION {
        return Err(FormatError::Version { found: version });
    }
    let code = u16::from_le_bytes(take(&mut rest).ok_or_else(|| short.clone())?);
    let announced = u64::from_le_bytes(take(&mut rest).ok_or_else(|| short.clone())?);
    let expected: [u8; 32] = take(&mut rest).ok_or(short)?;
    let kind = Kind::from_code(code).ok_or(FormatError::UnknownKind { found: code })?;
    if announced != rest.len() as u64 {
        return Err(FormatError::Length { announced, found: rest.len() as u64 });
    }
    let found = sha3(rest);
    if found != expected {
        return Err(FormatError::Checksum { expected: hex::encode(expected), found: hex::encode(found) });
    }
    Ok((kind, rest))
}

/// Reads what [`encode`] wrote, with a payload of at most `limit` bytes.
///
/// # Errors
/// [`FormatError`] if `bytes` are not exactly what [`encode`] writes for a value of this kind.
pub fn decode<T: Serialize + DeserializeOwned>(
    kind: Kind,
    bytes: &[u8],
    limit: u64,
) -> Result<T, FormatError> {
    let found = bytes.len().saturating_sub(HEADER_BYTES) as u64;
    if found > limit {
        return Err(FormatError::TooLarge { kind, limit, found });
    }
    let (found, payload) = open(bytes)?;
    if found != kind {
        return Err(FormatError::Kind { expected: kind, found });
    }
    let value = postcard::from_bytes(payload)
        .map_err(|error| FormatError::Payload { kind, reason: error.to_string() })?;
    if encode(kind, &value)? == bytes { Ok(value) } else { Err(FormatError::NotCanonical { kind }) }
}

/// The bytes of a file of at most `limit` payload bytes; more are never read.
///
/// # Errors
/// [`FileError`] if it cannot be read or is larger.
pub fn read_bytes(kind: Kind, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let io = |action| move |source| FileError::Io { path: path.to_owned(), action, source };
    let file = fs::File::open(path).map_err(io("open it"))?;
    let metadata = file.metadata().map_err(io("read its size"))?;
    if !metadata.is_file() {
        return Err(io("read it")(io::Error::other("it is not a regular file")));
    }
    let allowed = limit.saturating_add(HEADER_BYTES as u64);
    let too_large = |found: u64| FileError::Format {
        path: path.to_owned(),
        source: FormatError::TooLarge { kind, limit, found },
    };
    if metadata.len() > allowed {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    file.take(allowed + 1).read_to_end(&mut bytes).map_err(io("read it"))?;
    if bytes.len() as u64 > allowed { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

/// Reads and decodes a file.
///
/// # Errors
/// [`FileError`], which names the file.
pub fn read<T: Serialize + DeserializeOwned>(kind: Kind, path: &Path, limit: u64) -> Result<T, FileError> {
    decode(kind, &read_bytes(kind, path, limit)?, limit)
        .map_err(|source| FileError::Format { path: path.to_owned(), source })
}

/// Encodes `value` and writes it with [`write_atomic`].
///
/// # Errors
/// [`FileError`], which names the file.
pub fn write<T: Serialize>(kind: Kind, path: &Path, value: &T) -> Result<(), FileError> {
    let bytes = encode(kind, value).map_err(|source| FileError::Format { path: path.to_owned(), source })?;
    write_atomic(path, &bytes)
}

/// Writes a file that survives a crash at any point either as it was or as it will be: a temporary file in the same
/// directory, synced, renamed over the destination, the directory synced. Nobody but its owner can read it.
///
/// # Errors
/// [`FileError::Io`]; the destination is then as it was, or already replaced.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, &tempfile::Builder::new())
}

/// With what the names of files begin that [`write_shared`] has not finished.
pub const TEMPORARY_PREFIX: &str = ".tmp";

/// [`write_atomic`] for files without secrets: who can read them is up to the umask, as it is for any new file.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_shared(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    replace(path, bytes, &builder)
}

fn replace(path: &Path, bytes: &[u8], temporary: &tempfile::Builder<'_, '_>) -> Result<(), FileError> {
    let io = |action| move |source| FileError::Io { path: path.to_owned(), action, source };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    faults::point().map_err(io("create a temporary file beside it"))?;
    let mut temporary = temporary.tempfile_in(directory).map_err(io("create a temporary file beside it"))?;
    let (first, second) = bytes.split_at(bytes.len() / 2);
    temporary.write_all(first).map_err(io("write it"))?;
    faults::point().map_err(io("write it"))?;
    temporary.write_all(second).map_err(io("write it"))?;
    faults::point().map_err(io("sync it"))?;
    temporary.as_file().sync_all().map_err(io("sync it"))?;
    faults::point().map_err(io("rename it"))?;
    temporary.persist(path).map_err(|error| io("rename it")(error.error))?;
    faults::point().map_err(io("sync its directory"))?;
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(io("sync its directory"))
}

#[cfg(not(feature = "testing"))]
mod faults {
    pub(super) const fn point() -> std::io::Result<()> {
        Ok(())
    }
}

/// Lets a test stop the program at its n-th durable step, as a full disk or a kill would.
#[cfg(feature = "testing")]
pub mod faults {
    use std::{
        env, io, process,
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering},
        },
    };

    /// Environment variable: the durable steps after which the process is killed.
    pub const KILL_AFTER: &str = "SUPERBLOCK_TEST_KILL_AFTER";

    /// No step fails.
    const NEVER: u64 = u64::MAX;
    static LEFT: AtomicU64 = AtomicU64::new(NEVER);
    static LIFE: LazyLock<AtomicU64> = LazyLock::new(|| {
        let steps = env::var(KILL_AFTER).ok().and_then(|steps| steps.parse().ok());
        AtomicU64::new(steps.unwrap_or(NEVER))
    });

    /// Every durable step of the process after the next `steps` fails, until [`disarm`].
    pub fn arm(steps: u64) {
        LEFT.store(steps, Ordering::SeqCst);
    }

    /// Durable steps work again. Returns whether one had failed.
    pub fn disarm() -> bool {
        LEFT.swap(NEVER, Ordering::SeqCst) == 0
    }

    pub(super) fn point() -> io::Result<()> {
        if LIFE.fetch_sub(1, Ordering::SeqCst) == 0 {
            // A kill leaves no chance to tidy up.
            let _ = process::Command::new("kill").args(["-KILL", &process::id().to_string()]).status();
            process::abort();
        }
        let left = LEFT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            Some(if left == NEVER { left } else { left.saturating_sub(1) })
        });
        if left == Ok(0) { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Vec<u8> {
        encode(Kind::Registry, &(7_u32, "seven".to_owned())).expect("serialisable")
    }

    fn decoded(bytes: &[u8]) -> Result<(u32, String), FormatError> {
        decode(Kind::Registry, bytes, 100)
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
            decoded(&seal(Kind::Registry, &payload)),
            Err(FormatError::NotCanonical { kind: Kind::Registry })
        );
    }

    #[test]
    fn a_longer_encoding_of_a_number_is_rejected() {
        let payload = [0x87, 0x00, 5, b's', b'e', b'v', b'e', b'n'];
        assert_eq!(
            decoded(&seal(Kind::Registry, &payload)),
            Err(FormatError::NotCanonical { kind: Kind::Registry })
        );
    }

    #[test]
    fn another_kind_is_rejected_and_named() {
        let error = decode::<(u32, String)>(Kind::BlockBundle, &example(), 100).expect_err("another kind");
        assert_eq!(error, FormatError::Kind { expected: Kind::BlockBundle, found: Kind::Registry });
        assert_eq!(error.to_string(), "a block bundle was expected, found a registry");
    }

    #[test]
    fn a_length_that_asks_for_gigabytes_is_rejected() {
        let payload = [&[7][..], &[0xff, 0xff, 0xff, 0xff, 0x7f]].concat();
        assert!(matches!(decoded(&seal(Kind::Registry, &payload)), Err(FormatError::Payload { .. })));
        let mut bytes = example();
        bytes[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(decoded(&bytes), Err(FormatError::Length { announced: u64::MAX, .. })));
    }

    #[test]
    fn a_file_above_its_limit_is_rejected_unread() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("large");
        fs::write(&path, vec![0; 1000]).expect("writable");
        let error = read_bytes(Kind::Registry, &path, 100).expect_err("too large");
        assert!(error.to_string().contains("at most 100 bytes, found 1000"), "{error}");
    }

    #[test]
    fn a_directory_is_not_a_file() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(matches!(read_bytes(Kind::Registry, directory.path(), 100), Err(FileError::Io { .. })));
    }

    #[cfg(feature = "testing")]
    #[test]
    fn a_write_stopped_at_any_step_leaves_the_old_or_the_new_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state");
        let (old, new) = (vec![1; 500], vec![2; 700]);
        for step in 0.. {
            write_atomic(&path, &old).expect("no fault is armed");
            faults::arm(step);
            let result = write_atomic(&path, &new);
            faults::disarm();
            let found = fs::read(&path).expect("the file exists");
            assert!(found == old || found == new, "step {step} left neither file");
            if result.is_ok() {
                assert!(step >= 4 && found == new, "a write has at least four steps");
                return;
            }
            assert!(step < 100, "the write never succeeds");
        }
    }
}
