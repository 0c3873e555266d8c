// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Goldilocks, P} from "./Goldilocks.sol";

/// @title Quartic
/// @notice An element of the extension field F[x] / (x^4 - 7), F being the Goldilocks field: four coefficients of 64 bits
/// in one word, that of 1 in the highest bits. A proof's calldata holds elements in the same form.
/// @dev Every coefficient is below P, in arguments and in results. Products of coefficients have 128 bits, so a word takes
/// sums of very many of them before one `mod`.
type Quartic is uint256;

using {add as +, sub as -, mul as *, equals as ==} for Quartic global;

/// @dev The lowest 64 bits.
uint256 constant COEFFICIENT = 0xffffffffffffffff;
/// @dev Every second coefficient: two lanes of 128 bits, each with room for a carry.
uint256 constant LANES = 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
/// @dev 1 in both lanes.
uint256 constant LANE_ONES = 0x0000000000000000000000000000000100000000000000000000000000000001;
/// @dev 2^64 - P in both lanes: a lane plus this has bit 64 set if and only if the lane is P or more.
uint256 constant LANE_COMPLEMENTS = 0x000000000000000000000000ffffffff000000000000000000000000ffffffff;
/// @dev P in both lanes.
uint256 constant LANE_ORDERS = 0x0000000000000000ffffffff000000010000000000000000ffffffff00000001;

/// @dev 2^64 - P in each coefficient.
uint256 constant COEFFICIENT_COMPLEMENTS = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
/// @dev The highest bit of each coefficient.
uint256 constant COEFFICIENT_SIGNS = 0x8000000000000000800000000000000080000000000000008000000000000000;

/// @dev The element that is in the base field.
function fromBase(uint256 value) pure returns (Quartic) {
    return Quartic.wrap(value << 192);
}

/// @dev Whether both are the same element.
function equals(Quartic a, Quartic b) pure returns (bool) {
    return Quartic.unwrap(a) == Quartic.unwrap(b);
}

/// @dev `a + b`.
function add(Quartic a, Quartic b) pure returns (Quartic result) {
    assembly ("memory-safe") {
        let odd := add(and(shr(64, a), LANES), and(shr(64, b), LANES))
        let even := add(and(a, LANES), and(b, LANES))
        // Subtract P where a lane is not below it.
        let carry := and(shr(64, add(odd, LANE_COMPLEMENTS)), LANE_ONES)
        odd := and(add(odd, mul(carry, 0xffffffff)), LANES)
        carry := and(shr(64, add(even, LANE_COMPLEMENTS)), LANE_ONES)
        even := and(add(even, mul(carry, 0xffffffff)), LANES)
        result := or(shl(64, odd), even)
    }
}

/// @dev `a - b`.
function sub(Quartic a, Quartic b) pure returns (Quartic result) {
    assembly ("memory-safe") {
        let odd := sub(add(and(shr(64, a), LANES), LANE_ORDERS), and(shr(64, b), LANES))
        let even := sub(add(and(a, LANES), LANE_ORDERS), and(b, LANES))
        let carry := and(shr(64, add(odd, LANE_COMPLEMENTS)), LANE_ONES)
        odd := and(add(odd, mul(carry, 0xffffffff)), LANES)
        carry := and(shr(64, add(even, LANE_COMPLEMENTS)), LANE_ONES)
        even := and(add(even, mul(carry, 0xffffffff)), LANES)
        result := or(shl(64, odd), even)
    }
}

/// @dev `a * b`.
function mul(Quartic a, Quartic b) pure returns (Quartic result) {
    assembly ("memory-safe") {
        let b0 := shr(192, b)
        let b1 := and(shr(128, b), COEFFICIENT)
        let b2 := and(shr(64, b), COEFFICIENT)
        let b3 := and(b, COEFFICIENT)
        let a0 := shr(192, a)
        let a1 := and(shr(128, a), COEFFICIENT)
        let a2 := and(shr(64, a), COEFFICIENT)
        let a3 := and(a, COEFFICIENT)
        // x^4 = 7.
        result := mod(add(add(mul(a0, b3), mul(a1, b2)), add(mul(a2, b1), mul(a3, b0))), P)
        let c := add(add(mul(a0, b2), mul(a1, b1)), add(mul(a2, b0), mul(7, mul(a3, b3))))
        result := or(result, shl(64, mod(c, P)))
        c := add(add(mul(a0, b1), mul(a1, b0)), mul(7, add(mul(a2, b3), mul(a3, b2))))
        result := or(result, shl(128, mod(c, P)))
        c := add(mul(a0, b0), mul(7, add(add(mul(a1, b3), mul(a2, b2)), mul(a3, b1))))
        result := or(result, shl(192, mod(c, P)))
    }
}

/// @dev `a * b + d`.
function mulAdd(Quartic a, Quartic b, Quartic d) pure returns (Quartic result) {
    assembly ("memory-safe") {
        let a0 := shr(192, a)
        let a1 := and(shr(128, a), COEFFICIENT)
        let a2 := and(shr(64, a), COEFFICIENT)
        let a3 := and(a, COEFFICIENT)
        let b0 := shr(192, b)
        let b1 := and(shr(128, b), COEFFICIENT)
        let b2 := and(shr(64, b), COEFFICIENT)
        let b3 := and(b, COEFFICIENT)
        // x^4 = 7.
        let c := add(add(mul(a0, b0), mul(7, add(add(mul(a1, b3), mul(a2, b2)), mul(a3, b1)))), shr(192, d))
        result := shl(192, mod(c, P))
        c := add(
            add(add(mul(a0, b1), mul(a1, b0)), mul(7, add(mul(a2, b3), mul(a3, b2)))),
            and(shr(128, d), COEFFICIENT)
        )
        result := or(result, shl(128, mod(c, P)))
        c := add(
            add(add(mul(a0, b2), mul(a1, b1)), add(mul(a2, b0), mul(7, mul(a3, b3)))),
            and(shr(64, d), COEFFICIENT)
        )
        result := or(result, shl(64, mod(c, P)))
        c := add(add(add(mul(a0, b3), mul(a1, b2)), add(mul(a2, b1), mul(a3, b0))), and(d, COEFFICIENT))
        result := or(result, mod(c, P))
    }
}

/// @dev `a * b - d`.
function mulSub(Quartic a, Quartic b, Quartic d) pure returns (Quartic result) {
    assembly ("memory-safe") {
        let a0 := shr(192, a)
        let a1 := and(shr(128, a), COEFFICIENT)
        let a2 := and(shr(64, a), COEFFICIENT)
        let a3 := and(a, COEFFICIENT)
        let b0 := shr(192, b)
        let b1 := and(shr(128, b), COEFFICIENT)
        let b2 := and(shr(64, b), COEFFICIENT)
        let b3 := and(b, COEFFICIENT)
        // x^4 = 7.
        let c := sub(add(add(mul(a0, b0), mul(7, add(add(mul(a1, b3), mul(a2, b2)), mul(a3, b1)))), P), shr(192, d))
        result := shl(192, mod(c, P))
        c := sub(
            add(add(add(mul(a0, b1), mul(a1, b0)), mul(7, add(mul(a2, b3), mul(a3, b2)))), P),
            and(shr(128, d), COEFFICIENT)
        )
        result := or(result, shl(128, mod(c, P)))
        c := sub(
            add(add(add(mul(a0, b2), mul(a1, b1)), add(mul(a2, b0), mul(7, mul(a3, b3)))), P),
            and(shr(64, d), COEFFICIENT)
        )
        result := or(result, shl(64, mod(c, P)))
        c := sub(add(add(add(mul(a0, b3), mul(a1, b2)), add(mul(a2, b1), mul(a3, b0))), P), and(d, COEFFICIENT))
        result := or(result, mod(c, P))
    }
}

/// @dev The coefficients of `a * b`, each below 2^133.
function mulUnreduced(Quartic a, Quartic b) pure returns (uint256 c0, uint256 c1, uint256 c2, uint256 c3) {
    assembly ("memory-safe") {
        let b0 := shr(192, b)
        let b1 := and(shr(128, b), COEFFICIENT)
        let b2 := and(shr(64, b), COEFFICIENT)
        let b3 := and(b, COEFFICIENT)
        let a0 := shr(192, a)
        let a1 := and(shr(128, a), COEFFICIENT)
        let a2 := and(shr(64, a), COEFFICIENT)
        let a3 := and(a, COEFFICIENT)
        // x^4 = 7.
        c0 := add(mul(a0, b0), mul(7, add(add(mul(a1, b3), mul(a2, b2)), mul(a3, b1))))
        c1 := add(add(mul(a0, b1), mul(a1, b0)), mul(7, add(mul(a2, b3), mul(a3, b2))))
        c2 := add(add(mul(a0, b2), mul(a1, b1)), add(mul(a2, b0), mul(7, mul(a3, b3))))
        c3 := add(add(mul(a0, b3), mul(a1, b2)), add(mul(a2, b1), mul(a3, b0)))
    }
}

/// @dev The element with these coefficients, of any size.
function reduce(uint256 c0, uint256 c1, uint256 c2, uint256 c3) pure returns (Quartic result) {
    assembly ("memory-safe") {
        result := or(or(shl(192, mod(c0, P)), shl(128, mod(c1, P))), or(shl(64, mod(c2, P)), mod(c3, P)))
    }
}

/// @dev `a * b`, `b` being in the base field, plus `c`.
function scaleAdd(Quartic a, uint256 b, Quartic c) pure returns (Quartic result) {
    assembly ("memory-safe") {
        let c0 := add(mul(shr(192, a), b), shr(192, c))
        let c1 := add(mul(and(shr(128, a), COEFFICIENT), b), and(shr(128, c), COEFFICIENT))
        let c2 := add(mul(and(shr(64, a), COEFFICIENT), b), and(shr(64, c), COEFFICIENT))
        let c3 := add(mul(and(a, COEFFICIENT), b), and(c, COEFFICIENT))
        result := or(or(shl(192, mod(c0, P)), shl(128, mod(c1, P))), or(shl(64, mod(c2, P)), mod(c3, P)))
    }
}

/// @dev `product * (a * b + c + d)`, `b` and `d` being in the base field. The coefficients of the second factor are not reduced:
/// they have 129 bits, so those of the product have less than 200.
function mulAffine(Quartic product, Quartic a, uint256 b, Quartic c, uint256 d) pure returns (Quartic result) {
    assembly ("memory-safe") {
        let f0 := add(add(mul(shr(192, a), b), shr(192, c)), d)
        let f1 := add(mul(and(shr(128, a), COEFFICIENT), b), and(shr(128, c), COEFFICIENT))
        let f2 := add(mul(and(shr(64, a), COEFFICIENT), b), and(shr(64, c), COEFFICIENT))
        let f3 := add(mul(and(a, COEFFICIENT), b), and(c, COEFFICIENT))
        let p0 := shr(192, product)
        let p1 := and(shr(128, product), COEFFICIENT)
        let p2 := and(shr(64, product), COEFFICIENT)
        let p3 := and(product, COEFFICIENT)
        // x^4 = 7.
        let e := add(mul(f0, p0), mul(7, add(add(mul(f1, p3), mul(f2, p2)), mul(f3, p1))))
        result := shl(192, mod(e, P))
        e := add(add(mul(f0, p1), mul(f1, p0)), mul(7, add(mul(f2, p3), mul(f3, p2))))
        result := or(result, shl(128, mod(e, P)))
        e := add(add(mul(f0, p2), mul(f1, p1)), add(mul(f2, p0), mul(7, mul(f3, p3))))
        result := or(result, shl(64, mod(e, P)))
        e := add(add(mul(f0, p3), mul(f1, p2)), add(mul(f2, p1), mul(f3, p0)))
        result := or(result, mod(e, P))
    }
}

/// @dev The polynomial with `count` coefficients, `stride` bytes apart from `terms` on, at `x` of the base field: the sum of the
/// coefficients times the powers of `x`, from 1 on.
function evaluateAt(uint256 terms, uint256 stride, uint256 count, uint256 x) pure returns (Quartic result) {
    uint256 c0;
    uint256 c1;
    uint256 c2;
    uint256 c3;
    assembly ("memory-safe") {
        // Horner's rule from the last one down: what three do not divide first, one by one, then three at a time. With all
        // numbers below P, the sum is below P^4, which a word holds.
        let term := add(terms, mul(stride, count))
        for { let rest := mod(count, 3) } rest { rest := sub(rest, 1) } {
            term := sub(term, stride)
            let t := mload(term)
            c0 := mod(add(mul(c0, x), shr(192, t)), P)
            c1 := mod(add(mul(c1, x), and(shr(128, t), COEFFICIENT)), P)
            c2 := mod(add(mul(c2, x), and(shr(64, t), COEFFICIENT)), P)
            c3 := mod(add(mul(c3, x), and(t, COEFFICIENT)), P)
        }
        for {} gt(term, terms) {} {
            term := sub(term, stride)
            let t2 := mload(term)
            term := sub(term, stride)
            let t1 := mload(term)
            term := sub(term, stride)
            let t0 := mload(term)
            c0 := mod(add(mul(add(mul(add(mul(c0, x), shr(192, t2)), x), shr(192, t1)), x), shr(192, t0)), P)
            c1 := mod(
                add(
                    mul(
                        add(mul(add(mul(c1, x), and(shr(128, t2), COEFFICIENT)), x), and(shr(128, t1), COEFFICIENT)),
                        x
                    ),
                    and(shr(128, t0), COEFFICIENT)
                ),
                P
            )
            c2 := mod(
                add(
                    mul(add(mul(add(mul(c2, x), and(shr(64, t2), COEFFICIENT)), x), and(shr(64, t1), COEFFICIENT)), x),
                    and(shr(64, t0), COEFFICIENT)
                ),
                P
            )
            c3 := mod(
                add(
                    mul(add(mul(add(mul(c3, x), and(t2, COEFFICIENT)), x), and(t1, COEFFICIENT)), x),
                    and(t0, COEFFICIENT)
                ),
                P
            )
        }
        result := or(or(shl(192, c0), shl(128, c1)), or(shl(64, c2), c3))
    }
}

/// @dev The sum of `count` elements at `a` times as many at `b`.
function innerProduct(uint256 a, uint256 b, uint256 count) pure returns (Quartic) {
    unchecked {
        uint256 c0;
        uint256 c1;
        uint256 c2;
        uint256 c3;
        for (uint256 end = a + 0x20 * count; a < end; a += 0x20) {
            (uint256 d0, uint256 d1, uint256 d2, uint256 d3) = mulUnreduced(load(a, 0), load(b, 0));
            (c0, c1, c2, c3) = (c0 + d0, c1 + d1, c2 + d2, c3 + d3);
            b += 0x20;
        }
        return reduce(c0, c1, c2, c3);
    }
}

/// @dev `a * b`, `b` being in the base field.
function scale(Quartic a, uint256 b) pure returns (Quartic result) {
    assembly ("memory-safe") {
        result := or(
            or(shl(192, mulmod(shr(192, a), b, P)), shl(128, mulmod(and(shr(128, a), COEFFICIENT), b, P))),
            or(shl(64, mulmod(and(shr(64, a), COEFFICIENT), b, P)), mulmod(and(a, COEFFICIENT), b, P))
        )
    }
}

/// @dev `a^(2^k)`.
function powerOfTwoPower(Quartic a, uint256 k) pure returns (Quartic) {
    unchecked {
        for (; k != 0; --k) {
            a = a * a;
        }
        return a;
    }
}

/// @dev `1 / a` for `a != 0`, and 0 for 0.
///
/// With y = x^2 and a = A + x B, A and B in F[y] / (y^2 - 7): 1 / a = (A - x B) / (A^2 - y B^2), and the denominator
/// n0 + n1 y has the inverse (n0 - n1 y) / (n0^2 - 7 n1^2).
function inverse(Quartic a) pure returns (Quartic) {
    unchecked {
        uint256 word = Quartic.unwrap(a);
        uint256 a0 = word >> 192;
        uint256 a1 = (word >> 128) & COEFFICIENT;
        uint256 a2 = (word >> 64) & COEFFICIENT;
        uint256 a3 = word & COEFFICIENT;
        // `n * P` keeps differences of products positive; 15 products of two coefficients have less than 132 bits.
        uint256 n0 = (a0 * a0 + 7 * a2 * a2 + (P << 72) - 14 * a1 * a3) % P;
        uint256 n1 = (2 * a0 * a2 + (P << 72) - a1 * a1 - 7 * a3 * a3) % P;
        uint256 d = Goldilocks.inverse((n0 * n0 + (P << 72) - 7 * n1 * n1) % P);
        n0 = mulmod(n0, d, P);
        n1 = mulmod(P - n1, d, P);
        return reduce(
            a0 * n0 + 7 * a2 * n1, (P << 72) - a1 * n0 - 7 * a3 * n1, a0 * n1 + a2 * n0, (P << 72) - a1 * n1 - a3 * n0
        );
    }
}

/// @dev The `i`th element of an array in memory.
function load(uint256 array, uint256 i) pure returns (Quartic result) {
    assembly ("memory-safe") {
        result := mload(add(array, shl(5, i)))
    }
}

/// @dev Sets the `i`th element of an array in memory.
function store(uint256 array, uint256 i, Quartic value) pure {
    assembly ("memory-safe") {
        mstore(add(array, shl(5, i)), value)
    }
}
