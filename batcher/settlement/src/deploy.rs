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

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolConstructor};
use circuits_core::Digest;
use circuits_protocol::registry::{EnvironmentId, Registry, RegistryError, entry_leaf};
use environments_l1::L1State;
use serde::Serialize;
use thiserror::Error;

use crate::{
    abi::{
        AccessManager, RegistryTree,
        Settlement::{self, Parameters},
        SuperblockVerifier, VerifierRouter,
    },
    deployment::deployment_id,
    l1::L1Error,
    roles::{Parties, RoleError, Roles},
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
                stallAge: 3 * DAY,
                strangerGap: 2 * HOUR,
                cutAge: 30 * DAY,
                superblocksPerDay: 144,
                registryNoticeDays: 7,
                longestPause: 7 * DAY,
            },
            router_delay: 30 * DAY,
            ether_minimum: ETHER_MINIMUM,
            ether_day_limit: ETHER_DAY_LIMIT,
            registry_tree,
            verifiers,
            batchers,
            admin: None,
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
    /// A contract has another address than the others were told.
    #[error(
        "a contract was created at {found}, expected {expected}: another transaction of the account came between"
    )]
    OtherAddress { expected: Address, found: Address },
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
/// the first superblock.
///
/// # Errors
/// [`DeployError`]. What was deployed before an error stays, and has no genesis.
pub fn deploy(
    wallet: &Wallet<'_>,
    plan: &Plan,
    registry: &Registry,
    genesis: Digest,
) -> Result<Deployed, DeployError> {
    let (settlement, deployment) = predict(wallet)?;
    let is_ours = L1State::genesis(deployment).is_ok_and(|state| {
        registry.entry(EnvironmentId::L1).is_ok_and(|entry| entry.genesis_state == state.commitment())
    });
    if !is_ours {
        return Err(DeployError::OtherRegistry { expected: deployment });
    }
    let (leaf, path) = entry_zero(registry)?;
    let first_nonce = wallet.l1.nonces(wallet.address())?.pending;
    let created = |position: usize| wallet.address().create(first_nonce + position as u64);
    let (access_manager, registry_tree) = (created(1), created(2));
    let verifiers: Vec<_> = (0..plan.verifiers.len()).map(|index| created(3 + index)).collect();
    let router = created(3 + verifiers.len());

    let mut steps = Steps { wallet, gas_used: 0 };
    let constructor = Settlement::constructorCall {
        authority: access_manager,
        router,
        registryTree: registry_tree,
        rules: plan.parameters.clone(),
        etherMinimum: plan.ether_minimum,
        etherDayLimit: plan.ether_day_limit,
    };
    let first_block = steps.create(settlement, init(&Settlement::BYTECODE, &constructor))?;
    let constructor = AccessManager::constructorCall { initialAdmin: wallet.address() };
    steps.create(access_manager, init(&AccessManager::BYTECODE, &constructor))?;
    steps.create(registry_tree, plan.registry_tree.clone())?;
    for (&address, code) in verifiers.iter().zip(&plan.verifiers) {
        steps.create(address, code.clone())?;
    }
    let constructor = VerifierRouter::constructorCall {
        authority: access_manager,
        delay_: plan.router_delay,
        verifiers: verifiers.clone(),
    };
    steps.create(router, init(&VerifierRouter::BYTECODE, &constructor))?;

    let parties = Parties {
        settlement,
        router,
        batchers: &plan.batchers,
        admin: plan.admin.unwrap_or(wallet.address()),
        deployer: wallet.address(),
    };
    steps.call(access_manager, &Roles::embedded()?.setup(&parties)?)?;
    // Last: before it the contract takes nothing, whatever was cut off above.
    let call = Settlement::initialiseCall {
        genesisState: of_digest(genesis),
        registryRoot: of_digest(registry.root()),
        entry: of_digest(leaf),
        path,
    };
    steps.call(settlement, &call)?;
    Ok(Deployed {
        chain_id: wallet.chain_id,
        deployment,
        settlement,
        access_manager,
        router,
        registry_tree,
        verifiers,
        first_block,
        gas_used: steps.gas_used,
    })
}

/// Transactions one after the other.
struct Steps<'a> {
    wallet: &'a Wallet<'a>,
    gas_used: u64,
}

impl Steps<'_> {
    /// Creates a contract and returns its block.
    fn create(&mut self, expected: Address, code: Bytes) -> Result<u64, DeployError> {
        let receipt = self.wallet.send(None, U256::ZERO, code)?;
        self.gas_used += receipt.gas_used;
        match receipt.created {
            Some(found) if found == expected => Ok(receipt.block_number),
            found => Err(DeployError::OtherAddress { expected, found: found.unwrap_or_default() }),
        }
    }

    fn call(&mut self, contract: Address, call: &impl SolCall) -> Result<(), DeployError> {
        let receipt = self.wallet.send(Some(contract), U256::ZERO, call.abi_encode().into())?;
        self.gas_used += receipt.gas_used;
        Ok(())
    }
}

/// What creates a contract: its code and its constructor's arguments.
fn init(code: &Bytes, constructor: &impl SolConstructor) -> Bytes {
    [code, constructor.abi_encode().as_slice()].concat().into()
}
