//! A block that the intake accepted.

use batcher_circuits::contents::ContentBlock;
use bridge_core::BlockMessages;
use circuits_core::Digest;
use circuits_protocol::{registry::EnvironmentId, statement::BlockStatement};
use environments_core::BlockHeader;

use super::left_out::BlockName;

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
    /// SHA3-256 of its file, which settles the order among files that state the same.
    pub file: [u8; 32],
}

impl Candidate {
    pub(super) fn environment(&self) -> EnvironmentId {
        self.header.environment
    }

    pub(super) fn name(&self) -> BlockName {
        BlockName { environment: self.header.environment, height: self.header.first_height }
    }

    /// The block as part of a superblock.
    pub(super) fn content(&self) -> ContentBlock {
        ContentBlock { key: self.key, statement: self.statement, messages: self.messages.clone() }
    }
}
