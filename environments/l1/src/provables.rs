//! What of a block of environment 0 others may prove, for every process that does.

use circuits_core::{
    Proof, VerifierKey,
    layout::{self, LayoutError},
};
use circuits_keys::CircuitCache;
use circuits_tables::{
    batch::Batch as _,
    keccak::{Block, KeccakStatement, batch::KeccakSize},
};
use circuits_tasks::{
    circuit::{KeyedProof, decode_input},
    graph::Task,
    id::{KeyBytes, TaskId},
    provable::{Catalogue, Child, Provable, ProvableError, Request},
};
use environments_core::{
    environment::ProveError,
    graph::{BlockParts, Part, memory},
};

use crate::circuits::{Hashes, L1Kernels};

/// Adds the proofs of hashes. Everything in a block of environment 0 is public.
#[must_use]
pub fn add_to<'a>(cache: &'a CircuitCache, kernels: &L1Kernels, catalogue: Catalogue<'a>) -> Catalogue<'a> {
    let hashes = KeccakSize::ALL.iter().map(|&size| HashesTask { cache, hashes: kernels.hashes(), size });
    hashes.fold(catalogue, Catalogue::with)
}

/// What a block hashes.
struct HashesTask<'a> {
    cache: &'a CircuitCache,
    hashes: &'static dyn Hashes,
    size: KeccakSize,
}

impl Provable for HashesTask<'_> {
    type Secret = ();

    fn name(&self) -> String {
        format!("l1-hashes-{}", self.size.capacity())
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        Ok(self.hashes.key(self.cache, self.size)?.digest.to_bytes())
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        let common = &self.hashes.key(self.cache, self.size)?.shape.common;
        KeyedProof::verify::<KeccakStatement>(task, proof, common).map(drop)
    }

    fn prove(&self, request: &Request<'_>, (): &()) -> Result<Vec<u8>, ProvableError> {
        if !request.children.is_empty() {
            let found = request.children.len();
            return Err(ProvableError::Children { name: self.name(), expected: 0, found });
        }
        let encoded: Vec<Vec<u8>> = decode_input(request.input)?;
        let blocks = encoded.iter().map(|block| layout::from_bytes(block));
        let blocks: Vec<Block> = blocks.collect::<Result<_, LayoutError>>()?;
        let (proof, key) = self.hashes.prove(self.cache, self.size, &blocks)?;
        Ok(KeyedProof { proof, key }.encode())
    }
}

/// Adds the proof of what a block hashes, by a table of this size.
pub(crate) fn add_hashes<'a>(
    parts: &mut BlockParts<'a>,
    cache: &'a CircuitCache,
    kernels: &L1Kernels,
    size: KeccakSize,
    blocks: &[Block],
) -> Result<TaskId, ProveError> {
    let hashes = kernels.hashes();
    let rows = memory(hashes.key(cache, size)?.shape.common.degree_bits());
    let part = Part::new("hashes", &KeccakStatement::new(blocks), rows);
    let encoded: Vec<_> = blocks.iter().map(layout::to_bytes).collect();
    Ok(parts.travelling(HashesTask { cache, hashes, size }, part, &encoded)?)
}

/// The proof of what a block hashes, as its kernel takes it.
pub(crate) fn hashes_child(
    cache: &CircuitCache,
    kernels: &L1Kernels,
    size: KeccakSize,
    child: &Child<'_>,
) -> Result<(Proof, VerifierKey), ProvableError> {
    let common = &kernels.hashes().key(cache, size)?.shape.common;
    let KeyedProof { proof, key } = KeyedProof::decode(child.proof, common)?;
    Ok((proof, key))
}
