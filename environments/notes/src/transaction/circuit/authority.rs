//! Who may move the account, and how.

use circuits_core::{
    Builder, Digest,
    constrain::{Constrain, DigestOps},
};
use plonky2::iop::target::{BoolTarget, Target};

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
        AuthorityTargets::Exchange { order, fills, pays_fee } => {
            let authorisation = exchange_authorisation_circuit(builder, order);
            builder.enforce_digest_equal(authorisation, targets.account.authorisation);
            enforce_fee_inputs(builder, targets, pays_fee);
            enforce_exchange(builder, targets, made, order, fills, pays_fee);
        }
    }
}

/// Inputs that pay the fee are worth the fee, in the asset of fees: so the vault does not pay it.
fn enforce_fee_inputs(
    builder: &mut Builder,
    targets: &TransactionTargets,
    pays_fee: &[BoolTarget; MAX_INPUTS],
) {
    let mut paid = builder.zero();
    for (input, &pays) in targets.inputs.iter().zip(pays_fee) {
        let unused = builder.not(input.used);
        let pays_nothing = builder.and(pays, unused);
        builder.enforce_zero(pays_nothing.target);
        builder.enforce_equal_if(pays, input.note.asset, targets.fee_asset);
        paid = builder.mul_add(pays.target, input.note.amount, paid);
    }
    builder.enforce_equal(paid, targets.fee);
}

/// An input pays the fee, with no output of its number, or is traded:
///
/// | asset | then |
/// |---|---|
/// | given | a deposit, with no output |
/// | any other | `fills[i] * per` of the asset taken; output `i` pays its sender `fills[i] * pays` of the asset given |
///
/// There are no other outputs, and the kernel has no targets for a message. What the account has sent to others, or offered in
/// a swap, is no input: only its owner acts for it as a sender. A note without a sender, which was a message or
/// collected fees, fills nothing: there is nobody to be paid. A swap note is filled if what it requests is what the order
/// pays for it.
fn enforce_exchange(
    builder: &mut Builder,
    targets: &TransactionTargets,
    made: &[NoteFields<Target>],
    order: &ExchangeFields<Target>,
    fills: &[Target; MAX_INPUTS],
    pays_fee: &[BoolTarget; MAX_INPUTS],
) {
    builder.enforce_range(order.pays, RATE_BITS);
    builder.enforce_range(order.per, RATE_BITS);
    let nobody = builder.constant_digest(Digest::ZERO);
    for (i, input) in targets.inputs.iter().enumerate() {
        let (output, note) = (&targets.outputs[i], &made[i]);
        let is_given = builder.is_equal(input.note.asset, order.gives);
        let not_given = builder.not(is_given);
        let not_fee = builder.not(pays_fee[i]);
        let is_traded = builder.and(input.used, not_fee);
        let is_fill = builder.and(is_traded, not_given);
        builder.enforce_equal(output.used.target, is_fill.target);
        // What pays for one input settles no other: one note would pay for both.
        for (_, settles) in output.settles.iter().enumerate().filter(|(j, _)| *j != i) {
            builder.enforce_zero(settles.target);
        }
        // What the account has sent is its owner's to take back.
        let is_target = builder.digests_equal(input.note.target, targets.account.id);
        let not_target = builder.not(is_target);
        let is_sender = builder.digests_equal(input.note.sender, targets.account.id);
        let is_sent = builder.and(is_sender, not_target);
        let taken_back = builder.and(input.used, is_sent);
        builder.enforce_zero(taken_back.target);

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
