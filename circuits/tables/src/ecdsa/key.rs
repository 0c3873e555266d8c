//! Public keys.

use std::{fmt, str::FromStr};

use k256::{
    AffinePoint, Sec1Point, SecretKey,
    elliptic_curve::sec1::{FromSec1Point, ToSec1Point},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    error::EcdsaError,
    words::{Words, to_words},
};

/// A point of secp256k1 other than infinity, with coordinates below the field prime, big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey {
    x: [u8; 32],
    y: [u8; 32],
}

impl PublicKey {
    /// Checks that the coordinates are those of a key.
    ///
    /// # Errors
    /// [`EcdsaError::NotOnCurve`] if a coordinate is not below the field prime, or the point is not on the curve.
    pub fn new(x: [u8; 32], y: [u8; 32]) -> Result<Self, EcdsaError> {
        let point = Sec1Point::from_affine_coordinates(&x.into(), &y.into(), false);
        if bool::from(AffinePoint::from_sec1_point(&point).is_some()) {
            Ok(Self { x, y })
        } else {
            Err(EcdsaError::NotOnCurve { x: hex::encode(x), y: hex::encode(y) })
        }
    }

    /// Decodes a SEC1 encoding: 33 bytes compressed or 65 bytes uncompressed. The hybrid form is refused.
    ///
    /// # Errors
    /// [`EcdsaError::Length`] or [`EcdsaError::NotEncoded`] if the bytes are anything else.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, EcdsaError> {
        if !matches!(bytes.len(), 33 | 65) {
            return Err(EcdsaError::Length {
                what: "a public key",
                expected: "33 or 65",
                found: bytes.len(),
            });
        }
        let not_encoded = || EcdsaError::NotEncoded(hex::encode(bytes));
        let encoded = Sec1Point::from_bytes(bytes).map_err(|_| not_encoded())?;
        if encoded.is_compact() {
            return Err(not_encoded());
        }
        let point: Option<AffinePoint> = AffinePoint::from_sec1_point(&encoded).into();
        Self::from_affine(&point.ok_or_else(not_encoded)?).ok_or_else(not_encoded)
    }

    /// The key whose secret is this big-endian integer, or `None` if it is 0 or not below the group order.
    #[must_use]
    pub fn of_secret(secret: &[u8; 32]) -> Option<Self> {
        let secret = SecretKey::from_slice(secret).ok()?;
        Self::from_affine(secret.public_key().as_affine())
    }

    /// The key that is `point`, or `None` for the point at infinity.
    #[must_use]
    pub fn from_affine(point: &AffinePoint) -> Option<Self> {
        let encoded = point.to_sec1_point(false);
        let (x, y) = (encoded.x()?, encoded.y()?);
        Some(Self { x: (*x).into(), y: (*y).into() })
    }

    /// The first coordinate.
    #[must_use]
    pub fn x(&self) -> &[u8; 32] {
        &self.x
    }

    /// The second coordinate.
    #[must_use]
    pub fn y(&self) -> &[u8; 32] {
        &self.y
    }

    /// The compressed SEC1 encoding.
    #[must_use]
    pub fn to_sec1(&self) -> [u8; 33] {
        let mut bytes = [2 + (self.y[31] & 1); 33];
        bytes[1..].copy_from_slice(&self.x);
        bytes
    }

    /// The words of both coordinates, in the order of [`Claim`](super::Claim).
    #[must_use]
    pub fn words(&self) -> (Words, Words) {
        (to_words(&self.x), to_words(&self.y))
    }

    pub fn to_affine(self) -> AffinePoint {
        let point = Sec1Point::from_affine_coordinates(&self.x.into(), &self.y.into(), false);
        let affine: Option<AffinePoint> = AffinePoint::from_sec1_point(&point).into();
        affine.expect("the constructors check the point")
    }
}

/// The compressed SEC1 encoding, hexadecimal.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.to_sec1()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// Parses a hexadecimal SEC1 encoding, compressed or not.
impl FromStr for PublicKey {
    type Err = EcdsaError;

    fn from_str(text: &str) -> Result<Self, EcdsaError> {
        let bytes = hex::decode(text)
            .map_err(|error| EcdsaError::NotHex { what: "a public key", reason: error.to_string() })?;
        Self::from_sec1(&bytes)
    }
}

/// Hexadecimal compressed SEC1 in text formats, both coordinates in binary ones.
impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.x, self.y).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(De::Error::custom)
        } else {
            let (x, y) = Deserialize::deserialize(deserializer)?;
            Self::new(x, y).map_err(De::Error::custom)
        }
    }
}
