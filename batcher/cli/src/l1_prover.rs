//! What L1 verifies of superblocks: hops, found beside the bundles or made.

use std::{collections::BTreeMap, error::Error, path::PathBuf};

use batcher_hop::{HopProver, circuits::keccak_common, file as hop_file, keys::outer_digest};
use batcher_settlement::{
    B256,
    job::{L1Proof, Prove},
    superblock::Superblock,
};
use batcher_verify::{
    circuit::{SuperblockCircuit, superblock_shape},
    keys::PinnedKeys,
    verify,
};
use circuits_core::proof;
use circuits_keys::CircuitCache;

use crate::{answer::Failure, hop::read_bundle};

/// Where a superblock's bundle is, and the circuit that proved it.
struct Proved {
    path: PathBuf,
    circuit: SuperblockCircuit,
}

/// Verified superblocks, and what makes their hops.
pub(crate) struct L1Prover<'a> {
    hops: HopProver<'a>,
    proved: BTreeMap<u32, Proved>,
}

impl<'a> L1Prover<'a> {
    /// Verifies the superblocks of these bundles, and returns them in their order.
    pub(crate) fn open(
        files: &[PathBuf],
        cache: &'a CircuitCache,
    ) -> Result<(Self, Vec<Superblock>), Failure> {
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
        Ok((Self { hops: HopProver::new(pinned, cache), proved }, superblocks))
    }
}

impl Prove for L1Prover<'_> {
    fn outer_digest(&self) -> B256 {
        B256::new(outer_digest(PinnedKeys::embedded().hop.keccak.get(), keccak_common()))
    }

    fn prove(&self, superblock: &Superblock) -> Result<L1Proof, Box<dyn Error + Send + Sync>> {
        let Proved { path: bundle, circuit } =
            self.proved.get(&superblock.number()).ok_or("the superblock's key is not the program's")?;
        let path = hop_file::path_beside(bundle);
        let key = PinnedKeys::embedded().hop.keccak.get();
        // What is beside the bundle is used if it is the superblock's, and made again if it is not.
        let known = hop_file::read(&path).ok().filter(|hop| {
            hop_file::first_difference(hop, superblock.statement()).is_none() && hop.verify(key).is_ok()
        });
        let hop = match known {
            Some(hop) => hop,
            None => {
                let bundle = read_bundle(bundle.clone())?;
                let decoded = proof::decode(&bundle.proof, &superblock_shape(*circuit).common)?;
                let hop = self.hops.prove(*circuit, decoded)?;
                hop_file::write(&path, &hop)?;
                hop
            }
        };
        Ok(L1Proof { outer_digest: B256::new(hop.outer_digest()), proof: hop.to_calldata().into() })
    }
}
