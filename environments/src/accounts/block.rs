//! Blocks: what they hold, and what their provers need to know.

use circuits::ecdsa::Signed;

use crate::accounts::{
    execute::TransactionWitness,
    state::{BlockContext, Running, SealWitness, StateFields},
};

/// Transactions that one block holds at most: those of the largest table of signatures.
pub const MAX_TRANSACTIONS: usize = 240;

/// A block as its provers need it.
#[derive(Clone, Debug)]
pub struct AccountsBlock {
    /// The state before.
    pub before: StateFields,
    /// What every transaction is held against.
    pub context: BlockContext,
    /// The transactions, in order.
    pub transactions: Vec<TransactionWitness>,
    /// Their signatures, in the same order.
    pub signatures: Vec<Signed>,
    /// What the transactions moved.
    pub moved: Running,
    /// The fee account.
    pub seal: SealWitness,
}
