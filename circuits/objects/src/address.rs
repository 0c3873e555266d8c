//! Addresses and options of object stores, which must not show secrets.

use std::{collections::BTreeMap, io, sync::Arc};

use circuits_files::text::may_be_secret;
use object_store::{Error, ObjectStore as Backend, local::LocalFileSystem, path::Path};
use thiserror::Error;
use url::Url;

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

/// The name of an option, unless it may be a value that is in its place.
#[must_use]
pub fn shown_option(name: &str) -> &str {
    let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_name && !may_be_secret(name) { name } else { "(hidden)" }
}

/// The store at an address, and the folder in it.
pub(crate) fn open(
    address: &str,
    options: &BTreeMap<String, String>,
) -> Result<(Arc<dyn Backend>, Path), AddressError> {
    check_address(address)?;
    let url =
        Url::parse(address).map_err(|source| AddressError::Url { address: address.to_owned(), source })?;
    let options = checked_options(&url, options)?;
    let unsupported =
        |source| AddressError::Unsupported { address: address.to_owned(), source: Box::new(source) };
    let (backend, folder) = object_store::parse_url_opts(&url, options).map_err(unsupported)?;
    if url.scheme() == "file" {
        return Ok((Arc::new(LocalFileSystem::new().with_fsync(true)), folder));
    }
    Ok((Arc::from(backend), folder))
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
