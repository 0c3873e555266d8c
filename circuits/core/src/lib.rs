#![doc = include_str!("../README.md")]

pub mod amount;
pub mod chain_id;
pub mod circuit;
pub mod constrain;
pub mod digest;
pub mod division;
pub mod generators;
pub mod hash;
pub mod integer;
pub mod late;
pub mod layout;
pub mod proof;
pub mod recursion;
pub mod secret;
pub mod security;
pub mod shared;
pub mod stored;
pub mod trees;

pub use circuit::{AnyCompiled, CircuitError, Compiled, Definition};
pub use circuits_prover::{Builder, C, Circuit, CommonData, D, F, Proof, VerifierKey, Witness};
pub use digest::{Digest, DigestTarget};
