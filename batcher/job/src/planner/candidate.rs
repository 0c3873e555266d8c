//! A block that the intake accepted.

use batcher_circuits::contents::ContentBlock;
use bridge_core::BlockMessages;
use circuits_core::Digest;
use circuits_protocol::{
    registry::EnvironmentId,
    statement::{BlockStatement, statement_digest},
};
use environments_core::BlockHeader;

use super::{chains::Point, left_out::BlockName};

/// A block that the intake accepted: what the planner knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What its proof states.
    pub statement: BlockStatement,
    pub header: BlockHeader,
    /// Digest of the wrap key that it was proved under.
    pub key: Digest,
    /// The messages that the statement's lists are digests of.
    pub messages: BlockMessages,
    /// SHA3-256 of its file, which settles the order among files that state the same under the same key.
    pub file: [u8; 32],
}

impl Candidate {
    pub(super) fn environment(&self) -> EnvironmentId {
        self.header.environment
    }

    pub(super) fn name(&self) -> BlockName {
        BlockName { environment: self.header.environment, height: self.header.first_height }
    }

    /// Where it stands in the order in which alternatives that lead equally far are tried.
    pub(super) fn rank(&self) -> (Digest, Digest, [u8; 32]) {
        (statement_digest(&self.statement), self.key, self.file)
    }

    /// What it continues.
    pub(super) fn start(&self) -> Point {
        let height = self.header.first_height.saturating_sub(1);
        Point { height, state: self.statement.previous_state }
    }

    /// Where it leads.
    pub(super) fn end(&self) -> Point {
        Point { height: self.header.last_height, state: self.statement.new_state }
    }

    /// The block as part of a superblock.
    pub(super) fn content(&self) -> ContentBlock {
        ContentBlock { key: self.key, statement: self.statement, messages: self.messages.clone() }
    }
}
