//! Transactions that are signed by a library which shares no code with ours: the C implementation of secp256k1.

use circuits_forging::fixtures::cache;
use circuits_tables::ecdsa::{EcdsaError, PublicKey};
use environments_accounts::{
    Accounts, AccountsError,
    config::{Genesis, GenesisAccount},
    execute::Invalid,
    fixtures::{HOME, amount, asset, genesis, transfer},
    key::{SecretKey, address_of},
    transaction::Transaction,
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

/// The line that a foreign wallet sends.
fn line(transaction: &Transaction, public: &secp256k1::PublicKey, signature: &[u8]) -> String {
    let (key, signature) = (hex::encode(public.serialize()), hex::encode(signature));
    json!({ "transaction": transaction, "key": key, "signature": signature }).to_string()
}

#[test]
fn a_transaction_signed_by_another_library_is_executed() {
    let (environment, transaction) = environment();
    let (key, public) = foreign_key();
    let message = Message::from_digest(transaction.signed_bytes(CHAIN_ID, HOME));
    let signature = ecdsa::sign(message, &key);
    let signed =
        environment.parse(cache(), &line(&transaction, &public, &signature.serialize_compact())).unwrap();
    let mut state = environment.genesis();
    environment.execute(&mut state, &signed).unwrap();
    let account = state.account(&transaction.sender).unwrap();
    assert_eq!((account.nonce, account.balances.balance(asset(0))), (1, amount(49)));
}

#[test]
fn both_libraries_derive_the_same_key_and_make_the_same_signature() {
    let (_, transaction) = environment();
    let (key, public) = foreign_key();
    let ours = SecretKey::from_bytes(&SECRET).unwrap();
    assert_eq!(ours.public_key().to_sec1(), public.serialize());
    assert_eq!(ours.address(), transaction.sender);
    let signed = ours.sign(transaction.clone(), CHAIN_ID, HOME).unwrap();
    // Both are deterministic as RFC 6979 says, with the lower s.
    let message = Message::from_digest(transaction.signed_bytes(CHAIN_ID, HOME));
    assert_eq!(signed.signature.to_bytes(), ecdsa::sign(message, &key).serialize_compact());
}

#[test]
fn the_upper_one_of_the_two_signatures_is_refused() {
    let (environment, transaction) = environment();
    let (key, public) = foreign_key();
    let message = Message::from_digest(transaction.signed_bytes(CHAIN_ID, HOME));
    let mut bytes = ecdsa::sign(message, &key).serialize_compact();
    let lower = secp256k1::SecretKey::from_secret_bytes(bytes[32..].try_into().unwrap()).unwrap();
    bytes[32..].copy_from_slice(&lower.negate().to_secret_bytes());
    let signed = environment.parse(cache(), &line(&transaction, &public, &bytes)).unwrap();
    let refused = environment.execute(&mut environment.genesis(), &signed);
    assert!(matches!(
        refused,
        Err(AccountsError::Invalid(Invalid::Signature { source: EcdsaError::HighS(_), .. }))
    ));
}
