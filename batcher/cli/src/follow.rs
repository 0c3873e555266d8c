//! `superblock follow`.

use std::{num::NonZeroU32, path::PathBuf};

use batcher_job::{
    follow::{Decision, Followed, Follower},
    queue::Queue,
    states::{self, KEPT, States},
};
use batcher_verify::{keys::PinnedKeys, trust::Trust};
use circuits_core::chain_id::parse_chain_id;

use crate::{
    answer::{Answer, Failure},
    exit::ExitCode,
};

/// Apply superblocks that another batcher made to the states of a directory.
///
/// Use this to keep up with a chain that others batch, so that you can inspect its state, or batch after it. Each bundle
/// is verified as `verify` does, without building a circuit, and those that continue the latest state are applied. The
/// bundle has all that this takes. What is refused, comes too early or is known is listed, and stops no other bundle.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Apply these superblock bundles, in any order.
    ///
    /// Bundles of superblocks that the chain has already do no harm.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Continue the latest superblock state of this directory.
    ///
    /// Each state that is reached is added under its number, as `batch` does. Two processes cannot work on the states of
    /// one directory.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Keep the states of the last N superblocks.
    ///
    /// Chains can be rolled back to a state that is kept. Older ones are removed once the new one is on disk.
    #[arg(long, value_name = "N", default_value_t = KEPT)]
    keep_states: NonZeroU32,
    /// Start from the genesis of the chain with this id if the state's directory has no state.
    ///
    /// If there is a state, it must be of this chain.
    #[arg(long, value_name = "CHAIN_ID", value_parser = parse_chain_id)]
    genesis: Option<u64>,
    /// Apply nothing that `verify --trust` would refuse with this file.
    ///
    /// The file's start state must have led to the latest state of the directory. With `l1_queue` in the file, the last
    /// superblock with a block of environment 0 must have taken exactly these deposits: a part of the chain that has taken
    /// fewer is refused, and so is what takes more. Without this flag, the answer is relative to that state, to the registries that the
    /// superblocks name, and to the embedded keys.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Compare the deposits with L1's queue in this file.
    ///
    /// It has every deposit ever made on L1, in order, as `batch` takes it. A superblock that takes other deposits is
    /// refused, and so is everything if the state itself has taken others. Without it, and without `l1_queue` in the trust file, deposits are not compared.
    #[arg(long, value_name = "FILE")]
    deposits: Option<PathBuf>,
}

pub(crate) fn run(arguments: Arguments) -> Result<Answer, Failure> {
    let trust = arguments.trust.as_deref().map(Trust::read).transpose()?;
    // Before a directory is made.
    let chain_id = states::with_latest(&arguments.state, arguments.genesis, |state| state.chain_id)?;
    let queue = arguments.deposits.as_deref().map(|path| Queue::read(path, chain_id)).transpose()?;
    let states = States::open(&arguments.state, arguments.genesis)?;
    let mut states = states.keeping(arguments.keep_states);
    let follower = Follower { keys: PinnedKeys::embedded(), trust: trust.as_ref(), queue: queue.as_ref() };
    let followed = follower.run(arguments.files, &mut states)?;
    Ok(answer(&followed))
}

/// Nothing that could be used ends with the code that `verify` would end with.
fn answer(followed: &Followed) -> Answer {
    let decisions = || followed.superblocks.iter().map(|one| &one.decision);
    let is_useful = |decision: &Decision| matches!(decision, Decision::Applied(_) | Decision::Known);
    let is_unused = |decision: &Decision| matches!(decision, Decision::Early { .. } | Decision::Refused(_));
    let is_invalid =
        |decision: &Decision| matches!(decision, Decision::Refused(refusal) if refusal.is_invalid());
    let code = if decisions().any(is_invalid) { ExitCode::Invalid } else { ExitCode::Rejected };
    Answer::new(followed).with_refusals(decisions().any(is_unused)).or_else(decisions().any(is_useful), code)
}
