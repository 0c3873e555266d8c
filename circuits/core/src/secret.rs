//! Secrets: digests that no message shows, whole or in part.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::digest::{Digest, DigestError};

/// 256 bits that only their owner knows. As text 64 hexadecimal digits, like any digest.
///
/// It prints as `Secret(..)`, and an error of reading one repeats nothing of what was found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(Digest);

impl Secret {
    /// A secret from 256 random bits.
    #[must_use]
    pub const fn new(secret: Digest) -> Self {
        Self(secret)
    }

    /// The secret itself, for a witness.
    #[must_use]
    pub const fn expose(self) -> Digest {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// For the files of its owner.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        if deserializer.is_human_readable() {
            // Whatever the text holds in its place: the parser's own error would quote a number.
            deserializer.deserialize_any(Text)
        } else {
            let secret = Digest::deserialize(deserializer);
            secret.map(Self).map_err(|_| de::Error::custom("a secret is 32 bytes, four field elements"))
        }
    }
}

struct Text;

impl Text {
    fn refused<E: de::Error, T>(self, found: &str) -> Result<T, E> {
        Err(E::custom(format!("a secret is text of 64 hexadecimal digits, found {found}")))
    }
}

impl de::Visitor<'_> for Text {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret of 64 hexadecimal digits")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        match text.parse() {
            Ok(secret) => Ok(Secret(secret)),
            Err(DigestError::NotHex { found, .. }) if found != 64 => {
                self.refused(&format!("{found} characters"))
            }
            Err(DigestError::NotHex { .. }) => self.refused("another character among them"),
            Err(DigestError::NonCanonical { .. }) => {
                self.refused("16 digits that are not below the field order")
            }
        }
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Secret, E> {
        self.refused("true or false")
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
        self.refused("a number")
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<Secret, E> {
        self.refused("a number")
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
        self.refused("a number")
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<Secret, E> {
        self.refused("a number")
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
        self.refused("a number")
    }

    fn visit_bytes<E: de::Error>(self, _: &[u8]) -> Result<Secret, E> {
        self.refused("bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown_however_it_is_written() {
        let digits = "c4b6".repeat(16);
        let secret: Secret = serde_json::from_str(&format!("\"{digits}\"")).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(serde_json::to_string(&secret).unwrap(), format!("\"{digits}\""));

        let large = "f".repeat(64);
        let other = format!("{}x", &digits[1..]);
        for wrong in [
            format!("\"{}\"", &digits[2..]),
            format!("\"{digits}c4\""),
            format!("\"{other}\""),
            format!("\"{large}\""),
            "4646464646464646".to_owned(),
            "-46464646464646".to_owned(),
            "4.646464646464646".to_owned(),
            "true".to_owned(),
            format!("[\"{digits}\"]"),
            format!("{{\"{digits}\": 1}}"),
        ] {
            let message = serde_json::from_str::<Secret>(&wrong).unwrap_err().to_string();
            for part in ["c4b", "fff", "464", "b6c"] {
                assert!(!message.contains(part), "{wrong}: {message}");
            }
        }
    }
}
