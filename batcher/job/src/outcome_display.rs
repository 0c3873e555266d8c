//! How the outcome of a batch prints and serialises.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use circuits_core::Digest;
use circuits_files::text::shown;
use circuits_protocol::registry::EnvironmentId;
use serde::{Serialize, Serializer};

use crate::{
    batch::{Made, Outcome},
    intake::{MAX_VERIFIED, Refused, Stale},
    payouts::L1Summary,
    planner::LeftOut,
};

/// A path as text: it need not be UTF-8, and JSON is.
pub(crate) fn path_text(path: &Path) -> String {
    path.display().to_string()
}

#[derive(Serialize)]
struct OutcomeFields<'a> {
    superblock: Option<SuperblockFields<'a>>,
    refused: Vec<RefusedFields>,
    unrecorded: Vec<String>,
    unremoved_states: Vec<String>,
    left_out: Vec<LeftOutFields>,
    l1_waits: Option<String>,
    already_included: Vec<StaleFields>,
    copies: Vec<String>,
    waiting: Vec<String>,
}

#[derive(Serialize)]
struct SuperblockFields<'a> {
    file: String,
    number: u32,
    state: Digest,
    registry_root: Digest,
    adopted: bool,
    blocks: Vec<String>,
    l1: Option<&'a L1Summary>,
}

#[derive(Serialize)]
struct RefusedFields {
    file: String,
    sha3: Option<String>,
    reason: String,
}

#[derive(Serialize)]
struct LeftOutFields {
    file: String,
    reason: String,
    may_come_later: bool,
}

#[derive(Serialize)]
struct StaleFields {
    file: String,
    environment: EnvironmentId,
    height: u32,
}

impl<'a> SuperblockFields<'a> {
    fn new(made: &'a Made) -> Self {
        Self {
            file: path_text(&made.path),
            number: made.state.number,
            state: made.state.commitment(),
            registry_root: made.statement.registry_root,
            adopted: made.is_adopted,
            blocks: made.included.iter().map(|path| path_text(path)).collect(),
            l1: made.l1.as_ref(),
        }
    }
}

/// Fields for programs: the superblock, if one was made, and what is not in it.
impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let refused = |one: &Refused| RefusedFields {
            file: path_text(&one.path),
            sha3: one.sha3.map(hex::encode),
            reason: one.reason.to_string(),
        };
        let left_out = |(path, reason): &(PathBuf, LeftOut)| LeftOutFields {
            file: path_text(path),
            reason: reason.to_string(),
            may_come_later: reason.may_come_later(),
        };
        let stale = |one: &Stale| StaleFields {
            file: path_text(&one.path),
            environment: one.environment,
            height: one.height,
        };
        OutcomeFields {
            superblock: self.made.as_ref().map(SuperblockFields::new),
            refused: self.refused.iter().map(refused).collect(),
            unrecorded: self.unrecorded.iter().map(ToString::to_string).collect(),
            unremoved_states: self.unremoved.iter().map(ToString::to_string).collect(),
            left_out: self.left_out.iter().map(left_out).collect(),
            l1_waits: self.l1_waits.as_ref().map(ToString::to_string),
            already_included: self.stale.iter().map(stale).collect(),
            copies: self.copies.iter().map(|path| path_text(path)).collect(),
            waiting: self.waiting.iter().map(|path| path_text(path)).collect(),
        }
        .serialize(serializer)
    }
}

/// Lines for people: the superblock, if one was made, and what is not in it.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.made {
            Some(made) => {
                write!(
                    f,
                    "superblock {} of {} blocks: {}\nstate {}",
                    made.state.number,
                    made.statement.block_count,
                    shown(made.path.display()),
                    made.state.commitment()
                )?;
                if made.is_adopted {
                    write!(f, "\nadopted: an interrupted run had written the bundle")?;
                }
                if let Some(l1) = &made.l1 {
                    write!(f, "\n{l1}")?;
                }
            }
            None => write!(f, "no superblock: no block can be batched")?,
        }
        for one in &self.refused {
            // Reasons about files name them already.
            let (path, reason) = (path_text(&one.path), one.reason.to_string());
            if reason.starts_with(&path) {
                write!(f, "\nrefused: {}", shown(reason))?;
            } else {
                write!(f, "\nrefused: {}: {}", shown(path), shown(reason))?;
            }
        }
        for error in &self.unrecorded {
            write!(f, "\nwarning: a refusal is not recorded: {}", shown(error))?;
        }
        for error in &self.unremoved {
            write!(f, "\nwarning: an old state is not removed: {}", shown(error))?;
        }
        for (path, reason) in &self.left_out {
            write!(f, "\nleft out: {}: {}", shown(path.display()), shown(reason))?;
        }
        if let Some(reason) = &self.l1_waits {
            write!(f, "\n{}", shown(reason))?;
        }
        match self.stale.len() {
            0 => {}
            stale => write!(f, "\n{stale} bundles hold blocks that earlier superblocks have")?,
        }
        match self.waiting.len() {
            0 => Ok(()),
            waiting => write!(
                f,
                "\n{waiting} bundles wait for the next call: one call verifies at most {MAX_VERIFIED}, in equal shares \
                 for all environments"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use circuits_files::file::FileError;

    use super::*;

    /// Anybody may put a file into the directory of blocks, and its name need not be text.
    #[cfg(unix)]
    #[test]
    fn files_whose_names_are_not_text_are_named_as_well_as_can_be() {
        use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};
        let path = || PathBuf::from(OsString::from_vec(b"junk-\xff.block".to_vec()));
        let source = std::io::ErrorKind::NotFound.into();
        let reason = FileError::Io { path: path(), action: "open it", source }.into();
        let outcome = Outcome {
            made: None,
            refused: vec![Refused { path: path(), sha3: None, reason }],
            unrecorded: vec![],
            unremoved: vec![],
            left_out: vec![],
            l1_waits: None,
            stale: vec![],
            copies: vec![path()],
            waiting: vec![path()],
        };
        let json = serde_json::to_value(&outcome).expect("serialisable");
        for named in [&json["refused"][0]["file"], &json["copies"][0], &json["waiting"][0]] {
            assert!(named.as_str().is_some_and(|file| file.starts_with("junk-")), "{json}");
        }
        assert!(outcome.to_string().contains("1 bundles wait for the next call"), "{outcome}");
    }
}
