//! The constraints and lookups as starky takes them.

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
    evaluation_frame::{StarkEvaluationFrame, StarkFrame},
    lookup::Lookup,
    stark::Stark,
};

use super::{
    columns::{COLUMNS, Row},
    lookups::{range_lookup, sums},
    rules,
    system::{Native, Recursive},
};

/// The signature table. One set of constraints serves all heights.
#[derive(Clone, Copy, Debug)]
pub struct SignatureStark;

/// The degree of the constraints, which is also what starky's lookups require: two looked-up values to a helper
/// column.
pub const CONSTRAINT_DEGREE: usize = 3;

fn rows<T: Copy + Default, V: Copy + Default, Frame: StarkEvaluationFrame<T, V>>(
    frame: &Frame,
) -> (Row<T>, Row<T>) {
    let row = |values: &[T]| Row::decode(values).expect("a frame has the row's columns");
    (row(frame.get_local_values()), row(frame.get_next_values()))
}

impl Stark<F, D> for SignatureStark {
    type EvaluationFrame<FE, P, const D2: usize>
        = StarkFrame<P, P::Scalar, COLUMNS, 0>
    where
        FE: FieldExtension<D2, BaseField = F>,
        P: PackedField<Scalar = FE>;
    type EvaluationFrameTarget = StarkFrame<ExtensionTarget<D>, ExtensionTarget<D>, COLUMNS, 0>;

    fn eval_packed_generic<FE, P, const D2: usize>(
        &self,
        vars: &Self::EvaluationFrame<FE, P, D2>,
        consumer: &mut ConstraintConsumer<P>,
    ) where
        FE: FieldExtension<D2, BaseField = F>,
        P: PackedField<Scalar = FE>,
    {
        let (row, next) = rows(vars);
        rules::enforce(&mut Native::<FE, P, D2>::new(consumer), &row, &next);
    }

    fn eval_ext_circuit(
        &self,
        builder: &mut Builder,
        vars: &Self::EvaluationFrameTarget,
        consumer: &mut RecursiveConstraintConsumer<F, D>,
    ) {
        let (row, next) = rows(vars);
        rules::enforce(&mut Recursive { builder, consumer }, &row, &next);
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

impl LookupStark<D> for SignatureStark {
    fn table_lookups(&self) -> Vec<lookups::Lookup> {
        vec![range_lookup()]
    }

    fn cross_table_sums(&self) -> Vec<CrossTableSum> {
        sums()
    }
}
