//! What a STARK looks up, written once: our prover evaluates it, and starky's verifiers take it in starky's own types,
//! whose evaluation is private.
//!
//! Every argument is a sum of fractions over the rows, after [logUp](https://eprint.iacr.org/2022/1530):
//!
//! ```text
//! lookup           sum over columns of  filter / (x + column)      =  sum of  frequency / (x + table)
//! cross-table sum  sum over tuples of   filter / combine(tuple)    =  what the verifier expects
//! ```
//!
//! Once the challenges are drawn, numerators and denominators are linear combinations of a row's columns.

use std::collections::BTreeSet;

use plonky2::field::{
    extension::{Extendable, FieldExtension},
    packed::PackedField,
    types::Field,
};
use starky::{
    cross_table_lookup::{CrossTableLookup, TableWithColumns},
    lookup::{self, Column},
    stark::Stark,
};

use super::{MAX_LOOKUP_DEGREE, StarkError};
use crate::basetypes::F;

/// A linear combination of a row's columns, plus a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// Columns, each at most once, with their factors.
    pub terms: Vec<(usize, F)>,
    pub constant: F,
}

impl Linear {
    /// One column.
    #[must_use]
    pub fn column(column: usize) -> Self {
        Self::combination([(column, F::ONE)])
    }

    /// A combination of columns, each of which occurs at most once.
    #[must_use]
    pub fn combination(terms: impl IntoIterator<Item = (usize, F)>) -> Self {
        Self { terms: terms.into_iter().collect(), constant: F::ZERO }
    }

    /// A constant.
    #[must_use]
    pub fn constant(constant: F) -> Self {
        Self { terms: vec![], constant }
    }

    /// The value in a row.
    #[must_use]
    pub fn evaluate<FE, P, const D2: usize>(&self, row: &[P]) -> P
    where
        FE: FieldExtension<D2, BaseField = F>,
        P: PackedField<Scalar = FE>,
    {
        self.evaluate_with(|column| row[column])
    }

    /// The value where `column` gives the columns' values.
    pub(super) fn evaluate_with<FE, P, const D2: usize>(&self, column: impl Fn(usize) -> P) -> P
    where
        FE: FieldExtension<D2, BaseField = F>,
        P: PackedField<Scalar = FE>,
    {
        self.terms.iter().fold(P::from(FE::from_basefield(self.constant)), |sum, &(index, factor)| {
            // Most factors are 1.
            if factor == F::ONE {
                sum + column(index)
            } else {
                sum + column(index) * FE::from_basefield(factor)
            }
        })
    }

    /// Checks that a row of `columns` columns has each column of the combination, and that none is listed twice.
    fn check(&self, columns: usize) -> Result<(), LookupError> {
        let mut listed = BTreeSet::new();
        for &(column, _) in &self.terms {
            if column >= columns {
                return Err(LookupError::NoSuchColumn { column, columns });
            }
            if !listed.insert(column) {
                return Err(LookupError::RepeatedColumn { column });
            }
        }
        Ok(())
    }

    /// The combination in starky's type.
    #[must_use]
    pub fn to_column(&self) -> Column<F> {
        // starky's constructor accepts no empty combination.
        if self.terms.is_empty() {
            Column::constant(self.constant)
        } else {
            Column::linear_combination_with_constant(self.terms.iter().copied(), self.constant)
        }
    }

    /// The combination as a filter in starky's type.
    fn to_filter(&self) -> lookup::Filter<F> {
        lookup::Filter::new_simple(self.to_column())
    }
}

/// What is wrong with the lookups or the sums of a STARK.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The STARK gives starky other lookups than [`starky_lookups`] of those that the prover has.
    #[error("starky has not been given the lookups of the table")]
    OtherLookups,
    /// The STARK tells starky that there are sums and has none, or the other way round.
    #[error("requires_ctls is {required}, but there are {sums} cross-table sums")]
    RequiredSums {
        /// What starky is told.
        required: bool,
        /// The number of sums.
        sums: usize,
    },
    /// A sum has no tuple.
    #[error("sum {sum} has no tuple")]
    EmptySum {
        /// The number of the sum.
        sum: usize,
    },
    /// The tuples of a sum have different widths.
    #[error("tuple {tuple} of sum {sum} has {found} elements, but the first one has {expected}")]
    TupleWidth {
        /// The number of the sum.
        sum: usize,
        /// The number of the tuple in it.
        tuple: usize,
        /// The number of elements of the first tuple.
        expected: usize,
        /// The number of elements of this one.
        found: usize,
    },
    /// A combination reads a column that no row has.
    #[error("a combination has column {column}, but a row has {columns} columns")]
    NoSuchColumn {
        /// The column.
        column: usize,
        /// The number of columns of a row.
        columns: usize,
    },
    /// A combination lists a column twice.
    #[error("a combination lists column {column} twice")]
    RepeatedColumn {
        /// The column.
        column: usize,
    },
}

/// Values of columns that occur in a table of the same trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// What is looked up in each row, and how often it counts there.
    pub looking: Vec<Filtered<Linear>>,
    /// The table, one entry in each row.
    pub table: Linear,
    /// How often the whole trace looks up the entry.
    pub frequencies: Linear,
}

/// Something in each row, and how often it counts there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filtered<T> {
    pub value: T,
    pub filter: Linear,
}

impl<T> Filtered<T> {
    /// A value that counts once in each row.
    #[must_use]
    pub fn always(value: T) -> Self {
        Self { value, filter: Linear::constant(F::ONE) }
    }
}

/// One side of a lookup across rows, tables or to values that the verifier knows: the sum of `filter / combine(tuple)`
/// over the rows. The verifier compares it with other sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossTableSum {
    /// The tuples of each row. All have the same width.
    pub tuples: Vec<Filtered<Vec<Linear>>>,
}

/// A STARK with its lookups as plain linear combinations.
///
/// [`Stark::lookups`] must return [`starky_lookups`] of `table_lookups`, and [`Stark::requires_ctls`] whether there are
/// `cross_table_sums`. The prover checks both.
pub trait LookupStark<const D: usize>: Stark<F, D>
where
    F: Extendable<D>,
{
    /// The lookups in tables of the same trace.
    fn table_lookups(&self) -> Vec<Lookup> {
        vec![]
    }

    /// The sums that are compared with those of other tables, or with what the verifier knows.
    fn cross_table_sums(&self) -> Vec<CrossTableSum> {
        vec![]
    }
}

/// Lookups in starky's type.
///
/// # Panics
/// Where starky does: in debug builds of it if a combination lists a column twice.
#[must_use]
pub fn starky_lookups(lookups: &[Lookup]) -> Vec<lookup::Lookup<F>> {
    lookups
        .iter()
        .map(|lookup| lookup::Lookup {
            columns: lookup.looking.iter().map(|looking| looking.value.to_column()).collect(),
            table_column: lookup.table.to_column(),
            frequencies_column: lookup.frequencies.to_column(),
            filter_columns: lookup.looking.iter().map(|looking| looking.filter.to_filter()).collect(),
        })
        .collect()
}

/// The table of the STARK itself, in what [`starky_sums`] returns.
const THIS_TABLE: usize = 0;
/// A table that does not exist.
const NO_TABLE: usize = 1;

/// Sums in starky's type, for its verifiers: each from the only table, whose index is 0, into one that does not exist.
///
/// # Panics
/// Where starky does: if the tuples of a sum have different widths, and as [`starky_lookups`].
#[must_use]
pub fn starky_sums(sums: &[CrossTableSum]) -> Vec<CrossTableLookup<F>> {
    let table = |index, Filtered { value, filter }: &Filtered<Vec<Linear>>| {
        TableWithColumns::new(index, value.iter().map(Linear::to_column).collect(), filter.to_filter())
    };
    sums.iter()
        .filter_map(|sum| {
            let looked = table(NO_TABLE, sum.tuples.first()?);
            let looking = sum.tuples.iter().map(|tuple| table(THIS_TABLE, tuple)).collect();
            Some(CrossTableLookup::new(looking, looked))
        })
        .collect()
}

/// Checks that starky knows the same lookups and sums as the prover, and that a trace can have them.
pub(super) fn check<S: LookupStark<D>, const D: usize>(stark: &S) -> Result<(), StarkError>
where
    F: Extendable<D>,
{
    let (lookups, sums) = (stark.table_lookups(), stark.cross_table_sums());
    let degree = stark.constraint_degree();
    if degree > MAX_LOOKUP_DEGREE && !(lookups.is_empty() && sums.is_empty()) {
        return Err(StarkError::LookupDegree { found: degree });
    }
    if degree < MAX_LOOKUP_DEGREE && sums.iter().any(|sum| sum.tuples.len() == 1) {
        return Err(StarkError::SumDegree { found: degree });
    }
    for Lookup { looking, table, frequencies } in &lookups {
        let looking = looking.iter().flat_map(|looking| [&looking.value, &looking.filter]);
        looking.chain([table, frequencies]).try_for_each(|linear| linear.check(S::COLUMNS))?;
    }
    for (index, CrossTableSum { tuples }) in sums.iter().enumerate() {
        let first = tuples.first().ok_or(LookupError::EmptySum { sum: index })?;
        let expected = first.value.len();
        for (tuple, Filtered { value, filter }) in tuples.iter().enumerate() {
            let found = value.len();
            if found != expected {
                return Err(LookupError::TupleWidth { sum: index, tuple, expected, found }.into());
            }
            value.iter().chain([filter]).try_for_each(|linear| linear.check(S::COLUMNS))?;
        }
    }
    // starky's types show their content in their debug output alone.
    if format!("{:?}", stark.lookups()) != format!("{:?}", starky_lookups(&lookups)) {
        return Err(LookupError::OtherLookups.into());
    }
    let required = stark.requires_ctls();
    if required == sums.is_empty() {
        return Err(LookupError::RequiredSums { required, sums: sums.len() }.into());
    }
    Ok(())
}
