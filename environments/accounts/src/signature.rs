//! Signatures as wallets return them: they determine the key.

use std::{fmt, str::FromStr};

use circuits_files::text::quoted;
use circuits_tables::ecdsa::{EcdsaError, PublicKey, Signature};
use k256::ecdsa::{self, RecoveryId, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use thiserror::Error;

/// Bytes of a signature: `r`, `s` and `v`.
pub const SIGNATURE_BYTES: usize = 65;
/// What Ethereum adds to the parity in `v`.
const V_OFFSET: u8 = 27;

/// A secp256k1 signature with the parity of its nonce's point, which determines the key. As text `0x` and 130 hexadecimal
/// digits: `r`, `s` and `v`. The numbers may be any bytes; [`Self::recover`] judges them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecoverableSignature {
    /// The two numbers.
    pub signature: Signature,
    /// Whether the second coordinate of the nonce's point is odd.
    pub is_odd: bool,
}

/// Why something is not a signature with a `v`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// The text is not hexadecimal.
    #[error("a signature is 0x and 130 hexadecimal digits, found {0}")]
    NotHex(String),
    /// There are too few or too many bytes.
    #[error("a signature has {SIGNATURE_BYTES} bytes, r, s and v, found {found}")]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// `v` is another number than wallets write.
    #[error("v of a signature is 27 or 28, or 0 or 1, found {found}")]
    V {
        /// `v`.
        found: u8,
    },
}

/// Why no key made a signature.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecoveryError {
    /// `r` or `s` is out of range, or `s` is the higher one of the two possible numbers.
    #[error(transparent)]
    Range(#[from] EcdsaError),
    /// No point of the curve has the first coordinate `r`, or the key would be infinity.
    #[error("no key makes the signature {signature} of {hash}")]
    NoKey {
        /// The 32 bytes signed, hexadecimal.
        hash: String,
        /// The signature.
        signature: RecoverableSignature,
    },
}

impl RecoverableSignature {
    /// The signature with these bytes: `r`, `s`, and a `v` of 27 or 28, or 0 or 1.
    ///
    /// # Errors
    /// [`SignatureError::Length`] or [`SignatureError::V`]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureError> {
        let length = SignatureError::Length { found: bytes.len() };
        if bytes.len() != SIGNATURE_BYTES {
            return Err(length);
        }
        let Some((&v, numbers)) = bytes.split_last() else { return Err(length) };
        let signature = Signature::from_bytes(numbers).map_err(|_| length)?;
        match v {
            0 | V_OFFSET => Ok(Self { signature, is_odd: false }),
            1 | 28 => Ok(Self { signature, is_odd: true }),
            found => Err(SignatureError::V { found }),
        }
    }

    /// The bytes, with a `v` of 27 or 28.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; SIGNATURE_BYTES] {
        let mut bytes = [V_OFFSET + u8::from(self.is_odd); SIGNATURE_BYTES];
        bytes[..SIGNATURE_BYTES - 1].copy_from_slice(&self.signature.to_bytes());
        bytes
    }

    /// The key that signs `hash` so. Of the two numbers `s` that would do, only the lower one is accepted, as EIP-2 has it.
    ///
    /// # Errors
    /// [`RecoveryError`]
    pub fn recover(&self, hash: &[u8; 32]) -> Result<PublicKey, RecoveryError> {
        self.signature.check_range()?;
        let recovered = || {
            let signature = ecdsa::Signature::from_scalars(self.signature.r, self.signature.s).ok()?;
            let id = RecoveryId::new(self.is_odd, false);
            let key = VerifyingKey::recover_from_prehash(hash, &signature, id).ok()?;
            PublicKey::from_affine(key.as_affine())
        };
        recovered().ok_or_else(|| RecoveryError::NoKey { hash: hex::encode(hash), signature: *self })
    }
}

impl fmt::Display for RecoverableSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.to_bytes()))
    }
}

impl FromStr for RecoverableSignature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let not_hex = || SignatureError::NotHex(quoted(text));
        let digits = text.strip_prefix("0x").ok_or_else(not_hex)?;
        Self::from_bytes(&hex::decode(digits).map_err(|_| not_hex())?)
    }
}

/// Text in text formats, `r`, `s` and the parity in binary ones.
impl Serialize for RecoverableSignature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.signature, self.is_odd).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for RecoverableSignature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            let (signature, is_odd) = Deserialize::deserialize(deserializer)?;
            Ok(Self { signature, is_odd })
        }
    }
}

#[cfg(test)]
mod tests {
    use k256::{Scalar, elliptic_curve::PrimeField};

    use super::*;
    use crate::key::SecretKey;

    const HASH: [u8; 32] = [9; 32];

    fn signed() -> (PublicKey, RecoverableSignature) {
        let key = SecretKey::from_bytes(&[7; 32]).unwrap();
        (key.public_key(), key.sign_hash(&HASH).unwrap())
    }

    #[test]
    fn a_signature_determines_the_key() {
        let (key, signature) = signed();
        assert_eq!(signature.recover(&HASH), Ok(key));
        assert_ne!(signature.recover(&[8; 32]), Ok(key));
        let other = RecoverableSignature { is_odd: !signature.is_odd, ..signature };
        assert_ne!(other.recover(&HASH), Ok(key));
    }

    #[test]
    fn every_v_that_wallets_write_is_read() {
        let (_, signature) = signed();
        let mut bytes = signature.to_bytes();
        for v in 0..=u8::MAX {
            bytes[SIGNATURE_BYTES - 1] = v;
            let read = RecoverableSignature::from_bytes(&bytes);
            let expected = match v {
                0 | 27 => Ok(RecoverableSignature { is_odd: false, ..signature }),
                1 | 28 => Ok(RecoverableSignature { is_odd: true, ..signature }),
                found => Err(SignatureError::V { found }),
            };
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn the_higher_one_of_the_two_signatures_is_refused() {
        let (_, mut signature) = signed();
        let s: Scalar = Option::from(Scalar::from_repr(signature.signature.s.into())).unwrap();
        signature.signature.s = (-s).to_bytes().into();
        signature.is_odd = !signature.is_odd;
        let refused = signature.recover(&HASH).unwrap_err();
        assert!(matches!(refused, RecoveryError::Range(EcdsaError::HighS(_))), "{refused}");
    }

    #[test]
    fn numbers_out_of_range_make_no_signature() {
        let (_, signature) = signed();
        let with = |change: fn(&mut Signature)| {
            let mut other = signature;
            change(&mut other.signature);
            other.recover(&HASH).unwrap_err()
        };
        assert_eq!(with(|numbers| numbers.r = [0; 32]), EcdsaError::ZeroR.into());
        assert_eq!(with(|numbers| numbers.s = [0; 32]), EcdsaError::ZeroS.into());
        assert!(matches!(
            with(|numbers| numbers.r = [0xff; 32]),
            RecoveryError::Range(EcdsaError::LargeR(_))
        ));
        assert!(matches!(
            with(|numbers| numbers.s = [0xff; 32]),
            RecoveryError::Range(EcdsaError::LargeS(_))
        ));
        // 5 is the first coordinate of no point.
        let no_point = with(|numbers| {
            numbers.r = [0; 32];
            numbers.r[31] = 5;
        });
        assert!(matches!(no_point, RecoveryError::NoKey { .. }), "{no_point}");
    }

    #[test]
    fn a_signature_has_one_text() {
        let (_, signature) = signed();
        let text = signature.to_string();
        assert_eq!(text.parse(), Ok(signature));
        for (other, found) in [(&text[..130], 64), (&format!("{text}00"), 66), ("0x", 0)] {
            assert_eq!(other.parse::<RecoverableSignature>(), Err(SignatureError::Length { found }));
        }
        for other in [&text[2..], &text[..131], &text.replace("0x", "0xx"), ""] {
            assert!(
                matches!(other.parse::<RecoverableSignature>(), Err(SignatureError::NotHex(_))),
                "{other}"
            );
        }
        let bytes = postcard::to_stdvec(&signature).unwrap();
        assert_eq!(postcard::from_bytes::<RecoverableSignature>(&bytes), Ok(signature));
    }
}
