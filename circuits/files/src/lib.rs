#![doc = include_str!("../README.md")]

mod checksum;
mod error;
#[cfg(feature = "testing")]
pub mod faults;
mod format;
mod found;
mod lock;
mod parse;
mod read;
mod shown;
mod write;

/// Files with a header and a checksum.
pub mod file {
    pub use crate::{
        checksum::Checksum,
        error::FileError,
        format::{
            BUNDLE_LIMIT, FileKind, FormatError, HEADER_BYTES, MAGIC, SMALL_LIMIT, VERSION, decode, encode,
            open, seal, sha3,
        },
        lock::{lock, lock_file, open_lock},
        read::{read, read_bytes},
        write::{TEMPORARY_PREFIX, create, move_into, write, write_atomic, write_new, write_shared},
    };
}

/// Text files that users write, and text from outside.
pub mod text {
    pub use crate::{
        found::{may_be_secret, quoted, without_secrets},
        parse::parse_toml,
        read::{TextError, read_lines, read_text as read},
        shown::{shown, shown_json},
    };
}
