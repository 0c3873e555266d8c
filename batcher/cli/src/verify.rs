//! `superblock verify`.

use std::{path::PathBuf, time::Instant};

use batcher_verify::{
    keys::PinnedKeys,
    trust::Trust,
    verify::{Report, verify},
};
use serde_json::{Value, json};

use super::answer::{Answer, Failure};

/// Verifies superblock proofs with the embedded keys, and that the superblocks form one chain.
///
/// With --trust the answer is anchored: deployment, start state, registry and keys are the trusted ones.
/// Without it, it is relative to what the superblocks themselves name.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Superblock bundles, in any order.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What is trusted, a TOML file: chain_id, keys, start and registry.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments) -> Result<Answer, Failure> {
    let started = Instant::now();
    let trust = arguments.trust.as_deref().map(Trust::read).transpose()?;
    let report = verify(arguments.files, trust.as_ref(), PinnedKeys::embedded())?;
    let mut json = report_json(&report);
    json["ok"] = Value::Bool(true);
    json["seconds"] = json!(started.elapsed().as_secs_f64());
    Ok(Answer::new(json, report_text(&report)))
}

/// A report for `--json`.
pub(super) fn report_json(report: &Report) -> Value {
    let relative_to = if report.anchored {
        Value::Null
    } else {
        let mut roots: Vec<_> = report.superblocks.iter().map(|one| one.registry_root.to_string()).collect();
        roots.dedup();
        json!({
            "chain_id": report.chain_id,
            "start_state": report.start_state,
            "registry_roots": roots,
            "keys": "embedded",
        })
    };
    json!({
        "anchored": report.anchored,
        "relative_to": relative_to,
        "chain_id": report.chain_id,
        "start_state": report.start_state,
        "end_state": report.end_state,
        "superblocks": report.superblocks,
    })
}

/// A report for people.
pub(super) fn report_text(report: &Report) -> String {
    let mut lines = vec![];
    for one in &report.superblocks {
        lines.push(format!(
            "superblock {:>6}  {:>4} blocks  {}  state {}",
            one.number, one.blocks, one.circuit, one.new_state
        ));
    }
    lines.push(format!("chain {}: {} -> {}", report.chain_id, report.start_state, report.end_state));
    lines.push(if report.anchored {
        "anchored: true (deployment, start state, registry and keys are those of the trust file)".to_owned()
    } else {
        let mut roots: Vec<_> = report.superblocks.iter().map(|one| one.registry_root.to_string()).collect();
        roots.dedup();
        format!(
            "anchored: false; valid relative to chain id {}, start state {}, registry {} and the embedded keys",
            report.chain_id,
            report.start_state,
            roots.join(", ")
        )
    });
    lines.join("\n")
}
