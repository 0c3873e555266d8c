//! secp256k1 ECDSA signatures: keys and signatures natively, and the list of claims that a batch proof states.
//!
//! A [`Claim`] says "this key signed this hash". It does not contain the signature: a proof says that one exists.

pub mod batch;
mod claim;
mod error;
mod key;
mod signature;
pub mod table;
mod words;

pub use claim::{
    Claim, SignatureStatement, append, append_circuit, append_committed, append_committed_circuit,
    claims_digest, empty_claims, key_commitment, key_commitment_circuit,
};
pub use error::EcdsaError;
pub use key::PublicKey;
pub use signature::{Signature, Signed, verify};
pub use words::{WORD_BITS, WORDS, Words, from_words, to_words};
