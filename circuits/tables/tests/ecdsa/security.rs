//! The bits of security of the STARK.

use circuits_tables::ecdsa::{
    batch::BatchSize,
    table::{self, SignatureStark, lookups},
};
use plonky2::field::{extension::Extendable, types::Field};
use starky::stark::Stark as _;

use circuits_prover::basetypes::{D, F};

#[test]
fn the_signature_stark_has_the_bits_computed_by_hand() {
    for size in BatchSize::ALL {
        let report = size.security();
        // 42 queries of 2 bits and 16 bits of grinding.
        assert!((report.capacity_conjecture - 100.0).abs() < 0.05, "{report}");
        // 42 + 16 for large m, which the extension field does not allow.
        assert!(report.proven() > 54.0 && report.proven() < 58.0, "{report}");
        assert_eq!(report.permutation, None);
        // 3 (64 - 16 - log2 201) for the largest table and one codeword; lists have less than 2^14.
        assert!(report.lookup.unwrap() > 121.0 - 14.0, "{report}");
    }
}

#[test]
fn a_proof_opens_the_evaluations_that_are_counted() {
    let config = BatchSize::Small.config();
    let sums = config.num_challenges * lookups::SUMS;
    let instance =
        SignatureStark.fri_instance(<F as Extendable<D>>::Extension::ZERO, F::ONE, 0, vec![0; sums], &config);
    let opened: usize = instance.batches.iter().map(|batch| batch.polynomials.len()).sum();
    assert_eq!(table::num_openings(&config), opened);
}
