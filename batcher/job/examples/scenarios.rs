//! Writes the scenarios of `examples/`: `cargo run -p superblock-batcher-job --example scenarios`, after `npm ci --prefix
//! tests/viem`, as viem signs two transactions.

use std::{error::Error, fmt::Write as _, fs, path::Path};

use batcher_job::{queue::QueueHeader, scenario::LOCAL_DEPLOYMENT};
use bridge_core::{AssetId, Consumption};
use circuits_core::{Digest, F};
use circuits_protocol::registry::EnvironmentId;
use environments_accounts::{
    Accounts, Genesis as AccountsGenesis, GenesisAccount,
    address::Address,
    fixtures::{
        self as accounts,
        viem::{self, WALLETS},
    },
    transaction::{Action, SignedTransaction, Transaction},
    typed_data::{Settlement, typed_data},
};
use environments_core::{BlockProducer, Environment as _, address::ADDRESS_BYTES, kernel::ProducerSecret};
use environments_l1::{Bytes32, Deposit};
use environments_notes::{
    NotesTransaction,
    config::{Genesis as NotesGenesis, GenesisAccount as NotesAccount},
    emission::Emission,
    fixtures as notes,
    note::Script,
};
use plonky2::field::types::Field;
use serde::Serialize;

/// The deployment of the scenarios: that of the embedded L1, which settles them.
const CHAIN_ID: u64 = LOCAL_DEPLOYMENT;

/// Transactions of a note-based block.
const NOTES_PER_BLOCK: usize = 4;
/// The note-based environment.
const NOTES: EnvironmentId = EnvironmentId(1);
/// The account-based environment.
const ACCOUNTS: EnvironmentId = EnvironmentId(2);
/// The deadline of every message that somebody claims.
const DEADLINE: u32 = 1000;
/// The lifetime of a deposit that somebody claims.
const LIFETIME: u32 = 1000;

type Outcome = Result<(), Box<dyn Error>>;

/// An example's producers have no secrets.
fn producer_secret(id: EnvironmentId) -> ProducerSecret {
    ProducerSecret::new(Digest([id.to_field(), F::ZERO, F::ZERO, F::ZERO]))
}

fn notes_world() -> notes::World {
    notes::World::new(CHAIN_ID, NOTES, producer_secret(NOTES))
}

/// The contract that settles the scenarios' deployment: the first one that a development node's first account deploys.
const SETTLEMENT: Settlement = Settlement {
    chain_id: 31_337,
    contract: Address([
        0x5f, 0xbd, 0xb2, 0x31, 0x56, 0x78, 0xaf, 0xec, 0xb3, 0x67, 0xf0, 0x32, 0xd9, 0x3f, 0x64, 0x2f, 0x64,
        0x18, 0x0a, 0xa3,
    ]),
};

/// Writes the genesis of the account-based environment, in which the wallets have as much as the clients.
fn accounts_world(directory: &Path) -> Result<accounts::World, Box<dyn Error>> {
    let mut genesis = AccountsGenesis { settlement: SETTLEMENT, ..accounts::genesis(ACCOUNTS) };
    let holdings = genesis.accounts[0].holdings.clone();
    let wallets = WALLETS.map(|address| GenesisAccount { address, holdings: holdings.clone() });
    genesis.accounts.extend(wallets);
    write_json(directory, "accounts-2.genesis.json", &genesis)?;
    let environment = Accounts::new(CHAIN_ID, ACCOUNTS, producer_secret(ACCOUNTS), &genesis)?;
    Ok(accounts::World { state: environment.genesis(), environment })
}

/// The first transaction of a wallet, signed by viem: an implementation that is not ours.
fn wallet_acts(
    world: &mut accounts::World,
    wallet: usize,
    action: Action,
) -> Result<SignedTransaction, Box<dyn Error>> {
    let sender = WALLETS[wallet];
    let transaction = Transaction { sender, nonce: 0, ..world.unsigned(0, &[action]) };
    let shown = typed_data(&world.environment.deployment().signing_domain(), &transaction);
    let signed = viem::sign(wallet, &[shown])?.pop().ok_or("a signature")?;
    let signed = SignedTransaction { transaction, signature: signed.signature };
    world.state.execute(&signed)?;
    Ok(signed)
}

fn write_json(directory: &Path, name: &str, value: &impl Serialize) -> Outcome {
    Ok(fs::write(directory.join(name), serde_json::to_string_pretty(value)? + "\n")?)
}

fn write_lines(directory: &Path, name: &str, values: impl IntoIterator<Item = impl Serialize>) -> Outcome {
    let mut lines = String::new();
    for value in values {
        writeln!(lines, "{}", serde_json::to_string(&value)?)?;
    }
    Ok(fs::write(directory.join(name), lines)?)
}

/// Writes L1's queue.
fn write_queue(directory: &Path, name: &str, deposits: &[Deposit]) -> Outcome {
    let header = serde_json::to_value(QueueHeader::from(CHAIN_ID))?;
    let deposits = deposits.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    write_lines(directory, name, std::iter::once(header).chain(deposits))
}

/// Writes the genesis of the note-based environment.
fn write_notes_genesis(directory: &Path, world: &notes::World) -> Outcome {
    let existing = world.clients.iter().filter(|client| client.exists);
    let accounts = existing
        .map(|client| NotesAccount {
            authorisation: client.account.authorisation,
            salt: client.salt,
            vault: client.account.vault.clone(),
        })
        .collect();
    let genesis = NotesGenesis {
        fee_asset: notes::asset(0),
        fee_account: world.clients[2].id(),
        minimum_fee: notes::amount(notes::MINIMUM_FEE),
        network_minimum_fee: notes::amount(notes::NETWORK_MINIMUM_FEE),
        accounts,
    };
    write_json(directory, "notes-1.genesis.json", &genesis)
}

/// One environment of a scenario, as TOML.
fn environment(kind: &str, id: EnvironmentId, blocks: usize, transactions: usize, limit: usize) -> String {
    format!(
        "\n[[environments]]\nid = {id}\nkind = \"{kind}\"\n\
         # Known to everybody who reads this: an example's producers have no secrets.\n\
         producer_secret = \"{}\"\ngenesis = \"{kind}-{id}.genesis.json\"\n\
         transactions = \"{kind}-{id}.jsonl\"\nblocks_per_superblock = {blocks}\n\
         transactions_per_block = {transactions}\nblock_limit = {limit}\n",
        producer_secret(id).expose(),
    )
}

/// A counter of a scenario, as TOML.
fn counter(id: EnvironmentId, blocks: usize, transactions: usize) -> String {
    format!(
        "\n[[environments]]\nid = {id}\nkind = \"counter\"\nproducer_secret = \"{}\"\n\
         genesis = {{ start = 100 }}\ntransactions = \"counter-{id}.jsonl\"\n\
         blocks_per_superblock = {blocks}\ntransactions_per_block = {transactions}\n",
        producer_secret(id).expose(),
    )
}

fn head(title: &str, superblocks: usize) -> String {
    format!(
        "# {title}\n# Written by `cargo run -p superblock-batcher-job --example scenarios`.\n\
         superblocks = {superblocks}\n"
    )
}

/// Two economies that send assets to each other, there and back, and from and to L1.
fn small() -> Outcome {
    let directory = Path::new("examples/small");
    fs::create_dir_all(directory)?;
    let mut notes = notes_world();
    write_notes_genesis(directory, &notes)?;
    let mut accounts = accounts_world(directory)?;

    let address = |n| accounts::key(n).address().to_digest();
    let wallet = WALLETS[0].to_digest();
    let from_l1 = AssetId::new(0, 1)?;
    let deposit = Deposit {
        depositor: Address([0x11; ADDRESS_BYTES]),
        destination: ACCOUNTS.get(),
        recipient: Bytes32::of_digest(wallet),
        asset: from_l1.into(),
        amount: 500,
        lifetime: LIFETIME,
    };
    write_queue(directory, "deposits.jsonl", &[deposit])?;

    let send = |asset, amount, to| Emission {
        destination: ACCOUNTS,
        recipient: address(to),
        asset,
        amount: notes::amount(amount),
        deadline: DEADLINE,
        data: Digest::ZERO,
    };
    let bridge = |destination, recipient, asset, amount| Action::Bridge {
        destination,
        recipient,
        asset,
        amount: accounts::amount(amount),
        deadline: DEADLINE,
    };
    // Superblock 1. An asset is locked here and minted there; a part is burned there and unlocked here, in one
    // superblock. A wallet withdraws to L1, which is paid in the same superblock.
    let lock = notes.request_with(0, &[], vec![], Some(send(notes::asset(1), 300, 0)), 0);
    let (payment, paid) = notes.pay(0, &[1], 5);
    let locked = notes.environment.messages(&lock.clone().into()).outbox;
    for message in &locked {
        let claim = accounts.environment.consume(message, Consumption::Claim).ok_or("it has messages")??;
        accounts.environment.execute(&mut accounts.state, &claim)?;
    }
    let burn = accounts.act(0, &[bridge(NOTES, notes.clients[1].id(), notes::asset(1), 100)]);
    let own_asset = accounts::asset_of(ACCOUNTS, 0);
    let withdrawal = wallet_acts(&mut accounts, 0, bridge(EnvironmentId::L1, wallet, own_asset, 200))?;
    let lock_there =
        accounts.act(1, &[bridge(NOTES, notes.clients[0].id(), accounts::asset_of(ACCOUNTS, 1), 40)]);
    // A run offers them in the order of their emission, after the first block of notes; the second one takes them in.
    let arriving: Vec<_> = [&burn, &lock_there]
        .into_iter()
        .flat_map(|transaction| accounts.environment.messages(&transaction.clone().into()).outbox)
        .map(|message| (message, Consumption::Claim))
        .collect();
    let mut producer = BlockProducer::new(notes.environment.clone());
    for request in [&lock, &payment] {
        producer.submit(NotesTransaction::from(request.clone()))?;
    }
    producer.propose_block()?;
    let arrived = notes::arriving(producer.state(), &arriving);
    let arrived_for = |client: usize| {
        let script = Script::Pay { target: notes.clients[client].id() };
        arrived.iter().copied().find(|note| note.script == script).ok_or("it arrives")
    };
    let (unlocked, minted) = (arrived_for(1)?, arrived_for(0)?);
    let taken = notes.take(1, &paid);
    let (other, other_paid) = notes.pay(2, &[0], 7);

    // Superblock 2. What was unlocked and minted is used; what was minted goes home in part; the deposit arrives. Another
    // wallet swaps.
    let unlocked = notes.take(1, &[unlocked]);
    let home =
        notes.request_with(0, &[minted], vec![], Some(send(accounts::asset_of(ACCOUNTS, 1), 15, 1)), 0);
    let swap = accounts.here(accounts::swap(0, 1000, 400));
    let swap = wallet_acts(&mut accounts, 1, swap)?;
    let taken_too = notes.take(0, &other_paid);
    let (last, _) = notes.pay(2, &[1], 3);

    write_lines(
        directory,
        "notes-1.jsonl",
        [lock, payment, taken, other, unlocked, home, taken_too, last].map(NotesTransaction::from),
    )?;
    write_lines(directory, "accounts-2.jsonl", [burn, withdrawal, lock_there, swap])?;
    let scenario =
        head("Two superblocks of two economies that send assets to each other, and from and to L1.", 2)
            + "deposits = \"deposits.jsonl\"\n"
            + &environment("notes", NOTES, 2, 2, NOTES_PER_BLOCK)
            + &environment("accounts", ACCOUNTS, 1, 3, 4);
    Ok(fs::write(directory.join("scenario.toml"), scenario)?)
}

/// Three environments side by side, with several blocks each.
fn three() -> Outcome {
    const BLOCKS: usize = 4;
    const ACCOUNTS_PER_BLOCK: usize = 5;
    let directory = Path::new("examples/three");
    fs::create_dir_all(directory)?;
    let mut notes = notes_world();
    write_notes_genesis(directory, &notes)?;
    write_lines(directory, "notes-1.jsonl", notes.ping_pong(BLOCKS * NOTES_PER_BLOCK))?;
    let mut accounts = accounts_world(directory)?;
    write_lines(directory, "accounts-2.jsonl", accounts.mix(0, BLOCKS * ACCOUNTS_PER_BLOCK))?;
    let adds: String = (1..=2 * BLOCKS).map(|n| format!("{{\"add\": {n}}}\n")).collect();
    fs::write(directory.join("counter-3.jsonl"), adds)?;
    let scenario = head("One superblock of three environments with four blocks each.", 1)
        + &environment("notes", NOTES, BLOCKS, NOTES_PER_BLOCK, NOTES_PER_BLOCK)
        + &environment("accounts", ACCOUNTS, BLOCKS, ACCOUNTS_PER_BLOCK, ACCOUNTS_PER_BLOCK)
        + &counter(EnvironmentId(3), BLOCKS, 2);
    Ok(fs::write(directory.join("scenario.toml"), scenario)?)
}

/// The smallest run that L1 pays: a counter, and a wallet of the other environment that withdraws what it has there.
fn withdrawal() -> Outcome {
    let directory = Path::new("examples/withdrawal");
    fs::create_dir_all(directory)?;
    fs::write(directory.join("counter-1.jsonl"), "{\"add\": 1}\n")?;
    let mut accounts = accounts_world(directory)?;
    let withdrawal = Action::Bridge {
        destination: EnvironmentId::L1,
        recipient: WALLETS[0].to_digest(),
        asset: accounts::asset_of(ACCOUNTS, 0),
        amount: accounts::amount(200),
        deadline: DEADLINE,
    };
    write_lines(directory, "accounts-2.jsonl", [wallet_acts(&mut accounts, 0, withdrawal)?])?;
    let scenario =
        head("One superblock of a counter and an economy, from which somebody withdraws to L1.", 1)
            + &counter(EnvironmentId(1), 1, 1)
            + &environment("accounts", ACCOUNTS, 1, 1, 4);
    Ok(fs::write(directory.join("scenario.toml"), scenario)?)
}

/// The smallest run with a bounce, of a deposit that no contract takes: its lifetime is too short.
fn bounce() -> Outcome {
    let directory = Path::new("examples/bounce");
    fs::create_dir_all(directory)?;
    fs::write(directory.join("counter-1.jsonl"), "{\"add\": 1}\n")?;
    let deposit = Deposit {
        depositor: Address([0x11; ADDRESS_BYTES]),
        destination: 1,
        recipient: Bytes32::default(),
        asset: AssetId::new(0, 1)?.into(),
        amount: 500,
        lifetime: 63,
    };
    write_queue(directory, "deposits.jsonl", &[deposit])?;
    let scenario = head("A superblock that sends a deposit back. No contract takes it: run with --no-l1.", 1)
        + "deposits = \"deposits.jsonl\"\n"
        + &counter(EnvironmentId(1), 1, 1);
    Ok(fs::write(directory.join("scenario.toml"), scenario)?)
}

fn main() -> Outcome {
    small()?;
    three()?;
    withdrawal()?;
    bounce()
}
