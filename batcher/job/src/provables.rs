//! The batcher's circuits as provables, for every process that does tasks of superblocks.
//!
//! | provable | children | travels |
//! |---|---|---|
//! | `block` | | nothing: the proof is given |
//! | `segment-leaf-N` | N blocks | how each applies |
//! | `segment-fold-N` | N segments | nothing |
//! | `segment-messages` | | the chunk of messages |
//! | `superblock-...` | blocks or segments | the state before, how blocks apply, the chunk |

use std::sync::Arc;

use batcher_circuits::{
    apply::AppliedBlock,
    engine::{Engine, EngineError, Required},
    messages::{MessageSegment, MessagesInput},
    segment::{
        BlockInput, FOLD_MAX_ARITY, LEAF_MAX_BLOCKS, LeafInput, SegmentChain, SegmentLeaf, segment_fold,
        segment_shape,
    },
    superblock::{SuperblockChildren, SuperblockDefinition, SuperblockInput},
};
use batcher_verify::circuit::{SuperblockCircuit, superblock_shape};
use bridge_core::Chunk;
use circuits_core::{Compiled, Definition, Digest, trees::Path};
use circuits_protocol::{
    fold::{FoldChild, FoldDefinition},
    statement::{BlockStatement, SegmentStatement, SuperblockStatement},
    wrap::block_shape,
};
use circuits_tasks::{
    circuit::{Common, KeyedProof, TaskCircuit, decode_input},
    graph::Task,
    id::KeyBytes,
    provable::{Catalogue, Child, Provable, ProvableError, Request},
};
use plonky2::field::types::PrimeField64 as _;
use serde::{Deserialize, Serialize};

/// Everything that a superblock's graph consists of.
#[must_use]
pub fn catalogue(engine: &Engine) -> Catalogue<'_> {
    let mut catalogue = Catalogue::default().with(GivenBlock).with(Messages { engine });
    for blocks in 1..=LEAF_MAX_BLOCKS {
        catalogue = catalogue.with(Leaf { engine, blocks });
    }
    for arity in 2..=FOLD_MAX_ARITY {
        catalogue = catalogue.with(Fold { engine, arity });
    }
    for source in SuperblockCircuit::all() {
        catalogue = catalogue.with(Superblock { engine, source });
    }
    catalogue
}

fn engine_error(error: EngineError) -> ProvableError {
    match error {
        EngineError::Circuit(error) => error.into(),
        error => ProvableError::Other(Box::new(error)),
    }
}

/// The key that a circuit must have.
fn key_of<Def: Definition + Clone + 'static>(required: &Required<'_, Def>) -> Result<Digest, ProvableError> {
    required
        .key()
        .ok_or_else(|| ProvableError::Input { reason: "the pinned keys lack this circuit".to_owned() })
}

/// The blocks below a circuit, each with how it applies.
fn block_inputs(
    applied: Vec<AppliedBlock>,
    children: &[Child<'_>],
) -> Result<Vec<BlockInput>, ProvableError> {
    if applied.len() != children.len() {
        let reason = format!("{} blocks apply, and there are {} proofs", applied.len(), children.len());
        return Err(ProvableError::Input { reason });
    }
    children
        .iter()
        .zip(applied)
        .map(|(child, applied)| {
            let KeyedProof { proof, key } = KeyedProof::decode(child.proof, &block_shape().common)?;
            Ok(BlockInput { proof, key, applied })
        })
        .collect()
}

/// The segments below a circuit.
fn fold_children(engine: &Engine, children: &[Child<'_>]) -> Result<Vec<FoldChild>, ProvableError> {
    children
        .iter()
        .map(|child| {
            let KeyedProof { proof, key } = KeyedProof::decode(child.proof, &segment_shape().common)?;
            let membership = engine.membership(&key).map_err(engine_error)?;
            Ok(FoldChild { proof, key, membership })
        })
        .collect()
}

/// The proof of a block, which its producer made.
pub(crate) struct GivenBlock;

impl GivenBlock {
    pub(crate) const NAME: &'static str = "block";
}

impl Provable for GivenBlock {
    type Secret = ();

    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        Err(ProvableError::Given { name: self.name() })
    }

    /// The registry, not the task's provable, says which keys a block may have: the circuit above checks that.
    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        KeyedProof::verify::<BlockStatement>(task, proof, &block_shape().common).map(drop)
    }

    fn prove(&self, _: &Request<'_>, (): &()) -> Result<Vec<u8>, ProvableError> {
        Err(ProvableError::Given { name: self.name() })
    }
}

/// A leaf over this number of blocks.
struct Leaf<'a> {
    engine: &'a Engine,
    blocks: usize,
}

impl TaskCircuit for Leaf<'_> {
    type Definition = SegmentLeaf;
    type Secret = ();

    fn name(&self) -> String {
        SegmentLeaf::new(self.blocks).name()
    }

    fn key(&self) -> Result<Digest, ProvableError> {
        key_of(&self.engine.leaf(self.blocks))
    }

    fn common(&self) -> Result<Common, ProvableError> {
        Ok(Common::OfShape(&segment_shape().common))
    }

    fn circuit(&self) -> Result<Arc<Compiled<SegmentLeaf>>, ProvableError> {
        self.engine.leaf(self.blocks).circuit().map_err(engine_error)
    }

    fn input(
        &self,
        statement: &SegmentStatement,
        input: &[u8],
        children: &[Child<'_>],
        (): &(),
    ) -> Result<LeafInput, ProvableError> {
        self.expect_children(children, self.blocks)?;
        Ok(LeafInput { statement: *statement, blocks: block_inputs(decode_input(input)?, children)? })
    }
}

/// A fold of this number of segments.
struct Fold<'a> {
    engine: &'a Engine,
    arity: usize,
}

impl TaskCircuit for Fold<'_> {
    type Definition = FoldDefinition<SegmentChain>;
    type Secret = ();

    fn name(&self) -> String {
        segment_fold(self.arity).name()
    }

    fn key(&self) -> Result<Digest, ProvableError> {
        key_of(&self.engine.fold(self.arity))
    }

    fn common(&self) -> Result<Common, ProvableError> {
        Ok(Common::OfShape(&segment_shape().common))
    }

    fn circuit(&self) -> Result<Arc<Compiled<Self::Definition>>, ProvableError> {
        self.engine.fold(self.arity).circuit().map_err(engine_error)
    }

    fn input(
        &self,
        _: &SegmentStatement,
        input: &[u8],
        children: &[Child<'_>],
        (): &(),
    ) -> Result<Vec<FoldChild>, ProvableError> {
        self.expect_children(children, self.arity)?;
        let () = decode_input(input)?;
        fold_children(self.engine, children)
    }
}

/// The message segment.
struct Messages<'a> {
    engine: &'a Engine,
}

impl TaskCircuit for Messages<'_> {
    type Definition = MessageSegment;
    type Secret = ();

    fn name(&self) -> String {
        MessageSegment::default().name()
    }

    fn key(&self) -> Result<Digest, ProvableError> {
        key_of(&self.engine.messages())
    }

    fn common(&self) -> Result<Common, ProvableError> {
        Ok(Common::OfShape(&segment_shape().common))
    }

    fn circuit(&self) -> Result<Arc<Compiled<MessageSegment>>, ProvableError> {
        self.engine.messages().circuit().map_err(engine_error)
    }

    fn input(
        &self,
        statement: &SegmentStatement,
        input: &[u8],
        children: &[Child<'_>],
        (): &(),
    ) -> Result<MessagesInput, ProvableError> {
        self.expect_children(children, 0)?;
        Ok(MessagesInput { statement: *statement, chunk: decode_input(input)? })
    }
}

/// What travels of a superblock's input. The rest is in its statement and its children.
#[derive(Serialize, Deserialize)]
pub(crate) struct SuperblockParts {
    history_root: Digest,
    history_path: Path,
    #[serde(with = "circuits_core::layout::as_bytes")]
    segment: SegmentStatement,
    chunk: Chunk,
    /// How the blocks apply that the superblock verifies itself.
    applied: Vec<AppliedBlock>,
}

impl SuperblockParts {
    /// The parts of an input, whose proofs are not among them.
    pub(crate) fn new(input: SuperblockInput, applied: Vec<AppliedBlock>) -> Self {
        let SuperblockInput { history_root, history_path, segment, chunk, .. } = input;
        Self { history_root, history_path, segment, chunk, applied }
    }
}

/// A superblock circuit.
struct Superblock<'a> {
    engine: &'a Engine,
    source: SuperblockCircuit,
}

impl TaskCircuit for Superblock<'_> {
    type Definition = SuperblockDefinition;
    type Secret = ();

    fn name(&self) -> String {
        self.source.name()
    }

    fn key(&self) -> Result<Digest, ProvableError> {
        key_of(&self.engine.superblock(self.source).map_err(engine_error)?)
    }

    fn common(&self) -> Result<Common, ProvableError> {
        Ok(Common::OfShape(&superblock_shape(self.source).common))
    }

    fn circuit(&self) -> Result<Arc<Compiled<SuperblockDefinition>>, ProvableError> {
        self.engine.superblock(self.source).and_then(|required| required.circuit()).map_err(engine_error)
    }

    fn input(
        &self,
        statement: &SuperblockStatement,
        input: &[u8],
        children: &[Child<'_>],
        (): &(),
    ) -> Result<SuperblockInput, ProvableError> {
        let SuperblockParts { history_root, history_path, segment, chunk, applied } = decode_input(input)?;
        let source = match self.source {
            SuperblockCircuit::Blocks(blocks) => {
                self.expect_children(children, blocks)?;
                SuperblockChildren::Blocks(block_inputs(applied, children)?)
            }
            SuperblockCircuit::Segments(segments) => {
                self.expect_children(children, segments)?;
                SuperblockChildren::Segments(fold_children(self.engine, children)?)
            }
        };
        let number = u32::try_from(statement.number.to_canonical_u64()).ok();
        let previous_number = number.and_then(|number| number.checked_sub(1));
        let malformed =
            || ProvableError::Input { reason: "the superblock's number has no predecessor".to_owned() };
        Ok(SuperblockInput {
            chain_id: statement.chain_id.to_canonical_u64(),
            previous_number: previous_number.ok_or_else(malformed)?,
            history_root,
            history_path,
            segment,
            source,
            has_l1_block: statement.has_l1_block,
            l1_body: statement.l1_body,
            chunk,
        })
    }
}
