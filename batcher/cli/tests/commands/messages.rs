//! `superblock message` and what `inspect` says of a state with messages.

use std::path::Path;

use batcher_circuits::{
    contents::{ContentBlock, Contents},
    state::SuperblockState,
    testing::{digest, free_key_digest, free_registry, message, moves, talking},
    transition::Transition,
};
use batcher_job::{
    l1::l1_state,
    queue::QueueHeader,
    states::{self, States, StatesError},
};
use bridge_core::{BlockMessages, Capacity, Consumption, Message, message::MIN_LIFETIME};
use circuits_protocol::registry::{EnvironmentId, Registry};
use environments_core::address::Address;
use environments_l1::{Bytes32, Deposit, registry_entry};

use crate::counters::{json, superblock, text};

const CHAIN_ID: u64 = 5;
const ROOM: Capacity = Capacity { new_balances: 100, steps: 100 };

/// The free kernel's environments 1 and 2, and environment 0 with its kernel too.
fn registry() -> Registry {
    let mut registry = free_registry(2);
    let entry = registry_entry(CHAIN_ID, &[free_key_digest()]).expect("a chain id");
    registry.insert(EnvironmentId::L1, entry).expect("it is not listed yet");
    registry
}

/// The state after a superblock with these blocks, with one of environment 0 that takes these deposits and consumes these
/// messages if there are any.
fn after(
    before: &SuperblockState,
    blocks: Vec<(u32, BlockMessages)>,
    deposits: &[Deposit],
    consumed: &[(Message, Consumption)],
) -> SuperblockState {
    let mut blocks: Vec<_> = blocks.into_iter().map(|(height, messages)| talking(height, messages)).collect();
    let mut l1_body = None;
    if !(deposits.is_empty() && consumed.is_empty()) {
        let block = l1_state(before).block(before.number + 1, deposits, consumed).expect("a block");
        let (statement, messages) = (*block.statement(), block.messages().clone());
        blocks.push(ContentBlock { key: free_key_digest(), statement, messages });
        l1_body = Some((&block.witness().outcome.l1()).into());
    }
    let contents = Contents { blocks, l1_body };
    let load = contents.load(before);
    let shares = load.pack(ROOM, ROOM, 0).expect("there is room");
    Transition::new(before, &registry(), digest(1), &contents, &load, &shares).expect("valid").new_state
}

/// 5 of L1's asset 1 for environment 2.
fn deposit() -> Deposit {
    Deposit {
        depositor: Address([7; 20]),
        destination: 2,
        recipient: Bytes32::of_digest(digest(12)),
        asset: "0:1".parse().expect("an asset"),
        amount: 5,
        lifetime: MIN_LIFETIME,
    }
}

fn written(directory: &Path, state: &SuperblockState) {
    match states::put(directory, state) {
        Err(StatesError::Exists { .. }) => {
            let mut states = States::open(directory, None).expect("a chain");
            states.advance(state.clone()).expect("a valid state");
        }
        put => put.expect("a valid state"),
    }
}

#[test]
fn a_messages_life_is_told_from_the_state() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = text(directory.path());
    let list = |arguments: &[&str]| {
        let answer = superblock(&[&["message", "list", "--state", path, "--json"], arguments].concat());
        json(&answer, 0)["messages"].as_array().expect("a list").len()
    };
    let (first, second) = (message(CHAIN_ID, 1, 2, 10), message(CHAIN_ID, 1, 2, 20));
    let deposited = deposit().message(CHAIN_ID, 0, 1).expect("a good deposit");
    let withdrawal = Message { sequence: 7, ..message(CHAIN_ID, 1, 0, 3) };
    let genesis = SuperblockState::genesis(CHAIN_ID);
    written(directory.path(), &genesis);
    assert_eq!(list(&[]), 0);

    let sent = vec![(1, moves(1, &[], &[&first, &second, &withdrawal]))];
    let emitted = after(&genesis, sent, &[deposit()], &[]);
    written(directory.path(), &emitted);
    assert_eq!((list(&[]), list(&["--pending"])), (4, 4));
    let explain = |message: &Message| {
        let hash = message.hash().to_string();
        let answer = superblock(&["message", "explain", &hash[..16], "--state", path]);
        assert!(answer.status.success());
        String::from_utf8(answer.stdout).expect("text")
    };
    let life = explain(&first);
    for part in [
        "10 of asset 1:1 from environment 1 to environment 2",
        "emitted in superblock 1, block 1 of environment 1",
        "claimable by environment 2 until superblock 101",
        "environment 1 can take it back from superblock 102 on",
    ] {
        assert!(life.contains(part), "{part:?} is not in:\n{life}");
    }
    assert!(explain(&deposited).contains("from L1 to environment 2"));
    assert!(explain(&deposited).contains("emitted in superblock 1, block 1 of L1"));

    let paid = [(withdrawal.clone(), Consumption::Claim)];
    let claimed = after(&emitted, vec![(1, moves(2, &[&first], &[]))], &[], &paid);
    written(directory.path(), &claimed);
    assert_eq!((list(&[]), list(&["--pending"])), (4, 2));
    assert!(explain(&first).contains("claimed in superblock 2, block 1 of environment 2"));
    assert!(explain(&withdrawal).contains("paid out on L1 in superblock 2, block 2 of L1"));
    assert!(explain(&deposited).contains("claimable by environment 2 until superblock 65"));

    let mut late = after(&claimed, vec![(2, BlockMessages::none(EnvironmentId(1)))], &[], &[]);
    while late.number <= second.deadline {
        let next = late.environments.get(EnvironmentId(1)).expect("it has blocks").height + 1;
        late = after(&late, vec![(next, BlockMessages::none(EnvironmentId(1)))], &[], &[]);
    }
    written(directory.path(), &late);
    assert!(
        explain(&second).contains("it was claimable until superblock 101; environment 1 can take it back")
    );
    let next = late.environments.get(EnvironmentId(1)).expect("it has blocks").height + 1;
    let refund = BlockMessages {
        inbox: vec![(second.clone(), Consumption::Refund)],
        ..BlockMessages::none(EnvironmentId(1))
    };
    let home = [(deposited.clone(), Consumption::Refund)];
    let refunded = after(&late, vec![(next, refund)], &[], &home);
    written(directory.path(), &refunded);
    assert!(
        explain(&second).contains("refunded in superblock 103, block 102 of environment 1"),
        "{}",
        explain(&second)
    );

    let file = directory.path().join("latest");
    json(&superblock(&["state", "export", text(directory.path()), text(&file), "--json"]), 0);
    let state = json(&superblock(&["inspect", text(&file), "--json"]), 0);
    let messages = &state["content"]["messages"];
    assert_eq!(
        (&messages["emitted"], &messages["claimed"], &messages["refunded"]),
        (&4.into(), &2.into(), &2.into())
    );
    assert_eq!(messages["pending"], serde_json::json!([]));
    assert!(explain(&deposited).contains("refunded in superblock 103, block "), "{}", explain(&deposited));
    let l1 = &state["content"]["l1"];
    assert_eq!((&l1["queue"]["length"], &l1["payouts"]), (&1.into(), &2.into()));
    let balances = state["content"]["balances"].as_array().expect("rows");
    let row = |environment: u16, side: &str| {
        balances
            .iter()
            .find(|row| row["environment"] == environment && row["asset"] == "1:1")
            .map(|row| row[side].clone())
    };
    assert_eq!((row(1, "outstanding"), row(2, "let_in")), (Some(13.into()), Some(10.into())));
    assert_eq!((row(0, "let_in"), row(0, "outstanding")), (Some(3.into()), Some(serde_json::Value::Null)));
}

#[test]
fn a_hash_that_no_message_has_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    written(directory.path(), &SuperblockState::genesis(CHAIN_ID));
    let answer = superblock(&["message", "explain", "00", "--state", text(directory.path()), "--json"]);
    assert_eq!(json(&answer, 3)["error"], "no message's hash begins with \"00\"");
}

#[test]
fn another_queue_than_the_one_consumed_from_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let genesis = SuperblockState::genesis(CHAIN_ID);
    written(root, &after(&genesis, vec![], &[deposit()], &[]));
    let queue = root.join("queue.jsonl");
    let written_queue = |deployment, deposit: &Deposit| {
        let header = serde_json::to_string(&QueueHeader::from(deployment)).expect("serialisable");
        let line = serde_json::to_string(deposit).expect("serialisable");
        std::fs::write(&queue, format!("{header}\n{line}\n")).expect("writable");
    };
    written_queue(CHAIN_ID, &Deposit { amount: 6, ..deposit() });
    let blocks = root.join("blocks");
    std::fs::create_dir(&blocks).expect("writable");
    let registry = root.join("registry.superblock");
    circuits_files::file::write(
        circuits_files::file::FileKind::Registry,
        &registry,
        &self::registry(),
        1 << 20,
    )
    .expect("writable");
    let batch = || {
        superblock(&[
            "batch",
            "--blocks",
            text(&blocks),
            "--state",
            text(root),
            "--out",
            text(&root.join("out")),
            "--registry",
            text(&registry),
            "--deposits",
            text(&queue),
            "--json",
        ])
    };
    let error = json(&batch(), 3)["error"].to_string();
    assert!(
        error.contains("queue.jsonl: no beginning of the queue is the 1 deposits with digest 0x"),
        "{error}"
    );
    written_queue(CHAIN_ID + 1, &deposit());
    let error = json(&batch(), 3)["error"].to_string();
    assert!(error.contains("queue.jsonl, line 1: the queue is that of deployment 6, expected 5"), "{error}");
}
