//! The parts of blocks as provables, for every process that proves parts of the blocks of note-based environments.
//!
//! | provable | children | travels |
//! |---|---|---|
//! | `notes-batch-N` | | nothing: it stays where the transactions are |
//! | `notes-batch-fold-3` | 3 batches | nothing |

use circuits_core::{CircuitError, Definition as _};
use circuits_keys::CircuitCache;
use circuits_tasks::{
    circuit::KeyedProof,
    graph::Task,
    id::KeyBytes,
    provable::{Catalogue, Provable, ProvableError, Request},
};
use environments_core::graph::{Witnesses, witness_of};

use crate::{
    batch::{BatchInput, BatchLeaf, BatchStatement, batch_shape},
    circuits::BatchCircuits,
};

/// Adds everything that others may prove of a block, and what they verify for that.
///
/// # Errors
/// If a circuit that is not pinned cannot be built.
pub fn add_to<'a>(cache: &'a CircuitCache, catalogue: Catalogue<'a>) -> Result<Catalogue<'a>, CircuitError> {
    let circuits = BatchCircuits::new(cache)?;
    let batches = circuits.leaves().map(|leaf| BatchTask { cache, leaf });
    let catalogue = batches.fold(catalogue, Catalogue::with_verifier);
    Ok(circuits.folds_in(cache, catalogue))
}

/// A batch of a block, whose transactions are proved with it.
pub(crate) struct BatchTask<'a> {
    pub(crate) cache: &'a CircuitCache,
    pub(crate) leaf: BatchLeaf,
}

impl<'a> Provable for BatchTask<'a> {
    type Secret = Witnesses<'a, BatchInput>;

    fn name(&self) -> String {
        self.leaf.name()
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        Ok(self.cache.key_digest(self.leaf.clone())?.to_bytes())
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        KeyedProof::verify::<BatchStatement>(task, proof, &batch_shape().common).map(drop)
    }

    fn prove(&self, request: &Request<'_>, secret: &Self::Secret) -> Result<Vec<u8>, ProvableError> {
        let input = witness_of(secret, request.task)?(request.children)?;
        let circuit = self.cache.circuit(self.leaf.clone())?;
        let proof = circuit.prove(&input)?;
        Ok(KeyedProof { proof, key: circuit.key().clone() }.encode())
    }
}
