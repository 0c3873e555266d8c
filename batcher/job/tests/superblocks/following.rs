//! Superblocks that one batcher made, applied to the states of another.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use batcher_circuits::{
    state::SuperblockState,
    testing::{block, digest, message, moves},
};
use batcher_job::{
    anchor::Untrusted,
    follow::{Decision, Followed, Follower, FollowerError, Refusal},
    queue::{Queue, QueueError, QueueHeader},
    states::{States, numbers as states_of, with_latest},
};
use batcher_verify::{
    bundle::{BundleError, SuperblockBundle},
    keys::PinnedKeys,
    trust::{RegistryFrom, Trust},
    verify::VerifyError,
};
use bridge_core::Message;
use circuits_protocol::{
    l1::{KeccakDigest, PAYOUT_BYTES, QueuePosition},
    registry::EnvironmentId,
};
use environments_l1::Deposit;

use crate::{
    common::{CHAIN, batch, batch_with, block_bundle, deposit, talking_bundle, waiting, write_block},
    files::trust,
};

/// What a batcher made: two superblocks with messages, the first of which takes a deposit that the second one claims, and,
/// on another day, another first superblock.
struct World {
    directory: tempfile::TempDir,
    superblocks: [PathBuf; 2],
    rival: PathBuf,
    end: SuperblockState,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("batcher");
    waiting(&root, &[]);
    let there = message(CHAIN, 1, 2, 10);
    let back = Message { source: EnvironmentId(2), destination: EnvironmentId(1), ..there.clone() };
    let put = |name: &str, height, messages| {
        write_block(&root.join("blocks"), name, &talking_bundle(height, &messages));
    };
    put("1-1.block", 1, moves(1, &[], &[&there, &Message { sequence: 1, ..message(CHAIN, 1, 0, 4) }]));
    put("2-1.block", 1, moves(2, &[&there], &[&back]));
    let first = batch_with(&root, &[deposit()]).expect("valid blocks").made.expect("three blocks");
    put("1-2.block", 2, moves(1, &[&back], &[]));
    let deposited = deposit().message(CHAIN, 0, 1).expect("a good deposit");
    put("2-2.block", 2, moves(2, &[&deposited], &[]));
    let second = batch(&root).expect("a valid block").made.expect("two blocks");
    assert_eq!(second.included.len(), 2);

    let other = directory.path().join("other");
    waiting(&other, &[(1, 1)]);
    let rival = batch(&other).expect("a valid block").made.expect("a block");
    let superblocks = [first.path, second.path];
    World { directory, superblocks, rival: rival.path, end: second.state }
});

/// Follows these bundles from the states in `directory`, or the genesis.
fn follow(
    directory: &Path,
    paths: &[&Path],
    trust: Option<&Trust>,
    queue: Option<&Queue>,
) -> Result<Followed, FollowerError> {
    let mut states = States::open(directory, Some(CHAIN))?;
    let follower = Follower { keys: PinnedKeys::embedded(), trust, queue };
    follower.run(paths.iter().map(|path| path.to_path_buf()).collect(), &mut states)
}

/// The queue of these deposits.
fn queue(directory: &Path, deposits: &[Deposit]) -> Queue {
    let path = directory.join("queue.jsonl");
    let header = serde_json::to_string(&QueueHeader::from(CHAIN)).expect("serialisable");
    let lines = deposits.iter().map(|deposit| serde_json::to_string(deposit).expect("serialisable"));
    let lines: Vec<_> = std::iter::once(header).chain(lines).collect();
    fs::write(&path, lines.join("\n")).expect("writable");
    Queue::read(&path, CHAIN).expect("deposits")
}

#[test]
fn bundles_in_any_order_lead_another_to_the_state_of_their_batcher() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let [first, second] = &WORLD.superblocks;
    let (copy, junk) = (root.join("copy"), root.join("junk"));
    fs::copy(first, &copy).expect("writable");
    fs::write(&junk, b"noise").expect("writable");
    let states = root.join("state");
    let queue = queue(root, &[deposit()]);
    let paths = [second.as_path(), &junk, first, &copy];
    let followed = follow(&states, &paths, Some(&trust()), Some(&queue)).expect("a chain");
    let [one, two, three, four] = &followed.superblocks[..] else { panic!("four files: {followed:?}") };
    assert!(matches!(one.decision, Decision::Applied(_)) && one.path == *first, "{one:?}");
    assert!(matches!(&two.decision, Decision::Copy(of) if of == first) && two.path == copy, "{two:?}");
    assert!(
        matches!(three.decision, Decision::Applied(state) if state == WORLD.end.commitment()),
        "{three:?}"
    );
    let is_unreadable = matches!(&four.decision, Decision::Refused(refusal) if !refusal.is_invalid());
    assert!(is_unreadable && four.number.is_none() && four.path == junk, "{four:?}");
    assert_eq!((followed.number, followed.state), (2, WORLD.end.commitment()));
    assert!(followed.anchored && followed.deposits_checked);
    assert_eq!(with_latest(&states, None, Clone::clone).expect("written"), WORLD.end);
    assert_eq!(states_of(&states).expect("readable"), [0, 1, 2]);

    // The same again is known, and the rival of what is there is of another chain.
    let paths = [WORLD.rival.as_path(), second, first];
    let again = follow(&states, &paths, None, None).expect("a chain");
    assert!(!again.anchored && !again.deposits_checked);
    let known = again.superblocks.iter().filter(|one| matches!(one.decision, Decision::Known));
    assert_eq!(known.count(), 2, "{again:?}");
    let other = again.superblocks.iter().find(|one| one.path == WORLD.rival).expect("listed");
    let is_other =
        matches!(other.decision, Decision::Refused(Refusal::OtherChain { number: 1, field: "new", .. }));
    assert!(is_other, "{other:?}");
    assert_eq!(with_latest(&states, None, Clone::clone).expect("still there"), WORLD.end);
}

#[test]
fn a_state_that_took_other_deposits_than_l1s_queue_has_goes_no_further() {
    let directory = tempfile::tempdir().expect("a directory");
    let (root, states) = (directory.path(), directory.path().join("state"));
    let [first, second] = &WORLD.superblocks;
    assert!(!follow(&states, &[first], None, None).expect("a superblock").deposits_checked);
    let other = queue(root, &[Deposit { amount: 7, ..deposit() }]);
    let refused = follow(&states, &[second], None, Some(&other));
    assert!(matches!(refused, Err(FollowerError::Queue(QueueError::OtherQueue { .. }))), "{refused:?}");
    let followed = follow(&states, &[second], None, Some(&queue(root, &[deposit()]))).expect("L1's queue");
    assert_eq!((followed.number, followed.deposits_checked), (2, true));
}

#[test]
fn a_gap_is_named_and_of_two_superblocks_on_one_state_none_is_chosen() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let [first, second] = &WORLD.superblocks;
    let early = follow(root, &[second], None, None).expect("a superblock");
    assert!(matches!(early.superblocks[0].decision, Decision::Early { missing: 1 }), "{early:?}");
    let rivals = follow(root, &[first, second, &WORLD.rival], None, None).expect("superblocks");
    for (path, other) in [(first, &WORLD.rival), (&WORLD.rival, first)] {
        let one = rivals.superblocks.iter().find(|one| one.path == *path).expect("listed");
        let Decision::Refused(Refusal::Rival { number: 1, other: found }) = &one.decision else {
            panic!("{one:?}");
        };
        assert_eq!(found, other);
    }
    assert!(rivals.superblocks.iter().any(|one| matches!(one.decision, Decision::Early { missing: 1 })));
    assert!(states_of(root).expect("readable").is_empty());

    // One with other deposits than those of L1's queue is no rival.
    let elsewhere = tempfile::tempdir().expect("a directory");
    let other = Deposit { amount: 7, ..deposit() };
    let queue = queue(elsewhere.path(), &[other]);
    let judged = follow(elsewhere.path(), &[first, &WORLD.rival], None, Some(&queue)).expect("superblocks");
    for one in &judged.superblocks {
        match &one.decision {
            Decision::Applied(_) => assert_eq!(one.path, WORLD.rival),
            Decision::Refused(Refusal::Invalid(VerifyError::Deposits { number: 1, .. })) => {
                assert_eq!(one.path, *first);
            }
            _ => panic!("{one:?}"),
        }
    }
    assert_eq!((judged.number, judged.deposits_checked), (1, true));

    let chosen = follow(root, &[&WORLD.rival, second], None, None).expect("superblocks");
    assert_eq!(chosen.number, 1);
    let other = &chosen.superblocks[1];
    let is_other =
        matches!(other.decision, Decision::Refused(Refusal::OtherChain { number: 2, field: "previous", .. }));
    assert!(is_other, "{other:?}");
}

#[test]
fn what_the_trust_file_or_l1s_queue_refuses_is_not_applied() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let [first, second] = WORLD.superblocks.each_ref().map(PathBuf::as_path);
    let with = |change: &dyn Fn(&mut Trust)| {
        let mut trust = trust();
        change(&mut trust);
        trust
    };
    // How many are applied, and why others are not.
    let judge = |trust: Option<&Trust>, queue: Option<&Queue>| {
        let states = tempfile::tempdir().expect("a directory");
        let followed = follow(states.path(), &[first, second], trust, queue).expect("superblocks");
        assert_eq!(
            states_of(states.path()).expect("readable").len() as u32,
            match followed.number {
                0 => 0,
                number => number + 1,
            }
        );
        let refused: Vec<_> = followed
            .superblocks
            .into_iter()
            .filter_map(|one| match one.decision {
                Decision::Refused(Refusal::Invalid(error)) => Some(error),
                _ => None,
            })
            .collect();
        (followed.number, followed.deposits_checked, refused)
    };
    let registry = with(&|trust| trust.registry.push(RegistryFrom { from: 2, root: digest(1) }));
    let (number, _, refused) = judge(Some(&registry), None);
    assert!(matches!(refused[..], [VerifyError::Untrusted { number: 2, field: "registry root", .. }]));
    assert_eq!(number, 1);

    // What was taken up to the last superblock is what the trust file says, or what takes anything is not applied.
    let taken = |l1_queue| with(&|trust| trust.l1_queue = Some(l1_queue));
    let end = WORLD.end.l1.queue;
    for other in [QueuePosition { length: 2, ..end }, QueuePosition { digest: KeccakDigest::ZERO, ..end }] {
        // The second one then waits for another first one.
        let (number, _, refused) = judge(Some(&taken(other)), None);
        assert_eq!(number, 0);
        assert!(matches!(refused[..], [VerifyError::Untrusted { number: 1, .. }]), "{refused:?}");
    }
    let (number, is_checked, refused) = judge(Some(&taken(end)), None);
    assert_eq!((number, is_checked, refused.len()), (2, true, 0));

    let later = Deposit { amount: 7, ..deposit() };
    let (number, _, refused) = judge(None, Some(&queue(root, &[later, deposit()])));
    // The second one then waits for another first one.
    assert_eq!((number, refused.len()), (0, 1));
    assert!(matches!(refused[0], VerifyError::Deposits { .. }));
    let (number, is_checked, _) = judge(None, Some(&queue(root, &[deposit(), later])));
    assert_eq!((number, is_checked), (2, true));

    // A state that the trust file does not lead to is not moved.
    let start = with(&|trust| trust.start.state = digest(1));
    let error = follow(root, &[first], Some(&start), None).expect_err("another start");
    assert!(matches!(error, FollowerError::Untrusted(Untrusted::Start { number: 0, .. })), "{error}");
    assert!(states_of(root).expect("readable").is_empty());
    let error = follow(root, &[], None, None).expect_err("nothing to follow");
    assert!(matches!(error, FollowerError::Files(VerifyError::Empty)), "{error}");
}

/// What a forger does to a bundle, and whether the error is the one that names it.
type Forgery = (fn(&mut SuperblockBundle), fn(&BundleError) -> bool);

#[test]
fn a_bundle_with_other_messages_indices_or_payouts_than_the_proved_ones_is_refused() {
    let path = WORLD.directory.path().join("changed.superblock");
    let [first, _] = &WORLD.superblocks;
    let bundle = SuperblockBundle::decode(&fs::read(first).expect("written")).expect("valid");
    assert_eq!((bundle.messages.len(), &bundle.consumed[..]), (3, &[0, 1][..]));
    assert_eq!(bundle.payouts.len(), PAYOUT_BYTES);
    let is_payouts: fn(&BundleError) -> bool = |error| matches!(error, BundleError::Payouts(_));
    let forgeries: [Forgery; 10] = [
        (|bundle| bundle.payouts.clear(), is_payouts),
        (|bundle| bundle.payouts[30] ^= 1, is_payouts),
        (|bundle| bundle.payouts.extend([0; PAYOUT_BYTES]), is_payouts),
        (
            |bundle| bundle.consumed.swap(0, 1),
            |error| matches!(error, BundleError::Blocks { consumed: 2, .. }),
        ),
        (|bundle| bundle.consumed[0] = 7, |error| matches!(error, BundleError::Blocks { .. })),
        (|bundle| bundle.consumed.push(2), |error| *error == BundleError::Indices { expected: 2, found: 3 }),
        (|bundle| bundle.messages.clear(), |error| *error == BundleError::Indices { expected: 0, found: 2 }),
        (|bundle| bundle.messages[1].outbox.clear(), |error| *error == BundleError::Messages { index: 1 }),
        (|bundle| bundle.messages.swap(0, 1), |error| *error == BundleError::Messages { index: 0 }),
        (
            |bundle| bundle.messages.push(moves(1, &[], &[])),
            |error| *error == BundleError::Messages { index: 3 },
        ),
    ];
    for (index, (forge, is_expected)) in forgeries.into_iter().enumerate() {
        let mut changed = bundle.clone();
        forge(&mut changed);
        let error = changed.verify(PinnedKeys::embedded()).expect_err("other lists");
        assert!(is_expected(&error) && error.is_invalid(), "forgery {index}: {error}");
        fs::write(&path, changed.encode().expect("serialisable")).expect("writable");
        let states = tempfile::tempdir().expect("a directory");
        let followed = follow(states.path(), &[&path], None, None).expect("a file");
        let Decision::Refused(Refusal::Invalid(VerifyError::Bundle { source, .. })) =
            &followed.superblocks[0].decision
        else {
            panic!("{followed:?}");
        };
        assert_eq!(*source, error);
        assert_eq!(followed.number, 0);
    }
}

#[test]
fn who_follows_can_batch_next() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let [first, second] = WORLD.superblocks.each_ref().map(PathBuf::as_path);
    follow(root, &[first, second], None, None).expect("superblocks");
    fs::create_dir(root.join("blocks")).expect("writable");
    write_block(&root.join("blocks"), "1-3.block", &block_bundle(block(1, 3)));
    let made = batch(root).expect("a valid block").made.expect("a block");
    let third = follow(&root.join("fresh"), &[&made.path, first, second], None, None).expect("superblocks");
    assert_eq!((third.number, third.state), (3, made.state.commitment()));
}
