//! Filling and sealing a block.

use std::collections::BTreeSet;

use bridge_core::{BlockMessages, MAX_BLOCK_STEPS, Message};
use circuits_core::{Digest, F};
use circuits_protocol::statement::BlockStatement;
use environments_core::{
    block::ProposedBlock,
    instance::DeployedState as _,
    kernel::{OneBlock, ProducerSecret},
};
use plonky2::field::types::Field;

use crate::{
    account::Account,
    arrival::{Arrival, ArrivalsWitness, MAX_ARRIVALS},
    block::group_sizes,
    body::Body,
    error::NotesError,
    execute::StateError,
    state::NotesState,
    transaction::{
        NotesTransaction, Opened, TransactionStatement, TransactionWitness, emission::check_message,
    },
    witness::{BlockGroup, NotesBlock, Source},
};

/// A transaction that is valid by itself.
pub(super) enum Checked<'t> {
    /// A message arrives.
    Arrives(&'t Arrival),
    /// An account moves.
    Moves(Box<Move>),
}

impl Checked<'_> {
    /// The account that moves.
    fn account(&self) -> Option<Digest> {
        match self {
            Self::Arrives(_) => None,
            Self::Moves(made) => Some(made.statement.account),
        }
    }
}

/// A valid transaction of an account.
pub(super) struct Move {
    pub(super) statement: TransactionStatement,
    message: Option<Message>,
    /// The account that it leaves, if that is a network account.
    published: Option<Account>,
    source: Source,
}

impl Move {
    /// Executes it on a state in the middle of a block. On an error the state is unchanged.
    ///
    /// # Errors
    /// As [`NotesState::execute`], and [`StateError::NonceUsed`] if the account never again is what the transaction starts
    /// from.
    pub(super) fn execute(&self, state: &mut NotesState) -> Result<(), StateError> {
        match state.execute(&self.statement) {
            Ok(()) => self.published.iter().for_each(|account| state.publish(account.clone())),
            Err(error @ StateError::StaleAccount { account, .. }) => {
                let made = state.public_account(&account).map(|account| account.nonce);
                let next = self.published.as_ref().map(|account| account.nonce);
                return Err(match (made, next) {
                    (Some(made), Some(next)) if made >= next => {
                        StateError::NonceUsed { account, made, before: next.saturating_sub(1) }
                    }
                    _ => error,
                });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Checks a transaction by itself; `state` opens the notes that it consumes.
pub(super) fn check<'t>(
    state: &NotesState,
    transaction: &'t NotesTransaction,
) -> Result<Checked<'t>, NotesError> {
    let (statement, message, published, source) = match transaction {
        NotesTransaction::Request(request) => {
            let witness = TransactionWitness::resolve(state, request);
            let (statement, message, published) = (witness.check()?, witness.message(), witness.published()?);
            (statement, message, published, Source::Witness(Box::new(witness)))
        }
        NotesTransaction::Proven { bundle } => {
            let opened = bundle.opened()?;
            // The kernel allows messages that the bridge refuses, and with them their whole block.
            if let Some(Message { destination, amount, .. }) = opened.message {
                check_message(state.deployment(), destination, amount)?;
            }
            let Opened { statement, message, account, proof } = opened.clone();
            (statement, message, account, Source::Proven(Box::new(proof)))
        }
        NotesTransaction::Arrival(arrival) => return Ok(Checked::Arrives(arrival)),
    };
    Ok(Checked::Moves(Box::new(Move { statement, message, published, source })))
}

/// A block that is not sealed yet.
pub(super) struct Draft {
    /// Indices of the transactions that are in the block, ascending.
    pub(super) included: Vec<usize>,
    /// Indices of the transactions that cannot be, ascending, with the reason.
    pub(super) rejected: Vec<(usize, NotesError)>,
    /// What the block holds.
    pub(super) content: Content,
}

/// Transactions that were executed one by one.
pub(super) struct Content {
    /// The state in the middle of the block.
    state: NotesState,
    messages: BlockMessages,
    arrivals: Vec<Arrival>,
    statements: Vec<TransactionStatement>,
    published: Vec<Account>,
    sources: Vec<Source>,
}

impl Draft {
    /// The block on top of `before`, from as many of the first `offered` transactions as it has room for, but at
    /// most `limit`. One for which there is no room waits, and with it the later ones of its account.
    pub(super) fn new(before: &NotesState, offered: &[&NotesTransaction], limit: usize) -> Self {
        let mut content = Content {
            state: before.clone(),
            messages: BlockMessages::none(before.environment()),
            arrivals: vec![],
            statements: vec![],
            published: vec![],
            sources: vec![],
        };
        let (mut included, mut rejected, mut waiting) = (vec![], vec![], BTreeSet::new());
        for (index, transaction) in offered.iter().enumerate() {
            if content.statements.len() == limit {
                break;
            }
            let checked = match check(&content.state, transaction) {
                Ok(checked) => checked,
                Err(reason) => {
                    rejected.push((index, reason));
                    continue;
                }
            };
            let account = checked.account();
            if account.is_some_and(|account| waiting.contains(&account)) {
                continue;
            }
            match content.take(checked) {
                Ok(true) => included.push(index),
                Ok(false) => waiting.extend(account),
                Err(reason) => rejected.push((index, reason)),
            }
        }
        Self { included, rejected, content }
    }
}

impl Content {
    /// Executes a transaction; returns false if there is no room for it.
    fn take(&mut self, checked: Checked<'_>) -> Result<bool, NotesError> {
        let mut messages = self.messages.clone();
        match &checked {
            Checked::Arrives(arrival) => {
                messages.inbox.push((arrival.message().clone(), arrival.consumption()));
            }
            Checked::Moves(made) => messages.outbox.extend(made.message.clone()),
        }
        if messages.inbox.len() > MAX_ARRIVALS || messages.steps() > MAX_BLOCK_STEPS {
            return Ok(false);
        }
        match checked {
            Checked::Arrives(arrival) => {
                self.state.arrive(&[arrival.note().commitment()])?;
                self.arrivals.push(arrival.clone());
            }
            Checked::Moves(made) => {
                made.execute(&mut self.state)?;
                let Move { statement, published, source, .. } = *made;
                self.statements.push(statement);
                self.published.extend(published);
                self.sources.push(source);
            }
        }
        self.messages = messages;
        Ok(true)
    }

    /// The block on top of `before`, and the state after it. The draft executed its transactions in the order of the
    /// pool; the block takes messages first, and then the transactions in the groups that its circuits apply together.
    ///
    /// # Errors
    /// If the state cannot take another block.
    pub(super) fn seal(
        self,
        before: &NotesState,
        secret: ProducerSecret,
    ) -> Result<(ProposedBlock<NotesBlock>, NotesState), NotesError> {
        let Self { messages, arrivals, statements, published, sources, .. } = self;
        let mut state = before.clone();
        let mut body = Body { accounts: published, ..Body::default() };
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
        body.accounts.iter().for_each(|account| state.publish(account.clone()));
        let witness = NotesBlock {
            before: before.fields(),
            context: before.context(),
            arrivals: ArrivalsWitness::new(&arrivals, paths),
            groups,
            seal: state.seal()?,
        };
        let statement: BlockStatement = OneBlock {
            environment: state.environment().to_field(),
            height: F::from_canonical_u32(state.height()),
            previous_state: before.commitment(),
            new_state: state.commitment(),
            outbox: messages.outbox_digest(),
            inbox: messages.inbox_digest(),
            body: body.digest(),
            secret,
        }
        .statement();
        Ok((ProposedBlock::new(statement, messages, body.encode(), witness)?, state))
    }
}
