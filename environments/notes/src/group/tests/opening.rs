//! Accounts are opened by keys that are hashes: wherever these fall, and no account twice.

use circuits_core::trees::{IndexTree, KeyedTree, SHORT_LIMB_BITS, SetWitness, leaf_hash};
use plonky2::field::types::Field64;

use super::*;

/// The middle between two integers of a key's first limb.
fn between(low: u64, high: u64) -> Digest {
    assert!(high - low > 1 << (SHORT_LIMB_BITS + 1), "no gap that is wide on both sides");
    Digest([low + (high - low) / 2, 7, 7, 7].map(F::from_canonical_u64))
}

#[test]
fn an_account_is_opened_wherever_its_id_falls() {
    let (_, state, honest) = payment();
    let limbs: Vec<_> = state.accounts.iter().map(|(key, _)| key.to_u64s()[0]).collect();
    let widest = limbs.windows(2).max_by_key(|pair| pair[1] - pair[0]).unwrap();
    let ids =
        [between(0, limbs[0]), between(widest[0], widest[1]), between(limbs[limbs.len() - 1], F::ORDER)];
    for id in ids {
        let opens = TransactionStatement { account: id, before: Digest::ZERO, ..honest.statements[0] };
        let input = input(&state, [opens, honest.statements[1]]);
        assert!(input.applications[0].account.insert);
        let mut after = state.clone();
        after.apply_group(&input.statements).unwrap();
        let running: Vec<F> = layout::Layout::encode(&after.running());
        assert_eq!(circuits_forging::check(pair(), &input).unwrap(), running);
    }
}

#[test]
fn an_account_is_not_opened_again_behind_a_last_one_that_is_near_the_order() {
    let (_, mut state, honest) = payment();
    let [first, last] = [7, F::ORDER - 5].map(|limb| Digest([limb, 0, 0, 0].map(F::from_canonical_u64)));
    state.accounts.insert(first, secret(1)).unwrap();
    state.accounts.insert(last, secret(2)).unwrap();
    let [pays, takes] = honest.statements;
    let found = TransactionStatement { account: first, before: secret(1), ..takes };
    let mut lie = input(&state, [pays, found]);
    assert_accepts(pair(), &lie);

    // In the field, `first - last - 1` is 11.
    let mut accounts = state.accounts.clone();
    accounts.set(pays.account, pays.after).unwrap();
    let low = accounts.membership(&last).unwrap();
    assert_eq!(low.next_key, Digest::ZERO);
    let mut leaves = leaves(&accounts);
    leaves.set(low.index, leaf_hash(last, low.value, first)).unwrap();
    let slot = leaves.path(accounts.count());
    lie.applications[1].account = SetWitness { insert: true, leaf: low, slot };
    lie.statements[1].before = Digest::ZERO;
    refused(&state, &lie, StateError::AccountExists(first));
}

/// The leaves of a tree of accounts.
fn leaves(accounts: &KeyedTree) -> IndexTree {
    let mut leaves = IndexTree::new(TREE_DEPTH);
    let keys: Vec<_> = accounts.iter().map(|(key, _)| key).collect();
    leaves.set(0, leaf_hash(Digest::ZERO, Digest::ZERO, keys[0])).unwrap();
    for key in keys {
        let opening = accounts.membership(&key).unwrap();
        leaves.set(opening.index, opening.leaf()).unwrap();
    }
    assert_eq!(leaves.root(), accounts.root());
    leaves
}
