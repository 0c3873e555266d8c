//! Whether messages can be moved: the rules of the bridge over values alone.
//!
//! A planner tries blocks in many orders and keeps those whose messages can be moved. For that it needs no tree and no
//! witness, only the balances and the pending messages. A [`Ledger`] records what was moved so far as differences from
//! a state, which it borrows, so that a try costs one hash for each message. [`crate::Crossing`] then moves the blocks
//! that were chosen, under the same rules.

use std::collections::{BTreeMap, BTreeSet};

use circuits_core::{Digest, amount::Amount, trees::TreeError};

use crate::{
    balance::{BALANCES_DEPTH, BalanceKey},
    block::BlockMessages,
    error::BridgeError,
    message::MESSAGES_DEPTH,
    rules::{Action, Holdings, Movement},
    state::BridgeState,
};

/// Balances and pending messages on top of a state.
#[derive(Clone, Debug)]
pub struct Ledger<'s> {
    chain_id: u64,
    number: u32,
    state: &'s BridgeState,
    changes: Changes,
}

/// What differs from a state.
#[derive(Clone, Debug, Default)]
struct Changes {
    balances: BTreeMap<BalanceKey, Amount>,
    /// How many messages with a hash are pending.
    pending: BTreeMap<Digest, usize>,
    /// Messages that enter the tree.
    pushed: u64,
    /// Balances that the state does not have.
    opened: u64,
}

/// A ledger with changes that are kept only if none of them breaks a rule.
struct Attempt<'l, 's> {
    ledger: &'l Ledger<'s>,
    changes: Changes,
}

impl<'s> Ledger<'s> {
    /// The ledger of superblock `number`, which continues `state`.
    #[must_use]
    pub fn new(chain_id: u64, number: u32, state: &'s BridgeState) -> Self {
        Self { chain_id, number, state, changes: Changes::default() }
    }

    /// The superblock.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Applies what a block emits and consumes. Nothing is changed on error.
    ///
    /// # Errors
    /// [`BridgeError`], the first rule broken.
    pub fn apply_block(&mut self, block: &BlockMessages) -> Result<(), BridgeError> {
        let mut attempt = Attempt { ledger: self, changes: Changes::default() };
        for movement in block.movements() {
            let hash = movement.message.hash();
            let after = movement.check(self.chain_id, self.number, hash, &attempt)?;
            attempt.record(&movement, hash, after)?;
        }
        let Changes { balances, pending, pushed, opened } = attempt.changes;
        self.changes.balances.extend(balances);
        self.changes.pending.extend(pending);
        self.changes.pushed += pushed;
        self.changes.opened += opened;
        Ok(())
    }

    /// Whether a message with this hash is neither claimed nor refunded.
    #[must_use]
    pub fn is_pending(&self, hash: &Digest) -> bool {
        self.pending(hash) > 0
    }

    /// Whether a message with this hash was ever emitted, consumed or not.
    #[must_use]
    pub fn knows(&self, hash: &Digest) -> bool {
        self.changes.pending.contains_key(hash) || self.state.knows(hash)
    }

    /// What `key` holds; 0 if there is no such balance.
    #[must_use]
    pub fn balance(&self, key: BalanceKey) -> Amount {
        self.changes.balances.get(&key).copied().unwrap_or_else(|| self.state.balance(key))
    }

    /// How many balances were added to those of the state.
    #[must_use]
    pub fn added_balances(&self) -> usize {
        self.changes.balances.keys().filter(|&&key| !self.state.has_balance(key)).count()
    }

    /// How many balances `block` would add.
    #[must_use]
    pub fn new_balances(&self, block: &BlockMessages) -> usize {
        block.balance_keys().filter(|&key| !self.has_balance(key)).collect::<BTreeSet<_>>().len()
    }

    fn pending(&self, hash: &Digest) -> usize {
        self.changes.pending.get(hash).copied().unwrap_or_else(|| self.state.pending_count(hash))
    }

    fn has_balance(&self, key: BalanceKey) -> bool {
        self.changes.balances.contains_key(&key) || self.state.has_balance(key)
    }
}

impl Holdings for Attempt<'_, '_> {
    fn balance(&self, key: BalanceKey) -> Amount {
        self.changes.balances.get(&key).copied().unwrap_or_else(|| self.ledger.balance(key))
    }

    fn is_pending(&self, hash: &Digest) -> bool {
        self.pending(hash) > 0
    }
}

impl Attempt<'_, '_> {
    fn pending(&self, hash: &Digest) -> usize {
        self.changes.pending.get(hash).copied().unwrap_or_else(|| self.ledger.pending(hash))
    }

    /// Records a step that breaks no rule.
    ///
    /// # Errors
    /// [`BridgeError::Tree`] if a tree has no room for what the step adds.
    fn record(&mut self, movement: &Movement<'_>, hash: Digest, after: Amount) -> Result<(), BridgeError> {
        let key = movement.balance_key();
        if !self.changes.balances.contains_key(&key) && !self.ledger.has_balance(key) {
            self.changes.opened += 1;
            // A circuit must be able to show one more balance that does not exist.
            let count = self.ledger.state.balance_count() + self.ledger.changes.opened + self.changes.opened;
            check_room(count, BALANCES_DEPTH)?;
        }
        self.changes.balances.insert(key, after);
        let pending = self.pending(&hash);
        let pending = match movement.action {
            Action::Consume(_) => pending.saturating_sub(1),
            Action::Emit => {
                let count =
                    self.ledger.state.message_count() + self.ledger.changes.pushed + self.changes.pushed;
                check_room(count, MESSAGES_DEPTH)?;
                self.changes.pushed += 1;
                pending + 1
            }
        };
        self.changes.pending.insert(hash, pending);
        Ok(())
    }
}

/// Checks that a tree of `depth` with `count` leaves takes one more.
fn check_room(count: u64, depth: usize) -> Result<(), TreeError> {
    if count < 1 << depth { Ok(()) } else { Err(TreeError::Full { count, added: 1, depth }) }
}
