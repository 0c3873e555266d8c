use std::collections::BTreeMap;

use circuits_core::trees::{
    InsertWitness, KeyedTree, LeafOpening, PRESENT, SHORT_LIMB_BITS, SetKey, SetWitness, ShortKey, leaf_hash,
};
use proptest::prelude::*;

use super::*;

type Membership = Bench<gadgets::KeyedMembership, 12>;
type NonMembership = Bench<gadgets::KeyedNonMembership, 8>;
type Insert = Bench<gadgets::KeyedInsert, 18>;
type Update = Bench<gadgets::KeyedUpdate, 20>;
type Set<const SHORT: bool> = Bench<gadgets::KeyedSet<SHORT>, 23>;

/// The largest element.
const TOP: u64 = 0xffff_ffff_0000_0000;

fn key(limbs: [u64; 4]) -> Digest {
    Digest(limbs.map(element))
}

fn small(value: u64) -> Digest {
    key([0, 0, 0, value])
}

/// Keys 10, 20 and 30 in the last limb, inserted as 20, 10, 30.
fn tree() -> KeyedTree {
    let mut tree = KeyedTree::new(DEPTH);
    for value in [20, 10, 30] {
        tree.insert(small(value), leaf(value)).unwrap();
    }
    tree
}

fn check_membership(
    bench: &Membership,
    root: Digest,
    key: Digest,
    value: Digest,
    opening: &LeafOpening,
) -> Result<(), TreeError> {
    let native = opening.verify_membership(root, key, value);
    bench.agree(&elements(&[root, key, value]), opening.clone(), &native.clone().map(|()| vec![]));
    native
}

fn check_absence(
    bench: &NonMembership,
    root: Digest,
    key: Digest,
    low: &LeafOpening,
) -> Result<(), TreeError> {
    let native = low.verify_non_membership(root, key);
    bench.agree(&elements(&[root, key]), low.clone(), &native.clone().map(|()| vec![]));
    native
}

fn check_insert(
    bench: &Insert,
    (root, count): (Digest, u64),
    key: Digest,
    value: Digest,
    witness: &InsertWitness,
) -> Result<(Digest, u64), TreeError> {
    let native = witness.apply(root, count, key, value);
    let given = [&root.0[..], &[element(count)], &key.0, &value.0].concat();
    let results = native.clone().map(|(root, count)| [&root.0[..], &[element(count)]].concat());
    bench.agree(&given, witness.clone(), &results);
    native
}

fn check_update(
    bench: &Update,
    root: Digest,
    key: Digest,
    (old, new): (Digest, Digest),
    opening: &LeafOpening,
) -> Result<Digest, TreeError> {
    let native = opening.apply_update(root, key, old, new);
    let results = native.clone().map(|root| root.0.to_vec());
    bench.agree(&elements(&[root, key, old, new]), opening.clone(), &results);
    native
}

/// A key as a set of its kind takes it.
fn set_key<const SHORT: bool>(key: Digest) -> Result<SetKey, TreeError> {
    if SHORT { ShortKey::try_from(key).map(SetKey::from) } else { Ok(key.into()) }
}

fn check_set<const SHORT: bool>(
    bench: &Set<SHORT>,
    (root, count): (Digest, u64),
    key: Digest,
    value: Digest,
    witness: &SetWitness,
) -> Result<(Digest, u64), TreeError> {
    let native = set_key::<SHORT>(key).and_then(|key| witness.apply(root, count, key, value));
    let given = [&root.0[..], &[element(count)], &key.0, &value.0].concat();
    let results = native.clone().map(|outcome| {
        let inserted = F::from_bool(witness.insert);
        [&outcome.root.0[..], &[element(outcome.count)], &outcome.old_value.0, &[inserted]].concat()
    });
    bench.agree(&given, witness.clone(), &results);
    native.map(|outcome| (outcome.root, outcome.count))
}

fn commitment(tree: &KeyedTree) -> (Digest, u64) {
    (tree.root(), tree.count())
}

#[test]
fn a_key_has_its_value_only() {
    let (bench, tree) = (Membership::new(), tree());
    let opening = tree.membership(&small(20)).unwrap();
    assert_eq!(check_membership(&bench, tree.root(), small(20), leaf(20), &opening), Ok(()));
    let result = check_membership(&bench, tree.root(), small(20), leaf(10), &opening);
    assert!(matches!(result, Err(TreeError::Value { .. })));
    let result = check_membership(&bench, tree.root(), small(10), leaf(20), &opening);
    assert!(matches!(result, Err(TreeError::Key { .. })));
    for forged in [
        LeafOpening { next_key: small(40), ..opening.clone() },
        LeafOpening { index: opening.index ^ 1, ..opening.clone() },
        LeafOpening { index: opening.index + (1 << DEPTH), ..opening.clone() },
        LeafOpening { path: tree.membership(&small(10)).unwrap().path, ..opening.clone() },
    ] {
        let result = check_membership(&bench, tree.root(), small(20), leaf(20), &forged);
        assert!(matches!(result, Err(TreeError::Root { .. } | TreeError::Index { .. })));
    }
}

/// Cases 31 and 48: neither the sentinel nor an empty slot is a member, whatever value is claimed.
#[test]
fn an_absent_key_is_not_a_member() {
    let (bench, tree) = (Membership::new(), tree());
    let sentinel = tree.non_membership(&small(5)).unwrap();
    let result = check_membership(&bench, tree.root(), Digest::ZERO, Digest::ZERO, &sentinel);
    assert_eq!(result, Err(TreeError::ZeroKey));

    let empty = LeafOpening {
        index: 9,
        key: Digest::ZERO,
        value: Digest::ZERO,
        next_key: Digest::ZERO,
        path: circuits_core::trees::IndexTree::new(DEPTH).path(9),
    };
    let result =
        check_membership(&bench, circuits_core::trees::empty_root(DEPTH), Digest::ZERO, Digest::ZERO, &empty);
    assert_eq!(result, Err(TreeError::ZeroKey));
    let claimed = LeafOpening { key: small(15), ..sentinel };
    let result = check_membership(&bench, tree.root(), small(15), Digest::ZERO, &claimed);
    assert!(matches!(result, Err(TreeError::Root { .. })));
}

#[test]
fn a_present_key_is_not_absent() {
    let (bench, tree) = (NonMembership::new(), tree());
    let all: Vec<_> = [5, 15, 25, 35].map(|value| tree.non_membership(&small(value)).unwrap()).into();
    for (value, expected) in [(5, 0), (15, 1), (25, 2), (35, 3)] {
        let result = check_absence(&bench, tree.root(), small(value), &all[expected]);
        assert_eq!(result, Ok(()), "{value}");
    }
    // Each present key with the leaf below it, its own, and the last; each absent key with its neighbours' leaves.
    for (value, low) in [
        (10, 0),
        (10, 1),
        (20, 1),
        (20, 2),
        (30, 2),
        (30, 3),
        (10, 3),
        (5, 1),
        (15, 0),
        (15, 2),
        (25, 3),
        (35, 2),
    ] {
        let result = check_absence(&bench, tree.root(), small(value), &all[low]);
        assert!(matches!(result, Err(TreeError::Order { .. })), "{value} with leaf {low}");
    }
    let result = check_absence(&bench, tree.root(), Digest::ZERO, &all[0]);
    assert!(matches!(result, Err(TreeError::Order { .. })));
    let forged = LeafOpening { next_key: Digest::ZERO, ..all[1].clone() };
    let result = check_absence(&bench, tree.root(), small(20), &forged);
    assert!(matches!(result, Err(TreeError::Root { .. })));
}

/// Case 35: limbs use all 64 bits, so the order is tried where words and limbs end.
#[test]
fn keys_are_ordered_as_256_bit_integers() {
    let bench = NonMembership::of_depth(2);
    let word = 1 << 32;
    let limbs = [0, 1, word - 2, word - 1, word, word + 1, TOP - word, TOP - 1, TOP];
    let mut keys: Vec<_> =
        limbs.iter().flat_map(|&limb| [key([limb, 0, 0, 7]), key([3, 3, limb, TOP])]).collect();
    keys.push(key([TOP; 4]));
    keys.sort();
    for window in keys.windows(3) {
        let mut tree = KeyedTree::new(2);
        tree.insert(window[0], PRESENT).unwrap();
        tree.insert(window[2], PRESENT).unwrap();
        let opening = tree.non_membership(&window[1]).unwrap();
        assert_eq!(check_absence(&bench, tree.root(), window[1], &opening), Ok(()));
        // The same opening says nothing about the keys at and beyond its ends.
        for outside in [window[0], window[2]] {
            let result = check_absence(&bench, tree.root(), outside, &opening);
            assert!(matches!(result, Err(TreeError::Order { .. })));
        }
    }
}

#[test]
fn an_inserted_key_is_linked_and_counted() {
    let (bench, before) = (Insert::new(), tree());
    for value in [5, 15, 35] {
        let mut after = before.clone();
        after.insert(small(value), leaf(value)).unwrap();
        let witness = before.prove_insert(&small(value)).unwrap();
        let result = check_insert(&bench, commitment(&before), small(value), leaf(value), &witness);
        assert_eq!(result, Ok(commitment(&after)));
    }
}

#[test]
fn an_insertion_that_breaks_one_rule_is_rejected() {
    let (bench, before) = (Insert::new(), tree());
    let at = commitment(&before);
    let witness = before.prove_insert(&small(15)).unwrap();
    let other = before.prove_insert(&small(25)).unwrap();

    // Twice: the key's own leaf is the low leaf's neighbour.
    let result = check_insert(&bench, at, small(20), leaf(1), &witness);
    assert!(matches!(result, Err(TreeError::Order { .. })));
    // With another key's low leaf.
    let result = check_insert(&bench, at, small(15), leaf(1), &other);
    assert!(matches!(result, Err(TreeError::Order { .. })));
    // Key 0, value 0.
    let result = check_insert(&bench, at, Digest::ZERO, leaf(1), &witness);
    assert!(matches!(result, Err(TreeError::Order { .. })));
    let result = check_insert(&bench, at, small(15), Digest::ZERO, &witness);
    assert_eq!(result, Err(TreeError::ZeroValue { key: small(15) }));
    // Into a taken slot, with the path of another slot, past the last one.
    for count in [at.1 - 1, at.1 + 4, 1 << DEPTH] {
        let result = check_insert(&bench, (at.0, count), small(15), leaf(1), &witness);
        assert!(matches!(result, Err(TreeError::Occupied { .. } | TreeError::Full { .. })));
    }
    // With the slot's path from before the low leaf was linked.
    let stale = before.prove_insert(&small(5)).unwrap().slot;
    let result =
        check_insert(&bench, at, small(15), leaf(1), &InsertWitness { slot: stale, ..witness.clone() });
    assert!(matches!(result, Err(TreeError::Occupied { .. })));
    // Under another root.
    let result = check_insert(&bench, (leaf(0), at.1), small(15), leaf(1), &witness);
    assert!(matches!(result, Err(TreeError::Root { .. })));
}

#[test]
fn an_update_changes_one_value_of_a_present_key() {
    let (bench, before) = (Update::new(), tree());
    let mut after = before.clone();
    after.update(small(20), leaf(21)).unwrap();
    let opening = before.prove_update(&small(20)).unwrap();
    let (root, values) = (before.root(), (leaf(20), leaf(21)));
    assert_eq!(check_update(&bench, root, small(20), values, &opening), Ok(after.root()));

    let result = check_update(&bench, root, small(20), (leaf(21), leaf(21)), &opening);
    assert!(matches!(result, Err(TreeError::Value { .. })));
    let result = check_update(&bench, root, small(10), values, &opening);
    assert!(matches!(result, Err(TreeError::Key { .. })));
    let result = check_update(&bench, root, small(20), (leaf(20), Digest::ZERO), &opening);
    assert_eq!(result, Err(TreeError::ZeroValue { key: small(20) }));
    let result = check_update(&bench, leaf(0), small(20), values, &opening);
    assert!(matches!(result, Err(TreeError::Root { .. })));
    // The sentinel is nobody's entry.
    let sentinel = before.non_membership(&small(5)).unwrap();
    let result = check_update(&bench, root, Digest::ZERO, (Digest::ZERO, leaf(1)), &sentinel);
    assert_eq!(result, Err(TreeError::ZeroKey));
}

#[test]
fn a_set_inserts_what_is_absent_and_updates_what_is_present() {
    set_inserts_what_is_absent_and_updates_what_is_present::<false>();
    set_inserts_what_is_absent_and_updates_what_is_present::<true>();
}

fn set_inserts_what_is_absent_and_updates_what_is_present<const SHORT: bool>() {
    let (bench, before) = (Set::<SHORT>::new(), tree());
    for value in [5, 10, 25, 30] {
        let mut after = before.clone();
        let old = after.set(small(value), leaf(99)).unwrap();
        let witness = before.prove_set(small(value)).unwrap();
        assert_eq!(witness.insert, old.is_none());
        let result = check_set(&bench, commitment(&before), small(value), leaf(99), &witness);
        assert_eq!(result, Ok(commitment(&after)));
    }
    // A full tree can still be updated.
    let mut full = KeyedTree::new(DEPTH);
    (1..16).for_each(|value| assert_eq!(full.insert(small(value), leaf(value)), Ok(value)));
    let witness = full.prove_set(small(7)).unwrap();
    assert!(check_set(&bench, commitment(&full), small(7), leaf(99), &witness).is_ok());
    assert!(matches!(full.prove_set(small(99)), Err(TreeError::Full { .. })));
}

#[test]
fn a_set_with_the_wrong_flag_is_rejected() {
    set_with_the_wrong_flag_is_rejected::<false>();
    set_with_the_wrong_flag_is_rejected::<true>();
}

fn set_with_the_wrong_flag_is_rejected<const SHORT: bool>() {
    let (bench, before) = (Set::<SHORT>::new(), tree());
    let at = commitment(&before);
    let absent = before.prove_set(small(15)).unwrap();
    let present = before.prove_set(small(20)).unwrap();

    // A present key inserted a second time, with its own leaf, or with the leaf before it.
    let slot = absent.slot.clone();
    let again = SetWitness { insert: true, slot: slot.clone(), ..present.clone() };
    let result = check_set(&bench, at, small(20), leaf(1), &again);
    assert!(matches!(result, Err(TreeError::Order { .. })));
    let result = check_set(&bench, at, small(20), leaf(1), &absent);
    assert!(matches!(result, Err(TreeError::Order { .. })));
    // An absent key updated.
    let result = check_set(&bench, at, small(15), leaf(1), &SetWitness { insert: false, ..absent.clone() });
    assert!(matches!(result, Err(TreeError::Key { .. })));
    // The sentinel updated or inserted.
    let sentinel = before.prove_set(small(5)).unwrap();
    for insert in [false, true] {
        let witness = SetWitness { insert, ..sentinel.clone() };
        assert!(check_set(&bench, at, Digest::ZERO, leaf(1), &witness).is_err());
    }
    // Value 0, either way.
    for (key, witness) in [(15, &absent), (20, &present)] {
        let result = check_set(&bench, at, small(key), Digest::ZERO, witness);
        assert_eq!(result, Err(TreeError::ZeroValue { key: small(key) }));
    }
    // The rules of an insertion's slot.
    for count in [at.1 - 1, at.1 + 4, 1 << DEPTH] {
        assert!(check_set(&bench, (at.0, count), small(15), leaf(1), &absent).is_err());
    }
    // Another root, either way.
    for (key, witness) in [(15, &absent), (20, &present)] {
        let result = check_set(&bench, (leaf(0), at.1), small(key), leaf(1), witness);
        assert!(matches!(result, Err(TreeError::Root { .. })));
    }
}

/// Sets a key in a tree and in-circuit.
fn set_both<const SHORT: bool>(bench: &Set<SHORT>, tree: &mut KeyedTree, key: Digest, value: Digest) {
    let witness = tree.prove_set(set_key::<SHORT>(key).unwrap()).unwrap();
    let result = check_set(bench, commitment(tree), key, value, &witness);
    tree.set(key, value).unwrap();
    assert_eq!(result, Ok(commitment(tree)));
}

/// Keys that are hashes lie far apart, and each can come before, between and after others.
#[test]
fn keys_are_set_in_gaps_wider_than_a_short_limb() {
    let bench = Set::<false>::new();
    let mut tree = KeyedTree::new(DEPTH);
    let far = 3 << SHORT_LIMB_BITS;
    // Alone, last, first, in the middle, and again.
    for (value, limb) in [2 * far, TOP, 1, far, TOP - far, far, TOP].into_iter().enumerate() {
        set_both(&bench, &mut tree, key([limb, 7, 7, 7]), leaf(value as u64));
    }
    // The same where the first limbs are equal.
    for (value, limb) in [2 * far, TOP, 1, far].into_iter().enumerate() {
        set_both(&bench, &mut tree, key([TOP, 7, limb, 7]), leaf(value as u64));
    }
}

#[test]
fn steps_that_once_needed_long_limbs_are_made() {
    let bench = Set::<false>::new();
    let mut tree = KeyedTree::new(DEPTH);
    let word = 1 << 32;
    let steps = [
        ([0, 0, 0, word], 1),
        ([0, 0, 0, word], 1),
        ([0, 0, 1, 0], 2),
        ([TOP, TOP, word + 1, 0], 7),
        ([TOP, TOP, 0, TOP], 6),
        ([TOP - 1, 1, TOP - 1, TOP], 1),
    ];
    for (limbs, value) in steps {
        set_both(&bench, &mut tree, key(limbs), leaf(value));
    }
}

#[test]
fn a_key_with_a_long_limb_is_not_set_as_a_short_one() {
    let bench = Set::<true>::new();
    let largest = (1 << SHORT_LIMB_BITS) - 1;
    let mut tree = KeyedTree::new(DEPTH);
    set_both(&bench, &mut tree, key([largest; 4]), leaf(1));
    for limb in 0..4 {
        for long in [largest + 1, TOP] {
            let mut limbs = [5; 4];
            limbs[limb] = long;
            let key = key(limbs);
            let refused = TreeError::LongLimb { key, limb };
            // In-circuit, what would be a witness of it.
            let witness = tree.prove_set(key).unwrap();
            let result = check_set(&bench, commitment(&tree), key, leaf(2), &witness);
            assert_eq!(result, Err(refused.clone()));

            // Nor is a short one set beside it.
            let mut mixed = KeyedTree::new(DEPTH);
            mixed.insert(key, leaf(2)).unwrap();
            for near in [4, 6] {
                let near = ShortKey::try_from(small(near)).unwrap();
                assert_eq!(mixed.prove_set(near), Err(refused.clone()));
                let witness = mixed.prove_set(*near).unwrap();
                assert_eq!(witness.apply(mixed.root(), mixed.count(), near, leaf(3)), Err(refused.clone()));
            }
        }
    }
}

/// Each leaf's next key is the next larger one, and every leaf is where it came.
fn assert_linked(tree: &KeyedTree, model: &BTreeMap<Digest, Digest>) {
    let entries: Vec<_> = tree.iter().collect();
    assert_eq!(entries, model.iter().map(|(&key, &value)| (key, value)).collect::<Vec<_>>());
    let mut previous = tree.non_membership(&small(1)).ok();
    for (key, value) in entries {
        let opening = tree.membership(&key).unwrap();
        assert_eq!(opening.path.root(opening.index, leaf_hash(key, value, opening.next_key)), tree.root());
        if let Some(previous) = previous {
            assert_eq!(previous.next_key, key);
        }
        previous = Some(opening);
    }
}

/// Keys that meet in some limbs and words, of limbs up to `top`.
fn keys(top: u64) -> impl Strategy<Value = Digest> {
    let limb = prop::sample::select(vec![0, 1, 1 << 32, (1 << 32) + 1, top - 1, top]);
    prop::array::uniform4(limb).prop_map(key).prop_filter("not the first keys", |key| *key > small(1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_keyed_tree_is_a_map(steps in prop::collection::vec((keys(TOP), 1u64..9), 1..24)) {
        let mut tree = KeyedTree::new(6);
        let mut model = BTreeMap::new();
        for (key, value) in steps {
            let value = leaf(value);
            let witness = tree.prove_set(key).unwrap();
            let outcome = witness.apply(tree.root(), tree.count(), key, value).unwrap();
            let old = model.insert(key, value);
            prop_assert_eq!(tree.set(key, value).unwrap(), old);
            prop_assert_eq!(outcome.old_value, old.unwrap_or(Digest::ZERO));
            prop_assert_eq!((outcome.root, outcome.count), commitment(&tree));
            prop_assert_eq!(tree.get(&key), Some(value));
        }
        assert_linked(&tree, &model);
        let stored = serde_json::to_string(&tree).unwrap();
        prop_assert_eq!(serde_json::from_str::<KeyedTree>(&stored).unwrap(), tree);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn a_keyed_tree_is_set_in_circuit_as_natively(steps in prop::collection::vec((keys(TOP), 1u64..9), 6)) {
        let bench = Set::<false>::new();
        let mut tree = KeyedTree::new(DEPTH);
        for (key, value) in steps {
            set_both(&bench, &mut tree, key, leaf(value));
        }
    }

    #[test]
    fn a_tree_of_short_keys_is_set_in_circuit_as_natively(
        steps in prop::collection::vec((keys((1 << SHORT_LIMB_BITS) - 1), 1u64..9), 6),
    ) {
        let bench = Set::<true>::new();
        let mut tree = KeyedTree::new(DEPTH);
        for (key, value) in steps {
            set_both(&bench, &mut tree, key, leaf(value));
        }
    }
}
