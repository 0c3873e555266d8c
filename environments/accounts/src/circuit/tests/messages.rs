//! Messages: the circuit treats them as execution does, and every deviation is refused.

use bridge_core::{Consumption, Message, message::inbox_append};
use circuits_core::{Digest, F, amount::Amount, layout::Layout};
use circuits_forging::{assert_rejects, check};
use environments_core::vault::VAULT_SLOTS;
use plonky2::field::types::Field;

use super::{
    HERE, SlotsInput,
    agree::{add, give, remove},
    attacks::{claim, element, reopen},
    input, slots, taken, world,
};
use crate::{
    account::RESERVED_SLOTS,
    address::account_key,
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
        [(0, 0, 5), (0, 1, START), (1, 7, Amount::MAX.get()), (NEWCOMER, 0, DEPOSIT), (NEWCOMER, 9, 1)]
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
    // What comes back creates an account if it must.
    let returned = world.returned(6, 40, NEWCOMER + 1, 1, 1);
    takes(&mut world, returned, Consumption::Refund);
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
        slot.set = rich.state.records.tree.prove_set(slot.set.leaf.key).unwrap();
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
    let (_, honest) = claim(1);
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
    let (_, honest) = claim(1);
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
            other.slots[0].receiver = claim(NEWCOMER).1.slots[0].receiver;
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
    slot.set = before.state.records.tree.prove_set(account_key(key(1).address())).unwrap();
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
    let claimed = claim(3).1.slots[0].clone();
    let (mut late, _) = input(&mut world, 2, &[(0, &[transfer(1, 0, 5)])]);
    let after = world.state.running();
    late.slots[1] = claimed.clone();
    late.slots[1].set = world.state.records.tree.prove_set(account_key(key(3).address())).unwrap();
    assert!(leads_to(&late).is_none_or(|found| found == after));
    let (mut within, _) = input(&mut super::world(), 2, &[(0, &[transfer(1, 0, 5), transfer(1, 0, 6)])]);
    within.slots[1] = claimed.clone();
    assert_rejects(slots(2), &within);
    // In the chunk after a transaction's, too.
    let mut next = claim(3).1;
    next.before.transactions = F::ONE;
    assert!(leads_to(&next).is_none_or(|found| found == next.before));
}

/// A message to client 1 in this world, as if it had a slot for it.
fn credit(world: &World, consumption: Consumption, n: u32, value: u64) -> SlotsInput {
    let message = match consumption {
        Consumption::Claim => world.message(6, 9, 1, n, value),
        Consumption::Refund => world.returned(6, 9, 1, n, value),
    };
    let mut input = taken(&mut super::world(), 1, &[(message, consumption)]);
    input.before = world.state.running();
    input.slots[0].receiver = world.state.account(&key(1).address()).unwrap().fields();
    input.slots[0].set = world.state.records.tree.prove_set(account_key(key(1).address())).unwrap();
    input
}

/// Whether the message is taken in. If not, nothing happens.
#[track_caller]
fn is_taken_in(input: &SlotsInput) -> bool {
    let Some(after) = leads_to(input).filter(|after| *after != input.before) else { return false };
    assert_ne!((after.root, after.inbox), (input.before.root, input.before.inbox));
    true
}

/// The world in which client 1 has this number of empty slots.
fn with_empty_slots(count: usize) -> World {
    let mut world = world();
    for n in 2..=u32::try_from(VAULT_SLOTS - 1 - count).unwrap() {
        give(&mut world, 1, asset(n), amount(1));
    }
    assert_eq!(world.state.account(&key(1).address()).unwrap().balances.empty_slots(), count);
    world
}

#[test]
fn what_finds_no_place_is_not_in_the_inbox() {
    let full = with_empty_slots(0);
    for consumption in [Consumption::Claim, Consumption::Refund] {
        assert!(is_taken_in(&credit(&full, consumption, 3, 5)));
        assert!(!is_taken_in(&credit(&full, consumption, 16, 5)));
        assert!(!is_taken_in(&credit(&full, consumption, 3, Amount::MAX.get())));
    }
}

#[test]
fn case_91_a_claim_takes_no_reserved_slot_and_a_refund_does() {
    for (empty, claimed, refunded) in [
        (RESERVED_SLOTS + 1, true, true),
        (RESERVED_SLOTS, false, true),
        (RESERVED_SLOTS - 1, false, true),
        (1, false, true),
        (0, false, false),
    ] {
        let world = with_empty_slots(empty);
        let claim = credit(&world, Consumption::Claim, 16, 5);
        assert_eq!(is_taken_in(&claim), claimed, "{empty} slots are empty");
        let refund = credit(&world, Consumption::Refund, 16, 5);
        assert_eq!(is_taken_in(&refund), refunded, "{empty} slots are empty");
        // A claim that is called a refund is another message, which is not pending.
        let mut disguised = claim;
        disguised.slots[0].refund = F::ONE;
        let found = leads_to(&disguised).filter(|after| *after != disguised.before);
        assert!(found.is_none_or(|after| after.inbox != honest_inbox(&world)), "{empty} slots are empty");
    }
}

/// The inbox after what [`credit`] claims.
fn honest_inbox(world: &World) -> Digest {
    let message = world.message(6, 9, 1, 16, 5);
    inbox_append(world.state.running().inbox, message.hash(), Consumption::Claim)
}

#[test]
fn only_the_minimum_deposit_or_a_refund_creates_an_account() {
    let honest = claim(NEWCOMER).1;
    assert!(is_taken_in(&honest));
    let changed = |change: &dyn Fn(&mut SlotInput)| {
        let mut other = honest.clone();
        change(&mut other.slots[0]);
        is_taken_in(&other)
    };
    assert!(changed(&|slot| slot.action.amount += F::ONE));
    assert!(!changed(&|slot| slot.action.amount -= F::ONE));
    assert!(!changed(&|slot| slot.action.asset_in = asset(1).to_field()));
    let refunds: [&dyn Fn(&mut SlotInput); 2] =
        [&|slot| slot.action.amount -= F::ONE, &|slot| slot.action.asset_in = asset(1).to_field()];
    for change in refunds {
        assert!(changed(&|slot| {
            slot.refund = F::ONE;
            change(slot);
        }));
    }
    // An account that exists takes anything.
    let mut little = claim(1).1;
    little.slots[0].action.amount = F::ONE;
    assert!(is_taken_in(&little));
}

#[test]
fn case_91_a_flag_of_a_refund_opens_nothing_in_a_transaction() {
    // A transfer that fails for want of a slot that others may open, and one that would create an account.
    let mut reserved = with_empty_slots(RESERVED_SLOTS);
    give(&mut reserved, 0, asset(16), amount(5));
    for (world, action) in [(reserved, transfer(1, 16, 5)), (world(), transfer(NEWCOMER, 0, 1))] {
        let mut after = world.clone();
        let (mut failing, outcomes) = input(&mut after, 1, &[(0, &[action])]);
        assert!(matches!(outcomes[..], [Outcome::Failed { action: 0, .. }]));
        let expected = leads_to(&failing);
        assert_eq!(expected, Some(after.state.running()));
        failing.slots[0].refund = F::ONE;
        assert_eq!(leads_to(&failing), expected);
        // Marked as done: written on a tree where the sender has paid.
        let Action::Transfer { to, asset, amount } = action else { panic!("a transfer") };
        let sender = key(0).address();
        let mut paid = after.state.account(&sender).unwrap().clone();
        paid.balances.debit(asset, amount).unwrap();
        let mut tree = after.state.records.tree.clone();
        tree.update(*account_key(sender), paid.hash()).unwrap();
        failing.slots[0].set = tree.prove_set(account_key(to)).unwrap();
        assert_rejects(slots(1), &failing);
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
    let sender = account_key(key(0).address());
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
    tree.update(*sender, broke.hash()).unwrap();
    let mut sent = fails;
    sent.slots[0].set = tree.prove_set(sender).unwrap();
    assert_rejects(slots(1), &sent);
}
