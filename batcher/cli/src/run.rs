//! `superblock run`.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use batcher_bench::{keys::Run, peak_memory};
use batcher_job::{
    run::{RunReport, Runner},
    scenario::Scenario,
};
use circuits_keys::Event;
use serde_json::json;

use super::{
    Options,
    answer::{Answer, Failure, path_json, paths_json},
    config::KeyArguments,
    progress,
    verify::{report_json, report_text},
};

/// Executes and proves a scenario's blocks, batches them into superblocks and verifies these from their files.
///
/// A run that was stopped goes on from what it finished: start it again with the same arguments.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The scenario, a TOML file.
    #[arg(long, value_name = "FILE")]
    scenario: PathBuf,
    /// Where all files go; made if missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Proofs to make at the same time; each needs about 1.5 GB.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    #[command(flatten)]
    keys: KeyArguments,
}

/// What of a run's time is due to keys.
struct Stopwatch {
    started: Instant,
    before_first_proof: OnceLock<Duration>,
    on_keys: Mutex<Duration>,
}

impl Stopwatch {
    /// Notes when the first proof of a circuit starts; the STARK of a table of signatures is none.
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

pub(super) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    let stopwatch = Arc::new(Stopwatch {
        started: Instant::now(),
        before_first_proof: OnceLock::new(),
        on_keys: Mutex::default(),
    });
    progress::stop_on_interrupt();
    let scenario = Scenario::read(&arguments.scenario)?;
    let (noted, told) = (stopwatch.clone(), progress::key_listener(options));
    let listener = move |event: &Event| {
        noted.note(event);
        told(event);
    };
    let engine = arguments.keys.engine_with(Arc::new(listener))?;
    let report = {
        let progress = progress::progress(options);
        let runner = Runner {
            engine: &engine,
            progress: progress.as_ref(),
            jobs: progress::jobs(arguments.jobs),
            stop: &progress::STOP,
        };
        runner.run(&scenario, &arguments.out)?
    };
    let RunReport {
        blocks,
        transactions,
        rejected,
        failed,
        undeliverable,
        messages,
        verified,
        superblocks,
        trust,
    } = report;
    let rejected_json: Vec<_> = rejected
        .iter()
        .map(|one| json!({ "environment": one.environment, "line": one.line, "reason": one.reason }))
        .collect();
    let failed_json: Vec<_> = failed
        .iter()
        .map(|one| {
            json!({
                "environment": one.environment,
                "height": one.height,
                "position": one.position,
                "reason": one.reason,
            })
        })
        .collect();
    let undeliverable_json: Vec<_> = undeliverable
        .iter()
        .map(|one| {
            json!({ "environment": one.environment.get(), "message": one.message, "reason": one.reason })
        })
        .collect();
    let json = json!({
        "ok": true,
        "blocks": blocks,
        "transactions": transactions,
        "rejected_transactions": rejected_json,
        "failed_transactions": failed_json,
        "undeliverable_messages": undeliverable_json,
        "messages": messages,
        "superblocks": paths_json(&superblocks),
        "trust": path_json(&trust),
        "verification": report_json(&verified),
        "figures": stopwatch.figures(),
    });
    let mut text =
        format!("{transactions} transactions in {blocks} blocks in {} superblocks\n", superblocks.len());
    for one in &rejected {
        let line = one.line.map_or_else(String::new, |line| format!(", line {line}"));
        text += &format!("rejected: environment {}{line}: {}\n", one.environment, one.reason);
    }
    for one in &failed {
        text += &format!(
            "failed: environment {}, block {}, transaction {}: {}\n",
            one.environment, one.height, one.position, one.reason
        );
    }
    for one in &undeliverable {
        text += &format!(
            "not delivered: message {} in environment {}: {}\n",
            one.message, one.environment, one.reason
        );
    }
    for one in &messages {
        text += &format!("{one}\n");
    }
    text += &report_text(&verified);
    text += &format!(
        "\nThe anchor is this run's own trust file {}: chain id, genesis, registry and keys are as the scenario says.",
        trust.display()
    );
    Ok(Answer::new(json, text).blemished(!rejected.is_empty()))
}
