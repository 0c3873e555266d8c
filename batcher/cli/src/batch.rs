//! `superblock batch`.

use std::{num::NonZeroU32, path::PathBuf};

use batcher_circuits::state::SuperblockState;
use batcher_job::{
    anchor,
    batch::{Batcher, Outcome},
    output::OutputDirectory,
    planner::{MAX_BLOCKS, Planner},
    queue::Queue,
    states::{self, KEPT, States},
};
use batcher_verify::trust::Trust;
use circuits_core::chain_id::parse_chain_id;
use circuits_files::file::{self, FileKind, SMALL_LIMIT};
use circuits_protocol::registry::Registry;
use environments_l1::circuits::KERNELS;

use crate::{
    answer::{Answer, Failure},
    exit::ExitCode,
    key_arguments::KeyArguments,
    options::Options,
    progress,
    shared::CoordinatorArguments,
};

/// Make the next superblock from block bundles.
///
/// Use this to batch blocks that producers have made: it checks and orders them, adds a block of environment 0 if L1's
/// queue or a message to L1 asks for one, proves the superblock, and writes its bundle and the new state. A bad bundle is refused with its reason and recorded under DIR/quarantine, and a block
/// that cannot be applied is left out; neither touches the others. A call that was stopped goes on from its finished
/// proofs if it is repeated, and adopts the bundle if it was stopped after writing that.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Batch the block bundles of this directory, in any order.
    ///
    /// Bundles of blocks that earlier superblocks have do no harm: they are skipped. So is a bundle whose proof an earlier
    /// call refused; remove its record to have it judged anew.
    #[arg(long, value_name = "DIR")]
    blocks: PathBuf,
    /// Continue the latest superblock state of this directory.
    ///
    /// After the bundle is written, the state that it leads to is added under its number. Two processes cannot work on
    /// the states of one directory. `state list` and `state rollback` show them and go back.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Keep the states of the last N superblocks.
    ///
    /// Chains can be rolled back to a state that is kept. Older ones are removed once the new one is on disk.
    #[arg(long, value_name = "N", default_value_t = KEPT)]
    keep_states: NonZeroU32,
    /// Write the superblock bundle to this directory.
    ///
    /// Finished proofs and quarantine records go there as well. A bundle that is there is never replaced: one of the same
    /// number is adopted if the same blocks and deposits are given again, and is an error otherwise. One that an earlier
    /// call wrote to another directory is an error too; the state's directory says where it is.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Check kernels and producers against the registry in this file.
    ///
    /// Its root is in the statement of the superblock, so it must be the one that L1 fixes.
    #[arg(long, value_name = "FILE")]
    registry: PathBuf,
    /// Take deposits from the queue in this file.
    ///
    /// Its first line is {"deployment": CHAIN_ID}, each further one a deposit, in L1's order: every deposit ever made. The
    /// superblock takes the next ones, at most 64. Without this flag it takes none, and still pays what L1 owes.
    #[arg(long, value_name = "FILE")]
    deposits: Option<PathBuf>,
    /// Start a new chain with this id if the state's directory has no state.
    ///
    /// The first superblock of a deployment needs it. If there is a state, it must be of this chain.
    #[arg(long, value_name = "CHAIN_ID", value_parser = parse_chain_id)]
    genesis: Option<u64>,
    /// Make nothing that `verify --trust` would refuse with this file, deposits aside.
    ///
    /// A state of another deployment, a chain without the file's start state, a registry that L1 does not fix for the next
    /// superblock, and a circuit that L1 does not accept end the command before anything is proved.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Take at most this many blocks, that of environment 0 aside.
    ///
    /// Lower it to bound the time of one superblock; the blocks that are left stay for the next one.
    #[arg(long, value_name = "N", default_value_t = MAX_BLOCKS as u16,
          value_parser = clap::value_parser!(u16).range(1..=MAX_BLOCKS as i64))]
    max_blocks: u16,
    /// Make this many proofs at the same time.
    ///
    /// Each needs about 1.5 GB of memory. Without this flag, as many as 6 GB and the cores allow. With a queue, 0 leaves all of them
    /// to workers.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    #[command(flatten)]
    coordinator: CoordinatorArguments,
    #[command(flatten)]
    keys: KeyArguments,
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    progress::stop_on_interrupt();
    let registry: Registry = file::read(FileKind::Registry, &arguments.registry, SMALL_LIMIT)?;
    let trust = arguments.trust.as_deref().map(Trust::read).transpose()?;
    if let Some(trust) = &trust {
        // Before a directory is made; the batcher checks again what it has locked.
        let check = |state: &SuperblockState| anchor::check(trust, state, registry.root());
        states::with_latest(&arguments.state, arguments.genesis, check)??;
    }
    let states = States::open(&arguments.state, arguments.genesis)?;
    let mut states = states.keeping(arguments.keep_states);
    let latest = states.latest();
    let queue = match &arguments.deposits {
        Some(path) => Queue::read(path, latest.chain_id)?,
        None => Queue::default(),
    };
    let deposits = if arguments.deposits.is_some() { queue.pending(latest.l1.queue)? } else { &[] };
    let engine = arguments.keys.engine(options)?;
    let outcome =
        arguments.coordinator.shared.with_shared(arguments.jobs, &engine, options, |jobs, shared| {
            let progress = progress::progress(options);
            let batcher = Batcher {
                engine: &engine,
                output: &OutputDirectory::new(&arguments.out),
                trust: trust.as_ref(),
                l1: &KERNELS,
                progress: progress.as_ref(),
                planner: Planner { max_blocks: arguments.max_blocks.into(), ..Planner::default() },
                shared,
                replan: arguments.coordinator.replan,
                jobs,
                stop: &progress::STOP,
            };
            Ok(batcher.run(&arguments.blocks, deposits, &mut states, &registry, &arguments.out)?)
        })?;
    Ok(answer(&outcome))
}

/// The answer, which says whether anything was refused, left out or not done for L1.
fn answer(outcome: &Outcome) -> Answer {
    let has_refusals = !outcome.refused.is_empty()
        || !outcome.left_out.is_empty()
        || !outcome.waiting.is_empty()
        || outcome.l1_waits.is_some();
    Answer::new(outcome).with_refusals(has_refusals).or_else(outcome.made.is_some(), ExitCode::Rejected)
}

#[cfg(test)]
mod tests {
    use batcher_job::{batch::Made, planner::L1Waits};
    use circuits_core::{
        Digest, F,
        layout::{self, Layout},
    };
    use circuits_protocol::statement::SuperblockStatement;

    use super::*;

    fn outcome(is_made: bool, l1_waits: Option<L1Waits>) -> Outcome {
        let bytes = [0; 8 * <SuperblockStatement as Layout<F>>::LEN];
        let made = Made {
            statement: layout::from_bytes(&bytes).expect("zeros"),
            state: SuperblockState::genesis(1),
            path: PathBuf::new(),
            is_adopted: false,
            included: vec![],
            l1: None,
        };
        Outcome {
            made: is_made.then_some(made),
            refused: vec![],
            unrecorded: vec![],
            unremoved: vec![],
            left_out: vec![],
            l1_waits,
            stale: vec![],
            copies: vec![],
            waiting: vec![],
        }
    }

    #[test]
    fn what_is_not_done_for_l1_is_told_and_no_success_with_strict() {
        let waits = || Some(L1Waits::Genesis { expected: Digest::ZERO, found: Digest::ZERO });
        let codes = |outcome| [false, true].map(|strict| answer(&outcome).code(strict));
        assert_eq!(codes(outcome(true, None)), [ExitCode::Done, ExitCode::Done]);
        assert_eq!(codes(outcome(true, waits())), [ExitCode::Done, ExitCode::Invalid]);
        assert_eq!(codes(outcome(false, waits())), [ExitCode::Rejected, ExitCode::Rejected]);
        let made = answer(&outcome(true, waits()));
        let reason = waits().expect("a reason").to_string();
        assert_eq!(made.json()["l1_waits"], reason);
        assert!(made.text().contains(&reason), "{}", made.text());
    }
}
