//! Superblocks with messages, from files to proofs and back.

use std::path::Path;

use batcher_circuits::{
    state::SuperblockState,
    testing::{digest, message, moves},
};
use batcher_job::{
    intake::Refusal,
    l1::{L1Prover as _, l1_state},
    payouts::L1Summary,
    states::{self, States},
};
use batcher_verify::{
    circuit::SuperblockCircuit,
    keys::PinnedKeys,
    trust::{Checkpoint, RegistryFrom, Trust},
    verify::{Report, VerifyError, verify},
};
use bridge_core::{BlockMessages, Consumption, Message};
use circuits_core::recursion::key_digest;
use circuits_protocol::{l1::QueuePosition, registry::EnvironmentId};
use environments_core::BlockBundle;
use environments_l1::{Bytes32, Deposit, PayoutKind, kernel::Variant, queue::append};
use plonky2::field::types::PrimeField64 as _;

use crate::common::{
    CHAIN, ENGINE, FreeL1, batch, batch_with, deposit, registry, talking_bundle, waiting, write_block,
};

fn put(root: &Path, height: u32, messages: &BlockMessages) {
    let name = format!("{}-{height}.block", messages.environment);
    write_block(&root.join("blocks"), &name, &talking_bundle(height, messages));
}

/// Verifies a superblock that follows `start`, which alone is trusted.
fn verified(path: &Path, start: &SuperblockState) -> Report {
    verified_with(path, start, None).expect("a valid superblock")
}

/// [`verified`], if these deposits are what it and those before it took.
fn verified_with(
    path: &Path,
    start: &SuperblockState,
    l1_queue: Option<QueuePosition>,
) -> Result<Report, VerifyError> {
    let keys = PinnedKeys::embedded();
    let trust = Trust {
        chain_id: CHAIN,
        keys: SuperblockCircuit::all().filter_map(|source| keys.superblock(source)).map(key_digest).collect(),
        start: Checkpoint { number: start.number, state: start.commitment() },
        l1_queue,
        registry: vec![RegistryFrom { from: 1, root: registry().root() }],
        older_keys: vec![],
    };
    verify(vec![path.to_owned()], Some(&trust), keys)
}

#[test]
fn an_asset_goes_there_and_back_in_one_superblock_that_lists_what_l1_takes_in_and_pays() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[]);
    let there = message(CHAIN, 1, 2, 10);
    let back = Message { source: there.destination, destination: there.source, ..there.clone() };
    let withdrawal = Message { sequence: 1, ..message(CHAIN, 1, 0, 4) };
    put(root, 1, &moves(1, &[], &[&there]));
    put(root, 1, &moves(2, &[&there], &[&back]));
    put(root, 2, &moves(1, &[&back], &[&withdrawal]));
    let queue = [deposit(), Deposit { amount: 0, ..deposit() }];
    let made = batch_with(root, &queue).expect("valid blocks").made.expect("four blocks");
    assert_eq!((made.included.len(), made.statement.block_count.to_canonical_u64()), (3, 4));
    let [ref deposited] = made.state.bridge.in_flight().collect::<Vec<_>>()[..] else {
        panic!("one message")
    };
    assert_eq!(deposited.message, deposit().message(CHAIN, 0, 1).expect("a good deposit"));
    assert_eq!(made.state.bridge.balance(there.balance_key(EnvironmentId(1))), withdrawal.amount);
    assert!(made.state.bridge.is_balanced());
    let l1 = made.l1.expect("a block of environment 0");
    assert_eq!((l1.deposits, l1.bounced), (2, 1));
    let [paid, bounced] = &l1.payouts[..] else { panic!("{:?}", l1.payouts) };
    assert_eq!(
        (paid.kind, paid.amount, paid.name),
        (PayoutKind::Claim, 4, Bytes32::of_digest(withdrawal.hash()))
    );
    assert_eq!(
        (bounced.kind, bounced.recipient, bounced.index),
        (PayoutKind::Bounce, deposit().depositor, 1)
    );

    let report = verified(&made.path, &SuperblockState::genesis(CHAIN));
    let superblock = &report.superblocks[0];
    assert_eq!(superblock.circuit, "superblock-blocks-4");
    let outcome = superblock.l1.expect("a block of environment 0");
    assert_eq!((outcome.queue.length, outcome.payouts.first, outcome.payouts.count), (2, 0, 2));
    assert_eq!(L1Summary::of_verified(&report.superblocks).expect("payouts"), [l1]);

    // What a superblock took is compared with what L1's queue has.
    assert!(!report.deposits_checked);
    let digest_of = |deposits: &[Deposit], length: u32| {
        let taken = deposits.get(..length as usize)?;
        Some(taken.iter().try_fold(QueuePosition::default(), append).ok()?.digest)
    };
    let made_up = [deposit(), deposit()];
    let swapped = [queue[1], queue[0]];
    for queue in [&[][..], &queue[..1], &made_up, &swapped] {
        let refused = report.clone().check_deposits(|length| digest_of(queue, length));
        assert!(matches!(refused, Err(VerifyError::Deposits { number: 1, .. })), "{refused:?}");
    }
    let genesis = SuperblockState::genesis(CHAIN);
    let right = outcome.queue;
    let trusted = verified_with(&made.path, &genesis, Some(right)).expect("what it took");
    assert!(trusted.deposits_checked);
    for other in [QueuePosition { length: 1, ..right }, QueuePosition::default()] {
        let refused = verified_with(&made.path, &genesis, Some(other));
        let is_queue =
            |error: &VerifyError| matches!(error, VerifyError::Untrusted { field: "L1's queue", .. });
        assert!(refused.as_ref().is_err_and(is_queue), "{refused:?}");
    }
    let longer = [queue[0], queue[1], deposit()];
    let checked = report.check_deposits(|length| digest_of(&longer, length));
    assert!(checked.expect("L1's queue").deposits_checked);
}

#[test]
fn what_a_dead_destination_never_claimed_goes_back_after_the_deadline() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[]);
    let sent = message(CHAIN, 1, 2, 10);
    put(root, 1, &moves(1, &[], &[&sent]));
    let first = batch_with(root, &[deposit()]).expect("a valid block").made.expect("two blocks");

    // A hundred silent superblocks later.
    let mut late = first.state;
    late.number = sent.deadline;
    while late.history.len() < u64::from(late.number) {
        late.history.push(digest(1));
    }
    let mut states = States::open(root, None).expect("a chain");
    states.advance(late.clone()).expect("a possible state");
    drop(states);

    let inbox = vec![(sent.clone(), Consumption::Refund)];
    put(root, 2, &BlockMessages { inbox, ..moves(1, &[], &[]) });
    let made = batch(root).expect("a valid block").made.expect("two blocks");
    let l1 = made.l1.expect("a block of environment 0");
    let [refund] = &l1.payouts[..] else { panic!("{:?}", l1.payouts) };
    assert_eq!((refund.kind, refund.recipient, refund.amount), (PayoutKind::Refund, deposit().depositor, 6));
    assert!(made.state.bridge.in_flight().next().is_none());
    assert!(made.state.bridge.balances().all(|(_, amount)| amount.get() == 0));
    verified(&made.path, &late);
    assert_eq!(states::with_latest(root, None, Clone::clone).expect("written"), made.state);
}

#[test]
fn a_bundle_of_environment_0_among_the_blocks_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[(1, 1)]);
    let block = l1_state(&SuperblockState::genesis(CHAIN)).block(1, &[deposit()], &[]).expect("a block");
    let bundle =
        BlockBundle::new(&FreeL1.prove(ENGINE.cache(), &block, Variant::SMALL).expect("it proves anything"));
    let path = write_block(&root.join("blocks"), "0-1.block", &bundle);
    let outcome = batch(root).expect("a valid block");
    let [refused] = &outcome.refused[..] else { panic!("{:?}", outcome.refused) };
    assert!(matches!(refused.reason, Refusal::OfL1) && refused.path == path, "{}", refused.reason);
    let made = outcome.made.expect("the other block");
    assert!(made.l1.is_none() && made.state.l1.queue.length == 0);
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
