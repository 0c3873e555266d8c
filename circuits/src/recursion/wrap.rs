//! The wrap: brings the proof of a kernel of any size to the block shape, with the kernel's key as a constant.
//!
//! The wrap's own verifier key is what the registry lists. It commits to the kernel's key, and through its circuit
//! digest to this file, so one digest names the whole pair.

use std::sync::{Arc, LazyLock};

use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

use crate::{
    F,
    basetypes::{Builder, CommonData, Proof, VerifierKey, Witness, kernel_config, standard_config},
    circuit::{CircuitError, Compiled, Definition},
    digest::Digest,
    layout::{Layout, WitnessError},
    recursion::{ChildTarget, Shape, key_digest, verify_with_constant_key},
    statement::BlockStatement,
};

/// Rows of the block shape, as a logarithm.
const BLOCK_DEGREE_BITS: usize = 12;
/// The largest kernel, as a logarithm of its rows, whose verifier fits the block shape; larger ones take one hop.
const LARGEST_DIRECT_DEGREE_BITS: usize = 13;

/// The shape of wrapped blocks: what segment leaves verify.
#[must_use]
pub fn block_shape() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
        Shape::new("block", standard_config(), BLOCK_DEGREE_BITS, <BlockStatement<F> as Layout<F>>::LEN)
    });
    &SHAPE
}

/// Verifies one proof of one fixed circuit and makes the same statement.
pub struct Rewrap {
    name: String,
    common: CommonData,
    key: VerifierKey,
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

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let child = verify_with_constant_key(builder, &self.common, &self.key);
        (child.statement, child)
    }

    fn assign(
        &self,
        child: &Self::Targets,
        proof: &Proof,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        child.assign(witness, proof, &self.key)
    }
}

/// The circuits that bring one kernel's proofs to the block shape.
pub struct Wrapper {
    hop: Option<Arc<Compiled<Rewrap>>>,
    wrap: Arc<Compiled<Rewrap>>,
}

/// Builds the wrap of `kernel`, with a hop before it if the kernel has more than 2^13 rows.
///
/// # Errors
/// [`CircuitError::Shape`] if the kernel's verifier does not fit the block shape.
pub fn wrap<K>(kernel: &Compiled<K>) -> Result<Wrapper, CircuitError>
where
    K: Definition<Statement = BlockStatement<Target>>,
{
    let rewrap = |stage: &str, common: &CommonData, key: &VerifierKey, shape| {
        Compiled::new(Rewrap {
            name: format!("{}-{stage}", kernel.definition.name()),
            common: common.clone(),
            key: key.clone(),
            config: kernel_config(),
            shape,
        })
        .map(Arc::new)
    };
    let kernel = &kernel.circuit;
    let hop = if kernel.common.degree_bits() > LARGEST_DIRECT_DEGREE_BITS {
        Some(rewrap("hop", &kernel.common, &kernel.verifier_only, None)?)
    } else {
        None
    };
    let child = hop.as_ref().map_or((&kernel.common, &kernel.verifier_only), |hop| {
        (&hop.circuit.common, &hop.circuit.verifier_only)
    });
    let wrap = rewrap("wrap", child.0, child.1, Some(block_shape()))?;
    Ok(Wrapper { hop, wrap })
}

impl Wrapper {
    /// The key that the registry lists.
    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        self.wrap.key()
    }

    /// Digest of [`Self::key`].
    #[must_use]
    pub fn key_digest(&self) -> Digest {
        key_digest(self.key())
    }

    /// The circuits, for pins and figures: the hop if there is one, and the wrap.
    #[must_use]
    pub fn circuits(&self) -> Vec<Arc<Compiled<Rewrap>>> {
        self.hop.iter().chain([&self.wrap]).cloned().collect()
    }

    /// Brings a proof of the kernel to the block shape.
    ///
    /// # Errors
    /// [`CircuitError::Unprovable`] if `kernel_proof` does not verify under the kernel's key.
    pub fn prove(&self, kernel_proof: &Proof) -> Result<Proof, CircuitError> {
        match &self.hop {
            Some(hop) => self.wrap.prove(&hop.prove(kernel_proof)?),
            None => self.wrap.prove(kernel_proof),
        }
    }
}
