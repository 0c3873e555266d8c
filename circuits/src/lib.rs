#![doc = include_str!("../README.md")]

pub mod amount;
pub mod basetypes;
pub mod circuit;
pub mod constrain;
pub mod contain;
pub mod digest;
pub mod division;
pub mod ecdsa;
pub mod file;
#[cfg(feature = "testing")]
pub mod forging;
pub mod generators;
pub mod hash;
pub mod integer;
pub mod keys;
pub mod layout;
pub mod pins;
pub mod plonk;
pub mod proof;
pub mod recursion;
pub mod registry;
pub mod security;
pub mod statement;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trees;

pub use basetypes::{Builder, C, Circuit, CommonData, D, F, Proof, VerifierKey, Witness};
pub use circuit::{AnyCompiled, CircuitError, Compiled, Definition};
pub use digest::{Digest, DigestTarget};
