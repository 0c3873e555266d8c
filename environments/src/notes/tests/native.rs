//! Blocks of simulated clients, natively.

use proptest::prelude::*;

use super::world;
use crate::{
    Environment,
    notes::{NotesTransaction, block::MAX_TRANSACTIONS},
};

#[test]
fn a_note_created_and_consumed_in_one_batch_leaves_no_trace() {
    let mut world = world();
    let (pay, notes) = world.pay(0, &[1], 5);
    let take = world.take(1, &notes);
    let transactions: [NotesTransaction; 2] = [pay.into(), take.into()];
    let state = world.genesis();
    let proposal = world.environment.propose(&state, &transactions.each_ref()).unwrap();
    assert_eq!(proposal.included, [0, 1]);
    assert!(!proposal.state.has_note(&notes[0].commitment()));
    assert!(!proposal.state.is_spent(&notes[0].nullifier()));
    assert_eq!(proposal.state.account(&world.clients[1].id()), Some(world.clients[1].account.hash()));
}

#[test]
fn a_note_created_and_consumed_in_two_batches_is_created_and_nullified() {
    let mut world = world();
    let (pay, notes) = world.pay(0, &[1], 5);
    let mut transactions = vec![NotesTransaction::from(pay)];
    for _ in 0..5 {
        transactions.push(world.pay(2, &[0], 1).0.into());
    }
    transactions.push(world.take(1, &notes).into());
    let offered: Vec<_> = transactions.iter().collect();
    let proposal = world.environment.propose(&world.genesis(), &offered).unwrap();
    assert_eq!(proposal.included.len(), 7);
    assert!(proposal.state.has_note(&notes[0].commitment()));
    assert!(proposal.state.is_spent(&notes[0].nullifier()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn blocks_of_any_size_keep_their_promises(sizes in proptest::collection::vec(0..=MAX_TRANSACTIONS, 1..4)) {
        let mut world = world();
        let mut state = world.genesis();
        for size in sizes {
            let transactions = world.ping_pong(size);
            let offered: Vec<_> = transactions.iter().collect();
            let proposal = world.environment.propose(&state, &offered).unwrap();
            prop_assert_eq!(proposal.included.len(), size);
            let body = proposal.block.body();
            prop_assert_eq!(&world.environment.apply_body(&state, body).unwrap(), &proposal.state);
            prop_assert_eq!(world.environment.body_digest(body).unwrap(), proposal.block.statement().body);
            state = proposal.state;
        }
    }
}
