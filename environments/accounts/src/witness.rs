//! A block as its provers need it.

use circuits_tables::ecdsa::Signed;

use crate::{
    arrival::ArrivalWitness,
    block::{Variant, variant},
    execute::TransactionWitness,
    state::{BlockContext, Running, SealWitness, StateFields},
};

/// A block as its provers need it.
#[derive(Clone, Debug)]
pub struct AccountsBlock {
    /// The state before.
    pub before: StateFields,
    /// What every transaction is checked against.
    pub context: BlockContext,
    /// The messages that it takes in, in order.
    pub arrivals: Vec<ArrivalWitness>,
    /// The transactions after them, in order.
    pub transactions: Vec<TransactionWitness>,
    /// Their signatures, in the same order.
    pub signatures: Vec<Signed>,
    /// The position of each transaction among all that the block took from the pool, messages included.
    pub positions: Vec<usize>,
    /// The running state after the transactions.
    pub moved: Running,
    /// The fee account at the block's end.
    pub seal: SealWitness,
}

impl AccountsBlock {
    /// The kernel that proves it; `None` if none is large enough.
    #[must_use]
    pub fn variant(&self) -> Option<Variant> {
        let actions: Vec<_> = self.transactions.iter().map(|transaction| transaction.slots.len()).collect();
        let blocks = self.transactions.iter().map(|transaction| transaction.blocks.len()).sum();
        variant(self.arrivals.len(), &actions, blocks)
    }
}
