//! Exit codes of what goes wrong with directories of producers and followers.

use environments_core::{ProducerError, snapshot::SnapshotError, stored::StoredError};
use environments_directories::{FollowerDirectoryError, ProducerDirectoryError};

use super::{ExitCode, HasExitCode};

impl HasExitCode for StoredError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Database(error) => error.exit_code(),
            Self::Missing { .. }
            | Self::Entry { .. }
            | Self::Tree { .. }
            | Self::Unwritable { .. }
            | Self::Unreadable { .. }
            | Self::OtherEnvironment { .. }
            | Self::OtherState { .. }
            | Self::Beside
            | Self::Read(_)
            | Self::Execute { .. }
            | Self::OtherBlock { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for ProducerDirectoryError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Directory { .. } | Self::Behind { .. } => ExitCode::Unavailable,
            Self::Database(error) => error.exit_code(),
            Self::Stored { source, .. } => source.exit_code(),
            Self::File(error) => error.exit_code(),
            Self::Producer(error) => error.exit_code(),
            Self::OtherSecret { .. } | Self::Publish(_) | Self::Block(_) => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for ProducerError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Pool(_)
            | Self::MessageTaken { .. }
            | Self::Invalid(_)
            | Self::Propose { .. }
            | Self::Inconsistent { .. }
            | Self::OtherBody { .. }
            | Self::MalformedBody { .. }
            | Self::Messages { .. }
            | Self::NoSuchBlock { .. }
            | Self::Read(_) => ExitCode::Rejected,
            Self::Prove { .. } => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for FollowerDirectoryError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Directory { action: "list", .. } => ExitCode::Rejected,
            Self::Directory { .. } | Self::Behind { .. } => ExitCode::Unavailable,
            Self::Database(error) => error.exit_code(),
            Self::Stored { source, .. } => source.exit_code(),
            // A disk may be full while the snapshot is tried.
            Self::Snapshot(SnapshotError::Stored(source)) => source.exit_code(),
            Self::Snapshot(_) => ExitCode::Rejected,
        }
    }
}
