//! The blocks that a batch proves, and the digest of their list.
//!
//! ```text
//! empty      = H(KECCAK)
//! append     = H(KECCAK, list, words, last, digest)
//! ```
//!
//! A list of blocks determines the messages: `last` says where each ends, and the padding how long its last block is.

use circuits_core::{
    constrain::Constrain as _,
    digest::{Digest, DigestTarget},
    hash::{Domain, hash, hash_circuit},
    layout::{self, Layout},
};
use circuits_prover::basetypes::{Builder, F};
use plonky2::{field::types::Field, iop::target::Target};
use sha3::{Digest as _, Keccak256};

/// The domain of the list of blocks.
const KECCAK: Domain = Domain::new("keccak");

/// Bytes of a message that one permutation absorbs.
pub const BLOCK_BYTES: usize = 136;
/// Words of a block.
pub const BLOCK_WORDS: usize = BLOCK_BYTES / WORD_BYTES;
/// Words of a digest.
pub const DIGEST_WORDS: usize = 8;
/// Bytes of a word.
const WORD_BYTES: usize = 4;
/// The number of bits of a byte.
const BYTE_BITS: usize = 8;
/// The byte after a message, by which Keccak-256 as Ethereum has it differs from SHA-3.
pub(super) const FIRST_PADDING: u8 = 0x01;
/// What is added to the last byte of a padded message.
pub(super) const LAST_PADDING: u8 = 0x80;

circuits_core::layout! {
    /// A block of a padded message. All words are big-endian integers of 32 bits.
    pub struct Block<T> {
        /// The bytes of the block, of the message first, then of its padding.
        pub words: [T; BLOCK_WORDS],
        /// Whether it is the last block of its message: 0 or 1.
        pub last: T,
        /// The Keccak-256 digest of the message if this is its last block, else zeros.
        pub digest: [T; DIGEST_WORDS],
    }
}

circuits_core::layout! {
    /// What a batch proof states: the blocks of a list are those of padded messages, one message after the other, each
    /// with its Keccak-256 digest. The last block of the list ends its message.
    pub struct KeccakStatement<T> {
        /// Digest of the list, in order.
        pub list: Digest<T>,
        /// Blocks in the list.
        pub blocks: T,
    }
}

/// The words of `bytes`. A last one that is not complete has zeros in its low bytes.
#[must_use]
pub fn to_words(bytes: &[u8]) -> Vec<u32> {
    let word = |chunk: &[u8]| {
        let mut word = [0; WORD_BYTES];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_be_bytes(word)
    };
    bytes.chunks(WORD_BYTES).map(word).collect()
}

/// The Keccak-256 digest of a message.
#[must_use]
pub fn keccak256(message: &[u8]) -> [u8; 32] {
    Keccak256::digest(message).into()
}

/// The words of the blocks of a message of `length` bytes that are all zero: what its padding adds to other messages.
fn padding(length: usize) -> Vec<u32> {
    let mut bytes = vec![0; (length / BLOCK_BYTES + 1) * BLOCK_BYTES];
    bytes[length] = FIRST_PADDING;
    if let Some(last) = bytes.last_mut() {
        *last |= LAST_PADDING;
    }
    to_words(&bytes)
}

/// The blocks of a message, with its digest in the last one.
#[must_use]
pub fn blocks(message: &[u8]) -> Vec<Block> {
    let mut words = padding(message.len());
    for (word, of_message) in words.iter_mut().zip(to_words(message)) {
        *word |= of_message;
    }
    let mut blocks: Vec<_> = words
        .chunks(BLOCK_WORDS)
        .map(|words| Block { words: elements(words), last: F::ZERO, digest: [F::ZERO; DIGEST_WORDS] })
        .collect();
    if let Some(block) = blocks.last_mut() {
        block.last = F::ONE;
        block.digest = elements(&to_words(&keccak256(message)));
    }
    blocks
}

/// Words as field elements. Missing ones are zero.
pub(super) fn elements<const N: usize>(words: &[u32]) -> [F; N] {
    std::array::from_fn(|i| words.get(i).map_or(F::ZERO, |&word| F::from_canonical_u32(word)))
}

/// The digest of the empty list.
#[must_use]
pub fn empty_list() -> Digest {
    hash(KECCAK, &[])
}

/// The digest of `list` with one more block.
#[must_use]
pub fn append(list: Digest, block: &Block) -> Digest {
    hash(KECCAK, &[&list.0[..], &block.encode()].concat())
}

/// The in-circuit twin of [`append`].
pub fn append_circuit(builder: &mut Builder, list: DigestTarget, block: &Block<Target>) -> DigestTarget {
    hash_circuit(builder, KECCAK, &[&list.0[..], &block.encode()].concat())
}

/// The digest of `list` with the blocks of one more message.
#[must_use]
pub fn append_message(list: Digest, message: &[u8]) -> Digest {
    blocks(message).iter().fold(list, append)
}

/// The in-circuit twin of [`append_message`] for a message of `length` bytes, given by its words as [`to_words`] makes
/// them, without padding. Returns the words of its digest too, which the caller's witness assigns.
///
/// The bytes of the last word that are not the message's are constrained to be zero. That the other words have 32 bits, and
/// that the digest is that of the message, follows only where a [`KeccakStatement`] about the list is proved.
///
/// # Panics
/// If there are other than `length` bytes of words.
#[track_caller]
pub fn append_message_circuit(
    builder: &mut Builder,
    list: DigestTarget,
    words: &[Target],
    length: usize,
) -> (DigestTarget, [Target; DIGEST_WORDS]) {
    assert_eq!(words.len(), length.div_ceil(WORD_BYTES), "the words are those of the message");
    let missing = BYTE_BITS * (words.len() * WORD_BYTES - length);
    if let Some(&last) = words.last()
        && missing > 0
    {
        // The padding is added to it in the field: of -1, which also ends in zeros, nothing would be left.
        let bytes = builder.mul_const(F::inverse_2exp(missing), last);
        builder.enforce_range(bytes, BYTE_BITS * WORD_BYTES - missing);
    }
    let digest: [Target; DIGEST_WORDS] = layout::new_virtual(builder);
    let padded: Vec<_> = padding(length)
        .into_iter()
        .enumerate()
        .map(|(i, padding)| match words.get(i) {
            Some(&word) if padding == 0 => word,
            Some(&word) => builder.add_const(word, F::from_canonical_u32(padding)),
            None => builder.constant(F::from_canonical_u32(padding)),
        })
        .collect();
    let (zero, one) = (builder.zero(), builder.one());
    let mut list = list;
    let count = padded.len() / BLOCK_WORDS;
    for (i, words) in padded.chunks_exact(BLOCK_WORDS).enumerate() {
        let is_last = i + 1 == count;
        let mut block = Block { words: [zero; BLOCK_WORDS], last: zero, digest: [zero; DIGEST_WORDS] };
        block.words.copy_from_slice(words);
        if is_last {
            block.last = one;
            block.digest = digest;
        }
        list = append_circuit(builder, list, &block);
    }
    (list, digest)
}

impl KeccakStatement<F> {
    /// The statement about `blocks`.
    #[must_use]
    pub fn new(blocks: &[Block]) -> Self {
        let list = blocks.iter().fold(empty_list(), append);
        Self { list, blocks: F::from_canonical_usize(blocks.len()) }
    }
}
