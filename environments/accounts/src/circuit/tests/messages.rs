//! Messages: the circuit treats them as execution does, and every deviation is refused.

use bridge_core::{Consumption, Message};
use circuits_core::{F, amount::Amount, layout::Layout};
use circuits_forging::{assert_rejects, check};
use plonky2::field::types::Field;

use super::{
    HERE, SlotsInput,
    agree::{add, give, remove},
    attacks::{claim, element, reopen},
    input, slots, taken, world,
};
use crate::{
    circuit::{CONSUMES, SlotInput, TRANSACTS},
    execute::Outcome,
    fixtures::{DEPOSIT, NEWCOMER, START, World, amount, asset, bridge, key, swap, transfer},
    state::Running,
    transaction::Action,
};

/// What the slots lead to, if anything.
fn leads_to(input: &SlotsInput) -> Option<Running> {
    let found = check(slots(input.slots.len()), input).ok()?;
    Some(Running::decode(&found).unwrap())
}

/// A circuit of `count` slots leads to the native state.
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
    let sent = world.unsigned(0, &[bridge(6, 0, 50), bridge(7, 1, 3)]).messages(7, HERE);
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
    assert_eq!(world.state.account(&key(0).address()).unwrap().balances.balance(asset(2)), Amount::ZERO);
    // A vault without a free slot takes more of what it has.
    for n in 20..34 {
        give(&mut world, 3, asset(n), amount(1));
    }
    let message = world.message(6, 99, 3, 33, 5);
    takes(&mut world, message, Consumption::Claim);
}

#[test]
fn case_28_what_takes_a_message_in_does_nothing_else() {
    // Whatever the action is, nobody signed it: marked as a message that comes in, it does nothing.
    let mut rich = world();
    give(&mut rich, 0, asset(2), amount(9000));
    let actions = [
        swap(0, 1000, 1),
        add((0, 1), 100, (1000, 1000)),
        add((1, 2), 4000, (5000, 7)),
        remove((0, 1), 100, (1, 1)),
        bridge(6, 0, 50),
        transfer(1, 0, 50),
        transfer(NEWCOMER, 0, 50),
    ];
    for action in actions {
        let (mut disguised, outcomes) = input(&mut rich.clone(), 1, &[(0, &[action])]);
        assert_eq!(outcomes, [Outcome::Done]);
        let before = disguised.before;
        assert_ne!(leads_to(&disguised), Some(before));
        disguised.slots[0].mode = CONSUMES;
        disguised.slots[0].idle_root = before.root;
        // The counterpart as it is written after the sender, and as it is before.
        assert!(leads_to(&disguised).is_none_or(|after| after == before), "{action:?}");
        let slot = &mut disguised.slots[0];
        slot.set = rich.state.records.tree.prove_set(&slot.set.leaf.key).unwrap();
        match (leads_to(&disguised), action) {
            (None, _) => {}
            // A credit of what a message must say.
            (Some(after), Action::Transfer { .. }) => {
                assert_ne!(after.inbox, before.inbox);
                assert_eq!(
                    Running { root: before.root, count: before.count, inbox: before.inbox, ..after },
                    before
                );
            }
            (Some(after), _) => assert_eq!(after, before, "{action:?}"),
        }
    }
}

#[test]
fn a_slot_of_no_known_mode_does_nothing() {
    let (_, honest) = claim(1, 5);
    for mode in [F::ZERO, F::NEG_ONE, element(3), element(1 << 32)] {
        let mut other = honest.clone();
        other.slots[0].mode = mode;
        assert!(leads_to(&other).is_none_or(|after| after == honest.before));
        let mut paid = input(&mut world(), 1, &[(0, &[transfer(1, 0, 5)])]).0;
        paid.slots[0].mode = mode;
        paid.slots[0].idle_root = paid.before.root;
        assert_eq!(leads_to(&paid), Some(paid.before));
    }
    // As a transaction it is one that nobody can have signed: of a key without an account here.
    let mut signed = honest;
    signed.slots[0].mode = TRANSACTS;
    assert_rejects(slots(1), &signed);
}

#[test]
fn a_credit_has_its_entry_in_the_inbox_and_says_the_same() {
    let (_, honest) = claim(1, 5);
    let expected = leads_to(&honest).unwrap();
    assert_ne!((expected.root, expected.inbox), (honest.before.root, honest.before.inbox));
    let changes: [&dyn Fn(&mut SlotInput); 14] = [
        &|slot| slot.action.amount += F::ONE,
        &|slot| slot.action.asset_in += F::ONE,
        &|slot| slot.action.to[0] += F::ONE,
        &|slot| slot.action.to[3] += F::ONE,
        &|slot| slot.refund = F::ONE,
        &|slot| slot.message.chain_id += F::ONE,
        &|slot| slot.message.source += F::ONE,
        &|slot| slot.message.destination += F::ONE,
        &|slot| slot.message.sequence += F::ONE,
        &|slot| slot.message.deadline += F::ONE,
        &|slot| slot.message.other.0[0] += F::ONE,
        &|slot| slot.message.other.0[3] += F::ONE,
        &|slot| slot.message.data.0[0] += F::ONE,
        &|slot| slot.message.data.0[3] += F::ONE,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = honest.clone();
        change(&mut other.slots[0]);
        // Whoever is credited now is opened as it is.
        let absent = other.slots[0].action.to != honest.slots[0].action.to;
        if absent {
            reopen(&mut other);
            other.slots[0].receiver = claim(NEWCOMER, 5).1.slots[0].receiver;
        }
        let after = leads_to(&other).unwrap_or_else(|| panic!("change {number} is no message"));
        assert_ne!(after.inbox, expected.inbox, "change {number}");
    }
    // What it says of a sender, a fee or a pool is nothing.
    let mut charged = honest.clone();
    charged.slots[0].pool.shares = F::ONE;
    charged.slots[0].terms.deadline += F::ONE;
    assert_eq!(leads_to(&charged), Some(expected));
}

#[test]
fn a_refund_does_not_go_to_the_recipient_nor_a_claim_to_the_sender() {
    let mut world = world();
    let sent = world.unsigned(0, &[bridge(6, 1, 50)]).messages(7, HERE).remove(0);
    // To an address, so that somebody could be credited here.
    let sent = Message { recipient: key(1).address().to_digest(), ..sent };
    let before = world.clone();
    let honest = taken(&mut world, 1, &[(sent.clone(), Consumption::Refund)]);
    let inbox = leads_to(&honest).unwrap().inbox;
    let mut stolen = honest;
    let slot = &mut stolen.slots[0];
    slot.action.to = key(1).address().limbs();
    slot.receiver = before.state.account(&key(1).address()).unwrap().fields();
    slot.set = before.state.records.tree.prove_set(&key(1).address().tree_key()).unwrap();
    // The two change places in the message, and it is another one.
    assert_ne!(leads_to(&stolen).unwrap().inbox, inbox);
    stolen.slots[0].message.other = sent.sender;
    assert_ne!(leads_to(&stolen).unwrap().inbox, inbox);
    stolen.slots[0].refund = F::ZERO;
    assert_ne!(leads_to(&stolen).unwrap().inbox, inbox);
}

#[test]
fn no_message_is_taken_in_within_or_after_a_transaction() {
    let mut world = world();
    let claimed = claim(3, 5).1.slots[0].clone();
    let (mut late, _) = input(&mut world, 2, &[(0, &[transfer(1, 0, 5)])]);
    let after = world.state.running();
    late.slots[1] = claimed.clone();
    late.slots[1].set = world.state.records.tree.prove_set(&key(3).address().tree_key()).unwrap();
    assert!(leads_to(&late).is_none_or(|found| found == after));
    let (mut within, _) = input(&mut super::world(), 2, &[(0, &[transfer(1, 0, 5), transfer(1, 0, 6)])]);
    within.slots[1] = claimed.clone();
    assert_rejects(slots(2), &within);
    // In the chunk after a transaction's, too.
    let mut next = claim(3, 5).1;
    next.before.transactions = F::ONE;
    assert!(leads_to(&next).is_none_or(|found| found == next.before));
}

#[test]
fn what_finds_no_place_is_not_in_the_inbox() {
    let mut full = world();
    for n in 2..16 {
        give(&mut full, 1, asset(n), amount(1));
    }
    let credit = |world: &World, n, value| {
        // As if the account had a free slot.
        let message = world.message(6, 9, 1, n, value);
        let mut roomy = super::world();
        let mut input = taken(&mut roomy, 1, &[(message, Consumption::Claim)]);
        input.before = world.state.running();
        input.slots[0].receiver = world.state.account(&key(1).address()).unwrap().fields();
        input.slots[0].set = world.state.records.tree.prove_set(&key(1).address().tree_key()).unwrap();
        input
    };
    let taken = credit(&full, 3, 5);
    assert_ne!(leads_to(&taken).unwrap().inbox, taken.before.inbox);
    for (n, value) in [(16, 5), (3, Amount::MAX.get())] {
        let refused = credit(&full, n, value);
        assert!(leads_to(&refused).is_none_or(|after| after == refused.before), "{value} of asset {n}");
    }
}

#[test]
fn a_message_says_who_sends_what_and_where_from() {
    let outbox = |change: &dyn Fn(&mut SlotsInput)| {
        let mut input = input(&mut world(), 1, &[(0, &[bridge(6, 0, 50)])]).0;
        change(&mut input);
        leads_to(&input).map(|after| after.outbox)
    };
    let honest = outbox(&|_| {}).unwrap();
    // What the action says.
    for change in [
        (&|input: &mut SlotsInput| input.slots[0].action.to[3] += F::ONE) as &dyn Fn(&mut SlotsInput),
        &|input| input.slots[0].action.asset_out += F::ONE,
        &|input| input.slots[0].action.asset_out += element(1 << 32),
        &|input| input.context.chain_id += F::ONE,
        &|input| input.context.environment += element(9),
    ] {
        assert!(outbox(change).is_some_and(|other| other != honest));
    }
    // What the witness says of a message that comes in is nothing.
    for change in [
        (&|input: &mut SlotsInput| input.slots[0].message.chain_id += F::ONE) as &dyn Fn(&mut SlotsInput),
        &|input| input.slots[0].message.source += F::ONE,
        &|input| input.slots[0].message.sequence += F::ONE,
        &|input| input.slots[0].message.data.0[0] += F::ONE,
        &|input| input.slots[0].refund = F::ONE,
    ] {
        assert_eq!(outbox(change), Some(honest));
    }
    // Nor is another nonce the account's, or another amount what it pays.
    assert_eq!(outbox(&|input| input.slots[0].sender.nonce += F::ONE), None);
    assert_eq!(outbox(&|input| input.slots[0].action.amount += F::ONE), None);
    assert_eq!(outbox(&|input| input.slots[0].mode = F::ZERO), None);
}

#[test]
fn case_69_a_message_is_neither_sent_by_who_cannot_pay_nor_left_out() {
    let sender = key(0).address().tree_key();
    // Marked as failed: the record is written as it was before the message.
    let (mut unsent, outcomes) = input(&mut world(), 1, &[(0, &[bridge(6, 0, 50)])]);
    assert_eq!(outcomes, [Outcome::Done]);
    let (fails, outcomes) = input(&mut world(), 1, &[(0, &[bridge(6, 0, START)])]);
    assert!(matches!(outcomes[..], [Outcome::Failed { .. }]));
    unsent.slots[0].set = fails.slots[0].set.clone();
    assert_rejects(slots(1), &unsent);
    // Marked as done: as if more had been paid than there is.
    let mut tree = world().state.records.tree.clone();
    let mut broke = world().state.account(&key(0).address()).unwrap().clone();
    broke.balances.debit(asset(0), amount(START)).unwrap();
    tree.update(sender, broke.hash()).unwrap();
    let mut sent = fails;
    sent.slots[0].set = tree.prove_set(&sender).unwrap();
    assert_rejects(slots(1), &sent);
}
