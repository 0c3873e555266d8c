//! The order of keys.

use circuits_core::trees::SHORT_LIMB_BITS;
use plonky2::field::types::PrimeField64;

use super::*;

/// Hints of a comparison, in the order in which they are asked.
const POINTER: usize = 0;
const X: usize = 1;
const Y: usize = 2;

/// `p`.
const ORDER: u64 = 0xffff_ffff_0000_0001;

fn compare(condition: F, a: [u64; 4], b: [u64; 4]) -> Lie<()> {
    honest(&[&[condition][..], &a.map(element), &b.map(element)].concat(), ())
}

fn less(a: [u64; 4], b: [u64; 4]) -> Lie<()> {
    compare(F::ONE, a, b)
}

/// The third part of an answer for the upper side: what makes a low word pass beside a high word.
fn inverse(high: u64) -> u64 {
    (F::from_noncanonical_u64(high) - element(TOP_WORD)).inverse().to_canonical_u64()
}

fn honest_comparisons() -> Vec<Lie<()>> {
    const MIDDLE: u64 = 0x1234_5678_9abc_def0;
    let mut inputs = vec![];
    for limb in 0..4 {
        for distance in [1, 1 << 36] {
            let (mut a, mut b) = ([MIDDLE; 4], [MIDDLE; 4]);
            a[limb] -= distance;
            b[limb] += distance;
            // What comes after decides nothing.
            a[limb + 1..].fill(MIDDLE + 5);
            b[limb + 1..].fill(MIDDLE - 5);
            inputs.push(less(a, b));
            inputs.push(compare(F::ZERO, b, a));
        }
    }
    inputs.push(compare(F::ZERO, [MIDDLE; 4], [MIDDLE; 4]));
    inputs.push(less([0; 4], [0, 0, 0, 1]));
    inputs.push(less([ORDER - 2, 0, 0, 0], [ORDER - 1, 0, 0, 0]));
    inputs
}

/// Keys that are not in order, with honest hints.
fn unordered() -> Vec<Lie<()>> {
    let half = F::TWO.inverse();
    vec![
        less([10, 0, 0, 0], [9, 0, 0, 0]),
        less([10, 3, 0, 0], [10, 3, 0, 0]),
        less([0, 0, 0, 1], [0; 4]),
        less([ORDER - 1, 0, 0, 0], [0, 0, 0, 0]),
        less([1 << 32, 0, 0, 0], [(1 << 32) - 1, 0, 0, 0]),
        // A condition that turns a difference of -2 into 1.
        compare(-half, [10, 0, 0, 0], [9, 0, 0, 0]),
    ]
}

/// Pointers that are not one-hot, point too far, or skip a word.
fn wrong_pointers() -> Vec<Lie<()>> {
    let minus = ORDER - 1;
    vec![
        less([8, 6, 7, 7], [7, 7, 7, 7]).answer(POINTER, &[1, 0, 0, 1]),
        less([7, 8, 6, 7], [7, 7, 7, 7]).answer(POINTER, &[0, 1, 0, 1]),
        less([7, 7, 8, 6], [7, 7, 7, 7]).answer(POINTER, &[0, 0, 1, 1]),
        // One pointer of -1 beside one of 1: the sums are 0 and 0 or 1, and x < y although a > b.
        less([7, 0, 1, 0], [6, 0, 3, 0]).answer(POINTER, &[minus, 1, 0, 1]),
        less([7, 0, 3, 0], [6, 0, 1, 0]).answer(POINTER, &[1, minus, 0, 1]),
        less([7, 0, 0, 3], [6, 0, 0, 1]).answer(POINTER, &[1, 0, minus, 1]),
        // Two pointers: x = a1 + a2 - a0 wraps where y does not.
        less([2, 0, 3, 0], [2, 0, 1, 0]).answer(POINTER, &[1, 1, 0, 0]),
        // The high word skipped although it differs, or multiplied by -1.
        less([8 << 32 | 6, 0, 0, 0], [7 << 32 | 7, 0, 0, 0]).answer(POINTER, &AT_0_LOW),
        less([10, 0, 0, 0], [9, 0, 0, 0]).answer(POINTER, &[0, 0, 0, minus]),
    ]
}

/// Case 30: 9 has a second 64-bit form, 9 + p = (2^32 - 1) * 2^32 + 10.
fn aliased() -> Vec<Lie<()>> {
    [0, 1, 5]
        .map(|inverse| {
            less([10, 0, 0, 0], [9, 0, 0, 0]).answer(POINTER, &AT_0_HIGH).answer(Y, &[TOP_WORD, 10, inverse])
        })
        .into()
}

/// Case 35: words that are no words, or not those of the limb.
fn wrong_words() -> Vec<Lie<()>> {
    let ten_and_nine = || less([10, 0, 0, 0], [9, 0, 0, 0]);
    vec![
        // 1 = -(2^32 - 1) * 2^32 + 0: a high word below every other.
        less([1, 0, 0, 0], [0; 4]).answer(POINTER, &AT_0_HIGH).answer(X, &[ORDER - TOP_WORD, 0]),
        // p - 1 = 0 * 2^32 - 1: a low word below every other.
        less([ORDER - 1, 0, 0, 0], [0; 4]).answer(POINTER, &AT_0_LOW).answer(X, &[0, ORDER - 1]),
        // 2^32 - 1 = 2^32 * 2^32: a high word above every other.
        less([2 << 32, 0, 0, 0], [TOP_WORD, 0, 0, 0]).answer(POINTER, &AT_0_HIGH).answer(Y, &[1 << 32, 0, 0]),
        // 9 = 1 * 2^32 + (9 - 2^32).
        ten_and_nine().answer(POINTER, &AT_0_HIGH).answer(Y, &[1, ORDER + 9 - (1 << 32), inverse(1)]),
        // The words of other limbs.
        ten_and_nine().answer(X, &[0, 0]),
        ten_and_nine().answer(POINTER, &AT_0_HIGH).answer(Y, &[1, 0, 0]),
    ]
}

fn lies() -> Vec<Lie<()>> {
    [unordered(), wrong_pointers(), aliased(), wrong_words()].into_iter().flatten().collect()
}

#[test]
fn keys_out_of_order_are_rejected_whatever_the_prover_answers() {
    let compiled = Compiled::new(Lying(Gadget::<gadgets::KeyOrder<false>, 9>::new(DEPTH))).unwrap();
    for lie in lies() {
        assert_rejects(&compiled, &lie);
    }
}

#[test]
fn the_order_of_keys_withstands_the_kit() {
    attack_with::<gadgets::KeyOrder<false>, 9>(
        &honest_comparisons(),
        &lies(),
        |kit| kit.masked(MASKED),
        |mutator| mutator.masked(MASKED),
    );
}

/// Comparisons of short limbs that hold.
fn honest_short_comparisons() -> Vec<Lie<()>> {
    const MIDDLE: u64 = 0x0234_5678_9abc_def0;
    const LARGEST: u64 = (1 << SHORT_LIMB_BITS) - 1;
    let mut inputs = vec![];
    for limb in 0..4 {
        for distance in [1, 1 << 36] {
            let (mut a, mut b) = ([MIDDLE; 4], [MIDDLE; 4]);
            a[limb] -= distance;
            b[limb] += distance;
            a[limb + 1..].fill(LARGEST);
            b[limb + 1..].fill(0);
            inputs.push(less(a, b));
            inputs.push(compare(F::ZERO, b, a));
        }
    }
    inputs.push(compare(F::ZERO, [MIDDLE; 4], [MIDDLE; 4]));
    inputs.push(less([0; 4], [LARGEST, 0, 0, 0]));
    inputs
}

/// Keys of short limbs that are not in order, with honest hints, and pointers that are not one-hot or point too far.
fn short_lies() -> Vec<Lie<()>> {
    let minus = ORDER - 1;
    let half = F::TWO.inverse();
    vec![
        less([10, 0, 0, 0], [9, 0, 0, 0]),
        less([10, 3, 0, 0], [10, 3, 0, 0]),
        less([0, 0, 0, 1], [0; 4]),
        less([(1 << SHORT_LIMB_BITS) - 1, 0, 0, 0], [0; 4]),
        compare(-half, [10, 0, 0, 0], [9, 0, 0, 0]),
        less([8, 6, 7, 7], [7, 7, 7, 7]).answer(POINTER, &[1, 0, 0]),
        less([7, 8, 6, 7], [7, 7, 7, 7]).answer(POINTER, &[0, 1, 0]),
        less([7, 7, 8, 6], [7, 7, 7, 7]).answer(POINTER, &[0, 0, 1]),
        less([7, 0, 1, 0], [6, 0, 3, 0]).answer(POINTER, &[minus, 1, 0]),
        less([7, 0, 3, 0], [6, 0, 1, 0]).answer(POINTER, &[1, minus, 0]),
        less([7, 0, 0, 3], [6, 0, 0, 1]).answer(POINTER, &[1, 0, minus]),
        // In the field, 7 is 12 more than p - 5: only short limbs are compared as they are.
        less([ORDER - 5, 0, 0, 0], [7, 0, 0, 0]),
        less([1 << SHORT_LIMB_BITS, 0, 0, 0], [(1 << SHORT_LIMB_BITS) + 1, 0, 0, 0]),
        // Two pointers: the later one counts.
        less([2, 0, 3, 0], [2, 0, 1, 0]).answer(POINTER, &[1, 1, 0]),
    ]
}

#[test]
fn the_order_of_keys_with_short_limbs_withstands_the_kit() {
    attack_with::<gadgets::KeyOrder<true>, 9>(
        &honest_short_comparisons(),
        &short_lies(),
        |kit| kit.masked(MASKED),
        |mutator| mutator.masked(MASKED),
    );
}
