//! Transactions by the line: what a wallet signs, and signatures by a local key or by a wallet.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use circuits_files::{
    file,
    text::{shown, without_secrets},
};
use circuits_protocol::registry::EnvironmentId;
use environments_accounts::{
    address::Address,
    key::address_of,
    signature::RecoverableSignature,
    transaction::{SignedTransaction, Transaction},
    typed_data::{InOrder, MAX_CHAIN_ID, Settlement, SigningDomain, check_typed_data, typed_data},
};
use serde::Serialize;
use serde_json::Value;

use super::{AccountError, name_of, read_file, read_secret, read_text};
use crate::{
    answer::{Answer, Failure},
    as_text,
};

/// Bytes of the largest file of lines that is read or written.
const LINES_LIMIT: u64 = 64 << 20;
/// What typed data has and a transaction has not.
const PRIMARY_TYPE: &str = "primaryType";

/// What a signature is for. It holds in one environment of one deployment, so that nobody can replay it elsewhere.
#[derive(clap::Args)]
pub(crate) struct Domain {
    /// Sign for the environment with this id, from 1 to 65535.
    ///
    /// It is the environment's id in the registry. The domain's name, which a wallet shows, has it.
    #[arg(long, value_name = "ID")]
    environment: u16,
    /// Sign for a deployment on the L1 with this chain id.
    ///
    /// It is `chain_id` of the genesis's `settlement`. A wallet refuses to sign for another chain than the one that it is
    /// connected to.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=MAX_CHAIN_ID))]
    l1_chain_id: u64,
    /// Sign for the deployment that this contract settles.
    ///
    /// It is `contract` of the genesis's `settlement`.
    #[arg(long, value_name = "ADDRESS")]
    contract: Address,
}

impl Domain {
    fn get(&self) -> Result<SigningDomain, AccountError> {
        let environment = EnvironmentId::new(self.environment)?;
        let settlement = Settlement { chain_id: self.l1_chain_id, contract: self.contract };
        Ok(SigningDomain { settlement, environment })
    }
}

/// Where lines come from and go to.
#[derive(clap::Args)]
pub(crate) struct Files {
    /// Read the transactions from this file instead of standard input.
    ///
    /// Blank lines are skipped.
    #[arg(value_name = "FILE")]
    transactions: Option<PathBuf>,
    /// Write the lines to this file instead of standard output.
    ///
    /// The file is replaced as a whole, or stays as it was if a line is refused.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct TypedData {
    #[command(flatten)]
    domain: Domain,
    #[command(flatten)]
    files: Files,
}

#[derive(clap::Args)]
pub(crate) struct Sign {
    /// Sign with the secret key in this file.
    ///
    /// The sender of every transaction must be the address of this key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    domain: Domain,
    #[command(flatten)]
    files: Files,
}

#[derive(clap::Args)]
pub(crate) struct Attach {
    /// Attach this signature: 0x and 130 hexadecimal digits, as `eth_signTypedData_v4` returns it.
    ///
    /// Once for each transaction, in their order.
    #[arg(long = "signature", value_name = "SIGNATURE", required = true)]
    signatures: Vec<RecoverableSignature>,
    /// Attach to transactions of this address only.
    ///
    /// Typed data does not name its sender, so lines of it need this.
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<Address>,
    #[command(flatten)]
    domain: Domain,
    #[command(flatten)]
    files: Files,
}

/// Lines that were made and printed.
#[derive(Serialize)]
struct Printed<T> {
    transactions: Vec<T>,
    /// The same as JSON Lines.
    #[serde(skip)]
    lines: Vec<String>,
}

impl<T> fmt::Display for Printed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

/// Lines that were made and written to a file.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(serialize_with = "as_text::path")]
    file: &'a Path,
    /// How many there are.
    transactions: usize,
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, transactions } = self;
        write!(f, "{transactions} transactions written: {}", shown(file.display()))
    }
}

impl Files {
    /// The numbered lines of the input that are not blank.
    ///
    /// # Errors
    /// [`AccountError::NoTransaction`] if there is none, and whatever reading leads to.
    fn read(&self) -> Result<Vec<(usize, String)>, AccountError> {
        let text = match &self.transactions {
            Some(path) => read_file(path, LINES_LIMIT)?,
            None => read_text(io::stdin(), "standard input".to_owned(), LINES_LIMIT)?,
        };
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let lines: Vec<_> = lines.map(|(number, line)| (number, line.to_owned())).collect();
        if lines.is_empty() { Err(AccountError::NoTransaction) } else { Ok(lines) }
    }

    /// Prints or writes transactions, each as the line that `line` makes of it.
    fn write<T: Serialize>(
        &self,
        transactions: Vec<T>,
        line: impl FnMut(&T) -> serde_json::Result<String>,
    ) -> Result<Answer, Failure> {
        let lines = transactions.iter().map(line).collect::<Result<Vec<_>, _>>();
        let lines = lines.map_err(AccountError::Write)?;
        let Some(file) = &self.out else { return Ok(Answer::new(&Printed { transactions, lines })) };
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        // Whoever reads the file has the same limit.
        if text.len() as u64 > LINES_LIMIT {
            return Err(AccountError::TooLarge { name: name_of(file), limit: LINES_LIMIT }.into());
        }
        file::write_atomic(file, text.as_bytes())?;
        Ok(Answer::new(&Written { file, transactions: transactions.len() }))
    }
}

/// Reads a line as a transaction that some state may accept.
fn transaction(domain: &SigningDomain, line: usize, text: &str) -> Result<Transaction, AccountError> {
    let transaction: Transaction = parse(line, text)?;
    transaction.check(domain.environment).map_err(|source| AccountError::Malformed { line, source })?;
    Ok(transaction)
}

fn parse<'a, T: serde::Deserialize<'a>>(line: usize, text: &'a str) -> Result<T, AccountError> {
    serde_json::from_str(text)
        .map_err(|error| AccountError::NotATransaction { line, reason: without_secrets(&error.to_string()) })
}

/// Prints what a wallet signs.
pub(super) fn show(arguments: &TypedData) -> Result<Answer, Failure> {
    let domain = arguments.domain.get()?;
    let lines = arguments.files.read()?;
    let shown = lines.iter().map(|(line, text)| Ok(typed_data(&domain, &transaction(&domain, *line, text)?)));
    let shown = shown.collect::<Result<Vec<_>, AccountError>>()?;
    arguments.files.write(shown.iter().map(InOrder).collect(), serde_json::to_string)
}

/// Signs every line, or none.
pub(super) fn sign(arguments: &Sign) -> Result<Answer, Failure> {
    let key = read_secret(&arguments.key)?;
    let (domain, address) = (arguments.domain.get()?, key.address());
    let lines = arguments.files.read()?;
    let signed = lines.iter().map(|(line, text)| {
        let (line, transaction) = (*line, transaction(&domain, *line, text)?);
        let sender = transaction.sender;
        if sender != address {
            return Err(AccountError::OtherSender { line, sender, address });
        }
        key.sign(transaction, &domain).map_err(|source| AccountError::Sign { line, source })
    });
    arguments.files.write(signed.collect::<Result<Vec<_>, AccountError>>()?, serde_json::to_string)
}

/// Attaches a wallet's signature to every line, or to none.
pub(super) fn attach(arguments: &Attach) -> Result<Answer, Failure> {
    let domain = arguments.domain.get()?;
    let lines = arguments.files.read()?;
    let (transactions, signatures) = (lines.len(), arguments.signatures.len());
    if transactions != signatures {
        return Err(AccountError::Signatures { transactions, signatures }.into());
    }
    let signed = lines.iter().zip(&arguments.signatures);
    let signed = signed.map(|((line, text), signature)| {
        let transaction = unsigned(&domain, *line, text, arguments.sender)?;
        attach_to(&domain, *line, transaction, *signature)
    });
    arguments.files.write(signed.collect::<Result<Vec<_>, AccountError>>()?, serde_json::to_string)
}

/// Reads a line that is a transaction, or the typed data that a wallet signed of one. `sender` is whose it must be; only a
/// transaction names its own.
fn unsigned(
    domain: &SigningDomain,
    line: usize,
    text: &str,
    sender: Option<Address>,
) -> Result<Transaction, AccountError> {
    let value: Value = parse(line, text)?;
    if value.get(PRIMARY_TYPE).is_some() {
        let sender = sender.ok_or(AccountError::NoSender { line })?;
        let transaction = check_typed_data(domain, sender, &value)
            .map_err(|source| AccountError::TypedData { line, source })?;
        transaction.check(domain.environment).map_err(|source| AccountError::Malformed { line, source })?;
        return Ok(transaction);
    }
    let transaction = transaction(domain, line, text)?;
    match sender.filter(|&expected| expected != transaction.sender) {
        Some(expected) => Err(AccountError::NotOfSender { line, sender: transaction.sender, expected }),
        None => Ok(transaction),
    }
}

/// Attaches a signature, which the sender must have made.
fn attach_to(
    domain: &SigningDomain,
    line: usize,
    transaction: Transaction,
    signature: RecoverableSignature,
) -> Result<SignedTransaction, AccountError> {
    let signed = SignedTransaction { transaction, signature };
    let key = signed.recover(domain).map_err(|source| AccountError::Recover { line, source })?;
    let (sender, address) = (signed.transaction.sender, address_of(&key));
    if sender == address { Ok(signed) } else { Err(AccountError::OtherSigner { line, sender, address }) }
}
