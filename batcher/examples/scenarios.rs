//! Writes the scenarios of `examples/`: `cargo run --release -p superblock-batcher --example scenarios`.

use std::{error::Error, fmt::Write as _, fs, path::Path};

use circuits::{Digest, F, registry::EnvironmentId};
use environments::{
    kernel::ProducerSecret,
    notes::{
        config::{Genesis, GenesisAccount},
        fixtures::{World, asset},
    },
};
use plonky2::field::types::Field;

/// The deployment of both scenarios.
const CHAIN_ID: u64 = 2024;

/// A scenario's size.
struct Size {
    directory: &'static str,
    title: &'static str,
    superblocks: usize,
    blocks_per_superblock: usize,
    transactions_per_block: usize,
}

/// An example's producers have no secrets.
fn producer_secret(id: u16) -> Digest {
    Digest([F::from_canonical_u16(id), F::ZERO, F::ZERO, F::ZERO])
}

/// Writes one note-based environment: genesis and a chain of payments, each taken by its receiver.
fn notes(directory: &Path, id: u16, transactions: usize) -> Result<(), Box<dyn Error>> {
    let mut world = World::new(CHAIN_ID, EnvironmentId::new(id)?, ProducerSecret::new(producer_secret(id)));
    let existing = world.clients.iter().filter(|client| client.exists);
    let accounts = existing
        .map(|client| GenesisAccount {
            authorisation: client.account.authorisation,
            salt: client.salt,
            vault: client.account.vault.clone(),
        })
        .collect();
    let genesis = Genesis { fee_asset: asset(0), fee_account: world.clients[2].id(), accounts };
    fs::write(
        directory.join(format!("notes-{id}.genesis.json")),
        serde_json::to_string_pretty(&genesis)? + "\n",
    )?;
    let mut lines = String::new();
    for transaction in world.ping_pong(transactions) {
        writeln!(lines, "{}", serde_json::to_string(&transaction)?)?;
    }
    fs::write(directory.join(format!("notes-{id}.jsonl")), lines)?;
    Ok(())
}

fn write(size: &Size) -> Result<(), Box<dyn Error>> {
    let directory = Path::new("examples").join(size.directory);
    fs::create_dir_all(&directory)?;
    let blocks = size.superblocks * size.blocks_per_superblock;
    let mut scenario = format!(
        "# {}\n# Written by `cargo run --release -p superblock-batcher --example scenarios`.\n\
         chain_id = {CHAIN_ID}\nsuperblocks = {}\n",
        size.title, size.superblocks
    );
    for id in [1, 2] {
        notes(&directory, id, blocks * size.transactions_per_block)?;
        write!(
            scenario,
            "\n[[environments]]\nid = {id}\nkind = \"notes\"\n\
             # Known to everybody who reads this: an example's producers have no secrets.\n\
             producer_secret = \"{}\"\ngenesis = \"notes-{id}.genesis.json\"\n\
             transactions = \"notes-{id}.jsonl\"\nblocks_per_superblock = {}\n\
             transactions_per_block = {}\nblock_limit = {}\n",
            producer_secret(id),
            size.blocks_per_superblock,
            size.transactions_per_block,
            size.transactions_per_block,
        )?;
    }
    let adds: String = (1..=2 * blocks).map(|n| format!("{{\"add\": {n}}}\n")).collect();
    fs::write(directory.join("counter-3.jsonl"), adds)?;
    write!(
        scenario,
        "\n[[environments]]\nid = 3\nkind = \"counter\"\nproducer_secret = \"{}\"\n\
         genesis = {{ start = 100 }}\ntransactions = \"counter-3.jsonl\"\n\
         blocks_per_superblock = {}\ntransactions_per_block = 2\n",
        producer_secret(3),
        size.blocks_per_superblock,
    )?;
    fs::write(directory.join("scenario.toml"), scenario)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    write(&Size {
        directory: "small",
        title: "Two superblocks of two note-based environments and a counter, one block each.",
        superblocks: 2,
        blocks_per_superblock: 1,
        transactions_per_block: 4,
    })?;
    write(&Size {
        directory: "three",
        title: "One superblock of three environments with four blocks each.",
        superblocks: 1,
        blocks_per_superblock: 4,
        transactions_per_block: 4,
    })
}
