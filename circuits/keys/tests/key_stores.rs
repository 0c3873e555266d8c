//! Stores of key files: what they list, refuse, set aside and exclude.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, ErrorKind},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::{Duration, SystemTime},
};

use circuits_forging::fixtures::toy_key;
use circuits_keys::{Checksum, DirectoryStore, KeyFileError, KeyStore, MemoryStore};

fn name(identifier: &str) -> String {
    format!("{identifier}.verifier_key.{}.key", Checksum::of(identifier.as_bytes()))
}

fn directory() -> (tempfile::TempDir, DirectoryStore) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = DirectoryStore::new(directory.path().join("keys"));
    (directory, store)
}

/// What every store does.
fn conforms(store: &dyn KeyStore) {
    let (first, second) = (name("first"), name("second"));
    assert_eq!(store.list().expect("empty"), Vec::<String>::new());
    assert_eq!(store.read(&first, 10).expect("nothing there"), None);
    assert_eq!(store.read_start(&first, 10).expect("nothing there"), None);
    store.remove(&first).expect("nothing to do");

    store.write(&second, b"second").expect("written");
    store.write(&first, b"0123456789").expect("written");
    assert_eq!(store.list().expect("readable"), [first.clone(), second.clone()]);
    assert_eq!(store.read(&first, 10).expect("as large as allowed").expect("there"), b"0123456789");
    assert_eq!(store.read_start(&first, 4).expect("readable").expect("there"), b"0123");
    assert_eq!(store.read_start(&first, 99).expect("readable").expect("there"), b"0123456789");
    let error = store.read(&first, 9).expect_err("too large");
    assert!(error.to_string().contains("10 bytes, at most 9"), "{error}");
    store.write(&first, b"other").expect("replaced");
    assert_eq!(store.read(&first, 10).expect("readable").expect("there"), b"other");

    store.set_aside(&first, "its checksum is wrong").expect("renamed");
    assert_eq!(store.list().expect("readable"), std::slice::from_ref(&second));
    assert_eq!(store.read(&first, 10).expect("nothing there"), None);
    store.remove(&second).expect("removed");
    assert_eq!(store.list().expect("readable"), Vec::<String>::new());

    for bad in ["", "..", "key", "../x", &format!("../{first}"), &format!("{first}.refused")] {
        for error in [
            store.read(bad, 10).expect_err("not a name"),
            store.read_start(bad, 10).expect_err("not a name"),
            store.write(bad, b"").expect_err("not a name"),
            store.set_aside(bad, "").expect_err("not a name"),
            store.remove(bad).expect_err("not a name"),
        ] {
            assert_eq!(error.source.kind(), ErrorKind::InvalidInput, "{bad:?}: {error}");
        }
    }
}

#[test]
fn a_directory_is_a_store() {
    let (_directory, store) = directory();
    conforms(&store);
    // Nor is a lock taken on anything else than a key file.
    assert_eq!(store.lock("../lock", &|| ()).expect_err("not a name").source.kind(), ErrorKind::InvalidInput);
}

#[test]
fn memory_is_a_store() {
    conforms(&MemoryStore::default());
}

#[test]
fn files_in_memory_are_listed_with_their_headers_and_taken_out() {
    let file = toy_key("toy");
    let header = file.header().clone();
    let (good, bad) = (header.file_name(), name("a-bad-one"));
    let store = MemoryStore::default();
    store.write(&good, file.bytes()).expect("written");
    store.write(&bad, b"damaged").expect("written");
    let files = store.files();
    assert_eq!((files[0].name.as_str(), &files[0].header), (bad.as_str(), &Err(KeyFileError::Magic)));
    assert_eq!((files[1].name.as_str(), &files[1].header), (good.as_str(), &Ok(header)));
    assert_eq!(files[1].bytes, file.bytes().len() as u64);
    assert_eq!(store.bytes(), file.bytes().len() as u64 + 7);
    assert_eq!(store.take(&good).expect("there"), file.bytes());
    assert_eq!((store.take(&good), store.bytes()), (None, 7));
}

#[test]
fn leftovers_are_refused_files_and_what_nobody_writes_any_more() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = DirectoryStore::new(directory.path());
    let (kept, refused) = (name("kept"), name("refused"));
    for name in [&kept, &refused] {
        store.write(name, b"content").expect("writable");
    }
    store.set_aside(&refused, "its checksum is wrong").expect("renamed");
    let yesterday = SystemTime::now() - Duration::from_secs(24 * 60 * 60);
    for (name, is_old) in [(".tmpAbCdEf", true), (".tmpGhIjKl", false), ("own.refused", true)] {
        let file = File::create(directory.path().join(name)).expect("writable");
        if is_old {
            file.set_modified(yesterday).expect("ours");
        }
    }
    let leftovers = store.leftovers().expect("readable");
    let names = [".tmpAbCdEf".to_owned(), format!("{refused}.refused"), format!("{refused}.refused.txt")];
    assert_eq!(leftovers, names.map(|name| directory.path().join(name)));
    assert!(DirectoryStore::new(directory.path().join("none")).leftovers().expect("no directory").is_empty());
}

#[test]
fn refused_files_are_kept_with_the_reason_and_none_replaces_another() {
    let (_directory, store) = directory();
    let name = name("bad");
    let read = |suffix: &str| fs::read_to_string(store.path().join(format!("{name}{suffix}"))).expect("kept");
    for (number, suffix) in ["", ".2", ".3", ".4", ".5", ".6", ".7", ".8", ".9"].into_iter().enumerate() {
        store.write(&name, format!("content {number}").as_bytes()).expect("written");
        store.set_aside(&name, &format!("reason {number}")).expect("renamed");
        assert_eq!(read(&format!(".refused{suffix}")), format!("content {number}"));
        assert_eq!(read(&format!(".refused{suffix}.txt")), format!("reason {number}\n"));
    }
    store.write(&name, b"one more").expect("written");
    let error = store.set_aside(&name, "again").expect_err("nine are kept");
    assert!(error.to_string().contains("9 refused files"), "{error}");
    assert_eq!((read(""), read(".refused")), ("one more".to_owned(), "content 0".to_owned()));
}

#[test]
fn a_file_that_was_set_aside_by_another_needs_nothing_more() {
    let (_directory, store) = directory();
    store.write(&name("other"), b"").expect("written");
    store.set_aside(&name("bad"), "gone").expect("nothing to do");
    assert_eq!(fs::read_dir(store.path()).expect("readable").count(), 1, "a reason without a file was left");
}

#[test]
fn foreign_files_are_not_listed() {
    let (_directory, store) = directory();
    let key = name("key");
    store.write(&key, b"key").expect("written");
    drop(store.lock(&key, &|| ()).expect("locked"));
    for foreign in ["notes.txt", ".hidden", &format!("{key}.refused"), &format!("{key}.tmp")] {
        fs::write(store.path().join(foreign), b"foreign").expect("writable");
    }
    fs::create_dir(store.path().join(name("directory"))).expect("writable");
    assert_eq!(store.list().expect("readable"), [key]);
    let error = store.read(&name("directory"), 10).expect_err("not a file");
    assert!(
        error.to_string().contains(&name("directory")) && error.to_string().contains("regular"),
        "{error}"
    );
}

#[test]
fn a_store_that_cannot_be_read_says_which() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    fs::write(&path, b"not a directory").expect("writable");
    let store = DirectoryStore::new(&path);
    for error in [
        store.list().expect_err("not a directory"),
        store.read(&name("a"), 10).expect_err("not a directory"),
        store.write(&name("a"), b"").expect_err("not a directory"),
        store.lock(&name("a"), &|| ()).expect_err("not a directory"),
    ] {
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_directory_without_the_right_to_write_is_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_directory, store) = directory();
    let name = name("key");
    store.write(&name, b"key").expect("written");
    let mode = |mode| fs::set_permissions(store.path(), fs::Permissions::from_mode(mode)).expect("ours");
    mode(0o555);
    let privileged = fs::write(store.path().join("probe"), b"").is_ok();
    assert_eq!(store.read(&name, 10).expect("readable").expect("there"), b"key");
    assert_eq!(store.list().expect("readable"), std::slice::from_ref(&name));
    // A privileged user may write nevertheless.
    for result in [store.write(&name, b"new"), store.lock(&name, &|| ()).map(drop), store.remove(&name)] {
        assert!(privileged || result.is_err_and(|error| error.source.kind() == ErrorKind::PermissionDenied));
    }
    mode(0o755);
}

#[test]
fn one_thread_at_a_time_holds_a_lock() {
    let (_directory, store) = directory();
    let (key, other) = (name("key"), name("other"));
    let held = store.lock(&key, &|| ()).expect("locked");
    drop(store.lock(&other, &|| ()).expect("another key's lock is free"));
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        let (store, key) = (&store, &key);
        scope.spawn(move || {
            let waiting = || tell.send(None).expect("heard");
            let _held = store.lock(key, &waiting).expect("locked");
            tell.send(store.read(key, 10).expect("readable")).expect("heard");
        });
        assert_eq!(told.recv().expect("told"), None, "who has to wait says so");
        store.write(key, b"made").expect("written");
        assert!(told.try_recv().is_err(), "the lock was had twice");
        drop(held);
        assert_eq!(told.recv().expect("told"), Some(b"made".to_vec()));
    });
    // The same lock file serves again, until the key goes.
    drop(store.lock(&key, &|| ()).expect("locked"));
    assert!(store.path().join(format!("{key}.lock")).exists());
    store.remove(&key).expect("removed");
    assert!(!store.path().join(format!("{key}.lock")).exists());
}

const HOLDER: &str = "SUPERBLOCK_TEST_LOCK_HOLDER";

/// Started by the next test: locks, says so, and never ends by itself.
#[test]
fn holder_of_a_lock() {
    let Some(path) = std::env::var_os(HOLDER) else { return };
    let _held = DirectoryStore::new(path).lock(&name("key"), &|| ()).expect("locked");
    println!("\nlocked");
    loop {
        std::thread::park();
    }
}

#[test]
fn a_lock_excludes_other_processes_and_ends_with_its_process() {
    let (_directory, store) = directory();
    let mut holder = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "holder_of_a_lock", "--nocapture"])
        .env(HOLDER, store.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let output = BufReader::new(holder.stdout.take().expect("piped"));
    assert!(output.lines().any(|line| line.expect("text") == "locked"));
    let lock = store.path().join(format!("{}.lock", name("key")));
    assert!(try_lock(&lock).is_err(), "two processes hold the lock");
    // The lock file of a lock that is held is not removed.
    store.remove(&name("key")).expect("nothing to do");
    assert!(lock.exists());
    holder.kill().expect("running");
    holder.wait().expect("ended");
    drop(store.lock(&name("key"), &|| ()).expect("free again"));
}

fn try_lock(path: &Path) -> Result<(), fs::TryLockError> {
    fs::File::open(path).expect("exists").try_lock()
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_a_lock_makes_no_file_where_it_points_to() {
    let (directory, store) = directory();
    fs::create_dir(store.path()).expect("writable");
    let elsewhere = directory.path().join("elsewhere");
    let name = name("toy");
    std::os::unix::fs::symlink(&elsewhere, store.path().join(format!("{name}.lock"))).expect("writable");
    let error = store.lock(&name, &|| ()).expect_err("a link").to_string();
    assert!(error.contains(&name) && error.contains("not a regular file"), "{error}");
    assert!(!elsewhere.exists());
}

#[cfg(unix)]
mod users {
    use std::os::unix::fs::PermissionsExt as _;

    use circuits_files::file::write_atomic;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("exists").permissions().mode() & 0o777
    }

    #[test]
    fn who_can_read_key_files_and_locks_is_up_to_the_umask_unlike_other_files() {
        let (directory, store) = directory();
        let plain = directory.path().join("plain");
        fs::write(&plain, b"").expect("writable");
        let key = name("key");
        store.write(&key, b"0123456789").expect("written");
        drop(store.lock(&key, &|| ()).expect("locked"));
        for file in [key.clone(), format!("{key}.lock")] {
            assert_eq!(mode(&store.path().join(&file)), mode(&plain), "{file}");
        }
        let private = directory.path().join("private");
        write_atomic(&private, b"").expect("written");
        assert_eq!(mode(&private), 0o600);
    }

    #[test]
    fn a_lock_file_that_only_another_user_can_write_is_locked_all_the_same() {
        let (_directory, store) = directory();
        drop(store.lock(&name("key"), &|| ()).expect("locked"));
        let lock = store.path().join(format!("{}.lock", name("key")));
        fs::set_permissions(&lock, fs::Permissions::from_mode(0o444)).expect("ours");
        let _held = store.lock(&name("key"), &|| ()).expect("locked");
        assert!(try_lock(&lock).is_err(), "two hold the lock");
    }
}
