//! How what became of followed superblocks prints and serialises.

use std::fmt;

use circuits_core::Digest;
use circuits_files::text::shown;
use serde::{Serialize, Serializer};

use crate::{
    follow::{Considered, Decision, Followed},
    outcome_display::path_text,
};

#[derive(Serialize)]
struct FollowedFields {
    superblocks: Vec<ConsideredFields>,
    number: u32,
    state: Digest,
    anchored: bool,
    deposits_checked: bool,
    unremoved_states: Vec<String>,
}

#[derive(Serialize)]
struct ConsideredFields {
    file: String,
    number: Option<u64>,
    #[serde(flatten)]
    decision: DecisionFields,
}

#[derive(Serialize)]
#[serde(tag = "decision", rename_all = "lowercase")]
enum DecisionFields {
    Applied { state: Digest },
    Known,
    Copy { of: String },
    Early { missing: u64 },
    Refused { reason: String },
}

impl ConsideredFields {
    fn new(considered: &Considered) -> Self {
        let decision = match &considered.decision {
            Decision::Applied(state) => DecisionFields::Applied { state: *state },
            Decision::Known => DecisionFields::Known,
            Decision::Copy(of) => DecisionFields::Copy { of: path_text(of) },
            Decision::Early { missing } => DecisionFields::Early { missing: *missing },
            Decision::Refused(reason) => DecisionFields::Refused { reason: reason.to_string() },
        };
        Self { file: path_text(&considered.path), number: considered.number, decision }
    }
}

/// Fields for programs: what became of each bundle, and where the chain is.
impl Serialize for Followed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        FollowedFields {
            superblocks: self.superblocks.iter().map(ConsideredFields::new).collect(),
            number: self.number,
            state: self.state,
            anchored: self.anchored,
            deposits_checked: self.deposits_checked,
            unremoved_states: self.unremoved.iter().map(ToString::to_string).collect(),
        }
        .serialize(serializer)
    }
}

/// A line for each bundle, one for the state reached, and what the answer is worth.
impl fmt::Display for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.superblocks {
            one.fmt(f)?;
            writeln!(f)?;
        }
        for error in &self.unremoved {
            writeln!(f, "warning: an old state is not removed: {}", shown(error))?;
        }
        writeln!(f, "the latest state is the one after superblock {}: {}", self.number, self.state)?;
        f.write_str(if self.anchored {
            "anchored: true (deployment, start state, registries and keys are those of the trust file)\n"
        } else {
            "anchored: false; valid relative to the state before, the registries that the superblocks name and the \
             embedded keys\n"
        })?;
        f.write_str(if self.deposits_checked {
            "deposits: compared with L1's queue"
        } else {
            "deposits: not compared with L1's queue"
        })
    }
}

impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = path_text(&self.path);
        if let Decision::Refused(reason) = &self.decision {
            // Reasons about files name them already.
            let reason = reason.to_string();
            return if reason.starts_with(&path) {
                write!(f, "refused: {}", shown(reason))
            } else {
                write!(f, "refused: {}: {}", shown(path), shown(reason))
            };
        }
        if let Some(number) = self.number {
            write!(f, "superblock {number:>6}  ")?;
        }
        match &self.decision {
            Decision::Applied(state) => write!(f, "applied, state {state}")?,
            Decision::Known => write!(f, "known: the chain has it")?,
            Decision::Copy(of) => write!(f, "a copy of {}", shown(path_text(of)))?,
            Decision::Early { missing } => write!(f, "early: superblock {missing} is missing")?,
            Decision::Refused(_) => {}
        }
        write!(f, "  {}", shown(path))
    }
}
