//! The wrap brings the proof of a kernel to the block shape, with the kernel's key as a constant. It holds the verifier of
//! any kernel in the standard configuration with up to 2^16 rows.
//!
//! The registry lists the wrap's own verifier key. That key commits to the kernel's key, and to the code of the wrap through
//! its circuit digest, so one digest identifies the whole pair.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use circuits_core::{
    F,
    circuit::{CircuitError, Definition, config_parameters, named},
    digest::Digest,
    layout::{Layout, WitnessError},
    recursion::{ChildTarget, Shape, key_digest, verify_with_constant_key},
};
use circuits_keys::CircuitCache;
use circuits_prover::basetypes::{Builder, Proof, VerifierData, Witness, standard_config};
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

use crate::statement::BlockStatement;

/// The logarithm of the rows of the block shape, which hold the verifier of a kernel of 2^16 rows.
const BLOCK_DEGREE_BITS: usize = 14;

/// The shape of wrapped blocks, which segment leaves verify.
#[must_use]
pub fn block_shape() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
        Shape::new("block", standard_config(), BLOCK_DEGREE_BITS, <BlockStatement<F> as Layout<F>>::LEN)
    });
    &SHAPE
}

/// The circuit that verifies the proofs of one kernel and makes the same statement in the block shape.
#[derive(Clone)]
pub struct Wrapper {
    kernel_name: String,
    kernel: Arc<VerifierData>,
}

impl Definition for Wrapper {
    type Statement = BlockStatement<Target>;
    type NativeStatement = BlockStatement;
    type Targets = ChildTarget<BlockStatement<Target>>;
    type Input = Proof;

    fn name(&self) -> String {
        Self::name_of(&self.kernel_name)
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(block_shape())
    }

    fn depends_on(&self) -> BTreeMap<String, Digest> {
        named([(self.kernel_name.as_str(), key_digest(&self.kernel.verifier_only))])
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let kernel = verify_with_constant_key(builder, &self.kernel.common, &self.kernel.verifier_only);
        (kernel.statement, kernel)
    }

    fn assign(
        &self,
        kernel: &Self::Targets,
        proof: &Proof,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        kernel.assign(witness, proof, &self.kernel.verifier_only)
    }
}

impl Wrapper {
    /// The wrap of the kernel called `kernel_name`.
    #[must_use]
    pub fn new(kernel_name: impl Into<String>, kernel: Arc<VerifierData>) -> Self {
        Self { kernel_name: kernel_name.into(), kernel }
    }

    /// The name of the wrap of the kernel called `kernel_name`.
    #[must_use]
    pub fn name_of(kernel_name: &str) -> String {
        format!("{kernel_name}-wrap")
    }

    /// The key that the registry lists, with the common data of the block shape.
    ///
    /// # Errors
    /// [`CircuitError::Shape`] if the kernel's verifier does not fit the block shape.
    pub fn key(&self, cache: &CircuitCache) -> Result<Arc<VerifierData>, CircuitError> {
        cache.verifier(self.clone())
    }

    /// The pinned digest of the key of a kernel's wrap. The kernel's name and the digest of its key suffice to find it.
    #[must_use]
    pub fn pinned_key(cache: &CircuitCache, kernel_name: &str, kernel_key: Digest) -> Option<Digest> {
        let parameters = config_parameters(&block_shape().common.config);
        cache.pinned_key(&Self::name_of(kernel_name), &parameters, &named([(kernel_name, kernel_key)]))
    }

    /// The digest of [`Self::key`], which the registry lists.
    ///
    /// # Errors
    /// As [`Self::key`].
    pub fn key_digest(&self, cache: &CircuitCache) -> Result<Digest, CircuitError> {
        Ok(key_digest(&self.key(cache)?.verifier_only))
    }

    /// Finds or makes the circuit now, so that the next proof does not wait for it.
    ///
    /// # Errors
    /// As [`Self::key`].
    pub fn load(&self, cache: &CircuitCache) -> Result<(), CircuitError> {
        cache.circuit(self.clone()).map(drop)
    }

    /// Brings a proof of the kernel to the block shape.
    ///
    /// # Errors
    /// [`CircuitError::Shape`] as for [`Self::key`]; [`CircuitError::Unprovable`] if `kernel_proof` does not verify under
    /// the kernel's key.
    pub fn prove(&self, cache: &CircuitCache, kernel_proof: &Proof) -> Result<Proof, CircuitError> {
        cache.circuit(self.clone())?.prove(kernel_proof)
    }
}
