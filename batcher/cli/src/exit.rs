//! How a command ends: the exit codes, and the code that each error leads to.
//!
//! Every match on an error is exhaustive, so that a new variant asks for a decision.

mod directories;
mod follow_l1;
mod settlement;
mod tasks;

use std::{error::Error, io, process};

use batcher_bench::BenchError;
use batcher_circuits::engine::EngineError;
use batcher_hop::{HopError, HopProveError, file::HopFileError};
use batcher_job::{
    anchor::Untrusted, batch::BatchError, follow::FollowerError, intake::IntakeError,
    leftover::LeftoverError, payouts::MalformedPayouts, queue::QueueError, run::RunError,
    scenario::ScenarioError, state::StateError, states::StatesError, store,
};
use batcher_keys::{AddressError, ListedError, OpenError, config::ConfigError, pins::MalformedPins};
use batcher_verify::{bundle::BundleError, trust::TrustError, verify::VerifyError};
use circuits_core::{CircuitError, chain_id::ChainIdError, security::TooWeak};
use circuits_database::DatabaseError;
use circuits_files::{
    file::{FileError, FormatError},
    text::TextError,
};
use circuits_keys::{KeyFileError, StoreError};
use circuits_protocol::registry::RegistryError;
use environments_accounts::key::KeyError;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ExitCode {
    Done = 0,
    Invalid = 1,
    /// What clap ends with if it does not accept the arguments. Also for another processor than the program is compiled
    /// for.
    Usage = 2,
    Rejected = 3,
    Unavailable = 4,
    Limit = 5,
}

impl ExitCode {
    const ALL: [Self; 6] =
        [Self::Done, Self::Invalid, Self::Usage, Self::Rejected, Self::Unavailable, Self::Limit];

    /// The number that the process returns.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done; refused bundles, if any, are listed (--strict makes them 1)",
            Self::Invalid => "a proof or statement is invalid",
            Self::Usage => "wrong usage, or the program is compiled for another processor",
            Self::Rejected => "input rejected",
            Self::Unavailable => "prover, store or L1 unavailable, what passes in time, or stopped",
            Self::Limit => "limit exceeded",
        }
    }

    /// One line for each code, for the help.
    pub(crate) fn list() -> String {
        let lines = Self::ALL.map(|code| format!("  {}  {}", code.number(), code.meaning()));
        lines.join("\n")
    }
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

/// Errors that know the exit code that they lead to.
pub(crate) trait HasExitCode: Error {
    fn exit_code(&self) -> ExitCode;
}

/// Whether an action of a [`FileError`] reads the file. A file that cannot be read is bad input; one that cannot be
/// written is a store that does not work.
fn is_reading(action: &str) -> bool {
    matches!(action, "open it" | "read it" | "read its size")
}

impl HasExitCode for FileError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Io { action, .. } if is_reading(action) => ExitCode::Rejected,
            Self::Io { .. } => ExitCode::Unavailable,
            Self::Exists { .. } => ExitCode::Rejected,
            Self::Format { source, .. } => source.exit_code(),
        }
    }
}

impl HasExitCode for FormatError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::TooLarge { .. } => ExitCode::Limit,
            Self::Short { .. }
            | Self::Magic
            | Self::Version { .. }
            | Self::UnknownKind { .. }
            | Self::FormerLayout { .. }
            | Self::FileKind { .. }
            | Self::Length { .. }
            | Self::Checksum { .. }
            | Self::Payload { .. }
            | Self::NotCanonical { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for TextError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::TooLarge { .. } => ExitCode::Limit,
            Self::Read { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for CircuitError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Shape { .. }
            | Self::Witness { .. }
            | Self::Unprovable { .. }
            | Self::Unlisted { .. }
            | Self::StalePin { .. }
            | Self::Statement { .. } => ExitCode::Unavailable,
        }
    }
}

/// The circuits are the program's own.
impl HasExitCode for TooWeak {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Unavailable
    }
}

impl HasExitCode for EngineError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Circuit(error) => error.exit_code(),
            Self::StaleKey { .. } | Self::UnknownSuperblock(_) | Self::UnlistedSegment(_) => {
                ExitCode::Unavailable
            }
            Self::Invalid(_) | Self::Statement(_) => ExitCode::Invalid,
        }
    }
}

impl HasExitCode for RegistryError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Exists(_)
            | Self::UnknownEnvironment(_)
            | Self::TooManyKernels { .. }
            | Self::TooManyProducers { .. }
            | Self::EmptyWindow { .. }
            | Self::TwoProducers { .. }
            | Self::Gap { .. }
            | Self::KernelReturns { .. }
            | Self::ProducerReturns { .. }
            | Self::UnknownKernel { .. }
            | Self::RemovedKernel { .. }
            | Self::OutsideWindow { .. }
            | Self::OtherProducer { .. }
            | Self::NoProducer { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for KeyError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Random(_) => ExitCode::Unavailable,
            Self::NotHex { .. } | Self::Range | Self::Unrecoverable => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for StoreError {
    fn exit_code(&self) -> ExitCode {
        match self.source.kind() {
            io::ErrorKind::FileTooLarge => ExitCode::Limit,
            _ => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for KeyFileError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::TooLarge { .. } => ExitCode::Limit,
            Self::Magic
            | Self::NoHeader
            | Self::Version { .. }
            | Self::Header { .. }
            | Self::NotCanonical
            | Self::IdentifyingHash { .. }
            | Self::Name { .. }
            | Self::Other { .. }
            | Self::Length { .. }
            | Self::Checksum { .. }
            | Self::Payload { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for ListedError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Malformed { source, .. } => source.exit_code(),
            Self::Read { .. } | Self::Kind { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for AddressError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Url { .. }
            | Self::Unsupported { .. }
            | Self::Secret
            | Self::Option { .. }
            | Self::Runtime { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for ConfigError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Text(error) => error.exit_code(),
            Self::Malformed { .. } | Self::Value { .. } => ExitCode::Rejected,
            Self::Listed { source, .. } => source.exit_code(),
            Self::Address { source, .. } => source.exit_code(),
        }
    }
}

impl HasExitCode for MalformedPins {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Rejected
    }
}

impl HasExitCode for OpenError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(error) => error.exit_code(),
            Self::Pins(error) => error.exit_code(),
        }
    }
}

impl HasExitCode for BundleError {
    fn exit_code(&self) -> ExitCode {
        if self.is_invalid() { ExitCode::Invalid } else { ExitCode::Rejected }
    }
}

impl HasExitCode for HopError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Calldata(_) | Self::Statement(_) | Self::OtherKey { .. } => ExitCode::Rejected,
            Self::Invalid { .. } => ExitCode::Invalid,
        }
    }
}

impl HasExitCode for HopFileError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::File(error) => error.exit_code(),
            Self::Hop { source, .. } => source.exit_code(),
            Self::OtherSuperblock { .. } => ExitCode::Invalid,
        }
    }
}

impl HasExitCode for HopProveError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Run(error) => error.exit_code(),
            Self::Hop(error) => error.exit_code(),
            Self::Statement(_) => ExitCode::Invalid,
            Self::Graph(_) | Self::Stopped => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for TrustError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::File(error) => error.exit_code(),
            Self::Text(error) => error.exit_code(),
            Self::Malformed { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for VerifyError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Empty => ExitCode::Rejected,
            Self::TooMany { .. } => ExitCode::Limit,
            Self::File(error) => error.exit_code(),
            Self::Bundle { source, .. } => source.exit_code(),
            Self::Chain { .. } | Self::Untrusted { .. } | Self::Deposits { .. } => ExitCode::Invalid,
        }
    }
}

impl HasExitCode for StateError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::File(error) => error.exit_code(),
            Self::TooLarge { .. } => ExitCode::Limit,
            Self::Invalid { .. } => ExitCode::Invalid,
        }
    }
}

impl HasExitCode for DatabaseError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Io { .. } | Self::Locked { .. } | Self::Busy { .. } | Self::Encode { .. } => {
                ExitCode::Unavailable
            }
            Self::Missing { .. }
            | Self::Exists { .. }
            | Self::Damaged { .. }
            | Self::OtherKind { .. }
            | Self::OtherVersion { .. }
            | Self::NotNext { .. }
            | Self::NotKept { .. }
            | Self::Decode { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for StatesError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::State(error) => error.exit_code(),
            Self::Database(error) => error.exit_code(),
            Self::File(error) => error.exit_code(),
            Self::Directory(_) | Self::Locked { .. } => ExitCode::Unavailable,
            Self::Empty { .. } | Self::Exists { .. } | Self::OtherChain { .. } | Self::NotKept { .. } => {
                ExitCode::Rejected
            }
        }
    }
}

impl HasExitCode for Untrusted {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::ChainId { .. }
            | Self::NotReached { .. }
            | Self::Start { .. }
            | Self::Registry { .. }
            | Self::Key { .. }
            | Self::Unreadable(_) => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for LeftoverError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::File(error) => error.exit_code(),
            Self::Elsewhere { .. }
            | Self::OutOfReach { .. }
            | Self::Invalid { .. }
            | Self::Follow { .. }
            | Self::OtherProgram { .. }
            | Self::OtherState { .. }
            | Self::OtherInput { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for store::StoreError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::File(_) | Self::Directory { .. } => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for IntakeError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Directory { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for BatchError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Intake(error) => error.exit_code(),
            Self::State(error) => error.exit_code(),
            Self::Untrusted(error) => error.exit_code(),
            Self::Leftover(error) => error.exit_code(),
            Self::Plan(error) => error.exit_code(),
            Self::Prove(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
            Self::File(error) => error.exit_code(),
            // The program made the bundle itself, so no input is to blame.
            Self::Bundle(_) => ExitCode::Invalid,
            Self::L1Prove(_) => ExitCode::Unavailable,
            Self::Payouts(error) => error.exit_code(),
        }
    }
}

impl HasExitCode for MalformedPayouts {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Invalid
    }
}

impl HasExitCode for environments_core::ProveError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Unavailable
    }
}

impl HasExitCode for ChainIdError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Rejected
    }
}

impl HasExitCode for FollowerError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Files(error) => error.exit_code(),
            Self::Untrusted(error) => error.exit_code(),
            Self::Queue(error) => error.exit_code(),
            Self::State(error) => error.exit_code(),
        }
    }
}

impl HasExitCode for ScenarioError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Text(error) => error.exit_code(),
            Self::Kernel(_) => ExitCode::Unavailable,
            Self::ChainId(error) => error.exit_code(),
            Self::Malformed { .. } | Self::Environment { .. } => ExitCode::Rejected,
            Self::Registry(error) => error.exit_code(),
        }
    }
}

impl HasExitCode for QueueError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Text(error) => error.exit_code(),
            Self::Header { .. }
            | Self::Deployment { .. }
            | Self::Line { .. }
            | Self::Full { .. }
            | Self::OtherQueue { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for RunError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Scenario(error) => error.exit_code(),
            Self::Queue(error) => error.exit_code(),
            Self::File(error) => error.exit_code(),
            Self::State(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
            Self::Batch(error) => error.exit_code(),
            Self::Trust(error) => error.exit_code(),
            Self::Verify(error) => error.exit_code(),
            Self::Payouts(error) => error.exit_code(),
            Self::Producer { .. } | Self::Stopped => ExitCode::Unavailable,
            Self::Bundle(_) | Self::OtherRun { .. } | Self::NoBlock { .. } => ExitCode::Rejected,
            Self::Incomplete { .. } => ExitCode::Invalid,
        }
    }
}

impl HasExitCode for BenchError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Blocks(_)
            | Self::Baseline(_)
            | Self::Signatures(_)
            | Self::Keccak(_)
            | Self::Recursion(_)
            | Self::Starts(_)
            | Self::State(_)
            | Self::Transition(_)
            | Self::Prove(_)
            | Self::Workers(_)
            | Self::Bundle(_) => ExitCode::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use circuits_files::file::{FileKind, read_bytes, write_atomic};

    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_is_rejected_and_one_that_cannot_be_written_is_unavailable() {
        let directory = tempfile::tempdir().expect("a directory");
        let (missing, no_file) = (directory.path().join("missing/file"), directory.path());
        for path in [missing.as_path(), no_file] {
            let error = read_bytes(FileKind::Registry, path, 10).expect_err("cannot be read");
            assert_eq!(error.exit_code(), ExitCode::Rejected, "{error}");
            let error = write_atomic(path, b"").expect_err("cannot be written");
            assert_eq!(error.exit_code(), ExitCode::Unavailable, "{error}");
        }
    }
}
