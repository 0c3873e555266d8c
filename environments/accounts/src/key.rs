//! Secret keys, and signing with them.

use std::{fmt, str::FromStr};

use circuits_core::chain_id::{ChainIdError, check_chain_id};
use circuits_tables::ecdsa::{PublicKey, Signature, key_commitment};
use environments_core::environment::EnvironmentId;
use k256::{
    ecdsa::{self, SigningKey, signature::hazmat::PrehashSigner},
    elliptic_curve::Generate,
};
use thiserror::Error;

use crate::{
    address::{Address, address_of_key},
    transaction::{SignedTransaction, Transaction},
};

/// The secret key of an account. Never shown by `Debug`, and overwritten when dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

/// Why a secret key cannot be read or made, or cannot sign.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The text is not 64 hexadecimal digits. The digits are not shown.
    #[error("a secret key is 64 hexadecimal digits, found {found} characters")]
    NotHex {
        /// Characters found.
        found: usize,
    },
    /// The integer is 0 or not below the group order.
    #[error("a secret key is at least 1 and below the group order of secp256k1")]
    Range,
    /// The operating system returned no random bytes.
    #[error("the operating system returned no random bytes: {0}")]
    Random(String),
    /// The deployment does not exist.
    #[error(transparent)]
    ChainId(#[from] ChainIdError),
    /// The key cannot sign this hash. No such hash is known.
    #[error("the key cannot sign this hash: {0}")]
    Sign(String),
}

/// The address of a public key.
#[must_use]
pub fn address_of(key: &PublicKey) -> Address {
    let (x, y) = key.words();
    address_of_key(key_commitment(&x, &y))
}

impl SecretKey {
    /// A key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`KeyError::Random`]
    pub fn generate() -> Result<Self, KeyError> {
        SigningKey::try_generate().map(Self).map_err(|error| KeyError::Random(error.to_string()))
    }

    /// The key with this big-endian encoding.
    ///
    /// # Errors
    /// [`KeyError::Range`]
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        SigningKey::from_slice(bytes).map(Self).map_err(|_| KeyError::Range)
    }

    /// The key itself, as 64 hexadecimal digits.
    #[must_use]
    pub fn expose(&self) -> String {
        hex::encode(self.0.to_bytes())
    }

    /// The public key.
    ///
    /// # Panics
    /// Never: no multiple of the generator by a secret key is infinity.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey::from_affine(self.0.verifying_key().as_affine()).expect("not infinity")
    }

    /// The address of the account that the key controls.
    #[must_use]
    pub fn address(&self) -> Address {
        address_of(&self.public_key())
    }

    /// Signs a transaction for one deployment and environment: deterministically, with the lower `s`.
    ///
    /// # Errors
    /// [`KeyError::ChainId`] or [`KeyError::Sign`].
    pub fn sign(
        &self,
        transaction: Transaction,
        chain_id: u64,
        environment: EnvironmentId,
    ) -> Result<SignedTransaction, KeyError> {
        check_chain_id(chain_id)?;
        let hash = transaction.signed_bytes(chain_id, environment);
        let signature: ecdsa::Signature =
            self.0.sign_prehash(&hash).map_err(|error| KeyError::Sign(error.to_string()))?;
        let signature = Signature::from_bytes(&signature.normalize_s().to_bytes())
            .map_err(|error| KeyError::Sign(error.to_string()))?;
        Ok(SignedTransaction { transaction, key: self.public_key(), signature })
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// 64 hexadecimal digits.
impl FromStr for SecretKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| KeyError::NotHex { found: text.chars().count() })?;
        Self::from_bytes(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_key_is_never_shown() {
        let key = SecretKey::from_bytes(&[7; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey(..)");
        assert_eq!(key.expose().parse::<SecretKey>().unwrap().address(), key.address());
        assert_ne!(SecretKey::generate().unwrap().address(), SecretKey::generate().unwrap().address());
        for text in ["", "07", &"0".repeat(64), &"f".repeat(64), &"x".repeat(64)] {
            assert!(text.parse::<SecretKey>().is_err(), "{text}");
        }
    }
}
