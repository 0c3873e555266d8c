//! `superblock message`.

use std::{fmt, path::PathBuf};

use batcher_job::{
    lifecycle::{Fate, Lifecycle, lifecycles},
    states,
};
use circuits_core::Digest;
use circuits_files::text::quoted;
use circuits_protocol::registry::EnvironmentId;
use serde::Serialize;
use thiserror::Error;

use crate::{
    answer::{Answer, Failure},
    exit::{ExitCode, HasExitCode},
    table::{Align, Table},
};

/// Why messages are not shown.
#[derive(Debug, Error)]
enum MessageError {
    #[error("no message's hash begins with {start}")]
    Unknown { start: String },
    #[error("the hashes {first} and {second} both begin with {start}")]
    Ambiguous { start: String, first: Digest, second: Digest },
}

impl HasExitCode for MessageError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unknown { .. } | Self::Ambiguous { .. } => ExitCode::Rejected,
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct Sources {
    /// Look messages up in the latest superblock state of this directory.
    ///
    /// The state has every message ever emitted, those from and to L1 included. It is not verified: use `verify` for that.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List messages and what became of them.
    ///
    /// Use this to see what is on its way between environments, and what was claimed, refunded or paid out.
    List {
        #[command(flatten)]
        sources: Sources,
        /// List only messages that are neither claimed nor refunded.
        ///
        /// These are the messages that their destinations can still claim, or their sources take back.
        #[arg(long)]
        pending: bool,
    },
    /// Explain what became of one message.
    ///
    /// Use this to find out why a payment has not arrived: it says where the message was emitted, who may consume it
    /// now, and until when.
    Explain {
        /// Explain the message whose hash begins like this.
        ///
        /// `message list` shows the first digits, which are enough if no other message shares them.
        #[arg(value_name = "HASH")]
        hash: String,
        #[command(flatten)]
        sources: Sources,
    },
}

/// Messages and what became of them.
#[derive(Serialize)]
struct List {
    messages: Vec<Lifecycle>,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.messages.is_empty() {
            return f.write_str("no messages");
        }
        let mut table = Table::with_titles([
            ("message", Align::Left),
            ("from", Align::Left),
            ("to", Align::Left),
            ("amount", Align::Right),
            ("asset", Align::Left),
            ("emitted in", Align::Left),
            ("fate", Align::Left),
        ]);
        for life @ Lifecycle { hash, message, emitted, .. } in &self.messages {
            table.push([
                format!("{:.8}", hash.to_string()),
                name(message.source),
                name(message.destination),
                message.amount.to_string(),
                message.asset.to_string(),
                format!("superblock {}", emitted.superblock),
                life.outcome(),
            ]);
        }
        table.fmt(f)
    }
}

fn name(environment: EnvironmentId) -> String {
    if environment == EnvironmentId::L1 { "L1".to_owned() } else { format!("environment {environment}") }
}

/// The life of a message as of a superblock. A dishonest kernel can emit one message twice; then there are several.
#[derive(Serialize)]
struct Explanation {
    /// The number of the superblock that the state is of.
    superblock: u32,
    messages: Vec<Lifecycle>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.messages.iter().flat_map(|message| message.explain(self.superblock));
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

pub(crate) fn run(command: Command) -> Result<Answer, Failure> {
    match command {
        Command::List { sources, pending } => {
            let (_, mut messages) = sources.read()?;
            messages.retain(|message| !pending || message.fate == Fate::Pending);
            Ok(Answer::new(&List { messages }))
        }
        Command::Explain { hash: start, sources } => {
            let (superblock, mut messages) = sources.read()?;
            messages.retain(|message| message.hash.to_string().starts_with(&start));
            let Some(first) = messages.first().map(|message| message.hash) else {
                return Err(MessageError::Unknown { start: quoted(&start) }.into());
            };
            if let Some(other) = messages.iter().find(|message| message.hash != first) {
                let start = quoted(&start);
                return Err(MessageError::Ambiguous { start, first, second: other.hash }.into());
            }
            Ok(Answer::new(&Explanation { superblock, messages }))
        }
    }
}

impl Sources {
    /// The number of the latest superblock, and the lives of all messages until then.
    fn read(&self) -> Result<(u32, Vec<Lifecycle>), Failure> {
        Ok(states::with_latest(&self.state, None, |state| (state.number, lifecycles(&state.bridge)))?)
    }
}
