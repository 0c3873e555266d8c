//! Hashes the sources that circuits are made from, so that a key of other sources is never taken for one of these.

use std::io;

fn main() -> io::Result<()> {
    let workspace = circuits_sources::workspace();
    for source in circuits_sources::circuit_sources()? {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    // They say which sources are hashed, and where the pins are.
    for manifest in circuits_sources::manifests()? {
        println!("cargo::rerun-if-changed={}", manifest.display());
    }
    let pins = circuits_sources::pins()?;
    println!("cargo::rerun-if-changed={}", pins.display());
    println!("cargo::rustc-env=SUPERBLOCK_PINS={}", pins.display());
    println!("cargo::rustc-env=SUPERBLOCK_SOURCE={}", hex::encode(circuits_sources::checksum()?));
    Ok(())
}
