//! Keccak-256 for Merkle trees and transcripts that a contract reads.
//!
//! plonky2's `KeccakHash` serialises elements with their low byte first, which the Ethereum virtual machine would have to
//! swap. Here every integer has its high byte first: a contract hashes the bytes of its calldata as they are.
//!
//! | what | Keccak-256 of | bytes |
//! |---|---|---|
//! | leaf, circuit digest | its elements | 8 n |
//! | node | left digest, right digest | 50 |
//! | seed of a permutation | the 12 elements of the state, [`SEED_TAG`] | 97 |
//! | part `i` of its output | the seed, `i + 1` | 33 |
//!
//! No two of these have messages of one length, so none can stand for another.
//!
//! Digests of trees are the first [`DIGEST_BYTES`] bytes. The transcript observes one as four integers of 7, 7, 7 and 4
//! bytes.
//!
//! The permutation takes the capacity from the seed: its four words of 64 bits without their highest bit. That is 252 bits,
//! which no two known states share. Each part of the output gives two elements of the rate, the integers of its high and low
//! 128 bits modulo the order of the field: no element is likelier than another by more than a factor of 1 + 2^-63. What a
//! verifier does not look at, it need not compute.

use std::ops::Range;

use p3_field::PrimeField64 as _;
use p3_goldilocks::Goldilocks;
use p3_keccak::{KeccakF, VECTOR_LEN};
use p3_symmetric::Permutation as _;
use plonky2::{
    field::types::{Field as _, PrimeField64 as _},
    hash::{hash_types::NUM_HASH_OUT_ELTS, hashing::PlonkyPermutation},
    plonk::config::{GenericHashOut, Hasher},
};
use serde::{Deserialize, Serialize};

use crate::{
    basetypes::F,
    hasher::{PackedHasher, SPONGE_RATE, SPONGE_WIDTH},
};

/// Bytes of the digests of trees. Two messages with one digest take 2^100 hashes to find, as many as the proofs are worth,
/// and one byte more would cost about 1.5 kB of calldata.
pub const DIGEST_BYTES: usize = 25;
/// What follows the state in the message that a permutation's seed is the hash of.
pub const SEED_TAG: u8 = 0;

/// Bytes of a field element.
const WORD_BYTES: usize = 8;
/// Words of 64 bits that Keccak-256 absorbs at once.
const BLOCK_WORDS: usize = 17;
/// Bytes that Keccak-256 absorbs at once.
const BLOCK_BYTES: usize = BLOCK_WORDS * WORD_BYTES;
/// Words of Keccak's state.
const STATE_WORDS: usize = 25;
/// Words and bytes of a full Keccak-256 digest.
const HASH_WORDS: usize = 4;
const HASH_BYTES: usize = HASH_WORDS * WORD_BYTES;
/// What follows a message's last byte, and what ends its last block.
const FIRST_PADDING: u8 = 1;
const LAST_PADDING: u8 = 0x80;
/// Bytes of the digest that one element holds.
const DIGEST_CHUNK: usize = 7;

/// Elements of a permutation's output that one hash gives.
const ELEMENTS_PER_HASH: usize = 2;

/// Keccak states side by side.
type Lanes = [[u64; VECTOR_LEN]; STATE_WORDS];

/// The hasher of proofs that a contract verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeccakHasher;

/// The first bytes of a Keccak-256 digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TreeDigest(pub [u8; DIGEST_BYTES]);

impl GenericHashOut<F> for TreeDigest {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Bytes beyond the digest's are ignored, and missing ones are zero.
    fn from_bytes(bytes: &[u8]) -> Self {
        let mut digest = [0; DIGEST_BYTES];
        digest.iter_mut().zip(bytes).for_each(|(byte, &value)| *byte = value);
        Self(digest)
    }

    fn to_vec(&self) -> Vec<F> {
        let integer = |bytes: &[u8]| bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        self.0.chunks(DIGEST_CHUNK).map(|bytes| F::from_canonical_u64(integer(bytes))).collect()
    }
}

/// Keccak-256 of a message.
#[must_use]
pub fn keccak256(message: &[u8]) -> [u8; HASH_BYTES] {
    let mut state = [0; STATE_WORDS];
    let (blocks, rest) = message.as_chunks::<BLOCK_BYTES>();
    for block in blocks {
        for (word, bytes) in state.iter_mut().zip(block.as_chunks::<WORD_BYTES>().0) {
            *word ^= u64::from_le_bytes(*bytes);
        }
        KeccakF.permute_mut(&mut state);
    }
    state.iter_mut().zip(padded_block(rest)).for_each(|(word, absorbed)| *word ^= absorbed);
    KeccakF.permute_mut(&mut state);
    hash_in(&state.map(|word| [word]), 0)
}

/// The digest in one lane of a state.
fn hash_in<const N: usize>(state: &[[u64; N]; STATE_WORDS], lane: usize) -> [u8; HASH_BYTES] {
    let mut hash = [0; HASH_BYTES];
    for (bytes, words) in hash.as_chunks_mut::<WORD_BYTES>().0.iter_mut().zip(state) {
        *bytes = words[lane].to_le_bytes();
    }
    hash
}

/// As [`hash_in`], as much of it as trees have.
fn digest_in(state: &Lanes, lane: usize) -> TreeDigest {
    TreeDigest::from_bytes(&hash_in(state, lane))
}

/// The state after a message of less than a block was absorbed, padding included.
fn padded_block(message: &[u8]) -> [u64; STATE_WORDS] {
    let mut bytes = [0; BLOCK_BYTES];
    bytes[..message.len()].copy_from_slice(message);
    bytes[message.len()] = FIRST_PADDING;
    bytes[BLOCK_BYTES - 1] |= LAST_PADDING;
    let mut words = [0; STATE_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<WORD_BYTES>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

impl Hasher<F> for KeccakHasher {
    const HASH_SIZE: usize = DIGEST_BYTES;
    type Hash = TreeDigest;
    type Permutation = KeccakPermutation;

    fn hash_no_pad(input: &[F]) -> TreeDigest {
        let message: Vec<u8> =
            input.iter().flat_map(|element| element.to_canonical_u64().to_be_bytes()).collect();
        TreeDigest::from_bytes(&keccak256(&message))
    }

    /// Short leaves are hashed too, so that no leaf is a node.
    fn hash_or_noop(inputs: &[F]) -> TreeDigest {
        Self::hash_no_pad(inputs)
    }

    fn two_to_one(left: TreeDigest, right: TreeDigest) -> TreeDigest {
        TreeDigest::from_bytes(&keccak256(&[left.0, right.0].concat()))
    }
}

impl PackedHasher for KeccakHasher {
    fn hash_rows<'r, T: Copy + 'r>(
        digests: &mut [TreeDigest],
        row: impl Fn(usize) -> &'r [T],
        convert: impl Fn(T) -> Goldilocks,
    ) {
        for (chunk, digests) in digests.chunks_mut(VECTOR_LEN).enumerate() {
            let rows: [&[T]; VECTOR_LEN] =
                std::array::from_fn(|lane| row(chunk * VECTOR_LEN + lane.min(digests.len() - 1)));
            let length = rows[0].len();
            let absorb = |state: &mut Lanes, columns: Range<usize>| {
                for (words, column) in state.iter_mut().zip(columns) {
                    for (word, row) in words.iter_mut().zip(rows) {
                        *word ^= convert(row[column]).as_canonical_u64().swap_bytes();
                    }
                }
            };
            let mut state = [[0; VECTOR_LEN]; STATE_WORDS];
            let last_block = length / BLOCK_WORDS * BLOCK_WORDS;
            for start in (0..last_block).step_by(BLOCK_WORDS) {
                absorb(&mut state, start..start + BLOCK_WORDS);
                KeccakF.permute_mut(&mut state);
            }
            absorb(&mut state, last_block..length);
            state[length - last_block].iter_mut().for_each(|word| *word ^= u64::from(FIRST_PADDING));
            let last_padding = u64::from(LAST_PADDING) << (u64::BITS - u8::BITS);
            state[BLOCK_WORDS - 1].iter_mut().for_each(|word| *word ^= last_padding);
            KeccakF.permute_mut(&mut state);
            for (lane, digest) in digests.iter_mut().enumerate() {
                *digest = digest_in(&state, lane);
            }
        }
    }

    fn hash_pairs(children: &[TreeDigest], parents: &mut [TreeDigest]) {
        const NODE_BYTES: usize = 2 * DIGEST_BYTES;
        for (parents, children) in parents.chunks_mut(VECTOR_LEN).zip(children.chunks(2 * VECTOR_LEN)) {
            let mut message = [0; NODE_BYTES];
            let mut state = [[0; VECTOR_LEN]; STATE_WORDS];
            for (lane, pair) in children.as_chunks::<2>().0.iter().enumerate() {
                message[..DIGEST_BYTES].copy_from_slice(&pair[0].0);
                message[DIGEST_BYTES..].copy_from_slice(&pair[1].0);
                for (words, word) in state.iter_mut().zip(padded_block(&message)) {
                    words[lane] = word;
                }
            }
            KeccakF.permute_mut(&mut state);
            for (lane, parent) in parents.iter_mut().enumerate() {
                *parent = digest_in(&state, lane);
            }
        }
    }

    fn lowest_nonce(
        state: &KeccakPermutation,
        position: usize,
        nonces: Range<u64>,
        bits: u32,
    ) -> Option<u64> {
        // Both hashes are of one block, in which only the nonce and the seed differ between lanes.
        let seed_block = padded_block(&state.seed_message());
        let last_part = (SPONGE_RATE / ELEMENTS_PER_HASH) as u8;
        let mut part_message = [0; PART_BYTES];
        part_message[HASH_BYTES] = last_part;
        let part_block = padded_block(&part_message);
        nonces.step_by(VECTOR_LEN).find_map(|first| {
            let mut seeds = seed_block.map(|word| [word; VECTOR_LEN]);
            seeds[position] = std::array::from_fn(|lane| (first + lane as u64).swap_bytes());
            KeccakF.permute_mut(&mut seeds);
            let mut parts = part_block.map(|word| [word; VECTOR_LEN]);
            parts[..HASH_WORDS].copy_from_slice(&seeds[..HASH_WORDS]);
            KeccakF.permute_mut(&mut parts);
            let lane = (0..VECTOR_LEN).find(|&lane| {
                let [_, response] = elements_of(&hash_in(&parts, lane));
                response.to_canonical_u64().leading_zeros() >= bits
            })?;
            Some(first + lane as u64)
        })
    }

    fn hash_of_elements(elements: [F; NUM_HASH_OUT_ELTS]) -> TreeDigest {
        let skipped = |i: usize| WORD_BYTES - DIGEST_CHUNK.min(DIGEST_BYTES - i * DIGEST_CHUNK);
        let bytes: Vec<u8> = elements
            .iter()
            .enumerate()
            .flat_map(|(i, element)| element.to_canonical_u64().to_be_bytes().into_iter().skip(skipped(i)))
            .collect();
        TreeDigest::from_bytes(&bytes)
    }
}

/// Bytes of the message whose hash is the seed.
const SEED_BYTES: usize = SPONGE_WIDTH * WORD_BYTES + 1;
/// Bytes of the message whose hash is a part of a permutation's output.
const PART_BYTES: usize = HASH_BYTES + 1;

/// The two elements of a part of a permutation's output.
fn elements_of(hash: &[u8; HASH_BYTES]) -> [F; ELEMENTS_PER_HASH] {
    let (halves, _) = hash.as_chunks::<{ HASH_BYTES / ELEMENTS_PER_HASH }>();
    std::array::from_fn(|i| {
        let element = F::from_noncanonical_u128(u128::from_be_bytes(halves[i]));
        F::from_canonical_u64(element.to_canonical_u64())
    })
}

/// What the transcript does with its state. It is a random function and no permutation, which a transcript does not need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeccakPermutation {
    state: [F; SPONGE_WIDTH],
}

impl KeccakPermutation {
    /// The message whose hash is the seed.
    fn seed_message(&self) -> [u8; SEED_BYTES] {
        let mut message = [SEED_TAG; SEED_BYTES];
        for (bytes, element) in message.as_chunks_mut::<WORD_BYTES>().0.iter_mut().zip(&self.state) {
            *bytes = element.to_canonical_u64().to_be_bytes();
        }
        message
    }
}

impl AsRef<[F]> for KeccakPermutation {
    fn as_ref(&self) -> &[F] {
        &self.state
    }
}

impl PlonkyPermutation<F> for KeccakPermutation {
    const RATE: usize = SPONGE_RATE;
    const WIDTH: usize = SPONGE_WIDTH;

    fn new<I: IntoIterator<Item = F>>(elements: I) -> Self {
        let mut permutation = Self::default();
        permutation.set_from_iter(elements, 0);
        permutation
    }

    fn set_elt(&mut self, element: F, index: usize) {
        self.state[index] = element;
    }

    fn set_from_slice(&mut self, elements: &[F], start: usize) {
        self.state[start..start + elements.len()].copy_from_slice(elements);
    }

    fn set_from_iter<I: IntoIterator<Item = F>>(&mut self, elements: I, start: usize) {
        for (slot, element) in self.state[start..].iter_mut().zip(elements) {
            *slot = element;
        }
    }

    fn permute(&mut self) {
        let seed = keccak256(&self.seed_message());
        let (rate, capacity) = self.state.split_at_mut(SPONGE_RATE);
        for (part, elements) in (1..).zip(rate.as_chunks_mut::<ELEMENTS_PER_HASH>().0) {
            *elements = elements_of(&keccak256(&[&seed[..], &[part]].concat()));
        }
        for (element, word) in capacity.iter_mut().zip(seed.as_chunks::<WORD_BYTES>().0) {
            *element = F::from_canonical_u64(u64::from_be_bytes(*word) & (u64::MAX >> 1));
        }
    }

    fn squeeze(&self) -> &[F] {
        &self.state[..SPONGE_RATE]
    }
}
