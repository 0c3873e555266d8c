//! The message sent.

use circuits_core::{
    Builder, Digest, DigestTarget,
    constrain::{Constrain, DigestOps},
};

use super::{flags::masked_digest, targets::TransactionTargets};

/// The hash of the message, zero if there is none. It moves an amount that is not 0, whose range and lane are
/// enforced with all others.
pub(super) fn message_circuit(builder: &mut Builder, targets: &TransactionTargets) -> DigestTarget {
    let Some(send) = &targets.send else { return builder.constant_digest(Digest::ZERO) };
    let zero = builder.zero();
    let is_zero = builder.is_equal(send.amount, zero);
    let nothing = builder.and(send.used, is_zero);
    builder.enforce_zero(nothing.target);
    let hash = send.message_hash_circuit(builder, [targets.chain_id, targets.environment], &targets.account);
    masked_digest(builder, send.used, hash)
}
