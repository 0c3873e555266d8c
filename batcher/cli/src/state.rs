//! `superblock state`.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use batcher_circuits::state::SuperblockState;
use batcher_job::{
    state,
    states::{self, RolledBack, StatesError},
};
use circuits_core::Digest;
use circuits_files::text::shown;
use serde::Serialize;
use thiserror::Error;

use crate::{
    answer::{Answer, Failure},
    as_text,
    exit::{ExitCode, HasExitCode},
    table::{Align, Table},
};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the states of a directory.
    ///
    /// Use this to see how many superblocks a chain has, and to which of its states it can be rolled back.
    List {
        /// List the states of this directory.
        ///
        /// It is the directory that `batch --state` names; `run` keeps states in DIR/state.
        #[arg(value_name = "STATE_DIR")]
        directory: PathBuf,
    },
    /// Make an earlier state the latest one.
    ///
    /// Use this if superblocks that were made will never be on L1. Later states are undone. The latest of them is first written
    /// to a file in a new directory STATE_DIR/rolled-back-N, from which `state import` takes it.
    Rollback {
        /// Roll back the states of this directory.
        ///
        /// No other process may be working on it.
        #[arg(value_name = "STATE_DIR")]
        directory: PathBuf,
        /// Go back to the state after this superblock.
        ///
        /// `state list` shows the numbers. Number 0 is the genesis.
        #[arg(value_name = "NUMBER")]
        number: u32,
        /// Move the bundles of later superblocks in this directory aside too.
        ///
        /// They go to a new directory DIR/rolled-back-N. A bundle that stays is adopted by a `batch` of the same blocks and
        /// deposits, and is in the way of any other one, wherever that writes to.
        #[arg(long, value_name = "DIR")]
        superblocks: Option<PathBuf>,
    },
    /// Write a state to a file.
    ///
    /// Use this to give a state to others, who begin with it instead of the genesis, or to keep it elsewhere.
    Export {
        /// Export from this directory.
        ///
        /// Another process may be working on it: what it committed last is exported.
        #[arg(value_name = "STATE_DIR")]
        directory: PathBuf,
        /// Write to this file, which must not exist.
        ///
        /// It has the whole state, and `state import` and `inspect` read it.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Export the state after this superblock instead of the latest one.
        ///
        /// `state list` shows the numbers. Number 0 is the genesis.
        #[arg(long, value_name = "NUMBER")]
        number: Option<u32>,
    },
    /// Begin with a state from a file.
    ///
    /// Use this to follow a chain without all of its superblocks, or to have a state again that `state rollback` wrote to a file. All
    /// rules of states are checked. Whether it is the chain's state only its commitment says, which L1 has.
    Import {
        /// Import this file.
        ///
        /// `state export` writes such files, and `state rollback` one of the latest state that it undoes.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Import to this directory, which must not have a state.
        ///
        /// `batch --state` and `follow --state` go on from it.
        #[arg(value_name = "STATE_DIR")]
        directory: PathBuf,
        /// Refuse a state with another commitment.
        ///
        /// Take it from L1 or from somebody you trust; without it the file is believed.
        #[arg(long, value_name = "DIGEST")]
        commitment: Option<Digest>,
    },
}

/// Why a state is not imported.
#[derive(Debug, Error)]
#[error("{file}: the state after superblock {number} has the commitment {found}, expected {expected}", file = .file.display())]
struct OtherCommitment {
    file: PathBuf,
    number: u32,
    expected: Digest,
    found: Digest,
}

impl HasExitCode for OtherCommitment {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Rejected
    }
}

/// A state that was exported or imported.
#[derive(Serialize)]
struct Transferred {
    number: u32,
    commitment: Digest,
    #[serde(serialize_with = "as_text::path")]
    to: PathBuf,
}

impl fmt::Display for Transferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, commitment, to } = self;
        write!(f, "the state after superblock {number} is in {}: {commitment}", shown(to.display()))
    }
}

/// The states of a directory, by ascending number.
#[derive(Serialize)]
struct List {
    /// The number of the latest state: how many superblocks the chain has.
    superblocks: u32,
    states: Vec<Listed>,
}

/// A state.
#[derive(Serialize)]
struct Listed {
    number: u32,
    chain_id: u64,
    commitment: Digest,
    /// Environments with blocks.
    environments: usize,
    /// Messages that are neither claimed nor refunded.
    pending: u64,
}

impl List {
    fn read(directory: &Path) -> Result<Self, StatesError> {
        let mut listed = vec![];
        states::for_each(directory, |state| listed.push(Listed::new(state)))?;
        let superblocks = listed.last().map_or(0, |latest: &Listed| latest.number);
        Ok(Self { superblocks, states: listed })
    }
}

impl Listed {
    fn new(state: &SuperblockState) -> Self {
        Self {
            number: state.number,
            chain_id: state.chain_id,
            commitment: state.commitment(),
            environments: state.environments.len(),
            pending: state.bridge.in_flight_count(),
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::with_titles([
            ("superblocks", Align::Right),
            ("state", Align::Left),
            ("chain", Align::Right),
            ("environments", Align::Right),
            ("pending messages", Align::Right),
        ]);
        for Listed { number, chain_id, commitment, environments, pending } in &self.states {
            table.push([
                number.to_string(),
                commitment.to_string(),
                chain_id.to_string(),
                environments.to_string(),
                pending.to_string(),
            ]);
        }
        table.fmt(f)
    }
}

/// What a rollback did.
#[derive(Serialize)]
struct Rollback {
    number: u32,
    commitment: Digest,
    moved: Vec<Moved>,
    /// The file that has what was the latest state.
    #[serde(serialize_with = "as_text::optional_path")]
    saved: Option<PathBuf>,
}

/// A file that was moved aside.
#[derive(Serialize)]
struct Moved {
    #[serde(serialize_with = "as_text::path")]
    from: PathBuf,
    #[serde(serialize_with = "as_text::path")]
    to: PathBuf,
}

impl Rollback {
    fn new(rolled_back: RolledBack) -> Self {
        let RolledBack { latest, moved, saved } = rolled_back;
        let moved = moved.into_iter().map(|(from, to)| Moved { from, to });
        Self { number: latest.number, commitment: latest.commitment(), moved: moved.collect(), saved }
    }
}

impl fmt::Display for Rollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, commitment, moved, saved } = self;
        write!(f, "the latest state is the one after superblock {number}: {commitment}")?;
        if let Some(saved) = saved {
            write!(f, "\nthe latest state before is in {}", shown(saved.display()))?;
        }
        moved.iter().try_for_each(|one| {
            write!(f, "\nmoved {} to {}", shown(one.from.display()), shown(one.to.display()))
        })
    }
}

pub(crate) fn run(command: Command) -> Result<Answer, Failure> {
    match command {
        Command::List { directory } => {
            let list = List::read(&directory)?;
            Ok(Answer::new(&list))
        }
        Command::Rollback { directory, number, superblocks } => {
            let rolled_back = states::roll_back(&directory, number, superblocks.as_deref())?;
            Ok(Answer::new(&Rollback::new(rolled_back)))
        }
        Command::Export { directory, file, number } => {
            let state = states::read_whole(&directory, number)?;
            state::write(&file, &state)?;
            Ok(Answer::new(&Transferred { number: state.number, commitment: state.commitment(), to: file }))
        }
        Command::Import { file, directory, commitment } => {
            let state = state::read(&file)?;
            let (number, found) = (state.number, state.commitment());
            if let Some(expected) = commitment.filter(|&expected| expected != found) {
                return Err(OtherCommitment { file, number, expected, found }.into());
            }
            states::put(&directory, &state)?;
            Ok(Answer::new(&Transferred { number, commitment: found, to: directory }))
        }
    }
}
