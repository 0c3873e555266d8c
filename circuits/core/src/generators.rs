//! The list of our own witness generators, by which prover keys that contain them are read.

use circuits_prover::basetypes::ReadGenerator;

use crate::{division, trees};

/// The functions that read our generators, with the generators' ids. The position in the list is a generator's tag in
/// prover keys, so the order is part of every pin.
#[must_use]
pub fn readers() -> Vec<(String, ReadGenerator)> {
    let mut readers = trees::hint_readers();
    // Questions that were added later come after the hints of divisions.
    let later = readers.split_off(trees::FIRST_QUESTIONS);
    readers.into_iter().chain(division::hint_readers()).chain(later).collect()
}
