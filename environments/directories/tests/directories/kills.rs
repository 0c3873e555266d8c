//! A producer and its follower, killed at random moments: nothing is lost, and nothing is done twice.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread::sleep,
    time::Duration,
};

use circuits_core::amount::Amount;
use circuits_keys::CircuitCache;
use environments_conformance::{CHAIN_ID, id, secret};
use environments_core::Environment as _;
use environments_counter::{Counter, CounterState};
use environments_directories::{FollowerDirectory, ProducerDirectory};

use crate::{CHILD, alone, child, counter, is_killed, open, submit};

/// The environment variable with the number of kills, where more are wanted than in every run of the tests.
const KILLS: &str = "SUPERBLOCK_TEST_KILLS";
/// The longest life of a process.
const LIFE: Duration = Duration::from_millis(60);
/// What every transaction adds, so that the count says how many there are in blocks.
const ONE: &str = "{\"add\": 1}";

fn kills() -> u32 {
    env::var(KILLS).ok().and_then(|kills| kills.parse().ok()).unwrap_or(40)
}

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn directories() -> [PathBuf; 2] {
    let directory = PathBuf::from(env::var_os(CHILD).expect("a directory"));
    ["producer", "follower"].map(|name| directory.join(name))
}

fn open_follower(directory: &Path) -> FollowerDirectory {
    let follower = counter(CHAIN_ID, id(0), 99).follower();
    FollowerDirectory::open(directory, follower, vec![secret(0).producer()]).unwrap()
}

fn propose(producer: &mut ProducerDirectory) {
    producer.step(|producer| producer.propose_block().map(drop)).unwrap().unwrap();
}

/// Not a test of its own: a producer that goes on until it is killed.
#[test]
#[ignore = "other tests run it as their child"]
fn child_that_produces_without_end() {
    let [directory, _] = directories();
    let mut producer = open(&directory).unwrap();
    let mut numbers =
        Numbers(u64::from(producer.producer().height()) << 32 | producer.producer().pending() as u64);
    loop {
        let height = producer.producer().height();
        let proposed = producer.producer().statements().len() as u32;
        match numbers.below(8) {
            0..3 => submit(&mut producer, &[ONE; 3].join("\n")).unwrap(),
            3..5 => propose(&mut producer),
            5 => drop(producer.publish().unwrap()),
            6 if proposed > 2 => {
                producer.publish().unwrap();
                producer.step(|producer| producer.confirm(height - 2)).unwrap().unwrap();
            }
            7 if proposed > 0 => {
                producer.step(|producer| producer.rollback(height).map(drop)).unwrap().unwrap();
            }
            _ => {}
        }
    }
}

/// Not a test of its own: a follower that looks until it is killed.
#[test]
#[ignore = "other tests run it as their child"]
fn child_that_follows_without_end() {
    let [producer, directory] = directories();
    let mut follower = open_follower(&directory);
    loop {
        follower.look(&producer.join("proposed"), None).unwrap();
    }
}

#[test]
fn processes_that_are_killed_at_random_moments_lose_nothing_and_do_nothing_twice() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("producer/proposed")).unwrap();
    let tests = ["kills::child_that_produces_without_end", "kills::child_that_follows_without_end"];
    let start = |test: &&str| {
        let mut command = child(test, directory.path(), None);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let end = |mut process: Child| {
        process.kill().unwrap();
        let output = process.wait_with_output().unwrap();
        assert!(is_killed(&output), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let mut numbers = Numbers(7);
    let mut running = tests.each_ref().map(|test| Some(start(test)));
    for _ in 0..kills() {
        sleep(LIFE.mul_f64(numbers.below(1000) as f64 / 1000.0));
        let victim = numbers.below(2) as usize;
        if let Some(killed) = running[victim].take() {
            end(killed);
        }
        // Two of one sort do not work together.
        running[victim] = Some(start(&tests[victim]));
    }
    running.into_iter().flatten().for_each(end);

    let mut producer = open(&directory.path().join("producer")).unwrap();
    // What waits fits into these blocks, and the chain is the highest one.
    while producer.producer().pending() > 0 {
        propose(&mut producer);
    }
    propose(&mut producer);
    propose(&mut producer);
    producer.publish().unwrap();
    let mut follower = open_follower(&directory.path().join("follower"));
    follower.look(&producer.proposed(), None).unwrap();
    let (height, state) = (producer.producer().height(), producer.producer().commitment());
    assert_eq!((follower.height(), follower.commitment()), (height, state));

    // Names are given once, to each transaction that is accepted.
    let submission = producer.step(|producer| producer.submit_lines(&CircuitCache::default(), ONE)).unwrap();
    let [(_, accepted)] = submission.accepted[..] else { panic!("{submission:?}") };
    let environment = Counter::new(CHAIN_ID, id(0), secret(0), Amount::ZERO).unwrap();
    let value = Amount::new(accepted).unwrap();
    assert_eq!(
        environment.commitment(&CounterState { height, value }),
        state,
        "of {accepted} at height {height}"
    );
    assert!(accepted > 0 && height > 2, "{accepted} transactions in {height} blocks");
}
