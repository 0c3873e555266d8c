//! Proofs are those of starky's prover.

use circuits_core::F;
use plonky2::field::types::Field;
use starky::proof::{StarkOpeningSet, StarkProof};

use super::fixtures::signed_many;
use circuits_tables::{
    batch::{Batch as _, BatchProof, prove_trace, prove_trace_with_starky, prove_with_nonce, verify_batch},
    ecdsa::{
        Claim, Signed,
        batch::SignatureSize,
        table::trace::{Assignment, Trace},
    },
};

const SIZE: SignatureSize = SignatureSize::Small;

fn assert_equal(ours: BatchProof, starky: BatchProof) {
    let StarkProof { trace_cap, auxiliary_polys_cap, quotient_polys_cap, openings, opening_proof } = ours;
    assert_eq!(trace_cap, starky.trace_cap);
    assert_eq!(auxiliary_polys_cap, starky.auxiliary_polys_cap);
    assert_eq!(quotient_polys_cap, starky.quotient_polys_cap);
    let StarkOpeningSet {
        local_values,
        next_values,
        auxiliary_polys,
        auxiliary_polys_next,
        ctl_zs_first,
        quotient_polys,
    } = openings;
    assert_eq!(local_values, starky.openings.local_values);
    assert_eq!(next_values, starky.openings.next_values);
    assert_eq!(auxiliary_polys, starky.openings.auxiliary_polys);
    assert_eq!(auxiliary_polys_next, starky.openings.auxiliary_polys_next);
    assert_eq!(ctl_zs_first, starky.openings.ctl_zs_first);
    assert_eq!(quotient_polys, starky.openings.quotient_polys);
    assert_eq!(opening_proof, starky.opening_proof);
}

/// Also of a trace that breaks rules, whose proof verifies with neither.
#[test]
fn proofs_of_signatures_are_those_of_starky() {
    let signed = signed_many(3);
    let claims: Vec<Claim> = signed.iter().map(Signed::claim).collect();
    let assignments: Vec<_> = signed.iter().map(Assignment::new).collect();
    let honest = Trace::new(&assignments, SIZE.degree_bits());
    let mut broken = honest.clone();
    broken.rows[40].lambda[3] += F::ONE;
    broken.rows[70].read = F::TWO;
    for (trace, valid) in [(honest, true), (broken, false)] {
        let starky = prove_trace_with_starky(SIZE, trace.columns(), &claims).unwrap();
        let nonce = Some(starky.opening_proof.pow_witness);
        let ours = prove_with_nonce(SIZE, trace.columns(), &claims, nonce).unwrap();
        assert_eq!(verify_batch(SIZE, &claims, &ours).is_ok(), valid);
        assert_equal(ours, starky);
    }
}

#[test]
fn the_proof_is_a_function_of_the_trace() {
    let signed = signed_many(1);
    let claims: Vec<Claim> = signed.iter().map(Signed::claim).collect();
    let trace = Trace::new(&[Assignment::new(&signed[0])], SIZE.degree_bits());
    let [first, second] = [(); 2].map(|()| prove_trace(SIZE, trace.columns(), &claims).unwrap());
    assert_equal(first, second);
}
