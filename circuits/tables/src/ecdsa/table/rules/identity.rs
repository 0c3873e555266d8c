//! Identities between 256-bit integers modulo the field prime or the group order.
//!
//! Each of a row's three slots shows `E = (q - 2^258) m` over the integers, where `E` is a sum of products of
//! limbs, `m` the modulus and `q` a quotient of 260 bits; the offset stands for negative quotients. Both sides
//! are polynomials in `X = 2^13` with 39 coefficients. In groups of three they are carried like digits of base
//! `2^39`:
//!
//! ```text
//! group_i + carry_(i-1) = 2^39 carry_i,   carry_(-1) = carry_12 = 0,   carry = low + 2^11 high - 2^23
//! ```
//!
//! Limbs and parts of carries are below `2^13`, so a coefficient is below `2^34`, a group below `2^61` and
//! `2^39 carry` below `2^62.1`: nothing wraps modulo the Goldilocks prime, and the identity holds over the
//! integers. A test computes these bounds from this code.

use super::words_of_limbs;
use crate::{
    ecdsa::table::{
        columns::{CARRIES, LIMB_BITS, LIMBS, Row, SLOTS},
        limbs::{BETA, HALF_ORDER, LAMBDA, Limbs, Modulus, ORDER_MINUS_1, limbs},
    },
    table::system::{System, When},
};

/// Coefficients of a product of two integers in limbs.
pub const COEFFICIENTS: usize = 2 * LIMBS - 1;
/// The limb of `2^258`.
const OFFSET: i64 = 1 << (258 - LIMB_BITS * (LIMBS - 1));

/// One side of an identity.
type Polynomial<V> = [V; COEFFICIENTS];

/// The identities of a row, without their quotients.
pub struct Identities<V> {
    /// `E` of each slot.
    pub values: [Polynomial<V>; SLOTS],
    /// Whether `m` is the field prime.
    pub prime: [V; SLOTS],
    /// Whether `m` is the group order.
    pub order: [V; SLOTS],
}

pub(super) fn enforce<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    let identities = identities(s, row, next);
    for slot in 0..SLOTS {
        let difference = subtract_multiple(s, row, &identities, slot);
        for group in groups(s, row, slot, &difference) {
            s.zero("an identity holds", When::Always, group);
        }
    }
}

/// What the three slots state:
///
/// ```text
///            slot 0                            slot 1                       slot 2
/// chord      lambda (tx - x) = ty - y          x' = lambda^2 - x - tx       y' = lambda (x - x') - y
/// tangent    lambda 2y = 3 x^2                 x' = lambda^2 - 2x           y' = lambda (x - x') - y
/// key        lambda = x^2                      lambda x + 7 = y^2           x' = beta x
/// end        x = y'            (mod n)         y' + q = n - 1 (integers)    x' + q = (n - 1) / 2 (integers)
/// scalars    x LAMBDA = x'     (mod n)         x a1 + x' a2 = y' (mod n)    x b1 + x' b2 = y     (mod n)
/// ```
///
/// In the last two rows `x`, `y`, `x'`, `y'` are the numbers of a signature, see [`Row`]: `r = x(R)`, `r` and
/// `s` are in range, and `v = s lambda`, `s a1 + v a2 = hash`, `s b1 + v b2 = r`, so the scalars of the sum are
/// `hash / s` and `r / s`. Every other row states `0 = 0` modulo the field prime.
pub fn identities<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) -> Identities<S::Value> {
    let zero = s.int(0);
    let point = s.add(row.chord, row.tangent);
    let scalars_or_end = s.add(row.scalars, row.end);
    let prime_first = s.not(scalars_or_end);
    let mut slots = [[zero; COEFFICIENTS]; SLOTS];
    slope(s, row, next, &mut slots[0]);
    first_coordinate(s, row, next, point, &mut slots[1]);
    second_coordinate(s, row, next, point, &mut slots[2]);
    Identities {
        values: slots,
        prime: [prime_first; SLOTS],
        order: [scalars_or_end, row.scalars, row.scalars],
    }
}

fn slope<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>, slot: &mut Polynomial<S::Value>) {
    let constant = limbs(&LAMBDA);
    let doubled = s.add(row.tangent, row.tangent);
    let squares = s.times_add(-3, row.tangent, row.key);
    let run: [_; LIMBS] = std::array::from_fn(|j| {
        let run = s.sub(row.tx[j], row.x[j]);
        let run = s.mul(row.chord, run);
        s.mul_add(doubled, row.y[j], run)
    });
    let factor: [_; LIMBS] = std::array::from_fn(|j| {
        let square = s.mul(squares, row.x[j]);
        s.times_add(constant[j], row.scalars, square)
    });
    add_product(s, slot, &row.lambda, &run);
    add_product(s, slot, &row.x, &factor);
    let key_negated = negate(s, row.key);
    let scalars_negated = negate(s, row.scalars);
    for (j, slot) in slot[..LIMBS].iter_mut().enumerate() {
        let rise = s.sub(row.y[j], row.ty[j]);
        let equal = s.sub(row.x[j], next.y[j]);
        *slot = s.mul_add(row.chord, rise, *slot);
        *slot = s.mul_add(key_negated, row.lambda[j], *slot);
        *slot = s.mul_add(scalars_negated, next.x[j], *slot);
        *slot = s.mul_add(row.end, equal, *slot);
    }
}

fn first_coordinate<S: System>(
    s: &mut S,
    row: &Row<S::Value>,
    next: &Row<S::Value>,
    point: S::Value,
    slot: &mut Polynomial<S::Value>,
) {
    let key_negated = negate(s, row.key);
    let scalars_negated = negate(s, row.scalars);
    let factor: [_; LIMBS] = std::array::from_fn(|j| {
        let slope = s.mul(point, row.lambda[j]);
        s.mul_add(row.key, row.x[j], slope)
    });
    add_product(s, slot, &row.lambda, &factor);
    let minus_y = row.y.map(|y| s.mul(key_negated, y));
    add_product(s, slot, &row.y, &minus_y);
    let a = next.lambda.map(|limb| s.mul(row.scalars, limb));
    add_product(s, slot, &row.x, &a[..LIMBS / 2]);
    add_product(s, slot, &next.x, &a[LIMBS / 2..]);
    let bound = limbs(&ORDER_MINUS_1);
    for j in 0..LIMBS {
        let sum = s.add(row.x[j], next.x[j]);
        let sum = s.mul(point, sum);
        let sum = s.mul_add(row.chord, row.tx[j], sum);
        let sum = s.mul_add(row.tangent, row.x[j], sum);
        slot[j] = s.sub(slot[j], sum);
        slot[j] = s.mul_add(scalars_negated, next.y[j], slot[j]);
        slot[j] = add_below(s, row, slot[j], next.y[j], row.quotient(1)[j], bound[j]);
    }
    slot[0] = s.times_add(7, row.key, slot[0]);
}

fn second_coordinate<S: System>(
    s: &mut S,
    row: &Row<S::Value>,
    next: &Row<S::Value>,
    point: S::Value,
    slot: &mut Polynomial<S::Value>,
) {
    let key_negated = negate(s, row.key);
    let scalars_negated = negate(s, row.scalars);
    let run: [_; LIMBS] = std::array::from_fn(|j| {
        let run = s.sub(row.x[j], next.x[j]);
        s.mul(point, run)
    });
    add_product(s, slot, &row.lambda, &run);
    let b = row.lambda.map(|limb| s.mul(row.scalars, limb));
    let beta = limbs(&BETA);
    let factor: [_; LIMBS] = std::array::from_fn(|j| {
        let b = if j < LIMBS / 2 { b[j] } else { s.int(0) };
        s.times_add(beta[j], row.key, b)
    });
    add_product(s, slot, &row.x, &factor);
    add_product(s, slot, &next.x, &b[LIMBS / 2..]);
    let bound = limbs(&HALF_ORDER);
    for j in 0..LIMBS {
        let sum = s.add(row.y[j], next.y[j]);
        let sum = s.mul(point, sum);
        slot[j] = s.sub(slot[j], sum);
        slot[j] = s.mul_add(key_negated, next.x[j], slot[j]);
        slot[j] = s.mul_add(scalars_negated, row.y[j], slot[j]);
        slot[j] = add_below(s, row, slot[j], next.x[j], row.quotient(2)[j], bound[j]);
    }
}

/// Adds `value + slack - bound`, whose sum over the limbs is 0 only if `value <= bound`.
fn add_below<S: System>(
    s: &mut S,
    row: &Row<S::Value>,
    sum: S::Value,
    value: S::Value,
    slack: S::Value,
    bound: i64,
) -> S::Value {
    let bound = s.int(bound);
    let difference = s.add(value, slack);
    let difference = s.sub(difference, bound);
    s.mul_add(row.end, difference, sum)
}

fn negate<S: System>(s: &mut S, value: S::Value) -> S::Value {
    let zero = s.int(0);
    s.sub(zero, value)
}

fn add_product<S: System>(s: &mut S, slot: &mut Polynomial<S::Value>, a: &[S::Value], b: &[S::Value]) {
    for (i, &a) in a.iter().enumerate() {
        for (j, &b) in b.iter().enumerate() {
            slot[i + j] = s.mul_add(a, b, slot[i + j]);
        }
    }
}

/// `E - (q - 2^258) m`. An identity without modulus, the comparisons, has its quotient in `E` itself.
fn subtract_multiple<S: System>(
    s: &mut S,
    row: &Row<S::Value>,
    identities: &Identities<S::Value>,
    slot: usize,
) -> Polynomial<S::Value> {
    let mut value = identities.values[slot];
    let (prime, order) = (identities.prime[slot], identities.order[slot]);
    let group_order = Modulus::order();
    // The coefficients of -m; the two moduli have their top in common.
    let low: [_; 10] = std::array::from_fn(|j| {
        let zero = s.int(0);
        let low = s.times_add(-Modulus::PRIME.low[j], prime, zero);
        s.times_add(-group_order.low[j], order, low)
    });
    let any = s.add(prime, order);
    let zero = s.int(0);
    let top = s.times_add(-Modulus::TOP, any, zero);
    let offset = s.int(OFFSET);
    for (i, &limb) in row.quotient(slot).iter().enumerate() {
        let limb = if i == LIMBS - 1 { s.sub(limb, offset) } else { limb };
        for (j, &low) in low.iter().enumerate() {
            value[i + j] = s.mul_add(limb, low, value[i + j]);
        }
        value[i + LIMBS - 1] = s.mul_add(limb, top, value[i + LIMBS - 1]);
    }
    value
}

/// What must be zero in each digit: the group with the carry in, less the carry out.
fn groups<S: System>(
    s: &mut S,
    row: &Row<S::Value>,
    slot: usize,
    value: &Polynomial<S::Value>,
) -> Vec<S::Value> {
    let groups = words_of_limbs(s, value);
    let offset = s.int(-(1 << 23));
    let carries: Vec<_> = (0..CARRIES)
        .map(|i| {
            let low = s.add(row.carry_low[slot * CARRIES + i], offset);
            s.times_add(1 << 11, row.carry_high[slot * CARRIES + i], low)
        })
        .collect();
    let carry_out = -(1_i64 << 39);
    (0..=CARRIES)
        .map(|i| {
            let with_carry = if i > 0 { s.add(groups[i], carries[i - 1]) } else { groups[i] };
            if i < CARRIES { s.times_add(carry_out, carries[i], with_carry) } else { with_carry }
        })
        .collect()
}

/// The quotient and the carries that satisfy an identity, if any do: division from the lowest digit on.
pub struct Division {
    /// The quotient, offset included.
    pub quotient: Limbs,
    /// The carries.
    pub carries: [i64; CARRIES],
}

impl Division {
    /// Divides `value + 2^258 modulus` by `modulus`.
    pub fn new(value: &[i64; COEFFICIENTS], modulus: &Modulus) -> Self {
        const MASK: i64 = (1 << LIMB_BITS) - 1;
        let mut rest = *value;
        let multiply = |rest: &mut [i64; COEFFICIENTS], i: usize, limb: i64| {
            for (j, low) in modulus.low.iter().enumerate() {
                rest[i + j] -= limb * low;
            }
            rest[i + LIMBS - 1] -= limb * Modulus::TOP;
        };
        multiply(&mut rest, LIMBS - 1, -OFFSET);
        let inverse = inverse_of_odd(modulus.low[0]);
        let mut quotient = [0; LIMBS];
        let mut carry = 0;
        for i in 0..LIMBS {
            let digit = rest[i] + carry;
            let limb = ((digit & MASK) * inverse) & MASK;
            quotient[i] = limb;
            multiply(&mut rest, i, limb);
            carry = (rest[i] + carry) >> LIMB_BITS;
        }
        Self { quotient, carries: carries(&rest) }
    }
}

/// The carries of an identity whose digits are `value`.
pub fn carries(value: &[i64; COEFFICIENTS]) -> [i64; CARRIES] {
    let mut carry = 0;
    std::array::from_fn(|i| {
        let group = (0..3).map(|j| value[3 * i + j] << (LIMB_BITS * j)).sum::<i64>();
        carry = (group + carry) >> 39;
        carry
    })
}

/// The inverse modulo `2^13`.
fn inverse_of_odd(value: i64) -> i64 {
    let mut inverse = value;
    for _ in 0..4 {
        inverse = inverse.wrapping_mul(2 - value.wrapping_mul(inverse) % (1 << 20)) % (1 << 20);
    }
    inverse & ((1 << LIMB_BITS) - 1)
}
