//! A block as its provers need it.

use crate::{
    arrival::ArrivalsWitness,
    block::{Variant, variant},
    execute::Application,
    state::{BlockContext, Running, SealWitness, StateFields},
    transaction::{TransactionProof, TransactionWitness},
};

/// A transaction of a block: proved already, or to be proved with the block.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Witness(Box<TransactionWitness>),
    Proven(Box<TransactionProof>),
}

/// Transactions of a block that one circuit applies together.
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
    /// The running state after the groups.
    pub(super) moved: Running,
    pub(super) seal: SealWitness,
}

impl NotesBlock {
    /// Transactions in the block.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.groups.iter().map(|group| group.sources.len()).sum()
    }

    /// The kernel that proves it.
    #[must_use]
    pub fn variant(&self) -> Variant {
        variant(self.transactions(), self.arrivals.slots.len())
    }
}
