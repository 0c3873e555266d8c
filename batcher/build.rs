//! Hashes the sources that circuits are made from, so that a key of other sources is never taken for one of these.

use std::{env, io, path::PathBuf};

#[path = "../circuits/src/keys/source.rs"]
mod source;

fn main() -> io::Result<()> {
    let workspace = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..");
    for source in source::SOURCES {
        println!("cargo::rerun-if-changed=../{source}");
    }
    println!("cargo::rustc-env=SUPERBLOCK_SOURCE={}", hex::encode(source::checksum(&workspace)?));
    Ok(())
}
