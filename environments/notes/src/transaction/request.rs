//! What an account wants done, before anything is proved.

use bridge_core::{AssetId, Message};
use circuits_core::{Digest, amount::Amount, secret::Secret};
use serde::{Deserialize, Serialize};

use super::emission::Emission;
use crate::{
    account::{Account, local_authorisation},
    config::Deployment,
    note::{Note, Script},
    policy::{ExchangeFields, ExchangeOrder, exchange_authorisation},
    state::NotesState,
};

/// What authorises a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Authority {
    /// Knowledge of the account's secret.
    Local { secret: Secret },
    /// The account's exchange order; the producer needs no key.
    Exchange {
        /// The order.
        order: ExchangeOrder,
    },
    /// Knowledge of the secret of the owner of the account's exchange order, who may do what the owner of a local account
    /// may.
    Owner {
        /// The order.
        order: ExchangeOrder,
        /// The owner's secret.
        secret: Secret,
    },
}

impl Authority {
    /// The commitment that the account must carry.
    #[must_use]
    pub fn authorisation(&self) -> Digest {
        match self {
            Self::Local { secret } => local_authorisation(*secret),
            Self::Exchange { order } => order.authorisation(),
            Self::Owner { order, secret } => {
                let owner = local_authorisation(*secret);
                exchange_authorisation(&ExchangeFields { owner, ..order.fields() })
            }
        }
    }

    /// Whether this is an order, with which anybody may trade, and no account is created.
    pub(crate) const fn is_trade(&self, salt: Option<Digest>) -> bool {
        matches!((self, salt), (Self::Exchange { .. }, None))
    }

    /// Whether the account is a network account, which every transaction publishes as it leaves it.
    #[must_use]
    pub const fn is_network(&self) -> bool {
        match self {
            Self::Local { .. } => false,
            Self::Exchange { .. } | Self::Owner { .. } => true,
        }
    }
}

/// Never shows the secret.
impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local { .. } => f.write_str("Local(..)"),
            Self::Exchange { order } => f.debug_tuple("Exchange").field(order).finish(),
            Self::Owner { order, .. } => f.debug_tuple("Owner").field(order).finish_non_exhaustive(),
        }
    }
}

/// A note to be consumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestInput {
    /// The note.
    pub note: Note,
    /// Whether the note may not be in a block yet: the block that takes the transaction then finds it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unauthenticated: bool,
    /// Whether the whole note pays the fee, in a transaction by an exchange order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pays_fee: bool,
}

/// A note to be created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The asset.
    pub asset: AssetId,
    /// How much of it.
    pub amount: Amount,
    /// The condition under which it can be consumed.
    pub script: Script,
    /// The input, a swap note, whose request this note settles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settles: Option<usize>,
}

/// What an account wants done. The request of a local account contains its secret, so only the prover of the
/// transaction may see it: everybody else gets the proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The account before.
    pub account: Account,
    /// For a transaction that creates the account, the salt in its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<Digest>,
    /// What authorises it.
    pub authority: Authority,
    /// Notes to be consumed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<RequestInput>,
    /// Notes to be created.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Output>,
    /// What is sent to another environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<Emission>,
    /// The fee.
    #[serde(default)]
    pub fee: Amount,
    /// First height of a block that may contain it.
    #[serde(default)]
    pub not_before: u32,
    /// Last height of a block that may contain it.
    #[serde(default = "unlimited", skip_serializing_if = "is_unlimited")]
    pub valid_until: u32,
}

impl Request {
    /// Whether an order makes it, of an account that exists.
    pub(crate) const fn is_trade(&self) -> bool {
        self.authority.is_trade(self.salt)
    }

    /// The order's account as `state` has it, for a trade: the order allows the same trade in each state of the account, and
    /// nobody's secret says which one is meant. `None` for other requests, which start from exactly the account that they
    /// name, and if there is no such account.
    pub(crate) fn account_traded<'s>(&self, state: &'s NotesState) -> Option<&'s Account> {
        if !self.is_trade() {
            return None;
        }
        let account = state.public_account(&self.account.id)?;
        (account.authorisation == self.account.authorisation).then_some(account)
    }

    /// The message that it sends in this deployment, if it sends one.
    #[must_use]
    pub fn message(&self, deployment: &Deployment) -> Option<Message> {
        self.send.as_ref().map(|send| send.message(deployment, &self.account))
    }
}

const fn unlimited() -> u32 {
    u32::MAX
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_unlimited(height: &u32) -> bool {
    *height == u32::MAX
}
