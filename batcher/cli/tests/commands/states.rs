//! `superblock state`, and the states that `superblock batch` moves.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::{
    command_line::{bundle, out},
    counters::{CHAIN_ID, copy, files, json as answer, superblock, text, with_keys},
};

/// The arguments of a batch of the blocks of superblock `number`.
fn batch_arguments(number: u32, state: &Path, to: &Path) -> Vec<String> {
    let (blocks, registry) = (out().join(format!("blocks/{number:06}")), out().join("registry.superblock"));
    let arguments = ["batch", "--json", "--quiet", "--blocks", text(&blocks), "--registry", text(&registry)];
    let arguments = [&arguments[..], &["--state", text(state), "--out", text(to)]].concat();
    arguments.into_iter().map(str::to_owned).collect()
}

fn batch(number: u32, state: &Path, to: &Path, extra: &[&str]) -> Output {
    let arguments = batch_arguments(number, state, to);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    superblock(&[&arguments[..], extra].concat())
}

fn list(state: &Path) -> Value {
    answer(&superblock(&["state", "list", text(state), "--json"]), 0)
}

fn numbers(list: &Value) -> Vec<u64> {
    let states = list["states"].as_array().expect("a list");
    states.iter().map(|state| state["number"].as_u64().expect("a number")).collect()
}

/// Copies of the states and bundles of a run of two superblocks.
fn copies(root: &Path) -> (PathBuf, PathBuf) {
    let (state, superblocks) = (root.join("state"), root.join("superblocks"));
    copy(&out().join("state"), &state);
    copy(&out().join("superblocks"), &superblocks);
    (state, superblocks)
}

#[test]
fn a_chain_is_listed_rolled_back_and_continued() {
    let root = tempfile::tempdir().expect("a directory");
    let (state, superblocks) = copies(root.path());
    let before = list(&state);
    assert_eq!((&before["superblocks"], numbers(&before)), (&json!(2), vec![0, 1, 2]));
    let statement = |number| {
        let content = answer(&superblock(&["inspect", text(&bundle(number)), "--json"]), 0);
        content["content"]["statement"].clone()
    };
    for number in [1, 2] {
        let listed = &before["states"][number as usize];
        assert_eq!(listed["commitment"], statement(number)["new_state"]);
        assert_eq!(listed["chain_id"], CHAIN_ID);
    }
    let people = superblock(&["state", "list", text(&state)]);
    let shown = String::from_utf8_lossy(&people.stdout).into_owned();
    assert!(shown.contains(before["states"][2]["commitment"].as_str().expect("a digest")), "{shown}");

    // The bundle stays, and the same blocks adopt it.
    let rollback = |extra: &[&str], code| {
        answer(&superblock(&[&["state", "rollback", text(&state), "1", "--json"], extra].concat()), code)
    };
    let rolled_back = rollback(&[], 0);
    assert_eq!(rolled_back["commitment"], before["states"][1]["commitment"]);
    assert_eq!(rolled_back["moved"], json!([]));
    let aside = state.join("rolled-back-1/state-00000002.superblock");
    assert_eq!(rolled_back["saved"], text(&aside));
    assert!(aside.exists());
    assert_eq!(numbers(&list(&state)), [0, 1]);
    let adopted = answer(&batch(2, &state, &superblocks, &[]), 0)["superblock"].clone();
    assert_eq!((&adopted["adopted"], &adopted["number"]), (&json!(true), &json!(2)));
    assert_eq!(list(&state), before);

    // The bundle goes with the state, and is made anew.
    let name = "superblock-000002.superblock";
    assert_eq!(
        rollback(&["--superblocks", text(&superblocks)], 0)["moved"].as_array().map(Vec::len),
        Some(1)
    );
    let aside = superblocks.join("rolled-back-1").join(name);
    assert_eq!(fs::read(aside).expect("moved"), fs::read(bundle(2)).expect("written"));
    let made = answer(&batch(2, &state, &superblocks, &[]), 0)["superblock"].clone();
    assert_eq!(made["adopted"], false);
    assert_eq!(list(&state), before);
    let trust = out().join("trust.toml");
    let (first, second) = (bundle(1), superblocks.join(name));
    answer(&superblock(&["verify", text(&first), text(&second), "--trust", text(&trust), "--json"]), 0);
}

#[test]
fn a_state_that_is_not_kept_cannot_be_rolled_back_to() {
    let root = tempfile::tempdir().expect("a directory");
    let (state, superblocks) = copies(root.path());
    answer(&superblock(&["state", "rollback", text(&state), "1", "--json"]), 0);
    answer(&batch(2, &state, &superblocks, &["--keep-states", "1"]), 0);
    assert_eq!(numbers(&list(&state)), [2]);
    let before = files(&state);
    let refused = answer(&superblock(&["state", "rollback", text(&state), "1", "--json"]), 3);
    let error = refused["error"].as_str().expect("a message");
    assert!(error.contains("no state after superblock 1") && error.contains("latest 2"), "{error}");
    assert_eq!(files(&state), before);
    assert_eq!(batch(2, &state, &superblocks, &["--keep-states", "0"]).status.code(), Some(2));
}

#[test]
fn damaged_states_and_a_directory_without_states_are_refused() {
    let root = tempfile::tempdir().expect("a directory");
    let (state, _) = copies(root.path());
    fs::write(state.join("states.redb"), b"damaged").expect("ours");
    let before = files(&state);
    for arguments in [&["list"][..], &["rollback"]] {
        let number = if arguments == ["rollback"] { &["1"][..] } else { &[] };
        let call = [&["state"], arguments, &[text(&state)], number, &["--json"]].concat();
        let error = answer(&superblock(&call), 3)["error"].to_string();
        assert!(error.contains("states.redb") && error.contains("damaged"), "{error}");
    }
    assert_eq!(files(&state), before);
    for arguments in [&["list"][..], &["rollback"]] {
        let empty = root.path().join("empty");
        let number = if arguments == ["rollback"] { &["0"][..] } else { &[] };
        let call = [&["state"], arguments, &[text(&empty)], number, &["--json"]].concat();
        answer(&superblock(&call), 3);
        assert!(!empty.exists());
    }
}

#[test]
fn a_state_goes_from_one_directory_to_another_by_its_commitment() {
    let root = tempfile::tempdir().expect("a directory");
    let (state, superblocks) = copies(root.path());
    let (file, mine) = (root.path().join("one"), root.path().join("mine"));
    let before = list(&state);
    let exported =
        answer(&superblock(&["state", "export", text(&state), text(&file), "--number", "1", "--json"]), 0);
    assert_eq!(
        (&exported["number"], &exported["commitment"]),
        (&json!(1), &before["states"][1]["commitment"])
    );
    let import = |commitment: &str, code| {
        let call = ["state", "import", text(&file), text(&mine), "--commitment", commitment, "--json"];
        answer(&superblock(&call), code)
    };
    let refused = import(&"01".repeat(32), 3)["error"].to_string();
    assert!(refused.contains("expected 0101"), "{refused}");
    assert!(!mine.exists());
    let commitment = before["states"][1]["commitment"].as_str().expect("a digest");
    assert_eq!(import(commitment, 0)["number"], 1);
    assert!(import(commitment, 3)["error"].to_string().contains("there are states already"));
    assert_eq!(numbers(&list(&mine)), [1]);

    // Who begins with it goes on as others do.
    let second = superblocks.join("superblock-000002.superblock");
    let call = ["follow", text(&second), "--state", text(&mine), "--json"];
    answer(&superblock(&call), 0);
    let followed = list(&mine);
    assert_eq!(followed["states"][1], before["states"][2]);
}

#[test]
fn two_processes_with_one_state_make_one_superblock() {
    let root = tempfile::tempdir().expect("a directory");
    let state = root.path().join("state");
    let outs = ["first", "second"].map(|name| root.path().join(name));
    let chain = CHAIN_ID.to_string();
    let children = outs.each_ref().map(|to| {
        with_keys(Command::new(env!("CARGO_BIN_EXE_superblock")))
            .args(batch_arguments(1, &state, to))
            .args(["--genesis", &chain])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs")
    });
    let outputs = children.map(|child| child.wait_with_output().expect("it ends"));
    // The other one finds the lock taken, or nothing left to batch.
    let codes = outputs.each_ref().map(|output| output.status.code());
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 3 | 4))), "{codes:?}");
    let made = outs.iter().filter(|to| to.join("superblock-000001.superblock").exists());
    assert_eq!(made.count(), 1);
    assert_eq!(numbers(&list(&state)), [0, 1]);
}

#[test]
fn a_new_chain_where_another_one_is_is_refused_by_both_numbers() {
    let root = tempfile::tempdir().expect("a directory");
    let (state, superblocks) = copies(root.path());
    let before = (files(&state), files(&superblocks));
    let error = answer(&batch(2, &state, &superblocks, &["--genesis", "78"]), 3)["error"].to_string();
    assert!(error.contains(&format!("of the chain {CHAIN_ID}, expected 78")), "{error}");
    assert_eq!((files(&state), files(&superblocks)), before);
}

#[test]
fn a_superblock_without_its_state_is_found_from_another_directory() {
    let root = tempfile::tempdir().expect("a directory");
    let (state, superblocks) = copies(root.path());
    answer(&superblock(&["state", "rollback", text(&state), "1", "--json"]), 0);
    let (before, to) = (files(&state), root.path().join("out"));
    let error = answer(&batch(2, &state, &to, &[]), 3)["error"].to_string();
    let there = "superblocks/superblock-000002.superblock: superblock 2 is there; write to that directory";
    assert!(error.contains(there), "{error}");
    assert_eq!((to.exists(), files(&state)), (false, before));
    let location = state.join("location-00000002.superblock");
    let shown = answer(&superblock(&["inspect", text(&location), "--json"]), 0);
    assert_eq!(shown["kind"], "superblock location");
    assert_eq!(shown["content"], json!({ "superblocks": "../superblocks" }));
    assert_eq!(answer(&batch(2, &state, &superblocks, &[]), 0)["superblock"]["adopted"], true);
}

#[test]
fn a_batch_that_the_trust_file_would_refuse_writes_nothing() {
    let root = tempfile::tempdir().expect("a directory");
    let (state, superblocks) = copies(root.path());
    let rollback = ["state", "rollback", text(&state), "1", "--superblocks", text(&superblocks), "--json"];
    answer(&superblock(&rollback), 0);
    let (before, to) = (files(&state), root.path().join("out"));
    let theirs = fs::read_to_string(out().join("trust.toml")).expect("written by run");
    let line = |start: &str| theirs.lines().find(|line| line.starts_with(start)).expect("part of it");
    let digest = "01".repeat(32);
    let mine = root.path().join("trust.toml");
    for (from, by, part) in [
        (line("chain_id"), "chain_id = 78".to_owned(), "chain id is 77, the trust file has 78"),
        (line("state"), format!("state = \"{digest}\""), "the trust file starts from 0101"),
        (line("number"), "number = 9".to_owned(), "the trust file starts after superblock 9"),
        (line("root"), format!("root = \"{digest}\""), "superblock 2 would have the registry root"),
    ] {
        fs::write(&mine, theirs.replace(from, &by)).expect("writable");
        let error = answer(&batch(2, &state, &to, &["--trust", text(&mine)]), 3)["error"].to_string();
        assert!(error.contains(part), "{error}");
        assert!(!to.exists());
        assert_eq!(files(&state), before);
    }
    // Nor is a new chain begun.
    let new = root.path().join("new");
    let chain = CHAIN_ID.to_string();
    fs::write(&mine, theirs.replace(line("chain_id"), "chain_id = 78")).expect("writable");
    answer(&batch(1, &new, &to, &["--genesis", &chain, "--trust", text(&mine)]), 3);
    assert!(!new.exists() && !to.exists());

    fs::write(&mine, &theirs).expect("writable");
    let made = answer(&batch(2, &state, &to, &["--trust", text(&mine)]), 0)["superblock"].clone();
    assert_eq!(made["number"], 2);
}
