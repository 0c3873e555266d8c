//! `superblock bench prover`: runs this program again for each peak, because memory is measured by process.

use batcher_bench::{
    BenchError,
    prover::{self, Figures, Run},
};
use batcher_job::prove::Progress;
use tempfile::TempDir;

use super::starts::{figures, superblock};

/// Measure our prover next to plonky2's.
///
/// Both prove the same circuits, which verify proofs, in turns. Use this to see what our prover gains on a machine. It
/// takes a few minutes.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Measure circuits of these sizes: logarithms of their rows.
    ///
    /// Separate them by commas.
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "12,13,14,15",
          value_parser = clap::value_parser!(u16).range(prover::SMALLEST_DEGREE_BITS as i64..=15))]
    degree_bits: Vec<u16>,
    /// Make every measurement this often.
    ///
    /// The figures are medians, but for peaks of memory, which are measured once.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
}

/// Make one proof in this process.
///
/// `bench prover` starts it.
#[derive(clap::Args)]
pub(super) struct RunArguments {
    /// Prove a circuit of this size: the logarithm of its rows.
    #[arg(value_parser = clap::value_parser!(u16).range(prover::SMALLEST_DEGREE_BITS as i64..=15))]
    degree_bits: u16,
    /// Prove with plonky2's prover.
    #[arg(long)]
    stock: bool,
}

/// Makes one proof in this process.
pub(super) fn run_once(arguments: &RunArguments) -> Result<Run, BenchError> {
    prover::run_once(arguments.degree_bits.into(), arguments.stock)
}

pub(super) fn measure(arguments: &Arguments, progress: &dyn Progress) -> Result<Figures, BenchError> {
    let directory = TempDir::with_prefix("superblock-bench-").map_err(BenchError::recursion)?;
    let sizes: Vec<usize> = arguments.degree_bits.iter().copied().map(usize::from).collect();
    let peak = |degree_bits: usize, with_stock: bool| {
        let mut command = superblock(directory.path(), &["bench", "prover-run", &degree_bits.to_string()])?;
        if with_stock {
            command.arg("--stock");
        }
        let run: Run = figures(&mut command)?;
        Ok(run.peak_memory_bytes)
    };
    prover::measure(&sizes, arguments.runs.into(), progress, &peak)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    #[test]
    fn the_processes_that_it_starts_have_arguments_that_are_understood() {
        for arguments in [
            vec!["superblock", "bench", "prover", "--degree-bits", "12,15", "--runs", "1"],
            vec!["superblock", "--json", "--quiet", "bench", "prover-run", "12"],
            vec!["superblock", "--json", "--quiet", "bench", "prover-run", "13", "--stock"],
        ] {
            assert!(crate::Arguments::try_parse_from(&arguments).is_ok(), "{arguments:?}");
        }
    }
}
