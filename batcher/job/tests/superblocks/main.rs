//! Superblocks over directories of blocks, with circuits that all of these tests share.

mod bridge;
#[path = "../common/mod.rs"]
mod common;
mod files;
mod following;
mod intake;
mod jobs;
mod l1;
mod moving;
mod older_keys;
