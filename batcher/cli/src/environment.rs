//! `superblock environment`.

mod follow;
mod produce;
mod snapshot;
mod status;

use std::path::{Path, PathBuf};

use circuits_core::{Digest, chain_id::parse_chain_id, digest::DigestError};
use circuits_files::{
    file::SMALL_LIMIT,
    text::{self, TextError, without_secrets},
};
use circuits_protocol::registry::{EnvironmentId, EnvironmentIdError};
use clap::builder::PossibleValuesParser;
use environments_core::kind::{Kind, KindError};
use environments_kinds::KINDS;
use thiserror::Error;

use crate::{
    account::{name_of, read_file},
    answer::{Answer, Failure},
    exit::{ExitCode, HasExitCode},
    options::Options,
};

/// Bytes of the largest genesis or transactions file.
const FILE_LIMIT: u64 = 64 << 20;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Produce(produce::Arguments),
    Follow(follow::Arguments),
    Status(status::Arguments),
    Export(snapshot::Export),
    Import(snapshot::Import),
}

pub(crate) fn run(command: Command, options: Options) -> Result<Answer, Failure> {
    match command {
        Command::Produce(arguments) => produce::run(&arguments, options),
        Command::Follow(arguments) => follow::run(&arguments, options),
        Command::Status(arguments) => status::run(&arguments),
        Command::Export(arguments) => snapshot::export(&arguments),
        Command::Import(arguments) => snapshot::import(&arguments),
    }
}

/// Which environment it is, and where it starts.
#[derive(clap::Args)]
struct Place {
    /// Work with an environment of this state model.
    ///
    /// It says what states, transactions and blocks are.
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    kind: String,
    /// Work with the deployment with this chain id.
    ///
    /// Every state's commitment names it.
    #[arg(long, value_name = "CHAIN_ID", value_parser = parse_chain_id)]
    chain_id: u64,
    /// Work with the environment with this id, from 1 to 65535.
    ///
    /// Id 0 is L1.
    #[arg(long = "environment", value_name = "ID")]
    id: u16,
    /// Read the parameters of the genesis from this JSON file.
    ///
    /// They are those that a scenario has as `genesis`.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
}

fn kinds() -> PossibleValuesParser {
    KINDS.iter().map(|kind| kind.name()).collect::<Vec<_>>().into()
}

/// Why there is no such environment.
#[derive(Debug, Error)]
enum PlaceError {
    /// The id is L1's.
    #[error(transparent)]
    Id(#[from] EnvironmentIdError),
    /// The genesis cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// No state model has this name, which the parser of arguments makes sure of.
    #[error("there is no state model {0}")]
    Kind(String),
    /// The state model refuses the genesis.
    #[error("{path}: {reason}", path = .path.display())]
    Genesis { path: PathBuf, reason: String },
}

impl HasExitCode for PlaceError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Text(error) => error.exit_code(),
            Self::Id(_) | Self::Kind(_) | Self::Genesis { .. } => ExitCode::Rejected,
        }
    }
}

impl Place {
    fn id(&self) -> Result<EnvironmentId, PlaceError> {
        Ok(EnvironmentId::new(self.id)?)
    }

    /// What `start` makes of the state model and of the parameters of the genesis.
    fn start<T>(
        &self,
        start: impl FnOnce(&dyn Kind, EnvironmentId, &str) -> Result<T, KindError>,
    ) -> Result<T, PlaceError> {
        let kind = KINDS.into_iter().find(|kind| kind.name() == self.kind);
        let kind = kind.ok_or_else(|| PlaceError::Kind(self.kind.clone()))?;
        let genesis = text::read(&self.genesis, FILE_LIMIT)?;
        start(kind, self.id()?, &genesis).map_err(|error| {
            let reason = match &error {
                KindError::Genesis(source) => source.to_string(),
                KindError::Refused(_) => error.to_string(),
            };
            PlaceError::Genesis { path: self.genesis.clone(), reason: without_secrets(&reason) }
        })
    }
}

/// The file holds no secret. Nothing of it is shown.
#[derive(Debug, Error)]
#[error("{name}: {source}")]
struct NotASecret {
    name: String,
    source: DigestError,
}

impl HasExitCode for NotASecret {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Rejected
    }
}

/// Reads a producer's secret.
pub(crate) fn read_secret(file: &Path) -> Result<Digest, Failure> {
    let text = read_file(file, SMALL_LIMIT)?;
    Ok(text.trim_end().parse().map_err(|source| NotASecret { name: name_of(file), source })?)
}
