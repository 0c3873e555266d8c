//! What all figures have in common: medians, peak memory, and the lines that print them.

use std::time::Instant;

use crate::error::BenchError;

/// Bytes of a gibibyte.
const GIBIBYTE: f64 = (1_u64 << 30) as f64;

/// The median of `values`, or 0 if there are none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Seconds that `work` takes, and its result.
pub(crate) fn timed<T>(work: impl FnOnce() -> Result<T, BenchError>) -> Result<(f64, T), BenchError> {
    let started = Instant::now();
    let result = work()?;
    Ok((started.elapsed().as_secs_f64(), result))
}

/// The largest resident memory that the process has had, in bytes; `None` where the system does not say.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    memory("VmHWM:")
}

/// The resident memory of the process, in bytes; `None` where the system does not say.
pub(crate) fn resident_memory() -> Option<u64> {
    memory("VmRSS:")
}

fn memory(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(1024 * kilobytes)
}

/// The line that says what the figures are multiples of.
pub(crate) fn unit(t1_seconds: f64, runs: &[f64], threads: usize) -> String {
    format!("t1 = {t1_seconds:.3} s (median of {}, {threads} threads)", runs.len())
}

#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
pub(crate) fn gibibytes(bytes: u64) -> f64 {
    bytes as f64 / GIBIBYTE
}

/// The lines that end a table: an empty one and the peak memory; nothing if it is unknown.
pub(crate) fn peak_line(bytes: Option<u64>) -> String {
    bytes.map_or_else(String::new, |bytes| format!("\n\npeak memory {:.2} GiB", gibibytes(bytes)))
}
