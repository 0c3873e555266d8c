//! Keccak-256 as Ethereum has it: the blocks of messages, and the list of blocks that a batch proof is about.
//!
//! A [`Block`] is what one permutation absorbs. A message has one or more, and its digest stands in the last one.

pub mod batch;
mod check;
mod claim;
mod error;
pub mod table;

pub use check::check_blocks;
pub use claim::{
    BLOCK_BYTES, BLOCK_WORDS, Block, DIGEST_WORDS, KeccakStatement, append, append_circuit, append_message,
    append_message_circuit, blocks, empty_list, keccak256, to_words,
};
pub use error::KeccakError;
