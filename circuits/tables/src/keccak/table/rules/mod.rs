//! The constraints: what every row and its next row satisfy. Degree 3.
//!
//! The first row is a state that ends a message, so that the first block starts one. A block has 26 rows:
//!
//! ```text
//! message  round 0..23  state
//! ```
//!
//! followed by the next block or by padding, in which all row kinds are 0. The rules of the permutation hold in all rows, so
//! that they need no row kind in their products: what they say of a message or a state is true, and of no use.

mod integers;
mod order;
mod padding;
mod permutation;
mod sponge;

use super::{
    columns::Row,
    permutation::{LANE_BITS, RATE_LANES},
};
use crate::table::system::{System, When};

/// All constraints.
pub fn enforce<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    order::enforce(s, row, next);
    permutation::enforce(s, row);
    let bytes = integers::bytes(s, &row.bits[..RATE_LANES * LANE_BITS]);
    let limbs: Vec<_> =
        bytes.chunks(integers::LIMB_BYTES).map(|bytes| integers::limb(s, bytes.iter().copied())).collect();
    sponge::enforce(s, row, next, &bytes, &limbs);
    padding::enforce(s, row, &bytes, &limbs);
}

/// `v` is 0 or 1.
fn boolean<S: System>(s: &mut S, rule: &'static str, v: S::Value) {
    let value = s.mul_sub(v, v, v);
    s.zero(rule, When::Always, value);
}
