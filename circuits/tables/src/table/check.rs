//! What a proof of a table shows, checked directly on its rows.

use std::collections::HashMap;

use circuits_core::layout::Layout as _;
use circuits_prover::basetypes::F;
use plonky2::field::types::Field;

use super::{
    Side, SumError, Table,
    system::{System, When},
};

/// The rules that a row breaks with its next one, if it is the first or the last.
#[must_use]
pub fn broken_between<T: Table>(
    row: &T::Row<F>,
    next: &T::Row<F>,
    first: bool,
    last: bool,
) -> Vec<&'static str> {
    let mut collector = Collector { first, last, broken: vec![] };
    T::enforce(&mut collector, row, next);
    collector.broken
}

/// What a row, given by its columns, adds to the sums: for each side its tuple and multiplicity, unless the multiplicity
/// is 0.
#[must_use]
pub fn contributions(sides: &[Side], row: &[F]) -> Vec<Option<(Vec<F>, F)>> {
    sides
        .iter()
        .map(|side| {
            let times = side.filter.evaluate::<F, F, 1>(row);
            let tuple = || side.value.iter().map(|element| element.evaluate::<F, F, 1>(row)).collect();
            times.is_nonzero().then(|| (tuple(), times))
        })
        .collect()
}

/// The sums of a trace that are wrong, where `list` has the tuples of the items that it should prove.
#[must_use]
pub fn wrong_sums<T: Table>(rows: &[T::Row<F>], list: impl IntoIterator<Item = Vec<F>>) -> Vec<SumError> {
    let sides = T::sums();
    let mut sums: Vec<HashMap<Vec<F>, F>> = vec![HashMap::new(); sides.len()];
    for row in rows {
        for (sum, contribution) in sums.iter_mut().zip(contributions(&sides, &row.encode())) {
            if let Some((tuple, times)) = contribution {
                *sum.entry(tuple).or_default() += times;
            }
        }
    }
    let mut listed: HashMap<Vec<F>, F> = HashMap::new();
    list.into_iter().for_each(|tuple| *listed.entry(tuple).or_default() += F::ONE);
    // A tuple that counts and is taken back counts never.
    let counted = |sum: &mut HashMap<Vec<F>, F>| sum.retain(|_, times| times.is_nonzero());
    sums.iter_mut().for_each(counted);

    let unbalanced = T::BALANCES
        .iter()
        .filter(|balance| sums[balance.left] != sums[balance.right])
        .map(|balance| SumError::Unbalanced(balance.otherwise));
    unbalanced.chain((sums[T::LISTED] != listed).then_some(SumError::OtherList)).collect()
}

/// [`System`] over field elements that notes what is not zero.
struct Collector {
    first: bool,
    last: bool,
    broken: Vec<&'static str>,
}

impl System for Collector {
    type Value = F;

    fn constant(&mut self, value: F) -> F {
        value
    }
    fn mul_add(&mut self, a: F, b: F, c: F) -> F {
        a * b + c
    }
    fn scale_add(&mut self, k: F, a: F, c: F) -> F {
        k * a + c
    }
    fn mul(&mut self, a: F, b: F) -> F {
        a * b
    }
    fn add(&mut self, a: F, b: F) -> F {
        a + b
    }
    fn sub(&mut self, a: F, b: F) -> F {
        a - b
    }
    fn zero(&mut self, rule: &'static str, when: When, value: F) {
        let applies = match when {
            When::Always => true,
            When::Transition => !self.last,
            When::First => self.first,
            When::Last => self.last,
        };
        if applies && value.is_nonzero() && self.broken.last() != Some(&rule) {
            self.broken.push(rule);
        }
    }
}
