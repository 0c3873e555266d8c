//! What all kernels share: the producer's secret and the block statement.
//!
//! A kernel proves knowledge of the preimage of the statement's `producer`. Without that, anyone who knows a public state
//! could extend it, keep the body to themselves, and freeze the environment.

use std::{fmt, sync::Arc};

use circuits_core::{
    Builder, CircuitError, Compiled, Definition, Digest, DigestTarget, F,
    constrain::Constrain,
    hash::{Domain, hash, hash_circuit},
    integer::HEIGHT_BITS,
    secret::Secret,
    security::SecurityReport,
};
use circuits_keys::CircuitCache;
use circuits_protocol::{registry::Producer, statement::BlockStatement, wrap::Wrapper};
use circuits_tables::ecdsa::{PublicKey, Signature};
use circuits_tasks::circuit::KeyedProof;
use k256::ecdsa::SigningKey;
use plonky2::iop::target::Target;
use serde::Deserialize;

use crate::{block::check_proof_states, environment::ProveError};

/// Domain of producer commitments.
pub const PRODUCER: Domain = Domain::new("produc");
/// Domain of the secret half of signing keys.
const SIGNING_KEY: Domain = Domain::new("signkey");

/// What only an environment's producer knows: 256 bits chosen at random.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ProducerSecret(Secret);

impl ProducerSecret {
    /// A secret from 256 random bits.
    #[must_use]
    pub const fn new(secret: Digest) -> Self {
        Self(Secret::new(secret))
    }

    /// The secret itself, for the witness of a kernel.
    #[must_use]
    pub const fn expose(self) -> Digest {
        self.0.expose()
    }

    /// The commitment that block statements carry.
    #[must_use]
    pub fn commitment(self) -> Digest {
        producer_commitment(self)
    }

    /// What a registry names of the producer. The secret half of its signing key is `H(SIGNING_KEY, secret)`, so that a
    /// producer has one secret to keep. A producer whose signing key is elsewhere names another one.
    ///
    /// # Panics
    /// Never: as an integer, a hash is below the group order, because its first word is below the field's. No secret
    /// is known whose hash is 0.
    #[must_use]
    pub fn producer(self) -> Producer {
        let signing_key = PublicKey::of_secret(&self.signing_secret());
        Producer { commitment: self.commitment(), signing_key: signing_key.expect("below the group order") }
    }

    fn signing_secret(self) -> [u8; 32] {
        hash(SIGNING_KEY, &self.expose().0).to_bytes()
    }

    /// Signs 32 bytes with the signing key. The same bytes always get the same signature.
    ///
    /// # Panics
    /// As [`Self::producer`]: never.
    #[must_use]
    pub fn sign(self, hash: &[u8; 32]) -> Signature {
        let key = SigningKey::from_slice(&self.signing_secret()).expect("below the group order");
        // It has the lower `s`.
        let (signature, _) = key.sign_prehash_recoverable(hash);
        let (r, s) = signature.split_bytes();
        Signature { r: r.into(), s: s.into() }
    }
}

/// Never shows the secret.
impl fmt::Debug for ProducerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProducerSecret(..)")
    }
}

/// `H(PRODUCER, secret)`.
#[must_use]
pub fn producer_commitment(secret: ProducerSecret) -> Digest {
    hash(PRODUCER, &secret.expose().0)
}

/// In-circuit twin of [`producer_commitment`].
pub fn producer_commitment_circuit(builder: &mut Builder, secret: DigestTarget) -> DigestTarget {
    hash_circuit(builder, PRODUCER, &secret.0)
}

/// The parts of a block statement that a kernel of one block computes itself.
#[derive(Clone, Copy, Debug)]
pub struct OneBlock<T, S> {
    /// The environment.
    pub environment: T,
    /// The block's height.
    pub height: T,
    /// State commitment before.
    pub previous_state: Digest<T>,
    /// State commitment after.
    pub new_state: Digest<T>,
    /// Digest of the messages emitted, in order.
    pub outbox: Digest<T>,
    /// Digest of the messages consumed, in order.
    pub inbox: Digest<T>,
    /// Digest of the published block data.
    pub body: Digest<T>,
    /// The producer's secret.
    pub secret: S,
}

impl OneBlock<F, ProducerSecret> {
    /// The statement of one block.
    #[must_use]
    pub fn statement(self) -> BlockStatement {
        BlockStatement {
            environment: self.environment,
            first_height: self.height,
            last_height: self.height,
            previous_state: self.previous_state,
            new_state: self.new_state,
            outbox: self.outbox,
            inbox: self.inbox,
            body: self.body,
            producer: producer_commitment(self.secret),
        }
    }
}

impl OneBlock<Target, DigestTarget> {
    /// In-circuit twin of [`OneBlock::statement`]. Enforces that the height is below 2^32; the environment is
    /// bound by the state commitments, and again by the segment that applies the block.
    pub fn statement_circuit(self, builder: &mut Builder) -> BlockStatement<Target> {
        builder.enforce_range(self.height, HEIGHT_BITS);
        BlockStatement {
            environment: self.environment,
            first_height: self.height,
            last_height: self.height,
            previous_state: self.previous_state,
            new_state: self.new_state,
            outbox: self.outbox,
            inbox: self.inbox,
            body: self.body,
            producer: producer_commitment_circuit(builder, self.secret),
        }
    }
}

/// The definition of a kernel: a circuit that states a block.
pub trait BlockDefinition:
    Definition<Statement = BlockStatement<Target>, NativeStatement = BlockStatement, Targets: Send>
    + Clone
    + 'static
{
}

impl<K> BlockDefinition for K where
    K: Definition<Statement = BlockStatement<Target>, NativeStatement = BlockStatement, Targets: Send>
        + Clone
        + 'static
{
}

/// A kernel, whose proofs are wrapped.
#[derive(Clone)]
pub struct Kernel<K> {
    /// The kernel's circuit.
    pub definition: K,
}

impl<K: BlockDefinition> Kernel<K> {
    /// The circuit that brings the kernel's proofs to the block shape. It takes the kernel's key.
    ///
    /// # Errors
    /// If the kernel does not fit its shape.
    pub fn wrapper(&self, cache: &CircuitCache) -> Result<Wrapper, CircuitError> {
        Ok(Wrapper::new(self.definition.name(), cache.verifier(self.definition.clone())?))
    }

    /// The kernel's circuit, without the wrap.
    ///
    /// # Errors
    /// If it does not fit its shape.
    pub fn circuit(&self, cache: &CircuitCache) -> Result<Arc<Compiled<K>>, CircuitError> {
        cache.circuit(self.definition.clone())
    }

    /// Proves a block and wraps the proof, which nobody else may see: it would tell the producer's secret. Compares it with the
    /// proposed statement before the wrap.
    ///
    /// # Errors
    /// - [`ProveError::Circuit`]: `input` breaks a rule, or the code defines another circuit than the pinned one.
    /// - [`ProveError::Block`]: `input` belongs to another block.
    pub fn prove(
        &self,
        cache: &CircuitCache,
        statement: &BlockStatement,
        input: &K::Input,
    ) -> Result<KeyedProof, ProveError> {
        let pinned = self.key_digest(cache)?;
        let wrapper = self.wrapper(cache)?;
        let built = wrapper.key_digest(cache)?;
        if built != pinned {
            return Err(CircuitError::StalePin { name: wrapper.name(), pinned, built }.into());
        }
        let proof = self.circuit(cache)?.prove(input)?;
        check_proof_states(statement, &proof)?;
        let proof = wrapper.prove(cache, &proof)?;
        Ok(KeyedProof { proof, key: wrapper.key(cache)?.verifier_only.clone() })
    }
}

/// A kernel of any definition, as registries know it.
pub trait AnyKernel {
    /// The digest of the key that the registry lists, that of the wrap. No circuit is built or read if kernel and wrap are
    /// pinned: an environment lists kernels for blocks that it may never make.
    ///
    /// # Errors
    /// If the kernel does not fit its shape, or the wrap the block shape.
    fn key_digest(&self, cache: &CircuitCache) -> Result<Digest, CircuitError>;

    /// The security of the kernel.
    ///
    /// # Errors
    /// If the kernel does not fit its shape.
    fn security(&self, cache: &CircuitCache) -> Result<SecurityReport, CircuitError>;
}

impl<K: BlockDefinition> AnyKernel for Kernel<K> {
    fn key_digest(&self, cache: &CircuitCache) -> Result<Digest, CircuitError> {
        let kernel = cache.key_digest(self.definition.clone())?;
        let pinned = Wrapper::pinned_key(cache, &self.definition.name(), kernel);
        pinned.map_or_else(|| self.wrapper(cache)?.key_digest(cache), Ok)
    }

    fn security(&self, cache: &CircuitCache) -> Result<SecurityReport, CircuitError> {
        let verifier = cache.verifier(self.definition.clone())?;
        Ok(SecurityReport::of_circuit(self.definition.name(), &verifier.common))
    }
}

/// The kernels of one state model, by the form of the blocks that they prove.
pub trait Kernels {
    /// The form of a block, such as the number of its transactions.
    type Variant: Copy;
    /// The circuit of a kernel.
    type Definition: BlockDefinition;

    /// The kernel of one variant.
    ///
    /// # Errors
    /// If a circuit below it cannot be built.
    fn definition(
        &self,
        cache: &CircuitCache,
        variant: Self::Variant,
    ) -> Result<Self::Definition, CircuitError>;

    /// The kernel of one variant, with its wrap.
    ///
    /// # Errors
    /// If one of its circuits cannot be built.
    fn get(
        &self,
        cache: &CircuitCache,
        variant: Self::Variant,
    ) -> Result<Kernel<Self::Definition>, CircuitError> {
        Ok(Kernel { definition: self.definition(cache, variant)? })
    }

    /// The kernels of these variants, for a registry.
    ///
    /// # Errors
    /// If a circuit below them cannot be built.
    fn listed(
        &self,
        cache: &CircuitCache,
        variants: impl IntoIterator<Item = Self::Variant>,
    ) -> Result<Vec<Box<dyn AnyKernel>>, CircuitError> {
        let any = |variant| Ok(Box::new(self.get(cache, variant)?) as Box<dyn AnyKernel>);
        variants.into_iter().map(any).collect()
    }
}
