//! The circuits that prove the parts of a block.
//!
//! A block with more transactions than a kernel takes by itself is cut into consecutive parts. Each part is proved by
//! a *leaf*; *folds* join neighbours, until there are as many as a kernel verifies:
//!
//! ```text
//! part part part part      leaves, in parallel
//!   └────┼────┘    │        folds of the arities that exist
//!       fold      part      the children of a kernel that verifies two
//! ```
//! Leaves and folds have one shape. The keys of all of them form a set whose root the kernel pins, so it accepts
//! each of them and nothing else.

use circuits_core::{CircuitError, Definition, Digest, recursion::Shape};
use circuits_keys::CircuitCache;
use circuits_protocol::{
    fold::{Chain, FoldChild, FoldDefinition},
    key_set::KeySet,
};
use rayon::prelude::*;

use crate::folding::PartStatement;

/// Parts of blocks of one economy: the circuits that prove one, and the folds that exist.
pub trait PartChain: Chain<Statement: PartStatement> {
    /// The circuit that proves one part.
    type Leaf: Definition<Statement = Self::Statement, NativeStatement = Self::Native> + Clone + 'static;

    /// Arities of folds, the largest first.
    const FOLD_ARITIES: &'static [usize];

    /// The shape of leaves and folds.
    fn shape() -> &'static Shape;

    /// All leaves, in the order of the key set.
    ///
    /// # Errors
    /// If a circuit below them cannot be built.
    fn leaves(cache: &CircuitCache) -> Result<Vec<Self::Leaf>, CircuitError>;

    /// How many of a block's `parts`, in order, each child of its kernel covers: 1 for a part, more for a fold. Empty if no
    /// kernel takes so many.
    fn child_sizes(parts: usize) -> Vec<usize>;

    /// Whether the input has the size that the leaf is built for.
    fn takes(leaf: &Self::Leaf, input: &LeafInput<Self>) -> bool;
}

/// What the prover of one part must know.
pub type LeafInput<C> = <<C as PartChain>::Leaf as Definition>::Input;

/// The leaves and folds of an economy as definitions, and the set of their keys.
#[derive(Clone)]
pub struct PartCircuits<C: PartChain> {
    leaves: Vec<C::Leaf>,
    set: KeySet,
}

impl<C: PartChain> PartCircuits<C> {
    /// All circuits, for which only their keys are needed.
    ///
    /// # Errors
    /// If one cannot be built.
    pub fn new(cache: &CircuitCache) -> Result<Self, CircuitError> {
        let leaves = C::leaves(cache)?;
        let mut digests = vec![];
        for leaf in &leaves {
            digests.push(cache.key_digest(leaf.clone())?);
        }
        for fold in Self::folds() {
            digests.push(cache.key_digest(fold)?);
        }
        Ok(Self { leaves, set: KeySet::new(&digests) })
    }

    /// Root of the set of keys.
    #[must_use]
    pub fn key_set_root(&self) -> Digest {
        self.set.root()
    }

    /// The leaves.
    pub fn leaves(&self) -> impl Iterator<Item = C::Leaf> {
        self.leaves.iter().cloned()
    }

    /// The folds, in the order of [`PartChain::FOLD_ARITIES`].
    pub fn folds() -> impl Iterator<Item = FoldDefinition<C>> {
        C::FOLD_ARITIES.iter().map(|&arity| FoldDefinition::new(C::shape(), arity))
    }

    /// Proves one part.
    ///
    /// # Errors
    /// [`CircuitError::Unprovable`] if it breaks a rule or no leaf has its size.
    pub fn prove(&self, cache: &CircuitCache, input: &LeafInput<C>) -> Result<FoldChild, CircuitError> {
        let leaf = self.leaves().find(|leaf| C::takes(leaf, input));
        let leaf = leaf.ok_or_else(|| unprovable::<C>("no circuit has the size of the part".to_owned()))?;
        self.set.prove(cache, leaf, input)
    }

    /// Joins consecutive parts.
    ///
    /// # Errors
    /// [`CircuitError::Unprovable`] if they are not consecutive or no fold has their number.
    pub fn fold(&self, cache: &CircuitCache, parts: &Vec<FoldChild>) -> Result<FoldChild, CircuitError> {
        let position = C::FOLD_ARITIES.iter().position(|&arity| arity == parts.len());
        let fold = position.and_then(|position| Self::folds().nth(position));
        let fold = fold.ok_or_else(|| unprovable::<C>(format!("no fold joins {} parts", parts.len())))?;
        self.set.prove(cache, fold, parts)
    }

    /// Joins the parts of a block until its kernel takes them, in parallel.
    ///
    /// # Errors
    /// As [`Self::fold`].
    pub fn fold_all(
        &self,
        cache: &CircuitCache,
        parts: Vec<FoldChild>,
    ) -> Result<Vec<FoldChild>, CircuitError> {
        let sizes = C::child_sizes(parts.len());
        let mut rest = parts.into_iter();
        let runs: Vec<Vec<_>> = sizes.into_iter().map(|size| rest.by_ref().take(size).collect()).collect();
        let children = runs.into_par_iter().map(|mut run| match run.len() {
            1 => Ok(run.swap_remove(0)),
            _ => self.fold(cache, &run),
        });
        children.collect()
    }

    /// Proves the parts of a block in parallel, and joins them until its kernel takes them. `input` makes what the
    /// prover of a part must know.
    ///
    /// # Errors
    /// As `input`, [`Self::prove`] and [`Self::fold`].
    pub fn prove_all<T: Send>(
        &self,
        cache: &CircuitCache,
        parts: Vec<T>,
        input: impl Fn(T) -> Result<LeafInput<C>, CircuitError> + Sync,
    ) -> Result<Vec<FoldChild>, CircuitError> {
        let proved = parts.into_par_iter().map(|part| self.prove(cache, &input(part)?));
        self.fold_all(cache, proved.collect::<Result<_, _>>()?)
    }
}

fn unprovable<C: PartChain>(reason: String) -> CircuitError {
    CircuitError::Unprovable { name: C::NAME.to_owned(), reason }
}
