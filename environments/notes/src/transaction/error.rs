//! Why a transaction is refused, independently of the state.

use bridge_core::AssetId;
use circuits_core::{Digest, amount::Amount};
use environments_core::environment::EnvironmentId;
use thiserror::Error;

use super::statement::{MAX_ASSETS, MAX_INPUTS, MAX_OUTPUTS};
use crate::account::VaultError;

/// The first rule of the transaction kernel that a transaction breaks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransactionError {
    /// The transaction consumes too many notes.
    #[error("the transaction consumes {found} notes, the limit is {MAX_INPUTS}")]
    TooManyInputs {
        /// Notes found.
        found: usize,
    },
    /// The transaction creates too many notes.
    #[error("the transaction creates {found} notes, the limit is {MAX_OUTPUTS}")]
    TooManyOutputs {
        /// Notes found.
        found: usize,
    },
    /// The transaction moves too many assets.
    #[error("the transaction moves {found} assets, the limit is {MAX_ASSETS}")]
    TooManyAssets {
        /// Assets found.
        found: usize,
    },
    /// The secret or policy is not the account's.
    #[error("account {account} is authorised by {expected}, not by {found}")]
    WrongAuthority {
        /// The account.
        account: Digest,
        /// Its authorisation.
        expected: Digest,
        /// The authorisation given.
        found: Digest,
    },
    /// The id of a new account is not the hash of its authorisation and salt.
    #[error("the new account's id is {found}, but its authorisation and salt give {expected}")]
    WrongAccountId {
        /// What it must be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// A new account is not empty.
    #[error("a new account starts with nonce 0 and an empty vault; this one has nonce {nonce}")]
    NewAccountNotEmpty {
        /// The nonce found.
        nonce: u32,
    },
    /// The account has made 2^32 - 1 transactions.
    #[error("the account's nonce is exhausted")]
    NonceExhausted,
    /// No block can contain the transaction.
    #[error("the transaction is valid from height {not_before} to {valid_until}, which is never")]
    EmptyWindow {
        /// First height.
        not_before: u32,
        /// Last height.
        valid_until: u32,
    },
    /// One note is consumed twice.
    #[error("inputs {first} and {second} are the same note")]
    DuplicateInput {
        /// Its first position.
        first: usize,
        /// Its second position.
        second: usize,
    },
    /// The opening of an input does not lead to the root.
    #[error("input {input} is not at index {index} under notes root {root}")]
    NotUnderRoot {
        /// The input.
        input: usize,
        /// The index of its opening.
        index: u64,
        /// The root.
        root: Digest,
    },
    /// The account may not consume the note.
    #[error("input {input} cannot be consumed by account {account}")]
    NotTheTarget {
        /// The input.
        input: usize,
        /// The account.
        account: Digest,
    },
    /// The sender reclaims too early.
    #[error(
        "input {input} can be reclaimed from height {height} on, but the transaction is valid from {not_before} on"
    )]
    ReclaimTooEarly {
        /// The input.
        input: usize,
        /// First height at which it can be reclaimed.
        height: u32,
        /// First height at which the transaction is valid.
        not_before: u32,
    },
    /// A swap note is consumed without its request being settled, or settled twice.
    #[error("input {input} is a swap note whose request is settled by {found} outputs, not by 1")]
    SwapNotSettled {
        /// The input.
        input: usize,
        /// Outputs that settle it.
        found: usize,
    },
    /// An output settles an input that requests nothing.
    #[error("output {output} settles input {input}, which requests nothing of this account")]
    NothingToSettle {
        /// The output.
        output: usize,
        /// The input it names.
        input: usize,
    },
    /// An output is not what the swap requests.
    #[error("output {output} is not the note that input {input} requests for its maker")]
    WrongSettlement {
        /// The output.
        output: usize,
        /// The swap note.
        input: usize,
    },
    /// An input of a network account is neither a deposit nor a whole number of fills.
    #[error("input {input} does not fill the exchange order a whole number of times")]
    NotAFill {
        /// The input.
        input: usize,
    },
    /// An input fills an exchange order, but has no sender who could be paid: it was a message, or collected fees.
    #[error("input {input} fills the exchange order, but has no sender to be paid")]
    NoSender {
        /// The input.
        input: usize,
    },
    /// The exchange order does not ask for an output.
    #[error("output {output} is not the payment that the exchange order makes for the input of that number")]
    NotThePayment {
        /// The output.
        output: usize,
    },
    /// What an exchange order pays for one input settles another one: one note would pay for both.
    #[error("output {output} pays for the input of that number, and so does not settle input {input}")]
    SettlesAnother {
        /// The output.
        output: usize,
        /// The input that it settles.
        input: usize,
    },
    /// An input is called one that pays the fee, although the account's owner makes the transaction and pays it.
    #[error(
        "input {input} is called one that pays the fee, which only a transaction by an exchange order has"
    )]
    FeeInput {
        /// The input.
        input: usize,
    },
    /// A transaction by an exchange order consumes what its account has sent, as only the account's owner may.
    #[error("input {input} was sent by the account of the exchange order, whose owner alone takes it back")]
    TakesBack {
        /// The input.
        input: usize,
    },
    /// An input that pays the fee is in another asset.
    #[error("input {input} pays the fee in asset {found}, but fees are paid in {expected}")]
    FeeInputAsset {
        /// The input.
        input: usize,
        /// The asset that fees are paid in.
        expected: AssetId,
        /// The input's asset.
        found: AssetId,
    },
    /// The inputs that pay the fee are not worth it: the rest would come from the network account, or go there.
    #[error("the inputs that pay the fee hold {paid}, but the fee is {fee}")]
    FeeInputs {
        /// What they hold.
        paid: u64,
        /// The fee.
        fee: Amount,
    },
    /// A transaction by an exchange order pays another fee than it must.
    #[error("a transaction by an exchange order pays exactly the minimum fee, here {expected}, not {found}")]
    NetworkFee {
        /// The minimum fee for all that it moves.
        expected: u64,
        /// Its fee.
        found: Amount,
    },
    /// The fee is too low.
    #[error("the transaction pays a fee of {found}, but must pay {least} for what it moves")]
    FeeTooLow {
        /// The minimum fee for all that it moves.
        least: u64,
        /// Its fee.
        found: Amount,
    },
    /// The transaction does nothing that could be paid for.
    #[error("the transaction consumes and creates no note and sends no message")]
    MovesNothing,
    /// A transaction by an exchange order sends nothing to other environments: the order says nothing of them.
    #[error("a transaction by an exchange order sends no message")]
    NetworkSends,
    /// A message moves amount 0.
    #[error("the message moves amount 0")]
    SendsNothing,
    /// A message does not leave the environment.
    #[error("the message goes to environment {0}, which sends it")]
    SendsToItself(EnvironmentId),
    /// The account spends more than it has.
    #[error("the transaction spends {spent} of asset {asset}, but only {available} are available")]
    Insufficient {
        /// The asset.
        asset: AssetId,
        /// Vault and inputs.
        available: u64,
        /// Outputs, message and fee.
        spent: u64,
    },
    /// The vault cannot hold the result.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
