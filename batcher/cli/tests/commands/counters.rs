//! A scenario of two counters, and the binary over it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use batcher_keys::config::DIRECTORIES_VARIABLE;
use circuits_forging::fixtures::key_directory;
use serde_json::Value;

pub(crate) const CHAIN_ID: u64 = 77;

/// The secrets of the counters' producers, in hexadecimal. Each is one byte over and over, which is found in whatever encoding.
pub(crate) const PRODUCER_SECRETS: [&str; 2] = [
    "5151515151515151515151515151515151515151515151515151515151515151",
    "5252525252525252525252525252525252525252525252525252525252525252",
];

/// Writes a scenario of so many superblocks, each with a block of both counters.
pub(crate) fn write_scenario(root: &Path, superblocks: u32) {
    let mut scenario = format!("chain_id = {CHAIN_ID}\nsuperblocks = {superblocks}\n");
    for (id, secret) in (1..).zip(PRODUCER_SECRETS) {
        let adds: String = (1..=4).map(|n| format!("{{\"add\": {n}}}\n")).collect();
        fs::write(root.join(format!("counter-{id}.jsonl")), adds).expect("writable");
        scenario += &format!(
            "\n[[environments]]\nid = {id}\nkind = \"counter\"\nproducer_secret = \"{secret}\"\n\
             genesis = {{ start = 100 }}\ntransactions = \"counter-{id}.jsonl\"\n\
             blocks_per_superblock = 1\ntransactions_per_block = 2\n"
        );
    }
    fs::write(root.join("scenario.toml"), scenario).expect("writable");
}

/// `command` with the keys that tests share.
pub(crate) fn with_keys(mut command: Command) -> Command {
    command.env(DIRECTORIES_VARIABLE, key_directory());
    command
}

pub(crate) fn superblock(arguments: &[&str]) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_superblock"));
    with_keys(command).args(arguments).output().expect("the binary runs")
}

/// The arguments that run the scenario of `root` into its directory `out`.
pub(crate) fn run_arguments(root: &Path) -> [String; 7] {
    let (scenario, out) = (root.join("scenario.toml"), root.join("out"));
    ["run", "--scenario", text(&scenario), "--out", text(&out), "--json", "--quiet"].map(str::to_owned)
}

/// The files of a directory, without those in directories below it, and without locks.
pub(crate) fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("readable").path());
    let is_content = |path: &PathBuf| path.is_file() && path.extension().is_none_or(|end| end != "lock");
    entries.filter(is_content).map(|path| (path.clone(), fs::read(path).expect("readable"))).collect()
}

/// Copies the [`files`] of a directory to a new one.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("writable");
    for (path, bytes) in files(from) {
        fs::write(to.join(path.file_name().expect("a file")), bytes).expect("writable");
    }
}

pub(crate) fn run(root: &Path) -> Output {
    superblock(&run_arguments(root).each_ref().map(String::as_str))
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

/// The one JSON object on stdout of a command that ended with `code`.
pub(crate) fn json(output: &Output, code: i32) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}
