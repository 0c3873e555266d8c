//! A proof whose verifying key is a member of a key set: made natively, and verified inside a circuit.

use circuits_core::{
    circuit::{CircuitError, Definition},
    digest::DigestTarget,
    layout::{Layout, WitnessError},
    recursion::{ChildTarget, Shape, key_digest, verify_with_witness_key},
};
use circuits_keys::CircuitCache;
use circuits_prover::basetypes::{Builder, Proof, VerifierKey, Witness};
use plonky2::iop::target::Target;

use crate::key_set::{KeyMembership, KeyMembershipTarget, KeySet};

/// A proof for a fold to verify, with the evidence that its key is in the set.
#[derive(Clone, Debug)]
pub struct FoldChild {
    pub proof: Proof,
    pub key: VerifierKey,
    pub membership: KeyMembership,
}

/// A proof of a fixed shape whose key, a witness, is in a set: the in-circuit twin of [`FoldChild`].
pub struct ListedChildTarget<S> {
    pub child: ChildTarget<S>,
    membership: KeyMembershipTarget,
}

impl<S: Layout<Target> + Copy> ListedChildTarget<S> {
    /// Enforces that a proof of `shape` verifies, and that its key is in the set whose root `root` reads from the
    /// statement.
    pub fn verify(builder: &mut Builder, shape: &Shape, root: impl Fn(&S) -> DigestTarget) -> Self {
        let (child, key) = verify_with_witness_key::<S>(builder, shape);
        let membership = KeyMembershipTarget::new_virtual(builder);
        membership.verify(builder, root(&child.statement), key);
        Self { child, membership }
    }

    /// Assigns the proof, its key and the membership.
    ///
    /// # Errors
    /// [`WitnessError`] if a target already has another value.
    pub fn assign(&self, witness: &mut Witness, value: &FoldChild) -> Result<(), WitnessError> {
        self.child.assign(witness, &value.proof, &value.key)?;
        self.membership.set_targets(witness, &value.membership)
    }
}

impl KeySet {
    /// Proves with a circuit of the set, and returns the proof as a fold takes it.
    ///
    /// # Errors
    /// [`CircuitError::Unlisted`] if the circuit's key is not in the set, and the errors of [`CircuitCache::circuit`] and
    /// [`Compiled::prove`](circuits_core::Compiled::prove).
    pub fn prove<Def: Definition + 'static>(
        &self,
        cache: &CircuitCache,
        definition: Def,
        input: &Def::Input,
    ) -> Result<FoldChild, CircuitError> {
        let circuit = cache.circuit(definition)?;
        let key = circuit.key().clone();
        let digest = key_digest(&key);
        let unlisted = || CircuitError::Unlisted { name: circuit.definition.name(), key: digest };
        let membership = self.membership(digest).ok_or_else(unlisted)?;
        Ok(FoldChild { proof: circuit.prove(input)?, key, membership })
    }
}
