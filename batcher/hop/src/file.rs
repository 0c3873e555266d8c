//! The hop of a superblock as a file.

use std::{
    io,
    path::{Path, PathBuf},
};

use circuits_core::{
    F,
    layout::{self, Layout as _},
};
use circuits_files::file::{self, FileError, FileKind, FormatError, SMALL_LIMIT};
use circuits_protocol::statement::SuperblockStatement;
use circuits_prover::outer::OuterKey;
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
    /// The hop is that of another superblock.
    #[error("{path}: it is the hop of another superblock: element {element} of the statement differs", path = .path.display())]
    OtherSuperblock {
        path: PathBuf,
        /// The first element that differs.
        element: usize,
    },
}

impl HopFileError {
    /// Whether the file is damaged, or the hop of a program with another key. It has nothing that a new hop does not have: no reader
    /// takes a file whose checksum is wrong, whatever it was.
    const fn is_damage(&self) -> bool {
        match self {
            Self::Hop { .. } => true,
            Self::File(FileError::Format { source, .. }) => matches!(
                source,
                FormatError::Length { .. }
                    | FormatError::Checksum { .. }
                    | FormatError::Payload { .. }
                    | FormatError::NotCanonical { .. }
            ),
            Self::File(_) | Self::OtherSuperblock { .. } => false,
        }
    }
}

/// What lies where the hop of a superblock is kept.
#[derive(Debug)]
pub enum Found {
    Nothing,
    /// The superblock's hop, which verifies.
    Hop(Box<HopProof>),
    /// A damaged hop, or one of a program with another key. It can be made again.
    Damaged(HopFileError),
}

/// Looks for the hop of the superblock with this statement. Whatever the place holds that is no hop is somebody else's.
///
/// # Errors
/// [`HopFileError`] if something else is there: it is not to be replaced.
pub fn find(path: &Path, statement: &SuperblockStatement, key: &OuterKey) -> Result<Found, HopFileError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        // What else is wrong, reading says.
        _ => {}
    }
    match read(path).and_then(|hop| verify(path, hop, statement, key)) {
        Ok(hop) => Ok(Found::Hop(Box::new(hop))),
        Err(error) if error.is_damage() => Ok(Found::Damaged(error)),
        Err(error) => Err(error),
    }
}

/// Verifies a hop that was read from a file, and that it is that of the superblock with this statement.
fn verify(
    path: &Path,
    hop: HopProof,
    statement: &SuperblockStatement,
    key: &OuterKey,
) -> Result<HopProof, HopFileError> {
    let path = || path.to_owned();
    if let Some(element) = first_difference(&hop, statement) {
        return Err(HopFileError::OtherSuperblock { path: path(), element });
    }
    hop.verify(key).map_err(|source| HopFileError::Hop { path: path(), source })?;
    Ok(hop)
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

/// Writes a hop. A file that is there is replaced: [`find`] says whether it may be.
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
