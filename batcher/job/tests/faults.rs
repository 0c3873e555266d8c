//! A run that is stopped at any durable step. The faults are the process's own, so this test has a process to itself.

mod common;

use batcher_job::{
    output::{state_file, superblock_file},
    state,
};
use batcher_verify::{keys::PinnedKeys, verify::verify};
use circuits_files::faults;
use common::{batch, waiting};

/// Durable steps before the last rename has happened: a proof, a superblock and a state, each written, synced
/// and renamed.
const LEAST_STEPS: u64 = 3 * 3;

#[test]
fn a_run_stopped_at_any_durable_step_is_completed_by_the_next_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[(1, 1), (2, 1)]);
    for step in 0..100 {
        faults::arm(step);
        let result = batch(root);
        let faulted = faults::disarm();
        let state = state::read(&state_file(root)).expect("whole at any time");
        match result {
            Ok(_) => {
                panic!("step {step} of the run was not durable, though no step before was its last");
            }
            Err(error) => assert!(faulted, "{error}"),
        }
        if state.number == 1 {
            // Stopped after the last rename: the state is the new one already.
            assert!(step >= LEAST_STEPS, "only {step} durable steps made a new state");
            let paths = vec![superblock_file(root, 1)];
            verify(paths, None, PinnedKeys::embedded()).expect("written before the state");
            return;
        }
    }
    panic!("no run was completed");
}
