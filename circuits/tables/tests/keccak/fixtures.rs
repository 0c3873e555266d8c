//! Messages.

/// A message of `length` bytes, no two of which in a row are equal.
pub(super) fn message(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 + length) as u8).collect()
}
