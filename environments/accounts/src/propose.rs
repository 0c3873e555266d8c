//! Filling a block: messages first, then transactions, as long as there is room.
//!
//! The bridge moves what a block consumes before what it emits, so a block is made in this order: what it
//! receives it can send on.

use bridge_core::{BlockMessages, MAX_BLOCK_STEPS};
use circuits_tables::ecdsa::Signed;

use crate::{
    adapter::AccountsError,
    block::UNSIGNED_SLOTS,
    body::{Body, BodyTransaction},
    consume::ConsumptionWitness,
    execute::TransactionWitness,
    state::AccountsState,
    transaction::{AccountsTransaction, SignedTransaction},
};

/// A block that is not sealed yet.
pub(super) struct Draft {
    /// The state in the middle of the block.
    pub(super) state: AccountsState,
    /// Indices of what is in the block, ascending.
    pub(super) included: Vec<usize>,
    /// Indices of what cannot be, ascending, with the reason.
    pub(super) rejected: Vec<(usize, AccountsError)>,
    pub(super) consumptions: Vec<ConsumptionWitness>,
    pub(super) transactions: Vec<TransactionWitness>,
    pub(super) signatures: Vec<Signed>,
    /// Where each transaction stands in `included`.
    pub(super) positions: Vec<usize>,
    pub(super) messages: BlockMessages,
    pub(super) body: Body,
}

impl Draft {
    /// The block of up to `limit` of these transactions on `state`.
    pub(super) fn new(state: &AccountsState, offered: &[&AccountsTransaction], limit: usize) -> Self {
        let draft = Self::fill(state, offered, limit, MAX_BLOCK_STEPS);
        // Without transactions there are no signatures, and the kernel for that has fewer slots.
        if draft.transactions.is_empty() && draft.consumptions.len() > UNSIGNED_SLOTS {
            return Self::fill(state, offered, limit, UNSIGNED_SLOTS);
        }
        draft
    }

    fn fill(
        state: &AccountsState,
        offered: &[&AccountsTransaction],
        limit: usize,
        consumptions: usize,
    ) -> Self {
        let mut draft = Self {
            state: state.clone(),
            included: vec![],
            rejected: vec![],
            consumptions: vec![],
            transactions: vec![],
            signatures: vec![],
            positions: vec![],
            messages: BlockMessages::none(state.deployment().environment),
            body: Body::default(),
        };
        draft.consume(offered, limit.min(consumptions));
        let signed = draft.transact(offered, limit);
        draft.included.extend(&signed);
        draft.included.sort_unstable();
        draft.rejected.sort_by_key(|(index, _)| *index);
        let position = |index| draft.included.iter().position(|included| *included == index);
        draft.positions = signed.into_iter().filter_map(position).collect();
        draft
    }

    fn consume(&mut self, offered: &[&AccountsTransaction], limit: usize) {
        for (index, &transaction) in offered.iter().enumerate() {
            let AccountsTransaction::Consume { message, consumption } = transaction else { continue };
            if self.included.len() == limit {
                break;
            }
            match self.state.consume(message, *consumption) {
                Ok(witness) => {
                    self.included.push(index);
                    self.consumptions.push(witness);
                    self.messages.inbox.push((message.clone(), *consumption));
                    self.body.consumed.push((message.clone(), *consumption));
                }
                Err(reason) => self.rejected.push((index, reason.into())),
            }
        }
    }

    /// Returns the indices of the transactions that were executed. What would emit more messages than the
    /// bridge moves for one block ends it: its sender's later transactions wait for it.
    fn transact(&mut self, offered: &[&AccountsTransaction], limit: usize) -> Vec<usize> {
        let deployment = *self.state.deployment();
        let mut executed = vec![];
        for (index, &transaction) in offered.iter().enumerate() {
            let AccountsTransaction::Signed(signed) = transaction else { continue };
            if self.included.len() + executed.len() == limit {
                break;
            }
            let mut emits = BlockMessages::none(deployment.environment);
            emits.outbox = signed.transaction.messages(deployment.chain_id, deployment.environment);
            if self.messages.steps() + emits.steps() > MAX_BLOCK_STEPS {
                break;
            }
            match self.state.execute(signed) {
                Ok(witness) => {
                    executed.push(index);
                    self.messages.outbox.extend(witness.emitted.iter().cloned());
                    self.transactions.push(witness);
                    self.signatures.push(signed.signed(deployment.chain_id, deployment.environment));
                    let SignedTransaction { transaction, key, .. } = signed.clone();
                    self.body.transactions.push(BodyTransaction { transaction, key });
                }
                Err(reason) => self.rejected.push((index, reason.into())),
            }
        }
        executed
    }
}
