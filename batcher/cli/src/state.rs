//! `superblock state`.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use batcher_circuits::state::SuperblockState;
use batcher_job::{
    output::{state_file, state_numbers},
    states::{self, RolledBack, StatesError},
};
use circuits_core::Digest;
use circuits_files::text::shown;
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    as_text,
    exit::ExitCode,
    table::{Align, Table},
};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the states of a directory.
    ///
    /// Use this to see how many superblocks a chain has, and to which of its states it can be rolled back. A state that
    /// cannot be read is listed with the reason.
    List {
        /// List the states of this directory.
        ///
        /// It is the directory that `batch --state` names; `run` keeps states in DIR/state.
        #[arg(value_name = "STATE_DIR")]
        directory: PathBuf,
    },
    /// Make an earlier state the latest one.
    ///
    /// Use this if superblocks that were made will never be on L1, or if the latest state is damaged. Later states are
    /// moved to a new directory STATE_DIR/rolled-back-N, and nothing is removed.
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
}

/// The states of a directory, by ascending number.
#[derive(Serialize)]
struct List {
    /// The number of the latest state: how many superblocks the chain has.
    superblocks: u32,
    states: Vec<Listed>,
}

/// A state, or a file that should be one.
#[derive(Serialize)]
struct Listed {
    number: u32,
    #[serde(serialize_with = "as_text::path")]
    file: PathBuf,
    #[serde(flatten)]
    content: Content,
}

/// What a state file holds.
#[derive(Serialize)]
#[serde(untagged)]
enum Content {
    State {
        chain_id: u64,
        commitment: Digest,
        /// Environments with blocks.
        environments: usize,
        /// Messages that are neither claimed nor refunded.
        pending: usize,
    },
    Unreadable {
        #[serde(serialize_with = "as_text::display")]
        error: StatesError,
    },
}

impl List {
    fn read(directory: &Path) -> Result<Self, StatesError> {
        let numbers = state_numbers(directory)?;
        let Some(&superblocks) = numbers.last() else {
            return Err(StatesError::Empty { path: directory.to_owned() });
        };
        let listed = |number| Listed {
            number,
            file: state_file(directory, number),
            content: match states::read(directory, number) {
                Ok(state) => Content::new(&state),
                Err(error) => Content::Unreadable { error },
            },
        };
        Ok(Self { superblocks, states: numbers.into_iter().map(listed).collect() })
    }

    fn is_whole(&self) -> bool {
        self.states.iter().all(|state| matches!(state.content, Content::State { .. }))
    }
}

impl Content {
    fn new(state: &SuperblockState) -> Self {
        Self::State {
            chain_id: state.chain_id,
            commitment: state.commitment(),
            environments: state.environments.len(),
            pending: state.bridge.in_flight().count(),
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
        for Listed { number, content, .. } in &self.states {
            table.push(match content {
                Content::State { chain_id, commitment, environments, pending } => [
                    number.to_string(),
                    commitment.to_string(),
                    chain_id.to_string(),
                    environments.to_string(),
                    pending.to_string(),
                ],
                Content::Unreadable { .. } => {
                    [number.to_string(), "unreadable".to_owned(), String::new(), String::new(), String::new()]
                }
            });
        }
        table.fmt(f)?;
        self.states.iter().try_for_each(|state| match &state.content {
            Content::State { .. } => Ok(()),
            Content::Unreadable { error } => write!(f, "\nunreadable: {}", shown(error)),
        })
    }
}

/// What a rollback did.
#[derive(Serialize)]
struct Rollback {
    number: u32,
    commitment: Digest,
    moved: Vec<Moved>,
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
        let RolledBack { latest, moved } = rolled_back;
        let moved = moved.into_iter().map(|(from, to)| Moved { from, to });
        Self { number: latest.number, commitment: latest.commitment(), moved: moved.collect() }
    }
}

impl fmt::Display for Rollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, commitment, moved } = self;
        write!(f, "the latest state is the one after superblock {number}: {commitment}")?;
        if moved.is_empty() {
            return write!(f, "\nno file was to be moved");
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
            Ok(Answer::new(&list).or_else(list.is_whole(), ExitCode::Rejected))
        }
        Command::Rollback { directory, number, superblocks } => {
            let rolled_back = states::roll_back(&directory, number, superblocks.as_deref())?;
            Ok(Answer::new(&Rollback::new(rolled_back)))
        }
    }
}
