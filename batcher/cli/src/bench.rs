//! `superblock bench`.

mod prover;
mod starts;
mod state;
mod workers;

use std::fmt;

use batcher_bench::{accounts, ecdsa, keccak, messages, superblocks, wrap};
use batcher_job::planner::MAX_BLOCKS;
use circuits_keys::CircuitCache;
use circuits_tasks::progress::Progress;
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    key_arguments::KeyArguments,
    options::Options,
    progress,
};

/// Measure what superblocks cost.
///
/// Without a subcommand, superblocks over counter blocks are measured. All costs are multiples of t1, which is stock
/// plonky2 verifying one proof of 2^12 rows recursively, so that figures of different machines can be compared. It
/// takes several minutes.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    subject: Option<Subject>,
    /// Measure superblocks of these numbers of blocks.
    ///
    /// Separate them by commas. As many blocks as the largest number says are proved before the measurements start.
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "1,2,16,64",
          value_parser = clap::value_parser!(u16).range(1..=MAX_BLOCKS as i64))]
    blocks: Vec<u16>,
    #[command(flatten)]
    keys: KeyArguments,
}

#[derive(clap::Subcommand)]
enum Subject {
    /// Measure batches of signatures.
    ///
    /// Next to them a bare circuit is measured that has the size of one gate-based verification. Use this to see what a
    /// signature costs in batches of different sizes.
    Ecdsa {
        /// Measure batches of these numbers of signatures.
        ///
        /// Separate them by commas. A batch is proved in the smallest table that holds it.
        #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "1,30,60,240",
              value_parser = clap::value_parser!(u16).range(1..=240))]
        signatures: Vec<u16>,
        /// Make every measurement this often.
        ///
        /// The figures are medians.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        runs: u16,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Measure batches of Keccak permutations.
    ///
    /// The seconds of the STARK and those of the circuit that verifies it stand apart. Use this to see what a block of
    /// 136 bytes costs in batches of different sizes.
    Keccak {
        /// Measure batches of these numbers of permutations.
        ///
        /// Separate them by commas. A batch is proved in the smallest table that holds it.
        #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "78,315,1260",
              value_parser = clap::value_parser!(u16).range(1..=1260))]
        permutations: Vec<u16>,
        /// Make every measurement this often.
        ///
        /// The figures are medians.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        runs: u16,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Measure blocks of the account-based environment, part by part.
    ///
    /// Of ten transactions six transfer, two swap, one has four actions, and one creates an account. Use this to see
    /// how the cost of a transaction depends on the size of its block.
    Accounts {
        /// Measure blocks of these numbers of transactions.
        ///
        /// Separate them by commas.
        #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "16,60,240",
              value_parser = clap::value_parser!(u16).range(1..=240))]
        transactions: Vec<u16>,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Measure what moving messages costs.
    ///
    /// Superblocks of 16 blocks are measured without messages and with four messages in each second block, and a
    /// segment that is full of messages.
    Bridge {
        /// Make every superblock this often.
        ///
        /// The figures are medians.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        runs: u16,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Measure what wrapping a kernel costs, for kernels of several sizes.
    ///
    /// Use this when choosing the size of a new environment's kernel.
    Wrap {
        /// Measure kernels of these sizes: logarithms of their rows.
        ///
        /// Separate them by commas.
        #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "10,12,13,14,15,16",
              value_parser = clap::value_parser!(u16).range(8..=16))]
        degree_bits: Vec<u16>,
    },
    Prover(prover::Arguments),
    #[command(hide = true)]
    ProverRun(prover::RunArguments),
    Keys(starts::Arguments),
    #[command(hide = true)]
    KeysStart(starts::StartArguments),
    State(state::Arguments),
    #[command(hide = true)]
    StateRun(state::RunArguments),
    Workers(workers::Arguments),
    #[command(hide = true)]
    WorkersRun(workers::RunArguments),
}

/// Figures of a benchmark.
#[derive(Serialize)]
struct Measured<T> {
    figures: T,
}

impl<T: fmt::Display> fmt::Display for Measured<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.figures.fmt(f)
    }
}

impl<T: Serialize + fmt::Display> Measured<T> {
    fn answer(figures: T) -> Answer {
        Answer::new(&Self { figures })
    }
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    let sizes = |sizes: &[u16]| sizes.iter().copied().map(usize::from).collect::<Vec<_>>();
    // Errors of keys come before the progress bar starts.
    let progress = || progress::progress(options);
    Ok(match &arguments.subject {
        None => {
            let engine = arguments.keys.engine(options)?;
            measured(progress(), |progress| {
                superblocks::measure(&engine, &sizes(&arguments.blocks), progress)
            })?
        }
        Some(Subject::Ecdsa { signatures, runs, keys }) => {
            // Peak memory is that of one batch at a time.
            let cache = keys.cache(options)?.with_memory(0);
            let (sizes, runs) = (sizes(signatures), usize::from(*runs));
            measured(progress(), |progress| ecdsa::measure(&cache, &sizes, runs, progress))?
        }
        Some(Subject::Keccak { permutations, runs, keys }) => {
            // Peak memory is that of one batch at a time.
            let cache = keys.cache(options)?.with_memory(0);
            let (sizes, runs) = (sizes(permutations), usize::from(*runs));
            measured(progress(), |progress| keccak::measure(&cache, &sizes, runs, progress))?
        }
        Some(Subject::Accounts { transactions, keys }) => {
            let cache = keys.cache(options)?;
            measured(progress(), |progress| accounts::measure(&cache, &sizes(transactions), progress))?
        }
        Some(Subject::Bridge { runs, keys }) => {
            let engine = keys.engine(options)?;
            measured(progress(), |progress| messages::measure(&engine, usize::from(*runs), progress))?
        }
        Some(Subject::Wrap { degree_bits }) => {
            // No store should keep these circuits, which only the benchmark uses.
            let cache = CircuitCache::default();
            measured(progress(), |progress| wrap::measure(&cache, &sizes(degree_bits), progress))?
        }
        Some(Subject::Prover(arguments)) => {
            measured(progress(), |progress| prover::measure(arguments, progress))?
        }
        Some(Subject::ProverRun(arguments)) => Measured::answer(prover::run_once(arguments)?),
        Some(Subject::Keys(arguments)) => {
            measured(progress(), |progress| starts::measure(arguments, progress))?
        }
        Some(Subject::KeysStart(arguments)) => Measured::answer(starts::start_once(arguments)?),
        Some(Subject::State(arguments)) => {
            measured(progress(), |progress| state::measure(arguments, progress))?
        }
        Some(Subject::StateRun(arguments)) => Measured::answer(state::run_once(arguments)?),
        Some(Subject::Workers(arguments)) => {
            let engine = arguments.keys.engine(options)?;
            measured(progress(), |progress| workers::measure(&engine, arguments, progress))?
        }
        Some(Subject::WorkersRun(arguments)) => {
            Measured::answer(workers::work(&arguments.keys.engine(options)?, arguments)?)
        }
    })
}

/// The answer with the figures that `measure` returns. The progress ends before the answer is printed.
fn measured<T: Serialize + fmt::Display>(
    progress: Box<dyn Progress>,
    measure: impl FnOnce(&dyn Progress) -> Result<T, batcher_bench::BenchError>,
) -> Result<Answer, Failure> {
    Ok(Measured::answer(measure(progress.as_ref())?))
}
