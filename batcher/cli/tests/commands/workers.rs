//! Proofs by several processes: workers on a PostgreSQL, and helpers that see neither it nor the store.
#![cfg(unix)]

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::LazyLock,
    thread::sleep,
    time::{Duration, Instant},
};

use batcher_workers::testing::Postgres;
use circuits_files::file::sha3;
use serde_json::{Value, json as value};
use tempfile::TempDir;

use crate::{
    command_line::out,
    counters::{PRODUCER_SECRETS, json, run_arguments, superblock, text, with_keys, write_scenario},
    process::{Said, interrupt, said},
};

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long a worker may be silent, in seconds: as short as it can be.
const DEAD_AFTER: &str = "3";

static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().expect("PostgreSQL is installed"));

/// A connection string for a database of its own.
fn database(name: &str) -> String {
    POSTGRES.sql(&format!("create database {name}")).expect("it is new");
    POSTGRES.connection().replace("dbname=postgres", &format!("dbname={name}"))
}

/// A command that goes on until it is told to stop, and is killed with the test.
struct Background {
    child: Child,
    directory: TempDir,
}

impl Background {
    fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name| File::create(directory.path().join(name)).expect("writable");
        let mut command = with_keys(Command::new(env!("CARGO_BIN_EXE_superblock")));
        command.args(arguments).stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        Self { child: command.spawn().expect("the binary runs"), directory }
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.directory.path().join("stderr")).expect("text")
    }

    /// Waits for a line with `needle` on standard error, and returns what follows it there.
    fn wait_for(&mut self, needle: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let stderr = self.stderr();
            if let Some((_, line)) = stderr.lines().find_map(|line| line.split_once(needle)) {
                return line.to_owned();
            }
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none() && Instant::now() < until, "{ended:?}, without {needle}: {stderr}");
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it ends by itself.
    fn output(mut self) -> Output {
        let until = Instant::now() + PATIENCE;
        let status: ExitStatus = loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => break status,
                None => assert!(Instant::now() < until, "it goes on: {}", self.stderr()),
            }
            sleep(Duration::from_millis(20));
        };
        let stdout = fs::read(self.directory.path().join("stdout")).expect("readable");
        Output { status, stdout, stderr: self.stderr().into_bytes() }
    }

    /// Asks it to stop, as a user at the keyboard does.
    fn interrupted(self) -> Output {
        interrupt(&self.child);
        self.output()
    }

    fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was started");
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // One that has ended needs no more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        sleep(Duration::from_millis(20));
    }
}

/// Asserts that none of the files below `directory` has a producer's secret, as bytes or as digits.
fn assert_no_secret(directory: &Path) {
    for path in files_below(directory) {
        assert!(!has_secret(&path), "{}", path.display());
    }
}

fn has_secret(path: &Path) -> bool {
    // A file that is gone by now was scratch space of the database's.
    let bytes = fs::read(path).unwrap_or_default();
    PRODUCER_SECRETS.iter().any(|digits| {
        // Every byte of a secret is the same, so it reads alike from both ends, and a half of it is enough.
        let half = &digits[..32];
        let raw = hex::decode(half).expect("digits");
        let limb = u64::from_be_bytes(raw[..8].try_into().expect("eight bytes")).to_string();
        [&raw[..], half.as_bytes(), limb.as_bytes()]
            .iter()
            .any(|needle| bytes.windows(needle.len()).any(|window| window == *needle))
    })
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    directories.iter().flat_map(|directory| files_below(directory)).chain(files).collect()
}

/// What a run's files say, without its store of proofs.
fn said_without_proofs(root: &Path) -> Said {
    said(root).into_iter().filter(|(path, _)| !path.starts_with("proofs")).collect()
}

fn error_of(arguments: &[&str], code: i32) -> String {
    let answer = json(&superblock(&[arguments, &["--json", "--quiet"]].concat()), code);
    answer["error"].as_str().expect("a message").to_owned()
}

#[test]
fn workers_and_helpers_make_the_superblocks_of_one_process_and_get_no_secret() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    write_scenario(root, 2);
    assert!(has_secret(&root.join("scenario.toml")), "secrets are found where they are");
    let (tasks, queue) = (root.join("tasks"), POSTGRES.connection());
    let data = queue.split(' ').find_map(|pair| pair.strip_prefix("host=")).expect("a directory").to_owned();
    let store = format!("file://{}", tasks.display());
    let shared = ["--queue", &queue, "--dead-after", DEAD_AFTER];
    let coordinate = || {
        let arguments = run_arguments(root);
        let arguments = arguments.each_ref().map(String::as_str);
        let coordinate = ["--store", &store, "--jobs", "0"];
        Background::start(&[&arguments[..], &shared, &coordinate].concat())
    };
    let worker = || Background::start(&[&["worker", "--json", "--jobs", "1"], &shared[..]].concat());
    let planned = |number: u32| {
        let names = fs::read_dir(tasks.join("graphs")).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        // A file that a killed process was writing has another ending.
        let is_plan =
            |name: &String| name.starts_with(&format!("superblock-{number}-")) && name.ends_with(".graph");
        names.filter(is_plan).count()
    };

    // The first worker is killed with its task.
    let mut killed = worker();
    let coordinator = coordinate();
    killed.wait_for(": proving ");
    assert!(!files_below(&tasks.join("inputs")).is_empty(), "there is a task");
    assert_no_secret(&tasks);
    killed.kill();

    // A helper does it, and is interrupted meanwhile.
    let (token, helpers, ledger) = (root.join("token"), root.join("helpers.toml"), root.join("ledger"));
    let admitted = superblock(&["helper", "token", "anna", "--out", text(&token)]);
    let line = String::from_utf8(admitted.stdout).expect("text");
    fs::write(&helpers, format!("[helpers]\n{line}")).expect("writable");
    let lend = ["--listen", "127.0.0.1:0", "--helpers", text(&helpers), "--ledger", text(&ledger)];
    let mut broker = Background::start(&[&["broker", "--json"], &shared[..], &lend].concat());
    let url = format!("http://{}", broker.wait_for("listening at "));
    let mut helper =
        Background::start(&["helper", "run", "--broker", &url, "--token-file", text(&token), "--json"]);
    helper.wait_for(": proving ");
    assert_eq!(json(&helper.interrupted(), 0), value!({ "ok": true, "proofs": 1 }));

    // The coordinator is killed when it has planned the second superblock, and a worker joins.
    wait_until("superblock 2 is planned", || planned(2) == 1);
    coordinator.kill();
    let worker = worker();
    json(&coordinate().output(), 0);
    assert_eq!(json(&worker.interrupted(), 0), value!({ "ok": true, "proofs": 1 }));
    let lent = json(&broker.interrupted(), 0);
    assert_eq!(lent["proofs"], 1, "{lent}");
    let counts = json(&superblock(&["helper", "counts", text(&ledger), "--json"]), 0);
    assert_eq!(counts["helpers"]["anna"].as_object().expect("circuits").values().collect::<Vec<_>>(), [1]);

    assert_eq!([planned(1), planned(2)], [1, 1], "nobody planned anew");
    let reference = out();
    assert_eq!(said_without_proofs(root), said_without_proofs(reference.parent().expect("its root")));
    assert_no_secret(&tasks);
    // With its log of every change.
    assert!(files_below(Path::new(&data)).len() > 100, "that is where the database is");
    assert_no_secret(Path::new(&data));
}

#[test]
fn a_connection_string_with_a_password_is_no_argument_and_none_is_repeated() {
    let secret = "postgres://someone:hunter2@localhost/tasks";
    for command in [
        &["worker"][..],
        &["broker", "--listen", "127.0.0.1:0", "--helpers", "helpers.toml", "--ledger", "ledger"],
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("helpers.toml"), "[helpers]\n").expect("writable");
        let call = |queue: &[&str], variable: Option<&str>| {
            let mut called = with_keys(Command::new(env!("CARGO_BIN_EXE_superblock")));
            called.args(command).args(queue).args(["--json", "--quiet"]).current_dir(directory.path());
            called.env_remove("SUPERBLOCK_QUEUE");
            called.envs(variable.map(|variable| ("SUPERBLOCK_QUEUE", variable)));
            called.output().expect("the binary runs")
        };
        let remote = "host=db.example user=u password=hunter2 dbname=tasks";
        for (queue, variable, code, part) in [
            (&[][..], None, 2, "SUPERBLOCK_QUEUE"),
            (&["--queue", secret], None, 2, "SUPERBLOCK_QUEUE"),
            (&["--queue", "hunter2"], None, 3, "malformed"),
            (&[], Some("hunter2"), 3, "malformed"),
            (&[], Some(remote), 3, "sslmode=require"),
            (&["--store", "file://hunter2@host/x"], Some(secret), 3, "--store: "),
        ] {
            let output = call(queue, variable);
            let answer = json(&output, code);
            let error = answer["error"].as_str().expect("a message");
            assert!(error.contains(part), "{error}");
            for printed in [&output.stdout, &output.stderr] {
                assert!(!String::from_utf8_lossy(printed).contains("hunter2"), "{error}");
            }
        }
    }
}

#[test]
fn a_queue_remembers_its_store_and_who_needs_one_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    write_scenario(root, 1);
    let queue = database("remembers");
    let arguments = run_arguments(root);
    let run = |extra: &[&str], code| {
        let arguments = arguments.each_ref().map(String::as_str);
        let answer = json(&superblock(&[&arguments[..], extra].concat()), code);
        answer["error"].as_str().expect("a message").to_owned()
    };
    let error = run(&["--jobs", "0"], 2);
    assert!(error.contains("--jobs 0"), "{error}");
    let error = run(&["--queue", &queue], 2);
    assert!(error.contains("--store URL"), "{error}");
    // A worker waits for one, and stops while it waits.
    let mut waiting = Background::start(&["worker", "--queue", &queue, "--json"]);
    waiting.wait_for("nobody has named the queue's store yet");
    let stopped = json(&waiting.interrupted(), 4);
    assert!(stopped["error"].as_str().is_some_and(|error| error.contains("stopped")), "{stopped}");
    let [first, second] = ["first", "second"].map(|name| format!("file://{}/{name}", root.display()));
    let named = Background::start(&["worker", "--queue", &queue, "--store", &first, "--json"]);
    let joined = Background::start(&["worker", "--queue", &queue, "--json"]);
    for mut worker in [named, joined] {
        worker.wait_for("taking tasks");
        assert_eq!(json(&worker.interrupted(), 0), value!({ "ok": true, "proofs": 0 }));
    }
    let error = error_of(&["worker", "--queue", &queue, "--store", &second], 4);
    assert!(error.contains(&first) && error.contains(&second), "{error}");

    // A database that is away is waited for, too.
    let away = format!("host={} user=superblock dbname=postgres", root.display());
    let mut waiting = Background::start(&["worker", "--queue", &away, "--json"]);
    waiting.wait_for("waiting");
    json(&waiting.interrupted(), 4);
}

#[test]
fn a_token_is_in_its_file_only_and_a_broker_knows_its_hash() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("token");
    let made = superblock(&["helper", "token", "anna_1", "--out", text(&path), "--json"]);
    let answer = json(&made, 0);
    let token = fs::read_to_string(&path).expect("written");
    assert_eq!((token.len(), token.trim().len()), (65, 64));
    assert!(!String::from_utf8_lossy(&made.stdout).contains(token.trim()));
    assert!(made.stderr.is_empty());
    assert_eq!(fs::metadata(&path).expect("written").permissions().mode() & 0o77, 0);
    assert_eq!(answer["hash"], hex::encode(sha3(token.trim().as_bytes())));

    let error = error_of(&["helper", "token", "anna", "--out", text(&path)], 3);
    assert!(error.contains("exists"), "{error}");
    assert_eq!(fs::read_to_string(&path).expect("still there"), token);
    let new = directory.path().join("new");
    let long = "x".repeat(65);
    for name in ["", "two words", "a\u{7}b", &long] {
        error_of(&["helper", "token", name, "--out", text(&new)], 3);
        assert!(!new.exists());
    }

    // A token is sent over TLS, or to this machine.
    let run =
        |url: &str, file: &Path| error_of(&["helper", "run", "--broker", url, "--token-file", text(file)], 3);
    let error = run("http://broker.example", &path);
    assert!(error.contains("https://"), "{error}");
    fs::write(&new, "\n").expect("writable");
    let error = run("http://127.0.0.1:1", &new);
    assert!(error.contains("no token"), "{error}");
    error_of(&["helper", "run", "--broker", "http://127.0.0.1:1", "--token-file", "no-such-file"], 3);
}

#[test]
fn a_broker_refuses_who_is_not_in_its_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let [token, helpers, ledger] =
        ["token", "helpers.toml", "ledger"].map(|name| directory.path().join(name));
    let (queue, store) = (database("refuses"), format!("file://{}/tasks", directory.path().display()));
    let lend = ["broker", "--queue", &queue, "--store", &store, "--helpers", text(&helpers)];
    let lend = [&lend[..], &["--ledger", text(&ledger), "--listen", "127.0.0.1:0"]].concat();
    error_of(&lend, 3);
    fs::write(&helpers, "[helpers]\nanna = \"abc\"\n").expect("writable");
    let error = error_of(&lend, 3);
    assert!(error.contains("anna") && !error.contains("abc"), "{error}");
    fs::write(&helpers, "[helpers]\n").expect("writable");
    let mut broker = Background::start(&[&lend[..], &["--json"]].concat());
    let url = format!("http://{}", broker.wait_for("listening at "));
    json(&superblock(&["helper", "token", "anna", "--out", text(&token), "--json"]), 0);
    let error = error_of(&["helper", "run", "--broker", &url, "--token-file", text(&token)], 3);
    assert!(error.contains("401"), "{error}");
    let secret = fs::read_to_string(&token).expect("written");
    assert!(!error.contains(secret.trim()), "{error}");
    // Two brokers do not answer at one address.
    let address = url.trim_start_matches("http://");
    let again = ["broker", "--queue", &queue, "--helpers", text(&helpers), "--ledger", text(&ledger)];
    error_of(&[&again[..], &["--listen", address]].concat(), 4);
    assert_eq!(json(&broker.interrupted(), 0)["proofs"], 0);
}

#[test]
fn a_ledger_is_summed_up_by_helper_and_circuit() {
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = directory.path().join("ledger");
    let line = |helper: &str, task: u32, provable: &str| {
        value!({ "helper": helper, "task": task.to_string(), "label": "l", "provable": provable, "memory": 1 })
            .to_string()
    };
    // A task that two helpers proved is the first one's, and a line that a crash cut off counts as none.
    let lines = [
        line("anna", 1, "fold"),
        line("anna", 2, "fold"),
        line("ben", 3, "leaf"),
        line("anna", 4, "leaf"),
        line("ben", 1, "fold"),
        "{\"helper\":\"ben\",".to_owned(),
    ];
    fs::write(&ledger, lines.join("\n")).expect("writable");
    let counts = json(&superblock(&["helper", "counts", text(&ledger), "--json"]), 0)["helpers"].clone();
    assert_eq!(counts, value!({ "anna": { "fold": 2, "leaf": 1 }, "ben": { "leaf": 1 } }));
    let people = superblock(&["helper", "counts", text(&ledger)]);
    let shown = String::from_utf8(people.stdout).expect("text");
    assert_eq!(shown.lines().count(), 4, "{shown}");
    let missing: Value = json(&superblock(&["helper", "counts", "no-such-file", "--json"]), 3);
    assert!(missing["error"].as_str().is_some_and(|error| error.contains("no-such-file")), "{missing}");
}
