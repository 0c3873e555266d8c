//! Writes the scenarios of `examples/`: `cargo run --release -p superblock-batcher --example scenarios`.

use std::{error::Error, fmt::Write as _, fs, path::Path};

use circuits::{Digest, F, registry::EnvironmentId};
use environments::{
    accounts::{
        fixtures::{self as accounts, NEWCOMER, swap, transfer},
        transaction::SignedTransaction,
    },
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
    accounts: Mix,
    counter: bool,
}

/// What the account-based environment does.
#[derive(Clone, Copy)]
enum Mix {
    /// Blocks of four actions, which the smallest kernel holds.
    Small,
    /// All kinds of actions.
    All,
}

/// Transactions of a note-based block.
const NOTES_PER_BLOCK: usize = 4;

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

/// Writes one account-based environment: genesis, and transactions of its simulated clients, whose keys are no secrets.
fn accounts(directory: &Path, id: u16, kind: Mix, transactions: usize) -> Result<(), Box<dyn Error>> {
    let mut world =
        accounts::World::new(CHAIN_ID, EnvironmentId::new(id)?, ProducerSecret::new(producer_secret(id)));
    fs::write(
        directory.join(format!("accounts-{id}.genesis.json")),
        serde_json::to_string_pretty(&accounts::genesis())? + "\n",
    )?;
    let transactions = match kind {
        Mix::Small => (0..transactions).map(|n| small_transaction(&mut world, n)).collect(),
        Mix::All => world.mix(0, transactions),
    };
    let mut lines = String::new();
    for transaction in transactions {
        writeln!(lines, "{}", serde_json::to_string(&transaction)?)?;
    }
    fs::write(directory.join(format!("accounts-{id}.jsonl")), lines)?;
    Ok(())
}

/// Somebody swaps and passes on what was bought, in one; an account is created; it makes its first transaction.
fn small_transaction(world: &mut accounts::World, n: usize) -> SignedTransaction {
    let newcomer = NEWCOMER + n / 3;
    match n % 3 {
        0 => world.act(0, &[swap(0, 1000, 400), transfer(1, 1, 400)]),
        1 => world.act(1, &[transfer(newcomer, 0, 50)]),
        _ => world.act(newcomer, &[transfer(3, 0, 20)]),
    }
}

/// The environments of a scenario, as TOML.
fn environment(kind: &str, id: u16, blocks: usize, transactions: usize) -> String {
    format!(
        "\n[[environments]]\nid = {id}\nkind = \"{kind}\"\n\
         # Known to everybody who reads this: an example's producers have no secrets.\n\
         producer_secret = \"{}\"\ngenesis = \"{kind}-{id}.genesis.json\"\n\
         transactions = \"{kind}-{id}.jsonl\"\nblocks_per_superblock = {blocks}\n\
         transactions_per_block = {transactions}\nblock_limit = {transactions}\n",
        producer_secret(id),
    )
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
    notes(&directory, 1, blocks * NOTES_PER_BLOCK)?;
    scenario += &environment("notes", 1, size.blocks_per_superblock, NOTES_PER_BLOCK);
    let per_block = match size.accounts {
        Mix::Small => 3,
        Mix::All => 5,
    };
    accounts(&directory, 2, size.accounts, blocks * per_block)?;
    scenario += &environment("accounts", 2, size.blocks_per_superblock, per_block);
    if size.counter {
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
    }
    fs::write(directory.join("scenario.toml"), scenario)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    write(&Size {
        directory: "small",
        title: "Two superblocks of a note-based and an account-based environment, one block each.",
        superblocks: 2,
        blocks_per_superblock: 1,
        accounts: Mix::Small,
        counter: false,
    })?;
    write(&Size {
        directory: "three",
        title: "One superblock of three environments with four blocks each.",
        superblocks: 1,
        blocks_per_superblock: 4,
        accounts: Mix::All,
        counter: true,
    })
}
