//! Maps, and how one height changes them.

use serde::{Serialize, de::DeserializeOwned};

use crate::error::DatabaseError;

/// A map of a database, by its name. Keys are ordered as bytes, so numbers in keys are big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Map(pub &'static str);

/// What becomes of one entry of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub map: Map,
    pub key: Vec<u8>,
    /// The value from now on; `None` removes the entry.
    pub value: Option<Vec<u8>>,
}

impl Map {
    /// The change that gives a key this value, in postcard's encoding, or removes it.
    ///
    /// # Errors
    /// [`DatabaseError::Encode`]
    pub fn change<T: Serialize>(
        self,
        key: impl Into<Vec<u8>>,
        value: Option<&T>,
    ) -> Result<Change, DatabaseError> {
        let encode = |value| {
            postcard::to_allocvec(value).map_err(|source| DatabaseError::Encode { map: self, source })
        };
        Ok(Change { map: self, key: key.into(), value: value.map(encode).transpose()? })
    }

    /// The value that [`Self::change`] encoded.
    ///
    /// # Errors
    /// [`postcard::Error`] if these are other bytes.
    pub(crate) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, postcard::Error> {
        match postcard::take_from_bytes(value)? {
            (value, []) => Ok(value),
            _ => Err(postcard::Error::DeserializeBadEncoding),
        }
    }
}
