#![doc = include_str!("../README.md")]

use std::{
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
};

use sha3::{Digest as _, Sha3_256};
use toml::{Table, Value};

/// The table of a manifest's metadata that is ours.
const METADATA: &str = "superblock";

/// The folder with the workspace's manifest: the nearest one above this crate.
///
/// # Panics
/// If there is none, which no build of this crate can have.
#[must_use]
pub fn workspace() -> PathBuf {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root =
        folders.find(|folder| manifest(folder).is_ok_and(|manifest| manifest.contains_key("workspace")));
    root.expect("this crate is a member of a workspace").to_owned()
}

/// The checked-in pins of the workspace's circuits.
///
/// # Errors
/// If the workspace's manifest does not name them.
pub fn pins() -> io::Result<PathBuf> {
    named("pins")
}

/// The checked-in verifier keys of the batcher's circuits.
///
/// # Errors
/// If the workspace's manifest does not name them.
pub fn embedded_keys() -> io::Result<PathBuf> {
    named("keys")
}

/// The versions that the workspace is locked to.
#[must_use]
pub fn lock_file() -> PathBuf {
    workspace().join("Cargo.lock")
}

/// The source folders of the crates whose manifest says `circuits = true`, relative to the workspace, ascending.
///
/// # Errors
/// If a folder or a manifest cannot be read.
pub fn circuit_sources() -> io::Result<Vec<PathBuf>> {
    let root = workspace();
    let mut sources = vec![];
    for group in folders(&root)? {
        for member in folders(&group)? {
            let is_marked = match manifest(&member) {
                Ok(manifest) => ours(&manifest, "package", "circuits") == Some(&Value::Boolean(true)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(error) => return Err(error),
            };
            if is_marked {
                let source = member.join("src");
                sources.push(source.strip_prefix(&root).map_err(io::Error::other)?.to_owned());
            }
        }
    }
    sources.sort();
    Ok(sources)
}

/// SHA3-256 of [`circuit_sources`] without their tests: another one for other sources, and the same on every machine.
///
/// # Errors
/// If a source cannot be read.
pub fn checksum() -> io::Result<[u8; 32]> {
    let root = workspace();
    let mut files = vec![];
    for source in circuit_sources()? {
        list(&root.join(&source), &source, &mut files)?;
    }
    files.sort();
    let mut hasher = Sha3_256::new();
    for (name, path) in files {
        // The same bytes whatever line endings a checkout has.
        let text = fs::read_to_string(path)?.replace('\r', "");
        hasher.update(format!("{name}\n{}\n", text.len()));
        hasher.update(text);
    }
    Ok(hasher.finalize().into())
}

/// A path of the workspace's metadata.
fn named(key: &str) -> io::Result<PathBuf> {
    let root = workspace();
    match ours(&manifest(&root)?, "workspace", key) {
        Some(Value::String(path)) => Ok(root.join(path)),
        _ => Err(malformed(&root, format!("[workspace.metadata.{METADATA}] has no {key}"))),
    }
}

/// What a manifest says under `[SECTION.metadata.superblock]`.
fn ours<'a>(manifest: &'a Table, section: &str, key: &str) -> Option<&'a Value> {
    manifest.get(section)?.get("metadata")?.get(METADATA)?.get(key)
}

fn manifest(folder: &Path) -> io::Result<Table> {
    let text = fs::read_to_string(folder.join("Cargo.toml"))?;
    text.parse().map_err(|error: toml::de::Error| malformed(folder, error))
}

fn malformed(folder: &Path, reason: impl Display) -> io::Error {
    let path = folder.join("Cargo.toml");
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {reason}", path.display()))
}

/// The visible folders in `folder`, except what a build leaves behind.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let skipped = name == "target" || name.to_string_lossy().starts_with('.');
        if entry.file_type()?.is_dir() && !skipped {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Adds the Rust files below `path` that are no tests, with slashes between their names.
fn list(path: &Path, name: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        let stem = name.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if stem == "tests" || stem.ends_with("_tests") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            list(&path, &name, files)?;
        } else if name.extension().is_some_and(|extension| extension == "rs") {
            let parts: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
            files.push((parts.join("/"), path));
        }
    }
    Ok(())
}
