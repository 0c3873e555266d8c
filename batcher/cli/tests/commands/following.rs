//! `superblock follow`.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    command_line::{bundle, out},
    counters::{CHAIN_ID, files, json as answer, superblock, text},
};

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
    // Where superblocks went is the batcher's own affair.
    let states = |directory: &Path| {
        let named = files(directory)
            .into_iter()
            .map(|(path, bytes)| (path.file_name().expect("a file").to_string_lossy().into_owned(), bytes));
        named.filter(|(name, _)| !name.starts_with("location-")).collect::<Vec<_>>()
    };
    assert_eq!(states(&state), states(&out().join("state")));

    let again = follow(&state, &[&second, &first], &["--strict"], 0);
    assert_eq!((decisions(&again), &again["anchored"]), (vec!["known", "known"], &json!(false)));
    let people = superblock(&["follow", "--state", text(&state), text(&first)]);
    let shown = String::from_utf8_lossy(&people.stdout).into_owned();
    assert!(shown.contains("known: the chain has it") && shown.contains("anchored: false"), "{shown}");
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
