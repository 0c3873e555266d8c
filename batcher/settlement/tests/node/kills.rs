//! The process is killed at every step that it takes.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use batcher_settlement::journal::Stage;

use crate::{
    anvil::KEY,
    deployment::{Deployment, POLICY, digest, settle},
    proxy::{self, Moment},
    support::GOOD_PROOF,
};

/// Says where the child's node, contract and journal are, and at which step it waits for its end.
const VARIABLES: [&str; 5] =
    ["SETTLE_URL", "SETTLE_CONTRACT", "SETTLE_JOURNAL", "SETTLE_STEP", "SETTLE_NUMBER"];
const DEPLOYMENT: &str = "SETTLE_DEPLOYMENT";
const ROOT: &str = "SETTLE_ROOT";

/// Starts a process that settles one superblock through the node at `url`, and waits for its end before its `step`th event.
fn start(deployment: &Deployment, url: &str, journal: &str, number: u32, step: usize) -> Child {
    let values = [
        url.to_owned(),
        deployment.deployed.settlement.to_string(),
        journal.to_owned(),
        step.to_string(),
        number.to_string(),
    ];
    Command::new(env::current_exe().expect("a test"))
        .args(["--exact", "kills::child", "--ignored", "--nocapture"])
        .envs(VARIABLES.into_iter().zip(values))
        .env(DEPLOYMENT, deployment.deployed.deployment.to_string())
        .env(ROOT, deployment.root.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the test runs itself")
}

/// Settles one superblock in a process of its own that is killed before it goes on from its `step`th event. Returns whether it came
/// so far.
fn settle_and_die(deployment: &Deployment, journal: &str, number: u32, step: usize) -> bool {
    let mut child = start(deployment, &deployment.node.url(), journal, number, step);
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let came = lines.map_while(Result::ok).any(|line| line.contains("at the step"));
    // The kernel's own end of a process: nothing of it runs any more.
    child.kill().expect("it can be killed");
    child.wait().expect("it ended");
    came
}

#[test]
#[ignore = "the other tests of this file run it in a process of its own"]
fn child() {
    let [url, contract, journal, step, number] =
        VARIABLES.map(|name| env::var(name).expect("the parent sets it"));
    let (step, number): (usize, u32) = (step.parse().expect("a number"), number.parse().expect("a number"));
    let event = AtomicUsize::new(0);
    let listener = |_: &_| {
        if event.fetch_add(1, Ordering::Relaxed) == step {
            println!("at the step");
            std::io::stdout().flush().expect("a parent");
            thread::sleep(Duration::from_secs(600));
        }
    };
    let statement = crate::deployment::statement(
        env::var(DEPLOYMENT).expect("set").parse().expect("a number"),
        env::var(ROOT).expect("set").parse().expect("a digest"),
        number,
        digest(if number == 1 { 0 } else { u64::from(number) - 1 }),
        digest(number.into()),
    );
    let superblock = batcher_settlement::superblock::Superblock::new(&statement, &[]).expect("it fits");
    let contract = contract.parse().expect("an address");
    settle(&url, contract, &GOOD_PROOF, KEY, &[superblock], journal.as_ref(), POLICY, &listener)
        .expect("it settles");
}

#[test]
fn killed_at_any_step_the_job_goes_on_and_settles_once() {
    let deployment = Deployment::new();
    let directory = tempfile::tempdir().expect("a directory");
    let journal = directory.path().to_str().expect("UTF-8");
    let _miner = deployment.miner();
    let mut number = 0;
    for step in 0.. {
        number += 1;
        let killed = settle_and_die(&deployment, journal, number, step);
        let states = [u64::from(number) - 1, u64::from(number)].map(digest);
        let superblock = deployment.superblock(number, states[0], states[1]);
        let records = deployment.settle(&[superblock], directory.path()).expect("it goes on");
        assert_eq!(records[0].stage, Stage::Final);
        if !killed {
            break;
        }
        assert!(step < 100, "the job never ends");
    }
    assert!(number >= 6, "planned, proven, signed, sent, included, final: {number} steps");
    let all: Vec<_> = (1..=number).collect();
    assert_eq!(deployment.settlements(), all, "each once");
}

#[test]
fn killed_at_one_step_after_the_other_the_job_settles_once() {
    let deployment = Deployment::new();
    let directory = tempfile::tempdir().expect("a directory");
    let journal = directory.path().to_str().expect("UTF-8");
    let _miner = deployment.miner();
    for step in 0..6 {
        settle_and_die(&deployment, journal, 1, step);
    }
    let records = deployment.settle(&deployment.chain(1..=1, 0), directory.path()).expect("it goes on");
    assert_eq!(records[0].stage, Stage::Final);
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn killed_around_the_sending_the_job_settles_once() {
    let deployment = Deployment::new();
    let _miner = deployment.miner();
    for (number, moment) in (1..).zip([Moment::BeforeSending, Moment::AfterSending]) {
        let directory = tempfile::tempdir().expect("a directory");
        let journal = directory.path().to_str().expect("UTF-8");
        let killed = proxy::kill_at(deployment.node.port, moment, |url| {
            start(&deployment, url, journal, number, usize::MAX)
        });
        assert!(killed, "it sends");
        let [before, after] = [number - 1, number].map(|number| digest(number.into()));
        let superblock = deployment.superblock(number, before, after);
        let records = deployment.settle(&[superblock], directory.path()).expect("it goes on");
        assert_eq!((records[0].stage, records[0].attempts.len()), (Stage::Final, 1), "{moment:?}");
    }
    assert_eq!(deployment.settlements(), [1, 2]);
}

#[test]
fn killed_between_a_proof_and_its_record_the_job_proves_again() {
    let deployment = Deployment::new();
    let directory = tempfile::tempdir().expect("a directory");
    let _miner = deployment.miner();
    // The first event is the record of a superblock that is planned.
    assert!(settle_and_die(&deployment, directory.path().to_str().expect("UTF-8"), 1, 0));
    fs::write(directory.path().join("superblock-000001.proof"), "0x0102").expect("writable");
    let records = deployment.settle(&deployment.chain(1..=1, 0), directory.path()).expect("it goes on");
    assert_eq!((records[0].stage, deployment.settlements()), (Stage::Final, vec![1]));
}
