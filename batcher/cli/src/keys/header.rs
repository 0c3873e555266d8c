//! `superblock keys inspect`.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use batcher_keys::{ListedError, header_of};
use circuits_files::text::shown;
use circuits_keys::{DirectoryStore, Header, KeyFileError, StoreError};
use serde::Serialize;
use thiserror::Error;

use super::files::{Refusal, checked_in};
use crate::{
    answer::{Answer, Failure},
    as_text,
    exit::{ExitCode, HasExitCode},
};

/// Why a key file is not shown.
#[derive(Debug, Error)]
enum InspectError {
    #[error(transparent)]
    Listed(#[from] ListedError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{path}: {source}", path = .path.display())]
    File { path: PathBuf, source: KeyFileError },
    #[error("{path}: it has gone away", path = .path.display())]
    Gone { path: PathBuf },
}

impl HasExitCode for InspectError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Listed(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
            Self::File { source, .. } => source.exit_code(),
            Self::Gone { .. } => ExitCode::Rejected,
        }
    }
}

/// A key file that is whole.
#[derive(Serialize)]
struct Inspection<'a> {
    #[serde(serialize_with = "as_text::path")]
    file: &'a Path,
    header: &'a Header,
}

impl fmt::Display for Inspection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: name, hash, length and checksum are right", shown(self.file.display()))?;
        let header = serde_json::to_value(self.header).map_err(|_| fmt::Error)?;
        for (field, value) in header.as_object().into_iter().flatten() {
            match value.as_str() {
                Some(text) => write!(f, "\n{field}: {}", shown(text))?,
                None => write!(f, "\n{field}: {}", shown(value))?,
            }
        }
        Ok(())
    }
}

pub(super) fn run(path: &Path) -> Result<Answer, Failure> {
    let refused = |refusal| match refusal {
        Refusal::Store(error) => InspectError::Store(error),
        Refusal::File(source) => InspectError::File { path: path.to_owned(), source },
    };
    let expected = header_of(path).map_err(InspectError::from)?.file_name();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if name != expected {
        return Err(refused(KeyFileError::Name { name, expected }.into()).into());
    }
    let directory = DirectoryStore::new(path.parent().unwrap_or_else(|| Path::new("")));
    let file = checked_in(&directory, &name).map_err(refused)?;
    let file = file.ok_or_else(|| InspectError::Gone { path: path.to_owned() })?;
    Ok(Answer::new(&Inspection { file: path, header: file.header() }))
}
