//! The blocks of what is hashed, in-circuit: twins of [`hashing`](super::hashing)'s bytes with their padding. Each function
//! takes the digest as its prover claims it; it follows where the block is proved.

use circuits_core::{Builder, DigestTarget, constrain::DigestOps};
use circuits_tables::keccak::{self, BLOCK_BYTES, BLOCK_WORDS, Block, DIGEST_WORDS, append_circuit};
use plonky2::{
    field::types::PrimeField64,
    iop::target::{BoolTarget, Target},
};

use super::{
    domain::DOMAIN_WORDS,
    types::{ACTION_TYPES, ActionType},
    words::{ADDRESS_WORDS, HALF_BITS, Parts, WORD_BITS, digest_words, join_circuit},
};
use crate::{address::LIMBS, transaction::MAX_ACTIONS};

/// Words of a value of a type.
const VALUE_WORDS: usize = DIGEST_WORDS;
/// Words of what has two blocks.
const TWO_BLOCKS: usize = 2 * BLOCK_WORDS;
/// A word of something hashed.
#[derive(Clone, Copy)]
enum Word {
    Constant(u64),
    Target(Target),
}

/// The words of what an action's members may be.
#[derive(Clone, Copy)]
pub(crate) struct ActionWords {
    /// A receiver's address.
    pub(crate) to: [Target; ADDRESS_WORDS],
    /// A recipient in another environment's terms, high words first.
    pub(crate) recipient: [[Target; 2]; LIMBS],
    /// The two assets: the six bytes of each, the last word with zeros after them.
    pub(crate) assets: [[Target; 2]; 2],
    /// The amount and the two limits, high words first.
    pub(crate) amounts: [[Target; 2]; 3],
    /// The destination of a message.
    pub(crate) destination: Target,
    /// The last superblock in which it may be claimed.
    pub(crate) deadline: Target,
}

/// The words of what a transaction says besides its actions.
#[derive(Clone, Copy)]
pub(crate) struct HeaderWords {
    /// The hash of its type.
    pub(crate) type_hash: [Target; VALUE_WORDS],
    /// The nonce.
    pub(crate) nonce: Target,
    /// The fee, high word first.
    pub(crate) fee: [Target; 2],
    /// The last height.
    pub(crate) deadline: Target,
}

/// A value that is aligned to its end: an integer or an address.
fn at_end(words: &[Target]) -> Vec<Word> {
    let zeros = vec![Word::Constant(0); VALUE_WORDS - words.len()];
    zeros.into_iter().chain(words.iter().copied().map(Word::Target)).collect()
}

/// A value that is aligned to its start: an asset.
fn at_start(words: &[Target]) -> Vec<Word> {
    let mut value: Vec<_> = words.iter().copied().map(Word::Target).collect();
    value.resize(VALUE_WORDS, Word::Constant(0));
    value
}

/// The words of the padding of a message of so many words.
fn padding(words: usize) -> Vec<u64> {
    let blocks = keccak::blocks(&vec![0; words * BLOCK_BYTES / BLOCK_WORDS]);
    blocks.iter().flat_map(|block| block.words).map(|word| word.to_canonical_u64()).collect()
}

/// The words of an action of one type, without padding.
fn action_words(of: ActionType, words: &ActionWords) -> Vec<Word> {
    let type_hash = digest_words(&of.hash()).map(|word| Word::Constant(word.to_canonical_u64()));
    let &ActionWords { to, recipient, assets, amounts, destination, deadline } = words;
    let [first, second] = assets.map(|asset| at_start(&asset));
    let [amount, limit_a, limit_b] = amounts.map(|amount| at_end(&amount));
    let members = match of {
        ActionType::Transfer => vec![at_end(&to), first, amount],
        ActionType::Swap => vec![first, amount, second, limit_a],
        ActionType::AddLiquidity | ActionType::RemoveLiquidity => {
            vec![first, second, amount, limit_a, limit_b]
        }
        ActionType::Bridge => {
            vec![at_end(&[destination]), at_end(recipient.as_flattened()), first, amount, at_end(&[deadline])]
        }
        ActionType::Withdraw => vec![at_end(&to), first, amount, at_end(&[deadline])],
    };
    [type_hash.to_vec(), members.concat()].concat()
}

/// Blocks of an action of the type whose flag is set. A transfer has one; the second one is then to be left out.
pub(crate) fn action_blocks_circuit(
    builder: &mut Builder,
    is_type: &[BoolTarget; ACTION_TYPES],
    words: &ActionWords,
    digest: &[Target; DIGEST_WORDS],
) -> [Block<Target>; 2] {
    let (zero, one) = (builder.zero(), builder.one());
    let mut chosen = [zero; TWO_BLOCKS];
    for (&flag, of) in is_type.iter().zip(ActionType::ALL) {
        let mut words = action_words(of, words);
        let padding = padding(words.len());
        words.extend(padding[words.len()..].iter().map(|&word| Word::Constant(word)));
        for (sum, word) in chosen.iter_mut().zip(words) {
            let word = match word {
                Word::Constant(0) => continue,
                Word::Constant(value) => builder.constant_u64(value),
                Word::Target(target) => target,
            };
            *sum = builder.mul_add(flag.target, word, *sum);
        }
    }
    let short = is_type[ActionType::Transfer as usize].target;
    let [first, second] = halves(&chosen);
    [
        Block { words: first, last: short, digest: digest.map(|word| builder.mul(short, word)) },
        Block { words: second, last: one, digest: *digest },
    ]
}

fn halves(words: &[Target; TWO_BLOCKS]) -> [[Target; BLOCK_WORDS]; 2] {
    [std::array::from_fn(|i| words[i]), std::array::from_fn(|i| words[BLOCK_WORDS + i])]
}

/// The blocks of a transaction with these digests of actions: those up to the last one, whose flag is set, and zeros after
/// it.
pub(crate) fn transaction_blocks_circuit(
    builder: &mut Builder,
    header: &HeaderWords,
    actions: &[[Target; DIGEST_WORDS]; MAX_ACTIONS],
    is_last: &[BoolTarget; MAX_ACTIONS],
    digest: &[Target; DIGEST_WORDS],
) -> [Block<Target>; 2] {
    let (zero, one) = (builder.zero(), builder.one());
    let mut words = [zero; TWO_BLOCKS];
    let HeaderWords { type_hash, nonce, fee, deadline } = header;
    words[..VALUE_WORDS].copy_from_slice(type_hash);
    words[2 * VALUE_WORDS - 1] = *nonce;
    words[3 * VALUE_WORDS - 2..3 * VALUE_WORDS].copy_from_slice(fee);
    words[4 * VALUE_WORDS - 1] = *deadline;
    let start = 4 * VALUE_WORDS;
    words[start..start + MAX_ACTIONS * DIGEST_WORDS].copy_from_slice(actions.as_flattened());
    for (i, flag) in (1..).zip(is_last) {
        // The padding of what ends here: its first byte, and the last byte of the second block, which all have.
        let end = start + i * DIGEST_WORDS;
        let padding = padding(end);
        let first = builder.constant_u64(padding[end]);
        words[end] = builder.mul_add(flag.target, first, words[end]);
        words[TWO_BLOCKS - 1] = builder.constant_u64(padding[TWO_BLOCKS - 1]);
    }
    let nothing = [zero; DIGEST_WORDS];
    let [first, second] = halves(&words);
    [Block { words: first, last: zero, digest: nothing }, Block { words: second, last: one, digest: *digest }]
}

/// The block of what is signed: the domain's words, and the transaction's digest, whose words are given by their halves, two
/// bytes after the start of a word.
pub(crate) fn signed_block_circuit(
    builder: &mut Builder,
    domain: &[Target; DOMAIN_WORDS],
    transaction: &[Parts; DIGEST_WORDS],
    digest: &[Target; DIGEST_WORDS],
) -> Block<Target> {
    let padding = &keccak::blocks(&[0; (2 * DIGEST_WORDS * WORD_BITS + HALF_BITS) / 8])[0].words;
    let mut words = padding.map(|word| builder.constant(word));
    words[..DOMAIN_WORDS].copy_from_slice(domain);
    let mut rest = domain[DOMAIN_WORDS - 1];
    for (word, &Parts { high, low }) in words[DOMAIN_WORDS - 1..].iter_mut().zip(transaction) {
        *word = join_circuit(builder, rest, HALF_BITS, high);
        rest = low;
    }
    // The last half is before the padding.
    let end = &mut words[DOMAIN_WORDS - 1 + DIGEST_WORDS];
    *end = join_circuit(builder, rest, HALF_BITS, *end);
    Block { words, last: builder.one(), digest: *digest }
}

/// The block of a key: both coordinates.
pub(crate) fn key_block_circuit(
    builder: &mut Builder,
    x: &[Target; DIGEST_WORDS],
    y: &[Target; DIGEST_WORDS],
    digest: &[Target; DIGEST_WORDS],
) -> Block<Target> {
    let padding = &keccak::blocks(&[0; 2 * DIGEST_WORDS * WORD_BITS / 8])[0].words;
    let mut words = padding.map(|word| builder.constant(word));
    words[..DIGEST_WORDS].copy_from_slice(x);
    words[DIGEST_WORDS..2 * DIGEST_WORDS].copy_from_slice(y);
    Block { words, last: builder.one(), digest: *digest }
}

/// A list of blocks, and how many there are.
#[derive(Clone, Copy)]
pub(crate) struct BlockList {
    pub(crate) list: DigestTarget,
    pub(crate) count: Target,
}

impl BlockList {
    /// The list with one more block.
    pub(crate) fn append(self, builder: &mut Builder, block: &Block<Target>) -> Self {
        let one = builder.one();
        Self { list: append_circuit(builder, self.list, block), count: builder.add(self.count, one) }
    }

    /// `if condition { a } else { b }`.
    pub(crate) fn select(builder: &mut Builder, condition: BoolTarget, a: Self, b: Self) -> Self {
        Self {
            list: builder.select_digest(condition, a.list, b.list),
            count: builder.select(condition, a.count, b.count),
        }
    }
}
