//! Typed data is written and read as the same transaction, and every difference has its verdict.

use environments_core::environment::EnvironmentId;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    SigningDomain, TypedDataError, block_count, blocks, check_typed_data, encoding::recipient_word, hashed,
    signing_hash, typed_data,
};
use crate::{
    address::Address,
    fixtures::{HOME, add, amount, bridge, key, remove, settlement, swap, transfer},
    tests::invariants::action,
    transaction::Transaction,
};

fn domain() -> SigningDomain {
    SigningDomain { settlement: settlement(7), environment: HOME }
}

fn transaction() -> Transaction {
    let actions = vec![transfer(1, 0, 5), swap(0, 1000, 1), bridge(6, 1, 9), bridge(0, 0, 7)];
    Transaction { sender: key(0).address(), nonce: 3, fee: amount(4), deadline: 1000, actions }
}

/// What is said about the typed data of [`transaction`] after a change.
fn verdict(change: impl FnOnce(&mut Value)) -> Result<Transaction, TypedDataError> {
    let mut data = typed_data(&domain(), &transaction());
    change(&mut data);
    check_typed_data(&domain(), transaction().sender, &data)
}

#[test]
fn typed_data_is_what_wallets_show() {
    let transaction = Transaction { actions: vec![transfer(1, 0, 5), bridge(6, 1, 9)], ..transaction() };
    let data = typed_data(&domain(), &transaction);
    let to = key(1).address();
    assert_eq!(
        data["message"],
        json!({
            "nonce": 3, "fee": "4", "lastBlock": 1000,
            "action1": { "to": to, "asset": "0x000500000001", "amount": "5" },
            "action2": {
                "toEnvironment": 6,
                "recipient": format!("0x{}", hex::encode(recipient_word(
                    match bridge(6, 1, 9) {
                        crate::transaction::Action::Bridge { recipient, .. } => recipient,
                        other => panic!("{other:?}"),
                    },
                ))),
                "asset": "0x000500000002", "amount": "9", "claimBy": 200,
            },
        })
    );
    assert_eq!(data["domain"]["name"], "Superblock environment 5");
    assert_eq!(data["types"].as_object().unwrap().len(), 4);
    assert_eq!(data["types"]["Transaction"][4], json!({ "name": "action2", "type": "Bridge" }));
}

#[test]
fn case_39_each_difference_of_the_domain_has_its_verdict() {
    assert_eq!(verdict(|_| {}), Ok(transaction()));
    let of = |change: fn(&mut Value)| verdict(|data| change(&mut data["domain"])).unwrap_err();
    assert!(matches!(of(|domain| domain["chainId"] = json!(5)), TypedDataError::OtherChain { found: 5, .. }));
    assert!(matches!(
        of(|domain| domain["chainId"] = json!("0x5")),
        TypedDataError::OtherChain { found: 5, .. }
    ));
    let other = of(|domain| domain["verifyingContract"] = json!(key(0).address()));
    assert!(matches!(other, TypedDataError::OtherContract { .. }));
    let other = of(|domain| domain["name"] = json!("Superblock environment 6"));
    assert!(matches!(other, TypedDataError::DomainName { .. }));
    assert!(matches!(of(|domain| domain["version"] = json!("2")), TypedDataError::DomainVersion { .. }));
    // A key that was pasted in place of either is not shown.
    let secret = "5e".repeat(32);
    for member in ["name", "version"] {
        let error = verdict(|data| data["domain"][member] = json!(secret)).unwrap_err().to_string();
        assert!(error.contains("64 characters") && !error.contains(&secret), "{error}");
    }
    assert!(matches!(of(|domain| domain["salt"] = json!("0x00")), TypedDataError::Unexpected { .. }));
    assert!(matches!(
        of(|domain| drop(domain.as_object_mut().unwrap().remove("name"))),
        TypedDataError::Missing { .. }
    ));
}

#[test]
fn each_difference_of_the_types_has_its_verdict() {
    let of = |change: fn(&mut Value)| verdict(|data| change(&mut data["types"])).unwrap_err();
    for name in ["Transaction", "Swap", "EIP712Domain"] {
        let data = |change: fn(&mut Vec<Value>)| {
            verdict(|data| change(data["types"][name].as_array_mut().unwrap())).unwrap_err()
        };
        assert!(matches!(data(|members| members.swap(0, 1)), TypedDataError::Order { .. }), "{name}");
        let extra = data(|members| members.push(json!({ "name": "memo", "type": "string" })));
        let expected = TypedDataError::ExtraMember { name: name.to_owned(), member: "\"memo\"".to_owned() };
        assert_eq!(extra, expected);
        let twice = data(|members| members.push(members[0].clone()));
        assert!(matches!(twice, TypedDataError::ExtraMember { .. }));
        assert!(matches!(data(|members| drop(members.remove(0))), TypedDataError::MissingMember { .. }));
        let wider = data(|members| members[0]["type"] = json!("uint128"));
        assert!(matches!(wider, TypedDataError::MemberType { .. }));
    }
    assert!(matches!(of(|types| types["Mail"] = json!([])), TypedDataError::UnusedType { .. }));
    let unknown = of(|types| types["Transaction"][3]["type"] = json!("Burn"));
    assert!(matches!(unknown, TypedDataError::ActionType { member: "action1", .. }));
    let none = of(|types| types["Transaction"].as_array_mut().unwrap().truncate(3));
    assert_eq!(none, TypedDataError::NoAction);
    let absent = of(|types| drop(types.as_object_mut().unwrap().remove("Swap")));
    assert!(matches!(absent, TypedDataError::Missing { .. }));
    // Libraries that derive the domain's type leave it out.
    let derived = verdict(|data| drop(data["types"].as_object_mut().unwrap().remove("EIP712Domain")));
    assert_eq!(derived, Ok(transaction()));
}

#[test]
fn each_difference_of_the_message_has_its_verdict() {
    let of = |change: fn(&mut Value)| verdict(|data| change(&mut data["message"])).unwrap_err();
    assert!(matches!(of(|message| message["memo"] = json!(1)), TypedDataError::Unexpected { .. }));
    assert!(matches!(of(|message| message["action1"]["memo"] = json!(1)), TypedDataError::Unexpected { .. }));
    assert!(matches!(of(|message| message["action1"] = json!(1)), TypedDataError::NotAnObject { .. }));
    let value = |change| matches!(of(change), TypedDataError::Value { .. });
    assert!(value(|message| message["nonce"] = json!(1u64 << 32)));
    assert!(value(|message| message["nonce"] = json!(-1)));
    assert!(value(|message| message["nonce"] = json!("+1")));
    assert!(value(|message| message["nonce"] = json!("0x+1")));
    assert!(value(|message| message["fee"] = json!((1u64 << 58).to_string())));
    assert!(value(|message| message["action1"]["to"] = json!("0x00")));
    assert!(value(|message| message["action1"]["asset"] = json!("0x000500000000")));
    assert!(value(|message| message["action3"]["toEnvironment"] = json!(0)));
    assert!(value(|message| message["action3"]["recipient"] = json!(format!("0x{}", "ff".repeat(32)))));
    assert!(matches!(
        verdict(|data| data["primaryType"] = json!("Swap")),
        Err(TypedDataError::PrimaryType { .. })
    ));
    assert!(matches!(verdict(|data| *data = json!([])), Err(TypedDataError::NotAnObject { .. })));
    assert!(matches!(verdict(|data| data["x"] = json!(1)), Err(TypedDataError::Unexpected { .. })));
}

#[test]
fn numbers_and_digits_have_the_forms_that_libraries_write() {
    let same = verdict(|data| {
        data["message"]["nonce"] = json!("3");
        data["message"]["fee"] = json!("0x4");
        data["message"]["action1"]["amount"] = json!(5);
        let to = data["message"]["action1"]["to"].as_str().unwrap().to_uppercase().replace("0X", "0x");
        data["message"]["action1"]["to"] = json!(to);
    });
    assert_eq!(same, Ok(transaction()));
}

#[test]
fn liquidity_is_read_as_it_is_written() {
    let transaction = Transaction { actions: vec![add(5, 6, 7), remove(8, 9, 10)], ..transaction() };
    let data = typed_data(&domain(), &transaction);
    assert_eq!(check_typed_data(&domain(), transaction.sender, &data), Ok(transaction));
}

proptest! {
    #[test]
    fn what_is_written_is_read(actions in prop::collection::vec(action(), 1..=4), nonce: u32, deadline: u32) {
        let transaction = Transaction { sender: Address::default(), nonce, fee: amount(9), deadline, actions };
        let domain = SigningDomain { environment: EnvironmentId(9), ..domain() };
        let data = typed_data(&domain, &transaction);
        prop_assert_eq!(check_typed_data(&domain, transaction.sender, &data), Ok(transaction.clone()));
        // No two blocks for what is hashed of the whole transaction, so that its length has no third.
        let hashed = hashed(&domain, &transaction, None);
        prop_assert!(hashed.iter().all(|bytes| bytes.len() < 2 * circuits_tables::keccak::BLOCK_BYTES));
        for first in [None, Some(key(1).public_key())] {
            let blocks = blocks(&domain, &transaction, first.as_ref());
            prop_assert_eq!(block_count(&transaction, first.is_some()), blocks.len());
        }
        let other = Transaction { nonce: nonce ^ 1, ..transaction.clone() };
        prop_assert_ne!(signing_hash(&domain, &transaction), signing_hash(&domain, &other));
    }
}
