//! A chain of superblocks that can be followed, computed natively: its proofs are made up.

use std::io;

use alloy_primitives::Address;
use batcher_circuits::{
    contents::{ContentBlock, Contents},
    state::SuperblockState,
    testing::{PRODUCER, block_with, genesis_state, message, moves, producer},
    transition::Transition,
};
use batcher_settlement::{
    bodies::{Bodies, KnownKinds},
    data::SuperblockData,
    superblock::Superblock,
};
use batcher_verify::bundle::{BlockEntry, SUPERBLOCK_LIMIT, SuperblockBundle};
use bridge_core::{BlockMessages, Capacity};
use circuits_core::{Digest, layout};
use circuits_files::file::{self, FileKind};
use circuits_protocol::{
    registry::{EnvironmentId, KernelEntry, Registry, RegistryEntry},
    statement::{BlockStatement, SuperblockStatement},
};
use environments_core::{
    BlockBundle, DynEnvironment,
    kind::{Kind, KindError, SettledEnvironment, Start},
    walk::{Walk, WalkError},
};

use crate::{
    anvil::Anvil,
    deployment::{CHAIN_ID, Deployment},
    support::{self, digest},
};

const ROOM: Capacity = Capacity { new_balances: 100, steps: 100 };

/// A deployment that starts from genesis, and its first two superblocks: environment 1 sends something to environment 2, which claims
/// it in the superblock after.
pub(crate) struct Chain {
    pub(crate) deployment: Deployment,
    pub(crate) genesis: SuperblockState,
    pub(crate) links: Vec<Link>,
}

/// A superblock of the chain.
pub(crate) struct Link {
    pub(crate) bundle: SuperblockBundle,
    pub(crate) bodies: Bodies,
    /// The state after it.
    pub(crate) state: SuperblockState,
}

impl Link {
    pub(crate) fn data(&self) -> SuperblockData {
        SuperblockData::new(&self.bundle, Some(&self.bodies)).expect("all bodies are known")
    }

    /// The superblock, with its data.
    pub(crate) fn superblock(&self) -> Superblock {
        let superblock = Superblock::of(&self.bundle).expect("it fits");
        superblock.with_data(&self.data()).expect("it is its data")
    }
}

fn registry(deployment: u64) -> Registry {
    let mut registry = support::registry(deployment);
    for id in [1, 2] {
        let kernel = KernelEntry { key: digest(5), valid_from: 1, valid_until: 1000 };
        let entry = RegistryEntry::new(genesis_state(id), producer(PRODUCER), vec![kernel]);
        registry.insert(EnvironmentId(id), entry).expect("ids are distinct");
    }
    registry
}

impl Chain {
    pub(crate) fn new() -> Self {
        let genesis = |deployment| SuperblockState::genesis(deployment).commitment();
        let deployment = Deployment::from_genesis(Anvil::start(&[]), registry, genesis);
        let id = deployment.deployed.deployment;
        let registry = registry(id);
        let genesis = SuperblockState::genesis(id);
        let sent = message(id, 1, 2, 40);
        let silent = |environment| BlockMessages::none(EnvironmentId(environment));
        let first = vec![(1, moves(1, &[], &[&sent])), (1, silent(2))];
        let second = vec![(2, silent(1)), (2, moves(2, &[&sent], &[]))];
        let mut links: Vec<Link> = vec![];
        for blocks in [first, second] {
            let before = links.last().map_or(&genesis, |link| &link.state);
            links.push(link(before, &registry, blocks));
        }
        Self { deployment, genesis, links }
    }

    pub(crate) fn superblocks(&self) -> Vec<Superblock> {
        self.links.iter().map(Link::superblock).collect()
    }
}

fn link(before: &SuperblockState, registry: &Registry, blocks: Vec<(u32, BlockMessages)>) -> Link {
    let block = |(height, messages)| {
        let statement = block_with(height, &messages);
        ContentBlock { key: digest(5), statement, messages }
    };
    let height = blocks.first().map_or(0, |(height, _)| *height as usize);
    let contents = Contents { blocks: blocks.into_iter().map(block).collect(), l1_body: None };
    let load = contents.load(before);
    let shares = load.pack(ROOM, ROOM, 0).expect("there is room");
    let transition =
        Transition::new(before, registry, digest(1), &contents, &load, &shares).expect("valid blocks");
    let entries: Vec<_> = transition.applied.iter().map(|applied| applied.entry).collect();
    let bundle = bundle(&transition.statement, &entries, &transition.messages, &transition.consumed);
    let bodies = bodies(&bundle, 500 + height);
    Link { bundle, bodies, state: transition.new_state }
}

/// A state model whose bodies begin with their digests.
struct Digested;

impl Kind for Digested {
    fn name(&self) -> &'static str {
        "digested"
    }

    fn start(&self, _: &Start<'_>) -> Result<Box<dyn DynEnvironment>, KindError> {
        Err(KindError::refused(io::Error::other("it has no environments")))
    }

    fn circuits(&self, _: &mut Walk<'_>) -> Result<(), WalkError> {
        Ok(())
    }

    fn body_digest(&self, _: &SettledEnvironment, body: &[u8]) -> Result<Digest, KindError> {
        let digest = body.first_chunk().ok_or_else(|| KindError::refused(io::Error::other("it is short")))?;
        Digest::from_bytes(*digest).map_err(KindError::refused)
    }
}

/// What the tests' bodies are compared with.
pub(crate) const KNOWN: KnownKinds<'static> =
    KnownKinds { kinds: &[&Digested], l1_chain_id: CHAIN_ID, contract: Address::ZERO };

/// A body of so many bytes with this digest.
fn body(digest: Digest, bytes: usize) -> Vec<u8> {
    let mut body = digest.to_bytes().to_vec();
    body.resize(bytes, 1);
    body
}

/// Bodies of so many bytes for the blocks of a superblock.
pub(crate) fn bodies(bundle: &SuperblockBundle, bytes: usize) -> Bodies {
    let mut bodies = Bodies::of([bundle]);
    for block in blocks(bundle, bytes) {
        bodies.add(&block, &KNOWN).expect("its own body");
    }
    bodies
}

/// The blocks of a superblock, with bodies of so many bytes.
pub(crate) fn blocks(bundle: &SuperblockBundle, bytes: usize) -> Vec<BlockBundle> {
    let block = |block: &BlockEntry| {
        let messages = BlockMessages::none(EnvironmentId(block.environment));
        let statement = BlockStatement {
            new_state: block.new_state,
            body: block.body,
            ..block_with(block.last_height, &messages)
        };
        BlockBundle { statement, proof: vec![], key: vec![], messages, body: body(block.body, bytes) }
    };
    bundle.blocks.iter().map(block).collect()
}

/// A bundle with a key and a proof that nobody looks at.
pub(crate) fn bundle(
    statement: &SuperblockStatement,
    blocks: &[BlockEntry],
    messages: &[BlockMessages],
    consumed: &[u32],
) -> SuperblockBundle {
    let (statement, proof, payouts) =
        (layout::to_bytes(statement), [1_u8; 9].as_slice(), [0_u8; 0].as_slice());
    let payload = (digest(9), statement, blocks, messages, consumed, payouts, proof);
    let bytes = file::encode(FileKind::SuperblockBundle, &payload, SUPERBLOCK_LIMIT).expect("small");
    SuperblockBundle::decode(&bytes).expect("the layout of bundles")
}
