//! Notes created, and the swaps that they settle.

use circuits_core::{
    Builder, DigestTarget,
    constrain::{Constrain, DigestOps},
};
use plonky2::iop::target::{BoolTarget, Target};

use super::{flags::sum, targets::TransactionTargets};
use crate::note::{NoteFields, output_serial_circuit, swap_serial_circuit};

/// Every swap that is owed is settled by exactly one output, which is what its maker requests; nothing else is
/// settled.
pub(super) fn enforce_settlements(builder: &mut Builder, targets: &TransactionTargets, owed: &[BoolTarget]) {
    for (i, input) in targets.inputs.iter().enumerate() {
        let settled_by: Vec<_> = targets.outputs.iter().map(|output| output.settles[i]).collect();
        let count = sum(builder, &settled_by);
        builder.enforce_equal(count, owed[i].target);
        let zero = builder.zero();
        for output in &targets.outputs {
            let settles = output.settles[i];
            builder.enforce_equal_if(settles, output.note.asset, input.note.requested_asset);
            builder.enforce_equal_if(settles, output.note.amount, input.note.requested_amount);
            builder.enforce_equal_if(settles, output.note.kind, zero);
            builder.enforce_digest_equal_if(settles, output.note.target, input.note.sender);
        }
    }
    for output in &targets.outputs {
        let count = sum(builder, &output.settles);
        builder.enforce_bool(BoolTarget::new_unsafe(count));
        let unused = builder.not(output.used);
        let settles_unused = builder.mul(count, unused.target);
        builder.enforce_zero(settles_unused);
    }
}

/// The notes created, with the sender and serial that the kernel gives them.
pub(super) fn outputs_circuit(
    builder: &mut Builder,
    targets: &TransactionTargets,
    nullifiers: &[DigestTarget],
) -> Vec<NoteFields<Target>> {
    let swap_serials: Vec<_> =
        nullifiers.iter().map(|&nullifier| swap_serial_circuit(builder, nullifier)).collect();
    let sender = targets.account.id;
    let outputs = targets.outputs.iter().enumerate();
    outputs
        .map(|(j, output)| {
            let own = output_serial_circuit(builder, sender, targets.account.nonce, j);
            let serial = output
                .settles
                .iter()
                .zip(&swap_serials)
                .fold(own, |serial, (&settles, &swap)| builder.select_digest(settles, swap, serial));
            // A note that pays has no other terms, so that the account paid can reconstruct it.
            let zero = builder.zero();
            let pays = builder.is_equal(output.note.kind, zero);
            let NoteFields { height, requested_asset, requested_amount, .. } = output.note;
            for term in [height, requested_asset, requested_amount] {
                builder.enforce_equal_if(pays, term, zero);
            }
            NoteFields { sender, serial, ..output.note }
        })
        .collect()
}
