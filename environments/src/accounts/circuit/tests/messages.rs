//! Messages: what the circuit makes of them is what execution makes of them, and nobody else's.

use bridge::{Consumption, Message};
use circuits::{amount::Amount, forging::check, layout::Layout};

use super::{SlotsInput, agree::give, input, slots, taken, world};
use crate::accounts::{
    execute::Outcome,
    fixtures::{DEPOSIT, NEWCOMER, START, World, amount, asset, bridge, swap, transfer},
    transaction::Action,
};

/// What the circuit of so many slots leads to is the native state.
#[track_caller]
fn agree(world: &World, input: &SlotsInput) {
    let found = check(slots(input.slots.len()), input).unwrap();
    assert_eq!(found, world.state.running().encode());
}

#[track_caller]
fn sends(world: &mut World, count: usize, transactions: &[(usize, &[Action])]) -> Vec<Outcome> {
    let (input, outcomes) = input(world, count, transactions);
    agree(world, &input);
    outcomes
}

/// Takes one message in, in a block of its own.
#[track_caller]
fn takes(world: &mut World, message: Message, consumption: Consumption) {
    world.state.seal().unwrap();
    let input = taken(world, 1, &[(message, consumption)]);
    agree(world, &input);
}

#[test]
fn messages_that_are_sent_agree() {
    let mut world = world();
    let good = bridge(6, 0, 50);
    assert_eq!(sends(&mut world, 1, &[(0, &[good])]), [Outcome::Done]);
    assert_eq!(sends(&mut world, 1, &[(0, &[bridge(0, 1, START)])]), [Outcome::Done]);
    // The asset 1:1 is environment 0's to claim up to superblock 1, and environment 1's.
    assert_eq!(sends(&mut world, 1, &[(1, &[bridge(1, 0, 1)])]), [Outcome::Done]);
    let failed = sends(&mut world, 1, &[(0, &[bridge(6, 0, START)])]);
    assert!(matches!(failed[..], [Outcome::Failed { action: 0, .. }]));
    let mixed = [transfer(1, 0, 5), good, swap(0, 1000, 1), bridge(7, 1, 2)];
    assert_eq!(sends(&mut world, 5, &[(0, &mixed), (1, &[good])]), [Outcome::Done; 2]);
    let before = world.state.running().outbox;
    let failing = [good, good, transfer(1, 1, 1 << 40)];
    let outcomes = sends(&mut world, 5, &[(0, &failing), (1, &[transfer(0, 0, 1)])]);
    assert!(matches!(outcomes[..], [Outcome::Failed { action: 2, .. }, Outcome::Done]));
    assert_eq!(world.state.running().outbox, before, "a failed transaction emits nothing");
    let failing = [good, bridge(7, 1, 1 << 40), good];
    let outcomes = sends(&mut world, 5, &[(0, &failing)]);
    assert!(matches!(outcomes[..], [Outcome::Failed { action: 1, .. }]));
}

#[test]
fn messages_that_are_taken_in_agree() {
    let mut world = world();
    for (number, (to, n, value)) in
        [(0, 0, 5), (0, 1, START), (1, 7, Amount::MAX.get()), (NEWCOMER, 0, DEPOSIT), (NEWCOMER + 1, 9, 1)]
            .into_iter()
            .enumerate()
    {
        let message = world.message(6, number as u64, to, n, value);
        takes(&mut world, message, Consumption::Claim);
    }
    let sent = world.unsigned(0, &[bridge(6, 0, 50), bridge(7, 1, 3)]).messages(7, super::HERE);
    sends(&mut world, 2, &[(0, &[bridge(6, 0, 50), bridge(7, 1, 3)])]);
    for message in sent {
        takes(&mut world, message, Consumption::Refund);
    }
    // What came in can be sent on.
    world.state.seal().unwrap();
    let messages = [
        (world.message(6, 50, 1, 2, 77), Consumption::Claim),
        (world.message(6, 51, 1, 2, 3), Consumption::Claim),
    ];
    let mut first = taken(&mut world, 2, &messages);
    let (then, outcomes) = input(&mut world, 3, &[(1, &[transfer(0, 2, 80)]), (0, &[bridge(6, 2, 80)])]);
    assert_eq!(outcomes, [Outcome::Done; 2]);
    first.slots.extend(then.slots);
    agree(&world, &first);
    assert_eq!(
        world.state.account(&crate::accounts::fixtures::key(0).address()).unwrap().balances.balance(asset(2)),
        Amount::ZERO
    );
    // A vault without a place takes more of what it has.
    for n in 20..34 {
        give(&mut world, 3, asset(n), amount(1));
    }
    let message = world.message(6, 99, 3, 33, 5);
    takes(&mut world, message, Consumption::Claim);
}
