//! Hash values of four field elements, natively and in-circuit.

use std::{cmp::Ordering, fmt, str::FromStr};

use circuits_prover::basetypes::F;
use plonky2::{
    field::types::{Field, Field64, PrimeField64},
    hash::hash_types::{HashOut, HashOutTarget},
    iop::target::Target,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use thiserror::Error;

/// The number of field elements in a digest.
pub const DIGEST_LEN: usize = 4;
/// The size of a digest's canonical encoding.
pub const DIGEST_BYTES: usize = 32;

/// A hash value: natively `Digest<F>`, in-circuit [`DigestTarget`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Digest<T = F>(pub [T; DIGEST_LEN]);

/// A hash value in-circuit.
pub type DigestTarget = Digest<Target>;

/// Why bytes or text are not a digest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DigestError {
    /// An element is not below the field's order, so the same digest would have two encodings.
    #[error("element {index} of a digest is not below the field order {}", F::ORDER)]
    NonCanonical { index: usize },
    /// The text is not 64 hexadecimal digits. It is not repeated, because it may be a secret.
    #[error(
        "a digest is 64 hexadecimal digits, found {found} characters, {digits} of them hexadecimal digits"
    )]
    NotHex { found: usize, digits: usize },
}

impl Digest {
    /// The value of an empty tree leaf. No input of our hash is known to give it.
    pub const ZERO: Self = Self([F::ZERO; DIGEST_LEN]);

    /// The canonical encoding: each element as 8 little-endian bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; DIGEST_BYTES] {
        let mut bytes = [0; DIGEST_BYTES];
        for (chunk, element) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&element.to_canonical_u64().to_le_bytes());
        }
        bytes
    }

    /// Decodes the canonical encoding.
    ///
    /// # Errors
    /// [`DigestError::NonCanonical`] if an element is not below the field's order.
    pub fn from_bytes(bytes: [u8; DIGEST_BYTES]) -> Result<Self, DigestError> {
        let mut elements = [F::ZERO; DIGEST_LEN];
        for (index, (element, chunk)) in elements.iter_mut().zip(bytes.chunks_exact(8)).enumerate() {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            let value = u64::from_le_bytes(word);
            if value >= F::ORDER {
                return Err(DigestError::NonCanonical { index });
            }
            *element = F::from_canonical_u64(value);
        }
        Ok(Self(elements))
    }

    /// The elements as canonical integers.
    #[must_use]
    pub fn to_u64s(self) -> [u64; DIGEST_LEN] {
        self.0.map(|element| element.to_canonical_u64())
    }
}

/// Digests are ordered by their canonical elements, the first of which is the most significant.
impl Ord for Digest {
    fn cmp(&self, other: &Self) -> Ordering {
        self.to_u64s().cmp(&other.to_u64s())
    }
}

impl PartialOrd for Digest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.to_bytes()))
    }
}

impl<T: fmt::Debug> fmt::Debug for Digest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({:?})", self.0)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let mut bytes = [0; DIGEST_BYTES];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| DigestError::NotHex {
            found: text.chars().count(),
            digits: text.chars().filter(char::is_ascii_hexdigit).count(),
        })?;
        Self::from_bytes(bytes)
    }
}

/// Hexadecimal in text formats, and 32 bytes in binary ones. Both refuse values that are not canonical.
impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.to_bytes().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(De::Error::custom)
        } else {
            Self::from_bytes(<[u8; DIGEST_BYTES]>::deserialize(deserializer)?).map_err(De::Error::custom)
        }
    }
}

impl<T: Copy> Digest<T> {
    /// The first four of `elements`.
    ///
    /// # Panics
    /// If there are fewer than four. Callers pass the output of a permutation.
    pub(crate) fn from_prefix(elements: &[T]) -> Self {
        Self([elements[0], elements[1], elements[2], elements[3]])
    }
}

impl From<HashOut<F>> for Digest {
    fn from(hash: HashOut<F>) -> Self {
        Self(hash.elements)
    }
}

impl From<Digest> for HashOut<F> {
    fn from(digest: Digest) -> Self {
        Self { elements: digest.0 }
    }
}

impl From<HashOutTarget> for DigestTarget {
    fn from(hash: HashOutTarget) -> Self {
        Self(hash.elements)
    }
}

impl From<DigestTarget> for HashOutTarget {
    fn from(digest: DigestTarget) -> Self {
        Self { elements: digest.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_at_the_field_order_is_refused() {
        let mut bytes = [0; DIGEST_BYTES];
        bytes[8..16].copy_from_slice(&F::ORDER.to_le_bytes());
        assert_eq!(Digest::from_bytes(bytes), Err(DigestError::NonCanonical { index: 1 }));
        let text = format!("\"{}\"", hex::encode(bytes));
        assert!(serde_json::from_str::<Digest>(&text).is_err());
    }

    #[test]
    fn text_and_bytes_round_trip() {
        let digest = Digest([1, 2, 3, F::ORDER - 1].map(F::from_canonical_u64));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(Digest::from_bytes(digest.to_bytes()), Ok(digest));
        assert_eq!(serde_json::from_str::<Digest>(&serde_json::to_string(&digest).unwrap()).unwrap(), digest);
    }
}
