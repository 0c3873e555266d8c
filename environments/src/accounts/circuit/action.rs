//! One action in-circuit: its kind, and the rules by which it is well-formed. A malformed action is in no block.

use bridge::asset::ASSET_BITS;
use circuits::{
    Builder, Witness,
    amount::enforce_amount,
    constrain::Constrain,
    integer::is_less,
    layout::{self, WitnessError},
};
use plonky2::iop::target::{BoolTarget, Target};

use crate::accounts::{address::LIMB_BITS, transaction::ActionFields};

/// Bits of the number of an asset within its environment.
const LOCAL_BITS: usize = 32;

/// Bits of a kind.
const KIND_BITS: usize = 2;

/// An action.
pub(super) struct ActionTarget {
    /// What it asks for.
    pub(super) fields: ActionFields<Target>,
}

/// What an action is; exactly one flag is set.
#[derive(Clone, Copy)]
pub(super) struct Kinds {
    pub(super) transfer: BoolTarget,
    pub(super) swap: BoolTarget,
    pub(super) add: BoolTarget,
    pub(super) remove: BoolTarget,
}

/// A well-formed action.
#[derive(Clone, Copy)]
pub(super) struct WellFormed {
    pub(super) fields: ActionFields<Target>,
    pub(super) kinds: Kinds,
    /// Whether the first asset named is the smaller one.
    pub(super) ordered: BoolTarget,
}

impl ActionTarget {
    /// Fresh targets.
    pub(super) fn new_virtual(builder: &mut Builder) -> Self {
        Self { fields: layout::new_virtual(builder) }
    }

    /// Assigns an action.
    pub(super) fn set_targets(
        &self,
        witness: &mut Witness,
        action: &ActionFields,
    ) -> Result<(), WitnessError> {
        layout::set(witness, &self.fields, action)
    }

    /// Enforces the rules of [`ActionFields`]' table, and those of
    /// [`Transaction::check`](crate::accounts::transaction::Transaction::check).
    pub(super) fn well_formed(&self, builder: &mut Builder) -> WellFormed {
        let fields = self.fields;
        let kinds = kinds_circuit(builder, fields.kind);
        let Kinds { transfer, swap, .. } = kinds;

        // A receiver is an address, and only a transfer has one. Four limbs do not sum to a multiple of p.
        for limb in fields.to {
            builder.enforce_range(limb, LIMB_BITS);
        }
        let to = builder.add_many(fields.to);
        let of_no_transfer = builder.not(transfer);
        enforce_zero_if(builder, of_no_transfer, to);

        // Assets exist. Only a transfer has no second one.
        let local_in = local_circuit(builder, fields.asset_in);
        let local_out = local_circuit(builder, fields.asset_out);
        let zero = builder.zero();
        let none_in = builder.is_equal(local_in, zero);
        builder.enforce_zero(none_in.target);
        let none_out = builder.is_equal(local_out, zero);
        builder.enforce_equal(none_out.target, transfer.target);
        enforce_zero_if(builder, transfer, fields.asset_out);

        // Two assets differ; those of liquidity stand in order.
        let same = builder.is_equal(fields.asset_in, fields.asset_out);
        builder.enforce_zero(same.target);
        let ordered = is_less(builder, fields.asset_in, fields.asset_out, ASSET_BITS);
        let disordered = builder.not(ordered);
        let of_liquidity = builder.or(kinds.add, kinds.remove);
        enforce_zero_if(builder, of_liquidity, disordered.target);

        // The amount is not 0; it is in range, as every action divides it. Limits are in range, and 0 where there is none.
        let nothing = builder.is_equal(fields.amount, zero);
        builder.enforce_zero(nothing.target);
        enforce_amount(builder, fields.limit_a);
        enforce_amount(builder, fields.limit_b);
        enforce_zero_if(builder, transfer, fields.limit_a);
        let without_second = builder.or(transfer, swap);
        enforce_zero_if(builder, without_second, fields.limit_b);

        WellFormed { fields, kinds, ordered }
    }
}

/// The flags of [`Kind`](crate::accounts::transaction::Kind). The decomposition enforces that there is such a kind.
fn kinds_circuit(builder: &mut Builder, kind: Target) -> Kinds {
    let bits = builder.split_le(kind, KIND_BITS);
    let (low, high) = (bits[0], bits[1]);
    let [no_low, no_high] = [low, high].map(|bit| builder.not(bit));
    Kinds {
        transfer: builder.and(no_low, no_high),
        swap: builder.and(low, no_high),
        add: builder.and(no_low, high),
        remove: builder.and(low, high),
    }
}

/// If `condition` then `value = 0`.
#[track_caller]
fn enforce_zero_if(builder: &mut Builder, condition: BoolTarget, value: Target) {
    let masked = builder.mul(condition.target, value);
    builder.enforce_zero(masked);
}

/// The number of an asset within its environment; 0 if there is no such asset. The decomposition enforces that the name
/// has its bits.
fn local_circuit(builder: &mut Builder, asset: Target) -> Target {
    let bits = builder.split_le(asset, ASSET_BITS);
    builder.le_sum(bits[..LOCAL_BITS].iter())
}
