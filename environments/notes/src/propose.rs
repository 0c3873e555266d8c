//! What goes into a block.

use bridge_core::{BlockMessages, MAX_BLOCK_STEPS, Message};
use circuits_core::F;
use circuits_protocol::statement::BlockStatement;
use environments_core::{
    block::ProposedBlock,
    environment::{Environment, Proposal},
};
use plonky2::field::types::Field;

use crate::{
    adapter::{Notes, NotesError, NotesTransaction},
    arrival::{Arrival, ArrivalsWitness, MAX_ARRIVALS},
    block::group_sizes,
    body::Body,
    emission::check_message,
    prove::{BlockGroup, NotesBlock, Source},
    state::NotesState,
    transaction::TransactionStatement,
};

/// What a transaction that is valid by itself does.
pub(super) enum Judged<'t> {
    /// A message arrives.
    Arrives(&'t Arrival),
    /// An account moves.
    Moves(Box<Move>),
}

/// A valid transaction of an account.
pub(super) struct Move {
    pub(super) statement: TransactionStatement,
    message: Option<Message>,
    source: Source,
}

/// Transactions that were executed one by one.
struct Selection {
    trial: NotesState,
    messages: BlockMessages,
    arrivals: Vec<Arrival>,
    statements: Vec<TransactionStatement>,
    sources: Vec<Source>,
}

impl Notes {
    /// Judges a transaction by itself.
    pub(super) fn judge<'t>(
        &self,
        state: &NotesState,
        transaction: &'t NotesTransaction,
    ) -> Result<Judged<'t>, NotesError> {
        let (statement, message, source) = match transaction {
            NotesTransaction::Request(request) => {
                let witness = self.resolve(state, request);
                (witness.check()?, witness.message(), Source::Witness(Box::new(witness)))
            }
            NotesTransaction::Proven { bundle } => {
                let opened = bundle.opened()?;
                // The kernel leaves to the bridge what the bridge would leave out the whole block for.
                if let Some(Message { destination, amount, .. }) = opened.message {
                    check_message(&self.deployment, destination, amount)?;
                }
                (opened.statement, opened.message.clone(), Source::Proven(Box::new(opened.proof.clone())))
            }
            NotesTransaction::Arrival(arrival) => return Ok(Judged::Arrives(arrival)),
        };
        Ok(Judged::Moves(Box::new(Move { statement, message, source })))
    }

    /// The block on top of `before`, from as many of `transactions` as it has room for. From the first one on
    /// that there is no room for, those that fail are left as well: they may need what was left.
    pub(super) fn make_block(
        &self,
        before: &NotesState,
        transactions: &[&NotesTransaction],
    ) -> Result<Proposal<Self>, NotesError> {
        let mut selection = Selection {
            trial: before.clone(),
            messages: BlockMessages::none(self.id()),
            arrivals: vec![],
            statements: vec![],
            sources: vec![],
        };
        let (mut included, mut rejected, mut left) = (vec![], vec![], false);
        for (index, transaction) in transactions.iter().enumerate() {
            if selection.statements.len() == self.limit {
                break;
            }
            let judged = self.judge(&selection.trial, transaction);
            match judged.and_then(|judged| selection.take(judged)) {
                Ok(true) => included.push(index),
                Ok(false) => left = true,
                Err(reason) if !left => rejected.push((index, reason)),
                Err(_) => {}
            }
        }
        let (block, state) = self.seal_block(before, selection)?;
        Ok(Proposal { block, state, included, rejected })
    }

    /// The trial took them one by one; the block takes what arrives first, and the transactions in the groups
    /// that its circuits apply together.
    fn seal_block(
        &self,
        before: &NotesState,
        selection: Selection,
    ) -> Result<(ProposedBlock<NotesBlock>, NotesState), NotesError> {
        let Selection { messages, arrivals, statements, sources, .. } = selection;
        let mut state = before.clone();
        let mut body = Body::default();
        body.arrivals.extend(arrivals.iter().map(|arrival| arrival.note().commitment()));
        let paths = state.arrive(&body.arrivals)?;

        let mut groups = vec![];
        let (mut statements, mut sources) = (statements.as_slice(), sources.into_iter());
        for size in group_sizes(statements.len()) {
            let (group, rest) = statements.split_at(size);
            statements = rest;
            let before = state.running();
            let applied = state.apply_group(group)?;
            body.records.extend(applied.records);
            groups.push(BlockGroup {
                before,
                sources: sources.by_ref().take(size).collect(),
                applications: applied.applications,
            });
        }
        let witness = NotesBlock {
            before: before.fields(),
            context: before.context(),
            arrivals: ArrivalsWitness::new(&arrivals, paths),
            groups,
            seal: state.seal()?,
        };
        let height = F::from_canonical_u32(state.height());
        let statement = BlockStatement {
            environment: self.deployment.environment.to_field(),
            first_height: height,
            last_height: height,
            previous_state: before.commitment(),
            new_state: state.commitment(),
            outbox: messages.outbox_digest(),
            inbox: messages.inbox_digest(),
            body: body.digest(),
            producer: self.secret.commitment(),
        };
        Ok((ProposedBlock::new(statement, messages, body.encode(), witness)?, state))
    }
}

impl Selection {
    /// Executes a transaction; false if there is no room for it.
    fn take(&mut self, judged: Judged<'_>) -> Result<bool, NotesError> {
        let mut messages = self.messages.clone();
        match &judged {
            Judged::Arrives(arrival) => {
                messages.inbox.push((arrival.message().clone(), arrival.consumption()));
            }
            Judged::Moves(made) => messages.outbox.extend(made.message.clone()),
        }
        if messages.inbox.len() > MAX_ARRIVALS || messages.steps() > MAX_BLOCK_STEPS {
            return Ok(false);
        }
        match judged {
            Judged::Arrives(arrival) => {
                self.trial.arrive(&[arrival.note().commitment()])?;
                self.arrivals.push(arrival.clone());
            }
            Judged::Moves(made) => {
                let Move { statement, source, .. } = *made;
                self.trial.execute(&statement)?;
                self.statements.push(statement);
                self.sources.push(source);
            }
        }
        self.messages = messages;
        Ok(true)
    }
}
