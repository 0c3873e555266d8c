//! The chain of counter blocks that superblocks are made of here.

use std::ops::RangeInclusive;

use batcher_circuits::{engine::Engine, state::SuperblockState};
use batcher_job::{
    intake::CheckedBlock,
    planner::{Candidate, Plan, Planner},
};
use circuits_core::{Digest, amount::Amount};
use circuits_files::file;
use circuits_keys::CircuitCache;
use circuits_protocol::{
    registry::{EnvironmentId, KernelEntry, Registry, RegistryEntry},
    wrap::block_shape,
};
use environments_core::{BlockProducer, DynEnvironment, block::check_statement, kernel::ProducerSecret};
use environments_counter::Counter;

use crate::error::BenchError;

const CHAIN_ID: u64 = 1;
const ENVIRONMENT: EnvironmentId = EnvironmentId(1);
/// No secret at all, so that every process of a benchmark can prove the blocks.
const SECRET: ProducerSecret = ProducerSecret::new(Digest::ZERO);
/// The transaction of every block.
pub(crate) const ADD: &str = "{\"add\": 1}";

/// The environment that the blocks are of.
pub(crate) fn counter() -> Result<Counter, BenchError> {
    Counter::new(CHAIN_ID, ENVIRONMENT, SECRET, Amount::ZERO).map_err(BenchError::blocks)
}

/// Blocks of a counter that were executed, and the registry that allows their kernel. It is the same in every process.
pub(crate) struct Chain {
    producer: BlockProducer<Counter>,
    registry: Registry,
    /// Digest of the key of the blocks' proofs.
    key: Digest,
}

impl Chain {
    /// Executes `count` blocks. Loads or builds the kernel, whose key the registry lists.
    pub(crate) fn new(cache: &CircuitCache, count: usize) -> Result<Self, BenchError> {
        let mut producer = BlockProducer::new(counter()?);
        let keys = DynEnvironment::key_digests(&producer, cache).map_err(BenchError::blocks)?;
        let [key] = keys[..] else {
            return Err(BenchError::blocks(format!("the counter has one kernel, found {}", keys.len())));
        };
        let kernel = KernelEntry { key, valid_from: 1, valid_until: u32::MAX };
        let entry = RegistryEntry::new(producer.genesis_commitment(), SECRET.producer(), vec![kernel]);
        let mut registry = Registry::default();
        registry.insert(ENVIRONMENT, entry).map_err(BenchError::blocks)?;
        for _ in 0..count {
            producer.submit_lines(cache, ADD);
            DynEnvironment::propose_block(&mut producer).map_err(BenchError::blocks)?;
        }
        Ok(Self { producer, registry, key })
    }

    /// Digest of the key of the blocks' proofs.
    pub(crate) const fn key(&self) -> Digest {
        self.key
    }

    /// The heights of the blocks.
    pub(crate) fn heights(&self) -> RangeInclusive<u32> {
        1..=self.producer.height()
    }

    /// What people call a block.
    pub(crate) fn name(height: u32) -> String {
        format!("counter block {height}")
    }

    /// Proves a block: its kernel and its wrap.
    pub(crate) fn prove(&self, cache: &CircuitCache, height: u32) -> Result<CheckedBlock, BenchError> {
        let bundle = DynEnvironment::prove(&self.producer, cache, height).map_err(BenchError::blocks)?;
        let (proof, key, digest) = bundle.open(&block_shape().common).map_err(BenchError::blocks)?;
        let file = file::sha3(&bundle.proof);
        let environments_core::BlockBundle { statement, messages, .. } = bundle;
        let header = check_statement(&statement).map_err(BenchError::blocks)?;
        let candidate = Candidate { statement, header, key: digest, messages, file };
        Ok(CheckedBlock { path: Self::name(height).into(), candidate, proof, key })
    }

    /// The first superblock, over the first blocks of the chain.
    pub(crate) fn plan(&self, engine: &Engine, blocks: &[CheckedBlock]) -> Result<Plan, BenchError> {
        let candidates: Vec<_> = blocks.iter().map(|block| block.candidate.clone()).collect();
        let root = engine.pinned().key_set().root();
        let (planner, genesis) = (Planner::default(), SuperblockState::genesis(CHAIN_ID));
        let selection =
            planner.select(&genesis, &self.registry, &candidates, None).map_err(BenchError::blocks)?;
        Ok(planner.plan(&genesis, &self.registry, root, selection)?)
    }
}
