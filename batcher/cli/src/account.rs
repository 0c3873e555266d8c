//! `superblock account`.

mod transactions;

use std::{
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use circuits_core::Digest;
use circuits_files::{
    file::{self, SMALL_LIMIT},
    text::may_be_secret,
};
use circuits_protocol::registry::EnvironmentIdError;
use circuits_tables::ecdsa::PublicKey;
use environments_accounts::{
    address::Address,
    key::{KeyError, SecretKey, address_of},
    signature::RecoveryError,
    transaction::Malformed,
    typed_data::TypedDataError,
};
use serde::Serialize;
use thiserror::Error;

use self::transactions::{Attach, Sign, TypedData};
use crate::{
    answer::{Answer, Failure},
    exit::{ExitCode, HasExitCode},
    new_file::check_is_new,
};

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
    /// Print the address of a key, and how messages name it.
    ///
    /// The address is the one that Ethereum gives the key. A message names its recipient in another form, which this prints
    /// too: use it to pay the account from another environment, or an account on L1 from here.
    Address {
        /// Read the secret key from this file.
        ///
        /// It is the file that `account keygen` wrote.
        #[arg(required_unless_present_any = ["public", "address"])]
        file: Option<PathBuf>,
        /// Take this public key instead: SEC1 in hexadecimal.
        ///
        /// For accounts whose secret key somebody else holds.
        #[arg(long, value_name = "KEY", conflicts_with = "file")]
        public: Option<PublicKey>,
        /// Take this address instead: 0x and 40 hexadecimal digits, as wallets show it or in lower case.
        ///
        /// For accounts of wallets, which show no public keys.
        #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["file", "public"])]
        address: Option<Address>,
    },
    /// Print what a wallet signs for transactions.
    ///
    /// The input has one transaction per line, as JSON. The output has one line for each: the typed data of EIP-712 that
    /// `eth_signTypedData_v4` takes. A wallet shows all of it before it signs. `account attach` takes what it returns.
    TypedData(TypedData),
    /// Sign transactions with a local key and print them in the form that producers take.
    ///
    /// The input has one JSON object per line, the output one signed transaction per line: a file of transactions of a
    /// scenario. All lines are signed or none. What is signed is what `account typed-data` prints.
    Sign(Sign),
    /// Attach signatures that a wallet made and print the transactions in the form that producers take.
    ///
    /// The input has one transaction per line, or one line of typed data as the wallet got it, with --sender. A signature
    /// determines its key, so this says whether the sender signed exactly this transaction for this environment; of typed
    /// data it also says what differs from that of `account typed-data`. All lines are signed or none.
    Attach(Attach),
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
    #[error("line {line}: this is not typed data of the environment")]
    TypedData { line: usize, source: TypedDataError },
    #[error("line {line}")]
    Recover { line: usize, source: RecoveryError },
    #[error(
        "line {line}: the sender is {sender}, the signature is by {address}, or for another transaction, environment or \
         deployment"
    )]
    OtherSigner { line: usize, sender: Address, address: Address },
    #[error("line {line}: typed data does not name its sender; expected --sender ADDRESS")]
    NoSender { line: usize },
    #[error("line {line}: the sender is {sender}, expected {expected}")]
    NotOfSender { line: usize, sender: Address, expected: Address },
    #[error("there are {transactions} transactions and {signatures} signatures")]
    Signatures { transactions: usize, signatures: usize },
    #[error("there is no transaction")]
    NoTransaction,
    #[error("a line cannot be written")]
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
            | Self::TypedData { .. }
            | Self::Recover { .. }
            | Self::OtherSigner { .. }
            | Self::NoSender { .. }
            | Self::NotOfSender { .. }
            | Self::Signatures { .. }
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
        Command::Address { address: Some(address), .. } => Ok(Answer::new(&Account::of(address, None))),
        Command::Address { file, public, address: None } => {
            let secret = || file.as_deref().map(|file| read_secret(file).map(|key| key.public_key()));
            let public = public.map(Ok).or_else(secret).transpose()?;
            Ok(Answer::new(&Account::new(public.expect("clap requires one of them"))))
        }
        Command::TypedData(arguments) => transactions::show(&arguments),
        Command::Sign(arguments) => transactions::sign(&arguments),
        Command::Attach(arguments) => transactions::attach(&arguments),
    }
}

/// An account, as its public key or its address determines it.
#[derive(Serialize)]
struct Account {
    address: Address,
    /// Of an account that was named by its address, only its transactions show the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<PublicKey>,
    /// The name of the account in messages from other environments, and of one on L1 in messages from here.
    recipient: Digest,
}

impl Account {
    fn new(public_key: PublicKey) -> Self {
        Self::of(address_of(&public_key), Some(public_key))
    }

    fn of(address: Address, public_key: Option<PublicKey>) -> Self {
        Self { address, public_key, recipient: address.to_digest() }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, public_key, recipient } = self;
        writeln!(f, "address {address}")?;
        if let Some(public_key) = public_key {
            writeln!(f, "public key {public_key}")?;
        }
        write!(f, "recipient of messages {recipient}")
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
