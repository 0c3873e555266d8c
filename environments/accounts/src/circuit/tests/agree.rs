//! What the circuit makes of transactions is what execution makes of them, whether they are done or fail.

use bridge_core::{AssetId, Consumption, Message};
use circuits_core::{amount::Amount, layout::Layout};
use circuits_forging::check;
use environments_core::{EnvironmentId, vault::VAULT_SLOTS};
use proptest::prelude::*;

use super::{input, slots, world};
use crate::{
    account::RESERVED_SLOTS,
    circuit::SlotInput,
    execute::Outcome,
    fixtures::{CLIENTS, DEPOSIT, NEWCOMER, START, World, amount, asset, key, swap, transfer},
    pool::share_asset,
    tests::invariants::{action, any_asset, value},
    transaction::Action,
};

/// Adds to the pool of two assets.
pub(super) fn add(pair: (u32, u32), shares: u64, maximum: (u64, u64)) -> Action {
    Action::AddLiquidity {
        asset_a: asset(pair.0),
        asset_b: asset(pair.1),
        shares: amount(shares),
        maximum_a: amount(maximum.0),
        maximum_b: amount(maximum.1),
    }
}

/// Takes from the pool of two assets.
pub(super) fn remove(pair: (u32, u32), shares: u64, minimum: (u64, u64)) -> Action {
    Action::RemoveLiquidity {
        asset_a: asset(pair.0),
        asset_b: asset(pair.1),
        shares: amount(shares),
        minimum_a: amount(minimum.0),
        minimum_b: amount(minimum.1),
    }
}

/// Gives a client a balance out of nothing.
pub(super) fn give(world: &mut World, client: usize, asset: AssetId, value: Amount) {
    let address = key(client).address();
    let mut account = world.state.account(&address).unwrap().clone();
    account.balances.credit(asset, value).unwrap();
    world.state.records.set_account(address, account).unwrap();
}

/// Executes transactions in slots, and demands that the circuit leads to the native state.
#[track_caller]
fn agree(world: &mut World, count: usize, transactions: &[(usize, &[Action])]) -> Vec<Outcome> {
    let (input, outcomes) = input(world, count, transactions);
    let found = check(slots(count), &input).unwrap_or_else(|error| panic!("{outcomes:?}: {error}"));
    assert_eq!(found, world.state.running().encode(), "{outcomes:?}");
    outcomes
}

/// One action that is done.
#[track_caller]
pub(super) fn done(world: &mut World, sender: usize, action: Action) {
    assert_eq!(agree(world, 1, &[(sender, &[action])]), [Outcome::Done]);
}

/// One action that fails.
#[track_caller]
pub(super) fn fails(world: &mut World, sender: usize, action: Action) {
    assert!(matches!(agree(world, 1, &[(sender, &[action])])[..], [Outcome::Failed { action: 0, .. }]));
}

#[test]
fn transfers_agree() {
    let mut world = world();
    done(&mut world, 0, transfer(1, 0, 5));
    done(&mut world, 0, transfer(1, 1, START));
    done(&mut world, 1, transfer(NEWCOMER, 0, DEPOSIT));
    done(&mut world, 1, transfer(NEWCOMER, 1, 3));
    fails(&mut world, 1, transfer(1, 0, 5));
    fails(&mut world, 0, transfer(1, 1, 1));
    fails(&mut world, 0, transfer(1, 0, START + 6));
    fails(&mut world, 0, transfer(NEWCOMER + 1, 0, DEPOSIT - 1));
    fails(&mut world, 1, transfer(NEWCOMER + 1, 1, 500));
    // The receiver's slots that are left are reserved, or its balance would be too large.
    let public = u32::try_from(VAULT_SLOTS - 1 - RESERVED_SLOTS).unwrap();
    for n in 2..=public {
        give(&mut world, 1, asset(n), amount(1));
    }
    give(&mut world, 0, asset(16), amount(1));
    fails(&mut world, 0, transfer(1, 16, 1));
    give(&mut world, 0, asset(2), Amount::MAX);
    fails(&mut world, 0, transfer(1, 2, Amount::MAX.get()));
    done(&mut world, 0, transfer(1, 2, Amount::MAX.get() - 1));
    // It can still send, and has room again when one more slot is empty.
    done(&mut world, 1, transfer(0, 3, 1));
    done(&mut world, 0, transfer(1, 16, 1));
    // The owner's own assets fill the rest.
    give(&mut world, 0, asset(16), amount(1));
    for n in 20..20 + u32::try_from(RESERVED_SLOTS).unwrap() {
        give(&mut world, 1, asset(n), amount(1));
        fails(&mut world, 0, transfer(1, 3, 1));
    }
    done(&mut world, 0, transfer(1, 16, 1));
}

#[test]
fn swaps_agree() {
    let mut world = world();
    done(&mut world, 0, swap(0, 1000, 400));
    done(&mut world, 1, swap(1, 1001, 1));
    done(&mut world, 1, swap(1, 997_000, 0));
    fails(&mut world, 0, swap(0, 1, 0));
    fails(&mut world, 0, swap(0, 1000, 1 << 50));
    fails(&mut world, 0, swap(0, START + 1, 0));
    fails(&mut world, 0, swap(0, Amount::MAX.get(), 0));
    let other =
        Action::Swap { asset_in: asset(0), asset_out: asset(5), amount: amount(5), minimum: amount(0) };
    fails(&mut world, 0, other);
    // There is one slot for what is bought, and none.
    done(&mut world, 3, transfer(0, 1, START));
    for n in 3..17 {
        give(&mut world, 3, asset(n), amount(1));
    }
    done(&mut world.clone(), 3, swap(0, 1000, 0));
    give(&mut world, 3, asset(2), amount(1));
    fails(&mut world, 3, swap(0, 1000, 0));
}

#[test]
fn liquidity_agrees() {
    let mut world = world();
    done(&mut world, 0, add((0, 1), 1000, (START / 2, START / 2)));
    done(&mut world, 0, remove((0, 1), 1, (0, 0)));
    done(&mut world, 0, remove((0, 1), 999, (990, 490)));
    fails(&mut world, 0, add((0, 1), 1000, (999, START)));
    fails(&mut world, 0, add((0, 1), 1000, (START, 499)));
    fails(&mut world, 0, add((0, 1), Amount::MAX.get(), (Amount::MAX.get(), Amount::MAX.get())));
    fails(&mut world, 1, remove((0, 1), 1, (0, 0)));
    fails(&mut world, 0, remove((0, 1), 1000, (1001, 0)));
    fails(&mut world, 0, remove((0, 1), 1000, (0, 501)));
    fails(&mut world, 0, remove((0, 1), 600_000, (0, 0)));
    fails(&mut world, 0, remove((0, 1), Amount::MAX.get(), (0, 0)));
    fails(&mut world, 0, remove((1, 2), 5, (0, 0)));
    // A pool is made.
    give(&mut world, 0, asset(2), Amount::MAX);
    fails(&mut world, 0, add((1, 2), 1, (1000, 7)));
    fails(&mut world, 0, add((1, 2), 4000, (5000, 0)));
    // Some shares are locked: the first to pay in cannot make one share worth a fortune.
    fails(&mut world, 0, add((1, 2), 5000, (5000, 7)));
    fails(&mut world, 0, add((1, 2), 1, (1, 7)));
    fails(&mut world, 1, add((1, 2), 4000, (5000, 7)));
    done(&mut world, 0, add((1, 2), 4000, (5000, 7)));
    let share = share_asset(EnvironmentId::new(5).unwrap(), 1);
    assert_eq!(world.state.account(&key(0).address()).unwrap().balances.balance(share), amount(4000));
    done(&mut world, 0, remove((1, 2), 4000, (0, 0)));
    // A lopsided pool, whose shares are worth more than any amount.
    give(&mut world, 0, asset(3), Amount::MAX);
    done(&mut world, 0, add((2, 3), 1, (1001, Amount::MAX.get() - 1)));
    fails(&mut world, 0, add((2, 3), 1 << 57, (Amount::MAX.get(), Amount::MAX.get())));
    fails(&mut world, 0, remove((2, 3), 1 << 57, (0, 0)));
    fails(&mut world, 0, remove((2, 3), 1001, (0, 0)));
    let sell =
        Action::Swap { asset_in: asset(3), asset_out: asset(2), amount: amount(1), minimum: amount(0) };
    fails(&mut world, 0, sell);
    done(&mut world, 0, transfer(1, 0, 1));
}

#[test]
fn transactions_of_several_actions_agree() {
    let mut world = world();
    let four =
        [transfer(NEWCOMER, 0, 50), swap(0, 1000, 1), add((0, 1), 100, (1000, 1000)), transfer(1, 1, 1)];
    let mut bad = four;
    bad[1] = swap(0, 1000, 1 << 40);
    assert_eq!(agree(&mut world, 5, &[(0, &four), (1, &four[..1])]), [Outcome::Done; 2]);
    let outcomes = agree(&mut world, 5, &[(0, &bad)]);
    assert!(matches!(outcomes[..], [Outcome::Failed { action: 1, .. }]));
    bad[0] = transfer(NEWCOMER + 1, 0, 50);
    let two = [transfer(NEWCOMER + 1, 0, 70), transfer(NEWCOMER + 1, 1, 7)];
    let outcomes = agree(&mut world, 5, &[(2, &two), (1, &bad[..2])]);
    assert!(matches!(outcomes[..], [Outcome::Done, Outcome::Failed { action: 1, .. }]));
    // No transaction at all.
    assert_eq!(agree(&mut world, 2, &[]), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_a_block_is_made_of_agrees(
        // Other assets that each client holds.
        filled in prop::collection::vec(prop_oneof![Just(0u32), 4u32..=13], CLIENTS),
        received in prop::collection::vec((0usize..6, any_asset(), value(), any::<bool>()), 0..3),
        transactions in prop::collection::vec((0usize..4, prop::collection::vec(action(), 1..=3)), 1..4),
    ) {
        let mut world = world();
        for (client, count) in filled.into_iter().enumerate() {
            (0..count).for_each(|n| give(&mut world, client, asset(20 + n), amount(1)));
        }
        let (context, before) = (world.state.context(), world.state.running());
        let mut parts = vec![];
        for (number, (to, asset, value, returns)) in (0..).zip(received) {
            let (message, consumption) = if returns {
                (world.returned(9, number, to, 0, value), Consumption::Refund)
            } else {
                (world.message(9, number, to, 0, value), Consumption::Claim)
            };
            let message = Message { asset, ..message };
            if let Ok(taken) = world.state.arrive(&message, consumption) {
                parts.push(SlotInput::of_arrival(&context, &taken));
            }
        }
        for (sender, actions) in transactions {
            if parts.len() + actions.len() <= 5 {
                // Who has given all away cannot pay the fee.
                let transaction = world.unsigned(sender, &actions);
                if let Ok(executed) = world.state.execute_proven(&transaction, key(sender).public_key()) {
                    parts.extend(SlotInput::of_transaction(&context, &executed));
                }
            }
        }
        parts.resize(5, SlotInput::idle(&context));
        let found = check(slots(5), &super::SlotsInput { context, before, slots: parts });
        prop_assert_eq!(found.map_err(|error| error.to_string()), Ok(world.state.running().encode()));
    }
}
