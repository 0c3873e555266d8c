//! Tests of the environment as a whole.

mod conformance;
mod kernels;
mod messages;
mod native;
mod orders;
mod proven;
mod rows;
mod transaction;
mod waiting;

use crate::fixtures::{HOME, World};

pub(super) fn world() -> World {
    World::new(7, HOME, environments_conformance::secret(0))
}
