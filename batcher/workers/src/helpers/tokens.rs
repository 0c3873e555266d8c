//! Who may help: names, and hashes of tokens.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use circuits_files::{
    file::sha3,
    text::{self, TextError, parse_toml},
};
use serde::Deserialize;
use thiserror::Error;

/// The largest file of helpers that is read, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// The bytes of a token, as random as a key.
const TOKEN_BYTES: usize = 32;

/// The most bytes of a helper's name.
const MAX_NAME_BYTES: usize = 64;

/// The kernel's source of randomness.
pub(super) const RANDOM: &str = "/dev/urandom";

/// Why a file of helpers is refused. No variant repeats a hash, in whose place a token may stand.
#[derive(Debug, Error)]
pub enum TokensError {
    /// The file cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The file is not TOML with a table `helpers`.
    #[error("{path}: {reason}", path = .path.display())]
    Malformed { path: PathBuf, reason: String },
    /// A name is empty, too long, or has characters beyond letters, digits, `-` and `_`.
    #[error("{path}: a helper's name has 1 to {MAX_NAME_BYTES} letters, digits, dashes and underscores", path = .path.display())]
    Name { path: PathBuf },
    /// The hash of a token is malformed.
    #[error("{path}: helper {name}: expected the SHA3-256 of a token, 64 hexadecimal digits", path = .path.display())]
    Hash { path: PathBuf, name: String },
    /// Two helpers have one token.
    #[error("{path}: helpers {first} and {second} have the same token", path = .path.display())]
    Twice { path: PathBuf, first: String, second: String },
    /// The system has no randomness.
    #[error("cannot read {RANDOM}: {0}")]
    Random(#[source] io::Error),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile {
    /// Hashes of tokens, by the name of their helper.
    helpers: BTreeMap<String, String>,
}

/// Whether a helper can be called so: 1 to 64 letters, digits, dashes and underscores.
#[must_use]
pub fn is_helper_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(is_plain)
}

/// The helpers that a broker admits.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// Names by the SHA3-256 of their token's text.
    names: BTreeMap<[u8; 32], String>,
}

impl Tokens {
    /// Reads a TOML file whose table `helpers` has a hash for each name.
    ///
    /// # Errors
    /// [`TokensError`], all variants but [`TokensError::Random`].
    pub fn read(path: &Path) -> Result<Self, TokensError> {
        let text = text::read(path, FILE_LIMIT)?;
        let path = path.to_owned();
        let file: TokensFile = match parse_toml(&text) {
            Ok(file) => file,
            Err(reason) => return Err(TokensError::Malformed { path, reason }),
        };
        let mut names: BTreeMap<[u8; 32], String> = BTreeMap::new();
        for (name, hash) in file.helpers {
            if !is_helper_name(&name) {
                return Err(TokensError::Name { path });
            }
            let mut bytes = [0; 32];
            if hex::decode_to_slice(&hash, &mut bytes).is_err() {
                return Err(TokensError::Hash { path, name });
            }
            if let Some(first) = names.insert(bytes, name.clone()) {
                return Err(TokensError::Twice { path, first, second: name });
            }
        }
        Ok(Self { names })
    }

    /// The helper with this token. What is compared are hashes, so the time that it takes says nothing about a token.
    pub(crate) fn name_of(&self, token: &str) -> Option<&str> {
        self.names.get(&sha3(token.as_bytes())).map(String::as_str)
    }
}

/// A token that nobody has yet.
pub struct NewToken(String);

impl NewToken {
    /// Makes one.
    ///
    /// # Errors
    /// [`TokensError::Random`]
    pub fn random() -> Result<Self, TokensError> {
        let mut bytes = [0; TOKEN_BYTES];
        File::open(RANDOM).and_then(|mut file| file.read_exact(&mut bytes)).map_err(TokensError::Random)?;
        Ok(Self(hex::encode(bytes)))
    }

    /// The token, for the helper only.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.0
    }

    /// Its hash, for the broker's file.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(sha3(self.0.as_bytes()))
    }
}
