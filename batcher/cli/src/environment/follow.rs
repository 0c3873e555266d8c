//! `superblock environment follow`.

mod bundles;
mod superblocks;

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use batcher_job::scenario::chain_of;
use circuits_core::Digest;
use circuits_files::{
    file::{self, FileKind, SMALL_LIMIT},
    text::shown,
};
use circuits_protocol::registry::{EnvironmentId, Producer, Registry};
use circuits_tables::ecdsa::PublicKey;
use environments_directories::{FollowerDirectory, FollowerDirectoryError, Looked, Rival};
use serde::Serialize;
use thiserror::Error;

use self::{bundles::Bundles, superblocks::Superblocks};
use super::Place;
use crate::{
    answer::{Answer, Failure},
    as_text,
    exit::{ExitCode, HasExitCode},
    options::Options,
    progress,
};

/// The most refused files that are listed: whoever can write to the directory can have any number of them refused.
const MAX_REFUSED: usize = 1_000;
/// How often an interrupt is looked for.
const TICK: Duration = Duration::from_millis(50);

/// Follow an environment from what its producer publishes, before and after it is proved.
///
/// Each block's signature, parent, body and state are checked, and no proof is needed: states are computed from bodies. The
/// follower's state lasts in a directory. What is refused, or signed twice for one height, is listed, and stops nothing.
#[derive(clap::Args)]
#[group(id = "whose", required = true, multiple = true, args = ["registry", "producer"])]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Look for proposed blocks in this directory.
    ///
    /// It is the directory DIR/proposed of `environment produce --state DIR`, or a copy.
    #[arg(long, value_name = "DIR")]
    blocks: PathBuf,
    /// Keep the follower in this directory.
    ///
    /// It is made if it is missing. Two processes cannot work with one follower, and `environment status` can look at it.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Take the producers of the environment from this registry.
    ///
    /// The environment must start as the registry says.
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
    /// Follow the blocks of the holder of the secret behind this commitment.
    ///
    /// Use it where there is no registry. `registry producer` prints it.
    #[arg(long, value_name = "DIGEST", requires = "signing_key", conflicts_with = "registry")]
    producer: Option<Digest>,
    /// Expect that this secp256k1 key signs the blocks.
    ///
    /// It comes together with --producer, and `registry producer` prints it.
    #[arg(long, value_name = "KEY", requires = "producer")]
    signing_key: Option<PublicKey>,
    /// Look for block bundles in this directory, and say which blocks are proven.
    ///
    /// Their proofs are verified, once in a call unless their files change, and the registry must allow their kernels: in the next
    /// superblock, or in any one without --superblocks.
    #[arg(long, value_name = "DIR", requires = "registry")]
    bundles: Option<PathBuf>,
    /// See in the superblock states of this directory which blocks are batched.
    ///
    /// It is the directory of `batch --state` or `follow --state`, and must be there; before the first superblock, an empty one will do.
    /// Of two blocks of one height, the one in a superblock is followed.
    #[arg(long, value_name = "DIR")]
    superblocks: Option<PathBuf>,
    /// Go on until the command is interrupted.
    ///
    /// It says what is new on standard error. A directory of --blocks, --bundles or --superblocks that cannot be read any more is
    /// a warning, once, until it can be read again; one that cannot be read at first is an error.
    #[arg(long)]
    watch: bool,
    /// Wait for so many seconds between two looks.
    ///
    /// Files that were looked at are not read again, but for those that could not be read.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, requires = "watch", value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
}

/// Why an environment is not followed.
#[derive(Debug, Error)]
enum NotFollowed {
    /// The registry has another genesis.
    #[error(
        "environment {id} starts from the state {found} with this genesis, and the registry says {expected}"
    )]
    OtherGenesis { id: EnvironmentId, expected: Digest, found: Digest },
}

impl HasExitCode for NotFollowed {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::OtherGenesis { .. } => ExitCode::Rejected,
        }
    }
}

/// Where the follower is, and what the call did.
#[derive(Serialize)]
struct Followed {
    environment: u16,
    height: u32,
    state: Digest,
    /// The height up to which superblocks have the chain, if that is known.
    batched: Option<u32>,
    /// Blocks that were applied.
    applied: usize,
    /// Whether superblocks have taken another state than the chain has.
    contradicts: bool,
    rivals: Vec<Rival>,
    /// The last [`MAX_REFUSED`] files that were refused.
    refused: Vec<RefusedBlock>,
}

#[derive(Serialize)]
struct RefusedBlock {
    #[serde(serialize_with = "as_text::path")]
    file: PathBuf,
    reason: String,
}

impl fmt::Display for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environment, height, state, applied, .. } = self;
        write!(f, "environment {environment}: height {height}, state {state}, {applied} new blocks")?;
        if let Some(batched) = self.batched {
            write!(f, "\nsuperblocks have it up to height {batched}")?;
        }
        if self.contradicts {
            f.write_str("\nsuperblocks have another state of this environment")?;
        }
        for Rival { height, id, producer } in &self.rivals {
            write!(f, "\nthe producer {producer} signed another block {height}, {id}")?;
        }
        for RefusedBlock { file, reason } in &self.refused {
            write!(f, "\n{} is refused: {reason}", shown(&file.display().to_string()))?;
        }
        Ok(())
    }
}

/// The directories that could not be read when they were looked at last.
#[derive(Default)]
struct Unread {
    directories: BTreeSet<PathBuf>,
    /// Whether that is a warning. In the first look it is an error.
    is_warning: bool,
}

impl Unread {
    /// What was read of `directory`. If it could not be, that is a warning the first time, and nothing until it can be again.
    ///
    /// # Errors
    /// The error, unless it is a warning.
    fn or_warn<T>(
        &mut self,
        directory: &Path,
        read: Result<T, impl Into<Failure>>,
    ) -> Result<Option<T>, Failure> {
        match read.map_err(Into::into) {
            Ok(read) => {
                self.directories.remove(directory);
                Ok(Some(read))
            }
            Err(failure) if self.is_warning => {
                if self.directories.insert(directory.to_owned()) {
                    progress::note(&format!("warning: {failure}"));
                }
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}

/// What looks at everything, again and again.
struct Watcher<'a> {
    arguments: &'a Arguments,
    registry: Option<Registry>,
    directory: FollowerDirectory,
    bundles: Bundles,
    superblocks: Option<Superblocks>,
    unread: Unread,
    followed: Followed,
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    let id = arguments.place.id()?;
    let chain_id = arguments.place.chain_id;
    let follower = arguments.place.start(|kind, id, genesis| kind.follow(chain_id, id, genesis))?;
    let mut producers = vec![];
    let mut registry = None;
    if let Some(path) = &arguments.registry {
        let read: Registry = file::read(FileKind::Registry, path, SMALL_LIMIT)?;
        let entry = read.entry(id)?;
        let (expected, found) = (entry.genesis_state, follower.commitment());
        if found != expected {
            return Err(NotFollowed::OtherGenesis { id, expected, found }.into());
        }
        producers.extend(
            entry.producers.iter().map(|producer| Producer {
                commitment: producer.commitment,
                signing_key: producer.signing_key,
            }),
        );
        registry = Some(read);
    }
    if let (Some(commitment), Some(signing_key)) = (arguments.producer, arguments.signing_key) {
        producers.push(Producer { commitment, signing_key });
    }
    let directory = FollowerDirectory::open(&arguments.state, follower, producers)?;
    let has_batched = directory.batched().is_some();
    let followed = Followed {
        environment: id.get(),
        height: directory.height(),
        state: directory.commitment(),
        batched: None,
        applied: 0,
        contradicts: false,
        rivals: directory.rivals().collect(),
        refused: vec![],
    };
    let mut watcher = Watcher {
        arguments,
        registry,
        directory,
        bundles: Bundles::default(),
        superblocks: arguments.superblocks.clone().map(|path| Superblocks::new(path, has_batched)),
        unread: Unread::default(),
        followed,
    };
    let mut is_left = watcher.look(options)?;
    if arguments.watch {
        progress::stop_on_interrupt();
        watcher.unread.is_warning = true;
    }
    let every = Duration::from_secs(arguments.every);
    while (arguments.watch || is_left) && is_to_go_on(if is_left { Duration::ZERO } else { every }) {
        is_left = watcher.look(options)?;
    }
    let Watcher { followed, .. } = watcher;
    let has_refusals = !followed.refused.is_empty() || !followed.rivals.is_empty();
    Ok(Answer::new(&followed).with_refusals(has_refusals).or_else(!followed.contradicts, ExitCode::Invalid))
}

impl Watcher<'_> {
    /// Returns whether there may be bundles that this look has left.
    fn look(&mut self, options: Options) -> Result<bool, Failure> {
        let Self { arguments, registry, directory, bundles, superblocks, unread, .. } = self;
        let mut taken = None;
        if let Some(superblocks) = superblocks {
            let read = superblocks.look(directory.chain_id(), directory.id());
            unread.or_warn(&superblocks.directory, read)?;
            taken = Some(superblocks.taken());
        }
        if let (Some(taken), Some(registry)) = (taken, &registry) {
            let next = taken.number.saturating_add(1);
            let over = registry.entry(directory.id())?.producers.iter();
            let over = over.filter(|one| !(one.valid_from..=one.valid_until).contains(&next));
            directory.set_over(over.map(|one| one.commitment).collect());
        }
        let looked = match directory.look(&arguments.blocks, taken.and_then(|taken| taken.batched)) {
            Err(error) if !matches!(error, FollowerDirectoryError::Directory { .. }) => {
                return Err(error.into());
            }
            looked => unread.or_warn(&arguments.blocks, looked)?,
        };
        // What superblocks have is noted by now, and bundles of that are not wanted.
        let mut is_left = false;
        if let (Some(path), Some(registry)) = (&arguments.bundles, &registry)
            && let Some(listing) = unread.or_warn(path, bundles::list(path))?
        {
            is_left = bundles.look(&listing, registry, taken, directory)?;
        }
        if let Some(looked) = looked {
            self.note(looked, options);
        }
        Ok(is_left)
    }

    fn note(&mut self, looked: Looked, options: Options) {
        let Looked { applied, went_back, rivals, refused, contradicts } = looked;
        let (height, state) = (self.directory.height(), self.directory.commitment());
        let is_news = !applied.is_empty() || self.followed.height != height;
        if self.arguments.watch && !options.quiet && is_news {
            if let Some(height) = went_back {
                eprintln!("back to height {height}");
            }
            eprintln!("height {height}, state {state}");
        }
        let refused = refused
            .into_iter()
            .map(|refused| RefusedBlock { file: refused.path, reason: chain_of(&refused.reason) });
        let followed = &mut self.followed;
        (followed.height, followed.state, followed.contradicts) = (height, state, contradicts);
        followed.batched = self.directory.batched_height();
        followed.applied += applied.len();
        for refused in refused {
            if self.arguments.watch && !options.quiet {
                let file = refused.file.display().to_string();
                eprintln!("warning: {} is refused: {}", shown(&file), refused.reason);
            }
            if followed.refused.len() == MAX_REFUSED {
                followed.refused.remove(0);
            }
            followed.refused.push(refused);
        }
        followed.rivals.extend(rivals);
    }
}

/// Waits for the next look. Returns false if the user has asked to stop.
fn is_to_go_on(pause: Duration) -> bool {
    let end = Instant::now() + pause;
    loop {
        if progress::STOP.load(Ordering::Relaxed) {
            return false;
        }
        if Instant::now() >= end {
            return true;
        }
        thread::sleep(TICK);
    }
}
