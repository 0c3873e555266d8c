//! What no sequence of transactions changes.

use std::collections::{BTreeMap, BTreeSet};

use bridge_core::{AssetId, Consumption, Message};
use circuits_core::Digest;
use environments_core::{Environment, EnvironmentId};
use proptest::prelude::*;

use super::{share, world};
use crate::{
    execute::Outcome,
    fixtures::{World, amount, asset, key},
    pool::{MINIMUM_SHARES, Pool},
    state::AccountsState,
    transaction::{AccountsTransaction, Action},
};

/// Values around everything that matters: balances, reserves, the limits.
pub(crate) fn value() -> impl Strategy<Value = u64> {
    prop_oneof![1u64..100, 900u64..1100, 1u64..1_000_000, (1u64 << 58) - 2..1 << 58]
}

pub(crate) fn any_asset() -> impl Strategy<Value = AssetId> {
    (0u32..5).prop_map(|n| if n < 3 { asset(n) } else { share(&world(), n - 3) })
}

fn pair() -> impl Strategy<Value = (AssetId, AssetId)> {
    (any_asset(), any_asset())
        .prop_filter("two assets", |(a, b)| a != b)
        .prop_map(|(a, b)| (a.min(b), a.max(b)))
}

pub(crate) fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (0usize..6, any_asset(), value()).prop_map(|(to, asset, value)| Action::Transfer {
            to: key(to).address(),
            asset,
            amount: amount(value),
        }),
        (pair(), any::<bool>(), value(), 0u64..500).prop_map(|((a, b), first, value, minimum)| {
            let (asset_in, asset_out) = if first { (a, b) } else { (b, a) };
            Action::Swap { asset_in, asset_out, amount: amount(value), minimum: amount(minimum) }
        }),
        (pair(), value(), value(), value(), any::<bool>()).prop_map(
            |((asset_a, asset_b), shares, a, b, first)| {
                let shares = if first { a.saturating_sub(MINIMUM_SHARES).max(1) } else { shares };
                Action::AddLiquidity {
                    asset_a,
                    asset_b,
                    shares: amount(shares),
                    maximum_a: amount(a),
                    maximum_b: amount(b),
                }
            }
        ),
        (pair(), value()).prop_map(|((asset_a, asset_b), shares)| Action::RemoveLiquidity {
            asset_a,
            asset_b,
            shares: amount(shares),
            minimum_a: amount(0),
            minimum_b: amount(0),
        }),
        (0u16..3, any_asset(), value()).prop_map(|(destination, asset, value)| Action::Bridge {
            destination: EnvironmentId(destination),
            recipient: Digest::ZERO,
            asset,
            amount: amount(value),
            deadline: 100,
        }),
    ]
}

/// The supply of every asset. Shares count those that exist: none may be held beyond them.
fn supply(world: &World) -> BTreeMap<AssetId, u64> {
    let state = &world.state;
    let mut supply = BTreeMap::new();
    for (_, account) in state.accounts() {
        for holding in account.balances.holdings() {
            *supply.entry(holding.asset).or_default() += holding.amount.get();
        }
    }
    for pool in state.pools() {
        *supply.entry(pool.asset_a).or_default() += pool.reserve_a.get();
        *supply.entry(pool.asset_b).or_default() += pool.reserve_b.get();
        *supply.entry(share(world, pool.number)).or_default() += MINIMUM_SHARES;
    }
    supply
}

/// What came in through the bridge, less what went out.
type Balance = BTreeMap<AssetId, i64>;

fn moved(balance: &mut Balance, message: &Message, sign: i64) {
    *balance.entry(message.asset).or_default() += sign * i64::try_from(message.amount.get()).unwrap();
}

/// Supplies of assets that no pool issues, and for each pool that all its shares exist: here, or where the
/// bridge brought them.
fn check_supply(world: &World, before: &BTreeMap<AssetId, u64>, balance: &Balance) {
    let after = supply(world);
    let here = |supply: &BTreeMap<AssetId, u64>, asset| {
        i64::try_from(supply.get(&asset).copied().unwrap_or_default()).unwrap()
    };
    let came_in = |asset| balance.get(&asset).copied().unwrap_or_default();
    for n in 0..3 {
        let asset = asset(n);
        assert_eq!(here(&after, asset), here(before, asset) + came_in(asset), "asset {n} is conserved");
    }
    for pool in world.state.pools() {
        let share = share(world, pool.number);
        let shares = i64::try_from(pool.shares.get()).unwrap() + came_in(share);
        assert_eq!(here(&after, share), shares, "the shares of {pool:?} are held, locked or away");
    }
    let in_accounts_and_pools = here(&after, asset(0));
    assert_eq!(in_accounts_and_pools, i64::try_from(world.state.fee_supply()).unwrap());
}

fn check_pools(before: &AccountsState, after: &AccountsState) {
    for pool in before.pools() {
        let now = after.pool(pool.asset_a, pool.asset_b).expect("pools stay");
        let worth = |one: &Pool, other: &Pool| {
            u128::from(one.reserve_a.get()) * u128::from(one.reserve_b.get()) / u128::from(other.shares.get())
        };
        // The product per square of shares never falls; compared without the square, which may not fit.
        if now.shares == pool.shares {
            assert!(worth(now, now) >= worth(pool, pool), "{pool:?} to {now:?}");
        }
        assert!(now.reserve_a.get() > 0 && now.reserve_b.get() > 0 && now.shares.get() >= MINIMUM_SHARES);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_transaction_makes_or_loses_an_asset(
        received in prop::collection::vec((0usize..6, any_asset(), value()), 0..4),
        transactions in prop::collection::vec((0usize..6, prop::collection::vec(action(), 1..=4)), 1..12),
    ) {
        let mut world = world();
        let start = supply(&world);
        let genesis = world.state.clone();
        let (mut offered, mut balance, mut sent) = (vec![], Balance::new(), vec![]);
        for (number, (to, asset, value)) in (0..).zip(received) {
            let message = Message { asset, ..world.message(9, number, to, 0, value) };
            let before = world.state.clone();
            match world.state.arrive(&message, Consumption::Claim) {
                Err(_) => prop_assert_eq!(&world.state, &before),
                Ok(witness) => {
                    prop_assert_eq!(witness.before, before.running());
                    moved(&mut balance, &message, 1);
                    offered.push(AccountsTransaction::Arrival { message, consumption: Consumption::Claim });
                }
            }
        }
        for (sender, actions) in transactions {
            let before = world.state.clone();
            let signed = world.sign(sender, world.unsigned(sender, &actions));
            match world.state.execute(&signed) {
                Err(_) => prop_assert_eq!(&world.state, &before),
                Ok(witness) => {
                    prop_assert_eq!(witness.before, before.running());
                    prop_assert_eq!(witness.slots.len(), actions.len());
                    prop_assert!(witness.outcome == Outcome::Done || witness.emitted.is_empty());
                    witness.emitted.iter().for_each(|message| moved(&mut balance, message, -1));
                    sent.extend(witness.emitted);
                    offered.push(signed.into());
                }
            }
            check_pools(&before, &world.state);
            prop_assert_eq!(world.state.records.tree.root(), rebuilt(&world.state));
        }
        let mut sealed = world.clone();
        sealed.state.seal().unwrap();
        check_supply(&sealed, &start, &balance);
        let proposal = world.environment.propose(&genesis, &offered.iter().collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(proposal.included.len(), offered.len());
        prop_assert_eq!(&proposal.state, &sealed.state);
        prop_assert_eq!(&proposal.block.messages().outbox, &sent);
        let numbers: BTreeSet<_> = sent.iter().map(|message| (message.sender, message.sequence)).collect();
        prop_assert_eq!(numbers.len(), sent.len());

        // All that was sent comes back.
        for message in sent {
            if sealed.state.arrive(&message, Consumption::Refund).is_ok() {
                moved(&mut balance, &message, 1);
            }
        }
        sealed.state.seal().unwrap();
        check_supply(&sealed, &start, &balance);
    }
}

#[test]
fn every_transaction_of_the_mix_is_done() {
    let mut world = world();
    let genesis = world.state.clone();
    let mix = world.mix(0, 240);
    let mut state = genesis;
    for signed in &mix {
        assert_eq!(state.execute(signed).unwrap().outcome, Outcome::Done, "{signed:?}");
    }
    assert_eq!(mix.iter().filter(|signed| signed.transaction.actions.len() == 4).count(), 24);
    assert_eq!(state, world.state);
}

/// The tree's root as an update of every record to itself leaves it: each record is the leaf that the tree has.
fn rebuilt(state: &AccountsState) -> circuits_core::Digest {
    let mut copy = state.records.clone();
    for (address, account) in state.records.accounts.iter() {
        copy.set_account(*address, account.clone()).unwrap();
    }
    for pool in state.records.pools.values() {
        copy.set_pool(*pool).unwrap();
    }
    assert_eq!(copy.pool_count, state.records.pool_count);
    assert_eq!(copy.tree.count(), 1 + copy.accounts.len() + copy.pools.len());
    copy.tree.root()
}
