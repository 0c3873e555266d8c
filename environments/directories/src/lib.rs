#![doc = include_str!("../README.md")]

mod follower;
mod names;
mod producer;

pub use follower::{
    Batched, BlockStatus, FollowerDirectory, FollowerDirectoryError, FollowerStatus, Looked, Refusal,
    RefusedFile, Rival, Stage,
};
pub use producer::{ProducerDirectory, ProducerDirectoryError};
