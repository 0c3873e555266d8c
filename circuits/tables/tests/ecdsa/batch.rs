//! Proofs of batches, natively and in-circuit.

use std::sync::{Arc, LazyLock};

use circuits_core::{Compiled, D, F};
use circuits_forging::fixtures::cache;
use plonky2::field::{extension::Extendable, types::Field};

use super::fixtures::signed_many;
use circuits_tables::{
    batch::{Batch as _, BatchCircuit, BatchError, BatchProof, prove, prove_trace, verify_batch},
    ecdsa::{
        Claim, SignatureStatement, Signed,
        batch::{SignatureCircuit, SignatureInput, SignatureSize},
        table::{
            lookups::READS_AND_WRITES,
            trace::{Assignment, Trace},
        },
    },
    table::SumError,
};

const SIZE: SignatureSize = SignatureSize::Small;

struct Proven {
    claims: Vec<Claim>,
    proof: BatchProof,
}

impl Proven {
    fn input(&self, claims: &[Claim]) -> SignatureInput {
        SignatureInput { items: claims.to_vec(), proof: self.proof.clone() }
    }

    /// The native verifier's verdict on `claims`, which must be the circuit's too.
    fn verdict(&self, claims: &[Claim]) -> Result<(), BatchError<SignatureSize>> {
        let verdict = verify_batch(SIZE, claims, &self.proof);
        if claims.len() <= SIZE.capacity() {
            let input = self.input(claims);
            match verdict {
                Ok(()) => circuits_forging::assert_accepts(&CIRCUIT, &input),
                Err(_) => {
                    circuits_forging::assert_rejects(&CIRCUIT, &input);
                }
            }
        }
        verdict
    }
}

fn claims(signed: &[Signed]) -> Vec<Claim> {
    signed.iter().map(Signed::claim).collect()
}

/// Four signatures, the last one a duplicate.
static PROVEN: LazyLock<Proven> = LazyLock::new(|| {
    let mut signed = signed_many(3);
    signed.push(signed[1]);
    Proven { claims: claims(&signed), proof: prove(SIZE, &signed).unwrap() }
});

static CIRCUIT: LazyLock<Arc<Compiled<SignatureCircuit>>> =
    LazyLock::new(|| cache().circuit(BatchCircuit(SIZE)).unwrap());

#[test]
fn a_batch_with_a_duplicate_is_proved_natively_and_in_circuit() {
    let proven = &*PROVEN;
    assert_eq!(proven.verdict(&proven.claims), Ok(()));
    let proof = CIRCUIT.prove(&proven.input(&proven.claims)).unwrap();
    assert_eq!(CIRCUIT.statement(&proof).unwrap(), SignatureStatement::new(&proven.claims));
}

#[test]
fn the_circuit_of_a_full_table_is_sound() {
    let mut signed = signed_many(29);
    signed.push(signed[1]);
    let input = SignatureInput { items: claims(&signed), proof: prove(SIZE, &signed).unwrap() };
    let report = circuits_forging::Kit::new(&CIRCUIT).input(&input).run();
    assert!(report.classes > 2000 && report.hints > 10_000, "{report}");
    report.assert_sound();
}

#[test]
fn case_79_a_list_that_is_not_the_proved_one_is_rejected() {
    let proven = &*PROVEN;
    let honest = &proven.claims;
    let mut reordered = honest.clone();
    reordered.swap(0, 2);
    let extended = [&honest[..], &honest[..1]].concat();
    let mut other = honest.clone();
    other[0].hash[0] += F::ONE;
    for list in [&honest[..3], &reordered, &extended, &other, &[]] {
        assert!(proven.verdict(list).is_err());
    }
}

#[test]
fn a_list_above_the_capacity_is_refused() {
    let list = vec![PROVEN.claims[0]; 31];
    assert_eq!(PROVEN.verdict(&list), Err(BatchError::TooMany { capacity: 30, found: 31 }));
}

#[test]
fn an_invalid_signature_has_no_proof() {
    let mut signed = signed_many(2);
    signed[1].hash[0] ^= 1;
    assert!(matches!(prove(SIZE, &signed), Err(BatchError::Item { index: 1, .. })));
    // A prover who does not look gets a proof that does not verify.
    let assignments: Vec<_> = signed.iter().map(Assignment::new).collect();
    let claims = claims(&signed);
    let trace = Trace::new(&assignments, SIZE.degree_bits());
    let verdict = verify_batch(SIZE, &claims, &prove_trace(SIZE, trace.columns(), &claims).unwrap());
    assert!(matches!(verdict, Err(BatchError::Invalid(_))), "{verdict:?}");
}

/// starky's verifier compares no sums: a trace that breaks no rule can read what it has not written, or prove other
/// claims than those listed.
#[test]
fn lookups_across_rows_and_claims_are_compared() {
    let signed = signed_many(2);
    let assignments: Vec<_> = signed.iter().map(Assignment::new).collect();
    let listed = claims(&signed);
    let honest = Trace::new(&assignments, SIZE.degree_bits());
    let mut unread = honest.clone();
    unread.rows[0].reads += F::ONE;
    let mut other = listed.clone();
    other[1].hash[0] += F::ONE;
    let unwritten = SumError::Unbalanced(READS_AND_WRITES.otherwise);
    for (trace, claims, error) in [
        (&unread, &listed, BatchError::Sums(unwritten)),
        (&honest, &other, BatchError::Sums(SumError::OtherList)),
    ] {
        let proof = prove_trace(SIZE, trace.columns(), claims).unwrap();
        assert_eq!(verify_batch(SIZE, claims, &proof), Err(error));
        let input = SignatureInput { items: claims.clone(), proof };
        circuits_forging::assert_rejects(&CIRCUIT, &input);
    }
}

/// What the native checker finds, the real prover cannot prove: the verifier rejects what it makes.
#[test]
fn a_changed_trace_has_no_valid_proof() {
    let signed = signed_many(1);
    let claims = claims(&signed);
    let honest = Trace::new(&[Assignment::new(&signed[0])], SIZE.degree_bits());
    type Change = fn(&mut Trace);
    let changes: [Change; 4] = [
        |trace| trace.rows[40].lambda[3] = F::from_canonical_u64(77),
        |trace| trace.rows[50].carry_high[7] += F::ONE,
        |trace| trace.rows[300].inverse[2] = F::ONE,
        |trace| trace.rows[60].quotient[1] += F::from_canonical_u64(1 << 40),
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut trace = honest.clone();
        change(&mut trace);
        trace.fill_range();
        let verdict = verify_batch(SIZE, &claims, &prove_trace(SIZE, trace.columns(), &claims).unwrap());
        assert!(matches!(verdict, Err(BatchError::Invalid(_))), "change {i}: {verdict:?}");
    }
}

#[test]
fn a_trace_of_another_length_is_refused() {
    let signed = signed_many(1);
    let assignments: Vec<_> = signed.iter().map(Assignment::new).collect();
    let claims = claims(&signed);
    let trace = Trace::new(&assignments, 14);
    let proof = prove_trace(SIZE, trace.columns(), &claims).unwrap();
    assert_eq!(verify_batch(SIZE, &claims, &proof), Err(BatchError::Height { expected: 13, found: 14 }));
}

#[test]
fn case_17_every_part_of_a_proof_is_bound() {
    let proven = &*PROVEN;
    let one = F::ONE;
    let extension = <F as Extendable<D>>::Extension::ONE;
    type Change = Box<dyn Fn(&mut BatchProof)>;
    let mut changes: Vec<Change> = vec![
        Box::new(move |proof| proof.trace_cap.0[3].elements[0] += one),
        Box::new(move |proof| proof.auxiliary_polys_cap.as_mut().unwrap().0[0].elements[1] += one),
        Box::new(move |proof| proof.quotient_polys_cap.as_mut().unwrap().0[15].elements[2] += one),
        Box::new(move |proof| proof.openings.local_values[100] += extension),
        Box::new(move |proof| proof.openings.next_values[100] += extension),
        Box::new(move |proof| proof.openings.auxiliary_polys.as_mut().unwrap()[10] += extension),
        Box::new(move |proof| proof.openings.auxiliary_polys_next.as_mut().unwrap()[10] += extension),
        Box::new(move |proof| proof.openings.quotient_polys.as_mut().unwrap()[1] += extension),
        Box::new(move |proof| proof.opening_proof.pow_witness += one),
        Box::new(move |proof| proof.opening_proof.final_poly.coeffs[0] += extension),
        Box::new(move |proof| proof.opening_proof.commit_phase_merkle_caps[0].0[0].elements[0] += one),
        Box::new(|proof| proof.openings.ctl_zs_first = None),
        Box::new(|proof| proof.openings.ctl_zs_first.as_mut().unwrap().truncate(8)),
    ];
    for sum in 0..9 {
        changes.push(Box::new(move |proof| proof.openings.ctl_zs_first.as_mut().unwrap()[sum] += one));
    }
    for (i, change) in changes.iter().enumerate() {
        let mut proof = proven.proof.clone();
        change(&mut proof);
        let verdict = verify_batch(SIZE, &proven.claims, &proof);
        assert!(verdict.is_err(), "change {i} was accepted");
    }
}

/// starky's verifier checks Merkle proofs as long as there are caps: without the last one, quotients would be free.
#[test]
fn case_17_a_proof_without_the_cap_of_its_quotients_is_malformed() {
    let mut proof = PROVEN.proof.clone();
    proof.quotient_polys_cap = None;
    let error = BatchError::Invalid("the cap of the quotients is missing".to_owned());
    assert_eq!(verify_batch(SIZE, &PROVEN.claims, &proof), Err(error));
}

#[test]
fn case_15_a_proof_of_one_table_is_none_of_another() {
    let proven = &*PROVEN;
    for size in [SignatureSize::Medium, SignatureSize::Large] {
        let expected = BatchError::Height { expected: size.degree_bits(), found: 13 };
        assert_eq!(verify_batch(size, &proven.claims, &proven.proof), Err(expected));
    }
}

#[test]
fn the_smallest_table_that_fits_is_taken() {
    let sizes = [0, 30, 31, 60, 61, 240, 241].map(SignatureSize::fitting);
    use SignatureSize::{Large, Medium, Small};
    assert_eq!(
        sizes.map(|size| size.map(SignatureSize::capacity)),
        [Some(30), Some(30), Some(60), Some(60), Some(240), Some(240), None]
    );
    assert_eq!(sizes[..6], [Some(Small), Some(Small), Some(Medium), Some(Medium), Some(Large), Some(Large)]);
}
