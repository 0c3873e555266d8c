//! Which L1, who signs for it, and what transactions may cost.

use std::{
    borrow::Cow,
    num::NonZeroU64,
    path::{Path, PathBuf},
    time::Duration,
};

use batcher_settlement::{
    Address,
    fees::{FeeLimits, GWEI},
    job::{Finality, Policy},
    l1::L1 as _,
    rpc::{Rpc, TIMEOUT},
    signer::{Signer, SignerError},
    wallet::WalletError,
};

use circuits_files::text::{self, TextError};
use environments_core::address::{Address as Account, AddressError};

use crate::answer::Failure;

/// A node of L1.
#[derive(clap::Args)]
pub(crate) struct Node {
    /// Ask the node of L1 at this address.
    ///
    /// It begins with https://, or with http:// for a node that is near. Nothing repeats the address, because it may hold the key of
    /// an account there. Others on the machine can read arguments: @FILE takes an address with a key from the first line of a file.
    #[arg(long = "l1", value_name = "URL")]
    url: String,
    /// Ask and sign on the network with this chain id only.
    ///
    /// Ethereum's is 1, that of development nodes 31337. A node that names another one is refused, so that nothing is signed
    /// for a network that you do not mean.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) l1_chain_id: u64,
    /// Call a block final when N blocks are on top of it.
    ///
    /// Without it, a block is final when the node says so. Use it with networks that have no finality.
    #[arg(long, value_name = "N")]
    confirmations: Option<NonZeroU64>,
}

impl Node {
    /// The node, which is on the network that was named.
    pub(crate) fn open(&self) -> Result<Rpc, Failure> {
        open_node(&self.url, self.l1_chain_id)
    }

    pub(crate) fn finality(&self) -> Finality {
        self.confirmations.map_or(Finality::Node, |depth| Finality::Depth(depth.get()))
    }
}

/// Bytes of a file with an address.
const ADDRESS_FILE_LIMIT: u64 = 1 << 12;

/// The address that an argument names, itself or as `@FILE`.
pub(crate) fn node_address(argument: &str) -> Result<Cow<'_, str>, TextError> {
    let Some(path) = argument.strip_prefix('@') else { return Ok(argument.into()) };
    let text = text::read(Path::new(path), ADDRESS_FILE_LIMIT)?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned().into())
}

/// The node at the address that an argument names, which is on the network with this chain id.
pub(crate) fn open_node(url: &str, expected: u64) -> Result<Rpc, Failure> {
    let node = Rpc::new(&node_address(url)?, TIMEOUT)?;
    let found = node.chain_id()?;
    if found == expected { Ok(node) } else { Err(WalletError::Network { expected, found }.into()) }
}

/// An address of L1, whose checksum is right if it has one.
pub(crate) fn parse_address(text: &str) -> Result<Address, AddressError> {
    text.parse::<Account>().map(|account| Address::new(account.0))
}

/// An address of L1 that is paid. What the zero address gets is lost, and nobody means it.
pub(crate) fn parse_receiver(text: &str) -> Result<Address, String> {
    let address = parse_address(text).map_err(|error| error.to_string())?;
    if address.is_zero() { Err("nobody has the zero address".to_owned()) } else { Ok(address) }
}

/// The settlement contract.
#[derive(clap::Args)]
pub(crate) struct Contract {
    #[command(flatten)]
    pub(crate) node: Node,
    /// Use the settlement contract at this address.
    ///
    /// `l1 deploy` prints it.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub(crate) contract: Address,
}

/// Who signs transactions. A key is never an argument, because others on the machine can read arguments.
#[derive(clap::Args)]
#[group(id = "signer", required = true, multiple = true)]
pub(crate) struct SignerArguments {
    /// Sign with the key in this encrypted keystore file.
    ///
    /// Wallets and nodes write such files: Web3 secret storage, version 3.
    #[arg(long, value_name = "FILE", requires = "password_file", conflicts_with = "key_file")]
    keystore: Option<PathBuf>,
    /// Decrypt the keystore with the password in the first line of this file.
    ///
    /// Nobody but its owner should be able to read the file.
    #[arg(long, value_name = "FILE", requires = "keystore")]
    password_file: Option<PathBuf>,
    /// Sign with the key in this file: 64 hexadecimal digits.
    ///
    /// For test networks. The key is not encrypted.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl SignerArguments {
    pub(crate) fn open(&self) -> Result<Signer, SignerError> {
        match (&self.keystore, &self.password_file, &self.key_file) {
            (Some(keystore), Some(password), _) => Signer::from_keystore(keystore, password),
            (_, _, Some(key)) => Signer::from_key_file(key),
            // The group asks for one of them.
            _ => Err(SignerError::NoKey { path: PathBuf::new() }),
        }
    }
}

/// What transactions may cost, and how long to wait for them.
#[derive(clap::Args)]
pub(crate) struct PolicyArguments {
    /// Offer at most this much for gas, in gwei.
    ///
    /// An offer rises while no block takes it, and never above this.
    #[arg(long, value_name = "GWEI", default_value_t = 200)]
    max_fee: u64,
    /// Offer this much of it to whoever makes the block, in gwei, at first.
    ///
    /// It rises with the offer, up to --max-priority-fee.
    #[arg(long, value_name = "GWEI", default_value_t = 1)]
    priority_fee: u64,
    /// Offer at most this much of it to whoever makes the block, in gwei.
    ///
    /// Whoever makes the block gets it whatever the block's base fee is.
    #[arg(long, value_name = "GWEI", default_value_t = 10)]
    max_priority_fee: u64,
    /// Raise an offer that no block has taken for so many seconds.
    ///
    /// The transaction is replaced by one with the same nonce, so that only one of them can come.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    raise_after: u64,
    /// Give up when nothing has happened for so many seconds.
    ///
    /// What was done is kept, and the same command goes on.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    patience: u64,
    /// Ask L1 every so many milliseconds.
    ///
    /// Nodes that others run may count requests.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 4000)]
    poll: u64,
}

impl PolicyArguments {
    pub(crate) fn get(&self, finality: Finality) -> Policy {
        let gwei = |fee: u64| u128::from(fee) * GWEI;
        Policy {
            finality,
            fees: FeeLimits {
                cap: gwei(self.max_fee),
                priority: gwei(self.priority_fee),
                priority_cap: gwei(self.max_priority_fee),
                ..FeeLimits::default()
            },
            poll: Duration::from_millis(self.poll),
            raise_after: Duration::from_secs(self.raise_after),
            patience: Duration::from_secs(self.patience),
            ..Policy::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_from_the_argument_or_from_the_first_line_of_a_file() {
        assert_eq!(node_address("https://node").expect("itself"), "https://node");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("address");
        let argument = format!("@{}", path.display());
        let error = node_address(&argument).expect_err("there is no file");
        assert!(error.to_string().contains("address"), "{error}");
        std::fs::write(&path, "https://node/key \nmore\n").expect("writable");
        assert_eq!(node_address(&argument).expect("a file"), "https://node/key");
    }
}
