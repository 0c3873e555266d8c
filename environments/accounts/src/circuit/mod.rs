//! The rules of the environment in-circuit: one action per slot.
//!
//! Whether an action can be done is computed, never asserted: every condition ends in a flag whose value is forced
//! in both cases. So a producer can neither mark a good transaction as failed nor a failing one as good.
//!
//! A slot may also take in a message, which nobody signs. Such a slot is idle but for one credit: everything else in
//! its witness acts on a state of its own, which is discarded.

mod action;
mod balances;
mod crossing;
mod slot;
mod targets;
mod trade;
mod witness;

pub use crossing::MessageTerms;
pub use slot::{Ledger, slots_circuit};
pub(super) use targets::AccountTarget;
pub use targets::SlotTargets;
pub use witness::{CONSUMES, SlotInput, TRANSACTS, Terms};

#[cfg(test)]
mod tests;
