//! The block of environment 0: what it takes from L1's queue, and what it pays out.
//!
//! Nobody else makes this block, and it comes last. So it pays out what the blocks before it send to L1, and what it
//! emits is claimed in a later superblock. Whether it claims messages or takes its own back, the environments that sent
//! them take turns, and each superblock begins one place further on: an environment that floods L1 keeps nobody else's
//! messages waiting. Those of one environment are consumed in the order of their emission. Then it takes deposits in the
//! order of the queue. What has no room waits for the next superblock.
//!
//! A deposit that breaks a rule of the kernel goes back in the same block. Only the bridge's balances can refuse another
//! one, which L1's own accounts rule out; if they do, it stays in the queue with all after it.

use std::collections::{BTreeMap, VecDeque};

use batcher_circuits::{contents::ContentBlock, state::SuperblockState};
use bridge_core::{BlockMessages, BridgeError, Capacity, Consumption, MAX_L1_BLOCK_STEPS, Message};
use circuits_core::{CircuitError, Digest};
use circuits_protocol::registry::{EnvironmentId, Registry, RegistryError};
use environments_l1::{
    Deposit, L1Block, L1Error, L1State,
    block::{MAX_CONSUMED, MAX_DEPOSITS},
    body::payee,
};
use thiserror::Error;

use super::schedule::Schedule;

/// What the messages of environment 0's block take at most: each a step, and a balance of its own.
pub(crate) const L1_BLOCK: Capacity =
    Capacity { new_balances: MAX_L1_BLOCK_STEPS, steps: MAX_L1_BLOCK_STEPS };
const _: () = assert!(MAX_CONSUMED + MAX_DEPOSITS <= MAX_L1_BLOCK_STEPS);

/// Environment 0 before a superblock.
#[derive(Clone, Copy)]
pub struct L1Input<'a> {
    pub state: L1State,
    /// The deposits of L1's queue that no superblock took, in order. At most [`MAX_DEPOSITS`] are taken.
    pub deposits: &'a [Deposit],
    /// The digest of the key under which a block's proof verifies.
    pub key: &'a dyn Fn(&L1Block) -> Result<Digest, CircuitError>,
}

/// What has to be done for L1, and is not.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum L1Waits {
    /// The registry does not allow the block.
    #[error("environment 0 makes no block: {0}")]
    Registry(#[from] RegistryError),
    /// The registry lets environment 0 start elsewhere.
    #[error("environment 0 makes no block: the registry's state before it is {found}, expected {expected}")]
    Genesis { expected: Digest, found: Digest },
    /// The deployment has as many deposits or payouts as it can have.
    #[error("environment 0 makes no block: {0}")]
    Block(L1Error),
    /// The bridge's balances refuse a deposit.
    #[error("deposit {index} stays in L1's queue, with all after it: {source}")]
    Deposit {
        /// Its index in the queue.
        index: u32,
        source: BridgeError,
    },
}

/// The block of environment 0.
#[derive(Clone, Debug)]
pub struct PlannedL1 {
    pub block: L1Block,
    /// The digest of the key under which its proof verifies.
    pub key: Digest,
}

impl PlannedL1 {
    /// The block as part of a superblock.
    pub(super) fn content(&self) -> ContentBlock {
        let (statement, messages) = (*self.block.statement(), self.block.messages().clone());
        ContentBlock { key: self.key, statement, messages }
    }
}

/// Whether the registry lets environment 0 make blocks at all.
pub(super) fn is_listed(registry: &Registry) -> bool {
    registry.entry(EnvironmentId::L1).is_ok()
}

impl Schedule<'_> {
    /// The block of environment 0, to be called after all others are scheduled; `None` if there is nothing for it to do.
    pub(super) fn l1_block(
        &mut self,
        before: &SuperblockState,
        registry: &Registry,
        l1: &L1Input<'_>,
    ) -> Result<(Option<PlannedL1>, Option<L1Waits>), CircuitError> {
        let number = self.ledger.number();
        let consumed = self.consumed_by_l1(before);
        let (taken, mut waits) = self.taken_by_l1(l1);
        if consumed.is_empty() && taken == 0 {
            return Ok((None, waits));
        }
        let block = match l1.state.block(number, &l1.deposits[..taken], &consumed) {
            Ok(block) => block,
            // The deployment's counts have ended. That stops no other environment.
            Err(error) => return Ok((None, Some(L1Waits::Block(error)))),
        };
        let key = (l1.key)(&block)?;
        let allowed = registry.membership(EnvironmentId::L1, key, block.statement().producer, number);
        let refusal = match allowed {
            Err(error) => Some(error.into()),
            Ok(allowed) => {
                let found = allowed.digests.genesis_state;
                let expected = block.statement().previous_state;
                let is_first = !before.environments.contains_key(&EnvironmentId::L1);
                (is_first && found != expected).then_some(L1Waits::Genesis { expected, found })
            }
        };
        if refusal.is_some() {
            waits = refusal;
            return Ok((None, waits));
        }
        Ok((Some(PlannedL1 { block, key }), waits))
    }

    /// What the block consumes, moved in the ledger.
    fn consumed_by_l1(&mut self, before: &SuperblockState) -> Vec<(Message, Consumption)> {
        let (number, chain_id) = (self.ledger.number(), before.chain_id);
        let earlier = before.bridge.in_flight().map(|record| &record.message);
        let candidates = self.candidates;
        let new = self.order.iter().flat_map(|&index| &candidates[index].messages.outbox);
        let payable = earlier.chain(new).filter_map(|message| {
            let consumption =
                if message.deadline < number { Consumption::Refund } else { Consumption::Claim };
            payee(chain_id, message, consumption).is_ok().then_some((message, consumption))
        });
        let mut by_source: BTreeMap<EnvironmentId, VecDeque<_>> = BTreeMap::new();
        for (message, consumption) in payable {
            by_source.entry(message.source).or_default().push_back((message, consumption));
        }
        let mut turns: VecDeque<_> = by_source.into_values().collect();
        let first = (number as usize).checked_rem(turns.len()).unwrap_or(0);
        turns.rotate_left(first);
        let mut moved = vec![];
        while moved.len() < MAX_CONSUMED
            && let Some(mut waiting) = turns.pop_front()
        {
            let Some((message, consumption)) = waiting.pop_front() else { continue };
            let inbox = vec![(message.clone(), consumption)];
            let block = BlockMessages { inbox, ..BlockMessages::none(EnvironmentId::L1) };
            // What a block before it took back is not pending any more: the same environment has another turn.
            if self.ledger.apply_block(&block).is_ok() {
                moved.extend(block.inbox);
                turns.push_back(waiting);
            } else {
                turns.push_front(waiting);
            }
        }
        moved
    }

    /// How many deposits the block takes, whose messages are moved in the ledger, and why the next one stays.
    fn taken_by_l1(&mut self, l1: &L1Input<'_>) -> (usize, Option<L1Waits>) {
        let L1State { chain_id, queue, .. } = l1.state;
        let offered = &l1.deposits[..l1.deposits.len().min(MAX_DEPOSITS)];
        for ((taken, deposit), index) in offered.iter().enumerate().zip(queue.length..) {
            // A broken deposit moves nothing: it goes back.
            let Ok(message) = deposit.message(chain_id, index, self.ledger.number()) else { continue };
            let outbox = vec![message];
            let block = BlockMessages { outbox, ..BlockMessages::none(EnvironmentId::L1) };
            if let Err(source) = self.ledger.apply_block(&block) {
                return (taken, Some(L1Waits::Deposit { index, source }));
            }
        }
        (offered.len(), None)
    }
}
