//! What an action does to a pool.
//!
//! | kind | first asset of the pool | second asset of the pool | shares | limits |
//! |---|---|---|---|---|
//! | swap | + sold or - bought | - bought or + sold | 0 | bought at least `limit_a`, and something |
//! | add | + ceil(shares * reserve / all shares) | the same | + shares | at most `limit_a`, `limit_b` |
//! | add, pool absent | + `limit_a` | + `limit_b` | + shares + locked = `limit_a` | neither is 0 |
//! | remove | - floor(shares * reserve / all shares) | the same | - shares | at least `limit_a`, `limit_b` |
//!
//! Every quotient is at most 2^58 and every change of a reserve is checked by its range, so every action has a proof,
//! even on a pool that is absent, whose fields are all 0.

use circuits_core::{
    Builder, F,
    amount::AMOUNT_BITS,
    constrain::DigestOps,
    division::{SATURATED, mul_div_circuit},
    integer::{is_less, is_nonzero},
};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use super::{
    action::{Kinds, WellFormed},
    balances::change_circuit,
};
use crate::pool::{MINIMUM_SHARES, PoolFields, SWAP_FEE, SWAP_FEE_WHOLE};

/// An action's effect on a pool.
pub(super) struct Trade {
    /// The pool's record after.
    pub(super) after: PoolFields<Target>,
    /// What the sender pays or gets of the pool's first asset; of the asset bought, for a swap.
    pub(super) first: Target,
    /// What the sender pays or gets of the pool's second asset; not for a swap.
    pub(super) second: Target,
    /// Whether the pool allows it.
    pub(super) possible: BoolTarget,
}

/// The effect of an action on `pool`, which is all 0 but its assets if it is `absent`. A transfer ignores it.
pub(super) fn trade_circuit(
    builder: &mut Builder,
    action: &WellFormed,
    pool: &PoolFields<Target>,
    absent: BoolTarget,
    pool_count: Target,
) -> Trade {
    let WellFormed { fields, kinds, ordered, .. } = *action;
    let Kinds { swap, add, remove, .. } = kinds;
    let (amount, zero) = (fields.amount, builder.zero());

    // There are two divisions. Liquidity takes one for each asset. A swap takes the second one for its fee, which is rounded up
    // and stays in the pool, and sells the rest in the first one:
    // bought = reserve_out * sold / (reserve_in + sold).
    let [fee, whole] = [SWAP_FEE, SWAP_FEE_WHOLE].map(|value| builder.constant_u64(value));
    let of = builder.select(swap, amount, pool.reserve_b);
    let times = builder.select(swap, fee, amount);
    let by = builder.select(swap, whole, pool.shares);
    let second = mul_div_circuit(builder, of, times, by);
    let sold = builder.sub(amount, second.ceil);
    let reserve_in = builder.select(ordered, pool.reserve_a, pool.reserve_b);
    let reserve_out = builder.select(ordered, pool.reserve_b, pool.reserve_a);
    let reserve_sold = builder.add(reserve_in, sold);
    let of = builder.select(swap, reserve_out, pool.reserve_a);
    let times = builder.select(swap, sold, amount);
    let by = builder.select(swap, reserve_sold, pool.shares);
    let first = mul_div_circuit(builder, of, times, by);

    // The maker of the pool pays the limits exactly, and gets the shares that are not locked.
    let makes = builder.and(add, absent);
    let paid_first = builder.select(makes, fields.limit_a, first.ceil);
    let paid_second = builder.select(makes, fields.limit_b, second.ceil);
    let first = builder.select(add, paid_first, first.floor);
    let second = builder.select(add, paid_second, second.floor);
    let minted = builder.mul_const_add(F::from_canonical_u64(MINIMUM_SHARES), makes.target, amount);
    let is_price = builder.is_equal(minted, fields.limit_a);
    let gives_second = is_nonzero(builder, fields.limit_b);
    let well_made = builder.and(is_price, gives_second);

    // The reserves and the shares stay amounts.
    let for_first = builder.select(ordered, amount, first);
    let for_second = builder.select(ordered, first, amount);
    let change_a = builder.select(swap, for_first, first);
    let change_b = builder.select(swap, for_second, second);
    let change_shares = builder.select(swap, zero, minted);
    let disordered = builder.not(ordered);
    let [takes_first, takes_second] = [disordered, ordered].map(|sells| builder.and(swap, sells));
    let debit_a = builder.or(takes_first, remove);
    let debit_b = builder.or(takes_second, remove);
    let change_a = change_circuit(builder, pool.reserve_a, change_a, debit_a);
    let change_b = change_circuit(builder, pool.reserve_b, change_b, debit_b);
    let change_shares = change_circuit(builder, pool.shares, change_shares, remove);

    // A pool that is absent can only be made; a swap buys something.
    let no_add = builder.not(add);
    let missing = builder.and(absent, no_add);
    let not_well_made = builder.not(well_made);
    let badly_made = builder.and(makes, not_well_made);
    let something = is_nonzero(builder, first);
    let nothing = builder.not(something);
    let buys_nothing = builder.and(swap, nothing);
    // The locked shares stay.
    let shares = builder.add(pool.shares, change_shares.delta);
    let some_shares = is_nonzero(builder, shares);
    let no_shares = builder.not(some_shares);
    let emptied = builder.and(remove, no_shares);
    let within =
        [is_within(builder, add, first, fields.limit_a), is_within(builder, add, second, fields.limit_b)];
    let faults = [missing, badly_made, buys_nothing, emptied];
    let conditions = faults.map(|fault| builder.not(fault)).into_iter().chain(within);
    let ranges = [&change_a, &change_b, &change_shares].map(|change| change.possible);
    let all: Vec<_> = conditions.chain(ranges).collect();

    let number = builder.select(absent, pool_count, pool.number);
    let after = PoolFields {
        number,
        reserve_a: builder.add(pool.reserve_a, change_a.delta),
        reserve_b: builder.add(pool.reserve_b, change_b.delta),
        shares,
        ..*pool
    };
    Trade { after, first, second, possible: all_circuit(builder, &all) }
}

/// Whether `moved`, which is at most 2^58, respects the sender's limit: a maximum for a payment, else a minimum.
fn is_within(builder: &mut Builder, pays: BoolTarget, moved: Target, limit: Target) -> BoolTarget {
    // A value that is not an amount is above every limit, as the largest amount is.
    let saturated = builder.constant_u64(SATURATED);
    let is_saturated = builder.is_equal(moved, saturated);
    let received = builder.sub(moved, is_saturated.target);
    let low = builder.select(pays, limit, received);
    let high = builder.select(pays, moved, limit);
    let exceeded = is_less(builder, low, high, AMOUNT_BITS);
    builder.not(exceeded)
}

/// Whether all flags are set.
pub(super) fn all_circuit(builder: &mut Builder, flags: &[BoolTarget]) -> BoolTarget {
    let start = builder._true();
    flags.iter().fold(start, |all, &flag| builder.and(all, flag))
}
