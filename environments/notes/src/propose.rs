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
    block::{arrivals_beside, group_sizes},
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

/// Messages and transactions that were executed one by one.
pub(super) struct Content {
    /// The state in the middle of the block.
    state: NotesState,
    messages: BlockMessages,
    arrivals: Vec<Arrival>,
    /// Each with its index among what was offered.
    moves: Vec<(usize, Move)>,
}

impl Draft {
    /// The block on top of `before`, from as much of what is offered as it has room for, but at most `limit` transactions.
    /// One for which there is no room waits, and with it the later ones of its account.
    ///
    /// What arrives shares room with transactions: a kernel takes in [so many messages](arrivals_beside) beside the proofs
    /// that it verifies, and the bridge moves [so many](MAX_BLOCK_STEPS) of one block, those that it sends included. At odd
    /// heights what arrives goes first. At even heights transactions do, with half of the bridge's steps, and what they leave
    /// is for what arrives.
    ///
    /// # Errors
    /// If the note tree refuses what arrives, although it has room for it.
    pub(super) fn new(
        before: &NotesState,
        offered: &[&NotesTransaction],
        limit: usize,
    ) -> Result<Self, StateError> {
        let fill = |most| Self::fill(before, offered, limit, most);
        if before.height().is_multiple_of(2) {
            return Ok(fill(MAX_ARRIVALS)?.without_what_has_no_room_beside_arrivals());
        }
        let mut draft = fill(MAX_ARRIVALS / 2)?;
        let most = draft.content.room_for_arrivals();
        if draft.content.arrivals.len() == MAX_ARRIVALS / 2 && most > MAX_ARRIVALS / 2 {
            draft = fill(most)?;
        }
        // Fewer messages may be fewer transactions, which use their notes: then it is fewer messages again.
        while draft.content.arrivals.len() > arrivals_beside(draft.content.moves.len()) {
            draft = fill(arrivals_beside(draft.content.moves.len()))?;
        }
        Ok(draft)
    }

    /// Takes at most `most` messages, wherever they are among what is offered, and then transactions.
    fn fill(
        before: &NotesState,
        offered: &[&NotesTransaction],
        limit: usize,
        most: usize,
    ) -> Result<Self, StateError> {
        let mut content = Content {
            state: before.clone(),
            messages: BlockMessages::none(before.environment()),
            arrivals: vec![],
            moves: vec![],
        };
        let (mut included, mut rejected, mut waiting) = (vec![], vec![], BTreeSet::new());
        for (index, transaction) in offered.iter().enumerate() {
            if let NotesTransaction::Arrival(arrival) = transaction {
                match content.take_in(arrival, most) {
                    Ok(true) => included.push(index),
                    Ok(false) => {}
                    Err(reason) => rejected.push((index, reason.into())),
                }
            }
        }
        let notes = content.notes(before);
        content.state.arrive(&notes)?;
        for (index, transaction) in offered.iter().enumerate() {
            if content.moves.len() == limit {
                break;
            }
            let made = match check(&content.state, transaction) {
                Ok(Checked::Arrives(_)) => continue,
                Ok(Checked::Moves(made)) => made,
                Err(reason) => {
                    rejected.push((index, reason));
                    continue;
                }
            };
            let account = made.statement.account;
            if waiting.contains(&account) {
                continue;
            }
            match content.take(index, *made) {
                Ok(true) => included.push(index),
                Ok(false) => drop(waiting.insert(account)),
                Err(reason) => rejected.push((index, reason.into())),
            }
        }
        included.sort_unstable();
        rejected.sort_by_key(|(index, _)| *index);
        Ok(Self { included, rejected, content })
    }

    /// Leaves out the last transactions, until there is a kernel for the others and what arrives.
    fn without_what_has_no_room_beside_arrivals(mut self) -> Self {
        let Content { messages, arrivals, moves, .. } = &mut self.content;
        while arrivals_beside(moves.len()) < arrivals.len() {
            let Some((left_out, _)) = moves.pop() else { break };
            self.included.retain(|&index| index != left_out);
            // Without it, what came after it may be valid.
            self.rejected.retain(|&(index, _)| index < left_out);
        }
        messages.outbox = moves.iter().filter_map(|(_, made)| made.message.clone()).collect();
        self
    }
}

impl Content {
    /// Takes a message in, unless there are `most` already; returns false if there is no room for it.
    fn take_in(&mut self, arrival: &Arrival, most: usize) -> Result<bool, StateError> {
        if self.arrivals.len() >= most || self.messages.steps() >= MAX_BLOCK_STEPS {
            return Ok(false);
        }
        self.state.check_arrivals(self.arrivals.len() + 1)?;
        self.messages.inbox.push((arrival.message().clone(), arrival.consumption()));
        self.arrivals.push(arrival.clone());
        Ok(true)
    }

    /// The commitments of the notes that the messages become in the block on top of `before`.
    fn notes(&self, before: &NotesState) -> Vec<Digest> {
        let arrivals = (before.next_note()..).zip(&self.arrivals);
        arrivals.map(|(index, arrival)| arrival.note(index).commitment()).collect()
    }

    /// How many messages the block can take in beside its transactions and what they send.
    fn room_for_arrivals(&self) -> usize {
        let sent = self.messages.steps() - self.messages.inbox.len();
        arrivals_beside(self.moves.len()).min(MAX_BLOCK_STEPS - sent)
    }

    /// Executes a transaction; returns false if there is no room for what it sends.
    fn take(&mut self, index: usize, made: Move) -> Result<bool, StateError> {
        let mut messages = self.messages.clone();
        messages.outbox.extend(made.message.clone());
        if messages.steps() > MAX_BLOCK_STEPS {
            return Ok(false);
        }
        made.execute(&mut self.state)?;
        self.moves.push((index, made));
        self.messages = messages;
        Ok(true)
    }

    /// The block on top of `before`, and the state after it: the messages, and then the transactions in the groups that its
    /// circuits apply together.
    ///
    /// # Errors
    /// If the state cannot take another block.
    pub(super) fn seal(
        self,
        before: &NotesState,
        secret: ProducerSecret,
    ) -> Result<(ProposedBlock<NotesBlock>, NotesState), NotesError> {
        let mut state = before.clone();
        let mut body = Body { arrivals: self.notes(before), ..Body::default() };
        let Self { messages, arrivals, moves, .. } = self;
        let paths = state.arrive(&body.arrivals)?;

        let mut groups = vec![];
        let sizes = group_sizes(moves.len());
        let mut moves = moves.into_iter().map(|(_, made)| made);
        for size in sizes {
            let group: Vec<_> = moves.by_ref().take(size).collect();
            let statements: Vec<_> = group.iter().map(|made| made.statement).collect();
            let before = state.running();
            let applied = state.apply_group(&statements)?;
            body.records.extend(applied.records);
            let mut sources = vec![];
            for Move { published, source, .. } in group {
                body.accounts.extend(published);
                sources.push(source);
            }
            groups.push(BlockGroup { before, sources, applications: applied.applications });
        }
        let moved = state.running();
        body.accounts.iter().for_each(|account| state.publish(account.clone()));
        let witness = NotesBlock {
            before: before.fields(),
            context: before.context(),
            arrivals: ArrivalsWitness::new(&arrivals, paths),
            groups,
            moved,
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
