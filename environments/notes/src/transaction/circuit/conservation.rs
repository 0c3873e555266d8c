//! Nothing is made or lost.
//!
//! ```text
//! vault, inputs, outputs, message and fee meet in 4 lanes, one asset each
//!
//!   input  i ──one-hot──┐                          ┌──one-hot── output j, message
//!                       ├── lane k: before + in = after + out + message + fee
//!   fee ────one-hot─────┘          │
//!                                  └── one-hot: the slot of the vault that holds the lane's asset,
//!                                               or an empty one if no slot holds it
//!
//! Lanes are applied to the vault one after the other. Each conserves its asset, so their order and whether two of them
//! name one asset do not matter. An asset that is in no lane does not move.
//! ```

use circuits_core::{Builder, amount::enforce_amount, constrain::Constrain, integer::HEIGHT_BITS};
use plonky2::iop::target::{BoolTarget, Target};

use super::{flags::sum, targets::TransactionTargets};
use crate::{account::VAULT_SLOTS, note::NoteFields};

/// `sum(flags[i] * values[i])`.
fn dot(builder: &mut Builder, flags: &[BoolTarget], values: &[Target]) -> Target {
    let zero = builder.zero();
    flags.iter().zip(values).fold(zero, |total, (flag, &value)| builder.mul_add(flag.target, value, total))
}

/// Amounts and heights are in range. Those of consumed notes were when the notes were made, and are checked again so
/// that conservation rests on this circuit alone.
pub(super) fn enforce_ranges(builder: &mut Builder, targets: &TransactionTargets) {
    enforce_amount(builder, targets.fee);
    builder.enforce_range(targets.not_before, HEIGHT_BITS);
    builder.enforce_range(targets.valid_until, HEIGHT_BITS);
    for input in &targets.inputs {
        enforce_amount(builder, input.note.amount);
        builder.enforce_range(input.note.height, HEIGHT_BITS);
    }
    for output in &targets.outputs {
        enforce_amount(builder, output.note.amount);
        builder.enforce_range(output.note.height, HEIGHT_BITS);
    }
    if let Some(send) = &targets.send {
        enforce_amount(builder, send.amount);
    }
    for [_, amount] in targets.vault {
        enforce_amount(builder, amount);
    }
}

/// Conservation; see the module's drawing. Returns the vault after.
pub(super) fn enforce_conservation(
    builder: &mut Builder,
    targets: &TransactionTargets,
    made: &[NoteFields<Target>],
) -> [[Target; 2]; VAULT_SLOTS] {
    for input in &targets.inputs {
        let count = sum(builder, &input.lanes);
        builder.enforce_equal(count, input.used.target);
    }
    for output in &targets.outputs {
        let count = sum(builder, &output.lanes);
        builder.enforce_equal(count, output.used.target);
    }
    if let Some(send) = &targets.send {
        let count = sum(builder, &send.lanes);
        builder.enforce_equal(count, send.used.target);
    }
    // A fee that is not 0 is in one lane.
    let fee_flags: Vec<_> = targets.lanes.iter().map(|lane| lane.pays_fee).collect();
    let count = sum(builder, &fee_flags);
    let one = builder.one();
    let missing = builder.sub(count, one);
    let unpaid = builder.mul(missing, targets.fee);
    builder.enforce_zero(unpaid);

    let mut vault = targets.vault;
    for (k, lane) in targets.lanes.iter().enumerate() {
        for input in &targets.inputs {
            builder.enforce_equal_if(input.lanes[k], input.note.asset, lane.asset);
        }
        for (output, note) in targets.outputs.iter().zip(made) {
            builder.enforce_equal_if(output.lanes[k], note.asset, lane.asset);
        }
        if let Some(send) = &targets.send {
            builder.enforce_equal_if(send.lanes[k], send.asset, lane.asset);
        }
        builder.enforce_equal_if(lane.pays_fee, targets.fee_asset, lane.asset);

        // The slot holds the lane's asset, or nothing.
        let one = builder.one();
        let count = sum(builder, &lane.slots);
        builder.enforce_equal(count, one);
        let assets = vault.map(|[asset, _]| asset);
        let amounts = vault.map(|[_, amount]| amount);
        let slot_asset = dot(builder, &lane.slots, &assets);
        let before = dot(builder, &lane.slots, &amounts);
        let other_asset = builder.sub(slot_asset, lane.asset);
        let occupied = builder.mul(other_asset, slot_asset);
        builder.enforce_zero(occupied);
        let not_nothing = builder.mul(other_asset, before);
        builder.enforce_zero(not_nothing);

        // No other slot holds it: no vault has one asset in two slots. Every slot "holds" the asset 0 of a lane that is not
        // used.
        let mut elsewhere = vec![];
        for (asset, here) in assets.into_iter().zip(lane.slots) {
            let holds = builder.is_equal(asset, lane.asset);
            let away = builder.not(here);
            elsewhere.push(builder.and(holds, away));
        }
        let count = sum(builder, &elsewhere);
        let twice = builder.mul(count, lane.asset);
        builder.enforce_zero(twice);

        // before + inputs = after + outputs + message + fee: at most 12 amounts.
        let flags: Vec<_> = targets.inputs.iter().map(|input| input.lanes[k]).collect();
        let values: Vec<_> = targets.inputs.iter().map(|input| input.note.amount).collect();
        let received = dot(builder, &flags, &values);
        let flags: Vec<_> = targets.outputs.iter().map(|output| output.lanes[k]).collect();
        let values: Vec<_> = made.iter().map(|note| note.amount).collect();
        let mut sent = dot(builder, &flags, &values);
        if let Some(send) = &targets.send {
            sent = builder.mul_add(send.lanes[k].target, send.amount, sent);
        }
        let spent = builder.mul_add(lane.pays_fee.target, targets.fee, sent);
        let available = builder.add(before, received);
        let after = builder.sub(available, spent);
        enforce_amount(builder, after);

        // A slot that holds nothing names no asset.
        let zero = builder.zero();
        let is_empty = builder.is_equal(after, zero);
        let named = builder.not(is_empty);
        let asset_after = builder.mul(named.target, lane.asset);
        for ([asset, amount], &here) in vault.iter_mut().zip(&lane.slots) {
            *asset = builder.select(here, asset_after, *asset);
            *amount = builder.select(here, after, *amount);
        }
    }
    vault
}
