//! Who may do what with the contracts, and how long in advance it is announced: `bridge/contracts/roles.json`, as calls of
//! OpenZeppelin's AccessManager.

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes, FixedBytes, keccak256};
use alloy_sol_types::SolCall;
use serde::Deserialize;
use thiserror::Error;

use crate::abi::AccessManager::{
    grantRoleCall, multicallCall, renounceRoleCall, setGrantDelayCall, setRoleAdminCall, setRoleGuardianCall,
    setTargetAdminDelayCall, setTargetFunctionRoleCall,
};

const ROLES: &str = include_str!("../../../bridge/contracts/roles.json");
/// The role that settles.
const BATCHER: &str = "batcher";
/// The role that grants all others: AccessManager's own, whose id is 0.
const ADMINISTRATOR: &str = "administrator";
/// Its id.
pub(crate) const ADMINISTRATOR_ID: u64 = 0;
const SETTLEMENT: &str = "Settlement";
const VERIFIER_ROUTER: &str = "VerifierRouter";

/// The embedded list of roles is malformed.
#[derive(Debug, Error)]
pub enum RoleError {
    #[error("roles.json is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Something names a role that there is not.
    #[error("roles.json names the role {0}, which it does not list")]
    Unknown(String),
    /// A function is of a contract that there is not.
    #[error("roles.json lists functions of {0}, which is none of the contracts with roles")]
    UnknownContract(String),
}

/// The roles of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Roles {
    roles: BTreeMap<String, Role>,
    /// Seconds between the announcement that a function's role changes, or that a contract is closed, and the change.
    pub target_admin_delay: u32,
    /// Of each contract: the signatures of functions, and the role that may call them.
    functions: BTreeMap<String, BTreeMap<String, String>>,
}

/// A role. Delays are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Role {
    /// Its name in the AccessManager.
    pub id: u64,
    /// The role that grants and revokes it; the administrator if there is none.
    #[serde(default)]
    pub admin: Option<String>,
    /// The role that cancels what its members announce; the administrator if there is none.
    #[serde(default)]
    pub guardian: Option<String>,
    /// How long its members announce each call.
    pub execution_delay: u32,
    /// From the grant to the membership.
    pub grant_delay: u32,
}

/// Who and what the roles are for.
#[derive(Clone, Debug)]
pub struct Parties<'a> {
    pub settlement: Address,
    pub router: Address,
    pub batchers: &'a [Address],
    /// Gets all other roles.
    pub admin: Address,
    /// Is the administrator until the roles are set.
    pub deployer: Address,
}

impl Roles {
    /// The committed ones.
    ///
    /// # Errors
    /// [`RoleError`], which no release has.
    pub fn embedded() -> Result<Self, RoleError> {
        let roles: Self = serde_json::from_str(ROLES)?;
        let others = roles.roles.values().flat_map(|role| role.admin.iter().chain(&role.guardian));
        for name in others.chain(roles.functions.values().flat_map(BTreeMap::values)) {
            roles.role(name)?;
        }
        Ok(roles)
    }

    /// The role of this name.
    ///
    /// # Errors
    /// [`RoleError::Unknown`]
    pub fn role(&self, name: &str) -> Result<&Role, RoleError> {
        self.roles.get(name).ok_or_else(|| RoleError::Unknown(name.to_owned()))
    }

    /// The call of a new AccessManager that sets all of it, in one transaction of its deployer. A new manager grants at once, and its
    /// delays of grants and of targets take effect after its own setback of five days.
    ///
    /// # Errors
    /// [`RoleError`], which no release has.
    pub fn setup(&self, parties: &Parties<'_>) -> Result<multicallCall, RoleError> {
        let mut calls = Calls::default();
        let administrator = self.role(ADMINISTRATOR)?;
        for (contract, functions) in &self.functions {
            let target = match contract.as_str() {
                SETTLEMENT => parties.settlement,
                VERIFIER_ROUTER => parties.router,
                _ => return Err(RoleError::UnknownContract(contract.clone())),
            };
            for (name, role) in &self.roles {
                let of_role = functions.iter().filter(|(_, holder)| *holder == name);
                let selectors: Vec<_> = of_role.map(|(signature, _)| selector(signature)).collect();
                if !selectors.is_empty() {
                    calls.push(&setTargetFunctionRoleCall { target, selectors, roleId: role.id });
                }
            }
            calls.push(&setTargetAdminDelayCall { target, newDelay: self.target_admin_delay });
        }
        for (name, role) in self.roles.iter().filter(|(name, _)| *name != ADMINISTRATOR) {
            let admin = [parties.admin];
            let members = if name == BATCHER { parties.batchers } else { &admin };
            for &account in members {
                calls.push(&grantRoleCall { roleId: role.id, account, executionDelay: role.execution_delay });
            }
            // From here on the deployer no longer grants it.
            if let Some(admin) = &role.admin {
                calls.push(&setRoleAdminCall { roleId: role.id, admin: self.role(admin)?.id });
            }
            if let Some(guardian) = &role.guardian {
                calls.push(&setRoleGuardianCall { roleId: role.id, guardian: self.role(guardian)?.id });
            }
            calls.push(&setGrantDelayCall { roleId: role.id, newDelay: role.grant_delay });
        }
        let &Role { id, execution_delay, grant_delay, .. } = administrator;
        calls.push(&setGrantDelayCall { roleId: id, newDelay: grant_delay });
        // Last, because the administrator has to announce whatever comes afterwards.
        calls.push(&grantRoleCall { roleId: id, account: parties.admin, executionDelay: execution_delay });
        if parties.admin != parties.deployer {
            calls.push(&renounceRoleCall { roleId: id, callerConfirmation: parties.deployer });
        }
        Ok(multicallCall { data: calls.0 })
    }
}

#[derive(Default)]
struct Calls(Vec<Bytes>);

impl Calls {
    fn push(&mut self, call: &impl SolCall) {
        self.0.push(call.abi_encode().into());
    }
}

fn selector(signature: &str) -> FixedBytes<4> {
    let digest = keccak256(signature);
    FixedBytes([digest[0], digest[1], digest[2], digest[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedded() -> Roles {
        Roles::embedded().expect("well-formed")
    }

    #[test]
    fn batchers_settle_and_do_nothing_else() {
        let roles = embedded();
        let functions: Vec<_> = roles
            .functions
            .values()
            .flatten()
            .filter(|(_, holder)| *holder == BATCHER)
            .map(|(signature, _)| signature)
            .collect();
        assert_eq!(functions.len(), 1);
        assert!(functions[0].starts_with("settle("));
        // Whoever has to announce a superblock settles as a stranger does.
        assert_eq!(roles.role(BATCHER).expect("listed").execution_delay, 0);
    }

    #[test]
    fn the_administrator_is_the_managers_own() {
        let administrator = embedded().role(ADMINISTRATOR).expect("listed").clone();
        assert_eq!(
            (administrator.id, administrator.admin, administrator.guardian),
            (ADMINISTRATOR_ID, None, None)
        );
    }

    #[test]
    fn a_role_that_is_not_listed_is_named() {
        let mut roles = embedded();
        roles.roles.get_mut(BATCHER).expect("listed").admin = Some("nobody".to_owned());
        let parties = Parties {
            settlement: Address::ZERO,
            router: Address::ZERO,
            batchers: &[],
            admin: Address::ZERO,
            deployer: Address::ZERO,
        };
        assert!(matches!(roles.setup(&parties), Err(RoleError::Unknown(name)) if name == "nobody"));
        let functions = roles.functions.remove(SETTLEMENT).expect("listed");
        roles.functions.insert("Another".to_owned(), functions);
        assert!(matches!(roles.setup(&parties), Err(RoleError::UnknownContract(name)) if name == "Another"));
    }
}
