//! Each tree gadget as a circuit of its own, for tests: everything that it is given and returns is public.

use std::marker::PhantomData;

use circuits_core::{
    Builder, Definition, Digest, DigestTarget, F, Witness,
    constrain::Constrain,
    layout::{self, Layout, WitnessError},
    trees::{
        InsertTarget, InsertWitness, LeafOpening, LeafOpeningTarget, Path, PathTarget, SHORT_LIMB_BITS,
        SetTarget, SetWitness, ShortKeyTarget, ShortLimb, append_circuit, append_subtree_circuit,
        enforce_less_if, enforce_short_less_if, index_bits, insert_circuit, membership_circuit,
        non_membership_circuit, set_circuit, update_circuit,
    },
};
use circuits_prover::basetypes::standard_config;
use plonky2::{
    iop::target::{BoolTarget, Target},
    plonk::circuit_data::CircuitConfig,
};

/// A gadget, with `N` public elements: what it is given, then what it returns.
pub(crate) trait Rule<const N: usize>: Send + Sync + Default {
    /// A name in kebab case.
    const NAME: &'static str;
    /// Elements that it is given.
    const GIVEN: usize;
    /// The private part of its input.
    type Witness;
    /// Targets of the private part.
    type Targets: Send + Sync;

    /// Adds the gadget and returns its results.
    fn define(builder: &mut Builder, depth: usize, given: &mut Reader<'_>) -> (Vec<Target>, Self::Targets);

    /// Fills the private part.
    ///
    /// # Errors
    /// If a target was already set to another value.
    fn assign(
        targets: &Self::Targets,
        value: &Self::Witness,
        witness: &mut Witness,
    ) -> Result<(), WitnessError>;
}

/// Takes public elements one after the other.
pub(crate) struct Reader<'a>(std::slice::Iter<'a, Target>);

impl Reader<'_> {
    fn element(&mut self) -> Target {
        *self.0.next().expect("a rule reads what it is given")
    }

    fn digest(&mut self) -> DigestTarget {
        Digest(std::array::from_fn(|_| self.element()))
    }
}

/// A circuit of one gadget over a tree of `depth` levels.
pub(crate) struct Gadget<R, const N: usize> {
    /// The tree's depth.
    pub depth: usize,
    rule: PhantomData<R>,
}

impl<R: Rule<N>, const N: usize> Gadget<R, N> {
    /// The gadget `R` over a tree of `depth` levels.
    #[must_use]
    pub(crate) fn new(depth: usize) -> Self {
        Self { depth, rule: PhantomData }
    }
}

/// What a gadget is given, and the private part.
#[derive(Clone, Debug)]
pub(crate) struct GadgetInput<W> {
    /// Public elements given.
    pub given: Vec<F>,
    /// The private part.
    pub witness: W,
}

impl<R: Rule<N>, const N: usize> Definition for Gadget<R, N> {
    type Statement = [Target; N];
    type NativeStatement = [F; N];
    type Targets = (Vec<Target>, R::Targets);
    type Input = GadgetInput<R::Witness>;

    fn name(&self) -> String {
        format!("{}-{}", R::NAME, self.depth)
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let given = builder.add_virtual_targets(R::GIVEN);
        let (results, private) = R::define(builder, self.depth, &mut Reader(given.iter()));
        let statement =
            Layout::decode(&[given.as_slice(), &results].concat()).expect("a rule has N elements");
        (statement, (given, private))
    }

    fn assign(
        &self,
        (given, private): &Self::Targets,
        input: &Self::Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        for (&target, &value) in given.iter().zip(&input.given) {
            layout::set_target(witness, target, value)?;
        }
        R::assign(private, &input.witness, witness)
    }
}

macro_rules! rule {
    ($(#[$meta:meta])* $name:ident, $kebab:literal, $n:literal, $given:literal, $witness:ty, $targets:ty,
     |$builder:ident, $depth:ident, $reader:ident| $body:expr) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default)]
        pub(crate) struct $name;

        impl Rule<$n> for $name {
            const NAME: &'static str = $kebab;
            const GIVEN: usize = $given;
            type Witness = $witness;
            type Targets = $targets;

            fn define(
                $builder: &mut Builder,
                $depth: usize,
                $reader: &mut Reader<'_>,
            ) -> (Vec<Target>, $targets) {
                let private = <$targets>::new_virtual($builder, $depth);
                #[allow(clippy::redundant_closure_call)]
                let results = ($body)(&private);
                (results, private)
            }

            fn assign(targets: &$targets, value: &$witness, witness: &mut Witness) -> Result<(), WitnessError> {
                targets.set_targets(witness, value)
            }
        }
    };
}

rule! {
    /// (root, index, leaf): the leaf is a member.
    IndexMembership, "index-membership", 9, 9, Path, PathTarget,
    |builder, depth, reader| |path: &PathTarget| {
        let (root, index, leaf) = (reader.digest(), reader.element(), reader.digest());
        let bits = index_bits(builder, index, depth);
        path.membership_circuit(builder, root, &bits, leaf);
        vec![]
    }
}

rule! {
    /// (root, index): the slot is empty.
    IndexVacancy, "index-vacancy", 5, 5, Path, PathTarget,
    |builder, depth, reader| |path: &PathTarget| {
        let (root, index) = (reader.digest(), reader.element());
        let bits = index_bits(builder, index, depth);
        path.vacancy_circuit(builder, root, &bits);
        vec![]
    }
}

rule! {
    /// (root, index, old leaf, new leaf) to the new root.
    IndexReplace, "index-replace", 17, 13, Path, PathTarget,
    |builder, depth, reader| |path: &PathTarget| {
        let (root, index) = (reader.digest(), reader.element());
        let (old, new) = (reader.digest(), reader.digest());
        let bits = index_bits(builder, index, depth);
        path.replace_circuit(builder, root, &bits, old, new).0.to_vec()
    }
}

rule! {
    /// (root, count, leaf) to the new root and count.
    Append, "append", 14, 9, Path, PathTarget,
    |builder, depth, reader| |path: &PathTarget| {
        let (root, count, leaf) = (reader.digest(), reader.element(), reader.digest());
        let (root, count) = append_circuit(builder, depth, root, count, leaf, path);
        [&root.0[..], &[count]].concat()
    }
}

/// Height of the subtree of [`AppendSubtree`].
pub(crate) const SUBTREE_HEIGHT: usize = 2;

/// (root, count, four leaves) to the new root and count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AppendSubtree;

impl Rule<26> for AppendSubtree {
    const NAME: &'static str = "append-subtree";
    const GIVEN: usize = 21;
    type Witness = Path;
    type Targets = PathTarget;

    fn define(builder: &mut Builder, depth: usize, given: &mut Reader<'_>) -> (Vec<Target>, PathTarget) {
        let path = PathTarget::new_virtual(builder, depth - SUBTREE_HEIGHT);
        let (root, count) = (given.digest(), given.element());
        let leaves: [_; 1 << SUBTREE_HEIGHT] = std::array::from_fn(|_| given.digest());
        let (root, count) =
            append_subtree_circuit(builder, depth, SUBTREE_HEIGHT, root, count, &leaves, &path);
        ([&root.0[..], &[count]].concat(), path)
    }

    fn assign(targets: &PathTarget, value: &Path, witness: &mut Witness) -> Result<(), WitnessError> {
        targets.set_targets(witness, value)
    }
}

rule! {
    /// (root, key, value): the key has the value.
    KeyedMembership, "keyed-membership", 12, 12, LeafOpening, LeafOpeningTarget,
    |builder, _depth, reader| |opening: &LeafOpeningTarget| {
        let (root, key, value) = (reader.digest(), reader.digest(), reader.digest());
        membership_circuit(builder, root, key, value, opening);
        vec![]
    }
}

rule! {
    /// (root, key): the key is absent.
    KeyedNonMembership, "keyed-non-membership", 8, 8, LeafOpening, LeafOpeningTarget,
    |builder, _depth, reader| |low: &LeafOpeningTarget| {
        let (root, key) = (reader.digest(), reader.digest());
        non_membership_circuit(builder, root, key, low);
        vec![]
    }
}

rule! {
    /// (root, count, key, value) to the new root and count.
    KeyedInsert, "keyed-insert", 18, 13, InsertWitness, InsertTarget,
    |builder, _depth, reader| |witness: &InsertTarget| {
        let (root, count) = (reader.digest(), reader.element());
        let (key, value) = (reader.digest(), reader.digest());
        let (root, count) = insert_circuit(builder, root, count, key, value, witness);
        [&root.0[..], &[count]].concat()
    }
}

rule! {
    /// (root, key, old value, new value) to the new root.
    KeyedUpdate, "keyed-update", 20, 16, LeafOpening, LeafOpeningTarget,
    |builder, _depth, reader| |opening: &LeafOpeningTarget| {
        let (root, key) = (reader.digest(), reader.digest());
        let (old, new) = (reader.digest(), reader.digest());
        update_circuit(builder, root, key, old, new, opening).0.to_vec()
    }
}

/// (root, count, key, value) to the new root and count, the old value, and whether the key was absent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyedSet<const SHORT: bool>;

impl<const SHORT: bool> Rule<23> for KeyedSet<SHORT> {
    const NAME: &'static str = if SHORT { "short-keyed-set" } else { "keyed-set" };
    const GIVEN: usize = 13;
    type Witness = SetWitness;
    type Targets = SetTarget;

    fn define(builder: &mut Builder, depth: usize, given: &mut Reader<'_>) -> (Vec<Target>, SetTarget) {
        let witness = SetTarget::new_virtual(builder, depth);
        let (root, count) = (given.digest(), given.element());
        let (key, value) = (given.digest(), given.digest());
        let outcome = if SHORT {
            let key = short(builder, key);
            set_circuit(builder, root, count, key, value, &witness)
        } else {
            set_circuit(builder, root, count, key, value, &witness)
        };
        let results =
            [&outcome.root.0[..], &[outcome.count], &outcome.old_value.0, &[outcome.inserted.target]]
                .concat();
        (results, witness)
    }

    fn assign(targets: &SetTarget, value: &SetWitness, witness: &mut Witness) -> Result<(), WitnessError> {
        targets.set_targets(witness, value)
    }
}

rule! {
    /// (condition, present, root, count, key, value) to the new root and count: sets the short key, or if the condition holds
    /// updates the present one.
    KeyedSetOrPresent, "keyed-set-or-present", 23, 18, SetWitness, SetTarget,
    |builder, _depth, reader| |witness: &SetTarget| {
        let condition = BoolTarget::new_unsafe(reader.element());
        builder.assert_bool(condition);
        let present = reader.digest();
        let (root, count) = (reader.digest(), reader.element());
        let (key, value) = (reader.digest(), reader.digest());
        let key = short(builder, key).or_present(builder, condition, present, witness);
        let outcome = set_circuit(builder, root, count, key, value, witness);
        [&outcome.root.0[..], &[outcome.count]].concat()
    }
}

/// Bounds the limbs of a key.
fn short(builder: &mut Builder, key: DigestTarget) -> ShortKeyTarget {
    ShortKeyTarget::new(key.0.map(|limb| ShortLimb::split(builder, limb, SHORT_LIMB_BITS).0))
}

/// (condition, a, b): if the condition holds then key a is below key b.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyOrder<const SHORT: bool>;

impl<const SHORT: bool> Rule<9> for KeyOrder<SHORT> {
    const NAME: &'static str = if SHORT { "short-key-order" } else { "key-order" };
    const GIVEN: usize = 9;
    type Witness = ();
    type Targets = ();

    fn define(builder: &mut Builder, _depth: usize, given: &mut Reader<'_>) -> (Vec<Target>, ()) {
        let condition = BoolTarget::new_unsafe(given.element());
        builder.enforce_bool(condition);
        let (a, b) = (given.digest(), given.digest());
        if SHORT {
            let (a, b) = (short(builder, a), short(builder, b));
            enforce_short_less_if(builder, condition, a, b);
        } else {
            enforce_less_if(builder, condition, a, b);
        }
        (vec![], ())
    }

    fn assign((): &(), (): &(), _: &mut Witness) -> Result<(), WitnessError> {
        Ok(())
    }
}
