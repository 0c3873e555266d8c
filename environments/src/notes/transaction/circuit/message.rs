//! The message sent.

use circuits::{Builder, DigestTarget, constrain::Constrain};

use super::{masked_digest, targets::TransactionTargets};

/// The hash of the message, zero if there is none. It moves an amount that is not 0, whose range and lane are enforced with
/// all others.
pub(super) fn message_circuit(builder: &mut Builder, targets: &TransactionTargets) -> DigestTarget {
    let TransactionTargets { send, account, chain_id, environment, .. } = targets;
    let zero = builder.zero();
    let is_zero = builder.is_equal(send.amount, zero);
    let nothing = builder.and(send.used, is_zero);
    builder.enforce_zero(nothing.target);
    let hash = send.message_hash_circuit(builder, [*chain_id, *environment], account);
    masked_digest(builder, send.used, hash)
}
