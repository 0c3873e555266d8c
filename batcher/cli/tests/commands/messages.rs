//! `superblock message` and what `inspect` says of a state with messages.

use std::path::Path;

use batcher_circuits::{
    contents::Contents,
    state::SuperblockState,
    testing::{digest, free_registry, message, moves, talking},
    transition::Transition,
};
use batcher_job::{output::state_file, state};
use bridge_core::{BlockMessages, Capacity, Consumption, Message};
use circuits_protocol::registry::EnvironmentId;

use crate::counters::{json, superblock, text};

const CHAIN_ID: u64 = 5;
const ROOM: Capacity = Capacity { new_balances: 100, steps: 100 };

/// The state after a superblock with these blocks and deposits.
fn after(
    before: &SuperblockState,
    blocks: Vec<(u32, BlockMessages)>,
    deposits: Vec<Message>,
) -> SuperblockState {
    let blocks = blocks.into_iter().map(|(height, messages)| talking(height, messages)).collect();
    let contents = Contents { blocks, deposits, refunds: vec![] };
    let load = contents.load(before);
    let shares = load.pack(ROOM, ROOM, 0).expect("there is room");
    Transition::new(before, &free_registry(2), digest(1), &contents, &load, &shares).expect("valid").new_state
}

fn written(directory: &Path, state: &SuperblockState) {
    state::write(&state_file(directory, state.number), state).expect("a valid state");
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
    let deposit = Message { deadline: 3, ..message(CHAIN_ID, 0, 2, 5) };
    let genesis = SuperblockState::genesis(CHAIN_ID);
    written(directory.path(), &genesis);
    assert_eq!(list(&[]), 0);

    let emitted = after(&genesis, vec![(1, moves(1, &[], &[&first, &second]))], vec![deposit.clone()]);
    written(directory.path(), &emitted);
    assert_eq!((list(&[]), list(&["--pending"])), (3, 3));
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
    assert!(explain(&deposit).contains("from L1 to environment 2"));

    let claimed = after(&emitted, vec![(1, moves(2, &[&first], &[]))], vec![]);
    written(directory.path(), &claimed);
    assert_eq!((list(&[]), list(&["--pending"])), (3, 2));
    assert!(explain(&first).contains("claimed in superblock 2, block 1 of environment 2"));
    assert!(explain(&deposit).contains("claimable by environment 2 until superblock 3"));

    let mut late = after(&claimed, vec![(2, BlockMessages::none(EnvironmentId(1)))], vec![]);
    while late.number <= second.deadline {
        let next = late.environments[&EnvironmentId(1)].height + 1;
        late = after(&late, vec![(next, BlockMessages::none(EnvironmentId(1)))], vec![]);
    }
    written(directory.path(), &late);
    assert!(
        explain(&second).contains("it was claimable until superblock 101; environment 1 can take it back")
    );
    let next = late.environments[&EnvironmentId(1)].height + 1;
    let refund = BlockMessages {
        inbox: vec![(second.clone(), Consumption::Refund)],
        ..BlockMessages::none(EnvironmentId(1))
    };
    let refunded = after(&late, vec![(next, refund)], vec![]);
    written(directory.path(), &refunded);
    assert!(
        explain(&second).contains("refunded in superblock 103, block 102 of environment 1"),
        "{}",
        explain(&second)
    );

    let state =
        json(&superblock(&["inspect", text(&state_file(directory.path(), refunded.number)), "--json"]), 0);
    let messages = &state["content"]["messages"];
    assert_eq!(
        (&messages["emitted"], &messages["claimed"], &messages["refunded"]),
        (&3.into(), &1.into(), &1.into())
    );
    assert_eq!(messages["pending"], serde_json::json!([deposit.hash()]));
    let balances = state["content"]["balances"].as_array().expect("rows");
    let row = |environment: u16, side: &str| {
        balances
            .iter()
            .find(|row| row["environment"] == environment && row["asset"] == "1:1")
            .map(|row| row[side].clone())
    };
    assert_eq!((row(1, "outstanding"), row(2, "let_in")), (Some(10.into()), Some(10.into())));
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
    let (taken, other) = (message(CHAIN_ID, 0, 2, 5), message(CHAIN_ID, 0, 2, 6));
    let block = vec![(1, BlockMessages::none(EnvironmentId(1)))];
    written(root, &after(&genesis, block, vec![taken]));
    let queue = root.join("queue.jsonl");
    std::fs::write(&queue, serde_json::to_string(&other).expect("serialisable")).expect("writable");
    let blocks = root.join("blocks");
    std::fs::create_dir(&blocks).expect("writable");
    let registry = root.join("registry.superblock");
    circuits_files::file::write(
        circuits_files::file::FileKind::Registry,
        &registry,
        &free_registry(2),
        1 << 20,
    )
    .expect("writable");
    let answer = superblock(&[
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
    ]);
    let error = json(&answer, 3)["error"].to_string();
    assert!(error.contains("queue.jsonl: no beginning of the queue has the digest"), "{error}");
}
