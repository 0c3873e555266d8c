//! Whether what is deployed is what superblocks will be made with: before anything is sent, and afterwards as L1 has it.

use std::{collections::BTreeSet, fmt::Display};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use circuits_core::Digest;
use circuits_protocol::registry::{EnvironmentId, Registry};

use super::{DeployError, Plan, ProgramKeys, steps::Transactions};
use crate::{
    abi::{
        AccessManager::hasRoleCall,
        Settlement::{
            authorityCall, deploymentCall, entryZeroCall, isBatcherCall, nextRegistryRootCall,
            registryTreeCall, routerCall, stateOfCall,
        },
        SuperblockVerifier::outerDigestCall,
    },
    contract::Contract,
    deployment::deployment_id,
    embedded::Embedded,
    l1::{At, Call, L1, L1Error},
    roles::ADMINISTRATOR_ID,
    wallet::Wallet,
};

impl Plan {
    /// Compares the kernels of environment 0 in the registry, and what the verifiers verify, with the program's.
    pub(super) fn check(&self, registry: &Registry) -> Result<(), DeployError> {
        let Some(ProgramKeys { kernels, outer_digest }) = &self.program else { return Ok(()) };
        let entry = registry.entry(EnvironmentId::L1)?;
        let found: Vec<_> = entry.kernels.iter().map(|kernel| kernel.key).collect();
        let set = |digests: &[Digest]| digests.iter().copied().collect::<BTreeSet<_>>();
        if set(&found) != set(kernels) {
            return Err(DeployError::OtherKernels { expected: kernels.clone(), found });
        }
        for code in &self.verifiers {
            let (expected, found) = (*outer_digest, outer_digest_of(code)?);
            if found != expected {
                return Err(DeployError::OtherVerifier { expected, found });
            }
        }
        Ok(())
    }
}

/// What the verifier that this code creates verifies. It is created for that, on a network in this process.
fn outer_digest_of(code: &Bytes) -> Result<B256, L1Error> {
    let from = Address::repeat_byte(1);
    let l1 = Embedded::new(1, &[(from, U256::MAX >> 1)]);
    let receipt = l1.execute(&Call { from, to: None, value: U256::ZERO, input: code.clone() })?;
    let contract = Contract { l1: &l1, address: receipt.created.unwrap_or_default() };
    Ok(contract.view(&outerDigestCall {}, At::Latest)?.unwrap_or_default())
}

/// Compares what contracts say of themselves.
struct Compared<'a> {
    l1: &'a dyn L1,
}

impl Compared<'_> {
    fn check<C: SolCall, T: PartialEq + Display>(
        &self,
        address: Address,
        call: &C,
        what: &'static str,
        expected: T,
        of: impl Fn(C::Return) -> T,
    ) -> Result<(), DeployError> {
        let answer = Contract { l1: self.l1, address }.view(call, At::Latest)?;
        let found = answer.map(of);
        if found.as_ref() == Some(&expected) {
            return Ok(());
        }
        let found = found.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
        Err(DeployError::OtherContract { contract: address, what, expected: expected.to_string(), found })
    }
}

impl Transactions {
    /// Compares the contracts on L1 with what was sent. What governors may have changed since is compared only if something `is_new`.
    pub(super) fn check(&self, wallet: &Wallet<'_>, plan: &Plan, is_new: bool) -> Result<(), DeployError> {
        let (compared, settlement) = (Compared { l1: wallet.l1 }, self.settlement);
        let deployment = deployment_id(wallet.chain_id, settlement);
        let genesis = &stateOfCall { number: 0 };
        compared.check(settlement, &deploymentCall {}, "deployment", deployment, |found| found)?;
        compared.check(settlement, &authorityCall {}, "authority", self.access_manager, |found| found)?;
        compared.check(settlement, &routerCall {}, "router", self.router, |found| found)?;
        compared
            .check(settlement, &registryTreeCall {}, "registry tree", self.registry_tree, |found| found)?;
        compared.check(settlement, genesis, "genesis", self.genesis, |found| found)?;
        if let Some(program) = &plan.program {
            for &verifier in &self.verifiers {
                let expected = program.outer_digest;
                compared.check(verifier, &outerDigestCall {}, "outer digest", expected, |found| found)?;
            }
        }
        if !is_new {
            return Ok(());
        }
        compared.check(settlement, &entryZeroCall {}, "entry 0", self.leaf, |found| found)?;
        compared.check(settlement, &nextRegistryRootCall {}, "registry root", self.root, |found| found)?;
        for &account in &plan.batchers {
            compared.check(settlement, &isBatcherCall { account }, "batcher's role", true, |found| found)?;
        }
        let admin = plan.admin.unwrap_or(wallet.address());
        for (account, expected) in [(admin, true), (wallet.address(), admin == wallet.address())] {
            let call = hasRoleCall { roleId: ADMINISTRATOR_ID, account };
            let what = "administrator's role";
            compared.check(self.access_manager, &call, what, expected, |found| found.isMember)?;
        }
        Ok(())
    }
}
