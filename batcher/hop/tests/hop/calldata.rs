//! The recorded proof and its calldata, natively: no circuit is built.

use batcher_hop::{
    HopError, HopProof,
    calldata::{self, CalldataError, calldata_len},
    circuits::keccak_common,
    fixture::Fixture,
    keys::outer_digest,
};
use circuits_core::F;
use circuits_prover::{
    challenger::Challenger,
    keccak::{DIGEST_BYTES, KeccakHasher},
    outer,
};
use plonky2::field::types::{Field as _, Field64 as _};
use proptest::prelude::*;

use super::{RECORDED, element, key, recorded};

/// The goal for calldata, and what of it is not the proof: statement, call and 96 payouts, rounded up.
const GOAL_BYTES: usize = 120_000;
const OTHER_BYTES: usize = 2_048 + 96 * 72;

fn hop(bytes: &[u8], public_inputs: &[F]) -> Result<HopProof, HopError> {
    HopProof::from_calldata(RECORDED.0, bytes, public_inputs)
}

#[test]
fn the_recorded_proof_verifies_with_the_embedded_key() {
    let (digest, public_inputs, calldata) = &*RECORDED;
    assert_eq!(
        *digest,
        outer_digest(key(), keccak_common()),
        "record the proof anew: the circuits have changed"
    );
    let hop = hop(calldata, public_inputs).expect("well-formed");
    assert_eq!(hop.verify(key()), Ok(()));
    assert_eq!(hop.to_calldata(), *calldata);
    assert_eq!(hop.public_inputs(), public_inputs);
    assert!(hop.statement().expect("a statement").l1_block().is_some());
}

#[test]
fn the_record_says_of_the_circuit_and_the_transcript_what_the_program_does() {
    let recorded_text = include_str!("fixture.json");
    let fixture = Fixture::new(&recorded(), key(), keccak_common()).expect("it has challenges");
    let again = serde_json::to_string_pretty(&fixture).expect("it serialises");
    assert_eq!(again.trim(), recorded_text.trim());
    let (mut ours, mut told) = (Challenger::<KeccakHasher>::new(), Challenger::<KeccakHasher>::new());
    ours.observe_fri_params(&keccak_common().fri_params);
    told.observe_elements(&fixture.fri_params_elements.iter().map(|text| element(text)).collect::<Vec<_>>());
    assert_eq!(ours.get_challenge(), told.get_challenge());
}

#[test]
fn a_settlement_with_96_payouts_is_within_the_goal() {
    assert_eq!(calldata_len(keccak_common()), RECORDED.2.len());
    assert!(calldata_len(keccak_common()) + OTHER_BYTES <= GOAL_BYTES);
}

#[test]
fn every_public_input_is_bound() {
    let (_, public_inputs, calldata) = &*RECORDED;
    for index in 0..public_inputs.len() {
        let mut changed = public_inputs.clone();
        changed[index] += F::ONE;
        let result = hop(calldata, &changed).expect("well-formed").verify(key());
        assert!(matches!(result, Err(HopError::Invalid { .. })), "public input {index}: {result:?}");
    }
    for count in [0, public_inputs.len() - 1] {
        let expected = CalldataError::PublicInputs { expected: public_inputs.len(), found: count };
        assert_eq!(hop(calldata, &public_inputs[..count]), Err(expected.into()));
    }
}

#[test]
fn truncated_and_extended_calldata_is_refused() {
    let (_, public_inputs, calldata) = &*RECORDED;
    let expected = calldata.len();
    for found in [0, 1, expected / 2, expected - 1] {
        let error = hop(&calldata[..found], public_inputs).expect_err("too short");
        assert_eq!(error, CalldataError::Length { expected, found }.into());
    }
    let longer = [&calldata[..], &[0]].concat();
    let error = hop(&longer, public_inputs).expect_err("too long");
    assert_eq!(error, CalldataError::Length { expected, found: expected + 1 }.into());
}

#[test]
fn a_flipped_bit_is_refused_wherever_it_is() {
    let (_, public_inputs, calldata) = &*RECORDED;
    // A step without common factors with the lengths of parts and queries.
    for position in (0..calldata.len()).step_by(331).chain([calldata.len() - 1]) {
        let mut changed = calldata.clone();
        changed[position] ^= 1 << (position % 8);
        let refused = hop(&changed, public_inputs).and_then(|hop| hop.verify(key()));
        assert!(refused.is_err(), "byte {position}");
    }
}

#[test]
fn a_second_encoding_of_an_element_is_refused() {
    let (_, public_inputs, calldata) = &*RECORDED;
    // The first opening, behind the caps of three trees.
    let position = 3 * 16 * DIGEST_BYTES;
    for found in [F::ORDER, u64::MAX] {
        let mut changed = calldata.clone();
        changed[position..position + 8].copy_from_slice(&found.to_be_bytes());
        let error = hop(&changed, public_inputs).expect_err("not canonical");
        assert_eq!(error, CalldataError::NotCanonical { position, found }.into());
    }
}

#[test]
fn a_hop_of_another_key_is_refused() {
    let (digest, public_inputs, calldata) = &*RECORDED;
    let mut other = key().clone();
    other.circuit_digest.0[0] ^= 1;
    let hop = hop(calldata, public_inputs).expect("well-formed");
    let expected = outer_digest(&other, keccak_common());
    assert_eq!(hop.verify(&other), Err(HopError::OtherKey { expected, found: *digest }));
    // With the digest of the other key it does not verify either.
    let relabelled = HopProof::from_calldata(expected, calldata, public_inputs).expect("well-formed");
    assert!(matches!(relabelled.verify(&other), Err(HopError::Invalid { .. })));
    let mut other = key().clone();
    other.constants_sigmas_cap.0[5].0[3] ^= 1;
    assert!(outer::verify(hop.proof(), &other, keccak_common()).is_err());
}

proptest! {
    #[test]
    fn calldata_is_read_back_whatever_it_says(seed: u64) {
        // Elements below 2^63 are canonical, and digests are any bytes.
        let mut state = seed;
        let mut calldata = vec![0; calldata_len(keccak_common())];
        for byte in &mut calldata {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 57) as u8;
        }
        let public_inputs = recorded().public_inputs;
        let decoded = calldata::decode(&calldata, &public_inputs, keccak_common());
        prop_assert_eq!(decoded.map(|proof| calldata::encode(&proof)), Ok(calldata));
    }
}
