//! The contract's events, in pieces that nodes answer.

use alloy_primitives::{Address, B256};

use crate::l1::{Event, L1, L1Error};

/// Blocks of one question: nodes refuse much more.
const BLOCKS: u64 = 2_000;

/// The contract's events that begin with these topics in the blocks `first..=last`, in order.
///
/// # Errors
/// [`L1Error`]
pub fn events(
    l1: &dyn L1,
    contract: Address,
    topics: &[B256],
    first: u64,
    last: u64,
) -> Result<Vec<Event>, L1Error> {
    let mut found = vec![];
    let mut start = first;
    while start <= last {
        let end = last.min(start.saturating_add(BLOCKS - 1));
        found.extend(l1.events(contract, topics, start, end)?);
        start = end.saturating_add(1);
    }
    Ok(found)
}
