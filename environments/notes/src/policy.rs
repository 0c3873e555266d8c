//! Policies of network accounts, which limit the use of their vaults and replace a key.

use bridge_core::AssetId;
use circuits_core::{
    Builder, Digest, DigestTarget, F,
    hash::{Domain, hash, hash_circuit},
    layout::Layout,
};
use plonky2::{field::types::Field, iop::target::Target};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Domain of the commitments to exchange orders.
pub const EXCHANGE_AUTHORISATION: Domain = Domain::new("authexo");
/// Bits of the rates of an order.
pub const RATE_BITS: usize = 32;
/// Bits of the number of times that one note fills an order: rate times count stays an amount.
pub const FILL_BITS: usize = 26;

/// An exchange order: pays `pays` of one asset for every `per` of another that it receives, to the
/// account from which it receives it.
///
/// Whoever knows the order may make such a trade, and nobody but its owner may take anything else out of the account's
/// vault. The owner is not bound by the order, and may consume without a payment what was sent to fill it, unless that is a
/// swap note, which is settled by whoever consumes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ExchangeTerms", into = "ExchangeTerms")]
pub struct ExchangeOrder(ExchangeTerms);

/// The terms of an order, not validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeTerms {
    /// The asset paid.
    pub gives: AssetId,
    /// The asset received.
    pub takes: AssetId,
    /// How much it pays for every `per` that it receives.
    pub pays: u32,
    /// How much it receives for every `pays` that it pays.
    pub per: u32,
    /// Whose account it is: a [commitment](crate::account::local_authorisation) to the secret with which its maker collects
    /// what it received, and takes back what it has not paid.
    pub owner: Digest,
}

/// Why terms are not an order.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// The order would trade an asset for itself.
    #[error("an order exchanges two assets, not {0} for itself")]
    OneAsset(AssetId),
    /// The order would pay for nothing.
    #[error("an order must ask for at least 1 of asset {0}")]
    ZeroPrice(AssetId),
}

circuits_core::layout! {
    /// What the commitment to an order covers.
    pub struct ExchangeFields<T> {
        /// The asset paid.
        pub gives: T,
        /// The asset received.
        pub takes: T,
        /// How much it pays.
        pub pays: T,
        /// For how much received.
        pub per: T,
        /// Whose account it is.
        pub owner: Digest<T>,
    }
}

impl ExchangeOrder {
    /// An order.
    ///
    /// # Errors
    /// - [`PolicyError::OneAsset`]
    /// - [`PolicyError::ZeroPrice`]
    pub fn new(terms: ExchangeTerms) -> Result<Self, PolicyError> {
        if terms.gives == terms.takes {
            return Err(PolicyError::OneAsset(terms.gives));
        }
        if terms.per == 0 {
            return Err(PolicyError::ZeroPrice(terms.takes));
        }
        Ok(Self(terms))
    }

    /// The terms.
    #[must_use]
    pub const fn terms(&self) -> ExchangeTerms {
        self.0
    }

    /// How many times `received` of the taken asset fills the order; `None` if not a whole number of times.
    #[must_use]
    pub fn fills(&self, received: u64) -> Option<u64> {
        let per = u64::from(self.0.per);
        (received.is_multiple_of(per) && received / per < 1 << FILL_BITS).then_some(received / per)
    }

    /// The encoding that is hashed.
    #[must_use]
    pub fn fields(&self) -> ExchangeFields {
        let ExchangeTerms { gives, takes, pays, per, owner } = self.0;
        ExchangeFields {
            gives: gives.to_field(),
            takes: takes.to_field(),
            pays: F::from_canonical_u32(pays),
            per: F::from_canonical_u32(per),
            owner,
        }
    }

    /// The authorisation of an account with this policy.
    #[must_use]
    pub fn authorisation(&self) -> Digest {
        exchange_authorisation(&self.fields())
    }
}

/// The authorisation of an account with the policy that these fields encode.
#[must_use]
pub fn exchange_authorisation(order: &ExchangeFields) -> Digest {
    hash(EXCHANGE_AUTHORISATION, &order.encode())
}

/// In-circuit twin of [`exchange_authorisation`].
pub fn exchange_authorisation_circuit(builder: &mut Builder, order: &ExchangeFields<Target>) -> DigestTarget {
    hash_circuit(builder, EXCHANGE_AUTHORISATION, &order.encode())
}

impl TryFrom<ExchangeTerms> for ExchangeOrder {
    type Error = PolicyError;

    fn try_from(terms: ExchangeTerms) -> Result<Self, PolicyError> {
        Self::new(terms)
    }
}

impl From<ExchangeOrder> for ExchangeTerms {
    fn from(order: ExchangeOrder) -> Self {
        order.0
    }
}
