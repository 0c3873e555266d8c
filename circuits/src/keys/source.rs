//! The sources that this workspace's circuits are made from.
//!
//! The batcher's build script shares this file, so it uses nothing of this crate.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha3::{Digest as _, Sha3_256};

/// Relative to the workspace. Command line, planner and stores cannot change a circuit.
pub(crate) const SOURCES: [&str; 4] =
    ["bridge/src", "circuits/src", "environments/src", "batcher/src/circuits"];

/// SHA3-256 of the sources below `workspace`, without tests: another one for other sources, and the same on every
/// machine.
///
/// # Errors
/// If a source cannot be read.
pub(crate) fn checksum(workspace: &Path) -> io::Result<[u8; 32]> {
    let mut files = vec![];
    for source in SOURCES {
        list(&workspace.join(source), Path::new(source), &mut files)?;
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
