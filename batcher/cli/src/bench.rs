//! `superblock bench`.

mod keys;

use batcher_bench::{BenchError, Figures, accounts, ecdsa, measure, messages, wrap};
use batcher_job::planner::MAX_BLOCKS;
use circuits_keys::CircuitCache;

use super::{
    Options,
    answer::{Answer, Failure, UNAVAILABLE},
    config::KeyArguments,
    progress,
};

/// Measures superblocks over counter blocks and prints their cost in multiples of t1, which is stock plonky2
/// verifying one proof of 2^12 rows recursively. Takes several minutes.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    subject: Option<Subject>,
    /// Numbers of blocks, separated by commas.
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "1,2,16,64",
          value_parser = clap::value_parser!(u16).range(1..=MAX_BLOCKS as i64))]
    blocks: Vec<u16>,
    #[command(flatten)]
    keys: KeyArguments,
}

#[derive(clap::Subcommand)]
enum Subject {
    /// Measures batches of signatures, next to a bare circuit of the size of one gate-based verification.
    Ecdsa {
        /// Numbers of signatures, separated by commas.
        #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "1,30,60,240",
              value_parser = clap::value_parser!(u16).range(1..=240))]
        signatures: Vec<u16>,
        /// Every measurement is made this often.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        runs: u16,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Measures account-based blocks, part by part, in multiples of t1. Of ten transactions six transfer, two
    /// swap, one has four actions, and one creates an account.
    Accounts {
        /// Numbers of transactions, separated by commas.
        #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "16,60,240",
              value_parser = clap::value_parser!(u16).range(1..=240))]
        transactions: Vec<u16>,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Measures what moving messages costs: superblocks of 16 blocks without messages and with four in each
    /// second block, and a segment full of messages, in multiples of t1.
    Bridge {
        /// Every superblock is made this often.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        runs: u16,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Measures what wrapping a kernel costs beyond the kernel itself, in multiples of t1.
    Wrap {
        /// Logarithms of the kernels' rows, separated by commas.
        #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "10,12,13,14,15",
              value_parser = clap::value_parser!(u16).range(8..=15))]
        degree_bits: Vec<u16>,
    },
    /// Measures cold and warm start of a scenario: how long it takes to build its circuits and to load them, what
    /// the files and the memory for them are, and when the first proof of a run starts. Takes several minutes.
    CircuitCache(keys::Arguments),
    /// One process of `keys`.
    #[command(hide = true)]
    KeysStart(keys::StartArguments),
}

impl super::answer::Coded for BenchError {
    fn code(&self) -> u8 {
        UNAVAILABLE
    }
}

pub(super) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    match &arguments.subject {
        Some(Subject::Ecdsa { signatures, runs, keys }) => {
            return run_ecdsa(signatures, *runs, keys, options);
        }
        Some(Subject::Accounts { transactions, keys }) => return run_accounts(transactions, keys, options),
        Some(Subject::Bridge { runs, keys }) => return run_bridge(*runs, keys, options),
        Some(Subject::Wrap { degree_bits }) => return run_wrap(degree_bits, options),
        Some(Subject::CircuitCache(arguments)) => return keys::run(arguments, options),
        Some(Subject::KeysStart(arguments)) => return keys::run_start(arguments),
        None => {}
    }
    let sizes: Vec<_> = arguments.blocks.iter().copied().map(usize::from).collect();
    let engine = arguments.keys.engine(options)?;
    let figures = {
        let progress = progress::progress(options);
        measure(&engine, &sizes, progress.as_ref())?
    };
    let json = serde_json::json!({ "ok": true, "figures": figures });
    Ok(Answer::new(json, table(&figures)))
}

fn table(figures: &Figures) -> String {
    let mut lines = vec![
        unit(figures.t1_seconds, &figures.t1_runs, figures.threads)
            + &format!("; a counter's kernel: {:.2} t1, its wrap: {:.2} t1", figures.kernel, figures.wrap),
        String::new(),
        "blocks   leaf   fold   superblock   t1 per block   proof bytes   verify ms   circuit".to_owned(),
    ];
    lines.extend(figures.superblocks.iter().map(|row| {
        format!(
            "{:>6}  {:>5.2}  {:>5.2}  {:>11.2}  {:>13.2}  {:>12}  {:>10.2}   {}",
            row.blocks,
            row.leaf_per_block,
            row.fold_per_block,
            row.superblock_per_block,
            row.per_block,
            row.proof_bytes,
            row.verify_milliseconds,
            row.circuit
        )
    }));
    lines.extend(memory(figures.peak_memory_bytes));
    lines.join("\n")
}

/// What the figures are multiples of.
fn unit(t1_seconds: f64, runs: &[f64], threads: usize) -> String {
    format!("t1 = {t1_seconds:.3} s (median of {}, {threads} threads)", runs.len())
}

fn memory(bytes: Option<u64>) -> Option<String> {
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let gigabytes = bytes? as f64 / f64::from(1_u32 << 30);
    Some(format!("\npeak memory {gigabytes:.2} GiB"))
}

fn run_ecdsa(
    signatures: &[u16],
    runs: u16,
    keys: &KeyArguments,
    options: Options,
) -> Result<Answer, Failure> {
    let sizes: Vec<_> = signatures.iter().copied().map(usize::from).collect();
    // Peak memory is that of one batch at a time.
    let keys = keys.keys(options)?.with_memory(0);
    let figures = {
        let progress = progress::progress(options);
        ecdsa::measure(&keys, &sizes, usize::from(runs), progress.as_ref())?
    };
    let json = serde_json::json!({ "ok": true, "figures": figures });
    let mut lines = vec![
        format!(
            "bare circuit of 2^16 rows and 234 wires: {:.2} s ({} threads)",
            figures.bare_seconds, figures.threads
        ),
        String::new(),
        "signatures   table   prover s   verifier s   s per signature   times cheaper".to_owned(),
    ];
    lines.extend(figures.batches.iter().map(|row| {
        format!(
            "{:>10}  {:>6}  {:>9.2}  {:>11.2}  {:>16.3}  {:>14.1}",
            row.signatures,
            row.table,
            row.prover_seconds,
            row.verifier_seconds,
            row.seconds_per_signature,
            row.times_cheaper
        )
    }));
    lines.extend(memory(figures.peak_memory_bytes));
    Ok(Answer::new(json, lines.join("\n")))
}

fn run_bridge(runs: u16, keys: &KeyArguments, options: Options) -> Result<Answer, Failure> {
    let engine = keys.engine(options)?;
    let figures = {
        let progress = progress::progress(options);
        messages::measure(&engine, usize::from(runs), progress.as_ref())?
    };
    let json = serde_json::json!({ "ok": true, "figures": figures });
    let mut lines = vec![
        unit(figures.t1_seconds, &figures.t1_runs, figures.threads) + "; all costs in t1",
        String::new(),
        format!("16 blocks without messages:          {:>7.2}", figures.without_messages),
        format!("16 blocks, 8 of them with 4 messages: {:>6.2}", figures.with_messages),
        format!("the second over the first:           {:>7.3}", figures.ratio),
        format!(
            "a segment of {} messages:           {:>7.2}, {:.4} for each one emitted or consumed",
            figures.segment_messages, figures.segment, figures.per_message
        ),
    ];
    lines.extend(memory(figures.peak_memory_bytes));
    Ok(Answer::new(json, lines.join("\n")))
}

fn run_wrap(degree_bits: &[u16], options: Options) -> Result<Answer, Failure> {
    let sizes: Vec<_> = degree_bits.iter().copied().map(usize::from).collect();
    let figures = {
        let progress = progress::progress(options);
        // Its circuits are the bench's own: no store has or should keep them.
        wrap::measure(&CircuitCache::default(), &sizes, progress.as_ref())?
    };
    let json = serde_json::json!({ "ok": true, "figures": figures });
    let mut lines = vec![
        unit(figures.t1_seconds, &figures.t1_runs, figures.threads) + "; all costs in t1",
        String::new(),
        "rows   kernel, 80 routed wires   kernel, 60   wrap   beyond the kernel with 80   circuits"
            .to_owned(),
    ];
    lines.extend(figures.kernels.iter().map(|row| {
        format!(
            "2^{:<3}  {:>23.2}  {:>11.2}  {:>5.2}  {:>26.2}  {:>9}",
            row.degree_bits, row.standard_kernel, row.kernel, row.wrap, row.beyond, row.circuits
        )
    }));
    lines.extend(memory(figures.peak_memory_bytes));
    Ok(Answer::new(json, lines.join("\n")))
}

fn run_accounts(transactions: &[u16], keys: &KeyArguments, options: Options) -> Result<Answer, Failure> {
    let sizes: Vec<_> = transactions.iter().copied().map(usize::from).collect();
    let keys = keys.keys(options)?;
    let figures = {
        let progress = progress::progress(options);
        accounts::measure(&keys, &sizes, progress.as_ref())?
    };
    let json = serde_json::json!({ "ok": true, "figures": figures });
    let mut lines = vec![
        unit(figures.t1_seconds, &figures.t1_runs, figures.threads)
            + "; the parts below per transaction, in t1",
        String::new(),
        "transactions   actions   signatures   chunks   folds   kernel   wrap    all   circuit".to_owned(),
    ];
    lines.extend(figures.blocks.iter().map(|row| {
        let unit = figures.t1_seconds * f64::from(u32::try_from(row.transactions).unwrap_or(u32::MAX));
        format!(
            "{:>12}  {:>8}  {:>11.3}  {:>7.3}  {:>6.3}  {:>7.3}  {:>5.3}  {:>5.3}   {}",
            row.transactions,
            row.actions,
            row.signatures / unit,
            row.chunks / unit,
            row.folds / unit,
            row.block / unit,
            row.wrap / unit,
            row.per_transaction,
            row.kernel
        )
    }));
    lines.extend(memory(figures.peak_memory_bytes));
    Ok(Answer::new(json, lines.join("\n")))
}
