//! Who signs for L1: a key in a file.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, Signature};
use alloy_signer::SignerSync;
use alloy_signer_local::{LocalSigner, PrivateKeySigner};
use circuits_files::text::{self, TextError};
use thiserror::Error;

/// Bytes of the largest key, password or keystore file.
const FILE_LIMIT: u64 = 64 << 10;

/// Why there is no signer. No message repeats what a file holds.
#[derive(Debug, Error)]
pub enum SignerError {
    /// A file cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The file holds no key.
    #[error("{path}: a key file holds a secp256k1 key as 64 hexadecimal digits", path = .path.display())]
    NoKey { path: PathBuf },
    /// The keystore does not open.
    #[error("{path}: it is no keystore, or the password is another one", path = .path.display())]
    Keystore { path: PathBuf },
}

/// A key that signs transactions. It is never printed.
#[derive(Clone)]
pub struct Signer(PrivateKeySigner);

impl Signer {
    /// Reads a key as 64 hexadecimal digits, with or without `0x`.
    ///
    /// # Errors
    /// [`SignerError::Text`] or [`SignerError::NoKey`].
    pub fn from_key_file(path: &Path) -> Result<Self, SignerError> {
        let text = text::read(path, FILE_LIMIT)?;
        let no_key = || SignerError::NoKey { path: path.to_owned() };
        let mut key = B256::ZERO;
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        hex::decode_to_slice(digits, key.as_mut_slice()).map_err(|_| no_key())?;
        PrivateKeySigner::from_bytes(&key).map(Self).map_err(|_| no_key())
    }

    /// Decrypts a keystore file, as wallets and nodes write it, with the password in the first line of a file.
    ///
    /// # Errors
    /// [`SignerError::Text`] or [`SignerError::Keystore`].
    pub fn from_keystore(path: &Path, password: &Path) -> Result<Self, SignerError> {
        // Reading it first refuses what is no file of a sensible size.
        text::read(path, FILE_LIMIT)?;
        let password = text::read(password, FILE_LIMIT)?;
        let password = password.lines().next().unwrap_or_default();
        LocalSigner::decrypt_keystore(path, password)
            .map(Self)
            .map_err(|_| SignerError::Keystore { path: path.to_owned() })
    }

    /// The signer with a key that is public.
    pub(crate) fn of_key(key: &B256) -> Self {
        Self(PrivateKeySigner::from_bytes(key).unwrap_or_else(|_| PrivateKeySigner::random()))
    }

    /// A signer with a new key, for an L1 of one's own.
    #[must_use]
    pub fn random() -> Self {
        Self(PrivateKeySigner::random())
    }

    /// The account that pays.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs a transaction's hash.
    ///
    /// # Errors
    /// The signer's own.
    pub fn sign(&self, hash: B256) -> Result<Signature, alloy_signer::Error> {
        self.0.sign_hash_sync(&hash)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.address())
    }
}
