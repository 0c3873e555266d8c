//! The wrap brings the proof of a kernel of any size to the block shape, with the kernel's key as a constant.
//!
//! The registry lists the wrap's own verifier key. That key commits to the kernel's key, and to the code of the wrap through
//! its circuit digest, so one digest identifies the whole pair.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use circuits_core::{
    F,
    circuit::{CircuitError, Definition, named},
    digest::Digest,
    layout::{Layout, WitnessError},
    recursion::{ChildTarget, Shape, key_digest, verify_with_constant_key},
};
use circuits_keys::CircuitCache;
use circuits_prover::basetypes::{Builder, Proof, VerifierData, Witness, standard_config};
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

use crate::statement::BlockStatement;

/// The logarithm of the rows of the block shape.
const BLOCK_DEGREE_BITS: usize = 14;
/// The logarithm of the rows of the largest kernel whose verifier fits the block shape. Larger kernels take one hop.
const LARGEST_DIRECT_DEGREE_BITS: usize = 16;

/// The suffixes, after a dash, by which the names of a kernel's hop and wrap differ from the kernel's name.
pub const STAGES: [&str; 2] = ["hop", "wrap"];

/// The shape of wrapped blocks, which segment leaves verify.
#[must_use]
pub fn block_shape() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
        Shape::new("block", standard_config(), BLOCK_DEGREE_BITS, <BlockStatement<F> as Layout<F>>::LEN)
    });
    &SHAPE
}

/// The circuit that verifies a proof of one fixed circuit and makes the same statement.
#[derive(Clone)]
pub struct Rewrap {
    name: String,
    child_name: String,
    child: Arc<VerifierData>,
    config: CircuitConfig,
    shape: Option<&'static Shape>,
}

impl Definition for Rewrap {
    type Statement = BlockStatement<Target>;
    type NativeStatement = BlockStatement;
    type Targets = ChildTarget<BlockStatement<Target>>;
    type Input = Proof;

    fn name(&self) -> String {
        self.name.clone()
    }

    fn config(&self) -> CircuitConfig {
        self.config.clone()
    }

    fn shape(&self) -> Option<&Shape> {
        self.shape
    }

    fn depends_on(&self) -> BTreeMap<String, Digest> {
        named([(self.child_name.as_str(), key_digest(&self.child.verifier_only))])
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let child = verify_with_constant_key(builder, &self.child.common, &self.child.verifier_only);
        (child.statement, child)
    }

    fn assign(
        &self,
        child: &Self::Targets,
        proof: &Proof,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        child.assign(witness, proof, &self.child.verifier_only)
    }
}

/// The definitions of the circuits that bring one kernel's proofs to the block shape.
#[derive(Clone)]
pub struct Wrapper {
    hop: Option<Rewrap>,
    wrap: Rewrap,
}

/// The wrap of the kernel called `kernel_name`, with a hop before it if the kernel has more than 2^13 rows.
///
/// # Errors
/// [`CircuitError::Shape`] if the hop cannot be built.
pub fn wrap(
    cache: &CircuitCache,
    kernel_name: &str,
    kernel: Arc<VerifierData>,
) -> Result<Wrapper, CircuitError> {
    let rewrap = |stage: &str, child_name: &str, child, shape| Rewrap {
        name: format!("{kernel_name}-{stage}"),
        child_name: child_name.to_owned(),
        child,
        config: standard_config(),
        shape,
    };
    let [hop_stage, wrap_stage] = STAGES;
    if kernel.common.degree_bits() <= LARGEST_DIRECT_DEGREE_BITS {
        let wrap = rewrap(wrap_stage, kernel_name, kernel, Some(block_shape()));
        return Ok(Wrapper { hop: None, wrap });
    }
    let hop = rewrap(hop_stage, kernel_name, kernel, None);
    let wrap = rewrap(wrap_stage, &hop.name, cache.verifier(hop.clone())?, Some(block_shape()));
    Ok(Wrapper { hop: Some(hop), wrap })
}

impl Wrapper {
    /// The key that the registry lists, with the common data of the block shape.
    ///
    /// # Errors
    /// [`CircuitError::Shape`] if the verifier of the kernel or of its hop does not fit the block shape.
    pub fn key(&self, cache: &CircuitCache) -> Result<Arc<VerifierData>, CircuitError> {
        cache.verifier(self.wrap.clone())
    }

    /// The digest of [`Self::key`], which the registry lists.
    ///
    /// # Errors
    /// As [`Self::key`].
    pub fn key_digest(&self, cache: &CircuitCache) -> Result<Digest, CircuitError> {
        Ok(key_digest(&self.key(cache)?.verifier_only))
    }

    /// The circuits: the hop if there is one, and the wrap.
    #[must_use]
    pub fn definitions(&self) -> Vec<Rewrap> {
        self.hop.iter().chain([&self.wrap]).cloned().collect()
    }

    /// Finds or makes the circuits now, so that the next proof does not wait for them.
    ///
    /// # Errors
    /// As [`Self::key`].
    pub fn load(&self, cache: &CircuitCache) -> Result<(), CircuitError> {
        self.definitions().into_iter().try_for_each(|definition| cache.circuit(definition).map(drop))
    }

    /// Brings a proof of the kernel to the block shape.
    ///
    /// # Errors
    /// [`CircuitError::Unprovable`] if `kernel_proof` does not verify under the kernel's key.
    pub fn prove(&self, cache: &CircuitCache, kernel_proof: &Proof) -> Result<Proof, CircuitError> {
        let wrap = |proof: &Proof| cache.circuit(self.wrap.clone())?.prove(proof);
        match &self.hop {
            Some(hop) => wrap(&cache.circuit(hop.clone())?.prove(kernel_proof)?),
            None => wrap(kernel_proof),
        }
    }
}
