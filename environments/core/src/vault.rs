//! Vaults: the assets of an account, in slots.

use bridge_core::AssetId;
use circuits_core::{
    F,
    amount::{Amount, AmountError},
};
use plonky2::field::types::Field;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Assets that one vault can hold.
pub const VAULT_SLOTS: usize = 16;

/// What a slot of a vault holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The asset.
    pub asset: AssetId,
    /// How much of it; not zero.
    pub amount: Amount,
}

/// The assets of an account, in slots. An empty slot holds asset 0 and amount 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Option<Holding>>", into = "Vec<Option<Holding>>")]
pub struct Vault<const N: usize = VAULT_SLOTS>([Option<Holding>; N]);

/// Why a vault cannot be made or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VaultError {
    /// The list has more slots than the vault.
    #[error("{found} slots do not fit a vault of {slots}")]
    TooManySlots {
        /// Slots of the vault.
        slots: usize,
        /// Slots found.
        found: usize,
    },
    /// A slot holds amount 0, but must be empty then.
    #[error("a slot holds asset {asset} with amount 0")]
    ZeroHolding {
        /// The asset.
        asset: AssetId,
    },
    /// One asset is in two slots.
    #[error("asset {asset} is in two slots")]
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
    #[error("the vault's balance of asset {asset} leaves its range")]
    Balance {
        /// The asset.
        asset: AssetId,
        /// The range.
        #[source]
        source: AmountError,
    },
}

impl<const N: usize> Default for Vault<N> {
    fn default() -> Self {
        Self([None; N])
    }
}

impl<const N: usize> Vault<N> {
    /// A vault with these holdings in its first slots.
    ///
    /// # Errors
    /// As for [`Vault::try_from`].
    pub fn new(holdings: &[Holding]) -> Result<Self, VaultError> {
        holdings.iter().copied().map(Some).collect::<Vec<_>>().try_into()
    }

    /// The slots.
    #[must_use]
    pub fn slots(&self) -> &[Option<Holding>; N] {
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
    pub fn to_fields(&self) -> [[F; 2]; N] {
        self.0.map(|slot| match slot {
            Some(Holding { asset, amount }) => [asset.to_field(), amount.to_field()],
            None => [F::ZERO; 2],
        })
    }
}

impl<const N: usize> TryFrom<Vec<Option<Holding>>> for Vault<N> {
    type Error = VaultError;

    fn try_from(slots: Vec<Option<Holding>>) -> Result<Self, VaultError> {
        if slots.len() > N {
            return Err(VaultError::TooManySlots { slots: N, found: slots.len() });
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

impl<const N: usize> From<Vault<N>> for Vec<Option<Holding>> {
    fn from(vault: Vault<N>) -> Self {
        let used = vault.0.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        vault.0[..used].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(local: u32, amount: u64) -> Holding {
        Holding { asset: AssetId::new(1, local).unwrap(), amount: Amount::new(amount).unwrap() }
    }

    #[test]
    fn a_vault_has_one_form() {
        assert!(Vault::<VAULT_SLOTS>::new(&[holding(1, 0)]).is_err());
        assert!(Vault::<VAULT_SLOTS>::new(&[holding(1, 1), holding(1, 2)]).is_err());
        assert!(Vault::<VAULT_SLOTS>::new(&(1..=17).map(|n| holding(n, 1)).collect::<Vec<_>>()).is_err());
        let mut vault: Vault = Vault::new(&[holding(1, 1), holding(2, 2)]).unwrap();
        vault.set_balance(holding(1, 1).asset, Amount::ZERO).unwrap();
        let json = serde_json::to_string(&vault).unwrap();
        assert_eq!(serde_json::from_str::<Vault>(&json).unwrap(), vault);
        assert_eq!(vault.slot_for(holding(3, 1).asset), Some(0));
    }
}
