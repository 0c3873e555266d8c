//! Lists that are stored, and read where somebody needs them.
//!
//! Problem: a state has a record of every message ever sent, and whoever continues it needs a few of them. To read them all
//! first takes longer the older the chain is.
//!
//! Approach: trees and lists over what is stored read the part that a look-up leads to. Look-ups have no errors of their own:
//! where a part cannot be read, they answer as if nothing were there, and [`Reads`] keeps the first reason. Whoever is about to
//! use what follows from a state asks [`Reads::check`] before.

use std::{
    error::Error,
    fmt,
    ops::Range,
    sync::{Arc, OnceLock},
};

use crate::Digest;

/// Why something that is stored cannot be read. Copies are equal, and nothing else is.
#[derive(Clone)]
pub struct ReadFailure(Arc<dyn Error + Send + Sync>);

/// What is stored contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// The leaves of a page are not those under its root.
    #[error("the leaves from {first} on have root {found}, expected {expected}")]
    Page { first: u64, expected: Digest, found: Digest },
    /// A part of a list has another length.
    #[error("the values {} to {} are stored as {found} values", .range.start, .range.end)]
    Part { range: Range<u64>, found: usize },
    /// An entry of a tree is not the one of its leaf.
    #[error("the entry with index {index} has leaf {found}, expected {expected}")]
    Leaf { index: u64, expected: Digest, found: Digest },
    /// An entry of a map is not the one that something else says, or is missing.
    #[error("the entry of {key} is missing or not the one that the rest says")]
    Entry { key: String },
}

/// Whether everything could be read that somebody needed so far. Copies share the answer.
#[derive(Clone, Debug, Default)]
pub struct Reads(Arc<OnceLock<ReadFailure>>);

/// Reads the values at a range.
type Read<T> = dyn Fn(Range<u64>) -> Result<Vec<T>, ReadFailure> + Send + Sync;

/// A list that is stored.
pub struct StoredList<T> {
    len: u64,
    reads: Reads,
    read: Box<Read<T>>,
}

impl ReadFailure {
    /// The failure for this reason.
    pub fn new(reason: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(reason))
    }
}

impl fmt::Debug for ReadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ReadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for ReadFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl PartialEq for ReadFailure {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ReadFailure {}

impl Reads {
    /// Checks that nothing failed so far.
    ///
    /// # Errors
    /// The first [`ReadFailure`]: what was looked up since then may be wrong.
    pub fn check(&self) -> Result<(), ReadFailure> {
        self.0.get().map_or(Ok(()), |failure| Err(failure.clone()))
    }

    /// What was read, or the default if it could not be, which is remembered.
    pub fn or_default<T: Default>(&self, read: Result<T, ReadFailure>) -> T {
        read.unwrap_or_else(|failure| {
            self.fail(failure);
            T::default()
        })
    }

    /// Remembers a failure, unless there was one before.
    pub fn fail(&self, failure: ReadFailure) {
        self.0.get_or_init(|| failure);
    }
}

impl<T> StoredList<T> {
    /// The list of `len` values that `read` reads. A failure goes to `reads`.
    pub fn new(
        len: u64,
        reads: Reads,
        read: impl Fn(Range<u64>) -> Result<Vec<T>, ReadFailure> + Send + Sync + 'static,
    ) -> Self {
        Self { len, reads, read: Box::new(read) }
    }

    /// How many values there are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where its failures go.
    #[must_use]
    pub const fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The values at those indices of `range` that the list has; none if they cannot be read.
    #[must_use]
    pub fn read(&self, range: Range<u64>) -> Vec<T> {
        let range = range.start..range.end.min(self.len);
        if range.is_empty() {
            return vec![];
        }
        let values = self.reads.or_default((self.read)(range.clone()));
        let found = values.len();
        if found as u64 == range.end - range.start {
            return values;
        }
        self.reads.fail(ReadFailure::new(Contradiction::Part { range, found }));
        vec![]
    }
}

impl<T> fmt::Debug for StoredList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredList")
            .field("len", &self.len)
            .field("reads", &self.reads)
            .finish_non_exhaustive()
    }
}
