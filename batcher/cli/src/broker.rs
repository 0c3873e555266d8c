//! `superblock broker`.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
};

use batcher_hop::HopCircuits;
use batcher_workers::helpers::{
    Broker, BrokerError, BrokerOptions, Ledger, LedgerError, Tokens, TokensError,
};
use circuits_tasks::worker::Worker;
use serde::Serialize;
use thiserror::Error;

use crate::{
    answer::{Answer, Failure},
    catalogue::everything,
    exit::{ExitCode, HasExitCode},
    key_arguments::KeyArguments,
    options::Options,
    progress::{self, STOP},
    shared::{SharedArguments, Store},
    worker::Lines,
};

/// Bytes of memory that helpers are expected to have, unless the caller says otherwise.
const HELPER_MEMORY: u64 = 6 << 30;

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
    /// Such as 127.0.0.1:8090, to which only a proxy on this machine connects. With port 0 the system chooses one, which is printed.
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Admit the helpers of this TOML file.
    ///
    /// Its table `helpers` has the hash of a token for each name; `helper token` prints such a line.
    #[arg(long, value_name = "FILE")]
    helpers: PathBuf,
    /// Note in this file who proved what.
    ///
    /// It has a JSON object on each line, and is made if it is missing. `helper counts` sums it up.
    #[arg(long, value_name = "FILE")]
    ledger: PathBuf,
    /// Lend tasks that need at most this much memory.
    ///
    /// Those that need more are left to workers.
    #[arg(long, value_name = "BYTES", default_value_t = HELPER_MEMORY)]
    memory: u64,
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
        match self.source.kind() {
            io::ErrorKind::NotFound => ExitCode::Rejected,
            _ => ExitCode::Unavailable,
        }
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

/// What a broker has accepted.
#[derive(Serialize)]
struct Lent {
    proofs: u64,
    ledger: PathBuf,
}

impl fmt::Display for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} proofs accepted; {} says whose they are", self.proofs, self.ledger.display())
    }
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    progress::stop_on_interrupt();
    let tokens = Tokens::read(&arguments.helpers)?;
    let ledger = Ledger::open(&arguments.ledger)?;
    let failed = |source| ListenError { address: arguments.listen, source };
    let listener = TcpListener::bind(arguments.listen).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    // The broker runs the queue once for each task that it lends, so each run does one at a time.
    let shared = arguments.shared.open((1, arguments.memory), Store::Awaited, None, options)?;
    let engine = arguments.keys.engine(options)?;
    let hops = HopCircuits::new(engine.pinned(), engine.cache());
    let (catalogue, lines) = (everything(&engine, &hops)?, Lines::new(options));
    let broker = Broker {
        queue: &shared.queue,
        store: &shared.store,
        worker: &Worker::new(&catalogue, &shared.store, &lines),
        tokens: &tokens,
        ledger: &ledger,
        options: BrokerOptions::default(),
    };
    if !options.quiet {
        progress::note(&format!("listening at {address}"));
    }
    broker.run(&listener, &STOP)?;
    Ok(Answer::new(&Lent { proofs: lines.proofs(), ledger: arguments.ledger.clone() }))
}
