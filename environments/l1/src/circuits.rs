//! All kernels of environment 0, and the proofs of their hashes.

use circuits_core::{CircuitError, Definition as _, Digest, Proof, VerifierKey};
use circuits_keys::CircuitCache;
use circuits_tables::{
    batch::{BatchCircuit, prove},
    keccak::{
        Block,
        batch::{KeccakInput, KeccakSize, keccak_shape},
    },
};
use environments_core::{
    environment::ProveError,
    kernel::{AnyKernel, Kernels},
};

use crate::kernel::{KeccakKey, L1Kernel, Variant};

/// A prover of Keccak-256, by the size of its tables.
pub trait Hashes: Send + Sync {
    /// The circuit of a table. It is not built if it is pinned.
    ///
    /// # Errors
    /// If it cannot be built.
    fn key(&self, cache: &CircuitCache, size: KeccakSize) -> Result<KeccakKey, CircuitError>;

    /// Proves blocks with a table. Returns the circuit's key too.
    ///
    /// # Errors
    /// If one has another digest, or they do not fit the table.
    fn prove(
        &self,
        cache: &CircuitCache,
        size: KeccakSize,
        blocks: &[Block],
    ) -> Result<(Proof, VerifierKey), CircuitError>;
}

/// Proves hashes by the tables of [`circuits_tables::keccak`].
#[derive(Clone, Copy, Debug)]
pub struct KeccakTables;

impl Hashes for KeccakTables {
    fn key(&self, cache: &CircuitCache, size: KeccakSize) -> Result<KeccakKey, CircuitError> {
        Ok(KeccakKey { shape: keccak_shape(), digest: cache.key_digest(BatchCircuit(size))? })
    }

    fn prove(
        &self,
        cache: &CircuitCache,
        size: KeccakSize,
        blocks: &[Block],
    ) -> Result<(Proof, VerifierKey), CircuitError> {
        let definition = BatchCircuit(size);
        let proof = prove(size, blocks).map_err(|error| CircuitError::Unprovable {
            name: definition.name(),
            reason: error.to_string(),
        })?;
        let circuit = cache.circuit(definition)?;
        let proof = circuit.prove(&KeccakInput { items: blocks.to_vec(), proof })?;
        Ok((proof, circuit.key().clone()))
    }
}

/// The kernels over one prover of hashes.
#[derive(Clone, Copy)]
pub struct L1Kernels {
    hashes: &'static dyn Hashes,
}

/// The kernels of environment 0.
pub const KERNELS: L1Kernels = L1Kernels::new(&KeccakTables);

impl L1Kernels {
    /// The kernels over `hashes`.
    #[must_use]
    pub const fn new(hashes: &'static dyn Hashes) -> Self {
        Self { hashes }
    }

    /// The prover of the hashes.
    #[must_use]
    pub fn hashes(&self) -> &'static dyn Hashes {
        self.hashes
    }

    /// The kernels that are listed.
    ///
    /// # Errors
    /// If a circuit below one cannot be built.
    pub fn all(&self, cache: &CircuitCache) -> Result<Vec<Box<dyn AnyKernel>>, CircuitError> {
        self.listed(cache, Variant::ALL)
    }

    /// The digests of the keys of their wraps, for the registry.
    ///
    /// # Errors
    /// If a circuit that is not pinned cannot be built.
    pub fn key_digests(&self, cache: &CircuitCache) -> Result<Vec<Digest>, ProveError> {
        self.all(cache)?.iter().map(|kernel| Ok(kernel.key_digest(cache)?)).collect()
    }
}

impl Kernels for L1Kernels {
    type Variant = Variant;
    type Definition = L1Kernel;

    fn definition(&self, cache: &CircuitCache, variant: Variant) -> Result<L1Kernel, CircuitError> {
        let keccak = variant.table().map(|size| self.hashes.key(cache, size)).transpose()?;
        Ok(L1Kernel::new(variant, keccak))
    }
}
