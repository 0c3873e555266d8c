//! `superblock environment export` and `import`.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use circuits_core::Digest;
use circuits_files::{
    file::{self, FileError, FileKind},
    text::shown,
};
use environments_core::snapshot::{SNAPSHOT_LIMIT, Snapshot};
use environments_directories::FollowerDirectory;
use serde::Serialize;

use super::Place;
use crate::{
    answer::{Answer, Failure},
    as_text,
};

/// Write a follower's state to a file.
///
/// Use this to give the state after its last block to others, who follow from there instead of the genesis.
#[derive(clap::Args)]
pub(crate) struct Export {
    #[command(flatten)]
    place: Place,
    /// Export the follower in this directory.
    ///
    /// It is the directory of `environment follow --state`. Another process may be working on it: what it stored last is exported.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Write to this file, which must not exist.
    ///
    /// It has the whole state, and `environment import` and `inspect` read it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Begin to follow with a state from a file.
///
/// Use this to follow an environment without all of its blocks. All of the state is compared with its commitment. Whether it is the
/// environment's state only the commitment says, so take that from a superblock, or from somebody you trust.
#[derive(clap::Args)]
pub(crate) struct Import {
    #[command(flatten)]
    place: Place,
    /// Import to this directory, which must not have a follower.
    ///
    /// `environment follow --state` goes on from it.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Refuse a state with another commitment.
    ///
    /// A file proves nothing by itself. `inspect` shows the states of environments in a superblock's state, and `environment status`
    /// what another follower has.
    #[arg(long, value_name = "DIGEST")]
    commitment: Digest,
    /// Import this file.
    ///
    /// `environment export` writes such files.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// A state that was exported or imported.
#[derive(Serialize)]
struct Transferred {
    environment: u16,
    height: u32,
    state: Digest,
    entries: usize,
    #[serde(serialize_with = "as_text::path")]
    to: PathBuf,
}

impl Transferred {
    fn new(snapshot: &Snapshot, to: &Path) -> Self {
        let &Snapshot { environment, height, commitment, .. } = snapshot;
        Self { environment, height, state: commitment, entries: snapshot.len(), to: to.to_owned() }
    }
}

impl fmt::Display for Transferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environment, height, state, to, .. } = self;
        write!(f, "environment {environment} at height {height} is in {}: {state}", shown(to.display()))
    }
}

pub(super) fn export(arguments: &Export) -> Result<Answer, Failure> {
    let chain_id = arguments.place.chain_id;
    let follower = arguments.place.start(|kind, id, genesis| kind.follow(chain_id, id, genesis))?;
    let snapshot = FollowerDirectory::export(&arguments.state, &*follower)?;
    let in_file = |source| FileError::Format { path: arguments.file.clone(), source };
    file::write_new(&arguments.file, &snapshot.encode().map_err(in_file)?)?;
    Ok(Answer::new(&Transferred::new(&snapshot, &arguments.file)))
}

pub(super) fn import(arguments: &Import) -> Result<Answer, Failure> {
    let chain_id = arguments.place.chain_id;
    let follower = arguments.place.start(|kind, id, genesis| kind.follow(chain_id, id, genesis))?;
    let snapshot: Snapshot = file::read(FileKind::EnvironmentState, &arguments.file, SNAPSHOT_LIMIT)?;
    FollowerDirectory::import(&arguments.state, &*follower, &snapshot, arguments.commitment)?;
    Ok(Answer::new(&Transferred::new(&snapshot, &arguments.state)))
}
