use std::{fs, path::Path};

use environments_accounts::{
    fixtures::{self, World, key, transfer},
    transaction::{SignedTransaction, Transaction},
};
use environments_kinds::KINDS;

use super::*;
use crate::{run::RejectedTransaction, scenario::Scenario};

/// The blocks of a scenario, and what became of its transactions.
fn execute(file: &Path) -> (usize, TransactionReport) {
    let scenario = Scenario::read(file).unwrap();
    let (cache, queue) = (CircuitCache::default(), scenario.queue().unwrap());
    let mut execution = Execution::new(&cache, scenario.participants(&KINDS).unwrap());
    let mut blocks = 0;
    for number in 1..=scenario.superblocks {
        let deposits = if number == 1 { queue.deposits() } else { &[] };
        blocks += execution.execute_blocks(number, deposits).unwrap().len();
    }
    (blocks, execution.finish().0)
}

#[test]
fn every_transaction_of_the_examples_is_in_a_block() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    // With the messages that are taken in.
    for (name, expected_blocks, expected) in [("small", 6, 17), ("three", 12, 44)] {
        let (blocks, report) = execute(&examples.join(name).join("scenario.toml"));
        assert_eq!((blocks, report.included), (expected_blocks, expected), "{name}");
        assert_eq!((report.rejected, report.failed), (vec![], vec![]), "{name}");
    }
}

/// The transaction of a client with this nonce.
fn signed(world: &World, client: usize, nonce: u32) -> SignedTransaction {
    world.sign(client, Transaction { nonce, ..world.unsigned(client, &[transfer(3, 0, 5)]) })
}

/// One account-based environment with one block of two transactions, which makes it of these.
fn one_block(transactions: impl Fn(&World) -> Vec<SignedTransaction>) -> (usize, TransactionReport) {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(directory.path().join(name), text).unwrap();
    let world = World::new(7, fixtures::HOME, environments_conformance::secret(0));
    let lines =
        transactions(&world).iter().map(|one| serde_json::to_string(one).unwrap()).collect::<Vec<_>>();
    write("lines", lines.join("\n"));
    write("genesis", serde_json::to_string(&fixtures::genesis(fixtures::HOME)).unwrap());
    let environment = format!(
        "id = {}\nkind = \"accounts\"\nproducer_secret = \"{:064}\"\ngenesis = \"genesis\"\ntransactions = \"lines\"\n\
         blocks_per_superblock = 1\ntransactions_per_block = 2\n",
        fixtures::HOME,
        1,
    );
    write("scenario", format!("chain_id = 7\nsuperblocks = 1\n[[environments]]\n{environment}"));
    execute(&directory.path().join("scenario"))
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
