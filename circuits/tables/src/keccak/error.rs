//! Why blocks are not those of padded messages with their digests.

use thiserror::Error;

/// Why a block does not follow from those before it. The first rule that is broken is named.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeccakError {
    /// A word of the block has more than 32 bits.
    #[error("word {word} is {value}, which has more than 32 bits")]
    Wide { word: usize, value: u64 },
    /// The block neither ends its message nor continues it.
    #[error("whether the block ends its message must be 0 or 1, found {0}")]
    Last(u64),
    /// The block ends its message, and its bytes end in no padding.
    #[error("the block ends its message, but not in the padding of Keccak-256: {0}")]
    Padding(String),
    /// The digest of a block that ends its message is another one, or that of another block is not zero.
    #[error("the digest should be {expected}, found {found}")]
    Digest {
        /// The words that the digest should have, hexadecimal.
        expected: String,
        /// The words that it has.
        found: String,
    },
    /// The last block of the list does not end its message.
    #[error("the list ends before the message of its last block")]
    Unfinished,
}
