//! The settlement job against a real node, and what can go wrong between them.

mod answers;
mod anvil;
mod blobs;
mod deployment;
mod deployments;
mod deposits;
mod escapes;
mod faults;
mod kills;
mod offers;
mod proofs;
mod proxy;
mod published;
mod refusals;
mod reorganisations;
mod stalls;
#[path = "../support/mod.rs"]
mod support;
