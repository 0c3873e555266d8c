//! A directory with blocks of the free kernel, and the batcher over it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{LazyLock, atomic::AtomicBool},
};

use batcher_circuits::{
    engine::Engine,
    state::SuperblockState,
    testing::{block, block_with, digest, engine, free_key, free_key_digest, free_proof, free_registry},
};
use batcher_job::{
    batch::{BatchError, Batcher, Outcome},
    l1::L1Prover,
    output::OutputDirectory,
    planner::Planner,
    states::{self, States},
};
use batcher_verify::trust::Trust;
use bridge_core::BlockMessages;
use circuits_core::{CircuitError, Digest, proof};
use circuits_keys::CircuitCache;
use circuits_protocol::{
    registry::{EnvironmentId, Registry},
    statement::BlockStatement,
};
use circuits_tasks::progress::Quiet;
use environments_core::{BlockBundle, ProveError, ProvenBlock, address::Address};
use environments_l1::{Bytes32, Deposit, L1Block, kernel::Variant, registry_entry};
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

/// The deployment of [`waiting`].
pub(crate) const CHAIN: u64 = 5;

/// The free kernel's environments 1 and 2, and environment 0 with its kernel too.
pub(crate) fn registry() -> Registry {
    let mut registry = free_registry(2);
    let entry = registry_entry(CHAIN, &[free_key_digest()]).expect("a chain id");
    registry.insert(EnvironmentId::L1, entry).expect("it is not listed yet");
    registry
}

/// Proves blocks of environment 0 with the free kernel.
pub(crate) struct FreeL1;

impl L1Prover for FreeL1 {
    fn key_digest(&self, _: &CircuitCache, _: Variant) -> Result<Digest, CircuitError> {
        Ok(free_key_digest())
    }

    fn prove(&self, _: &CircuitCache, block: &L1Block, _: Variant) -> Result<ProvenBlock, ProveError> {
        Ok(ProvenBlock::new(block, free_proof(block.statement()), free_key().clone())?)
    }
}

/// 6 of L1's asset 1 for environment 2.
pub(crate) fn deposit() -> Deposit {
    Deposit {
        depositor: Address([7; 20]),
        destination: 2,
        recipient: Bytes32::of_digest(digest(12)),
        asset: "0:1".parse().expect("an asset"),
        amount: 6,
        lifetime: 100,
    }
}

/// Makes the next superblock of `root`.
pub(crate) fn batch(root: &Path) -> Result<Outcome, BatchError> {
    batch_with(root, &[])
}

/// Makes the next superblock of `root`, with these deposits in L1's queue.
pub(crate) fn batch_with(root: &Path, deposits: &[Deposit]) -> Result<Outcome, BatchError> {
    batch_to(root, root, deposits, None)
}

/// [`batch_with`], into the directory `out`, if `trust` would accept the superblock.
pub(crate) fn batch_to(
    root: &Path,
    out: &Path,
    deposits: &[Deposit],
    trust: Option<&Trust>,
) -> Result<Outcome, BatchError> {
    let mut states = States::open(root, None)?;
    let stop = AtomicBool::new(false);
    let batcher = Batcher {
        engine: &ENGINE,
        output: &OutputDirectory::new(out),
        trust,
        l1: &FreeL1,
        progress: &Quiet,
        planner: Planner::default(),
        shared: None,
        replan: false,
        jobs: 1,
        stop: &stop,
    };
    batcher.run(&root.join("blocks"), deposits, &mut states, &registry(), out)
}

/// An empty chain with these blocks waiting.
pub(crate) fn waiting(root: &Path, blocks: &[(u16, u32)]) {
    fs::create_dir_all(root.join("blocks")).expect("writable");
    states::put(root, &SuperblockState::genesis(CHAIN)).expect("writable");
    for &(id, height) in blocks {
        // Files are not in the order of blocks.
        let name = format!("{:02}-{id}.block", 99 - height);
        write_block(&root.join("blocks"), &name, &block_bundle(block(id, height)));
    }
}
