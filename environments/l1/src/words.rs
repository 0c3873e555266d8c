//! Integers and addresses as the words that Keccak-256 takes, 32 bits each, in-circuit.
//!
//! That words have 32 bits follows from the proof of their hash, and only where they are hashed: a slot that is not used
//! holds anything, and nothing follows from it.

use circuits_core::{Builder, Digest, DigestTarget, F, constrain::Constrain};
use circuits_tables::keccak::DIGEST_WORDS;
use environments_core::address::Address;
use plonky2::{field::types::Field, iop::target::Target};

/// Bits of a word.
pub const WORD_BITS: usize = 32;
/// Bits of half a word, which an environment's id has.
pub const HALF_BITS: usize = 16;
/// Words of an address.
pub const ADDRESS_WORDS: usize = 5;
/// The largest word.
const MAX_WORD: u64 = u32::MAX as u64;

/// Bits of the pieces between the borders of an address's words and of its limbs.
///
/// ```text
/// pieces | 32       | 8 | 24  | 16   | 16   | 24  | 8 | 32       |
/// words  | 0        | 1       | 2           | 3       | 4        |
/// limbs  | 0            | 1          | 2          | 3            |
/// ```
pub const PIECE_BITS: [usize; 8] = [32, 8, 24, 16, 16, 24, 8, 32];

circuits_core::layout! {
    /// An address in pieces, of which both its words and its limbs are made.
    pub struct AddressPieces<T> {
        pub pieces: [T; 8],
    }
}

impl AddressPieces {
    /// The pieces of an address.
    #[must_use]
    pub fn new(address: Address) -> Self {
        let mut bytes = address.0.iter();
        let pieces = PIECE_BITS.map(|bits| {
            let bytes = bytes.by_ref().take(bits / 8);
            F::from_canonical_u64(bytes.fold(0, |piece, &byte| piece << 8 | u64::from(byte)))
        });
        Self { pieces }
    }
}

impl AddressPieces<Target> {
    /// Enforces the range of every piece that is not a word by itself.
    #[track_caller]
    pub fn enforce_ranges(&self, builder: &mut Builder) {
        for (&piece, bits) in self.pieces.iter().zip(PIECE_BITS).filter(|&(_, bits)| bits < WORD_BITS) {
            builder.enforce_range(piece, bits);
        }
    }

    /// The words.
    pub fn words(&self, builder: &mut Builder) -> [Target; ADDRESS_WORDS] {
        let p = self.pieces;
        let mut join = |high, low, low_bits| shifted_sum(builder, high, low, low_bits);
        [p[0], join(p[1], p[2], 24), join(p[3], p[4], 16), join(p[5], p[6], 8), p[7]]
    }

    /// The limbs: the digest that names the address in messages.
    pub fn digest(&self, builder: &mut Builder) -> DigestTarget {
        let p = self.pieces;
        Digest([0, 2, 4, 6].map(|i| shifted_sum(builder, p[i], p[i + 1], PIECE_BITS[i + 1])))
    }
}

/// `high * 2^low_bits + low`.
pub fn shifted_sum(builder: &mut Builder, high: Target, low: Target, low_bits: usize) -> Target {
    builder.mul_const_add(F::from_canonical_u64(1 << low_bits), high, low)
}

/// One word of two integers that are known to have 16 bits.
pub fn half_words_circuit(builder: &mut Builder, high: Target, low: Target) -> Target {
    shifted_sum(builder, high, low, HALF_BITS)
}

/// The element of two words, the high one first.
pub fn element_circuit(builder: &mut Builder, words: [Target; 2]) -> Target {
    shifted_sum(builder, words[0], words[1], WORD_BITS)
}

/// Whether an integer of two words is at or above the field's order, `2^64 - 2^32 + 1`: whether the high word is the
/// largest and the low one is not 0. 1 or 0.
pub fn is_noncanonical_circuit(builder: &mut Builder, words: [Target; 2]) -> Target {
    let most = builder.constant(F::from_canonical_u64(MAX_WORD));
    let zero = builder.zero();
    let high = builder.is_equal(words[0], most);
    let low = builder.is_equal(words[1], zero);
    // high (1 - low)
    builder.arithmetic(F::NEG_ONE, F::ONE, high.target, low.target, high.target)
}

/// The two words of each element of a digest, as [`Bytes32::of_digest`](crate::Bytes32::of_digest) has them.
pub(crate) fn pairs(words: [Target; DIGEST_WORDS]) -> [[Target; 2]; DIGEST_WORDS / 2] {
    std::array::from_fn(|i| [words[2 * i], words[2 * i + 1]])
}

/// The digest of these words.
pub fn digest_circuit(builder: &mut Builder, words: [Target; DIGEST_WORDS]) -> DigestTarget {
    Digest(pairs(words).map(|words| element_circuit(builder, words)))
}
