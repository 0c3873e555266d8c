//! The proofs of a block's signatures: the tables of [`circuits_tables::ecdsa`], and the kernels above them.

use std::sync::Arc;

use circuits_core::{CircuitError, Definition, Proof};
use circuits_keys::CircuitCache;
use circuits_prover::basetypes::VerifierData;
use circuits_tables::{
    batch::{Batch as _, BatchCircuit, prove},
    ecdsa::{
        Signed,
        batch::{SignatureCircuit, SignatureInput, SignatureSize},
    },
};

use crate::{
    block::MAX_TRANSACTIONS,
    circuits::{BlockKernels, Signatures},
};

/// Proves signatures by the tables.
#[derive(Clone, Copy, Debug)]
pub struct SignatureTables;

/// The kernels of all account-based environments.
pub const KERNELS: BlockKernels = BlockKernels::new(&SignatureTables);

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
