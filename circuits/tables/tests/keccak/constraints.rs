//! The constraints as a whole: one text for all evaluations, and degree 3.

use circuits_prover::basetypes::{C, D, F};
use circuits_tables::{keccak::table::KeccakTable, table::TableStark};
use starky::stark_testing::{test_stark_circuit_constraints, test_stark_low_degree};

type KeccakStark = TableStark<KeccakTable>;

#[test]
fn natively_and_in_circuit_the_constraints_have_the_same_values() {
    test_stark_circuit_constraints::<F, C, KeccakStark, D>(KeccakStark::default()).unwrap();
}

#[test]
fn the_constraints_have_degree_3() {
    test_stark_low_degree::<F, KeccakStark, D>(KeccakStark::default()).unwrap();
}
