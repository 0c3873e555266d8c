//! The generic fold: verifies consecutive proofs of one shape and makes their joined statement, in the same shape.
//!
//! Which circuits may stand below is fixed by a key set whose root is part of the statement: equal across
//! children by [`Chain::join_circuit`], and pinned as a constant by the circuit that ends the recursion. A
//! fold's own key is in the set too, which is no cycle: the fold reads the root from its children, it does not
//! contain it.

use std::{collections::BTreeMap, marker::PhantomData};

use circuits_core::{
    F,
    circuit::{Definition, named},
    digest::DigestTarget,
    layout::{Layout, WitnessError},
    recursion::{ChildTarget, Shape, verify_with_witness_key},
};
use circuits_prover::basetypes::{Builder, Proof, VerifierKey, Witness};
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};
use thiserror::Error;

use crate::key_set::{KeyMembership, KeyMembershipTarget};

/// A statement about a run of steps, where two consecutive runs join into one.
pub trait Chain: Send + Sync + 'static {
    /// The statement in-circuit.
    type Statement: Layout<Target> + Copy + Send + Sync;
    /// The statement natively.
    type Native: Layout<F> + Copy + Send + Sync;

    /// What is folded, for circuit names.
    const NAME: &'static str;

    /// Root of the keys that may stand below.
    fn key_set_root(statement: &Self::Statement) -> DigestTarget;

    /// The statement about `left` then `right`.
    ///
    /// # Errors
    /// [`ChainError`] if `right` does not continue `left`.
    fn join(left: &Self::Native, right: &Self::Native) -> Result<Self::Native, ChainError>;

    /// In-circuit twin of [`Self::join`].
    fn join_circuit(
        builder: &mut Builder,
        left: &Self::Statement,
        right: &Self::Statement,
    ) -> Self::Statement;
}

/// Two statements do not chain.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the second statement's {field} is {right}, which does not continue the first one's {left}")]
pub struct ChainError {
    /// What does not continue.
    pub field: &'static str,
    /// Value at the end of the first statement.
    pub left: String,
    /// Value at the start of the second.
    pub right: String,
}

impl ChainError {
    /// Compares one field.
    ///
    /// # Errors
    /// [`ChainError`] if `left` differs from `right`.
    pub fn check<T: PartialEq + std::fmt::Debug>(
        field: &'static str,
        left: &T,
        right: &T,
    ) -> Result<(), Self> {
        if left == right {
            Ok(())
        } else {
            Err(Self { field, left: format!("{left:?}"), right: format!("{right:?}") })
        }
    }
}

/// The fold of `arity` consecutive proofs.
pub struct FoldDefinition<S: Chain> {
    shape: &'static Shape,
    arity: usize,
    chain: PhantomData<S>,
}

impl<S: Chain> Clone for FoldDefinition<S> {
    fn clone(&self) -> Self {
        Self { chain: PhantomData, ..*self }
    }
}

impl<S: Chain> FoldDefinition<S> {
    /// A fold of `arity` proofs of `shape` into one of the same shape.
    ///
    /// # Panics
    /// If `arity` is below 2; arities are fixed in code.
    #[must_use]
    pub fn new(shape: &'static Shape, arity: usize) -> Self {
        assert!(arity >= 2, "a fold joins at least 2 proofs, not {arity}");
        Self { shape, arity, chain: PhantomData }
    }
}

/// One proof to be folded.
#[derive(Clone, Debug)]
pub struct FoldChild {
    /// The proof.
    pub proof: Proof,
    /// The key it verifies under.
    pub key: VerifierKey,
    /// That the key is in the set.
    pub membership: KeyMembership,
}

/// A proof of a shape under a key of a set, in-circuit.
pub struct ListedChildTarget<S> {
    /// The proof and its statement.
    pub child: ChildTarget<S>,
    membership: KeyMembershipTarget,
}

impl<S: Layout<Target> + Copy> ListedChildTarget<S> {
    /// Verifies a proof of `shape` whose key is in the set with the root that `root` reads off its statement.
    pub fn verify(builder: &mut Builder, shape: &Shape, root: impl Fn(&S) -> DigestTarget) -> Self {
        let (child, key) = verify_with_witness_key::<S>(builder, shape);
        let membership = KeyMembershipTarget::new_virtual(builder);
        membership.verify(builder, root(&child.statement), key);
        Self { child, membership }
    }

    /// Assigns proof, key and membership.
    ///
    /// # Errors
    /// If a target already has another value.
    pub fn assign(&self, witness: &mut Witness, value: &FoldChild) -> Result<(), WitnessError> {
        self.child.assign(witness, &value.proof, &value.key)?;
        self.membership.set_targets(witness, &value.membership)
    }
}

impl<S: Chain> Definition for FoldDefinition<S> {
    type Statement = S::Statement;
    type NativeStatement = S::Native;
    type Targets = Vec<ListedChildTarget<S::Statement>>;
    type Input = Vec<FoldChild>;

    fn name(&self) -> String {
        format!("{}-fold-{}", S::NAME, self.arity)
    }

    fn config(&self) -> CircuitConfig {
        self.shape.common.config.clone()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(self.shape)
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        named([("arity", self.arity as u64)])
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let children: Vec<_> = (0..self.arity)
            .map(|_| ListedChildTarget::verify(builder, self.shape, S::key_set_root))
            .collect();
        let statement = children
            .iter()
            .map(|listed| listed.child.statement)
            .reduce(|left, right| S::join_circuit(builder, &left, &right))
            .expect("a fold has at least 2 children");
        (statement, children)
    }

    fn assign(
        &self,
        children: &Self::Targets,
        input: &Self::Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        children.iter().zip(input).try_for_each(|(child, value)| child.assign(witness, value))
    }
}
