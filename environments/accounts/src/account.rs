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
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::transaction::MAX_ACTIONS;

/// Domain of account records, the values of the state's tree.
pub const ACCOUNT: Domain = Domain::new("a-acct");
/// Slots of a vault that only its owner opens, by what the owner acquires and by refunds: as many as one transaction
/// can open, whose actions each acquire at most the two assets of a pool. So nothing that others send makes a transaction
/// of the owner fail for want of a slot, as long as the owner's own assets take no more slots than these.
pub const RESERVED_SLOTS: usize = 2 * MAX_ACTIONS;

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
///
/// | | opens a slot while |
/// |---|---|
/// | [`Self::credit`]: what the owner buys or takes from a pool, and a refund | one is empty |
/// | [`Self::receive`]: a transfer or a claim | more than [`RESERVED_SLOTS`] are empty |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balances {
    fee: Holding,
    others: Vault<{ VAULT_SLOTS - 1 }>,
}

/// Why an account does not receive what others send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReceiveError {
    /// It would take a slot that is reserved for the owner.
    #[error(
        "asset {asset} needs a slot of its own; {empty} are empty, and the last {RESERVED_SLOTS} are for what the owner \
         acquires"
    )]
    Reserved {
        /// The asset.
        asset: AssetId,
        /// Empty slots.
        empty: usize,
    },
    /// The vault cannot take it, whoever it comes from.
    #[error(transparent)]
    Vault(#[from] VaultError),
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

    /// Slots that no asset has.
    #[must_use]
    pub fn empty_slots(&self) -> usize {
        self.others.slots().iter().filter(|slot| slot.is_none()).count()
    }

    /// Adds what the owner acquires: in the slot of the asset, or else in the first empty one.
    ///
    /// # Errors
    /// - [`VaultError::Full`] if there is neither, even to add nothing.
    /// - [`VaultError::Balance`] if the balance would not be below `2^58`.
    pub fn credit(&mut self, asset: AssetId, amount: Amount) -> Result<(), VaultError> {
        self.change(asset, |balance| balance.checked_add(amount))
    }

    /// Adds what others send: in the slot of the asset, or else in the first empty one if that is not reserved for the
    /// owner.
    ///
    /// # Errors
    /// - [`ReceiveError::Reserved`]
    /// - [`ReceiveError::Vault`] if the balance would not be below `2^58`.
    pub fn receive(&mut self, asset: AssetId, amount: Amount) -> Result<(), ReceiveError> {
        let empty = self.empty_slots();
        let is_held = self.holdings().any(|holding| holding.asset == asset);
        if !is_held && empty <= RESERVED_SLOTS {
            return Err(ReceiveError::Reserved { asset, empty });
        }
        Ok(self.credit(asset, amount)?)
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    fn others_open_no_slot_that_is_reserved_for_the_owner() {
        let mut balances = Balances::new(asset(1));
        let amount = Amount::new(5).unwrap();
        let public = u32::try_from(VAULT_SLOTS - 1 - RESERVED_SLOTS).unwrap();
        for local in 2..2 + public {
            balances.receive(asset(local), amount).unwrap();
        }
        let refused = |asset, empty| Err(ReceiveError::Reserved { asset, empty });
        assert_eq!(balances.receive(asset(100), amount), refused(asset(100), RESERVED_SLOTS));
        // More of what it has needs no slot.
        balances.receive(asset(1), amount).unwrap();
        balances.receive(asset(2), amount).unwrap();
        for local in 200..200 + u32::try_from(RESERVED_SLOTS).unwrap() {
            balances.credit(asset(local), amount).unwrap();
        }
        assert_eq!(balances.credit(asset(300), amount), Err(VaultError::Full { asset: asset(300) }));
        assert_eq!(balances.receive(asset(300), amount), refused(asset(300), 0));
        balances.receive(asset(200), amount).unwrap();
        // The owner's own assets take room from others, and theirs none from the owner.
        balances.debit(asset(3), amount).unwrap();
        assert_eq!(balances.receive(asset(3), amount), refused(asset(3), 1));
        balances.credit(asset(3), amount).unwrap();
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
