#![doc = include_str!("../README.md")]

mod error;
#[cfg(feature = "testing")]
pub mod faults;
mod format;
mod read;
mod write;

/// Files with a header and a checksum.
pub mod file {
    pub use crate::{
        error::FileError,
        format::{
            BUNDLE_LIMIT, FileKind, FormatError, HEADER_BYTES, MAGIC, SMALL_LIMIT, VERSION, decode, encode,
            open, seal, sha3,
        },
        read::{read, read_bytes},
        write::{TEMPORARY_PREFIX, write, write_atomic, write_shared},
    };
}

/// Text files that users write.
pub mod text {
    pub use crate::read::{TextError, read_text as read};
}
