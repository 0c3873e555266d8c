//! The superblock: opens the previous state, verifies its segments or blocks, and computes the new state.

use std::collections::BTreeMap;

use batcher_verify::circuit::{SuperblockCircuit, superblock_shape};
use bridge_core::{Capacity, Chunk, CrossingTarget};
use circuits_core::{
    Builder, Definition, Digest, F, Witness,
    circuit::named,
    constrain::{Constrain, DigestOps},
    hash::chain_circuit,
    layout::{self, Layout, WitnessError, new_virtual, set, set_target},
    recursion::Shape,
    trees::{Path, PathTarget, index_bits},
};
use circuits_protocol::{
    fold::{Chain, FoldChild, ListedChildTarget},
    statement::{
        Accumulators, BODY_CHAIN, L1Body, SegmentStatement, SuperblockRoots, SuperblockStatement,
        l1_body_digest_circuit,
    },
};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
    plonk::circuit_data::CircuitConfig,
};

use super::{
    messages::cross,
    segment::{BlockInput, BlockTarget, SegmentChain, segment_shape},
    state::{HISTORY_DEPTH, superblock_state_circuit},
};

/// One superblock circuit. Its key is what L1 pins.
#[derive(Clone, Copy, Debug)]
pub struct SuperblockDefinition {
    pub(crate) source: SuperblockCircuit,
    pub(crate) segment_set_root: Digest,
    /// What the circuit moves in the rows that its proofs leave free.
    pub(crate) capacity: Capacity,
}

impl SuperblockDefinition {
    /// The circuit over `source`, which accepts segments of the circuits under `segment_set_root` only.
    #[must_use]
    pub fn new(source: SuperblockCircuit, segment_set_root: Digest) -> Self {
        Self { source, segment_set_root, capacity: source.capacity() }
    }
}

/// The proofs below a superblock, matching its [`SuperblockCircuit`].
#[derive(Clone, Debug)]
pub enum SuperblockChildren {
    /// Wrapped blocks in the order of application.
    Blocks(Vec<BlockInput>),
    /// Segments in order.
    Segments(Vec<FoldChild>),
}

/// What the prover of a superblock must know.
#[derive(Clone, Debug)]
pub struct SuperblockInput {
    pub chain_id: u64,
    /// Number of the previous superblock.
    pub previous_number: u32,
    /// The previous superblock's history root.
    pub history_root: Digest,
    /// Path of the history's next free leaf.
    pub history_path: Path,
    /// What the proofs state together, as one segment; only its start is assigned.
    pub segment: SegmentStatement,
    pub source: SuperblockChildren,
    /// 1 if the last block is of environment 0, otherwise 0.
    pub has_l1_block: F,
    /// The body of that block, or zeros.
    pub l1_body: L1Body,
    /// The messages that are moved after them.
    pub chunk: Chunk,
}

/// Targets of a superblock.
pub struct SuperblockTargets {
    frame: FrameTargets,
    source: SourceTargets,
    crossing: Option<CrossingTarget>,
}

enum SourceTargets {
    Blocks { start: Box<StartTarget>, blocks: Vec<BlockTarget> },
    Segments(Vec<ListedChildTarget<SegmentStatement<Target>>>),
}

/// The start of a superblock over blocks.
struct StartTarget {
    registry_root: circuits_core::DigestTarget,
    roots: SuperblockRoots<Target>,
}

/// What encloses a superblock's segment: the state before it, the history, and what it tells L1.
pub(super) struct FrameTargets {
    chain_id: Target,
    previous_number: Target,
    history_root: circuits_core::DigestTarget,
    history_path: PathTarget,
    number_bits: Vec<BoolTarget>,
    number: Target,
    has_l1_block: BoolTarget,
    l1_body: L1Body<Target>,
}

impl FrameTargets {
    pub(super) fn new_virtual(builder: &mut Builder) -> Self {
        let chain_id = builder.add_virtual_target();
        let previous_number = builder.add_virtual_target();
        let history_root = builder.new_digest();
        let history_path = PathTarget::new_virtual(builder, HISTORY_DEPTH);

        // number = previous number + 1. The window of any kernel below bounds it to 32 bits.
        let number_bits = index_bits(builder, previous_number, HISTORY_DEPTH);
        let one = builder.one();
        let number = builder.add(previous_number, one);
        Self {
            chain_id,
            previous_number,
            history_root,
            history_path,
            number_bits,
            number,
            has_l1_block: builder.new_bool(),
            l1_body: new_virtual(builder),
        }
    }

    /// The statement of the superblock whose blocks `segment` applies. Circuits of the set with the root
    /// `segment_set_root` must have proved the segment.
    pub(super) fn enclose(
        &self,
        builder: &mut Builder,
        segment: &SegmentStatement<Target>,
        segment_set_root: circuits_core::DigestTarget,
    ) -> SuperblockStatement<Target> {
        let &Self { chain_id, previous_number, history_root, number, has_l1_block, l1_body, .. } = self;
        let Self { history_path, number_bits, .. } = self;
        builder.enforce_equal(segment.chain_id, chain_id);
        builder.enforce_equal(segment.number, number);
        builder.enforce_digest_equal(segment.segment_set_root, segment_set_root);

        // Lists start empty and counts at 0, and no block of environment 0 was applied.
        let start: Accumulators<Target> = layout::constant(builder, &Accumulators::start());
        builder.enforce_digest_equal(segment.accumulated_before.body_chain, start.body_chain);
        builder.enforce_digest_equal(segment.accumulated_before.l1_body, start.l1_body);
        builder.enforce_equal(segment.accumulated_before.block_count, start.block_count);
        builder.enforce_digest_equal(segment.accumulated_before.block_messages, start.block_messages);
        builder.enforce_digest_equal(segment.accumulated_before.applied, start.applied);
        builder.enforce_digest_equal(segment.accumulated_before.consumed, start.consumed);
        builder.enforce_equal(segment.accumulated_before.unused_balances, start.unused_balances);

        // The messages of every block were moved, in the order of blocks.
        let end = &segment.accumulated_after;
        builder.enforce_digest_equal(end.applied, end.block_messages);

        // They moved every balance that was added.
        builder.enforce_zero(end.unused_balances);

        // There is a block.
        let no_block = builder.is_equal(end.block_count, start.block_count);
        builder.enforce_zero(no_block.target);

        // L1 is told the body of the block of environment 0, and zeros if there is none.
        //
        // | has_l1_block | body in the statement | body in the block's statement |
        // |---|---|---|
        // | 1 | any | H(L1_BODY, body) |
        // | 0 | zeros | zero: there is no block |
        let body_digest = l1_body_digest_circuit(builder, &l1_body);
        let expected = Digest(body_digest.0.map(|element| builder.mul(has_l1_block.target, element)));
        builder.enforce_digest_equal(expected, end.l1_body);
        for element in l1_body.encode() {
            let kept = builder.mul(has_l1_block.target, element);
            builder.enforce_equal(kept, element);
        }

        // The previous state opens to the roots that the segment starts from.
        let previous_state =
            superblock_state_circuit(builder, chain_id, previous_number, &segment.before, history_root);

        // The history gains the previous state at its number, where its leaf was empty.
        let empty = builder.constant_digest(Digest::ZERO);
        let without = history_path.root_circuit(builder, number_bits, empty);
        builder.enforce_digest_equal(without, history_root);
        let new_history_root = history_path.root_circuit(builder, number_bits, previous_state);

        let new_state = superblock_state_circuit(builder, chain_id, number, &segment.after, new_history_root);
        // The list of indices is the last element of the body chain.
        let body_chain = chain_circuit(builder, BODY_CHAIN, end.body_chain, end.consumed);
        SuperblockStatement {
            chain_id,
            number,
            previous_state,
            new_state,
            registry_root: segment.registry_root,
            body_chain,
            block_count: end.block_count,
            has_l1_block: has_l1_block.target,
            l1_body,
        }
    }

    pub(super) fn set_targets(
        &self,
        witness: &mut Witness,
        input: &SuperblockInput,
    ) -> Result<(), WitnessError> {
        set_target(witness, self.chain_id, F::from_canonical_u64(input.chain_id))?;
        set_target(witness, self.previous_number, F::from_canonical_u32(input.previous_number))?;
        set(witness, &self.history_root, &input.history_root)?;
        self.history_path.set_targets(witness, &input.history_path)?;
        set_target(witness, self.has_l1_block.target, input.has_l1_block)?;
        set(witness, &self.l1_body, &input.l1_body)
    }
}

impl Definition for SuperblockDefinition {
    type Statement = SuperblockStatement<Target>;
    type NativeStatement = SuperblockStatement;
    type Targets = SuperblockTargets;
    type Input = SuperblockInput;

    fn name(&self) -> String {
        self.source.name()
    }

    fn config(&self) -> CircuitConfig {
        superblock_shape(self.source).common.config.clone()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(superblock_shape(self.source))
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        let Capacity { new_balances, steps } = self.capacity;
        let below = match self.source {
            SuperblockCircuit::Blocks(blocks) => ("blocks", blocks as u64),
            SuperblockCircuit::Segments(segments) => ("segments", segments as u64),
        };
        named([below, ("rows", new_balances as u64), ("steps", steps as u64)])
    }

    fn depends_on(&self) -> BTreeMap<String, Digest> {
        named([("segment-set", self.segment_set_root)])
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let frame = FrameTargets::new_virtual(builder);

        // The superblock as one segment of its number, with the pinned key set.
        let segment_set_root = builder.constant_digest(self.segment_set_root);
        let (mut segment, source) = match self.source {
            SuperblockCircuit::Blocks(blocks) => self.define_blocks(builder, blocks, &frame),
            SuperblockCircuit::Segments(segments) => Self::define_segments(builder, segments),
        };
        let crossing = (self.capacity != Capacity::NONE).then(|| cross(builder, self.capacity, &mut segment));
        let statement = frame.enclose(builder, &segment, segment_set_root);
        (statement, SuperblockTargets { frame, source, crossing })
    }

    fn assign(
        &self,
        targets: &SuperblockTargets,
        input: &SuperblockInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        targets.frame.set_targets(witness, input)?;
        if let Some(crossing) = &targets.crossing {
            crossing.set_targets(witness, &input.chunk)?;
        }
        match (&targets.source, &input.source) {
            (SourceTargets::Blocks { start, blocks }, SuperblockChildren::Blocks(inputs)) => {
                set(witness, &start.registry_root, &input.segment.registry_root)?;
                set(witness, &start.roots, &input.segment.before)?;
                blocks.iter().zip(inputs).try_for_each(|(target, block)| target.set_targets(witness, block))
            }
            (SourceTargets::Segments(children), SuperblockChildren::Segments(inputs)) => {
                children.iter().zip(inputs).try_for_each(|(target, child)| target.assign(witness, child))
            }
            // Proofs of the other kind leave the targets unset, and the circuit without a proof.
            (SourceTargets::Blocks { .. }, SuperblockChildren::Segments(_))
            | (SourceTargets::Segments(_), SuperblockChildren::Blocks(_)) => Ok(()),
        }
    }
}

impl SuperblockDefinition {
    fn define_blocks(
        &self,
        builder: &mut Builder,
        blocks: usize,
        frame: &FrameTargets,
    ) -> (SegmentStatement<Target>, SourceTargets) {
        let start = StartTarget { registry_root: builder.new_digest(), roots: new_virtual(builder) };
        let accumulated: Accumulators<Target> = layout::constant(builder, &Accumulators::start());
        let mut segment = SegmentStatement {
            chain_id: frame.chain_id,
            number: frame.number,
            registry_root: start.registry_root,
            segment_set_root: builder.constant_digest(self.segment_set_root),
            before: start.roots,
            after: start.roots,
            accumulated_before: accumulated,
            accumulated_after: accumulated,
        };
        let blocks = (0..blocks).map(|_| BlockTarget::verify(builder, &mut segment)).collect();
        (segment, SourceTargets::Blocks { start: Box::new(start), blocks })
    }

    fn define_segments(builder: &mut Builder, segments: usize) -> (SegmentStatement<Target>, SourceTargets) {
        let children: Vec<_> = (0..segments)
            .map(|_| ListedChildTarget::verify(builder, segment_shape(), SegmentChain::key_set_root))
            .collect();
        let segment = children
            .iter()
            .map(|listed| listed.child.statement)
            .reduce(|left, right| SegmentChain::join_circuit(builder, &left, &right))
            .expect("a superblock verifies at least one segment");
        (segment, SourceTargets::Segments(children))
    }
}
