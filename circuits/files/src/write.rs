//! Durable writing: a crash at any point leaves the destination either as it was or as it will be.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
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
    write_atomic(path, &encode_for(path, kind, value, limit)?)
}

/// Encodes `value` and writes it with [`write_new`], within the limit of [`write()`].
///
/// # Errors
/// As [`write_new`], and [`FileError::Format`] if the file would be too large.
pub fn create<T: Serialize>(kind: FileKind, path: &Path, value: &T, limit: u64) -> Result<(), FileError> {
    write_new(path, &encode_for(path, kind, value, limit)?)
}

fn encode_for<T: Serialize>(
    path: &Path,
    kind: FileKind,
    value: &T,
    limit: u64,
) -> Result<Vec<u8>, FileError> {
    encode(kind, value, limit).map_err(|source| FileError::Format { path: path.to_owned(), source })
}

/// Writes a file durably, for its owner only: nobody else can read it.
///
/// # Errors
/// [`FileError::Io`]. The destination is then as it was, or already replaced.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    Replacement::new(path, bytes, tempfile::Builder::new()).run()
}

/// Writes a file durably, for its owner only, and replaces none. A file that has these bytes already counts as written, so
/// that an interrupted call can be repeated.
///
/// # Errors
/// [`FileError::Exists`] if there is another file, however late it appears, and [`FileError::Io`].
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    Replacement { replaces: false, ..Replacement::new(path, bytes, tempfile::Builder::new()) }.run()
}

/// Moves a file durably into a directory of the same file system, under its own name, and returns its new path. Only one
/// process at a time may move files into the directory.
///
/// # Errors
/// [`FileError::Exists`] if the directory has a file of this name, and [`FileError::Io`].
pub fn move_into(path: &Path, directory: &Path) -> Result<PathBuf, FileError> {
    let failed = |action| move |source| FileError::Io { path: path.to_owned(), action, source };
    let target = directory.join(path.file_name().unwrap_or_default());
    if target.symlink_metadata().is_ok() {
        return Err(FileError::Exists { path: target });
    }
    durable_step(|| fs::rename(path, &target)).map_err(failed("move it"))?;
    for directory in [directory, directory_of(path)] {
        durable_step(|| File::open(directory)?.sync_all()).map_err(failed(Step::SyncDirectory.action()))?;
    }
    Ok(target)
}

fn durable_step(step: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    #[cfg(feature = "testing")]
    crate::faults::before_step(None, &[])?;
    step()
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
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

/// The replacement of a file's content, or of nothing, by `bytes`, step by step.
struct Replacement<'a> {
    path: &'a Path,
    directory: &'a Path,
    bytes: &'a [u8],
    builder: tempfile::Builder<'static, 'static>,
    /// Whether a file that is there gives way.
    replaces: bool,
    /// The temporary file, from its creation to the rename. Dropping it removes it.
    temporary: Option<NamedTempFile>,
}

impl<'a> Replacement<'a> {
    fn new(path: &'a Path, bytes: &'a [u8], builder: tempfile::Builder<'static, 'static>) -> Self {
        Self { path, directory: directory_of(path), bytes, builder, replaces: true, temporary: None }
    }

    fn run(mut self) -> Result<(), FileError> {
        Step::IN_ORDER.into_iter().try_for_each(|step| {
            self.perform(step).map_err(|source| match (step, source.kind()) {
                (Step::Rename, io::ErrorKind::AlreadyExists) => {
                    FileError::Exists { path: self.path.to_owned() }
                }
                _ => FileError::Io { path: self.path.to_owned(), action: step.action(), source },
            })
        })
    }

    fn perform(&mut self, step: Step) -> io::Result<()> {
        #[cfg(feature = "testing")]
        {
            let file = self.temporary.as_mut().filter(|_| step == Step::Write);
            crate::faults::before_step(file.map(|file| file as &mut dyn io::Write), self.bytes)?;
        }
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
            (Step::Rename, Some(file)) if self.replaces => drop(file.persist(self.path)?),
            (Step::Rename, Some(file)) => match file.persist_noclobber(self.path) {
                Err(error) if holds(self.path, self.bytes) => drop(error.file),
                persisted => drop(persisted?),
            },
            (Step::SyncDirectory, _) => File::open(self.directory)?.sync_all()?,
            (Step::Write | Step::Sync | Step::Rename, None) => {
                unreachable!("the first step creates the file")
            }
        }
        Ok(())
    }
}

/// Whether `path` is a file with exactly these bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    let is_as_long = |metadata: fs::Metadata| metadata.is_file() && metadata.len() == bytes.len() as u64;
    fs::symlink_metadata(path).is_ok_and(is_as_long) && fs::read(path).is_ok_and(|found| found == bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use crate::faults;

    /// Faults are the process's own: one test that writes at a time.
    static FAULTS: Mutex<()> = Mutex::new(());

    #[test]
    fn what_its_reader_would_refuse_is_not_written_and_the_old_file_stays() {
        let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
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
        let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
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

    #[test]
    fn a_new_file_replaces_none_and_is_written_once() {
        let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("superblock");
        for step in 0.. {
            faults::arm(step);
            let result = write_new(&path, b"first");
            faults::disarm();
            assert!(!path.exists() || fs::read(&path).expect("readable") == b"first");
            if result.is_ok() {
                break;
            }
            assert!(step < 100, "the write never succeeds");
        }
        write_new(&path, b"first").expect("it is there already");
        for other in [&b"other"[..], b"first and more", b""] {
            let error = write_new(&path, other).expect_err("another file is there");
            assert!(matches!(error, FileError::Exists { .. }), "{error}");
        }
        assert_eq!(fs::read(&path).expect("readable"), b"first");
        assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 1, "no temporary file is left");
        let error = write_new(directory.path(), b"first").expect_err("a directory is there");
        assert!(matches!(error, FileError::Exists { .. }), "{error}");
    }

    #[test]
    fn a_file_moves_to_where_there_is_none_and_is_never_lost() {
        let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = tempfile::tempdir().expect("a directory");
        let [from, aside] = ["state", "aside"].map(|name| directory.path().join(name));
        fs::create_dir(&aside).expect("writable");
        fs::write(&from, b"first").expect("writable");
        faults::arm(0);
        move_into(&from, &aside).expect_err("no step succeeds");
        faults::disarm();
        assert!(from.exists());
        assert_eq!(move_into(&from, &aside).expect("nothing is in the way"), aside.join("state"));
        fs::write(&from, b"second").expect("writable");
        let error = move_into(&from, &aside).expect_err("the first one is in the way");
        assert!(matches!(error, FileError::Exists { .. }), "{error}");
        assert_eq!(fs::read(aside.join("state")).expect("readable"), b"first");
        assert_eq!(fs::read(&from).expect("readable"), b"second");
    }
}
