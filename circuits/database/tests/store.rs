//! Databases that are changed, gone back in, damaged and killed.

use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};

use circuits_database::{Change, DatabaseError, Format, Map, Reader, Store, View};
use proptest::prelude::*;

const FORMAT: Format = Format { kind: "test", version: 3 };
const CHAIN: u64 = 7;
const ONE: Map = Map("one");
const TWO: Map = Map("two");
const KEPT: usize = 4;

type Content = BTreeMap<(Map, Vec<u8>), u32>;

fn content(view: &View) -> Content {
    let entries = |map: Map| {
        let entries = view.entries::<u32>(map).expect("readable");
        entries.into_iter().map(move |(key, value)| ((map, key), value))
    };
    entries(ONE).chain(entries(TWO)).collect()
}

/// Checks that a view shows one entry, and those between two keys, as it shows all.
fn check_parts(view: &View) {
    let all = content(view);
    for (map, key) in [ONE, TWO].into_iter().flat_map(|map| (0..13).map(move |key| (map, key))) {
        let get = view.get::<u32>(map, &[key]).expect("readable");
        assert_eq!(get, all.get(&(map, vec![key])).copied());
        for end in [None, Some(&[key][..]), Some(&[key, 0]), Some(&[key + 4])] {
            let found = view.range::<u32>(map, &[key], end).expect("readable");
            let is_within = |found: &[u8]| found >= &[key][..] && end.is_none_or(|end| found < end);
            let expected = all.iter().filter(|((of, found), _)| *of == map && is_within(found));
            assert!(
                found
                    .iter()
                    .map(|(key, value)| (key, value))
                    .eq(expected.map(|((_, key), value)| (key, value)))
            );
            if let Some(end) = end {
                assert_eq!(view.first(map, &[key], end).expect("readable"), found.first().cloned());
                assert_eq!(view.last(map, &[key], end).expect("readable"), found.last().cloned());
            }
        }
    }
}

fn change((map, key, value): (Map, u8, Option<u32>)) -> Change {
    map.change([key], value.as_ref()).expect("a number encodes")
}

fn apply(content: &mut Content, changes: &[(Map, u8, Option<u32>)]) {
    for &(map, key, value) in changes {
        match value {
            Some(value) => drop(content.insert((map, vec![key]), value)),
            None => drop(content.remove(&(map, vec![key]))),
        }
    }
}

#[derive(Clone, Debug)]
enum Try {
    Commit(u8, Vec<(Map, u8, Option<u32>)>),
    RollBack(usize),
    Replace(usize, Vec<Vec<(Map, u8, Option<u32>)>>),
    Reopen,
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let map = prop_oneof![Just(ONE), Just(TWO)];
    let changes = prop::collection::vec((map, 0..12u8, prop::option::of(any::<u32>())), 0..8);
    let one = prop_oneof![
        4 => (1..3u8, changes.clone()).prop_map(|(step, changes)| Try::Commit(step, changes)),
        2 => (0..KEPT + 1).prop_map(Try::RollBack),
        1 => (0..KEPT + 1, prop::collection::vec(changes, 0..KEPT + 2))
            .prop_map(|(back, steps)| Try::Replace(back, steps)),
        1 => Just(Try::Reopen),
    ];
    prop::collection::vec(one, 0..20)
}

#[test]
fn a_note_is_no_height_and_stays_when_the_heights_after_it_are_undone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("database");
    let store = Store::create(&path, FORMAT, CHAIN, 0, &[]).expect("a new one");
    for height in 1..=3 {
        store.commit(height, &[change((ONE, 0, Some(height as u32)))], KEPT).expect("the next height");
        store.note(&[change((TWO, height as u8, Some(7)))]).expect("writable");
    }
    assert_eq!(store.latest().expect("readable").heights(), [0, 1, 2, 3]);
    let steps = [vec![change((ONE, 0, Some(20)))]];
    store.replace(1, &steps, &[change((TWO, 9, Some(9)))], KEPT).expect("kept");
    store.roll_back(1).expect("kept");
    drop(store);
    let view = Store::open(&path, FORMAT).expect("closed").latest().expect("readable");
    assert_eq!(view.heights(), [0, 1]);
    assert_eq!(view.entries::<u32>(ONE).expect("readable"), [(vec![0], 1)]);
    let notes = [1, 2, 3].map(|height| (vec![height], 7)).into_iter().chain([(vec![9], 9)]);
    assert!(view.entries::<u32>(TWO).expect("readable").into_iter().eq(notes));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_store_has_what_maps_have_at_every_height_that_is_kept(tries in tries()) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("database");
        let first = [(ONE, 0, Some(1)), (TWO, 5, Some(2)), (ONE, 0, Some(3))];
        let mut store = Store::create(&path, FORMAT, CHAIN, 10, &first.map(change)).expect("a new one");
        let mut now = Content::new();
        apply(&mut now, &first);
        let mut expected = BTreeMap::from([(10, now.clone())]);
        for one in tries {
            let latest = *expected.keys().last().expect("one at least");
            match one {
                Try::Commit(step, changes) => {
                    let height = latest + u64::from(step);
                    let list: Vec<_> = changes.iter().copied().map(change).collect();
                    store.commit(height, &list, KEPT).expect("the next height");
                    apply(&mut now, &changes);
                    expected.insert(height, now.clone());
                    while expected.len() > KEPT {
                        expected.pop_first();
                    }
                }
                Try::RollBack(back) => {
                    let Some((&height, content)) = expected.iter().rev().nth(back) else { continue };
                    now = content.clone();
                    store.roll_back(height).expect("kept");
                    expected.split_off(&(height + 1));
                }
                Try::Replace(back, steps) => {
                    let Some((&height, content)) = expected.iter().rev().nth(back) else { continue };
                    now = content.clone();
                    let lists: Vec<Vec<_>> =
                        steps.iter().map(|changes| changes.iter().copied().map(change).collect()).collect();
                    store.replace(height, &lists, &[], KEPT).expect("kept");
                    expected.split_off(&(height + 1));
                    for (next, changes) in (height + 1..).zip(&steps) {
                        apply(&mut now, changes);
                        expected.insert(next, now.clone());
                    }
                    while expected.len() > KEPT {
                        expected.pop_first();
                    }
                }
                Try::Reopen => {
                    drop(store);
                    store = Store::open(&path, FORMAT).expect("closed");
                }
            }
            let view = store.latest().expect("readable");
            prop_assert!(view.heights().iter().eq(expected.keys()));
            let reader = Reader::open(&path, FORMAT).expect("readable meanwhile");
            for (&height, expected) in &expected {
                check_parts(&store.at(height).expect("kept"));
                prop_assert_eq!(&content(&store.at(height).expect("kept")), expected);
                prop_assert_eq!(&content(&reader.latest().expect("readable").back_to(height).expect("kept")), expected);
            }
        }
    }
}

fn example(path: &Path) -> Store {
    let changes: Vec<_> = (0..200).map(|key| change((ONE, key, Some(u32::from(key))))).collect();
    let store = Store::create(path, FORMAT, CHAIN, 0, &changes).expect("a new one");
    store.commit(1, &[change((ONE, 3, None)), change((TWO, 1, Some(1)))], KEPT).expect("the next height");
    store
}

#[test]
fn a_view_does_not_change() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = example(&directory.path().join("database"));
    let (view, expected) = (store.latest().expect("readable"), content(&store.latest().expect("readable")));
    store.commit(2, &[change((TWO, 1, Some(2)))], 1).expect("the next height");
    assert_eq!((view.height(), content(&view)), (1, expected));
    assert_eq!(store.latest().expect("readable").heights(), [2]);
}

#[test]
fn heights_only_grow_and_what_is_not_kept_is_refused_with_the_range() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("database");
    let store = example(&path);
    let error = store.commit(1, &[change((ONE, 9, None))], KEPT).expect_err("it is there");
    assert!(matches!(error, DatabaseError::NotNext { latest: 1, found: 1, .. }), "{error}");
    assert_eq!(content(&store.latest().expect("readable")).len(), 200, "nothing changed");
    let error = store.roll_back(2).expect_err("never made");
    assert!(matches!(error, DatabaseError::NotKept { height: 2, first: 0, latest: 1, .. }), "{error}");
    let error = Store::create(&path, FORMAT, CHAIN, 0, &[]).expect_err("a file is there");
    assert!(matches!(error, DatabaseError::Exists { .. }), "{error}");
}

#[test]
fn a_database_of_something_else_is_refused_with_both_names() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("database");
    let error = Store::open(&path, FORMAT).expect_err("no file");
    assert!(matches!(error, DatabaseError::Missing { .. }), "{error}");
    drop(example(&path));
    assert_eq!(Store::open(&path, FORMAT).expect("whole").chain_id(), CHAIN);
    let other = Format { kind: "other", ..FORMAT };
    for error in [Store::open(&path, other).err(), Reader::open(&path, other).err()] {
        let error = error.expect("another kind");
        assert!(error.to_string().contains("the database is of test, expected other"), "{error}");
    }
    let later = Format { version: 4, ..FORMAT };
    let error = Store::open(&path, later).expect_err("another version");
    assert!(matches!(error, DatabaseError::OtherVersion { expected: 4, found: 3, .. }), "{error}");
    // One that another program made has no header.
    let foreign = directory.path().join("foreign");
    drop(redb::Database::create(&foreign).expect("a new one"));
    let error = Store::open(&foreign, FORMAT).expect_err("no header");
    assert!(matches!(error, DatabaseError::Damaged { .. }), "{error}");
}

#[test]
fn a_second_store_is_refused_until_the_first_is_dropped() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("database");
    let store = example(&path);
    let error = Store::open(&path, FORMAT).expect_err("open already");
    assert!(matches!(error, DatabaseError::Locked { .. }), "{error}");
    drop(store);
    Store::open(&path, FORMAT).expect("nobody else is here");
}

#[test]
fn a_file_that_was_cut_off_or_altered_is_refused_and_never_read_as_another_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("database");
    let store = example(&path);
    let expected = content(&store.latest().expect("readable"));
    drop(store);
    let bytes = fs::read(&path).expect("readable");
    let opened = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("writable");
        let stored = Store::open(&path, FORMAT).and_then(|store| store.latest().map(|view| content(&view)));
        fs::write(&path, bytes).expect("writable");
        let read = Reader::open(&path, FORMAT).and_then(|reader| reader.latest().map(|view| content(&view)));
        [stored, read]
    };
    let mut refused = 0;
    let cuts = (0..bytes.len()).step_by(bytes.len() / 40).map(|length| bytes[..length].to_vec());
    // Bytes of the first pages, and some of all others.
    let positions = (0..1024).step_by(3).chain((1024..bytes.len()).step_by(211));
    let flips = positions.map(|position| {
        let mut flipped = bytes.clone();
        flipped[position] ^= 1 << (position % 8);
        flipped
    });
    for damaged in cuts.chain(flips) {
        for result in opened(&damaged) {
            match result {
                // What is damaged holds nothing, or an earlier height is whole.
                Ok(found) => assert!(found == expected || found.len() == 200),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 100, "only {refused} damaged files were refused");
}

/// Says to this test's own process, started again, where the database is that it changes until it is killed.
const CHILD: &str = "SUPERBLOCK_TEST_DATABASE";

/// The environment variable that says how often it is killed instead of 40 times.
const KILLS: &str = "SUPERBLOCK_TEST_KILLS";

/// Not a test of its own: the process that is killed. At each height both maps have the height under the same keys.
#[test]
fn child_that_commits_until_it_is_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let store = Store::open(Path::new(&path), FORMAT).expect("whole after every kill");
    let first = store.latest().expect("readable").height();
    for height in first + 1.. {
        let number = u32::try_from(height).expect("killed long before");
        let changes = (0..50).flat_map(|key| [ONE, TWO].map(|map| change((map, key, Some(number)))));
        store.commit(height, &changes.collect::<Vec<_>>(), KEPT).expect("writable");
        if height % 7 == 0 {
            store.roll_back(height - 2).expect("kept");
            store.commit(height, &changes_of(number), KEPT).expect("writable");
        }
    }
}

fn changes_of(number: u32) -> Vec<Change> {
    (0..50).flat_map(|key| [ONE, TWO].map(|map| change((map, key, Some(number))))).collect()
}

fn kills() -> u64 {
    std::env::var(KILLS).ok().and_then(|kills| kills.parse().ok()).unwrap_or(40)
}

#[test]
fn a_process_that_is_killed_at_any_moment_leaves_one_whole_height() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("database");
    drop(Store::create(&path, FORMAT, CHAIN, 0, &changes_of(0)).expect("a new one"));
    let mut heights = vec![0];
    for round in 0..kills() {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["child_that_commits_until_it_is_killed", "--exact"])
            .env(CHILD, &path)
            .spawn()
            .expect("it starts");
        std::thread::sleep(Duration::from_millis(20 + 13 * round % 90));
        child.kill().expect("it runs");
        child.wait().expect("it has ended");
        // Whoever comes next finds one whole height, and whole ones before it.
        if round % 2 == 0 {
            drop(Store::open(&path, FORMAT).expect("whole"));
        }
        let reader = Reader::open(&path, FORMAT).expect("whole");
        let latest = reader.latest().expect("readable");
        let height = latest.height();
        assert!(height + 2 >= *heights.last().expect("one at least"), "a height was lost");
        for &kept in latest.heights() {
            let view = reader.latest().and_then(|view| view.back_to(kept)).expect("kept");
            assert!(content(&view).values().all(|&value| u64::from(value) == kept), "half of height {kept}");
        }
        heights.push(height);
    }
    assert!(heights.last() > heights.first(), "some heights were committed");
}
