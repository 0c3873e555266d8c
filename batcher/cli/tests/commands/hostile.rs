//! What the binary prints if its input is wrong or hostile.

use std::{fs, path::Path, process::Output};

use crate::{
    account::DOMAIN,
    counters::{CHAIN_ID, PRODUCER_SECRETS, json, run, superblock, text, write_scenario},
    registry::SIGNING_KEY,
};

/// Everything that a command printed.
fn printed(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// Changes a file's text.
fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("readable");
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).expect("writable");
}

#[test]
fn a_secret_is_not_repeated_wherever_it_is_written() {
    let secret = "c4b69d".repeat(10) + "c4";
    let line = format!("producer_secret = \"{}\"", PRODUCER_SECRETS[0]);
    let misplaced = |replaced: &str, by: String| (replaced.to_owned(), by);
    for (from, to) in [
        misplaced(&line, format!("producer_secret = \"{secret}\"")),
        misplaced(&line, format!("producer_secret = \"{secret}c4b\"")),
        misplaced(&line, format!("producer_secret = {secret}")),
        misplaced(&line, format!("producer_secret = [\"{secret}\"]")),
        misplaced(&line, format!("producer_secret = \"{secret}")),
        misplaced(&line, format!("producer_secret: \"{secret}\"")),
        misplaced(&line, format!("{secret} = 1")),
        misplaced(&line, "producer_secret = 46464646464646".to_owned()),
        misplaced("kind = \"counter\"", format!("kind = \"{secret}\"")),
        misplaced("\"counter-1.jsonl\"", format!("\"{secret}\"")),
        misplaced("genesis = { start = 100 }", format!("genesis = \"{secret}\"")),
        misplaced("genesis = { start = 100 }", format!("genesis = {{ start = \"{secret}\" }}")),
        misplaced("id = 1", format!("id = \"{secret}\"")),
        misplaced(&format!("chain_id = {CHAIN_ID}"), format!("chain_id = \"{secret}\"")),
    ] {
        let root = tempfile::tempdir().expect("a directory");
        write_scenario(root.path(), 1);
        replace(&root.path().join("scenario.toml"), &from, &to);
        let output = run(root.path());
        assert_eq!(output.status.code(), Some(3), "{to}");
        let printed = printed(&output);
        for part in ["c4b69d", "b69dc4", "464646"] {
            assert!(!printed.contains(part), "{to}: {printed}");
        }
        assert!(printed.contains("scenario.toml"), "{printed}");
    }
}

#[cfg(unix)]
#[test]
fn names_and_reasons_from_outside_move_no_cursor_and_break_no_line() {
    let root = tempfile::tempdir().expect("a directory");
    let blocks = root.path().join("blocks");
    fs::create_dir(&blocks).expect("writable");
    fs::write(blocks.join("junk\u{1b}[2J\nforged line\u{202e}.block"), b"not a block").expect("writable");
    let registry = root.path().join("registry\u{1b}[31m.superblock");
    let made = superblock(&["registry", "make", text(&registry), "--chain-id", "7"]);
    let out = root.path().join("out\r");
    let state = root.path().join("state");
    let batch = ["batch", "--blocks", text(&blocks), "--state", text(&state), "--out", text(&out)];
    let batch = superblock(&[&batch[..], &["--registry", text(&registry), "--genesis", "7"]].concat());
    assert_eq!(batch.status.code(), Some(3));
    assert!(printed(&batch).contains("refused: "), "{}", printed(&batch));
    let inspected = superblock(&["inspect", text(&registry)]);
    let missing = superblock(&["inspect", text(&root.path().join("gone\nforged line"))]);
    // What JSON need not escape: C1 controls, and marks of direction.
    let odd = root.path().join("odd\u{9b}31m\u{202e}.superblock");
    fs::copy(&registry, &odd).expect("writable");
    let root_json = superblock(&["registry", "list", text(&odd), "--json"]);
    for output in [&made, &batch, &inspected, &missing, &root_json] {
        let printed = printed(output);
        assert!(printed.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{printed:?}");
        assert!(!printed.lines().any(|line| line.starts_with("forged")), "{printed}");
    }
}

#[test]
fn one_line_that_is_not_text_spoils_no_other_and_a_run_without_blocks_says_why() {
    let root = tempfile::tempdir().expect("a directory");
    write_scenario(root.path(), 1);
    for id in [1, 2] {
        let lines = b"{\"ad\\u001b\\u009bd\": 1}\n\xff\xfe\n{\"add\": \"x\"}\n".as_slice();
        fs::write(root.path().join(format!("counter-{id}.jsonl")), lines).expect("writable");
    }
    let answer = json(&run(root.path()), 3);
    let error = answer["error"].as_str().expect("a text");
    for part in
        ["no block was made: 6 transactions were refused", "environment 1, line 1: ", "line 2: invalid utf-8"]
    {
        assert!(error.contains(part), "{error}");
    }
    assert!(!error.contains(|c: char| c.is_control()), "{error:?}");
}

#[test]
fn a_number_that_is_another_ones_element_is_no_chain_id() {
    let root = tempfile::tempdir().expect("a directory");
    // 1 + p.
    let chain = "18446744069414584322";
    let batch =
        ["batch", "--blocks", "b", "--state", "s", "--out", "o", "--registry", "r", "--genesis", chain];
    let output = superblock(&batch);
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    assert!(printed(&output).contains("below the field order"), "{}", printed(&output));
    write_scenario(root.path(), 1);
    replace(
        &root.path().join("scenario.toml"),
        &format!("chain_id = {CHAIN_ID}"),
        &format!("chain_id = {chain}"),
    );
    assert_eq!(run(root.path()).status.code(), Some(3));
}

#[test]
fn a_command_that_did_nothing_of_what_it_was_asked_does_not_end_with_0() {
    let root = tempfile::tempdir().expect("a directory");
    let path = |name: &str| text(&root.path().join(name)).to_owned();
    let (empty, keys, missing) = (path("empty"), path("keys"), path("missing"));
    let (registry, key, lines) = (path("registry"), path("key"), path("lines"));
    fs::create_dir(&empty).expect("writable");
    fs::write(&lines, "\n\n").expect("writable");
    json(&superblock(&["registry", "make", &registry, "--chain-id", "7", "--json"]), 0);
    json(&superblock(&["account", "keygen", &key, "--json"]), 0);
    for arguments in [
        &["keys", "import", &missing, "--key-directory", &keys][..],
        &["keys", "import", &empty, "--key-directory", &keys],
        &["keys", "export", &empty, "--key-directory", &keys],
        &["keys", "verify", "--key-directory", &keys],
        &["registry", "add", &registry, "--environment", "7"],
        &[&["account", "sign", "--key", &key, &lines][..], &DOMAIN].concat(),
    ] {
        let answer = json(&superblock(&[arguments, &["--json"]].concat()), 3);
        assert_eq!(answer["ok"], false, "{arguments:?}");
    }
}

#[test]
fn processes_that_change_one_registry_lose_no_change_of_each_other() {
    let root = tempfile::tempdir().expect("a directory");
    let file = root.path().join("registry");
    json(&superblock(&["registry", "make", text(&file), "--chain-id", "7", "--json"]), 0);
    std::thread::scope(|scope| {
        for id in 1..=12 {
            let file = &file;
            scope.spawn(move || {
                let [state, producer, key] = ["01", "02", "03"].map(|byte| byte.repeat(32));
                let (id, call) = (id.to_string(), ["registry", "add", text(file), "--json", "--environment"]);
                let producer = ["--producer", &producer, "--signing-key", SIGNING_KEY];
                let new = [&["--genesis-state", &state, "--kernel", &key][..], &producer].concat();
                json(&superblock(&[&call[..], &[id.as_str()], &new].concat()), 0);
            });
        }
    });
    let listed = json(&superblock(&["registry", "list", text(&file), "--json"]), 0);
    assert_eq!(listed["environments"].as_array().expect("a list").len(), 13, "with environment 0");
}

#[test]
fn a_kernel_whose_window_begins_later_is_revoked_with_the_earlier_ones() {
    let root = tempfile::tempdir().expect("a directory");
    let file = root.path().join("registry");
    let add = |arguments: &[&str]| {
        let call = ["registry", "add", text(&file), "--environment", "7", "--json"];
        json(&superblock(&[&call[..], arguments].concat()), 0)
    };
    let [state, producer, first, second] = ["01", "02", "03", "04"].map(|byte| byte.repeat(32));
    json(&superblock(&["registry", "make", text(&file), "--chain-id", "7", "--json"]), 0);
    let later = format!("{second}:100");
    let producer = ["--producer", &producer, "--signing-key", SIGNING_KEY];
    let new = ["--genesis-state", &state, "--kernel", &first, "--kernel", &later];
    add(&[&new[..], &producer].concat());
    let listed = add(&["--end-earlier", "50", "--force"]);
    let kernels = listed["environments"][1]["entry"]["kernels"].as_array().expect("a list");
    assert_eq!(kernels.len(), 1, "{listed}");
    assert_eq!(
        (kernels[0]["key"].as_str(), kernels[0]["valid_until"].as_u64()),
        (Some(first.as_str()), Some(50))
    );
    let again =
        ["registry", "add", text(&file), "--environment", "7", "--end-earlier", "50", "--force", "--json"];
    assert_eq!(json(&superblock(&again), 3)["ok"], false, "nothing is left to end");
}

#[test]
fn a_refusal_that_cannot_be_recorded_is_reported_and_stops_nothing() {
    let root = tempfile::tempdir().expect("a directory");
    let path = |name: &str| root.path().join(name);
    let (blocks, out) = (path("blocks"), path("out"));
    fs::create_dir(&blocks).expect("writable");
    let junk = b"not a block";
    fs::write(blocks.join("junk.block"), junk).expect("writable");
    // A directory in place of the record's file.
    let record = format!("{}.record", hex::encode(circuits_files::file::sha3(junk)));
    fs::create_dir_all(out.join("quarantine").join(record)).expect("writable");
    json(&superblock(&["registry", "make", text(&path("registry")), "--chain-id", "7", "--json"]), 0);
    let answer = superblock(&[
        "batch",
        "--blocks",
        text(&blocks),
        "--state",
        text(&path("state")),
        "--out",
        text(&out),
        "--registry",
        text(&path("registry")),
        "--genesis",
        "7",
        "--json",
    ]);
    let answer = json(&answer, 3);
    assert_eq!(answer["refused"].as_array().map(Vec::len), Some(1), "{answer}");
    assert_eq!(answer["unrecorded"].as_array().map(Vec::len), Some(1), "{answer}");
}

#[cfg(unix)]
#[test]
fn a_registry_is_changed_where_a_link_to_it_leads() {
    let root = tempfile::tempdir().expect("a directory");
    let (file, link) = (root.path().join("registry"), root.path().join("link"));
    json(&superblock(&["registry", "make", text(&file), "--chain-id", "7", "--json"]), 0);
    std::os::unix::fs::symlink(&file, &link).expect("writable");
    let [state, producer, key] = ["01", "02", "03"].map(|byte| byte.repeat(32));
    for (path, id) in [(&link, "1"), (&file, "2"), (&link, "3")] {
        let call = ["registry", "add", text(path), "--json", "--environment", id];
        let producer = ["--producer", &producer, "--signing-key", SIGNING_KEY];
        let new = [&["--genesis-state", &state, "--kernel", &key][..], &producer].concat();
        json(&superblock(&[&call[..], &new].concat()), 0);
    }
    let listed = json(&superblock(&["registry", "list", text(&file), "--json"]), 0);
    assert_eq!(listed["environments"].as_array().expect("a list").len(), 4, "with environment 0");
    assert!(link.is_symlink());
}
