//! An embedded L1 with the contracts, in a few lines: for trials, and for tests of projects that make superblocks.

use alloy_primitives::{Address, U256, b256};
use alloy_sol_types::SolCall as _;
use batcher_circuits::state::SuperblockState;
use circuits_protocol::{
    l1::{KeccakDigest, QueuePosition},
    registry::Registry,
};
use environments_l1::{Deposit, Payout};
use thiserror::Error;

use crate::{
    abi::Settlement::{AssetId, depositCall, queueCall},
    contract::{Contract, NoContract},
    deploy::{DeployError, Deployed, Plan, deploy},
    deployment::deployment_id,
    deposit::wei_of,
    embedded::Embedded,
    job::{L1Proof, Policy},
    l1::{At, Call, L1 as _, L1Error, Receipt},
    payouts::{ClaimError, Claims, claim},
    signer::Signer,
    superblock::Superblock,
    wallet::{Wallet, WalletError},
};

/// The network's id: that of development nodes, so that wallets sign the same for both.
pub const CHAIN_ID: u64 = 31_337;
/// The id of the deployment, which follows from the network's id and the key.
pub const DEPLOYMENT: u64 = batcher_job::scenario::LOCAL_DEPLOYMENT;
const DAY: u64 = 24 * 60 * 60;
/// The key of development nodes' first account, which is public. Its first contract has the same address there.
const KEY: alloy_primitives::B256 = b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
/// What accounts have: 10,000 ether, in wei.
const RICH: U256 = U256::from_limbs([1_864_712_049_423_024_128, 542, 0, 0]);

/// Why a deposit is not in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LocalError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    NoContract(#[from] NoContract),
}

/// An L1 in this process, on which one account deploys, settles and claims.
#[derive(Debug)]
pub struct LocalL1 {
    l1: Embedded,
    signer: Signer,
}

impl Default for LocalL1 {
    fn default() -> Self {
        Self::new()
    }
}

impl LocalL1 {
    /// A network without contracts.
    #[must_use]
    pub fn new() -> Self {
        let signer = Signer::of_key(&KEY);
        Self { l1: Embedded::new(CHAIN_ID, &[(signer.address(), RICH)]), signer }
    }

    /// The settlement contract's address, before and after it is deployed.
    #[must_use]
    pub fn settlement(&self) -> Address {
        self.signer.address().create(0)
    }

    /// The deployment id, which is the chain id of registry, scenario and statements.
    #[must_use]
    pub fn deployment(&self) -> u64 {
        deployment_id(CHAIN_ID, self.settlement())
    }

    /// Deploys the committed contracts for this registry, with the rules of every deployment, but for deposits of any size.
    ///
    /// # Errors
    /// [`DeployError`]
    pub fn deploy(&self, registry: &Registry) -> Result<Deployed, DeployError> {
        let genesis = SuperblockState::genesis(self.deployment()).commitment();
        deploy(&self.wallet(), &self.plan(), registry, genesis, None, &|_| {})
    }

    fn plan(&self) -> Plan {
        Plan { ether_minimum: 1, ..Plan::standard(vec![self.signer.address()]) }
    }

    /// Makes a deposit of its depositor, who needs no key here, and returns the contract's queue.
    ///
    /// # Errors
    /// [`LocalError`], with the contract's reason if it refuses.
    pub fn deposit(&self, deposit: &Deposit) -> Result<QueuePosition, LocalError> {
        let &Deposit { depositor, destination, recipient, asset, amount, lifetime } = deposit;
        let contract = Contract { l1: &self.l1, address: self.settlement() };
        // The contract knows no other asset at first, and refuses any.
        let tokens = wei_of(amount);
        let from = Address::new(depositor.0);
        self.l1.fund(from, RICH);
        let call = depositCall {
            asset: AssetId { origin: asset.origin, number: asset.number },
            tokens,
            destination,
            recipient: alloy_primitives::B256::new(recipient.0),
            lifetime,
        };
        let call = Call { from, to: Some(self.settlement()), value: tokens, input: call.abi_encode().into() };
        // Asking first gives the contract's reason.
        self.l1.call(&call, At::Latest)?;
        self.l1.execute(&call)?;
        let queue = contract.view(&queueCall {}, At::Latest)?.ok_or(NoContract(self.settlement()))?;
        Ok(QueuePosition { digest: KeccakDigest(queue.digest.0), length: queue.length })
    }

    /// Settles a superblock with its proof for L1, as long after the one before as the contract's pace asks for.
    ///
    /// # Errors
    /// [`WalletError`], with the contract's reason if it refuses.
    pub fn settle(&self, superblock: &Superblock, proof: &L1Proof) -> Result<Receipt, WalletError> {
        let calldata = superblock.calldata(proof);
        self.l1.skip(DAY.div_ceil(self.plan().parameters.superblocksPerDay.into()));
        self.wallet().send(Some(self.settlement()), U256::ZERO, calldata)
    }

    /// Claims what a superblock pays, as far as `wanted` names it.
    ///
    /// # Errors
    /// [`ClaimError`]
    pub fn claim(
        &self,
        superblock: u32,
        payouts: &[Payout],
        wanted: impl Fn(&Payout) -> bool,
    ) -> Result<Claims, ClaimError> {
        let mut claims = Claims::default();
        claim(&self.wallet(), self.settlement(), superblock, payouts, wanted, &mut claims)?;
        Ok(claims)
    }

    /// The account that deploys, settles and claims.
    #[must_use]
    pub fn wallet(&self) -> Wallet<'_> {
        Wallet {
            l1: &self.l1,
            chain_id: CHAIN_ID,
            signer: &self.signer,
            policy: Policy::default(),
            announce: &|_, _| {},
        }
    }

    /// The network itself.
    #[must_use]
    pub const fn network(&self) -> &Embedded {
        &self.l1
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;

    use super::*;
    use crate::fees::GWEI;

    #[test]
    fn blocks_move_the_base_fee_as_on_ethereum() {
        let local = LocalL1::new();
        let base_fee = || local.network().block(At::Latest).expect("it answers").expect("a head").base_fee;
        assert_eq!(base_fee(), GWEI);
        let to = Some(Address::repeat_byte(1));
        // A block without gas lowers it by an eighth, one with a transfer of 21,000 gas by a little less.
        for expected in [875_000_000, 765_701_563] {
            local.wallet().send(to, U256::from(1), Bytes::new()).expect("it can pay");
            assert_eq!(base_fee(), expected);
        }
    }

    #[test]
    fn the_deployment_of_scenarios_is_that_of_the_first_contract() {
        let local = LocalL1::new();
        assert_eq!(local.settlement().to_string(), "0x5FbDB2315678afecb367f032d93F642f64180aa3");
        assert_eq!(local.deployment(), DEPLOYMENT);
    }
}
