//! 256-bit integers as field elements.

use circuits_prover::basetypes::F;
use plonky2::field::types::{Field, PrimeField64};

/// The number of bits of a word: three limbs of 13 bits.
pub const WORD_BITS: usize = 39;
/// The number of words of a 256-bit integer. The last word has 22 bits.
pub const WORDS: usize = 7;

/// A 256-bit integer as [`WORDS`] words, least significant first.
pub type Words<T = F> = [T; WORDS];

/// Splits a big-endian integer into words.
#[must_use]
pub fn to_words(bytes: &[u8; 32]) -> Words {
    let bit = |i: usize| u64::from(bytes[31 - i / 8] >> (i % 8) & 1);
    std::array::from_fn(|word| {
        let low = word * WORD_BITS;
        let bits = low..(low + WORD_BITS).min(256);
        F::from_canonical_u64(bits.rev().fold(0, |value, i| value << 1 | bit(i)))
    })
}

/// The integer with these words, or `None` if one of them is too large.
#[must_use]
pub fn from_words(words: &Words) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    for (index, word) in words.iter().enumerate() {
        let low = index * WORD_BITS;
        let width = WORD_BITS.min(256 - low);
        let value = word.to_canonical_u64();
        if value >> width != 0 {
            return None;
        }
        for i in (0..width).filter(|i| value >> i & 1 == 1) {
            bytes[31 - (low + i) / 8] |= 1 << ((low + i) % 8);
        }
    }
    Some(bytes)
}
