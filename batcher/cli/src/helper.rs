//! `superblock helper`.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use batcher_hop::HopCircuits;
use batcher_workers::helpers::{Helper, HelperError, Ledger, NewToken, is_helper_name};
use circuits_files::{file, text};
use serde::Serialize;
use thiserror::Error;

use crate::{
    answer::{Answer, Failure},
    catalogue::everything,
    exit::{ExitCode, HasExitCode},
    key_arguments::KeyArguments,
    new_file::check_is_new,
    options::Options,
    progress::{self, STOP},
    table::{Align, Table},
    worker::Lines,
};

/// The most bytes of a file with a token.
const TOKEN_LIMIT: u64 = 4 << 10;

/// The commands of and for helpers.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Prove tasks of a broker, until you interrupt it.
    ///
    /// Use this on a machine without access to the database. An interrupt lets the tasks end that are being done.
    Run(RunArguments),
    /// Make a token for a new helper, and print the broker's line about it.
    ///
    /// Give the file to the helper only, and add the line to the broker's file below `[helpers]`. It has a hash, out of which nobody
    /// can read the token.
    Token {
        /// Call the helper this.
        ///
        /// Letters, digits, dashes and underscores. The ledger has the name with each of the helper's proofs.
        name: String,
        /// Write the token to this file, which must not exist.
        ///
        /// Only its owner can read it. The token is never printed.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Count what each helper has proved.
    ///
    /// Use this to pay them: a line for each helper and each circuit.
    Counts {
        /// Read this ledger.
        ///
        /// It is the file that `broker --ledger` names, and may be in use.
        #[arg(value_name = "FILE")]
        ledger: PathBuf,
    },
}

/// Where a helper gets its tasks.
#[derive(clap::Args)]
pub(crate) struct RunArguments {
    /// Get tasks from the broker at this address.
    ///
    /// It begins with https://, or with http:// for this machine.
    #[arg(long, value_name = "URL")]
    broker: String,
    /// Read the helper's token from this file.
    ///
    /// It is the file that `helper token` wrote.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Do this many tasks at a time.
    ///
    /// One task keeps about four cores busy, and the broker says how much memory it takes at most.
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    #[command(flatten)]
    keys: KeyArguments,
}

/// Why there is no token.
#[derive(Debug, Error)]
pub(crate) enum TokenError {
    #[error("a helper's name has 1 to 64 letters, digits, dashes and underscores")]
    Name,
    #[error("{}: the file has no token", .0.display())]
    Empty(PathBuf),
}

impl HasExitCode for TokenError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Name | Self::Empty(_) => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for HelperError {
    fn exit_code(&self) -> ExitCode {
        match self {
            // The token is unknown, or the helper is excluded.
            Self::Address | Self::Refused { status: 401 | 403, .. } => ExitCode::Rejected,
            Self::System(_) | Self::Refused { .. } | Self::Malformed(_) => ExitCode::Unavailable,
        }
    }
}

/// A helper that a broker may admit.
#[derive(Serialize)]
struct Admitted {
    helper: String,
    /// The SHA3-256 of its token.
    hash: String,
}

impl fmt::Display for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = \"{}\"", self.helper, self.hash)
    }
}

/// How many proofs each helper has made, by circuit.
#[derive(Serialize)]
struct Counts {
    helpers: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Counts {
    fn read(ledger: &Path) -> Result<Self, Failure> {
        let mut helpers: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for entry in Ledger::read(ledger)? {
            *helpers.entry(entry.helper).or_default().entry(entry.provable).or_default() += 1;
        }
        Ok(Self { helpers })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = [("helper", Align::Left), ("circuit", Align::Left), ("proofs", Align::Right)];
        let mut table = Table::with_titles(titles);
        for (helper, counts) in &self.helpers {
            for (circuit, proofs) in counts {
                table.push([helper.clone(), circuit.clone(), proofs.to_string()]);
            }
        }
        table.fmt(f)
    }
}

pub(crate) fn run(command: Command, options: Options) -> Result<Answer, Failure> {
    match command {
        Command::Run(arguments) => help(&arguments, options),
        Command::Token { name, out } => {
            if !is_helper_name(&name) {
                return Err(TokenError::Name.into());
            }
            check_is_new(&out)?;
            let new = NewToken::random()?;
            file::write_new(&out, format!("{}\n", new.token()).as_bytes())?;
            Ok(Answer::new(&Admitted { helper: name, hash: new.hash() }))
        }
        Command::Counts { ledger } => Ok(Answer::new(&Counts::read(&ledger)?)),
    }
}

fn help(arguments: &RunArguments, options: Options) -> Result<Answer, Failure> {
    progress::stop_on_interrupt();
    let text = text::read(&arguments.token_file, TOKEN_LIMIT)?;
    let token = text.trim();
    if token.is_empty() {
        return Err(TokenError::Empty(arguments.token_file.clone()).into());
    }
    let helper = Helper::new(&arguments.broker, token)?;
    let engine = arguments.keys.engine(options)?;
    let hops = HopCircuits::new(engine.pinned(), engine.cache());
    let (catalogue, lines) = (everything(&engine, &hops)?, Lines::new(options));
    helper.run(arguments.jobs, &catalogue, &lines, &STOP)?;
    Ok(Answer::new(&lines.proved()))
}
