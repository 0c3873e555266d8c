//! A block as its provers need it, and how its parts are proved.

use circuits_core::CircuitError;
use circuits_keys::CircuitCache;
use circuits_protocol::fold::FoldChild;
use environments_core::environment::{Environment, ProveError};
use rayon::prelude::*;

use crate::{
    adapter::Notes,
    apply::Application,
    arrival::ArrivalsWitness,
    batch::{BatchInput, TransactionProof},
    block::{MAX_TRANSACTIONS, Variant, fold_sizes, variant},
    circuits::{BatchCircuits, prove_transaction},
    kernel::{BlockInput, BlockTransactions},
    state::{BlockContext, Running, SealWitness, StateFields},
    transaction::TransactionWitness,
};

/// A transaction of a block: proved already, or to be proved with the block.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Witness(Box<TransactionWitness>),
    Proven(Box<TransactionProof>),
}

/// A group of a block's transactions.
#[derive(Clone, Debug)]
pub(super) struct BlockGroup {
    pub(super) before: Running,
    pub(super) sources: Vec<Source>,
    pub(super) applications: Vec<Application>,
}

/// A block as its provers need it.
#[derive(Clone, Debug)]
pub struct NotesBlock {
    pub(super) before: StateFields,
    pub(super) context: BlockContext,
    pub(super) arrivals: ArrivalsWitness,
    pub(super) groups: Vec<BlockGroup>,
    pub(super) seal: SealWitness,
}

impl NotesBlock {
    /// Transactions in the block.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.groups.iter().map(|group| group.sources.len()).sum()
    }
}

impl Notes {
    /// Proves the transactions that come without a proof.
    fn prove_transactions(
        cache: &CircuitCache,
        group: &BlockGroup,
    ) -> Result<Vec<TransactionProof>, CircuitError> {
        let sources = group.sources.par_iter();
        sources
            .map(|source| match source {
                Source::Witness(witness) => prove_transaction(cache, witness),
                Source::Proven(proof) => Ok(proof.as_ref().clone()),
            })
            .collect()
    }

    fn prove_batch(
        cache: &CircuitCache,
        block: &NotesBlock,
        group: &BlockGroup,
        circuits: &BatchCircuits,
    ) -> Result<FoldChild, ProveError> {
        let input = BatchInput {
            key_set_root: circuits.key_set_root(),
            context: block.context,
            before: group.before,
            proofs: Self::prove_transactions(cache, group)?,
            applications: group.applications.clone(),
        };
        let proof = circuits.prove(cache, &input).ok_or_else(|| Self::no_kernel(block))?;
        Ok(proof?)
    }

    fn prove_batches(cache: &CircuitCache, block: &NotesBlock) -> Result<Vec<FoldChild>, ProveError> {
        let circuits = BatchCircuits::new(cache)?;
        let batches: Vec<FoldChild> = block
            .groups
            .par_iter()
            .map(|group| Self::prove_batch(cache, block, group, &circuits))
            .collect::<Result<_, _>>()?;
        let mut rest = batches.into_iter();
        let parts: Vec<Vec<FoldChild>> = fold_sizes(block.groups.len())
            .into_iter()
            .map(|size| rest.by_ref().take(size).collect())
            .collect();
        let children = parts.into_par_iter().map(|mut part| match part.len() {
            1 => part.pop().ok_or_else(|| Self::no_kernel(block)),
            _ => Ok(circuits.fold(cache, &part).ok_or_else(|| Self::no_kernel(block))??),
        });
        children.collect()
    }

    fn no_kernel(block: &NotesBlock) -> ProveError {
        ProveError::NoKernel {
            environment: Self::KIND.to_owned(),
            transactions: block.transactions(),
            largest: MAX_TRANSACTIONS,
        }
    }

    /// What the block kernel's prover must know; proves the transactions and batches.
    ///
    /// # Errors
    /// If one of them cannot be proved.
    pub fn kernel_input(&self, cache: &CircuitCache, block: &NotesBlock) -> Result<BlockInput, ProveError> {
        let transactions = match (variant(block.transactions()), block.groups.as_slice()) {
            (Variant::Direct(_), [group]) => BlockTransactions::Direct {
                proofs: Self::prove_transactions(cache, group)?,
                applications: group.applications.clone(),
            },
            (Variant::Direct(_) | Variant::Batches(_), _) => {
                BlockTransactions::Batches(Self::prove_batches(cache, block)?)
            }
        };
        Ok(BlockInput {
            before: block.before,
            arrivals: block.arrivals.clone(),
            transactions,
            seal: block.seal.clone(),
            secret: self.secret,
        })
    }
}
