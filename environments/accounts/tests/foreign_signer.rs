//! Transactions that are signed by a library which shares no code with ours: the C implementation of secp256k1.

use circuits_forging::fixtures::cache;
use circuits_tables::ecdsa::{EcdsaError, PublicKey};
use environments_accounts::{
    Accounts, AccountsError,
    config::{Genesis, GenesisAccount},
    execute::Invalid,
    fixtures::{HOME, amount, asset, genesis, transfer},
    key::{SecretKey, address_of},
    signature::RecoveryError,
    transaction::Transaction,
    typed_data::signing_hash,
};
use environments_conformance::{CHAIN_ID, secret};
use environments_core::{Environment, vault::Holding};
use secp256k1::{Message, ecdsa};
use serde_json::json;

const SECRET: [u8; 32] = [0x5a; 32];

fn foreign_key() -> (secp256k1::SecretKey, secp256k1::PublicKey) {
    let key = secp256k1::SecretKey::from_secret_bytes(SECRET).unwrap();
    let public = secp256k1::PublicKey::from_secret_key(&key);
    (key, public)
}

fn environment() -> (Accounts, Transaction) {
    let (_, public) = foreign_key();
    let sender = address_of(&PublicKey::from_sec1(&public.serialize()).unwrap());
    let mut genesis: Genesis = genesis(HOME);
    let holdings = vec![Holding { asset: asset(0), amount: amount(100) }];
    genesis.accounts.push(GenesisAccount { address: sender, holdings });
    let actions = vec![transfer(0, 0, 50)];
    let transaction = Transaction { sender, nonce: 0, fee: amount(1), deadline: 5, actions };
    (Accounts::new(CHAIN_ID, HOME, secret(0), &genesis).unwrap(), transaction)
}

/// The line that a foreign wallet sends, with this `v`.
fn line(transaction: &Transaction, signature: &[u8], v: u8) -> String {
    json!({ "transaction": transaction, "signature": format!("0x{}{v:02x}", hex::encode(signature)) })
        .to_string()
}

fn hash(environment: &Accounts, transaction: &Transaction) -> Message {
    Message::from_digest(signing_hash(&environment.deployment().signing_domain(), transaction))
}

#[test]
fn a_transaction_signed_by_another_library_is_executed() {
    let (environment, transaction) = environment();
    let (key, _) = foreign_key();
    let signature = ecdsa::sign(hash(&environment, &transaction), &key).serialize_compact();
    let execute = |v| {
        let signed = environment.parse(cache(), &line(&transaction, &signature, v)).unwrap();
        let mut state = environment.genesis();
        environment.execute(&mut state, &signed).map(|()| state)
    };
    // One of the two keys that the numbers allow is the sender's, however it is named.
    let right = if execute(27).is_ok() { [27, 0] } else { [28, 1] };
    for v in right {
        let state = execute(v).unwrap();
        let account = state.account(&transaction.sender).unwrap();
        assert_eq!((account.nonce, account.balances.balance(asset(0))), (1, amount(49)));
        let other = execute(match v {
            0 => 1,
            1 => 0,
            27 => 28,
            _ => 27,
        })
        .unwrap_err();
        assert!(matches!(other, AccountsError::Invalid(Invalid::OtherSigner { .. })), "{other}");
    }
}

#[test]
fn both_libraries_derive_the_same_key_and_make_the_same_signature() {
    let (environment, transaction) = environment();
    let (key, public) = foreign_key();
    let ours = SecretKey::from_bytes(&SECRET).unwrap();
    assert_eq!(ours.public_key().to_sec1(), public.serialize());
    assert_eq!(ours.address(), transaction.sender);
    let signed = ours.sign(transaction.clone(), &environment.deployment().signing_domain()).unwrap();
    // Both are deterministic as RFC 6979 says, with the lower s.
    let theirs = ecdsa::sign(hash(&environment, &transaction), &key).serialize_compact();
    assert_eq!(signed.signature.signature.to_bytes(), theirs);
}

#[test]
fn the_upper_one_of_the_two_signatures_is_refused() {
    let (environment, transaction) = environment();
    let (key, _) = foreign_key();
    let mut bytes = ecdsa::sign(hash(&environment, &transaction), &key).serialize_compact();
    let lower = secp256k1::SecretKey::from_secret_bytes(bytes[32..].try_into().unwrap()).unwrap();
    bytes[32..].copy_from_slice(&lower.negate().to_secret_bytes());
    for v in [27, 28] {
        let signed = environment.parse(cache(), &line(&transaction, &bytes, v)).unwrap();
        let refused = environment.execute(&mut environment.genesis(), &signed);
        assert!(matches!(
            refused,
            Err(AccountsError::Invalid(Invalid::Signature(RecoveryError::Range(EcdsaError::HighS(_)))))
        ));
    }
}
