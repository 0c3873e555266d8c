//! Transactions: an ordered list of 1 to 4 actions of one account.

use bridge::AssetId;
use circuits::{
    F,
    amount::Amount,
    ecdsa::{PublicKey, Signature},
    layout,
};
use plonky2::field::types::Field;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::accounts::address::{Address, LIMBS};

/// Actions of a transaction at most.
pub const MAX_ACTIONS: usize = 4;
/// Bits of a nonce and of a deadline.
pub const NONCE_BITS: usize = 32;

/// One step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Gives to another account, which comes into being if it is absent.
    Transfer {
        /// The receiver.
        to: Address,
        /// What is given.
        asset: AssetId,
        /// How much, not 0.
        amount: Amount,
    },
    /// Sells to the pool of two assets.
    Swap {
        /// What is sold.
        asset_in: AssetId,
        /// What is bought.
        asset_out: AssetId,
        /// How much is sold, not 0.
        amount: Amount,
        /// How much must be bought at least.
        minimum: Amount,
    },
    /// Buys shares of a pool for both its assets; makes the pool if it is absent.
    AddLiquidity {
        /// The smaller asset.
        asset_a: AssetId,
        /// The larger asset.
        asset_b: AssetId,
        /// Shares bought, not 0.
        shares: Amount,
        /// How much of the first asset is paid at most; exactly, if the pool is made.
        maximum_a: Amount,
        /// How much of the second asset is paid at most; exactly, if the pool is made.
        maximum_b: Amount,
    },
    /// Gives shares back for both assets of a pool.
    RemoveLiquidity {
        /// The smaller asset.
        asset_a: AssetId,
        /// The larger asset.
        asset_b: AssetId,
        /// Shares given back, not 0.
        shares: Amount,
        /// How much of the first asset must be paid out at least.
        minimum_a: Amount,
        /// How much of the second asset must be paid out at least.
        minimum_b: Amount,
    },
}

/// The number of an action's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// [`Action::Transfer`]
    Transfer = 0,
    /// [`Action::Swap`]
    Swap = 1,
    /// [`Action::AddLiquidity`]
    AddLiquidity = 2,
    /// [`Action::RemoveLiquidity`]
    RemoveLiquidity = 3,
}

layout! {
    /// The encoding of an action, one for all kinds. What a kind does not use is 0, so that an action has one encoding.
    ///
    /// | kind | to | asset_in | asset_out | amount | limit_a | limit_b |
    /// |---|---|---|---|---|---|---|
    /// | 0 transfer | receiver | asset | 0 | amount | 0 | 0 |
    /// | 1 swap | 0 | sold | bought | sold | minimum bought | 0 |
    /// | 2 add liquidity | 0 | asset a | asset b | shares | maximum a | maximum b |
    /// | 3 remove liquidity | 0 | asset a | asset b | shares | minimum a | minimum b |
    pub struct ActionFields<T> {
        /// The [`Kind`].
        pub kind: T,
        /// Limbs of an address.
        pub to: [T; LIMBS],
        /// A packed asset.
        pub asset_in: T,
        /// A packed asset.
        pub asset_out: T,
        /// An amount, not 0.
        pub amount: T,
        /// An amount.
        pub limit_a: T,
        /// An amount.
        pub limit_b: T,
    }
}

/// Why a transaction is one in no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Too few or too many actions.
    #[error("a transaction has 1 to {MAX_ACTIONS} actions, found {found}")]
    Actions {
        /// Actions found.
        found: usize,
    },
    /// An action that does nothing.
    #[error("action {action} has amount 0")]
    ZeroAmount {
        /// Its position.
        action: usize,
    },
    /// A swap of an asset for itself.
    #[error("action {action} swaps asset {asset} for itself")]
    SameAsset {
        /// Its position.
        action: usize,
        /// The asset.
        asset: AssetId,
    },
    /// The assets of a pool in the wrong order.
    #[error("action {action} names the pool of {asset_a} and {asset_b}; the smaller asset comes first")]
    PairOrder {
        /// Its position.
        action: usize,
        /// The first asset.
        asset_a: AssetId,
        /// The second asset.
        asset_b: AssetId,
    },
}

impl Action {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Transfer { .. } => Kind::Transfer,
            Self::Swap { .. } => Kind::Swap,
            Self::AddLiquidity { .. } => Kind::AddLiquidity,
            Self::RemoveLiquidity { .. } => Kind::RemoveLiquidity,
        }
    }

    /// The assets of the pool that it touches, in the pool's order.
    #[must_use]
    pub fn pair(&self) -> Option<(AssetId, AssetId)> {
        match *self {
            Self::Transfer { .. } => None,
            Self::Swap { asset_in, asset_out, .. } => {
                Some((asset_in.min(asset_out), asset_in.max(asset_out)))
            }
            Self::AddLiquidity { asset_a, asset_b, .. } | Self::RemoveLiquidity { asset_a, asset_b, .. } => {
                Some((asset_a, asset_b))
            }
        }
    }

    /// The encoding.
    #[must_use]
    pub fn fields(&self) -> ActionFields {
        let none = ActionFields {
            kind: F::from_canonical_u8(self.kind() as u8),
            to: [F::ZERO; LIMBS],
            asset_in: F::ZERO,
            asset_out: F::ZERO,
            amount: F::ZERO,
            limit_a: F::ZERO,
            limit_b: F::ZERO,
        };
        match *self {
            Self::Transfer { to, asset, amount } => {
                ActionFields { to: to.limbs(), asset_in: asset.to_field(), amount: amount.to_field(), ..none }
            }
            Self::Swap { asset_in, asset_out, amount, minimum } => ActionFields {
                asset_in: asset_in.to_field(),
                asset_out: asset_out.to_field(),
                amount: amount.to_field(),
                limit_a: minimum.to_field(),
                ..none
            },
            Self::AddLiquidity { asset_a, asset_b, shares, maximum_a: a, maximum_b: b }
            | Self::RemoveLiquidity { asset_a, asset_b, shares, minimum_a: a, minimum_b: b } => {
                ActionFields {
                    asset_in: asset_a.to_field(),
                    asset_out: asset_b.to_field(),
                    amount: shares.to_field(),
                    limit_a: a.to_field(),
                    limit_b: b.to_field(),
                    ..none
                }
            }
        }
    }

    fn check(&self, action: usize) -> Result<(), Malformed> {
        let amount = match *self {
            Self::Transfer { amount, .. } => amount,
            Self::Swap { asset_in, asset_out, .. } if asset_in == asset_out => {
                return Err(Malformed::SameAsset { action, asset: asset_in });
            }
            Self::Swap { amount, .. } => amount,
            Self::AddLiquidity { asset_a, asset_b, .. } | Self::RemoveLiquidity { asset_a, asset_b, .. }
                if asset_a >= asset_b =>
            {
                return Err(Malformed::PairOrder { action, asset_a, asset_b });
            }
            Self::AddLiquidity { shares, .. } | Self::RemoveLiquidity { shares, .. } => shares,
        };
        if amount == Amount::ZERO { Err(Malformed::ZeroAmount { action }) } else { Ok(()) }
    }
}

/// What an account asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    /// The account that acts and pays.
    pub sender: Address,
    /// Transactions that the account made before.
    pub nonce: u32,
    /// What the producer gets, in the fee asset.
    pub fee: Amount,
    /// The last height at which the transaction is valid.
    pub deadline: u32,
    /// 1 to [`MAX_ACTIONS`] actions, done in order.
    pub actions: Vec<Action>,
}

impl Transaction {
    /// Judges a transaction by itself.
    ///
    /// # Errors
    /// One variant of [`Malformed`] per rule.
    pub fn check(&self) -> Result<(), Malformed> {
        let found = self.actions.len();
        if !(1..=MAX_ACTIONS).contains(&found) {
            return Err(Malformed::Actions { found });
        }
        self.actions.iter().enumerate().try_for_each(|(position, action)| action.check(position))
    }
}

/// A transaction with its owner's signature under [`crate::accounts::message`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedTransaction {
    /// What is signed.
    pub transaction: Transaction,
    /// The sender's public key.
    pub key: PublicKey,
    /// The signature.
    pub signature: Signature,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(local: u32) -> AssetId {
        AssetId::new(1, local).unwrap()
    }

    fn transaction(actions: Vec<Action>) -> Transaction {
        Transaction { sender: Address::default(), nonce: 0, fee: Amount::ZERO, deadline: 9, actions }
    }

    #[test]
    fn each_malformed_transaction_has_its_reason() {
        let amount = Amount::new(5).unwrap();
        let transfer = Action::Transfer { to: Address::default(), asset: asset(1), amount };
        let nothing = Action::Transfer { to: Address::default(), asset: asset(1), amount: Amount::ZERO };
        let same = Action::Swap { asset_in: asset(1), asset_out: asset(1), amount, minimum: amount };
        let order = Action::RemoveLiquidity {
            asset_a: asset(2),
            asset_b: asset(1),
            shares: amount,
            minimum_a: amount,
            minimum_b: amount,
        };
        assert_eq!(transaction(vec![transfer; 4]).check(), Ok(()));
        assert_eq!(transaction(vec![]).check(), Err(Malformed::Actions { found: 0 }));
        assert_eq!(transaction(vec![transfer; 5]).check(), Err(Malformed::Actions { found: 5 }));
        assert_eq!(transaction(vec![transfer, nothing]).check(), Err(Malformed::ZeroAmount { action: 1 }));
        assert_eq!(transaction(vec![same]).check(), Err(Malformed::SameAsset { action: 0, asset: asset(1) }));
        assert!(matches!(transaction(vec![order]).check(), Err(Malformed::PairOrder { action: 0, .. })));
    }

    #[test]
    fn a_transaction_has_one_text() {
        let line = concat!(
            r#"{"sender":"0x0000000000000000000000000000000000000000","nonce":0,"fee":0,"deadline":9,"#,
            r#""actions":[{"transfer":{"to":"0x0000000000000000000000000000000000000001","asset":"1:2","amount":3}}]}"#
        );
        let transaction: Transaction = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&transaction).unwrap(), line);
        let bytes = postcard::to_stdvec(&transaction).unwrap();
        assert_eq!(postcard::from_bytes::<Transaction>(&bytes).unwrap(), transaction);
        assert!(serde_json::from_str::<Transaction>(&line.replace("amount", "amont")).is_err());
        assert!(
            serde_json::from_str::<Transaction>(&line.replace(r#""amount":3"#, r#""amount":3,"x":1"#))
                .is_err()
        );
    }
}
