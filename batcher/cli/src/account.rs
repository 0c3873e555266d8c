//! `superblock account`.

use std::{
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use circuits_core::{Digest, chain_id::parse_chain_id};
use circuits_files::{
    file::{self, SMALL_LIMIT},
    text::{may_be_secret, shown, without_secrets},
};
use circuits_protocol::registry::{EnvironmentId, EnvironmentIdError};
use circuits_tables::ecdsa::PublicKey;
use environments_accounts::{
    address::Address,
    key::{KeyError, SecretKey, address_of},
    transaction::{Malformed, SignedTransaction, Transaction},
};
use serde::Serialize;
use thiserror::Error;

use crate::{
    answer::{Answer, Failure},
    as_text,
    exit::{ExitCode, HasExitCode},
    new_file::check_is_new,
};

/// Bytes of the largest file of transactions to sign.
const TRANSACTIONS_LIMIT: u64 = 64 << 20;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make a secret key and print its address.
    ///
    /// Every account of the account-based environment is the address of a secp256k1 key. Use this for test accounts and
    /// scenarios; a key that holds value is better made and kept by a wallet.
    Keygen {
        /// Write the key to this file, which must not exist.
        ///
        /// Only its owner can read it. The key is never printed.
        file: PathBuf,
    },
    /// Print the address and the public key of a secret or public key.
    ///
    /// The answer also names the recipient that a message from another environment needs in order to pay this account.
    Address {
        /// Read the secret key from this file.
        ///
        /// It is the file that `account keygen` wrote.
        #[arg(required_unless_present = "public")]
        file: Option<PathBuf>,
        /// Take this public key instead: SEC1 in hexadecimal.
        ///
        /// For accounts whose secret key somebody else holds.
        #[arg(long, value_name = "KEY", conflicts_with = "file")]
        public: Option<PublicKey>,
    },
    /// Sign transactions and print them in the form that producers take.
    ///
    /// The input has one JSON object per line, the output one signed transaction per line: a file of transactions of a
    /// scenario. All lines are signed or none. Any other secp256k1 library can sign transactions as well.
    Sign(Sign),
}

#[derive(clap::Args)]
pub(crate) struct Sign {
    /// Sign with the secret key in this file.
    ///
    /// The sender of every transaction must be the address of this key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Sign for the deployment with this chain id.
    ///
    /// A signature holds in one deployment only, so that nobody can replay it in another one.
    #[arg(long, value_name = "NUMBER", value_parser = parse_chain_id)]
    chain_id: u64,
    /// Sign for the environment with this id, from 1 to 65535.
    ///
    /// A signature holds in one environment only.
    #[arg(long, value_name = "ID")]
    environment: u16,
    /// Read the transactions from this file instead of standard input.
    ///
    /// Blank lines are skipped.
    #[arg(value_name = "FILE")]
    transactions: Option<PathBuf>,
    /// Write the signed transactions to this file instead of standard output.
    ///
    /// The file is replaced as a whole, or stays as it was if a line is refused.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Why a key is not shown or transactions are not signed.
#[derive(Debug, Error)]
pub(crate) enum AccountError {
    #[error("{name}: cannot read it: {source}")]
    Read { name: String, source: io::Error },
    #[error("{name}: at most {limit} bytes are read or written")]
    TooLarge { name: String, limit: u64 },
    #[error("{name}: {source}")]
    Key { name: String, source: KeyError },
    #[error("{name}: the file exists")]
    Exists { name: String },
    #[error(transparent)]
    Environment(#[from] EnvironmentIdError),
    #[error("line {line}: not a transaction: {reason}")]
    NotATransaction { line: usize, reason: String },
    #[error("line {line}")]
    Malformed { line: usize, source: Malformed },
    #[error("line {line}: the sender is {sender}, the key has the address {address}")]
    OtherSender { line: usize, sender: Address, address: Address },
    #[error("line {line}")]
    Sign { line: usize, source: KeyError },
    #[error("there is no transaction to sign")]
    NoTransaction,
    #[error("a signed transaction cannot be written")]
    Write(#[source] serde_json::Error),
}

impl HasExitCode for AccountError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::TooLarge { .. } => ExitCode::Limit,
            Self::Key { source, .. } | Self::Sign { source, .. } => source.exit_code(),
            Self::Read { .. }
            | Self::Environment(_)
            | Self::Exists { .. }
            | Self::NotATransaction { .. }
            | Self::Malformed { .. }
            | Self::OtherSender { .. }
            | Self::NoTransaction
            | Self::Write(_) => ExitCode::Rejected,
        }
    }
}

pub(crate) fn run(command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Keygen { file } => {
            check_is_new(&file).map_err(|_| AccountError::Exists { name: name_of(&file) })?;
            let key = SecretKey::generate()?;
            file::write_new(&file, format!("{}\n", key.expose()).as_bytes())?;
            Ok(Answer::new(&Account::new(key.public_key())))
        }
        Command::Address { file, public } => {
            let secret = || file.as_deref().map(|file| read_secret(file).map(|key| key.public_key()));
            let public = public.map(Ok).or_else(secret).transpose()?;
            Ok(Answer::new(&Account::new(public.expect("clap requires the one or the other"))))
        }
        Command::Sign(arguments) => sign(&arguments),
    }
}

/// An account, as its public key determines it.
#[derive(Serialize)]
struct Account {
    address: Address,
    public_key: PublicKey,
    /// The name of the account in messages from other environments.
    recipient: Digest,
}

impl Account {
    fn new(public_key: PublicKey) -> Self {
        let address = address_of(&public_key);
        Self { address, public_key, recipient: address.to_digest() }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, public_key, recipient } = self;
        write!(f, "address {address}\npublic key {public_key}\nrecipient of messages {recipient}")
    }
}

/// The text of `source`, which has at most `limit` bytes; messages call it `name`.
fn read_text(source: impl Read, name: String, limit: u64) -> Result<String, AccountError> {
    let mut text = String::new();
    match source.take(limit + 1).read_to_string(&mut text) {
        Err(source) => Err(AccountError::Read { name, source }),
        Ok(found) if found as u64 > limit => Err(AccountError::TooLarge { name, limit }),
        Ok(_) => Ok(text),
    }
}

/// The name of a file, unless it may be a key that was given in place of a file.
pub(crate) fn name_of(path: &Path) -> String {
    let name = path.display().to_string();
    if may_be_secret(&name) { "a file whose name is hidden, as it may be a key".to_owned() } else { name }
}

/// The text of a file, which may be a pipe.
pub(crate) fn read_file(path: &Path, limit: u64) -> Result<String, AccountError> {
    let name = name_of(path);
    match fs::File::open(path) {
        Ok(file) => read_text(file, name, limit),
        Err(source) => Err(AccountError::Read { name, source }),
    }
}

fn read_secret(path: &Path) -> Result<SecretKey, AccountError> {
    let text = read_file(path, SMALL_LIMIT)?;
    text.trim_end().parse().map_err(|source| AccountError::Key { name: name_of(path), source })
}

/// Transactions that were signed and printed.
#[derive(Serialize)]
struct Signed {
    address: Address,
    transactions: Vec<SignedTransaction>,
    /// The transactions as JSON Lines.
    #[serde(skip)]
    lines: Vec<String>,
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

/// Transactions that were signed and written to a file.
#[derive(Serialize)]
struct Written<'a> {
    address: Address,
    #[serde(serialize_with = "as_text::path")]
    file: &'a Path,
    /// How many there are.
    transactions: usize,
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, file, transactions } = self;
        write!(f, "{transactions} transactions of {address} signed: {}", shown(file.display()))
    }
}

fn sign(arguments: &Sign) -> Result<Answer, Failure> {
    let key = read_secret(&arguments.key)?;
    let environment = EnvironmentId::new(arguments.environment).map_err(AccountError::from)?;
    let text = match &arguments.transactions {
        Some(path) => read_file(path, TRANSACTIONS_LIMIT)?,
        None => read_text(io::stdin(), "standard input".to_owned(), TRANSACTIONS_LIMIT)?,
    };
    let transactions = sign_lines(&key, arguments.chain_id, environment, &text)?;
    if transactions.is_empty() {
        return Err(AccountError::NoTransaction.into());
    }
    let lines = transactions.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
    let lines = lines.map_err(AccountError::Write)?;
    let address = key.address();
    Ok(match &arguments.out {
        Some(file) => {
            let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
            // Who reads the file has the same limit.
            if text.len() as u64 > TRANSACTIONS_LIMIT {
                return Err(AccountError::TooLarge { name: name_of(file), limit: TRANSACTIONS_LIMIT }.into());
            }
            file::write_atomic(file, text.as_bytes())?;
            Answer::new(&Written { address, file, transactions: transactions.len() })
        }
        None => Answer::new(&Signed { address, transactions, lines }),
    })
}

/// Signs every line, or none.
fn sign_lines(
    key: &SecretKey,
    chain_id: u64,
    environment: EnvironmentId,
    text: &str,
) -> Result<Vec<SignedTransaction>, AccountError> {
    let address = key.address();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let signed = lines.map(|(index, text)| {
        let line = index + 1;
        let transaction: Transaction = serde_json::from_str(text).map_err(|error| {
            AccountError::NotATransaction { line, reason: without_secrets(&error.to_string()) }
        })?;
        transaction.check(environment).map_err(|source| AccountError::Malformed { line, source })?;
        let sender = transaction.sender;
        if sender != address {
            return Err(AccountError::OtherSender { line, sender, address });
        }
        key.sign(transaction, chain_id, environment).map_err(|source| AccountError::Sign { line, source })
    });
    signed.collect()
}
