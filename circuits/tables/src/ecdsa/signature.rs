//! Signatures and their native verification.

use std::{fmt, str::FromStr};

use k256::{
    Scalar,
    ecdsa::{self, VerifyingKey, signature::hazmat::PrehashVerifier},
    elliptic_curve::{PrimeField, scalar::IsHigh},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{claim::Claim, error::EcdsaError, key::PublicKey, words::to_words};

/// The two numbers of an ECDSA signature, big-endian. They may be any bytes; [`verify`] judges them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// The first coordinate of the nonce's point, modulo the group order.
    pub r: [u8; 32],
    /// The other number, which must be at most half the group order.
    pub s: [u8; 32],
}

/// A signed hash: what a batch proof takes as input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    pub key: PublicKey,
    /// The 32 bytes signed.
    pub hash: [u8; 32],
    pub signature: Signature,
}

impl Signed {
    /// The claim that the signature shows.
    #[must_use]
    pub fn claim(&self) -> Claim {
        let (key_x, key_y) = self.key.words();
        Claim { key_x, key_y, hash: to_words(&self.hash) }
    }

    /// Checks the signature with [`verify`].
    ///
    /// # Errors
    /// As [`verify`].
    pub fn verify(&self) -> Result<(), EcdsaError> {
        verify(&self.key, &self.hash, &self.signature)
    }
}

/// Checks that `signature` signs `hash` under `key`: `1 <= r < n`, `1 <= s <= (n - 1) / 2`, and
/// `r = x(hash / s G + r / s key) mod n`, where `n` is the group order.
///
/// # Errors
/// [`EcdsaError`] with the first of these rules that is broken.
pub fn verify(key: &PublicKey, hash: &[u8; 32], signature: &Signature) -> Result<(), EcdsaError> {
    signature.check_range()?;
    let holds = || {
        let signature = ecdsa::Signature::from_scalars(signature.r, signature.s)?;
        VerifyingKey::from_affine(key.to_affine())?.verify_prehash(hash, &signature)
    };
    holds().map_err(|_| EcdsaError::Wrong { hash: hex::encode(hash), key: key.to_string() })
}

impl Signature {
    /// Checks the rules of [`verify`] that concern neither key nor hash.
    ///
    /// # Errors
    /// [`EcdsaError`] with the first of these rules that is broken; never [`EcdsaError::Wrong`].
    pub fn check_range(&self) -> Result<(), EcdsaError> {
        let scalar = |bytes: [u8; 32]| Option::<Scalar>::from(Scalar::from_repr(bytes.into()));
        let r = scalar(self.r).ok_or_else(|| EcdsaError::LargeR(hex::encode(self.r)))?;
        let s = scalar(self.s).ok_or_else(|| EcdsaError::LargeS(hex::encode(self.s)))?;
        if r == Scalar::ZERO {
            return Err(EcdsaError::ZeroR);
        }
        if s == Scalar::ZERO {
            return Err(EcdsaError::ZeroS);
        }
        if s.is_high().into() {
            return Err(EcdsaError::HighS(hex::encode(self.s)));
        }
        Ok(())
    }

    /// `r` and `s`, 32 bytes each.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.r);
        bytes[32..].copy_from_slice(&self.s);
        bytes
    }

    /// Decodes what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`EcdsaError::Length`] if there are not 64 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EcdsaError> {
        let bytes: &[u8; 64] = bytes.try_into().map_err(|_| EcdsaError::Length {
            what: "a signature",
            expected: "64",
            found: bytes.len(),
        })?;
        let mut signature = Self { r: [0; 32], s: [0; 32] };
        signature.r.copy_from_slice(&bytes[..32]);
        signature.s.copy_from_slice(&bytes[32..]);
        Ok(signature)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.to_bytes()))
    }
}

impl FromStr for Signature {
    type Err = EcdsaError;

    fn from_str(text: &str) -> Result<Self, EcdsaError> {
        let bytes = hex::decode(text)
            .map_err(|error| EcdsaError::NotHex { what: "a signature", reason: error.to_string() })?;
        Self::from_bytes(&bytes)
    }
}

/// 128 hexadecimal digits in text formats, the two numbers in binary ones.
impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.r, self.s).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(De::Error::custom)
        } else {
            let (r, s) = Deserialize::deserialize(deserializer)?;
            Ok(Self { r, s })
        }
    }
}
