//! Transactions that viem signs: an implementation that is not ours.

use std::{fs, path::Path};

use circuits_protocol::registry::EnvironmentId;
use environments_accounts::{
    address::Address,
    config::Genesis,
    fixtures::viem::{self, WALLETS},
    transaction::{SignedTransaction, Transaction},
    typed_data::{Settlement, SigningDomain, signing_hash},
};
use serde_json::{Value, json};

use crate::account::{answer, superblock};

fn domain() -> SigningDomain {
    let settlement = Settlement { chain_id: 31_337, contract: Address([0x5f; 20]) };
    SigningDomain { settlement, environment: EnvironmentId(2) }
}

/// Runs a command of `superblock account` in a domain.
fn account(command: &[&str], domain: &SigningDomain, input: &str) -> Value {
    let Settlement { chain_id, contract } = domain.settlement;
    let (id, chain_id, contract) =
        (domain.environment.to_string(), chain_id.to_string(), contract.to_string());
    let domain = ["--environment", &id, "--l1-chain-id", &chain_id, "--contract", &contract];
    answer(&superblock(&[&["account"], command, &domain].concat(), input), 0)["transactions"].clone()
}

/// Lets viem sign as test account `wallet`.
fn viem(wallet: usize, shown: &Value) -> Vec<viem::Signed> {
    viem::sign(wallet, shown.as_array().expect("a list")).unwrap_or_else(|error| panic!("{error}"))
}

fn lines<'a>(values: impl IntoIterator<Item = &'a Value>) -> String {
    values.into_iter().map(|value| format!("{value}\n")).collect()
}

/// A transaction of each kind of action, and one of four.
fn transactions() -> Vec<Value> {
    let recipient = "0102030405060708".repeat(4);
    let to_l1 = Address([0xab; 20]).to_digest();
    let actions = [
        json!({ "transfer": { "to": WALLETS[1], "asset": "2:1", "amount": 5 } }),
        json!({ "swap": { "asset_in": "2:1", "asset_out": "65535:4294967295", "amount": 1000, "minimum": 0 } }),
        json!({ "add-liquidity": {
            "asset_a": "2:1", "asset_b": "2:2", "shares": 1, "maximum_a": 288_230_376_151_711_743_u64, "maximum_b": 7,
        } }),
        json!({ "remove-liquidity": {
            "asset_a": "2:1", "asset_b": "2:2", "shares": 9, "minimum_a": 1, "minimum_b": 0,
        } }),
        json!({ "bridge": {
            "destination": 1, "recipient": recipient, "asset": "2:1", "amount": 40, "deadline": 4_294_967_295_u32,
        } }),
        json!({ "bridge": { "destination": 0, "recipient": to_l1, "asset": "0:1", "amount": 3, "deadline": 9 } }),
    ];
    let sequences = actions.iter().map(std::slice::from_ref).chain([&actions[..4], &actions[2..]]);
    (0..)
        .zip(sequences)
        .map(|(nonce, actions)| {
            json!({ "sender": WALLETS[0], "nonce": nonce, "fee": 4, "deadline": 1000, "actions": actions })
        })
        .collect()
}

#[test]
fn what_viem_signs_is_accepted() {
    let domain = domain();
    let transactions = transactions();
    let input = lines(&transactions);
    let shown = account(&["typed-data"], &domain, &input);
    let signed = viem(0, &shown);
    let shown = lines(shown.as_array().expect("a list"));
    assert_eq!(signed.len(), transactions.len());
    let signatures: Vec<_> = signed.iter().map(|signed| signed.signature.to_string()).collect();
    let sender = WALLETS[0].to_string();
    let mut command = vec!["attach"];
    for ((signed, signature), transaction) in signed.iter().zip(&signatures).zip(&transactions) {
        let transaction: Transaction = serde_json::from_value(transaction.clone()).expect("a transaction");
        assert_eq!(signed.hash, format!("0x{}", hex::encode(signing_hash(&domain, &transaction))));
        command.extend(["--signature", signature]);
    }
    // From the transactions, and from what the wallet was shown.
    let attached = account(&command, &domain, &input);
    command.extend(["--sender", &sender]);
    assert_eq!(account(&command, &domain, &shown), attached);
    for ((line, transaction), signature) in
        attached.as_array().expect("a list").iter().zip(&transactions).zip(&signatures)
    {
        assert_eq!(*line, json!({ "transaction": transaction, "signature": signature }));
    }
}

#[test]
fn two_transactions_of_the_example_are_signed_by_viem() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/small");
    let read = |name| fs::read_to_string(example.join(name)).expect("readable");
    let genesis: Genesis = serde_json::from_str(&read("accounts-2.genesis.json")).expect("a genesis");
    let domain = SigningDomain { settlement: genesis.settlement, environment: EnvironmentId(2) };
    let signed: Vec<SignedTransaction> =
        read("accounts-2.jsonl").lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
    for (wallet, address) in WALLETS.iter().enumerate() {
        let mut found = signed.iter().filter(|signed| signed.transaction.sender == *address);
        let (Some(found), None) = (found.next(), found.next()) else { panic!("one is the wallet's") };
        let shown = account(&["typed-data"], &domain, &json!(found.transaction).to_string());
        let [by_viem] = &viem(wallet, &shown)[..] else { panic!("one signature") };
        assert_eq!(found.signature, by_viem.signature);
    }
}
