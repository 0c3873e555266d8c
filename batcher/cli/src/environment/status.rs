//! `superblock environment status`.

use std::{fmt, path::PathBuf};

use environments_directories::{BlockStatus, FollowerStatus, Rival};
use serde::Serialize;

use crate::answer::{Answer, Failure};

/// Say where a follower is: height, state, and how far each of the last blocks is.
///
/// A block is proposed once its producer has signed it, proven once it has a proof, and batched once it is in a superblock. The
/// follower may be at work meanwhile.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Look at the follower in this directory.
    ///
    /// It is the directory of `environment follow --state`.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Show the last blocks, so many.
    ///
    /// Older ones are kept, and take time to show.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    last: usize,
}

/// The answer.
#[derive(Serialize)]
#[serde(transparent)]
struct Status(FollowerStatus);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FollowerStatus { chain_id, height, state, blocks, rivals, .. } = &self.0;
        write!(f, "chain {chain_id}: height {height}, state {state}")?;
        for BlockStatus { height, id, state, stage } in blocks {
            write!(f, "\n{height}  {stage}  block {id}  state {state}")?;
        }
        for Rival { height, id, producer } in rivals {
            write!(f, "\nthe producer {producer} signed another block {height}, {id}")?;
        }
        Ok(())
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let status = FollowerStatus::read(&arguments.directory, arguments.last)?;
    Ok(Answer::new(&Status(status)))
}
