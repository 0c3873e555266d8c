//! Promises about states and transactions.

use environments_core::{
    environment::Environment,
    pool::{Cell, Draw},
};
use plonky2::field::types::PrimeField64;

use super::{CHAIN_ID, Subject, chain_of_blocks, environment, id, secret};

/// A transaction that is refused leaves the state as it was, at genesis and later.
///
/// # Panics
/// If the promise is broken.
pub fn failed_transactions_change_nothing<S: Subject>(subject: &S) {
    let producer = chain_of_blocks(subject);
    let environment = producer.environment();
    for before in [environment.genesis(), producer.state().clone()] {
        let invalid = subject.invalid(environment, &before);
        assert!(!invalid.is_empty(), "the subject gives invalid transactions");
        for transaction in invalid {
            let mut state = before.clone();
            let result = environment.execute(&mut state, &transaction);
            assert!(result.is_err(), "an invalid transaction was executed: {transaction:?}");
            assert_eq!(state, before, "a failed transaction changed the state: {transaction:?}");
            assert_eq!(environment.commitment(&state), environment.commitment(&before));
        }
    }
}

/// In any mixture, a block takes the transactions that execute one after the other and names those that do not.
///
/// # Panics
/// If the promise is broken.
pub fn proposing_and_executing_agree<S: Subject>(subject: &S) {
    let environment = environment(subject);
    let before = environment.genesis();
    let valid = subject.valid(&environment, &before);
    let invalid = subject.invalid(&environment, &before);
    let mut mixed = vec![];
    let mut bad = invalid.into_iter();
    for good in valid {
        mixed.extend(bad.next());
        mixed.push(good);
    }
    mixed.extend(bad);

    let mut state = before.clone();
    let (mut taken, mut refused) = (vec![], vec![]);
    for (index, transaction) in mixed.iter().enumerate() {
        match environment.execute(&mut state, transaction) {
            Ok(()) => taken.push(index),
            Err(reason) => refused.push((index, reason.to_string())),
        }
    }
    let offered: Vec<_> = mixed.iter().collect();
    let proposal = environment.propose(&before, &offered).expect("the valid transactions make a block");
    let rejected: Vec<_> =
        proposal.rejected.iter().map(|(index, reason)| (*index, reason.to_string())).collect();
    assert_eq!(proposal.included, taken, "a block includes what executes");
    // A full block may end before the last invalid transaction.
    assert!(refused.starts_with(&rejected), "a block refuses {refused:?} for its reasons, not {rejected:?}");
    let last = taken.last().copied().unwrap_or_default();
    let before_last = refused.iter().filter(|(index, _)| *index < last).count();
    assert!(rejected.len() >= before_last, "a block names every transaction that it refused");
    assert_eq!(environment.height(&proposal.state), environment.height(&before) + 1);
    assert_eq!(environment.commitment(&proposal.state), proposal.block.statement().new_state);
}

/// A pool never takes a transaction that a state executes for one that cannot come next, which it would try last.
///
/// # Panics
/// If the promise is broken.
pub fn what_executes_may_come_next<S: Subject>(subject: &S) {
    let producer = chain_of_blocks(subject);
    let environment = producer.environment();
    for mut state in [environment.genesis(), producer.state().clone()] {
        for transaction in subject.valid(environment, &state) {
            let footprint = environment.terms(&transaction).footprint;
            let holds = footprint.holds(|cell| environment.cell(&state, cell));
            assert!(holds, "the state does not have what a valid transaction needs: {footprint:?}");
            let may_come_next = environment.may_come_next(&state, &transaction);
            assert!(may_come_next, "a valid transaction may not come next: {transaction:?}");
            environment.execute(&mut state, &transaction).expect("the subject's transactions are valid");
        }
    }
}

/// A state that executes a transaction has what the transaction's footprint says that it leaves, and has not lost more of an
/// amount than what it draws: otherwise a pool would try first what needs things that nobody makes.
///
/// # Panics
/// If the promise is broken.
pub fn footprints_leave_what_they_say<S: Subject>(subject: &S) {
    let producer = chain_of_blocks(subject);
    let environment = producer.environment();
    for mut state in [environment.genesis(), producer.state().clone()] {
        for transaction in subject.valid(environment, &state) {
            let footprint = environment.terms(&transaction).footprint;
            let before = state.clone();
            environment.execute(&mut state, &transaction).expect("the subject's transactions are valid");
            for (cell, left) in footprint.leaves(|cell| environment.cell(&before, cell)) {
                let found = environment.cell(&state, &cell);
                assert_eq!(
                    found, left,
                    "a transaction does not leave what it says in {cell:?}: {transaction:?}"
                );
            }
            let amount = |state: &_, cell: &Cell| {
                let [amount, ..] = environment.cell(state, cell).0;
                amount.to_canonical_u64()
            };
            for Draw { cell, taken, .. } in footprint.draws {
                let lost = amount(&before, &cell).saturating_sub(amount(&state, &cell));
                assert!(lost <= taken, "{lost} were drawn from {cell:?}, not {taken}: {transaction:?}");
            }
        }
    }
}

/// States of another deployment or another environment have other commitments.
///
/// # Panics
/// If the promise is broken.
pub fn commitments_name_the_deployment_and_the_environment<S: Subject>(subject: &S) {
    let ours = environment(subject);
    let others = [
        ("deployment", subject.environment(CHAIN_ID + 1, id(0), secret(0))),
        ("environment", subject.environment(CHAIN_ID, id(1), secret(0))),
    ];
    for (what, other) in others {
        let (state, other_state) = (ours.genesis(), other.genesis());
        assert_ne!(
            ours.commitment(&state),
            other.commitment(&other_state),
            "the genesis of another {what} has another commitment"
        );
        assert_ne!(
            ours.commitment(&state),
            other.commitment(&state),
            "the same state has another commitment in another {what}"
        );
        let valid = subject.valid(&other, &other_state);
        let offered: Vec<_> = valid.iter().collect();
        let block = other.propose(&other_state, &offered).expect("a block").block;
        let valid = subject.valid(&ours, &state);
        let offered: Vec<_> = valid.iter().collect();
        let our_block = ours.propose(&state, &offered).expect("a block").block;
        assert_ne!(block.statement().previous_state, our_block.statement().previous_state);
        assert_ne!(block.statement().new_state, our_block.statement().new_state);
    }
}

/// Another deployment and another environment refuse a transaction that is valid here, also in the state in which it is
/// valid. This holds only for state models whose transactions name their environment.
///
/// # Panics
/// If the promise is broken.
pub fn replayed_transactions_are_refused<S: Subject>(subject: &S) {
    let ours = environment(subject);
    let valid = subject.valid(&ours, &ours.genesis());
    let others = [
        ("deployment", subject.environment(CHAIN_ID + 1, id(0), secret(0))),
        ("environment", subject.environment(CHAIN_ID, id(1), secret(0))),
    ];
    for (what, other) in others {
        for transaction in &valid {
            for mut state in [other.genesis(), ours.genesis()] {
                let result = other.execute(&mut state, transaction);
                assert!(result.is_err(), "another {what} executed our transaction {transaction:?}");
            }
        }
    }
}
