//! What a transaction pays at least.

use circuits_core::{Builder, amount::enforce_amount, constrain::Constrain};

use super::{
    flags::sum,
    targets::{AuthorityTargets, TransactionTargets},
};

/// The transaction moves something, and pays for each note and for its message. The block binds the minimum fee.
///
/// By an order it pays no more: else whoever makes it could call a deposit of the order's owner an input that pays the fee.
pub(super) fn enforce_fee(builder: &mut Builder, targets: &TransactionTargets) {
    let inputs = targets.inputs.iter().map(|input| input.used);
    let outputs = targets.outputs.iter().map(|output| output.used);
    let message = targets.send.iter().map(|send| send.used);
    let moves: Vec<_> = inputs.chain(outputs).chain(message).collect();
    let moved = sum(builder, &moves);
    let zero = builder.zero();
    let moves_nothing = builder.is_equal(moved, zero);
    builder.enforce_zero(moves_nothing.target);

    let least = builder.mul(moved, targets.minimum_fee);
    match targets.authority {
        AuthorityTargets::Local { .. } => {
            let above = builder.sub(targets.fee, least);
            enforce_amount(builder, above);
        }
        AuthorityTargets::Exchange { .. } => builder.enforce_equal(targets.fee, least),
    }
}
