//! `superblock run`.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use batcher_bench::{peak_memory, starts::Run};
use batcher_job::{
    run::{RunReport, Runner},
    scenario::{LOCAL_DEPLOYMENT, Scenario},
};
use batcher_settlement::{
    local::LocalL1,
    settled_run::{SettledRun, check_signed_for},
};
use circuits_keys::Event;
use environments_kinds::KINDS;
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    key_arguments::KeyArguments,
    options::Options,
    progress,
    shared::CoordinatorArguments,
};

/// Run a scenario: from its transactions to verified superblocks.
///
/// Use this to try the whole system, or in integration tests with simulated environments: it executes and proves the
/// blocks of all environments, batches them into superblocks, and verifies these from their files. A run that was
/// stopped goes on from what it has finished: start it again with the same arguments.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run the scenario in this TOML file.
    ///
    /// It names the environments, their transactions and the deposits from L1; paths in it are relative to it.
    #[arg(long, value_name = "FILE")]
    scenario: PathBuf,
    /// Write all files to this directory, which is made if it is missing.
    ///
    /// It belongs to one scenario: a run of another one in it is refused.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Make this many proofs at the same time.
    ///
    /// Each needs about 1.5 GB of memory. Without this flag, as many as 6 GB and the cores allow. With a queue, 0 leaves all of them
    /// to workers, but for those that need a producer's secret.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Make superblocks, and settle them nowhere.
    ///
    /// Without it, a scenario that names no chain id, or that of the contract there, is settled on an L1 within the program: the contracts that Ethereum gets
    /// take its deposits, verify its superblocks, which takes a proof of about a minute each, and pay.
    #[arg(long)]
    no_l1: bool,
    #[command(flatten)]
    coordinator: CoordinatorArguments,
    #[command(flatten)]
    keys: KeyArguments,
}

/// Measures the time of a run, and how much of it is spent on keys.
struct Stopwatch {
    started: Instant,
    before_first_proof: OnceLock<Duration>,
    on_keys: Mutex<Duration>,
}

impl Stopwatch {
    /// Notes the time on keys, and when the first proof of a circuit starts. The STARK of a table of signatures is not
    /// a proof of a circuit.
    fn note(&self, event: &Event) {
        let on_keys = match event {
            Event::Proving { .. } => {
                self.before_first_proof.get_or_init(|| self.started.elapsed());
                return;
            }
            Event::Loaded { took, .. } => *took,
            Event::Made { building, writing, .. } => *building + *writing,
            _ => return,
        };
        *self.on_keys.lock().unwrap_or_else(PoisonError::into_inner) += on_keys;
    }

    fn figures(&self) -> Run {
        Run {
            seconds: self.started.elapsed().as_secs_f64(),
            seconds_before_first_proof: self.before_first_proof.get().map(Duration::as_secs_f64),
            seconds_on_keys: self.on_keys.lock().unwrap_or_else(PoisonError::into_inner).as_secs_f64(),
            peak_memory_bytes: peak_memory(),
        }
    }
}

/// Why a run is not settled on the embedded L1.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum NotSettled {
    /// Nobody wants it.
    NoL1,
    /// No contract can have the scenario's deployment id: it follows from the contract's address.
    OtherDeployment { scenario: u64, embedded_l1: u64 },
}

impl NotSettled {
    fn of(arguments: &Arguments, scenario: &Scenario) -> Option<Self> {
        if arguments.no_l1 {
            return Some(Self::NoL1);
        }
        let (scenario, embedded_l1) = (scenario.chain_id, LOCAL_DEPLOYMENT);
        (scenario != embedded_l1).then_some(Self::OtherDeployment { scenario, embedded_l1 })
    }
}

impl fmt::Display for NotSettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoL1 => f.write_str("--no-l1 was given"),
            Self::OtherDeployment { scenario, embedded_l1 } => write!(
                f,
                "the scenario's chain id is {scenario}, and the embedded L1's contract is deployment {embedded_l1}; leave \
                 chain_id out to settle the run there"
            ),
        }
    }
}

/// What a run did, and the time that it took.
#[derive(Serialize)]
struct Outcome {
    #[serde(flatten)]
    report: RunReport,
    /// What the embedded L1 did.
    #[serde(skip_serializing_if = "Option::is_none")]
    embedded_l1: Option<SettledRun>,
    /// Why the embedded L1 did nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_settled: Option<NotSettled>,
    figures: Run,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)?;
        self.embedded_l1.iter().try_for_each(|l1| write!(f, "\n{l1}"))?;
        self.not_settled.iter().try_for_each(|reason| write!(f, "\nnot settled: {reason}"))
    }
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    let stopwatch = Arc::new(Stopwatch {
        started: Instant::now(),
        before_first_proof: OnceLock::new(),
        on_keys: Mutex::default(),
    });
    progress::stop_on_interrupt();
    let scenario = Scenario::read(&arguments.scenario)?;
    let not_settled = NotSettled::of(arguments, &scenario);
    if not_settled.is_none() {
        check_signed_for(&scenario)?;
    }
    let (measured, shown) = (stopwatch.clone(), progress::key_listener(options));
    let listener = move |event: &Event| {
        measured.note(event);
        shown(event);
    };
    let engine = arguments.keys.engine_with(Arc::new(listener))?;
    let (report, embedded_l1) =
        arguments.coordinator.shared.with_shared(arguments.jobs, &engine, options, |jobs, shared| {
            let progress = progress::progress(options);
            let runner = Runner {
                engine: &engine,
                kinds: &KINDS,
                progress: progress.as_ref(),
                shared,
                replan: arguments.coordinator.replan,
                jobs,
                stop: &progress::STOP,
            };
            let report = runner.run(&scenario, &arguments.out)?;
            if not_settled.is_some() {
                return Ok((report, None));
            }
            let note = |message: &str| {
                if !options.quiet {
                    eprintln!("{message}");
                }
            };
            let (queue, cache) = (scenario.queue()?, engine.cache());
            let settled =
                LocalL1::new().settle_run(&report, &queue, cache, &note, &progress::STOP, shared)?;
            Ok((report, Some(settled)))
        })?;
    let has_refusals = !report.rejected.is_empty();
    let outcome = Outcome { report, embedded_l1, not_settled, figures: stopwatch.figures() };
    Ok(Answer::new(&outcome).with_refusals(has_refusals))
}
