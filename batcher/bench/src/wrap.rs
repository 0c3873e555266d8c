//! What wraps cost, for kernels of several sizes.

use std::{collections::BTreeMap, fmt, time::Instant};

use circuits_core::{
    Builder, Definition, Digest, Witness,
    circuit::named,
    hash::{Domain, hash_circuit},
    layout::{WitnessError, new_virtual, set},
};
use circuits_keys::CircuitCache;
use circuits_protocol::statement::{BlockStatement, empty_list};
use circuits_prover::basetypes::standard_config;
use circuits_tasks::progress::Progress;
use environments_core::kernel::Kernel;
use plonky2::{field::types::Field, iop::target::Target, plonk::circuit_data::CircuitConfig};
use serde::Serialize;

use crate::{
    baseline::Baseline,
    error::BenchError,
    figures::{median, peak_line, peak_memory, unit},
};

/// How often each proof is made.
const RUNS: usize = 5;
/// Domain of the hashes that fill a kernel.
const FILLER: Domain = Domain::new("filler");

/// A kernel of a given size: a block statement, and hashes.
#[derive(Clone, Copy)]
pub(super) struct Filler {
    pub(super) degree_bits: usize,
}

impl Definition for Filler {
    type Statement = BlockStatement<Target>;
    type NativeStatement = BlockStatement;
    type Targets = BlockStatement<Target>;
    type Input = BlockStatement;

    fn name(&self) -> String {
        format!("filler-{}", self.degree_bits)
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        named([("degree_bits", self.degree_bits as u64)])
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let statement: BlockStatement<Target> = new_virtual(builder);
        let mut digest = statement.body;
        // More than half of the rows: the rest is padding.
        while builder.num_gates() < (1 << self.degree_bits) * 3 / 4 {
            digest = hash_circuit(builder, FILLER, &digest.0);
        }
        (statement, statement)
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &BlockStatement,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, targets, input)
    }
}

/// The cost of a kernel of one size and of its wrap: medians in `t1`.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Rows of the kernel, as a logarithm.
    pub degree_bits: usize,
    pub kernel: f64,
    pub wrap: f64,
}

/// What wraps cost.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Seconds of the baseline: the median.
    pub t1_seconds: f64,
    /// The measurements of the baseline, in order.
    pub t1_runs: Vec<f64>,
    pub kernels: Vec<Row>,
    /// The largest memory of the process; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    pub threads: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = unit(self.t1_seconds, &self.t1_runs, self.threads);
        write!(f, "{unit}; all costs in t1\n\n")?;
        write!(f, "rows   kernel   wrap")?;
        for row in &self.kernels {
            write!(f, "\n2^{:<3}  {:>6.2}  {:>5.2}", row.degree_bits, row.kernel, row.wrap)?;
        }
        f.write_str(&peak_line(self.peak_memory_bytes))
    }
}

/// Measures kernels of `2^degree_bits` rows and their wraps.
///
/// # Errors
/// [`BenchError`]
pub fn measure(
    cache: &CircuitCache,
    degree_bits: &[usize],
    progress: &dyn Progress,
) -> Result<Figures, BenchError> {
    let baseline = Baseline::new()?;
    baseline.measure()?;
    let mut t1 = vec![];
    let mut kernels = vec![];
    progress.begin(degree_bits.len());
    for &degree_bits in degree_bits {
        let name = format!("kernel of 2^{degree_bits} rows");
        progress.start(&name);
        kernels.push(row(cache, degree_bits, &baseline, &mut t1)?);
        progress.done(&name, false);
    }
    let t1_seconds = median(&t1);
    for row in &mut kernels {
        row.kernel /= t1_seconds;
        row.wrap /= t1_seconds;
    }
    let threads = rayon::current_num_threads();
    Ok(Figures { t1_seconds, t1_runs: t1, kernels, peak_memory_bytes: peak_memory(), threads })
}

/// Measures one size. The costs are in seconds.
fn row(
    cache: &CircuitCache,
    degree_bits: usize,
    baseline: &Baseline,
    t1: &mut Vec<f64>,
) -> Result<Row, BenchError> {
    let wrapped = Kernel { definition: Filler { degree_bits } };
    let kernel = wrapped.circuit(cache).map_err(BenchError::blocks)?;
    let wrapper = wrapped.wrapper(cache).map_err(BenchError::blocks)?;
    debug_assert_eq!(kernel.circuit.common.degree_bits(), degree_bits);
    wrapper.load(cache).map_err(BenchError::blocks)?;
    let statement = statement();
    let [mut kernels, mut wraps] = [vec![], vec![]];
    for _ in 0..RUNS {
        let started = Instant::now();
        let proof = kernel.prove(&statement).map_err(BenchError::blocks)?;
        kernels.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        wrapper.prove(cache, &proof).map_err(BenchError::blocks)?;
        wraps.push(started.elapsed().as_secs_f64());
        t1.push(baseline.measure()?);
    }
    Ok(Row { degree_bits, kernel: median(&kernels), wrap: median(&wraps) })
}

/// Any statement: the filler has no rules.
fn statement() -> BlockStatement {
    let one = circuits_core::F::ONE;
    BlockStatement {
        environment: one,
        first_height: one,
        last_height: one,
        previous_state: Digest::ZERO,
        new_state: Digest::ZERO,
        outbox: empty_list(),
        inbox: empty_list(),
        body: Digest::ZERO,
        producer: Digest::ZERO,
    }
}
