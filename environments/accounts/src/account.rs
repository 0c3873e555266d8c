//! Accounts: a key, a nonce and balances.

use bridge_core::AssetId;
use circuits_core::{
    Builder, Digest, DigestTarget, F,
    amount::{Amount, AmountError},
    hash::{Domain, hash, hash_circuit},
    layout::Layout,
};
use environments_core::vault::{Holding, VAULT_SLOTS, Vault, VaultError};
use plonky2::{field::types::Field, iop::target::Target};

/// Domain of account records, the values of the state's tree.
pub const ACCOUNT: Domain = Domain::new("a-acct");

circuits_core::layout! {
    /// What an account's record covers.
    pub struct AccountFields<T> {
        /// Commitment to the public key; zero as long as the account has signed nothing.
        pub key: Digest<T>,
        /// Transactions made so far.
        pub nonce: T,
        /// The vault's slots, an (asset, amount) pair each; empty ones are zeros. Slot 0 is always the fee asset's.
        pub vault: [T; 2 * VAULT_SLOTS],
    }
}

/// An account's assets: a balance of the fee asset, which always has its slot so that a fee always fits,
/// and a vault for all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balances {
    fee: Holding,
    others: Vault<{ VAULT_SLOTS - 1 }>,
}

impl Balances {
    /// Balances of nothing.
    #[must_use]
    pub fn new(fee_asset: AssetId) -> Self {
        Self { fee: Holding { asset: fee_asset, amount: Amount::ZERO }, others: Vault::default() }
    }

    /// How much of `asset` is held.
    #[must_use]
    pub fn balance(&self, asset: AssetId) -> Amount {
        if asset == self.fee.asset { self.fee.amount } else { self.others.balance(asset) }
    }

    /// What is held, by slot; the fee asset first, even if nothing of it is held.
    pub fn holdings(&self) -> impl Iterator<Item = Holding> {
        std::iter::once(self.fee).chain(self.others.slots().iter().flatten().copied())
    }

    /// Adds to a balance: in the slot of the asset, or else in the first empty one.
    ///
    /// # Errors
    /// - [`VaultError::Full`] if there is neither, even to add nothing.
    /// - [`VaultError::Balance`] if the balance would not be below `2^58`.
    pub fn credit(&mut self, asset: AssetId, amount: Amount) -> Result<(), VaultError> {
        self.change(asset, |balance| balance.checked_add(amount))
    }

    /// Takes from a balance. A balance of 0 frees the slot.
    ///
    /// # Errors
    /// [`VaultError::Balance`] if there is less.
    pub fn debit(&mut self, asset: AssetId, amount: Amount) -> Result<(), VaultError> {
        self.change(asset, |balance| balance.checked_sub(amount))
    }

    fn change(
        &mut self,
        asset: AssetId,
        change: impl Fn(Amount) -> Result<Amount, AmountError>,
    ) -> Result<(), VaultError> {
        let balance = change(self.balance(asset)).map_err(|source| VaultError::Balance { asset, source })?;
        if asset == self.fee.asset {
            self.fee.amount = balance;
            return Ok(());
        }
        self.others.set_balance(asset, balance)
    }

    /// The slots in order, an (asset, amount) pair each.
    #[must_use]
    pub fn to_fields(&self) -> [F; 2 * VAULT_SLOTS] {
        let mut fields = [F::ZERO; 2 * VAULT_SLOTS];
        let (fee, others) = fields.split_at_mut(2);
        fee.copy_from_slice(&[self.fee.asset.to_field(), self.fee.amount.to_field()]);
        others.copy_from_slice(self.others.to_fields().as_flattened());
        fields
    }
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Commitment to the public key; zero as long as the account has signed nothing.
    pub key: Digest,
    /// Transactions made so far.
    pub nonce: u32,
    /// Its assets.
    pub balances: Balances,
}

impl Account {
    /// An account that has signed nothing and holds nothing.
    #[must_use]
    pub fn new(fee_asset: AssetId) -> Self {
        Self { key: Digest::ZERO, nonce: 0, balances: Balances::new(fee_asset) }
    }

    /// What its record covers.
    #[must_use]
    pub fn fields(&self) -> AccountFields {
        AccountFields {
            key: self.key,
            nonce: F::from_canonical_u32(self.nonce),
            vault: self.balances.to_fields(),
        }
    }

    /// The value that the state's tree holds.
    #[must_use]
    pub fn hash(&self) -> Digest {
        hash(ACCOUNT, &self.fields().encode())
    }
}

/// In-circuit twin of [`Account::hash`].
pub fn account_hash_circuit(builder: &mut Builder, fields: &AccountFields<Target>) -> DigestTarget {
    hash_circuit(builder, ACCOUNT, &fields.encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(local: u32) -> AssetId {
        AssetId::new(1, local).unwrap()
    }

    #[test]
    fn the_fee_asset_always_has_the_first_slot() {
        let mut balances = Balances::new(asset(9));
        let amount = Amount::new(5).unwrap();
        for local in 10..25 {
            balances.credit(asset(local), amount).unwrap();
        }
        assert_eq!(balances.credit(asset(25), Amount::ZERO), Err(VaultError::Full { asset: asset(25) }));
        balances.credit(asset(9), amount).unwrap();
        balances.debit(asset(9), amount).unwrap();
        balances.debit(asset(11), amount).unwrap();
        let fields = balances.to_fields();
        assert_eq!(fields[..2], [asset(9).to_field(), F::ZERO]);
        assert_eq!(fields[4..6], [F::ZERO; 2], "an empty slot is zero");
        balances.credit(asset(25), amount).unwrap();
        assert_eq!(balances.to_fields()[4], asset(25).to_field(), "the first empty slot is taken");
    }

    #[test]
    fn a_balance_stays_in_its_range() {
        let mut balances = Balances::new(asset(1));
        balances.credit(asset(2), Amount::MAX).unwrap();
        let before = balances.clone();
        let one = Amount::new(1).unwrap();
        assert!(matches!(balances.credit(asset(2), one), Err(VaultError::Balance { .. })));
        assert!(matches!(balances.debit(asset(1), one), Err(VaultError::Balance { .. })));
        assert!(matches!(balances.debit(asset(3), one), Err(VaultError::Balance { .. })));
        assert_eq!(balances, before);
    }
}
