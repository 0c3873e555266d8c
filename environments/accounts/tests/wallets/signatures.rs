//! Signatures that alloy makes, and the verdict on each that is not of this transaction in this domain.

use alloy_primitives::{Signature, U256};
use alloy_signer::SignerSync as _;
use circuits_forging::fixtures::cache;
use circuits_tables::ecdsa::EcdsaError;
use environments_accounts::{
    Accounts, AccountsError, Genesis, GenesisAccount,
    address::Address,
    execute::Invalid,
    fixtures::{HOME, amount, asset, genesis, transfer},
    key::SecretKey,
    signature::RecoveryError,
    transaction::Transaction,
    typed_data::{Settlement, SigningDomain, TypedDataError, check_typed_data, typed_data},
};
use environments_conformance::{CHAIN_ID, secret};
use environments_core::{Environment as _, EnvironmentId, vault::Holding};
use serde_json::{Value, json};

use super::{TEST_ACCOUNTS, address, domain, foreign_hash, read, shown, wallet};

/// An environment in which the first test account has money.
fn environment() -> Accounts {
    let mut genesis = Genesis { settlement: domain().settlement, ..genesis(HOME) };
    let holdings = vec![Holding { asset: asset(0), amount: amount(100) }];
    genesis.accounts.push(GenesisAccount { address: address(0), holdings });
    Accounts::new(CHAIN_ID, HOME, secret(0), &genesis).unwrap()
}

/// A payment by the first test account, and what a wallet shows of it.
fn payment() -> (Transaction, Value) {
    shown(&domain(), vec![transfer(0, 0, 50)])
}

/// What alloy signs if it is shown this.
fn sign(account: usize, data: &Value) -> Signature {
    wallet(account).sign_dynamic_typed_data_sync(&read(data)).unwrap()
}

/// The line that a wallet's user submits.
fn line(transaction: &Transaction, signature: &[u8]) -> String {
    json!({ "transaction": transaction, "signature": format!("0x{}", hex::encode(signature)) }).to_string()
}

/// Executes a line that can be read; returns the sender's nonce and money after it.
fn execute(line: &str) -> Result<(u32, u64), Box<AccountsError>> {
    let environment = environment();
    let signed = environment.parse(cache(), line).expect("a signed transaction");
    let mut state = environment.genesis();
    environment.execute(&mut state, &signed).map_err(Box::new)?;
    let account = state.account(&address(0)).unwrap();
    Ok((account.nonce, account.balances.balance(asset(0)).get()))
}

fn refusal(line: &str) -> Invalid {
    match *execute(line).unwrap_err() {
        AccountsError::Invalid(reason) => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn a_transaction_signed_by_alloy_is_executed_with_every_v_that_wallets_write() {
    let (transaction, data) = payment();
    let mut bytes = sign(0, &data).as_bytes();
    let parity = bytes[64] - 27;
    for v in [parity, 27 + parity] {
        bytes[64] = v;
        assert_eq!(execute(&line(&transaction, &bytes)).unwrap(), (1, 46));
    }
    // The other parity is another key's.
    for v in [1 - parity, 28 - parity] {
        bytes[64] = v;
        assert!(matches!(refusal(&line(&transaction, &bytes)), Invalid::OtherSigner { .. }));
    }
    for v in (2..=u8::MAX).filter(|v| ![27, 28].contains(v)) {
        bytes[64] = v;
        let refused = environment().parse(cache(), &line(&transaction, &bytes)).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("v of a signature is 27 or 28, or 0 or 1, found {v}")),
            "{refused}"
        );
    }
}

#[test]
fn alloy_and_we_make_the_same_signature() {
    // Both are deterministic as RFC 6979 says, with the lower s.
    for (account, (secret, _)) in TEST_ACCOUNTS.iter().enumerate() {
        let (transaction, data) = payment();
        let transaction = Transaction { sender: address(account), ..transaction };
        let key: SecretKey = secret.parse().unwrap();
        let signed = key.sign(transaction, &domain()).unwrap();
        assert_eq!(signed.signature.to_bytes(), sign(account, &data).as_bytes());
        assert_eq!(signed.recover(&domain()).unwrap(), key.public_key());
        // It recovers the account, too.
        let foreign = Signature::from_raw(&signed.signature.to_bytes()).unwrap();
        let recovered = foreign.recover_address_from_prehash(&foreign_hash(&data).into()).unwrap();
        assert_eq!(recovered.0, address(account).0);
    }
}

#[test]
fn the_higher_one_of_the_two_signatures_is_refused() {
    let (transaction, data) = payment();
    let lower = sign(0, &data);
    let order =
        U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16).unwrap();
    let higher = Signature::new(lower.r(), order - lower.s(), !lower.v());
    // alloy recovers the same account.
    let hash = foreign_hash(&data).into();
    assert_eq!(higher.recover_address_from_prehash(&hash).unwrap(), wallet(0).address());
    let refused = refusal(&line(&transaction, &higher.as_bytes()));
    assert!(matches!(refused, Invalid::Signature(RecoveryError::Range(EcdsaError::HighS(_)))), "{refused}");
}

#[test]
fn a_signature_by_another_account_is_refused() {
    let (transaction, data) = payment();
    let refused = refusal(&line(&transaction, &sign(1, &data).as_bytes()));
    let Invalid::OtherSigner { sender, found, .. } = refused else { panic!("{refused}") };
    assert_eq!((sender, found), (address(0), address(1)));
}

/// Checks that a signature by the sender of what `data` shows is not taken for one of the payment, and returns what differs.
fn difference(data: &Value) -> TypedDataError {
    let (transaction, _) = payment();
    let refused = refusal(&line(&transaction, &sign(0, data).as_bytes()));
    assert!(matches!(refused, Invalid::OtherSigner { .. }), "{refused}");
    check_typed_data(&domain(), address(0), data).unwrap_err()
}

#[test]
fn case_39_a_signature_for_another_chain_contract_or_environment_is_refused() {
    let (transaction, _) = payment();
    let (domain, other) = (domain(), Address([7; 20]));
    let settlement = domain.settlement;
    let shown = |domain| typed_data(&domain, &transaction);
    let chain = SigningDomain { settlement: Settlement { chain_id: 1, ..settlement }, ..domain };
    assert_eq!(difference(&shown(chain)), TypedDataError::OtherChain { expected: 31_337, found: 1 });
    let contract = SigningDomain { settlement: Settlement { contract: other, ..settlement }, ..domain };
    let (expected, found) = (settlement.contract.to_string(), other.to_string());
    assert_eq!(difference(&shown(contract)), TypedDataError::OtherContract { expected, found });
    let environment = SigningDomain { environment: EnvironmentId(6), ..domain };
    let (expected, found) = (domain.name(), "\"Superblock environment 6\"".to_owned());
    assert_eq!(difference(&shown(environment)), TypedDataError::DomainName { expected, found });
    let mut version = shown(domain);
    version["domain"]["version"] = json!("2");
    assert_eq!(
        difference(&version),
        TypedDataError::DomainVersion { expected: "1", found: "\"2\"".to_owned() }
    );
}

#[test]
fn fields_in_another_order_are_refused() {
    let (_, mut data) = payment();
    data["types"]["Transfer"].as_array_mut().unwrap().swap(0, 2);
    let differs = difference(&data);
    assert!(matches!(&differs, TypedDataError::Order { name, .. } if name == "Transfer"), "{differs}");
    let (_, mut data) = payment();
    data["types"]["Transaction"].as_array_mut().unwrap().swap(0, 1);
    let differs = difference(&data);
    assert!(matches!(&differs, TypedDataError::Order { name, .. } if name == "Transaction"), "{differs}");
}

#[test]
fn an_extra_field_is_refused_wherever_it_is() {
    for name in ["Transfer", "Transaction"] {
        let (_, mut data) = payment();
        data["types"][name].as_array_mut().unwrap().push(json!({ "name": "memo", "type": "string" }));
        data["message"]["memo"] = json!("for lunch");
        data["message"]["action1"]["memo"] = json!("for lunch");
        let (name, member) = (name.to_owned(), "\"memo\"".to_owned());
        assert_eq!(difference(&data), TypedDataError::ExtraMember { name, member });
    }
    let (_, mut data) = payment();
    data["types"]["EIP712Domain"].as_array_mut().unwrap().push(json!({ "name": "salt", "type": "bytes32" }));
    data["domain"]["salt"] = json!(format!("0x{}", "00".repeat(32)));
    assert_eq!(difference(&data), TypedDataError::Unexpected { path: "domain.\"salt\"".to_owned() });
}

#[test]
fn what_nobody_signs_is_refused_too() {
    // Neither changes the hash, so the signature holds; but the data says more than is signed.
    let (transaction, data) = payment();
    let mut unused = data.clone();
    unused["types"]["Swap"] = json!([{ "name": "sell", "type": "bytes6" }]);
    let mut unsigned = data.clone();
    unsigned["message"]["memo"] = json!("for lunch");
    for other in [unused, unsigned] {
        assert_eq!(foreign_hash(&other), foreign_hash(&data));
        assert_eq!(execute(&line(&transaction, &sign(0, &other).as_bytes())).unwrap(), (1, 46));
        check_typed_data(&domain(), address(0), &other).unwrap_err();
    }
}

#[test]
fn a_member_of_another_type_and_a_missing_one_are_refused() {
    let (_, mut data) = payment();
    data["types"]["Transfer"][2]["type"] = json!("uint256");
    let differs = difference(&data);
    assert!(matches!(&differs, TypedDataError::MemberType { member, .. } if member == "amount"), "{differs}");
    let (_, mut data) = payment();
    data["types"]["Transfer"].as_array_mut().unwrap().pop();
    let differs = difference(&data);
    assert!(
        matches!(&differs, TypedDataError::MissingMember { member, .. } if member == "amount"),
        "{differs}"
    );
}

#[test]
fn another_value_in_any_field_is_another_transaction() {
    let (transaction, data) = payment();
    for (path, value) in [
        ("/message/nonce", json!(1)),
        ("/message/fee", json!("5")),
        ("/message/lastBlock", json!(6)),
        ("/message/action1/to", json!(address(9))),
        ("/message/action1/asset", json!("0x000500000002")),
        ("/message/action1/amount", json!("51")),
    ] {
        let mut other = data.clone();
        *other.pointer_mut(path).unwrap() = value;
        let refused = refusal(&line(&transaction, &sign(0, &other).as_bytes()));
        assert!(matches!(refused, Invalid::OtherSigner { .. }), "{path}: {refused}");
        let read = check_typed_data(&domain(), address(0), &other).unwrap();
        assert_ne!(read, transaction, "{path}");
        // It is the sender's signature of that one.
        let of_read = execute(&line(&read, &sign(0, &other).as_bytes())).map_err(|error| *error);
        assert!(!matches!(of_read, Err(AccountsError::Invalid(Invalid::OtherSigner { .. }))), "{path}");
    }
}
