//! How the report of a run prints and serialises.

use std::fmt;

use batcher_verify::report_display::QualifiedReport;
use circuits_core::Digest;
use circuits_files::text::shown;
use circuits_protocol::registry::EnvironmentId;
use serde::{Serialize, Serializer};

use crate::{lifecycle::Lifecycle, outcome_display::path_text, payouts::L1Summary, run::RunReport};

#[derive(Serialize)]
struct ReportFields<'a> {
    blocks: u64,
    transactions: usize,
    rejected_transactions: Vec<RejectedFields<'a>>,
    failed_transactions: Vec<FailedFields<'a>>,
    undeliverable_messages: Vec<UndeliverableFields<'a>>,
    messages: &'a [Lifecycle],
    l1: &'a [L1Summary],
    superblocks: Vec<String>,
    registry: String,
    trust: String,
    verification: QualifiedReport<'a>,
}

#[derive(Serialize)]
struct RejectedFields<'a> {
    environment: u16,
    line: Option<usize>,
    reason: &'a str,
}

#[derive(Serialize)]
struct FailedFields<'a> {
    environment: u16,
    height: u32,
    position: usize,
    reason: &'a str,
}

#[derive(Serialize)]
struct UndeliverableFields<'a> {
    environment: EnvironmentId,
    message: Digest,
    reason: &'a str,
}

/// Fields for programs.
impl Serialize for RunReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rejected = self.rejected.iter().map(|one| RejectedFields {
            environment: one.environment,
            line: one.line,
            reason: &one.reason,
        });
        let failed = self.failed.iter().map(|one| FailedFields {
            environment: one.environment,
            height: one.height,
            position: one.position,
            reason: &one.reason,
        });
        let undeliverable = self.undeliverable.iter().map(|one| UndeliverableFields {
            environment: one.environment,
            message: one.message,
            reason: &one.reason,
        });
        ReportFields {
            blocks: self.blocks,
            transactions: self.transactions,
            rejected_transactions: rejected.collect(),
            failed_transactions: failed.collect(),
            undeliverable_messages: undeliverable.collect(),
            messages: &self.messages,
            l1: &self.l1,
            superblocks: self.superblocks.iter().map(|path| path_text(path)).collect(),
            registry: path_text(&self.registry),
            trust: path_text(&self.trust),
            verification: self.verified.qualified(),
        }
        .serialize(serializer)
    }
}

/// Lines for people; the front page of the workspace explains them.
impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let superblocks = self.superblocks.len();
        writeln!(
            f,
            "{} transactions in {} blocks in {superblocks} superblocks",
            self.transactions, self.blocks
        )?;
        for one in &self.rejected {
            let line = one.line.map_or_else(String::new, |line| format!(", line {line}"));
            writeln!(f, "rejected: environment {}{line}: {}", one.environment, one.reason)?;
        }
        for one in &self.failed {
            let (environment, height, position) = (one.environment, one.height, one.position);
            let reason = &one.reason;
            writeln!(
                f,
                "failed: environment {environment}, block {height}, transaction {position}: {reason}"
            )?;
        }
        for one in &self.undeliverable {
            let (message, environment) = (one.message, one.environment);
            writeln!(f, "not delivered: message {message} in environment {environment}: {}", one.reason)?;
        }
        self.messages.iter().try_for_each(|one| writeln!(f, "{one}"))?;
        self.l1.iter().try_for_each(|one| writeln!(f, "{one}"))?;
        writeln!(f, "{}", self.verified)?;
        write!(
            f,
            "The anchor is this run's own trust file {}: chain id, genesis, registry and keys are as the scenario says.",
            shown(self.trust.display())
        )
    }
}
