//! Hashes the sources that circuits are made from, so that a key of other sources is never taken for one of these.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use sha3::{Digest as _, Sha3_256};

/// Relative to this crate. Command line, planner and stores cannot change a circuit.
const SOURCES: [&str; 4] = ["../bridge/src", "../circuits/src", "../environments/src", "src/circuits"];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut files = vec![];
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        list(&root.join(source), Path::new(source), &mut files)?;
    }
    // The same order on every machine.
    files.sort();
    let mut hasher = Sha3_256::new();
    for (name, path) in files {
        // The same bytes whatever line endings a checkout has.
        let text = fs::read_to_string(path)?.replace('\r', "");
        hasher.update(format!("{name}\n{}\n", text.len()));
        hasher.update(text);
    }
    println!("cargo::rustc-env=SUPERBLOCK_SOURCE={}", hex::encode(hasher.finalize()));
    Ok(())
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
