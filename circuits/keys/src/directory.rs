//! A directory of key files.

use std::{
    fs::{self, DirEntry, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use circuits_files::file::{FileError, TEMPORARY_PREFIX, open_lock, write_shared};

use crate::{
    name::KeyName,
    store::{KeyStore, StoreError, StoreLock, too_large},
};

/// How many refused files of one name are kept. More of them are not informative, and the files are large.
const REFUSED_LIMIT: u32 = 9;

/// Key files in a directory, which is made when the first file is written. Several processes may use it at once, also
/// those of several users: key files hold no secret, and the umask of the process that writes a file decides who can read
/// it.
///
/// Beside `NAME` there may be an empty `NAME.lock`, which is reused, and `NAME.refused` with `NAME.refused.txt`. Later
/// refused files of this name are `NAME.refused.2` and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryStore {
    path: PathBuf,
}

impl DirectoryStore {
    /// Opens the store in a directory, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that nobody reads again, ascending: refused files with their reasons, and unfinished files of processes
    /// that have ended.
    ///
    /// # Errors
    /// [`StoreError`] if the directory cannot be listed.
    pub fn leftovers(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut paths = vec![];
        for entry in self.entries()? {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let key = name.split_once(".refused").map(|(key, _)| key);
            let is_refused = key.is_some_and(|key| key.parse::<KeyName>().is_ok());
            if is_refused || name.starts_with(TEMPORARY_PREFIX) && is_abandoned(&entry) {
                paths.push(entry.path());
            }
        }
        paths.sort();
        Ok(paths)
    }

    /// The entries of the directory. A directory that does not exist has none.
    fn entries(&self) -> Result<Vec<DirEntry>, StoreError> {
        let entries =
            found(fs::read_dir(&self.path)).and_then(|entries| entries.into_iter().flatten().collect());
        entries.map_err(error(&self.path, "list the directory"))
    }

    /// The path of the file called `name`.
    fn file(&self, name: &str, action: &'static str) -> Result<PathBuf, StoreError> {
        KeyName::check(name, &self.location(), action)?;
        Ok(self.path.join(name))
    }

    fn make_directory(&self) -> Result<(), StoreError> {
        fs::create_dir_all(&self.path).map_err(error(&self.path, "make the directory"))
    }
}

/// No write takes this long, so the process that began it has ended.
const ABANDONED_AFTER: Duration = Duration::from_secs(60 * 60);

fn is_abandoned(entry: &DirEntry) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|elapsed| elapsed > ABANDONED_AFTER))
}

fn error(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError { location: path.display().to_string(), action, source }
}

/// Turns the error that a file does not exist into `None`.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a file, and reads its size. The kind of the file is checked first, because opening a pipe would wait for its
/// other end.
fn open(path: &Path) -> io::Result<Option<(File, u64)>> {
    let Some(metadata) = found(fs::metadata(path))? else { return Ok(None) };
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let Some(file) = found(File::open(path))? else { return Ok(None) };
    let size = file.metadata()?.len();
    Ok(Some((file, size)))
}

impl KeyStore for DirectoryStore {
    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self) -> Result<Vec<String>, StoreError> {
        let mut names = vec![];
        for entry in self.entries()? {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.parse::<KeyName>().is_ok() && fs::metadata(entry.path()).is_ok_and(|file| file.is_file())
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn read_start(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.file(name, "read it")?;
        let Some((file, _)) = open(&path).map_err(error(&path, "open it"))? else { return Ok(None) };
        let mut bytes = vec![];
        file.take(limit as u64).read_to_end(&mut bytes).map_err(error(&path, "read it"))?;
        Ok(Some(bytes))
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.file(name, "read it")?;
        let Some((file, size)) = open(&path).map_err(error(&path, "open it"))? else { return Ok(None) };
        if size > limit {
            return Err(error(&path, "read it")(too_large(size, limit)));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        // The file may have grown since its size was read.
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(error(&path, "read it"))?;
        let size = bytes.len() as u64;
        if size > limit { Err(error(&path, "read it")(too_large(size, limit))) } else { Ok(Some(bytes)) }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.file(name, "write it")?;
        self.make_directory()?;
        write_shared(&path, bytes).map_err(|failure| match failure {
            FileError::Io { path, action, source } => error(&path, action)(source),
            FileError::Exists { path } => error(&path, "write it")(io::ErrorKind::AlreadyExists.into()),
            FileError::Format { path, source } => error(&path, "write it")(io::Error::other(source)),
        })
    }

    fn set_aside(&self, name: &str, reason: &str) -> Result<(), StoreError> {
        let path = self.file(name, "set it aside")?;
        let failed = |source| error(&path, "set it aside")(source);
        let mut text = reason.to_owned();
        text.push('\n');
        for number in 1..=REFUSED_LIMIT {
            let number = if number == 1 { String::new() } else { format!(".{number}") };
            let refused = self.path.join(format!("{name}.refused{number}"));
            let why = self.path.join(format!("{name}.refused{number}.txt"));
            if fs::symlink_metadata(&refused).is_ok() {
                continue;
            }
            // Creating the text claims the number, which only one of two processes can do.
            let mut file = match OpenOptions::new().write(true).create_new(true).open(&why) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failed(error)),
            };
            let done = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&path, &refused));
            if done.is_err() {
                // If this fails, a text without its file stays, which is harmless.
                let _ = fs::remove_file(&why);
            }
            // A file that does not exist any more was set aside by another process.
            return found(done).map(drop).map_err(failed);
        }
        Err(failed(io::Error::new(
            io::ErrorKind::QuotaExceeded,
            format!("there are already {REFUSED_LIMIT} refused files of this name"),
        )))
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.file(name, "remove it")?;
        found(fs::remove_file(&path)).map_err(error(&path, "remove it"))?;
        let lock = self.path.join(format!("{name}.lock"));
        // A held lock's file is left where it is. A process that has opened the file and is about to lock it may make a
        // key that another process makes too; both are the same.
        if File::open(&lock).is_ok_and(|file| file.try_lock().is_ok()) {
            found(fs::remove_file(&lock)).map_err(error(&lock, "remove it"))?;
        }
        Ok(())
    }

    fn lock(&self, name: &str, waiting: &dyn Fn()) -> Result<StoreLock, StoreError> {
        self.file(name, "lock it")?;
        self.make_directory()?;
        let path = self.path.join(format!("{name}.lock"));
        let file = open_lock(&path).map_err(error(&path, "open it"))?;
        let locked = match file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock()
            }
            Err(TryLockError::Error(source)) => Err(source),
        };
        locked.map_err(error(&path, "lock it"))?;
        Ok(StoreLock::new(Some(file)))
    }
}
