//! A table: the rows of a STARK, the rules of its rows, what it looks up and what it adds up. All are written once, for
//! the prover, both verifiers and the tests.
//!
//! starky's cross-table lookups connect two tables. Ours connect a table with itself and with the verifier's list, so each
//! side is a sum of its own, `sum of filter / combine(tuple)` over the rows, and [`batch`](crate::batch) compares them.

pub mod check;
mod stark;
pub mod system;

use std::fmt::Debug;

use circuits_core::layout::Layout;
use circuits_prover::{
    basetypes::F,
    stark::lookups::{Filtered, Linear, Lookup},
};
use starky::{config::StarkConfig, stark::Stark as _};
use thiserror::Error;

pub use stark::{CONSTRAINT_DEGREE, TableStark};
use system::{System, When};

/// One side of a lookup across rows: a tuple in each row, and how often it counts.
pub type Side = Filtered<Vec<Linear>>;

/// Two sums of a table that must be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The number of one sum.
    pub left: usize,
    /// The number of the other one.
    pub right: usize,
    /// What is wrong with a trace in which they differ, for messages.
    pub otherwise: &'static str,
}

/// The rules of a STARK.
pub trait Table: Copy + Debug + Default + Send + Sync + 'static {
    /// A row over anything: field elements, targets, or its own column numbers.
    type Row<T: Copy>: Layout<T>;

    /// Columns of the trace.
    const COLUMNS: usize = <Self::Row<F> as Layout<F>>::LEN;
    /// The sums that must be equal.
    const BALANCES: &'static [Balance];
    /// The number of the sum that must be the list's: that of a batch's items, each with its index before it.
    const LISTED: usize;

    /// The constraints between a row and its next one. Their degree is at most [`CONSTRAINT_DEGREE`].
    fn enforce<S: System>(s: &mut S, row: &Self::Row<S::Value>, next: &Self::Row<S::Value>);

    /// The lookups in columns of the trace.
    fn lookups() -> Vec<Lookup>;

    /// The sums, in the order of their numbers.
    fn sums() -> Vec<Side>;
}

/// Sums that a verifier rejects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum SumError {
    /// Two sums of the trace differ: what [`Balance`] says.
    #[error("{0}")]
    Unbalanced(&'static str),
    /// The trace proves other items than those listed.
    #[error("the trace's items are not those of the list")]
    OtherList,
}

/// The rule of each constraint between a row and its next one, in order.
#[must_use]
pub fn rules<T: Table>() -> Vec<&'static str> {
    let mut names = Names(vec![]);
    let row = T::Row::decode(&vec![(); T::COLUMNS]).expect("as many columns as the row has");
    T::enforce(&mut names, &row, &row);
    names.0
}

/// Constraints of the lookups: starky's helper columns with the start and the step of each running sum, and the last row
/// and the step of each of our sums.
#[must_use]
pub fn num_lookup_constraints<T: Table>(config: &StarkConfig) -> usize {
    let lookups = T::lookups().len();
    let helpers = TableStark::<T>::default().num_lookup_helper_columns(config);
    helpers + config.num_challenges * (lookups + 2 * T::sums().len())
}

/// Evaluations that one proof opens: trace, lookups and sums at two points, quotients at one, and the sums in the first
/// row.
#[must_use]
pub fn num_openings<T: Table>(config: &StarkConfig) -> usize {
    let stark = TableStark::<T>::default();
    let sums = config.num_challenges * T::sums().len();
    let auxiliary = stark.num_lookup_helper_columns(config) + sums;
    2 * (T::COLUMNS + auxiliary) + stark.num_quotient_polys(config) + sums
}

/// [`System`] without values that notes the rule of each constraint.
struct Names(Vec<&'static str>);

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
