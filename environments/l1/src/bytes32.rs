//! 32 bytes as Solidity has them, and Keccak-256.

use std::{fmt, str::FromStr};

use circuits_core::{
    Digest, F,
    digest::{DIGEST_BYTES, DIGEST_LEN, DigestError},
};
use circuits_files::text::quoted;
use circuits_protocol::l1::KeccakDigest;
use circuits_tables::keccak::{self, DIGEST_WORDS};
use plonky2::field::types::{Field, Field64};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use thiserror::Error;

/// A `bytes32` that stands for four field elements, as big-endian integers of 64 bits, or names something. As text `0x` and
/// 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes32(pub [u8; DIGEST_BYTES]);

/// The text is not 32 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("32 bytes are written as 0x and 64 lower-case hexadecimal digits, found {0}")]
pub struct Bytes32Error(String);

impl Bytes32 {
    /// The big-endian words of 32 bits as field elements.
    #[must_use]
    pub fn fields(self) -> [F; DIGEST_WORDS] {
        word_fields(KeccakDigest(self.0))
    }

    /// A digest as a contract reads it.
    #[must_use]
    pub fn of_digest(digest: Digest) -> Self {
        let mut bytes = [0; DIGEST_BYTES];
        for (chunk, element) in bytes.chunks_exact_mut(8).zip(digest.to_u64s()) {
            chunk.copy_from_slice(&element.to_be_bytes());
        }
        Self(bytes)
    }

    /// The digest that a contract means.
    ///
    /// # Errors
    /// [`DigestError::NonCanonical`] if an element is not below the field's order.
    pub fn to_digest(self) -> Result<Digest, DigestError> {
        let mut elements = [F::ZERO; DIGEST_LEN];
        for (index, (element, chunk)) in elements.iter_mut().zip(self.0.chunks_exact(8)).enumerate() {
            let value = chunk.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
            if value >= F::ORDER {
                return Err(DigestError::NonCanonical { index });
            }
            *element = F::from_canonical_u64(value);
        }
        Ok(Digest(elements))
    }
}

impl From<KeccakDigest> for Bytes32 {
    fn from(digest: KeccakDigest) -> Self {
        Self(digest.0)
    }
}

/// The Keccak-256 digest of a message.
#[must_use]
pub fn keccak256(message: &[u8]) -> KeccakDigest {
    KeccakDigest(keccak::keccak256(message))
}

/// The words of a digest as field elements.
#[must_use]
pub fn word_fields(digest: KeccakDigest) -> [F; DIGEST_WORDS] {
    digest.words().map(F::from_canonical_u32)
}

impl fmt::Display for Bytes32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Bytes32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes32({self})")
    }
}

impl FromStr for Bytes32 {
    type Err = Bytes32Error;

    fn from_str(text: &str) -> Result<Self, Bytes32Error> {
        let error = || Bytes32Error(quoted(text));
        let mut bytes = [0; DIGEST_BYTES];
        hex::decode_to_slice(text.strip_prefix("0x").ok_or_else(error)?, &mut bytes).map_err(|_| error())?;
        if Self(bytes).to_string() == text { Ok(Self(bytes)) } else { Err(error()) }
    }
}

/// Text in text formats, 32 bytes in binary ones.
impl Serialize for Bytes32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Bytes32 {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(De::Error::custom)
        } else {
            Deserialize::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_at_or_above_the_field_order_is_no_element() {
        for (index, value) in [(0, F::ORDER), (3, u64::MAX), (1, F::ORDER + 1)] {
            let mut bytes = Bytes32::default();
            bytes.0[8 * index..8 * index + 8].copy_from_slice(&value.to_be_bytes());
            assert_eq!(bytes.to_digest(), Err(DigestError::NonCanonical { index }));
        }
        let digest = Digest([1, 2, 3, F::ORDER - 1].map(F::from_canonical_u64));
        assert_eq!(Bytes32::of_digest(digest).to_digest(), Ok(digest));
        let words = [0, 1, 0, 2, 0, 3, u32::MAX, 0].map(F::from_canonical_u32);
        assert_eq!(Bytes32::of_digest(digest).fields(), words);
    }

    #[test]
    fn bytes_have_one_text() {
        let bytes = Bytes32::from(keccak256(b""));
        let text = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
        assert_eq!(bytes.to_string(), text);
        assert_eq!(text.parse(), Ok(bytes));
        assert_eq!(serde_json::from_str::<Bytes32>(&format!("\"{text}\"")).unwrap(), bytes);
        assert_eq!(postcard::from_bytes::<Bytes32>(&postcard::to_stdvec(&bytes).unwrap()), Ok(bytes));
        for other in
            [&text[2..], &text[..65], &format!("{text}0"), &text.to_uppercase().replace('X', "x"), "0x"]
        {
            assert!(other.parse::<Bytes32>().is_err(), "{other}");
        }
    }
}
