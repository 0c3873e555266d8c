//! The tree gadgets.

use circuits::{
    Compiled, Digest, F,
    forging::{Exception, Forgery, Kit, Mutator, assert_rejects_forgery},
    trees::{
        AppendTree, IndexTree, InsertWitness, KeyedTree, LeafOpening, SetWitness,
        gadgets::{self, Gadget, GadgetInput, Rule, SUBTREE_HEIGHT},
    },
};
use plonky2::field::types::Field;

use super::{digest, element, examine};

const DEPTH: usize = 4;

fn zero_weight() -> Exception {
    Exception::new("a weight of a zero limb counts nothing", |class| {
        class.value == Some(F::ZERO) && class.hint.as_ref().is_some_and(|(id, _)| id == "NonzeroWeights")
    })
}

fn unused_inverse() -> Exception {
    Exception::new("the inverse is multiplied by a low word of 0", |class| {
        class.hint == Some(("Words".to_owned(), 2))
    })
}

fn given<W>(digests: &[&[F]], witness: W) -> GadgetInput<W> {
    GadgetInput { given: digests.concat(), witness }
}

const MASKED: &str = "what one side of a condition does not look at";

#[track_caller]
fn attack<R: Rule<N>, const N: usize>(
    honest: &[GadgetInput<R::Witness>],
    dishonest: &[GadgetInput<R::Witness>],
) {
    attack_with::<R, N>(honest, dishonest, |mutator| mutator);
}

#[track_caller]
fn attack_with<R: Rule<N>, const N: usize>(
    honest: &[GadgetInput<R::Witness>],
    dishonest: &[GadgetInput<R::Witness>],
    more: impl for<'k> FnOnce(Mutator<'k, Gadget<R, N>>) -> Mutator<'k, Gadget<R, N>>,
) {
    examine(
        Gadget::<R, N>::new(DEPTH),
        honest,
        dishonest,
        |kit| kit.except(zero_weight()).except(unused_inverse()).masked(MASKED),
        |mutator| more(mutator.except(zero_weight()).except(unused_inverse()).masked(MASKED)),
    );
}

fn small(value: u64) -> Digest {
    Digest([0, 0, 0, value].map(element))
}

fn index_tree() -> IndexTree {
    let mut tree = IndexTree::new(DEPTH);
    for index in [0, 3, 9] {
        tree.set(index, digest(index)).unwrap();
    }
    tree
}

fn keyed_tree() -> KeyedTree {
    let mut tree = KeyedTree::new(DEPTH);
    for value in [20, 10, 30] {
        tree.insert(small(value), digest(value)).unwrap();
    }
    tree
}

#[test]
fn membership_by_index_holds() {
    let tree = index_tree();
    let root = tree.root();
    let input = |index, leaf: Digest, at| given(&[&root.0, &[element(index)], &leaf.0], tree.path(at));
    attack::<gadgets::IndexMembership, 9>(
        &[input(3, digest(3), 3), input(9, digest(9), 9)],
        &[input(3, digest(9), 3), input(4, digest(3), 3), input(19, digest(3), 3), input(5, Digest::ZERO, 5)],
    );
}

#[test]
fn vacancy_by_index_holds() {
    let tree = index_tree();
    let root = tree.root();
    let input = |index, at| given(&[&root.0, &[element(index)]], tree.path(at));
    attack::<gadgets::IndexVacancy, 5>(
        &[input(5, 5), input(15, 15)],
        &[input(3, 3), input(21, 5), input(3, 5)],
    );
}

#[test]
fn replacement_by_index_holds() {
    let tree = index_tree();
    let root = tree.root();
    let input = |index, old: Digest, new: Digest, at| {
        given(&[&root.0, &[element(index)], &old.0, &new.0], tree.path(at))
    };
    attack::<gadgets::IndexReplace, 17>(
        &[input(3, digest(3), digest(4), 3), input(5, Digest::ZERO, digest(5), 5)],
        &[
            input(3, digest(4), digest(4), 3),
            input(19, digest(3), digest(4), 3),
            input(3, digest(9), digest(4), 9),
        ],
    );
}

#[test]
fn appending_holds() {
    let mut tree = AppendTree::new(DEPTH);
    (0..4).for_each(|index| assert_eq!(tree.push(digest(index)), Ok(index)));
    let root = tree.root();
    let input = |count, leaf: Digest, at| given(&[&root.0, &[element(count)], &leaf.0], tree.path(at));
    attack::<gadgets::Append, 14>(
        &[input(4, digest(9), 4)],
        &[input(3, digest(9), 3), input(20, digest(9), 4), input(4, Digest::ZERO, 4)],
    );
    let path = tree.next_subtree_path(SUBTREE_HEIGHT).unwrap();
    let subtree = |count| {
        let leaves = [5, 6, 7, 8].map(|leaf| digest(leaf).0).concat();
        given(&[&root.0, &[element(count)], &leaves], path.clone())
    };
    attack::<gadgets::AppendSubtree, 26>(&[subtree(4)], &[subtree(5), subtree(6), subtree(0), subtree(20)]);
}

#[test]
fn membership_by_key_holds() {
    let tree = keyed_tree();
    let root = tree.root();
    let input =
        |key: Digest, value: Digest, opening: LeafOpening| given(&[&root.0, &key.0, &value.0], opening);
    let opening = |value| tree.membership(&small(value)).unwrap();
    let sentinel = tree.non_membership(&small(5)).unwrap();
    attack::<gadgets::KeyedMembership, 12>(
        &[input(small(20), digest(20), opening(20))],
        &[
            input(small(10), digest(20), opening(20)),
            input(small(20), digest(10), opening(20)),
            input(small(20), digest(20), LeafOpening { index: 1, ..opening(10) }),
            input(small(20), digest(20), LeafOpening { key: small(20), value: digest(20), ..opening(10) }),
            input(Digest::ZERO, sentinel.value, sentinel),
        ],
    );
}

/// Keys that differ in each limb and each word.
fn wide_keys() -> KeyedTree {
    let mut tree = KeyedTree::new(DEPTH);
    for limbs in [[1, 5, 5, 5], [1, 5, 9, 5], [1, 5, 9 << 32, 5], [TOP_WORD << 32, 0, 0, 1]] {
        tree.insert(Digest(limbs.map(element)), digest(limbs[2])).unwrap();
    }
    tree
}

type Absence = Gadget<gadgets::KeyedNonMembership, 8>;
type AbsenceInput = GadgetInput<LeafOpening>;

const TOP_WORD: u64 = u32::MAX as u64;
/// One more than the largest word.
const WORD: u64 = 1 << 32;

fn absence(tree: &KeyedTree, key: Digest, low: LeafOpening) -> AbsenceInput {
    given(&[&tree.root().0, &key.0], low)
}

/// A claim that the key `a` is less than `b`, which it is not.
struct Lie {
    a: [u64; 4],
    b: [u64; 4],
    /// Where the first difference is said to be: limb 1, 2 or 3, and whether the high words agree.
    at: Option<[i64; 4]>,
    /// High and low word said to be of a's limb.
    x: Option<[F; 2]>,
    /// High and low word said to be of b's limb.
    y: Option<[F; 2]>,
}

const LIE: Lie = Lie { a: [2, 0, 0, 0], b: [1, 0, 0, 0], at: None, x: None, y: None };

fn signed(value: i64) -> F {
    if value < 0 { -element(value.unsigned_abs()) } else { element(value.unsigned_abs()) }
}

/// One lie for each assertion of the order of keys, in the order of the code.
fn lies() -> Vec<Lie> {
    let far = [1, 0, 0, 5];
    let words = |high: F, low: F| Some([high, low]);
    vec![
        // A pointer that is not boolean.
        Lie { b: far, at: Some([-1, 0, 1, 1]), ..LIE },
        Lie { b: far, at: Some([0, -1, 1, 1]), ..LIE },
        Lie { b: far, at: Some([1, 0, -1, 0]), ..LIE },
        Lie { at: Some([0, 0, 0, -1]), ..LIE },
        // Two pointers at once: the limbs' sums wrap the field.
        Lie { a: [4, 0, 5, 0], b: [4, 0, 3, 0], at: Some([1, 1, 0, 0]), ..LIE },
        // Pointing past a difference.
        Lie { b: far, at: Some([0, 0, 1, 1]), ..LIE },
        Lie { a: [0, 2, 0, 0], b: [0, 1, 0, 5], at: Some([0, 0, 1, 1]), ..LIE },
        Lie { a: [0, 0, 2, 0], b: [0, 0, 1, 5], at: Some([0, 0, 1, 1]), ..LIE },
        // Words out of range.
        Lie { at: Some([0; 4]), x: words(-element(TOP_WORD), F::ONE), ..LIE },
        Lie {
            a: [6 * WORD, 0, 0, 0],
            b: [5 * WORD, 0, 0, 0],
            at: Some([0; 4]),
            x: words(F::ZERO, element(6 * WORD)),
            ..LIE
        },
        Lie {
            a: [2 * WORD, 0, 0, 0],
            b: [WORD, 0, 0, 0],
            at: Some([0; 4]),
            y: words(element(WORD), F::ONE),
            ..LIE
        },
        Lie { at: Some([0; 4]), y: words(F::ONE, F::ONE - element(WORD)), ..LIE },
        // Words of another limb.
        Lie { x: words(F::ZERO, F::ZERO), ..LIE },
        Lie { y: words(F::ZERO, element(3)), ..LIE },
        // The integer above the field's order.
        Lie { at: Some([0; 4]), y: words(element(TOP_WORD), element(2)), ..LIE },
        // High words that do not agree.
        Lie { a: [2 * WORD, 0, 0, 0], b: [WORD + 5, 0, 0, 0], at: Some([0, 0, 0, 1]), ..LIE },
        // No hint helps.
        LIE,
    ]
}

/// The inputs for which `lie` would have to be believed in the first and in the second comparison of an absence.
fn lying_inputs(lie: &Lie) -> [AbsenceInput; 2] {
    let (a, b) = (Digest(lie.a.map(element)), Digest(lie.b.map(element)));
    let only = |key| {
        let mut tree = KeyedTree::new(DEPTH);
        tree.insert(key, digest(1)).unwrap();
        tree
    };
    let (low, next) = (only(a), only(b));
    let sentinel = next.non_membership(&small(1)).unwrap();
    [absence(&low, b, low.membership(&a).unwrap()), absence(&next, a, sentinel)]
}

fn tell<'k>(lie: &Lie, comparison: usize, input: &'k AbsenceInput) -> Forgery<'k, Absence> {
    let words = |[high, low]: [F; 2]| {
        let inverse = (high - element(TOP_WORD)).try_inverse().unwrap_or(F::ZERO);
        [high, low, inverse]
    };
    let mut forgery = Forgery::new(input);
    if let Some(at) = lie.at {
        forgery = forgery.hint("FirstDifference", comparison, &at.map(signed));
    }
    for (index, claimed) in [lie.x, lie.y].into_iter().enumerate() {
        if let Some(claimed) = claimed {
            forgery = forgery.hint("Words", 2 * comparison + index, &words(claimed));
        }
    }
    forgery
}

#[test]
fn absence_by_key_holds() {
    let (tree, wide) = (keyed_tree(), wide_keys());
    let low = |value| tree.non_membership(&small(value)).unwrap();
    let mut honest: Vec<_> = [5, 15, 25, 35].map(|value| absence(&tree, small(value), low(value))).into();
    for limbs in [[1, 5, 5, 6], [1, 5, 9, 4], [1, 6, 0, 0], [1, 5, 8 << 32, 0], [TOP_WORD << 32, 0, 0, 0]] {
        let key = Digest(limbs.map(element));
        honest.push(absence(&wide, key, wide.non_membership(&key).unwrap()));
    }
    let dishonest = [
        absence(&tree, small(20), low(15)),
        absence(&tree, small(10), low(15)),
        absence(&tree, small(25), low(15)),
        absence(&tree, small(5), low(15)),
        absence(&tree, small(20), LeafOpening { next_key: Digest::ZERO, ..low(15) }),
        absence(&tree, small(20), low(25)),
        absence(&wide, small(20), low(15)),
    ];

    let lies = lies();
    let lying: Vec<_> = lies.iter().map(lying_inputs).collect();
    // The next key is said to be infinity although one of its limbs is not zero.
    let finite: Vec<_> = (0..4)
        .map(|limb| {
            let mut next = [0; 4];
            next[limb] = 5;
            let mut tree = KeyedTree::new(DEPTH);
            tree.insert(Digest(next.map(element)), digest(1)).unwrap();
            let sentinel = tree.non_membership(&small(1)).unwrap();
            absence(&tree, Digest([9; 4].map(element)), sentinel)
        })
        .collect();
    let forgeries = || {
        let told = lies.iter().zip(&lying).flat_map(|(lie, inputs)| {
            inputs.iter().enumerate().map(move |(comparison, input)| tell(lie, comparison, input))
        });
        told.chain(finite.iter().map(|input| Forgery::new(input).hint("IsZero", 0, &[F::ONE])))
    };

    let compiled = Compiled::new(Absence::new(DEPTH)).unwrap();
    forgeries().for_each(|forgery| assert_rejects_forgery(&compiled, &forgery));
    Kit::new(&compiled)
        .inputs(&honest)
        .sample(1.0)
        .except(unused_inverse())
        .masked(MASKED)
        .run()
        .assert_sound();
    Mutator::new(&Absence::new(DEPTH))
        .honest(&honest)
        .dishonest(&dishonest)
        .forgeries(forgeries())
        .except(unused_inverse())
        .masked(MASKED)
        .allow(
            "enforce_equal at circuits/src/trees/order.rs",
            2,
            "a larger integer for the lesser limb gains nothing",
        )
        .allow(
            "enforce_bool at circuits/src/trees/keyed_circuit.rs",
            1,
            "any other flag needs a next key of 0, which is infinity",
        )
        .run()
        .assert_complete();
}

#[test]
fn insertion_by_key_holds() {
    let tree = keyed_tree();
    let input = |count, key: Digest, value: Digest, witness: InsertWitness| {
        given(&[&tree.root().0, &[element(count)], &key.0, &value.0], witness)
    };
    let witness = |value| tree.prove_insert(&small(value)).unwrap();
    let count = tree.count();
    attack_with::<gadgets::KeyedInsert, 18>(
        &[input(count, small(15), digest(1), witness(15)), input(count, small(35), digest(1), witness(35))],
        &[
            input(count, small(20), digest(1), witness(15)),
            input(count, small(15), Digest::ZERO, witness(15)),
            input(count - 1, small(15), digest(1), witness(15)),
            input(count + 16, small(15), digest(1), witness(15)),
            input(count, small(25), digest(1), witness(15)),
        ],
        |mutator| {
            let elsewhere = "the order of keys is attacked where an absence is proved";
            mutator.allow("order.rs", 100, elsewhere).allow("keyed_circuit.rs", 5, elsewhere)
        },
    );
}

#[test]
fn updating_by_key_holds() {
    let tree = keyed_tree();
    let input = |key: Digest, old: Digest, new: Digest, opening: LeafOpening| {
        given(&[&tree.root().0, &key.0, &old.0, &new.0], opening)
    };
    let opening = |value| tree.prove_update(&small(value)).unwrap();
    let sentinel = tree.non_membership(&small(5)).unwrap();
    attack::<gadgets::KeyedUpdate, 20>(
        &[input(small(20), digest(20), digest(1), opening(20))],
        &[
            input(small(10), digest(20), digest(1), opening(20)),
            input(small(20), digest(10), digest(1), opening(20)),
            input(small(20), digest(20), Digest::ZERO, opening(20)),
            input(
                small(20),
                digest(20),
                digest(1),
                LeafOpening { key: small(20), value: digest(20), ..opening(10) },
            ),
            input(Digest::ZERO, sentinel.value, digest(1), sentinel),
        ],
    );
}

#[test]
fn setting_by_key_holds() {
    let tree = keyed_tree();
    let input = |count, key: Digest, value: Digest, witness: SetWitness| {
        given(&[&tree.root().0, &[element(count)], &key.0, &value.0], witness)
    };
    let witness = |value| tree.prove_set(&small(value)).unwrap();
    let count = tree.count();
    let with_flag = |insert, witness: SetWitness| SetWitness { insert, ..witness };
    attack_with::<gadgets::KeyedSet, 23>(
        &[
            input(count, small(15), digest(1), witness(15)),
            input(count, small(35), digest(1), witness(35)),
            input(count, small(20), digest(1), witness(20)),
        ],
        &[
            input(count, small(20), digest(1), witness(15)),
            input(count, small(15), digest(1), with_flag(false, witness(15))),
            input(count, small(20), digest(1), with_flag(true, witness(20))),
            input(count, small(15), Digest::ZERO, witness(15)),
            input(count, small(20), Digest::ZERO, witness(20)),
            input(count - 1, small(15), digest(1), witness(15)),
            input(count + 16, small(15), digest(1), witness(15)),
            input(count, Digest::ZERO, digest(1), with_flag(false, witness(5))),
        ],
        |mutator| {
            let elsewhere = "the order of keys is attacked where an absence is proved";
            let hashes = "no two hashes are known that agree in three limbs";
            mutator.allow("order.rs", 100, elsewhere).allow("keyed_circuit.rs", 100, hashes)
        },
    );
}
