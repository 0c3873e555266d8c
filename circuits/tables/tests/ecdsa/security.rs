//! The bits of security of the STARK.

use circuits_tables::{
    batch::{Batch as _, security},
    ecdsa::{batch::SignatureSize, table::SignatureTable},
    table::{self, Table as _, TableStark},
};
use plonky2::field::{extension::Extendable, types::Field};
use starky::stark::Stark as _;

use circuits_prover::basetypes::{D, F};

#[test]
fn the_signature_stark_has_the_bits_computed_by_hand() {
    for &size in SignatureSize::ALL {
        let report = security(size);
        // 20 + 81 (1 - log2 (1 + 1 / 8000)): for the largest m that is tried, the queries are still the weakest round.
        assert!((report.queries - 100.985).abs() < 0.001, "{report}");
        assert_eq!(report.proven(), report.queries);
        // 256 - log2 1255 - 7 log2 4000.5 - 2 * 18 - 3 + log2 3 for the largest table.
        assert!(report.batching > 124.5, "{report}");
        // 256 - log2 15 - 7 log2 4000.5 - 2 * 14 - 3 + log2 3.
        assert!(report.folding.unwrap() > 138.9, "{report}");
        assert_eq!(report.permutation, None);
        // 3 (64 - 16 - log2 201) for the largest table and one codeword; lists have less than 2^14.
        assert!(report.lookup.unwrap() > 121.0 - 14.0, "{report}");
        // 81 queries of 2 bits and 20 bits of grinding.
        assert!((report.capacity_conjecture - 182.0).abs() < 0.05, "{report}");
    }
}

#[test]
fn a_proof_opens_the_evaluations_that_are_counted() {
    let config = SignatureSize::Small.config();
    let sums = config.num_challenges * SignatureTable::sums().len();
    let instance = TableStark::<SignatureTable>::default().fri_instance(
        <F as Extendable<D>>::Extension::ZERO,
        F::ONE,
        0,
        vec![0; sums],
        &config,
    );
    let opened: usize = instance.batches.iter().map(|batch| batch.polynomials.len()).sum();
    assert_eq!(table::num_openings::<SignatureTable>(&config), opened);
}
