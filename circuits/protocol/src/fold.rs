//! The generic fold: verifies consecutive proofs of one shape and makes their joined statement, in the same shape.
//!
//! A key set fixes which circuits a fold may verify. Its root is part of the statement: [`Chain::join_circuit`] keeps it
//! equal across children, and the circuit that ends the recursion pins it as a constant. The fold's own key is in the
//! set too. That is not a cycle, because the fold reads the root from its children and does not contain it.

use std::{collections::BTreeMap, marker::PhantomData};

use circuits_core::{
    F,
    circuit::{Definition, named},
    digest::DigestTarget,
    layout::{Layout, WitnessError},
    recursion::Shape,
};
use circuits_prover::basetypes::{Builder, Witness};
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};
use thiserror::Error;

pub use crate::child::{FoldChild, ListedChildTarget};

/// A statement about a run of steps, where two consecutive runs join into one.
pub trait Chain: Send + Sync + 'static {
    type Statement: Layout<Target> + Copy + Send + Sync;
    type Native: Layout<F> + Copy + Send + Sync;

    /// Names what is folded. Circuits are called `NAME-fold-ARITY`.
    const NAME: &'static str;

    /// The root of the set of keys that the statement's proof and the proofs below it may verify under.
    fn key_set_root(statement: &Self::Statement) -> DigestTarget;

    /// The statement about `left` then `right`.
    ///
    /// # Errors
    /// [`ChainError`] if `right` does not continue `left`.
    fn join(left: &Self::Native, right: &Self::Native) -> Result<Self::Native, ChainError>;

    /// The in-circuit twin of [`Self::join`].
    fn join_circuit(
        builder: &mut Builder,
        left: &Self::Statement,
        right: &Self::Statement,
    ) -> Self::Statement;
}

/// The second statement does not continue the first.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the second statement's {field} is {right}, which does not continue the first one's {left}")]
pub struct ChainError {
    /// The field in which the second statement does not continue the first.
    pub field: &'static str,
    /// The value at the end of the first statement.
    pub left: String,
    /// The value at the start of the second statement.
    pub right: String,
}

impl ChainError {
    /// Checks that one field continues.
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

/// The circuit that folds a fixed number of consecutive proofs.
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
    /// Folds `arity` proofs of `shape` into one proof of the same shape.
    ///
    /// # Panics
    /// If `arity` is below 2; arities are fixed in code.
    #[must_use]
    pub fn new(shape: &'static Shape, arity: usize) -> Self {
        assert!(arity >= 2, "a fold joins at least 2 proofs, not {arity}");
        Self { shape, arity, chain: PhantomData }
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
