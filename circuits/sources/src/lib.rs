#![doc = include_str!("../README.md")]

mod checkout;

use std::{
    env, io,
    path::{Path, PathBuf},
};

use checkout::Checkout;
pub use checkout::is_test;

/// The folder of the workspace's manifest: the nearest one above the package that Cargo runs something of, or else the
/// one above this crate.
///
/// A copied checkout may bring build scripts along that were compiled elsewhere; they must look at the copy.
///
/// # Panics
/// If no folder above this crate has such a manifest, which no build of this crate can do without.
#[must_use]
pub fn workspace() -> PathBuf {
    let run = env::var_os("CARGO_MANIFEST_DIR").and_then(|folder| Checkout::above(Path::new(&folder)));
    // The workspace of somebody else's program has no sources of circuits.
    let ours =
        run.filter(Checkout::is_ours).or_else(|| Checkout::above(Path::new(env!("CARGO_MANIFEST_DIR"))));
    ours.expect("this crate is a member of a workspace").root().to_owned()
}

/// The manifests of the workspace and its crates, and the lock file, which changes with the list of crates.
///
/// # Errors
/// If a folder cannot be read.
pub fn manifests() -> io::Result<Vec<PathBuf>> {
    checkout().manifests()
}

/// The file with the checked-in pins of the workspace's circuits.
///
/// # Errors
/// If the workspace's manifest does not name it.
pub fn pins() -> io::Result<PathBuf> {
    checkout().named_path("pins")
}

/// The file with the checked-in verifier keys of the batcher's circuits.
///
/// # Errors
/// If the workspace's manifest does not name it.
pub fn embedded_keys() -> io::Result<PathBuf> {
    checkout().named_path("keys")
}

/// The file with the versions that the workspace is locked to.
#[must_use]
pub fn lock_file() -> PathBuf {
    workspace().join("Cargo.lock")
}

/// The source folders of the crates whose manifest says `circuits = true`, relative to the workspace, ascending.
///
/// # Errors
/// If a folder or a manifest cannot be read.
pub fn circuit_sources() -> io::Result<Vec<PathBuf>> {
    checkout().circuit_sources()
}

/// The SHA3-256 of the Rust files in [`circuit_sources`] without their tests. It changes with every source, and is the
/// same on every machine.
///
/// # Errors
/// If a source cannot be read.
pub fn checksum() -> io::Result<[u8; 32]> {
    checkout().checksum()
}

/// All Rust files of the workspace, tests included, relative to the workspace, ascending.
///
/// # Errors
/// If a folder cannot be read.
pub fn rust_files() -> io::Result<Vec<PathBuf>> {
    checkout().rust_files()
}

fn checkout() -> Checkout {
    Checkout::at(workspace())
}
