//! Key files in object stores: a folder, a bucket, or any other store that crate `object_store` supports.

use std::{collections::BTreeMap, fmt, io, sync::Arc};

use circuits_files::text::may_be_secret;
use circuits_keys::{KeyName, KeyStore, StoreError};
use futures_util::StreamExt as _;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore as Backend, ObjectStoreExt as _, PutMode, PutPayload, path::Path,
};
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use url::Url;

/// How many refused files of one name are kept.
const REFUSED_LIMIT: u32 = 9;

/// The addresses that a build can have.
const KNOWN_ADDRESSES: &str = "file:///FOLDER, memory:///, or s3://BUCKET/FOLDER in a build with S3";

/// Why an object store cannot be opened.
#[derive(Debug, Error)]
pub enum AddressError {
    /// The text is not a URL.
    #[error("{address}: expected {KNOWN_ADDRESSES}: {source}")]
    Url { address: String, source: url::ParseError },
    /// This build supports no store at such an address.
    #[error("{address}: expected {KNOWN_ADDRESSES}: {source}")]
    Unsupported { address: String, source: Box<Error> },
    /// The address contains a user name, a password or a query, which messages would show.
    #[error(
        "the address of an object store contains a user name, a password or a query; expected these as options"
    )]
    Secret,
    /// Stores of this kind do not have the option.
    #[error("{address}: the option {option} is unknown; expected {expected}")]
    Option { address: String, option: String, expected: &'static str },
    /// The runtime that speaks to the store cannot be started.
    #[error("{address}: cannot start its runtime: {source}")]
    Runtime { address: String, source: io::Error },
}

/// A folder of an object store.
///
/// It takes no locks: processes that need a key at the same time each make it, and write the same file.
pub struct ObjectStore {
    location: String,
    backend: Arc<dyn Backend>,
    folder: Path,
    // `None` once the store is dropped.
    runtime: Option<Runtime>,
}

/// Omits the options of the store, which may be secret.
impl fmt::Debug for ObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStore").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        // Waiting for idle connections is not possible on a thread of another runtime, and of no use on any.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl ObjectStore {
    /// Opens the store at an address, with options as crate `object_store` names them.
    ///
    /// # Errors
    /// [`AddressError`]. Whether the store can be reached shows only when it is used.
    pub fn open(address: &str, options: &BTreeMap<String, String>) -> Result<Self, AddressError> {
        Self::check_address(address)?;
        let url = Url::parse(address)
            .map_err(|source| AddressError::Url { address: address.to_owned(), source })?;
        let options = checked_options(&url, options)?;
        let (backend, folder) = object_store::parse_url_opts(&url, options).map_err(|source| {
            AddressError::Unsupported { address: address.to_owned(), source: Box::new(source) }
        })?;
        Self::with_backend(address, Arc::from(backend), folder)
    }

    /// Checks that an address contains no user name, no password and no query, because messages show addresses.
    ///
    /// # Errors
    /// [`AddressError::Secret`]
    pub fn check_address(address: &str) -> Result<(), AddressError> {
        let is_secret = match Url::parse(address) {
            Ok(url) => {
                !url.username().is_empty()
                    || url.password().is_some()
                    || url.query().is_some()
                    || url.fragment().is_some()
            }
            // Text that cannot be parsed may contain a secret anywhere.
            Err(_) => address.contains(['@', '?', '#']),
        };
        if is_secret { Err(AddressError::Secret) } else { Ok(()) }
    }

    /// Makes a store of a folder in a backend that the caller has made. Messages call it `location`.
    ///
    /// # Errors
    /// [`AddressError::Runtime`]
    pub fn with_backend(
        location: impl Into<String>,
        backend: Arc<dyn Backend>,
        folder: Path,
    ) -> Result<Self, AddressError> {
        let location = location.into();
        match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => Ok(Self { location, backend, folder, runtime: Some(runtime) }),
            Err(source) => Err(AddressError::Runtime { address: location, source }),
        }
    }

    /// Runs `work` on a new thread, so that the caller may be on a thread of another runtime.
    fn run<T: Send>(&self, work: impl Future<Output = io::Result<T>> + Send) -> io::Result<T> {
        let Some(runtime) = &self.runtime else { return Err(io::Error::other("the store is closed")) };
        match std::thread::scope(|scope| scope.spawn(|| runtime.block_on(work)).join()) {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn path(&self, name: &str, action: &'static str) -> Result<Path, StoreError> {
        KeyName::check(name, &self.location, action)?;
        Ok(self.beside(name))
    }

    fn beside(&self, name: &str) -> Path {
        self.folder.clone().join(name)
    }

    fn error(&self, name: &str, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
        let location = format!("{}/{name}", self.location.trim_end_matches('/'));
        move |source| StoreError { location, action, source }
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

    async fn set_aside_by_number(&self, name: &str, path: &Path, reason: &str) -> io::Result<()> {
        for number in 1..=REFUSED_LIMIT {
            let number = if number == 1 { String::new() } else { format!(".{number}") };
            let refused = self.beside(&format!("{name}.refused{number}"));
            let why = self.beside(&format!("{name}.refused{number}.txt"));
            if found(self.backend.head(&refused).await)?.is_some() {
                continue;
            }
            // Creating the text claims the number: only one of two processes succeeds.
            let text = PutPayload::from(format!("{reason}\n"));
            match self.backend.put_opts(&why, text, PutMode::Create.into()).await {
                Err(Error::AlreadyExists { .. }) => continue,
                Err(error) => return Err(to_io(error)),
                Ok(_) => {}
            }
            let moved = self.backend.rename(path, &refused).await;
            if moved.is_err() {
                // A text without a file does no harm, so an error is ignored.
                let _ = self.backend.delete(&why).await;
            }
            // A missing object is no error: another process has set it aside.
            return found(moved).map(drop);
        }
        Err(io::Error::new(
            io::ErrorKind::QuotaExceeded,
            format!("there are already {REFUSED_LIMIT} refused files of this name"),
        ))
    }
}

/// The name of an option, unless it may be a value that is in its place.
#[must_use]
pub(crate) fn shown_option(name: &str) -> &str {
    let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_name && !may_be_secret(name) { name } else { "(hidden)" }
}

/// Checks the names of the options for a store at `url`, and adds those that AWS has in environment variables.
fn checked_options(
    url: &Url,
    options: &BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, AddressError> {
    let unknown = |option: &String, expected| AddressError::Option {
        address: url.to_string(),
        option: shown_option(option).to_owned(),
        expected,
    };
    if matches!(url.scheme(), "file" | "memory") {
        return match options.keys().next() {
            Some(option) => Err(unknown(option, "none for this kind of store")),
            None => Ok(vec![]),
        };
    }
    #[cfg(feature = "s3")]
    if matches!(url.scheme(), "s3" | "s3a") {
        use object_store::aws::AmazonS3ConfigKey;
        for option in options.keys() {
            if option.to_ascii_lowercase().parse::<AmazonS3ConfigKey>().is_err() {
                return Err(unknown(
                    option,
                    "those of object_store::aws::AmazonS3ConfigKey, such as aws_region",
                ));
            }
        }
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("AWS_"));
        return Ok(environment.chain(options.clone()).collect());
    }
    Ok(options.clone().into_iter().collect())
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

impl KeyStore for ObjectStore {
    fn location(&self) -> String {
        self.location.clone()
    }

    fn list(&self) -> Result<Vec<String>, StoreError> {
        let work = async { self.backend.list_with_delimiter(Some(&self.folder)).await.map_err(to_io) };
        let listed = self.run(work).map_err(|source| StoreError {
            location: self.location.clone(),
            action: "list it",
            source,
        })?;
        let names = listed.objects.iter().filter_map(|object| object.location.filename());
        let mut names: Vec<_> =
            names.filter(|name| name.parse::<KeyName>().is_ok()).map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    fn read_start(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(name, "read it")?;
        self.run(self.get(&path, |size| Ok(size.min(limit as u64)))).map_err(self.error(name, "read it"))
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(name, "read it")?;
        let allowed = |size| if size > limit { Err(too_large(size, limit)) } else { Ok(size) };
        self.run(self.get(&path, allowed)).map_err(self.error(name, "read it"))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name, "write it")?;
        let payload = PutPayload::from(bytes.to_vec());
        let work = async { self.backend.put(&path, payload).await.map(drop).map_err(to_io) };
        self.run(work).map_err(self.error(name, "write it"))
    }

    fn set_aside(&self, name: &str, reason: &str) -> Result<(), StoreError> {
        let path = self.path(name, "set it aside")?;
        self.run(self.set_aside_by_number(name, &path, reason)).map_err(self.error(name, "set it aside"))
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name, "remove it")?;
        let work = async { found(self.backend.delete(&path).await).map(drop) };
        self.run(work).map_err(self.error(name, "remove it"))
    }
}
