//! secp256k1's numbers: 256-bit integers in limbs, arithmetic modulo the field prime and the group order, and
//! constants.

use k256::{
    U256,
    elliptic_curve::bigint::{ArrayEncoding, const_monty_params, modular::ConstMontyForm},
};

use super::columns::{LIMB_BITS, LIMBS};

const_monty_params!(
    FieldPrime,
    U256,
    "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f",
    "The prime of the curve's field."
);
const_monty_params!(
    GroupOrder,
    U256,
    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
    "The order of the curve's group."
);

/// Integers modulo the field prime.
pub type Fp = ConstMontyForm<FieldPrime, { U256::LIMBS }>;
/// Integers modulo the group order.
pub type Fn = ConstMontyForm<GroupOrder, { U256::LIMBS }>;

/// The group order `n`.
pub const ORDER: U256 = U256::from_be_hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
/// `n - 1`.
pub const ORDER_MINUS_1: U256 =
    U256::from_be_hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140");
/// `(n - 1) / 2`.
pub const HALF_ORDER: U256 =
    U256::from_be_hex("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");
/// A cube root of 1 modulo the group order: `lambda (x, y) = (beta x, y)`.
pub const LAMBDA: U256 =
    U256::from_be_hex("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72");
/// A cube root of 1 modulo the field prime.
pub const BETA: U256 = U256::from_be_hex("7ae96a2b657c07106e64479eac3434e99cf0497512f58995c1396c28719501ee");

/// `2^256 - p`, which fits one word and is sparse in limbs: `2^32 + 977`.
pub const PRIME_COMPLEMENT: i64 = (1 << 32) + 977;

/// An integer in limbs, least significant first.
pub type Limbs = [i64; LIMBS];

/// The limbs of an integer.
pub fn limbs(value: &U256) -> Limbs {
    let words = value.to_words().map(u128::from);
    std::array::from_fn(|limb| {
        let bit = limb * LIMB_BITS;
        let high = words.get(bit / 64 + 1).copied().unwrap_or(0);
        let window = words[bit / 64] | high << 64;
        (window >> (bit % 64)) as i64 & ((1 << LIMB_BITS) - 1)
    })
}

/// The bytes of an integer, big-endian, as an integer.
pub fn from_bytes(bytes: &[u8; 32]) -> U256 {
    U256::from_be_byte_array((*bytes).into())
}

/// A modulus as a polynomial in `2^13` that is sparse at the top: `512 X^19 + sum of low_i X^i`, 512 X^19 being
/// `2^256`.
pub struct Modulus {
    /// Coefficients below `X^10`, not positive.
    pub low: [i64; 10],
}

impl Modulus {
    /// The coefficient of `X^19`.
    pub const TOP: i64 = 512;

    /// The field prime.
    pub const PRIME: Self = Self { low: [-977, 0, -64, 0, 0, 0, 0, 0, 0, 0] };

    /// The group order.
    pub fn order() -> Self {
        let complement = limbs(&ORDER.wrapping_neg());
        Self { low: std::array::from_fn(|i| -complement[i]) }
    }
}

/// A point in affine coordinates. Coordinates of forged points need not be reduced, nor on the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// First coordinate; 0 at infinity.
    pub x: U256,
    /// Second coordinate; 0 at infinity.
    pub y: U256,
    /// Whether it is the point at infinity.
    pub inf: bool,
}

impl Point {
    /// The point at infinity.
    pub const INFINITY: Self = Self { x: U256::ZERO, y: U256::ZERO, inf: true };
    /// The generator.
    pub const G: Self = Self {
        x: U256::from_be_hex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
        y: U256::from_be_hex("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"),
        inf: false,
    };

    /// `lambda` times the point.
    pub fn endomorphism(self) -> Self {
        Self { x: (Fp::new(&BETA) * Fp::new(&self.x)).retrieve(), ..self }
    }

    /// The negated point.
    pub fn negate(self) -> Self {
        Self { y: (-Fp::new(&self.y)).retrieve(), ..self }
    }

    /// The slope of the line through two points with different first coordinates.
    pub fn chord(self, other: Self) -> U256 {
        let run = Fp::new(&other.x) - Fp::new(&self.x);
        ((Fp::new(&other.y) - Fp::new(&self.y)) * inverse(run)).retrieve()
    }

    /// The slope of the tangent.
    pub fn tangent(self) -> U256 {
        let (x, y) = (Fp::new(&self.x), Fp::new(&self.y));
        let square = x * x;
        ((square + square + square) * inverse(y + y)).retrieve()
    }

    /// The third point, negated, of the line of slope `lambda` through the point and one with first coordinate `x`.
    pub fn along(self, lambda: &U256, x: &U256) -> Self {
        let lambda = Fp::new(lambda);
        let third = lambda * lambda - Fp::new(&self.x) - Fp::new(x);
        let y = lambda * (Fp::new(&self.x) - third) - Fp::new(&self.y);
        Self { x: third.retrieve(), y: y.retrieve(), inf: false }
    }
}

/// The inverse, or 0 of 0: a forged trace may ask for it.
fn inverse(value: Fp) -> Fp {
    Option::from(value.invert_vartime()).unwrap_or(Fp::ZERO)
}

/// The inverse modulo the group order, or 0 of 0.
pub fn inverse_scalar(value: Fn) -> Fn {
    Option::from(value.invert_vartime()).unwrap_or(Fn::ZERO)
}

/// Bits of a half-length scalar.
pub const SCALAR_BITS: usize = 129;

/// `(low, high)` with `low + lambda high = scalar` modulo the group order, both below `2^129`.
///
/// The lattice of pairs with `low + lambda high = 0` has the basis `(A1, -B1)`, `(A2, A1)`; so every class has
/// a member in the union of `[0, A2) x [0, B1)` and `[A2, A1 + A2) x [0, A1)`, whose area is the group order.
/// Rounding comes near to the origin; a neighbour is then in range.
pub fn split(scalar: &U256) -> (U256, U256) {
    const A1: U256 = U256::from_u128(0x3086_d221_a7d4_6bcd_e86c_90e4_9284_eb15);
    const B1: U256 = U256::from_u128(0xe443_7ed6_010e_8828_6f54_7fa9_0abf_e4c3);
    const A2: U256 = U256::from_be_hex("0000000000000000000000000000000114ca50f7a8e2f3f657c1108d9d44cfd8");
    // 2^384 A1 / n and 2^384 B1 / n, rounded.
    const G1: U256 = U256::from_be_hex("3086d221a7d46bcde86c90e49284eb153daa8a1471e8ca7fe893209a45dbb031");
    const G2: U256 = U256::from_be_hex("e4437ed6010e88286f547fa90abfe4c4221208ac9df506c61571b4ae8ac47f71");
    let quotient = |g: &U256| scalar.widening_mul(g).1.shr_vartime(128);
    let (c1, c2) = (quotient(&G1), quotient(&G2));
    let low = scalar.wrapping_sub(&c1.wrapping_mul(&A1)).wrapping_sub(&c2.wrapping_mul(&A2));
    let high = c1.wrapping_mul(&B1).wrapping_sub(&c2.wrapping_mul(&A1));
    // Negative numbers are large modulo 2^256.
    let times = |k: i64, value: &U256| {
        let product = value.wrapping_mul(&U256::from_u64(k.unsigned_abs()));
        if k < 0 { product.wrapping_neg() } else { product }
    };
    const NEAREST_FIRST: [i64; 5] = [0, 1, -1, 2, -2];
    let neighbours = NEAREST_FIRST.into_iter().flat_map(|i| NEAREST_FIRST.map(|j| (i, j)));
    neighbours
        .map(|(i, j)| {
            (
                low.wrapping_add(&times(i, &A1)).wrapping_add(&times(j, &A2)),
                high.wrapping_sub(&times(i, &B1)).wrapping_add(&times(j, &A1)),
            )
        })
        .find(|(low, high)| {
            low.bits_vartime() as usize <= SCALAR_BITS && high.bits_vartime() as usize <= SCALAR_BITS
        })
        .unwrap_or((low, high))
}
