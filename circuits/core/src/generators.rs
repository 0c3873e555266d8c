//! Our own witness generators, so that prover keys which contain them can be read.

use circuits_prover::basetypes::ReadGenerator;

use crate::{division, trees};

/// How each of our generators is read, by its id. The position in the list is its tag in prover keys, so that the order
/// is part of every pin.
#[must_use]
pub fn readers() -> Vec<(String, ReadGenerator)> {
    trees::hint_readers().into_iter().chain(division::hint_readers()).collect()
}
