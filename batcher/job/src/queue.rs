//! L1's queue of deposits as a file of JSON Lines. The first line names the deployment, each further one is a deposit, in
//! L1's order: every deposit ever made.

use std::path::{Path, PathBuf};

use circuits_files::text::{self, TextError, without_secrets};
use circuits_protocol::l1::{KeccakDigest, QueuePosition};
use environments_l1::{
    Deposit,
    queue::{QueueFull, append},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bytes of the largest queue that is read: some million deposits.
pub const QUEUE_LIMIT: u64 = 256 << 20;

/// The first line: whose queue it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueHeader {
    /// The deployment, which is its chain id.
    pub deployment: u64,
    /// How often L1's contract had cut its queue.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(generation: &u32) -> bool {
    *generation == 0
}

impl From<u64> for QueueHeader {
    /// The header of a queue of this deployment that was never cut.
    fn from(deployment: u64) -> Self {
        Self { deployment, generation: 0 }
    }
}

/// Why a queue is not used.
#[derive(Debug, Error)]
pub enum QueueError {
    /// A file cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The first line does not name a deployment.
    #[error("{path}, line {line}: a queue begins with {{\"deployment\": CHAIN_ID}}: {reason}", path = .path.display())]
    Header {
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        reason: String,
    },
    /// The queue is another deployment's.
    #[error("{path}, line {line}: the queue is that of deployment {found}, expected {expected}", path = .path.display())]
    Deployment {
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        expected: u64,
        found: u64,
    },
    /// A line is not a deposit.
    #[error("{path}, line {line}: a deposit is one JSON object: {reason}", path = .path.display())]
    Line {
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        reason: String,
    },
    /// There are too many deposits.
    #[error("{path}: {source}", path = .path.display())]
    Full { path: PathBuf, source: QueueFull },
    /// The queue does not begin with the deposits that were taken.
    #[error("{path}: no beginning of the queue is the {taken} that blocks of environment 0 have taken", path = .path.display())]
    OtherQueue { path: PathBuf, taken: QueuePosition },
}

/// L1's deposits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    path: PathBuf,
    generation: u32,
    deposits: Vec<Deposit>,
    /// The running digest after each deposit.
    digests: Vec<KeccakDigest>,
}

impl Queue {
    /// Reads the queue of the deployment `chain_id`. Blank lines are skipped.
    ///
    /// # Errors
    /// [`QueueError`], which names the file and the line.
    pub fn read(path: &Path, chain_id: u64) -> Result<Self, QueueError> {
        let content = text::read(path, QUEUE_LIMIT)?;
        let mut lines = (1..).zip(content.lines()).filter(|(_, text)| !text.trim().is_empty());
        let (line, header) = lines.next().unwrap_or((1, ""));
        let path = path.to_owned();
        let generation = match serde_json::from_str(header) {
            Ok(QueueHeader { deployment, generation }) if deployment == chain_id => generation,
            Ok(QueueHeader { deployment: found, .. }) => {
                return Err(QueueError::Deployment { path, line, expected: chain_id, found });
            }
            Err(error) => {
                return Err(QueueError::Header { path, line, reason: without_secrets(&error.to_string()) });
            }
        };
        let mut queue = Self { path: path.clone(), generation, ..Self::default() };
        let mut position = QueuePosition::default();
        for (line, text) in lines {
            let deposit: Deposit = serde_json::from_str(text).map_err(|error| QueueError::Line {
                path: path.clone(),
                line,
                reason: without_secrets(&error.to_string()),
            })?;
            position = append(position, &deposit)
                .map_err(|source| QueueError::Full { path: path.clone(), source })?;
            queue.deposits.push(deposit);
            queue.digests.push(position.digest);
        }
        Ok(queue)
    }

    /// How often L1's contract had cut its queue.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// All deposits, in L1's order.
    #[must_use]
    pub fn deposits(&self) -> &[Deposit] {
        &self.deposits
    }

    /// How long the queue is, with its digest.
    #[must_use]
    pub fn position(&self) -> QueuePosition {
        let length = u32::try_from(self.deposits.len()).unwrap_or(u32::MAX);
        QueuePosition { digest: self.digest_of(length).unwrap_or_default(), length }
    }

    /// The running digest of the first `length` deposits; `None` if there are fewer.
    #[must_use]
    pub fn digest_of(&self, length: u32) -> Option<KeccakDigest> {
        match usize::try_from(length).ok()?.checked_sub(1) {
            None => Some(KeccakDigest::ZERO),
            Some(last) => self.digests.get(last).copied(),
        }
    }

    /// The deposits after those that were taken.
    ///
    /// # Errors
    /// [`QueueError::OtherQueue`]
    pub fn pending(&self, taken: QueuePosition) -> Result<&[Deposit], QueueError> {
        if self.digest_of(taken.length) == Some(taken.digest) {
            Ok(self.deposits.get(taken.length as usize..).unwrap_or_default())
        } else {
            Err(QueueError::OtherQueue { path: self.path.clone(), taken })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use environments_core::address::Address;
    use environments_l1::Bytes32;

    use super::*;

    fn deposit(amount: u64) -> Deposit {
        Deposit {
            depositor: Address([1; 20]),
            destination: 2,
            recipient: Bytes32([0; 32]),
            asset: "0:1".parse().expect("an asset"),
            amount,
            lifetime: 100,
        }
    }

    fn read(lines: &[String]) -> Result<Queue, QueueError> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("queue.jsonl");
        fs::write(&path, lines.join("\n\n")).expect("writable");
        Queue::read(&path, 5)
    }

    fn header(deployment: u64) -> String {
        serde_json::to_string(&QueueHeader::from(deployment)).expect("serialisable")
    }

    fn with_deposits(amounts: &[u64]) -> Vec<String> {
        let lines =
            amounts.iter().map(|&amount| serde_json::to_string(&deposit(amount)).expect("serialisable"));
        std::iter::once(header(5)).chain(lines).collect()
    }

    #[test]
    fn what_was_taken_is_a_beginning_of_the_queue() {
        // What a contract takes, it takes however broken it is.
        let queue = read(&with_deposits(&[7, 0, u64::MAX])).expect("a queue");
        let mut taken = QueuePosition::default();
        for (index, deposit) in queue.deposits().iter().enumerate() {
            assert_eq!(queue.pending(taken).expect("a beginning"), &queue.deposits()[index..]);
            taken = append(taken, deposit).expect("there is room");
        }
        assert!(queue.pending(taken).expect("all of it").is_empty());
        let last = taken;
        for taken in [
            QueuePosition { length: last.length - 1, ..last },
            QueuePosition { length: last.length + 1, ..last },
            QueuePosition { digest: KeccakDigest::ZERO, ..last },
            QueuePosition { length: 0, ..last },
        ] {
            assert!(matches!(queue.pending(taken), Err(QueueError::OtherQueue { .. })), "{taken}");
        }
        assert!(read(&[header(5)]).expect("an empty queue").deposits().is_empty());
    }

    #[test]
    fn a_queue_without_its_deployment_or_of_another_one_is_refused_with_file_and_line() {
        let mut lines = with_deposits(&[7]);
        lines[0] = header(6);
        let error = read(&lines).expect_err("another deployment's");
        assert!(matches!(error, QueueError::Deployment { line: 1, expected: 5, found: 6, .. }), "{error}");
        assert!(error.to_string().contains("queue.jsonl, line 1: "), "{error}");
        for lines in [&lines[1..], &[]] {
            let error = read(lines).expect_err("no deployment");
            assert!(matches!(error, QueueError::Header { line: 1, .. }), "{error}");
        }
    }

    #[test]
    fn a_line_that_is_no_deposit_is_named() {
        let error = read(&[header(5), "{}".to_owned()]).expect_err("no deposit");
        assert!(matches!(error, QueueError::Line { line: 3, .. }), "{error}");
    }
}
