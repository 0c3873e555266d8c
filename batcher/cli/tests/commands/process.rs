//! Runs that are interrupted, that find the disk full, and that make several proofs at once.
#![cfg(unix)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::LazyLock,
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::counters::{CHAIN_ID, json, run, run_arguments, superblock, text, with_keys, write_scenario};

/// What the files below a run's directory say, by path: everything but the proofs' bytes, of which there are many for
/// one statement.
pub(crate) type Said = BTreeMap<PathBuf, Value>;

/// Reads every file, and every state by itself; a file that is not whole is no file of ours.
pub(crate) fn said(root: &Path) -> Said {
    let out = root.join("out");
    let mut said = Said::new();
    let mut directories = vec![out.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten() {
            let path = entry.expect("readable").path();
            let name = path.strip_prefix(&out).expect("below it").to_owned();
            if path.is_dir() {
                directories.push(path);
            } else if path.ends_with("states.redb") {
                let refused = json(&superblock(&["inspect", text(&path), "--json"]), 3);
                assert!(
                    refused["error"].as_str().is_some_and(|error| error.contains("state list")),
                    "{refused}"
                );
                let list = json(&superblock(&["state", "list", text(&directory), "--json"]), 0);
                for state in list["states"].as_array().expect("a list") {
                    said.insert(name.join(state["number"].to_string()), state.clone());
                }
            } else if path.extension().is_none_or(|extension| extension != "lock") {
                let answer = json(&superblock(&["inspect", text(&path), "--json"]), 0);
                said.insert(name, answer["content"].clone());
            }
        }
    }
    said
}

fn fresh() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    write_scenario(directory.path(), 1);
    directory
}

/// A run that nothing disturbed.
static UNDISTURBED: LazyLock<(TempDir, Said)> = LazyLock::new(|| {
    let directory = fresh();
    json(&run(directory.path()), 0);
    let said = said(directory.path());
    (directory, said)
});

/// The files in `found` say what they say after an undisturbed run.
fn assert_agrees(found: &Said) {
    for (path, content) in found {
        assert_eq!(Some(content), UNDISTURBED.1.get(path), "{}", path.display());
    }
}

/// Waits until the file is there or the process has ended.
fn wait_for(file: &Path, child: &mut Child) {
    while !file.exists() && child.try_wait().expect("a child").is_none() {
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.is_ok(), "there is a command to send signals");
}

#[test]
fn an_interrupted_run_goes_on_and_ends_as_if_nothing_had_happened() {
    let directory = fresh();
    let root = directory.path();
    // Kernels are being built; the first block is being proved; the second; the superblock.
    let moments = [
        "state/state.lock",
        "trust.toml",
        "blocks/000001/environment-00001-block-000001.block",
        "blocks/000001/environment-00002-block-000001.block",
    ];
    let mut stopped = 0;
    for moment in moments {
        let mut child = with_keys(Command::new(env!("CARGO_BIN_EXE_superblock")))
            .args(run_arguments(root))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        wait_for(&root.join("out").join(moment), &mut child);
        interrupt(&child);
        let output = child.wait_with_output().expect("it ends");
        match output.status.code() {
            Some(4) => {
                let error = json(&output, 4)["error"].clone();
                assert!(error.as_str().is_some_and(|error| error.contains("stopped")), "{error}");
                stopped += 1;
            }
            // It was faster, or did not listen yet.
            Some(0) | None => {}
            other => panic!("{other:?}: {}", String::from_utf8_lossy(&output.stderr)),
        }
        assert_agrees(&said(root));
    }
    assert!(stopped > 0, "no run was interrupted");
    json(&run(root), 0);
    assert_eq!(said(root), UNDISTURBED.1);
}

/// The run of `root` where no file can have more than `blocks` times 512 bytes, as on a disk with so much room.
fn run_in_little_room(root: &Path, blocks: u64) -> Output {
    // An ignored signal stays ignored in the command, whose writes then fail with an error.
    let script = "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"";
    with_keys(Command::new("sh"))
        .args(["-c", script, &blocks.to_string(), env!("CARGO_BIN_EXE_superblock")])
        .args(run_arguments(root))
        .output()
        .expect("there is a shell")
}

/// Sizes of the files with this extension.
fn sizes(directory: &Path, extension: &str) -> Vec<u64> {
    let entries = fs::read_dir(directory).expect("readable").map(|entry| entry.expect("readable"));
    let files = entries.filter(|entry| entry.path().extension().is_some_and(|found| found == extension));
    files.map(|entry| entry.metadata().expect("readable").len()).collect()
}

#[test]
fn case_62_a_full_disk_is_an_error_after_which_the_same_command_goes_on() {
    let out = UNDISTURBED.0.path().join("out");
    let block = sizes(&out.join("blocks/000001"), "block").into_iter().max().expect("two blocks");
    let proof = sizes(&out.join("proofs"), "proof").into_iter().min().expect("a proof");
    // Files of proofs are much larger than all others.
    let small = block.min(proof) / 1024;

    let directory = fresh();
    let root = directory.path();
    let cannot_go_on = |room, place: &str, blocks| {
        let output = run_in_little_room(root, room);
        let answer = json(&output, 4);
        assert_eq!(answer["ok"], false);
        let error = answer["error"].as_str().expect("a message");
        assert!(error.contains(text(&root.join(place))), "the file is named: {error}");
        let found = said(root);
        assert_agrees(&found);
        assert_eq!(found.keys().filter(|path| path.starts_with("blocks")).count(), blocks);
        assert!(!found.keys().any(|path| path.starts_with("superblocks")));
    };
    // No room at all; for the small files.
    cannot_go_on(0, "out", 0);
    cannot_go_on(small, "out", 0);
    // The blocks are there, and there is no room for the proof of the superblock.
    let blocks = root.join("out/blocks/000001");
    fs::create_dir_all(&blocks).expect("writable");
    for entry in fs::read_dir(out.join("blocks/000001")).expect("readable") {
        let entry = entry.expect("readable");
        fs::copy(entry.path(), blocks.join(entry.file_name())).expect("writable");
    }
    cannot_go_on(small, "out/proofs", 2);
    json(&run(root), 0);
    assert_eq!(said(root), UNDISTURBED.1);
}

#[test]
fn several_jobs_leave_the_files_of_one() {
    let directory = fresh();
    let root = directory.path();
    let arguments = run_arguments(root);
    let mut arguments = arguments.each_ref().map(String::as_str).to_vec();
    arguments.extend(["--jobs", "3"]);
    let answer = json(&superblock(&arguments), 0);
    assert_eq!(answer["verification"]["chain_id"], CHAIN_ID);
    assert_eq!(said(root), UNDISTURBED.1);
}
