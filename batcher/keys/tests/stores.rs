//! Key files in object stores, and under names of their own.

use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path, sync::Arc};

use batcher_keys::{AddressError, ListedError, ListedFiles, ObjectStore};
use circuits_forging::fixtures::toy_key;
use circuits_keys::{Checksum, KeyKind, KeyStore};

fn name(identifier: &str) -> String {
    format!("{identifier}.verifier_key.{}.key", Checksum::of(identifier.as_bytes()))
}

fn in_folder(folder: &Path) -> ObjectStore {
    let address = format!("file://{}", folder.to_str().expect("paths of tests are text"));
    ObjectStore::open(&address, &BTreeMap::new()).expect("an address")
}

fn in_memory() -> ObjectStore {
    let backend = Arc::new(object_store::memory::InMemory::new());
    ObjectStore::with_backend("memory:///keys", backend, "keys".into()).expect("a runtime")
}

fn conforms(store: &dyn KeyStore) {
    let (first, second) = (name("first"), name("second"));
    assert_eq!(store.list().expect("empty"), Vec::<String>::new());
    assert_eq!(store.read(&first, 10).expect("nothing there"), None);
    assert_eq!(store.read_start(&first, 10).expect("nothing there"), None);
    store.remove(&first).expect("nothing to do");
    store.write(&second, b"").expect("written");
    store.write(&first, b"0123456789").expect("written");
    assert_eq!(store.list().expect("readable"), [first.clone(), second.clone()]);
    assert_eq!(store.read(&second, 0).expect("readable"), Some(vec![]));
    assert_eq!(store.read(&first, 10).expect("as large as allowed").expect("there"), b"0123456789");
    assert_eq!(store.read_start(&first, 4).expect("readable").expect("there"), b"0123");
    assert_eq!(store.read_start(&first, 99).expect("readable").expect("there"), b"0123456789");
    let error = store.read(&first, 9).expect_err("too large");
    assert_eq!(error.source.kind(), ErrorKind::FileTooLarge);
    assert!(
        error.to_string().contains(&first) && error.to_string().contains("10 bytes, at most 9"),
        "{error}"
    );
    store.write(&first, b"other").expect("replaced");
    assert_eq!(store.read(&first, 10).expect("readable").expect("there"), b"other");
    store.set_aside(&first, "its checksum is wrong").expect("renamed");
    assert_eq!(store.list().expect("readable"), std::slice::from_ref(&second));
    assert_eq!(store.read(&first, 10).expect("nothing there"), None);
    store.set_aside(&first, "gone already").expect("nothing to do");
    store.remove(&second).expect("removed");
    assert_eq!(store.list().expect("readable"), Vec::<String>::new());
    drop(store.lock(&first, &|| ()).expect("nobody is excluded"));
    for bad in ["", "..", "key", &format!("../{first}"), &format!("{first}.refused")] {
        let error = store.write(bad, b"").expect_err("not a name");
        assert_eq!(error.source.kind(), ErrorKind::InvalidInput, "{bad:?}: {error}");
        assert!(store.read(bad, 10).is_err() && store.read_start(bad, 10).is_err());
        assert!(store.remove(bad).is_err() && store.set_aside(bad, "").is_err());
    }
}

#[test]
fn an_object_store_in_memory_is_a_store() {
    conforms(&in_memory());
}

#[test]
fn a_folder_is_an_object_store() {
    let directory = tempfile::tempdir().expect("a directory");
    conforms(&in_folder(&directory.path().join("some/keys")));
}

#[test]
fn a_store_is_used_and_dropped_on_a_thread_of_another_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async { conforms(&in_memory()) });
}

#[test]
fn refused_objects_are_kept_with_the_reason_and_none_replaces_another() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = in_folder(directory.path());
    let name = name("bad");
    for number in ["", ".2", ".3"] {
        store.write(&name, format!("content{number}").as_bytes()).expect("written");
        store.set_aside(&name, &format!("reason{number}")).expect("renamed");
    }
    for number in ["", ".2", ".3"] {
        let read =
            |suffix| fs::read_to_string(directory.path().join(format!("{name}.refused{number}{suffix}")));
        assert_eq!(read("").expect("kept"), format!("content{number}"));
        assert_eq!(read(".txt").expect("kept"), format!("reason{number}\n"));
    }
}

#[test]
fn an_unusable_store_says_which() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    fs::write(&file, b"not a directory").expect("writable");
    let store = in_folder(&file.join("keys"));
    for error in [
        store.write(&name("a"), b"key").expect_err("not a directory"),
        store
            .read(&name("a"), 10)
            .map(|_| ())
            .and_then(|()| store.list().map(drop))
            .expect_err("not a directory"),
    ] {
        assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    }
}

#[test]
fn addresses_are_checked_before_use_and_secrets_are_not_repeated() {
    let open = |address: &str, option: Option<(&str, &str)>| {
        let options = option.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        ObjectStore::open(address, &options).map(drop)
    };
    for address in ["keys", "/keys", "ftp://host/keys", "https://host/keys"] {
        let error = open(address, None).expect_err("no such store").to_string();
        assert!(error.starts_with(address) && error.contains("expected file:///"), "{error}");
    }
    for address in [
        "https://name:hunter2@host/keys",
        "https://hunter2@host",
        "https://name:hunter2@a host/",
        "s3://bucket/keys?token=hunter2",
        "file:///keys#hunter2",
    ] {
        let error = open(address, None).expect_err("a password");
        assert!(matches!(error, AddressError::Secret) && !error.to_string().contains("hunter2"));
    }
    let error = open("memory:///keys", Some(("secret", "hunter2"))).expect_err("no options").to_string();
    assert!(error.contains("option secret") && !error.contains("hunter2"), "{error}");
    let error = open("memory:///keys", Some(("Hunter2", "secret"))).expect_err("no options").to_string();
    assert!(error.contains("option (hidden)") && !error.contains("Hunter2"), "{error}");
}

#[cfg(feature = "s3")]
#[test]
fn options_of_s3_are_those_of_the_crate() {
    let open = |name: &str| {
        let options = [(name.to_owned(), "value".to_owned())].into();
        ObjectStore::open("s3://bucket/keys", &options).map(drop)
    };
    open("aws_region").expect("known");
    let error = open("aws_continent").expect_err("unknown").to_string();
    assert!(error.contains("aws_continent") && error.contains("aws_region"), "{error}");
}

#[test]
fn a_listed_file_has_any_name_and_is_never_changed() {
    let file = toy_key("toy");
    let name = file.header().file_name();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("any name");
    fs::write(&path, file.bytes()).expect("writable");

    let mut store = ListedFiles::default();
    let error = store.add(KeyKind::ProverKey, &path).expect_err("another kind");
    assert!(matches!(error, ListedError::Kind { found: KeyKind::VerifierKey, .. }));
    store.add(KeyKind::VerifierKey, &path).expect("a key file");
    assert_eq!(store.list().expect("readable"), std::slice::from_ref(&name));
    assert_eq!(store.read(&name, 10_000).expect("readable").expect("there"), file.bytes());
    assert_eq!(store.read_start(&name, 5).expect("readable").expect("there"), b"super");
    assert!(store.read(&name, 10).is_err_and(|error| error.source.kind() == ErrorKind::FileTooLarge));
    for result in [store.write(&name, b"x"), store.remove(&name), store.set_aside(&name, "x")] {
        assert!(result.expect_err("never changed").to_string().contains("any name"));
    }
    assert_eq!(fs::read(&path).expect("still there"), file.bytes());
    fs::remove_file(&path).expect("ours");
    assert_eq!((store.read(&name, 10).expect("gone"), store.list().expect("empty")), (None, vec![]));

    fs::write(&path, b"not a key file").expect("writable");
    let error = store.add(KeyKind::VerifierKey, &path).expect_err("another program's").to_string();
    assert!(error.contains("any name") && error.contains("superblock key"), "{error}");
}
