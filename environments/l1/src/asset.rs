//! Assets as L1 names them.

use std::{fmt, str::FromStr};

use bridge_core::{AssetError, AssetId};
use circuits_files::text::quoted;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An asset as a deposit names it, which may be none: a contract takes any number. As text `origin:number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AssetName {
    /// The environment that issues it.
    pub origin: u16,
    /// Its number there; no asset has number 0.
    pub number: u32,
}

/// The text does not name an asset.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("an asset is written origin:number, two integers below 2^16 and 2^32, found {0}")]
pub struct AssetNameError(String);

impl AssetName {
    /// The asset, if the bridge knows such a one.
    ///
    /// # Errors
    /// [`AssetError::ZeroLocal`]
    pub const fn id(self) -> Result<AssetId, AssetError> {
        AssetId::new(self.origin, self.number)
    }
}

impl From<AssetId> for AssetName {
    fn from(asset: AssetId) -> Self {
        Self { origin: asset.origin(), number: asset.local() }
    }
}

impl fmt::Display for AssetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.origin, self.number)
    }
}

impl FromStr for AssetName {
    type Err = AssetNameError;

    fn from_str(text: &str) -> Result<Self, AssetNameError> {
        let error = || AssetNameError(quoted(text));
        let (origin, number) = text.split_once(':').ok_or_else(error)?;
        let name = Self {
            origin: origin.parse().map_err(|_| error())?,
            number: number.parse().map_err(|_| error())?,
        };
        if name.to_string() == text { Ok(name) } else { Err(error()) }
    }
}

impl TryFrom<String> for AssetName {
    type Error = AssetNameError;

    fn try_from(text: String) -> Result<Self, AssetNameError> {
        text.parse()
    }
}

impl From<AssetName> for String {
    fn from(asset: AssetName) -> Self {
        asset.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_has_one_text_even_if_there_is_no_such_asset() {
        let none: AssetName = "7:0".parse().unwrap();
        assert_eq!(none.id(), Err(AssetError::ZeroLocal { origin: 7 }));
        assert_eq!(AssetName { origin: 0, number: 1 }.to_string(), "0:1");
        for text in ["07:9", "7:+9", "65536:1", "1:4294967296", "7", ""] {
            assert!(text.parse::<AssetName>().is_err(), "{text}");
        }
    }
}
