//! What blocks of the note-based environment cost, in multiples of `t1` (see `superblock bench`), measured in one run:
//! `cargo bench -p superblock-batcher-bench --bench notes -- 4 16 64`.

use std::{error::Error, time::Instant};

use batcher_bench::{Baseline, median, peak_memory};
use circuits_core::Digest;
use circuits_keys::CircuitCache;
use circuits_protocol::registry::EnvironmentId;
use environments_core::{
    Environment as _,
    kernel::{Kernels as _, ProducerSecret},
};
use environments_notes::{
    block::{Variant, variant},
    circuits::{BatchCircuits, KERNELS, prove_transaction},
    fixtures::World,
};

/// How often the local transaction is proved.
const TRANSACTIONS: usize = 5;

/// Bytes of memory for built circuits: enough for all of them at once.
const MEMORY: u64 = 8 << 30;

struct Row {
    transactions: usize,
    inside: f64,
    kernel: f64,
    wrap: f64,
    kernel_rows: usize,
}

fn world() -> Result<World, Box<dyn Error>> {
    Ok(World::new(1, EnvironmentId::new(1)?, ProducerSecret::new(Digest::ZERO)))
}

/// The seconds that it takes to prove one local transaction.
fn transaction(cache: &CircuitCache, baseline: &Baseline, t1: &mut Vec<f64>) -> Result<f64, Box<dyn Error>> {
    let mut world = world()?;
    let (request, _) = world.pay(0, &[1], 5);
    let witness = world.witness(&request);
    cache.circuit(witness.kernel())?;
    let mut seconds = vec![];
    for _ in 0..TRANSACTIONS {
        let started = Instant::now();
        prove_transaction(cache, &witness)?;
        seconds.push(started.elapsed().as_secs_f64());
        t1.push(baseline.measure()?);
    }
    Ok(median(&seconds))
}

/// Proves one block. `inside` includes the proofs of its transactions.
fn block(cache: &CircuitCache, count: usize) -> Result<Row, Box<dyn Error>> {
    let mut world = world()?;
    let transactions = world.ping_pong(count);
    let offered: Vec<_> = transactions.iter().collect();
    let proposal = world.environment.propose(&world.genesis(), &offered)?;
    assert_eq!(proposal.included.len(), count, "all transactions are valid");
    // All circuits are loaded before the clock starts.
    let kernel = KERNELS.get(cache, variant(count, 0))?;
    let circuit = kernel.circuit(cache)?;
    kernel.wrapper(cache)?.load(cache)?;
    if let Variant::Batches(_) = variant(count, 0) {
        BatchCircuits::new(cache)?.leaves().try_for_each(|leaf| cache.circuit(leaf).map(drop))?;
        BatchCircuits::folds().try_for_each(|fold| cache.circuit(fold).map(drop))?;
    }
    let started = Instant::now();
    let input = world.environment.kernel_input(cache, proposal.block.witness())?;
    let inside = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let proof = circuit.prove(&input)?;
    let kernel_seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    kernel.wrapper(cache)?.prove(cache, &proof)?;
    let wrap = started.elapsed().as_secs_f64();
    let kernel_rows = circuit.circuit.common.degree_bits();
    Ok(Row { transactions: count, inside, kernel: kernel_seconds, wrap, kernel_rows })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut sizes: Vec<usize> =
        std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![4, 16, 64];
    }
    let baseline = Baseline::new()?;
    baseline.measure()?;
    let mut t1 = vec![];
    let keys = CircuitCache::default().with_memory(MEMORY);
    let transaction = transaction(&keys, &baseline, &mut t1)?;
    let mut rows = vec![];
    for size in sizes {
        t1.push(baseline.measure()?);
        rows.push(block(&keys, size)?);
        t1.push(baseline.measure()?);
    }
    let unit = median(&t1);
    println!(
        "t1 = {unit:.3} s (median of {}); a local transaction's proof: {:.3} t1",
        t1.len(),
        transaction / unit
    );
    println!("transactions   batches and folds   kernel (rows)   wrap   block side, t1 per transaction");
    for row in &rows {
        #[expect(clippy::cast_precision_loss, reason = "a few transactions")]
        let count = row.transactions as f64;
        let inside = (row.inside - count * transaction).max(0.0);
        println!(
            "{:>12}   {:>17.2}   {:>6.2} (2^{:>2})   {:>4.2}   {:>30.2}",
            row.transactions,
            inside / unit,
            row.kernel / unit,
            row.kernel_rows,
            row.wrap / unit,
            (inside + row.kernel + row.wrap) / unit / count,
        );
    }
    if let Some(bytes) = peak_memory() {
        println!("peak memory {} MiB", bytes >> 20);
    }
    Ok(())
}
