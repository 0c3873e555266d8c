//! Writes what a contract of the last circuit is written from and tested against.
//!
//! `cargo run -p superblock-batcher-hop --example fixture -- FILE.hop` prints it as JSON.

use std::{error::Error, path::PathBuf};

use batcher_hop::{circuits::keccak_common, file, fixture::Fixture};
use batcher_verify::keys::PinnedKeys;

fn main() -> Result<(), Box<dyn Error>> {
    let path: PathBuf = std::env::args_os().nth(1).ok_or("expected the file of a hop")?.into();
    let (hop, key) = (file::read(&path)?, PinnedKeys::embedded().hop.keccak.get());
    hop.verify(key)?;
    let fixture = Fixture::new(hop.proof(), key, keccak_common())?;
    println!("{}", serde_json::to_string_pretty(&fixture)?);
    Ok(())
}
