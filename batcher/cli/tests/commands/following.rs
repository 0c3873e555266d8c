//! `superblock follow`.

use std::{fs, os::unix::process::ExitStatusExt as _, path::Path, process::Command};

use circuits_files::{faults::KILL_AFTER, file::TEMPORARY_PREFIX};
use serde_json::{Value, json};

use crate::{
    command_line::{bundle, out},
    counters::{CHAIN_ID, files, json as answer, superblock, text, with_keys},
};

/// More durable steps than following two superblocks takes.
const MAX_STEPS: u64 = 200;

/// Follows these bundles into `state`, and returns the answer of a call that ends with `code`.
fn follow(state: &Path, bundles: &[&Path], extra: &[&str], code: i32) -> Value {
    let chain = CHAIN_ID.to_string();
    let bundles: Vec<_> = bundles.iter().map(|path| text(path)).collect();
    let start = ["follow", "--state", text(state), "--genesis", &chain, "--json"];
    answer(&superblock(&[&start[..], &bundles, extra].concat()), code)
}

/// What became of each bundle.
fn decisions(answer: &Value) -> Vec<&str> {
    let superblocks = answer["superblocks"].as_array().expect("a list");
    superblocks.iter().map(|one| one["decision"].as_str().expect("a word")).collect()
}

#[test]
fn whoever_follows_has_the_states_of_the_batcher() {
    let root = tempfile::tempdir().expect("a directory");
    let (state, trust) = (root.path().join("state"), out().join("trust.toml"));
    let (first, second) = (bundle(1), bundle(2));
    let followed = follow(&state, &[&second, &first], &["--trust", text(&trust), "--strict"], 0);
    assert_eq!(decisions(&followed), ["applied", "applied"]);
    assert_eq!((&followed["number"], &followed["anchored"]), (&json!(2), &json!(true)));
    assert_eq!(followed["superblocks"][1]["state"], followed["state"]);
    assert_same_states(&state, &out().join("state"));

    let again = follow(&state, &[&second, &first], &["--strict"], 0);
    assert_eq!((decisions(&again), &again["anchored"]), (vec!["known", "known"], &json!(false)));
    let people = superblock(&["follow", "--state", text(&state), text(&first)]);
    let shown = String::from_utf8_lossy(&people.stdout).into_owned();
    assert!(shown.contains("known: the chain has it") && shown.contains("anchored: false"), "{shown}");
}

/// Asserts that two directories have the same states, byte for byte.
fn assert_same_states(one: &Path, other: &Path) {
    // Where superblocks went is the batcher's own affair, and a kill leaves unfinished files.
    let is_state = |name: &String| !name.starts_with("location-") && !name.starts_with(TEMPORARY_PREFIX);
    let names = |directory: &Path| {
        let names = files(directory).into_keys();
        let names = names.map(|path| path.file_name().expect("a file").to_string_lossy().into_owned());
        names.filter(is_state).collect::<Vec<_>>()
    };
    assert_eq!(names(one), names(other));
    let root = tempfile::tempdir().expect("a directory");
    for number in ["0", "1", "2"] {
        let exported = [("one", one), ("other", other)].map(|(name, directory)| {
            let file = root.path().join(format!("{name}-{number}"));
            let export = ["state", "export", text(directory), text(&file), "--number", number, "--json"];
            answer(&superblock(&export), 0);
            fs::read(file).expect("written")
        });
        assert!(exported[0] == exported[1], "the states after superblock {number} differ");
    }
    let list = |directory| answer(&superblock(&["state", "list", text(directory), "--json"]), 0);
    assert_eq!(list(one), list(other));
}

#[test]
fn whoever_is_killed_at_any_durable_step_follows_on_to_the_states_of_the_batcher() {
    let root = tempfile::tempdir().expect("a directory");
    let (state, chain) = (root.path().join("state"), CHAIN_ID.to_string());
    let (first, second) = (bundle(1), bundle(2));
    for step in 0..MAX_STEPS {
        let follow = ["follow", text(&first), text(&second), "--state", text(&state), "--genesis", &chain];
        let mut command = with_keys(Command::new(env!("CARGO_BIN_EXE_superblock")));
        let ended = command.args(follow).env(KILL_AFTER, step.to_string()).output().expect("it runs");
        // What is there is whole, whenever it was stopped.
        let listed = superblock(&["state", "list", text(&state), "--json"]);
        assert!(matches!(listed.status.code(), Some(0 | 3)), "step {step}: {listed:?}");
        if ended.status.success() {
            assert!(step > 10, "two superblocks are followed in {step} steps");
            assert_same_states(&state, &out().join("state"));
            return;
        }
        assert_eq!(ended.status.signal(), Some(9), "step {step}: {ended:?}");
    }
    panic!("two superblocks take more than {MAX_STEPS} steps");
}

#[test]
fn what_is_not_applied_is_named_and_decides_the_exit_code_if_nothing_else_is() {
    let root = tempfile::tempdir().expect("a directory");
    let state = root.path().join("state");
    let (first, second) = (bundle(1), bundle(2));
    let early = follow(&state, &[&second], &[], 3);
    assert_eq!(decisions(&early), ["early"]);
    assert_eq!((&early["superblocks"][0]["missing"], &early["number"]), (&json!(1), &json!(0)));

    let truncated = root.path().join("truncated.superblock");
    let bytes = fs::read(&first).expect("written");
    fs::write(&truncated, &bytes[..bytes.len() / 2]).expect("writable");
    let refused = follow(&state, &[&truncated], &[], 3);
    assert!(refused["superblocks"][0]["reason"].as_str().is_some_and(|reason| reason.contains("truncated")));
    let theirs = fs::read_to_string(out().join("trust.toml")).expect("written by run");
    let keys = theirs.lines().find(|line| line.starts_with("keys = ")).expect("a list");
    let mine = root.path().join("trust.toml");
    fs::write(&mine, theirs.replace(keys, "keys = []")).expect("writable");
    let untrusted = follow(&state, &[&first], &["--trust", text(&mine)], 1);
    assert_eq!(decisions(&untrusted), ["refused"]);
    assert!(files(&state).is_empty());

    assert_eq!(decisions(&follow(&state, &[&first, &truncated], &[], 0)), ["applied", "refused"]);
    follow(&state, &[&first, &truncated], &["--strict"], 1);
}

#[test]
fn a_chain_that_is_not_there_or_not_the_trusted_one_is_not_moved() {
    let root = tempfile::tempdir().expect("a directory");
    let (state, first) = (root.path().join("state"), bundle(1));
    answer(&superblock(&["follow", "--state", text(&state), text(&first), "--json"]), 3);
    assert!(!state.exists());
    let theirs = fs::read_to_string(out().join("trust.toml")).expect("written by run");
    let mine = root.path().join("trust.toml");
    fs::write(&mine, theirs.replace(&format!("chain_id = {CHAIN_ID}"), "chain_id = 78")).expect("writable");
    let error = follow(&state, &[&first], &["--trust", text(&mine)], 3)["error"].to_string();
    assert!(error.contains("chain id is 77, the trust file has 78"), "{error}");
    assert!(files(&state).is_empty());
}
