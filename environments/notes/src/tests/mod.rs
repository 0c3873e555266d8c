//! Tests of the environment as a whole.

mod conformance;
mod floods;
mod footprints;
mod kernels;
mod late;
mod messages;
mod native;
mod orders;
mod proven;
mod rows;
mod transaction;
mod waiting;

use crate::fixtures::{HOME, World};

/// Why the forging kit may find that no statement follows what opens an account.
pub(super) const NO_NEW_ACCOUNT: &str = "no transaction of these opens an account: those of the local kernel's tests do, and the insertion is \
     attacked in the tests of trees";
/// Why the kit finds an order's terms free in transactions that no owner makes.
pub(super) const NO_OWNER: &str =
    "no transaction of these is made by the owner of an order: those of the local kernel's tests are";
/// Why an account's record may have any numbers before a transaction.
pub(super) const OPENED: &str = "the block opens the record, which starts with a nonce of 0 and an empty vault and is only \
     changed by transactions, which keep the nonce in range and take assets from lanes";
/// Why a note's terms may be any elements.
pub(super) const UNSPENDABLE: &str =
    "who makes a note with terms that no script has gives its amount away: nothing consumes it";

pub(super) fn world() -> World {
    World::new(7, HOME, environments_conformance::secret(0))
}
