//! A producer's directory: what lasts, what is published, and what faults leave.

use std::{env, fs, path::PathBuf};

use circuits_database::DatabaseError;
use circuits_files::faults;
use circuits_keys::CircuitCache;
use environments_conformance::{CHAIN_ID, forging::fixtures::cache, id, secret};
use environments_core::{
    ProducerError,
    published::{Evidence, PublishedBlock},
    stored::StoredError,
};
use environments_directories::{ProducerDirectory, ProducerDirectoryError};

use crate::{CHILD, MAX_STEPS, STEPS, alone, child, counter, files, is_killed, open, seen, submit};

#[test]
fn a_producer_lasts_and_what_it_publishes_is_signed() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    for step in STEPS {
        let mut opened = open(directory.path()).unwrap();
        step(&mut opened).unwrap();
        let before = seen(&opened);
        drop(opened);
        assert_eq!(seen(&open(directory.path()).unwrap()), before);
    }
    let opened = open(directory.path()).unwrap();
    assert_eq!(opened.producer().height(), 2);
    let files = files(&opened);
    assert_eq!(files.len(), 2);
    for (height, file) in (1..).zip(files) {
        let bytes = fs::read(&file).unwrap();
        let block = PublishedBlock::decode(&bytes).unwrap();
        assert_eq!((block.chain_id(), block.header().last_height), (CHAIN_ID, height));
        block.check_signature(&secret(0).producer()).unwrap();
        block.check_signature(&secret(1).producer()).unwrap_err();
        assert_eq!(block.encode().unwrap(), bytes);
    }
}

#[test]
fn no_file_has_the_producers_secret() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path()).unwrap();
    STEPS.iter().for_each(|step| step(&mut opened).unwrap());
    let secret = secret(0).expose().to_bytes();
    let text = hex::encode(secret);
    for path in files(&opened).into_iter().chain([directory.path().join("producer.redb")]) {
        let bytes = fs::read(&path).unwrap();
        let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!has(&secret) && !has(text.as_bytes()), "{}", path.display());
        // What is looked for would be found.
        let public = opened.producer().producer().to_bytes();
        assert!(has(&public), "{}", path.display());
    }
}

#[test]
fn a_block_is_published_once_and_another_one_of_its_height_is_evidence() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path()).unwrap();
    for step in &STEPS[..2] {
        step(&mut opened).unwrap();
    }
    assert_eq!(opened.publish().unwrap().len(), 1);
    assert!(opened.publish().unwrap().is_empty());
    drop(opened);
    let mut opened = open(directory.path()).unwrap();
    assert!(opened.publish().unwrap().is_empty());
    // The same block again is no other one.
    opened.step(|producer| producer.rollback(1).map(drop)).unwrap().unwrap();
    opened.step(|producer| producer.propose_block().map(drop)).unwrap().unwrap();
    assert!(opened.publish().unwrap().is_empty());
    opened.step(|producer| producer.rollback(1).map(drop)).unwrap().unwrap();
    submit(&mut opened, "{\"add\": 1}").unwrap();
    opened.step(|producer| producer.propose_block().map(drop)).unwrap().unwrap();
    assert_eq!(opened.publish().unwrap().len(), 1);
    let blocks =
        files(&opened).into_iter().map(|file| PublishedBlock::decode(&fs::read(file).unwrap()).unwrap());
    let [one, other] = <[_; 2]>::try_from(blocks.collect::<Vec<_>>()).unwrap();
    Evidence::new(one.clone(), other.clone(), &secret(0).producer()).unwrap();
    Evidence::new(one.clone(), other, &secret(1).producer()).unwrap_err();
    Evidence::new(one.clone(), one, &secret(0).producer()).unwrap_err();
}

#[test]
fn one_process_at_a_time_works_with_a_producer() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let _first = open(directory.path()).unwrap();
    let error = open(directory.path()).err().unwrap();
    assert!(matches!(error, ProducerDirectoryError::Database(DatabaseError::Locked { .. })), "{error}");
}

#[test]
fn a_directory_of_another_environment_is_refused() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    for (field, chain_id, n, producer) in
        [("chain id", CHAIN_ID + 1, 0, 0), ("id", CHAIN_ID, 1, 0), ("producer", CHAIN_ID, 0, 1)]
    {
        let other = counter(chain_id, id(n), producer);
        let cache = CircuitCache::default();
        let error = ProducerDirectory::open(directory.path(), other, secret(producer), &cache).err().unwrap();
        let ProducerDirectoryError::Stored { source, .. } = error else { panic!("{error}") };
        assert!(
            matches!(&*source, StoredError::OtherEnvironment { field: found, .. } if *found == field),
            "{source}"
        );
    }
    let other = counter(CHAIN_ID, id(0), 0);
    let error =
        ProducerDirectory::open(directory.path(), other, secret(1), &CircuitCache::default()).err().unwrap();
    assert!(matches!(error, ProducerDirectoryError::OtherSecret { .. }), "{error}");
}

#[test]
fn a_damaged_database_is_refused() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path()).unwrap();
    STEPS.iter().for_each(|step| step(&mut opened).unwrap());
    let whole = seen(&opened);
    drop(opened);
    let path = directory.path().join("producer.redb");
    let bytes = fs::read(&path).unwrap();
    for length in [0, 1, bytes.len() / 3, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(open(directory.path()).is_err(), "{length} of {} bytes", bytes.len());
    }
    let mut refused = 0;
    for position in (0..bytes.len()).step_by(bytes.len() / 200) {
        let mut flipped = bytes.clone();
        flipped[position] ^= 0x10;
        fs::write(&path, &flipped).unwrap();
        match open(directory.path()) {
            // Most of a file is free.
            Ok(opened) => assert_eq!(seen(&opened), whole, "bit flip at {position}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_step_that_is_not_stored_is_undone_by_opening_the_directory_again() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path()).unwrap();
    for step in STEPS {
        let before = seen(&opened);
        let published = files(&opened).len();
        for durable in 0..MAX_STEPS {
            faults::arm(durable);
            let done = step(&mut opened);
            let failed = faults::disarm();
            if !failed {
                done.unwrap();
                break;
            }
            // Publishing may have written its file.
            assert!(files(&opened).len() <= published + 1);
            if done.is_err() {
                let behind = opened.step(|_| ());
                let is_behind = matches!(behind, Err(ProducerDirectoryError::Behind { .. }));
                assert!(is_behind || seen(&opened) == before, "{behind:?} at durable step {durable}");
            }
            drop(opened);
            opened = open(directory.path()).unwrap();
            if seen(&opened) != before {
                break;
            }
        }
    }
    assert_eq!((opened.producer().height(), files(&opened).len()), (2, 2));
}

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "other tests run it as their child"]
fn child_that_produces() {
    let directory = PathBuf::from(env::var_os(CHILD).expect("a directory"));
    let mut opened = open(&directory).unwrap();
    STEPS.iter().for_each(|step| step(&mut opened).unwrap());
}

#[test]
fn a_producer_that_is_killed_at_any_durable_step_loses_no_step_and_does_none_twice() {
    let _alone = alone();
    let never_killed = tempfile::tempdir().unwrap();
    let mut opened = open(never_killed.path()).unwrap();
    // What is there after each step.
    let mut expected = vec![seen(&opened)];
    for step in STEPS {
        step(&mut opened).unwrap();
        expected.push(seen(&opened));
    }
    for durable in 0..MAX_STEPS {
        let directory = tempfile::tempdir().unwrap();
        let ended = child("producer::child_that_produces", directory.path(), Some(durable)).output().unwrap();
        let mut opened = open(directory.path()).unwrap();
        assert!(expected.contains(&seen(&opened)), "{:?} after durable step {durable}", seen(&opened));
        // What was proposed is published, if it was not before.
        opened.publish().unwrap();
        let files = files(&opened);
        assert_eq!(files.len(), opened.producer().height() as usize);
        assert!(files.iter().all(|file| PublishedBlock::decode(&fs::read(file).unwrap()).is_ok()));
        if ended.status.success() {
            assert_eq!(Some(&seen(&opened)), expected.last());
            assert!(durable > 20, "seven steps take {durable} durable steps");
            return;
        }
        assert!(is_killed(&ended), "{ended:?}");
    }
    panic!("seven steps take more than {MAX_STEPS} durable steps");
}

#[test]
fn a_block_that_is_proved_is_not_proved_again() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path()).unwrap();
    for step in &STEPS[..2] {
        step(&mut opened).unwrap();
    }
    let bundle = opened.step(|producer| producer.prove_next(cache())).unwrap().unwrap().expect("a block");
    assert_eq!([bundle.statement], *opened.producer().statements());
    drop(opened);
    let mut opened = open(directory.path()).unwrap();
    assert!(opened.step(|producer| producer.prove_next(cache())).unwrap().unwrap().is_none());
}

#[test]
fn nothing_of_a_step_that_fails_halfway_is_stored() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let mut producer = open(directory.path()).unwrap();
    submit(&mut producer, "{\"add\": 5}").unwrap();
    producer.step(|producer| producer.propose_block().map(drop)).unwrap().unwrap();
    let before = seen(&producer);
    let failed = producer.try_step(|producer| {
        producer.confirm(1)?;
        producer.rollback(9).map(drop)
    });
    assert!(matches!(failed, Ok(Err(ProducerError::NoSuchBlock { height: 9, .. }))), "{failed:?}");
    let error = submit(&mut producer, "{\"add\": 6}").unwrap_err();
    assert!(matches!(error, ProducerDirectoryError::Behind { .. }), "{error}");
    drop(producer);
    let mut producer = open(directory.path()).unwrap();
    assert_eq!(seen(&producer), before);
    producer.try_step(|producer| producer.confirm(1)).unwrap().unwrap();
}
