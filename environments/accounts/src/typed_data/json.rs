//! Typed data as wallets take it.

use serde_json::{Map, Value, json};

use super::{
    domain::{Settlement, SigningDomain, VERSION},
    encoding::{asset_bytes, recipient_word},
    types::{ACTIONS, ActionType, Member, TRANSACTION, referenced, transaction_members},
};
use crate::{
    address::Address,
    transaction::{Action, Transaction},
};

/// The name of the domain's type.
pub(super) const DOMAIN: &str = "EIP712Domain";
/// Its members.
pub(super) const DOMAIN_MEMBERS: [Member; 4] =
    [("string", "name"), ("string", "version"), ("uint256", "chainId"), ("address", "verifyingContract")];

/// What `eth_signTypedData_v4` takes so that a wallet signs the transaction. Integers of 64 bits are decimal text, since
/// wallets read numbers as doubles.
#[must_use]
pub fn typed_data(domain: &SigningDomain, transaction: &Transaction) -> Value {
    let types: Vec<_> = transaction.actions.iter().map(ActionType::of).collect();
    let Settlement { chain_id, contract } = domain.settlement;
    let mut message = json!({
        "nonce": transaction.nonce,
        "fee": transaction.fee.get().to_string(),
        "lastBlock": transaction.deadline,
    });
    for (name, action) in ACTIONS.into_iter().zip(&transaction.actions) {
        message[name] = action_message(action);
    }
    json!({
        "types": all_types(&types).into_iter().collect::<Map<_, _>>(),
        "primaryType": TRANSACTION,
        "domain": {
            "name": domain.name(),
            "version": VERSION,
            "chainId": chain_id,
            "verifyingContract": contract,
        },
        "message": message,
    })
}

/// All types of a transaction with actions of these types, by name.
fn all_types(types: &[ActionType]) -> Vec<(String, Value)> {
    let members = |members: &[Member]| -> Value {
        members.iter().map(|(of, name)| json!({ "name": name, "type": of })).collect()
    };
    let actions = referenced(types).into_iter().map(|of| (of.name().to_owned(), members(of.members())));
    [(DOMAIN, members(&DOMAIN_MEMBERS)), (TRANSACTION, members(&transaction_members(types)))]
        .map(|(name, members)| (name.to_owned(), members))
        .into_iter()
        .chain(actions)
        .collect()
}

fn action_message(action: &Action) -> Value {
    let hexadecimal = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
    let asset = |asset| hexadecimal(&asset_bytes(asset));
    let amount = |amount: circuits_core::amount::Amount| amount.get().to_string();
    match *action {
        Action::Transfer { to, asset: sent, amount: value } => {
            json!({ "to": to, "asset": asset(sent), "amount": amount(value) })
        }
        Action::Swap { asset_in, asset_out, amount: sold, minimum } => json!({
            "sell": asset(asset_in),
            "amount": amount(sold),
            "buy": asset(asset_out),
            "atLeast": amount(minimum),
        }),
        Action::AddLiquidity { asset_a, asset_b, shares, maximum_a, maximum_b } => json!({
            "assetA": asset(asset_a),
            "assetB": asset(asset_b),
            "shares": amount(shares),
            "atMostA": amount(maximum_a),
            "atMostB": amount(maximum_b),
        }),
        Action::RemoveLiquidity { asset_a, asset_b, shares, minimum_a, minimum_b } => json!({
            "assetA": asset(asset_a),
            "assetB": asset(asset_b),
            "shares": amount(shares),
            "atLeastA": amount(minimum_a),
            "atLeastB": amount(minimum_b),
        }),
        Action::Bridge { destination, recipient, asset: sent, amount: value, deadline } => {
            let mut message = json!({ "asset": asset(sent), "amount": amount(value), "claimBy": deadline });
            match ActionType::of(action) {
                ActionType::Withdraw => {
                    message["to"] = json!(Address::from_digest(recipient).unwrap_or_default());
                }
                _ => {
                    message["toEnvironment"] = json!(destination.get());
                    message["recipient"] = json!(hexadecimal(&recipient_word(recipient)));
                }
            }
            message
        }
    }
}
