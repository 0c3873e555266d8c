//! What environment 0 and L1's contract tell each other, as integers: in statements these are field elements.

use std::{fmt, str::FromStr};

use circuits_core::F;
use circuits_files::text::quoted;
use circuits_tables::keccak::DIGEST_WORDS;
use plonky2::field::types::{Field, PrimeField64};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::statement::L1Body;

/// Bytes of a Keccak-256 digest.
const DIGEST_BYTES: usize = 32;

/// A Keccak-256 digest. As text it is `0x` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeccakDigest(pub [u8; DIGEST_BYTES]);

/// How much of L1's queue of deposits blocks of environment 0 have taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueuePosition {
    /// The running digest of these deposits; zeros if there are none.
    pub digest: KeccakDigest,
    /// How many they are.
    pub length: u32,
}

/// Bytes of a payout as L1 takes it: its index, its recipient, its kind, the asset's origin and number, the amount, its name.
pub const PAYOUT_BYTES: usize = 72;

/// The payouts of one block of environment 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayoutRange {
    /// The running digest of these payouts; zeros if there are none.
    pub digest: KeccakDigest,
    /// The index of the first among all payouts of the deployment, or that which it would have.
    pub first: u32,
    /// How many they are.
    pub count: u32,
}

/// What a block of environment 0 means to L1: an [`L1Body`] in integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Outcome {
    /// What it and all blocks of environment 0 before it took from the queue.
    pub queue: QueuePosition,
    /// What it pays.
    pub payouts: PayoutRange,
}

/// An element of an [`L1Body`] is not an integer of 32 bits: no kernel that lists its deposits and payouts states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the body of environment 0's block has {value} as its {field}, which is not an integer of 32 bits")]
pub struct NotAWord {
    pub field: &'static str,
    pub value: u64,
}

impl KeccakDigest {
    /// The digest of no deposits and of no payouts.
    pub const ZERO: Self = Self([0; DIGEST_BYTES]);

    /// The digest as big-endian words.
    #[must_use]
    pub fn words(self) -> [u32; DIGEST_WORDS] {
        let mut words = [0; DIGEST_WORDS];
        for (word, bytes) in words.iter_mut().zip(self.0.chunks_exact(4)) {
            *word = bytes.iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
        }
        words
    }

    /// Reads words of a statement.
    fn from_elements(field: &'static str, words: [F; DIGEST_WORDS]) -> Result<Self, NotAWord> {
        let mut digest = Self::ZERO;
        for (bytes, element) in digest.0.chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word(field, element)?.to_be_bytes());
        }
        Ok(digest)
    }
}

fn word(field: &'static str, element: F) -> Result<u32, NotAWord> {
    let value = element.to_canonical_u64();
    u32::try_from(value).map_err(|_| NotAWord { field, value })
}

impl TryFrom<&L1Body> for L1Outcome {
    type Error = NotAWord;

    fn try_from(body: &L1Body) -> Result<Self, NotAWord> {
        let &L1Body { queue_digest, queue_length, payouts_digest, first_payout, payout_count } = body;
        Ok(Self {
            queue: QueuePosition {
                digest: KeccakDigest::from_elements("queue digest", queue_digest)?,
                length: word("queue length", queue_length)?,
            },
            payouts: PayoutRange {
                digest: KeccakDigest::from_elements("payouts digest", payouts_digest)?,
                first: word("first payout", first_payout)?,
                count: word("number of payouts", payout_count)?,
            },
        })
    }
}

impl From<&L1Outcome> for L1Body {
    fn from(&L1Outcome { queue, payouts }: &L1Outcome) -> Self {
        let elements = |digest: KeccakDigest| digest.words().map(F::from_canonical_u32);
        Self {
            queue_digest: elements(queue.digest),
            queue_length: F::from_canonical_u32(queue.length),
            payouts_digest: elements(payouts.digest),
            first_payout: F::from_canonical_u32(payouts.first),
            payout_count: F::from_canonical_u32(payouts.count),
        }
    }
}

impl fmt::Display for KeccakDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for KeccakDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<KeccakDigest> for String {
    fn from(digest: KeccakDigest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for KeccakDigest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for KeccakDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = [0; DIGEST_BYTES];
        let digits = text.strip_prefix("0x").unwrap_or_default();
        match hex::decode_to_slice(digits, &mut bytes) {
            // Each digest has one spelling.
            Ok(()) if !text.contains(|c: char| c.is_ascii_uppercase()) => Ok(Self(bytes)),
            _ => Err(format!(
                "a Keccak-256 digest is 0x and 64 lower-case hexadecimal digits, found {}",
                quoted(text)
            )),
        }
    }
}

impl fmt::Display for QueuePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} deposits with digest {}", self.length, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use circuits_core::layout::Layout;

    use super::*;

    /// A body whose elements are all different.
    fn body() -> L1Body {
        let elements: Vec<_> = (1..=<L1Body as Layout<F>>::LEN as u32).map(F::from_canonical_u32).collect();
        L1Body::decode(&elements).expect("the length is the layout's")
    }

    #[test]
    fn a_body_in_integers_is_the_body() {
        let outcome = L1Outcome::try_from(&body()).expect("words");
        assert_eq!(L1Body::from(&outcome), body());
        let digest = "0x0000000100000002000000030000000400000005000000060000000700000008";
        assert_eq!(outcome.queue.digest.to_string(), digest);
        assert_eq!(
            (outcome.queue.length, outcome.payouts.first, outcome.payouts.count),
            (9, 18, 19),
            "the order of the layout"
        );
        assert_eq!(L1Outcome::try_from(&L1Body::ZERO), Ok(L1Outcome::default()));
    }

    #[test]
    fn an_element_of_33_bits_is_no_word() {
        let elements = Layout::<F>::encode(&body());
        for index in 0..elements.len() {
            let mut wide = elements.clone();
            wide[index] = F::from_canonical_u64(1 << 32);
            let wide = L1Body::decode(&wide).expect("the length is the layout's");
            let error = L1Outcome::try_from(&wide).unwrap_err();
            assert_eq!(error.value, 1 << 32, "element {index}: {error}");
        }
    }

    #[test]
    fn a_digest_has_one_text() {
        let digest = KeccakDigest([0xab; DIGEST_BYTES]);
        let text = digest.to_string();
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(text.len(), 66);
        for other in [&text[2..], &text.to_uppercase(), &text[..64], &format!("{text}00"), ""] {
            assert!(other.parse::<KeccakDigest>().is_err(), "{other}");
        }
    }
}
