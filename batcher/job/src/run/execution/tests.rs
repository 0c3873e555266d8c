use std::{fs, path::Path};

use bridge_core::{Consumption, Message};
use circuits_core::amount::Amount;
use environments_accounts::{
    Genesis,
    fixtures::{self, World, key, transfer},
    transaction::{SignedTransaction, Transaction},
};
use environments_core::pool::MAX_PER_SENDER;
use environments_kinds::KINDS;
use tempfile::TempDir;

use super::*;
use crate::{planner::MAX_MESSAGES, run::RejectedTransaction, scenario::Scenario};

/// The deployment of the scenarios that are made here.
const CHAIN_ID: u64 = 7;

/// The blocks of a scenario, and what became of its transactions. These messages were emitted before, and L1 takes its
/// queue in the first superblock.
fn execute(file: &Path, before: &[Message]) -> (usize, TransactionReport) {
    let scenario = Scenario::read(file).unwrap();
    let (cache, queue) = (CircuitCache::default(), scenario.queue().unwrap());
    let mut execution = Execution::new(&cache, scenario.participants(&KINDS).unwrap());
    execution.pass_l1(&L1Effects { emitted: before.to_vec(), consumed: vec![] });
    let mut blocks = 0;
    for number in 1..=scenario.superblocks {
        blocks += execution.execute_blocks(number).unwrap().len();
        if number == 1 {
            let taken = (0..).zip(queue.deposits());
            let sent = taken.filter_map(|(index, one)| one.message(scenario.chain_id, index, number).ok());
            execution.pass_l1(&L1Effects { emitted: sent.collect(), consumed: vec![] });
        }
    }
    (blocks, execution.finish().expect("nothing is read").0)
}

#[test]
fn every_transaction_of_the_examples_is_in_a_block() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    // With the messages that are taken in.
    for (name, expected_blocks, expected) in [("small", 6, 17), ("three", 12, 44)] {
        let (blocks, report) = execute(&examples.join(name).join("scenario.toml"), &[]);
        assert_eq!((blocks, report.included), (expected_blocks, expected), "{name}");
        assert_eq!((report.rejected, report.failed), (vec![], vec![]), "{name}");
    }
}

/// The transaction of a client with this nonce.
fn signed(world: &World, client: usize, nonce: u32) -> SignedTransaction {
    world.sign(client, Transaction { nonce, ..world.unsigned(client, &[transfer(3, 0, 5)]) })
}

/// A directory with the file `scenario`: an account-based environment with these transactions, and with more of its fields.
fn scenario(transactions: &[SignedTransaction], superblocks: u32, fields: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(directory.path().join(name), text).unwrap();
    let lines = transactions.iter().map(|one| serde_json::to_string(one).unwrap()).collect::<Vec<_>>();
    write("lines", lines.join("\n"));
    let genesis = Genesis { settlement: fixtures::settlement(CHAIN_ID), ..fixtures::genesis(fixtures::HOME) };
    write("genesis", serde_json::to_string(&genesis).unwrap());
    let environment = format!(
        "id = {}\nkind = \"accounts\"\nproducer_secret = \"{:064}\"\ngenesis = \"genesis\"\ntransactions = \"lines\"\n",
        fixtures::HOME,
        1,
    );
    let scenario = format!("chain_id = {CHAIN_ID}\nsuperblocks = {superblocks}\n");
    write("scenario", format!("{scenario}[[environments]]\n{environment}{fields}"));
    directory
}

/// What becomes of these transactions and of messages that were emitted before.
fn run(
    transactions: &[SignedTransaction],
    messages: &[Message],
    superblocks: u32,
    fields: &str,
) -> (usize, TransactionReport) {
    execute(&scenario(transactions, superblocks, fields).path().join("scenario"), messages)
}

fn world() -> World {
    World::new(CHAIN_ID, fixtures::HOME, environments_conformance::secret(0))
}

/// One block of two transactions, which is made of these.
fn one_block(transactions: impl Fn(&World) -> Vec<SignedTransaction>) -> (usize, TransactionReport) {
    run(&transactions(&world()), &[], 1, "transactions_per_block = 2\n")
}

#[test]
fn what_no_block_took_is_reported_with_its_reason() {
    let (blocks, report) = one_block(|world| {
        [(0, 1), (1, 0), (1, 1)].map(|(client, nonce)| signed(world, client, nonce)).into()
    });
    assert_eq!((blocks, report.included), (1, 1));
    let rejected =
        |line, reason: String| RejectedTransaction { environment: fixtures::HOME.get(), line, reason };
    let sender = key(0).address();
    let ahead = format!("account {sender} has nonce 0, but the transaction has 1");
    let unoffered = "the run ended before a block had room for it".to_owned();
    assert_eq!(report.rejected, [rejected(None, ahead), rejected(Some(3), unoffered)]);
}

#[test]
fn transactions_that_only_wait_make_no_block() {
    let (blocks, report) = one_block(|world| vec![signed(world, 0, 1)]);
    assert_eq!((blocks, report.included, report.rejected.len()), (0, 0, 1));
}

#[test]
fn what_is_all_refused_makes_an_empty_block() {
    // More than an account can hold.
    let deposit = world().message(0, 0, 1, 1, Amount::MAX.get());
    let (blocks, report) = run(&[], &[deposit], 1, "");
    assert_eq!((blocks, report.included, report.rejected.len()), (1, 0, 1), "{:?}", report.rejected);
}

#[test]
fn lines_for_which_the_pool_has_no_room_are_offered_again_in_their_order() {
    let count = u32::try_from(MAX_PER_SENDER).unwrap() + 2;
    let world = world();
    let lines: Vec<_> = (0..count).map(|nonce| signed(&world, 0, nonce)).collect();
    let (blocks, report) = run(&lines, &[], 2, "");
    assert_eq!((blocks, report.included), (2, lines.len()));
    assert_eq!((report.rejected, report.failed), (vec![], vec![]));
    // One block leaves room for no more.
    let (blocks, report) = run(&lines, &[], 1, "");
    assert_eq!((blocks, report.included + report.rejected.len()), (1, lines.len()));
    let kept = report.rejected.iter().filter_map(|one| one.line).collect::<Vec<_>>();
    assert_eq!(kept, [MAX_PER_SENDER + 1, MAX_PER_SENDER + 2]);
}

#[test]
fn a_message_that_a_block_rejects_waits_for_the_next_superblock() {
    let world = world();
    // More than an account can hold.
    let deposit = world.message(0, 0, 1, 1, Amount::MAX.get());
    let lines: Vec<_> = (0..8).map(|nonce| signed(&world, 0, nonce)).collect();
    let fields = "blocks_per_superblock = 4\ntransactions_per_block = 1\n";
    for superblocks in [1, 2] {
        let (blocks, report) = run(&lines, std::slice::from_ref(&deposit), superblocks, fields);
        assert_eq!((blocks, report.included), (4 * superblocks as usize, 4 * superblocks as usize));
        let tries = report.rejected.iter().filter(|one| one.line.is_none()).count();
        assert_eq!(tries, superblocks as usize, "{:?}", report.rejected);
    }
}

#[test]
fn messages_are_offered_in_their_order_whatever_their_hashes_are() {
    let world = world();
    let deposits: Vec<_> = (0..8).map(|sequence| world.message(0, sequence, 1, 1, 5)).collect();
    assert!(!deposits.is_sorted_by_key(Message::hash));
    let directory = scenario(&[], 1, "");
    let scenario = Scenario::read(&directory.path().join("scenario")).unwrap();
    let cache = CircuitCache::default();
    let mut execution = Execution::new(&cache, scenario.participants(&KINDS).unwrap());
    execution.pass_l1(&L1Effects { emitted: deposits.clone(), consumed: vec![] });
    let blocks = execution.execute_blocks(1).unwrap();
    let inbox = deposits.into_iter().map(|message| (message, Consumption::Claim)).collect();
    let expected = BlockMessages { inbox, ..BlockMessages::none(fixtures::HOME) };
    assert_eq!(blocks[0].statement.inbox, expected.inbox_digest());
}

#[test]
fn whose_turn_it_was_in_a_full_superblock_begins_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("lines"), "{\"add\": 1}\n".repeat(9)).unwrap();
    let mut text = "chain_id = 7\nsuperblocks = 4\n".to_owned();
    for id in 1..=3 {
        text += &format!(
            "[[environments]]\nid = {id}\nkind = \"counter\"\nproducer_secret = \"{id:064}\"\ngenesis = {{ start = 1 }}\n\
             transactions = \"lines\"\ntransactions_per_block = 1\n"
        );
    }
    let file = directory.path().join("scenario");
    fs::write(&file, text).unwrap();
    let (scenario, cache) = (Scenario::read(&file).unwrap(), CircuitCache::default());
    let turns = |max_blocks: usize| {
        let mut execution = Execution::new(&cache, scenario.participants(&KINDS).unwrap());
        execution.whole_room = Room::new(max_blocks, MAX_MESSAGES);
        let mut superblock = |number| {
            let blocks = execution.execute_blocks(number).unwrap();
            blocks.into_iter().map(|block| block.participant).collect::<Vec<_>>()
        };
        [1, 2, 3, 4].map(&mut superblock)
    };
    assert_eq!(turns(2), [[0, 1], [2, 0], [1, 2], [0, 1]]);
    assert_eq!(turns(3), [[0, 1, 2]; 4]);
}
