//! `superblock keys export` and `superblock keys import`.

use std::{fmt, path::PathBuf};

use batcher_keys::config::Config;
use circuits_files::text::shown;
use circuits_keys::{DirectoryStore, KeyStore, StoreError};
use serde::Serialize;
use thiserror::Error;

use super::files::{Refusal, checked_in};
use crate::{
    answer::{Answer, Failure},
    as_text,
    exit::{ExitCode, HasExitCode},
};

/// Why no key file is copied.
#[derive(Debug, Error)]
enum ImportError {
    #[error("the configuration has no key directory; expected one")]
    NoKeyDirectory,
    #[error("{}: no such directory", .0.display())]
    NoSuchDirectory(PathBuf),
    #[error("{from}: no key file is there")]
    NoKeyFile { from: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl HasExitCode for ImportError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoKeyDirectory | Self::NoSuchDirectory(_) | Self::NoKeyFile { .. } => ExitCode::Rejected,
            Self::Store(error) => error.exit_code(),
        }
    }
}

/// What became of the key files that were to be copied.
#[derive(Serialize)]
struct Copied {
    copied: Vec<String>,
    /// Files that the target had already.
    present: Vec<String>,
    refused: Vec<Refused>,
    /// The target.
    #[serde(skip)]
    to: String,
}

/// A file that is not whole, and was not copied.
#[derive(Serialize)]
struct Refused {
    file: String,
    #[serde(serialize_with = "as_text::display")]
    reason: Refusal,
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (copied, present) = (self.copied.len(), self.present.len());
        write!(f, "{copied} copied to {}, {present} there already", shown(&self.to))?;
        self.refused
            .iter()
            .try_for_each(|one| write!(f, "\nrefused {}: {}", shown(&one.file), shown(&one.reason)))
    }
}

pub(super) fn export(config: &Config, directory: PathBuf) -> Result<Answer, Failure> {
    let stores = config.stores()?;
    Ok(copy(stores.iter().map(AsRef::as_ref), &DirectoryStore::new(directory))?)
}

pub(super) fn import(config: &Config, directory: PathBuf) -> Result<Answer, Failure> {
    let directories = config.directories();
    let target = directories.first().ok_or(ImportError::NoKeyDirectory)?;
    if !directory.is_dir() {
        return Err(ImportError::NoSuchDirectory(directory).into());
    }
    let source = DirectoryStore::new(directory);
    Ok(copy(std::iter::once(&source as &dyn KeyStore), target)?)
}

/// Copies the key files that are whole.
///
/// # Errors
/// [`ImportError::NoKeyFile`] if there is none, and [`ImportError::Store`].
fn copy<'a>(
    from: impl Iterator<Item = &'a dyn KeyStore>,
    to: &DirectoryStore,
) -> Result<Answer, ImportError> {
    let (mut copied, mut present, mut refused, mut locations) = (vec![], vec![], vec![], vec![]);
    for store in from {
        locations.push(store.location());
        for name in store.list()? {
            match checked_in(to, &name) {
                Ok(Some(_)) => {
                    present.push(name);
                    continue;
                }
                // A damaged file is replaced.
                Ok(None) | Err(Refusal::File(_)) => {}
                Err(Refusal::Store(error)) => return Err(error.into()),
            }
            match checked_in(store, &name) {
                Ok(None) => {}
                Ok(Some(file)) => {
                    to.write(&name, file.bytes())?;
                    copied.push(name);
                }
                Err(reason) => {
                    refused.push(Refused { file: format!("{}/{name}", store.location()), reason });
                }
            }
        }
    }
    if copied.is_empty() && present.is_empty() && refused.is_empty() {
        return Err(ImportError::NoKeyFile { from: locations.join(", ") });
    }
    let (has_refusals, is_any) = (!refused.is_empty(), !copied.is_empty() || !present.is_empty());
    let outcome = Copied { copied, present, refused, to: to.location() };
    Ok(Answer::new(&outcome).with_refusals(has_refusals).or_else(is_any, ExitCode::Rejected))
}
