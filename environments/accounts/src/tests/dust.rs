//! What others send neither makes a transaction of an account fail nor keeps a refund out, as long as the owner's own assets
//! fit into the slots that are reserved for them.

use std::ops::Range;

use bridge_core::Consumption;
use environments_core::vault::{VAULT_SLOTS, VaultError};
use proptest::prelude::*;

use super::{address, balance, give, invariants::action, outcome, share, world};
use crate::{
    account::{RESERVED_SLOTS, ReceiveError},
    arrival::ArrivalError,
    execute::{Failure, Outcome},
    fixtures::{
        CLIENTS, COLLECTOR, DEPOSIT, FEE, NEWCOMER, START, World, amount, asset, bridge, swap, transfer,
    },
    pool::MINIMUM_SHARES,
    transaction::Action,
};

/// Slots of a vault that others may open, if the owner opens none.
const OPEN_SLOTS: usize = VAULT_SLOTS - 1 - RESERVED_SLOTS;
/// The client that others send dust to. It holds the fee asset and one more.
const OWNER: usize = 1;
/// The client that sends it.
const SENDER: usize = 3;
/// The first asset that nobody holds at genesis, pools and shares aside.
const UNKNOWN: u32 = 10;

/// Sends a client one unit of an asset. Returns whether it arrived.
fn dust(world: &mut World, to: usize, n: u32) -> bool {
    let before = balance(&world.state, SENDER, asset(n));
    give(world, SENDER, asset(n), amount(1));
    match outcome(world, SENDER, &[transfer(to, n, 1)]) {
        Outcome::Done => true,
        Outcome::Failed { reason, .. } => {
            assert!(matches!(reason, Failure::Receiver(ReceiveError::Reserved { .. })), "{reason}");
            let mut account = world.state.account(&address(SENDER)).unwrap().clone();
            account.balances.debit(asset(n), amount(1)).unwrap();
            world.state.records.set_account(address(SENDER), account).unwrap();
            assert_eq!(balance(&world.state, SENDER, asset(n)), before);
            false
        }
    }
}

/// How many of these assets a client took.
fn spray(world: &mut World, to: usize, assets: Range<u32>) -> usize {
    assets.filter(|&n| dust(world, to, n)).count()
}

fn empty_slots(world: &World, client: usize) -> usize {
    world.state.account(&address(client)).unwrap().balances.empty_slots()
}

/// Makes the pool of two assets out of nothing, and gives client `owner` all its shares that are not locked.
fn make_pool(world: &mut World, owner: usize, (a, b): (u32, u32)) {
    let reserve = 100 * MINIMUM_SHARES;
    for n in [a, b] {
        give(world, 0, asset(n), amount(reserve));
    }
    let (shares, number) = (amount(reserve - MINIMUM_SHARES), world.state.records.pool_count);
    let make = Action::AddLiquidity {
        asset_a: asset(a),
        asset_b: asset(b),
        shares,
        maximum_a: amount(reserve),
        maximum_b: amount(reserve),
    };
    let shares_of_pool = share(world, number);
    let give_on = Action::Transfer { to: address(owner), asset: shares_of_pool, amount: shares };
    assert_eq!(outcome(world, 0, &[make, give_on]), Outcome::Done);
}

fn remove((a, b): (u32, u32)) -> Action {
    Action::RemoveLiquidity {
        asset_a: asset(a),
        asset_b: asset(b),
        shares: amount(MINIMUM_SHARES),
        minimum_a: amount(1),
        minimum_b: amount(1),
    }
}

#[test]
fn case_91_dust_takes_no_slot_that_the_owners_transaction_opens() {
    let mut world = world();
    // Each action pays out two assets that the owner does not hold: no transaction opens more slots.
    let pools = [(20, 21), (22, 23), (24, 25), (26, 27)];
    pools.into_iter().for_each(|pair| make_pool(&mut world, OWNER, pair));
    assert_eq!(empty_slots(&world, OWNER), VAULT_SLOTS - 1 - 1 - pools.len());
    assert_eq!(spray(&mut world, OWNER, UNKNOWN..UNKNOWN + 9), OPEN_SLOTS - 1 - pools.len());
    assert_eq!(empty_slots(&world, OWNER), RESERVED_SLOTS);
    world.state.seal().unwrap();
    let claim = world.message(6, 0, OWNER, 30, 1);
    let (beneficiary, empty) = (address(OWNER), RESERVED_SLOTS);
    let source = ReceiveError::Reserved { asset: asset(30), empty };
    let refused = ArrivalError::Vault { beneficiary, source };
    assert_eq!(world.state.arrive(&claim, Consumption::Claim), Err(refused));

    assert_eq!(outcome(&mut world, OWNER, &pools.map(remove)), Outcome::Done);
    assert_eq!(empty_slots(&world, OWNER), 0);
    // More of what it holds still arrives.
    assert!(dust(&mut world, OWNER, 20) && dust(&mut world, OWNER, 0));
}

#[test]
fn case_91_a_refund_comes_home_through_dust() {
    let mut world = world();
    // The last of an asset is on its way when the dust comes.
    let sent = world.unsigned(OWNER, &[bridge(6, 1, START)]);
    let deployment = *world.environment.deployment();
    let message = sent.messages(deployment.chain_id, deployment.environment).remove(0);
    assert_eq!(outcome(&mut world, OWNER, &[bridge(6, 1, START)]), Outcome::Done);
    assert_eq!(spray(&mut world, OWNER, UNKNOWN..UNKNOWN + 12), OPEN_SLOTS);
    world.state.seal().unwrap();
    world.state.arrive(&message, Consumption::Refund).unwrap();
    assert_eq!(balance(&world.state, OWNER, asset(1)), START);
}

#[test]
fn a_refund_waits_while_its_owners_own_assets_fill_the_vault() {
    let mut world = world();
    // The owner opens all slots.
    for n in UNKNOWN..UNKNOWN + 14 {
        give(&mut world, OWNER, asset(n), amount(1));
    }
    let (beneficiary, returned) = (address(OWNER), world.returned(6, 0, OWNER, 99, 7));
    let source = VaultError::Full { asset: asset(99) }.into();
    let before = world.state.clone();
    let refused = ArrivalError::Vault { beneficiary, source };
    assert_eq!(world.state.arrive(&returned, Consumption::Refund), Err(refused));
    assert_eq!(world.state, before);
    // One emptied slot is enough, and nobody else takes it.
    assert_eq!(outcome(&mut world, OWNER, &[bridge(6, UNKNOWN, 1)]), Outcome::Done);
    assert_eq!(spray(&mut world, OWNER, 50..53), 0);
    world.state.seal().unwrap();
    world.state.arrive(&returned, Consumption::Refund).unwrap();
    assert_eq!(balance(&world.state, OWNER, asset(99)), 7);
}

#[test]
fn dust_takes_room_from_an_owner_only_beyond_the_reserved_slots() {
    let mut quiet = world();
    make_pool(&mut quiet, SENDER, (0, 60));
    let mut noisy = quiet.clone();
    // The owner holds one asset more than the fee asset.
    assert_eq!(spray(&mut noisy, OWNER, UNKNOWN..UNKNOWN + 12), OPEN_SLOTS - 1);
    let buy =
        Action::Swap { asset_in: asset(0), asset_out: asset(60), amount: amount(1000), minimum: amount(1) };
    for n in 40..40 + u32::try_from(RESERVED_SLOTS).unwrap() {
        for world in [&mut quiet, &mut noisy] {
            assert_eq!(outcome(&mut world.clone(), OWNER, &[buy]), Outcome::Done, "{n}");
            give(world, OWNER, asset(n), amount(1));
        }
    }
    assert_eq!(outcome(&mut quiet, OWNER, &[buy]), Outcome::Done);
    let reason = Failure::Sender(VaultError::Full { asset: asset(60) });
    assert_eq!(outcome(&mut noisy, OWNER, &[buy]), Outcome::Failed { action: 0, reason });
    // One slot that the owner empties is enough, and nobody else takes it.
    assert_eq!(outcome(&mut noisy, OWNER, &[bridge(6, UNKNOWN, 1)]), Outcome::Done);
    assert_eq!(spray(&mut noisy, OWNER, UNKNOWN..UNKNOWN + 3), 2, "more of what it holds");
    assert_eq!(outcome(&mut noisy, OWNER, &[buy]), Outcome::Done);
}

#[test]
fn an_owner_gets_rid_of_dust() {
    let mut world = world();
    assert_eq!(spray(&mut world, OWNER, UNKNOWN..UNKNOWN + 12), OPEN_SLOTS - 1);
    // To an account of his own, whose deposit stays his, or out of the environment.
    let away = [
        transfer(NEWCOMER, 0, DEPOSIT),
        transfer(NEWCOMER, UNKNOWN, 1),
        transfer(NEWCOMER, UNKNOWN + 1, 1),
        bridge(0, UNKNOWN + 2, 1),
    ];
    assert_eq!(outcome(&mut world, OWNER, &away), Outcome::Done);
    assert_eq!(empty_slots(&world, OWNER), RESERVED_SLOTS + 3);
    assert_eq!(spray(&mut world, OWNER, 50..60), 3);
}

#[test]
fn case_91_no_dust_keeps_fees_or_trades_out() {
    let mut world = world();
    assert_eq!(spray(&mut world, COLLECTOR, UNKNOWN..UNKNOWN + 12), OPEN_SLOTS - 1);
    let collected = balance(&world.state, COLLECTOR, asset(0));
    let fees = world.state.fees.get();
    world.state.seal().unwrap();
    assert_eq!(balance(&world.state, COLLECTOR, asset(0)), collected + fees);
    // A pool has no vault: it holds its two assets, and nobody sends it anything.
    assert_eq!(outcome(&mut world, OWNER, &[swap(0, 1000, 1)]), Outcome::Done);
    assert!(fees >= 12 * FEE);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn case_91_nothing_that_others_send_makes_a_transaction_fail(
        sender in 0..CLIENTS - 1,
        // Other assets that each client holds.
        filled in prop::collection::vec(0u32..=13, CLIENTS - 1),
        actions in prop::collection::vec(action(), 1..=4),
        sent in prop::collection::vec((any::<bool>(), prop_oneof![0u32..3, UNKNOWN..60]), 0..24),
    ) {
        let mut quiet = world();
        give(&mut quiet, 0, asset(2), amount(START));
        give(&mut quiet, SENDER, asset(2), amount(START));
        for (client, count) in filled.into_iter().enumerate() {
            // Client 0 also holds asset 2 and shares.
            let most = if client == 0 { 12 } else { count };
            (0..count.min(most)).for_each(|n| give(&mut quiet, client, asset(UNKNOWN + n), amount(1)));
        }
        let mut noisy = quiet.clone();
        for (number, (is_claim, n)) in (0..).zip(sent) {
            if is_claim {
                let message = noisy.message(6, number, sender, n, 1);
                let _ = noisy.state.arrive(&message, Consumption::Claim);
                noisy.state.seal().unwrap();
            } else {
                dust(&mut noisy, sender, n);
                noisy.state.seal().unwrap();
            }
        }
        let outcomes = [&mut quiet, &mut noisy].map(|world| {
            let transaction = world.sign(sender, world.unsigned(sender, &actions));
            world.state.execute(&transaction).map(|done| done.outcome)
        });
        if outcomes[0] == Ok(Outcome::Done) {
            prop_assert_eq!(&outcomes[1], &outcomes[0]);
        }
    }
}
