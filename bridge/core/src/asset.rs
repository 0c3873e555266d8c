//! Names of assets: where they were issued, and their number there.

use std::{fmt, str::FromStr};

use circuits_core::F;
use circuits_files::text::quoted;
use plonky2::field::types::Field;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bits of a packed asset name.
pub const ASSET_BITS: usize = 48;

/// An asset: the environment that issues it, and its number there, which is not 0.
///
/// Packed as `origin * 2^32 + local`, which is never 0, so that an empty slot of a vault names no asset. As text
/// `origin:local`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AssetId {
    origin: u16,
    local: u32,
}

/// Why a value is not the name of an asset.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AssetError {
    /// Number 0 is reserved for "no asset".
    #[error("asset {origin}:0 does not exist; local numbers start at 1")]
    ZeroLocal { origin: u16 },
    /// The integer has more than 48 bits.
    #[error("a packed asset is below 2^{ASSET_BITS}, found {0}")]
    Packed(u64),
    /// The text is not `origin:local`.
    #[error("an asset is written origin:local, two integers below 2^16 and 2^32, found {0}")]
    Text(String),
}

impl AssetId {
    /// The asset `local` of environment `origin`.
    ///
    /// # Errors
    /// [`AssetError::ZeroLocal`] if `local` is 0.
    pub const fn new(origin: u16, local: u32) -> Result<Self, AssetError> {
        if local == 0 { Err(AssetError::ZeroLocal { origin }) } else { Ok(Self { origin, local }) }
    }

    /// The issuing environment.
    #[must_use]
    pub const fn origin(self) -> u16 {
        self.origin
    }

    /// The number within the issuing environment.
    #[must_use]
    pub const fn local(self) -> u32 {
        self.local
    }

    /// The name as one integer below `2^48`, never 0.
    #[must_use]
    pub const fn packed(self) -> u64 {
        (self.origin as u64) << 32 | self.local as u64
    }

    /// The asset that an integer packs.
    ///
    /// # Errors
    /// - [`AssetError::Packed`]
    /// - [`AssetError::ZeroLocal`]
    pub fn unpack(packed: u64) -> Result<Self, AssetError> {
        let origin = u16::try_from(packed >> 32).map_err(|_| AssetError::Packed(packed))?;
        // The lower half.
        Self::new(origin, packed as u32)
    }

    /// The packed name as a field element.
    #[must_use]
    pub fn to_field(self) -> F {
        F::from_canonical_u64(self.packed())
    }
}

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.origin, self.local)
    }
}

impl FromStr for AssetId {
    type Err = AssetError;

    fn from_str(text: &str) -> Result<Self, AssetError> {
        let error = || AssetError::Text(quoted(text));
        let (origin, local) = text.split_once(':').ok_or_else(error)?;
        let id = Self::new(origin.parse().map_err(|_| error())?, local.parse().map_err(|_| error())?)?;
        if id.to_string() == text { Ok(id) } else { Err(error()) }
    }
}

impl TryFrom<String> for AssetId {
    type Error = AssetError;

    fn try_from(text: String) -> Result<Self, AssetError> {
        text.parse()
    }
}

impl From<AssetId> for String {
    fn from(asset: AssetId) -> Self {
        asset.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_has_one_text_and_one_packing() {
        let asset: AssetId = "7:9".parse().unwrap();
        assert_eq!((asset.origin(), asset.local(), asset.packed()), (7, 9, 7 << 32 | 9));
        assert_eq!(asset.to_string(), "7:9");
        assert_eq!(AssetId::unpack(asset.packed()), Ok(asset));
        assert_eq!(AssetId::unpack(7 << 32), Err(AssetError::ZeroLocal { origin: 7 }));
        assert_eq!(AssetId::unpack(1 << 48 | 1), Err(AssetError::Packed(1 << 48 | 1)));
        for text in ["07:9", "7:+9", "7:0", "65536:1", "1:4294967296", "7", ""] {
            assert!(text.parse::<AssetId>().is_err(), "{text}");
        }
    }
}
