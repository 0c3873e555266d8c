//! What all kernels share: the producer's secret and the block statement.
//!
//! A kernel proves to know the preimage of the statement's `producer`. Without that, anyone who knows a public state
//! could extend it, keep the body to himself, and freeze the environment.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use circuits::{
    Builder, CircuitError, Compiled, Definition, Digest, DigestTarget, F,
    constrain::Constrain,
    hash::{Domain, hash, hash_circuit},
    integer::HEIGHT_BITS,
    recursion::{Wrapper, wrap},
    statement::BlockStatement,
};
use plonky2::iop::target::Target;

use crate::{
    block::{ProposedBlock, ProvenBlock, check_proof_states},
    environment::ProveError,
};

/// Domain of producer commitments.
pub const PRODUCER: Domain = Domain::new("produc");

/// What only an environment's producer knows: 256 bits chosen at random.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ProducerSecret(Digest);

impl ProducerSecret {
    /// A secret from 256 random bits.
    #[must_use]
    pub const fn new(secret: Digest) -> Self {
        Self(secret)
    }

    /// The secret itself, for the witness of a kernel.
    #[must_use]
    pub const fn expose(self) -> Digest {
        self.0
    }

    /// The commitment that block statements carry.
    #[must_use]
    pub fn commitment(self) -> Digest {
        producer_commitment(self)
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
    hash(PRODUCER, &secret.0.0)
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
    Definition<Statement = BlockStatement<Target>, NativeStatement = BlockStatement, Targets: Send> + 'static
{
}

impl<K> BlockDefinition for K where
    K: Definition<Statement = BlockStatement<Target>, NativeStatement = BlockStatement, Targets: Send>
        + 'static
{
}

/// A kernel with everything that is needed to prove blocks with it.
pub struct Kernel<K: Definition> {
    /// The kernel.
    pub compiled: Compiled<K>,
    /// The circuits that bring its proofs to the block shape.
    pub wrapper: Wrapper,
}

impl<K: BlockDefinition> Kernel<K> {
    /// Builds the circuits.
    ///
    /// # Errors
    /// If one does not fit its shape.
    pub fn new(definition: K) -> Result<Self, CircuitError> {
        let compiled = Compiled::new(definition)?;
        let wrapper = wrap(&compiled)?;
        Ok(Self { compiled, wrapper })
    }

    /// The digest of the key that the registry lists.
    pub fn key_digest(&self) -> Digest {
        self.wrapper.key_digest()
    }

    /// Proves a block and wraps the proof. Compares with the proposed statement before the wrap, which costs most.
    ///
    /// # Errors
    /// - [`ProveError::Circuit`]: `input` breaks a rule.
    /// - [`ProveError::Block`]: `input` is of another block.
    pub fn prove<W>(&self, block: &ProposedBlock<W>, input: &K::Input) -> Result<ProvenBlock, ProveError> {
        let proof = self.compiled.prove(input)?;
        check_proof_states(block.statement(), &proof)?;
        let proof = self.wrapper.prove(&proof)?;
        Ok(ProvenBlock::new(block, proof, self.wrapper.key().clone())?)
    }
}

/// Kernels that one process builds at most once, by parameter (such as the transactions that fit), on first use.
///
/// Meant for a `static`: they take seconds and hundreds of megabytes to build.
pub struct SharedKernels<P, K: Definition> {
    built: Mutex<BTreeMap<P, Arc<Kernel<K>>>>,
}

impl<P: Ord + Copy + Send + Sync, K: BlockDefinition> SharedKernels<P, K> {
    /// Nothing is built yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { built: Mutex::new(BTreeMap::new()) }
    }

    /// The kernel for `parameter`, built with `define` if it was not before.
    ///
    /// # Errors
    /// If it cannot be built.
    pub fn get(
        &self,
        parameter: P,
        define: impl FnOnce(P) -> K + Send,
    ) -> Result<Arc<Kernel<K>>, CircuitError> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = built.get(&parameter) {
            return Ok(kernel.clone());
        }
        let kernel = Arc::new(apart(|| Kernel::new(define(parameter)))?);
        built.insert(parameter, kernel.clone());
        Ok(kernel)
    }
}

impl<P: Ord + Copy + Send + Sync, K: BlockDefinition> Default for SharedKernels<P, K> {
    fn default() -> Self {
        Self::new()
    }
}

/// A value that one process builds at most once, when first asked for.
pub(crate) struct Shared<T>(Mutex<Option<Arc<T>>>);

impl<T: Send + Sync> Shared<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn get(
        &self,
        build: impl FnOnce() -> Result<T, CircuitError> + Send,
    ) -> Result<Arc<T>, CircuitError> {
        let mut built = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = &*built {
            return Ok(value.clone());
        }
        let value = Arc::new(apart(build)?);
        *built = Some(value.clone());
        Ok(value)
    }
}

/// Runs `work` on a thread outside of the caller's pool.
///
/// A rayon worker that waits for its own pool runs other tasks meanwhile; one of these may ask for the lock that the
/// worker holds. A worker that waits for a thread does not.
pub(crate) fn apart<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let work = || match rayon::ThreadPoolBuilder::new().build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    };
    match std::thread::scope(|scope| scope.spawn(work).join()) {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rayon::prelude::*;

    use super::*;
    use crate::counter::CounterKernel;

    #[test]
    fn a_kernel_is_built_once_however_many_ask_for_it_at_once() {
        let kernels = SharedKernels::<u8, CounterKernel>::new();
        let built = AtomicUsize::new(0);
        let define = |_| {
            built.fetch_add(1, Ordering::SeqCst);
            CounterKernel
        };
        let all: Vec<_> = (0..16).into_par_iter().map(|_| kernels.get(1, define).unwrap()).collect();
        assert!(all.iter().all(|kernel| Arc::ptr_eq(kernel, &all[0])));
        assert_eq!(built.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = crate::conformance::secret(77);
        assert_eq!(format!("{secret:?}"), "ProducerSecret(..)");
        assert_ne!(secret.commitment(), secret.expose());
    }
}
