//! The file under a database, whose durable steps tests stop.

use std::{
    fs::{File, OpenOptions},
    io,
    ops::Bound,
    path::Path,
};

use redb::{BackendError, Builder, Database, DatabaseError, StorageBackend, backends::FileBackend};

type Locked<T> = Result<T, BackendError>;

/// redb's own backend. Every change of the file passes by [`durable_step`].
#[derive(Debug)]
struct Backend(FileBackend);

/// Opens the file at `path`, which must exist, as a database. An empty one becomes a database without tables.
pub(crate) fn open(builder: &Builder, path: &Path) -> Result<Database, DatabaseError> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    builder.create_with_backend(Backend(FileBackend::new(file)?))
}

/// Where the process stops if a test says so. A step that is about to write leaves half of that behind.
#[cfg(feature = "testing")]
pub(crate) fn durable_step(file: Option<&mut dyn io::Write>, bytes: &[u8]) -> io::Result<()> {
    circuits_files::faults::before_step(file, bytes)
}

#[cfg(not(feature = "testing"))]
#[expect(clippy::unnecessary_wraps, reason = "it fails in tests")]
pub(crate) fn durable_step(_: Option<&mut dyn io::Write>, _: &[u8]) -> io::Result<()> {
    Ok(())
}

/// Syncs a directory, so that the files in it have their names whatever happens.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    durable_step(None, &[])?;
    File::open(directory)?.sync_all()
}

/// A place in the file.
struct At<'b>(&'b FileBackend, u64);

impl io::Write for At<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(self.1, bytes)?;
        self.1 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        durable_step(None, &[])?;
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        durable_step(None, &[])?;
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        durable_step(Some(&mut At(&self.0, offset)), data)?;
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<bool> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<bool> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<()> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<()> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<()> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<bool> {
        self.0.query_lock_range(start, end)
    }
}
