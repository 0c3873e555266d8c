//! Why a file is not shown.

use std::{error::Error, path::PathBuf};

use batcher_job::state::StateError;
use batcher_verify::trust::TrustError;
use circuits_files::file::FileError;
use thiserror::Error;

use crate::exit::{ExitCode, HasExitCode};

/// Why a file is not shown.
#[derive(Debug, Error)]
pub(super) enum InspectError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("{path} is a database of states; `state list` shows them, and `state export` writes one to a file", path = .path.display())]
    States { path: PathBuf },
    #[error("{path} is neither a binary file of superblock nor a trust file", path = .path.display())]
    Neither { path: PathBuf, source: TrustError },
    #[error("{path}", path = .path.display())]
    Malformed { path: PathBuf, source: Box<dyn Error + Send + Sync> },
}

impl HasExitCode for InspectError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::File(error) => error.exit_code(),
            Self::State(error) => error.exit_code(),
            Self::Neither { source, .. } => source.exit_code(),
            Self::States { .. } | Self::Malformed { .. } => ExitCode::Rejected,
        }
    }
}
