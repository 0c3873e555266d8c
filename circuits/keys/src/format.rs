//! The bytes of key files: a magic line, one line of minified JSON, and the payload.

use thiserror::Error;

use crate::{
    header::{Checksum, HEADER_VERSION, Header},
    name::KeyName,
};

/// The first line of every key file.
pub const MAGIC_LINE: &[u8] = b"superblock key\n";
/// The header must end within this many bytes.
pub const HEADER_LIMIT: usize = 64 << 10;
/// This many bytes from the start of a key file are enough for [`read_header`].
pub const START_LIMIT: usize = MAGIC_LINE.len() + HEADER_LIMIT;
/// The size of the largest key file in bytes. No more are read, even if a header or a pin announces more.
pub const KEY_LIMIT: u64 = 1 << 30;
/// The number of characters that are shown of a message, because it may quote the file.
const REASON_LIMIT: usize = 200;

/// Why bytes are not the expected key file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyFileError {
    /// The file belongs to another program, or is empty.
    #[error("a key file starts with the line \"superblock key\"")]
    Magic,
    /// The header has no end within its limit.
    #[error("a key file has one line of JSON within its first {HEADER_LIMIT} bytes")]
    NoHeader,
    /// The header has another version.
    #[error("header version {HEADER_VERSION} was expected, found {found}")]
    Version { found: u64 },
    /// A field of the header is missing, unknown or malformed.
    #[error("the header is malformed: {reason}")]
    Header { reason: String },
    /// The header is not spelled as we write it.
    #[error("the header is not minified JSON in the order of its fields")]
    NotCanonical,
    /// The header was changed after its hash was computed.
    #[error("the header's identifying hash is {found}, its fields have {computed}")]
    IdentifyingHash { found: Checksum, computed: Checksum },
    /// The file has the name of another key's file.
    #[error("the file is called {name}, its header is that of {expected}")]
    Name {
        name: String,
        /// The name that the header determines.
        expected: String,
    },
    /// The header belongs to another key: it has other parameters, another circuit or another source.
    #[error("{field} of the key is {found}, expected {expected}")]
    Other {
        /// The first field that differs.
        field: String,
        /// The value that the pins require.
        expected: String,
        /// The value in the header.
        found: String,
    },
    /// The payload does not have the length that the header announces.
    #[error("the header announces a payload of {announced} bytes, found {found}")]
    Length { announced: u64, found: u64 },
    /// The file is larger than the expected one, and is not read.
    #[error("the file has more than {limit} bytes")]
    TooLarge { limit: u64 },
    /// The payload does not have the checksum that the header announces.
    #[error("the payload's checksum is {found}, the header says {expected}")]
    Checksum {
        /// The checksum in the header.
        expected: Checksum,
        /// The payload's checksum.
        found: Checksum,
    },
    /// The payload is what the pins require, and still not a key: the pins are wrong.
    #[error("the payload does not decode: {reason}")]
    Payload { reason: String },
}

/// A key file in memory.
#[derive(Clone, Debug)]
pub struct KeyFile {
    header: Header,
    bytes: Vec<u8>,
    payload: usize,
}

impl KeyFile {
    /// Composes a file. The payload must be the one that the header announces.
    #[must_use]
    pub fn new(header: Header, payload: &[u8]) -> Self {
        let mut bytes = MAGIC_LINE.to_vec();
        bytes.extend(header.to_json().into_bytes());
        bytes.push(b'\n');
        let start = bytes.len();
        bytes.extend(payload);
        Self { header, bytes, payload: start }
    }

    /// Parses a file, and checks everything except the payload's checksum.
    ///
    /// # Errors
    /// [`KeyFileError`] with the first check that fails.
    pub fn parse(name: &str, bytes: Vec<u8>) -> Result<Self, KeyFileError> {
        let (header, payload) = read_header(name, &bytes)?;
        let found = (bytes.len() - payload) as u64;
        if found != header.payload.bytes {
            return Err(KeyFileError::Length { announced: header.payload.bytes, found });
        }
        Ok(Self { header, bytes, payload })
    }

    /// Parses the file with this header, and checks everything.
    ///
    /// # Errors
    /// [`KeyFileError`] if `bytes` are any other file.
    pub fn expect(header: &Header, bytes: Vec<u8>) -> Result<Self, KeyFileError> {
        // This comes before the name is compared: the field that differs says more than a hash.
        parse_header(&bytes)?.0.check_is(header)?;
        let file = Self::parse(&header.file_name(), bytes)?;
        file.check_payload()?;
        Ok(file)
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.payload..]
    }

    /// The whole file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Checks the payload against the header.
    ///
    /// # Errors
    /// [`KeyFileError::Checksum`] if the payload is another one.
    pub fn check_payload(&self) -> Result<(), KeyFileError> {
        let (expected, found) = (self.header.payload.sha3, Checksum::of(self.payload()));
        if found == expected { Ok(()) } else { Err(KeyFileError::Checksum { expected, found }) }
    }
}

/// Parses the header of the file called `name` that starts with `start`. Also returns the position of the payload.
///
/// # Errors
/// [`KeyFileError`] if the header is malformed, or belongs to a file of another name.
pub fn read_header(name: &str, start: &[u8]) -> Result<(Header, usize), KeyFileError> {
    let (header, payload) = parse_header(start)?;
    let expected = header.file_name();
    if name != expected {
        return Err(KeyFileError::Name { name: name.to_owned(), expected });
    }
    Ok((header, payload))
}

/// Parses the header of a file of any name that starts with `start`. Also returns the position of the payload.
///
/// # Errors
/// [`KeyFileError`] if the header is malformed.
pub fn parse_header(start: &[u8]) -> Result<(Header, usize), KeyFileError> {
    let rest = start.strip_prefix(MAGIC_LINE).ok_or(KeyFileError::Magic)?;
    let rest = &rest[..rest.len().min(HEADER_LIMIT)];
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or(KeyFileError::NoHeader)?;
    let line = &rest[..end];
    let malformed = |error: serde_json::Error| KeyFileError::Header { reason: shown(&error.to_string()) };
    // In a header of another version, only the version is certain to be readable.
    let value: serde_json::Value = serde_json::from_slice(line).map_err(malformed)?;
    if let Some(found) = value["header_version"].as_u64().filter(|found| *found != u64::from(HEADER_VERSION))
    {
        return Err(KeyFileError::Version { found });
    }
    let header: Header = serde_json::from_slice(line).map_err(malformed)?;
    if header.to_json().as_bytes() != line {
        return Err(KeyFileError::NotCanonical);
    }
    let computed = header.computed_hash();
    if header.identifying_hash != computed {
        return Err(KeyFileError::IdentifyingHash { found: header.identifying_hash, computed });
    }
    // The identifier becomes part of a path.
    if let Err(reason) = header.file_name().parse::<KeyName>() {
        return Err(KeyFileError::Header { reason: shown(&reason) });
    }
    Ok((header, MAGIC_LINE.len() + end + 1))
}

/// Bounds the length of a message that may quote a hostile file, and escapes the characters that terminals obey.
fn shown(reason: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    let shown = reason.chars().take(REASON_LIMIT);
    shown.map(|c| if plain(c) { c.to_string() } else { c.escape_default().to_string() }).collect()
}

impl Header {
    /// The size of the largest file with this header, in bytes.
    #[must_use]
    pub fn file_limit(&self) -> u64 {
        self.payload.bytes.saturating_add(START_LIMIT as u64).min(KEY_LIMIT)
    }

    /// Checks that this header is `expected`.
    ///
    /// # Errors
    /// [`KeyFileError::Other`] with the first field that differs.
    pub fn check_is(&self, expected: &Self) -> Result<(), KeyFileError> {
        if self == expected {
            return Ok(());
        }
        let value = |header: &Self| serde_json::to_value(header).unwrap_or_default();
        let (expected, found) = (value(expected), value(self));
        let first =
            FIELDS.into_iter().find_map(|field| first_difference(field, &expected[field], &found[field]));
        let (field, expected, found) =
            first.unwrap_or_else(|| ("header".to_owned(), expected.to_string(), found.to_string()));
        Err(KeyFileError::Other { field, expected, found: shown(&found) })
    }
}

/// The fields of a header. Those that somebody chose come before those that follow from them.
const FIELDS: [&str; 12] = [
    "header_version",
    "kind",
    "parameters",
    "origin",
    "depends_on",
    "gates",
    "degree_bits",
    "public_inputs",
    "circuit",
    "verifier_key",
    "payload",
    "identifying_hash",
];

/// The path, the expected value and the found value of the first difference.
fn first_difference(
    path: &str,
    expected: &serde_json::Value,
    found: &serde_json::Value,
) -> Option<(String, String, String)> {
    if expected == found {
        return None;
    }
    if let (Some(expected), Some(found)) = (expected.as_object(), found.as_object()) {
        let absent = serde_json::Value::Null;
        return expected.keys().chain(found.keys()).find_map(|key| {
            let path = format!("{path}.{key}");
            first_difference(&path, expected.get(key).unwrap_or(&absent), found.get(key).unwrap_or(&absent))
        });
    }
    Some((path.to_owned(), spelled(expected), spelled(found)))
}

/// A value as a message shows it.
fn spelled(value: &serde_json::Value) -> String {
    if value.is_null() { "absent".to_owned() } else { value.to_string() }
}
