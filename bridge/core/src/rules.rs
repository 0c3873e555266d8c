//! The rules of the bridge: what an environment may do with a message, given the balances and the pending messages.
//!
//! The rules are written once, over `Holdings`. [`crate::Ledger`] applies them to values alone, to find out which
//! blocks can be moved; [`crate::Crossing`] applies them to a state with its trees, when the blocks are moved.

use circuits_core::{
    Digest,
    amount::{Amount, AmountError},
};
use circuits_protocol::registry::EnvironmentId;

use crate::{
    balance::BalanceKey,
    error::BridgeError,
    message::{Consumption, MAX_LIFETIME, MIN_LIFETIME, Message, SEQUENCE_BITS},
};

/// What a step does with its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Sends it.
    Emit,
    /// Consumes it.
    Consume(Consumption),
}

/// One message and what an environment does with it: a step that may still break a rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Movement<'m> {
    pub(crate) action: Action,
    pub(crate) actor: EnvironmentId,
    pub(crate) message: &'m Message,
}

/// What the rules look up before a step.
pub(crate) trait Holdings {
    /// What `key` holds; 0 if there is no such balance.
    fn balance(&self, key: BalanceKey) -> Amount;

    /// Whether a message with this hash is neither claimed nor refunded.
    fn is_pending(&self, hash: &Digest) -> bool;
}

impl<'m> Movement<'m> {
    pub(crate) fn new(action: Action, actor: EnvironmentId, message: &'m Message) -> Self {
        Self { action, actor, message }
    }

    /// The balance that the step changes.
    pub(crate) fn balance_key(&self) -> BalanceKey {
        self.message.balance_key(self.actor)
    }

    /// What the balance holds after the step, if it held `before`.
    pub(crate) fn balance_after(&self, before: Amount) -> Result<Amount, AmountError> {
        let amount = self.message.amount;
        match (self.action, self.balance_key().is_origin()) {
            (Action::Emit, true) | (Action::Consume(_), false) => before.checked_add(amount),
            (Action::Emit, false) | (Action::Consume(_), true) => before.checked_sub(amount),
        }
    }

    /// Applies every rule to the step in superblock `number` and returns what its balance holds afterwards. `hash` is
    /// the message's.
    ///
    /// # Errors
    /// [`BridgeError`], the first rule broken.
    pub(crate) fn check(
        &self,
        chain_id: u64,
        number: u32,
        hash: Digest,
        holdings: &impl Holdings,
    ) -> Result<Amount, BridgeError> {
        self.check_message(chain_id, number)?;
        if let Action::Consume(consumption) = self.action
            && !holdings.is_pending(&hash)
        {
            return Err(BridgeError::NotPending { message: hash, consumption });
        }
        let key = self.balance_key();
        self.balance_after(holdings.balance(key)).map_err(|source| BridgeError::Balance {
            key,
            amount: self.message.amount,
            source,
        })
    }

    /// The rules that need no state.
    fn check_message(&self, chain_id: u64, number: u32) -> Result<(), BridgeError> {
        let &Self { action, actor, message } = self;
        if message.chain_id != chain_id {
            return Err(BridgeError::ChainId { expected: chain_id, found: message.chain_id });
        }
        if message.sequence >> SEQUENCE_BITS != 0 {
            return Err(BridgeError::Sequence(message.sequence));
        }
        if message.amount == Amount::ZERO {
            return Err(BridgeError::ZeroAmount);
        }
        let deadline = message.deadline;
        match action {
            Action::Consume(Consumption::Claim) => {
                if message.destination != actor {
                    return Err(BridgeError::Destination { actor, destination: message.destination });
                }
                if number > deadline {
                    return Err(BridgeError::ClaimTooLate { number, deadline });
                }
            }
            Action::Emit | Action::Consume(Consumption::Refund) => {
                if message.source != actor {
                    return Err(BridgeError::Source { actor, source_environment: message.source });
                }
            }
        }
        match action {
            Action::Emit => {
                if message.destination == actor {
                    return Err(BridgeError::SelfMessage(actor));
                }
                let lifetime = deadline.checked_sub(number);
                if !lifetime.is_some_and(|lifetime| (MIN_LIFETIME..=MAX_LIFETIME).contains(&lifetime)) {
                    return Err(BridgeError::Lifetime { number, deadline });
                }
            }
            Action::Consume(Consumption::Refund) => {
                if number <= deadline {
                    return Err(BridgeError::RefundTooEarly { number, deadline });
                }
            }
            Action::Consume(Consumption::Claim) => {}
        }
        Ok(())
    }
}
