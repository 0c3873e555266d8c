//! Blocks of transfers on a state of many accounts.

use bridge_core::AssetId;
use circuits_core::{
    Digest, F,
    amount::Amount,
    hash::{Domain, hash},
};
use environments_accounts::{
    Accounts, Genesis, GenesisAccount,
    address::Address,
    key::SecretKey,
    transaction::{AccountsTransaction, Action, Transaction},
    typed_data::Settlement,
};
use environments_core::{Environment as _, EnvironmentId, kernel::ProducerSecret, vault::Holding};
use plonky2::field::types::Field as _;

use super::{RUNS, Run, TRANSACTIONS, stored};
use crate::{
    error::BenchError,
    figures::{median, timed},
};

const CHAIN: u64 = 1;
const ENVIRONMENT: EnvironmentId = EnvironmentId(1);
const ADDRESS: Domain = Domain::new("benchad");
/// What each account holds at genesis: enough for the fees and transfers of a block.
const BALANCE: u64 = 1_000;

pub(super) fn run(size: u32) -> Result<Run, BenchError> {
    // The accounts that send have keys; the others never sign.
    let keys = (0..TRANSACTIONS).map(key).collect::<Result<Vec<_>, _>>()?;
    let senders = keys.iter().map(SecretKey::address);
    let others = (TRANSACTIONS..size as usize).map(address);
    let addresses: Vec<_> = senders.chain(others).collect();
    let genesis = genesis(&addresses)?;
    let secret = ProducerSecret::new(Digest::ZERO);
    let environment = Accounts::new(CHAIN, ENVIRONMENT, secret, &genesis).map_err(BenchError::blocks)?;

    let transactions = keys.iter().enumerate().map(|(sender, key)| {
        // Receivers are spread over the whole state.
        let to = addresses[(sender + 1) * addresses.len() / (TRANSACTIONS + 1)];
        let transaction = Transaction {
            sender: key.address(),
            nonce: 0,
            fee: amount(1)?,
            deadline: u32::MAX,
            actions: vec![Action::Transfer { to, asset: asset()?, amount: amount(5)? }],
        };
        key.sign(transaction, &environment.deployment().signing_domain()).map_err(BenchError::blocks)
    });
    let transactions = transactions.collect::<Result<Vec<_>, _>>()?;
    let transactions: Vec<_> = transactions.into_iter().map(AccountsTransaction::from).collect();
    let offered: Vec<_> = transactions.iter().collect();
    let state = environment.genesis();
    let (mut seconds, mut after) = (vec![], state.clone());
    let block = |state: &_| {
        let proposal = environment.propose(state, &offered).map_err(BenchError::blocks)?;
        match proposal.included.len() {
            TRANSACTIONS => Ok(proposal.state),
            included => {
                Err(BenchError::blocks(format!("{included} of {TRANSACTIONS} transfers are in the block")))
            }
        }
    };
    for _ in 0..RUNS {
        let (taken, state) = timed(|| block(&state))?;
        seconds.push(taken);
        after = state;
    }
    stored::run(&environment, &state, &after, median(&seconds), block)
}

fn genesis(addresses: &[Address]) -> Result<Genesis, BenchError> {
    let fee_asset = asset()?;
    let holding = Holding { asset: fee_asset, amount: amount(BALANCE)? };
    let accounts = addresses.iter().map(|&address| GenesisAccount { address, holdings: vec![holding] });
    Ok(Genesis {
        fee_asset,
        fee_account: addresses[0],
        minimum_deposit: amount(1)?,
        minimum_fee: amount(1)?,
        settlement: Settlement { chain_id: 1, contract: Address::default() },
        accounts: accounts.collect(),
        pools: vec![],
    })
}

fn seed(number: usize) -> [u8; 32] {
    hash(ADDRESS, &[F::from_canonical_usize(number)]).to_bytes()
}

fn key(number: usize) -> Result<SecretKey, BenchError> {
    SecretKey::from_bytes(&seed(number)).map_err(BenchError::blocks)
}

/// The address of an account whose key nobody has.
fn address(number: usize) -> Address {
    let seed = seed(number);
    Address(std::array::from_fn(|index| seed[index]))
}

fn asset() -> Result<AssetId, BenchError> {
    AssetId::new(ENVIRONMENT.get(), 1).map_err(BenchError::blocks)
}

fn amount(value: u64) -> Result<Amount, BenchError> {
    Amount::new(value).map_err(BenchError::blocks)
}
