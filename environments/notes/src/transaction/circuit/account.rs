//! The account before the transaction.

use circuits_core::{
    Builder, DigestTarget,
    constrain::{Constrain, DigestOps},
};

use super::{flags::masked_digest, targets::TransactionTargets};
use crate::account::{Vault, account_hash_circuit, account_id_circuit, vault_hash};

/// The account's hash before. It is zero for a new account, whose id is derived and which has no history and no assets.
pub(super) fn account_before_circuit(builder: &mut Builder, targets: &TransactionTargets) -> DigestTarget {
    let TransactionTargets { is_new, salt, account, .. } = targets;
    let (chain_id, environment) = (targets.chain_id, targets.environment);
    let id = account_id_circuit(builder, chain_id, environment, account.authorisation, *salt);
    builder.enforce_digest_equal_if(*is_new, account.id, id);
    let zero = builder.zero();
    builder.enforce_equal_if(*is_new, account.nonce, zero);
    let empty = builder.constant_digest(vault_hash(&Vault::default()));
    builder.enforce_digest_equal_if(*is_new, account.vault, empty);

    let hash = account_hash_circuit(builder, account);
    let exists = builder.not(*is_new);
    masked_digest(builder, exists, hash)
}
