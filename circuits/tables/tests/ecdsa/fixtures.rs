//! Signatures by `k256`, and the verdict of the trace checker on any numbers.

use std::collections::BTreeSet;

use k256::{
    U256,
    ecdsa::{SigningKey, signature::hazmat::PrehashSigner},
};

use circuits_tables::{
    ecdsa::{
        Claim, PublicKey, Signature, Signed,
        table::{
            check::{Violation, broken_rules, out_of_range, wrong_sums},
            limbs::Point,
            rows_per_signature,
            trace::{Assignment, Trace},
        },
        to_words,
    },
    table::SumError,
};

/// Rows of a trace of one signature, as a logarithm. The range table is longer, so its own rules do not hold there.
pub(super) const SHORT: usize = 9;

/// The signature of `hash` under the secret key `secret`.
pub(super) fn sign(secret: [u8; 32], hash: [u8; 32]) -> Signed {
    let key = SigningKey::from_slice(&secret).unwrap();
    let signature: k256::ecdsa::Signature = key.sign_prehash(&hash).unwrap();
    Signed {
        key: PublicKey::from_affine(key.verifying_key().as_affine()).unwrap(),
        hash,
        signature: Signature::from_bytes(&signature.to_bytes()).unwrap(),
    }
}

/// One signature.
pub(super) fn signed() -> Signed {
    sign([7; 32], [9; 32])
}

/// Signatures under different keys.
pub(super) fn signed_many(count: usize) -> Vec<Signed> {
    (0..count).map(|i| sign([i as u8 + 1; 32], [(i * 7) as u8; 32])).collect()
}

/// The claim that an assignment makes.
pub(super) fn claim(assignment: &Assignment) -> Claim {
    let words = |value: &U256| to_words(&value.to_be_bytes().into());
    Claim { key_x: words(&assignment.key.x), key_y: words(&assignment.key.y), hash: words(&assignment.hash) }
}

/// The integer `value`.
pub(super) fn integer(value: u64) -> U256 {
    U256::from_u64(value)
}

/// A point by its coordinates.
pub(super) fn point(x: U256, y: U256) -> Point {
    Point { x, y, inf: false }
}

/// What is wrong with a short trace of one signature and one row of padding, apart from the range table.
pub(super) fn faults(trace: &Trace, claim: &Claim) -> BTreeSet<&'static str> {
    let rows = rows_per_signature() + 1;
    let mut found: BTreeSet<_> = (0..rows).flat_map(|row| broken_rules(trace, row)).collect();
    for (index, row) in trace.rows[..rows].iter().enumerate() {
        if !out_of_range(row, index).is_empty() {
            found.insert("range");
        }
    }
    found.extend(wrong_sums(trace, &[*claim]).iter().map(name));
    found
}

/// What is wrong with an honestly computed trace of `assignment`.
pub(super) fn faults_of(assignment: &Assignment) -> BTreeSet<&'static str> {
    faults(&Trace::new(&[*assignment], SHORT), &claim(assignment))
}

pub(super) fn name(violation: &Violation) -> &'static str {
    match violation {
        Violation::Rule { rule, .. } => rule,
        Violation::Range { .. } => "range",
        Violation::Uses => "uses",
        Violation::Sum(SumError::Unbalanced(_)) => "memory",
        Violation::Sum(SumError::OtherList) => "claims",
    }
}
