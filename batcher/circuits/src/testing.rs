//! Fixtures: a kernel that proves any block statement, for tests of what the batcher does with kernels that lie.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use batcher_verify::{keys::PinnedKeys, payouts::payouts_digest};
use bridge_core::{AssetId, BlockMessages, Consumption, Message};
use circuits_core::{Digest, F, Proof, VerifierKey, amount::Amount, layout, recursion::key_digest};
use circuits_forging::fixtures::{FreeKernel, cache, kept_proof};
use circuits_protocol::{
    l1::{KeccakDigest, L1Outcome, PAYOUT_BYTES, PayoutRange, QueuePosition},
    registry::{EnvironmentId, KernelEntry, Producer, Registry, RegistryEntry},
    statement::{BlockStatement, L1Body, empty_list, l1_body_digest},
    wrap::Wrapper,
};
use circuits_prover::basetypes::VerifierData;
use plonky2::field::types::{Field, PrimeField64};

use crate::{
    contents::{ContentBlock, Contents},
    engine::Engine,
};

/// The free kernel's wrap and its key.
static FREE: LazyLock<(Wrapper, Arc<VerifierData>)> = LazyLock::new(|| {
    let kernel = cache().verifier(FreeKernel).expect("the free kernel builds");
    let wrapper = Wrapper::new("free-kernel", kernel);
    let key = wrapper.key(cache()).expect("the free kernel wraps");
    (wrapper, key)
});

/// An engine over the keys that all tests of a process share.
#[must_use]
pub fn engine() -> Engine {
    Engine::new(PinnedKeys::embedded().clone(), cache().clone())
}

/// The free kernel's wrap key.
#[must_use]
pub fn free_key() -> &'static VerifierKey {
    &FREE.1.verifier_only
}

/// Digest of [`free_key`].
#[must_use]
pub fn free_key_digest() -> Digest {
    key_digest(free_key())
}

/// A wrapped proof of `statement` by the free kernel. One test program makes it for all, unless several threads ask for it at the
/// same time; those of a process get the same proof.
///
/// # Panics
/// If proving fails.
#[must_use]
pub fn free_proof(statement: &BlockStatement) -> Proof {
    static MADE: Mutex<BTreeMap<Vec<u8>, Proof>> = Mutex::new(BTreeMap::new());
    let made = || MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let stated = layout::to_bytes(statement);
    let found = made().get(&stated).cloned();
    let proof = found.unwrap_or_else(|| kept_proof(statement, &FREE.1, || make_free_proof(statement)));
    made().entry(stated).or_insert(proof).clone()
}

fn make_free_proof(statement: &BlockStatement) -> Proof {
    let kernel_proof = cache()
        .circuit(FreeKernel)
        .expect("the free kernel builds")
        .prove(statement)
        .expect("the free kernel proves everything");
    FREE.0.prove(cache(), &kernel_proof).expect("a valid proof wraps")
}

/// A digest made from `label`.
#[must_use]
pub fn digest(label: u64) -> Digest {
    Digest([F::from_canonical_u64(label); 4])
}

/// The genesis state of environment `id` of the fixtures.
#[must_use]
pub fn genesis_state(id: u16) -> Digest {
    digest(1000 * u64::from(id))
}

/// The label of the producer of every environment of the fixtures.
pub const PRODUCER: u64 = 7;

/// A producer whose commitment is made from `label`.
#[must_use]
pub fn producer(label: u64) -> Producer {
    Producer::fixture(digest(label))
}

/// An environment of the free kernel, valid in superblocks 1 to 1000, that starts from `genesis_state`.
#[must_use]
pub fn free_entry(genesis_state: Digest) -> RegistryEntry {
    let kernel = KernelEntry { key: free_key_digest(), valid_from: 1, valid_until: 1000 };
    RegistryEntry::new(genesis_state, producer(PRODUCER), vec![kernel])
}

/// A registry of the free kernel for environments `1..=environments`; L1 has no entry.
///
/// # Panics
/// Never: the entries are well-formed.
#[must_use]
pub fn free_registry(environments: u16) -> Registry {
    let mut registry = Registry::default();
    for id in 1..=environments {
        registry.insert(EnvironmentId(id), free_entry(genesis_state(id))).expect("ids are distinct");
    }
    registry
}

/// [`free_registry`] with L1, whose kernel is the free one, too.
///
/// # Panics
/// Never: the entries are well-formed.
#[must_use]
pub fn free_registry_with_l1(environments: u16) -> Registry {
    let mut registry = free_registry(environments);
    registry.insert(EnvironmentId::L1, free_entry(genesis_state(0))).expect("ids are distinct");
    registry
}

/// The environment of `statement`.
fn environment(statement: &BlockStatement) -> EnvironmentId {
    EnvironmentId(
        u16::try_from(statement.environment.to_canonical_u64()).expect("fixtures have ids of 16 bits"),
    )
}

/// Blocks of the free kernel that emit and consume nothing.
#[must_use]
pub fn silent(blocks: &[BlockStatement]) -> Contents {
    let block = |&statement: &BlockStatement| ContentBlock {
        key: free_key_digest(),
        statement,
        messages: BlockMessages::none(environment(&statement)),
    };
    Contents { blocks: blocks.iter().map(block).collect(), ..Contents::default() }
}

/// `value` of asset 1 of environment `source` on its way to `destination`, until superblock 101.
///
/// # Panics
/// If `value` is no amount.
#[must_use]
pub fn message(chain_id: u64, source: u16, destination: u16, value: u64) -> Message {
    Message {
        chain_id,
        source: EnvironmentId(source),
        destination: EnvironmentId(destination),
        sequence: 0,
        sender: digest(11),
        recipient: digest(12),
        asset: AssetId::new(source, 1).expect("1 is a number of an asset"),
        amount: Amount::new(value).expect("an amount"),
        deadline: 101,
        data: Digest::ZERO,
    }
}

/// A block's messages: what it claims, and what it emits.
#[must_use]
pub fn moves(environment: u16, claims: &[&Message], emits: &[&Message]) -> BlockMessages {
    BlockMessages {
        environment: EnvironmentId(environment),
        inbox: claims.iter().map(|&message| (message.clone(), Consumption::Claim)).collect(),
        outbox: emits.iter().map(|&message| message.clone()).collect(),
    }
}

/// A block of the free kernel with messages.
#[must_use]
pub fn talking(height: u32, messages: BlockMessages) -> ContentBlock {
    ContentBlock { key: free_key_digest(), statement: block_with(height, &messages), messages }
}

/// [`block`] with messages.
#[must_use]
pub fn block_with(height: u32, messages: &BlockMessages) -> BlockStatement {
    let statement = block(messages.environment.0, height);
    BlockStatement { outbox: messages.outbox_digest(), inbox: messages.inbox_digest(), ..statement }
}

/// The payouts of the block of environment 0 in superblock `number`, as bundles carry them.
#[must_use]
pub fn l1_payouts(number: u32) -> Vec<u8> {
    payouts(number).as_flattened().to_vec()
}

fn payouts(number: u32) -> [[u8; PAYOUT_BYTES]; 2] {
    [1, 2].map(|index| [number as u8 ^ index; PAYOUT_BYTES])
}

/// The body of the block of environment 0 in superblock `number`.
#[must_use]
pub fn l1_body(number: u32) -> L1Body {
    let payouts = payouts(number);
    let first = 2 * number;
    L1Body::from(&L1Outcome {
        queue: QueuePosition { digest: KeccakDigest([number as u8; 32]), length: 7 * number },
        payouts: PayoutRange { digest: payouts_digest(&payouts), first, count: payouts.len() as u32 },
    })
}

/// A block of environment 0 in superblock `number`, after its block of height `before`, with messages.
#[must_use]
pub fn l1_block(before: u32, number: u32, messages: BlockMessages) -> ContentBlock {
    let statement = BlockStatement {
        first_height: F::from_canonical_u32(before + 1),
        previous_state: block(0, before + 1).previous_state,
        body: l1_body_digest(&l1_body(number)),
        ..block_with(number, &messages)
    };
    ContentBlock { key: free_key_digest(), statement, messages }
}

/// Block `height` of environment `id`, continuing block `height - 1` of the same fixtures.
#[must_use]
pub fn block(id: u16, height: u32) -> BlockStatement {
    let state = |height: u32| digest(1000 * u64::from(id) + u64::from(height));
    BlockStatement {
        environment: F::from_canonical_u16(id),
        first_height: F::from_canonical_u32(height),
        last_height: F::from_canonical_u32(height),
        previous_state: state(height - 1),
        new_state: state(height),
        outbox: empty_list(),
        inbox: empty_list(),
        body: digest(5_000_000 + 1000 * u64::from(id) + u64::from(height)),
        producer: digest(PRODUCER),
    }
}
