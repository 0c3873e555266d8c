//! Followers that start from a snapshot.

use std::{fs, path::Path};

use circuits_core::Digest;
use circuits_database::DatabaseError;
use circuits_files::{
    faults,
    file::{self, FileKind},
};
use environments_conformance::{CHAIN_ID, id};
use environments_core::snapshot::{Snapshot, SnapshotError};
use environments_directories::{Batched, FollowerDirectory, FollowerDirectoryError, FollowerStatus};

use crate::{
    MAX_STEPS, alone, counter,
    follower::{assert_agree, open_follower, produce, rollback},
    open,
};

fn import(directory: &Path, snapshot: &Snapshot, expected: Digest) -> Result<(), FollowerDirectoryError> {
    let follower = counter(CHAIN_ID, id(0), 99).follower();
    FollowerDirectory::import(directory, &*follower, snapshot, expected)
}

/// A snapshot of the follower in a directory, on its way through a file.
fn export(directory: &Path) -> Snapshot {
    let follower = counter(CHAIN_ID, id(0), 99).follower();
    let snapshot = FollowerDirectory::export(directory, &*follower).unwrap();
    let read = Snapshot::decode(&snapshot.encode().unwrap()).unwrap();
    assert_eq!(read, snapshot);
    read
}

#[test]
fn a_follower_goes_on_from_a_snapshot_as_from_the_blocks_before() {
    let _alone = alone();
    let [at_home, elsewhere, late] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let mut producer = open(at_home.path()).unwrap();
    for add in 1..=2 {
        produce(&mut producer, add);
    }
    let mut first = open_follower(elsewhere.path()).unwrap();
    first.look(&producer.proposed(), None).unwrap();
    // Somebody works on it meanwhile.
    let snapshot = export(elsewhere.path());
    assert_eq!((snapshot.height, snapshot.commitment), (2, first.commitment()));
    import(late.path(), &snapshot, first.commitment()).unwrap();
    let status = FollowerStatus::read(late.path(), 9).unwrap();
    assert_eq!((status.height, status.state, status.blocks), (2, first.commitment(), vec![]));

    let mut second = open_follower(late.path()).unwrap();
    assert_agree(&second, &producer);
    for add in 3..=4 {
        produce(&mut producer, add);
    }
    assert_eq!(second.look(&producer.proposed(), None).unwrap().applied, [3, 4]);
    assert_agree(&second, &producer);
    // It goes back as far as its start, and knows that one's state.
    rollback(&mut producer, 3);
    for add in [7, 8, 9] {
        produce(&mut producer, add);
    }
    let batched = Batched { height: 2, state: snapshot.commitment };
    let looked = second.look(&producer.proposed(), Some(batched)).unwrap();
    assert_eq!((looked.went_back, looked.contradicts, second.batched_height()), (Some(2), false, Some(2)));
    assert_agree(&second, &producer);
    assert_eq!(FollowerStatus::read(late.path(), 9).unwrap().batched, Some(2));
    drop(second);
    let second = open_follower(late.path()).unwrap();
    assert_agree(&second, &producer);
    let other = Batched { height: 2, state: first.state(1).unwrap() };
    let mut second = second;
    assert!(second.look(&producer.proposed(), Some(other)).unwrap().contradicts);
    // Another one goes on from there.
    assert_eq!(export(late.path()).height, 5);
}

#[test]
fn what_is_no_snapshot_of_the_wanted_state_leaves_nothing() {
    let _alone = alone();
    let [at_home, elsewhere, late] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let mut producer = open(at_home.path()).unwrap();
    produce(&mut producer, 1);
    let mut first = open_follower(elsewhere.path()).unwrap();
    first.look(&producer.proposed(), None).unwrap();
    let (snapshot, state) = (export(elsewhere.path()), first.commitment());

    let changed = |change: &dyn Fn(&mut Snapshot)| {
        let mut changed = snapshot.clone();
        change(&mut changed);
        changed
    };
    let refused = |snapshot: &Snapshot, expected| {
        let error = import(late.path(), snapshot, expected).unwrap_err();
        assert_eq!(fs::read_dir(late.path()).unwrap().count(), 0, "{error}");
        let FollowerDirectoryError::Snapshot(error) = error else { panic!("{error}") };
        error
    };
    let error = refused(&snapshot, first.state(0).unwrap());
    assert!(matches!(error, SnapshotError::OtherState { height: 1, .. }), "{error}");
    let error = refused(&changed(&|snapshot| snapshot.height = 2), state);
    assert!(matches!(error, SnapshotError::OtherState { height: 2, .. }), "{error}");
    let other = first.state(0).unwrap();
    let error = refused(&changed(&|snapshot| snapshot.commitment = other), other);
    assert!(matches!(error, SnapshotError::Stored(_)), "{error}");
    let on_another_chain = changed(&|snapshot| snapshot.chain_id += 1);
    let of_another = changed(&|snapshot| snapshot.environment += 1);
    for elsewhere in [on_another_chain, of_another] {
        let error = refused(&elsewhere, state);
        assert!(matches!(error, SnapshotError::Elsewhere { .. }), "{error}");
    }
    // Every third byte of what the checksum covers, which is made anew.
    let bytes = snapshot.encode().unwrap();
    let payload = &bytes[file::HEADER_BYTES..];
    for place in (0..payload.len()).step_by(3) {
        let mut payload = payload.to_vec();
        payload[place] ^= 1;
        let sealed = file::seal(FileKind::EnvironmentState, &payload);
        if let Ok(altered) = Snapshot::decode(&sealed) {
            refused(&altered, state);
        }
    }
    // A follower is never replaced.
    import(late.path(), &snapshot, state).unwrap();
    let error = import(late.path(), &snapshot, state).unwrap_err();
    assert!(matches!(error, FollowerDirectoryError::Database(DatabaseError::Exists { .. })), "{error}");
}

#[test]
fn an_import_that_stops_at_any_durable_step_leaves_a_follower_or_none() {
    let _alone = alone();
    let [at_home, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut producer = open(at_home.path()).unwrap();
    produce(&mut producer, 1);
    open_follower(elsewhere.path()).unwrap().look(&producer.proposed(), None).unwrap();
    let snapshot = export(elsewhere.path());
    for step in 0..MAX_STEPS {
        let late = tempfile::tempdir().unwrap();
        faults::arm(step);
        let imported = import(late.path(), &snapshot, snapshot.commitment);
        if !faults::disarm() {
            imported.unwrap();
            assert!(step > 5, "an import has durable steps");
            return;
        }
        match import(late.path(), &snapshot, snapshot.commitment) {
            Ok(()) => assert!(imported.is_err(), "{step}"),
            Err(error) => {
                let exists = matches!(&error, FollowerDirectoryError::Database(DatabaseError::Exists { .. }));
                assert!(exists, "{step}: {error}");
            }
        }
        assert_agree(&open_follower(late.path()).unwrap(), &producer);
    }
    panic!("an import has fewer durable steps");
}
