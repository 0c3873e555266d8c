//! A directory with blocks of the free kernel, and the batcher over it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{LazyLock, atomic::AtomicBool},
};

use batcher_circuits::{
    engine::Engine,
    state::SuperblockState,
    testing::{block, block_with, engine, free_key, free_proof, free_registry},
};
use batcher_job::{
    batch::{BatchError, Batcher, Outcome},
    output::{OutputDirectory, state_file},
    planner::Planner,
    prove::Quiet,
    state,
    states::States,
};
use batcher_verify::trust::Trust;
use bridge_core::{BlockMessages, Message};
use circuits_core::proof;
use circuits_protocol::{registry::EnvironmentId, statement::BlockStatement};
use environments_core::BlockBundle;
use plonky2::field::types::PrimeField64;

/// Circuits shared by the tests of one process.
pub(crate) static ENGINE: LazyLock<Engine> = LazyLock::new(engine);

/// A bundle that proves `statement`.
pub(crate) fn block_bundle(statement: BlockStatement) -> BlockBundle {
    let environment = EnvironmentId(statement.environment.to_canonical_u64() as u16);
    BlockBundle {
        statement,
        proof: proof::encode(&free_proof(&statement)),
        key: proof::encode_key(free_key()),
        messages: BlockMessages::none(environment),
        body: b"body".to_vec(),
    }
}

/// Writes a bundle as a file.
pub(crate) fn write_block(directory: &Path, name: &str, bundle: &BlockBundle) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, bundle.encode().expect("serialisable")).expect("writable");
    path
}

/// A bundle of a block with messages.
#[allow(dead_code, reason = "not every test program has messages")]
pub(crate) fn talking_bundle(height: u32, messages: &BlockMessages) -> BlockBundle {
    BlockBundle { messages: messages.clone(), ..block_bundle(block_with(height, messages)) }
}

/// Makes the next superblock of `root`.
pub(crate) fn batch(root: &Path) -> Result<Outcome, BatchError> {
    batch_with(root, &[])
}

/// Makes the next superblock of `root`, with these deposits in L1's queue.
pub(crate) fn batch_with(root: &Path, deposits: &[Message]) -> Result<Outcome, BatchError> {
    batch_to(root, root, deposits, None)
}

/// [`batch_with`], into the directory `out`, if `trust` would accept the superblock.
pub(crate) fn batch_to(
    root: &Path,
    out: &Path,
    deposits: &[Message],
    trust: Option<&Trust>,
) -> Result<Outcome, BatchError> {
    let mut states = States::open(root, None)?;
    let stop = AtomicBool::new(false);
    let batcher = Batcher {
        engine: &ENGINE,
        output: &OutputDirectory::new(out),
        trust,
        progress: &Quiet,
        planner: Planner::default(),
        jobs: 1,
        stop: &stop,
    };
    batcher.run(&root.join("blocks"), deposits, &mut states, &free_registry(2), out)
}

/// An empty chain with these blocks waiting.
pub(crate) fn waiting(root: &Path, blocks: &[(u16, u32)]) {
    fs::create_dir_all(root.join("blocks")).expect("writable");
    state::write(&state_file(root, 0), &SuperblockState::genesis(5)).expect("writable");
    for &(id, height) in blocks {
        // Files are not in the order of blocks.
        let name = format!("{:02}-{id}.block", 99 - height);
        write_block(&root.join("blocks"), &name, &block_bundle(block(id, height)));
    }
}
