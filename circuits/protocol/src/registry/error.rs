//! Why a registry refuses a change, a kernel or a producer.

use circuits_core::digest::Digest;
use thiserror::Error;

use super::{
    id::EnvironmentId,
    leaves::{KERNELS_DEPTH, PRODUCERS_DEPTH},
};

/// Why a change of the registry is refused, or a kernel or a producer is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// The id is taken.
    #[error("environment {0} is already in the registry")]
    Exists(EnvironmentId),
    /// The registry does not have the id.
    #[error("environment {0} is not in the registry")]
    UnknownEnvironment(EnvironmentId),
    /// The environment would have too many kernels.
    #[error(
        "environment {environment} would have {found} kernels, at most {} are possible; \
         those that have expired can be removed",
        1 << KERNELS_DEPTH
    )]
    TooManyKernels { environment: EnvironmentId, found: usize },
    /// The environment would have too many producers.
    #[error(
        "environment {environment} would have {found} producers, at most {} are possible; \
         those that have expired can be removed",
        1 << PRODUCERS_DEPTH
    )]
    TooManyProducers { environment: EnvironmentId, found: usize },
    /// A window ends before it begins.
    #[error(
        "environment {environment}: there is no superblock from {from} to {until}, so the window is empty"
    )]
    EmptyWindow { environment: EnvironmentId, from: u32, until: u32 },
    /// The windows of two producers overlap.
    #[error("environment {environment} would have two producers in superblock {number}")]
    TwoProducers {
        environment: EnvironmentId,
        /// The first superblock with two producers.
        number: u32,
    },
    /// No kernel could prove blocks for some superblocks, so the environment would halt.
    #[error(
        "environment {environment} would have no kernel for superblock {number}; force the gap if it is meant"
    )]
    Gap {
        environment: EnvironmentId,
        /// The first superblock without a kernel.
        number: u32,
    },
    /// A kernel would come back that the environment lists or listed already.
    #[error(
        "environment {environment} has or had the kernel {key} in superblocks {from} to {until}; readmit it if \
         another window is meant"
    )]
    KernelReturns { environment: EnvironmentId, key: Digest, from: u32, until: u32 },
    /// A producer would come back that the environment lists or listed already.
    #[error(
        "environment {environment} has or had the producer {commitment} in superblocks {from} to {until}, with the \
         same secret or signing key; readmit it if another window is meant"
    )]
    ProducerReturns {
        environment: EnvironmentId,
        /// The commitment of the earlier producer.
        commitment: Digest,
        from: u32,
        until: u32,
    },
    /// The environment does not list the key.
    #[error("environment {environment} does not list the kernel {key}")]
    UnknownKernel { environment: EnvironmentId, key: Digest },
    /// The environment does not list the key any more.
    #[error(
        "environment {environment} does not list the kernel {key} any more, which it had in superblocks {from} to \
         {until}"
    )]
    RemovedKernel { environment: EnvironmentId, key: Digest, from: u32, until: u32 },
    /// The environment lists the key for other superblocks.
    #[error("environment {environment} does not allow the kernel {key} in superblock {number}")]
    OutsideWindow { environment: EnvironmentId, key: Digest, number: u32 },
    /// Another producer is the environment's in this superblock.
    #[error(
        "environment {environment} has the producer {expected} in superblock {number}, but the block is of {found}"
    )]
    OtherProducer { environment: EnvironmentId, number: u32, expected: Digest, found: Digest },
    /// Nobody may make blocks for this superblock.
    #[error("environment {environment} has no producer in superblock {number}")]
    NoProducer { environment: EnvironmentId, number: u32 },
}
