//! The types of what accounts sign. EIP-712 has no unions, so there is a type `Transaction` for every sequence of kinds of
//! actions: 1 to 4 of six kinds are 1,554 sequences.

use circuits_tables::keccak::keccak256;
use environments_core::environment::EnvironmentId;

use crate::transaction::{Action, MAX_ACTIONS};

/// A member of a type: its own type, and its name.
pub(super) type Member = (&'static str, &'static str);

/// The types of actions as EIP-712 has them. Their numbers are those of [`Kind`](crate::transaction::Kind), except that a
/// message to L1 has a type of its own, which names an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ActionType {
    /// A payment.
    Transfer = 0,
    /// A trade.
    Swap = 1,
    /// Buys shares of a pool.
    AddLiquidity = 2,
    /// Returns shares of a pool.
    RemoveLiquidity = 3,
    /// Sends to another environment.
    Bridge = 4,
    /// Sends to L1.
    Withdraw = 5,
}

/// Types of actions.
pub const ACTION_TYPES: usize = 6;

impl ActionType {
    /// All types, by number.
    pub const ALL: [Self; ACTION_TYPES] =
        [Self::Transfer, Self::Swap, Self::AddLiquidity, Self::RemoveLiquidity, Self::Bridge, Self::Withdraw];

    /// The type of an action.
    #[must_use]
    pub fn of(action: &Action) -> Self {
        match action {
            Action::Transfer { .. } => Self::Transfer,
            Action::Swap { .. } => Self::Swap,
            Action::AddLiquidity { .. } => Self::AddLiquidity,
            Action::RemoveLiquidity { .. } => Self::RemoveLiquidity,
            Action::Bridge { destination, .. } if *destination == EnvironmentId::L1 => Self::Withdraw,
            Action::Bridge { .. } => Self::Bridge,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfer => "Transfer",
            Self::Swap => "Swap",
            Self::AddLiquidity => "AddLiquidity",
            Self::RemoveLiquidity => "RemoveLiquidity",
            Self::Bridge => "Bridge",
            Self::Withdraw => "Withdraw",
        }
    }

    /// Its members, in order.
    pub(super) const fn members(self) -> &'static [Member] {
        match self {
            Self::Transfer => &[("address", "to"), ("bytes6", "asset"), ("uint64", "amount")],
            Self::Swap => {
                &[("bytes6", "sell"), ("uint64", "amount"), ("bytes6", "buy"), ("uint64", "atLeast")]
            }
            Self::AddLiquidity => &[
                ("bytes6", "assetA"),
                ("bytes6", "assetB"),
                ("uint64", "shares"),
                ("uint64", "atMostA"),
                ("uint64", "atMostB"),
            ],
            Self::RemoveLiquidity => &[
                ("bytes6", "assetA"),
                ("bytes6", "assetB"),
                ("uint64", "shares"),
                ("uint64", "atLeastA"),
                ("uint64", "atLeastB"),
            ],
            Self::Bridge => &[
                ("uint16", "toEnvironment"),
                ("bytes32", "recipient"),
                ("bytes6", "asset"),
                ("uint64", "amount"),
                ("uint32", "claimBy"),
            ],
            Self::Withdraw => {
                &[("address", "to"), ("bytes6", "asset"), ("uint64", "amount"), ("uint32", "claimBy")]
            }
        }
    }

    /// The hash of the type.
    #[must_use]
    pub fn hash(self) -> [u8; 32] {
        keccak256(encoded(self.name(), self.members()).as_bytes())
    }
}

/// The name of what is signed.
pub(super) const TRANSACTION: &str = "Transaction";
/// Its members before the actions.
pub(super) const HEADER: [Member; 3] = [("uint32", "nonce"), ("uint64", "fee"), ("uint32", "lastBlock")];
/// The names of its actions.
pub(super) const ACTIONS: [&str; MAX_ACTIONS] = ["action1", "action2", "action3", "action4"];

/// The members of a transaction with actions of these types.
pub(super) fn transaction_members(types: &[ActionType]) -> Vec<Member> {
    let actions = types.iter().zip(ACTIONS).map(|(of, name)| (of.name(), name));
    HEADER.into_iter().chain(actions).collect()
}

/// The types of the actions, each once, by name.
pub(super) fn referenced(types: &[ActionType]) -> Vec<ActionType> {
    let mut referenced = types.to_vec();
    referenced.sort_unstable_by_key(|of| of.name());
    referenced.dedup();
    referenced
}

/// The hash of the type of a transaction with actions of these types.
#[must_use]
pub fn transaction_type_hash(types: &[ActionType]) -> [u8; 32] {
    let mut text = encoded(TRANSACTION, &transaction_members(types));
    text.extend(referenced(types).into_iter().map(|of| encoded(of.name(), of.members())));
    keccak256(text.as_bytes())
}

/// A type as EIP-712 encodes it, without those that it refers to.
fn encoded(name: &str, members: &[Member]) -> String {
    let members: Vec<_> = members.iter().map(|(of, name)| format!("{of} {name}")).collect();
    format!("{name}({})", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_refers_to_each_other_type_once_and_in_order() {
        let types = [ActionType::Transfer, ActionType::Swap, ActionType::Transfer];
        let text = concat!(
            "Transaction(uint32 nonce,uint64 fee,uint32 lastBlock,Transfer action1,Swap action2,Transfer action3)",
            "Swap(bytes6 sell,uint64 amount,bytes6 buy,uint64 atLeast)",
            "Transfer(address to,bytes6 asset,uint64 amount)",
        );
        assert_eq!(transaction_type_hash(&types), keccak256(text.as_bytes()));
    }
}
