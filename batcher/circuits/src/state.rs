//! The state that superblocks move forward, natively and as the hashes that circuits compute.
//!
//! ```text
//! state = H(STATE, chain id, number, roots, history root)
//!                                     |      └─ (depth 32) state of superblock n at index n
//!                                     ├─ environments root: (depth 16) H(ENVIRONMENT, environment, height, state)
//!                                     └─ messages and balances: the bridge's
//! ```

use std::collections::BTreeMap;

use bridge_core::BridgeState;
use circuits_core::{
    Builder, Digest, DigestTarget, F,
    hash::{Domain, hash, hash_circuit},
    integer::HEIGHT_BITS,
    layout::Layout,
    trees::{IndexTree, Path},
};
use circuits_protocol::{
    l1::{L1Outcome, QueuePosition},
    registry::{ENVIRONMENT_BITS, EnvironmentId},
    statement::SuperblockRoots,
};
use plonky2::{field::types::Field, iop::target::Target};
use serde::{Deserialize, Serialize};

/// Domain of superblock states.
const STATE: Domain = Domain::new("sbstate");
/// Domain of an environment's head.
const ENVIRONMENT: Domain = Domain::new("envrow");
/// Depth of the tree of past superblock states: one leaf for every number.
pub const HISTORY_DEPTH: usize = HEIGHT_BITS;

/// How far one environment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentHead {
    /// Height of its last block in a superblock.
    pub height: u32,
    /// State commitment after that block.
    pub state: Digest,
}

/// What the state of environment 0 commits to, beside its height and the deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Head {
    /// The deposits that its blocks have taken.
    pub queue: QueuePosition,
    /// How many payouts they have made.
    pub payouts: u32,
}

impl L1Head {
    /// The head after a block with this outcome.
    #[must_use]
    pub fn after(outcome: &L1Outcome) -> Self {
        let L1Outcome { queue, payouts } = outcome;
        Self { queue: *queue, payouts: payouts.first.wrapping_add(payouts.count) }
    }
}

/// `H(ENVIRONMENT, environment, height, state)`.
#[must_use]
pub fn environment_head(environment: F, height: F, state: Digest) -> Digest {
    hash(ENVIRONMENT, &[&[environment, height], state.0.as_slice()].concat())
}

/// In-circuit twin of [`environment_head`].
pub fn environment_head_circuit(
    builder: &mut Builder,
    environment: Target,
    height: Target,
    state: DigestTarget,
) -> DigestTarget {
    hash_circuit(builder, ENVIRONMENT, &[&[environment, height], state.0.as_slice()].concat())
}

/// `H(STATE, chain id, number, roots, history root)`.
#[must_use]
pub fn superblock_state(chain_id: F, number: F, roots: &SuperblockRoots, history_root: Digest) -> Digest {
    let mut input = vec![chain_id, number];
    roots.encode_into(&mut input);
    history_root.encode_into(&mut input);
    hash(STATE, &input)
}

/// In-circuit twin of [`superblock_state`].
pub fn superblock_state_circuit(
    builder: &mut Builder,
    chain_id: Target,
    number: Target,
    roots: &SuperblockRoots<Target>,
    history_root: DigestTarget,
) -> DigestTarget {
    let mut input = vec![chain_id, number];
    roots.encode_into(&mut input);
    history_root.encode_into(&mut input);
    hash_circuit(builder, STATE, &input)
}

/// Everything that the batcher knows between two superblocks. It contains no environment's state, only commitments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuperblockState {
    pub chain_id: u64,
    /// Number of the last superblock; 0 is genesis.
    pub number: u32,
    /// The head of each environment that has a block.
    pub environments: BTreeMap<EnvironmentId, EnvironmentHead>,
    /// What opens the state of environment 0, so that whoever has this state can make the next block of it.
    pub l1: L1Head,
    pub bridge: BridgeState,
    /// States of superblocks `0..number`, in order.
    pub history: Vec<Digest>,
}

impl SuperblockState {
    /// The state before superblock 1.
    #[must_use]
    pub fn genesis(chain_id: u64) -> Self {
        Self {
            chain_id,
            number: 0,
            environments: BTreeMap::new(),
            l1: L1Head::default(),
            bridge: BridgeState::default(),
            history: vec![],
        }
    }

    /// The tree of environments.
    #[must_use]
    pub fn environments_tree(&self) -> IndexTree {
        let mut tree = IndexTree::new(ENVIRONMENT_BITS);
        for (id, head) in &self.environments {
            let leaf = environment_head(id.to_field(), F::from_canonical_u32(head.height), head.state);
            tree.set(u64::from(id.0), leaf).expect("ids have 16 bits");
        }
        tree
    }

    /// The tree of past states.
    #[must_use]
    pub fn history_tree(&self) -> IndexTree {
        let mut tree = IndexTree::new(HISTORY_DEPTH);
        tree.set_range(0, &self.history).expect("numbers have 32 bits");
        tree
    }

    /// Path of the history's next free leaf.
    #[must_use]
    pub fn history_path(&self) -> Path {
        self.history_tree().path(u64::from(self.number))
    }

    /// The roots, as statements carry them.
    #[must_use]
    pub fn roots(&self) -> SuperblockRoots {
        self.bridge.roots(self.environments_tree().root())
    }

    /// The commitment that L1 stores.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        superblock_state(
            F::from_canonical_u64(self.chain_id),
            F::from_canonical_u32(self.number),
            &self.roots(),
            self.history_tree().root(),
        )
    }
}
