//! Deploying the contracts. Genesis names the settlement contract, so its address is known before anything else: it is the
//! first contract that the deploying transactions create.
//!
//! ```text
//! nonce n        Settlement                  names the contracts below by the addresses that they will have
//!       n + 1    AccessManager
//!       n + 2    registry tree
//!       n + 3    verifiers, one after the other
//!       ...      VerifierRouter
//!       ...      all roles, and last the genesis, without which the contract takes no money
//! ```
//! All transactions are known before the first one is sent, and so are their nonces. A journal has them, so a deployment that was cut
//! off goes on: L1 is asked for each transaction before it is sent, and of those with one nonce only one comes.

mod check;
mod steps;

use std::path::PathBuf;

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolConstructor;
use circuits_core::Digest;
use circuits_protocol::registry::{EnvironmentId, Registry, RegistryError, entry_leaf};
use environments_l1::L1State;
use serde::Serialize;
use thiserror::Error;

use self::steps::Transactions;
use crate::{
    abi::{RegistryTree, Settlement::Parameters, SuperblockVerifier},
    deployment::deployment_id,
    journal::{Journal, JournalError},
    l1::L1Error,
    roles::RoleError,
    superblock::of_digest,
    wallet::{Wallet, WalletError},
};

/// Environment 0's depth in the registry.
const REGISTRY_DEPTH: usize = 16;
/// The least deposit of ether unless somebody asks for another one, a thousandth of an ether, in units of 10^10 wei.
pub const ETHER_MINIMUM: u64 = 100_000;
/// The most of a day, a thousand ether.
pub const ETHER_DAY_LIMIT: u64 = 100_000_000_000;
const HOUR: u32 = 60 * 60;
const DAY: u32 = 24 * HOUR;

/// What cannot be changed after the deployment.
#[derive(Clone, Debug)]
pub struct Plan {
    pub parameters: Parameters,
    /// Seconds between the announcement of a verifier and its first use.
    pub router_delay: u32,
    /// The least deposit of ether, and the most of a day, in units of 10^10 wei.
    pub ether_minimum: u64,
    pub ether_day_limit: u64,
    /// Creates the contract that hashes the registry's tree.
    pub registry_tree: Bytes,
    /// Creates the verifiers that count from the start.
    pub verifiers: Vec<Bytes>,
    /// Who settles.
    pub batchers: Vec<Address>,
    /// Who gets all other roles; the deploying account, if there is nobody.
    pub admin: Option<Address>,
    /// What superblocks will be proved with: registry and verifiers for anything else are refused. `None` compares nothing, for tests.
    pub program: Option<ProgramKeys>,
}

/// What a program proves with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramKeys {
    /// The digests of the kernels of environment 0.
    pub kernels: Vec<Digest>,
    /// Names the circuit of the last proof.
    pub outer_digest: B256,
}

impl Plan {
    /// The rules that are used if nobody asks for others, with the committed verifier and registry tree.
    #[must_use]
    pub fn standard(batchers: Vec<Address>) -> Self {
        Self::new(RegistryTree::BYTECODE.clone(), vec![SuperblockVerifier::BYTECODE.clone()], batchers)
    }

    /// The rules that are used if nobody asks for others, with these verifiers and this tree instead.
    #[must_use]
    pub fn new(registry_tree: Bytes, verifiers: Vec<Bytes>, batchers: Vec<Address>) -> Self {
        Self {
            parameters: Parameters {
                ripeAge: 12 * HOUR,
                // Longer than a suspension, so that batchers keep their turn.
                stallAge: 4 * DAY,
                strangerGap: 2 * HOUR,
                cutAge: 30 * DAY,
                superblocksPerDay: 96,
                registryNoticeDays: 7,
                longestPause: 2 * DAY,
            },
            router_delay: 30 * DAY,
            ether_minimum: ETHER_MINIMUM,
            ether_day_limit: ETHER_DAY_LIMIT,
            registry_tree,
            verifiers,
            batchers,
            admin: None,
            program: None,
        }
    }
}

/// Deployed contracts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deployed {
    pub chain_id: u64,
    /// The deployment id, which is the chain id in every statement.
    pub deployment: u64,
    pub settlement: Address,
    pub access_manager: Address,
    pub router: Address,
    pub registry_tree: Address,
    pub verifiers: Vec<Address>,
    /// The block in which the settlement contract was created: no event is older.
    pub first_block: u64,
    /// The gas of all transactions.
    pub gas_used: u64,
}

/// Why there are no contracts.
#[derive(Debug, Error)]
pub enum DeployError {
    #[error(transparent)]
    Wallet(#[from] WalletError),
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Roles(#[from] RoleError),
    /// The registry is for another contract.
    #[error("the registry is not that of deployment {expected}: make it with this chain id")]
    OtherRegistry { expected: u64 },
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal has another deployment.
    #[error(
        "{path}: the journal is about the deployment of {deployer} on network {chain_id} from nonce {first_nonce} on, by other \
         rules or with other contracts",
        path = .path.display()
    )]
    OtherDeployment { path: PathBuf, deployer: Address, chain_id: u64, first_nonce: u64 },
    /// The kernels of environment 0 in the registry decide what L1 pays, and superblocks are made with others.
    #[error(
        "the registry lists the kernels {} of environment 0, the program makes superblocks with {}",
        listed(.found), listed(.expected)
    )]
    OtherKernels { expected: Vec<Digest>, found: Vec<Digest> },
    /// A verifier verifies proofs of another circuit.
    #[error("a verifier is for the outer digest {found}, the program makes proofs for {expected}")]
    OtherVerifier { expected: B256, found: B256 },
    /// A contract has another address than the others were told.
    #[error(
        "a contract was created at {found}, expected {expected}: another transaction of the account came between"
    )]
    OtherAddress { expected: Address, found: Address },
    /// Everything is in blocks, and not for good.
    #[error(
        "the contracts are deployed, and block {block} is not final after {seconds} seconds: repeat the command before money is sent \
         to them"
    )]
    NotFinal { block: u64, seconds: u64 },
    /// What was deployed is not what was sent, as the node has it.
    #[error(
        "the contract at {contract} has {found} as its {what}, expected {expected}: the node may be behind, or lie"
    )]
    OtherContract { contract: Address, what: &'static str, expected: String, found: String },
}

/// Digests in words.
fn listed(digests: &[Digest]) -> String {
    digests.iter().map(Digest::to_string).collect::<Vec<_>>().join(", ")
}

/// The address that the settlement contract will have if `deployer` deploys next, and its deployment id.
///
/// # Errors
/// [`L1Error`]
pub fn predict(wallet: &Wallet<'_>) -> Result<(Address, u64), L1Error> {
    let nonce = wallet.l1.nonces(wallet.address())?.pending;
    let settlement = wallet.address().create(nonce);
    Ok((settlement, deployment_id(wallet.chain_id, settlement)))
}

/// The leaf of environment 0 in the registry, and its siblings, from the leaf up.
///
/// # Errors
/// [`RegistryError`] if the registry has no environment 0 with a kernel for the first superblock.
pub fn entry_zero(registry: &Registry) -> Result<(Digest, [B256; REGISTRY_DEPTH]), RegistryError> {
    let entry = registry.entry(EnvironmentId::L1)?;
    let (kernel, producer) = (entry.kernels.first(), entry.producers.first());
    let (kernel, number) = kernel.map_or((Digest::ZERO, 1), |kernel| (kernel.key, kernel.valid_from.max(1)));
    let producer = producer.map_or(Digest::ZERO, |producer| producer.commitment);
    let found = registry.membership(EnvironmentId::L1, kernel, producer, number)?;
    let mut path = [B256::ZERO; REGISTRY_DEPTH];
    for (sibling, &digest) in path.iter_mut().zip(&found.entry_path.siblings) {
        *sibling = of_digest(digest);
    }
    Ok((entry_leaf(EnvironmentId::L1, &found.digests), path))
}

/// Deploys the contracts for `registry`, which is that of the predicted deployment, and gives them `genesis`, its state before
/// the first superblock. With the journal of a deployment that was cut off, it goes on. It returns once all of it is final:
/// `waiting` is given the last block that is to be, whenever that is another one.
///
/// # Errors
/// [`DeployError`]. What was deployed before an error stays; before the last transaction it has no genesis.
pub fn deploy(
    wallet: &Wallet<'_>,
    plan: &Plan,
    registry: &Registry,
    genesis: Digest,
    journal: Option<&Journal>,
    waiting: &dyn Fn(u64),
) -> Result<Deployed, DeployError> {
    let known = journal.map(Journal::deployment).transpose()?.flatten();
    let first_nonce = match &known {
        Some(known) => known.first_nonce,
        None => wallet.l1.nonces(wallet.address())?.pending,
    };
    let expected = deployment_id(wallet.chain_id, wallet.address().create(first_nonce));
    let is_ours = L1State::genesis(expected).is_ok_and(|state| {
        registry.entry(EnvironmentId::L1).is_ok_and(|entry| entry.genesis_state == state.commitment())
    });
    if !is_ours {
        return Err(DeployError::OtherRegistry { expected });
    }
    plan.check(registry)?;
    let transactions = Transactions::new(wallet, plan, registry, genesis, first_nonce)?;
    let record = transactions.record(wallet, known, journal)?;
    transactions.send(wallet, plan, record, journal, waiting)
}

/// What creates a contract: its code and its constructor's arguments.
fn init(code: &Bytes, constructor: &impl SolConstructor) -> Bytes {
    [code, constructor.abi_encode().as_slice()].concat().into()
}
