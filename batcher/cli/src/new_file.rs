//! Files that commands make and never overwrite.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::exit::{ExitCode, HasExitCode};

/// The file that a command would make exists.
#[derive(Debug, Error)]
#[error("{}: the file exists", .0.display())]
pub(crate) struct FileExists(PathBuf);

impl HasExitCode for FileExists {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Rejected
    }
}

/// Checks that there is nothing at `path`, not even a link to a missing file.
///
/// # Errors
/// [`FileExists`]
pub(crate) fn check_is_new(path: &Path) -> Result<(), FileExists> {
    if path.symlink_metadata().is_ok() { Err(FileExists(path.to_owned())) } else { Ok(()) }
}
