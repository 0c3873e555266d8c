//! The registry and the recursion, attacked.

mod l1_body;
mod recursion;
mod registry;
mod registry_changes;

use circuits_core::{
    Digest, F,
    hash::{Domain, hash},
};
use plonky2::field::types::Field;

fn element(value: u64) -> F {
    F::from_canonical_u64(value)
}

fn digest(value: u64) -> Digest {
    hash(Domain::new("test"), &[element(value)])
}
