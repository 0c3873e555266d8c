//! What a run did: what became of transactions, messages and superblocks.

use std::path::PathBuf;

use batcher_verify::verify::Report;
use environments_core::{dynamic::BlockReport, producer::TransactionId};

use crate::{
    delivery::Undeliverable,
    lifecycle::Lifecycle,
    payouts::L1Summary,
    scenario::{RejectedLine, chain_of},
};

/// A transaction that is in no block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedTransaction {
    pub environment: u16,
    /// The line of its file, if it did not enter the pool.
    pub line: Option<usize>,
    pub reason: String,
}

/// A transaction that is in a block and did not do what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedTransaction {
    pub environment: u16,
    pub height: u32,
    /// The transaction's position in the block, from 0.
    pub position: usize,
    pub reason: String,
}

/// A transaction that its producer refused, and why.
type Refusal = (TransactionId, Box<dyn std::error::Error + Send + Sync>);

/// What became of the transactions of a run.
#[derive(Debug, Default)]
pub(super) struct TransactionReport {
    pub(super) included: usize,
    pub(super) rejected: Vec<RejectedTransaction>,
    pub(super) failed: Vec<FailedTransaction>,
}

impl TransactionReport {
    /// Adds lines that did not enter the pool.
    pub(super) fn add_lines(&mut self, environment: u16, lines: Vec<RejectedLine>) {
        self.rejected.extend(lines.into_iter().map(|RejectedLine { line, reason }| RejectedTransaction {
            environment,
            line: Some(line),
            reason,
        }));
    }

    /// Adds transactions that left the pool for no block, or are still in it.
    pub(super) fn add_rejected(&mut self, environment: u16, rejected: &[Refusal]) {
        self.rejected.extend(rejected.iter().map(|(_, reason)| RejectedTransaction {
            environment,
            line: None,
            reason: chain_of(reason.as_ref()),
        }));
    }

    /// Adds the transactions of a block.
    pub(super) fn add_block(&mut self, environment: u16, block: &BlockReport) {
        self.included += block.included.len();
        self.add_rejected(environment, &block.rejected);
        self.failed.extend(block.failed.iter().map(|(position, reason)| FailedTransaction {
            environment,
            height: block.height,
            position: *position,
            reason: chain_of(reason.as_ref()),
        }));
    }
}

/// What a run did.
#[derive(Debug)]
pub struct RunReport {
    /// Blocks in the superblocks, those of environment 0 included.
    pub blocks: u64,
    /// Transactions in those blocks.
    pub transactions: usize,
    /// Transactions that are in no block.
    pub rejected: Vec<RejectedTransaction>,
    /// Transactions that are in the blocks and did not do what they ask for.
    pub failed: Vec<FailedTransaction>,
    /// Messages that an environment did not take in.
    pub undeliverable: Vec<Undeliverable>,
    /// What became of the messages.
    pub messages: Vec<Lifecycle>,
    /// What blocks of environment 0 did.
    pub l1: Vec<L1Summary>,
    /// The superblocks, verified from their files against the trust file.
    pub verified: Report,
    pub superblocks: Vec<PathBuf>,
    /// The registry's file.
    pub registry: PathBuf,
    pub trust: PathBuf,
}
