//! Stores on a full disk. The faults are the process's own, so this test has a process to itself.

use std::{fs, io::ErrorKind};

use circuits::{
    file::faults,
    keys::{Checksum, DirectoryStore, KeyStore as _},
};

#[test]
fn a_write_stopped_at_any_step_leaves_the_old_file_or_the_new_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = DirectoryStore::new(directory.path().join("keys"));
    let name = format!("toy.prover_key.{}.key", Checksum::of(b""));
    let (old, new) = (vec![1; 500], vec![2; 700]);
    for before in [None, Some(&old)] {
        for step in 0.. {
            assert!(step < 100, "the write never succeeds");
            match before {
                None => store.remove(&name).expect("removable"),
                Some(old) => store.write(&name, old).expect("no fault is armed"),
            }
            faults::arm(step);
            let result = store.write(&name, &new);
            faults::disarm();
            let found = store.read(&name, 1000).expect("readable");
            assert!(found.as_ref() == before || found.as_ref() == Some(&new), "step {step} left neither");
            let names = store.list().expect("readable");
            assert_eq!(names.len(), usize::from(found.is_some()), "step {step} left {names:?}");
            match result {
                Ok(()) => {
                    assert!(step >= 4 && found.as_ref() == Some(&new), "a write has at least four steps");
                    break;
                }
                Err(error) => {
                    assert_eq!(error.source.kind(), ErrorKind::StorageFull);
                    assert!(error.to_string().contains(&name), "{error}");
                }
            }
        }
    }
    // What is left is the key: no temporary file of a write that failed.
    assert_eq!(fs::read_dir(store.path()).expect("readable").count(), 1);
}
