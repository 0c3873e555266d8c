//! Databases whose process is stopped at a durable step, and whose disk is full. Faults are the process's own, so these tests have
//! a process to themselves.

use std::{
    env,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Output},
    sync::{Mutex, PoisonError},
};

use circuits_database::{Change, DatabaseError, Format, Map, Reader, Store};
use circuits_files::faults::{self, KILL_AFTER};

const FORMAT: Format = Format { kind: "test", version: 1 };
/// [`ENTRIES`] entries, all of which each height changes.
const MAP: Map = Map("map");
/// What a disk is filled with: an entry for each height.
const BALLAST: Map = Map("ballast");
const KEPT: usize = 4;
const ENTRIES: u64 = 6;
/// Bytes of a value: more than a page of the file.
const BYTES: usize = 5000;

/// More durable steps than anything here takes.
const MAX_STEPS: u64 = 500;

/// One test at a time.
static FAULTS: Mutex<()> = Mutex::new(());

fn changes(height: u64) -> Vec<Change> {
    let value = (height, vec![7_u8; BYTES]);
    let change = |key: u64| MAP.change(key.to_be_bytes(), Some(&value)).expect("it encodes");
    (0..ENTRIES).map(change).collect()
}

fn create(path: &Path) -> Result<Store, DatabaseError> {
    Store::create(path, FORMAT, 7, 0, &changes(0))
}

/// Asserts that each height that is kept is whole, and returns the latest one.
fn whole(path: &Path) -> u64 {
    let reader = Reader::open(path, FORMAT).expect("whole");
    let latest = reader.latest().expect("readable");
    for &height in latest.heights() {
        let view = reader.latest().and_then(|view| view.back_to(height)).expect("kept");
        let entries = view.entries::<(u64, Vec<u8>)>(MAP).expect("readable");
        assert_eq!(entries.len() as u64, ENTRIES);
        assert!(entries.iter().all(|(_, (found, bytes))| *found == height && bytes.len() == BYTES));
    }
    assert_eq!(
        Store::open(path, FORMAT).expect("whole").latest().expect("readable").height(),
        latest.height()
    );
    latest.height()
}

/// What a process does that is stopped: it moves on twice, and goes back once.
fn move_on(path: &Path) -> Result<(), DatabaseError> {
    let store = Store::open(path, FORMAT)?;
    let height = store.latest()?.height();
    store.commit(height + 1, &changes(height + 1), KEPT)?;
    store.commit(height + 2, &changes(height + 2), KEPT)?;
    store.roll_back(height + 1)
}

#[test]
fn a_step_that_fails_is_an_error_and_leaves_one_whole_height() {
    let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("database");
    for step in 0..MAX_STEPS {
        faults::arm(step);
        let made = create(&path);
        let is_made = made.is_ok();
        drop(made);
        faults::disarm();
        assert!(is_made || !path.exists() || whole(&path) == 0, "step {step} left half of a database");
        if path.exists() {
            assert!(step > 3, "a database is made in {step} steps");
            break;
        }
    }
    let mut latest = whole(&path);
    for step in 0..MAX_STEPS {
        faults::arm(step);
        let moved = move_on(&path);
        faults::disarm();
        let found = whole(&path);
        assert!((latest..=latest + 2).contains(&found), "from {latest} to {found} at step {step}");
        if moved.is_ok() {
            assert_eq!(found, latest + 1);
            assert!(step > 6, "three changes are made in {step} steps");
            return;
        }
        latest = found;
    }
    panic!("three changes take more than {MAX_STEPS} steps");
}

/// Says to this test's own process, started again, where the database is that it changes.
const CHILD: &str = "SUPERBLOCK_TEST_DATABASE";

/// The named test of this process, in a process of its own, on the database at `path`.
fn child(mut command: Command, name: &str, path: &Path) -> Output {
    command.args([name, "--exact", "--nocapture"]).env(CHILD, path).output().expect("it starts")
}

fn this() -> std::path::PathBuf {
    env::current_exe().expect("this test")
}

/// Not a test of its own: the process that is killed.
#[test]
fn child_that_moves_on() {
    let Some(path) = env::var_os(CHILD) else { return };
    move_on(Path::new(&path)).expect("nothing fails");
}

#[test]
fn a_process_that_is_killed_at_any_durable_step_leaves_one_whole_height() {
    let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("database");
    drop(create(&path).expect("a new one"));
    let mut latest = 0;
    for step in 0..MAX_STEPS {
        let mut command = Command::new(this());
        command.env(KILL_AFTER, step.to_string());
        let ended = child(command, "child_that_moves_on", &path);
        let found = whole(&path);
        assert!((latest..=latest + 2).contains(&found), "from {latest} to {found} at step {step}");
        if ended.status.success() {
            assert_eq!(found, latest + 1);
            assert!(step > 6, "three changes are made in {step} steps");
            return;
        }
        assert_eq!(ended.status.signal(), Some(9), "{ended:?}");
        latest = found;
    }
    panic!("three changes take more than {MAX_STEPS} steps");
}

/// Not a test of its own: the process whose disk fills up. It makes a database there, unless there is one, and moves on until
/// nothing more can be written.
#[test]
fn child_that_fills_the_disk() {
    let Some(path) = env::var_os(CHILD) else { return };
    let path = Path::new(&path);
    let opened = if path.exists() { Store::open(path, FORMAT) } else { create(path) };
    let fill = |store: Store| -> Result<(), DatabaseError> {
        for height in store.latest()?.height() + 1.. {
            let ballast = BALLAST.change(height.to_be_bytes(), Some(&vec![7_u8; BYTES]))?;
            store.commit(height, &[changes(height), vec![ballast]].concat(), KEPT)?;
        }
        Ok(())
    };
    let error = opened.and_then(fill).expect_err("the disk has an end");
    assert!(matches!(error, DatabaseError::Io { .. }), "{error:?}");
    if path.exists() {
        println!("full at height {}", whole_when_full(path));
    }
}

/// As [`whole`], but only as far as no byte can be written.
fn whole_when_full(path: &Path) -> u64 {
    let reader = Reader::open(path, FORMAT).expect("whole");
    let latest = reader.latest().expect("readable");
    let entries = latest.entries::<(u64, Vec<u8>)>(MAP).expect("readable");
    assert_eq!(entries.len() as u64, ENTRIES);
    assert!(entries.iter().all(|(_, (found, _))| *found == latest.height()));
    latest.height()
}

/// Bytes of the smallest and of the largest disk that is filled, and how much larger each is than the one before.
const DISKS: [usize; 3] = [16 << 10, 1 << 20, 44 << 10];

#[test]
fn a_full_disk_is_an_error_and_once_there_is_room_the_database_goes_on() {
    let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    let [first, last, step] = DISKS;
    let mut filled = 0;
    for bytes in (first..last).step_by(step) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("database");
        // No file grows beyond this. The signal that comes with it is left out, as on a disk that is full.
        let mut command = Command::new("sh");
        let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", bytes / 512);
        command.args(["-c", &limit, "sh"]).arg(this());
        let ended = child(command, "child_that_fills_the_disk", &path);
        assert!(ended.status.success(), "{bytes} bytes: {ended:?}");
        if path.exists() {
            let before = whole(&path);
            move_on(&path).expect("there is room");
            assert_eq!(whole(&path), before + 1);
            filled += 1;
        }
    }
    assert!(filled > 10, "only {filled} databases were made");
}

#[test]
fn a_full_file_system_is_an_error_and_leaves_one_whole_height() {
    let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("database");
    // A file system in memory that only the child sees.
    let in_namespace = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        command.arg(directory.path()).arg(this());
        command
    };
    let probe = in_namespace("mount -t tmpfs none \"$1\"").output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        println!("not run: nobody may mount a file system here: {probe:?}");
        return;
    }
    let [first, last, step] = DISKS;
    let mut filled = 0;
    for bytes in (first..last).step_by(step) {
        let script = format!("mount -t tmpfs -o size={bytes} none \"$1\" && shift && exec \"$@\"");
        let ended = child(in_namespace(&script), "child_that_fills_the_disk", &path);
        assert!(ended.status.success(), "{bytes} bytes: {ended:?}");
        filled += usize::from(String::from_utf8_lossy(&ended.stdout).contains("full at height"));
    }
    assert!(filled > 10, "only {filled} databases were made");
}
