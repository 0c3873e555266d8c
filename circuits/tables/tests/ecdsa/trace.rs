//! Traces of honest signatures, ordinary and exceptional.

use circuits_core::F;
use k256::{Scalar, elliptic_curve::PrimeField};
use plonky2::field::types::Field;

use super::fixtures::{SHORT, faults_of, sign, signed_many};
use circuits_tables::ecdsa::{
    Claim, Signed,
    table::{
        check::violations,
        columns::COLUMNS,
        limbs::{Fn, LAMBDA, SCALAR_BITS, split},
        rows_per_signature,
        trace::{Assignment, Trace},
    },
};

#[test]
fn a_signature_has_273_rows_of_307_columns() {
    assert_eq!(rows_per_signature(), 273);
    assert_eq!(COLUMNS, 307);
    assert_eq!([13, 14, 16].map(|bits| (1 << bits) / rows_per_signature()), [30, 60, 240]);
}

#[test]
fn honest_signatures_break_no_rule() {
    for count in [0, 1, 30] {
        let signed = signed_many(count);
        let assignments: Vec<_> = signed.iter().map(Assignment::new).collect();
        let claims: Vec<Claim> = signed.iter().map(Signed::claim).collect();
        let found = violations(&Trace::new(&assignments, 13), &claims);
        assert!(found.is_empty(), "{count} signatures: {:?}", &found[..found.len().min(20)]);
    }
}

/// Secret keys whose public keys meet `G`, `lambda G` and their sum in every way while multiples are added.
fn exceptional_secrets() -> Vec<[u8; 32]> {
    let lambda = Option::<Scalar>::from(Scalar::from_repr(LAMBDA.to_be_bytes().into())).unwrap();
    let one = Scalar::ONE;
    let square = lambda * lambda;
    let mut secrets = vec![one, lambda, square, one + lambda, one - lambda, lambda - one, one + one];
    secrets.extend(secrets.clone().into_iter().map(|secret| -secret));
    // Q + lQ = G, lG: (1 + lambda)^-1.
    let inverse = Option::<Scalar>::from((one + lambda).invert()).unwrap();
    secrets.extend([inverse, -inverse, lambda * inverse, -lambda * inverse]);
    secrets.into_iter().map(|secret| secret.to_bytes().into()).collect()
}

#[test]
fn case_33_equal_and_opposite_points_are_added_completely() {
    let (mut tangents, mut opposites, mut kept, mut taken) = (0, 0, 0, 0);
    for secret in exceptional_secrets() {
        let assignment = Assignment::new(&sign(secret, [3; 32]));
        assert!(faults_of(&assignment).is_empty(), "{}", hex::encode(secret));
        for row in Trace::new(&[assignment], SHORT).rows.iter().filter(|row| row.double == F::ZERO) {
            tangents += usize::from(row.tangent == F::ONE);
            opposites += usize::from(row.opposite == F::ONE);
            kept += usize::from(row.keep == F::ONE && row.inf == F::ONE);
            taken += usize::from(row.take == F::ONE && row.inf == F::ONE);
        }
    }
    assert!(tangents > 5 && opposites > 5 && kept > 5 && taken > 5, "{tangents} {opposites} {kept} {taken}");
}

#[test]
fn extreme_hashes_are_signed() {
    for hash in [[0; 32], [255; 32], LAMBDA.to_be_bytes().into()] {
        let signed = sign([5; 32], hash);
        signed.verify().unwrap();
        assert!(faults_of(&Assignment::new(&signed)).is_empty(), "{}", hex::encode(hash));
    }
}

#[test]
fn scalars_split_into_two_of_129_bits() {
    let mut scalar = Fn::new(&LAMBDA);
    for _ in 0..1000 {
        scalar = scalar * scalar + Fn::ONE;
        let value = scalar.retrieve();
        let (low, high) = split(&value);
        assert!(low.bits() as usize <= SCALAR_BITS && high.bits() as usize <= SCALAR_BITS);
        assert_eq!(Fn::new(&low) + Fn::new(&high) * Fn::new(&LAMBDA), scalar);
    }
    for edge in [Fn::ZERO, Fn::ONE, -Fn::ONE, Fn::new(&LAMBDA), -Fn::new(&LAMBDA)] {
        let (low, high) = split(&edge.retrieve());
        assert!(low.bits() as usize <= SCALAR_BITS && high.bits() as usize <= SCALAR_BITS);
        assert_eq!(Fn::new(&low) + Fn::new(&high) * Fn::new(&LAMBDA), edge);
    }
}
