use plonky2::field::types::Field64;

use super::*;
use crate::{
    BridgeError, InvalidBridge, Ledger,
    message::{MAX_LIFETIME, MIN_LIFETIME},
};

fn refused(number: u32, state: &BridgeState, block: &BlockMessages) -> BridgeError {
    let mut crossing = crossing(number, state, std::slice::from_ref(block));
    let before = (crossing.state.clone(), crossing.lists, crossing.chunk.steps.clone());
    let error = crossing.apply_block(block).unwrap_err();
    assert_eq!(before, (crossing.state, crossing.lists, crossing.chunk.steps), "a refusal changes nothing");
    error
}

#[test]
fn an_asset_is_locked_minted_burned_and_unlocked() {
    let (out, back) = (message(A, B, 10), message(B, A, 4));
    let state = after(NUMBER, &BridgeState::default(), &[emits(&out)]);
    assert_eq!(state.balance(out.balance_key(A)), amount(10));
    assert_eq!(state.in_flight().count(), 1);
    let state = after(NUMBER + 1, &state, &[claims(&out)]);
    assert_eq!(state.balance(out.balance_key(B)), amount(10));
    let state = after(NUMBER + 2, &state, &[emits(&back), claims(&back)]);
    assert_eq!(
        (state.balance(out.balance_key(A)), state.balance(out.balance_key(B))),
        (amount(6), amount(6))
    );
    assert!(state.is_balanced() && state.in_flight().next().is_none());
}

#[test]
fn a_message_is_claimed_in_the_superblock_that_emits_it_if_the_emission_comes_first() {
    let out = message(A, B, 10);
    let state = BridgeState::default();
    after(NUMBER, &state, &[emits(&out), claims(&out)]);
    let mut crossing = crossing(NUMBER, &state, &[claims(&out)]);
    assert!(matches!(crossing.apply_block(&claims(&out)), Err(BridgeError::NotPending { .. })));
}

#[test]
fn a_message_is_consumed_once_by_claim_or_by_refund() {
    let out = message(A, B, 10);
    let emitted = after(NUMBER, &BridgeState::default(), &[emits(&out)]);
    let claimed = after(out.deadline, &emitted, &[claims(&out)]);
    let refunded = after(out.deadline + 1, &emitted, &[refunds(&out)]);
    assert_eq!(refunded.balance(out.balance_key(A)), Amount::ZERO);
    for state in [claimed, refunded] {
        for (number, block) in [(out.deadline, claims(&out)), (out.deadline + 1, refunds(&out))] {
            let error = refused(number, &state, &block);
            assert!(matches!(error, BridgeError::NotPending { .. }), "{error}");
        }
    }
}

#[test]
fn the_deadline_decides_between_claim_and_refund() {
    let out = message(A, B, 10);
    let state = after(NUMBER, &BridgeState::default(), &[emits(&out)]);
    let deadline = out.deadline;
    let late = refused(deadline + 1, &state, &claims(&out));
    assert_eq!(late, BridgeError::ClaimTooLate { number: deadline + 1, deadline });
    let early = refused(deadline, &state, &refunds(&out));
    assert_eq!(early, BridgeError::RefundTooEarly { number: deadline, deadline });
}

#[test]
fn a_deadline_is_neither_too_near_nor_too_far() {
    let with = |lifetime: u32| Message { deadline: NUMBER + lifetime, ..message(A, B, 10) };
    for lifetime in [MIN_LIFETIME, MAX_LIFETIME] {
        after(NUMBER, &BridgeState::default(), &[emits(&with(lifetime))]);
    }
    for lifetime in [0, MIN_LIFETIME - 1, MAX_LIFETIME + 1] {
        let error = refused(NUMBER, &BridgeState::default(), &emits(&with(lifetime)));
        assert_eq!(error, BridgeError::Lifetime { number: NUMBER, deadline: NUMBER + lifetime });
    }
}

#[test]
fn an_environment_sends_out_no_more_than_came_in() {
    let out = message(A, B, 10);
    let state = after(NUMBER, &BridgeState::default(), &[emits(&out), claims(&out)]);
    let error = refused(NUMBER + 1, &state, &emits(&message(B, A, 11)));
    assert!(matches!(error, BridgeError::Balance { .. }), "{error}");
}

#[test]
fn the_outstanding_amount_stays_below_its_bound() {
    let most = message(A, B, Amount::MAX.get());
    let state = after(NUMBER, &BridgeState::default(), &[emits(&most)]);
    let error = refused(NUMBER, &state, &emits(&message(A, B, 1)));
    assert!(matches!(error, BridgeError::Balance { .. }), "{error}");
}

#[test]
fn every_rule_about_a_message_has_its_own_error() {
    let (good, state) = (message(A, B, 10), BridgeState::default());
    let other = Message { chain_id: CHAIN + 1, ..good.clone() };
    let expected = BridgeError::ChainId { expected: CHAIN, found: CHAIN + 1 };
    assert_eq!(refused(NUMBER, &state, &emits(&other)), expected);
    let foreign = BlockMessages { environment: B, ..emits(&good) };
    let expected = BridgeError::Source { actor: B, source_environment: A };
    assert_eq!(refused(NUMBER, &state, &foreign), expected);
    let own = Message { destination: A, ..good.clone() };
    assert_eq!(refused(NUMBER, &state, &emits(&own)), BridgeError::SelfMessage(A));
    let beyond = Message { sequence: 1 << 34, ..good.clone() };
    assert_eq!(refused(NUMBER, &state, &emits(&beyond)), BridgeError::Sequence(1 << 34));
    let nothing = Message { amount: Amount::ZERO, ..good.clone() };
    assert_eq!(refused(NUMBER, &state, &emits(&nothing)), BridgeError::ZeroAmount);
    let state = after(NUMBER, &state, &[emits(&good)]);
    let stolen = BlockMessages { environment: L1, ..claims(&good) };
    let expected = BridgeError::Destination { actor: L1, destination: B };
    assert_eq!(refused(NUMBER, &state, &stolen), expected);
}

#[test]
fn a_withdrawal_is_claimed_by_l1_or_goes_home_and_never_both() {
    let out = message(A, L1, 10);
    let state = after(NUMBER, &BridgeState::default(), &[emits(&out)]);
    assert_eq!((state.message_count(), state.in_flight().count()), (1, 1), "it waits like every message");
    let deadline = out.deadline;
    let early = refused(deadline, &state, &refunds(&out));
    assert_eq!(early, BridgeError::RefundTooEarly { number: deadline, deadline });
    let late = refused(deadline + 1, &state, &claims(&out));
    assert_eq!(late, BridgeError::ClaimTooLate { number: deadline + 1, deadline });

    let paid = after(deadline, &state, &[claims(&out)]);
    assert_eq!(paid.balance(out.balance_key(L1)), amount(10), "which L1 may send back");
    let home = after(deadline + 1, &state, &[refunds(&out)]);
    assert_eq!((home.balance(out.balance_key(A)), home.balance(out.balance_key(L1))), Default::default());
    for state in [paid, home] {
        assert!(state.is_balanced());
        for (number, block) in [(deadline, claims(&out)), (deadline + 1, refunds(&out))] {
            let error = refused(number, &state, &block);
            assert!(matches!(error, BridgeError::NotPending { .. }), "{error}");
        }
    }
}

#[test]
fn a_deposit_is_an_emission_of_l1_under_the_rules_of_all() {
    let deposit = Message { asset: asset(L1, 1), ..message(L1, B, 10) };
    let deposited = after(NUMBER, &BridgeState::default(), &[emits(&deposit)]);
    assert_eq!(deposited.balance(deposit.balance_key(L1)), amount(10), "outstanding");
    let claimed = after(deposit.deadline, &deposited, &[claims(&deposit)]);
    assert_eq!(claimed.balance(deposit.balance_key(B)), amount(10));
    let refunded = after(deposit.deadline + 1, &deposited, &[refunds(&deposit)]);
    assert_eq!(refunded.balance(deposit.balance_key(L1)), Amount::ZERO);

    for lifetime in [0, MIN_LIFETIME - 1, MAX_LIFETIME + 1] {
        let other = Message { deadline: NUMBER + lifetime, ..deposit.clone() };
        let error = refused(NUMBER, &BridgeState::default(), &emits(&other));
        assert_eq!(error, BridgeError::Lifetime { number: NUMBER, deadline: NUMBER + lifetime });
    }
    // What L1 does not hold it cannot send, whatever its kernel proves.
    let minted = message(L1, B, 1);
    let error = refused(NUMBER, &BridgeState::default(), &emits(&minted));
    assert!(matches!(error, BridgeError::Balance { .. }), "{error}");
}

#[test]
fn deposits_are_emitted_refunded_and_paid_without_any_other_producer() {
    let deposit = |sequence| Message { asset: asset(L1, 1), sequence, ..message(L1, B, 10) };
    let state = after(NUMBER, &BridgeState::default(), &[emits(&deposit(0))]);
    let number = deposit(0).deadline + 1;
    let later = Message { deadline: number + MIN_LIFETIME, ..deposit(1) };
    let block = BlockMessages { outbox: vec![later.clone()], ..refunds(&deposit(0)) };
    let state = after(number, &state, &[block]);
    assert!(state.is_balanced());
    assert_eq!(state.balance(later.balance_key(L1)), amount(10), "of the second deposit alone");
}

#[test]
fn balances_take_their_slots_in_the_order_in_which_messages_move_them() {
    let (out, back) = (message(A, B, 10), message(B, A, 4));
    let [ours, theirs] = [A, B].map(|environment| out.balance_key(environment));
    let mut other = crossing(NUMBER, &BridgeState::default(), &[]);
    other.open_balances([theirs, ours]).unwrap();
    let error = other.apply_block(&emits(&out)).unwrap_err();
    assert_eq!(error, BridgeError::OutOfTurn { key: ours, next: theirs });
    let mut honest = crossing(NUMBER, &BridgeState::default(), &[emits(&out), claims(&out)]);
    assert_eq!((honest.lists.unused_balances, honest.state.roots(digest(1)).balance_count), (F::TWO, F::ONE));
    // What is undone is unused again.
    let before = honest.state.clone();
    let block = BlockMessages { outbox: vec![out.clone(), back], ..emits(&out) };
    assert!(honest.apply_block(&block).is_err());
    assert_eq!(honest.state, before);
    honest.apply_block(&emits(&out)).unwrap();
    honest.apply_block(&claims(&out)).unwrap();
    let roots = honest.state.roots(digest(1));
    assert_eq!((honest.lists.unused_balances, roots.balance_count), (F::ZERO, F::from_canonical_u64(3)));
}

#[test]
fn a_message_that_was_emitted_twice_is_consumed_where_it_is_published() {
    let out = message(A, B, 10);
    let twice = BlockMessages { outbox: vec![out.clone(), out.clone()], ..emits(&out) };
    let state = after(NUMBER, &BridgeState::default(), &[twice]);
    let at = |indices: &[u32]| crossing(NUMBER, &state, &[claims(&out)]).following(indices.to_vec());
    let claimed = |mut crossing: Crossing| {
        crossing.apply_block(&claims(&out)).unwrap();
        crossing
    };
    let first = claimed(crossing(NUMBER, &state, &[claims(&out)]));
    let ends = [at(&[0]), at(&[1])].map(claimed);
    assert_eq!([&ends[0].consumed, &ends[1].consumed], [&[0], &[1]]);
    assert_eq!((&ends[0].state, ends[0].lists), (&first.state, first.lists));
    assert_ne!(ends[1].state.messages_root(), first.state.messages_root());
    assert_ne!(ends[1].lists.consumed, first.lists.consumed);

    let refused = |mut crossing: Crossing| crossing.apply_block(&claims(&out)).unwrap_err();
    for (indices, index) in [(vec![2], Some(2)), (vec![], None)] {
        let error = refused(at(&indices));
        assert_eq!(error, BridgeError::OtherIndex { message: out.hash(), index });
    }
    // The other one is left.
    let mut again = at(&[1, 1]);
    again.apply_block(&claims(&out)).unwrap();
    let error = again.apply_block(&claims(&out)).unwrap_err();
    assert_eq!(error, BridgeError::OtherIndex { message: out.hash(), index: Some(1) });
    assert_eq!((again.consumed, again.state.pending(&out.hash())), (vec![1], Some(0)));
}

#[test]
fn a_state_is_what_is_stored_of_it() {
    let out = message(A, B, 10);
    let state = after(NUMBER, &BridgeState::default(), &[emits(&out), claims(&out), emits(&out)]);
    let json = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<BridgeState>(&json).unwrap(), state);
}

#[test]
fn a_message_has_one_text() {
    let good = serde_json::to_value(message(A, B, 10)).unwrap();
    assert_eq!(serde_json::from_value::<Message>(good.clone()).unwrap(), message(A, B, 10));
    for field in ["chain_id", "sequence"] {
        let mut alias = good.clone();
        alias[field] = (alias[field].as_u64().unwrap() + F::ORDER).into();
        assert!(serde_json::from_value::<Message>(alias).is_err(), "{field}");
    }
    let mut large = good;
    large["amount"] = (1u64 << 58).into();
    assert!(serde_json::from_value::<Message>(large).is_err(), "an amount beyond its bits");
}

#[test]
fn a_stored_bridge_that_no_superblock_leads_to_is_refused() {
    let out = message(A, B, 10);
    let state = after(NUMBER, &BridgeState::default(), &[emits(&out), claims(&out), emits(&out)]);
    assert_eq!(state.check(CHAIN, NUMBER), Ok(()));
    let changed = |path: &str, value: serde_json::Value| {
        let mut json = serde_json::to_value(&state).unwrap();
        *json.pointer_mut(path).unwrap() = value;
        serde_json::from_value::<BridgeState>(json)
    };
    let judged = |path: &str, value: serde_json::Value| {
        changed(path, value).unwrap().check(CHAIN, NUMBER).unwrap_err()
    };
    assert_eq!(
        state.check(CHAIN + 1, NUMBER),
        Err(InvalidBridge::ChainId { index: 0, expected: CHAIN + 1, found: CHAIN })
    );
    assert_eq!(state.check(CHAIN, NUMBER - 1), Err(InvalidBridge::Emitted { index: 0, emitted: NUMBER }));
    for emitted in [0, NUMBER - 1, NUMBER + 1] {
        assert_eq!(
            judged("/messages/1/emitted/superblock", emitted.into()),
            InvalidBridge::Emitted { index: 1, emitted }
        );
    }
    assert!(matches!(judged("/messages/0/consumed/0", "refund".into()), InvalidBridge::Consumed { .. }));
    for number in [NUMBER - 1, NUMBER + 1] {
        assert!(matches!(
            judged("/messages/0/consumed/1/superblock", number.into()),
            InvalidBridge::Consumed { .. }
        ));
    }
    let error = judged("/messages/1/message/destination", A.0.into());
    assert_eq!(error, InvalidBridge::SelfMessage { index: 1, environment: A });
    for deadline in [0, NUMBER + MIN_LIFETIME - 1, NUMBER + MAX_LIFETIME + 1] {
        let error = judged("/messages/1/message/deadline", deadline.into());
        assert_eq!(error, InvalidBridge::Lifetime { index: 1, emitted: NUMBER, deadline });
    }
    assert_eq!(judged("/balances/1/1", 11.into()), InvalidBridge::Unbalanced);
    assert_eq!(judged("/messages/0/consumed", serde_json::Value::Null), InvalidBridge::Unbalanced);
    let twice = serde_json::to_value(&state).unwrap()["balances"][0].clone();
    assert!(changed("/balances/1", twice).is_err(), "a balance comes once");
}

#[test]
fn a_ledger_counts_each_balance_that_is_added_once() {
    let out = message(A, B, 10);
    let two =
        BlockMessages { outbox: vec![out.clone(), Message { sequence: 1, ..out.clone() }], ..emits(&out) };
    let fresh = BridgeState::default();
    let mut ledger = Ledger::new(CHAIN, NUMBER, &fresh);
    assert_eq!((ledger.new_balances(&two), ledger.added_balances()), (1, 0));
    ledger.apply_block(&two).unwrap();
    assert_eq!((ledger.new_balances(&two), ledger.added_balances()), (0, 1));
    assert_eq!(ledger.new_balances(&claims(&out)), 1, "that of the destination");

    let known = crossing(NUMBER, &fresh, &[emits(&out), claims(&out)]).state;
    let mut ledger = Ledger::new(CHAIN, NUMBER, &known);
    ledger.apply_block(&two).unwrap();
    assert_eq!((ledger.new_balances(&claims(&out)), ledger.added_balances()), (0, 0));
}
