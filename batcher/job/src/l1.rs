//! Environment 0 in the batch job: its block is made and proved here, because no producer makes it.
//!
//! A proven block is kept with the finished proofs, as a block bundle, so that a batch that was stopped does not prove it
//! again.

use std::path::PathBuf;

use batcher_circuits::state::SuperblockState;
use circuits_core::{CircuitError, Digest};
use circuits_files::file::{self, BUNDLE_LIMIT, FileError, FileKind};
use circuits_keys::CircuitCache;
use circuits_protocol::{registry::EnvironmentId, wrap::block_shape};
use circuits_tasks::progress::Progress;
use environments_core::{
    BlockBundle, ProveError,
    block::ProvenBlock,
    bundle::BundleError,
    kernel::{AnyKernel as _, Kernels as _},
};
use environments_l1::{L1Block, L1State, circuits::L1Kernels, kernel::Variant, prove::prove_block_by};
use thiserror::Error;

use crate::{
    graph::block_id,
    intake::CheckedBlock,
    planner::{Candidate, PlannedL1},
    store::Store,
};

/// Proves blocks of environment 0.
pub trait L1Prover: Sync {
    /// The digest of the key that proofs by this kernel verify under.
    ///
    /// # Errors
    /// If the kernel, or a circuit below it, cannot be built.
    fn key_digest(&self, cache: &CircuitCache, variant: Variant) -> Result<Digest, CircuitError>;

    /// Proves `block` by a kernel that takes it.
    ///
    /// # Errors
    /// [`ProveError`]
    fn prove(
        &self,
        cache: &CircuitCache,
        block: &L1Block,
        variant: Variant,
    ) -> Result<ProvenBlock, ProveError>;
}

impl L1Prover for L1Kernels {
    fn key_digest(&self, cache: &CircuitCache, variant: Variant) -> Result<Digest, CircuitError> {
        self.get(cache, variant)?.key_digest(cache)
    }

    fn prove(
        &self,
        cache: &CircuitCache,
        block: &L1Block,
        variant: Variant,
    ) -> Result<ProvenBlock, ProveError> {
        prove_block_by(cache, self, block, variant)
    }
}

/// Why the block of environment 0 has no proof.
#[derive(Debug, Error)]
pub enum L1ProveError {
    /// It cannot be proved.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// What was proved is no valid block.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Its proof verifies under another key than the planned one.
    #[error("the proof's key is {found}, expected {expected}")]
    Key { expected: Digest, found: Digest },
    /// The proven block cannot be kept.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The state of environment 0 within the state of all environments.
#[must_use]
pub fn l1_state(state: &SuperblockState) -> L1State {
    L1State {
        chain_id: state.chain_id,
        height: state.environments.get(EnvironmentId::L1).map_or(0, |head| head.height),
        queue: state.l1.queue,
        payouts: state.l1.payouts,
    }
}

/// Loads the proven block, or proves and keeps it.
pub(crate) fn proven_block(
    planned: &PlannedL1,
    prover: &dyn L1Prover,
    cache: &CircuitCache,
    store: &Store,
    progress: &dyn Progress,
) -> Result<CheckedBlock, L1ProveError> {
    let PlannedL1 { block, variant, key } = planned;
    let path = store.l1_block_path(block_id(*key, block.statement()));
    let name = format!("block {} of environment 0", block.last_height());
    progress.begin(1);
    progress.start(&name);
    let found = file::read_bytes(FileKind::BlockBundle, &path, BUNDLE_LIMIT).ok();
    let found = found.and_then(|bytes| BlockBundle::decode(&bytes).ok());
    // What is not this block is made again.
    if let Some(checked) = found.and_then(|bundle| checked(planned, path.clone(), &bundle).ok()) {
        progress.done(&name, true);
        return Ok(checked);
    }
    let bundle = BlockBundle::new(&prover.prove(cache, block, *variant)?);
    let checked = checked(planned, path, &bundle)?;
    file::write_atomic(&checked.path, &bundle.encode()?)?;
    progress.done(&name, false);
    Ok(checked)
}

/// The block with the proof of `bundle`, which is verified.
fn checked(planned: &PlannedL1, path: PathBuf, bundle: &BlockBundle) -> Result<CheckedBlock, L1ProveError> {
    let PlannedL1 { block, key: expected, .. } = planned;
    let bundle = BlockBundle { statement: *block.statement(), ..bundle.clone() };
    let (proof, key, found) = bundle.open(&block_shape().common)?;
    if found != *expected {
        return Err(L1ProveError::Key { expected: *expected, found });
    }
    let candidate = Candidate {
        statement: bundle.statement,
        header: block.header(),
        key: found,
        messages: block.messages().clone(),
        // No other file competes with it.
        file: [0; 32],
    };
    Ok(CheckedBlock { path, candidate, proof, key })
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use batcher_circuits::testing::{free_key, free_key_digest, free_proof};
    use circuits_tasks::progress::Quiet;

    use super::*;
    use crate::output::OutputDirectory;

    /// Proves blocks with the free kernel, and counts them.
    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl L1Prover for Counted {
        fn key_digest(&self, _: &CircuitCache, _: Variant) -> Result<Digest, CircuitError> {
            Ok(free_key_digest())
        }

        fn prove(&self, _: &CircuitCache, block: &L1Block, _: Variant) -> Result<ProvenBlock, ProveError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(ProvenBlock::new(block, free_proof(block.statement()), free_key().clone())?)
        }
    }

    #[test]
    fn a_kept_block_is_used_and_a_damaged_one_is_made_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(&OutputDirectory::new(directory.path())).expect("writable");
        let state = L1State::genesis(1).expect("a chain id");
        let planned = |number| PlannedL1 {
            block: state.block(number, &[], &[]).expect("an empty block"),
            variant: Variant::EMPTY,
            key: free_key_digest(),
        };
        let (cache, prover) = (CircuitCache::default(), Counted::default());
        let prove = |number| {
            let block = proven_block(&planned(number), &prover, &cache, &store, &Quiet).expect("a block");
            (block.path, prover.0.load(Ordering::Relaxed))
        };
        let (path, proved) = prove(1);
        assert_eq!(proved, 1);
        assert_eq!(prove(1).1, 1, "it is kept");
        let whole = fs::read(&path).expect("it was written");
        let other = fs::read(prove(2).0).expect("it was written");
        let flipped: Vec<_> =
            whole.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 5_000)).collect();
        // With its right checksum: a proof that does not verify.
        let bundle = BlockBundle::decode(&whole).expect("a block");
        let mut proof = bundle.proof.clone();
        proof[5_000] ^= 1;
        let resealed = BlockBundle { proof, ..bundle }.encode().expect("small");
        for (count, damaged) in (3..).zip([b"".as_slice(), &whole[..9_000], &flipped, &resealed, &other]) {
            fs::write(&path, damaged).expect("writable");
            assert_eq!(prove(1).1, count, "it is made again");
            assert_eq!(fs::read(&path).expect("it was written"), whole);
        }
    }
}
