//! The STARK of signatures by our prover and by starky's.

use circuits_tables::{
    batch::{Batch as _, prove_trace, prove_trace_with_starky, verify_batch},
    ecdsa::{
        Claim, Signed,
        batch::SignatureSize,
        table::trace::{Assignment, Trace},
    },
};
use circuits_tasks::progress::Progress;
use serde::Serialize;

use super::{Peaks, Run, Work};
use crate::{
    ecdsa::sign,
    error::BenchError,
    figures::{median, peak_memory, timed},
};

/// What both provers take for the STARK of a batch of signatures, without its trace.
#[derive(Clone, Debug, Serialize)]
pub struct StarkRow {
    pub signatures: usize,
    /// Rows, as a logarithm.
    pub degree_bits: usize,
    /// Seconds of starky's prover: the median.
    pub stock_seconds: f64,
    /// Seconds of our prover: the median.
    pub seconds: f64,
    /// How many times faster our prover is.
    pub ratio: f64,
    /// The largest memory of a process that proves with starky's prover; `None` where the system does not say.
    pub stock_peak_memory_bytes: Option<u64>,
    /// The largest memory of a process that proves with ours.
    pub peak_memory_bytes: Option<u64>,
}

/// A batch that can be proved.
struct Batch {
    size: SignatureSize,
    claims: Vec<Claim>,
    trace: Trace,
}

impl Batch {
    /// `count` signatures, other ones for each `run`.
    fn new(count: usize, run: usize) -> Result<Self, BenchError> {
        let size = SignatureSize::fitting(count)
            .ok_or_else(|| BenchError::signatures(format!("no table holds {count} signatures")))?;
        let signed = (0..count).map(|index| sign(run * count + index)).collect::<Result<Vec<_>, _>>()?;
        let claims = signed.iter().map(Signed::claim).collect();
        let assignments: Vec<_> = signed.iter().map(Assignment::new).collect();
        Ok(Self { size, claims, trace: Trace::new(&assignments, size.degree_bits()) })
    }

    /// Makes the proof with starky's prover or with ours, verifies it, and returns the seconds that it took to make.
    fn seconds(&self, with_stock: bool) -> Result<f64, BenchError> {
        let Self { size, claims, trace } = self;
        let (seconds, proof) = timed(|| match with_stock {
            true => prove_trace_with_starky(*size, trace.columns(), claims).map_err(BenchError::signatures),
            false => prove_trace(*size, trace.columns(), claims).map_err(BenchError::signatures),
        })?;
        verify_batch(*size, claims, &proof).map_err(BenchError::signatures)?;
        Ok(seconds)
    }
}

/// Measures batches of `count` signatures `runs` times.
pub(super) fn row(
    count: usize,
    runs: usize,
    progress: &dyn Progress,
    peaks: Peaks<'_>,
) -> Result<StarkRow, BenchError> {
    progress.note(&format!("{count} signatures"));
    let (mut stock, mut ours, mut degree_bits) = (vec![], vec![], 0);
    for run in 0..runs {
        let batch = Batch::new(count, run)?;
        degree_bits = batch.size.degree_bits();
        stock.push(batch.seconds(true)?);
        ours.push(batch.seconds(false)?);
    }
    let (stock_seconds, seconds) = (median(&stock), median(&ours));
    let work = Work::Signatures(count);
    Ok(StarkRow {
        signatures: count,
        degree_bits,
        stock_seconds,
        seconds,
        ratio: stock_seconds / seconds,
        stock_peak_memory_bytes: peaks(work, true)?,
        peak_memory_bytes: peaks(work, false)?,
    })
}

/// Proves a batch of `count` signatures once.
pub(super) fn run_once(count: usize, with_stock: bool) -> Result<Run, BenchError> {
    let seconds = Batch::new(count, 0)?.seconds(with_stock)?;
    Ok(Run { seconds, peak_memory_bytes: peak_memory() })
}
