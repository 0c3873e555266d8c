//! The keyed tree.

use circuits_core::trees::{
    IndexTree, InsertWitness, KeyedTree, LeafOpening, Path, SHORT_LIMB_BITS, SetWitness, leaf_hash,
};
use plonky2::field::types::{Field64, PrimeField64};

use super::*;

/// Keys by their position in the order.
type Keys = fn(u64) -> Digest;

/// Keys whose limbs and words are not small, in increasing order.
fn key(position: u64) -> Digest {
    let mut keys: Vec<_> = (0..9).map(|value| leaf(1000 + value)).collect();
    keys.sort();
    keys[position as usize]
}

/// Keys whose limbs are short, and not small, in increasing order.
fn short_key(position: u64) -> Digest {
    let short = |limb: F| element(limb.to_canonical_u64() & ((1 << SHORT_LIMB_BITS) - 1));
    let mut keys: Vec<_> = (0..9).map(|value| Digest(leaf(1000 + value).0.map(short))).collect();
    keys.sort();
    keys[position as usize]
}

/// Keys 1, 5 and 3.
fn keyed_tree(key: Keys) -> KeyedTree {
    let mut tree = KeyedTree::new(DEPTH);
    for position in [1, 5, 3] {
        tree.insert(key(position), leaf(position)).unwrap();
    }
    tree
}

/// Keys that differ from `key(4)` in one limb, by at most 2^32 or by more.
fn close_tree(limb: usize, distance: u64) -> (KeyedTree, Digest) {
    let middle = Digest([element(1 << 40 | 7); 4]);
    let (mut low, mut high) = (middle, middle);
    low.0[limb] -= element(distance);
    high.0[limb] += element(distance);
    let mut tree = KeyedTree::new(DEPTH);
    tree.insert(low, leaf(1)).unwrap();
    tree.insert(high, leaf(2)).unwrap();
    (tree, middle)
}

#[test]
fn keyed_membership_and_update_withstand_the_kit() {
    let tree = keyed_tree(key);
    let root = tree.root();
    let opening = |position| tree.membership(&key(position)).unwrap();
    let sentinel = tree.non_membership(&key(0)).unwrap();
    attack::<gadgets::KeyedMembership, 12>(
        &[
            honest(&elements(&[root, key(1), leaf(1)]), opening(1)),
            honest(&elements(&[root, key(5), leaf(5)]), opening(5)),
        ],
        &[
            honest(&elements(&[root, key(1), leaf(5)]), opening(1)),
            honest(&elements(&[root, key(2), leaf(1)]), opening(1)),
            honest(&elements(&[root, Digest::ZERO, Digest::ZERO]), sentinel.clone()),
            honest(&elements(&[leaf(0), key(1), leaf(1)]), opening(1)),
        ],
    );
    attack::<gadgets::KeyedUpdate, 20>(
        &[
            honest(&elements(&[root, key(1), leaf(1), leaf(8)]), opening(1)),
            honest(&elements(&[root, key(5), leaf(5), leaf(8)]), opening(5)),
        ],
        &[
            honest(&elements(&[root, key(1), leaf(5), leaf(8)]), opening(1)),
            honest(&elements(&[root, key(2), leaf(1), leaf(8)]), opening(1)),
            honest(&elements(&[root, key(1), leaf(1), Digest::ZERO]), opening(1)),
            honest(&elements(&[root, Digest::ZERO, Digest::ZERO, leaf(8)]), sentinel),
            honest(&elements(&[leaf(0), key(1), leaf(1), leaf(8)]), opening(1)),
        ],
    );
}

fn absence(tree: &KeyedTree, claimed: Digest, low_of: Digest) -> Lie<LeafOpening> {
    honest(&elements(&[tree.root(), claimed]), tree.non_membership(&low_of).unwrap())
}

/// Hints of a non-membership, in the order in which they are asked.
const LOW_POINTER: usize = 0;
const IS_LAST: usize = 3;
const NEXT_POINTER: usize = 4;
const NEXT_Y: usize = 6;
/// Of a set. Short keys are compared without hints of words.
const FLAG: usize = 0;
const SET_IS_LAST: usize = 6;
const SHORT_SET_IS_LAST: usize = 4;

/// A list of the one key (10, 0, 0, 0).
fn tiny_tree() -> (KeyedTree, Digest) {
    let tiny = Digest([10, 0, 0, 0].map(element));
    let mut tree = KeyedTree::new(DEPTH);
    tree.insert(tiny, leaf(1)).unwrap();
    (tree, tiny)
}

/// Case 30: 10 has a second 64-bit form, 10 + p = (2^32 - 1) * 2^32 + 11. With it, a present key is below itself.
fn aliased_key() -> Vec<Lie<LeafOpening>> {
    let (tree, tiny) = tiny_tree();
    let inverses = [0, 1, 5];
    let low = Digest([5, 0, 0, 0].map(element));
    inverses
        .into_iter()
        .map(|inverse| {
            absence(&tree, tiny, low)
                .answer(NEXT_POINTER, &AT_0_HIGH)
                .answer(NEXT_Y, &[TOP_WORD, 11, inverse])
        })
        .collect()
}

#[test]
fn aliased_key_is_rejected() {
    let compiled = Compiled::new(Lying(Gadget::<gadgets::KeyedNonMembership, 8>::new(DEPTH))).unwrap();
    for lie in aliased_key() {
        assert_rejects(&compiled, &lie);
    }
}

/// A key above the next one whose later limbs are smaller, or below the low one whose later limbs are larger.
fn wrong_positions() -> Vec<Lie<LeafOpening>> {
    let big = |limbs: [u64; 4]| Digest(limbs.map(element));
    let mut tree = KeyedTree::new(DEPTH);
    tree.insert(big([5, 5, 5, 5]), leaf(1)).unwrap();
    tree.insert(big([7, 7, 7, 7]), leaf(2)).unwrap();
    let between = big([6, 0, 0, 0]);
    let mut lies = vec![];
    for (limb, above, below) in
        [(1, [8, 6, 7, 7], [4, 6, 5, 5]), (2, [7, 8, 6, 7], [5, 4, 6, 5]), (3, [7, 7, 8, 6], [5, 5, 4, 6])]
    {
        let at: [u64; 4] = std::array::from_fn(|i| u64::from(i + 1 == limb || i == 3));
        lies.push(absence(&tree, big(above), between).answer(NEXT_POINTER, &at));
        lies.push(absence(&tree, big(below), between).answer(LOW_POINTER, &at));
    }
    // Infinity claimed although there is a next key.
    lies.push(absence(&tree, big([8, 8, 8, 8]), between).answer(IS_LAST, &[1]));
    lies.push(absence(&tree, big([8, 8, 8, 8]), between).answer(IS_LAST, &[2]));
    lies
}

#[test]
fn a_key_outside_the_gap_is_rejected_wherever_the_prover_points() {
    let compiled = Compiled::new(Lying(Gadget::<gadgets::KeyedNonMembership, 8>::new(DEPTH))).unwrap();
    for lie in wrong_positions() {
        assert_rejects(&compiled, &lie);
    }
}

#[test]
fn keyed_non_membership_withstands_the_kit() {
    let tree = keyed_tree(key);
    let mut honest = vec![absence(&tree, key(2), key(2)), absence(&tree, key(7), key(7))];
    for limb in 0..4 {
        for distance in [1, 1 << 36] {
            let (tree, middle) = close_tree(limb, distance);
            honest.push(absence(&tree, middle, middle));
        }
    }
    let mut dishonest: Vec<_> = [aliased_key(), wrong_positions()].into_iter().flatten().collect();
    dishonest.push(absence(&tree, key(3), key(2)));
    let mut elsewhere = absence(&tree, key(2), key(2));
    elsewhere.input.given[0] += F::ONE;
    dishonest.push(elsewhere);
    attack_comparing::<gadgets::KeyedNonMembership, 8>(&honest, &dishonest);
}

fn insertion(
    tree: &KeyedTree,
    count: u64,
    key: Digest,
    value: Digest,
    witness: InsertWitness,
) -> Lie<InsertWitness> {
    honest(&[&tree.root().0[..], &[element(count)], &key.0, &value.0].concat(), witness)
}

fn setting(tree: &KeyedTree, count: u64, key: Digest, value: Digest, witness: SetWitness) -> Lie<SetWitness> {
    honest(&[&tree.root().0[..], &[element(count)], &key.0, &value.0].concat(), witness)
}

#[test]
fn keyed_insertion_withstands_the_kit() {
    let tree = keyed_tree(key);
    let count = tree.count();
    let insert = |tree: &KeyedTree, key: Digest| {
        insertion(tree, tree.count(), key, leaf(9), tree.prove_insert(&key).unwrap())
    };
    let mut honest = vec![insert(&tree, key(2)), insert(&tree, key(7))];
    for limb in 0..4 {
        let (tree, middle) = close_tree(limb, 1 << 36);
        honest.push(insert(&tree, middle));
    }
    let witness = |position| tree.prove_insert(&key(position)).unwrap();
    let stale = InsertWitness { slot: witness(7).slot, ..witness(2) };
    let (tiny, five) = (tiny_tree(), Digest([5, 0, 0, 0].map(element)));
    let aliased = insertion(&tiny.0, 2, tiny.1, leaf(9), tiny.0.prove_insert(&five).unwrap())
        .answer(NEXT_POINTER, &AT_0_HIGH)
        .answer(NEXT_Y, &[TOP_WORD, 11, 0]);
    let mut elsewhere = insert(&tree, key(2));
    elsewhere.input.given[0] += F::ONE;
    let dishonest = [
        insertion(&tree, count, key(3), leaf(9), witness(2)),
        insertion(&tree, count, key(1), leaf(9), witness(2)),
        insertion(&tree, count, key(2), Digest::ZERO, witness(2)),
        insertion(&tree, count - 1, key(2), leaf(9), witness(2)),
        insertion(&tree, 1 << DEPTH, key(2), leaf(9), witness(2)),
        insertion(&tree, count, key(2), leaf(9), stale),
        insertion(&tree, count, key(7), leaf(9), behind_another(key)).answer(IS_LAST, &[1]),
        aliased,
        elsewhere,
    ];
    attack_comparing::<gadgets::KeyedInsert, 18>(&honest, &dishonest);
}

/// A key of one limb at the start of a list is inserted again behind the last key, of the largest limb there is: as a
/// difference in the field, the first one is a little above the last one.
fn again_behind_the_last(largest: u64) -> Lie<SetWitness> {
    let mut tree = KeyedTree::new(DEPTH);
    let [first, last] = [7, largest].map(|limb| Digest([limb, 0, 0, 0].map(element)));
    tree.insert(first, leaf(1)).unwrap();
    tree.insert(last, leaf(2)).unwrap();
    let low = tree.membership(&last).unwrap();
    let slot = slot_after(&tree, low.index, leaf_hash(last, low.value, first));
    setting(&tree, tree.count(), first, leaf(9), SetWitness { insert: true, leaf: low, slot })
}

#[test]
fn keyed_set_withstands_the_kit() {
    attack_set::<false>(key, SET_IS_LAST, F::ORDER - 1, vec![]);
}

#[test]
fn keyed_set_of_short_keys_withstands_the_kit() {
    // A key that is not short is not inserted, not even as the last one.
    let tree = keyed_tree(short_key);
    let long = (0..4).map(|limb| {
        let mut key = short_key(8);
        key.0[limb] = element(1 << SHORT_LIMB_BITS);
        setting(&tree, tree.count(), key, leaf(9), tree.prove_set(key).unwrap())
    });
    attack_set::<true>(short_key, SHORT_SET_IS_LAST, (1 << SHORT_LIMB_BITS) - 1, long.collect());
}

/// `largest` is the largest limb of a key.
fn attack_set<const SHORT: bool>(key: Keys, is_last: usize, largest: u64, more: Vec<Lie<SetWitness>>) {
    let tree = keyed_tree(key);
    let count = tree.count();
    let set = |tree: &KeyedTree, key: Digest| {
        setting(tree, tree.count(), key, leaf(9), tree.prove_set(key).unwrap())
    };
    let mut honest = vec![set(&tree, key(2)), set(&tree, key(7)), set(&tree, key(3)), set(&tree, key(5))];
    for limb in 0..4 {
        let (tree, middle) = close_tree(limb, 1 << 36);
        honest.push(set(&tree, middle));
    }
    let absent = || tree.prove_set(key(2)).unwrap();
    let present = || tree.prove_set(key(3)).unwrap();
    let set_with = |key: Digest, witness| setting(&tree, count, key, leaf(9), witness);
    let elsewhere = [key(2), key(3)].map(|key| {
        let mut lie = set(&tree, key);
        lie.input.given[0] += F::ONE;
        lie
    });
    let sentinel = tree.prove_set(key(0)).unwrap();
    let InsertWitness { low, slot } = behind_another(key);
    let behind = SetWitness { insert: true, leaf: low, slot };
    let dishonest: Vec<_> = [
        set_with(key(3), absent()),
        set_with(key(3), SetWitness { insert: true, slot: absent().slot, ..present() }),
        set_with(key(2), SetWitness { insert: false, ..absent() }),
        set_with(key(5), present()),
        set_with(Digest::ZERO, SetWitness { insert: false, ..sentinel.clone() }),
        set_with(Digest::ZERO, sentinel),
        setting(&tree, count, key(2), Digest::ZERO, absent()),
        setting(&tree, count, key(3), Digest::ZERO, present()),
        setting(&tree, count - 1, key(2), leaf(9), absent()),
        setting(&tree, 1 << DEPTH, key(2), leaf(9), absent()),
        set_with(key(2), SetWitness { slot: tree.prove_set(key(7)).unwrap().slot, ..absent() }),
    ]
    .into_iter()
    .chain(elsewhere)
    .chain([negative_flag(key), set_with(key(7), behind).answer(is_last, &[1])])
    .chain([again_behind_the_last(largest)])
    .chain(more)
    .collect();
    attack_comparing::<gadgets::KeyedSet<SHORT>, 23>(&honest, &dishonest);
}

#[test]
fn a_key_of_any_limbs_that_is_present_is_only_updated() {
    // A tree of short keys, in which a key with long limbs stands for one whose limbs no constraint has bounded.
    let mut tree = keyed_tree(short_key);
    let long = Digest([F::ORDER - 1, 7, 7, 7].map(element));
    tree.insert(long, leaf(7)).unwrap();
    let set = |condition: u64, present: Digest, key: Digest| {
        let named = if condition == 1 { present } else { key };
        let given =
            [&[element(condition)], &present.0[..], &tree.root().0, &[element(tree.count())]].concat();
        honest(&[&given[..], &key.0, &leaf(9).0].concat(), tree.prove_set(named).unwrap())
    };
    attack_with::<gadgets::KeyedSetOrPresent, 23>(
        &[
            set(1, long, short_key(2)),
            set(1, short_key(3), short_key(2)),
            set(0, long, short_key(2)),
            set(0, long, short_key(3)),
        ],
        // What is absent would be inserted, even where a comparison of short limbs holds.
        &[
            set(1, short_key(2), short_key(2)),
            set(1, short_key(4), short_key(2)),
            set(1, Digest([5, 7, 7, 7].map(element)), short_key(2)),
        ],
        |kit| kit.masked(MASKED),
        |mutator| {
            mutator
                .masked(MASKED)
                .elsewhere("circuits/core/src/trees/keyed_circuit.rs")
                .elsewhere("circuits/core/src/trees/order.rs")
                .elsewhere("circuits/core/src/trees/path.rs")
        },
    );
}

/// The tree's leaves by index, to be changed against the rules.
fn leaves(tree: &KeyedTree) -> IndexTree {
    let mut leaves = IndexTree::new(DEPTH);
    let keys: Vec<_> = tree.iter().collect();
    leaves.set(0, leaf_hash(Digest::ZERO, Digest::ZERO, keys[0].0)).unwrap();
    for (key, _) in keys {
        let opening = tree.membership(&key).unwrap();
        leaves.set(opening.index, opening.leaf()).unwrap();
    }
    assert_eq!(leaves.root(), tree.root());
    leaves
}

/// Path of the next slot after `changed` took the place of the leaf at `index`.
fn slot_after(tree: &KeyedTree, index: u64, changed: Digest) -> Path {
    let mut leaves = leaves(tree);
    leaves.set(index, changed).unwrap();
    leaves.path(tree.count())
}

/// The key after the last one, inserted behind a leaf that is not the last one.
fn behind_another(key: Keys) -> InsertWitness {
    let tree = keyed_tree(key);
    let low = tree.membership(&key(1)).unwrap();
    let slot = slot_after(&tree, low.index, leaf_hash(low.key, low.value, key(7)));
    InsertWitness { low, slot }
}

/// The last key updated with a flag of -1: a difference of -1 counts as 1, value and next key leave their places.
fn negative_flag(key: Keys) -> Lie<SetWitness> {
    let tree = keyed_tree(key);
    let (last, value) = (tree.membership(&key(5)).unwrap(), leaf(9));
    let negated = |digest: Digest| Digest(digest.0.map(|limb| -limb));
    let doubled = Digest(std::array::from_fn(|i| value.0[i].double() - last.value.0[i]));
    let slot = slot_after(&tree, last.index, leaf_hash(last.key, doubled, negated(last.key)));
    let mut lie =
        setting(&tree, tree.count(), last.key, value, SetWitness { insert: false, leaf: last, slot });
    lie.input.given[4] = -lie.input.given[4];
    lie.answer(FLAG, &[0xffff_ffff_0000_0000])
}
