//! Accounts: an id, a nonce, a commitment to what authorises their transactions, and a vault.

use circuits::{
    Builder, Digest, DigestTarget, F,
    amount::{Amount, AmountError},
    hash::{Domain, hash, hash_circuit},
    layout::Layout,
};
use plonky2::{field::types::Field, iop::target::Target};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{environment::EnvironmentId, notes::asset::AssetId};

/// Domain of account ids.
pub const ACCOUNT_ID: Domain = Domain::new("acct-id");
/// Domain of account hashes, the values of the account tree.
pub const ACCOUNT: Domain = Domain::new("account");
/// Domain of vault hashes.
pub const VAULT: Domain = Domain::new("vault");
/// Domain of the commitments to the secrets of local accounts.
pub const LOCAL_AUTHORISATION: Domain = Domain::new("authloc");
/// Assets that one vault can hold.
pub const VAULT_SLOTS: usize = 16;
/// Bits of a nonce.
pub const NONCE_BITS: usize = 32;

/// What a slot of a vault holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The asset.
    pub asset: AssetId,
    /// How much of it; not zero.
    pub amount: Amount,
}

/// The assets of an account, in slots. An empty slot holds asset 0 and amount 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Option<Holding>>", into = "Vec<Option<Holding>>")]
pub struct Vault([Option<Holding>; VAULT_SLOTS]);

/// Why a vault cannot be made or changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VaultError {
    /// More slots than there are.
    #[error("{found} slots do not fit a vault of {VAULT_SLOTS}")]
    TooManySlots {
        /// Slots found.
        found: usize,
    },
    /// A slot that holds nothing of an asset must be empty.
    #[error("a slot holds asset {asset} with amount 0")]
    ZeroHolding {
        /// The asset.
        asset: AssetId,
    },
    /// One asset in two slots.
    #[error("asset {asset} stands in two slots")]
    Duplicate {
        /// The asset.
        asset: AssetId,
    },
    /// No slot is left for another asset.
    #[error("no slot of the vault is free for asset {asset}")]
    Full {
        /// The asset that does not fit.
        asset: AssetId,
    },
    /// A balance leaves its range.
    #[error("the vault's balance of asset {asset} is exceeded")]
    Balance {
        /// The asset.
        asset: AssetId,
        /// How.
        #[source]
        source: AmountError,
    },
}

impl Vault {
    /// A vault with these holdings in its first slots.
    ///
    /// # Errors
    /// As for [`Vault::try_from`].
    pub fn new(holdings: &[Holding]) -> Result<Self, VaultError> {
        holdings.iter().copied().map(Some).collect::<Vec<_>>().try_into()
    }

    /// The slots.
    #[must_use]
    pub fn slots(&self) -> &[Option<Holding>; VAULT_SLOTS] {
        &self.0
    }

    /// How much of `asset` is held.
    #[must_use]
    pub fn balance(&self, asset: AssetId) -> Amount {
        let holding = self.0.iter().flatten().find(|holding| holding.asset == asset);
        holding.map_or(Amount::ZERO, |holding| holding.amount)
    }

    /// The slot that holds `asset`, or else the first free one.
    #[must_use]
    pub fn slot_for(&self, asset: AssetId) -> Option<usize> {
        let holds = |slot: &Option<Holding>| slot.is_some_and(|holding| holding.asset == asset);
        self.0.iter().position(holds).or_else(|| self.0.iter().position(Option::is_none))
    }

    /// Sets the balance of `asset`; a balance of 0 frees the slot.
    ///
    /// # Errors
    /// [`VaultError::Full`] if no slot is left.
    pub fn set_balance(&mut self, asset: AssetId, amount: Amount) -> Result<(), VaultError> {
        let slot = self.slot_for(asset).ok_or(VaultError::Full { asset })?;
        self.0[slot] = (amount != Amount::ZERO).then_some(Holding { asset, amount });
        Ok(())
    }

    /// The slots as (asset, amount) pairs, empty ones as zeros.
    #[must_use]
    pub fn to_fields(&self) -> [[F; 2]; VAULT_SLOTS] {
        self.0.map(|slot| match slot {
            Some(Holding { asset, amount }) => [asset.to_field(), amount.to_field()],
            None => [F::ZERO; 2],
        })
    }

    /// The vault's hash.
    #[must_use]
    pub fn hash(&self) -> Digest {
        hash(VAULT, self.to_fields().as_flattened())
    }
}

/// In-circuit twin of [`Vault::hash`].
pub fn vault_hash_circuit(builder: &mut Builder, slots: &[[Target; 2]; VAULT_SLOTS]) -> DigestTarget {
    hash_circuit(builder, VAULT, slots.as_flattened())
}

impl TryFrom<Vec<Option<Holding>>> for Vault {
    type Error = VaultError;

    fn try_from(slots: Vec<Option<Holding>>) -> Result<Self, VaultError> {
        if slots.len() > VAULT_SLOTS {
            return Err(VaultError::TooManySlots { found: slots.len() });
        }
        let mut vault = Self::default();
        for (index, slot) in slots.into_iter().enumerate() {
            if let Some(Holding { asset, amount }) = slot {
                if amount == Amount::ZERO {
                    return Err(VaultError::ZeroHolding { asset });
                }
                if vault.balance(asset) != Amount::ZERO {
                    return Err(VaultError::Duplicate { asset });
                }
            }
            vault.0[index] = slot;
        }
        Ok(vault)
    }
}

impl From<Vault> for Vec<Option<Holding>> {
    fn from(vault: Vault) -> Self {
        let used = vault.0.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        vault.0[..used].to_vec()
    }
}

/// An account as its owner knows it. The public state holds its hash only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// `H(ACCOUNT_ID, chain id, environment, authorisation, salt)`.
    pub id: Digest,
    /// Transactions made so far.
    pub nonce: u32,
    /// Commitment to the secret of a local account, or to the policy of a network account.
    pub authorisation: Digest,
    /// Its assets.
    pub vault: Vault,
}

circuits::layout! {
    /// What an account's hash covers.
    pub struct AccountFields<T> {
        /// The id.
        pub id: Digest<T>,
        /// The commitment to its authorisation.
        pub authorisation: Digest<T>,
        /// Hash of its vault.
        pub vault: Digest<T>,
        /// Transactions made so far.
        pub nonce: T,
    }
}

impl Account {
    /// An account that has made no transaction and holds nothing.
    #[must_use]
    pub fn new(chain_id: u64, environment: EnvironmentId, authorisation: Digest, salt: Digest) -> Self {
        let id = account_id(chain_id, environment, authorisation, salt);
        Self { id, nonce: 0, authorisation, vault: Vault::default() }
    }

    /// The value that the account tree holds.
    #[must_use]
    pub fn hash(&self) -> Digest {
        let fields = AccountFields {
            id: self.id,
            authorisation: self.authorisation,
            vault: self.vault.hash(),
            nonce: F::from_canonical_u32(self.nonce),
        };
        hash(ACCOUNT, &fields.encode())
    }
}

/// In-circuit twin of [`Account::hash`].
pub fn account_hash_circuit(builder: &mut Builder, fields: &AccountFields<Target>) -> DigestTarget {
    hash_circuit(builder, ACCOUNT, &fields.encode())
}

/// The id of the account with this authorisation and salt: nobody can take another's id, and the same keys have other
/// accounts in other environments and deployments.
#[must_use]
pub fn account_id(chain_id: u64, environment: EnvironmentId, authorisation: Digest, salt: Digest) -> Digest {
    let mut input = vec![F::from_canonical_u64(chain_id), environment.to_field()];
    input.extend([authorisation.0, salt.0].concat());
    hash(ACCOUNT_ID, &input)
}

/// In-circuit twin of [`account_id`].
pub fn account_id_circuit(
    builder: &mut Builder,
    chain_id: Target,
    environment: Target,
    authorisation: DigestTarget,
    salt: DigestTarget,
) -> DigestTarget {
    let mut input = vec![chain_id, environment];
    input.extend([authorisation.0, salt.0].concat());
    hash_circuit(builder, ACCOUNT_ID, &input)
}

/// The authorisation of a local account: a commitment to its owner's secret.
#[must_use]
pub fn local_authorisation(secret: Digest) -> Digest {
    hash(LOCAL_AUTHORISATION, &secret.0)
}

/// In-circuit twin of [`local_authorisation`].
pub fn local_authorisation_circuit(builder: &mut Builder, secret: DigestTarget) -> DigestTarget {
    hash_circuit(builder, LOCAL_AUTHORISATION, &secret.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(local: u32, amount: u64) -> Holding {
        Holding { asset: AssetId::new(1, local).unwrap(), amount: Amount::new(amount).unwrap() }
    }

    #[test]
    fn a_vault_has_one_form() {
        assert!(Vault::new(&[holding(1, 0)]).is_err());
        assert!(Vault::new(&[holding(1, 1), holding(1, 2)]).is_err());
        assert!(Vault::new(&(1..=17).map(|n| holding(n, 1)).collect::<Vec<_>>()).is_err());
        let mut vault = Vault::new(&[holding(1, 1), holding(2, 2)]).unwrap();
        vault.set_balance(holding(1, 1).asset, Amount::ZERO).unwrap();
        let json = serde_json::to_string(&vault).unwrap();
        assert_eq!(serde_json::from_str::<Vault>(&json).unwrap(), vault);
        assert_eq!(vault.slot_for(holding(3, 1).asset), Some(0));
    }
}
