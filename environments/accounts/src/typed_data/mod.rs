//! What an account signs: EIP-712 typed data, so that a wallet shows a person what is done.
//!
//! ```text
//! action i   = keccak(type of action i, its members)
//! struct     = keccak(type of the transaction, nonce, fee, last block, action 1 .. action n)
//! signed     = keccak(0x1901, domain separator, struct)
//! address    = the last 20 bytes of keccak(key)
//! ```
//! Only this module knows how. The sender is not in it: who signs is who acts. [`typed_data`] is what `eth_signTypedData_v4`
//! takes, and [`check_typed_data`] reads it.

mod blocks;
mod domain;
mod encoding;
mod error;
mod hashing;
mod json;
mod read;
mod slot;
mod text;
mod type_tree;
mod types;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use blocks::{ActionWords, BlockList};
pub use domain::{DOMAIN_TYPE, DOMAIN_WORDS, MAX_CHAIN_ID, Settlement, SigningDomain, VERSION};
pub use error::TypedDataError;
pub use hashing::{
    action_bytes, block_count, blocks, claim, hashed, key_bytes, signed_bytes, signing_hash,
    transaction_bytes,
};
pub use json::typed_data;
pub use read::check_typed_data;
pub use slot::SlotHashes;
pub(crate) use slot::{Hashed, SlotFlags, SlotTerms};
pub use text::InOrder;
pub use type_tree::{TypeStep, type_step};
pub use types::{ACTION_TYPES, ActionType, transaction_type_hash};
pub(crate) use words::{ADDRESS_WORDS, Parts, WORD_BITS, join_circuit, parts_circuit};
