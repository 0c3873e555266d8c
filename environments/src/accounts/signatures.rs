//! The proofs of a block's signatures: the tables of [`circuits::ecdsa::batch`], and the kernels above them.

use std::sync::Arc;

use circuits::{
    CircuitError, Compiled, Definition, Proof,
    ecdsa::{
        Signed,
        batch::{self, BatchSize, SignatureCircuit, SignatureInput},
    },
};

use crate::{
    accounts::{
        block::MAX_TRANSACTIONS,
        circuits::{BlockKernels, Signatures},
        kernel::SignatureKey,
    },
    kernel::Shared,
};

/// The circuits that verify the tables, each built on first use.
pub struct SignatureTables([Shared<Compiled<SignatureCircuit>>; BatchSize::ALL.len()]);

static TABLES: SignatureTables = SignatureTables([Shared::new(), Shared::new(), Shared::new()]);

/// The kernels of all account-based environments.
pub static KERNELS: BlockKernels = BlockKernels::new(&TABLES);

/// The circuits of the tables.
#[must_use]
pub fn tables() -> &'static SignatureTables {
    &TABLES
}

impl SignatureTables {
    /// The circuit of the smallest table for so many signatures.
    ///
    /// # Errors
    /// If there is none, or it cannot be built.
    pub fn get(&self, signatures: usize) -> Result<Arc<Compiled<SignatureCircuit>>, CircuitError> {
        let sizes = BatchSize::ALL.into_iter().zip(&self.0);
        match sizes.into_iter().find(|(size, _)| signatures <= size.capacity()) {
            Some((size, circuit)) => circuit.get(|| Compiled::new(SignatureCircuit(size))),
            None => Err(CircuitError::Unprovable {
                name: SignatureCircuit(BatchSize::Large).name(),
                reason: format!("{signatures} signatures are more than {MAX_TRANSACTIONS}"),
            }),
        }
    }
}

impl Signatures for SignatureTables {
    fn key(&self, table: usize) -> Result<Arc<SignatureKey>, CircuitError> {
        let circuit = self.get(table)?;
        let (common, key) = (circuit.circuit.common.clone(), circuit.key().clone());
        Ok(Arc::new(SignatureKey { common, key }))
    }

    fn prove(&self, table: usize, signatures: &[Signed]) -> Result<Proof, CircuitError> {
        let circuit = self.get(table)?;
        let definition = &circuit.definition;
        let proof = batch::prove(definition.0, signatures).map_err(|error| CircuitError::Unprovable {
            name: definition.name(),
            reason: error.to_string(),
        })?;
        circuit.prove(&SignatureInput { claims: signatures.iter().map(Signed::claim).collect(), proof })
    }
}
