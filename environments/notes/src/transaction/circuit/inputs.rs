//! Notes consumed: their scripts allow it, and they exist.

use circuits_core::{
    Builder, DigestTarget,
    constrain::{Constrain, DigestOps},
    integer::{HEIGHT_BITS, enforce_less_or_equal},
    trees::index_bits,
};
use plonky2::iop::target::BoolTarget;

use super::targets::{InputTargets, TransactionTargets};
use crate::state::TREE_DEPTH;

/// The script lets the account consume the note. Returns whether the note is a swap that the account must settle.
///
/// | kind | target | sender | then |
/// |---|---|---|---|
/// | pay | yes | any | ok |
/// | reclaim | yes | any | ok |
/// | reclaim | no | yes | ok if `height <= not_before` |
/// | swap | any | yes | ok |
/// | swap | any | no | an output settles it |
pub(super) fn enforce_script(
    builder: &mut Builder,
    targets: &TransactionTargets,
    input: &InputTargets,
) -> BoolTarget {
    let id = targets.account.id;
    let InputTargets { used, note, is_reclaim, is_swap, .. } = input;
    let both = builder.and(*is_reclaim, *is_swap);
    builder.enforce_zero(both.target);
    let two = builder.two();
    let kind = builder.mul_add(two, is_swap.target, is_reclaim.target);
    builder.enforce_equal(note.kind, kind);

    let is_target = builder.digests_equal(id, note.target);
    let is_sender = builder.digests_equal(id, note.sender);
    let not_target = builder.not(is_target);
    let not_sender = builder.not(is_sender);

    // Pay: the target only.
    let not_reclaim = builder.not(*is_reclaim);
    let not_swap = builder.not(*is_swap);
    let is_pay = builder.and(not_reclaim, not_swap);
    let pays = builder.and(*used, is_pay);
    let stranger = builder.and(pays, not_target);
    builder.enforce_zero(stranger.target);

    // Reclaim: the target, or the sender from the height on.
    let reclaims = builder.and(*used, *is_reclaim);
    let by_other = builder.and(reclaims, not_target);
    let stranger = builder.and(by_other, not_sender);
    builder.enforce_zero(stranger.target);
    let height = builder.mul(by_other.target, note.height);
    let not_before = builder.mul(by_other.target, targets.not_before);
    enforce_less_or_equal(builder, height, not_before, HEIGHT_BITS);

    // Swap: the sender, or anyone who settles it.
    let swaps = builder.and(*used, *is_swap);
    builder.and(swaps, not_sender)
}

/// An input is under the notes root, or the block finds it.
pub(super) fn enforce_opening(
    builder: &mut Builder,
    targets: &TransactionTargets,
    input: &InputTargets,
    commitment: DigestTarget,
) {
    let unused = builder.not(input.used);
    let free = builder.and(unused, input.unauthenticated);
    builder.enforce_zero(free.target);
    let bits = index_bits(builder, input.index, TREE_DEPTH);
    let root = input.path.root_circuit(builder, &bits, commitment);
    let opened = builder.sub(input.used.target, input.unauthenticated.target);
    builder.enforce_digest_equal_if(BoolTarget::new_unsafe(opened), root, targets.notes_root);
}
