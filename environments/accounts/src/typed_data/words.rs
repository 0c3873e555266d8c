//! Words of what is hashed, natively and in-circuit: big-endian integers of 32 bits, as [`circuits_tables::keccak`] lists
//! them. That a word has 32 bits follows where the block that it is in is proved.

use circuits_core::{Builder, F, constrain::Constrain};
use circuits_tables::{
    ecdsa::{WORD_BITS as CLAIM_WORD_BITS, WORDS as CLAIM_WORDS, Words},
    keccak::{DIGEST_WORDS, to_words},
};
use plonky2::{
    field::types::{Field, PrimeField64},
    iop::target::{BoolTarget, Target},
};

use crate::address::{LIMB_BITS, LIMBS};

/// Bits of a word.
pub(crate) const WORD_BITS: usize = 32;
/// Words of an address.
pub(crate) const ADDRESS_WORDS: usize = 5;
/// Bits of half a word.
pub(crate) const HALF_BITS: usize = WORD_BITS / 2;
/// Low halves in an element: as many as one row splits.
const HALVES_IN_PACK: usize = 3;
/// Elements that hold the low halves of a digest's words.
pub(crate) const HALF_PACKS: usize = DIGEST_WORDS.div_ceil(HALVES_IN_PACK);

/// The words of 32 bytes.
pub(crate) fn digest_words(bytes: &[u8; 32]) -> [F; DIGEST_WORDS] {
    let words = to_words(bytes);
    std::array::from_fn(|i| F::from_canonical_u32(words[i]))
}

/// The low word of an amount.
pub(crate) fn low_word(amount: F) -> F {
    F::from_canonical_u64(amount.to_canonical_u64() & u64::from(u32::MAX))
}

/// The low halves of the words of a digest, several in an element.
pub(crate) fn low_halves(words: &[F; DIGEST_WORDS]) -> [F; HALF_PACKS] {
    let half = |word: &F| word.to_canonical_u64() & ((1 << HALF_BITS) - 1);
    let mut packs = words.chunks(HALVES_IN_PACK).map(|words| {
        F::from_canonical_u64(words.iter().rfold(0, |pack, word| pack << HALF_BITS | half(word)))
    });
    std::array::from_fn(|_| packs.next().unwrap_or_default())
}

/// The halves of the words of a digest, of whose low halves the prover knows [`low_halves`].
///
/// Only the low halves are bounded here. That the high ones are the rest of their words follows where both are hashed, the
/// words and those that the halves are shifted into: a shifted word is `2^16 low + high` and has 32 bits, so `high` is an
/// integer between `-2^32` and `2^32`, and `2^16 high + low = word` holds for integers, of which only one `low` has 16 bits.
/// The `low` before the first word is the domain's last half, which a state commits to; its environment makes it of 16 bits.
pub(crate) fn halves_circuit(
    builder: &mut Builder,
    words: &[Target; DIGEST_WORDS],
    packs: &[Target; HALF_PACKS],
) -> [Parts; DIGEST_WORDS] {
    let mut lows = vec![];
    for (&pack, words) in packs.iter().zip(words.chunks(HALVES_IN_PACK)) {
        let bits = builder.split_le(pack, words.len() * HALF_BITS);
        // The last one is what the others leave.
        let mut rest = pack;
        for bits in bits.chunks(HALF_BITS).take(words.len() - 1) {
            let low = builder.le_sum(bits.iter());
            rest = shifted_down(builder, rest, low, HALF_BITS);
            lows.push(low);
        }
        lows.push(rest);
    }
    std::array::from_fn(|i| Parts { high: shifted_down(builder, words[i], lows[i], HALF_BITS), low: lows[i] })
}

/// `(value - low) / 2^bits` in the field.
fn shifted_down(builder: &mut Builder, value: Target, low: Target, bits: usize) -> Target {
    let (one, scale) = (builder.one(), F::from_canonical_u64(1 << bits).inverse());
    builder.arithmetic(-scale, scale, one, low, value)
}

/// Two parts of an integer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// What is above the low bits.
    pub(crate) high: Target,
    /// The low bits.
    pub(crate) low: Target,
}

/// Splits an integer above its `low` lowest bits, and enforces that it has `bits` of them in all.
pub(crate) fn split_circuit(builder: &mut Builder, value: Target, bits: usize, low: usize) -> Parts {
    let bits = builder.split_le(value, bits);
    parts_circuit(builder, value, &bits, low)
}

/// Splits an integer, whose bits are given, above its `low` lowest ones.
pub(crate) fn parts_circuit(builder: &mut Builder, value: Target, bits: &[BoolTarget], low: usize) -> Parts {
    // The shorter part is summed up, and the other one is the rest.
    if low <= bits.len() - low {
        let sum = builder.le_sum(bits[..low].iter());
        Parts { high: shifted_down(builder, value, sum, low), low: sum }
    } else {
        let one = builder.one();
        let high = builder.le_sum(bits[low..].iter());
        let shift = F::from_canonical_u64(1 << low);
        Parts { high, low: builder.arithmetic(-shift, F::ONE, one, high, value) }
    }
}

/// `high * 2^bits + low`.
pub(crate) fn join_circuit(builder: &mut Builder, high: Target, bits: usize, low: Target) -> Target {
    builder.mul_const_add(F::from_canonical_u64(1 << bits), high, low)
}

/// 32 bytes as the words of claims of signatures, which have 39 bits, the least significant first.
pub(crate) fn claim_words_circuit(builder: &mut Builder, words: &[Target; DIGEST_WORDS]) -> Words<Target> {
    let mut claimed = [builder.zero(); CLAIM_WORDS];
    for (i, &word) in words.iter().rev().enumerate() {
        let start = i * WORD_BITS;
        let (first, offset) = (start / CLAIM_WORD_BITS, start % CLAIM_WORD_BITS);
        // How many bits the claim's word still takes.
        let room = CLAIM_WORD_BITS - offset;
        let mut add = |builder: &mut Builder, index: usize, shift: usize, part: Target| {
            claimed[index] = join_circuit(builder, part, shift, claimed[index]);
        };
        if room < WORD_BITS {
            let Parts { high, low } = split_circuit(builder, word, WORD_BITS, room);
            add(builder, first, offset, low);
            add(builder, first + 1, 0, high);
        } else {
            add(builder, first, offset, word);
        }
    }
    claimed
}

/// Enforces that the words of an address are those of its limbs, if `condition`. Words have 32 bits where they are hashed, and
/// limbs have 40.
///
/// ```text
/// limb    [ 32 | tops 0: 8 ][ 24 | tops 1: 16 ][ 16 | tops 2: 24 ][ rest: 8 | 32 ]
/// word    [ 32 ][ tops 0: 8 | 24 ][ tops 1: 16 | 16 ][ tops 2: 24 | rest: 8 ][ 32 ]
/// ```
pub(crate) fn enforce_address_if(
    builder: &mut Builder,
    condition: BoolTarget,
    words: &[Target; ADDRESS_WORDS],
    limbs: &[Target; LIMBS],
) {
    let above = |builder: &mut Builder, high: Target, bits: usize, value: Target| {
        builder.mul_const_add(-F::from_canonical_u64(1 << bits), high, value)
    };
    let mut parts = vec![];
    let mut rest = words[0];
    for limb in 0..LIMBS - 1 {
        // The limb has so many bits more than what is left of the word before, and this word so many more than those.
        let taken = (LIMB_BITS - WORD_BITS) * (limb + 1);
        let top = above(builder, rest, taken, limbs[limb]);
        rest = above(builder, top, WORD_BITS - taken, words[limb + 1]);
        parts.push((top, taken));
    }
    let last = join_circuit(builder, rest, WORD_BITS, words[LIMBS]);
    builder.enforce_equal_if(condition, last, limbs[LIMBS - 1]);
    parts.insert(0, (rest, LIMB_BITS - WORD_BITS));

    // All parts have their bits: one row for all of them, as integers side by side. The last and longest part is what the others
    // leave of the row.
    let (mut packed, mut start) = (builder.zero(), 0);
    for (part, bits) in &mut parts {
        *part = builder.mul(condition.target, *part);
        packed = builder.mul_const_add(F::from_canonical_u64(1 << start), *part, packed);
        start += *bits;
    }
    let all = builder.split_le(packed, start);
    let mut all = all.as_slice();
    for &(part, bits) in &parts[..LIMBS - 1] {
        let (own, others) = all.split_at(bits);
        all = others;
        let sum = builder.le_sum(own.iter());
        builder.enforce_equal(sum, part);
    }
}

#[cfg(test)]
mod tests {
    use circuits_core::{Circuit, Witness, layout};
    use circuits_prover::{basetypes::standard_config, panics::contained};
    use circuits_tables::ecdsa;
    use environments_core::address::Address;

    use super::*;

    /// What a circuit makes of words.
    fn made<const N: usize>(
        words: &[F; N],
        define: impl FnOnce(&mut Builder, &[Target; N]) -> Vec<Target>,
    ) -> Vec<u64> {
        let mut builder = Builder::new(standard_config());
        let targets: [Target; N] = layout::new_virtual(&mut builder);
        let outputs = define(&mut builder, &targets);
        builder.register_public_inputs(&outputs);
        let circuit: Circuit = builder.build();
        let mut witness = Witness::new();
        layout::set(&mut witness, &targets, words).unwrap();
        let proof = circuit.prove(witness).unwrap();
        proof.public_inputs.iter().map(|word| word.to_canonical_u64()).collect()
    }

    /// Whether words are those of limbs, if `condition`.
    fn is_address(words: &[F; ADDRESS_WORDS], limbs: &[F; LIMBS], condition: F) -> bool {
        let mut builder = Builder::new(standard_config());
        let targets: ([Target; ADDRESS_WORDS], [Target; LIMBS]) =
            (layout::new_virtual(&mut builder), layout::new_virtual(&mut builder));
        let flag = builder.add_virtual_bool_target_safe();
        enforce_address_if(&mut builder, flag, &targets.0, &targets.1);
        let circuit: Circuit = builder.build();
        let mut witness = Witness::new();
        layout::set(&mut witness, &targets.0, words).unwrap();
        layout::set(&mut witness, &targets.1, limbs).unwrap();
        layout::set_target(&mut witness, flag.target, condition).unwrap();
        contained(|| circuit.prove(witness).is_ok_and(|proof| circuit.verify(proof).is_ok())).unwrap_or(false)
    }

    #[test]
    fn words_are_split_and_joined_as_bytes_are() {
        let bytes: [u8; 32] = std::array::from_fn(|i| u8::try_from(i * 37 % 256).unwrap() ^ 0x81);
        for bytes in [bytes, [0xff; 32], [0; 32]] {
            let claimed =
                made(&digest_words(&bytes), |builder, words| claim_words_circuit(builder, words).to_vec());
            assert_eq!(claimed, ecdsa::to_words(&bytes).map(|word| word.to_canonical_u64()));

            let words: [F; DIGEST_WORDS] = digest_words(&bytes);
            let packs = low_halves(&words);
            let given: [F; DIGEST_WORDS + HALF_PACKS] =
                std::array::from_fn(|i| if i < DIGEST_WORDS { words[i] } else { packs[i - DIGEST_WORDS] });
            let halves = made(&given, |builder, given| {
                let (words, packs) = given.split_first_chunk().expect("as many");
                let halves = halves_circuit(builder, words, packs.try_into().expect("as many"));
                halves.iter().flat_map(|half| [half.high, half.low]).collect()
            });
            let expected = bytes.chunks(2).map(|half| u64::from(u16::from_be_bytes([half[0], half[1]])));
            assert_eq!(halves, expected.collect::<Vec<_>>());
            let words: [F; ADDRESS_WORDS] = std::array::from_fn(|i| words[DIGEST_WORDS - ADDRESS_WORDS + i]);
            let mut address = Address::default();
            address.0.copy_from_slice(&bytes[12..]);
            assert!(is_address(&words, &address.limbs(), F::ONE));
            for i in 0..ADDRESS_WORDS {
                let mut other = words;
                other[i] += F::ONE;
                assert!(
                    !is_address(&other, &address.limbs(), F::ONE)
                        && is_address(&other, &address.limbs(), F::ZERO)
                );
            }
        }
    }
}
