//! Following superblocks that others made: the state after, from the state before and a bundle, without any proof.
//!
//! A verified bundle has all that this takes, and its statement commits to it: which blocks were applied, what they emit and
//! consume, and where in the tree of messages they consume it. The order of the bridge's steps follows from these lists.
//! The state reached is compared with the one that the statement names.

use batcher_verify::bundle::{BlockEntry, BundleError, SuperblockBundle, l1_outcome};
use bridge_core::{BridgeError, BridgeLists, Crossing};
use circuits_core::{Digest, stored::ReadFailure};
use circuits_protocol::{registry::EnvironmentId, statement::SuperblockStatement};
use plonky2::field::types::PrimeField64;
use thiserror::Error;

use super::{
    packing::Load,
    state::{EnvironmentHead, L1Head, SuperblockState},
};

/// Why a bundle does not lead on from a state. A verified one that continues the state always does.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FollowError {
    /// The superblock continues another one.
    #[error("the superblock's {field} is {found}, but the state needs {expected}")]
    NotNext {
        /// `chain id`, `number` or `previous state`.
        field: &'static str,
        expected: String,
        found: String,
    },
    /// The statement is malformed, or the messages are not those of the blocks.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A block does not continue its environment.
    #[error("environment {environment}: block {expected} comes next, found block {found}")]
    Block { environment: EnvironmentId, expected: u64, found: u32 },
    /// The messages break a rule of the bridge.
    #[error("the superblock's messages cannot be moved: {0}")]
    Bridge(#[from] BridgeError),
    /// What the superblock needs of the state cannot be read.
    #[error("the state cannot be read")]
    Unreadable(#[from] ReadFailure),
    /// The bundle leads to another state than its statement says.
    #[error("the superblock leads to state {expected}, its blocks and messages to {found}")]
    OtherState { expected: Digest, found: Digest },
}

/// The state after the superblock of `bundle`, which the caller has verified. It is the state that the batcher reached, not
/// only one with its commitment.
///
/// # Errors
/// [`FollowError`]; [`FollowError::NotNext`] and [`FollowError::Unreadable`] alone if the bundle is verified.
pub fn follow(state: &SuperblockState, bundle: &SuperblockBundle) -> Result<SuperblockState, FollowError> {
    let next = followed(state, bundle);
    // What could not be read was taken for absent, so that anything may follow from it.
    state.check_reads()?;
    next
}

fn followed(state: &SuperblockState, bundle: &SuperblockBundle) -> Result<SuperblockState, FollowError> {
    let statement = bundle.statement()?;
    let number = check_next(state, &statement)?;
    let mut next = state.clone();
    bundle.blocks.iter().try_for_each(|block| apply_head(&mut next, block))?;

    let blocks = bundle.block_messages()?;
    let load = Load::new(&state.bridge, blocks.iter().map(|&(_, messages)| messages));
    let bridge = std::mem::take(&mut next.bridge);
    let mut crossing = Crossing::new(state.chain_id, number, bridge, BridgeLists::start())?
        .following(bundle.consumed.clone());
    crossing.open_balances(load.new_balances)?;
    for (block, messages) in blocks {
        crossing.height = block.first_height;
        crossing.apply_block(messages)?;
    }

    if let Some(outcome) = l1_outcome(&statement).map_err(BundleError::from)? {
        next.l1 = L1Head::after(&outcome);
    }
    next.number = number;
    next.history.push(statement.previous_state);
    next.bridge = crossing.state;
    let (expected, found) = (statement.new_state, next.commitment());
    if found == expected { Ok(next) } else { Err(FollowError::OtherState { expected, found }) }
}

/// Checks that the superblock continues the state, and returns its number.
fn check_next(state: &SuperblockState, statement: &SuperblockStatement) -> Result<u32, FollowError> {
    let number = state.number.saturating_add(1);
    let [chain_id, found] = [statement.chain_id, statement.number].map(|one| one.to_canonical_u64());
    let rules = [
        ("chain id", state.chain_id.to_string(), chain_id.to_string()),
        ("number", number.to_string(), found.to_string()),
        ("previous state", state.commitment().to_string(), statement.previous_state.to_string()),
    ];
    match rules.into_iter().find(|(_, expected, found)| expected != found) {
        None => Ok(number),
        Some((field, expected, found)) => Err(FollowError::NotNext { field, expected, found }),
    }
}

/// Moves an environment's head.
fn apply_head(state: &mut SuperblockState, block: &BlockEntry) -> Result<(), FollowError> {
    let environment = EnvironmentId(block.environment);
    let height = state.environments.get(environment).map_or(0, |head| head.height);
    let expected = u64::from(height) + 1;
    if u64::from(block.first_height) != expected {
        return Err(FollowError::Block { environment, expected, found: block.first_height });
    }
    let head = EnvironmentHead { height: block.last_height, state: block.new_state };
    state.environments.insert(environment, head);
    Ok(())
}
