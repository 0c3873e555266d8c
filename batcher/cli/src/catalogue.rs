//! Everything that a worker may be asked to prove.

use batcher_circuits::engine::Engine;
use batcher_hop::HopCircuits;
use batcher_job::provables::catalogue;
use circuits_core::CircuitError;
use circuits_tasks::provable::Catalogue;
use environments_kinds::KINDS;
use environments_l1::{circuits::KERNELS, provables};

/// What travels of superblocks, hops, and blocks of every state model. A queue has tasks of all of them, so nobody works for one
/// with less.
///
/// # Errors
/// If a circuit that is not pinned cannot be built.
pub(crate) fn everything<'a>(
    engine: &'a Engine,
    hops: &'a HopCircuits<'a>,
) -> Result<Catalogue<'a>, CircuitError> {
    let catalogue = provables::add_to(engine.cache(), &KERNELS, hops.add_to(catalogue(engine)));
    KINDS.iter().try_fold(catalogue, |catalogue, kind| kind.provables(engine.cache(), catalogue))
}
