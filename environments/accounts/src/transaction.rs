//! Transactions: an ordered list of 1 to 4 actions of one account.

use bridge_core::{AssetId, Consumption, Message};
use circuits_core::{Digest, F, amount::Amount};
use circuits_tables::ecdsa::{PublicKey, Signed};
use environments_core::environment::EnvironmentId;
use plonky2::field::types::Field;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::{
    address::{Address, LIMBS},
    signature::{RecoverableSignature, RecoveryError},
    typed_data::{SigningDomain, signing_hash},
};

/// Actions of a transaction at most.
pub const MAX_ACTIONS: usize = 4;
/// Bits of a nonce and of a deadline.
pub const NONCE_BITS: usize = 32;

/// One step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Pays another account, which is created if it does not exist.
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
    /// Returns shares for both assets of a pool.
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
    /// Sends to another environment, in a message that is claimed there up to the deadline or refunded here after it.
    Bridge {
        /// Where to; 0 is L1.
        destination: EnvironmentId,
        /// Who receives it, in the destination's terms.
        recipient: Digest,
        /// What is sent.
        asset: AssetId,
        /// How much, not 0.
        amount: Amount,
        /// The last superblock in which the destination may claim it.
        deadline: u32,
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
    /// [`Action::Bridge`]
    Bridge = 4,
}

circuits_core::layout! {
    /// The encoding of an action, one for all kinds. What a kind does not use is 0, so that an action has one
    /// encoding.
    ///
    /// | kind | to | asset_in | asset_out | amount | limit_a | limit_b |
    /// |---|---|---|---|---|---|---|
    /// | 0 transfer | receiver | asset | 0 | amount | 0 | 0 |
    /// | 1 swap | 0 | sold | bought | sold | minimum bought | 0 |
    /// | 2 add liquidity | 0 | asset a | asset b | shares | maximum a | maximum b |
    /// | 3 remove liquidity | 0 | asset a | asset b | shares | minimum a | minimum b |
    /// | 4 bridge | recipient | asset | destination * 2^32 + deadline | amount | 0 | 0 |
    pub struct ActionFields<T> {
        /// The [`Kind`].
        pub kind: T,
        /// Limbs of an address, or a recipient in another environment's terms.
        pub to: [T; LIMBS],
        /// A packed asset.
        pub asset_in: T,
        /// A packed asset, or a destination and a deadline in the same form.
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
    /// A message to L1 whose recipient is no address: there it could never be paid.
    #[error("action {action} sends to L1, where {recipient} is no address: a limb is not below 2^40")]
    NoAddress {
        /// Its position.
        action: usize,
        /// The recipient.
        recipient: Digest,
    },
    /// A message to the environment that it comes from.
    #[error("action {action} sends to environment {environment}, where it comes from")]
    ToItself {
        /// Its position.
        action: usize,
        /// The environment.
        environment: EnvironmentId,
    },
}

impl Action {
    /// How much of an asset the action takes from its sender, at most.
    #[must_use]
    pub fn spent(&self, asset: AssetId) -> u64 {
        let spent = match *self {
            Self::Transfer { asset, amount, .. } | Self::Bridge { asset, amount, .. } => {
                vec![(asset, amount)]
            }
            Self::Swap { asset_in, amount, .. } => vec![(asset_in, amount)],
            Self::AddLiquidity { asset_a, asset_b, maximum_a, maximum_b, .. } => {
                vec![(asset_a, maximum_a), (asset_b, maximum_b)]
            }
            // Shares are no fee asset.
            Self::RemoveLiquidity { .. } => vec![],
        };
        spent.into_iter().filter(|(spent, _)| *spent == asset).map(|(_, amount)| amount.get()).sum()
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Transfer { .. } => Kind::Transfer,
            Self::Swap { .. } => Kind::Swap,
            Self::AddLiquidity { .. } => Kind::AddLiquidity,
            Self::RemoveLiquidity { .. } => Kind::RemoveLiquidity,
            Self::Bridge { .. } => Kind::Bridge,
        }
    }

    /// The assets of the pool that it touches, in the pool's order.
    #[must_use]
    pub fn pair(&self) -> Option<(AssetId, AssetId)> {
        match *self {
            Self::Transfer { .. } | Self::Bridge { .. } => None,
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
            Self::Bridge { destination, recipient, asset, amount, deadline } => ActionFields {
                to: recipient.0,
                asset_in: asset.to_field(),
                asset_out: F::from_canonical_u64(u64::from(destination.get()) << 32 | u64::from(deadline)),
                amount: amount.to_field(),
                ..none
            },
        }
    }

    /// Checks that a recipient on L1 is an address, without which the action has no hash of its own.
    fn check_recipient(&self, action: usize) -> Result<(), Malformed> {
        match *self {
            Self::Bridge { destination: EnvironmentId::L1, recipient, .. }
                if Address::from_digest(recipient).is_none() =>
            {
                Err(Malformed::NoAddress { action, recipient })
            }
            _ => Ok(()),
        }
    }

    fn check(&self, environment: EnvironmentId, action: usize) -> Result<(), Malformed> {
        self.check_recipient(action)?;
        let amount = match *self {
            Self::Bridge { destination, .. } if destination == environment => {
                return Err(Malformed::ToItself { action, environment });
            }
            Self::Transfer { amount, .. } | Self::Bridge { amount, .. } => amount,
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
    /// Judges a transaction by itself, in an environment.
    ///
    /// # Errors
    /// One variant of [`Malformed`] per rule.
    pub fn check(&self, environment: EnvironmentId) -> Result<(), Malformed> {
        let found = self.actions.len();
        if !(1..=MAX_ACTIONS).contains(&found) {
            return Err(Malformed::Actions { found });
        }
        let mut actions = self.actions.iter().enumerate();
        actions.try_for_each(|(position, action)| action.check(environment, position))
    }

    /// Checks that every recipient on L1 is an address. Nothing else of an action is left out of its hash.
    ///
    /// # Errors
    /// [`Malformed::NoAddress`]
    pub(crate) fn check_recipients(&self) -> Result<(), Malformed> {
        let mut actions = self.actions.iter().enumerate();
        actions.try_for_each(|(position, action)| action.check_recipient(position))
    }

    /// The messages that the transaction emits in this deployment and environment if it is done, in order.
    #[must_use]
    pub fn messages(&self, chain_id: u64, environment: EnvironmentId) -> Vec<Message> {
        let actions = (sequence(self.nonce)..).zip(&self.actions);
        let messages = actions.filter_map(|(sequence, action)| match *action {
            Action::Bridge { destination, recipient, asset, amount, deadline } => Some(Message {
                chain_id,
                source: environment,
                destination,
                sequence,
                sender: self.sender.to_digest(),
                recipient,
                asset,
                amount,
                deadline,
                data: Digest::ZERO,
            }),
            Action::Transfer { .. }
            | Action::Swap { .. }
            | Action::AddLiquidity { .. }
            | Action::RemoveLiquidity { .. } => None,
        });
        messages.collect()
    }
}

/// The number of the message that the first action of a transaction with this nonce would emit; those of the
/// others follow.
#[must_use]
pub fn sequence(nonce: u32) -> u64 {
    MAX_ACTIONS as u64 * u64::from(nonce)
}

/// A transaction with its owner's signature of its [typed data](crate::typed_data). The signature determines the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedTransaction {
    /// What is signed.
    pub transaction: Transaction,
    /// The signature.
    pub signature: RecoverableSignature,
}

impl SignedTransaction {
    /// The key that signs this transaction so in this domain.
    ///
    /// # Errors
    /// [`RecoveryError`]
    pub fn recover(&self, domain: &SigningDomain) -> Result<PublicKey, RecoveryError> {
        self.signature.recover(&signing_hash(domain, &self.transaction))
    }

    /// What the batch of signatures must hold for this transaction, which `key` signed.
    #[must_use]
    pub fn signed(&self, domain: &SigningDomain, key: PublicKey) -> Signed {
        Signed { key, hash: signing_hash(domain, &self.transaction), signature: self.signature.signature }
    }
}

/// What a block is made of: what users sign, and the messages that the producer takes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountsTransaction {
    /// A user's transaction.
    Signed(SignedTransaction),
    /// A message whose beneficiary is credited. It has no sender, no nonce and no fee, and nobody signs it.
    Arrival {
        /// The message.
        message: Message,
        /// Whether it is claimed or taken back.
        consumption: Consumption,
    },
}

impl From<SignedTransaction> for AccountsTransaction {
    fn from(signed: SignedTransaction) -> Self {
        Self::Signed(signed)
    }
}

/// A signed transaction is written as itself. A message, which users cannot submit, is written with its fate as the key.
impl Serialize for AccountsTransaction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Signed(signed) => signed.serialize(serializer),
            Self::Arrival { message, consumption } => {
                let name = match consumption {
                    Consumption::Claim => "claim",
                    Consumption::Refund => "refund",
                };
                serializer.collect_map([(name, message)])
            }
        }
    }
}

/// Reads signed transactions only.
impl<'de> Deserialize<'de> for AccountsTransaction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SignedTransaction::deserialize(deserializer).map(Self::Signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(local: u32) -> AssetId {
        AssetId::new(1, local).unwrap()
    }

    const HERE: EnvironmentId = EnvironmentId(5);

    fn bridge(destination: u16, amount: u64) -> Action {
        Action::Bridge {
            destination: EnvironmentId(destination),
            recipient: Digest([F::TWO; 4]),
            asset: asset(1),
            amount: Amount::new(amount).unwrap(),
            deadline: 200,
        }
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
        let check = |actions| transaction(actions).check(HERE);
        assert_eq!(check(vec![transfer; 4]), Ok(()));
        assert_eq!(check(vec![]), Err(Malformed::Actions { found: 0 }));
        assert_eq!(check(vec![transfer; 5]), Err(Malformed::Actions { found: 5 }));
        assert_eq!(check(vec![transfer, nothing]), Err(Malformed::ZeroAmount { action: 1 }));
        assert_eq!(check(vec![same]), Err(Malformed::SameAsset { action: 0, asset: asset(1) }));
        assert!(matches!(check(vec![order]), Err(Malformed::PairOrder { action: 0, .. })));
        let withdraw = |recipient| {
            let Action::Bridge { destination, asset, amount, deadline, .. } = bridge(0, 1) else {
                panic!("a message")
            };
            Action::Bridge { destination, recipient, asset, amount, deadline }
        };
        assert_eq!(check(vec![bridge(6, 1), withdraw(Address([9; 20]).to_digest())]), Ok(()));
        let recipient = Digest([F::NEG_ONE; 4]);
        let no_address = Malformed::NoAddress { action: 1, recipient };
        assert_eq!(check(vec![transfer, withdraw(recipient)]), Err(no_address));
        let to_itself = Malformed::ToItself { action: 1, environment: HERE };
        assert_eq!(check(vec![transfer, bridge(HERE.get(), 1)]), Err(to_itself));
        assert_eq!(check(vec![bridge(6, 0)]), Err(Malformed::ZeroAmount { action: 0 }));
    }

    #[test]
    fn a_message_is_numbered_by_nonce_and_action() {
        let transfer =
            Action::Transfer { to: Address::default(), asset: asset(1), amount: Amount::new(1).unwrap() };
        let mut sent = transaction(vec![transfer, bridge(6, 1), transfer, bridge(0, 2)]);
        sent.nonce = u32::MAX;
        let messages = sent.messages(7, HERE);
        let numbers: Vec<_> = messages.iter().map(|message| message.sequence).collect();
        assert_eq!(numbers, [(1 << 34) - 3, (1 << 34) - 1]);
        assert!(messages.iter().all(|message| (message.chain_id, message.source) == (7, HERE)));
        assert_eq!(messages[1].destination, EnvironmentId::L1);
        assert_eq!(messages[0].sender, sent.sender.to_digest());
    }

    #[test]
    fn no_text_is_a_message_taken_in() {
        let [message] = &transaction(vec![bridge(6, 1)]).messages(7, HERE)[..] else { panic!("one message") };
        for consumption in [Consumption::Claim, Consumption::Refund] {
            let consume = AccountsTransaction::Arrival { message: message.clone(), consumption };
            let line = serde_json::to_string(&consume).unwrap();
            assert!(line.starts_with(r#"{"claim":{"#) || line.starts_with(r#"{"refund":{"#), "{line}");
            assert!(serde_json::from_str::<AccountsTransaction>(&line).is_err());
        }
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
