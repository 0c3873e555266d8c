//! Filling and sealing a block.
//!
//! The bridge moves what a block takes in before what it sends, so a block is made in this order, messages first: it
//! can send on what it receives.

use std::collections::BTreeSet;

use bridge_core::{BlockMessages, MAX_BLOCK_STEPS};
use circuits_core::{Digest, F};
use circuits_protocol::statement::BlockStatement;
use circuits_tables::ecdsa::Signed;
use environments_core::{
    block::ProposedBlock,
    instance::DeployedState as _,
    kernel::{OneBlock, ProducerSecret},
};
use plonky2::field::types::Field;

use crate::{
    arrival::ArrivalWitness,
    block::{UNSIGNED_SLOTS, variant},
    body::{Body, BodyTransaction, body_digest},
    error::AccountsError,
    execute::TransactionWitness,
    state::AccountsState,
    transaction::AccountsTransaction,
    typed_data::block_count,
    witness::AccountsBlock,
};

/// A block that is not sealed yet.
pub(super) struct Draft {
    /// Indices of what is in the block, ascending.
    pub(super) included: Vec<usize>,
    /// Indices of what cannot be, ascending, with the reason.
    pub(super) rejected: Vec<(usize, AccountsError)>,
    /// What the block holds.
    pub(super) content: Content,
}

/// Messages and transactions that were executed.
pub(super) struct Content {
    /// The state in the middle of the block.
    state: AccountsState,
    arrivals: Vec<ArrivalWitness>,
    transactions: Vec<TransactionWitness>,
    signatures: Vec<Signed>,
    /// The position of each transaction in [`Draft::included`].
    positions: Vec<usize>,
    messages: BlockMessages,
    body: Body,
}

impl Draft {
    /// The block of up to `limit` of the `offered` messages and transactions on top of `before`.
    pub(super) fn new(before: &AccountsState, offered: &[&AccountsTransaction], limit: usize) -> Self {
        let draft = Self::fill(before, offered, limit, MAX_BLOCK_STEPS);
        // A block without transactions has no signatures, and the kernel of such blocks has fewer slots.
        if draft.content.transactions.is_empty() && draft.content.arrivals.len() > UNSIGNED_SLOTS {
            return Self::fill(before, offered, limit, UNSIGNED_SLOTS);
        }
        draft
    }

    fn fill(before: &AccountsState, offered: &[&AccountsTransaction], limit: usize, arrivals: usize) -> Self {
        let content = Content {
            state: before.clone(),
            arrivals: vec![],
            transactions: vec![],
            signatures: vec![],
            positions: vec![],
            messages: BlockMessages::none(before.environment()),
            body: Body::default(),
        };
        let mut draft = Self { included: vec![], rejected: vec![], content };
        draft.arrive(offered, limit.min(arrivals));
        let signed = draft.execute(offered, limit);
        draft.included.extend(&signed);
        draft.included.sort_unstable();
        draft.rejected.sort_by_key(|(index, _)| *index);
        let position = |index| draft.included.iter().position(|included| *included == index);
        draft.content.positions = signed.into_iter().filter_map(position).collect();
        draft
    }

    fn arrive(&mut self, offered: &[&AccountsTransaction], limit: usize) {
        for (index, &transaction) in offered.iter().enumerate() {
            let AccountsTransaction::Arrival { message, consumption } = transaction else { continue };
            if self.included.len() == limit {
                break;
            }
            match self.content.state.arrive(message, *consumption) {
                Ok(witness) => {
                    self.included.push(index);
                    self.content.arrivals.push(witness);
                    self.content.messages.inbox.push((message.clone(), *consumption));
                    self.content.body.arrivals.push((message.clone(), *consumption));
                }
                Err(reason) => self.rejected.push((index, reason.into())),
            }
        }
    }

    /// Returns the indices of the transactions that were executed. One with which there would be more messages than the
    /// bridge moves for one block, more slots than a kernel has, or more hashes than a table proves, waits, and with it the
    /// later ones of its sender.
    fn execute(&mut self, offered: &[&AccountsTransaction], limit: usize) -> Vec<usize> {
        let Content { state, arrivals, transactions, signatures, messages, body, .. } = &mut self.content;
        let deployment = *state.deployment();
        let (mut executed, mut waiting) = (vec![], BTreeSet::new());
        let (taken_in, mut actions, mut blocks) = (arrivals.len(), vec![], 0);
        for (index, &transaction) in offered.iter().enumerate() {
            let AccountsTransaction::Signed(signed) = transaction else { continue };
            if self.included.len() + executed.len() == limit {
                break;
            }
            let sender = signed.transaction.sender;
            if waiting.contains(&sender) {
                continue;
            }
            let mut emits = BlockMessages::none(deployment.environment);
            emits.outbox = signed.transaction.messages(deployment.chain_id, deployment.environment);
            let is_first = state.account(&sender).is_some_and(|account| account.key == Digest::ZERO);
            let hashed = blocks + block_count(&signed.transaction, is_first);
            actions.push(signed.transaction.actions.len());
            let has_kernel = variant(taken_in, &actions, hashed).is_some();
            actions.pop();
            if !has_kernel || messages.steps() + emits.steps() > MAX_BLOCK_STEPS {
                waiting.insert(sender);
                continue;
            }
            match state.execute(signed) {
                Ok(witness) => {
                    let key = witness.key;
                    actions.push(witness.slots.len());
                    blocks += witness.blocks.len();
                    executed.push(index);
                    messages.outbox.extend(witness.emitted.iter().cloned());
                    transactions.push(witness);
                    signatures.push(signed.signed(&deployment.signing_domain(), key));
                    let transaction = signed.transaction.clone();
                    body.transactions.push(BodyTransaction { transaction, key });
                }
                Err(reason) => self.rejected.push((index, reason.into())),
            }
        }
        executed
    }
}

impl Content {
    /// The block on top of `before`, and the state after it.
    ///
    /// # Errors
    /// If the state cannot take another block.
    pub(super) fn seal(
        self,
        before: &AccountsState,
        secret: ProducerSecret,
    ) -> Result<(ProposedBlock<AccountsBlock>, AccountsState), AccountsError> {
        let Self { mut state, arrivals, transactions, signatures, positions, messages, body } = self;
        let moved = state.running();
        let witness = AccountsBlock {
            before: before.fields(),
            context: before.context(),
            arrivals,
            transactions,
            signatures,
            positions,
            moved,
            seal: state.seal()?,
        };
        let statement: BlockStatement = OneBlock {
            environment: state.environment().to_field(),
            height: F::from_canonical_u32(state.height()),
            previous_state: before.commitment(),
            new_state: state.commitment(),
            outbox: moved.outbox,
            inbox: moved.inbox,
            body: body_digest(moved.claims, moved.inbox),
            secret,
        }
        .statement();
        Ok((ProposedBlock::new(statement, messages, body.encode()?, witness)?, state))
    }
}
