#![doc = include_str!("../README.md")]

mod follower;
mod names;
mod producer;

pub use follower::{
    Batched, FollowerDirectory, FollowerDirectoryError, Looked, Refusal, RefusedFile, Rival, Stage,
};
pub use producer::{ProducerDirectory, ProducerDirectoryError};
