//! Segments: a leaf applies up to 3 wrapped blocks, a fold joins up to 3 segments. The segment that moves
//! messages is in [`super::messages`].

use std::{collections::BTreeMap, sync::LazyLock};

use circuits_core::{
    Builder, Definition, DigestTarget, F, Proof, VerifierKey, Witness,
    circuit::named,
    constrain::Constrain,
    layout::{Layout, WitnessError, new_virtual, set},
    recursion::{ChildTarget, Shape, verify_with_witness_key},
};
use circuits_protocol::{
    fold::{Chain, ChainError, FoldDefinition},
    statement::{BlockStatement, SegmentStatement},
    wrap::block_shape,
};
use circuits_prover::basetypes::standard_config;
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

use super::apply::{AppliedBlock, AppliedBlockTarget};

/// The most blocks that one leaf applies: 3 verifiers of block-shape proofs fit 2^15 rows.
pub const LEAF_MAX_BLOCKS: usize = 3;
/// The most segments that one fold joins: 3 verifiers of segment-shape proofs fit 2^15 rows.
pub const FOLD_MAX_ARITY: usize = 3;
/// Rows of the segment shape, as a logarithm.
const SEGMENT_DEGREE_BITS: usize = 15;

/// A circuit of the segment set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentCircuit {
    /// A leaf of this many blocks.
    Leaf(usize),
    /// A fold of this many segments.
    Fold(usize),
    /// The message segment.
    Messages,
}

impl SegmentCircuit {
    /// All segment circuits, in the order of the segment set.
    pub fn all() -> impl Iterator<Item = Self> {
        let folds = (2..=FOLD_MAX_ARITY).map(Self::Fold);
        (1..=LEAF_MAX_BLOCKS).map(Self::Leaf).chain(folds).chain([Self::Messages])
    }
}

/// The shape of segments.
#[must_use]
pub fn segment_shape() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
        let public_inputs = <SegmentStatement as Layout<F>>::LEN;
        Shape::new("segment", standard_config(), SEGMENT_DEGREE_BITS, public_inputs)
    });
    &SHAPE
}

/// Segments as a chain, for the generic fold.
pub struct SegmentChain;

impl Chain for SegmentChain {
    type Statement = SegmentStatement<Target>;
    type Native = SegmentStatement;

    const NAME: &'static str = "segment";

    fn key_set_root(statement: &Self::Statement) -> DigestTarget {
        statement.segment_set_root
    }

    fn join(left: &SegmentStatement, right: &SegmentStatement) -> Result<SegmentStatement, ChainError> {
        ChainError::check("chain id", &left.chain_id, &right.chain_id)?;
        ChainError::check("superblock number", &left.number, &right.number)?;
        ChainError::check("registry root", &left.registry_root, &right.registry_root)?;
        ChainError::check("segment set root", &left.segment_set_root, &right.segment_set_root)?;
        ChainError::check("roots", &left.after, &right.before)?;
        ChainError::check("accumulators", &left.accumulated_after, &right.accumulated_before)?;
        Ok(SegmentStatement { after: right.after, accumulated_after: right.accumulated_after, ..*left })
    }

    fn join_circuit(
        builder: &mut Builder,
        left: &Self::Statement,
        right: &Self::Statement,
    ) -> Self::Statement {
        builder.enforce_equal(left.chain_id, right.chain_id);
        builder.enforce_equal(left.number, right.number);
        builder.enforce_digest_equal(left.registry_root, right.registry_root);
        builder.enforce_digest_equal(left.segment_set_root, right.segment_set_root);
        builder.enforce_layout_equal(&left.after, &right.before);
        builder.enforce_layout_equal(&left.accumulated_after, &right.accumulated_before);
        SegmentStatement { after: right.after, accumulated_after: right.accumulated_after, ..*left }
    }
}

/// The fold of `arity` segments.
///
/// # Panics
/// If `arity` is not in `2..=FOLD_MAX_ARITY`; plans stay within it.
#[must_use]
pub fn segment_fold(arity: usize) -> FoldDefinition<SegmentChain> {
    assert!(
        (2..=FOLD_MAX_ARITY).contains(&arity),
        "a fold joins 2 to {FOLD_MAX_ARITY} segments, not {arity}"
    );
    FoldDefinition::new(segment_shape(), arity)
}

/// One wrapped block to be verified and applied.
#[derive(Clone, Debug)]
pub struct BlockInput {
    pub proof: Proof,
    pub key: VerifierKey,
    pub applied: AppliedBlock,
}

/// A wrapped block in-circuit.
pub struct BlockTarget {
    child: ChildTarget<BlockStatement<Target>>,
    applied: AppliedBlockTarget,
}

impl BlockTarget {
    /// Verifies a wrapped block under a key that the registry must allow, and applies it to the end of `segment`.
    pub fn verify(builder: &mut Builder, segment: &mut SegmentStatement<Target>) -> Self {
        let (child, key) = verify_with_witness_key::<BlockStatement<Target>>(builder, block_shape());
        let applied = AppliedBlockTarget::new_virtual(builder);
        applied.apply(
            builder,
            segment.registry_root,
            segment.number,
            key,
            &child.statement,
            &mut segment.after,
            &mut segment.accumulated_after,
        );
        Self { child, applied }
    }

    /// Assigns one block.
    ///
    /// # Errors
    /// If a target already has another value.
    pub fn set_targets(&self, witness: &mut Witness, value: &BlockInput) -> Result<(), WitnessError> {
        self.child.assign(witness, &value.proof, &value.key)?;
        self.applied.set_targets(witness, &value.applied)
    }
}

/// Applies a fixed number of wrapped blocks. A smaller leaf is another circuit; no slot is ever filled with a
/// dummy.
#[derive(Clone, Copy, Debug)]
pub struct SegmentLeaf {
    blocks: usize,
}

impl SegmentLeaf {
    /// The leaf of `blocks` blocks.
    ///
    /// # Panics
    /// If `blocks` is not in `1..=LEAF_MAX_BLOCKS`; plans stay within it.
    #[must_use]
    pub fn new(blocks: usize) -> Self {
        assert!(
            (1..=LEAF_MAX_BLOCKS).contains(&blocks),
            "a leaf applies 1 to {LEAF_MAX_BLOCKS} blocks, not {blocks}"
        );
        Self { blocks }
    }
}

/// What the prover of a leaf must know.
#[derive(Clone, Debug)]
pub struct LeafInput {
    /// The statement; only its start is assigned, its end follows from the blocks.
    pub statement: SegmentStatement,
    /// The blocks, in the order of application.
    pub blocks: Vec<BlockInput>,
}

/// Targets of a leaf.
pub struct LeafTargets {
    start: SegmentStatement<Target>,
    blocks: Vec<BlockTarget>,
}

/// A segment of no blocks yet: its start is a witness, its end is its start.
pub(super) fn empty_segment(builder: &mut Builder) -> SegmentStatement<Target> {
    let (before, accumulated_before) = (new_virtual(builder), new_virtual(builder));
    SegmentStatement {
        chain_id: builder.add_virtual_target(),
        number: builder.add_virtual_target(),
        registry_root: new_virtual(builder),
        segment_set_root: new_virtual(builder),
        before,
        after: before,
        accumulated_before,
        accumulated_after: accumulated_before,
    }
}

/// Assigns the start of a segment.
pub(super) fn set_start(
    witness: &mut Witness,
    start: &SegmentStatement<Target>,
    value: &SegmentStatement,
) -> Result<(), WitnessError> {
    let unmoved =
        SegmentStatement { after: value.before, accumulated_after: value.accumulated_before, ..*value };
    set(witness, start, &unmoved)
}

impl Definition for SegmentLeaf {
    type Statement = SegmentStatement<Target>;
    type NativeStatement = SegmentStatement;
    type Targets = LeafTargets;
    type Input = LeafInput;

    fn name(&self) -> String {
        format!("segment-leaf-{}", self.blocks)
    }

    fn config(&self) -> CircuitConfig {
        segment_shape().common.config.clone()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(segment_shape())
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        named([("blocks", self.blocks as u64)])
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let start = empty_segment(builder);
        let mut segment = start;
        let blocks = (0..self.blocks).map(|_| BlockTarget::verify(builder, &mut segment)).collect();
        (segment, LeafTargets { start, blocks })
    }

    fn assign(
        &self,
        targets: &LeafTargets,
        input: &LeafInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set_start(witness, &targets.start, &input.statement)?;
        targets
            .blocks
            .iter()
            .zip(&input.blocks)
            .try_for_each(|(target, block)| target.set_targets(witness, block))
    }
}
