//! The ends of the trees: what execution refuses for want of room has no proof, and the block can always end.

use circuits_core::trees::{AppendTree, InsertWitness, KeyedTree, Path, TreeError, empty_root, leaf_hash};
use environments_core::Environment;

use super::*;
use crate::{NotesError, NotesTransaction};

/// The same insertion of the stand-in into the last slot of the tree.
fn in_the_last_slot(insertion: &InsertWitness) -> InsertWitness {
    let low = &insertion.low;
    let linked = leaf_hash(low.key, low.value, substitute_key());
    let half = TREE_DEPTH - 1;
    let left = Path { siblings: low.path.siblings[..half].to_vec() }.root(low.index, linked);
    let siblings = (0..half).map(empty_root).chain([left]).collect();
    InsertWitness { slot: Path { siblings }, ..insertion.clone() }
}

#[test]
fn an_input_without_a_nullifier_needs_a_slot_too() {
    let (_, mut state, mut last) = payment();
    // What the second transaction consumes is created by the first one, so all insertions are discarded.
    for application in &mut last.applications {
        for input in &mut application.inputs {
            input.insertion = in_the_last_slot(&input.insertion);
        }
    }
    let end = F::from_canonical_u64(1 << TREE_DEPTH);
    last.before.trees.nullifier_count = end - F::ONE;
    assert_accepts(pair(), &last);
    last.before.trees.nullifier_count = end;
    assert_rejects(pair(), &last);

    // In a tree of 4 slots, of which one is free.
    state.nullifiers = KeyedTree::from_entries(2, [1, 2].map(|n| (secret(n), PRESENT))).unwrap();
    let with = |nullifiers| TransactionStatement { nullifiers, ..last.statements[0] };
    let (none, a, b) = (Digest::ZERO, secret(3), secret(4));
    for (nullifiers, added) in [([a, none, none, none], 2), ([none, none, a, b], 2), ([a, b, none, none], 3)]
    {
        let before = state.clone();
        let full = TreeError::Full { count: 3, added, depth: 2 };
        assert_eq!(state.execute(&with(nullifiers)), Err(StateError::Tree(full)));
        assert_eq!(state, before);
    }
    assert_eq!(state.clone().execute(&with([none; 4])), Ok(()));
    // The last input takes the last slot. From then on nothing has a proof, not even a transaction without inputs.
    assert_eq!(state.execute(&with([none, none, none, a])), Ok(()));
    let again = TransactionStatement { before: last.statements[0].after, ..with([none; 4]) };
    let full = TreeError::Full { count: 4, added: 1, depth: 2 };
    assert_eq!(state.execute(&again), Err(StateError::Tree(full)));
    state.seal().unwrap();
}

#[test]
fn an_account_needs_a_slot_only_when_it_is_made() {
    let (world, mut state, input) = payment();
    let entries: Vec<_> = state.accounts.iter().collect();
    assert_eq!(entries.len(), NEWCOMER);
    state.accounts = KeyedTree::from_entries(3, entries).unwrap();
    for n in 0..3 {
        state.accounts.insert(secret(500 + n), PRESENT).unwrap();
    }
    let creates = TransactionStatement {
        account: world.clients[NEWCOMER].id(),
        before: Digest::ZERO,
        ..input.statements[0]
    };
    let before = state.clone();
    let full = TreeError::Full { count: 8, added: 1, depth: 3 };
    assert_eq!(state.execute(&creates), Err(StateError::Tree(full)));
    assert_eq!(state, before);
    assert_eq!(state.execute(&input.statements[0]), Ok(()));
}

#[test]
fn transactions_leave_room_in_the_note_tree_for_the_fee_note() {
    let (_, _, mut last) = payment();
    // What is created is consumed, so all leaves are empty, and the paths of the first subtrees are those of the last ones.
    let end = 1 << TREE_DEPTH;
    last.before.trees.note_count = F::from_canonical_u64(end - 8);
    assert_accepts(pair(), &last);
    last.before.trees.note_count = F::from_canonical_u64(end - 4);
    assert_rejects(pair(), &last);

    // In a tree of 16 leaves: three transactions and the fee note.
    let mut world = world();
    let mut state = world.genesis();
    state.notes = AppendTree::new(4);
    let pays: Vec<_> = (0..4).map(|_| NotesTransaction::from(world.pay(2, &[0], 1).0)).collect();
    let offered: Vec<_> = pays.iter().collect();
    let proposal = world.environment.propose(&state, &offered).unwrap();
    assert_eq!(proposal.included, [0, 1, 2]);
    let full = |count, added| NotesError::State(StateError::Tree(TreeError::Full { count, added, depth: 4 }));
    assert_eq!(proposal.rejected, [(3, full(12, 8))]);
    assert_eq!(world.environment.apply_body(&state, proposal.block.body()).unwrap(), proposal.state);
    // No block follows.
    assert_eq!(world.environment.propose(&proposal.state, &[]).err(), Some(full(16, 4)));
}

#[test]
fn heights_end_for_execution_and_circuit_alike() {
    let (_, mut state, honest) = payment();
    state.height = u32::MAX - 1;
    let mut late = input(&state, honest.statements);
    assert_accepts(pair(), &late);
    late.context.height += F::ONE;
    assert_rejects(pair(), &late);

    state.execute(&honest.statements[0]).unwrap();
    state.seal().unwrap();
    let too_late = StateError::TooLate { valid_until: u32::MAX.into(), height: 1 << 32 };
    assert_eq!(state.check(&honest.statements[1]), Err(too_late));
    let before = state.clone();
    assert_eq!(state.seal(), Err(TreeError::Index { index: 1 << 32, depth: TREE_DEPTH }));
    assert_eq!(state, before);
}
