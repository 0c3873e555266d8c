//! The hop of a superblock as a file.

use std::path::{Path, PathBuf};

use circuits_core::{
    F,
    layout::{self, Layout as _},
};
use circuits_files::file::{self, FileError, FileKind, SMALL_LIMIT};
use circuits_protocol::statement::SuperblockStatement;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::proof::{HopError, HopProof};

/// A hop in bytes: the key's digest, the statement as bundles have it, and the proof's calldata.
#[derive(Serialize, Deserialize)]
struct Stored {
    outer_digest: [u8; 32],
    statement: Vec<u8>,
    calldata: Vec<u8>,
}

/// Why a file is not the hop of a superblock.
#[derive(Debug, Error)]
pub enum HopFileError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The hop in it is malformed or does not verify.
    #[error("{path}: {source}", path = .path.display())]
    Hop { path: PathBuf, source: HopError },
}

/// The extension of files that have the hop of a superblock.
const EXTENSION: &str = "hop";

/// The name of the file that has the hop of the superblock in the file `bundle`: the whole name of the bundle and an extension, so
/// that it is never the bundle's own, nor that of another bundle's hop.
#[must_use]
pub fn path_beside(bundle: &Path) -> PathBuf {
    let mut name = bundle.as_os_str().to_owned();
    name.push(".");
    name.push(EXTENSION);
    name.into()
}

/// Whether a file has the name of a hop.
#[must_use]
pub fn is_hop(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
}

/// Writes a hop. A file that is there is replaced: two hops of one superblock say the same.
///
/// # Errors
/// [`HopFileError`]
pub fn write(path: &Path, hop: &HopProof) -> Result<(), HopFileError> {
    let at = |source| HopFileError::Hop { path: path.to_owned(), source };
    let statement = layout::to_bytes(&hop.statement().map_err(at)?);
    let stored = Stored { outer_digest: hop.outer_digest(), statement, calldata: hop.to_calldata() };
    Ok(file::write(FileKind::SuperblockHop, path, &stored, SMALL_LIMIT)?)
}

/// Reads a hop; nothing is verified yet.
///
/// # Errors
/// [`HopFileError`]
pub fn read(path: &Path) -> Result<HopProof, HopFileError> {
    let Stored { outer_digest, statement, calldata } =
        file::read(FileKind::SuperblockHop, path, SMALL_LIMIT)?;
    let at = |source| HopFileError::Hop { path: path.to_owned(), source };
    let statement: SuperblockStatement =
        layout::from_bytes(&statement).map_err(|error| at(HopError::Statement(error)))?;
    HopProof::from_calldata(outer_digest, &calldata, &statement.encode()).map_err(at)
}

/// The first element of a hop's statement that differs from this one's.
#[must_use]
pub fn first_difference(hop: &HopProof, statement: &SuperblockStatement) -> Option<usize> {
    let stated: Vec<F> = statement.encode();
    hop.public_inputs().iter().zip(&stated).position(|(a, b)| a != b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundle_has_a_hop_of_its_own() {
        let names = ["a", "a.superblock", "a.hop", "a.superblock.hop"].map(Path::new);
        let hops = names.map(path_beside);
        for (index, hop) in hops.iter().enumerate() {
            assert!(is_hop(hop) && hops.iter().skip(index + 1).all(|other| other != hop));
            assert!(hop != names[index]);
        }
        assert_eq!(path_beside(Path::new("out/a.superblock")), Path::new("out/a.superblock.hop"));
    }
}
