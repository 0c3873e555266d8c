//! `superblock bench prover`: runs this program again for each peak, because memory is measured by process.

use batcher_bench::{
    BenchError,
    prover::{self, Figures, Run, Work},
};
use circuits_tasks::progress::Progress;
use tempfile::TempDir;

use super::starts::{figures, superblock};

/// Measure our prover next to plonky2's and starky's.
///
/// Both prove the same circuits, which verify proofs, and the same batches of signatures, in turns. Use this to see what our
/// prover gains on a machine. It takes several minutes.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Measure circuits of these sizes: logarithms of their rows.
    ///
    /// Separate them by commas.
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "12,13,14,15",
          value_parser = clap::value_parser!(u16).range(prover::SMALLEST_DEGREE_BITS as i64..=15))]
    degree_bits: Vec<u16>,
    /// Measure the STARKs of these numbers of signatures.
    ///
    /// Separate them by commas.
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "240",
          value_parser = clap::value_parser!(u16).range(1..=240))]
    signatures: Vec<u16>,
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
    #[command(flatten)]
    work: WorkArguments,
    /// Prove with plonky2's or starky's prover.
    #[arg(long)]
    stock: bool,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct WorkArguments {
    /// Prove a circuit of this size: the logarithm of its rows.
    #[arg(long, value_parser = clap::value_parser!(u16).range(prover::SMALLEST_DEGREE_BITS as i64..=15))]
    degree_bits: Option<u16>,
    /// Prove the STARK of this number of signatures.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=240))]
    signatures: Option<u16>,
}

/// Makes one proof in this process.
pub(super) fn run_once(arguments: &RunArguments) -> Result<Run, BenchError> {
    let WorkArguments { degree_bits, signatures } = &arguments.work;
    let circuit = degree_bits.map(|degree_bits| Work::Circuit(degree_bits.into()));
    let work = circuit.or_else(|| signatures.map(|count| Work::Signatures(count.into())));
    let work =
        work.ok_or_else(|| BenchError::recursion("neither a size nor a number of signatures is given"))?;
    prover::run_once(work, arguments.stock)
}

pub(super) fn measure(arguments: &Arguments, progress: &dyn Progress) -> Result<Figures, BenchError> {
    let directory = TempDir::with_prefix("superblock-bench-").map_err(BenchError::recursion)?;
    let peak = |work: Work, with_stock: bool| {
        let (option, size) = match work {
            Work::Circuit(degree_bits) => ("--degree-bits", degree_bits),
            Work::Signatures(count) => ("--signatures", count),
        };
        let mut command = superblock(directory.path(), &["bench", "prover-run", option, &size.to_string()])?;
        if with_stock {
            command.arg("--stock");
        }
        let run: Run = figures(&mut command)?;
        Ok(run.peak_memory_bytes)
    };
    let [sizes, signatures] = [&arguments.degree_bits, &arguments.signatures]
        .map(|list| list.iter().copied().map(usize::from).collect::<Vec<_>>());
    prover::measure(&sizes, &signatures, arguments.runs.into(), progress, &peak)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    #[test]
    fn the_processes_that_it_starts_have_arguments_that_are_understood() {
        for arguments in [
            vec![
                "superblock",
                "bench",
                "prover",
                "--degree-bits",
                "12,15",
                "--signatures",
                "30",
                "--runs",
                "1",
            ],
            vec!["superblock", "--json", "--quiet", "bench", "prover-run", "--degree-bits", "12"],
            vec!["superblock", "--json", "--quiet", "bench", "prover-run", "--signatures", "240", "--stock"],
        ] {
            assert!(crate::Arguments::try_parse_from(&arguments).is_ok(), "{arguments:?}");
        }
    }
}
