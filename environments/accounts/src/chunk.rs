//! Chunks: proofs that a run of transactions moves the state, and folds of them.

use std::{collections::BTreeMap, sync::LazyLock};

use circuits_core::{
    Builder, Definition, Digest, DigestTarget, F, Witness,
    circuit::named,
    constrain::{Constrain, DigestOps},
    layout::{self, Layout, WitnessError, set},
    recursion::Shape,
};
use circuits_protocol::fold::{Chain, ChainError};
use circuits_prover::basetypes::standard_config;
use environments_core::folding::PartStatement;
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

use crate::{
    circuit::{SlotInput, SlotTargets, slots_circuit},
    state::{BlockContext, Running},
};

/// Rows of the chunk shape, as a binary logarithm.
const SHAPE_DEGREE_BITS: usize = 15;

circuits_core::layout! {
    /// "In the block with this context, these transactions lead from `before` to `after`."
    pub struct ChunkStatement<T> {
        /// Root of the keys of all chunk circuits; pinned by the block kernel.
        pub key_set_root: Digest<T>,
        /// The block.
        pub context: BlockContext<T>,
        /// The running state before these transactions.
        pub before: Running<T>,
        /// The running state after them.
        pub after: Running<T>,
    }
}

impl PartStatement for ChunkStatement<Target> {
    type Context = BlockContext<Target>;
    type Running = Running<Target>;

    fn parts(&self) -> (&BlockContext<Target>, &Running<Target>, &Running<Target>) {
        (&self.context, &self.before, &self.after)
    }
}

/// The shape of all chunks.
#[must_use]
pub fn chunk_shape() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
        Shape::new("chunk", standard_config(), SHAPE_DEGREE_BITS, <ChunkStatement as Layout<F>>::LEN)
    });
    &SHAPE
}

/// Chunks that join into longer ones.
#[derive(Clone, Copy, Debug)]
pub struct ChunkChain;

impl Chain for ChunkChain {
    type Statement = ChunkStatement<Target>;
    type Native = ChunkStatement;

    const NAME: &'static str = "accounts-chunk";

    fn key_set_root(statement: &ChunkStatement<Target>) -> DigestTarget {
        statement.key_set_root
    }

    fn join(left: &ChunkStatement, right: &ChunkStatement) -> Result<ChunkStatement, ChainError> {
        ChainError::check("key set root", &left.key_set_root, &right.key_set_root)?;
        ChainError::check("context", &left.context, &right.context)?;
        ChainError::check("running state", &left.after, &right.before)?;
        Ok(ChunkStatement { after: right.after, ..*left })
    }

    fn join_circuit(
        builder: &mut Builder,
        left: &ChunkStatement<Target>,
        right: &ChunkStatement<Target>,
    ) -> ChunkStatement<Target> {
        builder.enforce_digest_equal(left.key_set_root, right.key_set_root);
        builder.enforce_layout_equal(&left.context, &right.context);
        builder.enforce_layout_equal(&left.after, &right.before);
        ChunkStatement { after: right.after, ..*left }
    }
}

/// The circuit of a chunk.
#[derive(Clone, Copy, Debug)]
pub struct ChunkLeaf {
    slots: usize,
}

impl ChunkLeaf {
    /// A chunk of this many slots.
    #[must_use]
    pub const fn new(slots: usize) -> Self {
        Self { slots }
    }

    /// Slots of the chunk.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.slots
    }
}

/// Targets of a chunk.
pub struct ChunkTargets {
    key_set_root: DigestTarget,
    context: BlockContext<Target>,
    before: Running<Target>,
    slots: Vec<SlotTargets>,
}

/// What the prover of a chunk must know.
#[derive(Clone, Debug)]
pub struct ChunkInput {
    /// Root of the keys of all chunk circuits.
    pub key_set_root: Digest,
    /// The block.
    pub context: BlockContext,
    /// The running state before the slots.
    pub before: Running,
    /// As many slots as the circuit has.
    pub slots: Vec<SlotInput>,
}

impl Definition for ChunkLeaf {
    type Statement = ChunkStatement<Target>;
    type NativeStatement = ChunkStatement;
    type Targets = ChunkTargets;
    type Input = ChunkInput;

    fn name(&self) -> String {
        format!("accounts-chunk-{}", self.slots)
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(chunk_shape())
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        named([("slots", self.slots as u64)])
    }

    fn define(&self, builder: &mut Builder) -> (ChunkStatement<Target>, ChunkTargets) {
        let key_set_root = builder.new_digest();
        let context: BlockContext<Target> = layout::new_virtual(builder);
        let before: Running<Target> = layout::new_virtual(builder);
        let (after, slots) = slots_circuit(builder, &context, &before, self.slots);
        let statement = ChunkStatement { key_set_root, context, before, after };
        (statement, ChunkTargets { key_set_root, context, before, slots })
    }

    fn assign(
        &self,
        targets: &ChunkTargets,
        input: &ChunkInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, &targets.key_set_root, &input.key_set_root)?;
        set(witness, &targets.context, &input.context)?;
        set(witness, &targets.before, &input.before)?;
        targets.slots.iter().zip(&input.slots).try_for_each(|(slot, value)| slot.set_targets(witness, value))
    }
}
