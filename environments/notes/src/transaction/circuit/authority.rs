//! Who may move the account, and how.

use circuits_core::{
    Builder, Digest,
    constrain::{Constrain, DigestOps},
};
use plonky2::iop::target::Target;

use super::targets::{AuthorityTargets, TransactionTargets};
use crate::{
    note::NoteFields,
    policy::{ExchangeFields, FILL_BITS, RATE_BITS, exchange_authorisation_circuit},
    transaction::statement::MAX_INPUTS,
};

/// The account's authorisation is a secret that the prover knows, or an order whose owner's secret the prover knows or that
/// the transaction follows.
pub(super) fn enforce_authority(
    builder: &mut Builder,
    targets: &TransactionTargets,
    made: &[NoteFields<Target>],
) {
    match &targets.authority {
        AuthorityTargets::Local { owns_order, order, .. } => {
            let owned = exchange_authorisation_circuit(builder, order);
            let authorisation = builder.select_digest(*owns_order, owned, order.owner);
            builder.enforce_digest_equal(authorisation, targets.account.authorisation);
        }
        AuthorityTargets::Exchange { order, fills } => {
            let authorisation = exchange_authorisation_circuit(builder, order);
            builder.enforce_digest_equal(authorisation, targets.account.authorisation);
            enforce_exchange(builder, targets, made, order, fills);
        }
    }
}

/// Input `i` is a deposit of the asset given, with no output `i`; or it is `fills[i] * per` of the asset taken,
/// and output `i` pays its sender `fills[i] * pays` of the asset given. There are no other outputs and no fee,
/// and the kernel has no targets for a message. A note without a sender, which was a message or collected fees, fills
/// nothing: there is nobody to be paid.
pub(super) fn enforce_exchange(
    builder: &mut Builder,
    targets: &TransactionTargets,
    made: &[NoteFields<Target>],
    order: &ExchangeFields<Target>,
    fills: &[Target; MAX_INPUTS],
) {
    builder.enforce_zero(targets.fee);
    builder.enforce_range(order.pays, RATE_BITS);
    builder.enforce_range(order.per, RATE_BITS);
    let nobody = builder.constant_digest(Digest::ZERO);
    for (i, input) in targets.inputs.iter().enumerate() {
        let (output, note) = (&targets.outputs[i], &made[i]);
        let is_given = builder.is_equal(input.note.asset, order.gives);
        let not_given = builder.not(is_given);
        let is_fill = builder.and(input.used, not_given);
        builder.enforce_equal(output.used.target, is_fill.target);
        let has_no_sender = builder.digests_equal(input.note.sender, nobody);
        let pays_nobody = builder.and(is_fill, has_no_sender);
        builder.enforce_zero(pays_nobody.target);

        // Below 2^32 * 2^26: the products are amounts and cannot wrap.
        builder.enforce_range(fills[i], FILL_BITS);
        let price = builder.mul(fills[i], order.per);
        let payment = builder.mul(fills[i], order.pays);
        builder.enforce_equal_if(is_fill, input.note.asset, order.takes);
        builder.enforce_equal_if(is_fill, input.note.amount, price);
        builder.enforce_equal_if(is_fill, note.asset, order.gives);
        builder.enforce_equal_if(is_fill, note.amount, payment);
        let zero = builder.zero();
        builder.enforce_equal_if(is_fill, note.kind, zero);
        builder.enforce_digest_equal_if(is_fill, note.target, input.note.sender);
    }
}
