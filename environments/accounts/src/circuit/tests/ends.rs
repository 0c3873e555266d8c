//! The ends of ranges: what execution calls invalid has no proof, and what has none is what it calls invalid.

use bridge_core::{AssetId, Consumption, Message, message::SEQUENCE_BITS};
use circuits_core::{
    Compiled, F,
    amount::{AMOUNT_BITS, Amount},
    constrain::ledger::{self, Assertion},
    layout::Layout,
    trees::{KeyedTree, Path, SetWitness, TreeError, empty_root, leaf_hash},
};
use circuits_forging::{assert_accepts, assert_rejects, check};
use environments_core::{Environment, EnvironmentId};
use plonky2::field::types::Field;

use super::{
    Slots, SlotsInput,
    agree::{add, done, fails, give, remove},
    attacks::{claim, element},
    input, slots, taken, world,
};
use crate::{
    AccountsError,
    account::Account,
    address::account_key,
    arrival::ArrivalError,
    block::{CHUNK_SLOTS, MAX_TRANSACTIONS},
    circuit::SlotInput,
    execute::{Invalid, Outcome},
    fixtures::{DEPOSIT, FEE, NEWCOMER, START, World, amount, asset, bridge, key, swap, transfer},
    pool::{POOL_NUMBER_BITS, Pool, share_asset},
    state::{Running, SealError, TREE_DEPTH},
    transaction::{Action, MAX_ACTIONS, Transaction, sequence},
};

/// The reason why execution refuses a transaction, which changes nothing.
#[track_caller]
fn refused(world: &World, sender: usize, actions: &[Action]) -> Invalid {
    let mut state = world.state.clone();
    let transaction = world.unsigned(sender, actions);
    let reason = state.execute_proven(&transaction, key(sender).public_key()).unwrap_err();
    assert_eq!(state, world.state);
    reason
}

/// The slot of a transaction of client 0 that is executed on the world's state, which stays as it is.
fn slot(world: &World, action: Action) -> (SlotsInput, Outcome) {
    let (slot, outcomes) = input(&mut world.clone(), 1, &[(0, &[action])]);
    (slot, outcomes[0])
}

/// Uses of pools that do not exist, each of which fails.
fn uses_of_absent_pools() -> [Action; 4] {
    let swap =
        Action::Swap { asset_in: asset(6), asset_out: asset(5), amount: amount(1), minimum: amount(0) };
    [swap, remove((5, 6), 1, (0, 0)), add((5, 6), 1, (1, 1)), add((5, 6), 1, (1001, 1))]
}

#[test]
fn pool_numbers_end_for_execution_and_circuit_alike() {
    let mut world = world();
    give(&mut world, 0, asset(2), amount(1000));
    let first = world.clone();
    world.state.records.pool_count = (1 << POOL_NUMBER_BITS) - 1;
    for action in uses_of_absent_pools() {
        fails(&mut world, 0, action);
    }
    // The last pool has the last asset.
    done(&mut world, 0, add((1, 2), 4000, (5000, 7)));
    let share = share_asset(super::HERE, (1 << POOL_NUMBER_BITS) - 1);
    assert_eq!(share.local(), u32::MAX);
    assert_eq!(world.state.account(&key(0).address()).unwrap().balances.balance(share), amount(4000));

    for action in uses_of_absent_pools() {
        let invalid = Invalid::NoPoolNumber(asset(5), asset(6));
        assert_eq!(refused(&world, 0, &[action]), invalid);
        assert_eq!(refused(&world, 0, &[transfer(1, 0, 1), action]), invalid);
        // An action before it fails: the transaction is no less invalid.
        assert_eq!(refused(&world, 0, &[transfer(1, 0, 1 << 57), action]), invalid);
        let (mut slot, outcome) = slot(&first, action);
        assert!(matches!(outcome, Outcome::Failed { .. }));
        slot.before.pool_count = element((1 << POOL_NUMBER_BITS) - 1);
        assert_accepts(slots(1), &slot);
        slot.before.pool_count = element(1 << POOL_NUMBER_BITS);
        assert_rejects(slots(1), &slot);
    }
    let (mut two, _) =
        input(&mut first.clone(), 2, &[(0, &[transfer(1, 0, 1 << 57), remove((5, 6), 1, (0, 0))])]);
    two.before.pool_count = element((1 << POOL_NUMBER_BITS) - 1);
    assert_accepts(slots(2), &two);
    two.before.pool_count = element(1 << POOL_NUMBER_BITS);
    assert_rejects(slots(2), &two);

    // Pools that exist can be used as before.
    done(&mut world, 0, swap(0, 1000, 1));
    done(&mut world, 0, add((1, 2), 10, (100, 100)));
    done(&mut world, 0, remove((1, 2), 10, (0, 0)));
    fails(&mut world, 0, remove((1, 2), 1 << 57, (0, 0)));
}

/// The world with its records in a tree of 8 slots, of which two are free.
fn shallow_world() -> World {
    let mut world = world();
    world.state.records.tree = KeyedTree::from_entries(3, world.state.records.tree.iter()).unwrap();
    assert_eq!(world.state.records.tree.count(), 6);
    world
}

#[test]
fn a_full_tree_refuses_what_would_need_a_slot_and_nothing_else() {
    let mut world = shallow_world();
    let full = TreeError::Full { count: 8, added: 1, depth: 3 };
    let act = |world: &mut World, actions: &[Action]| {
        let transaction = world.unsigned(0, actions);
        world.state.execute_proven(&transaction, key(0).public_key()).map(|done| done.outcome)
    };
    let create = |n: usize| transfer(NEWCOMER + n, 0, DEPOSIT);
    assert_eq!(refused(&world, 0, &[create(0), create(1), create(2)]), Invalid::Tree(full.clone()));
    // What fails creates nothing, and the slots stay free.
    let failed = act(&mut world, &[create(0), create(1), transfer(1, 0, 1 << 57)]).unwrap();
    assert!(matches!(failed, Outcome::Failed { action: 2, .. }));
    assert_eq!(act(&mut world, &[create(0), create(1), transfer(NEWCOMER, 1, 5)]), Ok(Outcome::Done));
    for action in uses_of_absent_pools().into_iter().chain([create(2), transfer(NEWCOMER + 2, 0, 1)]) {
        assert_eq!(refused(&world, 0, &[action]), Invalid::Tree(full.clone()), "{action:?}");
        assert_eq!(refused(&world, 0, &[transfer(1, 0, 1), action]), Invalid::Tree(full.clone()));
    }
    let all = [transfer(NEWCOMER, 0, 1), swap(0, 1000, 1), bridge(6, 0, 1), transfer(1, 1, 5)];
    assert_eq!(act(&mut world, &all), Ok(Outcome::Done));
    world.state.seal().unwrap();
    let before = world.state.clone();
    let to_nobody = world.message(6, 0, NEWCOMER + 2, 0, DEPOSIT);
    assert_eq!(world.state.arrive(&to_nobody, Consumption::Claim), Err(ArrivalError::Tree(full)));
    assert_eq!(world.state, before);
    world.state.arrive(&world.message(6, 0, NEWCOMER, 0, 5), Consumption::Claim).unwrap();
}

/// The same insertion of `key` into the last slot of the tree.
fn in_the_last_slot(set: &SetWitness, key: circuits_core::Digest) -> SetWitness {
    let leaf = &set.leaf;
    let linked = leaf_hash(leaf.key, leaf.value, key);
    let half = TREE_DEPTH - 1;
    let left = Path { siblings: leaf.path.siblings[..half].to_vec() }.root(leaf.index, linked);
    let siblings = (0..half).map(empty_root).chain([left]).collect();
    SetWitness { slot: Path { siblings }, ..set.clone() }
}

#[test]
fn the_tree_ends_where_execution_says_it_is_full() {
    let world = world();
    let full = element(1 << TREE_DEPTH);
    let key = account_key(key(NEWCOMER).address());
    for (value, after) in [(DEPOSIT, full), (DEPOSIT - 1, element((1 << TREE_DEPTH) - 1))] {
        let (mut last, _) = slot(&world, transfer(NEWCOMER, 0, value));
        assert!(last.slots[0].set.insert);
        last.slots[0].set = in_the_last_slot(&last.slots[0].set, *key);
        last.before.count = element((1 << TREE_DEPTH) - 1);
        let found = Running::decode(&check(slots(1), &last).unwrap()).unwrap();
        assert_eq!(found.count, after);
        last.before.count = full;
        assert_rejects(slots(1), &last);
    }
    for action in [transfer(1, 0, 5), swap(0, 1000, 1), bridge(6, 0, 1), transfer(1, 0, 1 << 57)] {
        let (mut update, _) = slot(&world, action);
        update.before.count = full;
        assert_accepts(slots(1), &update);
    }
}

#[test]
fn a_message_finds_the_tree_as_full_as_execution_does() {
    let full = element(1 << TREE_DEPTH);
    let (_, mut known) = claim(1);
    known.before.count = full;
    assert_accepts(slots(1), &known);
    let (_, mut created) = claim(NEWCOMER);
    let key = account_key(key(NEWCOMER).address());
    created.slots[0].set = in_the_last_slot(&created.slots[0].set, *key);
    created.before.count = element((1 << TREE_DEPTH) - 1);
    let found = Running::decode(&check(slots(1), &created).unwrap()).unwrap();
    assert_eq!(found.count, full);
    created.before.count = full;
    assert_rejects(slots(1), &created);
}

#[test]
fn a_slot_without_an_action_is_there_at_every_end() {
    let mut world = world();
    world.state.height = u32::MAX - 1;
    world.state.deployment.minimum_fee = Amount::MAX;
    world.state.fees = Amount::MAX;
    let (mut none, _) = input(&mut world, 1, &[]);
    none.before.count = element(1 << TREE_DEPTH);
    none.before.pool_count = element(1 << POOL_NUMBER_BITS);
    none.before.transactions = element(MAX_TRANSACTIONS as u64);
    assert_eq!(check(slots(1), &none).unwrap(), none.before.encode());
}

/// The slots of a transaction of client 0 that pays this fee, if it is valid.
fn paying(world: &mut World, fee: Amount, actions: &[Action]) -> Result<SlotsInput, Invalid> {
    let (context, before) = (world.state.context(), world.state.running());
    let transaction = Transaction { fee, ..world.unsigned(0, actions) };
    let executed = world.state.execute_proven(&transaction, key(0).public_key())?;
    Ok(SlotsInput { context, before, slots: SlotInput::of_transaction(&context, &executed) })
}

#[test]
fn minimum_fees_end_for_execution_and_circuit_alike() {
    let mut start = world();
    give(&mut start, 0, asset(0), amount(Amount::MAX.get() - START));
    let with = |minimum: u64| {
        let mut world = start.clone();
        world.state.deployment.minimum_fee = amount(minimum);
        world
    };
    let (quarter, most) = (1 << (AMOUNT_BITS - 2), Amount::MAX);
    for (minimum, count, fee) in [
        (0, 1, 0),
        (0, 2, 0),
        (1, 2, 2),
        (most.get(), 1, most.get()),
        (most.get() / 2, 2, most.get() - 1),
        (quarter - 1, 2, 2 * quarter - 2),
    ] {
        let actions = vec![transfer(1, 1, 1); count];
        let mut world = with(minimum);
        let mut honest = paying(&mut world, amount(fee), &actions).unwrap();
        let found = check(slots(count), &honest).unwrap();
        assert_eq!(found, world.state.running().encode(), "{count} actions for {fee}");
        honest.context.minimum_fee += F::ONE;
        assert_rejects(slots(count), &honest);
    }
    // No fee is enough for two actions of which one may cost all that there can be.
    for (minimum, count, fee) in [(most, 2, most), (most, 4, most), (amount(quarter), 4, most)] {
        let actions = vec![transfer(1, 1, 1); count];
        let low = Invalid::LowFee { actions: count, minimum, fee };
        assert_eq!(paying(&mut with(minimum.get()), fee, &actions).unwrap_err(), low);
    }
    let mut cheap = paying(&mut with(0), most, &[transfer(1, 1, 1); 2]).unwrap();
    assert_accepts(slots(2), &cheap);
    cheap.context.minimum_fee = most.to_field();
    assert_rejects(slots(2), &cheap);
}

#[test]
fn minimum_deposits_end_for_execution_and_circuit_alike() {
    for (minimum, enough) in [(0, 1), (1, 1), (Amount::MAX.get(), Amount::MAX.get())] {
        let mut world = world();
        give(&mut world, 0, asset(0), amount(Amount::MAX.get() - START));
        world.state.deployment.minimum_fee = Amount::ZERO;
        world.state.deployment.minimum_deposit = amount(minimum);
        let pay = |world: &mut World, value: u64| {
            let paid = paying(world, Amount::ZERO, &[transfer(NEWCOMER, 0, value)]).unwrap();
            assert_eq!(check(slots(1), &paid).unwrap(), world.state.running().encode());
            world.state.account(&key(NEWCOMER).address()).is_some()
        };
        if enough > 1 {
            assert!(!pay(&mut world, enough - 1));
        }
        assert!(pay(&mut world, enough));
    }
}

#[test]
fn balances_end_for_execution_and_circuit_alike() {
    let mut world = world();
    give(&mut world, 0, asset(1), amount(Amount::MAX.get() - START));
    let credits = [swap(0, 1000, 0), remove((0, 1), 1000, (0, 0))];
    for action in credits {
        fails(&mut world, 0, action);
    }
    fails(&mut world, 1, transfer(0, 1, 1));
    world.state.seal().unwrap();
    let message = world.message(6, 0, 0, 1, 1);
    for consumption in [Consumption::Claim, Consumption::Refund] {
        let mut other = message.clone();
        if consumption == Consumption::Refund {
            other = world.returned(6, 0, 0, 1, 1);
        }
        let refused = world.clone().state.arrive(&other, consumption);
        assert!(matches!(refused, Err(ArrivalError::Vault { .. })));
    }
    let all = world.state.account(&key(0).address()).unwrap().balances.balance(asset(1));
    assert_eq!(all, Amount::MAX);
    done(&mut world, 0, transfer(1, 1, 1));
    done(&mut world, 1, transfer(0, 1, 1));
    done(&mut world, 0, transfer(1, 1, 1000));
    for action in credits {
        done(&mut world, 0, action);
    }
}

#[test]
fn message_numbers_end_for_execution_and_circuit_alike() {
    let mut world = world();
    let address = key(0).address();
    let mut account = world.state.account(&address).unwrap().clone();
    account.nonce = u32::MAX - 1;
    world.state.records.set_account(address, account).unwrap();
    let (last, outcomes) = input(&mut world, 5, &[(0, &[bridge(6, 0, 1); MAX_ACTIONS])]);
    assert_eq!(outcomes, [Outcome::Done]);
    assert_eq!(check(slots(5), &last).unwrap(), world.state.running().encode());
    // The bridge has a number for every message of every nonce.
    assert!(sequence(u32::MAX) + MAX_ACTIONS as u64 <= 1 << SEQUENCE_BITS);
    assert_eq!(refused(&world, 0, &[bridge(6, 0, 1)]), Invalid::LastNonce(address));
}

#[test]
fn nonces_end_for_execution_and_circuit_alike() {
    let mut world = world();
    let address = key(0).address();
    let mut account = world.state.account(&address).unwrap().clone();
    account.nonce = u32::MAX - 1;
    world.state.records.set_account(address, account).unwrap();
    let (mut last, _) = slot(&world, bridge(u16::MAX, 0, 1));
    assert_accepts(slots(1), &last);
    last.slots[0].sender.nonce = element(u32::MAX.into());
    assert_rejects(slots(1), &last);
    done(&mut world, 0, bridge(u16::MAX, 0, 1));
    assert_eq!(refused(&world, 0, &[transfer(1, 0, 1)]), Invalid::LastNonce(address));
    // Others can still pay the account.
    done(&mut world, 1, transfer(0, 0, 1));
}

#[test]
fn heights_end_for_execution_and_circuit_alike() {
    let mut world = world();
    world.state.height = u32::MAX - 1;
    let (mut late, _) = slot(&world, transfer(1, 0, 5));
    assert_accepts(slots(1), &late);
    late.context.height = element(1 << 32);
    assert_rejects(slots(1), &late);
    done(&mut world, 0, transfer(1, 0, 5));
    world.state.seal().unwrap();
    let too_late = Invalid::TooLate { deadline: u32::MAX, height: 1 << 32 };
    assert_eq!(refused(&world, 0, &[transfer(1, 0, 5)]), too_late);
    let error = world.environment.propose(&world.state, &[]).err().unwrap();
    assert_eq!(error, AccountsError::Seal(SealError::Height(u32::MAX)));
}

#[test]
fn the_fees_of_a_block_end_for_execution_and_circuit_alike() {
    let mut world = world();
    world.state.fees = amount(Amount::MAX.get() - FEE);
    let (mut more, _) = slot(&world, transfer(1, 0, 5));
    more.before.fees = Amount::MAX.to_field();
    assert_rejects(slots(1), &more);
    done(&mut world, 0, transfer(1, 0, 5));
    assert_eq!(refused(&world, 0, &[transfer(1, 0, 5)]), Invalid::TooManyFees(amount(FEE)));
}

#[test]
fn reserves_and_shares_of_a_pool_end_for_execution_and_circuit_alike() {
    let mut world = world();
    let pool = *world.state.pool(asset(0), asset(1)).unwrap();
    let reserve_a = amount(Amount::MAX.get() - 1000);
    let filled = Pool { reserve_a, reserve_b: Amount::MAX, shares: Amount::MAX, ..pool };
    let set = |world: &mut World, pool: Pool| drop(world.state.records.set_pool(pool).unwrap());
    set(&mut world, filled);
    fails(&mut world, 0, swap(0, 1001, 0));
    done(&mut world, 0, swap(0, 1000, 0));
    assert_eq!(world.state.pool(asset(0), asset(1)).unwrap().reserve_a, Amount::MAX);
    fails(&mut world, 0, swap(0, 2, 0));
    done(&mut world, 0, swap(1, 900, 0));

    set(&mut world, Pool { shares: amount(Amount::MAX.get() - 5), ..pool });
    fails(&mut world, 0, add((0, 1), 6, (100, 100)));
    done(&mut world, 0, add((0, 1), 5, (100, 100)));
    assert_eq!(world.state.pool(asset(0), asset(1)).unwrap().shares, Amount::MAX);
    done(&mut world, 0, remove((0, 1), 5, (0, 0)));
}

#[test]
fn names_at_the_end_of_their_ranges_agree() {
    let mut world = world();
    let last = AssetId::new(u16::MAX, u32::MAX).unwrap();
    give(&mut world, 0, last, Amount::MAX);
    let to = key(1).address();
    done(&mut world, 0, Action::Transfer { to, asset: last, amount: Amount::MAX });
    let send = Action::Bridge {
        destination: EnvironmentId(u16::MAX),
        recipient: world.message(6, 0, 0, 0, 1).sender,
        asset: last,
        amount: Amount::MAX,
        deadline: u32::MAX,
    };
    done(&mut world, 1, send);
    world.state.seal().unwrap();
    let message = Message {
        asset: last,
        amount: Amount::MAX,
        deadline: u32::MAX,
        ..world.message(u16::MAX, (1 << SEQUENCE_BITS) - 1, 3, 0, 1)
    };
    let credited = taken(&mut world, 1, &[(message, Consumption::Claim)]);
    assert_eq!(check(slots(1), &credited).unwrap(), world.state.running().encode());
}

/// Fees of a chunk that wrap around the field: each of them is an amount, and so is their sum as a field element.
fn fees_that_wrap() -> SlotsInput {
    let mut world = world();
    for client in 0..CHUNK_SLOTS {
        let mut account = Account::new(asset(0));
        account.balances.credit(asset(0), Amount::MAX).unwrap();
        world.state.records.set_account(key(client).address(), account).unwrap();
    }
    let context = world.state.context();
    let before = Running { fees: Amount::MAX.to_field(), ..world.state.running() };
    let slots = (0..CHUNK_SLOTS).flat_map(|client| {
        // Execution would refuse the sum.
        world.state.fees = Amount::ZERO;
        let receiver = (client + 1) % CHUNK_SLOTS;
        let transaction =
            Transaction { fee: Amount::MAX, ..world.unsigned(client, &[transfer(receiver, 0, 1)]) };
        let executed = world.state.execute_proven(&transaction, key(client).public_key()).unwrap();
        SlotInput::of_transaction(&context, &executed)
    });
    let slots = slots.collect();
    SlotsInput { context, before, slots }
}

#[test]
fn case_65_fees_are_bounded_before_their_sum_can_wrap() {
    let (definition, lie) = (Slots(CHUNK_SLOTS), fees_that_wrap());
    let (honest, record) = ledger::record(&[], || Compiled::new(Slots(CHUNK_SLOTS)).unwrap());
    assert_rejects(&honest, &lie);

    let check_of_fees = "enforce_amount(builder, cursor.running.fees)";
    let line = include_str!("../slot.rs").lines().position(|line| line.contains(check_of_fees)).unwrap() + 1;
    let is_check = |assertion: &Assertion| {
        assertion.location.file().ends_with("circuit/slot.rs") && assertion.location.line() == line as u32
    };
    let assertions = record.assertions.iter().enumerate();
    let at: Vec<_> = assertions.filter(|(_, one)| is_check(one)).map(|(index, _)| index).collect();
    let (_, between) = at.split_last().unwrap();
    assert!(!between.is_empty());
    let (mutant, _) = ledger::record(between, || Compiled::new(definition).unwrap());
    let after = Running::decode(&check(&mutant, &lie).unwrap()).unwrap();
    assert_eq!(after.fees, F::from_canonical_usize(CHUNK_SLOTS + 1) * Amount::MAX.to_field());
}
