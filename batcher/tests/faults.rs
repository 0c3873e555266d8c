//! A run that is stopped at any durable step. The faults are the process's own, so this test has a process to itself.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{LazyLock, atomic::AtomicBool},
};

use batcher::{
    batch::{BatchError, Batcher, Outcome},
    circuits::{engine::Engine, keys::EngineKeys, state::SuperblockState},
    planner::Planner,
    prove::Quiet,
    state,
    store::Store,
    testing::{block, free_key, free_proof, free_registry},
    verify::verify,
};
use circuits::{file::faults, proof, statement::BlockStatement};
use environments::BlockBundle;

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);

fn block_bundle(statement: BlockStatement) -> BlockBundle {
    BlockBundle {
        statement,
        proof: proof::encode(&free_proof(&statement)),
        key: proof::encode_key(free_key()),
        body: b"body".to_vec(),
    }
}

fn write_block(directory: &Path, name: &str, bundle: &BlockBundle) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, bundle.encode().expect("serialisable")).expect("writable");
    path
}

fn batch(root: &Path) -> Result<Outcome, BatchError> {
    let store = Store::open(root)?;
    let stop = AtomicBool::new(false);
    let batcher = Batcher {
        engine: &ENGINE,
        store: &store,
        progress: &Quiet,
        planner: Planner::default(),
        jobs: 1,
        stop: &stop,
    };
    batcher.run(&root.join("blocks"), &state::state_path(root), &free_registry(2), root)
}

/// An empty chain with these blocks waiting.
fn waiting(root: &Path, blocks: &[(u16, u32)]) {
    fs::create_dir_all(root.join("blocks")).expect("writable");
    state::write(&state::state_path(root), &SuperblockState::genesis(5)).expect("writable");
    for &(id, height) in blocks {
        // Files are not in the order of blocks.
        let name = format!("{:02}-{id}.block", 99 - height);
        write_block(&root.join("blocks"), &name, &block_bundle(block(id, height)));
    }
}

/// Durable steps before the last rename has happened: a proof, a superblock and a state, each written, synced and renamed.
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
        let state = state::read(&state::state_path(root)).expect("whole at any time");
        match result {
            Ok(_) => {
                panic!("step {step} of the run was not durable, though no step before was its last");
            }
            Err(error) => assert!(faulted, "{error}"),
        }
        if state.number == 1 {
            // Stopped after the last rename: the state is the new one already.
            assert!(step >= LEAST_STEPS, "only {step} durable steps made a new state");
            let paths = vec![root.join(batcher::batch::bundle_name(1))];
            verify(paths, None, EngineKeys::embedded()).expect("written before the state");
            return;
        }
    }
    panic!("no run was completed");
}
