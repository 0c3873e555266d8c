//! One action in-circuit: its kind, and the rules of well-formed actions. No block holds a malformed one.

use bridge_core::asset::ASSET_BITS;
use circuits_core::{
    Builder, F, Witness,
    amount::enforce_amount,
    constrain::Constrain,
    integer::{is_less, is_nonzero},
    layout::{self, WitnessError},
    trees::{ShortLimb, canonical_split},
};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use crate::{
    address::{LIMB_BITS, LIMBS},
    transaction::ActionFields,
    typed_data::{ACTION_TYPES, ADDRESS_WORDS, ActionWords, Parts, WORD_BITS, join_circuit, parts_circuit},
};

/// Bits of the number of an asset within its environment.
const LOCAL_BITS: usize = 32;

/// Bits of the low word of an asset's six bytes.
const ASSET_LOW_BITS: usize = 16;
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
    /// The two assets in order.
    pub(super) pair: [ShortLimb; 2],
    /// The address of the receiver; the lowest bits of its elements if they are none.
    pub(super) receiver: [ShortLimb; LIMBS],
    /// The destination of a message.
    pub(super) destination: Target,
    /// The last superblock in which it may be claimed.
    pub(super) deadline: Target,
    /// The type as which it is signed, by number.
    pub(super) is_type: [BoolTarget; ACTION_TYPES],
    /// The words in which it is signed.
    pub(super) words: ActionWords,
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
    /// The prover knows the low words of amount and limits.
    pub(super) fn well_formed(
        &self,
        builder: &mut Builder,
        environment: Target,
        lows: &[Target; 3],
    ) -> WellFormed {
        let fields = self.fields;
        let kinds = kinds_circuit(builder, fields.kind);
        let Kinds { transfer, bridge, of_pool, .. } = kinds;
        let no_bridge = builder.not(bridge);

        // Assets exist. A transfer has no second one; a message has its destination and deadline there.
        let sold = asset_circuit(builder, fields.asset_in);
        let bought = asset_circuit(builder, fields.asset_out);
        let (local_in, local_out, destination) = (sold.local, bought.local, bought.origin);
        let some_in = is_nonzero(builder, local_in);
        builder.enforce_true(some_in);
        let some_out = is_nonzero(builder, local_out);
        let none_out = builder.not(some_out);
        let none_out = builder.and(no_bridge, none_out);
        builder.enforce_equal(none_out.target, transfer.target);
        enforce_zero_if(builder, transfer, fields.asset_out);

        // A message leaves the environment.
        let to_itself = builder.is_equal(destination, environment);
        enforce_zero_if(builder, bridge, to_itself.target);

        // A receiver is an address, and so is a recipient on L1; elsewhere it is the destination's concern. Four limbs do not
        // sum to a multiple of p.
        let not_to_l1 = is_nonzero(builder, destination);
        let elsewhere = builder.and(bridge, not_to_l1);
        let withdraw = BoolTarget::new_unsafe(builder.sub(bridge.target, elsewhere.target));
        let names_address = builder.not(elsewhere);
        let receiver = receiver_circuit(builder, &fields.to);
        for (limb, element) in receiver.limbs.into_iter().zip(fields.to) {
            builder.enforce_equal_if(names_address, limb.target(), element);
        }
        let to = builder.add_many(fields.to);
        enforce_zero_if(builder, of_pool, to);

        // Two assets differ; those of liquidity are in order.
        let same = builder.is_equal(fields.asset_in, fields.asset_out);
        enforce_zero_if(builder, no_bridge, same.target);
        let ordered = is_less(builder, fields.asset_in, fields.asset_out, ASSET_BITS);
        let disordered = builder.not(ordered);
        let pair = [(sold.name, bought.name), (bought.name, sold.name)]
            .map(|(a, b)| ShortLimb::select(builder, ordered, a, b));
        let of_liquidity = builder.or(kinds.add, kinds.remove);
        enforce_zero_if(builder, of_liquidity, disordered.target);

        // The amount is not 0; it is in range, because every action divides it. Limits are in range, and 0 for actions
        // that have none.
        let something = is_nonzero(builder, fields.amount);
        builder.enforce_true(something);
        enforce_amount(builder, fields.limit_a);
        enforce_amount(builder, fields.limit_b);
        let amounts = [fields.amount, fields.limit_a, fields.limit_b];
        let amounts = std::array::from_fn(|i| amount_words_circuit(builder, amounts[i], lows[i]));
        let without_first = builder.not(of_pool);
        enforce_zero_if(builder, without_first, fields.limit_a);
        let without_second = builder.not(of_liquidity);
        enforce_zero_if(builder, without_second, fields.limit_b);

        let Kinds { transfer, swap, add, remove, .. } = kinds;
        let words = ActionWords {
            to: receiver.address,
            recipient: receiver.words,
            assets: [sold.words, bought.words],
            amounts,
            destination,
            deadline: local_out,
        };
        let is_type = [transfer, swap, add, remove, elsewhere, withdraw];
        let (receiver, deadline) = (receiver.limbs, local_out);
        WellFormed { fields, kinds, ordered, pair, receiver, destination, deadline, is_type, words }
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

/// An asset in parts.
struct AssetParts {
    /// All of it.
    name: ShortLimb,
    /// The environment that issues it.
    origin: Target,
    /// Its number there; 0 if there is no such asset.
    local: Target,
    /// Its six bytes, the last word with zeros after them.
    words: [Target; 2],
}

/// The parts of an asset. The decomposition enforces that the name has its bits.
fn asset_circuit(builder: &mut Builder, asset: Target) -> AssetParts {
    let (name, bits) = ShortLimb::split(builder, asset, ASSET_BITS);
    let Parts { high: origin, low: local } = parts_circuit(builder, asset, &bits, LOCAL_BITS);
    let Parts { high, low } = parts_circuit(builder, asset, &bits, ASSET_LOW_BITS);
    let low = builder.mul_const(F::from_canonical_u64(1 << (WORD_BITS - ASSET_LOW_BITS)), low);
    AssetParts { name, origin, local, words: [high, low] }
}

/// The words of an amount, high word first, of which the prover knows the low one. That both have 32 bits follows where they
/// are hashed. Two pairs of such words have the amount's value in the field: its own, and if it is below `2^32 - 1` those of
/// its sum with the field's order, whose high word is `2^32 - 1`.
pub(super) fn amount_words_circuit(builder: &mut Builder, amount: Target, low: Target) -> [Target; 2] {
    let (one, scale) = (builder.one(), F::from_canonical_u64(1 << WORD_BITS).inverse());
    let high = builder.arithmetic(-scale, scale, one, low, amount);
    let below_largest = builder.add_const(high, -F::from_canonical_u64((1 << WORD_BITS) - 1));
    let within = is_nonzero(builder, below_largest);
    builder.enforce_true(within);
    [high, low]
}

/// Who receives something: an address as its limbs, or four elements in another environment's terms.
struct Receiver {
    /// The elements without what is above the bits of a limb.
    limbs: [ShortLimb; LIMBS],
    /// The words of the elements, high words first.
    words: [[Target; 2]; LIMBS],
    /// The words of the address, if the elements are limbs.
    address: [Target; ADDRESS_WORDS],
}

/// Splits what names a receiver.
///
/// ```text
/// limb       [ 8 |     32     ][ 8 |     32     ][ 8 |     32     ][ 8 |     32     ]
/// word       [     32     ][     32     ][     32     ][     32     ][     32     ]
/// ```
fn receiver_circuit(builder: &mut Builder, to: &[Target; LIMBS]) -> Receiver {
    let extra = LIMB_BITS - WORD_BITS;
    let (one, zero) = (builder.one(), builder.zero());
    let shift = F::from_canonical_u64(1 << extra);
    let no_limb = ShortLimb::constant(builder, 0);
    let mut receiver = Receiver { limbs: [no_limb; _], words: [[zero; 2]; _], address: [zero; _] };
    // The bits of the limb before that are in this limb's word.
    let mut rest = zero;
    for (i, &element) in to.iter().enumerate() {
        let split = canonical_split(builder, element);
        let ([_, low], bits) = (split.words(), split.bits());
        receiver.words[i] = split.words();
        let (limb, top) = split.lowest(builder, LIMB_BITS);
        receiver.limbs[i] = limb;
        let start = builder.arithmetic(shift, F::ONE, one, rest, top);
        let left = extra * (i + 1);
        if left == WORD_BITS {
            (receiver.address[i], receiver.address[i + 1]) = (start, low);
            break;
        }
        let low = parts_circuit(builder, low, &bits[..WORD_BITS], left);
        receiver.address[i] = join_circuit(builder, start, WORD_BITS - left, low.high);
        rest = low.low;
    }
    receiver
}
