#![doc = include_str!("../README.md")]

pub mod batch;
pub mod delivery;
pub mod intake;
pub mod lifecycle;
pub mod output;
pub mod planner;
pub mod proof_tree;
pub mod prove;
pub mod queue;
pub mod run;
pub mod scenario;
pub mod state;
pub mod store;
