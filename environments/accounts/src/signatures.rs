//! The proofs of a block's signatures and hashes: the tables of [`circuits_tables`], and the kernels above them.

use std::sync::Arc;

use circuits_core::{CircuitError, Definition, Digest, Proof, recursion::Shape};
use circuits_keys::CircuitCache;
use circuits_protocol::{fold::FoldChild, key_set::KeySet};
use circuits_prover::basetypes::VerifierData;
use circuits_tables::{
    batch::{Batch as _, BatchCircuit, prove},
    ecdsa::{
        Signed,
        batch::{SignatureCircuit, SignatureInput, SignatureSize},
    },
    keccak::{
        Block,
        batch::{KeccakCircuit, KeccakInput, KeccakSize, keccak_shape},
    },
};

use crate::{
    block::{MAX_BLOCKS, MAX_TRANSACTIONS},
    circuits::{BlockKernels, Hashes, Signatures},
};

/// Proves signatures by the tables.
#[derive(Clone, Copy, Debug)]
pub struct SignatureTables;

/// The kernels of all account-based environments.
pub const KERNELS: BlockKernels = BlockKernels::new(&SignatureTables, &HashTables);

/// Proves hashes by the tables.
#[derive(Clone, Copy, Debug)]
pub struct HashTables;

impl SignatureTables {
    /// The circuit of the smallest table that holds this number of signatures.
    ///
    /// # Errors
    /// If they fit no table.
    pub fn definition(signatures: usize) -> Result<SignatureCircuit, CircuitError> {
        SignatureSize::fitting(signatures).map(BatchCircuit).ok_or_else(|| CircuitError::Unprovable {
            name: BatchCircuit(SignatureSize::Large).name(),
            reason: format!("{signatures} signatures are more than {MAX_TRANSACTIONS}"),
        })
    }
}

impl Signatures for SignatureTables {
    fn key(&self, cache: &CircuitCache, table: usize) -> Result<Arc<VerifierData>, CircuitError> {
        cache.verifier(Self::definition(table)?)
    }

    fn prove(
        &self,
        cache: &CircuitCache,
        table: usize,
        signatures: &[Signed],
    ) -> Result<Proof, CircuitError> {
        let definition = Self::definition(table)?;
        let proof = prove(definition.0, signatures).map_err(|error| CircuitError::Unprovable {
            name: definition.name(),
            reason: error.to_string(),
        })?;
        let items = signatures.iter().map(Signed::claim).collect();
        cache.circuit(definition)?.prove(&SignatureInput { items, proof })
    }
}

impl HashTables {
    /// The circuit of the smallest table that holds this number of blocks.
    ///
    /// # Errors
    /// If they fit no table.
    pub fn definition(blocks: usize) -> Result<KeccakCircuit, CircuitError> {
        KeccakSize::fitting(blocks).map(BatchCircuit).ok_or_else(|| CircuitError::Unprovable {
            name: BatchCircuit(KeccakSize::Large).name(),
            reason: format!("{blocks} blocks are more than {MAX_BLOCKS}"),
        })
    }
}

impl Hashes for HashTables {
    fn shape(&self) -> &'static Shape {
        keccak_shape()
    }

    fn keys(&self, cache: &CircuitCache) -> Result<KeySet, CircuitError> {
        let keys = KeccakSize::ALL.iter().map(|&size| cache.key_digest(BatchCircuit(size)));
        Ok(KeySet::new(&keys.collect::<Result<Vec<_>, _>>()?))
    }

    fn table(&self, blocks: usize) -> Option<usize> {
        KeccakSize::fitting(blocks).map(KeccakSize::capacity)
    }

    fn table_key(&self, cache: &CircuitCache, table: usize) -> Result<Digest, CircuitError> {
        cache.key_digest(Self::definition(table)?)
    }

    fn prove(&self, cache: &CircuitCache, blocks: &[Block]) -> Result<FoldChild, CircuitError> {
        let definition = Self::definition(blocks.len())?;
        let proof = prove(definition.0, blocks).map_err(|error| CircuitError::Unprovable {
            name: definition.name(),
            reason: error.to_string(),
        })?;
        self.keys(cache)?.prove(cache, definition, &KeccakInput { items: blocks.to_vec(), proof })
    }
}
