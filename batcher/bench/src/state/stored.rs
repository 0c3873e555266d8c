//! States of environments in a database, as producers and followers keep them.

use std::fs;

use circuits_database::{Format, Store};
use environments_core::{
    Environment,
    stored::{Source, StoredState as _},
};

use super::{Run, weighed};
use crate::{error::BenchError, figures::timed};

const FORMAT: Format = Format { kind: "measured state", version: 1 };
/// Blocks that can be gone back.
const KEPT: usize = 2;

/// What it costs to write the block between two states, and to read the state before it again and make the block there.
pub(super) fn run<E: Environment>(
    environment: &E,
    before: &E::State,
    after: &E::State,
    block_seconds: f64,
    block: impl Fn(&E::State) -> Result<E::State, BenchError>,
) -> Result<Run, BenchError> {
    let directory = tempfile::tempdir().map_err(BenchError::blocks)?;
    let path = directory.path().join("state.redb");
    let all = before.changes(None).map_err(BenchError::blocks)?;
    let store = Store::create(&path, FORMAT, environment.chain_id(), 0, &all);
    let store = store.map_err(BenchError::blocks)?;
    drop(all);
    let disk_bytes = fs::metadata(&path).map_err(BenchError::blocks)?.len();
    let write = || {
        let changes = after.changes(Some(before)).map_err(BenchError::blocks)?;
        store.commit(1, &changes, KEPT).map_err(BenchError::blocks)
    };
    let (write_seconds, ()) = timed(write)?;
    store.roll_back(0).map_err(BenchError::blocks)?;
    drop(store);
    let read = || {
        let store = Store::open(&path, FORMAT).map_err(BenchError::blocks)?;
        let view = store.latest().map_err(BenchError::blocks)?;
        E::State::restore(environment.genesis(), &Source::new(view)).map_err(BenchError::blocks)
    };
    let (restart_seconds, (state, memory_bytes)) = timed(|| weighed(read))?;
    let [found, expected] = [&state, before].map(|state| environment.commitment(state));
    if found != expected {
        return Err(BenchError::blocks(format!("the state that was read is {found}, not {expected}")));
    }
    let (first_block_seconds, made) = timed(|| block(&state))?;
    made.check_reads().map_err(BenchError::blocks)?;
    let [found, expected] = [&made, after].map(|state| environment.commitment(state));
    if found != expected {
        return Err(BenchError::blocks(format!(
            "the block on what was read leads to {found}, not {expected}"
        )));
    }
    let (write_seconds, disk_bytes) = (Some(write_seconds), Some(disk_bytes));
    let first_block_seconds = Some(first_block_seconds);
    Ok(Run { block_seconds, first_block_seconds, write_seconds, restart_seconds, disk_bytes, memory_bytes })
}
