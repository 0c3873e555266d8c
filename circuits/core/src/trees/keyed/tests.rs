use std::collections::BTreeMap;

use plonky2::field::types::Field;
use proptest::prelude::*;

use super::{
    super::keyed_opening::{PRESENT, SetOutcome},
    *,
};
use crate::{F, late::tests::Table, trees::PAGE_LEAVES};

fn digest(value: u64) -> Digest {
    Digest([value, 0, 0, 0].map(F::from_canonical_u64))
}

#[test]
fn witnesses_taken_before_a_change_lead_to_the_tree_after_it() {
    let mut tree = KeyedTree::new(4);
    for (i, key) in [50, 20, 30, 70, 60, 10, 20, 70, 1].into_iter().enumerate() {
        let (key, value) = (digest(key), digest(100 + i as u64));
        let witness = tree.prove_set(key).unwrap();
        let outcome = witness.apply(tree.root(), tree.count(), key, value).unwrap();
        let old = tree.set(key, value).unwrap();
        assert_eq!(
            outcome,
            SetOutcome { root: tree.root(), count: tree.count(), old_value: old.unwrap_or(Digest::ZERO) }
        );
        tree.membership(&key).unwrap().verify_membership(tree.root(), key, value).unwrap();
        tree.non_membership(&digest(55)).unwrap().verify_non_membership(tree.root(), digest(55)).unwrap();
    }
    let text = serde_json::to_string(&tree).unwrap();
    assert_eq!(serde_json::from_str::<KeyedTree>(&text).unwrap(), tree);
}

#[test]
fn entries_make_the_tree_that_inserting_them_makes() {
    for keys in [&[] as &[u64], &[7], &[50, 20, 30, 70, 60, 10, 1]] {
        let entries: Vec<_> = keys.iter().map(|&key| (digest(key), digest(100 + key))).collect();
        let mut tree = KeyedTree::new(3);
        for &(key, value) in &entries {
            tree.insert(key, value).unwrap();
        }
        assert_eq!(KeyedTree::from_entries(3, entries), Ok(tree));
    }
    let made = |keys: &[u64]| KeyedTree::from_entries(2, keys.iter().map(|&key| (digest(key), PRESENT)));
    assert_eq!(made(&[1, 2, 1]), Err(TreeError::Present { key: digest(1) }));
    assert_eq!(made(&[1, 2, 3, 4]), Err(TreeError::Full { count: 4, added: 1, depth: 2 }));
    assert_eq!(made(&[0]), Err(TreeError::ZeroKey));
    let valueless = KeyedTree::from_entries(2, [(digest(1), Digest::ZERO)]);
    assert_eq!(valueless, Err(TreeError::ZeroValue { key: digest(1) }));
    let too_deep = KeyedTree::from_entries(MAX_DEPTH + 1, []);
    assert_eq!(too_deep, Err(TreeError::Depth { depth: MAX_DEPTH + 1 }));
}

#[test]
fn the_key_that_was_inserted_last_can_be_taken_back() {
    let mut tree = KeyedTree::new(3);
    assert_eq!(tree.take_back(&Digest::ZERO), Err(TreeError::ZeroKey));
    let mut before = vec![];
    for key in [50, 20, 70, 30] {
        before.push((tree.clone(), digest(key)));
        tree.insert(digest(key), PRESENT).unwrap();
    }
    let full = tree.clone();
    let not_last = TreeError::NotLast { key: digest(20), index: 2, count: 5 };
    assert_eq!(tree.take_back(&digest(20)), Err(not_last));
    assert_eq!(tree.take_back(&digest(21)), Err(TreeError::Absent { key: digest(21) }));
    assert_eq!(tree, full);
    for (earlier, key) in before.into_iter().rev() {
        assert_eq!(tree.take_back(&key), Ok(PRESENT));
        assert_eq!(tree, earlier);
    }
}

#[test]
fn the_sentinel_is_neither_member_nor_absent() {
    let mut tree = KeyedTree::new(2);
    assert_eq!(tree.get(&Digest::ZERO), None);
    assert_eq!(tree.membership(&Digest::ZERO), Err(TreeError::ZeroKey));
    assert_eq!(tree.non_membership(&Digest::ZERO), Err(TreeError::ZeroKey));
    assert_eq!(tree.set(Digest::ZERO, PRESENT), Err(TreeError::ZeroKey));
    assert_eq!(tree.set(digest(1), Digest::ZERO), Err(TreeError::ZeroValue { key: digest(1) }));
    for key in 1..4 {
        tree.insert(digest(key), PRESENT).unwrap();
    }
    assert_eq!(tree.insert(digest(1), PRESENT), Err(TreeError::Present { key: digest(1) }));
    assert_eq!(tree.insert(digest(4), PRESENT), Err(TreeError::Full { count: 4, added: 1, depth: 2 }));
}

/// What is stored of a tree.
#[derive(Clone)]
struct Disk {
    leaves: Vec<Digest>,
    roots: Vec<Digest>,
    entries: BTreeMap<Digest, (u64, Digest)>,
}

impl Disk {
    fn new(tree: &KeyedTree) -> Self {
        let pages = 0..tree.count().div_ceil(PAGE_LEAVES as u64);
        Self {
            leaves: (0..tree.count()).map(|index| tree.tree.get(index)).collect(),
            roots: pages.filter_map(|page| tree.page_root(page)).collect(),
            entries: tree.entries.iter().map(|(&key, &entry)| (key, entry)).collect(),
        }
    }

    fn open(self, depth: usize) -> KeyedTree {
        let Self { leaves, roots, entries } = self;
        let len = leaves.len() as u64;
        let read =
            move |range: std::ops::Range<u64>| Ok(leaves[range.start as usize..range.end as usize].to_vec());
        let list = Arc::new(StoredList::new(len, Reads::default(), read));
        let table = Table { entries, unreadable: vec![] };
        KeyedTree::from_stored(depth, &list, &roots, table).unwrap()
    }
}

/// The tree of this depth with the keys 10, 20, and so on.
fn tens(depth: usize, keys: u64) -> KeyedTree {
    let entries = (1..=keys).map(|key| (digest(10 * key), digest(key)));
    KeyedTree::from_entries(depth, entries).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_tree_over_what_is_stored_is_the_tree(
        depth in prop_oneof![Just(5_usize), Just(10)],
        keys in 0_u64..600,
        changes in prop::collection::vec((0_u64..6100, 0_u64..3), 0..20),
    ) {
        let mut expected = tens(depth, keys % (1 << depth));
        let mut late = Disk::new(&expected).open(depth);
        let start = (late.clone(), expected.clone());
        let mut inserted = vec![];
        for (key, value) in changes {
            let (key, value) = (digest(key % (20 + 11 * keys)), digest(value));
            prop_assert_eq!(late.get(&key), expected.get(&key));
            prop_assert_eq!(late.prove_set(key), expected.prove_set(key));
            prop_assert_eq!(late.membership(&key), expected.membership(&key));
            prop_assert_eq!(late.non_membership(&key), expected.non_membership(&key));
            let set = late.set(key, value);
            prop_assert_eq!(&set, &expected.set(key, value));
            if set == Ok(None) {
                inserted.push(key);
            }
            prop_assert_eq!((late.root(), late.count()), (expected.root(), expected.count()));
        }
        prop_assert!(late.iter().eq(expected.iter()));
        prop_assert_eq!(&late, &expected);
        prop_assert_eq!(start.0.changed_leaves(&late), start.1.changed_leaves(&expected));
        // Stored again, the last ones can be taken back although they were not inserted since.
        let mut late = Disk::new(&late).open(depth);
        for key in inserted.into_iter().rev() {
            prop_assert_eq!(late.take_back(&key), expected.take_back(&key));
            prop_assert_eq!(late.get(&key), None);
            prop_assert_eq!((late.root(), late.count()), (expected.root(), expected.count()));
        }
        prop_assert_eq!(start.0.reads().map(Reads::check), Some(Ok(())));
        prop_assert_eq!(late.reads().map(Reads::check), Some(Ok(())));
    }
}

#[test]
fn what_is_altered_or_missing_is_found_when_it_is_needed() {
    let disk = Disk::new(&tens(10, 600));
    type Alter = fn(&mut Disk);
    type Need = fn(&KeyedTree);
    // What is stored of key 50, which has index 5, and somebody who needs that.
    let alter: [Alter; 5] = [
        |disk| {
            disk.entries.remove(&digest(50));
        },
        |disk| {
            disk.entries.insert(digest(50), (5, digest(6)));
        },
        |disk| {
            disk.entries.insert(digest(50), (6, digest(5)));
        },
        |disk| disk.leaves[5] = digest(1),
        |disk| disk.leaves[200] = digest(1),
    ];
    let need: [Need; 5] = [
        |tree| {
            let _ = tree.get(&digest(50));
        },
        |tree| drop(tree.non_membership(&digest(55))),
        |tree| drop(tree.prove_set(digest(50))),
        |tree| drop(tree.clone().set(digest(50), PRESENT)),
        |tree| drop(tree.clone().set(digest(51), PRESENT)),
    ];
    for (alter, need) in alter.iter().flat_map(|alter| need.map(|need| (alter, need))) {
        let mut disk = disk.clone();
        alter(&mut disk);
        let tree = disk.open(10);
        assert_eq!(tree.get(&digest(5000)), Some(digest(500)), "another page has nothing wrong");
        assert_eq!(tree.reads().map(Reads::check), Some(Ok(())));
        need(&tree);
        assert!(tree.reads().is_some_and(|reads| reads.check().is_err()));
    }
    // A key between that was not inserted makes another leaf of the one before.
    let mut more = disk.clone();
    more.entries.insert(digest(51), (600, digest(5)));
    for key in [50, 51, 52] {
        let tree = more.clone().open(10);
        assert_eq!(tree.get(&digest(key)), None);
        assert!(tree.reads().is_some_and(|reads| reads.check().is_err()));
    }
}
