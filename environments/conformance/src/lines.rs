//! Promises about transactions as text, and about the object-safe producer.

use circuits_forging::fixtures::cache;
use environments_core::{
    dynamic::{DynEnvironment, LineError, MAX_LINE_BYTES},
    environment::Environment,
};

use super::{BLOCKS, Subject, chain_of_blocks, environment, producer};

pub(crate) fn line<T: serde::Serialize>(transaction: &T) -> String {
    let line = serde_json::to_string(transaction).expect("a transaction is JSON");
    assert!(!line.contains('\n'), "a transaction is one line");
    line
}

/// Each bad line is rejected with its number and its own reason; good lines between them enter the pool in order. Lines
/// that are invalid transactions are rejected then, or by a block.
///
/// # Panics
/// If the promise is broken.
pub fn bad_lines_are_reported_and_the_rest_go_on<S: Subject>(subject: &S) {
    let environment = environment(subject);
    let good: Vec<_> = subject.valid(&environment, &environment.genesis()).iter().map(line).collect();
    let long = format!("\"{}\"", "x".repeat(MAX_LINE_BYTES));
    let text = [
        good[0].as_str(),
        "not json",
        "",
        "{}",
        r#"{"no such field": 1}"#,
        &good[1],
        &long,
        "[]",
        "   ",
        &good[0][..good[0].len() - 1],
    ]
    .join("\r\n");
    let mut producer: Box<dyn DynEnvironment> = Box::new(producer(subject));
    let submission = producer.submit_lines(cache(), &text);
    let accepted: Vec<_> = submission.accepted.iter().map(|(line, _)| *line).collect();
    let rejected: Vec<_> = submission.rejected.iter().map(|(line, _)| *line).collect();
    assert_eq!(accepted, [1, 6]);
    assert_eq!(rejected, [2, 4, 5, 7, 8, 10]);
    for (line, reason) in &submission.rejected {
        assert_eq!(matches!(reason, LineError::TooLong { .. }), *line == 7, "line {line}: {reason}");
    }
    assert_eq!(producer.pending(), 2);
    let ids: Vec<_> = submission.accepted.iter().map(|(_, id)| *id).collect();
    let report = producer.propose_block().expect("the good lines make a block");
    assert_eq!(report.included, ids);
    assert!(report.rejected.is_empty());
    assert_eq!(report.height, 1);

    let mut producer: Box<dyn DynEnvironment> = Box::new(super::producer(subject));
    let invalid = subject.invalid(&environment, &environment.genesis());
    let text: Vec<_> = invalid.iter().map(line).collect();
    let submission = producer.submit_lines(cache(), &text.join("\n"));
    let (accepted, rejected) = (submission.accepted.len(), submission.rejected.len());
    assert_eq!(accepted + rejected, invalid.len(), "each line enters the pool or is rejected");
    for (line, reason) in &submission.rejected {
        assert!(matches!(reason, LineError::Producer(_)), "line {line} is a transaction: {reason}");
    }
    let report = producer.propose_block().expect("a block can be empty");
    assert!(report.included.is_empty(), "a block has an invalid transaction: {:?}", report.included);
}

/// The object-safe producer makes the same blocks from text as the typed one from transactions.
///
/// # Panics
/// If the promise is broken.
pub fn dynamic_and_typed_producers_agree<S: Subject>(subject: &S) {
    let typed = chain_of_blocks(subject);
    let mut dynamic: Box<dyn DynEnvironment> = Box::new(producer(subject));
    assert_eq!(dynamic.kind(), <S::Environment as Environment>::KIND);
    assert_eq!(dynamic.id(), typed.environment().id());
    assert_eq!(dynamic.chain_id(), typed.environment().chain_id());
    assert_eq!(dynamic.producer(), typed.environment().producer());
    assert_eq!(dynamic.genesis_commitment(), dynamic.commitment());
    for block in typed.blocks() {
        let lines: Vec<_> = block.transactions.iter().map(|pending| line(&pending.transaction)).collect();
        let submission = dynamic.submit_lines(cache(), &lines.join("\n"));
        assert!(submission.rejected.is_empty(), "{:?}", submission.rejected);
        let report = dynamic.propose_block().expect("the same transactions make a block");
        assert_eq!(report.statement, *block.block.statement());
    }
    assert_eq!((dynamic.height(), dynamic.commitment()), (typed.height(), typed.commitment()));
    assert_eq!(dynamic.statements().len(), BLOCKS as usize);
    dynamic.rollback(2).expect("block 2 is proposed");
    assert_eq!(dynamic.height(), 1);
    assert!(dynamic.pending() > 0);
    dynamic.confirm(1).expect("block 1 is proposed");
    assert!(dynamic.statements().is_empty());
    assert!(dynamic.rollback(1).is_err(), "a confirmed block stays");
}
