//! Proposed blocks as their producers publish them: each has one encoding, and says whose it is.

use bridge_core::BlockMessages;
use circuits_core::{Digest, F, amount::Amount, layout};
use circuits_files::file::{self, BUNDLE_LIMIT, FileKind, HEADER_BYTES};
use circuits_protocol::statement::BlockStatement;
use circuits_tables::ecdsa::Signature;
use environments_conformance::{CHAIN_ID, id, secret};
use environments_core::{
    BlockError, BlockProducer, EnvironmentId,
    block::MAX_BODY_BYTES,
    published::{Evidence, NoEvidence, PublishedBlock, PublishedError, SignatureError, block_id},
};
use environments_counter::{Add, Counter};
use plonky2::field::types::{Field, Field64};

/// The block of this height of a counter whose every block adds `add`.
fn block(add: u64, height: u32) -> PublishedBlock {
    let counter = Counter::new(CHAIN_ID, id(0), secret(0), Amount::ZERO).unwrap();
    let mut producer = BlockProducer::new(counter);
    for _ in 0..height {
        producer.submit(Add { add: Amount::new(add).unwrap() }).unwrap();
        producer.propose_block().unwrap();
    }
    let block = &producer.block(height).unwrap().block;
    signed(*block.statement(), block.messages().clone(), block.body().to_vec()).unwrap()
}

fn signed(
    statement: BlockStatement,
    messages: BlockMessages,
    body: Vec<u8>,
) -> Result<PublishedBlock, PublishedError> {
    PublishedBlock::sign(CHAIN_ID, statement, messages, body, secret(0))
}

/// The same block with another statement, signed.
fn changed(block: &PublishedBlock, change: impl FnOnce(&mut BlockStatement)) -> PublishedBlock {
    let mut statement = *block.statement();
    change(&mut statement);
    let environment = EnvironmentId(u16::try_from(statement.environment.0).unwrap());
    signed(statement, BlockMessages::none(environment), block.body().to_vec()).unwrap()
}

#[test]
fn a_block_survives_a_file_and_no_byte_of_it_can_be_changed_unnoticed() {
    let block = block(5, 1);
    let bytes = block.encode().unwrap();
    assert_eq!(PublishedBlock::decode(&bytes), Ok(block.clone()));
    block.check_signature(&secret(0).producer()).unwrap();
    for length in 0..bytes.len() {
        assert!(PublishedBlock::decode(&bytes[..length]).is_err(), "{length} bytes");
    }
    for position in 0..bytes.len() {
        let mut other = bytes.clone();
        other[position] ^= 1;
        assert!(PublishedBlock::decode(&other).is_err(), "byte {position}");
    }
    // With a new checksum it is another block, or not signed.
    for position in HEADER_BYTES..bytes.len() {
        let mut payload = bytes[HEADER_BYTES..].to_vec();
        payload[position - HEADER_BYTES] ^= 1;
        let Ok(other) = PublishedBlock::decode(&file::seal(FileKind::ProposedBlock, &payload)) else {
            continue;
        };
        assert_ne!(other, block, "byte {position}");
        let is_body = other.statement() == block.statement() && other.body() != block.body();
        let is_signed = other.check_signature(&secret(0).producer()).is_ok();
        assert!(!is_signed || is_body, "byte {position}: only the statement's digest speaks of the body");
    }
}

#[test]
fn a_block_beyond_a_limit_is_refused() {
    let honest = block(5, 1);
    let none = || BlockMessages::none(id(0));
    let found = MAX_BODY_BYTES + 1;
    let error = signed(*honest.statement(), none(), vec![0; found]).unwrap_err();
    assert_eq!(error, PublishedError::Block(BlockError::BodyTooLarge { found }));
    let error = signed(*honest.statement(), BlockMessages::none(id(1)), vec![]).unwrap_err();
    assert!(matches!(error, PublishedError::Block(BlockError::OtherMessages { .. })), "{error}");
    let mut statement = *honest.statement();
    statement.first_height = F::ZERO;
    let error = signed(statement, none(), vec![]).unwrap_err();
    assert!(matches!(error, PublishedError::Block(BlockError::Heights { .. })), "{error}");
    let error = PublishedBlock::sign(F::ORDER, *honest.statement(), none(), vec![], secret(0)).unwrap_err();
    assert!(matches!(error, PublishedError::ChainId(_)), "{error}");
    // A file is no way past them.
    let (r, s) = ([1; 32], [1; 32]);
    let statement = layout::to_bytes(&statement);
    let payload = (CHAIN_ID, statement, none(), Vec::<u8>::new(), Signature { r, s });
    let bytes = file::encode(FileKind::ProposedBlock, &payload, BUNDLE_LIMIT).unwrap();
    assert!(matches!(PublishedBlock::decode(&bytes), Err(PublishedError::Block(BlockError::Heights { .. }))));
}

#[test]
fn a_signature_is_of_one_chain_one_statement_and_one_producer() {
    let block = block(5, 1);
    assert_eq!(block.id(), block_id(CHAIN_ID, block.statement()));
    assert_ne!(block.id(), block_id(CHAIN_ID + 1, block.statement()));
    let error = block.check_signature(&secret(1).producer()).unwrap_err();
    assert!(matches!(error, SignatureError::OtherProducer { .. }), "{error}");
    // Whoever claims another's secret does not have its key.
    let forged = PublishedBlock::sign(
        CHAIN_ID,
        *block.statement(),
        block.messages().clone(),
        block.body().to_vec(),
        secret(1),
    );
    let error = forged.unwrap().check_signature(&secret(0).producer()).unwrap_err();
    assert!(matches!(error, SignatureError::Signature(_)), "{error}");
}

#[test]
fn two_blocks_of_one_height_are_evidence_and_nothing_else_is() {
    let producer = secret(0).producer();
    let (one, other, next) = (block(5, 1), block(6, 1), block(5, 2));
    let evidence = Evidence::new(one.clone(), other.clone(), &producer).unwrap();
    assert_eq!(evidence.blocks(), [&one, &other]);
    // One that covers several heights covers each of them.
    let wide = changed(&next, |statement| statement.first_height = F::ONE);
    Evidence::new(one.clone(), wide, &producer).unwrap();
    let refused = |one: &PublishedBlock, other: &PublishedBlock| {
        Evidence::new(one.clone(), other.clone(), &producer).unwrap_err()
    };
    assert!(matches!(refused(&one, &one), NoEvidence::Same(_)));
    assert!(matches!(refused(&one, &next), NoEvidence::Apart { one: [1, 1], other: [2, 2] }));
    let elsewhere = changed(&other, |statement| statement.environment += F::ONE);
    assert!(matches!(refused(&one, &elsewhere), NoEvidence::Unrelated));
    let anonymous = changed(&other, |statement| statement.producer = Digest::ZERO);
    assert!(matches!(refused(&one, &anonymous), NoEvidence::Signature(_)));
}
