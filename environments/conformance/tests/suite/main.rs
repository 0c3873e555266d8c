//! The suite itself: an environment that keeps all promises, and environments that each break one.
//!
//! `till.rs` is also the example of a state model with messages, as the counter is of one without.

mod faults;
mod till;
mod till_tests;
mod vault;
