//! What viem hashes and signs.

use environments_accounts::{
    fixtures::viem, key::SecretKey, signature::RecoverableSignature, transaction::Transaction,
    typed_data::signing_hash,
};
use serde_json::Value;

use super::{TEST_ACCOUNTS, address, domain, hashes::sequences, shown};

#[test]
fn viem_computes_our_hash_of_every_sequence_of_kinds_and_signs_it() {
    let shown: Vec<(Transaction, Value)> = sequences().map(|actions| shown(&domain(), actions)).collect();
    let data: Vec<Value> = shown.iter().map(|(_, data)| data.clone()).collect();
    let signed = viem::sign(0, &data).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(signed.len(), shown.len());
    for ((transaction, data), signed) in shown.iter().zip(signed) {
        let hash = signing_hash(&domain(), transaction);
        assert_eq!(signed.hash, format!("0x{}", hex::encode(hash)), "{data}");
    }
}

#[test]
fn viem_signs_as_each_test_account_what_we_sign_with_its_key() {
    let (transaction, data) = shown(&domain(), sequences().last().unwrap());
    for (account, (secret, known)) in TEST_ACCOUNTS.iter().enumerate() {
        let signed =
            viem::sign(account, std::slice::from_ref(&data)).unwrap_or_else(|error| panic!("{error}"));
        let [viem::Signed { address: found, signature, .. }] = &signed[..] else { panic!("{signed:?}") };
        assert_eq!(found, known);
        if let Some(wallet) = viem::WALLETS.get(account) {
            assert_eq!(*wallet, address(account));
        }
        let ours = secret.parse::<SecretKey>().unwrap();
        let ours: RecoverableSignature = ours.sign(transaction.clone(), &domain()).unwrap().signature;
        assert_eq!(*signature, ours);
    }
}
