//! Following an environment: its states, computed from what its producer publishes, without any secret.

use std::{error::Error, sync::Arc};

use circuits_core::{Digest, stored::ReadFailure};
use circuits_database::{Change, View};
use circuits_protocol::statement::BlockStatement;
use thiserror::Error;

use crate::{
    block::{BlockError, check_statement},
    environment::{Environment, EnvironmentId},
    snapshot::{Snapshot, SnapshotError},
    stored::{
        COMMITMENT, IDENTITY, Identity, Source, StoredError, StoredState as _, WeakSource, restore_state,
    },
};

/// Why a block does not lead from a state to the one that it states.
#[derive(Debug, Error)]
pub enum FollowError {
    /// The statement's environment or heights are out of range.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The block is of another environment.
    #[error("the block is of environment {found}, not of {expected}")]
    OtherEnvironment { expected: EnvironmentId, found: EnvironmentId },
    /// The block does not cover the next height alone.
    #[error("the block covers the heights {first} to {last}; the next one is {expected}")]
    OtherHeight { expected: u32, first: u32, last: u32 },
    /// The block continues another state.
    #[error("block {height} continues the state {stated}, and the state of height {before} is {found}", before = .height.saturating_sub(1))]
    OtherParent { height: u32, stated: Digest, found: Digest },
    /// The block states another body.
    #[error("block {height} states the body {stated}, and its body has the digest {found}")]
    OtherBody { height: u32, stated: Digest, found: Digest },
    /// The environment refuses the body.
    #[error("the body of block {height} does not apply")]
    Body { height: u32, source: Box<dyn Error + Send + Sync> },
    /// The body leads to another state.
    #[error("block {height} states that it leads to {stated}, and its body leads to {found}")]
    OtherState { height: u32, stated: Digest, found: Digest },
    /// A part of the state that somebody needed cannot be read.
    #[error("a part of the state cannot be read")]
    Read(#[from] ReadFailure),
}

/// The state of an environment, which blocks move forward.
pub struct BlockFollower<E: Environment> {
    environment: Arc<E>,
    state: E::State,
    /// The state that is stored.
    stored: Option<E::State>,
    source: WeakSource,
}

/// The object-safe side of a follower. It uses nothing of its environment that is secret.
pub trait DynFollower: Send + Sync {
    /// The environment's id.
    fn id(&self) -> EnvironmentId;

    /// The deployment.
    fn chain_id(&self) -> u64;

    /// Height of the last block that was applied.
    fn height(&self) -> u32;

    /// The state's commitment.
    fn commitment(&self) -> Digest;

    /// Applies the next block, if its body leads from the state to the one that it states.
    ///
    /// # Errors
    /// [`FollowError`]; the state is then what it was.
    fn apply(&mut self, statement: &BlockStatement, body: &[u8]) -> Result<(), FollowError>;

    /// Checks that `body` is the one that the statement states, which costs little. If it is, whether the block applies to the state
    /// that it continues follows from the statement.
    ///
    /// # Errors
    /// [`FollowError::Body`], [`FollowError::OtherBody`]
    fn check_body(&self, statement: &BlockStatement, body: &[u8]) -> Result<(), FollowError>;

    /// What changed since the last call, for a database; all that there is at first.
    ///
    /// # Errors
    /// [`StoredError`]
    fn changes(&mut self) -> Result<Vec<Change>, StoredError>;

    /// Takes the state that a view shows. The view is kept, since most of the state is read when it is needed.
    ///
    /// # Errors
    /// [`StoredError`]; the state is then what it was.
    fn restore(&mut self, view: View) -> Result<(), StoredError>;

    /// Reads what is needed from this view from now on, which shows what the last changes led to; see
    /// [`BlockProducer::move_on`](crate::BlockProducer::move_on).
    fn move_on(&mut self, view: View);

    /// All of the state. All that is stored of it is read.
    ///
    /// # Errors
    /// [`StoredError`]
    fn snapshot(&self) -> Result<Snapshot, StoredError>;

    /// What a database of this environment has of a snapshot. What it leads to is checked by [`Self::restore`] and
    /// [`Self::check_whole`].
    ///
    /// # Errors
    /// [`SnapshotError`]
    fn entries_of(&self, snapshot: &Snapshot) -> Result<Vec<Change>, SnapshotError>;

    /// Reads all of the state, and checks that each part of it is what the commitment covers.
    ///
    /// # Errors
    /// [`StoredError`]
    fn check_whole(&self) -> Result<(), StoredError>;

    /// Another follower of the environment, with the state that a view shows, which goes its own way from there.
    ///
    /// # Errors
    /// [`StoredError`]
    fn at(&self, view: View) -> Result<Box<dyn DynFollower>, StoredError>;
}

impl<E: Environment> BlockFollower<E> {
    /// A follower at genesis.
    pub fn new(environment: impl Into<Arc<E>>) -> Self {
        let environment = environment.into();
        Self { state: environment.genesis(), environment, stored: None, source: WeakSource::default() }
    }

    /// The state after the last block.
    pub const fn state(&self) -> &E::State {
        &self.state
    }

    fn identity(&self) -> Identity {
        Identity::of(&*self.environment).of_any_producer()
    }
}

impl<E: Environment> DynFollower for BlockFollower<E> {
    fn id(&self) -> EnvironmentId {
        self.environment.id()
    }

    fn chain_id(&self) -> u64 {
        self.environment.chain_id()
    }

    fn height(&self) -> u32 {
        self.environment.height(&self.state)
    }

    fn commitment(&self) -> Digest {
        self.environment.commitment(&self.state)
    }

    fn apply(&mut self, statement: &BlockStatement, body: &[u8]) -> Result<(), FollowError> {
        let header = check_statement(statement)?;
        let (environment, expected) = (&self.environment, self.height().saturating_add(1));
        if header.environment != environment.id() {
            let (expected, found) = (environment.id(), header.environment);
            return Err(FollowError::OtherEnvironment { expected, found });
        }
        let (first, last) = (header.first_height, header.last_height);
        if [first, last] != [expected; 2] {
            return Err(FollowError::OtherHeight { expected, first, last });
        }
        let (height, found) = (expected, self.commitment());
        if statement.previous_state != found {
            return Err(FollowError::OtherParent { height, stated: statement.previous_state, found });
        }
        self.check_body(statement, body)?;
        let refused = |error| FollowError::Body { height, source: Box::new(error) };
        let applied = environment.apply_body(&self.state, body);
        self.state.check_reads()?;
        let state = applied.map_err(refused)?;
        let found = environment.commitment(&state);
        if statement.new_state != found {
            return Err(FollowError::OtherState { height, stated: statement.new_state, found });
        }
        self.state = state;
        Ok(())
    }

    fn check_body(&self, statement: &BlockStatement, body: &[u8]) -> Result<(), FollowError> {
        let height = check_statement(statement)?.last_height;
        let refused = |error| FollowError::Body { height, source: Box::new(error) };
        let found = self.environment.body_digest(body).map_err(refused)?;
        if statement.body != found {
            return Err(FollowError::OtherBody { height, stated: statement.body, found });
        }
        Ok(())
    }

    fn changes(&mut self) -> Result<Vec<Change>, StoredError> {
        let mut changes = self.state.changes(self.stored.as_ref())?;
        if self.stored.is_none() {
            changes.push(IDENTITY.change([], Some(&self.identity()))?);
        }
        if !changes.is_empty() {
            changes.push(COMMITMENT.change([], Some(&self.commitment()))?);
        }
        self.state.check_reads()?;
        self.stored = Some(self.state.clone());
        Ok(changes)
    }

    fn snapshot(&self) -> Result<Snapshot, StoredError> {
        let changes = self.state.changes(None)?;
        self.state.check_reads()?;
        let environment = (self.chain_id(), self.id().get());
        Ok(Snapshot::new(environment, (self.height(), self.commitment()), changes))
    }

    fn entries_of(&self, snapshot: &Snapshot) -> Result<Vec<Change>, SnapshotError> {
        let &Snapshot { chain_id, environment, commitment, .. } = snapshot;
        if (chain_id, environment) != (self.chain_id(), self.id().get()) {
            return Err(SnapshotError::Elsewhere { chain_id, environment });
        }
        let mut changes = snapshot.changes(&E::State::maps())?;
        let unwritable = |error| SnapshotError::Stored(Box::new(StoredError::Database(error)));
        changes.push(IDENTITY.change([], Some(&self.identity())).map_err(unwritable)?);
        changes.push(COMMITMENT.change([], Some(&commitment)).map_err(unwritable)?);
        Ok(changes)
    }

    fn check_whole(&self) -> Result<(), StoredError> {
        self.state.check_whole()
    }

    fn restore(&mut self, view: View) -> Result<(), StoredError> {
        let source = Source::new(view);
        self.identity().check(&source.view())?;
        let state = restore_state(&*self.environment, &source)?;
        self.source = source.downgrade();
        self.stored = Some(state.clone());
        self.state = state;
        Ok(())
    }

    fn move_on(&mut self, view: View) {
        self.source.move_on(view);
    }

    fn at(&self, view: View) -> Result<Box<dyn DynFollower>, StoredError> {
        let mut other = Self::new(self.environment.clone());
        other.restore(view)?;
        Ok(Box::new(other))
    }
}
