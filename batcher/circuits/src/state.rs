//! The state that superblocks move forward, natively and as the hashes that circuits compute.
//!
//! ```text
//! state = H(STATE, chain id, number, roots, history root)
//!                                     |      └─ (depth 32) state of superblock n at index n
//!                                     ├─ environments root: (depth 16) H(ENVIRONMENT, environment, height, state)
//!                                     └─ messages and balances: the bridge's
//! ```

use bridge_core::BridgeState;
use circuits_core::{
    Builder, Digest, DigestTarget, F,
    hash::{Domain, hash, hash_circuit},
    integer::HEIGHT_BITS,
    layout::Layout,
    stored::ReadFailure,
};
use circuits_protocol::{
    l1::{L1Outcome, QueuePosition},
    statement::SuperblockRoots,
};
use plonky2::{field::types::Field, iop::target::Target};
use serde::{Deserialize, Serialize};

use super::heads::{EnvironmentHeads, History};

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

/// Everything that the batcher knows between two superblocks. It contains no environment's state, only commitments. Copies
/// share what they have in common, so that a copy costs the same however much there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuperblockState {
    pub chain_id: u64,
    /// Number of the last superblock; 0 is genesis.
    pub number: u32,
    /// The head of each environment that has a block.
    pub environments: EnvironmentHeads,
    /// What opens the state of environment 0, so that whoever has this state can make the next block of it.
    pub l1: L1Head,
    pub bridge: BridgeState,
    /// States of superblocks `0..number`, in order.
    pub history: History,
}

impl SuperblockState {
    /// The state before superblock 1.
    #[must_use]
    pub fn genesis(chain_id: u64) -> Self {
        Self {
            chain_id,
            number: 0,
            environments: EnvironmentHeads::default(),
            l1: L1Head::default(),
            bridge: BridgeState::default(),
            history: History::default(),
        }
    }

    /// Checks that everything that was needed of this state so far could be read, if it is one that is stored
    /// ([`BridgeState::from_stored`], [`History::from_stored`]). Whoever is about to use what follows from the state checks this first.
    ///
    /// # Errors
    /// The first [`ReadFailure`]: what could not be read was taken for absent.
    pub fn check_reads(&self) -> Result<(), ReadFailure> {
        self.bridge.check_reads()?;
        self.history.check_reads()
    }

    /// The roots, as statements carry them.
    #[must_use]
    pub fn roots(&self) -> SuperblockRoots {
        self.bridge.roots(self.environments.root())
    }

    /// The commitment that L1 stores.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        superblock_state(
            F::from_canonical_u64(self.chain_id),
            F::from_canonical_u32(self.number),
            &self.roots(),
            self.history.root(),
        )
    }
}
