//! Why a key or a signature is refused.

use thiserror::Error;

/// Why bytes are not a public key, or why a signature does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EcdsaError {
    /// A signature does not have 64 bytes, or a SEC1 key does not have 33 or 65 bytes.
    #[error("{what} has {expected} bytes, found {found}")]
    Length { what: &'static str, expected: &'static str, found: usize },
    /// The text is not hexadecimal.
    #[error("{what} must be hexadecimal text: {reason}")]
    NotHex { what: &'static str, reason: String },
    /// The SEC1 encoding is not that of a finite point of the curve.
    #[error("{0} is not the SEC1 encoding of a point of secp256k1")]
    NotEncoded(String),
    /// The coordinates are not below the field prime, or the point is not on the curve.
    #[error("({x}, {y}) is not a point of secp256k1")]
    NotOnCurve {
        /// The first coordinate, hexadecimal.
        x: String,
        /// The second coordinate, hexadecimal.
        y: String,
    },
    /// `r = 0`.
    #[error("r of a signature is 0")]
    ZeroR,
    /// `s = 0`.
    #[error("s of a signature is 0")]
    ZeroS,
    /// `r` is not below the group order.
    #[error("r of a signature is {0}, which is not below the group order")]
    LargeR(String),
    /// `s` is not below the group order.
    #[error("s of a signature is {0}, which is not below the group order")]
    LargeS(String),
    /// `s` is above half the group order: the canonical signature has the negated `s`.
    #[error("s of a signature is {0}, which is above half the group order")]
    HighS(String),
    /// The numbers are in range, but do not sign this hash under this key.
    #[error("the signature does not sign {hash} under the key {key}")]
    Wrong { hash: String, key: String },
}
