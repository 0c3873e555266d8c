//! Network accounts, which every block publishes as its transactions leave them.

use circuits_core::{Digest, F, amount::AmountError};
use circuits_forging::fixtures::cache;
use environments_core::{Environment, vault::VaultError};
use plonky2::field::types::Field;
use proptest::prelude::*;

use super::world;
use crate::{
    NotesError, NotesTransaction,
    account::{Account, Holding, PUBLISHED_BYTES, PublishedError, Vault},
    body::{Body, BodyError, HEADER_BYTES, RECORD_BYTES},
    fixtures::{EXCHANGE, HOME, NETWORK_MINIMUM_FEE, World, amount, asset, order, owner, secret},
    state::NotesState,
    transaction::Request,
};

/// The state after a block of these transactions, all of which are included, and its body.
#[track_caller]
fn block(world: &World, state: &NotesState, transactions: &[NotesTransaction]) -> (NotesState, Vec<u8>) {
    let offered: Vec<_> = transactions.iter().collect();
    let proposal = world.environment.propose(state, &offered).unwrap();
    assert!(proposal.rejected.is_empty(), "{:?}", proposal.rejected);
    assert_eq!(proposal.included.len(), transactions.len());
    (proposal.state, proposal.block.body().to_vec())
}

/// A state with notes for the exchange order, and a block on top of it: a fill, the owner who collects, and a deposit.
fn traded() -> (World, NotesState, NotesState, Vec<u8>) {
    let mut world = world();
    let payments = [(1, 4), (0, 3 * NETWORK_MINIMUM_FEE), (0, 20), (0, 2 * NETWORK_MINIMUM_FEE)];
    let payments = payments.map(|(of, value)| world.payment(EXCHANGE, of, value));
    let pay = world.request(0, &[], payments.into(), 0);
    let notes = world.notes(&pay);
    let (state, body) = block(&world, &world.genesis(), &[pay.into()]);
    assert_eq!(Body::decode(&body).unwrap().accounts, [], "nobody sees into local accounts");
    let fill = world.trade(&notes[..1], &notes[1..2], vec![world.payment(0, 0, 6)]);
    let collect = world.own(&[], vec![world.payment(1, 1, 4)], None, 0);
    let deposit = world.trade(&notes[2..3], &notes[3..], vec![]);
    let transactions = [fill, collect, deposit].map(NotesTransaction::from);
    let (after, body) = block(&world, &state, &transactions);
    (world, state, after, body)
}

#[test]
fn a_network_account_is_published_as_each_of_its_transactions_leaves_it() {
    let (world, state, after, body) = traded();
    let order = &world.clients[EXCHANGE].account;
    let Body { records, accounts, .. } = Body::decode(&body).unwrap();
    assert!(records.iter().all(|record| record.network == F::ONE));
    assert_eq!(accounts.iter().map(|account| account.nonce).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(&accounts[2], order);
    // Whoever follows knows what the next transaction starts from, and needs nobody who made one.
    let follower = world.environment.apply_body(&state, &body).unwrap();
    assert_eq!(follower, after);
    assert_eq!(follower.public_account(&order.id), Some(order));
    assert_eq!(state.public_account(&order.id).map(|account| account.nonce), Some(0));
    // Of the genesis, accounts are known until they make a transaction.
    let [zero, one] = [0, 1].map(|client| follower.public_account(&world.clients[client].id()));
    assert_eq!((zero, one), (None, Some(&world.clients[1].account)));
}

#[test]
fn a_body_publishes_exactly_the_accounts_that_its_records_leave() {
    let (world, state, _, body) = traded();
    let start = HEADER_BYTES + 3 * RECORD_BYTES;
    assert_eq!(body.len(), start + 3 * PUBLISHED_BYTES);
    let refused = |body: &[u8]| match world.environment.apply_body(&state, body) {
        Err(NotesError::Body(error)) => {
            assert_eq!(world.environment.body_digest(body), Err(NotesError::Body(error.clone())));
            error
        }
        other => panic!("accepted: {other:?}"),
    };
    let found = body.len() - PUBLISHED_BYTES;
    assert_eq!(refused(&body[..found]), BodyError::Length { expected: body.len(), found });
    let more = [&body[..], &body[start..][..PUBLISHED_BYTES]].concat();
    assert_eq!(refused(&more), BodyError::Length { expected: body.len(), found: more.len() });
    let with = |position: usize, value: u64| {
        let mut changed = body.clone();
        changed[position..position + 8].copy_from_slice(&value.to_le_bytes());
        changed
    };

    // A record says whether there is an account.
    let flag = HEADER_BYTES + RECORD_BYTES - 8;
    assert_eq!(refused(&with(flag, 2)), BodyError::Flag { index: 0, found: 2 });
    let silent = with(flag, 0);
    let expected = body.len() - PUBLISHED_BYTES;
    assert_eq!(refused(&silent), BodyError::Length { expected, found: body.len() });
    let without = [&silent[..start], &silent[start + PUBLISHED_BYTES..]].concat();
    let digest = |body: &[u8]| world.environment.body_digest(body).unwrap();
    assert_ne!(digest(&without), digest(&body), "what is not published is not in the statement");

    // It is the one that the record leaves, and has one encoding.
    let nonce = start + 32;
    assert!(matches!(refused(&with(nonce, 7)), BodyError::OtherAccount { index: 0, .. }));
    let malformed = |position, value| match refused(&with(position, value)) {
        BodyError::Account { index: 0, source } => source,
        error => panic!("{error}"),
    };
    assert_eq!(malformed(nonce, 1 << 32), PublishedError::Nonce(1 << 32));
    let slot = |slot: usize| nonce + 8 + 16 * slot;
    let twice = asset(0).packed();
    assert!(matches!(malformed(slot(2), twice), PublishedError::Vault(VaultError::ZeroHolding { .. })));
    assert!(matches!(malformed(slot(2), 1 << 32), PublishedError::Asset { slot: 2, .. }));
    assert!(matches!(malformed(slot(2) + 8, 1), PublishedError::Asset { slot: 2, .. }));
    let source = AmountError::TooLarge(1 << 58);
    assert_eq!(malformed(slot(0) + 8, 1 << 58), PublishedError::Amount { slot: 0, source });
    let mut duplicate = with(slot(2), twice);
    duplicate[slot(2) + 8] = 1;
    let source = PublishedError::Vault(VaultError::Duplicate { asset: asset(0) });
    assert_eq!(refused(&duplicate), BodyError::Account { index: 0, source });
    assert!(matches!(malformed(start, u64::MAX), PublishedError::Layout(_)));
}

#[test]
fn what_moves_an_order_is_pleasant_json_and_keeps_its_secret() {
    let mut world = world();
    let fee = world.payment(EXCHANGE, 0, 2 * NETWORK_MINIMUM_FEE);
    let pay = world.request(0, &[], vec![fee, world.payment(EXCHANGE, 0, 20)], 0);
    let notes = world.notes(&pay);
    let trade = world.trade(&notes[1..], &notes[..1], vec![]);
    let own = world.own(&[], vec![world.payment(0, 0, 5)], None, 0);
    let (order, secret) = (order(), owner().expose());
    let terms = serde_json::json!({
        "gives": "1:1", "takes": "1:2", "pays": 3, "per": 2, "owner": order.terms().owner,
    });
    let json = |request: &Request| serde_json::to_value(request).unwrap();
    assert_eq!(json(&trade)["authority"], serde_json::json!({ "kind": "exchange", "order": terms }));
    assert_eq!(json(&trade)["inputs"][1]["pays_fee"], true);
    assert_eq!(json(&trade)["inputs"][0].as_object().unwrap().len(), 1);
    let expected = serde_json::json!({ "kind": "owner", "order": terms, "secret": secret });
    assert_eq!(json(&own)["authority"], expected);
    for request in [trade, own] {
        let transaction = NotesTransaction::from(request);
        let line = serde_json::to_string(&transaction).unwrap();
        assert_eq!(world.environment.parse(cache(), &line).unwrap(), transaction);
        let error = world.environment.execute(&mut world.genesis(), &transaction).unwrap_err();
        let text = format!("{transaction:?} {error} {error:?}");
        assert!(!text.contains(&secret.to_string()), "{text}");
    }
}

proptest! {
    #[test]
    fn published_accounts_are_read_as_they_are_written(
        nonce: u32,
        slots in proptest::collection::vec(proptest::option::of(1..1u64 << 58), 0..16),
        n: u64,
    ) {
        let holding = |(slot, value)| Some(Holding { asset: asset(slot), amount: amount(value?) });
        let slots: Vec<_> = (0..).zip(slots).map(holding).collect();
        let vault = Vault::try_from(slots).unwrap();
        let account = Account { nonce, vault, ..Account::new(7, HOME, secret(n), Digest::ZERO) };
        let read = Account::from_published(account.id, &account.to_published());
        prop_assert_eq!(read, Ok(account));
    }
}
