//! The rules of the environment in-circuit: one action per slot.
//!
//! Whether an action can be done is computed, never asserted: every condition ends in a flag that is fixed either way. So
//! a producer can neither mark a good transaction as failed nor a failing one as good.

mod action;
mod balances;
mod slot;
mod trade;
mod witness;

pub(super) use slot::AccountTarget;
pub use slot::{Ledger, SlotTargets, Terms, slots_circuit};
pub use witness::SlotInput;

#[cfg(all(test, feature = "testing"))]
mod tests;
