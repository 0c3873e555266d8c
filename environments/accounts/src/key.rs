//! Secret keys, and signing with them.

use std::{fmt, str::FromStr};

use circuits_tables::{
    ecdsa::{PublicKey, Signature},
    keccak::keccak256,
};
use k256::{ecdsa::SigningKey, elliptic_curve::Generate};
use thiserror::Error;

use crate::{
    address::{ADDRESS_BYTES, Address},
    signature::RecoverableSignature,
    transaction::{SignedTransaction, Transaction},
    typed_data::{SigningDomain, key_bytes, signing_hash},
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
    /// The signature's `v` would not be 27 or 28. No hash is known of which that holds.
    #[error("the signature would have a v that wallets do not write")]
    Unrecoverable,
}

/// The address of a public key: the last 20 bytes of its Keccak-256 digest, as Ethereum has it.
#[must_use]
pub fn address_of(key: &PublicKey) -> Address {
    let digest = keccak256(&key_bytes(key));
    let mut address = Address::default();
    address.0.copy_from_slice(&digest[digest.len() - ADDRESS_BYTES..]);
    address
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

    /// Signs a transaction in the domain of an environment: deterministically, with the lower `s`.
    ///
    /// # Errors
    /// [`KeyError::Unrecoverable`]
    pub fn sign(
        &self,
        transaction: Transaction,
        domain: &SigningDomain,
    ) -> Result<SignedTransaction, KeyError> {
        let signature = self.sign_hash(&signing_hash(domain, &transaction))?;
        Ok(SignedTransaction { transaction, signature })
    }

    /// Signs 32 bytes.
    ///
    /// # Errors
    /// [`KeyError::Unrecoverable`]
    pub(crate) fn sign_hash(&self, hash: &[u8; 32]) -> Result<RecoverableSignature, KeyError> {
        // It has the lower `s`.
        let (signature, id) = self.0.sign_prehash_recoverable(hash);
        if id.is_x_reduced() {
            return Err(KeyError::Unrecoverable);
        }
        let (r, s) = signature.split_bytes();
        let signature = Signature { r: r.into(), s: s.into() };
        Ok(RecoverableSignature { signature, is_odd: id.is_y_odd() })
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
    fn a_key_has_the_address_that_ethereum_gives_it() {
        // The first account of the mnemonic that local nodes start with.
        let secret = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
        let address = secret.parse::<SecretKey>().unwrap().address();
        assert_eq!(address.to_string(), "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    }

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
