//! `superblock environment` on a file system that is full: wherever that stops a command, the same one goes on when there is room.

use std::{
    env,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::{
    counters::{files, json as answer, superblock, text},
    environments::Deployment,
};

/// Says to this test's own process, started again, where the file system is that it fills.
const DISK: &str = "SUPERBLOCK_TEST_DISK";
/// Bytes of the file system: more than anything here takes.
const DISK_BYTES: u64 = 8 << 20;
/// Bytes that a file takes at least, and by which the room grows from one try to the next.
const PAGE: u64 = 4 << 10;
/// More pages than a call takes.
const MAX_PAGES: u64 = 200;

/// The named test of this process, in a process of its own, with a small file system in memory that nobody else sees.
fn on_a_small_disk(test: &str) {
    let disk = tempfile::tempdir().expect("a directory");
    let in_namespace = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]).arg(disk.path());
        command
    };
    let mount = format!("mount -t tmpfs -o size={DISK_BYTES} none \"$1\"");
    let probe = in_namespace(&mount).output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        println!("not run: nobody may mount a file system here: {probe:?}");
        return;
    }
    let mut command = in_namespace(&format!("{mount} && shift && exec \"$@\""));
    command.arg(env::current_exe().expect("this test")).args([test, "--exact", "--ignored", "--nocapture"]);
    let ended = command.env(DISK, disk.path()).output().expect("it starts");
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

/// The file system that is filled.
struct Disk(PathBuf);

impl Disk {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Fills the file system up to so many pages.
    fn leave(&self, pages: u64) {
        let mut ballast = File::create(self.path("ballast")).expect("a file takes no page");
        let full = loop {
            if let Err(error) = ballast.write_all(&[0; PAGE as usize]) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        let taken = ballast.metadata().expect("readable").len();
        ballast.set_len(taken - pages * PAGE).expect("it gets smaller");
    }

    fn make_room(&self) {
        fs::remove_file(self.path("ballast")).expect("it is there");
    }
}

fn called(arguments: &[String]) -> Output {
    superblock(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Checks that a call says which file in `directory` could not be written, and returns what it says.
fn full(output: &Output, directory: &Path) -> String {
    let error = answer(output, 4)["error"].as_str().expect("a message").to_owned();
    assert!(error.contains(text(directory)) && error.contains("No space left on device"), "{error}");
    error
}

/// Whether nothing half-written lies beside the database in `directory`.
fn has_only(database: &str, directory: &Path) -> bool {
    files(directory).keys().all(|path| path.ends_with(database))
}

/// Proposes a block of one addition, of the producer in `state`.
fn produce(deployment: &Deployment, state: &Path) -> Output {
    let (secret, lines) = (deployment.path("secret"), deployment.path("lines.jsonl"));
    let own = ["--secret", text(&secret), "--state", text(state), "--transactions", text(&lines)];
    called(&deployment.arguments("produce", &own))
}

/// What is published in `state`, by name. There is nothing else, and all of it is whole.
fn published(state: &Path) -> Vec<(String, Vec<u8>)> {
    let proposed = state.join("proposed");
    if !proposed.exists() {
        return vec![];
    }
    let named = |(path, bytes): (PathBuf, Vec<u8>)| {
        answer(&superblock(&["inspect", text(&path), "--json"]), 0);
        (path.file_name().expect("a file").to_string_lossy().into_owned(), bytes)
    };
    files(&proposed).into_iter().map(named).collect()
}

/// Where a call has left its producer.
fn place(answer: &Value) -> [&Value; 3] {
    ["height", "state", "pending"].map(|field| &answer[field])
}

/// Proposes a block in `state` where so many pages are left, and the same one in `reference`, where there is room. Returns
/// whether the first one was stopped, which then has gone on.
fn is_stopped(deployment: &Deployment, disk: &Disk, pages: u64, [state, reference]: [&Path; 2]) -> bool {
    let undisturbed = || answer(&produce(deployment, reference), 0);
    disk.leave(pages);
    let output = produce(deployment, state);
    let stopped = !output.status.success();
    let (found, expected) = if stopped {
        let error = full(&output, state);
        let there = published(state);
        assert!(has_only("producer.redb", state), "{pages} pages: {error}");
        disk.make_room();
        // A block that is stored before it is published is made, and the call that follows makes another one.
        if error.contains("what the call did is stored") {
            undisturbed();
        }
        let again = answer(&produce(deployment, state), 0);
        let expected = undisturbed();
        let all = published(reference);
        assert!(there.iter().all(|file| all.contains(file)), "{pages} pages: {error}");
        (again, expected)
    } else {
        disk.make_room();
        (answer(&output, 0), undisturbed())
    };
    assert_eq!(place(&found), place(&expected), "{pages} pages");
    assert_eq!(published(state), published(reference), "{pages} pages");
    stopped
}

#[test]
#[ignore = "another test runs it as its child"]
fn child_that_produces() {
    let disk = Disk(env::var_os(DISK).expect("a file system").into());
    let deployment = Deployment::new();
    fs::write(deployment.path("lines.jsonl"), "{\"add\": 5}\n").expect("writable");
    let stopped = |pages: u64, names: [&str; 2]| {
        let [state, reference] = [disk.path(names[0]), deployment.path(names[1])];
        is_stopped(&deployment, &disk, pages, [&state, &reference])
    };
    // A new producer each time.
    let pages = (0..MAX_PAGES).find(|&pages| {
        let stopped = stopped(pages, ["new", &format!("new-{pages}")]);
        fs::remove_dir_all(disk.path("new")).expect("it is there");
        !stopped
    });
    assert!(pages.is_some_and(|pages| pages > 10), "a producer is made in {pages:?} pages");
    // One that lasts.
    let pages = (0..MAX_PAGES).find(|&pages| !stopped(pages, ["old", "old"]));
    assert!(pages.is_some_and(|pages| pages > 0), "a block takes {pages:?} pages");
}

#[test]
fn a_producer_on_a_full_disk_loses_nothing_and_the_same_command_goes_on() {
    on_a_small_disk("full_disk::child_that_produces");
}

/// Height of the chain that a follower leaves: so many blocks that the room in its database is not enough to turn.
const LEFT: u64 = 60;

/// Copies the files of a directory to a new one, where pages without content take no room either.
fn copy_sparse(from: &Path, to: &Path) {
    fs::create_dir(to).expect("writable");
    for (path, bytes) in files(from) {
        let copy = File::create(to.join(path.file_name().expect("a file"))).expect("writable");
        copy.set_len(bytes.len() as u64).expect("writable");
        for (place, page) in (0..).step_by(PAGE as usize).zip(bytes.chunks(PAGE as usize)) {
            if page.iter().any(|byte| *byte != 0) {
                copy.write_all_at(page, place).expect("there is room");
            }
        }
    }
}

/// Where a follower is, without what a call counts.
fn status(state: &Path) -> Value {
    answer(&superblock(&["environment", "status", text(state), "--json"]), 0)
}

#[test]
#[ignore = "another test runs it as its child"]
fn child_that_follows() {
    let disk = Disk(env::var_os(DISK).expect("a file system").into());
    let deployment = Deployment::new();
    let follow = |state: &Path| called(&deployment.follower_arguments(state, &[]));
    for add in 1..=LEFT {
        deployment.produce(add, &[]);
    }
    let old = deployment.path("old");
    answer(&follow(&old), 0);
    let old_place = status(&old);
    // The producer goes back, and on to more than it had.
    deployment.produce(1, &["--rollback", "2"]);
    let mut produced = Value::Null;
    for add in 2..=LEFT {
        produced = deployment.produce(add, &[]);
    }
    for (name, start) in [("new", None), ("turning", Some(&old))] {
        let reference = deployment.path(name);
        let begin = |state: &Path| start.into_iter().for_each(|start| copy_sparse(start, state));
        begin(&reference);
        let followed = answer(&follow(&reference), 0);
        assert_eq!((&followed["height"], &followed["state"]), (&json!(LEFT + 1), &produced["state"]));
        let expected = status(&reference);
        let mut unturned = 0;
        let pages = (0..MAX_PAGES).find(|&pages| {
            let state = disk.path(name);
            begin(&state);
            disk.leave(pages);
            let output = follow(&state);
            let stopped = !output.status.success();
            if stopped {
                let error = full(&output, &state);
                assert!(has_only("follower.redb", &state), "{name}, {pages} pages: {error}");
                if state.join("follower.redb").exists() {
                    // It can be asked though nothing can be written.
                    let place = status(&state);
                    let is_unturned = start.is_some() && place["height"].as_u64() <= Some(LEFT);
                    assert!(!is_unturned || place == old_place, "{name}, {pages} pages: {place}");
                    unturned += u32::from(is_unturned);
                }
            }
            disk.make_room();
            if stopped {
                answer(&follow(&state), 0);
            }
            assert_eq!(status(&state), expected, "{name}, {pages} pages");
            fs::remove_dir_all(&state).expect("it is there");
            !stopped
        });
        assert!(pages.is_some_and(|pages| pages > 1), "{name}: all blocks are followed in {pages:?} pages");
        assert!(unturned > 1 || start.is_none(), "there is always room to turn");
    }
}

#[test]
fn a_follower_on_a_full_disk_loses_nothing_and_the_same_command_goes_on() {
    on_a_small_disk("full_disk::child_that_follows");
}
