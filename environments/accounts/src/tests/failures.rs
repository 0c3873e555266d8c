//! Which transactions fail, and what is left of them.

use circuits_core::amount::Amount;
use environments_core::{BlockProducer, DynEnvironment, vault::VaultError};

use super::{address, balance, failure, give, outcome, share, world};
use crate::{
    account::ReceiveError,
    execute::{Failure, Outcome},
    fixtures::{DEPOSIT, FEE, NEWCOMER, RESERVES, START, amount, asset, swap, transfer},
    pool::{MINIMUM_SHARES, PoolError},
    transaction::Action,
};

fn add(pair: (u32, u32), shares: u64, maximum: (u64, u64)) -> Action {
    Action::AddLiquidity {
        asset_a: asset(pair.0),
        asset_b: asset(pair.1),
        shares: amount(shares),
        maximum_a: amount(maximum.0),
        maximum_b: amount(maximum.1),
    }
}

fn remove(pair: (u32, u32), shares: u64, minimum: (u64, u64)) -> Action {
    Action::RemoveLiquidity {
        asset_a: asset(pair.0),
        asset_b: asset(pair.1),
        shares: amount(shares),
        minimum_a: amount(minimum.0),
        minimum_b: amount(minimum.1),
    }
}

#[test]
fn a_failed_transaction_pays_fee_and_nonce_and_nothing_else() {
    let mut world = world();
    let before = world.state.clone();
    let actions =
        [transfer(NEWCOMER, 0, 50), swap(0, 1000, 1), add((0, 1), 100, (1000, 1000)), transfer(1, 9, 1)];
    let (action, reason) = failure(&mut world, 0, &actions);
    assert_eq!(action, 3);
    assert!(matches!(reason, Failure::Sender(VaultError::Balance { .. })));
    let mut paid = before.account(&address(0)).unwrap().clone();
    let after = world.state.account(&address(0)).unwrap();
    paid.balances.debit(asset(0), amount(FEE)).unwrap();
    (paid.nonce, paid.key) = (1, after.key);
    assert_eq!(*after, paid);
    for (address, account) in before.accounts().filter(|(other, _)| **other != address(0)) {
        assert_eq!(world.state.account(address), Some(account));
    }
    assert_eq!(world.state.account(&address(NEWCOMER)), None);
    assert!(world.state.pools().eq(before.pools()));
    assert_eq!(world.state.running().fees, amount(FEE).to_field());
    // Without the last action all the others are done.
    assert_eq!(outcome(&mut world, 0, &actions[..3]), Outcome::Done);
    assert_eq!(balance(&world.state, NEWCOMER, asset(0)), 50);
}

#[test]
fn a_block_reports_its_failed_transactions() {
    let mut world = world();
    let mut producer = BlockProducer::new(world.environment.clone());
    producer.submit(world.act(0, &[transfer(1, 0, 5)]).into()).unwrap();
    producer.submit(world.act(0, &[transfer(1, 0, 5), transfer(0, 0, 5)]).into()).unwrap();
    let report = DynEnvironment::propose_block(&mut producer).unwrap();
    assert_eq!((report.included.len(), report.rejected.len(), report.failed.len()), (2, 0, 1));
    let (position, reason) = &report.failed[0];
    assert_eq!((*position, reason.to_string().as_str()), (1, "action 1 cannot be done"));
    assert_eq!(reason.source().unwrap().to_string(), Failure::ToOneself.to_string());
}

#[test]
fn each_failing_transfer_has_its_reason() {
    let mut world = world();
    assert_eq!(failure(&mut world, 0, &[transfer(0, 0, 1)]), (0, Failure::ToOneself));
    for (n, value) in [(0, DEPOSIT - 1), (1, 500)] {
        let (_, reason) = failure(&mut world, 0, &[transfer(NEWCOMER, n, value)]);
        assert!(matches!(reason, Failure::Deposit { .. }), "{reason}");
    }
    let all = START - 4 * FEE;
    assert!(matches!(failure(&mut world, 0, &[transfer(1, 0, all + 1)]).1, Failure::Sender(_)));
    for n in 2..16 {
        give(&mut world, 1, asset(n), amount(1));
    }
    give(&mut world, 0, asset(16), amount(1));
    let full = Failure::Receiver(ReceiveError::Reserved { asset: asset(16), empty: 0 });
    assert_eq!(failure(&mut world, 0, &[transfer(1, 16, 1)]), (0, full));
    give(&mut world, 0, asset(2), Amount::MAX);
    let (_, reason) = failure(&mut world, 0, &[transfer(1, 2, Amount::MAX.get())]);
    assert!(matches!(reason, Failure::Receiver(ReceiveError::Vault(VaultError::Balance { .. }))), "{reason}");
}

#[test]
fn each_failing_use_of_a_pool_has_its_reason() {
    let mut world = world();
    let mut fails = |action| failure(&mut world, 1, &[action]).1;
    assert_eq!(
        fails(Action::Swap {
            asset_in: asset(1),
            asset_out: asset(5),
            amount: amount(1),
            minimum: amount(0),
        }),
        Failure::NoPool(asset(1), asset(5))
    );
    assert_eq!(fails(remove((1, 5), 1, (0, 0))), Failure::NoPool(asset(1), asset(5)));
    assert!(matches!(fails(swap(0, 1000, 499)), Failure::Pool(PoolError::TooLittle { .. })));
    assert!(matches!(fails(swap(0, 1, 0)), Failure::Pool(PoolError::Nothing { .. })));
    assert!(matches!(fails(swap(0, Amount::MAX.get(), 0)), Failure::Pool(PoolError::Range { .. })));
    assert!(matches!(fails(swap(0, 2 * START, 0)), Failure::Sender(_)));
    assert!(matches!(fails(add((0, 1), 101, (100, 100))), Failure::Pool(PoolError::TooMuch { .. })));
    assert!(matches!(fails(remove((0, 1), 1, (0, 0))), Failure::Sender(_)));
    assert!(matches!(fails(remove((0, 1), RESERVES.0, (0, 0))), Failure::Pool(PoolError::Shares { .. })));
    assert!(matches!(fails(add((1, 2), 1, (1001, 1))), Failure::Sender(_)));
    assert!(matches!(fails(add((1, 2), 2, (1001, 1))), Failure::Pool(PoolError::FirstShares { .. })));
}

#[test]
fn case_78_the_first_depositor_cannot_inflate_a_share() {
    let mut world = world();
    give(&mut world, 1, asset(2), amount(START));
    let made = add((1, 2), 1, (MINIMUM_SHARES + 1, 5000));
    assert_eq!(outcome(&mut world, 1, &[made]), Outcome::Done);
    let shares = share(&world, 1);
    assert_eq!(balance(&world.state, 1, shares), 1);
    // All but the locked shares go back, and the pool stays; nobody has the rest.
    assert_eq!(outcome(&mut world, 1, &[remove((1, 2), 1, (1, 4))]), Outcome::Done);
    let pool = world.state.pool(asset(1), asset(2)).unwrap();
    assert_eq!((pool.shares.get(), pool.reserve_a.get(), pool.reserve_b.get()), (1000, 1000, 4996));
    assert!(world.state.accounts().all(|(_, account)| account.balances.balance(shares) == Amount::ZERO));
    // The record of a pool is no account: nothing can be given to it.
    assert_eq!(world.state.running().pool_count, plonky2::field::types::Field::TWO);
}

#[test]
fn a_slot_that_an_action_frees_can_be_used_by_it() {
    let mut world = world();
    for n in 2..15 {
        give(&mut world, 0, asset(n), amount(1));
    }
    // 16 slots: assets 0 to 14 and the shares of the pool. All of asset 1 buys nothing new; all shares free their slot.
    let shares = balance(&world.state, 0, share(&world, 0));
    assert_eq!(outcome(&mut world, 0, &[transfer(1, 1, START)]), Outcome::Done);
    give(&mut world, 0, asset(20), amount(1));
    let (_, reason) = failure(&mut world, 0, &[swap(0, 1000, 1)]);
    assert_eq!(reason, Failure::Sender(VaultError::Full { asset: asset(1) }));
    assert_eq!(outcome(&mut world, 0, &[remove((0, 1), shares, (1, 1))]), Outcome::Done);
    assert!(balance(&world.state, 0, asset(1)) > 0);
}
