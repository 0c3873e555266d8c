//! Why a key or a signature is refused.

use thiserror::Error;

/// Why bytes are not a public key, or why a signature does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EcdsaError {
    /// Not 64 bytes for a signature, not 33 or 65 bytes for a SEC1 key.
    #[error("{what} has {expected} bytes, found {found}")]
    Length {
        what: &'static str,
        /// Bytes expected.
        expected: &'static str,
        found: usize,
    },
    /// The text is not hexadecimal.
    #[error("{what} is hexadecimal text: {reason}")]
    NotHex { what: &'static str, reason: String },
    /// The SEC1 tag or its coordinates give no point of the curve. The point at infinity is none either.
    #[error("{0} is not the SEC1 encoding of a point of secp256k1")]
    NotEncoded(String),
    /// The coordinates are not below the field prime, or the point is not on the curve.
    #[error("({x}, {y}) is not a point of secp256k1")]
    NotOnCurve {
        /// First coordinate, hexadecimal.
        x: String,
        /// Second coordinate, hexadecimal.
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
    /// `s` is above half the group order: the other of the two signatures is the canonical one.
    #[error("s of a signature is {0}, which is above half the group order")]
    HighS(String),
    /// The numbers are in range, but do not sign this hash under this key.
    #[error("the signature does not sign {hash} under the key {key}")]
    Wrong { hash: String, key: String },
}
