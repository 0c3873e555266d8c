//! L1's queue of deposits as a file: every deposit ever made, in L1's order, one JSON message per line.

use std::path::{Path, PathBuf};

use batcher_verify::verify::inboxes;
use bridge_core::Message;
use circuits_core::{Digest, amount::Amount};
use circuits_files::text::{self, TextError, without_secrets};
use circuits_protocol::registry::EnvironmentId;
use thiserror::Error;

/// Bytes of the largest queue that is read.
const QUEUE_LIMIT: u64 = 256 << 20;

/// Why a queue is not used.
#[derive(Debug, Error)]
pub enum QueueError {
    /// A file cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A line is not a message.
    #[error("{path}, line {line}: a deposit is one JSON message: {reason}", path = .path.display())]
    Line {
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        reason: String,
    },
    /// L1 cannot send the message.
    #[error("{path}, line {line}: {field} is {found}, expected {expected}", path = .path.display())]
    Deposit {
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        field: &'static str,
        found: String,
        /// The value that a deposit has.
        expected: String,
    },
    /// The queue does not begin with the deposits that were consumed.
    #[error("{path}: no beginning of the queue has the digest {consumed} of the deposits consumed so far", path = .path.display())]
    OtherQueue {
        path: PathBuf,
        /// Digest in the superblock state.
        consumed: Digest,
    },
}

/// L1's deposits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    path: PathBuf,
    deposits: Vec<Message>,
}

impl Queue {
    /// Reads a queue of the deployment `chain_id`. Blank lines are skipped.
    ///
    /// # Errors
    /// [`QueueError`], which names the file and the line.
    pub fn read(path: &Path, chain_id: u64) -> Result<Self, QueueError> {
        let content = text::read(path, QUEUE_LIMIT)?;
        let mut deposits = vec![];
        for (line, text) in (1..).zip(content.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let message: Message = serde_json::from_str(text).map_err(|error| QueueError::Line {
                path: path.to_owned(),
                line,
                reason: without_secrets(&error.to_string()),
            })?;
            check(&message, chain_id).map_err(|(field, found, expected)| QueueError::Deposit {
                path: path.to_owned(),
                line,
                field,
                found,
                expected,
            })?;
            deposits.push(message);
        }
        Ok(Self { path: path.to_owned(), deposits })
    }

    /// All deposits, in L1's order.
    #[must_use]
    pub fn deposits(&self) -> &[Message] {
        &self.deposits
    }

    /// The digest of each beginning of the queue, from the empty one on.
    pub(crate) fn inboxes(&self) -> impl Iterator<Item = Digest> {
        inboxes(&self.deposits)
    }

    /// The deposits after those that `l1_inbox` is the digest of.
    ///
    /// # Errors
    /// [`QueueError::OtherQueue`]
    pub fn pending(&self, l1_inbox: Digest) -> Result<&[Message], QueueError> {
        let consumed = self.inboxes().position(|inbox| inbox == l1_inbox);
        let other = || QueueError::OtherQueue { path: self.path.clone(), consumed: l1_inbox };
        Ok(&self.deposits[consumed.ok_or_else(other)?..])
    }
}

/// Checks the rules of the bridge that refuse a deposit in every superblock: such a deposit would stop the queue for
/// good. An error has the field, what was found, and what was expected.
fn check(message: &Message, chain_id: u64) -> Result<(), (&'static str, String, String)> {
    let text = |value: &dyn ToString| value.to_string();
    if message.chain_id != chain_id {
        return Err(("chain_id", text(&message.chain_id), text(&chain_id)));
    }
    if message.source != EnvironmentId::L1 {
        return Err(("source", text(&message.source), text(&EnvironmentId::L1)));
    }
    if message.destination == EnvironmentId::L1 {
        return Err(("destination", text(&message.destination), "an environment".to_owned()));
    }
    if message.amount == Amount::ZERO {
        return Err(("amount", text(&message.amount), "more than nothing".to_owned()));
    }
    if message.sequence >> bridge_core::message::SEQUENCE_BITS != 0 {
        return Err(("sequence", text(&message.sequence), "a number below 2^34".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use batcher_circuits::testing::digest;
    use bridge_core::{AssetId, message::outbox_append};
    use circuits_protocol::statement::empty_list;

    use super::*;

    fn deposit(sequence: u64) -> Message {
        Message {
            chain_id: 5,
            source: EnvironmentId::L1,
            destination: EnvironmentId(2),
            sequence,
            sender: digest(1),
            recipient: digest(2),
            asset: AssetId::new(0, 1).expect("an asset"),
            amount: Amount::new(7).expect("in range"),
            deadline: 100,
            data: Digest::ZERO,
        }
    }

    fn read(messages: &[Message]) -> Result<Queue, QueueError> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("queue.jsonl");
        let lines: Vec<_> =
            messages.iter().map(|message| serde_json::to_string(message).expect("serialisable")).collect();
        fs::write(&path, lines.join("\n\n")).expect("writable");
        Queue::read(&path, 5)
    }

    #[test]
    fn what_was_consumed_is_a_beginning_of_the_queue() {
        let messages: Vec<_> = (0..3).map(deposit).collect();
        let queue = read(&messages).expect("valid deposits");
        let mut digest = empty_list();
        for (index, message) in messages.iter().enumerate() {
            assert_eq!(queue.pending(digest).expect("a beginning"), &messages[index..]);
            digest = outbox_append(digest, message.hash());
        }
        assert!(queue.pending(digest).expect("all of it").is_empty());
        let other = outbox_append(digest, deposit(9).hash());
        assert!(matches!(queue.pending(other), Err(QueueError::OtherQueue { .. })));
    }

    #[test]
    fn a_deposit_that_no_superblock_takes_is_named_with_its_line_and_field() {
        let good = deposit(0);
        let cases = [
            ("chain_id", Message { chain_id: 6, ..good.clone() }),
            ("source", Message { source: EnvironmentId(1), ..good.clone() }),
            ("destination", Message { destination: EnvironmentId::L1, ..good.clone() }),
            ("amount", Message { amount: Amount::ZERO, ..good.clone() }),
            ("sequence", Message { sequence: 1 << 34, ..good.clone() }),
        ];
        for (expected, bad) in cases {
            let error = read(&[good.clone(), bad]).expect_err("a bad deposit");
            assert!(
                matches!(error, QueueError::Deposit { line: 3, field, .. } if field == expected),
                "{expected}: {error}"
            );
        }
    }

    #[test]
    fn a_line_that_is_no_message_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("queue.jsonl");
        fs::write(&path, "\n{}\n").expect("writable");
        let error = Queue::read(&path, 5).expect_err("no message");
        assert!(matches!(error, QueueError::Line { line: 2, .. }), "{error}");
    }
}
