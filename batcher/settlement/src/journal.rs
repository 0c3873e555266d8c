//! The journal: what was done for each superblock, written before anything that L1 could see is done.
//!
//! ```text
//! JOURNAL/settlement.lock                    one process at a time
//! JOURNAL/superblock-000001.json             the record
//! JOURNAL/deployment.json                    what was sent to deploy the contracts
//! JOURNAL/superblock-000001.proof            the proof for the contract, which takes about a minute to make
//! JOURNAL/superblock-000001.0123456789abcdef.data   what blobs of its transactions hold, named by its digest
//! ```
//! Files are replaced whole, so that a process that is killed anywhere leaves the record before or after a step.

use std::{
    fmt,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use circuits_files::{
    file::{self, FileError, FileKind},
    text::{self, TextError, without_secrets},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{data::PAYLOAD_LIMIT, deployment::deployment_id, fees::Fees};

/// Bytes of the largest record and of the largest proof, as text: a transaction of 128 KiB has room many times.
const FILE_LIMIT: u64 = 16 << 20;
/// The file of a deployment.
const DEPLOYMENT_NAME: &str = "deployment.json";
/// The file that a process locks.
const LOCK_NAME: &str = "settlement.lock";

/// How far the settlement of a superblock is. A reorganisation of L1 leads back from `Included` to `Sent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It is to be settled.
    Planned,
    /// Its proof for the contract is on disk.
    Proven,
    /// A transaction is signed: its hash is known, and L1 may know it from now on.
    Signed,
    /// A node has taken the transaction.
    Sent,
    /// The contract has settled the superblock, in a block that may still go.
    Included,
    /// The contract has settled the superblock, for good.
    Final,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Planned => "planned",
            Self::Proven => "proven",
            Self::Signed => "signed",
            Self::Sent => "sent",
            Self::Included => "included",
            Self::Final => "final",
        })
    }
}

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    pub sender: Address,
    pub nonce: u64,
    pub hash: B256,
    /// Keccak-256 of its calldata.
    pub call: B256,
    pub gas_limit: u64,
    pub fees: Fees,
    /// The transaction as a node takes it; absent once a later attempt has taken its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Bytes>,
    /// Whether it is in a block and failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// Where L1 has settled a superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    /// The transaction of this journal that did it; absent if somebody else did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<B256>,
    /// The block that has it, or in which it was first seen.
    pub block_number: u64,
    pub block_hash: B256,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gas_used: Option<u64>,
}

/// The proof on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofOnDisk {
    /// Keccak-256 of the proof.
    pub digest: B256,
    /// Names the verifier that it is for.
    pub outer_digest: B256,
    /// The statement that it proves, as the contract names it.
    pub statement: B256,
}

/// The data on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataOnDisk {
    /// Keccak-256 of the data.
    pub digest: B256,
    /// The statement of the superblock whose data it is, as the contract names it.
    pub statement: B256,
}

/// What a superblock is settled as. A record for another contract is not continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// L1's network.
    pub chain_id: u64,
    pub contract: Address,
    pub number: u32,
    /// The state that the superblock leads to, as the contract has it.
    pub state: B256,
}

/// What was done for a superblock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub goal: Goal,
    pub stage: Stage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofOnDisk>,
    /// All transactions that were signed, the last one last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inclusion: Option<Inclusion>,
    /// What the blobs of the last transaction hold; absent if nothing is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataOnDisk>,
}

impl Record {
    /// The record of a superblock for which nothing was done.
    #[must_use]
    pub const fn new(goal: Goal) -> Self {
        Self { goal, stage: Stage::Planned, proof: None, attempts: vec![], inclusion: None, data: None }
    }

    /// Adds a signed transaction, the only one that is handed over from now on. One before it with another nonce may still come.
    pub fn sign(&mut self, attempt: Attempt) {
        for earlier in &mut self.attempts {
            earlier.transaction = None;
        }
        self.attempts.push(attempt);
        self.stage = Stage::Signed;
    }
}

/// What was sent to deploy the contracts: a transaction for each nonce, the first one's and those after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentRecord {
    pub chain_id: u64,
    pub deployer: Address,
    /// The nonce of the first transaction, from which all addresses follow.
    pub first_nonce: u64,
    /// Keccak-256 of what all transactions do. One that does something else is not continued.
    pub content: B256,
    /// For each nonce, the hashes of the transactions that were signed with it.
    pub transactions: Vec<Vec<B256>>,
}

impl DeploymentRecord {
    /// The address of the settlement contract, and the deployment's id.
    #[must_use]
    pub fn predicted(&self) -> (Address, u64) {
        let settlement = self.deployer.create(self.first_nonce);
        (settlement, deployment_id(self.chain_id, settlement))
    }
}

/// Why a journal is not used.
#[derive(Debug, Error)]
pub enum JournalError {
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The directory cannot be made or locked.
    #[error("{path}: cannot use the journal: {source}", path = .path.display())]
    Directory { path: PathBuf, source: std::io::Error },
    /// Whether there is a record cannot be found out.
    #[error("{path}: cannot look for the record: {source}", path = .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// Another process has the journal.
    #[error("{path}: another process settles with this journal", path = .path.display())]
    Locked { path: PathBuf },
    /// A record is malformed.
    #[error("{path}: {reason}", path = .path.display())]
    Malformed { path: PathBuf, reason: String },
    /// The record is about something else.
    #[error(
        "{path}: the journal is about superblock {} for contract {} on network {}, not about superblock {} for contract {} on \
         network {}",
        .found.number, .found.contract, .found.chain_id, .expected.number, .expected.contract, .expected.chain_id,
        path = .path.display()
    )]
    OtherGoal { path: PathBuf, expected: Box<Goal>, found: Box<Goal> },
    /// The proof is not that of the record.
    #[error("{path}: the proof has the Keccak-256 digest {found}, the record names {expected}", path = .path.display())]
    OtherProof { path: PathBuf, expected: B256, found: B256 },
    /// The data is not that of the record.
    #[error("{path}: the data has the Keccak-256 digest {found}, the record names {expected}", path = .path.display())]
    OtherData { path: PathBuf, expected: B256, found: B256 },
}

/// The directory of the records, locked for this process.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    _lock: File,
}

impl Journal {
    /// Opens the journal in `directory`, which is made if it is missing.
    ///
    /// # Errors
    /// [`JournalError::Directory`] or [`JournalError::Locked`].
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let unusable = |source| JournalError::Directory { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(unusable)?;
        let lock = file::open_lock(&directory.join(LOCK_NAME)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { directory: directory.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(JournalError::Locked { path: directory.to_owned() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// The record for this goal; a new one, which is not written yet, if there is none.
    ///
    /// A superblock is made anew when what it continued is gone. Then the record is that of its new state, and keeps the
    /// transactions: one of them may hold the nonce that the next one needs.
    ///
    /// # Errors
    /// [`JournalError::Unreadable`], [`JournalError::Text`], [`JournalError::Malformed`], or [`JournalError::OtherGoal`].
    pub fn record(&self, goal: Goal) -> Result<Record, JournalError> {
        let path = self.path(goal.number, "json");
        if !exists(&path)? {
            return Ok(Record::new(goal));
        }
        let record: Record = read(&path)?;
        if record.goal == goal {
            return Ok(record);
        }
        if (Goal { state: goal.state, ..record.goal }) == goal {
            return Ok(Record { attempts: record.attempts, ..Record::new(goal) });
        }
        Err(JournalError::OtherGoal { path, expected: Box::new(goal), found: Box::new(record.goal) })
    }

    /// Writes a record durably.
    ///
    /// # Errors
    /// [`JournalError::File`]
    pub fn write(&self, record: &Record) -> Result<(), JournalError> {
        write(&self.path(record.goal.number, "json"), record)
    }

    /// The record of a deployment, if there is one.
    ///
    /// # Errors
    /// [`JournalError::Unreadable`], [`JournalError::Text`] or [`JournalError::Malformed`].
    pub fn deployment(&self) -> Result<Option<DeploymentRecord>, JournalError> {
        let path = self.deployment_path();
        if exists(&path)? { read(&path).map(Some) } else { Ok(None) }
    }

    /// Writes the record of a deployment durably.
    ///
    /// # Errors
    /// [`JournalError::File`]
    pub fn write_deployment(&self, record: &DeploymentRecord) -> Result<(), JournalError> {
        write(&self.deployment_path(), record)
    }

    /// The file of a deployment.
    pub(crate) fn deployment_path(&self) -> PathBuf {
        self.directory.join(DEPLOYMENT_NAME)
    }

    /// Writes a proof durably, and returns its digest, for the record.
    ///
    /// # Errors
    /// [`JournalError::File`]
    pub fn write_proof(&self, number: u32, proof: &Bytes) -> Result<B256, JournalError> {
        file::write_shared(&self.path(number, "proof"), proof.to_string().as_bytes())?;
        Ok(keccak256(proof))
    }

    /// Reads the proof with this digest.
    ///
    /// # Errors
    /// [`JournalError::Text`], [`JournalError::Malformed`], or [`JournalError::OtherProof`].
    pub fn proof(&self, number: u32, expected: B256) -> Result<Bytes, JournalError> {
        let path = self.path(number, "proof");
        let proof: Bytes = match text::read(&path, FILE_LIMIT)?.parse() {
            Ok(proof) => proof,
            Err(_) => {
                return Err(JournalError::Malformed { path, reason: "it is not hexadecimal".to_owned() });
            }
        };
        let found = keccak256(&proof);
        if found == expected { Ok(proof) } else { Err(JournalError::OtherProof { path, expected, found }) }
    }

    /// Writes what is published durably, and returns its digest, for the record.
    ///
    /// # Errors
    /// [`JournalError::File`]
    pub fn write_data(&self, number: u32, data: &Bytes) -> Result<B256, JournalError> {
        let digest = keccak256(data);
        file::write_shared(&self.data_path(number, digest), data)?;
        Ok(digest)
    }

    /// Reads the data with this digest.
    ///
    /// # Errors
    /// [`JournalError::File`] or [`JournalError::OtherData`].
    pub fn data(&self, number: u32, expected: B256) -> Result<Bytes, JournalError> {
        let path = self.data_path(number, expected);
        let data = file::read_bytes(FileKind::SuperblockData, &path, PAYLOAD_LIMIT)?;
        let found = keccak256(&data);
        if found == expected {
            Ok(data.into())
        } else {
            Err(JournalError::OtherData { path, expected, found })
        }
    }

    /// Data that an earlier transaction names stays.
    fn data_path(&self, number: u32, digest: B256) -> PathBuf {
        self.path(number, &format!("{}.data", hex::encode(&digest[..8])))
    }

    fn path(&self, number: u32, extension: &str) -> PathBuf {
        self.directory.join(format!("superblock-{number:06}.{extension}"))
    }
}

/// Whether a file is there. One that cannot be looked up is not missing: what it names may be under way.
fn exists(path: &Path) -> Result<bool, JournalError> {
    path.try_exists().map_err(|source| JournalError::Unreadable { path: path.to_owned(), source })
}

fn write(path: &Path, record: &impl Serialize) -> Result<(), JournalError> {
    let text = serde_json::to_string_pretty(record)
        .map_err(|error| JournalError::Malformed { path: path.to_owned(), reason: error.to_string() })?;
    Ok(file::write_shared(path, text.as_bytes())?)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, JournalError> {
    let text = text::read(path, FILE_LIMIT)?;
    serde_json::from_str(&text).map_err(|error| JournalError::Malformed {
        path: path.to_owned(),
        reason: without_secrets(&error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOAL: Goal =
        Goal { chain_id: 31337, contract: Address::repeat_byte(5), number: 7, state: B256::repeat_byte(9) };

    fn attempt(nonce: u64) -> Attempt {
        Attempt {
            sender: Address::repeat_byte(1),
            nonce,
            hash: B256::with_last_byte(nonce as u8),
            call: B256::ZERO,
            gas_limit: 21_000,
            fees: Fees { max: 2, priority: 1, blob: None },
            transaction: Some(Bytes::from_static(b"signed")),
            failed: false,
        }
    }

    #[test]
    fn a_record_is_read_back_and_holds_one_transaction() {
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::open(directory.path()).expect("an empty directory");
        let mut record = journal.record(GOAL).expect("a new one");
        assert_eq!(record, Record::new(GOAL));
        record.sign(attempt(3));
        record.sign(attempt(4));
        assert_eq!(record.attempts.iter().filter(|one| one.transaction.is_some()).count(), 1);
        record.inclusion = Some(Inclusion {
            transaction: Some(B256::with_last_byte(4)),
            block_number: 12,
            block_hash: B256::repeat_byte(2),
            gas_used: None,
        });
        journal.write(&record).expect("writable");
        assert_eq!(journal.record(GOAL).expect("it is there"), record);
    }

    #[test]
    fn a_journal_is_one_processs_and_one_goals() {
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::open(directory.path()).expect("an empty directory");
        assert!(matches!(Journal::open(directory.path()), Err(JournalError::Locked { .. })));
        journal.write(&Record::new(GOAL)).expect("writable");
        for other in [Goal { chain_id: 1, ..GOAL }, Goal { contract: Address::repeat_byte(6), ..GOAL }] {
            let error = journal.record(other).expect_err("another goal");
            assert!(matches!(error, JournalError::OtherGoal { .. }), "{error}");
        }
        assert!(journal.record(Goal { number: 8, ..GOAL }).is_ok());
    }

    #[test]
    fn a_superblock_that_is_made_anew_keeps_its_transactions_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::open(directory.path()).expect("an empty directory");
        let mut record = Record::new(GOAL);
        record.proof =
            Some(ProofOnDisk { digest: B256::ZERO, outer_digest: B256::ZERO, statement: B256::ZERO });
        record.sign(attempt(3));
        journal.write(&record).expect("writable");
        let anew = Goal { state: B256::ZERO, ..GOAL };
        let expected = Record { attempts: record.attempts, ..Record::new(anew) };
        assert_eq!(journal.record(anew).expect("another state"), expected);
    }

    #[cfg(unix)]
    #[test]
    fn a_record_that_cannot_be_looked_up_is_not_taken_for_a_missing_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::open(directory.path()).expect("an empty directory");
        // A link to itself: what it names cannot be found out.
        let path = directory.path().join("superblock-000007.json");
        std::os::unix::fs::symlink(&path, &path).expect("writable");
        assert!(matches!(journal.record(GOAL), Err(JournalError::Unreadable { .. })));
    }

    #[test]
    fn proofs_and_records_that_were_changed_are_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::open(directory.path()).expect("an empty directory");
        let proof = Bytes::from_static(b"proof");
        let digest = journal.write_proof(7, &proof).expect("writable");
        assert_eq!(journal.proof(7, digest).expect("it is there"), proof);
        let error = journal.proof(7, B256::ZERO).expect_err("another digest");
        assert!(matches!(error, JournalError::OtherProof { .. }), "{error}");
        for (name, content) in [("superblock-000007.proof", "0xzz"), ("superblock-000007.json", "{}")] {
            fs::write(directory.path().join(name), content).expect("writable");
        }
        assert!(matches!(journal.proof(7, digest), Err(JournalError::Malformed { .. })));
        let data = Bytes::from_static(b"data");
        let digest = journal.write_data(7, &data).expect("writable");
        assert_eq!(journal.data(7, digest).expect("it is there"), data);
        fs::write(journal.data_path(7, digest), "other").expect("writable");
        assert!(matches!(journal.data(7, digest), Err(JournalError::OtherData { .. })));
        assert!(matches!(journal.record(GOAL), Err(JournalError::Malformed { .. })));
    }
}
