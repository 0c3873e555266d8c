//! What the commands over key files share: which files the pins determine, and how a file is read and checked.

use std::collections::BTreeMap;

use batcher_keys::{config::Config, pins::origin};
use circuits_keys::{
    Header, KeyFile, KeyFileError, KeyKind, KeyStore, START_LIMIT, StoreError, pins::Pins, read_header,
};
use thiserror::Error;

use crate::{answer::Failure, pins::embedded};

/// Why a file of a store is refused.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(#[from] KeyFileError),
}

/// The header of a file of a store; `None` if the file has gone away.
pub(super) fn header_in(store: &dyn KeyStore, name: &str) -> Result<Option<Header>, Refusal> {
    let Some(start) = store.read_start(name, START_LIMIT)? else { return Ok(None) };
    Ok(Some(read_header(name, &start)?.0))
}

/// A whole file of a store, checked; `None` if the file has gone away. No more is read than the header announces.
pub(super) fn checked_in(store: &dyn KeyStore, name: &str) -> Result<Option<KeyFile>, Refusal> {
    let Some(header) = header_in(store, name)? else { return Ok(None) };
    let Some(bytes) = store.read(name, header.file_limit())? else { return Ok(None) };
    let file = KeyFile::parse(name, bytes)?;
    file.check_payload()?;
    Ok(Some(file))
}

/// The pins of this program's circuits, and those that the configuration adds.
pub(super) fn pins_of(config: &Config) -> Result<Pins, Failure> {
    let mut pins = embedded()?;
    pins.circuit.extend(config.read_pins()?.circuit);
    Ok(pins)
}

/// The headers that the key files of these circuits have.
pub(super) fn headers(pins: &Pins) -> Vec<Header> {
    let origin = origin(pins);
    let of = |pin| KeyKind::ALL.map(|kind| Header::of(pin, kind, &origin));
    pins.circuit.iter().flat_map(of).flatten().collect()
}

/// The headers of the key files that the pins of a configuration determine, by the names of the files.
pub(super) fn expected_files(config: &Config) -> Result<BTreeMap<String, Header>, Failure> {
    Ok(headers(&pins_of(config)?).into_iter().map(|header| (header.file_name(), header)).collect())
}
