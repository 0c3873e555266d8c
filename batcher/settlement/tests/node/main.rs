//! The settlement job against a real node, and what can go wrong between them.

mod anvil;
mod deployment;
mod faults;
mod kills;
mod proxy;
mod refusals;
mod reorganisations;
#[path = "../support/mod.rs"]
mod support;
