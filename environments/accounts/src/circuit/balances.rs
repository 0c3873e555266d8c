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
//! product is not 0         1        1        0        0
//! the slot                 0        0        1        0       where it becomes 0
//! ```

use circuits_core::{
    Builder, F,
    amount::AMOUNT_BITS,
    constrain::DigestOps,
    integer::{is_less, is_nonzero},
};
use environments_core::vault::VAULT_SLOTS;
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use crate::account::RESERVED_SLOTS;

/// The slots of a vault, an (asset, amount) pair each.
pub(super) type VaultTarget = [Target; 2 * VAULT_SLOTS];

/// Bits of a number of slots without the fee asset's.
const SLOT_BITS: usize = VAULT_SLOTS.ilog2() as usize;

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
    let clear = builder.not(top);
    let possible = builder.select(debit, top.target, clear.target);
    Change { delta, possible: BoolTarget::new_unsafe(possible) }
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
    let missing = is_nonzero(builder, all[VAULT_SLOTS - 1]);
    let held = builder.not(missing);
    let sought = builder.mul(held.target, asset);

    let mut sought_before = builder._true();
    let here: [Target; VAULT_SLOTS] = products_circuit(builder, vault, sought).map(|product| {
        let sought_after = is_nonzero(builder, product);
        let here = builder.sub(sought_before.target, sought_after.target);
        sought_before = sought_after;
        here
    });
    let found = builder.not(sought_before);

    let mut balance = zero;
    for (slot, &here) in here.iter().enumerate() {
        balance = builder.mul_add(here, vault[2 * slot + 1], balance);
    }
    let change = change_circuit(builder, balance, amount, debit);
    let possible = builder.and(found, change.possible);
    let delta = builder.mul(possible.target, change.delta);

    // A slot that holds nothing names no asset; the fee asset keeps its slot.
    let after = builder.add(balance, delta);
    let named = is_nonzero(builder, after);
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
    let taken: [Target; VAULT_SLOTS - 1] =
        std::array::from_fn(|slot| is_nonzero(builder, vault[2 * (slot + 1)]).target);
    let taken = builder.add_many(taken);
    let public = builder.constant_u64((VAULT_SLOTS - 1 - RESERVED_SLOTS) as u64);
    is_less(builder, taken, public, SLOT_BITS)
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
