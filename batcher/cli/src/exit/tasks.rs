//! Exit codes of what goes wrong with tasks.

use batcher_circuits::engine::EngineError;
use batcher_job::{graph::PlanGraphError, plans::PlanError, prove::ProveError};
use circuits_tasks::{
    coordinator::GraphRunError, provable::ProvableError, queue::QueueError, store::StoreError,
    worker::TaskError,
};

use super::{ExitCode, HasExitCode};

impl HasExitCode for ProveError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Graph(error) => error.exit_code(),
            Self::Run(error) => error.exit_code(),
            Self::Proof(_) => ExitCode::Invalid,
            Self::Stopped => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for PlanError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::State(error) => error.exit_code(),
            Self::Transition(_)
            | Self::Damaged { .. }
            | Self::Missing { .. }
            | Self::Repeat { .. }
            | Self::Other { .. } => ExitCode::Rejected,
            Self::L1Kernel(error) => error.exit_code(),
            Self::Graph(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
            Self::Name(_) => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for PlanGraphError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Engine(error) => error.exit_code(),
            Self::NoKey { .. } | Self::Graph(_) => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for GraphRunError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::GivenUp { given_up, .. } => given_up.error.exit_code(),
            Self::Task(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
            Self::Input { .. } | Self::Graph(_) | Self::Queue(_) | Self::Patience { .. } | Self::Stopped => {
                ExitCode::Unavailable
            }
        }
    }
}

impl HasExitCode for TaskError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Store(error) => error.exit_code(),
            Self::Provable { source, .. } => source.exit_code(),
            Self::Malformed { .. }
            | Self::OtherTask { .. }
            | Self::UnknownProvable { .. }
            | Self::Format { .. }
            | Self::Vanished { .. }
            | Self::Elsewhere { .. } => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for QueueError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Away { .. } | Self::Refused { .. } => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for StoreError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Away { .. } | Self::Refused { .. } | Self::File(_) | Self::TooLarge { .. } => {
                ExitCode::Unavailable
            }
        }
    }
}

impl HasExitCode for ProvableError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Circuit(error) => error.exit_code(),
            Self::Proof(_) | Self::Statement(_) | Self::OtherStatement => ExitCode::Invalid,
            Self::OtherKey { .. }
            | Self::Input { .. }
            | Self::Children { .. }
            | Self::Given { .. }
            | Self::NoSecret { .. } => ExitCode::Unavailable,
            Self::Other(error) => {
                error.downcast_ref::<EngineError>().map_or(ExitCode::Unavailable, HasExitCode::exit_code)
            }
        }
    }
}
