#![doc = include_str!("../README.md")]

pub mod batch;
pub mod intake;
pub mod mail;
pub mod passage;
pub mod planner;
pub mod prove;
pub mod queue;
pub mod run;
pub mod scenario;
pub mod state;
pub mod store;
pub mod tree;
