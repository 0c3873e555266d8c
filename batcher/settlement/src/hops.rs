//! What L1 verifies of superblocks: hops, found beside the bundles or made.

use std::{collections::BTreeMap, error::Error, path::PathBuf, sync::atomic::AtomicBool, time::Duration};

use alloy_primitives::B256;
use batcher_hop::{
    HopProof, HopProver,
    circuits::keccak_common,
    file::{self as hop_file, Found},
    keys::outer_digest,
};
use batcher_verify::{
    circuit::{SuperblockCircuit, superblock_shape},
    keys::PinnedKeys,
    verify::{self, VerifyError},
};
use circuits_core::proof;
use circuits_keys::CircuitCache;
use circuits_tasks::{progress::Progress, shared::Shared};
use thiserror::Error;

use crate::{
    job::{L1Proof, Prove},
    superblock::{Superblock, UnstatableError},
};

/// Why bundles cannot be settled.
#[derive(Debug, Error)]
pub enum HopsError {
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Superblock(#[from] UnstatableError),
}

/// Where a superblock's bundle is, and the circuit that proved it.
struct Proved {
    path: PathBuf,
    circuit: SuperblockCircuit,
}

/// Verified superblocks, and what makes their hops.
pub struct Hops<'a> {
    hops: HopProver<'a>,
    proved: BTreeMap<u32, Proved>,
}

impl<'a> Hops<'a> {
    /// Verifies the superblocks of these bundles, and returns them in their order. `stop` stops a hop before its next proof.
    ///
    /// # Errors
    /// [`HopsError`]
    pub fn open(
        files: &[PathBuf],
        cache: &'a CircuitCache,
        stop: &'a AtomicBool,
    ) -> Result<(Self, Vec<Superblock>), HopsError> {
        let pinned = PinnedKeys::embedded();
        let (mut superblocks, mut proved) = (vec![], BTreeMap::new());
        for path in files {
            let (_, bundle) = verify::open(path.clone(), None, pinned)?;
            let superblock = Superblock::of(&bundle)?;
            if let Some((circuit, _)) = pinned.find(bundle.key) {
                proved.insert(superblock.number(), Proved { path: path.clone(), circuit });
            }
            superblocks.push(superblock);
        }
        superblocks.sort_by_key(Superblock::number);
        Ok((Self { hops: HopProver::new(pinned, cache).with_stop(stop), proved }, superblocks))
    }

    /// Reports the progress of hops.
    #[must_use]
    pub fn with_progress(self, progress: &'a dyn Progress) -> Self {
        Self { hops: self.hops.with_progress(progress), ..self }
    }

    /// Waits for workers no longer than so without any of them proving a stage.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { hops: self.hops.with_patience(patience), ..self }
    }

    /// Shares stages with workers, if there is somewhere to share them.
    #[must_use]
    pub fn with_shared(self, shared: Option<Shared<'a>>) -> Self {
        Self { hops: self.hops.with_shared(shared), ..self }
    }

    /// Whether the hops of all these superblocks are beside the bundles.
    #[must_use]
    pub fn are_made(&self, superblocks: &[Superblock]) -> bool {
        let key = PinnedKeys::embedded().hop.keccak.get();
        superblocks.iter().all(|superblock| {
            let proved = self.proved.get(&superblock.number());
            let path = proved.map(|proved| hop_file::path_beside(&proved.path));
            let found = path.map(|path| hop_file::find(&path, superblock.statement(), key));
            matches!(found, Some(Ok(Found::Hop(_))))
        })
    }
}

impl Prove for Hops<'_> {
    fn outer_digest(&self) -> B256 {
        B256::new(outer_digest(PinnedKeys::embedded().hop.keccak.get(), keccak_common()))
    }

    fn prove(&self, superblock: &Superblock) -> Result<L1Proof, Box<dyn Error + Send + Sync>> {
        let Proved { path: bundle, circuit } =
            self.proved.get(&superblock.number()).ok_or("the superblock's key is not the program's")?;
        let path = hop_file::path_beside(bundle);
        let key = PinnedKeys::embedded().hop.keccak.get();
        let find = || hop_file::find(&path, superblock.statement(), key);
        if let Ok(Found::Hop(hop)) = find() {
            return Ok(for_l1(&hop));
        }
        let stages = self.hops.stages(&path)?;
        let hop = match find() {
            Ok(Found::Hop(hop)) => *hop,
            found => {
                let bundle = verify::read(bundle)?;
                let decoded = proof::decode(&bundle.proof, &superblock_shape(*circuit).common)?;
                let hop = self.hops.prove(*circuit, decoded, &stages)?;
                // It is for later calls: that it cannot be written, or that something else is there, is no reason to do without
                // it now.
                if found.is_err() || hop_file::write(&path, &hop).is_err() {
                    return Ok(for_l1(&hop));
                }
                hop
            }
        };
        stages.clear();
        Ok(for_l1(&hop))
    }
}

/// What the contract verifies of a hop.
fn for_l1(hop: &HopProof) -> L1Proof {
    L1Proof { outer_digest: B256::new(hop.outer_digest()), proof: hop.to_calldata().into() }
}
