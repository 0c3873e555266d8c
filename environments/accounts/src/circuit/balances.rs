//! Balances in-circuit: the twin of [`Balances`](crate::account::Balances).
//!
//! A change takes the first slot that holds `t`, where `t` is the asset if any slot holds it, else 0, the mark
//! of an empty slot. Products of differences find it without a hint:
//!
//! ```text
//! slot                     0 (fee)  1        2        3
//! asset                    f        u        0        0
//! difference to t = 0      f        u        0        0
//! product so far           f        f u      0        0       never leaves 0 again
//! product is 0             0        0        1        1
//! the slot                 0        0        1        0       where it becomes 0
//! ```

use circuits_core::{Builder, F, amount::AMOUNT_BITS, constrain::DigestOps, integer::is_less};
use environments_core::vault::VAULT_SLOTS;
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use crate::account::RESERVED_SLOTS;

/// The slots of a vault, an (asset, amount) pair each.
pub(super) type VaultTarget = [Target; 2 * VAULT_SLOTS];

/// Bits of a number of empty slots, of which the fee asset's is never one.
const EMPTY_BITS: usize = VAULT_SLOTS.ilog2() as usize;

/// A change of a balance.
pub(super) struct Change {
    /// What it adds; below 0 for a debit.
    pub(super) delta: Target,
    /// Whether the balance stays an amount.
    pub(super) possible: BoolTarget,
}

/// Adds or takes `amount`, which is at most `2^58`, to or from `balance`, which is below.
///
/// ```text
/// credit   balance + amount          in [0, 2^59)   possible if bit 58 is 0
/// debit    balance - amount + 2^58   in [0, 2^59)   possible if bit 58 is 1
/// ```
pub(super) fn change_circuit(
    builder: &mut Builder,
    balance: Target,
    amount: Target,
    debit: BoolTarget,
) -> Change {
    let negative = builder.neg(amount);
    let delta = builder.select(debit, negative, amount);
    let after = builder.add(balance, delta);
    let offset = F::from_canonical_u64(1 << AMOUNT_BITS);
    let shifted = builder.mul_const_add(offset, debit.target, after);
    let top = builder.split_le(shifted, AMOUNT_BITS + 1)[AMOUNT_BITS];
    Change { delta, possible: builder.is_equal(top.target, debit.target) }
}

/// A change of a vault.
pub(super) struct VaultChange {
    /// The vault after it; as before if the change is not possible.
    pub(super) vault: VaultTarget,
    /// Whether a slot holds the asset before.
    pub(super) held: BoolTarget,
    /// Whether there is a slot, whose balance stays an amount.
    pub(super) possible: BoolTarget,
}

/// Adds or takes `amount`, which is at most `2^58`, of `asset`, which is not 0.
pub(super) fn change_vault_circuit(
    builder: &mut Builder,
    vault: &VaultTarget,
    asset: Target,
    amount: Target,
    debit: BoolTarget,
) -> VaultChange {
    let zero = builder.zero();
    let all = products_circuit(builder, vault, asset);
    let held = builder.is_equal(all[VAULT_SLOTS - 1], zero);
    let sought = builder.mul(held.target, asset);

    let mut seen = zero;
    let here: [Target; VAULT_SLOTS] = products_circuit(builder, vault, sought).map(|product| {
        let found = builder.is_equal(product, zero).target;
        let here = builder.sub(found, seen);
        seen = found;
        here
    });
    let found = BoolTarget::new_unsafe(seen);

    let mut balance = zero;
    for (slot, &here) in here.iter().enumerate() {
        balance = builder.mul_add(here, vault[2 * slot + 1], balance);
    }
    let change = change_circuit(builder, balance, amount, debit);
    let possible = builder.and(found, change.possible);
    let delta = builder.mul(possible.target, change.delta);

    // A slot that holds nothing names no asset; the fee asset keeps its slot.
    let after = builder.add(balance, delta);
    let is_empty = builder.is_equal(after, zero);
    let named = builder.not(is_empty);
    let name = builder.mul(named.target, asset);
    let renamed = builder.sub(name, sought);
    let renamed = builder.mul(possible.target, renamed);
    let mut changed = *vault;
    for (slot, &here) in here.iter().enumerate() {
        if slot > 0 {
            changed[2 * slot] = builder.mul_add(here, renamed, vault[2 * slot]);
        }
        changed[2 * slot + 1] = builder.mul_add(here, delta, vault[2 * slot + 1]);
    }
    VaultChange { vault: changed, held, possible }
}

/// Whether others may open a slot: more than [`RESERVED_SLOTS`] are empty.
pub(super) fn is_open_circuit(builder: &mut Builder, vault: &VaultTarget) -> BoolTarget {
    let zero = builder.zero();
    let empty: [Target; VAULT_SLOTS - 1] =
        std::array::from_fn(|slot| builder.is_equal(vault[2 * (slot + 1)], zero).target);
    let empty = builder.add_many(empty);
    let reserved = builder.constant_u64(RESERVED_SLOTS as u64);
    is_less(builder, reserved, empty, EMPTY_BITS)
}

/// The products of the differences between `asset` and the assets of the slots up to each: 0 from the first
/// slot on that holds it.
fn products_circuit(builder: &mut Builder, vault: &VaultTarget, asset: Target) -> [Target; VAULT_SLOTS] {
    let mut product = builder.constant_u64(1);
    std::array::from_fn(|slot| {
        let difference = builder.sub(vault[2 * slot], asset);
        product = builder.mul(product, difference);
        product
    })
}
