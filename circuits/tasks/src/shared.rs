//! Tasks that processes on one machine or on many do for each other.

use crate::{
    queue::{Handler, Queue},
    store::Store,
};

/// Where tasks are shared with workers in other processes.
#[derive(Clone, Copy)]
pub struct Shared<'a> {
    /// Hands tasks out.
    pub queue: &'a dyn Queue,
    /// Keeps plans, tasks, inputs and proofs.
    pub store: &'a dyn Store,
    /// Does tasks of the queue while this process coordinates, whoever offered them. Without it all of them are left to others.
    pub worker: Option<&'a dyn Handler>,
}

/// The priority of the tasks of a superblock: those of an earlier one come first, since later ones build on it. A queue orders by
/// 16 bits, so the order is wrong for a moment whenever 2^16 superblocks are full.
#[must_use]
pub fn priority(superblock: u32) -> i16 {
    let low = i32::try_from(superblock % (1 << 16)).unwrap_or_default();
    i16::try_from(low + i32::from(i16::MIN)).unwrap_or(i16::MAX)
}
