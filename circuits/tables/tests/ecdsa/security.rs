//! The bits of security of the STARK.

use circuits_tables::ecdsa::batch::BatchSize;

fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 0.05, "{found} is not {expected}");
}

#[test]
fn the_signature_stark_has_100_bits_conjectured() {
    for size in BatchSize::ALL {
        let report = size.security();
        // 42 queries of 2 bits and 16 bits of grinding.
        assert_near(report.fri_conjectured, 100.0);
        assert_near(report.conjectured(), 100.0);
        assert!(report.fri_proven > 54.0 && report.fri_proven < 58.0, "{report}");
        assert_eq!(report.permutation, None);
    }
    // 3 (64 - 16 - log2 201).
    let large = BatchSize::Large.security();
    assert_near(large.lookup.unwrap(), 121.05);
}
