//! A transaction that is not done leaves what a copy of the records from before it would bring back.

use environments_conformance::{CHAIN_ID, secret};
use proptest::prelude::*;

use super::*;
use crate::{
    fixtures::{DEPOSIT, HOME, NEWCOMER, World, amount, asset, key, transfer},
    pool::MINIMUM_SHARES,
    tests::invariants::action,
};

fn world() -> World {
    World::new(CHAIN_ID, HOME, secret(0))
}

/// What a transaction leads to if all records are copied to return to when an action fails: the state after it, the
/// slots and the outcome.
fn by_copy(
    before: &AccountsState,
    transaction: &Transaction,
    key: PublicKey,
) -> Result<(AccountsState, Vec<SlotWitness>, Outcome), Invalid> {
    let (x, y) = key.words();
    let commitment = key_commitment(&x, &y);
    before.check(transaction, commitment)?;
    let mut state = before.clone();
    let Deployment { chain_id, environment, fee_asset, .. } = state.deployment;
    let sender = transaction.sender;

    let account = state.account(&sender).unwrap().clone();
    let leaf = state.records.tree.prove_update(&account_key(sender)).unwrap();
    let mut charged = Account { key: commitment, nonce: account.nonce + 1, ..account.clone() };
    charged.balances.debit(fee_asset, transaction.fee).unwrap();
    state.records.set_account(sender, charged).unwrap();
    state.fees = state.fees.checked_add(transaction.fee).unwrap();
    state.transactions += 1;
    state.claims = append(state.claims, &claim(chain_id, environment, transaction, &key));

    let base = state.records.clone();
    let (mut slots, mut outcome) = (vec![], Outcome::Done);
    for (position, action) in transaction.actions.iter().enumerate() {
        let (slot, result) = state.records.act(&before.deployment, sender, action, &mut vec![])?;
        slots.push(slot);
        if let (Err(reason), Outcome::Done) = (result, outcome) {
            outcome = Outcome::Failed { action: position, reason };
        }
    }
    (slots[0].sender, slots[0].sender_leaf) = (account, leaf);
    match outcome {
        Outcome::Failed { .. } => state.records = base,
        Outcome::Done => {
            for message in transaction.messages(chain_id, environment) {
                state.outbox = outbox_append(state.outbox, message.hash());
            }
        }
    }
    Ok((state, slots, outcome))
}

/// Executes an unsigned transaction of a client, and compares the state with the one that a copy leads to.
fn execute(world: &mut World, sender: usize, actions: &[Action]) -> Result<Outcome, Invalid> {
    let transaction = world.unsigned(sender, actions);
    let key = key(sender).public_key();
    let before = world.state.clone();
    let expected = by_copy(&before, &transaction, key);
    match (world.state.execute_proven(&transaction, key), expected) {
        (Ok(found), Ok((state, slots, outcome))) => {
            assert_eq!((found.slots, found.outcome), (slots, outcome));
            assert_eq!(world.state, state);
            assert_eq!(world.state.commitment(), state.commitment());
            if let Outcome::Failed { .. } = outcome {
                // Nothing but the sender differs from the state before.
                let mut back = world.state.records.clone();
                let address = transaction.sender;
                back.set_account(address, before.account(&address).unwrap().clone()).unwrap();
                assert_eq!(back, before.records);
            }
            Ok(outcome)
        }
        (Err(found), Err(expected)) => {
            assert_eq!(found, expected);
            assert_eq!(world.state, before);
            assert_eq!(world.state.commitment(), before.commitment());
            Err(found)
        }
        (found, expected) => panic!("{found:?} instead of {expected:?}"),
    }
}

/// What makes the pool of assets 1 and 2.
fn make_pool() -> Action {
    Action::AddLiquidity {
        asset_a: asset(1),
        asset_b: asset(2),
        shares: amount(4000),
        maximum_a: amount(4000 + MINIMUM_SHARES),
        maximum_b: amount(7),
    }
}

/// A world in which client 0 can make that pool.
fn rich_world() -> World {
    let mut world = world();
    let address = key(0).address();
    let mut account = world.state.account(&address).unwrap().clone();
    account.balances.credit(asset(2), amount(1000)).unwrap();
    world.state.records.set_account(address, account).unwrap();
    world
}

#[test]
fn a_failed_transaction_leaves_nothing_of_the_accounts_pools_and_messages_that_it_made() {
    let mut world = rich_world();
    let deep = 1 << 57;
    let bridge = crate::fixtures::bridge(6, 0, 50);
    let failing: [&[Action]; 5] = [
        &[transfer(NEWCOMER, 0, DEPOSIT), make_pool(), bridge, transfer(1, 0, deep)],
        &[make_pool(), transfer(NEWCOMER, 0, DEPOSIT), transfer(NEWCOMER, 1, 5), transfer(1, 0, deep)],
        &[transfer(1, 0, deep), transfer(NEWCOMER, 0, DEPOSIT), make_pool()],
        &[transfer(NEWCOMER, 0, DEPOSIT), transfer(1, 0, deep), transfer(NEWCOMER + 1, 0, DEPOSIT)],
        &[bridge, transfer(1, 0, deep)],
    ];
    let (pools, supply) = (world.state.records.pool_count, world.state.fee_supply());
    for actions in failing {
        let outcome = execute(&mut world, 0, actions).unwrap();
        assert!(matches!(outcome, Outcome::Failed { .. }), "{actions:?}");
        assert_eq!((world.state.records.pool_count, world.state.fee_supply()), (pools, supply));
        assert_eq!(world.state.account(&key(NEWCOMER).address()), None);
    }
    let good = [transfer(NEWCOMER, 0, DEPOSIT), make_pool(), bridge, transfer(1, 0, 1)];
    assert_eq!(execute(&mut world, 0, &good), Ok(Outcome::Done));
    assert_eq!((world.state.records.pool_count, world.state.fee_supply()), (pools + 1, supply - 50));
}

#[test]
fn an_invalid_transaction_leaves_nothing_of_the_actions_before_the_invalid_one() {
    let mut world = rich_world();
    world.state.records.pool_count = (1 << POOL_NUMBER_BITS) - 1;
    let absent =
        Action::Swap { asset_in: asset(5), asset_out: asset(6), amount: amount(1), minimum: amount(0) };
    let expected = Err(Invalid::NoPoolNumber(asset(5), asset(6)));
    assert_eq!(execute(&mut world, 0, &[transfer(NEWCOMER, 0, DEPOSIT), make_pool(), absent]), expected);
    // The pool that would have got the last number was not made, so the number is still there.
    assert!(matches!(execute(&mut world, 0, &[absent]), Ok(Outcome::Failed { .. })));
    assert_eq!(execute(&mut world, 0, &[make_pool()]), Ok(Outcome::Done));
    assert_eq!(execute(&mut world, 0, &[transfer(1, 0, 1 << 57), absent]), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_transaction_leaves_is_what_a_copy_brings_back(
        transactions in prop::collection::vec((0usize..6, prop::collection::vec(action(), 1..=4)), 1..8),
        // Whether pool numbers end after this many more pools.
        left in prop_oneof![Just(None), (0u32..2).prop_map(Some)],
    ) {
        let mut world = rich_world();
        if let Some(left) = left {
            world.state.records.pool_count = (1 << POOL_NUMBER_BITS) - left;
        }
        for (sender, actions) in transactions {
            let _ = execute(&mut world, sender, &actions);
        }
    }
}
