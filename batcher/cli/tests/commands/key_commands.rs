//! `superblock keys` as its users run it: what is made, found again, shared, interrupted and damaged.
#![cfg(unix)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::LazyLock,
    thread,
    time::Duration,
};

use batcher_keys::{
    config::{DIRECTORIES_VARIABLE, FILE_VARIABLE},
    pins::{embedded, origin},
};
use circuits_core::Digest;
use circuits_files::faults::KILL_AFTER;
use circuits_forging::fixtures::{key_directory, toy_key};
use circuits_keys::{DirectoryStore, Header, KeyKind, KeyStore as _, pins::Pins};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::counters::{json, run_arguments, text, write_scenario};

/// The smallest circuit whose keys are loaded rather than made again.
const KERNEL: &str = "accounts-block-empty";
/// Verifies it.
const WRAP: &str = "accounts-block-empty-wrap";
/// Durable steps of writing one file.
const STEPS: u64 = 5;

/// The binary without the surroundings' configuration.
fn superblock(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_superblock"));
    command.env_remove(DIRECTORIES_VARIABLE).env_remove(FILE_VARIABLE).args(arguments).stdin(Stdio::null());
    command
}

/// `superblock keys` with these arguments and with keys in `directory`.
fn keys(directory: &Path, arguments: &[&str]) -> Command {
    superblock(&[&["keys"], arguments, &["--key-directory", text(directory)]].concat())
}

/// `command`, run by a shell after `before`.
fn after(before: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{before}; exec \"$@\""), "sh"]);
    shell.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    shell
}

fn output(mut command: Command) -> Output {
    command.output().expect("it runs")
}

fn generate(directory: &Path, only: &str) -> Value {
    json(&output(keys(directory, &["generate", "--only", only, "--json", "--quiet"])), 0)
}

/// What `keys verify` says, which ends with `code`.
fn verify(directory: &Path, code: i32) -> Value {
    json(&output(keys(directory, &["verify", "--json", "--quiet"])), code)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The key files, by name.
fn content(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = DirectoryStore::new(directory).list().expect("readable");
    let read = |name: String| (name.clone(), fs::read(directory.join(name)).expect("readable"));
    names.into_iter().map(read).collect()
}

/// The key file of this kind, made or not.
fn file(directory: &Path, circuit: &str, kind: KeyKind) -> PathBuf {
    let pins = embedded().expect("well-formed");
    let header = Header::of(pins.get(circuit).expect("pinned"), kind, &origin(&pins));
    directory.join(header.expect("every circuit can be kept").file_name())
}

fn fresh() -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().expect("a directory");
    let directory = root.path().join("keys");
    (root, directory)
}

/// The keys of [`KERNEL`], which no test changes.
static MADE: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let (root, directory) = fresh();
    assert_eq!(generate(&directory, KERNEL), json!({ "ok": true, "made": [KERNEL], "found": 0 }));
    (root, directory)
});

/// Copies the keys of these circuits.
fn copy(circuits: &[&str], from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("writable");
    for circuit in circuits {
        for kind in KeyKind::ALL {
            fs::copy(file(from, circuit, kind), file(to, circuit, kind)).expect("made before");
        }
    }
}

/// A copy of [`MADE`].
fn made() -> (TempDir, PathBuf) {
    let (root, directory) = fresh();
    copy(&[KERNEL], &MADE.1, &directory);
    (root, directory)
}

fn flip(path: &Path, position: usize) {
    let mut bytes = fs::read(path).expect("readable");
    bytes[position] ^= 1;
    fs::write(path, bytes).expect("writable");
}

#[test]
fn what_is_missing_is_listed_and_nothing_is_made() {
    let (_root, directory) = fresh();
    let listed = output(keys(&directory, &["generate", "--list-missing"]));
    assert_eq!(listed.status.code(), Some(0), "{}", stderr(&listed));
    assert!(!directory.exists(), "something was made");
    let lines: Vec<Value> = String::from_utf8(listed.stdout)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("one header per line"))
        .collect();
    assert_eq!(lines.len(), 3 * embedded().expect("well-formed").circuit.len());
    // What was announced is what is made.
    for kind in KeyKind::ALL {
        let path = file(&MADE.1, KERNEL, kind);
        let shown = json(&output(superblock(&["keys", "inspect", text(&path), "--json"])), 0);
        assert!(lines.contains(&shown["header"]), "{shown} was not listed");
    }
    let left = output(keys(&MADE.1, &["generate", "--list-missing", "--only", KERNEL]));
    assert_eq!((left.status.code(), left.stdout.len()), (Some(0), 0), "{}", stderr(&left));
    let left = json(&output(keys(&MADE.1, &["generate", "--list-missing", "--only", WRAP, "--json"])), 0);
    let missing = left["missing"].as_array().expect("a list");
    assert!(missing.len() == 3 && missing.iter().all(|header| header["kind"]["identifier"] == WRAP));
}

#[test]
fn keys_over_an_unknown_key_cannot_be_determined_and_hinder_no_others() {
    let (root, _) = made();
    let mut pin = embedded().expect("well-formed").get(KERNEL).expect("pinned").clone();
    pin.name = "toll-wrap".to_owned();
    pin.depends_on = [("counter-kernel".to_owned(), Digest::ZERO)].into();
    let pins = toml::to_string(&Pins::new([pin])).expect("serialisable");
    fs::write(root.path().join("pins.toml"), pins).expect("writable");
    let config = root.path().join("superblock.toml");
    fs::write(&config, "pins = [\"pins.toml\"]\nkey_directories = [\"keys\"]\n").expect("writable");
    let generate = |more: &[&str]| {
        output(superblock(&[&["keys", "generate", "--config", text(&config)], more].concat()))
    };

    let listed = generate(&["--list-missing"]);
    assert_eq!(listed.status.code(), Some(1));
    let said = stderr(&listed);
    assert!(said.contains("toll-wrap") && said.contains("counter-kernel"), "{said}");
    let listed = json(&generate(&["--list-missing", "--only", "toll-wrap", "--json"]), 1);
    assert_eq!(listed["undetermined"][0]["identifier"], "toll-wrap");
    assert_eq!(listed["undetermined"].as_array().map(Vec::len), Some(1));
    assert_eq!(json(&generate(&["--list-missing", "--only", KERNEL, "--json"]), 0)["missing"], json!([]));
    assert_eq!(json(&generate(&["--only", KERNEL, "--json"]), 0)["found"], 1);
    // This program has no code that makes it.
    assert!(stderr(&generate(&["--only", "toll-wrap"])).contains("no circuit is called toll-wrap"));
}

#[test]
fn only_what_a_circuit_needs_is_made_and_announced() {
    let (_root, directory) = fresh();
    let made = output(keys(&directory, &["generate", "--only", "counter-kernel", "--json"]));
    assert_eq!(json(&made, 0)["made"], json!(["counter-kernel"]));
    assert_eq!(stderr(&made), "1/1 counter-kernel: making its keys\n");
    assert_eq!(content(&directory).len(), 3);
    let unknown = output(keys(&directory, &["generate", "--only", "counter"]));
    assert_eq!(unknown.status.code(), Some(3));
    assert!(stderr(&unknown).contains("no circuit is called counter; superblock security lists the names"));
}

#[test]
fn the_umask_says_who_can_read_keys() {
    let (_root, directory) = fresh();
    let command = keys(&directory, &["generate", "--only", KERNEL, "--quiet"]);
    assert!(output(after("umask 027", &command)).status.success());
    for entry in fs::read_dir(&directory).expect("readable") {
        let path = entry.expect("readable").path();
        let mode = fs::metadata(&path).expect("readable").permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{}", path.display());
    }
}

#[test]
fn a_written_configuration_finds_the_keys_and_a_moved_directory_is_found_again() {
    let (root, directory) = made();
    let config = root.path().join("superblock.toml");
    let with_config = ["generate", "--only", KERNEL, "--output-config", text(&config), "--json"];
    assert_eq!(json(&output(keys(&directory, &with_config)), 0)["found"], 1);
    let list = || json(&output(superblock(&["keys", "list", "--config", text(&config), "--json"])), 0);
    let files = list()["files"].as_array().expect("a list").clone();
    assert!(files.len() == 3 && files.iter().all(|file| file["status"] == "pinned"), "{files:?}");

    let moved = root.path().join("elsewhere");
    fs::rename(&directory, &moved).expect("ours");
    assert_eq!(list()["files"], json!([]));
    assert_eq!(generate(&moved, KERNEL), json!({ "ok": true, "made": [], "found": 1 }));
    assert_eq!(content(&moved), content(&MADE.1));
}

#[test]
fn a_written_configuration_replaces_no_other_file() {
    let (root, directory) = made();
    let config = root.path().join("superblock.toml");
    fs::write(&config, "# mine\n").expect("writable");
    let with_config = ["generate", "--only", KERNEL, "--output-config", text(&config), "--json"];
    json(&output(keys(&directory, &with_config)), 3);
    assert_eq!(fs::read_to_string(&config).expect("still there"), "# mine\n");
    fs::remove_file(&config).expect("ours");
    for _ in 0..2 {
        json(&output(keys(&directory, &with_config)), 0);
    }
}

#[test]
fn of_two_processes_one_makes_each_key() {
    let (_root, directory) = fresh();
    let children = [(); 2].map(|()| {
        let mut command = keys(&directory, &["generate", "--only", WRAP, "--json", "--quiet"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
    });
    let answers = children.map(|child| json(&child.wait_with_output().expect("it ends"), 0));
    let mut made: Vec<_> =
        answers.iter().flat_map(|answer| answer["made"].as_array().expect("a list").clone()).collect();
    made.sort_by_key(Value::to_string);
    assert_eq!(made, [KERNEL, WRAP], "{answers:?}");
    let expected = json!({ "ok": true, "checked": 6, "rebuilt": false, "problems": [] });
    assert_eq!(verify(&directory, 0), expected);
}

#[test]
fn a_kill_at_any_durable_step_costs_no_finished_file() {
    for step in 0.. {
        let (_root, directory) = fresh();
        let mut command = keys(&directory, &["generate", "--only", KERNEL, "--json", "--quiet"]);
        let killed = command.env(KILL_AFTER, step.to_string()).output().expect("it runs");
        if killed.status.success() {
            assert!(step >= 3 * STEPS, "three files took only {step} steps");
            return;
        }
        assert_eq!(killed.status.signal(), Some(9), "step {step}: {}", stderr(&killed));
        // The last step of a file is after it got its name.
        let left = content(&directory);
        assert!(left.len() as u64 >= step / STEPS, "step {step} lost a file");
        let code = if left.is_empty() { 3 } else { 0 };
        assert_eq!(
            verify(&directory, code)["checked"],
            left.len(),
            "step {step} left a file that is not whole"
        );
        assert_eq!(generate(&directory, KERNEL)["ok"], true);
        assert_eq!(content(&directory), content(&MADE.1), "after step {step}");
    }
}

#[test]
fn an_interrupt_stops_between_two_circuits() {
    let (_root, directory) = fresh();
    let mut command = keys(&directory, &["generate", "--json", "--quiet"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    while content(&directory).is_empty() && child.try_wait().expect("a child").is_none() {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().is_ok_and(|s| s.success()));
    let answer = json(&child.wait_with_output().expect("it ends"), 4);
    let (files, all) = (content(&directory).len(), embedded().expect("well-formed").circuit.len());
    let stopped = format!("stopped; {} of {all} circuits have their keys", files / 3);
    assert_eq!((answer["error"].as_str(), files % 3), (Some(stopped.as_str()), 0));
    assert_eq!(verify(&directory, 0)["checked"], files);
}

#[test]
fn a_damaged_prover_key_is_set_aside_and_made_again_by_the_run_that_meets_it() {
    const SUPERBLOCK: &str = "superblock-blocks-2";
    let (root, directory) = fresh();
    for circuit in ["counter-kernel-wrap", SUPERBLOCK] {
        generate(&key_directory(), circuit);
    }
    copy(&["counter-kernel", "counter-kernel-wrap", SUPERBLOCK], &key_directory(), &directory);
    let right = content(&directory);
    let damaged = file(&directory, SUPERBLOCK, KeyKind::ProverKey);
    flip(&damaged, fs::metadata(&damaged).expect("exists").len() as usize / 2);

    write_scenario(root.path(), 1);
    let arguments = run_arguments(root.path());
    let mut command = superblock(&arguments.each_ref().map(String::as_str));
    command.args(["--key-directory", text(&directory)]);
    let run = output(command);
    assert_eq!(json(&run, 0)["superblocks"].as_array().map(Vec::len), Some(1));
    let said = stderr(&run);
    assert!(said.contains(&format!("{} is refused", name_of(&damaged))), "{said}");
    let aside = |ending: &str| directory.join(format!("{}{ending}", name_of(&damaged)));
    assert!(aside(".refused").exists());
    let reason = fs::read_to_string(aside(".refused.txt")).expect("written");
    assert!(reason.contains("checksum"), "{reason}");
    assert_eq!(content(&directory), right);
    assert_eq!(verify(&directory, 0)["checked"], right.len());
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[test]
fn a_full_disk_is_an_error_after_which_the_same_command_goes_on() {
    let (_root, directory) = fresh();
    // No room; room for the small files only. In blocks of 512 bytes.
    for (room, kept) in [(0, 0), (8, 2)] {
        let command = keys(&directory, &["generate", "--only", KERNEL, "--json", "--quiet"]);
        // An ignored signal stays ignored in the command, whose writes then fail with an error.
        let failed = output(after(&format!("trap '' XFSZ; ulimit -f {room}"), &command));
        let error = json(&failed, 4)["error"].as_str().expect("a message").to_owned();
        assert!(error.contains("could not be kept") && error.contains(KERNEL), "{error}");
        assert!(stderr(&failed).contains(text(&directory)), "the file is named: {}", stderr(&failed));
        assert_eq!(content(&directory).len(), kept);
        assert_eq!(verify(&directory, if kept == 0 { 3 } else { 0 })["checked"], kept);
    }
    assert_eq!(generate(&directory, KERNEL)["made"], json!([KERNEL]));
    assert_eq!(content(&directory), content(&MADE.1));
}

#[test]
fn a_directory_that_cannot_be_written_is_read_and_the_next_one_gets_new_keys() {
    let (root, directory) = made();
    let mode = |mode| fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).expect("ours");
    mode(0o555);
    assert_eq!(generate(&directory, KERNEL), json!({ "ok": true, "made": [], "found": 1 }));
    mode(0o755);

    // Below a file nobody can make a directory.
    let below = root.path().join("file/keys");
    fs::write(root.path().join("file"), b"").expect("writable");
    let failed = output(keys(&below, &["generate", "--only", "counter-kernel", "--quiet"]));
    assert_eq!(failed.status.code(), Some(4));
    assert!(stderr(&failed).contains(text(&below)), "{}", stderr(&failed));
    let mut command = keys(&below, &["generate", "--only", "counter-kernel", "--json"]);
    command.args(["--key-directory", text(&directory)]);
    assert_eq!(json(&output(command), 0)["made"], json!(["counter-kernel"]));
    assert_eq!(content(&directory).len(), 6);
}

#[test]
fn verify_names_each_damaged_file_and_why_and_leaves_it() {
    for kind in KeyKind::ALL {
        let (_root, directory) = made();
        let path = file(&directory, KERNEL, kind);
        let length = fs::metadata(&path).expect("exists").len() as usize;
        flip(&path, if kind == KeyKind::ProverKey { length / 2 } else { length - 1 });
        let answer = verify(&directory, 1);
        let [problem] = answer["problems"].as_array().expect("a list").as_slice() else {
            panic!("{answer}");
        };
        let problem = problem.as_str().expect("text");
        assert!(problem.contains(text(&directory)) && problem.contains(&name_of(&path)), "{problem}");
        assert!(problem.contains("checksum"), "{problem}");
        assert_eq!((&answer["ok"], &answer["checked"]), (&json!(false), &json!(2)));
        let told = output(keys(&directory, &["verify", "--quiet"]));
        assert_eq!(String::from_utf8_lossy(&told.stdout).trim_end(), problem);
        assert_eq!(content(&directory).len(), 3);
    }
    // One that is too long, beside one that is right.
    let (_root, directory) = made();
    let path = file(&directory, KERNEL, KeyKind::CommonData);
    fs::write(&path, [fs::read(&path).expect("readable"), vec![0; 1 << 20]].concat()).expect("writable");
    let answer = verify(&directory, 1);
    assert_eq!(answer["checked"], 2);
    assert!(answer["problems"][0].as_str().is_some_and(|text| text.contains(&name_of(&path))), "{answer}");
}

#[test]
fn inspect_refuses_a_truncated_file() {
    let (_root, directory) = made();
    let path = file(&directory, KERNEL, KeyKind::ProverKey);
    let bytes = fs::read(&path).expect("readable");
    for (length, reason) in
        [(bytes.len() - 1, "announces"), (100, "one line of JSON"), (0, "starts with the line")]
    {
        fs::write(&path, &bytes[..length]).expect("writable");
        let refused = output(superblock(&["keys", "inspect", text(&path)]));
        assert_eq!(refused.status.code(), Some(3));
        let said = stderr(&refused);
        assert!(said.contains(text(&path)) && said.contains(reason), "{length} bytes: {said}");
    }
}

#[test]
fn prune_without_a_terminal_removes_what_is_unused_only_with_yes() {
    let (_root, directory) = made();
    let (unused, used) = (toy_key("unused"), content(&directory));
    let name = unused.header().file_name();
    DirectoryStore::new(&directory).write(&name, unused.bytes()).expect("writable");
    let refused = output(keys(&directory, &["prune"]));
    assert_eq!(refused.status.code(), Some(3));
    assert!(stderr(&refused).contains("expected --yes or --dry-run"), "{}", stderr(&refused));
    let path = directory.join(&name);
    for (flag, removed) in [("--dry-run", false), ("--yes", true)] {
        assert!(path.exists());
        let answer = json(&output(keys(&directory, &["prune", flag, "--json"])), 0);
        assert_eq!(answer, json!({ "ok": true, "files": [text(&path)], "removed": removed }));
    }
    assert_eq!(content(&directory), used);
}
