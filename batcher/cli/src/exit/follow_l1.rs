//! Errors of what is published on L1.

use batcher_settlement::{
    blob_source::SourceError, blobs::BlobError, data::DataError, follow::L1FollowError,
    lone_block::LoneBlockError,
};

use super::{ExitCode, HasExitCode};

impl HasExitCode for BlobError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::TooLong { .. } => ExitCode::Limit,
            Self::Length { .. }
            | Self::Empty
            | Self::Count { .. }
            | Self::Element { .. }
            | Self::Trailing { .. } => ExitCode::Invalid,
            Self::Commitment { .. } | Self::OtherTransaction => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for DataError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Format(error) => error.exit_code(),
            Self::Bundle(error) => error.exit_code(),
            Self::Statement(error) => error.exit_code(),
            Self::TooLong { .. } => ExitCode::Limit,
            Self::NoBody { .. } => ExitCode::Rejected,
            Self::Proof(_) | Self::Bodies { .. } | Self::OtherStatement { .. } => ExitCode::Invalid,
        }
    }
}

impl HasExitCode for SourceError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::File(error) => error.exit_code(),
            Self::L1(error) => error.exit_code(),
            Self::Unreachable { .. } | Self::Malformed { .. } => ExitCode::Unavailable,
            Self::Untrusted { .. } => ExitCode::Rejected,
            Self::TooLong { .. } => ExitCode::Limit,
        }
    }
}

impl HasExitCode for LoneBlockError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::L1(error) => error.exit_code(),
            Self::Queue(error) => error.exit_code(),
            Self::Deposits { .. } => ExitCode::Unavailable,
            Self::NoStranger(_) | Self::Unreadable(_) => ExitCode::Rejected,
            Self::NoMessage(_) | Self::NoDigest { .. } | Self::Block(_) => ExitCode::Invalid,
        }
    }
}

impl HasExitCode for L1FollowError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::L1(error) => error.exit_code(),
            Self::Finalized(error) => error.exit_code(),
            Self::Source { source, .. } => source.exit_code(),
            Self::LoneBlock { source, .. } => source.exit_code(),
            Self::Missing { .. } | Self::Ahead { .. } => ExitCode::Unavailable,
            Self::NoBlobs { .. } | Self::OtherDeployment { .. } => ExitCode::Rejected,
            Self::TooMany { .. } => ExitCode::Limit,
            Self::OtherState { .. } | Self::Blobs { .. } | Self::Data { .. } | Self::Follow { .. } => {
                ExitCode::Invalid
            }
        }
    }
}
