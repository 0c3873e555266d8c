//! Superblocks with messages, from files to proofs and back.

use std::{fs, path::Path};

use batcher_circuits::{
    contents::Contents,
    state::SuperblockState,
    testing::{digest, free_registry, message, moves, talking},
    transition::Transition,
};
use batcher_job::{output::state_file, state, states};
use batcher_verify::{
    bundle::{BundleError, SuperblockBundle},
    circuit::SuperblockCircuit,
    keys::PinnedKeys,
    trust::{Checkpoint, RegistryFrom, Trust},
    verify::{Report, VerifyError, verify},
};
use bridge_core::{BlockMessages, Capacity, Consumption, Message};
use circuits_core::recursion::key_digest;
use circuits_protocol::registry::EnvironmentId;

use crate::common::{batch, batch_with, talking_bundle, waiting, write_block};

/// What a forger does to a bundle.
type Change = fn(&mut SuperblockBundle);

const CHAIN: u64 = 5;
const WIDE: Capacity = Capacity { new_balances: 10, steps: 10 };

fn put(root: &Path, height: u32, messages: &BlockMessages) {
    let name = format!("{}-{height}.block", messages.environment);
    write_block(&root.join("blocks"), &name, &talking_bundle(height, messages));
}

/// Verifies a superblock that follows `start`, which alone is trusted.
fn verified(path: &Path, start: &SuperblockState) -> Report {
    let keys = PinnedKeys::embedded();
    let trust = Trust {
        chain_id: CHAIN,
        keys: SuperblockCircuit::all().filter_map(|source| keys.superblock(source)).map(key_digest).collect(),
        start: Checkpoint { number: start.number, state: start.commitment() },
        l1_inbox: None,
        registry: vec![RegistryFrom { from: 1, root: free_registry(2).root() }],
        older_keys: vec![],
    };
    verify(vec![path.to_owned()], Some(&trust), keys).expect("a valid superblock")
}

#[test]
fn an_asset_goes_there_and_back_in_one_superblock_that_lists_what_l1_sends_and_receives() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[]);
    let there = message(CHAIN, 1, 2, 10);
    let back = Message { source: there.destination, destination: there.source, ..there.clone() };
    let withdrawal = Message { sequence: 1, ..message(CHAIN, 1, 0, 4) };
    let deposit = message(CHAIN, 0, 2, 6);
    put(root, 1, &moves(1, &[], &[&there]));
    put(root, 1, &moves(2, &[&there, &deposit], &[&back]));
    put(root, 2, &moves(1, &[&back], &[&withdrawal]));
    let made =
        batch_with(root, std::slice::from_ref(&deposit)).expect("valid blocks").made.expect("three blocks");
    assert_eq!(made.included.len(), 3);
    assert_eq!(made.deposits, std::slice::from_ref(&deposit));
    assert_eq!(made.l1_outbox, [(withdrawal.clone(), Consumption::Claim)]);
    assert_eq!(made.state.bridge.balance(there.balance_key(EnvironmentId(1))), withdrawal.amount);
    assert!(made.state.bridge.is_balanced());
    let report = verified(&made.path, &SuperblockState::genesis(CHAIN));
    let superblock = &report.superblocks[0];
    assert_eq!((superblock.deposits, superblock.l1_outbox), (1, 1));
    assert_eq!(superblock.circuit, "superblock-blocks-3");

    // What a superblock took is compared with what L1's queue has.
    assert!(!report.deposits_checked);
    let made_up = Message { amount: withdrawal.amount, ..deposit.clone() };
    let later = Message { sequence: deposit.sequence + 1, ..deposit.clone() };
    for queue in [&[][..], std::slice::from_ref(&made_up), &[later.clone(), deposit.clone()]] {
        let refused = report.clone().check_deposits(queue);
        assert!(matches!(refused, Err(VerifyError::Deposits { number: 1, .. })), "{refused:?}");
    }
    assert!(report.check_deposits(&[deposit, later]).expect("L1's queue").deposits_checked);

    let bundle = SuperblockBundle::decode(&fs::read(&made.path).expect("written")).expect("valid");
    let changes: [(&str, Change); 5] = [
        ("L1 inbox", |bundle| bundle.deposits.clear()),
        ("L1 inbox", |bundle| bundle.deposits[0].recipient = digest(1)),
        ("L1 outbox", |bundle| bundle.l1_outbox.clear()),
        ("L1 outbox", |bundle| bundle.l1_outbox[0].1 = Consumption::Refund),
        ("L1 outbox", |bundle| bundle.l1_outbox.push(bundle.l1_outbox[0].clone())),
    ];
    for (expected, change) in changes {
        let mut changed = bundle.clone();
        change(&mut changed);
        let changed =
            SuperblockBundle::decode(&changed.encode().expect("serialisable")).expect("well-formed");
        let error = changed.verify(PinnedKeys::embedded()).expect_err("another list");
        assert!(matches!(&error, BundleError::L1 { list, .. } if *list == expected), "{expected}: {error}");
        assert!(error.is_invalid());
    }
}

#[test]
fn what_a_dead_destination_never_claimed_goes_back_after_the_deadline() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[]);
    let [sent, deposit] = [message(CHAIN, 1, 2, 10), message(CHAIN, 0, 2, 6)];

    // A superblock and a hundred silent ones, natively.
    let genesis = SuperblockState::genesis(CHAIN);
    let blocks = vec![talking(1, moves(1, &[], &[&sent]))];
    let contents = Contents { blocks, deposits: vec![deposit.clone()], refunds: vec![] };
    let load = contents.load(&genesis);
    let shares = load.pack(WIDE, WIDE, 0).expect("few messages");
    let first =
        Transition::new(&genesis, &free_registry(2), digest(1), &contents, &load, &shares).expect("valid");
    let mut late = first.new_state;
    late.number = sent.deadline;
    late.history = vec![digest(1); late.number as usize];
    state::write(&state_file(root, late.number), &late).expect("a possible state");

    let inbox = vec![(sent.clone(), Consumption::Refund)];
    put(root, 2, &BlockMessages { inbox, ..moves(1, &[], &[]) });
    let made = batch(root).expect("a valid block").made.expect("a block");
    assert_eq!(made.l1_outbox, [(deposit, Consumption::Refund)]);
    assert!(made.state.bridge.in_flight().next().is_none());
    assert!(made.state.bridge.balances().iter().all(|(_, amount)| amount.get() == 0));
    verified(&made.path, &late);
    assert_eq!(states::latest(root, None).expect("written"), made.state);
}

#[test]
fn more_messages_than_a_superblock_has_places_for_take_a_segment_of_their_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[]);
    let sent: Vec<_> = (0..70).map(|sequence| Message { sequence, ..message(CHAIN, 1, 2, 1) }).collect();
    put(root, 1, &moves(1, &[], &sent.iter().collect::<Vec<_>>()));
    put(root, 1, &moves(2, &sent.iter().take(60).collect::<Vec<_>>(), &[]));
    let made = batch(root).expect("valid blocks").made.expect("two blocks");
    assert_eq!(made.state.bridge.in_flight().count(), 10);
    let report = verified(&made.path, &SuperblockState::genesis(CHAIN));
    assert_eq!(report.superblocks[0].circuit, "superblock-segments-2");
}
