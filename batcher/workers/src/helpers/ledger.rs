//! What each helper has proved, in a file that only grows.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use circuits_tasks::{graph::Task, id::TaskId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why the ledger cannot be used.
#[derive(Debug, Error)]
#[error("{path}: cannot {action}: {source}", path = .path.display())]
pub struct LedgerError {
    pub path: PathBuf,
    pub action: &'static str,
    pub source: io::Error,
}

/// A line of the ledger, in JSON: a proof that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub helper: String,
    /// A [`TaskId`].
    pub task: String,
    pub label: String,
    /// The name of the circuit or STARK.
    pub provable: String,
    /// Bytes of memory that the task needs, a measure of its cost.
    pub memory: u64,
}

/// A file with a line for each proof that a helper made. A line that a crash cut off counts as none.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: Mutex<File>,
}

impl Ledger {
    /// Opens the ledger, or begins one.
    ///
    /// # Errors
    /// [`LedgerError`]
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let failed = |action| move |source| LedgerError { path: path.to_owned(), action, source };
        let mut file =
            OpenOptions::new().create(true).read(true).append(true).open(path).map_err(failed("open it"))?;
        let text = std::fs::read(path).map_err(failed("read it"))?;
        if text.last().is_some_and(|&byte| byte != b'\n') {
            // The next line must not become a part of the one that was cut off.
            file.write_all(b"\n").map_err(failed("write it"))?;
        }
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Notes a proof, durably.
    pub(crate) fn note(&self, helper: &str, id: TaskId, task: &Task) -> Result<(), LedgerError> {
        let entry = Entry {
            helper: helper.to_owned(),
            task: id.to_string(),
            label: task.label.clone(),
            provable: task.provable.clone(),
            memory: task.memory,
        };
        let failed = |source| LedgerError { path: self.path.clone(), action: "write it", source };
        let mut line = serde_json::to_vec(&entry).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).and_then(|()| file.sync_data()).map_err(failed)
    }

    /// The entries of a ledger, each task once.
    ///
    /// # Errors
    /// [`LedgerError`]
    pub fn read(path: &Path) -> Result<Vec<Entry>, LedgerError> {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| LedgerError { path: path.to_owned(), action: "read it", source })?;
        let mut entries = BTreeMap::new();
        for entry in text.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok()) {
            entries.entry(entry.task.clone()).or_insert(entry);
        }
        Ok(entries.into_values().collect())
    }
}
