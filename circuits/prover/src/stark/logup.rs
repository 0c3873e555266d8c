//! The arguments of a STARK's lookups under drawn challenges: their auxiliary columns, and their constraints on these.
//!
//! ```text
//! helper    h = the sum of 1 or 2 fractions        h d0 d1 - n0 d1 - n1 d0 = 0
//! lookup    z(first) = 0                           (z' - z - sum of h) t + f = 0      t = x + table, f its frequency
//! sum       z(last) = sum of h                     z - z' - sum of h = 0 before the last row
//! sum of one fraction, without helper              z(last) d - n = 0, (z - z') d - n = 0 before the last row
//! ```
//!
//! Columns and constraints are in starky's order, which its verifiers expect: for each lookup, for each challenge, helpers
//! and `z`; then the helpers of the sums; then the sums.

use std::collections::BTreeMap;

use p3_maybe_rayon::prelude::*;
use plonky2::field::{
    extension::{Extendable, FieldExtension},
    packable::Packable,
    packed::PackedField,
    types::Field,
};
use starky::{constraint_consumer::ConstraintConsumer, lookup::GrandProductChallenge};

use super::{
    MIN_DEGREE, StarkError,
    constraints::Rows,
    lookups::{CrossTableSum, Filtered, Linear, Lookup, LookupStark},
};
use crate::basetypes::F;

/// Packed elements that share one inversion: few enough for the first cache, enough to make the inversion cheap.
const BLOCK: usize = 256;

/// `numerator / denominator` in each row.
struct Fraction {
    numerator: Linear,
    denominator: Linear,
}

/// The fractions whose sum a helper column holds: as many as the constraints' degree has room for.
struct Group {
    first: Fraction,
    second: Option<Fraction>,
}

/// A lookup under one challenge.
struct LookupArgument {
    looking: Vec<Group>,
    /// Frequency over entry, which is subtracted.
    table: Group,
}

/// All arguments of a STARK, each under each challenge.
pub(super) struct Arguments {
    lookups: Vec<LookupArgument>,
    sums: Vec<Vec<Group>>,
}

impl Fraction {
    /// A looked-up value under the challenge `x`.
    fn of_value(looking: &Filtered<Linear>, x: F) -> Self {
        Self { numerator: looking.filter.clone(), denominator: shifted(&looking.value, x) }
    }

    /// A tuple, combined under `challenge`.
    fn of_tuple(tuple: &Filtered<Vec<Linear>>, challenge: &GrandProductChallenge<F>) -> Self {
        Self { numerator: tuple.filter.clone(), denominator: combine(&tuple.value, challenge) }
    }

    /// The numerator times `factor`, where `column` gives a row's columns.
    fn numerator_times<FE, P, const D2: usize>(&self, column: impl Fn(usize) -> P, factor: P) -> P
    where
        FE: FieldExtension<D2, BaseField = F>,
        P: PackedField<Scalar = FE>,
    {
        // Most values count in every row.
        if self.numerator.terms.is_empty() && self.numerator.constant == F::ONE {
            factor
        } else {
            self.numerator.evaluate_with(column) * factor
        }
    }
}

impl Group {
    /// Groups fractions for constraints of a degree of 2 or 3.
    fn all(fractions: impl IntoIterator<Item = Fraction>, constraint_degree: usize) -> Vec<Self> {
        let mut fractions = fractions.into_iter();
        let mut groups = vec![];
        while let Some(first) = fractions.next() {
            let second = if constraint_degree > MIN_DEGREE { fractions.next() } else { None };
            groups.push(Self { first, second });
        }
        groups
    }

    /// Numerator and denominator of the sum, where `column` gives a row's columns.
    fn add<FE, P, const D2: usize>(&self, column: impl Fn(usize) -> P + Copy) -> (P, P)
    where
        FE: FieldExtension<D2, BaseField = F>,
        P: PackedField<Scalar = FE>,
    {
        let first = self.first.denominator.evaluate_with(column);
        match &self.second {
            None => (self.first.numerator.evaluate_with(column), first),
            Some(fraction) => {
                let second = fraction.denominator.evaluate_with(column);
                let numerator =
                    self.first.numerator_times(column, second) + fraction.numerator_times(column, first);
                (numerator, first * second)
            }
        }
    }

    /// The sum in each row.
    fn column<P: PackedField<Scalar = F>>(&self, trace: &[&[P]]) -> Result<Vec<F>, StarkError> {
        let height = trace.first().map_or(0, |column| column.len());
        let mut sums = vec![F::ZERO; height * P::WIDTH];
        let (mut denominators, mut products) = (Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK));
        for (block, sums) in P::pack_slice_mut(&mut sums).chunks_mut(BLOCK).enumerate() {
            denominators.clear();
            for (row, sum) in (block * BLOCK..).zip(&mut *sums) {
                let (numerator, denominator) = self.add(|column| trace[column][row]);
                *sum = numerator;
                denominators.push(denominator);
            }
            divide(sums, &denominators, &mut products)?;
        }
        Ok(sums)
    }
}

/// Whether a sum has helper columns: one fraction needs none.
fn has_helpers(sum: &[Group]) -> bool {
    !matches!(sum, [Group { second: None, .. }])
}

fn shifted(linear: &Linear, by: F) -> Linear {
    Linear { terms: linear.terms.clone(), constant: linear.constant + by }
}

/// The combination of a tuple that starky's challenge makes, `gamma + sum of beta^i tuple_i`.
fn combine(tuple: &[Linear], challenge: &GrandProductChallenge<F>) -> Linear {
    let mut terms: BTreeMap<usize, F> = BTreeMap::new();
    let mut constant = challenge.gamma;
    for (power, element) in challenge.beta.powers().zip(tuple) {
        constant += power * element.constant;
        for &(column, factor) in &element.terms {
            *terms.entry(column).or_default() += power * factor;
        }
    }
    Linear { terms: terms.into_iter().collect(), constant }
}

impl Arguments {
    /// The arguments of `stark` under `challenges`.
    pub(super) fn new<S: LookupStark<D>, const D: usize>(
        stark: &S,
        challenges: &[GrandProductChallenge<F>],
    ) -> Self
    where
        F: Extendable<D>,
    {
        let degree = stark.constraint_degree();
        let under = |lookup: &Lookup, x: F| LookupArgument {
            looking: Group::all(lookup.looking.iter().map(|looking| Fraction::of_value(looking, x)), degree),
            table: Group {
                first: Fraction {
                    numerator: lookup.frequencies.clone(),
                    denominator: shifted(&lookup.table, x),
                },
                second: None,
            },
        };
        let combined = |sum: &CrossTableSum, challenge: &GrandProductChallenge<F>| {
            Group::all(sum.tuples.iter().map(|tuple| Fraction::of_tuple(tuple, challenge)), degree)
        };
        let mut arguments = Self { lookups: vec![], sums: vec![] };
        for lookup in stark.table_lookups() {
            arguments.lookups.extend(challenges.iter().map(|challenge| under(&lookup, challenge.beta)));
        }
        for sum in stark.cross_table_sums() {
            arguments.sums.extend(challenges.iter().map(|challenge| combined(&sum, challenge)));
        }
        arguments
    }

    /// The number of auxiliary columns that belong to lookups.
    fn num_lookup_columns(&self) -> usize {
        self.lookups.iter().map(|lookup| lookup.looking.len() + 1).sum()
    }

    /// The number of helper columns of each sum.
    pub(super) fn sum_helpers(&self) -> Vec<usize> {
        self.sums.iter().map(|sum| if has_helpers(sum) { sum.len() } else { 0 }).collect()
    }

    /// The position of the first sum among the auxiliary columns.
    pub(super) fn sums_start(&self) -> usize {
        self.num_lookup_columns() + self.sum_helpers().iter().sum::<usize>()
    }

    /// The number of auxiliary columns.
    pub(super) fn num_columns(&self) -> usize {
        self.sums_start() + self.sums.len()
    }

    /// The auxiliary columns of a trace.
    ///
    /// # Errors
    /// [`StarkError::ZeroDenominator`].
    pub(super) fn columns(&self, trace: &[Vec<F>]) -> Result<Vec<Vec<F>>, StarkError> {
        let height = trace.first().map_or(0, Vec::len);
        if height.is_multiple_of(<F as Packable>::Packing::WIDTH) {
            self.packed_columns::<<F as Packable>::Packing>(trace)
        } else {
            self.packed_columns::<F>(trace)
        }
    }

    fn packed_columns<P: PackedField<Scalar = F>>(
        &self,
        trace: &[Vec<F>],
    ) -> Result<Vec<Vec<F>>, StarkError> {
        let trace: Vec<&[P]> = trace.iter().map(|column| P::pack_slice(column)).collect();
        let of_lookups = self.lookups.iter().flat_map(|lookup| lookup.looking.iter().chain([&lookup.table]));
        let groups: Vec<_> = of_lookups.chain(self.sums.iter().flatten()).collect();
        let added: Vec<_> =
            groups.into_par_iter().map(|group| group.column(&trace)).collect::<Result<_, _>>()?;
        let mut added = added.into_iter();

        let mut columns = Vec::with_capacity(self.num_columns());
        for lookup in &self.lookups {
            let helpers: Vec<_> = added.by_ref().take(lookup.looking.len()).collect();
            let table = added.next().unwrap_or_default();
            let looking = sum_columns::<P>(&helpers);
            columns.extend(helpers);
            columns.push(sums_before(looking.into_iter().zip(table).map(|(looking, table)| looking - table)));
        }
        let mut sums = Vec::with_capacity(self.sums.len());
        for sum in &self.sums {
            let helpers: Vec<_> = added.by_ref().take(sum.len()).collect();
            sums.push(sums_from(sum_columns::<P>(&helpers)));
            if has_helpers(sum) {
                columns.extend(helpers);
            }
        }
        columns.extend(sums);
        Ok(columns)
    }

    /// Enforces the arguments on `row`, the trace's columns, and on the auxiliary columns.
    pub(super) fn constrain<FE, P, const D2: usize>(
        &self,
        row: &[P],
        auxiliary: Rows<'_, P>,
        consumer: &mut ConstraintConsumer<P>,
    ) where
        FE: FieldExtension<D2, BaseField = F>,
        P: PackedField<Scalar = FE>,
    {
        let Rows { local, next } = auxiliary;
        let mut start = 0;
        for LookupArgument { looking, table } in &self.lookups {
            let at = start + looking.len();
            let added = constrain_helpers(looking, row, &local[start..at], consumer);
            let (z, next_z) = (local[at], next[at]);
            let (frequency, entry) = table.add(|column| row[column]);
            consumer.constraint_first_row(z);
            consumer.constraint((next_z - z - added) * entry + frequency);
            start = at + 1;
        }
        for (sum, at) in self.sums.iter().zip(self.sums_start()..) {
            let (z, next_z) = (local[at], next[at]);
            if has_helpers(sum) {
                let end = start + sum.len();
                let added = constrain_helpers(sum, row, &local[start..end], consumer);
                consumer.constraint_last_row(z - added);
                consumer.constraint_transition(z - next_z - added);
                start = end;
            } else {
                for fraction in sum {
                    let (numerator, denominator) = fraction.add(|column| row[column]);
                    consumer.constraint_last_row(denominator * z - numerator);
                    consumer.constraint_transition(denominator * (z - next_z) - numerator);
                }
            }
        }
    }
}

/// Enforces that `helpers` are the sums of `groups`. Returns the sum of all.
fn constrain_helpers<FE, P, const D2: usize>(
    groups: &[Group],
    row: &[P],
    helpers: &[P],
    consumer: &mut ConstraintConsumer<P>,
) -> P
where
    FE: FieldExtension<D2, BaseField = F>,
    P: PackedField<Scalar = FE>,
{
    let mut sum = P::ZEROS;
    for (group, &helper) in groups.iter().zip(helpers) {
        let (numerator, denominator) = group.add(|column| row[column]);
        consumer.constraint(denominator * helper - numerator);
        sum += helper;
    }
    sum
}

/// Divides `values` by `denominators`, with one inversion.
fn divide<P: PackedField<Scalar = F>>(
    values: &mut [P],
    denominators: &[P],
    products: &mut Vec<P>,
) -> Result<(), StarkError> {
    products.clear();
    let mut product = P::ONES;
    for &denominator in denominators {
        products.push(product);
        product *= denominator;
    }
    if product.as_slice().contains(&F::ZERO) {
        return Err(StarkError::ZeroDenominator);
    }
    let mut inverse = P::ZEROS;
    inverse.as_slice_mut().copy_from_slice(&F::batch_multiplicative_inverse(product.as_slice()));
    for ((value, &denominator), &product) in values.iter_mut().zip(denominators).zip(&*products).rev() {
        *value *= inverse * product;
        inverse *= denominator;
    }
    Ok(())
}

/// The sum of `columns` in each row.
fn sum_columns<P: PackedField<Scalar = F>>(columns: &[Vec<F>]) -> Vec<F> {
    let mut sums = vec![F::ZERO; columns.first().map_or(0, Vec::len)];
    sums.par_chunks_mut(BLOCK * P::WIDTH).enumerate().for_each(|(block, sums)| {
        let start = block * BLOCK * P::WIDTH;
        let rows = start..start + sums.len();
        let sums = P::pack_slice_mut(sums);
        for column in columns {
            for (sum, &value) in sums.iter_mut().zip(P::pack_slice(&column[rows.clone()])) {
                *sum += value;
            }
        }
    });
    sums
}

/// For each row the sum of the rows before it.
fn sums_before(values: impl Iterator<Item = F>) -> Vec<F> {
    values
        .scan(F::ZERO, |sum, value| {
            let before = *sum;
            *sum += value;
            Some(before)
        })
        .collect()
}

/// For each row the sum from it to the last one.
fn sums_from(mut values: Vec<F>) -> Vec<F> {
    let mut sum = F::ZERO;
    for value in values.iter_mut().rev() {
        sum += *value;
        *value = sum;
    }
    values
}
