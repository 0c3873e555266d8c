//! Published block data, and what a block does.

use bridge_core::{BlockMessages, Consumption, Message};
use circuits_core::F;
use circuits_protocol::{
    l1::{L1Outcome, PayoutRange},
    statement::{BlockStatement, L1Body, l1_body_digest},
};
use environments_core::{address::Address, environment::EnvironmentId};
use plonky2::field::types::Field;
use serde::{Deserialize, Serialize};

use crate::{
    block::{MAX_CONSUMED, MAX_DEPOSITS, PRODUCER_SECRET},
    bytes32::Bytes32,
    deposit::{Broken, Deposit},
    error::{BodyError, L1Error, NotPaid},
    payout::{Payout, PayoutKind, payouts_digest},
    queue,
    state::L1State,
};

/// Bytes of the largest body.
pub const MAX_BODY_BYTES: usize = 1 << 16;

/// A block as it is published. It determines everything that the block does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The state before.
    pub before: L1State,
    /// The superblock, which is the height of the state after.
    pub number: u32,
    /// The messages consumed, in order.
    pub consumed: Vec<(Message, Consumption)>,
    /// The deposits taken from the queue after that, in order.
    pub deposits: Vec<Deposit>,
}

/// What a block does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The payouts: claims and refunds in the order of the inbox, then bounces in the order of the queue.
    pub payouts: Vec<Payout>,
    /// The deposits that go back, by their index in the queue, ascending.
    pub bounces: Vec<(u32, Broken)>,
    /// What the bridge moves.
    pub messages: BlockMessages,
    /// The state after.
    pub after: L1State,
}

impl Body {
    /// The canonical encoding.
    ///
    /// # Errors
    /// [`BodyError::Malformed`]: never, because every body can be written.
    pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
        postcard::to_stdvec(self).map_err(BodyError::Malformed)
    }

    /// Reads the canonical encoding.
    ///
    /// # Errors
    /// One variant of [`BodyError`] per rule.
    pub fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        let found = bytes.len();
        if found > MAX_BODY_BYTES {
            return Err(BodyError::TooLarge { found });
        }
        let body: Self = postcard::from_bytes(bytes).map_err(BodyError::Malformed)?;
        if body.encode()? == bytes { Ok(body) } else { Err(BodyError::NotCanonical) }
    }

    /// Executes the block.
    ///
    /// # Errors
    /// One variant of [`L1Error`] per rule.
    pub fn outcome(&self) -> Result<Outcome, L1Error> {
        let Self { before, number, consumed, deposits } = self;
        let &L1State { chain_id, height, .. } = before;
        if *number <= height {
            return Err(L1Error::Number { number: *number, height });
        }
        if deposits.len() > MAX_DEPOSITS {
            return Err(L1Error::TooManyDeposits { found: deposits.len() });
        }
        if consumed.len() > MAX_CONSUMED {
            return Err(L1Error::TooManyConsumed { found: consumed.len() });
        }
        let mut outcome = Outcome {
            payouts: vec![],
            bounces: vec![],
            messages: BlockMessages::none(EnvironmentId::L1),
            after: L1State { height: *number, ..*before },
        };
        for (position, (message, consumption)) in consumed.iter().enumerate() {
            let recipient = payee(chain_id, message, *consumption)
                .map_err(|source| L1Error::NotPaid { position, source })?;
            outcome.messages.inbox.push((message.clone(), *consumption));
            outcome.pay(|index| Payout {
                index,
                recipient,
                kind: (*consumption).into(),
                asset: message.asset.into(),
                amount: message.amount.get(),
                name: Bytes32::of_digest(message.hash()),
            })?;
        }
        for deposit in deposits {
            let index = outcome.after.queue.length;
            outcome.after.queue = queue::append(outcome.after.queue, deposit)?;
            match deposit.message(chain_id, index, *number) {
                Ok(message) => outcome.messages.outbox.push(message),
                Err(reason) => {
                    let name = outcome.after.queue.digest.into();
                    outcome.bounces.push((index, reason));
                    outcome.pay(|index| Payout {
                        index,
                        recipient: deposit.depositor,
                        kind: PayoutKind::Bounce,
                        asset: deposit.asset,
                        amount: deposit.amount,
                        name,
                    })?;
                }
            }
        }
        Ok(outcome)
    }

    /// What the proof of the block states.
    #[must_use]
    pub fn statement(&self, outcome: &Outcome) -> BlockStatement {
        BlockStatement {
            environment: EnvironmentId::L1.to_field(),
            first_height: F::from_canonical_u32(self.before.height) + F::ONE,
            last_height: F::from_canonical_u32(self.number),
            previous_state: self.before.commitment(),
            new_state: outcome.after.commitment(),
            outbox: outcome.messages.outbox_digest(),
            inbox: outcome.messages.inbox_digest(),
            body: l1_body_digest(&L1Body::from(&outcome.l1())),
            producer: PRODUCER_SECRET.commitment(),
        }
    }

    /// Reads what was published of the block with this statement, and executes it.
    ///
    /// # Errors
    /// [`L1Error::Body`] if the bytes are no body, [`L1Error::OtherBlock`] if they are another block's, and what
    /// [`Self::outcome`] gives.
    pub fn open(statement: &BlockStatement, bytes: &[u8]) -> Result<(Self, Outcome), L1Error> {
        let body = Self::decode(bytes)?;
        let outcome = body.outcome()?;
        if body.statement(&outcome) == *statement {
            Ok((body, outcome))
        } else {
            Err(L1Error::OtherBlock { number: body.number })
        }
    }
}

impl Outcome {
    /// Adds the payout that has the next index.
    fn pay(&mut self, payout: impl FnOnce(u32) -> Payout) -> Result<(), L1Error> {
        let index = self.after.payouts;
        self.after.payouts = index.checked_add(1).ok_or(L1Error::PayoutsFull)?;
        self.payouts.push(payout(index));
        Ok(())
    }

    /// What L1 compares with its queue, and pays.
    #[must_use]
    pub fn l1(&self) -> L1Outcome {
        // As many payouts as slots.
        let count = self.payouts.len() as u32;
        let first = self.after.payouts.saturating_sub(count);
        L1Outcome {
            queue: self.after.queue,
            payouts: PayoutRange { digest: payouts_digest(&self.payouts), first, count },
        }
    }
}

/// Whom L1 pays when the message is consumed.
///
/// # Errors
/// [`NotPaid`]: no block of environment 0 consumes the message in this way. A message to L1 then goes home at its deadline.
pub fn payee(chain_id: u64, message: &Message, consumption: Consumption) -> Result<Address, NotPaid> {
    if message.chain_id != chain_id {
        return Err(NotPaid::Deployment { expected: chain_id, found: message.chain_id });
    }
    match consumption {
        Consumption::Claim if message.destination != EnvironmentId::L1 => {
            return Err(NotPaid::Destination(message.destination));
        }
        Consumption::Refund if message.source != EnvironmentId::L1 => {
            return Err(NotPaid::Source(message.source));
        }
        Consumption::Claim | Consumption::Refund => {}
    }
    let beneficiary = message.beneficiary(consumption);
    Address::from_digest(beneficiary).ok_or(NotPaid::NoAddress(beneficiary))
}
