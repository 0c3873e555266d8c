//! Key files: a magic line, one line of minified JSON, the payload.

use thiserror::Error;

use crate::{
    header::{Checksum, HEADER_VERSION, Header},
    name::KeyName,
};

/// The first line of every key file.
pub const MAGIC_LINE: &[u8] = b"superblock key\n";
/// Bytes within which the header must end.
pub const HEADER_LIMIT: usize = 64 << 10;
/// Bytes from the start of a key file that are enough for [`read_header`].
pub const START_LIMIT: usize = MAGIC_LINE.len() + HEADER_LIMIT;
/// Bytes of the largest key file: whatever a header or a pin announces, no more are read.
pub const KEY_LIMIT: u64 = 1 << 30;
/// Characters of a message that are shown; it may quote the file.
const REASON_LIMIT: usize = 200;

/// Why bytes are not the key file that was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyFileError {
    /// Another program's file, or an empty one.
    #[error("a key file starts with the line \"superblock key\"")]
    Magic,
    /// No end of the header.
    #[error("a key file has one line of JSON within its first {HEADER_LIMIT} bytes")]
    NoHeader,
    /// The header is of another version.
    #[error("header version {HEADER_VERSION} was expected, found {found}")]
    Version {
        /// The version found.
        found: u64,
    },
    /// The header is not one of ours: a field is missing, unknown or malformed.
    #[error("the header is malformed: {reason}")]
    Header {
        /// The parser's reason.
        reason: String,
    },
    /// The header is spelled otherwise than we write it.
    #[error("the header is not minified JSON in the order of its fields")]
    NotCanonical,
    /// The header was changed after its hash was computed.
    #[error("the header's identifying hash is {found}, its fields have {computed}")]
    IdentifyingHash {
        /// In the header.
        found: Checksum,
        /// Of the header.
        computed: Checksum,
    },
    /// The file's name is another key's.
    #[error("the file is called {name}, its header is that of {expected}")]
    Name {
        /// The name.
        name: String,
        /// The name that the header determines.
        expected: String,
    },
    /// The header is that of another key: other parameters, another circuit or another source.
    #[error("{field} of the key is {found}, expected {expected}")]
    Other {
        /// The first field that differs.
        field: String,
        /// What the pins say.
        expected: String,
        /// What the header says.
        found: String,
    },
    /// The payload is not as long as the header says.
    #[error("the header announces a payload of {announced} bytes, found {found}")]
    Length {
        /// Bytes announced.
        announced: u64,
        /// Bytes found.
        found: u64,
    },
    /// The file is larger than its key; it is not read.
    #[error("the file has more than {limit} bytes")]
    TooLarge {
        /// What it may have.
        limit: u64,
    },
    /// The payload does not have the checksum in the header.
    #[error("the payload's checksum is {found}, the header says {expected}")]
    Checksum {
        /// In the header.
        expected: Checksum,
        /// Of the payload.
        found: Checksum,
    },
    /// The payload is what the pins say, and still not a key: the pins are wrong.
    #[error("the payload does not decode: {reason}")]
    Payload {
        /// The decoder's reason.
        reason: String,
    },
}

/// A key file in memory.
#[derive(Clone, Debug)]
pub struct KeyFile {
    header: Header,
    bytes: Vec<u8>,
    payload: usize,
}

impl KeyFile {
    /// The file with this header, whose payload must be the one that the header announces.
    #[must_use]
    pub fn new(header: Header, payload: &[u8]) -> Self {
        let mut bytes = MAGIC_LINE.to_vec();
        bytes.extend(header.to_json().into_bytes());
        bytes.push(b'\n');
        let start = bytes.len();
        bytes.extend(payload);
        Self { header, bytes, payload: start }
    }

    /// Reads a file; checks all but the payload's checksum.
    ///
    /// # Errors
    /// [`KeyFileError`]
    pub fn parse(name: &str, bytes: Vec<u8>) -> Result<Self, KeyFileError> {
        let (header, payload) = read_header(name, &bytes)?;
        let found = (bytes.len() - payload) as u64;
        if found != header.payload.bytes {
            return Err(KeyFileError::Length { announced: header.payload.bytes, found });
        }
        Ok(Self { header, bytes, payload })
    }

    /// Reads the file with this header; checks everything.
    ///
    /// # Errors
    /// [`KeyFileError`] if `bytes` are anything else.
    pub fn expect(header: &Header, bytes: Vec<u8>) -> Result<Self, KeyFileError> {
        // Before the name is compared: the field that differs says more than a hash.
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
    /// [`KeyFileError::Checksum`]
    pub fn check_payload(&self) -> Result<(), KeyFileError> {
        let (expected, found) = (self.header.payload.sha3, Checksum::of(self.payload()));
        if found == expected { Ok(()) } else { Err(KeyFileError::Checksum { expected, found }) }
    }
}

/// The header of the file called `name` that starts with `start`, and where its payload starts.
///
/// # Errors
/// [`KeyFileError`] if it is not a header of ours, or not that of a file of this name.
pub fn read_header(name: &str, start: &[u8]) -> Result<(Header, usize), KeyFileError> {
    let (header, payload) = parse_header(start)?;
    let expected = header.file_name();
    if name != expected {
        return Err(KeyFileError::Name { name: name.to_owned(), expected });
    }
    Ok((header, payload))
}

/// The header of the file that starts with `start`, whatever the file is called, and where its payload starts.
///
/// # Errors
/// [`KeyFileError`] if it is not a header of ours.
pub fn parse_header(start: &[u8]) -> Result<(Header, usize), KeyFileError> {
    let rest = start.strip_prefix(MAGIC_LINE).ok_or(KeyFileError::Magic)?;
    let rest = &rest[..rest.len().min(HEADER_LIMIT)];
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or(KeyFileError::NoHeader)?;
    let line = &rest[..end];
    let malformed = |error: serde_json::Error| KeyFileError::Header { reason: shown(&error.to_string()) };
    // Of another version's header only the version is sure to be readable.
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

/// A message that may quote a hostile file: without characters that terminals obey, and of bounded length.
fn shown(reason: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    let shown = reason.chars().take(REASON_LIMIT);
    shown.map(|c| if plain(c) { c.to_string() } else { c.escape_default().to_string() }).collect()
}

impl Header {
    /// Bytes of the largest file with this header.
    #[must_use]
    pub fn file_limit(&self) -> u64 {
        self.payload.bytes.saturating_add(START_LIMIT as u64).min(KEY_LIMIT)
    }

    /// Checks that this header is `expected`.
    ///
    /// # Errors
    /// [`KeyFileError::Other`], which names the first field that differs.
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

/// The fields of a header: those that somebody chose before those that follow from them.
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

/// Path, expected and found value of the first difference.
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
    Some((path.to_owned(), expected.to_string(), found.to_string()))
}
