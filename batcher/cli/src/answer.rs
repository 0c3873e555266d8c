//! What commands give back, and which exit code an error has.

use std::path::{Path, PathBuf};

use batcher_circuits::engine::EngineError;
use batcher_job::{
    batch::BatchError,
    intake::IntakeError,
    prove::ProveError,
    queue::QueueError,
    run::RunError,
    scenario::{ScenarioError, chain_of},
    state::StateError,
    store::StoreError,
};
use batcher_verify::{trust::TrustError, verify::VerifyError};
use circuits_core::CircuitError;
use circuits_files::{
    file::{FileError, FormatError},
    text::TextError,
};
use serde_json::{Value, json};

/// A proof or statement is invalid.
pub(super) const INVALID: u8 = 1;
/// Input is rejected.
pub(super) const REJECTED: u8 = 3;
/// Prover or store is unavailable.
pub(super) const UNAVAILABLE: u8 = 4;
/// A limit is exceeded.
pub(super) const LIMIT: u8 = 5;

/// A command's result.
pub(super) struct Answer {
    /// For `--json`.
    pub(super) json: Value,
    /// For people.
    pub(super) text: String,
    code: u8,
    blemished: bool,
}

impl Answer {
    /// A result without blemish.
    pub(super) fn new(json: Value, text: String) -> Self {
        Self { json, text, code: 0, blemished: false }
    }

    /// Marks the result as one that `--strict` does not accept.
    pub(super) fn blemished(mut self, blemished: bool) -> Self {
        self.blemished |= blemished;
        self
    }

    /// Ends with this code.
    pub(super) fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    pub(super) fn code(&self, strict: bool) -> u8 {
        if self.code == 0 && strict && self.blemished { INVALID } else { self.code }
    }
}

/// A path as JSON: where it is not UTF-8, as near to it as can be.
pub(super) fn path_json(path: &Path) -> Value {
    path.display().to_string().into()
}

/// A list of paths as JSON.
pub(super) fn paths_json(paths: &[PathBuf]) -> Value {
    paths.iter().map(|path| path_json(path)).collect()
}

/// A command's error.
pub(super) struct Failure {
    /// The exit code.
    pub(super) code: u8,
    /// For standard error.
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn json(&self) -> Value {
        json!({ "ok": false, "exit_code": self.code, "error": self.message })
    }
}

/// Errors that know their exit code.
pub(super) trait Coded: std::error::Error + Sized {
    fn code(&self) -> u8;
}

impl<E: Coded> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.code(), chain_of(&error))
    }
}

impl Coded for FormatError {
    fn code(&self) -> u8 {
        match self {
            Self::TooLarge { .. } => LIMIT,
            _ => REJECTED,
        }
    }
}

impl Coded for FileError {
    fn code(&self) -> u8 {
        match self {
            Self::Io { action, .. } if action.starts_with("open") || action.starts_with("read") => REJECTED,
            Self::Io { .. } => UNAVAILABLE,
            Self::Format { source, .. } => source.code(),
        }
    }
}

impl Coded for StateError {
    fn code(&self) -> u8 {
        match self {
            Self::File(error) => error.code(),
            Self::Invalid { .. } => INVALID,
        }
    }
}

impl Coded for StoreError {
    fn code(&self) -> u8 {
        UNAVAILABLE
    }
}

impl Coded for IntakeError {
    fn code(&self) -> u8 {
        match self {
            Self::Directory { .. } => REJECTED,
            Self::TooManyFiles { .. } => LIMIT,
        }
    }
}

impl Coded for EngineError {
    fn code(&self) -> u8 {
        match self {
            Self::Circuit(_) | Self::StaleKey { .. } | Self::UnknownSource(_) | Self::UnlistedSegment(_) => {
                UNAVAILABLE
            }
            Self::Invalid(_) | Self::Statement(_) => INVALID,
        }
    }
}

impl Coded for CircuitError {
    fn code(&self) -> u8 {
        UNAVAILABLE
    }
}

impl Coded for ProveError {
    fn code(&self) -> u8 {
        match self {
            Self::OtherStatement { .. } => INVALID,
            Self::Engine { source, .. } => source.code(),
            Self::Store { .. } | Self::Stopped | Self::MissingChild { .. } => UNAVAILABLE,
        }
    }
}

impl Coded for BatchError {
    fn code(&self) -> u8 {
        match self {
            Self::Intake(error) => error.code(),
            Self::State(error) => error.code(),
            Self::Transition(_) => REJECTED,
            Self::Prove(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::File(error) => error.code(),
            Self::Bundle(_) => INVALID,
        }
    }
}

impl Coded for TextError {
    fn code(&self) -> u8 {
        match self {
            Self::TooLarge { .. } => LIMIT,
            Self::Read { .. } => REJECTED,
        }
    }
}

impl Coded for ScenarioError {
    fn code(&self) -> u8 {
        match self {
            Self::Text(error) => error.code(),
            Self::Kernel(_) => UNAVAILABLE,
            Self::Malformed { .. } | Self::Environment { .. } | Self::Registry(_) => REJECTED,
        }
    }
}

impl Coded for QueueError {
    fn code(&self) -> u8 {
        match self {
            Self::Text(error) => error.code(),
            Self::Line { .. } | Self::Deposit { .. } | Self::OtherQueue { .. } => REJECTED,
        }
    }
}

impl Coded for TrustError {
    fn code(&self) -> u8 {
        match self {
            Self::File(error) => error.code(),
            Self::Text(error) => error.code(),
            Self::Malformed { .. } => REJECTED,
        }
    }
}

impl Coded for VerifyError {
    fn code(&self) -> u8 {
        match self {
            Self::TooMany { .. } => LIMIT,
            Self::File(error) => error.code(),
            other if other.is_invalid() => INVALID,
            _ => REJECTED,
        }
    }
}

impl Coded for RunError {
    fn code(&self) -> u8 {
        match self {
            Self::Scenario(error) => error.code(),
            Self::Queue(error) => error.code(),
            Self::File(error) => error.code(),
            Self::State(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Batch(error) => error.code(),
            Self::Trust(error) => error.code(),
            Self::Verify(error) => error.code(),
            Self::Producer { .. } | Self::Stopped => UNAVAILABLE,
            Self::Bundle(_) | Self::OtherRun { .. } => REJECTED,
            Self::Incomplete { .. } => INVALID,
        }
    }
}
