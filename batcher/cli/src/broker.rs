//! `superblock broker` and `superblock helper`.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
};

use batcher_job::provables::catalogue;
use batcher_workers::helpers::{
    Broker, BrokerError, BrokerOptions, Helper, HelperError, Ledger, LedgerError, NewToken, Tokens, TokensError,
};
use circuits_files::text;
use circuits_tasks::worker::Worker;
use serde::Serialize;
use thiserror::Error;

use crate::{
    answer::{Answer, Failure},
    exit::{ExitCode, HasExitCode},
    key_arguments::KeyArguments,
    options::Options,
    progress,
    shared::{CapacityArguments, SharedArguments},
    worker::Lines,
};

/// The most bytes of a file with a token.
const TOKEN_LIMIT: u64 = 4 << 10;

/// Lend tasks of a queue to helpers over HTTP, until you interrupt it.
///
/// Use this where machines should help that have access to neither database nor store. A helper gets a task with its input and
/// returns a proof, which is verified, stored and noted. The answers are plain HTTP: put a proxy that ends TLS before it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    shared: SharedArguments,
    /// Answer at this address.
    ///
    /// Such as 127.0.0.1:8090, to which only a proxy on this machine connects.
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Admit the helpers of this TOML file.
    ///
    /// Its table `helpers` has the hash of a token for each name, as `helper token` prints both.
    #[arg(long, value_name = "FILE")]
    helpers: PathBuf,
    /// Note in this file who proved what.
    ///
    /// It has a JSON object on each line, and is made if it is missing. `helper counts` sums it up.
    #[arg(long, value_name = "FILE")]
    ledger: PathBuf,
    /// Lend tasks that need at most this much memory.
    ///
    /// Those that need more are left to workers. Without this flag, 6 GB.
    #[arg(long, value_name = "BYTES", default_value_t = 6 << 30)]
    memory: u64,
    #[command(flatten)]
    keys: KeyArguments,
}

/// The commands of and for helpers.
#[derive(clap::Subcommand)]
pub(crate) enum HelperCommand {
    /// Prove tasks of a broker, until you interrupt it.
    ///
    /// Use this on a machine without access to the database. An interrupt lets the tasks end that are being done.
    Run(RunArguments),
    /// Make a token for a new helper.
    ///
    /// Give the token to the helper, and add the line with its hash to the broker's file. Nobody can read the token out of it.
    Token {
        /// Call the helper this.
        ///
        /// Letters, digits, dashes and underscores. The ledger has the name with each of the helper's proofs.
        name: String,
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
    /// Its first line is what `helper token` printed.
    #[arg(long, value_name = "FILE")]
    token: PathBuf,
    #[command(flatten)]
    capacity: CapacityArguments,
    #[command(flatten)]
    keys: KeyArguments,
}

/// Why the broker does not listen.
#[derive(Debug, Error)]
#[error("cannot listen at {address}: {source}")]
pub(crate) struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

impl HasExitCode for ListenError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Unavailable
    }
}

impl HasExitCode for BrokerError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Listener(_) => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for LedgerError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Unavailable
    }
}

impl HasExitCode for TokensError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Text(error) => error.exit_code(),
            Self::Malformed { .. } | Self::Name { .. } | Self::Hash { .. } | Self::Twice { .. } => {
                ExitCode::Rejected
            }
            Self::Random(_) => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for HelperError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Address => ExitCode::Rejected,
            Self::System(_) | Self::Refused { .. } | Self::Malformed(_) => ExitCode::Unavailable,
        }
    }
}

/// What a broker has done.
#[derive(Serialize)]
struct Lent {
    ledger: String,
}

impl fmt::Display for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what helpers have proved is in {}", self.ledger)
    }
}

/// A new token.
#[derive(Serialize)]
struct Token {
    token: String,
    line: String,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token: {}\nline for the broker's file, below [helpers]: {}", self.token, self.line)
    }
}

/// What helpers have proved.
#[derive(Serialize)]
struct Counts {
    helpers: BTreeMap<String, BTreeMap<String, u64>>,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.helpers.iter().flat_map(|(helper, counts)| {
            counts.iter().map(move |(provable, proofs)| format!("{helper}  {provable}  {proofs}"))
        });
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    progress::stop_on_interrupt();
    let tokens = Tokens::read(&arguments.helpers)?;
    let ledger = Ledger::open(&arguments.ledger)?;
    let address = arguments.listen;
    let listener = TcpListener::bind(address).map_err(|source| ListenError { address, source })?;
    // It runs once for each task that is lent, so one job at a time is all that each run needs.
    let shared = arguments.shared.open(1, arguments.memory, true, &progress::STOP)?;
    let engine = arguments.keys.engine(options)?;
    let (catalogue, lines) = (catalogue(&engine), Lines::new(options));
    let worker = Worker::new(&catalogue, &shared.store, &lines);
    let broker = Broker {
        queue: &shared.queue,
        store: &shared.store,
        worker: &worker,
        tokens: &tokens,
        ledger: &ledger,
        options: BrokerOptions::default(),
    };
    broker.run(&listener, &progress::STOP)?;
    Ok(Answer::new(&Lent { ledger: arguments.ledger.display().to_string() }))
}

pub(crate) fn run_helper(command: HelperCommand, options: Options) -> Result<Answer, Failure> {
    match command {
        HelperCommand::Run(arguments) => help(&arguments, options),
        HelperCommand::Token { name } => {
            let new = NewToken::random()?;
            let line = format!("{name} = \"{}\"", new.hash());
            Ok(Answer::new(&Token { token: new.token().to_owned(), line }))
        }
        HelperCommand::Counts { ledger } => {
            let mut helpers: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
            for entry in Ledger::read(&ledger)? {
                *helpers.entry(entry.helper).or_default().entry(entry.provable).or_default() += 1;
            }
            Ok(Answer::new(&Counts { helpers }))
        }
    }
}

fn help(arguments: &RunArguments, options: Options) -> Result<Answer, Failure> {
    progress::stop_on_interrupt();
    let token = text::read(&arguments.token, TOKEN_LIMIT)?;
    let helper = Helper::new(&arguments.broker, token.lines().next().unwrap_or_default().trim())?;
    let (jobs, _) = arguments.capacity.amount();
    let engine = arguments.keys.engine(options)?;
    let (catalogue, lines) = (catalogue(&engine), Lines::new(options));
    helper.run(jobs, &catalogue, &lines, &progress::STOP)?;
    Ok(Answer::new(&lines.made()))
}
