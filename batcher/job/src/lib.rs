#![doc = include_str!("../README.md")]

pub mod anchor;
pub mod batch;
pub mod delivery;
pub mod follow;
mod follow_display;
pub mod graph;
pub mod intake;
pub mod l1;
pub mod leftover;
pub mod lifecycle;
pub mod location;
mod outcome_display;
pub mod output;
pub mod payouts;
pub mod planner;
pub mod plans;
pub mod proof_tree;
pub mod provables;
pub mod prove;
pub mod queue;
pub mod run;
mod run_display;
pub mod scenario;
pub mod state;
pub mod states;
pub mod store;
mod stored;
