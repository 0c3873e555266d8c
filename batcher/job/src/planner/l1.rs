//! The block of environment 0: what it takes from L1's queue, and what it pays out.
//!
//! Nobody else makes this block, and it comes last. So it pays out what the blocks before it send to L1, and what it
//! emits is claimed in a later superblock. It takes back its own messages first, as far as a reserved share goes. Then it claims
//! messages: the environments that sent them take turns, and each superblock begins one place further on, so that an
//! environment that floods L1 keeps nobody else's messages waiting. What one of the two leaves is for the other. Messages of
//! one environment are consumed in the order of their emission. Then it takes deposits in the order of the queue. What has
//! no room waits for the next superblock.
//!
//! Of the kernels that the registry lists, the smallest that takes all of this proves the block. If it lists none, the block
//! is cut to the largest one that it does list.
//!
//! A deposit that breaks a rule of the kernel goes back in the same block. Only the bridge's balances can refuse another
//! one, which L1's own accounts rule out; if they do, it stays in the queue with all after it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
};

use batcher_circuits::{contents::ContentBlock, state::SuperblockState};
use bridge_core::{BlockMessages, BridgeError, Capacity, Consumption, Ledger, MAX_L1_BLOCK_STEPS, Message};
use circuits_core::{CircuitError, Digest};
use circuits_protocol::registry::{EnvironmentId, Registry, RegistryError};
use environments_l1::{
    Deposit, L1Block, L1Error, L1State, PRODUCER_SECRET,
    block::{MAX_CONSUMED, MAX_DEPOSITS},
    body::payee,
    kernel::Variant,
};
use thiserror::Error;

use super::schedule::Schedule;

/// What the messages of environment 0's block take at most: each a step, and a balance of its own.
pub(crate) const L1_BLOCK: Capacity =
    Capacity { new_balances: MAX_L1_BLOCK_STEPS, steps: MAX_L1_BLOCK_STEPS };
const _: () = assert!(MAX_CONSUMED + MAX_DEPOSITS <= MAX_L1_BLOCK_STEPS);

/// Of the messages that a block consumes, one in so many may be a refund before any claim comes: half of them, because neither
/// those who withdraw nor those whose deposits nobody claimed should wait for the others.
const REFUND_SHARE: usize = 2;

/// Environment 0 before a superblock.
#[derive(Clone, Copy)]
pub struct L1Input<'a> {
    pub state: L1State,
    /// The deposits of L1's queue that no superblock took, in order. At most [`MAX_DEPOSITS`] are taken.
    pub deposits: &'a [Deposit],
    /// The digest of the key under which the proof of a block by a kernel verifies.
    pub key: &'a dyn Fn(Variant) -> Result<Digest, CircuitError>,
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
    /// The kernel that proves it.
    pub variant: Variant,
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

/// What a block of environment 0 consumes and takes.
struct L1Content {
    consumed: Vec<(Message, Consumption)>,
    /// How many deposits.
    taken: usize,
    /// Why the next deposit stays.
    waits: Option<L1Waits>,
}

impl L1Content {
    fn is_empty(&self) -> bool {
        self.consumed.is_empty() && self.taken == 0
    }

    fn fits(&self, variant: Variant) -> bool {
        self.consumed.len() <= variant.consumed && self.taken <= variant.deposits
    }
}

impl Schedule<'_> {
    /// The block of environment 0, to be called after all others are scheduled; `None` if there is nothing for it to do.
    pub(super) fn l1_block(
        &self,
        before: &SuperblockState,
        registry: &Registry,
        l1: &L1Input<'_>,
    ) -> Result<(Option<PlannedL1>, Option<L1Waits>), CircuitError> {
        let all = self.l1_content(before, l1, Variant::LARGE);
        if all.is_empty() {
            return Ok((None, all.waits));
        }
        let (larger, smaller): (Vec<_>, Vec<_>) =
            Variant::ALL.into_iter().partition(|&variant| all.fits(variant));
        let mut refusal = None;
        for variant in larger.into_iter().chain(smaller.into_iter().rev()) {
            let key = (l1.key)(variant)?;
            if let Err(reason) = self.check_l1_kernel(before, registry, l1, key) {
                refusal.get_or_insert(reason);
                continue;
            }
            // What a smaller kernel takes is chosen anew: a deposit may need the balance that a message brings.
            let part = (!all.fits(variant)).then(|| self.l1_content(before, l1, variant));
            let L1Content { consumed, taken, waits } = part.as_ref().unwrap_or(&all);
            if consumed.is_empty() && *taken == 0 {
                continue;
            }
            return Ok(match l1.state.block(self.ledger.number(), &l1.deposits[..*taken], consumed) {
                Ok(block) => (Some(PlannedL1 { block, variant, key }), waits.clone()),
                // The deployment's counts have ended. That stops no other environment.
                Err(error) => (None, Some(L1Waits::Block(error))),
            });
        }
        Ok((None, refusal.or(all.waits)))
    }

    /// Whether the registry allows a block by the kernel with this key.
    fn check_l1_kernel(
        &self,
        before: &SuperblockState,
        registry: &Registry,
        l1: &L1Input<'_>,
        key: Digest,
    ) -> Result<(), L1Waits> {
        let (producer, number) = (PRODUCER_SECRET.commitment(), self.ledger.number());
        let allowed = registry.membership(EnvironmentId::L1, key, producer, number)?;
        let (expected, found) = (l1.state.commitment(), allowed.digests.genesis_state);
        let is_first = before.environments.get(EnvironmentId::L1).is_none();
        if is_first && found != expected { Err(L1Waits::Genesis { expected, found }) } else { Ok(()) }
    }

    /// What a block of at most this size consumes and takes.
    fn l1_content(&self, before: &SuperblockState, l1: &L1Input<'_>, limit: Variant) -> L1Content {
        let mut ledger = self.ledger.clone();
        let consumed = self.consumed_by_l1(&mut ledger, before, limit.consumed);
        let (taken, waits) = taken_by_l1(&mut ledger, l1, limit.deposits);
        L1Content { consumed, taken, waits }
    }

    /// At most `limit` messages that the block consumes, moved in the ledger.
    fn consumed_by_l1(
        &self,
        ledger: &mut Ledger<'_>,
        before: &SuperblockState,
        limit: usize,
    ) -> Vec<(Message, Consumption)> {
        let (number, chain_id) = (ledger.number(), before.chain_id);
        let earlier = before.bridge.in_flight_of(EnvironmentId::L1).map(|record| Cow::Owned(record.message));
        let new = self.order.iter().flat_map(|&index| &self.candidates[index].messages.outbox);
        let mut refunds = VecDeque::new();
        let mut claims: BTreeMap<EnvironmentId, VecDeque<Cow<'_, Message>>> = BTreeMap::new();
        for message in earlier.chain(new.map(Cow::Borrowed)) {
            let is_late = message.deadline < number;
            let consumption = if is_late { Consumption::Refund } else { Consumption::Claim };
            if payee(chain_id, &message, consumption).is_err() {
                continue;
            }
            match consumption {
                Consumption::Refund => refunds.push_back(message),
                Consumption::Claim => claims.entry(message.source).or_default().push_back(message),
            }
        }
        let mut turns: VecDeque<_> = claims.into_values().collect();
        // The first superblock begins with the lowest environment.
        let first = (number.saturating_sub(1) as usize).checked_rem(turns.len()).unwrap_or(0);
        turns.rotate_left(first);
        let mut moved = vec![];
        consume(ledger, &mut moved, &mut refunds, Consumption::Refund, limit.div_ceil(REFUND_SHARE));
        while moved.len() < limit
            && let Some(mut waiting) = turns.pop_front()
        {
            let up_to = moved.len() + 1;
            consume(ledger, &mut moved, &mut waiting, Consumption::Claim, up_to);
            if !waiting.is_empty() {
                turns.push_back(waiting);
            }
        }
        consume(ledger, &mut moved, &mut refunds, Consumption::Refund, limit);
        moved
    }
}

/// Consumes the first of the messages that `waiting` has and the bridge moves, until `moved` has `up_to` in all.
fn consume(
    ledger: &mut Ledger<'_>,
    moved: &mut Vec<(Message, Consumption)>,
    waiting: &mut VecDeque<Cow<'_, Message>>,
    consumption: Consumption,
    up_to: usize,
) {
    while moved.len() < up_to
        && let Some(message) = waiting.pop_front()
    {
        // What the balance has no room for is not hashed, however much of it waits.
        let key = message.balance_key(EnvironmentId::L1);
        if !key.is_origin() && ledger.balance(key).checked_add(message.amount).is_err() {
            continue;
        }
        let inbox = vec![(message.into_owned(), consumption)];
        let block = BlockMessages { inbox, ..BlockMessages::none(EnvironmentId::L1) };
        // What a block before it took back is not pending any more.
        if ledger.apply_block(&block).is_ok() {
            moved.extend(block.inbox);
        }
    }
}

/// How many deposits the block takes, at most `limit`, whose messages are moved in the ledger, and why the next one stays.
fn taken_by_l1(ledger: &mut Ledger<'_>, l1: &L1Input<'_>, limit: usize) -> (usize, Option<L1Waits>) {
    let L1State { chain_id, queue, .. } = l1.state;
    let offered = &l1.deposits[..l1.deposits.len().min(limit)];
    for ((taken, deposit), index) in offered.iter().enumerate().zip(queue.length..) {
        // A broken deposit moves nothing: it goes back.
        let Ok(message) = deposit.message(chain_id, index, ledger.number()) else { continue };
        let outbox = vec![message];
        let block = BlockMessages { outbox, ..BlockMessages::none(EnvironmentId::L1) };
        if let Err(source) = ledger.apply_block(&block) {
            return (taken, Some(L1Waits::Deposit { index, source }));
        }
    }
    (offered.len(), None)
}
