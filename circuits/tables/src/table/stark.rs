//! A table as starky takes it.

use std::marker::PhantomData;

use circuits_core::layout::Layout;
use circuits_prover::{
    basetypes::{Builder, D, F},
    stark::lookups::{self, CrossTableSum, LookupStark, starky_lookups},
};
use plonky2::{
    field::{extension::FieldExtension, packed::PackedField},
    iop::ext_target::ExtensionTarget,
};
use starky::{
    constraint_consumer::{ConstraintConsumer, RecursiveConstraintConsumer},
    evaluation_frame::StarkEvaluationFrame,
    lookup::Lookup,
    stark::Stark,
};

use super::{
    Table,
    system::{Native, Recursive},
};

/// The STARK of a table. One set of constraints serves all heights.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableStark<T>(PhantomData<T>);

/// The degree of the constraints, which is also what starky's lookups require: two looked-up values to a helper
/// column.
pub const CONSTRAINT_DEGREE: usize = 3;

/// A row and its next one. A wide row does not fit the stack of a thread several times, as starky's frame would.
#[derive(Debug)]
pub struct Frame<T, V> {
    local: Vec<V>,
    next: Vec<V>,
    table: PhantomData<T>,
}

impl<T: Table, V: Copy + Default, U: Copy + Default> StarkEvaluationFrame<V, U> for Frame<T, V> {
    const COLUMNS: usize = T::COLUMNS;
    const PUBLIC_INPUTS: usize = 0;

    fn get_local_values(&self) -> &[V] {
        &self.local
    }

    fn get_next_values(&self) -> &[V] {
        &self.next
    }

    fn get_public_inputs(&self) -> &[U] {
        &[]
    }

    fn from_values(local: &[V], next: &[V], _: &[U]) -> Self {
        Self { local: local.to_vec(), next: next.to_vec(), table: PhantomData }
    }
}

/// The row and the next one of a frame.
fn rows<T: Table, V: Copy + Default>(frame: &Frame<T, V>) -> [Box<T::Row<V>>; 2] {
    let row = |values: &[V]| Box::new(T::Row::decode(values).expect("a frame has the row's columns"));
    [row(&frame.local), row(&frame.next)]
}

impl<T: Table> Stark<F, D> for TableStark<T> {
    type EvaluationFrame<FE, P, const D2: usize>
        = Frame<T, P>
    where
        FE: FieldExtension<D2, BaseField = F>,
        P: PackedField<Scalar = FE>;
    type EvaluationFrameTarget = Frame<T, ExtensionTarget<D>>;

    fn eval_packed_generic<FE, P, const D2: usize>(
        &self,
        vars: &Self::EvaluationFrame<FE, P, D2>,
        consumer: &mut ConstraintConsumer<P>,
    ) where
        FE: FieldExtension<D2, BaseField = F>,
        P: PackedField<Scalar = FE>,
    {
        let [row, next] = rows(vars);
        T::enforce(&mut Native::<FE, P, D2>::new(consumer), &row, &next);
    }

    fn eval_ext_circuit(
        &self,
        builder: &mut Builder,
        vars: &Self::EvaluationFrameTarget,
        consumer: &mut RecursiveConstraintConsumer<F, D>,
    ) {
        let [row, next] = rows(vars);
        T::enforce(&mut Recursive { builder, consumer }, &row, &next);
    }

    fn constraint_degree(&self) -> usize {
        CONSTRAINT_DEGREE
    }

    fn lookups(&self) -> Vec<Lookup<F>> {
        starky_lookups(&self.table_lookups())
    }

    fn requires_ctls(&self) -> bool {
        true
    }
}

impl<T: Table> LookupStark<D> for TableStark<T> {
    fn table_lookups(&self) -> Vec<lookups::Lookup> {
        T::lookups()
    }

    fn cross_table_sums(&self) -> Vec<CrossTableSum> {
        T::sums().into_iter().map(|side| CrossTableSum { tuples: vec![side] }).collect()
    }
}
