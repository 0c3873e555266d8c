//! How a kernel takes the parts of its block: each continues the one before it, in the same block.

use std::sync::LazyLock;

use circuits_core::{
    Builder, Compiled, Definition, Digest, DigestTarget, F, Witness,
    constrain::Constrain,
    layout::{Layout, WitnessError, new_virtual, set},
    recursion::{Shape, key_digest},
};
use circuits_protocol::{
    fold::{Chain, ChainError, FoldChild, ListedChildTarget},
    key_set::KeySet,
};
use circuits_prover::basetypes::standard_config;
use environments_conformance::forging::{Mutator, assert_accepts, assert_rejects};
use environments_core::folding::{PartStatement, parts_circuit};
use plonky2::{field::types::Field, iop::target::Target, plonk::circuit_data::CircuitConfig};

circuits_core::layout! {
    /// "In this block, the numbers of this part lead from one sum to another."
    pub struct Sum<T> {
        /// Root of the keys.
        pub key_set_root: Digest<T>,
        /// The block.
        pub block: [T; 1],
        /// The sum before.
        pub before: [T; 1],
        /// The sum after.
        pub after: [T; 1],
    }
}

struct Summing;

impl Chain for Summing {
    type Statement = Sum<Target>;
    type Native = Sum;

    const NAME: &'static str = "summing";

    fn key_set_root(statement: &Sum<Target>) -> DigestTarget {
        statement.key_set_root
    }

    fn join(left: &Sum, right: &Sum) -> Result<Sum, ChainError> {
        ChainError::check("key set root", &left.key_set_root, &right.key_set_root)?;
        ChainError::check("block", &left.block, &right.block)?;
        ChainError::check("sum", &left.after, &right.before)?;
        Ok(Sum { after: right.after, ..*left })
    }

    fn join_circuit(builder: &mut Builder, left: &Sum<Target>, right: &Sum<Target>) -> Sum<Target> {
        builder.enforce_digest_equal(left.key_set_root, right.key_set_root);
        builder.enforce_layout_equal(&left.block, &right.block);
        builder.enforce_layout_equal(&left.after, &right.before);
        Sum { after: right.after, ..*left }
    }
}

impl PartStatement for Sum<Target> {
    type Context = [Target; 1];
    type Running = [Target; 1];

    fn parts(&self) -> (&[Target; 1], &[Target; 1], &[Target; 1]) {
        (&self.block, &self.before, &self.after)
    }
}

/// The standard configuration with few queries, since nobody relies on these proofs.
fn few_queries() -> CircuitConfig {
    let mut config = standard_config();
    config.fri_config.num_query_rounds = 8;
    config.security_bits = 44;
    config
}

static SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new("summing", few_queries(), 8, <Sum as Layout<F>>::LEN));

/// States any part.
struct AnyPart;

impl Definition for AnyPart {
    type Statement = Sum<Target>;
    type NativeStatement = Sum;
    type Targets = Sum<Target>;
    type Input = Sum;

    fn name(&self) -> String {
        "any-part".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        few_queries()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(&SHAPE)
    }

    fn define(&self, builder: &mut Builder) -> (Sum<Target>, Sum<Target>) {
        let sum = new_virtual(builder);
        (sum, sum)
    }

    fn assign(&self, targets: &Sum<Target>, input: &Sum, witness: &mut Witness) -> Result<(), WitnessError> {
        set(witness, targets, input)
    }
}

/// A kernel of a block of two parts. It states the block, the sum before and the sum after.
struct TwoParts {
    key_set_root: Digest,
}

/// The block, the sum before, and the parts.
type TwoPartsInput = ([F; 1], [F; 1], Vec<FoldChild>);

impl Definition for TwoParts {
    type Statement = [Target; 3];
    type NativeStatement = [F; 3];
    type Targets = ([Target; 1], [Target; 1], Vec<ListedChildTarget<Sum<Target>>>);
    type Input = TwoPartsInput;

    fn name(&self) -> String {
        "two-parts".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        few_queries()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let (block, start) = (new_virtual(builder), new_virtual(builder));
        let (end, parts) = parts_circuit::<Summing>(builder, &SHAPE, self.key_set_root, &block, &start, 2);
        ([block[0], start[0], end[0]], (block, start, parts))
    }

    fn assign(
        &self,
        (block, start, parts): &Self::Targets,
        (of, from, children): &TwoPartsInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, block, of)?;
        set(witness, start, from)?;
        parts.iter().zip(children).try_for_each(|(part, child)| part.assign(witness, child))
    }
}

const BLOCK: u64 = 7;
const START: u64 = 1;

fn element(value: u64) -> [F; 1] {
    [F::from_canonical_u64(value)]
}

#[test]
fn each_part_continues_the_one_before_it_in_one_block_natively_as_in_circuit() {
    let leaf = Compiled::new(AnyPart).unwrap();
    let keys = KeySet::new(&[key_digest(leaf.key())]);
    let part = |before, after| Sum {
        key_set_root: keys.root(),
        block: element(BLOCK),
        before: element(before),
        after: element(after),
    };
    let [first, second] = [part(START, 4), part(4, 6)];
    let in_another_block = |part: Sum| Sum { block: element(BLOCK + 1), ..part };
    let of_another_set = |part: Sum| Sum { key_set_root: Digest([F::ONE; 4]), ..part };
    let native = |parts: &[Sum; 2]| {
        let nothing = part(START, START);
        parts.iter().try_fold(nothing, |done, next| Summing::join(&done, next))
    };
    let child = |part: &Sum| FoldChild {
        proof: leaf.prove(part).unwrap(),
        key: leaf.key().clone(),
        membership: keys.membership(key_digest(leaf.key())).unwrap(),
    };
    let input = |parts: &[Sum; 2]| (element(BLOCK), element(START), parts.iter().map(child).collect());

    let kernel = Compiled::new(TwoParts { key_set_root: keys.root() }).unwrap();
    let honest = input(&[first, second]);
    assert_accepts(&kernel, &honest);
    assert_eq!(native(&[first, second]), Ok(part(START, 6)));

    let lies = [
        ("sum", [part(START + 1, 4), second]),
        ("sum", [first, part(5, 6)]),
        ("sum", [first, first]),
        ("sum", [second, first]),
        ("block", [in_another_block(first), second]),
        ("block", [first, in_another_block(second)]),
        ("key set root", [of_another_set(first), second]),
        ("key set root", [first, of_another_set(second)]),
    ];
    let dishonest: Vec<TwoPartsInput> = lies.iter().map(|(_, parts)| input(parts)).collect();
    for ((field, parts), input) in lies.iter().zip(&dishonest) {
        assert_eq!(native(parts).unwrap_err().field, *field, "{parts:?}");
        assert_rejects(&kernel, input);
    }
    Mutator::new(&kernel.definition)
        .honest([&honest])
        .dishonest(&dishonest)
        .elsewhere("circuits/core/src/recursion/")
        .elsewhere("circuits/protocol/src/key_set.rs")
        .inputs_only()
        .run()
        .assert_tested();
}
