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

use std::sync::Arc;

use circuits_core::{
    CircuitError, Compiled, Definition, Digest,
    recursion::{Shape, key_digest},
};
use circuits_keys::CircuitCache;
use circuits_protocol::{
    fold::{Chain, FoldChild, FoldDefinition},
    key_set::KeySet,
};
use circuits_tasks::{
    circuit::{Common, KeyedProof, TaskCircuit, decode_input},
    id::TaskId,
    provable::{Catalogue, Child, ProvableError},
};

use crate::{
    environment::ProveError,
    folding::PartStatement,
    graph::{BlockParts, Part, memory},
};

/// Parts of blocks of one economy: the circuits that prove one, and the folds that exist.
pub trait PartChain: Chain<Statement: PartStatement> + Clone {
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

    /// The proof of a leaf or a fold, as the circuit above it takes it.
    ///
    /// # Errors
    /// [`ProvableError`] if it is malformed, or its key is not in the set.
    pub fn child(&self, child: &Child<'_>) -> Result<FoldChild, ProvableError> {
        let KeyedProof { proof, key } = KeyedProof::decode(child.proof, &C::shape().common)?;
        let name = child.task.provable.clone();
        let unlisted = |key| CircuitError::Unlisted { name, key };
        let membership = self.set.membership(key_digest(&key)).ok_or_else(|| unlisted(key_digest(&key)))?;
        Ok(FoldChild { proof, key, membership })
    }

    /// Adds the folds that join the parts of a block until its kernel takes them. `leaves` are the proven parts in order, with what
    /// each states. Folds see nothing but statements and proofs, so anybody may make them. Returns the kernel's children.
    ///
    /// # Errors
    /// [`ProveError::Part`] if the parts are not consecutive, and [`ProveError::Graph`].
    pub fn add_folds<'a>(
        &self,
        cache: &'a CircuitCache,
        parts: &mut BlockParts<'a>,
        leaves: &[(TaskId, C::Native)],
    ) -> Result<Vec<TaskId>, ProveError> {
        let (mut children, mut start) = (vec![], 0);
        for size in C::child_sizes(leaves.len()) {
            let span = start..start + size;
            let run = &leaves[span.clone()];
            start = span.end;
            let [(first, statement), others @ ..] = run else { continue };
            if others.is_empty() {
                children.push(*first);
                continue;
            }
            let joined = others.iter().try_fold(*statement, |left, (_, right)| C::join(&left, right));
            let joined = joined.map_err(|error| ProveError::Part(Box::new(error)))?;
            let fold = FoldTask { cache, circuits: self.clone(), arity: size };
            let part = Part::new(
                format!("fold {}..{}", span.start, span.end),
                &joined,
                memory(C::shape().common.degree_bits()),
            );
            let part = part.above(run.iter().map(|(id, _)| *id).collect());
            children.push(parts.travelling(fold, part, &())?);
        }
        Ok(children)
    }

    /// Adds the folds as provables, for whoever proves parts of others' blocks.
    #[must_use]
    pub fn folds_in<'a>(&self, cache: &'a CircuitCache, catalogue: Catalogue<'a>) -> Catalogue<'a> {
        let fold = |&arity| FoldTask { cache, circuits: self.clone(), arity };
        C::FOLD_ARITIES.iter().map(fold).fold(catalogue, Catalogue::with)
    }
}

/// A fold of this number of parts.
struct FoldTask<'a, C: PartChain> {
    cache: &'a CircuitCache,
    circuits: PartCircuits<C>,
    arity: usize,
}

impl<C: PartChain> FoldTask<'_, C> {
    fn definition(&self) -> FoldDefinition<C> {
        FoldDefinition::new(C::shape(), self.arity)
    }
}

impl<C: PartChain> TaskCircuit for FoldTask<'_, C> {
    type Definition = FoldDefinition<C>;
    type Secret = ();

    fn name(&self) -> String {
        self.definition().name()
    }

    fn key(&self) -> Result<Digest, ProvableError> {
        Ok(self.cache.key_digest(self.definition())?)
    }

    fn common(&self) -> Result<Common, ProvableError> {
        Ok(Common::OfShape(&C::shape().common))
    }

    fn circuit(&self) -> Result<Arc<Compiled<Self::Definition>>, ProvableError> {
        Ok(self.cache.circuit(self.definition())?)
    }

    fn input(
        &self,
        _: &C::Native,
        input: &[u8],
        children: &[Child<'_>],
        (): &(),
    ) -> Result<Vec<FoldChild>, ProvableError> {
        self.expect_children(children, self.arity)?;
        let () = decode_input(input)?;
        children.iter().map(|child| self.circuits.child(child)).collect()
    }
}

fn unprovable<C: PartChain>(reason: String) -> CircuitError {
    CircuitError::Unprovable { name: C::NAME.to_owned(), reason }
}
