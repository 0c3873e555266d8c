//! The constraints: what every row and its next row satisfy. Degree 3.
//!
//! A signature has 273 rows:
//!
//! ```text
//! key  table 0..11  add (double add) x128  end  scalars  claim
//! ```
//!
//! followed by the next signature's key or by padding. Row kinds and cases are one-hot, so one constraint may
//! hold the rules of several kinds: the sum of terms of which only one is not multiplied by 0.

mod addition;
mod identity;
mod operand;
mod order;
mod signature;

pub use identity::{COEFFICIENTS, Division, Identities, carries, identities};
pub use operand::TABLE_MULTIPLES;

use super::columns::Row;
use crate::table::system::{System, When};

/// All constraints.
pub fn enforce<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    order::enforce(s, row, next);
    operand::enforce(s, row);
    addition::enforce(s, row, next);
    identity::enforce(s, row, next);
    signature::enforce(s, row, next);
}

/// The 39-bit words of an integer in 13-bit limbs.
fn words_of_limbs<S: System>(s: &mut S, limbs: &[S::Value]) -> Vec<S::Value> {
    limbs
        .chunks(3)
        .map(|limbs| {
            let (&top, rest) = limbs.split_last().expect("chunks are not empty");
            rest.iter().rev().fold(top, |word, &limb| s.times_add(1 << 13, word, limb))
        })
        .collect()
}

/// `v` is 0 or 1.
fn boolean<S: System>(s: &mut S, rule: &'static str, v: S::Value) {
    let not = s.not(v);
    let product = s.mul(v, not);
    s.zero(rule, When::Always, product);
}
