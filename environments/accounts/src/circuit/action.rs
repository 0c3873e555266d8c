//! One action in-circuit: its kind, and the rules of well-formed actions. No block holds a malformed one.

use bridge_core::asset::ASSET_BITS;
use circuits_core::{
    Builder, Witness,
    amount::enforce_amount,
    constrain::Constrain,
    integer::is_less,
    layout::{self, WitnessError},
};
use plonky2::iop::target::{BoolTarget, Target};

use crate::{address::LIMB_BITS, transaction::ActionFields};

/// Bits of the number of an asset within its environment.
const LOCAL_BITS: usize = 32;

/// Bits of a kind.
const KIND_BITS: usize = 3;

/// An action.
pub(super) struct ActionTarget {
    /// The fields of the action, as the prover chose them.
    pub(super) fields: ActionFields<Target>,
}

/// The kind of an action; exactly one flag is set.
#[derive(Clone, Copy)]
pub(super) struct Kinds {
    pub(super) transfer: BoolTarget,
    pub(super) swap: BoolTarget,
    pub(super) add: BoolTarget,
    pub(super) remove: BoolTarget,
    pub(super) bridge: BoolTarget,
    /// Whether it trades with a pool: a swap, or a change of liquidity.
    pub(super) of_pool: BoolTarget,
}

/// A well-formed action.
#[derive(Clone, Copy)]
pub(super) struct WellFormed {
    pub(super) fields: ActionFields<Target>,
    pub(super) kinds: Kinds,
    /// Whether the first asset named is the smaller one.
    pub(super) ordered: BoolTarget,
    /// The destination of a message.
    pub(super) destination: Target,
    /// The last superblock in which it may be claimed.
    pub(super) deadline: Target,
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
    /// [`Transaction::check`](crate::transaction::Transaction::check).
    pub(super) fn well_formed(&self, builder: &mut Builder, environment: Target) -> WellFormed {
        let fields = self.fields;
        let kinds = kinds_circuit(builder, fields.kind);
        let Kinds { transfer, bridge, of_pool, .. } = kinds;
        let no_bridge = builder.not(bridge);

        // A receiver is an address; a message's recipient is the destination's concern. Four limbs do not sum
        // to a multiple of p.
        let limbs = fields.to.map(|limb| builder.mul(no_bridge.target, limb));
        for limb in limbs {
            builder.enforce_range(limb, LIMB_BITS);
        }
        let to = builder.add_many(limbs);
        enforce_zero_if(builder, of_pool, to);

        // Assets exist. A transfer has no second one; a message has its destination and deadline there.
        let (_, local_in) = asset_circuit(builder, fields.asset_in);
        let (destination, local_out) = asset_circuit(builder, fields.asset_out);
        let zero = builder.zero();
        let none_in = builder.is_equal(local_in, zero);
        builder.enforce_zero(none_in.target);
        let none_out = builder.is_equal(local_out, zero);
        let none_out = builder.and(no_bridge, none_out);
        builder.enforce_equal(none_out.target, transfer.target);
        enforce_zero_if(builder, transfer, fields.asset_out);

        // A message leaves the environment.
        let to_itself = builder.is_equal(destination, environment);
        enforce_zero_if(builder, bridge, to_itself.target);

        // Two assets differ; those of liquidity are in order.
        let same = builder.is_equal(fields.asset_in, fields.asset_out);
        enforce_zero_if(builder, no_bridge, same.target);
        let ordered = is_less(builder, fields.asset_in, fields.asset_out, ASSET_BITS);
        let disordered = builder.not(ordered);
        let of_liquidity = builder.or(kinds.add, kinds.remove);
        enforce_zero_if(builder, of_liquidity, disordered.target);

        // The amount is not 0; it is in range, because every action divides it. Limits are in range, and 0 for actions
        // that have none.
        let nothing = builder.is_equal(fields.amount, zero);
        builder.enforce_zero(nothing.target);
        enforce_amount(builder, fields.limit_a);
        enforce_amount(builder, fields.limit_b);
        let without_first = builder.not(of_pool);
        enforce_zero_if(builder, without_first, fields.limit_a);
        let without_second = builder.not(of_liquidity);
        enforce_zero_if(builder, without_second, fields.limit_b);

        WellFormed { fields, kinds, ordered, destination, deadline: local_out }
    }
}

/// The flags of [`Kind`](crate::transaction::Kind). The decomposition enforces that the kind exists.
fn kinds_circuit(builder: &mut Builder, kind: Target) -> Kinds {
    let bits = builder.split_le(kind, KIND_BITS);
    let (low, high, bridge) = (bits[0], bits[1], bits[2]);
    let of_pool = builder.or(low, high);
    enforce_zero_if(builder, bridge, of_pool.target);
    let single = builder.not(of_pool);
    let [no_low, no_high, no_bridge] = [low, high, bridge].map(|bit| builder.not(bit));
    Kinds {
        transfer: builder.and(single, no_bridge),
        swap: builder.and(low, no_high),
        add: builder.and(no_low, high),
        remove: builder.and(low, high),
        bridge,
        of_pool,
    }
}

/// If `condition` then `value = 0`.
#[track_caller]
fn enforce_zero_if(builder: &mut Builder, condition: BoolTarget, value: Target) {
    let masked = builder.mul(condition.target, value);
    builder.enforce_zero(masked);
}

/// The environment of an asset, and its number there; 0 if there is no such asset. The decomposition enforces
/// that the name has its bits.
fn asset_circuit(builder: &mut Builder, asset: Target) -> (Target, Target) {
    let bits = builder.split_le(asset, ASSET_BITS);
    let (local, origin) = bits.split_at(LOCAL_BITS);
    (builder.le_sum(origin.iter()), builder.le_sum(local.iter()))
}
