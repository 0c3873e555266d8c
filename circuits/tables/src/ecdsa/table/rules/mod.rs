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

use circuits_core::layout::Layout;
use circuits_prover::basetypes::F;

use super::{
    columns::{COLUMNS, Row},
    system::{System, When},
};

/// All constraints.
pub fn enforce<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    order::enforce(s, row, next);
    operand::enforce(s, row);
    addition::enforce(s, row, next);
    identity::enforce(s, row, next);
    signature::enforce(s, row, next);
}

/// How many constraints there are.
pub fn count() -> usize {
    let mut names = Names::default();
    let row = Row::decode(&[(); COLUMNS]).expect("as many columns as the row has");
    enforce(&mut names, &row, &row);
    names.0.len()
}

/// The rule of each constraint, without values.
#[derive(Default)]
pub struct Names(pub Vec<&'static str>);

impl System for Names {
    type Value = ();

    fn constant(&mut self, _: F) {}
    fn mul_add(&mut self, (): (), (): (), (): ()) {}
    fn scale_add(&mut self, _: F, (): (), (): ()) {}
    fn mul(&mut self, (): (), (): ()) {}
    fn add(&mut self, (): (), (): ()) {}
    fn sub(&mut self, (): (), (): ()) {}
    fn zero(&mut self, rule: &'static str, _: When, (): ()) {
        self.0.push(rule);
    }
}

/// `v` is 0 or 1.
fn boolean<S: System>(s: &mut S, rule: &'static str, v: S::Value) {
    let not = s.not(v);
    let product = s.mul(v, not);
    s.zero(rule, When::Always, product);
}
