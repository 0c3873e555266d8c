//! What is hashed of a transaction, natively.

use circuits_tables::{
    ecdsa::{Claim, PublicKey, to_words},
    keccak::{self, BLOCK_BYTES, Block, keccak256},
};
use environments_core::environment::EnvironmentId;

use super::{
    domain::SigningDomain,
    encoding::{VALUE_BYTES, Value, address_word, asset_word, recipient_word, uint_word},
    types::{ActionType, HEADER, transaction_type_hash},
};
use crate::{
    address::Address,
    transaction::{Action, Transaction},
};

/// The bytes whose Keccak-256 digest stands for an action in what is signed: the hash of its type, then its members.
#[must_use]
pub fn action_bytes(action: &Action) -> Vec<u8> {
    let members: Vec<Value> = match *action {
        Action::Transfer { to, asset, amount } => {
            vec![address_word(to), asset_word(asset), uint_word(amount.get())]
        }
        Action::Swap { asset_in, asset_out, amount, minimum } => vec![
            asset_word(asset_in),
            uint_word(amount.get()),
            asset_word(asset_out),
            uint_word(minimum.get()),
        ],
        Action::AddLiquidity { asset_a, asset_b, shares, maximum_a: a, maximum_b: b }
        | Action::RemoveLiquidity { asset_a, asset_b, shares, minimum_a: a, minimum_b: b } => vec![
            asset_word(asset_a),
            asset_word(asset_b),
            uint_word(shares.get()),
            uint_word(a.get()),
            uint_word(b.get()),
        ],
        Action::Bridge { destination, recipient, asset, amount, deadline } => {
            let common = [asset_word(asset), uint_word(amount.get()), uint_word(deadline.into())];
            // A recipient on L1 that is no address makes the transaction malformed, and no body holds it: its elements are
            // not hashed, so it would pass for a message to address 0.
            let to = if destination == EnvironmentId::L1 {
                vec![address_word(Address::from_digest(recipient).unwrap_or_default())]
            } else {
                vec![uint_word(destination.get().into()), recipient_word(recipient)]
            };
            [to, common.to_vec()].concat()
        }
    };
    [vec![ActionType::of(action).hash()], members].concat().concat()
}

/// The bytes whose Keccak-256 digest stands for a transaction: the hash of its type, then its members, the actions by the
/// digests of [`action_bytes`].
#[must_use]
pub fn transaction_bytes(transaction: &Transaction) -> Vec<u8> {
    let types: Vec<_> = transaction.actions.iter().map(ActionType::of).collect();
    let header = [
        transaction_type_hash(&types),
        uint_word(transaction.nonce.into()),
        uint_word(transaction.fee.get()),
        uint_word(transaction.deadline.into()),
    ];
    let actions = transaction.actions.iter().map(|action| keccak256(&action_bytes(action)));
    header.into_iter().chain(actions).collect::<Vec<_>>().concat()
}

/// The 66 bytes whose Keccak-256 digest is signed.
#[must_use]
pub fn signed_bytes(domain: &SigningDomain, transaction: &Transaction) -> Vec<u8> {
    [&domain.prefix()[..], &keccak256(&transaction_bytes(transaction))].concat()
}

/// The 32 bytes that are signed.
#[must_use]
pub fn signing_hash(domain: &SigningDomain, transaction: &Transaction) -> [u8; 32] {
    keccak256(&signed_bytes(domain, transaction))
}

/// What a batch of signatures states of a transaction: its key signed its [`signing_hash`].
#[must_use]
pub fn claim(domain: &SigningDomain, transaction: &Transaction, key: &PublicKey) -> Claim {
    let (key_x, key_y) = key.words();
    Claim { key_x, key_y, hash: to_words(&signing_hash(domain, transaction)) }
}

/// The bytes whose Keccak-256 digest ends in the address of the key: both coordinates.
#[must_use]
pub fn key_bytes(key: &PublicKey) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(key.x());
    bytes[32..].copy_from_slice(key.y());
    bytes
}

/// Everything that is hashed of a transaction, in the order in which circuits list it: the key, if this is the first
/// transaction of its account, the actions, the transaction, and what is signed.
#[must_use]
pub fn hashed(domain: &SigningDomain, transaction: &Transaction, first: Option<&PublicKey>) -> Vec<Vec<u8>> {
    let key = first.map(|key| key_bytes(key).to_vec());
    let actions = transaction.actions.iter().map(action_bytes);
    let rest = [transaction_bytes(transaction), signed_bytes(domain, transaction)];
    key.into_iter().chain(actions).chain(rest).collect()
}

/// How many [`blocks`] there are, without hashing anything. Each has a value of 32 bytes for every member and for its type.
#[must_use]
pub fn block_count(transaction: &Transaction, is_first: bool) -> usize {
    let count = |members: usize| (VALUE_BYTES * (1 + members)) / BLOCK_BYTES + 1;
    let actions = transaction.actions.iter().map(|action| count(ActionType::of(action).members().len()));
    // What is signed is one block, and so is a key.
    let rest = count(HEADER.len() + transaction.actions.len()) + 1 + usize::from(is_first);
    actions.sum::<usize>() + rest
}

/// The blocks of everything that is [`hashed`]: what the batch of a block's hashes must hold for this transaction.
#[must_use]
pub fn blocks(domain: &SigningDomain, transaction: &Transaction, first: Option<&PublicKey>) -> Vec<Block> {
    hashed(domain, transaction, first).iter().flat_map(|bytes| keccak::blocks(bytes)).collect()
}
