//! Durable writing: a crash at any point leaves the destination either as it was or as it will be.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::{
    error::FileError,
    format::{FileKind, encode},
};

/// The prefix of the temporary files of [`write_shared`], by which the files of interrupted writes are recognised.
pub const TEMPORARY_PREFIX: &str = ".tmp";

/// Encodes `value` and writes it with [`write_atomic`], unless a reader with the same `limit` would refuse it: its payload
/// has at most `limit` bytes.
///
/// # Errors
/// [`FileError`], which names the file. A file that was there stays if the new one is too large.
pub fn write<T: Serialize>(kind: FileKind, path: &Path, value: &T, limit: u64) -> Result<(), FileError> {
    let bytes =
        encode(kind, value, limit).map_err(|source| FileError::Format { path: path.to_owned(), source })?;
    write_atomic(path, &bytes)
}

/// Writes a file durably, for its owner only: nobody else can read it.
///
/// # Errors
/// [`FileError::Io`]. The destination is then as it was, or already replaced.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    Replacement::new(path, bytes, tempfile::Builder::new()).run()
}

/// Writes a file without secrets durably. Like any new file, the umask decides who can read it.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_shared(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    Replacement::new(path, bytes, builder).run()
}

/// The steps of a durable write. The temporary file lies beside the destination, so that the rename is atomic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    CreateTemporary,
    Write,
    Sync,
    Rename,
    SyncDirectory,
}

impl Step {
    const IN_ORDER: [Self; 5] =
        [Self::CreateTemporary, Self::Write, Self::Sync, Self::Rename, Self::SyncDirectory];

    /// What the step does, as it follows "cannot" in [`FileError::Io`].
    const fn action(self) -> &'static str {
        match self {
            Self::CreateTemporary => "create a temporary file beside it",
            Self::Write => "write it",
            Self::Sync => "sync it",
            Self::Rename => "rename it",
            Self::SyncDirectory => "sync its directory",
        }
    }
}

/// The replacement of a file's content by `bytes`, step by step.
struct Replacement<'a> {
    path: &'a Path,
    directory: &'a Path,
    bytes: &'a [u8],
    builder: tempfile::Builder<'static, 'static>,
    /// The temporary file, from its creation to the rename. Dropping it removes it.
    temporary: Option<NamedTempFile>,
}

impl<'a> Replacement<'a> {
    fn new(path: &'a Path, bytes: &'a [u8], builder: tempfile::Builder<'static, 'static>) -> Self {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Self { path, directory, bytes, builder, temporary: None }
    }

    fn run(mut self) -> Result<(), FileError> {
        Step::IN_ORDER.into_iter().try_for_each(|step| {
            self.perform(step).map_err(|source| FileError::Io {
                path: self.path.to_owned(),
                action: step.action(),
                source,
            })
        })
    }

    fn perform(&mut self, step: Step) -> io::Result<()> {
        #[cfg(feature = "testing")]
        crate::faults::before_step(self.temporary.as_mut().filter(|_| step == Step::Write), self.bytes)?;
        match (step, self.temporary.take()) {
            (Step::CreateTemporary, _) => self.temporary = Some(self.builder.tempfile_in(self.directory)?),
            (Step::Write, Some(mut file)) => {
                file.write_all(self.bytes)?;
                self.temporary = Some(file);
            }
            (Step::Sync, Some(file)) => {
                file.as_file().sync_all()?;
                self.temporary = Some(file);
            }
            (Step::Rename, Some(file)) => drop(file.persist(self.path)?),
            (Step::SyncDirectory, _) => File::open(self.directory)?.sync_all()?,
            (Step::Write | Step::Sync | Step::Rename, None) => {
                unreachable!("the first step creates the file")
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::faults;

    #[test]
    fn what_its_reader_would_refuse_is_not_written_and_the_old_file_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("registry");
        write(FileKind::Registry, &path, &vec![1_u8; 9], 10).expect("10 bytes");
        let before = fs::read(&path).expect("written");
        let error = write(FileKind::Registry, &path, &vec![1_u8; 10], 10).expect_err("11 bytes");
        assert!(error.to_string().contains("at most 10 bytes, found 11"), "{error}");
        assert_eq!(fs::read(&path).expect("still there"), before);
    }

    #[test]
    fn a_write_stopped_at_any_step_leaves_the_old_or_the_new_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state");
        let (old, new) = (vec![1; 500], vec![2; 700]);
        for step in 0.. {
            write_atomic(&path, &old).expect("no fault is armed");
            faults::arm(step);
            let result = write_atomic(&path, &new);
            faults::disarm();
            let found = fs::read(&path).expect("the file exists");
            assert!(found == old || found == new, "step {step} left neither file");
            if result.is_ok() {
                assert!(step >= 4 && found == new, "a write has at least four steps");
                return;
            }
            assert!(step < 100, "the write never succeeds");
        }
    }
}
