//! A producer in a directory.

use std::{
    convert::Infallible,
    fs, io,
    path::{Path, PathBuf},
};

use circuits_core::Digest;
use circuits_database::{Change, DatabaseError, Format, Map, Store};
use circuits_files::file::{self, FileError};
use circuits_keys::CircuitCache;
use circuits_protocol::registry::EnvironmentId;
use environments_core::{
    DynEnvironment, ProducerError,
    block::{BlockError, check_statement},
    kernel::ProducerSecret,
    published::{PublishedBlock, PublishedError},
    stored::StoredError,
};
use thiserror::Error;

use crate::names::proposed_file;

/// The format of the databases. Its version grows with any change of what `environments_core::stored` describes.
const FORMAT: Format = Format { kind: "producer of an environment", version: 1 };
/// By height: the id of the block that was published last.
const PUBLISHED: Map = Map("published");
/// Steps that can be gone back: none. A producer goes back by its own means.
const KEPT: usize = 1;

/// Why a producer's directory is not used.
#[derive(Debug, Error)]
pub enum ProducerDirectoryError {
    /// The directory cannot be made.
    #[error("{path}: cannot make the directory", path = .path.display())]
    Directory { path: PathBuf, source: io::Error },
    /// The database cannot be read or written.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The producer in it cannot be read or written.
    #[error("{path}", path = .path.display())]
    Stored { path: PathBuf, source: Box<StoredError> },
    /// The secret is another producer's.
    #[error("the secret is that of the producer {found}, and the environment's producer is {expected}")]
    OtherSecret { expected: Digest, found: Digest },
    /// An earlier step was not stored, so the producer is ahead of its directory.
    #[error("{path}: an earlier step was not stored; open the directory again", path = .path.display())]
    Behind { path: PathBuf },
    /// A block cannot be published.
    #[error("a block cannot be published")]
    Publish(#[from] PublishedError),
    /// A block's statement is out of range.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The producer refuses.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// A published block cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A producer in a directory, locked: no other process works with it until this is dropped, or the process ends, however it ends.
pub struct ProducerDirectory {
    producer: Box<dyn DynEnvironment>,
    secret: ProducerSecret,
    store: Store,
    directory: PathBuf,
    /// The last step that was stored.
    step: u64,
    /// Whether a step was not stored.
    is_behind: bool,
}

impl ProducerDirectory {
    /// Opens the directory of `producer`, which is at genesis, and brings it to where it was. A directory that is missing or empty
    /// becomes that of a producer at genesis. Transactions that come with proofs are verified again, with circuits of `cache`.
    ///
    /// # Errors
    /// [`ProducerDirectoryError`]
    pub fn open(
        directory: &Path,
        mut producer: Box<dyn DynEnvironment>,
        secret: ProducerSecret,
        cache: &CircuitCache,
    ) -> Result<Self, ProducerDirectoryError> {
        let (expected, found) = (producer.producer(), secret.commitment());
        if found != expected {
            return Err(ProducerDirectoryError::OtherSecret { expected, found });
        }
        let made = fs::create_dir_all(directory.join(PROPOSED));
        made.map_err(|source| ProducerDirectoryError::Directory { path: directory.to_owned(), source })?;
        let path = directory.join(DATABASE);
        let stored = |source| ProducerDirectoryError::Stored { path: path.clone(), source: Box::new(source) };
        let store = match Store::open(&path, FORMAT) {
            Err(DatabaseError::Missing { .. }) => {
                let changes = producer.changes().map_err(stored)?;
                Store::create(&path, FORMAT, producer.chain_id(), 0, &changes)?
            }
            opened => opened?,
        };
        let view = store.latest()?;
        let step = view.height();
        producer.restore(cache, view).map_err(stored)?;
        Ok(Self { producer, secret, store, directory: directory.to_owned(), step, is_behind: false })
    }

    /// The producer.
    #[must_use]
    pub fn producer(&self) -> &dyn DynEnvironment {
        &*self.producer
    }

    /// Does something with the producer, and stores what that changes, durably and at once.
    ///
    /// # Errors
    /// - [`ProducerDirectoryError::Stored`], [`ProducerDirectoryError::Database`]: it is not stored. The directory is as it was
    ///   before, and has to be opened again.
    /// - [`ProducerDirectoryError::Behind`]: that happened before; then nothing is done.
    pub fn step<T>(
        &mut self,
        work: impl FnOnce(&mut dyn DynEnvironment) -> T,
    ) -> Result<T, ProducerDirectoryError> {
        let Ok(done) = self.try_step(|producer| Ok::<_, Infallible>(work(producer)))?;
        Ok(done)
    }

    /// [`Self::step`], of work that may fail halfway: then nothing of it is stored, and the directory has to be opened again.
    ///
    /// # Errors
    /// As [`Self::step`]. That the work failed is no error of the directory.
    pub fn try_step<T, E>(
        &mut self,
        work: impl FnOnce(&mut dyn DynEnvironment) -> Result<T, E>,
    ) -> Result<Result<T, E>, ProducerDirectoryError> {
        if self.is_behind {
            return Err(ProducerDirectoryError::Behind { path: self.path() });
        }
        self.is_behind = true;
        let done = work(&mut *self.producer);
        if done.is_err() {
            return Ok(done);
        }
        let changes = self.producer.changes();
        let changes = changes.map_err(|source| ProducerDirectoryError::Stored {
            path: self.path(),
            source: Box::new(source),
        })?;
        if !changes.is_empty() {
            self.commit(&changes)?;
        }
        self.is_behind = false;
        Ok(done)
    }

    /// Publishes the blocks of the chain that are not published yet, signed, and returns their files, by height. A block that is
    /// confirmed is not in the chain any more, so it is to be published before.
    ///
    /// # Errors
    /// [`ProducerDirectoryError`]; the rest is published by the next call.
    pub fn publish(&mut self) -> Result<Vec<PathBuf>, ProducerDirectoryError> {
        if self.is_behind {
            return Err(ProducerDirectoryError::Behind { path: self.path() });
        }
        let published = self.store.latest()?.entries::<Digest>(PUBLISHED)?;
        let statements = self.producer.statements();
        // What is confirmed needs no note any more.
        let first = self.producer.height().saturating_sub(statements.len() as u32) + 1;
        let first = first.to_be_bytes();
        let mut written = vec![];
        for statement in statements {
            let height = check_statement(&statement)?.last_height;
            let (body, messages) = self.producer.published(height)?;
            let block = PublishedBlock::sign(
                self.producer.chain_id(),
                statement,
                messages.clone(),
                body.to_vec(),
                self.secret,
            )?;
            let key = height.to_be_bytes();
            if published.contains(&(key.to_vec(), block.id())) {
                continue;
            }
            let path = proposed_file(&self.directory.join(PROPOSED), height, block.id());
            file::write_shared(&path, &block.encode()?)?;
            written.push(path);
            let mut changes = vec![PUBLISHED.change(key, Some(&block.id()))?];
            for (old, _) in published.iter().filter(|(old, _)| old.as_slice() < first.as_slice()) {
                changes.push(PUBLISHED.change::<Digest>(old.clone(), None)?);
            }
            self.commit(&changes)?;
        }
        Ok(written)
    }

    /// Stores the next step, after which nothing is read from the one before.
    fn commit(&mut self, changes: &[Change]) -> Result<(), DatabaseError> {
        self.store.commit(self.step + 1, changes, KEPT)?;
        self.step += 1;
        // Where that cannot be opened, the step before shows the same of all that is read there.
        if let Ok(view) = self.store.latest() {
            self.producer.move_on(view);
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.directory.join(DATABASE)
    }

    /// The directory of published blocks.
    #[must_use]
    pub fn proposed(&self) -> PathBuf {
        self.directory.join(PROPOSED)
    }

    /// The environment's id.
    #[must_use]
    pub fn id(&self) -> EnvironmentId {
        self.producer.id()
    }
}

/// The database of a producer.
const DATABASE: &str = "producer.redb";
/// The directory of published blocks.
const PROPOSED: &str = "proposed";
