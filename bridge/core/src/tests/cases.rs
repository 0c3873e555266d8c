//! Attacks on the bridge that its design lists, by number. Those in which kernels lie are in the batcher's tests.

use circuits_core::{
    hash::{Domain, hash},
    layout::Layout,
    trees::TreeError,
};
use circuits_protocol::statement::{MESSAGE_LIST, SuperblockRoots, empty_list};
use plonky2::field::types::Field;

use super::*;
use crate::{
    BridgeError, Chunk, Ledger,
    balance::{balance_value, unused_balance_value},
    lists::{append_index, block_messages},
    message::{MessageFields, consumed, message_hash, outbox_append, tombstone},
};

#[test]
fn case_46_a_message_is_named_with_its_source_and_number() {
    let one = message(A, B, 10);
    let others = [
        Message { source: L1, ..one.clone() },
        Message { sequence: 1, ..one.clone() },
        Message { sender: digest(7), ..one.clone() },
    ];
    for other in others {
        assert_ne!(one.hash(), other.hash());
    }
}

#[test]
fn case_47_a_root_of_messages_without_their_number_is_no_state() {
    let state = after(NUMBER, &BridgeState::default(), &[emits(&message(A, B, 10))]);
    let roots = state.roots(digest(1));
    assert_eq!(roots.message_count, F::ONE);
    let fewer = SuperblockRoots { message_count: F::ZERO, ..roots };
    assert_ne!(Layout::<F>::encode(&roots), Layout::<F>::encode(&fewer));
    // The slot that a smaller number names is taken.
    let path = state.message_path(0);
    assert!(matches!(path.verify_vacancy(roots.messages_root, 0), Err(TreeError::Root { .. })));
}

#[test]
fn case_48_a_row_that_holds_nothing_is_not_an_absent_row() {
    assert_ne!(balance_value(Amount::ZERO), Digest::ZERO);
    assert_ne!(balance_value(Amount::ZERO), unused_balance_value());
    let out = message(A, B, 10);
    let key = out.balance_key(B);
    let state = crossing(NUMBER, &BridgeState::default(), &[claims(&out)]).state;
    assert!(state.has_balance(key) && state.balance(key) == Amount::ZERO);
    assert!(matches!(state.balance_tree.prove_insert(&key.digest()), Err(TreeError::Present { .. })));
    // Without a balance nothing is moved.
    let mut closed = Crossing::new(CHAIN, NUMBER, BridgeState::default(), BridgeLists::start()).unwrap();
    let error = closed.apply_block(&emits(&out)).unwrap_err();
    assert_eq!(error, BridgeError::Tree(TreeError::Absent { key: out.balance_key(A).digest() }));
}

#[test]
fn case_49_a_messages_hash_covers_every_field() {
    let fields = message(A, B, 10).fields();
    let elements: Vec<F> = fields.encode();
    let name = message_hash(&fields);
    for index in 0..<MessageFields as Layout<F>>::LEN {
        let mut changed = elements.clone();
        changed[index] += F::ONE;
        assert_ne!(message_hash(&MessageFields::decode(&changed).unwrap()), name, "element {index}");
    }
}

#[test]
fn case_51_no_two_kinds_of_things_share_a_hash() {
    let name = message(A, B, 10).hash();
    let elements = [digest(1).0, digest(2).0].concat();
    let domains = ["message", "consume", "tombst", "blkmsgs", "indices", "keyed", "node"];
    let mut hashes: Vec<_> = domains.map(|domain| hash(Domain::new(domain), &elements)).into();
    hashes.push(hash(MESSAGE_LIST, &elements));
    // What represents one message in each list and tree.
    hashes.extend([name, consumed(name, F::ZERO), consumed(name, F::ONE), tombstone()]);
    hashes.extend([outbox_append(empty_list(), name), outbox_append(name, empty_list())]);
    hashes.extend([block_messages(F::ZERO, name, empty_list()), block_messages(F::ZERO, empty_list(), name)]);
    hashes.extend([append_index(name, F::ZERO), append_index(name, F::ONE)]);
    hashes.sort_unstable();
    let count = hashes.len();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn case_52_a_refused_block_leaves_nothing_behind() {
    let (known, unknown) = (message(A, B, 10), Message { sequence: 1, ..message(A, B, 10) });
    let state = after(NUMBER, &BridgeState::default(), &[emits(&known)]);
    // Its claim, its first emissions and a withdrawal are fine, and its last emission is not.
    let block = BlockMessages {
        environment: B,
        inbox: vec![(known.clone(), Consumption::Claim)],
        outbox: vec![message(B, A, 1), message(B, A, 1), message(B, L1, 1), message(B, A, 8)],
    };
    let mut crossing = crossing(NUMBER, &state, std::slice::from_ref(&block));
    let before = (crossing.state.clone(), crossing.lists, crossing.chunk.clone());
    assert!(matches!(crossing.apply_block(&block), Err(BridgeError::Balance { .. })));
    assert_eq!(before, (crossing.state.clone(), crossing.lists, crossing.chunk.clone()));
    assert!(crossing.consumed.is_empty());
    // Nor does it make a message known that it emitted, or consumed.
    assert!(!crossing.state.knows(&message(B, A, 1).hash()) && !crossing.state.knows(&unknown.hash()));
    assert_eq!(crossing.state.pending(&known.hash()), Some(0));
    crossing.apply_block(&claims(&known)).unwrap();
    // Nor does a ledger keep anything of it.
    let mut ledger = Ledger::new(CHAIN, NUMBER, &state);
    assert!(matches!(ledger.apply_block(&block), Err(BridgeError::Balance { .. })));
    assert!(ledger.is_pending(&known.hash()) && !ledger.knows(&message(B, A, 1).hash()));
    assert_eq!(ledger.balance(known.balance_key(B)), Amount::ZERO);
    ledger.apply_block(&claims(&known)).unwrap();
}

#[test]
fn case_55_an_exit_has_one_encoding() {
    let exit = message(A, L1, 10);
    let claimed = consumed(exit.hash(), Consumption::Claim.to_field());
    for other in
        [Message { asset: asset(A, 2), ..exit.clone() }, Message { amount: amount(11), ..exit.clone() }]
    {
        assert_ne!(consumed(other.hash(), F::ZERO), claimed);
    }
    assert_ne!(consumed(exit.hash(), Consumption::Refund.to_field()), claimed);
    // An asset's name packs in one way only.
    assert_eq!(AssetId::unpack(exit.asset.packed()), Ok(exit.asset));
    assert!(AssetId::unpack(exit.asset.packed() + (1 << 48)).is_err());
}

#[test]
fn case_72_a_row_comes_once_and_is_never_split() {
    let key = message(A, B, 10).balance_key(B);
    let mut crossing = Crossing::new(CHAIN, NUMBER, BridgeState::default(), BridgeLists::start()).unwrap();
    crossing.open_balances([key, key]).unwrap();
    crossing.open_balances([key]).unwrap();
    let Chunk { new_balances, .. } = crossing.end_chunk().unwrap();
    assert_eq!(new_balances.len(), 1);
    assert_eq!(crossing.state.balances().collect::<Vec<_>>(), [(key, Amount::ZERO)]);
    assert!(matches!(crossing.state.add_balance(key), Err(TreeError::Present { .. })));
}
