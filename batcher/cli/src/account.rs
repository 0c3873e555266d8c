//! `superblock account`.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use circuits_files::file::{self, FileError, SMALL_LIMIT};
use circuits_protocol::registry::EnvironmentId;
use circuits_tables::ecdsa::PublicKey;
use environments_accounts::{
    address::Address,
    key::{KeyError, SecretKey, address_of},
    transaction::{Malformed, SignedTransaction, Transaction},
};
use serde_json::json;
use thiserror::Error;

use super::answer::{Answer, Coded, Failure, REJECTED, UNAVAILABLE, path_json};

/// Bytes of the largest file of transactions to sign.
const TRANSACTIONS_LIMIT: u64 = 64 << 20;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make a secret key and print its address.
    Keygen {
        /// The file to write, readable by its owner only; it must not exist.
        file: PathBuf,
    },
    /// Print the address and the public key of a secret key, or of a public one.
    Address {
        /// The file of the secret key.
        #[arg(required_unless_present = "public")]
        file: Option<PathBuf>,
        /// A public key: SEC1 in hexadecimal.
        #[arg(long, value_name = "KEY", conflicts_with = "file")]
        public: Option<PublicKey>,
    },
    /// Sign transactions, one JSON object per line, and print them in the form that producers take.
    Sign(Sign),
}

#[derive(clap::Args)]
pub(super) struct Sign {
    /// The file of the secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The deployment.
    #[arg(long, value_name = "NUMBER")]
    chain_id: u64,
    /// The environment's id, from 1 to 65535.
    #[arg(long, value_name = "ID")]
    environment: u16,
    /// The transactions; without it, standard input.
    #[arg(value_name = "FILE")]
    transactions: Option<PathBuf>,
    /// Write the signed transactions to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Why nothing is signed.
#[derive(Debug, Error)]
enum SignError {
    #[error("line {line}: not a transaction")]
    NotATransaction { line: usize, source: serde_json::Error },
    #[error("line {line}")]
    Malformed { line: usize, source: Malformed },
    #[error("line {line}: the sender is {sender}, the key has the address {address}")]
    OtherSender { line: usize, sender: Address, address: Address },
    #[error("line {line}")]
    Key { line: usize, source: KeyError },
    #[error("a signed transaction cannot be written")]
    Write(#[from] serde_json::Error),
}

impl Coded for SignError {
    fn code(&self) -> u8 {
        REJECTED
    }
}

impl Coded for KeyError {
    fn code(&self) -> u8 {
        match self {
            Self::Random(_) => UNAVAILABLE,
            Self::NotHex { .. } | Self::Range | Self::Sign(_) => REJECTED,
        }
    }
}

pub(super) fn run(command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Keygen { file } => {
            if file.exists() {
                return Err(Failure::new(REJECTED, format!("{}: the file exists", file.display())));
            }
            let key = SecretKey::generate()?;
            write_secret(&file, &key)?;
            Ok(answer(&key.public_key()))
        }
        Command::Address { file, public } => match (public, file) {
            (Some(key), _) => Ok(answer(&key)),
            (None, Some(file)) => Ok(answer(&read_secret(&file)?.public_key())),
            (None, None) => Err(Failure::new(REJECTED, "a key is needed")),
        },
        Command::Sign(arguments) => sign(&arguments),
    }
}

fn answer(key: &PublicKey) -> Answer {
    let address = address_of(key);
    // Who sends here from another environment names the account so.
    let recipient = address.to_digest();
    let json = json!({ "ok": true, "address": address, "public_key": key, "recipient": recipient });
    Answer::new(json, format!("address {address}\npublic key {key}\nrecipient of messages {recipient}"))
}

/// Writes the key to a new file that only its owner can read, or none at all.
fn write_secret(path: &Path, key: &SecretKey) -> Result<(), FileError> {
    let io = |action| move |source| FileError::Io { path: path.to_owned(), action, source };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file has mode 0600 from the start.
    let mut temporary =
        tempfile::NamedTempFile::new_in(directory).map_err(io("create a temporary file beside it"))?;
    writeln!(temporary, "{}", key.expose()).map_err(io("write it"))?;
    temporary.as_file().sync_all().map_err(io("sync it"))?;
    temporary.persist_noclobber(path).map_err(|error| io("rename it")(error.error))?;
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(io("sync its directory"))
}

fn read_text(path: &Path, limit: u64) -> Result<String, Failure> {
    let io = |action| move |source| FileError::Io { path: path.to_owned(), action, source };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(io("open it"))?;
    file.take(limit + 1).read_to_string(&mut text).map_err(io("read it"))?;
    check_length(&text, limit, &path.display().to_string())?;
    Ok(text)
}

fn check_length(text: &str, limit: u64, name: &str) -> Result<(), Failure> {
    if text.len() as u64 > limit {
        return Err(Failure::new(super::answer::LIMIT, format!("{name}: at most {limit} bytes are read")));
    }
    Ok(())
}

fn read_secret(path: &Path) -> Result<SecretKey, Failure> {
    let text = read_text(path, SMALL_LIMIT)?;
    text.trim_end()
        .parse()
        .map_err(|error: KeyError| Failure::new(error.code(), format!("{}: {error}", path.display())))
}

fn sign(arguments: &Sign) -> Result<Answer, Failure> {
    let key = read_secret(&arguments.key)?;
    let environment = EnvironmentId::new(arguments.environment)
        .map_err(|error| Failure::new(REJECTED, error.to_string()))?;
    let text = match &arguments.transactions {
        Some(path) => read_text(path, TRANSACTIONS_LIMIT)?,
        None => {
            let mut text = String::new();
            io::stdin()
                .take(TRANSACTIONS_LIMIT + 1)
                .read_to_string(&mut text)
                .map_err(|error| Failure::new(REJECTED, format!("standard input: {error}")))?;
            check_length(&text, TRANSACTIONS_LIMIT, "standard input")?;
            text
        }
    };
    let signed = sign_lines(&key, arguments.chain_id, environment, &text)?;
    let lines: Vec<String> =
        signed.iter().map(serde_json::to_string).collect::<Result<_, _>>().map_err(SignError::Write)?;
    let (address, count) = (key.address(), signed.len());
    Ok(match &arguments.out {
        Some(out) => {
            let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
            file::write_atomic(out, text.as_bytes())?;
            let json =
                json!({ "ok": true, "address": address, "file": path_json(out), "transactions": count });
            Answer::new(json, format!("{count} transactions of {address} signed: {}", out.display()))
        }
        None => {
            Answer::new(json!({ "ok": true, "address": address, "transactions": signed }), lines.join("\n"))
        }
    })
}

/// Signs every line, or none.
fn sign_lines(
    key: &SecretKey,
    chain_id: u64,
    environment: EnvironmentId,
    text: &str,
) -> Result<Vec<SignedTransaction>, SignError> {
    let address = key.address();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let signed = lines.map(|(index, text)| {
        let line = index + 1;
        let transaction: Transaction =
            serde_json::from_str(text).map_err(|source| SignError::NotATransaction { line, source })?;
        transaction.check(environment).map_err(|source| SignError::Malformed { line, source })?;
        let sender = transaction.sender;
        if sender != address {
            return Err(SignError::OtherSender { line, sender, address });
        }
        key.sign(transaction, chain_id, environment).map_err(|source| SignError::Key { line, source })
    });
    signed.collect()
}
