//! The names of key files: `IDENTIFIER.TYPE.HASH.key`.

use std::{fmt, io, str::FromStr};

use crate::{
    header::{Checksum, KeyKind, Kind},
    store::StoreError,
};

/// The longest identifier of a circuit in a file name, in bytes. With it, file systems accept the names of all files.
const IDENTIFIER_LIMIT: usize = 120;

/// The parts of a key file's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName {
    pub kind: Kind,
    /// The header's identifying hash.
    pub hash: Checksum,
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.key", self.kind.identifier, self.kind.kind, self.hash)
    }
}

impl FromStr for KeyName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::parse(name).ok_or_else(|| format!("{name:?} is not IDENTIFIER.TYPE.HASH.key"))
    }
}

impl KeyName {
    fn parse(name: &str) -> Option<Self> {
        let (rest, hash) = name.strip_suffix(".key")?.rsplit_once('.')?;
        let (identifier, kind) = rest.rsplit_once('.')?;
        let kind = KeyKind::ALL.into_iter().find(|known| known.to_string() == kind)?;
        // These characters can spell neither a path nor a hidden file.
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if identifier.is_empty() || identifier.len() > IDENTIFIER_LIMIT || !identifier.chars().all(plain) {
            return None;
        }
        Some(Self { kind: Kind { kind, identifier: identifier.to_owned() }, hash: hash.parse().ok()? })
    }

    /// Checks that a name of a file in the store at `location` is well-formed. `action` is what the store was asked to do.
    ///
    /// # Errors
    /// [`StoreError`] if it is not the name of a key file.
    pub fn check(name: &str, location: &str, action: &'static str) -> Result<(), StoreError> {
        match name.parse::<Self>() {
            Ok(_) => Ok(()),
            Err(reason) => Err(StoreError {
                location: location.to_owned(),
                action,
                source: io::Error::new(io::ErrorKind::InvalidInput, reason),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_circuit_part_and_hash() {
        let hash = Checksum::of(b"header");
        for kind in KeyKind::ALL {
            let name = format!("segment-leaf-3.{kind}.{hash}.key");
            let parsed: KeyName = name.parse().expect("well-formed");
            assert_eq!(
                parsed,
                KeyName { kind: Kind { kind, identifier: "segment-leaf-3".to_owned() }, hash }
            );
            assert_eq!(parsed.to_string(), name);
        }
    }

    #[test]
    fn other_names_are_refused() {
        let hash = Checksum::of(b"header");
        let upper = hash.to_string().to_uppercase();
        for name in [
            String::new(),
            "key".to_owned(),
            format!(".prover_key.{hash}.key"),
            format!("a.prover_key.{hash}"),
            format!("a.prover_key.{hash}.key.refused"),
            format!("a.prover_key.{hash}.key.lock"),
            format!("a.proving_key.{hash}.key"),
            format!("a.prover_key.{upper}.key"),
            format!("a.prover_key.{}.key", &hash.to_string()[1..]),
            format!("../a.prover_key.{hash}.key"),
            format!("..a.prover_key.{hash}.key"),
            format!("b/a.prover_key.{hash}.key"),
            format!("b\\a.prover_key.{hash}.key"),
            format!("C:a.prover_key.{hash}.key"),
            format!("a\n.prover_key.{hash}.key"),
            format!("a\0.prover_key.{hash}.key"),
            format!("{}.prover_key.{hash}.key", "a".repeat(121)),
        ] {
            assert!(name.parse::<KeyName>().is_err(), "{name:?} was accepted");
            let error = KeyName::check(&name, "store", "read it").expect_err("refused");
            assert_eq!(error.source.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
