//! Keys, signatures and claims, natively.

use circuits_core::{
    circuit::Definition,
    digest::{Digest, DigestTarget},
    layout::{self, WitnessError},
};
use circuits_prover::basetypes::{Builder, F, standard_config};
use k256::{
    ProjectivePoint, Scalar,
    elliptic_curve::{PrimeField, scalar::IsHigh},
};
use plonky2::{field::types::Field, iop::target::Target, plonk::circuit_data::CircuitConfig};

use super::fixtures::signed;
use circuits_tables::ecdsa::{
    Claim, EcdsaError, PublicKey, Signature, Signed, append, append_circuit, empty_claims, from_words,
    to_words, verify,
};

const N: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const HALF: &str = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";

fn bytes(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn an_honest_signature_holds_and_no_other_hash_or_key() {
    let signed = signed();
    assert_eq!(signed.verify(), Ok(()));
    let other = Signed { hash: [8; 32], ..signed };
    assert!(matches!(other.verify(), Err(EcdsaError::Wrong { .. })));
    let negated = PublicKey::from_affine(&-signed.key.to_affine()).unwrap();
    let other = Signed { key: negated, ..signed };
    assert!(matches!(other.verify(), Err(EcdsaError::Wrong { .. })));
}

#[test]
fn numbers_out_of_range_have_errors_of_their_own() {
    let Signed { key, hash, signature } = signed();
    let n = bytes(N);
    let mut above_half = bytes(HALF);
    above_half[31] += 1;
    for (changed, error) in [
        (Signature { r: [0; 32], ..signature }, EcdsaError::ZeroR),
        (Signature { s: [0; 32], ..signature }, EcdsaError::ZeroS),
        (Signature { r: n, ..signature }, EcdsaError::LargeR(N.into())),
        (Signature { s: n, ..signature }, EcdsaError::LargeS(N.into())),
        (Signature { s: above_half, ..signature }, EcdsaError::HighS(hex::encode(above_half))),
    ] {
        assert_eq!(verify(&key, &hash, &changed), Err(error));
    }
    let at_half = Signature { s: bytes(HALF), ..signature };
    assert!(matches!(verify(&key, &hash, &at_half), Err(EcdsaError::Wrong { .. })));
}

#[test]
fn the_twin_of_a_signature_with_s_negated_is_refused() {
    let signed = signed();
    let s: Scalar = Option::from(Scalar::from_repr(signed.signature.s.into())).unwrap();
    let twin = Signature { s: (-s).to_bytes().into(), ..signed.signature };
    assert!(matches!(verify(&signed.key, &signed.hash, &twin), Err(EcdsaError::HighS(_))));
}

#[test]
fn case_24_two_signatures_of_one_hash_make_one_claim() {
    let scalar = |value: [u8; 32]| Option::<Scalar>::from(Scalar::from_repr(value.into())).unwrap();
    let (secret, hash) = (scalar([7; 32]), scalar([9; 32]));
    let by_nonce = |nonce: u64| {
        let nonce = Scalar::from(nonce);
        let point = PublicKey::from_affine(&(ProjectivePoint::GENERATOR * nonce).to_affine()).unwrap();
        let r = scalar(*point.x());
        let s = (hash + r * secret) * nonce.invert().unwrap();
        let s = if s.is_high().into() { -s } else { s };
        Signed { signature: Signature { r: *point.x(), s: s.to_bytes().into() }, ..signed() }
    };
    let (one, other) = (by_nonce(2), by_nonce(3));
    assert_eq!([one.verify(), other.verify()], [Ok(()), Ok(())]);
    assert_ne!(one.signature, other.signature);
    assert_eq!(one.claim(), other.claim());
}

#[test]
fn a_key_off_the_curve_or_with_large_coordinates_is_refused() {
    let key = signed().key;
    assert!(PublicKey::new(*key.y(), *key.x()).is_err());
    assert!(PublicKey::new([0; 32], [0; 32]).is_err());
    // The field prime plus 1: x = 1 is on the curve.
    let p_plus_1 = bytes("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30");
    let mut one = [0; 32];
    one[31] = 1;
    let compressed: Vec<u8> = [&[2_u8][..], &one].concat();
    let y = *PublicKey::from_sec1(&compressed).unwrap().y();
    assert!(PublicKey::new(one, y).is_ok());
    assert!(PublicKey::new(p_plus_1, y).is_err());
    assert!(PublicKey::from_sec1(&[0]).is_err());
    // Compact and hybrid forms.
    assert!(PublicKey::from_sec1(&[&[5_u8][..], &one].concat()).is_err());
    assert!(PublicKey::from_sec1(&[&[6_u8][..], &one, &y].concat()).is_err());
}

#[test]
fn a_secret_from_one_up_to_the_group_order_has_a_key_and_no_other_has() {
    let secret = |value: u8| std::array::from_fn(|i| if i == 31 { value } else { 0 });
    let generator = PublicKey::from_affine(&ProjectivePoint::GENERATOR.to_affine());
    assert_eq!(PublicKey::of_secret(&secret(1)), generator);
    let mut last = bytes(N);
    last[31] -= 1;
    let opposite = PublicKey::from_affine(&(-ProjectivePoint::GENERATOR).to_affine());
    assert_eq!(PublicKey::of_secret(&last), opposite);
    for none in [secret(0), bytes(N), [0xff; 32]] {
        assert_eq!(PublicKey::of_secret(&none), None);
    }
}

#[test]
fn keys_and_signatures_round_trip() {
    let signed = signed();
    assert_eq!(signed.key.to_string().parse(), Ok(signed.key));
    assert_eq!(signed.signature.to_string().parse(), Ok(signed.signature));
    let text = serde_json::to_string(&signed).unwrap();
    assert_eq!(serde_json::from_str::<Signed>(&text).unwrap(), signed);
    let binary = postcard::to_stdvec(&signed).unwrap();
    assert_eq!(postcard::from_bytes::<Signed>(&binary).unwrap(), signed);
    let mut off_curve = binary;
    off_curve[40] ^= 1;
    assert!(postcard::from_bytes::<Signed>(&off_curve).is_err());
}

#[test]
fn words_are_the_integer_and_no_larger() {
    let value = bytes(N);
    let words = to_words(&value);
    assert_eq!(from_words(&words), Some(value));
    assert_eq!(to_words(&[255; 32])[6], F::from_canonical_u64((1 << 22) - 1));
    let mut large = words;
    large[6] += F::from_canonical_u64(1 << 22);
    assert_eq!(from_words(&large), None);
    let mut one = [0; 32];
    one[31] = 1;
    assert_eq!(to_words(&one)[0], F::ONE);
}

/// The circuit of one [`append`].
struct Append;

impl Definition for Append {
    type Statement = Digest<Target>;
    type NativeStatement = Digest;
    type Targets = (DigestTarget, Claim<Target>);
    type Input = (Digest, Claim);

    fn name(&self) -> String {
        "append-claim".into()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let list: DigestTarget = layout::new_virtual(builder);
        let claim: Claim<Target> = layout::new_virtual(builder);
        (append_circuit(builder, list, &claim), (list, claim))
    }

    fn assign(
        &self,
        (list, claim): &Self::Targets,
        input: &Self::Input,
        witness: &mut circuits_core::Witness,
    ) -> Result<(), WitnessError> {
        layout::set(witness, list, &input.0)?;
        layout::set(witness, claim, &input.1)
    }
}

#[test]
fn a_claim_is_appended_alike_natively_and_in_circuit() {
    let compiled = circuits_core::Compiled::new(Append).unwrap();
    let input = (empty_claims(), signed().claim());
    let proof = compiled.prove(&input).unwrap();
    assert_eq!(compiled.statement(&proof).unwrap(), append(input.0, &input.1));
    circuits_forging::Kit::new(&compiled).input(&input).run().assert_sound();
}
