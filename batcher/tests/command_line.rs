//! The binary as its users call it: exit codes, one JSON object on stdout, files that a next command reads.

mod counters;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use counters::{CHAIN_ID, json, run, superblock, text, write_scenario};
use serde_json::Value;

/// Two counters, two superblocks with a block of each, made by `superblock run`.
static RUN: LazyLock<(tempfile::TempDir, Value)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    write_scenario(directory.path(), 2);
    let answer = json(&run(directory.path()), 0);
    (directory, answer)
});

fn out() -> PathBuf {
    RUN.0.path().join("out")
}

fn bundle(number: u32) -> PathBuf {
    out().join(format!("superblocks/superblock-{number:06}.superblock"))
}

#[test]
fn a_second_run_of_the_same_scenario_proves_nothing_again_and_ends_in_the_same_state() {
    let first = &RUN.1;
    assert_eq!(first["ok"], true);
    let before = fs::read(bundle(2)).expect("written");
    let again = json(&run(RUN.0.path()), 0);
    assert_eq!(again["ok"], true);
    assert_eq!(fs::read(bundle(2)).expect("still there"), before, "a proof made is not made again");
}

#[test]
fn verify_is_anchored_by_a_trust_file_only() {
    let trust = out().join("trust.toml");
    let (first, second) = (bundle(1), bundle(2));
    let anchored = superblock(&["verify", text(&first), text(&second), "--trust", text(&trust), "--json"]);
    assert_eq!(json(&anchored, 0)["anchored"], true);
    let relative = json(&superblock(&["verify", text(&first), text(&second), "--json"]), 0);
    assert_eq!(relative["anchored"], false);
    // The root that the answer is relative to is the registry file's.
    let registry = out().join("registry.superblock");
    let root = json(&superblock(&["registry", "root", text(&registry), "--json"]), 0);
    assert_eq!(relative["relative_to"]["registry_roots"][0], root["root"]);
}

#[test]
fn superblocks_that_do_not_chain_are_invalid() {
    let (first, second) = (bundle(1), bundle(2));
    let twice = superblock(&["verify", text(&first), text(&first), "--json"]);
    assert_eq!(json(&twice, 1)["ok"], false);
    // Without superblock 1, superblock 2 does not start where the trust file says.
    let trust = out().join("trust.toml");
    let dropped = superblock(&["verify", text(&second), "--trust", text(&trust), "--json"]);
    assert_eq!(json(&dropped, 1)["ok"], false);
}

#[test]
fn a_trust_file_of_another_deployment_or_inbox_is_refused() {
    let theirs = fs::read_to_string(out().join("trust.toml")).expect("written by run");
    let chain = format!("chain_id = {CHAIN_ID}");
    let inbox = theirs.lines().find(|line| line.starts_with("l1_inbox")).expect("part of the start");
    let other_inbox = format!("l1_inbox = \"{}\"", "01".repeat(32));
    for (mine, other) in [(chain.as_str(), "chain_id = 78"), (inbox, other_inbox.as_str())] {
        assert!(theirs.contains(mine));
        let changed = RUN.0.path().join("other-trust.toml");
        fs::write(&changed, theirs.replace(mine, other)).expect("writable");
        let output = superblock(&["verify", text(&bundle(1)), "--trust", text(&changed), "--json"]);
        assert_eq!(json(&output, 1)["ok"], false);
    }
}

#[test]
fn a_truncated_file_is_rejected_by_name() {
    let bytes = fs::read(bundle(1)).expect("written");
    let truncated = RUN.0.path().join("truncated.superblock");
    fs::write(&truncated, &bytes[..bytes.len() / 2]).expect("writable");
    let output = superblock(&["verify", text(&truncated)]);
    assert_eq!(output.status.code(), Some(3));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("truncated.superblock"), "{message}");
}

#[test]
fn batch_takes_the_good_blocks_and_names_the_bad_one() {
    let root = tempfile::tempdir().expect("a directory");
    let blocks = root.path().join("blocks");
    fs::create_dir(&blocks).expect("writable");
    for entry in fs::read_dir(out().join("blocks/000001")).expect("written by run") {
        let path = entry.expect("readable").path();
        fs::copy(&path, blocks.join(path.file_name().expect("a file"))).expect("writable");
    }
    fs::write(blocks.join("junk.block"), b"not a block").expect("writable");
    let registry = out().join("registry.superblock");
    let chain = CHAIN_ID.to_string();
    let call = |name: &str, extra: &[&str]| {
        let (state, made) = (root.path().join(name).join("state"), root.path().join(name));
        let mut arguments =
            vec!["batch", "--blocks", text(&blocks), "--state", text(&state), "--out", text(&made)];
        arguments.extend(["--registry", text(&registry), "--genesis", &chain, "--json", "--quiet"]);
        arguments.extend(extra);
        superblock(&arguments)
    };
    let made = root.path().join("lenient");
    let answer = json(&call("lenient", &[]), 0);
    assert_eq!(answer["ok"], true);
    assert!(answer.to_string().contains("junk.block"), "{answer}");
    // The same blocks in the same order make the same statement, whoever batches them.
    let inspect = |path: &Path| {
        let content = json(&superblock(&["inspect", text(path), "--json"]), 0)["content"].clone();
        assert!(content["statement"]["new_state"].is_string(), "{content}");
        content["statement"].clone()
    };
    let mine = fs::read_dir(&made)
        .expect("written")
        .map(|entry| entry.expect("readable").path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("superblock-")))
        .expect("a superblock was made");
    assert_eq!(inspect(&mine), inspect(&bundle(1)));
    // Strictly, the refused file is a failure, and the superblock is made all the same.
    json(&call("strict", &["--strict"]), 1);
    assert!(root.path().join("strict/state").exists());
    // A second call has nothing left to batch.
    assert_eq!(call("lenient", &[]).status.code(), Some(3));
}

#[test]
fn wrong_usage_and_missing_files_have_their_own_codes() {
    assert_eq!(superblock(&["verify", "--no-such-flag"]).status.code(), Some(2));
    assert_eq!(superblock(&["inspect", "no-such-file"]).status.code(), Some(3));
    let completions = superblock(&["completions", "bash"]);
    assert_eq!(completions.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&completions.stdout).contains("superblock"));
}

#[test]
fn security_speaks_of_every_pinned_circuit() {
    let answer = json(&superblock(&["security", "--json"]), 0);
    let circuits = answer["circuits"].as_array().expect("a list");
    for name in ["counter-kernel", "counter-kernel-wrap", "notes-transaction-local", "segment-leaf-8"] {
        assert!(circuits.iter().any(|circuit| circuit["name"] == name), "{name} is missing");
    }
}
