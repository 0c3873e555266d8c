//! `superblock environment`: a producer publishes blocks that nobody has proved, and another process follows them.
#![cfg(unix)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use circuits_files::faults::KILL_AFTER;
use serde_json::Value;
use tempfile::TempDir;

use crate::counters::{CHAIN_ID, files, json, superblock, text, with_keys};

/// More durable steps than a call takes.
const MAX_STEPS: u64 = 200;

/// How long a follower may take for a block.
const PATIENCE: Duration = Duration::from_secs(30);

/// A counter, its producer's directory and its followers'.
pub(crate) struct Deployment {
    root: TempDir,
    producer: String,
    signing_key: String,
}

impl Deployment {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        fs::write(root.path().join("genesis.json"), "{\"start\": 100}").expect("writable");
        fs::write(root.path().join("secret"), format!("{:064}\n", 7)).expect("writable");
        let named =
            json(&superblock(&["registry", "producer", text(&root.path().join("secret")), "--json"]), 0);
        let field = |name: &str| named[name].as_str().expect("text").to_owned();
        Self { producer: field("producer"), signing_key: field("signing_key"), root }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn arguments(&self, command: &str, more: &[&str]) -> Vec<String> {
        let genesis = self.path("genesis.json");
        let chain_id = CHAIN_ID.to_string();
        let place = ["environment", command, "--kind", "counter", "--environment", "3", "--json"];
        let start = ["--chain-id", &chain_id, "--genesis", text(&genesis)];
        [&place[..], &start, more].concat().into_iter().map(str::to_owned).collect()
    }

    /// The answer of a call that ends with `code`.
    fn call(&self, command: &str, more: &[&str], code: i32) -> Value {
        let arguments = self.arguments(command, more);
        json(&superblock(&arguments.iter().map(String::as_str).collect::<Vec<_>>()), code)
    }

    /// Proposes a block of one addition.
    pub(crate) fn produce(&self, add: u64, more: &[&str]) -> Value {
        let lines = self.path("lines.jsonl");
        fs::write(&lines, format!("{{\"add\": {add}}}\n")).expect("writable");
        let (secret, state) = (self.path("secret"), self.path("producer"));
        let own = ["--secret", text(&secret), "--state", text(&state), "--transactions", text(&lines)];
        self.call("produce", &[&own, more].concat(), 0)
    }

    fn produce_refused(&self, more: &[&str]) -> String {
        let (secret, state) = (self.path("secret"), self.path("producer"));
        let own = ["--secret", text(&secret), "--state", text(&state)];
        let refused = self.call("produce", &[&own, more].concat(), 3);
        refused["error"].as_str().expect("text").to_owned()
    }

    pub(crate) fn follower_arguments(&self, state: &Path, more: &[&str]) -> Vec<String> {
        let blocks = self.path("producer/proposed");
        let own = ["--blocks", text(&blocks), "--state", text(state)];
        let whose = ["--producer", &self.producer, "--signing-key", &self.signing_key];
        self.arguments("follow", &[&own, &whose[..], more].concat())
    }

    fn follow(&self, state: &Path, more: &[&str], code: i32) -> Value {
        let arguments = self.follower_arguments(state, more);
        json(&superblock(&arguments.iter().map(String::as_str).collect::<Vec<_>>()), code)
    }

    /// A registry with the environment and its producer.
    fn registry(&self) -> PathBuf {
        let (secret, own, file) = (self.path("secret"), self.path("producer"), self.path("registry"));
        let arguments = ["--secret", text(&secret), "--state", text(&own), "--no-block"];
        let genesis = self.call("produce", &arguments, 0);
        let registry = |command: &str, more: &[&str]| {
            json(&superblock(&[&["registry", command, text(&file), "--json"], more].concat()), 0);
        };
        registry("make", &["--chain-id", &CHAIN_ID.to_string()]);
        let (genesis, kernel) = (genesis["state"].as_str().expect("text"), format!("{:064}", 1));
        let place = ["--environment", "3", "--genesis-state", genesis, "--kernel", &kernel];
        let whose = ["--producer", &self.producer, "--signing-key", &self.signing_key];
        registry("add", &[&place[..], &whose].concat());
        file
    }

    /// A follower that goes on in a process of its own.
    fn watch(&self, state: &Path) -> Child {
        Self::spawn(&self.follower_arguments(state, &["--watch", "--quiet"]))
    }

    fn spawn(arguments: &[String]) -> Child {
        let mut command = with_keys(Command::new(env!("CARGO_BIN_EXE_superblock")));
        command.args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
    }
}

/// Waits until a follower is at a height, and returns where it is.
fn wait_for(state: &Path, height: u64) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let output = superblock(&["environment", "status", text(state), "--json"]);
        if output.status.success() {
            let status = json(&output, 0);
            if status["height"] == height {
                return status;
            }
        }
        assert!(Instant::now() < end, "height {height} is not reached: {output:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_call_that_is_refused_halfway_can_be_made_again() {
    let deployment = Deployment::new();
    deployment.produce(5, &[]);
    let error = deployment.produce_refused(&["--confirm", "1", "--rollback", "9"]);
    assert!(error.contains("no proposed block has height 9"), "{error}");
    let (secret, state) = (deployment.path("secret"), deployment.path("producer"));
    let own = ["--secret", text(&secret), "--state", text(&state), "--confirm", "1", "--no-block"];
    assert_eq!(deployment.call("produce", &own, 0)["height"], 1);
}

#[test]
fn a_follower_starts_from_the_state_of_another_one_and_from_nothing_else() {
    let deployment = Deployment::new();
    let [first, late, file] = ["first", "late", "snapshot"].map(|name| deployment.path(name));
    deployment.produce(5, &[]);
    let followed = deployment.follow(&first, &[], 0);
    let state = followed["state"].as_str().expect("text");
    let exported = deployment.call("export", &["--state", text(&first), text(&file)], 0);
    assert_eq!((exported["height"].as_u64(), &exported["state"]), (Some(1), &followed["state"]));
    let again = deployment.call("export", &["--state", text(&late), text(&file)], 3);
    assert!(again["error"].as_str().is_some_and(|error| error.contains("late")), "{again}");
    let shown = json(&superblock(&["inspect", text(&file), "--json"]), 0);
    assert!(shown.to_string().contains(state), "{shown}");

    let import = |commitment: &str, code| {
        let own = ["--state", text(&late), "--commitment", commitment, text(&file)];
        deployment.call("import", &own, code)
    };
    let refused = import(&format!("{:064}", 1), 3);
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("expected")), "{refused}");
    assert!(!late.join("follower.redb").exists());
    assert_eq!(import(state, 0)["height"], 1);
    assert_eq!(import(state, 3)["ok"], false, "there is a follower");
    deployment.produce(6, &[]);
    let [one, other] = [&first, &late].map(|state| deployment.follow(state, &[], 0));
    assert_eq!((other["height"].as_u64(), &other["state"]), (Some(2), &one["state"]));
}

#[test]
fn a_block_is_published_before_it_is_proved_and_another_process_follows_it() {
    let deployment = Deployment::new();
    let state = deployment.path("follower");
    let first = deployment.produce(5, &[]);
    assert_eq!((first["height"].as_u64(), first["included"].as_array().map(Vec::len)), (Some(1), Some(1)));
    let mut follower = deployment.watch(&state);
    assert_eq!(wait_for(&state, 1)["state"], first["state"]);
    let second = deployment.produce(6, &[]);
    let status = wait_for(&state, 2);
    assert_eq!((&status["state"], &status["blocks"][1]["stage"]), (&second["state"], &"proposed".into()));

    // Two followers do not share a directory.
    let refused = deployment.follow(&state, &[], 4);
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("another process")), "{refused}");

    // A kill is no harm: what comes meanwhile is followed later.
    follower.kill().expect("a child");
    follower.wait().expect("a child");
    let third = deployment.produce(7, &[]);
    assert_eq!(wait_for(&state, 2)["state"], second["state"]);
    let follower = deployment.watch(&state);
    assert_eq!(wait_for(&state, 3)["state"], third["state"]);
    let sent = Command::new("kill").args(["-INT", &follower.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
    let answer = json(&follower.wait_with_output().expect("a child"), 0);
    assert_eq!((&answer["height"], &answer["applied"]), (&3.into(), &1.into()));
}

#[test]
fn a_producer_goes_on_where_it_was_and_what_it_signs_twice_is_listed() {
    let deployment = Deployment::new();
    let state = deployment.path("follower");
    deployment.produce(5, &[]);
    deployment.follow(&state, &[], 0);
    // Two blocks of height 1.
    let other = deployment.produce(6, &["--rollback", "1"]);
    assert_eq!((&other["height"], &other["included"]), (&1.into(), &serde_json::json!([0, 1])));
    let followed = deployment.follow(&state, &[], 0);
    assert_eq!((&followed["applied"], followed["rivals"].as_array().map(Vec::len)), (&0.into(), Some(1)));
    let followed = deployment.follow(&state, &["--strict"], 1);
    assert_eq!(followed["rivals"][0]["height"], 1);
    // It goes on with the second one, and so does the follower.
    let next = deployment.produce(7, &["--confirm", "1"]);
    let followed = deployment.follow(&state, &[], 0);
    assert_eq!((&followed["applied"], &followed["state"]), (&2.into(), &next["state"]));
    let refused = deployment.produce_refused(&["--rollback", "1"]);
    assert!(refused.contains("no proposed block has height 1"), "{refused}");

    // A block as people see it.
    let files = files(&deployment.path("producer/proposed"));
    let (file, _) = files.first_key_value().expect("a block");
    let shown = json(&superblock(&["inspect", text(file), "--json"]), 0);
    assert_eq!(shown["content"]["statement"]["first_height"], 1);
    assert_eq!(shown["content"]["chain_id"], CHAIN_ID);
}

#[test]
fn a_call_that_is_killed_at_any_durable_step_has_submitted_and_proposed_or_neither() {
    let deployment = Deployment::new();
    deployment.produce(5, &[]);
    let [secret, state, lines] = ["secret", "producer", "lines.jsonl"].map(|name| deployment.path(name));
    let own = ["--secret", text(&secret), "--state", text(&state)];
    let arguments = deployment.arguments("produce", &[&own[..], &["--transactions", text(&lines)]].concat());
    let mut height = 1;
    for step in 0..MAX_STEPS {
        let mut command = with_keys(Command::new(env!("CARGO_BIN_EXE_superblock")));
        let ended = command.args(&arguments).env(KILL_AFTER, step.to_string()).output().expect("it runs");
        let now = deployment.call("produce", &[&own[..], &["--no-block"]].concat(), 0);
        let found = now["height"].as_u64().expect("a height");
        assert_eq!(
            now["pending"], 0,
            "step {step}: what is submitted waits, and who repeats the call submits it again"
        );
        assert!([height, height + 1].contains(&found), "step {step}: from {height} to {found}");
        height = found;
        let proposed = files(&deployment.path("producer/proposed"));
        let blocks = proposed.keys().filter(|path| path.extension().is_some_and(|end| end == "superblock"));
        assert_eq!(blocks.count() as u64, height, "step {step}");
        if ended.status.success() {
            assert!(step > 4, "a block is made in {step} steps");
            return;
        }
        assert_eq!(ended.status.signal(), Some(9), "step {step}: {ended:?}");
    }
    panic!("a block takes more than {MAX_STEPS} steps");
}

#[test]
fn whose_blocks_are_followed_is_said_by_a_registry_or_by_name() {
    let deployment = Deployment::new();
    let (secret, own) = (deployment.path("secret"), deployment.path("producer"));
    let (file, state, blocks) =
        (deployment.path("registry"), deployment.path("follower"), deployment.path("producer/proposed"));
    let arguments = ["--secret", text(&secret), "--state", text(&own), "--no-block"];
    let genesis = deployment.call("produce", &arguments, 0);
    assert_eq!((&genesis["height"], &genesis["published"]), (&0.into(), &serde_json::json!([])));
    deployment.produce(5, &[]);
    let registry = |command: &str, more: &[&str]| {
        json(&superblock(&[&["registry", command, text(&file), "--json"], more].concat()), 0);
    };
    registry("make", &["--chain-id", &CHAIN_ID.to_string()]);
    let add = |id: &str, genesis: &str| {
        let kernel = format!("{:064}", 1);
        let place = ["--environment", id, "--genesis-state", genesis, "--kernel", &kernel];
        let whose = ["--producer", &deployment.producer, "--signing-key", &deployment.signing_key];
        registry("add", &[&place[..], &whose].concat());
    };
    let by_registry = ["--blocks", text(&blocks), "--state", text(&state), "--registry", text(&file)];
    let unknown = deployment.call("follow", &by_registry, 3);
    assert!(unknown["error"].as_str().is_some_and(|error| error.contains("environment 3")), "{unknown}");
    add("3", genesis["state"].as_str().expect("text"));
    let superblocks = deployment.path("superblocks");
    let all = [&by_registry[..], &["--bundles", text(&blocks), "--superblocks", text(&superblocks)]].concat();
    let missing = deployment.call("follow", &all, 4);
    assert!(missing["error"].as_str().is_some_and(|error| error.contains("superblocks")), "{missing}");
    fs::create_dir(&superblocks).expect("writable");
    let followed = deployment.call("follow", &all, 0);
    assert_eq!((&followed["height"], &followed["batched"]), (&1.into(), &Value::Null));

    // Another genesis is not the registry's, and another producer's blocks are not followed.
    fs::write(deployment.path("genesis.json"), "{\"start\": 101}").expect("writable");
    let other = deployment.call("follow", &by_registry, 3);
    assert!(other["error"].as_str().is_some_and(|error| error.contains("the registry says")), "{other}");
    fs::write(deployment.path("genesis.json"), "{\"start\": 100}").expect("writable");
    fs::write(&secret, format!("{:064}\n", 8)).expect("writable");
    let named = json(&superblock(&["registry", "producer", text(&secret), "--json"]), 0);
    let [producer, key] = ["producer", "signing_key"].map(|name| named[name].as_str().expect("text"));
    let stranger = deployment.path("stranger");
    let by_name =
        ["--blocks", text(&blocks), "--state", text(&stranger), "--producer", producer, "--signing-key", key];
    let followed = deployment.call("follow", &by_name, 0);
    assert_eq!((&followed["height"], followed["refused"].as_array().map(Vec::len)), (&0.into(), Some(1)));
    let nobody = deployment.arguments("follow", &["--blocks", text(&blocks), "--state", text(&state)]);
    let output = superblock(&nobody.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(2), "somebody's blocks are followed");
}

#[test]
fn a_directory_that_cannot_be_read_for_a_while_is_a_warning_to_a_follower_that_goes_on() {
    let deployment = Deployment::new();
    let registry = deployment.registry();
    deployment.produce(5, &[]);
    let [state, blocks, bundles, superblocks, aside] =
        ["follower", "producer/proposed", "bundles", "superblocks", "aside"]
            .map(|name| deployment.path(name));
    let own = ["--blocks", text(&blocks), "--state", text(&state), "--registry", text(&registry)];
    let more = ["--bundles", text(&bundles), "--superblocks", text(&superblocks)];
    let all = [&own[..], &more].concat();
    fs::create_dir(&superblocks).expect("writable");
    for extra in [&[][..], &["--watch"]] {
        let refused = deployment.call("follow", &[&all, extra].concat(), 3);
        assert!(refused["error"].as_str().is_some_and(|error| error.contains("bundles")), "{refused}");
    }
    fs::create_dir(&bundles).expect("writable");
    let follow = [&all[..], &["--watch", "--quiet"]].concat();
    let mut follower = Deployment::spawn(&deployment.arguments("follow", &follow));
    let mut warnings = BufReader::new(follower.stderr.take().expect("piped"));
    wait_for(&state, 1);
    // The first one is looked at again before the warning of the second one.
    for directory in [&blocks, &bundles] {
        fs::rename(directory, aside.with_extension(directory.file_name().expect("named"))).expect("writable");
        let mut warning = String::new();
        warnings.read_line(&mut warning).expect("text");
        assert!(warning.starts_with("warning: ") && warning.contains(text(directory)), "{warning}");
    }
    for directory in [&blocks, &bundles] {
        fs::rename(aside.with_extension(directory.file_name().expect("named")), directory).expect("writable");
    }
    deployment.produce(6, &[]);
    wait_for(&state, 2);
    let sent = Command::new("kill").args(["-INT", &follower.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
    let mut rest = String::new();
    warnings.read_to_string(&mut rest).expect("text");
    assert!(!rest.contains("warning"), "{rest}");
    assert_eq!(json(&follower.wait_with_output().expect("a child"), 0)["height"], 2);
}
