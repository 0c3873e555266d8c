//! Lists that are no messages with their digests, and what stops their traces.

use std::collections::BTreeSet;

use circuits_core::F;
use circuits_tables::{
    keccak::{
        Block, check_blocks,
        table::{
            BLOCK_ROWS,
            check::{Violation, violations},
            trace::Trace,
        },
    },
    table::SumError,
};
use plonky2::field::types::Field;
use proptest::prelude::*;

use super::lists::{SHORT, faults, list};

const DIGEST: &str = "the digest is the start of a message's last state";
const OTHER_LIST: &str = "the trace's items are not those of the list";
const PADDING: &str = "padding starts with 1, and zeros follow";

/// Two messages of two blocks, and one of one block.
fn honest() -> Vec<Block> {
    list(&[200, 150, 30])
}

#[track_caller]
fn assert_faults(blocks: &[Block], expected: &[&str]) {
    let expected: BTreeSet<_> = expected.iter().map(|&fault| fault.to_owned()).collect();
    assert_eq!(faults(blocks), expected);
}

#[test]
fn a_digest_of_another_message_is_rejected() {
    let mut blocks = honest();
    blocks[1].digest[7] += F::ONE;
    assert_faults(&blocks, &[DIGEST]);
    let mut blocks = honest();
    blocks[1].digest = blocks[3].digest;
    assert_faults(&blocks, &[DIGEST]);
    let mut blocks = honest();
    blocks[1].digest = [F::ZERO; 8];
    assert_faults(&blocks, &[DIGEST]);
}

#[test]
fn a_digest_before_the_end_of_a_message_is_rejected() {
    let mut blocks = honest();
    blocks[0].digest = blocks[1].digest;
    assert_faults(&blocks, &[DIGEST]);
}

#[test]
fn blocks_that_are_left_out_or_reordered_have_other_digests() {
    let mut blocks = honest();
    blocks.remove(0);
    assert_faults(&blocks, &[DIGEST]);
    let mut blocks = honest();
    blocks.swap(0, 2);
    assert_faults(&blocks, &[DIGEST]);
    // Messages may be in any order.
    let mut blocks = honest();
    blocks.rotate_left(2);
    assert_faults(&blocks, &[]);
}

#[test]
fn a_message_that_does_not_end_is_rejected() {
    let mut blocks = honest();
    blocks.pop();
    blocks.push(list(&[200])[0]);
    assert_faults(&blocks, &["padding follows the end of a message"]);
    // Two messages without an end between them.
    let mut blocks = honest();
    (blocks[1].last, blocks[1].digest) = (F::ZERO, [F::ZERO; 8]);
    assert_faults(&blocks, &[DIGEST]);
}

#[test]
fn a_message_that_ends_without_padding_is_rejected() {
    // The fixtures' first blocks end with other bytes than padding, and without its last bit.
    let mut blocks = list(&[200]);
    blocks.truncate(1);
    blocks[0].last = F::ONE;
    let state = Trace::new(&blocks, SHORT).rows[BLOCK_ROWS];
    for (j, word) in blocks[0].digest.iter_mut().enumerate() {
        let bytes = state.bits[32 * j..][..32].chunks(8);
        *word = bytes.fold(F::ZERO, |word, bits| {
            bits.iter().rev().fold(F::ZERO, |byte, &bit| byte.double() + bit)
                + word * F::from_canonical_u64(256)
        });
    }
    let found = faults(&blocks);
    assert!(found.contains(PADDING), "{found:?}");
    assert!(!found.contains(DIGEST), "{found:?}");
}

#[test]
fn words_of_more_than_32_bits_are_rejected() {
    let mut blocks = honest();
    blocks[2].words[9] += F::from_canonical_u64(1 << 32);
    assert_faults(&blocks, &[OTHER_LIST]);
    let mut blocks = honest();
    blocks[4].digest[0] += F::from_canonical_u64(1 << 32);
    assert_faults(&blocks, &[DIGEST]);
}

#[test]
fn an_end_that_is_no_boolean_is_rejected() {
    let mut blocks = honest();
    blocks[0].last = F::TWO;
    assert!(faults(&blocks).contains("the end of a message is boolean"));
}

#[test]
fn a_trace_of_more_fewer_or_other_blocks_is_not_one_of_the_list() {
    let blocks = honest();
    let trace = Trace::new(&blocks, SHORT);
    let other = [Violation::Sum(SumError::OtherList)];
    assert_eq!(violations(&trace, &blocks[..4]), other);
    assert_eq!(violations(&trace, &[&blocks[..], &blocks[4..]].concat()), other);
    assert_eq!(violations(&trace, &[]), other);
    let mut reordered = blocks.clone();
    reordered.rotate_left(2);
    assert_eq!(violations(&trace, &reordered), other);
    let mut changed = blocks.clone();
    changed[3].words[33] += F::ONE;
    assert_eq!(violations(&trace, &changed), other);
}

/// A change of a list.
#[derive(Clone, Debug)]
enum Change {
    Word { word: usize, bit: u32 },
    Last,
    Digest { word: usize },
    Remove,
    MoveToEnd,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0..34_usize, 0..33_u32).prop_map(|(word, bit)| Change::Word { word, bit }),
        Just(Change::Last),
        (0..8_usize).prop_map(|word| Change::Digest { word }),
        Just(Change::Remove),
        Just(Change::MoveToEnd),
    ]
}

impl Change {
    fn apply(&self, blocks: &mut Vec<Block>, index: usize) {
        match *self {
            Self::Word { word, bit } => blocks[index].words[word] += F::from_canonical_u64(1 << bit),
            Self::Last => blocks[index].last = F::ONE - blocks[index].last,
            Self::Digest { word } => blocks[index].digest[word] += F::ONE,
            Self::Remove => drop(blocks.remove(index)),
            Self::MoveToEnd => blocks[index..].rotate_left(1),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_trace_breaks_a_rule_if_and_only_if_its_list_is_wrong(
        lengths in prop::collection::vec(0..300_usize, 1..5),
        changes in prop::collection::vec((change(), any::<prop::sample::Index>()), 0..3),
    ) {
        let mut blocks = list(&lengths);
        for (change, index) in changes {
            if !blocks.is_empty() {
                let index = index.index(blocks.len());
                change.apply(&mut blocks, index);
            }
        }
        prop_assert_eq!(check_blocks(&blocks).is_ok(), faults(&blocks).is_empty());
    }
}
