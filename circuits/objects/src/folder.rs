//! Bytes under names.

use std::{collections::BTreeMap, fmt, io, sync::Arc};

use futures_util::StreamExt as _;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore as Backend, ObjectStoreExt as _, PutMode, PutPayload, path::Path,
};

use crate::{
    address::{self, AddressError},
    blocking::Blocking,
};

/// A folder of an object store. Names are paths below it, such as `proofs/1f0c`.
///
/// All errors are [`io::Error`]s of the kinds that a file system has; callers say what they did where.
pub struct Folder {
    location: String,
    backend: Arc<dyn Backend>,
    path: Path,
    blocking: Blocking,
}

/// Omits the options of the store, which may be secret.
impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Folder {
    /// Opens the folder at an address, with options as crate `object_store` names them.
    ///
    /// # Errors
    /// [`AddressError`]. Whether the store can be reached shows only when it is used.
    pub fn open(address: &str, options: &BTreeMap<String, String>) -> Result<Self, AddressError> {
        let (backend, path) = address::open(address, options)?;
        Self::with_backend(address, backend, path)
    }

    /// The folder `path` of a store that the caller has made. Messages call it `location`.
    ///
    /// # Errors
    /// [`AddressError::Runtime`]
    pub fn with_backend(
        location: impl Into<String>,
        backend: Arc<dyn Backend>,
        path: Path,
    ) -> Result<Self, AddressError> {
        let location = location.into();
        match Blocking::start("object-store") {
            Ok(blocking) => Ok(Self { location, backend, path, blocking }),
            Err(source) => Err(AddressError::Runtime { address: location, source }),
        }
    }

    /// The address, for messages.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Names an object in messages.
    #[must_use]
    pub fn location_of(&self, name: &str) -> String {
        format!("{}/{name}", self.location.trim_end_matches('/'))
    }

    /// Reads an object; `None` if there is none.
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`] if it has more than `limit` bytes, or what the store reports.
    pub fn read(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let allowed = |size| if size > limit { Err(too_large(size, limit)) } else { Ok(size) };
        self.blocking.wait(self.get(&self.below(name), allowed))
    }

    /// Reads the first `limit` bytes of an object, or as many as it has; `None` if there is none.
    ///
    /// # Errors
    /// What the store reports.
    pub fn read_start(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        self.blocking.wait(self.get(&self.below(name), |size| Ok(size.min(limit))))
    }

    /// Whether there is an object of this name.
    ///
    /// # Errors
    /// What the store reports.
    pub fn exists(&self, name: &str) -> io::Result<bool> {
        let path = self.below(name);
        self.blocking.wait(async { Ok(found(self.backend.head(&path).await)?.is_some()) })
    }

    /// Writes an object, over the one that there may be.
    ///
    /// # Errors
    /// What the store reports. The object is the old one or the new one.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (path, payload) = (self.below(name), PutPayload::from(bytes.to_vec()));
        self.blocking.wait(async { self.backend.put(&path, payload).await.map(drop).map_err(to_io) })
    }

    /// Writes an object if there is none of this name. Returns whether it wrote one.
    ///
    /// # Errors
    /// What the store reports. There may be an object then, and it is whole.
    pub fn create(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let (path, payload) = (self.below(name), PutPayload::from(bytes.to_vec()));
        self.blocking.wait(async {
            match self.backend.put_opts(&path, payload, PutMode::Create.into()).await {
                Ok(_) => Ok(true),
                Err(Error::AlreadyExists { .. }) => Ok(false),
                Err(error) => Err(to_io(error)),
            }
        })
    }

    /// Gives an object another name; does nothing if there is none.
    ///
    /// # Errors
    /// What the store reports.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.below(from), self.below(to));
        self.blocking.wait(async { found(self.backend.rename(&from, &to).await).map(drop) })
    }

    /// Removes an object; does nothing if there is none.
    ///
    /// # Errors
    /// What the store reports.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.below(name);
        self.blocking.wait(async { found(self.backend.delete(&path).await).map(drop) })
    }

    /// The names of the objects that lie directly in this folder or in its folder `below`, without that folder's name and
    /// in order.
    ///
    /// # Errors
    /// What the store reports.
    pub fn list(&self, below: Option<&str>) -> io::Result<Vec<String>> {
        let path = below.map_or_else(|| self.path.clone(), |below| self.below(below));
        let listed =
            self.blocking.wait(async { self.backend.list_with_delimiter(Some(&path)).await.map_err(to_io) });
        let listed = listed?;
        let names = listed.objects.iter().filter_map(|object| object.location.filename());
        let mut names: Vec<_> = names.map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    fn below(&self, name: &str) -> Path {
        name.split('/').fold(self.path.clone(), |path, part| path.join(part))
    }

    /// Reads the first bytes of an object. `wanted` receives the object's size and returns how many bytes to read, or
    /// an error.
    async fn get(
        &self,
        path: &Path,
        wanted: impl FnOnce(u64) -> io::Result<u64> + Send,
    ) -> io::Result<Option<Vec<u8>>> {
        let Some(meta) = found(self.backend.head(path).await)? else { return Ok(None) };
        let wanted = wanted(meta.size)?;
        let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
        if wanted == 0 {
            return Ok(Some(bytes));
        }
        let options = GetOptions { range: Some(GetRange::Bounded(0..wanted)), ..GetOptions::default() };
        let Some(got) = found(self.backend.get_opts(path, options).await)? else { return Ok(None) };
        let mut stream = got.into_stream();
        while let Some(part) = stream.next().await {
            bytes.extend_from_slice(&part.map_err(to_io)?);
            // A server may send more than was asked for.
            if bytes.len() as u64 > wanted {
                return Err(too_large(bytes.len() as u64, wanted));
            }
        }
        Ok(Some(bytes))
    }
}

fn too_large(found: u64, limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has {found} bytes, at most {limit} are allowed"))
}

fn to_io(error: Error) -> io::Error {
    let kind = match &error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::AlreadyExists { .. } => io::ErrorKind::AlreadyExists,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// Turns the error that there is no such object into `None`.
fn found<T>(result: Result<T, Error>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(to_io(error)),
    }
}
