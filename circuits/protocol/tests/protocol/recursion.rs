//! Verifying proofs inside circuits: the wrap, and a fold with its key set.

use std::sync::{Arc, LazyLock};

use circuits_core::{
    Builder, CircuitError, Compiled, Definition, Digest, F, Proof, Witness,
    circuit::defined,
    constrain::Constrain,
    digest::DigestTarget,
    layout::{Layout, WitnessError, new_virtual, set},
    recursion::{Shape, ShapeError, key_digest},
};
use circuits_forging::{
    Kit, Mutator, assert_accepts, assert_rejects,
    fixtures::{FreeKernel, assert_joins_soundly, cache},
};
use circuits_keys::{Made, pins::Pins};
use circuits_protocol::{
    fold::{Chain, ChainError, FoldChild, FoldDefinition},
    key_set::KeySet,
    statement::BlockStatement,
    wrap::{Wrapper, block_shape},
};
use circuits_prover::basetypes::{VerifierData, standard_config};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
    plonk::circuit_data::CircuitConfig,
};

use super::{digest, element};

fn block(height: u64) -> BlockStatement {
    let elements: Vec<_> =
        (0..).map(|i| element(height * 100 + i)).take(<BlockStatement as Layout<F>>::LEN).collect();
    BlockStatement::decode(&elements).unwrap()
}

#[test]
fn a_wrap_makes_the_statement_of_its_kernels_proof_and_of_no_other() {
    let kernel = cache().circuit(FreeKernel).unwrap();
    let wrapper = Wrapper::new("free-kernel", cache().verifier(FreeKernel).unwrap());
    let wrap = cache().circuit(wrapper.clone()).unwrap();
    let proof = kernel.prove(&block(1)).unwrap();
    // Every class of plonky2's own verifier too.
    let report = Kit::new(&*wrap).input(&proof).sample(1.0).proofs(1).run();
    report.assert_sound();
    assert!(report.classes > 100 && report.sampled > 100_000 && report.hints > 50_000, "{report}");

    let mut other = proof.clone();
    other.public_inputs[0] += F::ONE;
    assert_rejects(&wrap, &other);
    let mut other = proof;
    other.proof.openings.wires[0] += Field::ONE;
    assert_rejects(&wrap, &other);
    assert_eq!(wrap.circuit.common, block_shape().common);
    let pin = Made::new(&*wrap).pin;
    assert_eq!(pin.key, wrapper.key_digest(cache()).unwrap());
    assert!(Pins::new([pin.clone()]).differences(&Pins::new([pin])).is_empty());
}

/// A kernel of `2^degree_bits` rows whose proofs have `queries` queries, and that nobody has to build.
fn kernel_data(degree_bits: usize, queries: usize) -> Arc<VerifierData> {
    let mut config = standard_config();
    config.fri_config.num_query_rounds = queries;
    let common = Shape::new("kernel", config, degree_bits, <BlockStatement as Layout<F>>::LEN).common;
    let verifier_only = cache().verifier(FreeKernel).unwrap().verifier_only.clone();
    Arc::new(VerifierData { verifier_only, common })
}

#[test]
fn the_verifier_of_a_kernel_of_2_16_rows_fits_the_block_shape() {
    let queries = standard_config().fri_config.num_query_rounds;
    let wrapper = Wrapper::new("kernel", kernel_data(16, queries));
    assert!(defined(&wrapper).2 <= block_shape().common.degree());
    assert_eq!(Compiled::new(wrapper).unwrap().circuit.common, block_shape().common);
}

#[test]
fn a_kernel_whose_verifier_does_not_fit_the_block_shape_is_refused() {
    let queries = standard_config().fri_config.num_query_rounds;
    // The index of a query has more bits than one row of arithmetic raises to a power.
    let tall = Wrapper::new("tall", kernel_data(18, queries)).key(cache());
    assert!(matches!(tall, Err(CircuitError::Shape { source: ShapeError::Gates { .. }, .. })));
    let slow = Wrapper::new("slow", kernel_data(16, 2 * queries)).key(cache());
    assert!(matches!(slow, Err(CircuitError::Shape { source: ShapeError::TooLarge { .. }, .. })));
}

circuits_core::layout! {
    /// The numbers from `first` to `last`, counted by circuits of the key set.
    pub struct Run<T> {
        /// Root of the keys.
        pub key_set_root: Digest<T>,
        /// First number.
        pub first: T,
        /// Last number.
        pub last: T,
    }
}

/// Consecutive runs.
struct Counting;

impl Chain for Counting {
    type Statement = Run<Target>;
    type Native = Run;

    const NAME: &'static str = "counting";

    fn key_set_root(statement: &Run<Target>) -> DigestTarget {
        statement.key_set_root
    }

    fn join(left: &Run, right: &Run) -> Result<Run, ChainError> {
        ChainError::check("key set", &left.key_set_root, &right.key_set_root)?;
        ChainError::check("first number", &(left.last + F::ONE), &right.first)?;
        Ok(Run { last: right.last, ..*left })
    }

    fn join_circuit(builder: &mut Builder, left: &Run<Target>, right: &Run<Target>) -> Run<Target> {
        builder.enforce_digest_equal(left.key_set_root, right.key_set_root);
        let one = builder.one();
        let next = builder.add(left.last, one);
        builder.enforce_equal(next, right.first);
        Run { last: right.last, ..*left }
    }
}

#[test]
fn joining_is_the_same_natively_and_in_circuit() {
    let run = |first, last| Run { key_set_root: digest(3), first: element(first), last: element(last) };
    assert_joins_soundly::<Counting>(run(4, 6), run(7, 9));
}

/// One number, any key set, `flavour` to have several keys.
struct Single {
    flavour: u64,
}

/// The standard configuration with so few queries that a fold of two takes 2^13 rows.
fn few_queries() -> CircuitConfig {
    let mut config = standard_config();
    config.fri_config.num_query_rounds = 8;
    config.security_bits = 44;
    config
}

static SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new("counting", few_queries(), 13, <Run as Layout<F>>::LEN));

impl Definition for Single {
    type Statement = Run<Target>;
    type NativeStatement = Run;
    type Targets = Run<Target>;
    type Input = Run;

    fn name(&self) -> String {
        format!("single-{}", self.flavour)
    }

    fn config(&self) -> CircuitConfig {
        few_queries()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(&SHAPE)
    }

    fn define(&self, builder: &mut Builder) -> (Run<Target>, Run<Target>) {
        let run: Run<Target> = new_virtual(builder);
        builder.enforce_equal(run.first, run.last);
        let flavour = builder.constant(element(self.flavour));
        let same = builder.is_equal(flavour, flavour);
        builder.enforce_true(BoolTarget::new_unsafe(same.target));
        (run, run)
    }

    fn assign(&self, targets: &Run<Target>, input: &Run, witness: &mut Witness) -> Result<(), WitnessError> {
        set(witness, targets, input)
    }
}

#[test]
fn a_fold_joins_what_is_consecutive_and_made_by_keys_of_the_set() {
    let [listed, stranger] = [1, 2].map(|flavour| Compiled::new(Single { flavour }).unwrap());
    let fold = Compiled::new(FoldDefinition::<Counting>::new(&SHAPE, 2)).unwrap();
    let set = KeySet::new(&[key_digest(fold.key()), key_digest(listed.key())]);
    let membership = set.membership(key_digest(listed.key())).unwrap();
    let child = |circuit: &Compiled<Single>, root: Digest, number: u64| {
        let run = Run { key_set_root: root, first: element(number), last: element(number) };
        let proof: Proof = circuit.prove(&run).unwrap();
        FoldChild { proof, key: circuit.key().clone(), membership: membership.clone() }
    };
    let [one, two, four] = [1, 2, 4].map(|number| child(&listed, set.root(), number));

    let honest = vec![one.clone(), two.clone()];
    assert_accepts(&fold, &honest);
    let other_set = child(&listed, digest(9), 2);
    let unlisted = child(&stranger, set.root(), 2);
    let foreign_cap = FoldChild {
        key: {
            let mut key = listed.key().clone();
            key.constants_sigmas_cap = stranger.key().constants_sigmas_cap.clone();
            key
        },
        ..unlisted.clone()
    };
    let dishonest = [
        vec![one.clone(), four],
        vec![one.clone(), one.clone()],
        vec![two.clone(), one.clone()],
        vec![one.clone(), unlisted],
        vec![one.clone(), foreign_cap],
        vec![one.clone(), other_set],
    ];
    dishonest.iter().for_each(|input| assert_rejects(&fold, input));

    let report = Kit::new(&fold).input(&honest).run();
    report.assert_sound();
    // A child of another key set, under that set's own root: only the comparison of the roots stops it.
    let strangers = KeySet::new(&[key_digest(stranger.key())]);
    let own_set = FoldChild {
        membership: strangers.membership(key_digest(stranger.key())).unwrap(),
        ..child(&stranger, strangers.root(), 2)
    };
    let mut dishonest: Vec<_> = dishonest.into();
    dishonest.push(vec![one, own_set]);
    dishonest.push(vec![child(&stranger, set.root(), 1), two]);
    Mutator::new(&fold.definition).honest([&honest]).dishonest(&dishonest).run().assert_complete();
}
