//! Our prover next to plonky2's, on circuits that verify proofs, and next to starky's, on batches of signatures.
//!
//! A circuit of 2^12 rows verifies one proof of 2^12 rows, and one with twice as many rows twice as many proofs. The
//! circuits have our standard configuration; only the proofs that they verify have fewer queries, since a verifier of all
//! queries takes 2^14 rows. Both provers prove the same circuits from the same inputs, in turns. Each run verifies another
//! proof, since our prover would find the same nonce in the same time for the same one.

mod stark;

pub use stark::StarkRow;

use std::{fmt, time::Instant};

use circuits_core::{Builder, Circuit, F, Proof, Witness};
use circuits_prover::{
    basetypes::standard_config,
    plonk::Stage,
    proving::{self, ProofTarget},
    stock,
};
use circuits_tasks::progress::Progress;
use plonky2::{
    field::types::Field as _,
    gates::noop::NoopGate,
    iop::{target::Target, witness::WitnessWrite as _},
    plonk::circuit_data::CircuitConfig,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::BenchError,
    figures::{gibibytes, median, peak_memory, timed},
};

/// The rows of the proof that is verified, as a logarithm, and those of the smallest circuit that is measured.
pub const SMALLEST_DEGREE_BITS: usize = 12;
/// The queries of the proofs that are verified: few enough for a circuit of the smallest size to verify one.
const CHILD_QUERIES: usize = 20;

/// What both provers take for one circuit.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Rows, as a logarithm.
    pub degree_bits: usize,
    /// Proofs that the circuit verifies.
    pub children: usize,
    /// Seconds of plonky2's `build`: the median.
    pub stock_build_seconds: f64,
    /// Seconds of our key generation: the median.
    pub build_seconds: f64,
    /// Seconds in which plonky2's prover generates the witness: the median.
    pub stock_witness_seconds: f64,
    /// Seconds of plonky2's prover, with the witness: the median.
    pub stock_seconds: f64,
    /// Seconds in which our prover generates the witness: the median.
    pub witness_seconds: f64,
    /// Seconds in which our prover computes the permutation argument and commits to polynomials: the median.
    pub commit_seconds: f64,
    /// Seconds in which our prover computes the quotient: the median.
    pub quotient_seconds: f64,
    /// Seconds in which our prover opens polynomials: the median.
    pub opening_seconds: f64,
    /// Seconds of our prover, with the witness: the median.
    pub seconds: f64,
    /// How many times faster our prover is.
    pub ratio: f64,
    /// The largest memory of a process that proves with plonky2's prover; `None` where the system does not say.
    pub stock_peak_memory_bytes: Option<u64>,
    /// The largest memory of a process that proves with ours.
    pub peak_memory_bytes: Option<u64>,
}

/// Our prover next to plonky2's and starky's.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub circuits: Vec<Row>,
    pub starks: Vec<StarkRow>,
    /// Measurements of which each figure is the median.
    pub runs: usize,
    pub threads: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seconds, median of {} ({} threads)\n", self.runs, self.threads)?;
        write!(
            f,
            "rows   plonky2     ours   ratio   witness   commit   quotient   opening   plonky2 build   build   plonky2 GiB   GiB"
        )?;
        let memory = |bytes: Option<u64>| {
            bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.2}", gibibytes(bytes)))
        };
        for row in &self.circuits {
            write!(
                f,
                "\n2^{:<3}  {:>7.2}  {:>7.2}  {:>6.2}  {:>8.2}  {:>7.2}  {:>9.2}  {:>8.2}  {:>14.2}  {:>6.2}  {:>12}  {:>4}",
                row.degree_bits,
                row.stock_seconds,
                row.seconds,
                row.ratio,
                row.witness_seconds,
                row.commit_seconds,
                row.quotient_seconds,
                row.opening_seconds,
                row.stock_build_seconds,
                row.build_seconds,
                memory(row.stock_peak_memory_bytes),
                memory(row.peak_memory_bytes),
            )?;
        }
        write!(f, "\n\nsignatures   rows   starky     ours   ratio   starky GiB   GiB")?;
        for row in &self.starks {
            write!(
                f,
                "\n{:>10}   2^{:<3}  {:>6.2}  {:>7.2}  {:>6.2}  {:>11}  {:>4}",
                row.signatures,
                row.degree_bits,
                row.stock_seconds,
                row.seconds,
                row.ratio,
                memory(row.stock_peak_memory_bytes),
                memory(row.peak_memory_bytes),
            )?;
        }
        Ok(())
    }
}

/// What a process of its own proves once.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// The circuit of this size: the logarithm of its rows.
    Circuit(usize),
    /// The STARK of this number of signatures.
    Signatures(usize),
}

/// Measures the largest memory of a process that does the work once, with the stock prover if the flag is set, else with
/// ours.
pub type Peaks<'a> = &'a dyn Fn(Work, bool) -> Result<Option<u64>, BenchError>;

/// One proof in a process of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Seconds of the proof.
    pub seconds: f64,
    /// The largest memory of the process; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one proof in {:.3} s", self.seconds)
    }
}

/// A circuit whose proofs are verified.
struct Child {
    circuit: Circuit,
    input: Target,
}

impl Child {
    fn new() -> Self {
        let mut builder = Builder::new(child_config());
        let input = builder.add_virtual_public_input();
        builder.square(input);
        while builder.num_gates() <= 1 << (SMALLEST_DEGREE_BITS - 1) {
            builder.add_gate(NoopGate, vec![]);
        }
        Self { circuit: proving::build(builder), input }
    }

    /// The proof for run number `run`.
    fn proof(&self, run: usize) -> Result<Proof, BenchError> {
        let mut witness = Witness::new();
        witness.set_target(self.input, F::from_canonical_usize(run)).map_err(BenchError::recursion)?;
        proving::prove(&self.circuit, witness).map_err(BenchError::recursion)
    }

    /// A circuit of 2^`degree_bits` rows that verifies as many proofs as it can, before it is built.
    fn recursion(&self, degree_bits: usize) -> (Builder, Vec<ProofTarget>) {
        let mut builder = Builder::new(standard_config());
        let key = builder.constant_verifier_data(&self.circuit.verifier_only);
        let children = 1 << (degree_bits - SMALLEST_DEGREE_BITS);
        let targets = (0..children)
            .map(|_| proving::verify_circuit(&mut builder, &self.circuit.common, &key))
            .collect();
        (builder, targets)
    }
}

/// The standard configuration with fewer queries, and so with fewer bits of security.
fn child_config() -> CircuitConfig {
    let mut config = standard_config();
    let fri = &mut config.fri_config;
    fri.num_query_rounds = CHILD_QUERIES;
    config.security_bits = fri.rate_bits * fri.num_query_rounds + fri.proof_of_work_bits as usize;
    config
}

/// The inputs that give each of `targets` the same proof.
fn witness(targets: &[ProofTarget], proof: &Proof) -> Result<Witness, BenchError> {
    let mut witness = Witness::new();
    for target in targets {
        witness.set_proof_with_pis_target(target, proof).map_err(BenchError::recursion)?;
    }
    Ok(witness)
}

/// Measures circuits with these numbers of rows, as logarithms, and batches of these numbers of signatures, each `runs`
/// times.
///
/// # Errors
/// [`BenchError::Recursion`], [`BenchError::Signatures`], or that of `peaks`.
pub fn measure(
    sizes: &[usize],
    signatures: &[usize],
    runs: usize,
    progress: &dyn Progress,
    peaks: Peaks<'_>,
) -> Result<Figures, BenchError> {
    let child = Child::new();
    let circuits = sizes
        .iter()
        .map(|&degree_bits| {
            progress.note(&format!("2^{degree_bits} rows"));
            let row = row(&child, degree_bits, runs)?;
            Ok(Row {
                stock_peak_memory_bytes: peaks(Work::Circuit(degree_bits), true)?,
                peak_memory_bytes: peaks(Work::Circuit(degree_bits), false)?,
                ..row
            })
        })
        .collect::<Result<_, BenchError>>()?;
    let starks =
        signatures.iter().map(|&count| stark::row(count, runs, progress, peaks)).collect::<Result<_, _>>()?;
    Ok(Figures { circuits, starks, runs, threads: rayon::current_num_threads() })
}

/// Does the work once, with stock code or with ours.
///
/// # Errors
/// [`BenchError::Recursion`] or [`BenchError::Signatures`].
pub fn run_once(work: Work, with_stock: bool) -> Result<Run, BenchError> {
    match work {
        Work::Circuit(degree_bits) => recurse_once(degree_bits, with_stock),
        Work::Signatures(count) => stark::run_once(count, with_stock),
    }
}

/// Builds a circuit of 2^`degree_bits` rows and proves it once, with plonky2's code or with ours.
fn recurse_once(degree_bits: usize, with_stock: bool) -> Result<Run, BenchError> {
    let child = Child::new();
    let (builder, targets) = child.recursion(degree_bits);
    let (circuit, prove): (_, fn(&Circuit, Witness) -> _) = match with_stock {
        true => (stock::build(builder), stock::prove),
        false => (proving::build(builder), proving::prove),
    };
    let inputs = witness(&targets, &child.proof(0)?)?;
    let (seconds, _) = timed(|| prove(&circuit, inputs).map_err(BenchError::recursion))?;
    Ok(Run { seconds, peak_memory_bytes: peak_memory() })
}

fn row(child: &Child, degree_bits: usize, runs: usize) -> Result<Row, BenchError> {
    let (mut stock_build, mut build) = (vec![], vec![]);
    let (mut stock_witness, mut stock_total, mut total) = (vec![], vec![], vec![]);
    let (mut generating, mut commit, mut quotient, mut opening) = (vec![], vec![], vec![], vec![]);
    let mut built = None;
    for _ in 0..runs {
        let (builder, _) = child.recursion(degree_bits);
        stock_build.push(timed(|| Ok(stock::build(builder)))?.0);
        let (builder, targets) = child.recursion(degree_bits);
        let (seconds, circuit) = timed(|| Ok(proving::build(builder)))?;
        build.push(seconds);
        built = Some((circuit, targets));
    }
    let Some((circuit, targets)) = built else {
        return Err(BenchError::recursion("nothing is measured without a run"));
    };
    let found = circuit.common.degree_bits();
    if found != degree_bits {
        return Err(BenchError::recursion(format!("a circuit of 2^{degree_bits} rows has 2^{found}")));
    }
    for run in 0..runs {
        let child_proof = child.proof(run)?;
        let inputs = witness(&targets, &child_proof)?;
        let (seconds, assigned) = timed(|| stock::generate(&circuit, inputs).map_err(BenchError::recursion))?;
        let (rest, _) = timed(|| stock::prove_assigned(&circuit, assigned).map_err(BenchError::recursion))?;
        stock_witness.push(seconds);
        stock_total.push(seconds + rest);

        let inputs = witness(&targets, &child_proof)?;
        let (seconds, assigned) =
            timed(|| proving::generate(&circuit, inputs).map_err(BenchError::recursion))?;
        let mut spent = [0.0; 3];
        let mut last = Instant::now();
        let (rest, proof) = timed(|| {
            proving::prove_in_stages(&circuit, assigned, &mut |stage| {
                let part = match stage {
                    Stage::Wires | Stage::Permutation | Stage::Quotients => 0,
                    Stage::Constraints => 1,
                    Stage::Opening => 2,
                };
                spent[part] += last.elapsed().as_secs_f64();
                last = Instant::now();
            })
            .map_err(BenchError::recursion)
        })?;
        proving::verify(&proof, &circuit.verifier_only, &circuit.common).map_err(BenchError::recursion)?;
        generating.push(seconds);
        total.push(seconds + rest);
        for (part, seconds) in [&mut commit, &mut quotient, &mut opening].into_iter().zip(spent) {
            part.push(seconds);
        }
    }
    let (stock_seconds, seconds) = (median(&stock_total), median(&total));
    Ok(Row {
        degree_bits,
        children: targets.len(),
        stock_build_seconds: median(&stock_build),
        build_seconds: median(&build),
        stock_witness_seconds: median(&stock_witness),
        stock_seconds,
        witness_seconds: median(&generating),
        commit_seconds: median(&commit),
        quotient_seconds: median(&quotient),
        opening_seconds: median(&opening),
        seconds,
        ratio: stock_seconds / seconds,
        stock_peak_memory_bytes: None,
        peak_memory_bytes: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circuit_of_each_size_has_as_many_rows_as_it_says_and_most_are_in_use() {
        let child = Child::new();
        for degree_bits in SMALLEST_DEGREE_BITS..=15 {
            let (builder, _) = child.recursion(degree_bits);
            let rows = builder.num_gates();
            assert!(8 * rows > 7 << degree_bits, "{rows} of 2^{degree_bits} rows");
            assert_eq!(proving::common_data(builder).degree_bits(), degree_bits, "{rows} rows");
        }
    }

    #[test]
    fn a_table_has_a_line_for_each_circuit_and_batch_and_a_dash_for_memory_that_is_unknown() {
        let row = |degree_bits, peak_memory_bytes| Row {
            degree_bits,
            children: 1,
            stock_build_seconds: 0.5,
            build_seconds: 0.25,
            stock_witness_seconds: 0.05,
            stock_seconds: 2.0,
            witness_seconds: 0.04,
            commit_seconds: 0.6,
            quotient_seconds: 0.2,
            opening_seconds: 0.1,
            seconds: 1.0,
            ratio: 2.0,
            stock_peak_memory_bytes: Some(3 << 29),
            peak_memory_bytes,
        };
        let stark = StarkRow {
            signatures: 240,
            degree_bits: 16,
            stock_seconds: 30.0,
            seconds: 10.0,
            ratio: 3.0,
            stock_peak_memory_bytes: None,
            peak_memory_bytes: Some(1 << 30),
        };
        let circuits = vec![row(12, Some(1 << 30)), row(13, None)];
        let figures = Figures { circuits, starks: vec![stark], runs: 3, threads: 2 };
        let table = figures.to_string();
        let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        let common = ["2.00", "1.00", "2.00", "0.04", "0.60", "0.20", "0.10", "0.50", "0.25", "1.50"];
        assert_eq!(lines[3], [&["2^12"], &common[..], &["1.00"]].concat());
        assert_eq!(lines[4], [&["2^13"], &common[..], &["-"]].concat());
        assert_eq!(lines[7..], [["240", "2^16", "30.00", "10.00", "3.00", "-", "1.00"]]);
    }
}
