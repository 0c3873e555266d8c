//! What a run did: what became of transactions, messages and superblocks.

use std::path::PathBuf;

use batcher_verify::{
    bundle::{SUPERBLOCK_LIMIT, SuperblockBundle},
    verify::Report,
};
use bridge_core::BridgeState;
use circuits_files::file::{self, FileKind};
use environments_core::{dynamic::BlockReport, producer::TransactionId};

use super::error::RunError;
use crate::{
    batch::BatchError,
    delivery::Undeliverable,
    lifecycle::{Lifecycle, lifecycles},
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
    /// Blocks in the superblocks.
    pub blocks: usize,
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
    /// The superblocks, verified from their files against the trust file.
    pub verified: Report,
    pub superblocks: Vec<PathBuf>,
    pub trust: PathBuf,
}

/// The lives of all messages of a run whose superblocks, by number from 1, are in `superblocks`.
pub(super) fn message_lives(
    bridge: &BridgeState,
    superblocks: &[PathBuf],
) -> Result<Vec<Lifecycle>, RunError> {
    let mut bundles = vec![];
    for (number, path) in (1..).zip(superblocks) {
        let bytes = file::read_bytes(FileKind::SuperblockBundle, path, SUPERBLOCK_LIMIT)?;
        let bundle = SuperblockBundle::decode(&bytes).map_err(BatchError::Bundle)?;
        bundles.push((number, bundle));
    }
    Ok(lifecycles(bridge, bundles.iter().map(|(number, bundle)| (*number, bundle))))
}
