//! Blocks, and the digest of their list, natively and in-circuit.

use std::{collections::BTreeMap, sync::LazyLock};

use circuits_core::{
    Compiled, Definition, Digest, F,
    digest::DigestTarget,
    layout::{self, WitnessError},
};
use circuits_prover::basetypes::{Builder, Witness, standard_config};
use circuits_tables::keccak::{
    BLOCK_BYTES, BLOCK_WORDS, Block, KeccakError, KeccakStatement, append, append_circuit, append_message,
    append_message_circuit, blocks, check_blocks, empty_list, keccak256, to_words,
};
use plonky2::{
    field::types::{Field, PrimeField64},
    iop::target::Target,
    plonk::circuit_data::CircuitConfig,
};
use proptest::prelude::*;

use super::fixtures::message;

fn element(word: u32) -> F {
    F::from_canonical_u32(word)
}

#[test]
fn the_blocks_of_a_message_are_its_bytes_its_padding_and_its_digest() {
    let [block] = blocks(b"abc")[..] else { panic!("a short message has one block") };
    let mut words = [F::ZERO; BLOCK_WORDS];
    words[0] = element(0x6162_6301);
    words[33] = element(0x80);
    assert_eq!((block.words, block.last), (words, F::ONE));
    let digest = [
        0x4e03_657a,
        0xea45_a94f,
        0xc7d4_7ba8,
        0x26c8_d667,
        0xc0d1_e6e3,
        0x3a64_a036,
        0xec44_f58f,
        0xa12d_6c45,
    ];
    assert_eq!(block.digest, digest.map(element));

    // The padding of a message that leaves one byte is both its first and its last one.
    let padded = blocks(&message(BLOCK_BYTES - 1));
    assert_eq!(padded.len(), 1);
    assert_eq!(padded[0].words[33].to_canonical_u64() & 0xff, 0x81);

    // A message of a full block has a second one of padding alone.
    let [first, second] = blocks(&message(BLOCK_BYTES))[..] else { panic!("two blocks") };
    assert_eq!((first.last, first.digest), (F::ZERO, [F::ZERO; 8]));
    assert_eq!((second.last, second.words[0]), (F::ONE, element(0x0100_0000)));
}

#[test]
fn blocks_of_messages_of_every_length_are_right() {
    for length in 0..=3 * BLOCK_BYTES {
        let list = blocks(&message(length));
        assert_eq!(list.len(), length / BLOCK_BYTES + 1);
        assert_eq!(check_blocks(&list), Ok(()), "{length} bytes");
    }
}

#[test]
fn each_rule_of_a_list_of_blocks_is_checked_natively() {
    let honest = [blocks(&message(200)), blocks(b"abc")].concat();
    assert_eq!(check_blocks(&honest), Ok(()));
    assert_eq!(check_blocks(&[]), Ok(()));
    let broken = |change: &dyn Fn(&mut Vec<Block>)| {
        let mut list = honest.clone();
        change(&mut list);
        check_blocks(&list).unwrap_err()
    };
    let wide = KeccakError::Wide { word: 5, value: 1 << 32 };
    assert_eq!(broken(&|list| list[1].words[5] = F::from_canonical_u64(1 << 32)), (1, wide));
    assert_eq!(broken(&|list| list[2].last = F::TWO), (2, KeccakError::Last(2)));
    assert_eq!(broken(&|list| list.truncate(1)), (0, KeccakError::Unfinished));
    // The padding's first byte, its zeros, and its last byte.
    for (word, added) in [(0, 1), (20, 2), (33, 0x80)] {
        let change = |list: &mut Vec<Block>| list[2].words[word] += F::from_canonical_u64(added);
        let (index, error) = broken(&change);
        assert!(index == 2 && matches!(error, KeccakError::Padding(_)), "{error}");
    }
    type Change = fn(&mut Vec<Block>);
    let changes: [(usize, Change); 5] = [
        (0, |list| list[0].digest[0] = F::ONE),
        (2, |list| list[2].digest[7] += F::ONE),
        (1, |list| list[1].words[0] += F::ONE),
        (1, |list| list[0].words[0] += F::ONE),
        (2, |list| list[2].digest = list[1].digest),
    ];
    for (block, change) in changes {
        let (index, error) = broken(&change);
        assert!(index == block && matches!(error, KeccakError::Digest { .. }), "{index}: {error}");
    }
    // A message that starts within another one.
    let (index, error) = broken(&|list| list[0].last = F::ONE);
    assert!(index == 0 && matches!(error, KeccakError::Padding(_)), "{error}");
    let (index, error) = broken(&|list| list[1].last = F::ZERO);
    assert!(index == 1 && matches!(error, KeccakError::Digest { .. }), "{error}");
}

/// A list to which a message of a fixed length and a block are appended.
struct Appending {
    length: usize,
}

/// The input of [`Appending`].
#[derive(Clone, Debug)]
struct Appended {
    list: Digest,
    words: Vec<F>,
    digest: [F; 8],
    block: Block,
}

impl Appended {
    fn new(list: Digest, message: &[u8], block: Block) -> Self {
        let words = to_words(message).into_iter().map(element).collect();
        let digest = to_words(&keccak256(message));
        Self { list, words, digest: std::array::from_fn(|i| element(digest[i])), block }
    }
}

/// Targets of [`Appending`].
struct AppendingTargets {
    list: DigestTarget,
    words: Vec<Target>,
    digest: [Target; 8],
    block: Block<Target>,
}

impl Definition for Appending {
    type Statement = Digest<Target>;
    type NativeStatement = Digest;
    type Targets = AppendingTargets;
    type Input = Appended;

    fn name(&self) -> String {
        format!("appending-{}", self.length)
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        circuits_core::circuit::named([("length", self.length as u64)])
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let list = layout::new_virtual(builder);
        let words = builder.add_virtual_targets(self.length.div_ceil(4));
        let block = layout::new_virtual(builder);
        let (appended, digest) = append_message_circuit(builder, list, &words, self.length);
        let appended = append_circuit(builder, appended, &block);
        (appended, AppendingTargets { list, words, digest, block })
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &Self::Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        layout::set(witness, &targets.list, &input.list)?;
        for (&target, &word) in targets.words.iter().zip(&input.words) {
            layout::set_target(witness, target, word)?;
        }
        layout::set(witness, &targets.digest, &input.digest)?;
        layout::set(witness, &targets.block, &input.block)
    }
}

/// One circuit for each case of where a message ends: in a word, in a block, and in the last byte of a block.
static CIRCUITS: LazyLock<Vec<Compiled<Appending>>> = LazyLock::new(|| {
    [0, 1, 3, 4, 134, 135, 136, 137, 271, 272]
        .into_iter()
        .map(|length| Compiled::new(Appending { length }).unwrap())
        .collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn natively_and_in_circuit_the_same_is_appended(
        bytes in proptest::collection::vec(any::<u8>(), 272),
        elements in proptest::collection::vec(any::<u64>(), 47),
    ) {
        let elements: Vec<_> = elements.into_iter().map(F::from_noncanonical_u64).collect();
        let list = Digest([elements[0], elements[1], elements[2], elements[3]]);
        let block: Block = layout::Layout::decode(&elements[4..]).unwrap();
        for circuit in &*CIRCUITS {
            let message = bytes[..circuit.definition.length].to_vec();
            let expected = append(append_message(list, &message), &block);
            let found = circuits_forging::check(circuit, &Appended::new(list, &message, block)).unwrap();
            prop_assert_eq!(&found, &expected.0);
        }
    }
}

/// What is added to the padding would change where the message ends: `-1` takes its first byte away, and then an earlier
/// byte 0x01 of the message stands for it.
#[test]
fn bytes_after_a_message_in_its_last_word_are_rejected() {
    let block = blocks(b"abc")[0];
    let partial = CIRCUITS.iter().filter(|circuit| circuit.definition.length % 4 != 0);
    for circuit in partial {
        let length = circuit.definition.length;
        let honest = Appended::new(empty_list(), &message(length), block);
        circuits_forging::assert_accepts(circuit, &honest);
        for value in [F::NEG_ONE, F::ONE, F::from_canonical_u64(1 << 32)] {
            let mut forged = honest.clone();
            *forged.words.last_mut().unwrap() += value;
            circuits_forging::assert_rejects(circuit, &forged);
        }
        let mut forged = honest;
        *forged.words.last_mut().unwrap() = F::NEG_ONE;
        circuits_forging::assert_rejects(circuit, &forged);
    }
}

#[test]
fn every_element_of_a_block_is_in_the_digest_of_its_list() {
    let block = blocks(b"abc")[0];
    let honest = append(empty_list(), &block);
    let encoded: Vec<F> = layout::Layout::encode(&block);
    for i in 0..encoded.len() {
        let mut changed = encoded.clone();
        changed[i] += F::ONE;
        assert_ne!(append(empty_list(), &layout::Layout::decode(&changed).unwrap()), honest);
    }
}

#[test]
fn a_statement_has_the_digest_and_the_length_of_the_list() {
    let list = [blocks(&message(200)), blocks(b"")].concat();
    let statement = KeccakStatement::new(&list);
    let digest = append_message(append_message(empty_list(), &message(200)), b"");
    assert_eq!(statement, KeccakStatement { list: digest, blocks: F::from_canonical_u64(3) });
    assert_eq!(KeccakStatement::new(&[]).list, empty_list());
}
