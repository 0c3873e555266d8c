//! `superblock bench`.

use batcher::{
    bench::{BenchError, Figures, measure},
    circuits::engine::Engine,
    planner::MAX_BLOCKS,
};

use super::{
    Options,
    answer::{Answer, Failure, UNAVAILABLE},
    progress,
};

/// Measures superblocks over counter blocks and prints their cost in multiples of t1, which is stock plonky2 verifying one
/// proof of 2^12 rows recursively. Takes several minutes.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Numbers of blocks, separated by commas.
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "1,2,16,64",
          value_parser = clap::value_parser!(u16).range(1..=MAX_BLOCKS as i64))]
    blocks: Vec<u16>,
}

impl super::answer::Coded for BenchError {
    fn code(&self) -> u8 {
        UNAVAILABLE
    }
}

pub(super) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    let sizes: Vec<_> = arguments.blocks.iter().copied().map(usize::from).collect();
    let engine = Engine::default();
    let figures = {
        let progress = progress::progress(options);
        measure(&engine, &sizes, progress.as_ref())?
    };
    let json = serde_json::json!({ "ok": true, "figures": figures });
    Ok(Answer::new(json, table(&figures)))
}

fn table(figures: &Figures) -> String {
    let mut lines = vec![
        format!(
            "t1 = {:.3} s (median of {}, {} threads); a counter's kernel: {:.2} t1, its wrap: {:.2} t1",
            figures.t1_seconds,
            figures.t1_runs.len(),
            figures.threads,
            figures.kernel,
            figures.wrap
        ),
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
    if let Some(bytes) = figures.peak_memory_bytes {
        #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
        let gigabytes = bytes as f64 / f64::from(1_u32 << 30);
        lines.push(format!("\npeak memory {gigabytes:.2} GiB"));
    }
    lines.join("\n")
}
