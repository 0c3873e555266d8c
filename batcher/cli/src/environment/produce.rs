//! `superblock environment produce`.

use std::{fmt, path::PathBuf};

use circuits_core::Digest;
use circuits_files::text;
use circuits_keys::CircuitCache;
use environments_core::{
    DynEnvironment, ProducerError, kernel::ProducerSecret, kind::Start, producer::TransactionId,
};
use environments_directories::{ProducerDirectory, ProducerDirectoryError};
use serde::Serialize;
use thiserror::Error;

use super::{FILE_LIMIT, Place, read_secret};
use crate::{
    answer::{Answer, Failure},
    as_text,
    exit::{ExitCode, HasExitCode},
    key_arguments::KeyArguments,
    options::Options,
};

/// Propose the next block of an environment, and publish it before it is proved.
///
/// The producer's state, its blocks and what waits last in a directory: each call goes on where the last one ended, however it
/// ended. What a call does is stored at once and then published: as a file that its producer has signed, for each block, in
/// DIR/proposed, from which anybody can follow.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Read the producer's secret from this file: 64 hexadecimal digits.
    ///
    /// The key that signs blocks derives from it. `registry producer` prints what a registry names of it.
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// Keep the producer in this directory.
    ///
    /// It is made if it is missing. Two processes cannot work with one producer.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Submit the transactions in this file, one JSON object per line.
    ///
    /// A line that is refused is listed, and the others go on. What the block has no room for waits for the next one.
    #[arg(long, value_name = "FILE")]
    transactions: Option<PathBuf>,
    /// Make blocks of at most this number of transactions.
    ///
    /// Without it, the state model's own limit counts.
    #[arg(long, value_name = "NUMBER")]
    block_limit: Option<usize>,
    /// First note that a superblock contains the blocks up to this height.
    ///
    /// They can no longer be rolled back.
    #[arg(long, value_name = "HEIGHT")]
    confirm: Option<u32>,
    /// First drop the proposed blocks from this height on.
    ///
    /// Their transactions wait again. A different block that is published in their place is evidence that the producer said
    /// two things, so do this only if a block cannot be batched.
    #[arg(long, value_name = "HEIGHT")]
    rollback: Option<u32>,
    /// Propose no block.
    ///
    /// What was proposed and is not published yet is published all the same.
    #[arg(long)]
    no_block: bool,
    #[command(flatten)]
    keys: KeyArguments,
}

/// What a call did.
#[derive(Serialize)]
struct Produced {
    environment: u16,
    /// Height of the last block.
    height: u32,
    state: Digest,
    /// The transactions of the new block.
    included: Vec<TransactionId>,
    /// Lines, and transactions, that were refused.
    refused: Vec<Refused>,
    /// How many transactions and messages wait.
    pending: usize,
    #[serde(serialize_with = "paths")]
    published: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Refused {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<TransactionId>,
    reason: String,
}

fn paths<S: serde::Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    let shown: Vec<_> = paths.iter().map(|path| path.display()).collect();
    as_text::displays(&shown, serializer)
}

impl fmt::Display for Produced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environment, height, state, included, pending, .. } = self;
        write!(f, "environment {environment}: height {height}, state {state}")?;
        write!(f, "\n{} transactions are in the new block, {pending} wait", included.len())?;
        for Refused { line, transaction, reason } in &self.refused {
            match (line, transaction) {
                (Some(line), _) => write!(f, "\nline {line} is refused: {reason}")?,
                (None, Some(transaction)) => write!(f, "\ntransaction {transaction} is refused: {reason}")?,
                (None, None) => write!(f, "\n{reason}")?,
            }
        }
        for path in &self.published {
            write!(f, "\npublished {}", path.display())?;
        }
        Ok(())
    }
}

/// What the call did is stored, and the files of blocks are missing. Whoever repeats the call submits its transactions once more.
#[derive(Debug, Error)]
#[error(
    "what the call did is stored, up to block {height}, but not published; the next call publishes it, even one with --no-block"
)]
struct NotPublished {
    height: u32,
    source: ProducerDirectoryError,
}

impl HasExitCode for NotPublished {
    fn exit_code(&self) -> ExitCode {
        self.source.exit_code()
    }
}

/// What was done before publishing.
struct Done {
    included: Vec<TransactionId>,
    refused: Vec<Refused>,
}

impl Arguments {
    /// Does what is to be stored at once or not at all, so that a call that fails can be repeated.
    fn work(
        &self,
        producer: &mut dyn DynEnvironment,
        cache: &CircuitCache,
        lines: Option<&str>,
    ) -> Result<Done, ProducerError> {
        if let Some(height) = self.confirm {
            producer.confirm(height)?;
        }
        if let Some(height) = self.rollback {
            producer.rollback(height)?;
        }
        let mut done = Done { included: vec![], refused: vec![] };
        if let Some(lines) = lines {
            let rejected = producer.submit_lines(cache, lines).rejected;
            done.refused.extend(rejected.into_iter().map(|(line, error)| Refused {
                line: Some(line),
                transaction: None,
                reason: error.to_string(),
            }));
        }
        if !self.no_block {
            let report = producer.propose_block()?;
            done.included = report.included;
            done.refused.extend(report.rejected.into_iter().map(|(id, reason)| Refused {
                line: None,
                transaction: Some(id),
                reason: reason.to_string(),
            }));
        }
        Ok(done)
    }
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    let secret = ProducerSecret::new(read_secret(&arguments.secret)?);
    let lines = arguments.transactions.as_ref().map(|path| text::read(path, FILE_LIMIT)).transpose()?;
    let (chain_id, block_limit) = (arguments.place.chain_id, arguments.block_limit);
    let producer = arguments
        .place
        .start(|kind, id, genesis| kind.start(&Start { chain_id, id, secret, genesis, block_limit }))?;
    let cache = arguments.keys.cache(options)?;
    let mut directory = ProducerDirectory::open(&arguments.state, producer, secret, &cache)?;
    // What was proposed before is published before it can be confirmed.
    let mut published = directory.publish()?;
    let Done { included, refused } =
        directory.try_step(|producer| arguments.work(producer, &cache, lines.as_deref()))??;
    let height = directory.producer().height();
    published.extend(directory.publish().map_err(|source| NotPublished { height, source })?);
    let producer = directory.producer();
    let produced = Produced {
        environment: producer.id().get(),
        height: producer.height(),
        state: producer.commitment(),
        pending: producer.pending(),
        included,
        refused,
        published,
    };
    Ok(Answer::new(&produced).with_refusals(!produced.refused.is_empty()))
}
