//! A follower in a directory.

mod chain;
mod files;
mod layout;
mod published;
mod snapshot;
mod status;
mod trial;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use circuits_core::Digest;
use circuits_database::{Change, DatabaseError, Map, Store, View};
use circuits_files::file::FileError;
use circuits_protocol::{registry::Producer, statement::BlockStatement};
use environments_core::{
    EnvironmentId,
    block::check_statement,
    follower::{DynFollower, FollowError},
    published::{PublishedError, SignatureError, block_id},
    snapshot::SnapshotError,
    stored::StoredError,
};
use thiserror::Error;

use crate::names::named_block;

pub use self::{
    chain::Batched,
    layout::{Rival, Stage},
    status::{BlockStatus, FollowerStatus},
};
use self::{
    chain::{Link, Turn, turn},
    layout::{
        BATCHED, BLOCKS, DATABASE, FORMAT, Followed, PROVEN, RIVALS, SIGNED, START, proven_change,
        rival_change, signed_change,
    },
    published::{MAX_RIVALS, Published},
    trial::Trial,
};

/// Steps that can be gone back, each of one block: what a producer can drop and replace.
const KEPT: usize = 1 << 10;

/// Why a follower's directory is not used.
#[derive(Debug, Error)]
pub enum FollowerDirectoryError {
    /// The directory cannot be made or listed.
    #[error("{path}: cannot {action} the directory", path = .path.display())]
    Directory { path: PathBuf, action: &'static str, source: io::Error },
    /// The database cannot be read or written.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The state in it cannot be read or written.
    #[error("{path}", path = .path.display())]
    Stored { path: PathBuf, source: Box<StoredError> },
    /// No follower starts from a snapshot.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// An earlier step was not stored, so the follower is ahead of its directory.
    #[error("{path}: an earlier step was not stored; open the directory again", path = .path.display())]
    Behind { path: PathBuf },
}

/// Why a file is not a block that can be followed.
#[derive(Debug, Error)]
pub enum Refusal {
    /// It cannot be read, or is too large.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is no proposed block.
    #[error(transparent)]
    Published(#[from] PublishedError),
    /// It is of another chain or environment.
    #[error("the block is of environment {environment} of chain {chain_id}")]
    Elsewhere { chain_id: u64, environment: EnvironmentId },
    /// No producer of the environment signed it.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The environment has no producer.
    #[error("the environment has no producer")]
    NoProducer,
    /// The file was replaced after it was looked at.
    #[error("the file has another block than when it was looked at")]
    Replaced,
    /// It does not lead to the state that it states.
    #[error(transparent)]
    Follow(#[from] FollowError),
}

/// A refused file.
#[derive(Debug)]
pub struct RefusedFile {
    pub path: PathBuf,
    pub reason: Refusal,
}

/// What a look at published blocks changed.
#[derive(Debug, Default)]
pub struct Looked {
    /// Heights of the blocks that were applied, in order.
    pub applied: Vec<u32>,
    /// The height that the chain went back to, if it did.
    pub went_back: Option<u32>,
    /// Blocks beside the chain that were not known before, whose producers signed another one of their height.
    pub rivals: Vec<Rival>,
    /// Files that were refused, and were not before.
    pub refused: Vec<RefusedFile>,
    /// Whether superblocks have taken another state than the chain has at its height.
    pub contradicts: bool,
}

/// A follower in a directory, locked as a producer's is.
pub struct FollowerDirectory {
    follower: Box<dyn DynFollower>,
    store: Store,
    path: PathBuf,
    step: u64,
    /// The first step that can be gone back to.
    first_step: u64,
    is_behind: bool,
    /// The blocks of the chain whose states are kept, by height, and the state before the first one.
    chain: BTreeMap<u32, Followed>,
    start: (u32, Digest),
    notes: Notes,
    published: Published,
    /// Producers whose blocks the next superblock does not take.
    over: BTreeSet<Digest>,
}

/// What is known beside the chain, which stays when the chain goes back.
#[derive(Debug, Default)]
struct Notes {
    /// What superblocks have taken.
    batched: Option<Batched>,
    /// Blocks with valid proofs, whether or not they are in the chain.
    proven: BTreeSet<Digest>,
    /// Blocks that are not in the chain, or were not.
    rivals: BTreeSet<Rival>,
    /// By height and producer: blocks that become rivals if their producers sign another one of their height.
    signed: BTreeMap<(u32, Digest), Link>,
}

impl FollowerDirectory {
    /// Opens the directory of `follower`, which is at genesis, and brings it to where it was. A directory that is missing or empty
    /// becomes that of a follower at genesis. Blocks are followed if one of `producers` signed them.
    ///
    /// # Errors
    /// [`FollowerDirectoryError`]
    pub fn open(
        directory: &Path,
        mut follower: Box<dyn DynFollower>,
        producers: Vec<Producer>,
    ) -> Result<Self, FollowerDirectoryError> {
        fs::create_dir_all(directory).map_err(|source| FollowerDirectoryError::Directory {
            path: directory.to_owned(),
            action: "make",
            source,
        })?;
        let path = directory.join(DATABASE);
        let start = (follower.height(), follower.commitment());
        let store = match Store::open(&path, FORMAT) {
            Err(DatabaseError::Missing { .. }) => {
                let changes = follower.changes().map_err(|source| stored(&path, source))?;
                Store::create(&path, FORMAT, follower.chain_id(), 0, &changes)?
            }
            opened => opened?,
        };
        let mut opened = Self {
            published: Published::new(follower.chain_id(), follower.id(), producers),
            follower,
            store,
            path,
            step: 0,
            first_step: 0,
            is_behind: false,
            chain: BTreeMap::new(),
            start,
            notes: Notes::default(),
            over: BTreeSet::new(),
        };
        opened.reload()?;
        Ok(opened)
    }

    /// Takes everything from the database.
    fn reload(&mut self) -> Result<(), FollowerDirectoryError> {
        let view = self.store.latest()?;
        self.follower.restore(self.store.latest()?).map_err(|source| stored(&self.path, source))?;
        self.step = view.height();
        self.first_step = view.heights().first().copied().unwrap_or(self.step);
        if let Some(start) = view.get(START, &[])? {
            self.start = start;
        }
        self.chain = BTreeMap::new();
        for (key, followed) in view.entries(BLOCKS)? {
            self.chain.insert(self.height_in(BLOCKS, &key)?, followed);
        }
        self.notes = self.notes_in(&view)?;
        for link in self.notes.signed.values() {
            self.published.remember(*link);
        }
        let last = self.chain.last_key_value().map(|(height, followed)| (*height, followed.new_state));
        if last.unwrap_or(self.start) != (self.follower.height(), self.follower.commitment()) {
            return Err(self.wrong(BLOCKS));
        }
        Ok(())
    }

    /// What a view has beside the chain.
    fn notes_in(&self, view: &View) -> Result<Notes, FollowerDirectoryError> {
        let mut rivals = BTreeSet::new();
        for (key, (id, producer)) in view.entries(RIVALS)? {
            rivals.insert(Rival { height: self.height_in(RIVALS, &key)?, id, producer });
        }
        Ok(Notes {
            batched: view.entries(BATCHED)?.pop().map(|(_, batched)| batched),
            // One entry for each: its id is the key and the value.
            proven: view.entries(PROVEN)?.into_iter().map(|(_, id)| id).collect(),
            rivals,
            signed: signed_by(view.entries(SIGNED)?.into_iter().map(|(_, link)| link)),
        })
    }

    /// The height at the beginning of a key of a map.
    fn height_in(&self, map: Map, key: &[u8]) -> Result<u32, FollowerDirectoryError> {
        Ok(u32::from_be_bytes(*key.first_chunk().ok_or_else(|| self.wrong(map))?))
    }

    fn wrong(&self, map: Map) -> FollowerDirectoryError {
        stored(&self.path, StoredError::Entry { map })
    }

    /// The environment's id.
    #[must_use]
    pub fn id(&self) -> EnvironmentId {
        self.follower.id()
    }

    /// The deployment.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.follower.chain_id()
    }

    /// Height of the last block; 0 is genesis.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.follower.height()
    }

    /// Commitment of the state after the last block.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        self.follower.commitment()
    }

    /// The height up to which superblocks have the chain; `None` if they have another state, or one that is not reached yet.
    #[must_use]
    pub fn batched_height(&self) -> Option<u32> {
        let batched = self.notes.batched?;
        (self.state(batched.height) == Some(batched.state)).then_some(batched.height)
    }

    /// What superblocks had taken of the environment when this was told last, whether or not it is the chain's.
    #[must_use]
    pub const fn batched(&self) -> Option<Batched> {
        self.notes.batched
    }

    /// How far the block of a height is; `None` if there is none.
    #[must_use]
    pub fn stage(&self, height: u32) -> Option<Stage> {
        let followed = self.chain.get(&height)?;
        if self.batched_height().is_some_and(|batched| height <= batched) {
            return Some(Stage::Batched);
        }
        Some(if self.notes.proven.contains(&followed.id) { Stage::Proven } else { Stage::Proposed })
    }

    /// The commitment of the state of a height.
    #[must_use]
    pub fn state(&self, height: u32) -> Option<Digest> {
        let (start, state) = self.start;
        self.chain.get(&height).map(|followed| followed.new_state).or((height == start).then_some(state))
    }

    /// The blocks beside the chain whose producers signed another one of their height, by height.
    pub fn rivals(&self) -> impl Iterator<Item = Rival> {
        self.notes.rivals.iter().copied()
    }

    /// Whether a valid proof of this statement would be news: it is of a block of this environment above what superblocks have of the
    /// chain, and none was noted before.
    #[must_use]
    pub fn wants_proof(&self, statement: &BlockStatement) -> bool {
        let is_above = |height| self.batched_height().is_none_or(|batched| height > batched);
        check_statement(statement)
            .is_ok_and(|header| header.environment == self.id() && is_above(header.last_height))
            && !self.notes.proven.contains(&block_id(self.chain_id(), statement))
    }

    /// Notes that a valid proof makes this statement, which the caller has verified. Whether the block is in the chain or not makes
    /// no difference to that.
    ///
    /// # Errors
    /// [`FollowerDirectoryError`]
    pub fn note_proven(&mut self, statement: &BlockStatement) -> Result<(), FollowerDirectoryError> {
        let id = block_id(self.follower.chain_id(), statement);
        if self.notes.proven.contains(&id) {
            return Ok(());
        }
        self.check_is_not_behind()?;
        self.is_behind = true;
        self.store.note(&[proven_change(&id)?])?;
        self.notes.proven.insert(id);
        self.is_behind = false;
        Ok(())
    }

    fn check_is_not_behind(&self) -> Result<(), FollowerDirectoryError> {
        if self.is_behind { Err(FollowerDirectoryError::Behind { path: self.path.clone() }) } else { Ok(()) }
    }

    /// Says whose blocks the next superblock does not take, by the commitments to their secrets: what they sign beyond what superblocks
    /// have taken is not followed any more, and is left for whatever another producer signs.
    pub fn set_over(&mut self, producers: BTreeSet<Digest>) {
        self.over = producers;
    }

    /// Looks at the files in `directory`, and follows the blocks in them: those that superblocks have taken, as `batched` says, and
    /// the highest ones above. Files that are as they were when they were looked at are not read again, unless they
    /// are needed.
    ///
    /// # Errors
    /// [`FollowerDirectoryError`]; what a file has of its own is in [`Looked::refused`].
    pub fn look(
        &mut self,
        directory: &Path,
        batched: Option<Batched>,
    ) -> Result<Looked, FollowerDirectoryError> {
        self.check_is_not_behind()?;
        // This stays, whatever becomes of the directory.
        self.note_batched(batched)?;
        let refused = self.published.look(directory, &*self.follower, |path| named(&self.chain, path))?;
        let mut looked = Looked { refused, ..Looked::default() };
        self.is_behind = true;
        self.follow(&mut looked)?;
        looked.rivals.extend(self.note_rivals()?);
        looked.contradicts = self
            .notes
            .batched
            .is_some_and(|batched| self.state(batched.height).is_some_and(|state| state != batched.state));
        self.is_behind = false;
        Ok(looked)
    }

    /// Follows the best chain of the published blocks. One that leaves the chain in place is tried first: as long as it is not known
    /// to be better, nothing changes.
    fn follow(&mut self, looked: &mut Looked) -> Result<(), FollowerDirectoryError> {
        let mut tried: Option<Trial> = None;
        while let Some(Turn { from, links, enough }) = self.turn() {
            let mut above = links.as_slice();
            if from < self.height() {
                let (better, others) = links.split_at(enough);
                let mut trial = match tried.take() {
                    Some(trial) if trial.begins(from, better) => trial,
                    _ => self.try_from(from)?,
                };
                let goes_on = trial.go_on(better, &mut self.published, &mut looked.refused);
                if !goes_on.map_err(|source| stored(&self.path, source))? {
                    tried = Some(trial);
                    continue;
                }
                looked.rivals.extend(self.turn_to(trial)?);
                looked.went_back = Some(looked.went_back.map_or(from, |before| before.min(from)));
                looked.applied.retain(|applied| *applied <= from);
                looked.applied.extend(better.iter().map(|link| link.height));
                above = others;
            }
            for link in above {
                if !self.apply(link, &mut looked.refused)? {
                    break;
                }
                looked.applied.push(link.height);
            }
        }
        Ok(())
    }

    fn turn(&self) -> Option<Turn> {
        let taken = self.notes.batched.map_or(0, |batched| batched.height);
        let counts = |height: u32, producer: &Digest| height <= taken || !self.over.contains(producer);
        // Steps that are not kept cannot be gone back. The last one always is.
        let chain = self.chain.iter().take_while(|(height, followed)| counts(**height, &followed.producer));
        let kept = chain.filter(|(_, followed)| followed.step >= self.first_step);
        let mut states: BTreeMap<_, _> =
            kept.map(|(height, followed)| (*height, followed.new_state)).collect();
        if self.first_step == 0 {
            states.insert(self.start.0, self.start.1);
        }
        let mut links = self.published.links();
        links.retain(|link| counts(link.height, &link.producer));
        turn(&states, &links, self.notes.batched)
    }

    /// Applies the next block of the chain and stores that. Returns false if no file has a block that applies.
    fn apply(&mut self, link: &Link, refused: &mut Vec<RefusedFile>) -> Result<bool, FollowerDirectoryError> {
        let applied = self.published.apply(link, &mut *self.follower, refused);
        if !applied.map_err(|failure| stored(&self.path, failure.into()))? {
            return Ok(false);
        }
        let mut changes = self.follower.changes().map_err(|source| stored(&self.path, source))?;
        let followed = Followed::new(link, self.step + 1);
        changes.push(BLOCKS.change(link.height.to_be_bytes(), Some(&followed))?);
        self.commit(&changes)?;
        self.chain.insert(link.height, followed);
        Ok(true)
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), FollowerDirectoryError> {
        self.store.commit(self.step + 1, changes, KEPT)?;
        self.is_at(self.step + 1);
        Ok(())
    }

    /// Notes that a step was stored, and reads from there from now on. Where that cannot be opened, what was stored before shows the
    /// same of all that is read there.
    fn is_at(&mut self, step: u64) {
        self.step = step;
        self.first_step = self.first_step.max((step + 1).saturating_sub(KEPT as u64));
        if let Ok(view) = self.store.latest() {
            self.follower.move_on(view);
        }
    }

    /// Notes what superblocks have taken, if it is news. What is not told any more is still so.
    fn note_batched(&mut self, batched: Option<Batched>) -> Result<(), FollowerDirectoryError> {
        if batched.is_some() && batched != self.notes.batched {
            self.is_behind = true;
            self.store.note(&[BATCHED.change([], batched.as_ref())?])?;
            self.notes.batched = batched;
            self.is_behind = false;
        }
        Ok(())
    }

    /// A trial of what leaves the chain at a height whose state is kept.
    fn try_from(&self, from: u32) -> Result<Trial, FollowerDirectoryError> {
        let step = self.chain.get(&from).map_or(0, |followed| followed.step);
        let view = self.store.at(step)?;
        let follower = self.follower.at(view).map_err(|source| stored(&self.path, source))?;
        Ok(Trial { from, step, follower, blocks: vec![] })
    }

    /// Goes back, and on with the blocks of a trial: all of that, or nothing. What was noted since, of blocks and superblocks, stays.
    /// Returns new rivals, among which are blocks that are left.
    fn turn_to(&mut self, trial: Trial) -> Result<Vec<Rival>, FollowerDirectoryError> {
        let Trial { from, step, follower, blocks } = trial;
        self.follower = follower;
        for (height, followed) in self.chain.split_off(&from.saturating_add(1)) {
            // Their files may be gone.
            self.published.remember(followed.link(height));
        }
        let mut steps = vec![];
        for ((link, mut changes), step) in blocks.into_iter().zip(step + 1..) {
            let followed = Followed::new(&link, step);
            changes.push(BLOCKS.change(link.height.to_be_bytes(), Some(&followed))?);
            self.chain.insert(link.height, followed);
            steps.push(changes);
        }
        let (rivals, signed) = (self.new_rivals(), self.new_signed());
        self.store.replace(step, &steps, &notes_of(&rivals, &signed)?, KEPT)?;
        self.notes.rivals.extend(&rivals);
        self.notes.signed.extend(signed_by(signed));
        self.is_at(step + steps.len() as u64);
        Ok(rivals)
    }

    /// The rivals that are not noted yet, as long as there are not [`MAX_RIVALS`] of their height and producer.
    fn new_rivals(&self) -> Vec<Rival> {
        let mut noted: BTreeMap<(u32, Digest), usize> = BTreeMap::new();
        for rival in &self.notes.rivals {
            *noted.entry((rival.height, rival.producer)).or_default() += 1;
        }
        let found = self.published.rivals(&self.chain);
        let mut new: Vec<_> = found.difference(&self.notes.rivals).copied().collect();
        new.retain(|rival| {
            let count = noted.entry((rival.height, rival.producer)).or_default();
            *count += 1;
            *count <= MAX_RIVALS
        });
        new
    }

    /// The blocks that become rivals if their producers sign another one of their height, where none is noted yet. Those that are far
    /// above the chain are left out, since there may be any number of them.
    fn new_signed(&self) -> Vec<Link> {
        let reach = self.height().saturating_add(KEPT as u32);
        let signed = self.published.signed(&self.chain).into_iter();
        let new = signed.filter(|(of, link)| link.height <= reach && !self.notes.signed.contains_key(of));
        new.map(|(_, link)| link).collect()
    }

    /// Notes new rivals, and what may become rivals. Returns the rivals.
    fn note_rivals(&mut self) -> Result<Vec<Rival>, FollowerDirectoryError> {
        let (rivals, signed) = (self.new_rivals(), self.new_signed());
        if !rivals.is_empty() || !signed.is_empty() {
            self.store.note(&notes_of(&rivals, &signed)?)?;
            self.notes.rivals.extend(&rivals);
            self.notes.signed.extend(signed_by(signed));
        }
        Ok(rivals)
    }
}

fn signed_by(links: impl IntoIterator<Item = Link>) -> BTreeMap<(u32, Digest), Link> {
    links.into_iter().map(|link| ((link.height, link.producer), link)).collect()
}

fn notes_of(rivals: &[Rival], signed: &[Link]) -> Result<Vec<Change>, DatabaseError> {
    rivals.iter().map(rival_change).chain(signed.iter().map(signed_change)).collect()
}

/// The block of a chain that a file is named after.
fn named(chain: &BTreeMap<u32, Followed>, path: &Path) -> Option<Link> {
    let (height, digits) = named_block(path)?;
    let followed = chain.get(&height)?;
    followed.id.to_string().starts_with(digits).then(|| followed.link(height))
}

fn stored(path: &Path, source: StoredError) -> FollowerDirectoryError {
    FollowerDirectoryError::Stored { path: path.to_owned(), source: Box::new(source) }
}
