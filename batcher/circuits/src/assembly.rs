//! How a superblock follows a state, computed natively and step by step: blocks first, then messages, chunk by chunk.
//!
//! This is the one full application of the rules before anything is proved. It trusts nobody: a mistake of the planner,
//! or a block that the intake should have refused, ends in a [`TransitionError`].

use bridge_core::{BalanceKey, BlockMessages, BridgeLists, Chunk, Crossing, OtherMessages};
use circuits_core::{Digest, F, hash::chain};
use circuits_protocol::{
    l1::L1Outcome,
    registry::Registry,
    statement::{Accumulators, BODY_CHAIN, L1Body, SuperblockRoots, SuperblockStatement, l1_body_digest},
};
use plonky2::field::types::Field;

use super::{
    apply::{AppliedBlock, apply_block},
    contents::{ContentBlock, Contents},
    packing::{Load, Move, Share},
    state::{L1Head, SuperblockState},
    transition::{Transition, TransitionError},
};

impl Transition {
    /// Applies `contents` to `state` as its next superblock. The messages, whose `load` the caller has computed with
    /// [`Contents::load`], are moved in `shares`, the last of which is the superblock circuit's own. No share at all
    /// is one that moves nothing.
    ///
    /// # Errors
    /// [`TransitionError`]; `state` is not touched.
    pub fn new(
        state: &SuperblockState,
        registry: &Registry,
        segment_set_root: Digest,
        contents: &Contents,
        load: &Load,
        shares: &[Share],
    ) -> Result<Self, TransitionError> {
        let transition = Self::assemble(state, registry, segment_set_root, contents, load, shares);
        // What could not be read was taken for absent, so that anything may follow from it.
        state.check_reads()?;
        transition
    }

    fn assemble(
        state: &SuperblockState,
        registry: &Registry,
        segment_set_root: Digest,
        contents: &Contents,
        load: &Load,
        shares: &[Share],
    ) -> Result<Self, TransitionError> {
        check_messages(contents)?;
        let mut assembly = Assembly::apply_blocks(state, registry, segment_set_root, contents)?;
        let moves = contents.moves();
        let nothing = [Share::default()];
        for share in if shares.is_empty() { &nothing } else { shares } {
            assembly.open_balances(load.balances_of(share))?;
            for one in moves.get(share.moves.clone()).unwrap_or_default() {
                assembly.carry_out(one)?;
            }
            assembly.end_chunk()?;
        }
        assembly.check_all_moved()?;
        Ok(assembly.finish())
    }
}

/// Checks that each block has the messages that its statement names.
fn check_messages(contents: &Contents) -> Result<(), TransitionError> {
    for (index, ContentBlock { statement, messages, .. }) in contents.blocks.iter().enumerate() {
        messages
            .check_named_in(statement)
            .map_err(|OtherMessages { list }| TransitionError::OtherMessages { index, list })?;
    }
    Ok(())
}

/// A superblock whose blocks are applied and whose messages are being moved.
pub(crate) struct Assembly<'a> {
    state: &'a SuperblockState,
    registry: &'a Registry,
    segment_set_root: Digest,
    number: u32,
    /// The state reached. Its bridge is in `crossing` until the end.
    new_state: SuperblockState,
    environments_root: Digest,
    accumulators: Accumulators,
    l1_body: Option<L1Body>,
    applied: Vec<AppliedBlock>,
    messages: Vec<BlockMessages>,
    boundaries: Vec<(SuperblockRoots, Accumulators)>,
    pub(crate) crossing: Crossing,
    chunks: Vec<Chunk>,
}

impl<'a> Assembly<'a> {
    /// Applies the blocks of `contents` to `state`; no message is moved yet.
    ///
    /// # Errors
    /// - [`TransitionError::Empty`], [`TransitionError::LastNumber`]
    /// - [`TransitionError::Block`]: a block does not apply.
    /// - [`TransitionError::OtherL1Body`], [`TransitionError::L1Body`]: the body is not that of the block of environment 0, or
    ///   no contract could have computed it.
    /// - [`TransitionError::Balances`]: the tree of balances is full.
    pub(crate) fn apply_blocks(
        state: &'a SuperblockState,
        registry: &'a Registry,
        segment_set_root: Digest,
        contents: &Contents,
    ) -> Result<Self, TransitionError> {
        if contents.blocks.is_empty() {
            return Err(TransitionError::Empty);
        }
        let number = state.number.checked_add(1).ok_or(TransitionError::LastNumber(state.number))?;
        let mut new_state = state.clone();
        let mut accumulators = Accumulators::start();
        let mut boundaries = vec![(state.roots(), accumulators)];
        let mut applied = vec![];
        for (index, ContentBlock { key, statement, .. }) in contents.blocks.iter().enumerate() {
            let one = apply_block(&mut new_state, &mut accumulators, registry, number, *key, statement)
                .map_err(|source| TransitionError::Block { index, source })?;
            applied.push(one);
            boundaries.push((new_state.roots(), accumulators));
        }
        let (expected, found) = (accumulators.l1_body, contents.l1_body.map(|body| l1_body_digest(&body)));
        if found.unwrap_or(Digest::ZERO) != expected {
            return Err(TransitionError::OtherL1Body { expected, found });
        }
        if let Some(body) = &contents.l1_body {
            new_state.l1 = L1Head::after(&L1Outcome::try_from(body)?);
        }
        let messages = contents.blocks.iter().map(|block| &block.messages).filter(|one| !one.is_empty());
        let environments_root = new_state.environments.root();
        let bridge = std::mem::take(&mut new_state.bridge);
        let lists = BridgeLists::of(&accumulators);
        let crossing =
            Crossing::new(state.chain_id, number, bridge, lists).map_err(TransitionError::Balances)?;
        Ok(Self {
            state,
            registry,
            segment_set_root,
            number,
            new_state,
            environments_root,
            accumulators,
            l1_body: contents.l1_body,
            applied,
            messages: messages.cloned().collect(),
            boundaries,
            crossing,
            chunks: vec![],
        })
    }

    /// Adds balances, before the moves of the present chunk.
    ///
    /// # Errors
    /// [`TransitionError::Balances`]
    pub(crate) fn open_balances(&mut self, keys: &[BalanceKey]) -> Result<(), TransitionError> {
        self.crossing.open_balances(keys.iter().copied()).map_err(TransitionError::Balances)
    }

    /// Moves a block's messages under the rules of the bridge.
    ///
    /// # Errors
    /// [`TransitionError`], with the first rule broken.
    pub(crate) fn carry_out(&mut self, one: &Move<'_>) -> Result<(), TransitionError> {
        let &Move { block: index, messages } = one;
        self.crossing.height = self.applied[index].entry.first_height;
        self.crossing.apply_block(messages).map_err(|source| TransitionError::Bridge { index, source })
    }

    /// Ends the present chunk.
    ///
    /// # Errors
    /// [`TransitionError::Balances`]
    pub(crate) fn end_chunk(&mut self) -> Result<(), TransitionError> {
        self.chunks.push(self.crossing.end_chunk().map_err(TransitionError::Balances)?);
        self.crossing.lists.store(&mut self.accumulators);
        self.boundaries.push((self.crossing.state.roots(self.environments_root), self.accumulators));
        Ok(())
    }

    /// Checks that the messages of every block were moved, and with them every balance that was added.
    ///
    /// # Errors
    /// [`TransitionError::Unmoved`], [`TransitionError::UnusedBalances`]
    fn check_all_moved(&self) -> Result<(), TransitionError> {
        let Accumulators { block_messages: expected, applied: moved, unused_balances, .. } =
            self.accumulators;
        if expected != moved {
            return Err(TransitionError::Unmoved { expected, moved });
        }
        if unused_balances == F::ZERO { Ok(()) } else { Err(TransitionError::UnusedBalances) }
    }

    /// The transition, after its last chunk.
    pub(crate) fn finish(self) -> Transition {
        let Self { state, accumulators, mut new_state, mut boundaries, crossing, .. } = self;
        // The last chunk is the superblock's own: no segment ends where it ends.
        boundaries.pop();
        let previous_state = state.commitment();
        new_state.number = self.number;
        new_state.history.push(previous_state);
        new_state.bridge = crossing.state;
        let statement = SuperblockStatement {
            chain_id: F::from_canonical_u64(state.chain_id),
            number: F::from_canonical_u32(self.number),
            previous_state,
            new_state: new_state.commitment(),
            registry_root: self.registry.root(),
            // The list of indices is the last element of the body chain.
            body_chain: chain(BODY_CHAIN, accumulators.body_chain, accumulators.consumed),
            block_count: accumulators.block_count,
            has_l1_block: F::from_bool(self.l1_body.is_some()),
            l1_body: self.l1_body.unwrap_or(L1Body::ZERO),
        };
        Transition {
            statement,
            new_state,
            applied: self.applied,
            chunks: self.chunks,
            messages: self.messages,
            consumed: crossing.consumed,
            boundaries,
            segment_set_root: self.segment_set_root,
            history_root: state.history.root(),
            history_path: state.history.next_path(),
            previous_number: state.number,
        }
    }
}
