//! Which role may call which function of the contracts: `bridge/contracts/roles.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

const ROLES: &str = include_str!("../../../bridge/contracts/roles.json");
/// The role that settles.
const BATCHER: &str = "batcher";

/// The embedded list of roles is malformed.
#[derive(Debug, Error)]
pub enum RoleError {
    #[error("roles.json is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A function belongs to a role that there is not.
    #[error("roles.json gives a function to the role {0}, which it does not list")]
    Unknown(String),
}

/// A role and the functions of one contract that it may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub name: String,
    pub id: u64,
    /// The name of the contract.
    pub contract: String,
    /// Signatures.
    pub functions: Vec<String>,
}

impl Role {
    /// Whether its members settle.
    #[must_use]
    pub fn is_batchers(&self) -> bool {
        self.name == BATCHER
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    roles: BTreeMap<String, u64>,
    functions: BTreeMap<String, BTreeMap<String, String>>,
}

/// All roles, once for each contract in which they may call something.
///
/// # Errors
/// [`RoleError`], which no release has.
pub fn roles() -> Result<Vec<Role>, RoleError> {
    let file: File = serde_json::from_str(ROLES)?;
    let mut found = BTreeMap::<(String, String), Role>::new();
    for (contract, functions) in file.functions {
        for (signature, name) in functions {
            let id = *file.roles.get(&name).ok_or_else(|| RoleError::Unknown(name.clone()))?;
            let role = found.entry((contract.clone(), name.clone())).or_insert_with(|| Role {
                name,
                id,
                contract: contract.clone(),
                functions: vec![],
            });
            role.functions.push(signature);
        }
    }
    Ok(found.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batchers_settle_and_do_nothing_else() {
        let roles = roles().expect("well-formed");
        let batchers: Vec<_> = roles.iter().filter(|role| role.is_batchers()).collect();
        assert_eq!(batchers.len(), 1);
        assert_eq!(batchers[0].functions.len(), 1);
        assert!(batchers[0].functions[0].starts_with("settle("));
    }
}
