//! A superblock over the kernels of environment 0 and a real proof of its hashes. Proving those takes a while, so there is one.

use std::{fs, path::Path, sync::LazyLock};

use batcher_circuits::{
    follow::follow,
    state::SuperblockState,
    testing::{free_registry, message, moves},
};
use batcher_job::{
    batch::{BatchError, Batcher, Made},
    l1::L1Prover,
    output::OutputDirectory,
    planner::Planner,
    prove::ProveError::Stopped,
    states::States,
};
use batcher_verify::{bundle::SuperblockBundle, keys::PinnedKeys, verify::verify};
use bridge_core::Message;
use circuits_core::{CircuitError, Digest};
use circuits_keys::CircuitCache;
use circuits_protocol::registry::{EnvironmentId, Registry};
use circuits_tasks::progress::Quiet;
use environments_core::{ProveError, ProvenBlock};
use environments_l1::{Deposit, KERNELS, L1Block, PayoutKind, kernel::Variant, registry_entry};

use crate::common::{CHAIN, ENGINE, FreeL1, deposit, registry, talking_bundle, waiting, write_block};

struct World {
    directory: tempfile::TempDir,
    registry: Registry,
    made: Made,
}

/// Environment 1 sends something to L1; somebody deposits, and somebody else deposits nothing.
static WORLD: LazyLock<World> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[]);
    let withdrawal = message(CHAIN, 1, 0, 4);
    let sending = talking_bundle(1, &moves(1, &[], &[&withdrawal]));
    write_block(&root.join("blocks"), "1-1.block", &sending);
    let kernels = KERNELS.key_digests(ENGINE.cache()).expect("they are built");
    let mut registry = free_registry(2);
    let entry = registry_entry(CHAIN, &kernels).expect("a chain id");
    registry.insert(EnvironmentId::L1, entry).expect("it is not listed yet");
    let made = batch(root, &registry, &KERNELS);
    World { made, directory, registry }
});

fn queue() -> [Deposit; 2] {
    [deposit(), Deposit { amount: 0, ..deposit() }]
}

fn batch(root: &Path, registry: &Registry, l1: &dyn L1Prover) -> Made {
    let batcher = Batcher {
        engine: &ENGINE,
        output: &OutputDirectory::new(root),
        trust: None,
        l1,
        progress: &Quiet,
        planner: Planner::default(),
        shared: None,
        replan: false,
        jobs: 1,
        stop: &false.into(),
    };
    let mut states = States::open(root, None).expect("a chain");
    let outcome = batcher.run(&root.join("blocks"), &queue(), &mut states, registry, root);
    outcome.expect("valid blocks").made.expect("two blocks")
}

/// The kernels, by a prover that never has to prove.
struct Known;

impl L1Prover for Known {
    fn key_digest(&self, cache: &CircuitCache, variant: Variant) -> Result<Digest, CircuitError> {
        L1Prover::key_digest(&KERNELS, cache, variant)
    }

    fn prove(&self, _: &CircuitCache, block: &L1Block, _: Variant) -> Result<ProvenBlock, ProveError> {
        panic!("block {} is proved already", block.last_height());
    }
}

#[test]
fn a_deposit_a_bounce_and_a_withdrawal_are_proved_and_followed() {
    let World { made, .. } = &*WORLD;
    let l1 = made.l1.as_ref().expect("a block of environment 0");
    assert_eq!((l1.superblock, l1.deposits, l1.bounced, l1.queue.length), (1, 2, 1, 2));
    let kinds: Vec<_> = l1.payouts.iter().map(|payout| payout.kind).collect();
    assert_eq!(kinds, [PayoutKind::Claim, PayoutKind::Bounce]);
    let report = verify(vec![made.path.clone()], None, PinnedKeys::embedded()).expect("a valid superblock");
    let outcome = report.superblocks[0].l1.expect("a block of environment 0");
    assert_eq!((outcome.queue, outcome.payouts.count), (l1.queue, 2));

    let bundle = SuperblockBundle::decode(&fs::read(&made.path).expect("written")).expect("valid");
    assert_eq!(follow(&SuperblockState::genesis(CHAIN), &bundle).as_ref(), Ok(&made.state));
    let [ref pending] = made.state.bridge.in_flight().collect::<Vec<_>>()[..] else { panic!("one message") };
    assert_eq!(pending.message, Message { deadline: 101, ..deposit().message(CHAIN, 0, 1).expect("good") });
}

/// The free kernel, by a prover that is never asked to prove.
struct Unasked;

impl L1Prover for Unasked {
    fn key_digest(&self, cache: &CircuitCache, variant: Variant) -> Result<Digest, CircuitError> {
        FreeL1.key_digest(cache, variant)
    }

    fn prove(&self, _: &CircuitCache, block: &L1Block, _: Variant) -> Result<ProvenBlock, ProveError> {
        panic!("block {} is proved after the stop", block.last_height());
    }
}

#[test]
fn a_batch_that_is_stopped_proves_no_block_of_environment_0() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[]);
    let batcher = Batcher {
        engine: &ENGINE,
        output: &OutputDirectory::new(root),
        trust: None,
        l1: &Unasked,
        progress: &Quiet,
        planner: Planner::default(),
        shared: None,
        replan: false,
        jobs: 1,
        stop: &true.into(),
    };
    let mut states = States::open(root, None).expect("a chain");
    let stopped = batcher.run(&root.join("blocks"), &queue(), &mut states, &registry(), root);
    assert!(matches!(stopped, Err(BatchError::Prove(Stopped))), "{stopped:?}");
}

#[test]
fn a_proven_block_of_environment_0_is_not_proved_again() {
    let World { directory, registry, made } = &*WORLD;
    let root = directory.path();
    let bytes = fs::read(&made.path).expect("written");
    // As after a batch that was stopped before it wrote its bundle.
    let aside = tempfile::tempdir().expect("a directory");
    waiting(aside.path(), &[]);
    fs::create_dir(aside.path().join("proofs")).expect("writable");
    for entry in ["blocks", "proofs"] {
        for file in fs::read_dir(root.join(entry)).expect("written") {
            let path = file.expect("readable").path();
            let to = aside.path().join(entry).join(path.file_name().expect("a file"));
            fs::copy(&path, to).expect("writable");
        }
    }
    let again = batch(aside.path(), registry, &Known);
    assert!(!again.is_adopted);
    assert_eq!((&again.l1, &again.state), (&made.l1, &made.state));
    assert_eq!(fs::read(&again.path).expect("written"), bytes);
}
