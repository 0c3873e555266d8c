//! The parts of blocks as provables, for every process that proves parts of the blocks of account-based environments.
//!
//! | provable | children | travels |
//! |---|---|---|
//! | `accounts-signatures-N` | | the signatures |
//! | `accounts-hashes-N` | | what is hashed |
//! | `accounts-chunk-63` | | what each slot does |
//! | `accounts-chunk-fold-N` | N chunks | nothing |

use std::sync::Arc;

use circuits_core::{
    CircuitError, Compiled, Definition as _, Digest, Proof,
    layout::{self, LayoutError},
    recursion::key_digest,
};
use circuits_keys::CircuitCache;
use circuits_protocol::fold::FoldChild;
use circuits_tables::{
    batch::Batch as _,
    ecdsa::{SignatureStatement, Signed, batch::signature_shape},
    keccak::{Block, KeccakStatement, batch::KeccakSize},
};
use circuits_tasks::{
    circuit::{Common, KeyedProof, TaskCircuit, decode_input},
    graph::Task,
    id::{KeyBytes, TaskId},
    provable::{Catalogue, Child, Provable, ProvableError, Request},
};
use environments_core::{
    environment::ProveError,
    graph::{BlockParts, Part, memory},
};

use crate::{
    block::{CHUNK_SLOTS, TABLES},
    chunk::{ChunkInput, ChunkLeaf, ChunkStatement, chunk_shape},
    circuit::SlotInput,
    circuits::{BlockKernels, ChunkCircuits, Hashes, Signatures},
    state::Running,
};

/// Adds everything that others may prove of a block.
///
/// # Errors
/// If a circuit that is not pinned cannot be built.
pub fn add_to<'a>(
    cache: &'a CircuitCache,
    kernels: &BlockKernels,
    catalogue: Catalogue<'a>,
) -> Result<Catalogue<'a>, CircuitError> {
    let signatures = TABLES.map(|table| SignaturesTask { cache, signatures: kernels.signatures(), table });
    let tables = KeccakSize::ALL.iter().map(|size| size.capacity());
    let hashes = tables.map(|table| HashesTask { cache, hashes: kernels.hashes(), table });
    let catalogue = signatures.into_iter().fold(catalogue, Catalogue::with);
    let catalogue = hashes.fold(catalogue, Catalogue::with).with(ChunkTask { cache });
    Ok(ChunkCircuits::new(cache)?.folds_in(cache, catalogue))
}

/// The signatures of a block.
struct SignaturesTask<'a> {
    cache: &'a CircuitCache,
    signatures: &'static dyn Signatures,
    /// How many signatures the table takes.
    table: usize,
}

impl Provable for SignaturesTask<'_> {
    type Secret = ();

    fn name(&self) -> String {
        format!("accounts-signatures-{}", self.table)
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        Ok(key_digest(&self.signatures.key(self.cache, self.table)?.verifier_only).to_bytes())
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        let common = &self.signatures.key(self.cache, self.table)?.common;
        KeyedProof::verify::<SignatureStatement>(task, proof, common).map(drop)
    }

    fn prove(&self, request: &Request<'_>, (): &()) -> Result<Vec<u8>, ProvableError> {
        expect_no_children(self.name(), request)?;
        let signatures: Vec<Signed> = decode_input(request.input)?;
        let proof = self.signatures.prove(self.cache, self.table, &signatures)?;
        let key = self.signatures.key(self.cache, self.table)?.verifier_only.clone();
        Ok(KeyedProof { proof, key }.encode())
    }
}

/// Adds the proof of a block's signatures by the table for `table` of them.
pub(crate) fn add_signatures<'a>(
    parts: &mut BlockParts<'a>,
    cache: &'a CircuitCache,
    kernels: &BlockKernels,
    table: usize,
    signatures: &Vec<Signed>,
) -> Result<TaskId, ProveError> {
    let claims: Vec<_> = signatures.iter().map(Signed::claim).collect();
    let rows = memory(signature_shape().common.degree_bits());
    let part = Part::new("signatures", &SignatureStatement::new(&claims), rows);
    let task = SignaturesTask { cache, signatures: kernels.signatures(), table };
    Ok(parts.travelling(task, part, signatures)?)
}

/// The proof of a block's signatures, as its kernel takes it.
pub(crate) fn signatures_child(
    cache: &CircuitCache,
    kernels: &BlockKernels,
    table: usize,
    child: &Child<'_>,
) -> Result<Proof, ProvableError> {
    let common = &kernels.signatures().key(cache, table)?.common;
    Ok(KeyedProof::decode(child.proof, common)?.proof)
}

/// What the transactions of a block hash.
struct HashesTask<'a> {
    cache: &'a CircuitCache,
    hashes: &'static dyn Hashes,
    /// How many blocks of Keccak-256 the table takes.
    table: usize,
}

impl Provable for HashesTask<'_> {
    type Secret = ();

    fn name(&self) -> String {
        format!("accounts-hashes-{}", self.table)
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        Ok(self.hashes.table_key(self.cache, self.table)?.to_bytes())
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        KeyedProof::verify::<KeccakStatement>(task, proof, &self.hashes.shape().common).map(drop)
    }

    fn prove(&self, request: &Request<'_>, (): &()) -> Result<Vec<u8>, ProvableError> {
        expect_no_children(self.name(), request)?;
        let encoded: Vec<Vec<u8>> = decode_input(request.input)?;
        let blocks = encoded.iter().map(|block| layout::from_bytes(block));
        let blocks: Vec<Block> = blocks.collect::<Result<_, LayoutError>>()?;
        let FoldChild { proof, key, .. } = self.hashes.prove(self.cache, &blocks)?;
        Ok(KeyedProof { proof, key }.encode())
    }
}

/// Adds the proof of what a block's transactions hash by the table for `table` blocks.
pub(crate) fn add_hashes<'a>(
    parts: &mut BlockParts<'a>,
    cache: &'a CircuitCache,
    kernels: &BlockKernels,
    table: usize,
    blocks: &[Block],
) -> Result<TaskId, ProveError> {
    let hashes = kernels.hashes();
    let rows = memory(hashes.shape().common.degree_bits());
    let part = Part::new("hashes", &KeccakStatement::new(blocks), rows);
    let encoded: Vec<_> = blocks.iter().map(layout::to_bytes).collect();
    Ok(parts.travelling(HashesTask { cache, hashes, table }, part, &encoded)?)
}

/// The proof of what a block's transactions hash, as its kernel takes it.
pub(crate) fn hashes_child(
    cache: &CircuitCache,
    kernels: &BlockKernels,
    child: &Child<'_>,
) -> Result<FoldChild, ProvableError> {
    let hashes = kernels.hashes();
    let KeyedProof { proof, key } = KeyedProof::decode(child.proof, &hashes.shape().common)?;
    let digest = key_digest(&key);
    let name = child.task.provable.clone();
    let membership = hashes.keys(cache)?.membership(digest);
    let membership = membership.ok_or(CircuitError::Unlisted { name, key: digest })?;
    Ok(FoldChild { proof, key, membership })
}

/// A chunk of a block.
struct ChunkTask<'a> {
    cache: &'a CircuitCache,
}

impl TaskCircuit for ChunkTask<'_> {
    type Definition = ChunkLeaf;
    type Secret = ();

    fn name(&self) -> String {
        ChunkLeaf::new(CHUNK_SLOTS).name()
    }

    fn key(&self) -> Result<Digest, ProvableError> {
        Ok(self.cache.key_digest(ChunkLeaf::new(CHUNK_SLOTS))?)
    }

    fn common(&self) -> Result<Common, ProvableError> {
        Ok(Common::OfShape(&chunk_shape().common))
    }

    fn circuit(&self) -> Result<Arc<Compiled<ChunkLeaf>>, ProvableError> {
        Ok(self.cache.circuit(ChunkLeaf::new(CHUNK_SLOTS))?)
    }

    fn input(
        &self,
        statement: &ChunkStatement,
        input: &[u8],
        children: &[Child<'_>],
        (): &(),
    ) -> Result<ChunkInput, ProvableError> {
        self.expect_children(children, 0)?;
        let slots: Vec<SlotInput> = decode_input(input)?;
        if slots.len() != CHUNK_SLOTS {
            let reason = format!("a chunk has {CHUNK_SLOTS} slots, found {}", slots.len());
            return Err(ProvableError::Input { reason });
        }
        let ChunkStatement { key_set_root, context, before, .. } = *statement;
        Ok(ChunkInput { key_set_root, context, before, slots })
    }
}

/// Adds the chunks of a block that moves to `end`. Returns each with what it states.
pub(crate) fn add_chunks<'a>(
    parts: &mut BlockParts<'a>,
    cache: &'a CircuitCache,
    chunks: Vec<ChunkInput>,
    end: Running,
) -> Result<Vec<(TaskId, ChunkStatement)>, ProveError> {
    let ends = chunks.iter().skip(1).map(|next| next.before).chain([end]);
    let ends: Vec<_> = ends.collect();
    let mut added = vec![];
    for (number, (chunk, after)) in chunks.into_iter().zip(ends).enumerate() {
        let ChunkInput { key_set_root, context, before, slots } = chunk;
        let statement = ChunkStatement { key_set_root, context, before, after };
        let part =
            Part::new(format!("chunk {number}"), &statement, memory(chunk_shape().common.degree_bits()));
        added.push((parts.travelling(ChunkTask { cache }, part, &slots)?, statement));
    }
    Ok(added)
}

fn expect_no_children(name: String, request: &Request<'_>) -> Result<(), ProvableError> {
    match request.children.len() {
        0 => Ok(()),
        found => Err(ProvableError::Children { name, expected: 0, found }),
    }
}
