//! Forged signatures and forged traces, each with the rule that stops it.

use std::collections::BTreeSet;

use circuits_core::F;
use k256::U256;
use plonky2::field::types::Field;

use super::fixtures::{SHORT, claim, faults, faults_of, integer, point, sign, signed, signed_many};
use circuits_tables::{
    ecdsa::{
        Signed,
        table::{
            check::{Violation, violations},
            limbs::{Fn, Fp, HALF_ORDER, ORDER, Point, limbs},
            trace::{Assignment, Trace, refill},
        },
    },
    table::{SumError, system::int},
};

const PRIME: U256 = U256::from_be_hex("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f");

fn names(rules: &[&'static str]) -> BTreeSet<&'static str> {
    rules.iter().copied().collect()
}

/// The faults are broken identities and nothing else.
#[track_caller]
fn assert_identity_broken(found: &BTreeSet<&'static str>) {
    assert!(
        !found.is_empty() && found.iter().all(|rule| ["an identity holds", "range"].contains(rule)),
        "{found:?}"
    );
}

fn honest() -> Assignment {
    Assignment::new(&signed())
}

/// A point by its first coordinate, if there is one.
fn lift(x: U256) -> Option<Point> {
    let value = Fp::new(&x);
    let square = value * value * value + Fp::new(&integer(7));
    // p = 3 mod 4: a square root is the power (p + 1) / 4.
    let root = square.pow(&PRIME.wrapping_add(&U256::ONE).shr_vartime(2));
    (root * root == square).then(|| point(x, root.retrieve()))
}

/// The key under which `(r, s)` signs `hash` with the nonce's point `nonce`: `(s R - hash G) / r`.
fn key_for(nonce: Point, hash: U256, r: U256, s: U256) -> Point {
    use k256::{
        AffinePoint, ProjectivePoint, Scalar, Sec1Point,
        elliptic_curve::{
            PrimeField,
            sec1::{FromSec1Point, ToSec1Point},
        },
    };
    let scalar = |value: U256| {
        Option::<Scalar>::from(Scalar::from_repr(Fn::new(&value).retrieve().to_be_bytes().into())).unwrap()
    };
    let encoded = Sec1Point::from_affine_coordinates(
        &nonce.x.to_be_bytes().into(),
        &nonce.y.to_be_bytes().into(),
        false,
    );
    let nonce =
        ProjectivePoint::from(Option::<AffinePoint>::from(AffinePoint::from_sec1_point(&encoded)).unwrap());
    let inverse = Option::<Scalar>::from(scalar(r).invert()).unwrap();
    let key = (nonce * scalar(s) - ProjectivePoint::GENERATOR * scalar(hash)) * inverse;
    let encoded = key.to_affine().to_sec1_point(false);
    let coordinate = |bytes: &[u8]| U256::from_be_slice(bytes);
    point(coordinate(encoded.x().unwrap().as_slice()), coordinate(encoded.y().unwrap().as_slice()))
}

#[test]
fn a_wrong_r_s_hash_or_key_breaks_the_last_identity_only() {
    let signed = signed();
    let Assignment { key, hash, r, s, .. } = honest();
    let one = integer(1);
    let other_key = Assignment::new(&sign([8; 32], signed.hash)).key;
    for assignment in [
        Assignment::of(key, hash, r.wrapping_add(&one), s),
        Assignment::of(key, hash, r, s.wrapping_add(&one)),
        Assignment::of(key, hash.wrapping_add(&one), r, s),
        Assignment::of(other_key, hash, r, s),
    ] {
        assert_identity_broken(&faults_of(&assignment));
    }
}

#[test]
fn case_11_numbers_out_of_range_are_rejected() {
    let Assignment { key, hash, r, s, .. } = honest();
    // The other signature: same r, and everything but s <= (n - 1) / 2 holds.
    let high = Assignment::of(key, hash, r, ORDER.wrapping_sub(&s));
    assert_identity_broken(&faults_of(&high));
    let above = Assignment::of(key, hash, r, s.wrapping_add(&ORDER));
    assert_identity_broken(&faults_of(&above));
    let bound = HALF_ORDER.wrapping_add(&integer(1));
    let nonce = Point::G;
    assert_identity_broken(&faults_of(&Assignment::of(
        key_for(nonce, hash, nonce.x, bound),
        hash,
        nonce.x,
        bound,
    )));
    let at_bound = Assignment::of(key_for(nonce, hash, nonce.x, HALF_ORDER), hash, nonce.x, HALF_ORDER);
    assert_eq!(faults_of(&at_bound), names(&[]));
    // r = 1 and r = n + 1 are the same modulo n.
    let nonce = lift(integer(1)).unwrap();
    let key = key_for(nonce, hash, integer(1), s);
    assert_eq!(faults_of(&Assignment::of(key, hash, integer(1), s)), names(&[]));
    assert_identity_broken(&faults_of(&Assignment::of(key, hash, ORDER.wrapping_add(&integer(1)), s)));
}

#[test]
fn case_32_r_or_s_zero_is_rejected() {
    let Assignment { key, hash, r, s, .. } = honest();
    assert!(faults_of(&Assignment::of(key, hash, U256::ZERO, s)).contains("r is not 0"));
    assert!(faults_of(&Assignment::of(key, hash, r, U256::ZERO)).contains("s is not 0"));
    // With s = 0 and hash and r chosen to fit, nothing else would be wrong.
    let point = Assignment { scalars: [integer(1), U256::ZERO, U256::ZERO, U256::ZERO], ..honest() };
    let forged = Assignment { hash: U256::ZERO, r: U256::ZERO, s: U256::ZERO, v: U256::ZERO, ..point };
    let found = faults_of(&forged);
    assert!(found.contains("r is not 0") && found.contains("s is not 0"), "{found:?}");
}

#[test]
fn r_is_the_first_coordinate_modulo_the_group_order() {
    let hash = honest().hash;
    // The field prime is 2^129 - something above n: find a point with first coordinate from n on.
    let mut offset = integer(1);
    let nonce = loop {
        if let Some(point) = lift(ORDER.wrapping_add(&offset)) {
            break point;
        }
        offset = offset.wrapping_add(&integer(1));
    };
    let s = integer(12345);
    let assignment = Assignment::of(key_for(nonce, hash, offset, s), hash, offset, s);
    assert_eq!(faults_of(&assignment), names(&[]));
    let unreduced = Assignment::of(assignment.key, hash, nonce.x, s);
    assert_identity_broken(&faults_of(&unreduced));
}

#[test]
fn a_key_off_the_curve_is_rejected() {
    let Assignment { key, hash, r, s, .. } = honest();
    let off = point(key.x, key.y.wrapping_add(&integer(1)));
    assert_identity_broken(&faults_of(&Assignment::of(off, hash, r, s)));
}

#[test]
fn a_key_at_infinity_is_rejected() {
    let Assignment { hash, r, s, .. } = honest();
    let found = faults_of(&Assignment::of(Point::INFINITY, hash, r, s));
    assert!(found.contains("key and result are finite"), "{found:?}");
    assert_identity_broken(&faults_of(&Assignment::of(point(U256::ZERO, U256::ZERO), hash, r, s)));
}

#[test]
fn a_key_that_is_not_canonical_is_rejected() {
    let Assignment { hash, s, .. } = honest();
    let key = lift(integer(1)).unwrap();
    let large = point(key.x.wrapping_add(&PRIME), key.y);
    let found = faults_of(&Assignment::of(large, hash, integer(1), s));
    assert!(found.contains("a coordinate is below the field prime"), "{found:?}");
}

#[test]
fn a_sum_at_infinity_is_rejected() {
    let Assignment { key, r, s, .. } = honest();
    // hash G + r Q = 0 for Q = 7...7 G.
    let secret = Fn::new(&U256::from_be_slice(&[7; 32]));
    let hash = (-(Fn::new(&r) * secret)).retrieve();
    let found = faults_of(&Assignment::of(key, hash, r, s));
    assert!(found.contains("key and result are finite"), "{found:?}");
}

/// The honest trace of a signature under the key `G`: row `table 8` doubles where it adds `G` to `Q`.
fn trace_with_equal_points() -> (Assignment, Trace) {
    let mut secret = [0; 32];
    secret[31] = 1;
    let assignment = Assignment::new(&sign(secret, [3; 32]));
    let trace = Trace::new(&[assignment], SHORT);
    assert_eq!(trace.rows[9].tangent, F::ONE);
    (assignment, trace)
}

#[test]
fn case_33_a_chord_through_equal_points_is_rejected() {
    let (assignment, mut trace) = trace_with_equal_points();
    trace.rows[9].tangent = F::ZERO;
    trace.rows[9].chord = F::ONE;
    refill(&mut trace, 9);
    // The slope is that of the tangent, so that the results stay.
    let rule = "chord and opposite have different coordinates";
    assert_eq!(faults(&trace, &claim(&assignment)), names(&[rule]));
    // No inverse helps.
    trace.rows[9].inverse = [int(17); 7];
    assert_eq!(faults(&trace, &claim(&assignment)), names(&[rule]));
}

#[test]
fn equal_points_that_are_called_opposite_are_rejected() {
    let (assignment, mut trace) = trace_with_equal_points();
    trace.rows[9].tangent = F::ZERO;
    trace.rows[9].opposite = F::ONE;
    let found = faults(&trace, &claim(&assignment));
    assert!(found.contains("chord and opposite have different coordinates"), "{found:?}");
}

#[test]
fn a_tangent_through_different_points_is_rejected() {
    let assignment = honest();
    let mut trace = Trace::new(&[assignment], SHORT);
    assert_eq!(trace.rows[9].chord, F::ONE);
    trace.rows[9].chord = F::ZERO;
    trace.rows[9].tangent = F::ONE;
    trace.rows[9].inverse = [F::ZERO; 7];
    let found = faults(&trace, &claim(&assignment));
    assert!(found.contains("tangent and opposite have the same x"), "{found:?}");
    assert!(found.contains("a tangent has the same y"), "{found:?}");
}

#[test]
fn case_10_a_slope_is_not_believed() {
    let assignment = honest();
    let mut trace = Trace::new(&[assignment], SHORT);
    // Slope and quotients of an addition, any other slope with the quotients that fit best.
    let row = 30;
    trace.rows[row].lambda = limbs(&integer(5)).map(int);
    refill(&mut trace, row);
    assert_identity_broken(&faults(&trace, &claim(&assignment)));
}

#[test]
fn a_quotient_beyond_its_limbs_is_rejected() {
    let assignment = honest();
    let mut trace = Trace::new(&[assignment], SHORT);
    // Moving one unit of the second limb into the first keeps the value, and the identities.
    trace.rows[30].quotient[0] += int(1 << 13);
    trace.rows[30].quotient[1] -= F::ONE;
    assert!(faults(&trace, &claim(&assignment)).contains("range"));
}

#[test]
fn swapped_bits_are_rejected() {
    let assignment = honest();
    let [a1, a2, b1, b2] = assignment.scalars;
    // Another sum, with the limbs of the honest scalars.
    let swapped = Assignment { scalars: [a2, a1, b1, b2], ..assignment };
    assert_identity_broken(&faults_of(&swapped));
    let mut trace = Trace::new(&[assignment], SHORT);
    let other = Trace::new(&[swapped], SHORT);
    // The rows of another sum before the rows of the honest numbers.
    trace.rows[..271].copy_from_slice(&other.rows[..271]);
    let found = faults(&trace, &claim(&assignment));
    assert!(found.contains("a scalar is read bit by bit"), "{found:?}");
    trace.rows[271].words = other.rows[271].words;
    trace.rows[272].words = other.rows[272].words;
    let found = faults(&trace, &claim(&assignment));
    assert!(found.contains("a scalar's limbs are its words"), "{found:?}");
}

#[test]
fn a_claim_of_another_key_than_the_signers_is_rejected() {
    let assignment = honest();
    let other = Assignment::new(&sign([8; 32], [9; 32]));
    let mut trace = Trace::new(&[assignment], SHORT);
    let theirs = Trace::new(&[other], SHORT);
    trace.rows[272].tx = theirs.rows[272].tx;
    trace.rows[272].ty = theirs.rows[272].ty;
    let claimed = circuits_tables::ecdsa::Claim { hash: claim(&assignment).hash, ..claim(&other) };
    assert_eq!(faults(&trace, &claimed), names(&["memory"]));
}

#[test]
fn a_multiple_of_another_signature_is_not_read() {
    let signed = signed_many(2);
    let assignments: Vec<_> = signed.iter().map(Assignment::new).collect();
    let claims: Vec<_> = signed.iter().map(Signed::claim).collect();
    let mut trace = Trace::new(&assignments, 13);
    // The second signature under the number of the first: every multiple would have two values.
    for row in &mut trace.rows[273..546] {
        row.index = F::ZERO;
    }
    let found: BTreeSet<_> = violations(&trace, &claims).iter().map(super::fixtures::name).collect();
    assert_eq!(found, names(&["signatures are numbered", "claims"]));
}

#[test]
fn case_12_padding_makes_no_claim() {
    let assignment = honest();
    let mut trace = Trace::new(&[assignment], SHORT);
    trace.rows[273].claim = F::ONE;
    let found = faults(&trace, &claim(&assignment));
    assert!(
        found.contains("row kinds follow each other") && found.contains("a row has one kind"),
        "{found:?}"
    );
}

#[test]
fn case_16_a_signature_that_is_cut_off_is_rejected() {
    let assignment = honest();
    let mut trace = Trace::new(&[assignment], SHORT);
    let padding = trace.rows[300];
    // The last addition is missing, and everything after it.
    trace.rows[269..].fill(padding);
    let found = faults(&trace, &claim(&assignment));
    assert!(found.contains("row kinds follow each other") && found.contains("claims"), "{found:?}");
}

#[test]
fn case_79_claims_come_in_the_order_of_the_list() {
    let signed = signed_many(3);
    let assignments: Vec<_> = signed.iter().map(Assignment::new).collect();
    let mut claims: Vec<_> = signed.iter().map(Signed::claim).collect();
    let trace = Trace::new(&assignments, 13);
    assert!(violations(&trace, &claims).is_empty());
    claims.swap(0, 1);
    assert_eq!(violations(&trace, &claims), [Violation::Sum(SumError::OtherList)]);
}

#[test]
fn a_duplicate_signature_is_two_claims() {
    let signed = [signed(), signed()];
    let assignments: Vec<_> = signed.iter().map(Assignment::new).collect();
    let claims: Vec<_> = signed.iter().map(Signed::claim).collect();
    assert!(violations(&Trace::new(&assignments, 13), &claims).is_empty());
}
