//! The settlement job against a real node, and what can go wrong between them.

mod answers;
mod anvil;
mod deployment;
mod deposits;
mod faults;
mod kills;
mod proxy;
mod refusals;
mod reorganisations;
#[path = "../support/mod.rs"]
mod support;
