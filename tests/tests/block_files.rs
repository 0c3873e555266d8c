//! Attacks on files of proven blocks. Every change recomputes the checksum, so that it meets what stands behind it.

use std::sync::LazyLock;

use circuits_core::{Digest, F, amount::Amount, layout::Layout};
use circuits_files::file::{self, FileKind};
use circuits_forging::fixtures::cache;
use circuits_protocol::{statement::BlockStatement, wrap::block_shape};
use environments_conformance::secret;
use environments_core::{BlockBundle, BlockProducer, BundleError, Environment, EnvironmentId};
use environments_counter::{Add, Counter};
use plonky2::field::types::Field64;

/// Statements' bytes are 8 for each element.
const STATEMENT_BYTES: usize = 8 * <BlockStatement as Layout<F>>::LEN;
/// Sampled positions of a proof.
const SAMPLES: usize = 2_000;
/// Of so many samples, one is read from its file: a file has a proof's bytes as they are, whatever they are.
const SAMPLES_PER_FILE: usize = 50;

fn counter() -> Counter {
    let id = EnvironmentId::new(3).unwrap();
    Counter::new(1, id, secret(0), Amount::new(100).unwrap()).unwrap()
}

/// Two blocks that follow on each other.
static BLOCKS: LazyLock<[BlockBundle; 2]> = LazyLock::new(|| {
    let mut producer = BlockProducer::new(counter());
    [5, 7].map(|add| {
        producer.submit(Add { add: Amount::new(add).unwrap() }).unwrap();
        producer.propose_block().unwrap();
        BlockBundle::new(&producer.prove(cache(), producer.height()).unwrap())
    })
});

/// The first block's file.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| BLOCKS[0].encode().unwrap());

/// The file with another payload and its right checksum.
fn reseal(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut payload = FILE[file::HEADER_BYTES..].to_vec();
    change(&mut payload);
    file::seal(FileKind::BlockBundle, &payload)
}

/// What a reader says to changed bytes: the digest of the key, which the registry must list, of a valid proof.
fn judge(bytes: &[u8]) -> Result<Digest, BundleError> {
    BlockBundle::decode(bytes)?.open(&block_shape().common).map(|(_, _, key)| key)
}

/// Where a section starts in the payload.
fn start_of(section: &[u8]) -> usize {
    let payload = &FILE[file::HEADER_BYTES..];
    payload.windows(section.len()).position(|window| window == section).expect("a part of the file")
}

fn statement() -> usize {
    let encoded = circuits_core::layout::to_bytes(&BLOCKS[0].statement);
    assert_eq!(encoded.len(), STATEMENT_BYTES);
    start_of(&encoded)
}

#[test]
fn the_file_is_accepted_as_it_is() {
    assert!(judge(&FILE).is_ok());
    assert_eq!(judge(&reseal(|_| ())), judge(&FILE));
}

#[test]
fn case_59_every_byte_of_a_blocks_statement_is_protected() {
    let start = statement();
    for position in start..start + STATEMENT_BYTES {
        for flip in [1, 0x80] {
            let error = judge(&reseal(|payload| payload[position] ^= flip)).unwrap_err();
            assert!(matches!(error, BundleError::Block(_)), "byte {position}: {error}");
        }
    }
}

#[test]
fn case_59_every_byte_outside_the_proof_and_the_body_is_protected() {
    let proof = start_of(&BLOCKS[0].proof);
    let body = FILE.len() - file::HEADER_BYTES - BLOCKS[0].body.len();
    let listed = judge(&FILE).unwrap();
    for position in (0..proof).chain(proof + BLOCKS[0].proof.len()..body) {
        // A part of a key's cap that no query of this proof opens can be changed, but not without another digest.
        let changed = judge(&reseal(|payload| payload[position] ^= 1));
        assert!(changed != Ok(listed), "byte {position} was changed");
    }
}

#[test]
fn case_59_two_thousand_changed_bytes_of_a_blocks_proof_are_each_rejected() {
    let (start, length) = (start_of(&BLOCKS[0].proof), BLOCKS[0].proof.len());
    for sample in 0..SAMPLES {
        // A stride that is prime to the length visits every part of the proof.
        let (position, flip) = (sample * 7919 % length, 1 << (sample % 8));
        let mut changed = BLOCKS[0].clone();
        changed.proof[position] ^= flip;
        if sample % SAMPLES_PER_FILE == 0 {
            let file = reseal(|payload| payload[start + position] ^= flip);
            assert_eq!(BlockBundle::decode(&file).as_ref(), Ok(&changed), "byte {position}");
        }
        let error = changed.open(&block_shape().common).unwrap_err();
        assert!(matches!(error, BundleError::Proof(_) | BundleError::Block(_)), "byte {position}: {error}");
    }
}

#[test]
fn a_changed_body_has_another_digest() {
    let counter = counter();
    let stated = BLOCKS[0].statement.body;
    assert_eq!(counter.body_digest(&BLOCKS[0].body), Ok(stated));
    for position in 0..BLOCKS[0].body.len() {
        let mut body = BLOCKS[0].body.clone();
        body[position] ^= 1;
        assert_ne!(counter.body_digest(&body), Ok(stated), "byte {position} was changed");
    }
}

#[test]
fn case_08_an_element_of_a_block_that_is_not_canonical_is_rejected() {
    let sections = [(statement(), STATEMENT_BYTES), (start_of(&BLOCKS[0].proof), BLOCKS[0].proof.len())];
    let mut tried = 0;
    for (start, length) in sections {
        for at in (start..start + length - 7).step_by(8) {
            let word: [u8; 8] = FILE[file::HEADER_BYTES + at..][..8].try_into().unwrap();
            let Some(alias) = u64::from_le_bytes(word).checked_add(F::ORDER) else { continue };
            let changed = reseal(|payload| payload[at..at + 8].copy_from_slice(&alias.to_le_bytes()));
            assert!(judge(&changed).is_err(), "the element at {at} has a second encoding");
            tried += 1;
        }
    }
    assert!(tried >= 3, "only {tried} elements are small enough to have an alias");
}

#[test]
fn valid_sections_of_two_blocks_do_not_mix() {
    let [first, second] = &*BLOCKS;
    let mixed = [
        BlockBundle { proof: second.proof.clone(), ..first.clone() },
        BlockBundle { statement: second.statement, ..first.clone() },
    ];
    for bundle in &mixed {
        let error = judge(&bundle.encode().unwrap()).unwrap_err();
        assert!(matches!(error, BundleError::Block(_)), "{error}");
    }
}

#[test]
fn case_59_a_truncated_or_extended_block_is_rejected() {
    for cut in (0..FILE.len()).step_by(997) {
        assert!(judge(&FILE[..cut]).is_err());
        let payload = cut.min(FILE.len() - file::HEADER_BYTES - 1);
        assert!(judge(&reseal(|bytes| bytes.truncate(payload))).is_err());
    }
    assert!(judge(&reseal(|payload| payload.push(0))).is_err());
}
