//! Says where the checked-in verifier keys are.

use std::io;

fn main() -> io::Result<()> {
    // The workspace's manifest names the file.
    println!("cargo::rerun-if-changed={}", circuits_sources::workspace().join("Cargo.toml").display());
    let keys = circuits_sources::embedded_keys()?;
    println!("cargo::rerun-if-changed={}", keys.display());
    println!("cargo::rustc-env=SUPERBLOCK_EMBEDDED_KEYS={}", keys.display());
    Ok(())
}
