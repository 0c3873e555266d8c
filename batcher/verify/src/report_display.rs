//! How a report prints and serialises: with what its answer is relative to, unless a trust file anchors it.

use std::fmt;

use circuits_core::Digest;
use circuits_protocol::l1::{L1Outcome, PayoutRange};
use serde::Serialize;

use crate::verify::Report;

/// What a report without a trust file is relative to. The superblocks themselves name all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RelativeTo {
    /// The deployment.
    pub chain_id: u64,
    /// The state that the first superblock continues.
    pub start_state: Digest,
    /// The registry roots in the order of superblocks, each run of equal ones once.
    pub registry_roots: Vec<Digest>,
    /// Which keys the proofs verify under: always those of this program.
    pub keys: &'static str,
}

/// A report as programs read it: its fields, and `relative_to`, which is null if a trust file anchors the report.
#[derive(Clone, Debug, Serialize)]
pub struct QualifiedReport<'a> {
    #[serde(flatten)]
    report: &'a Report,
    relative_to: Option<RelativeTo>,
}

impl Report {
    /// What the report is relative to; `None` if a trust file anchors it.
    #[must_use]
    pub fn relative_to(&self) -> Option<RelativeTo> {
        let mut registry_roots: Vec<_> = self.superblocks.iter().map(|one| one.registry_root).collect();
        registry_roots.dedup();
        let Self { chain_id, start_state, .. } = *self;
        (!self.anchored).then_some(RelativeTo { chain_id, start_state, registry_roots, keys: "embedded" })
    }

    /// The report with what it is relative to.
    #[must_use]
    pub fn qualified(&self) -> QualifiedReport<'_> {
        QualifiedReport { report: self, relative_to: self.relative_to() }
    }
}

/// A line for each superblock, which says whether an older circuit proved it, the chain, and what the answer is worth.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.superblocks {
            let older = if one.older_key { " (older)" } else { "" };
            writeln!(
                f,
                "superblock {:>6}  {:>4} blocks  {}{older}  state {}",
                one.number, one.blocks, one.circuit, one.new_state
            )?;
            if let Some(L1Outcome { queue, payouts: PayoutRange { digest, first, count } }) = one.l1 {
                writeln!(
                    f,
                    "    L1: {queue} taken; {count} payouts from number {first} on, with digest {digest}"
                )?;
            }
        }
        writeln!(f, "chain {}: {} -> {}", self.chain_id, self.start_state, self.end_state)?;
        match self.relative_to() {
            None => writeln!(
                f,
                "anchored: true (deployment, start state, registry and keys are those of the trust file)"
            ),
            Some(RelativeTo { chain_id, start_state, registry_roots, .. }) => {
                let roots: Vec<_> = registry_roots.iter().map(ToString::to_string).collect();
                writeln!(
                    f,
                    "anchored: false; valid relative to chain id {chain_id}, start state {start_state}, registry {} \
                     and the embedded keys",
                    roots.join(", ")
                )
            }
        }?;
        f.write_str(match (self.deposits_checked, self.l1_queue) {
            (true, _) => "deposits: compared with L1's queue",
            (false, Some(_)) => "deposits: not compared with L1's queue",
            (false, None) => "deposits: none, because no superblock has a block of environment 0",
        })
    }
}
