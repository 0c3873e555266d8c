// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {P} from "./Goldilocks.sol";
import {COEFFICIENT, COEFFICIENT_COMPLEMENTS, COEFFICIENT_SIGNS, Quartic, load, reduce, scale} from "./Quartic.sol";

/// @title Fri
/// @notice The parts of FRI's verifier that do not depend on a circuit: openings in Merkle trees, combinations, and folding.
library Fri {
    /// @notice The bytes of a digest in calldata, and the first bytes of a word in memory. Collisions of 200 bits cost 2^100.
    uint256 internal constant DIGEST_BYTES = 25;
    /// @notice The mask of a digest.
    uint256 internal constant DIGEST_MASK = 0xffffffffffffffffffffffffffffffffffffffffffffffffff00000000000000;

    /// @dev The logarithm of the most points of a layer's coset.
    uint256 internal constant MAX_ARITY_BITS = 4;

    /// @notice Whether one of the elements of 8 bytes in the `length` bytes at `data` is at or above P. The bytes after the last
    /// element, up to a multiple of 32, are zero.
    ///
    /// An element is at or above P if and only if it carries when 2^64 - P is added, which is below 2^32: then its highest bit
    /// is set before and not after. The lowest such element of a word gets no carry from those below it, so it is found.
    function anyTooLarge(uint256 data, uint256 length) internal pure returns (bool found) {
        assembly ("memory-safe") {
            let flags := 0
            let end := add(data, length)
            for {} lt(add(data, 0x60), end) { data := add(data, 0x80) } {
                let word := mload(data)
                let flag := and(word, not(add(word, COEFFICIENT_COMPLEMENTS)))
                word := mload(add(data, 0x20))
                flag := or(flag, and(word, not(add(word, COEFFICIENT_COMPLEMENTS))))
                word := mload(add(data, 0x40))
                flag := or(flag, and(word, not(add(word, COEFFICIENT_COMPLEMENTS))))
                word := mload(add(data, 0x60))
                flags := or(or(flags, flag), and(word, not(add(word, COEFFICIENT_COMPLEMENTS))))
            }
            for {} lt(data, end) { data := add(data, 0x20) } {
                let word := mload(data)
                flags := or(flags, and(word, not(add(word, COEFFICIENT_COMPLEMENTS))))
            }
            found := iszero(iszero(and(flags, COEFFICIENT_SIGNS)))
        }
    }

    /// @notice On which sides a leaf at `index` and its ancestors are, a byte each, the leaf's lowest: 25 for a left child and 0
    /// for a right one, up to 21 levels.
    function sidesOf(uint256 index) internal pure returns (uint256 sides) {
        assembly ("memory-safe") {
            // Seven bits times a sum of powers of 2^7: bit j lands at 8 j, once, and no two bits at the same place.
            let left := not(index)
            let spread := 0x40810204081
            sides := and(mul(and(left, 0x7f), spread), 0x01010101010101)
            sides := or(sides, shl(56, and(mul(and(shr(7, left), 0x7f), spread), 0x01010101010101)))
            sides := or(sides, shl(112, and(mul(and(shr(14, left), 0x7f), spread), 0x01010101010101)))
            sides := mul(sides, DIGEST_BYTES)
        }
    }

    /// @notice The ancestor of a leaf with this digest, `levels` above it: keccak256 of both children's digests, 50 bytes,
    /// truncated.
    /// @param sides What `sidesOf` says.
    /// @param siblings Where the siblings are in calldata, from the leaf upwards.
    function ancestor(uint256 digest, uint256 sides, uint256 siblings, uint256 levels)
        internal
        pure
        returns (uint256 node)
    {
        assembly ("memory-safe") {
            node := digest
            // In memory: sibling, node, sibling. A left child is hashed from the node on, a right one from the first sibling on.
            // What follows the 25 bytes of a word is not hashed: the next one overwrites it.
            let area := mload(0x40)
            let middle := add(area, DIGEST_BYTES)
            let last := add(area, 50)
            let end := add(siblings, mul(DIGEST_BYTES, levels))
            let sibling
            // Four levels at a time, two, one.
            for {} lt(add(siblings, 75), end) { siblings := add(siblings, 100) } {
                sibling := calldataload(siblings)
                mstore(area, sibling)
                mstore(middle, node)
                mstore(last, sibling)
                node := keccak256(add(area, byte(31, sides)), 50)
                sibling := calldataload(add(siblings, 25))
                mstore(area, sibling)
                mstore(middle, node)
                mstore(last, sibling)
                node := keccak256(add(area, byte(30, sides)), 50)
                sibling := calldataload(add(siblings, 50))
                mstore(area, sibling)
                mstore(middle, node)
                mstore(last, sibling)
                node := keccak256(add(area, byte(29, sides)), 50)
                sibling := calldataload(add(siblings, 75))
                mstore(area, sibling)
                mstore(middle, node)
                mstore(last, sibling)
                node := keccak256(add(area, byte(28, sides)), 50)
                sides := shr(32, sides)
            }
            if and(levels, 2) {
                sibling := calldataload(siblings)
                mstore(area, sibling)
                mstore(middle, node)
                mstore(last, sibling)
                node := keccak256(add(area, byte(31, sides)), 50)
                sibling := calldataload(add(siblings, 25))
                mstore(area, sibling)
                mstore(middle, node)
                mstore(last, sibling)
                node := keccak256(add(area, byte(30, sides)), 50)
                siblings := add(siblings, 50)
                sides := shr(16, sides)
            }
            if and(levels, 1) {
                sibling := calldataload(siblings)
                mstore(area, sibling)
                mstore(middle, node)
                mstore(last, sibling)
                node := keccak256(add(area, byte(31, sides)), 50)
            }
            node := and(node, DIGEST_MASK)
        }
    }

    /// @notice Writes the powers of `alpha`, from 1 on, to `powers`, and to `pairs` two words each: the coefficients of 1 and x,
    /// and those of x^2 and x^3, 128 bits apart. Returns the power that comes next.
    function writePowers(Quartic alpha, uint256 count, uint256 powers, uint256 pairs)
        internal
        pure
        returns (Quartic power)
    {
        unchecked {
            power = Quartic.wrap(1 << 192);
            for (uint256 end = powers + 0x20 * count; powers < end; powers += 0x20) {
                assembly ("memory-safe") {
                    mstore(powers, power)
                    mstore(pairs, or(and(shr(128, power), COEFFICIENT), shl(128, shr(192, power))))
                    mstore(add(pairs, 0x20), or(and(power, COEFFICIENT), shl(128, and(shr(64, power), COEFFICIENT))))
                    pairs := add(pairs, 0x40)
                }
                power = power * alpha;
            }
        }
    }

    /// @notice The sum of base field elements of 8 bytes each at `values`, times the elements at `pairs`, two words each.
    ///
    /// A word holds two coefficients, 128 bits apart, so one multiplication moves both without a carry between them. The sums
    /// do carry: what the upper halves lost to it is the difference to their exact sum.
    /// @param count How many, rounded up to a multiple of four; the values beyond the last are zero.
    function combineBase(uint256 values, uint256 pairs, uint256 count) internal pure returns (Quartic) {
        uint256 sum0;
        uint256 sum01;
        uint256 sum2;
        uint256 sum23;
        assembly ("memory-safe") {
            let coefficients := pairs
            for { let end := add(values, shl(3, count)) } lt(values, end) { values := add(values, 0x20) } {
                let word := mload(values)
                {
                    let value := shr(192, word)
                    let product := mul(value, mload(coefficients))
                    sum01 := add(sum01, product)
                    sum0 := add(sum0, shr(128, product))
                    product := mul(value, mload(add(coefficients, 0x20)))
                    sum23 := add(sum23, product)
                    sum2 := add(sum2, shr(128, product))
                }
                {
                    let value := and(shr(128, word), COEFFICIENT)
                    let product := mul(value, mload(add(coefficients, 0x40)))
                    sum01 := add(sum01, product)
                    sum0 := add(sum0, shr(128, product))
                    product := mul(value, mload(add(coefficients, 0x60)))
                    sum23 := add(sum23, product)
                    sum2 := add(sum2, shr(128, product))
                }
                {
                    let value := and(shr(64, word), COEFFICIENT)
                    let product := mul(value, mload(add(coefficients, 0x80)))
                    sum01 := add(sum01, product)
                    sum0 := add(sum0, shr(128, product))
                    product := mul(value, mload(add(coefficients, 0xa0)))
                    sum23 := add(sum23, product)
                    sum2 := add(sum2, shr(128, product))
                }
                {
                    let value := and(word, COEFFICIENT)
                    let product := mul(value, mload(add(coefficients, 0xc0)))
                    sum01 := add(sum01, product)
                    sum0 := add(sum0, shr(128, product))
                    product := mul(value, mload(add(coefficients, 0xe0)))
                    sum23 := add(sum23, product)
                    sum2 := add(sum2, shr(128, product))
                }
                coefficients := add(coefficients, 0x100)
            }
            sum01 := sub(sum01, shl(128, sum0))
            sum23 := sub(sum23, shl(128, sum2))
        }
        return reduce(sum0, sum01, sum2, sum23);
    }

    /// @notice The value at `beta` of the polynomial whose values on a coset of 2^`arityBits` points are at `values`, which it
    /// overwrites. The coset's order is bit-reversed.
    ///
    /// In that order, neighbours are the values at x and -x, from which (f(x) + f(-x)) / 2 + beta (f(x) - f(-x)) / (2 x) is
    /// the value at x^2 of the polynomial of half the degree. This repeats, with beta^2 for beta, until one value is left.
    /// @param startInverse The inverse of the coset's first point.
    /// @param betas Pointer to beta, beta^2, beta^4 and so on, one for each time.
    /// @param roots Pointer to the inverses of the first half of the roots of unity of order 16, in bit-reversed order. Those
    /// of a lower order are at its start.
    function fold(uint256 values, uint256 arityBits, uint256 startInverse, uint256 betas, uint256 roots)
        internal
        pure
        returns (Quartic)
    {
        unchecked {
            // Halves are left to the end: 2^-arityBits modulo P.
            uint256 halves = P - ((P - 1) >> arityBits);
            for (; arityBits > 1; --arityBits) {
                // Two results at a time; the second one's root is the first one's times that of order 4.
                uint256 root = roots;
                uint256 end = values + (0x10 << arityBits);
                uint256 from = values;
                for (uint256 to = values; to < end; to += 0x40) {
                    foldPair(to, from, startInverse, root, betas);
                    foldPair(to + 0x20, from + 0x40, startInverse, root + 0x20, betas);
                    from += 0x80;
                    root += 0x40;
                }
                betas += 0x20;
                startInverse = mulmod(startInverse, startInverse, P);
            }
            foldPair(values, values, startInverse, roots, betas);
            return scale(load(values, 0), halves);
        }
    }

    /// @dev Writes `a + b + (a - b) * startInverse * root * beta` to `to`, `a` and `b` being at `pair`, `startInverse` and the word
    /// at `root` in the base field. The coefficients of the first products have 129 bits, so those of the second have less
    /// than 200.
    function foldPair(uint256 to, uint256 pair, uint256 startInverse, uint256 root, uint256 betas) private pure {
        uint256 c0;
        uint256 c1;
        uint256 c2;
        uint256 c3;
        assembly ("memory-safe") {
            let a := mload(pair)
            let b := mload(add(pair, 0x20))
            let factor := mulmod(startInverse, mload(root), P)
            let d0 := mul(sub(add(shr(192, a), P), shr(192, b)), factor)
            let d1 := mul(sub(add(and(shr(128, a), COEFFICIENT), P), and(shr(128, b), COEFFICIENT)), factor)
            let d2 := mul(sub(add(and(shr(64, a), COEFFICIENT), P), and(shr(64, b), COEFFICIENT)), factor)
            let d3 := mul(sub(add(and(a, COEFFICIENT), P), and(b, COEFFICIENT)), factor)
            let x := and(mload(betas), COEFFICIENT)
            c0 := mul(x, d1)
            c1 := mul(x, d2)
            c2 := mul(mul(x, d3), 7)
            c3 := mul(x, d0)
            x := and(shr(64, mload(betas)), COEFFICIENT)
            c0 := add(c0, mul(x, d2))
            c1 := mul(add(c1, mul(x, d3)), 7)
            c2 := add(c2, mul(x, d0))
            c3 := add(c3, mul(x, d1))
            x := and(shr(128, mload(betas)), COEFFICIENT)
            c0 := mul(add(c0, mul(x, d3)), 7)
            c1 := add(c1, mul(x, d0))
            c2 := add(c2, mul(x, d1))
            c3 := add(c3, mul(x, d2))
            x := shr(192, mload(betas))
            c0 := add(c0, mul(x, d0))
            c1 := add(c1, mul(x, d1))
            c2 := add(c2, mul(x, d2))
            c3 := add(c3, mul(x, d3))
        }
        assembly ("memory-safe") {
            let a := mload(pair)
            let b := mload(add(pair, 0x20))
            c0 := add(c0, add(shr(192, a), shr(192, b)))
            c1 := add(c1, add(and(shr(128, a), COEFFICIENT), and(shr(128, b), COEFFICIENT)))
            c2 := add(c2, add(and(shr(64, a), COEFFICIENT), and(shr(64, b), COEFFICIENT)))
            c3 := add(c3, add(and(a, COEFFICIENT), and(b, COEFFICIENT)))
            mstore(to, or(or(shl(192, mod(c0, P)), shl(128, mod(c1, P))), or(shl(64, mod(c2, P)), mod(c3, P))))
        }
    }
}
