//! The security of all that this workspace proves with.

use circuits_core::security::{SecurityReport, TooWeak};
use circuits_tables::{
    batch::{Batch as _, security},
    keccak::batch::KeccakSize,
};
use environments_kinds::KINDS;

use crate::pins::AllPins;

#[cfg(test)]
mod tests;

/// The security of every pinned circuit and of every STARK that circuits verify.
#[must_use]
pub fn reports(pins: &AllPins) -> Vec<SecurityReport> {
    let tables = KeccakSize::ALL.iter().copied().map(security);
    let starks = tables.chain(KINDS.into_iter().flat_map(|kind| kind.starks()));
    let keccak_hop = pins.keccak_hop.iter().map(|pin| pin.security());
    pins.circuits.circuit.iter().map(|pin| pin.security()).chain(keccak_hop).chain(starks).collect()
}

/// Those circuits and STARKs that have fewer proven bits than are
/// [required](circuits_core::security::REQUIRED_BITS). A chain of recursive proofs is as weak as the weakest of them.
#[must_use]
pub fn too_weak(pins: &AllPins) -> Vec<TooWeak> {
    reports(pins).iter().filter_map(|report| report.check().err()).collect()
}
