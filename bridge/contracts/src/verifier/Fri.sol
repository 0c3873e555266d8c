// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {P} from "./Goldilocks.sol";
import {
    COEFFICIENT,
    LANES,
    LANE_COMPLEMENTS,
    LANE_ONES,
    Quartic,
    load,
    mulUnreduced,
    reduce,
    scale,
    store
} from "./Quartic.sol";

/// @title Fri
/// @notice The parts of FRI's verifier that do not depend on a circuit: openings in Merkle trees, combinations, and folding.
library Fri {
    /// @notice The bytes of a digest in calldata, and the first bytes of a word in memory. Collisions of 200 bits cost 2^100.
    uint256 internal constant DIGEST_BYTES = 25;
    /// @notice The mask of a digest.
    uint256 internal constant DIGEST_MASK = 0xffffffffffffffffffffffffffffffffffffffffffffffffff00000000000000;

    /// @dev The most points of a layer's coset.
    uint256 internal constant MAX_ARITY = 16;

    /// @notice The position of the first word among `length` bytes at `data` that holds an element at or above P, or `length`
    /// if there is none. The bytes after the last element, up to a multiple of 32, are zero.
    function firstTooLarge(uint256 data, uint256 length) internal pure returns (uint256 position) {
        assembly ("memory-safe") {
            for {} lt(position, length) { position := add(position, 0x20) } {
                let word := mload(add(data, position))
                let odd := add(and(shr(64, word), LANES), LANE_COMPLEMENTS)
                let even := add(and(word, LANES), LANE_COMPLEMENTS)
                if and(shr(64, or(odd, even)), LANE_ONES) { break }
            }
            if gt(position, length) { position := length }
        }
    }

    /// @notice The ancestor of a leaf with this digest, `levels` above it: keccak256 of both children's digests, 50 bytes,
    /// truncated.
    /// @param index The leaf's index; its lowest bit says on which side the first sibling is.
    /// @param siblings Where the siblings are in calldata, from the leaf upwards.
    function ancestor(uint256 digest, uint256 index, uint256 siblings, uint256 levels)
        internal
        pure
        returns (uint256 node)
    {
        assembly ("memory-safe") {
            node := digest
            for { let end := add(siblings, mul(DIGEST_BYTES, levels)) } lt(siblings, end) {
                siblings := add(siblings, DIGEST_BYTES)
            } {
                // Writing the left child first keeps the 7 zero bytes after it from overwriting the right one.
                let difference := mul(and(index, 1), xor(node, calldataload(siblings)))
                mstore(0, xor(node, difference))
                mstore(DIGEST_BYTES, xor(calldataload(siblings), difference))
                node := and(keccak256(0, mul(2, DIGEST_BYTES)), DIGEST_MASK)
                index := shr(1, index)
            }
        }
    }

    /// @notice Writes the powers of `alpha`, from 1 on, to `powers`, and their coefficients, a word each, to `coefficients`.
    function writePowers(Quartic alpha, uint256 count, uint256 powers, uint256 coefficients) internal pure {
        unchecked {
            Quartic power = Quartic.wrap(1 << 192);
            for (uint256 i = 0; i < count; ++i) {
                store(powers, i, power);
                spread(coefficients + 0x80 * i, power);
                power = power * alpha;
            }
        }
    }

    /// @notice Writes the four coefficients of an element, a word each.
    function spread(uint256 coefficients, Quartic value) internal pure {
        assembly ("memory-safe") {
            mstore(coefficients, shr(192, value))
            mstore(add(coefficients, 0x20), and(shr(128, value), COEFFICIENT))
            mstore(add(coefficients, 0x40), and(shr(64, value), COEFFICIENT))
            mstore(add(coefficients, 0x60), and(value, COEFFICIENT))
        }
    }

    /// @notice The sum of `count` elements at `values` times as many at `powers`.
    function combine(uint256 values, uint256 powers, uint256 count) internal pure returns (Quartic) {
        unchecked {
            uint256 c0;
            uint256 c1;
            uint256 c2;
            uint256 c3;
            for (uint256 i = 0; i < count; ++i) {
                (uint256 d0, uint256 d1, uint256 d2, uint256 d3) = mulUnreduced(load(values, i), load(powers, i));
                (c0, c1, c2, c3) = (c0 + d0, c1 + d1, c2 + d2, c3 + d3);
            }
            return reduce(c0, c1, c2, c3);
        }
    }

    /// @notice The sum of base field elements of 8 bytes each at `values`, times the elements whose coefficients are at
    /// `coefficients`.
    /// @param count How many, rounded up to a multiple of four; the values beyond the last are zero.
    function combineBase(uint256 values, uint256 coefficients, uint256 count) internal pure returns (Quartic) {
        uint256 c0;
        uint256 c1;
        uint256 c2;
        uint256 c3;
        assembly ("memory-safe") {
            for { let end := add(values, shl(3, count)) } lt(values, end) { values := add(values, 8) } {
                let value := shr(192, mload(values))
                c0 := add(c0, mul(value, mload(coefficients)))
                c1 := add(c1, mul(value, mload(add(coefficients, 0x20))))
                c2 := add(c2, mul(value, mload(add(coefficients, 0x40))))
                c3 := add(c3, mul(value, mload(add(coefficients, 0x60))))
                coefficients := add(coefficients, 0x80)
            }
        }
        return reduce(c0, c1, c2, c3);
    }

    /// @notice The sum of `count` elements, whose coefficients are at `coefficients`, times the powers of `x`, from 1 on: a
    /// polynomial at a point of the base field.
    function evaluate(uint256 coefficients, uint256 count, uint256 x) internal pure returns (Quartic) {
        uint256 c0;
        uint256 c1;
        uint256 c2;
        uint256 c3;
        assembly ("memory-safe") {
            let power := 1
            for { let end := add(coefficients, shl(7, count)) } lt(coefficients, end) {
                coefficients := add(coefficients, 0x80)
            } {
                c0 := add(c0, mul(power, mload(coefficients)))
                c1 := add(c1, mul(power, mload(add(coefficients, 0x20))))
                c2 := add(c2, mul(power, mload(add(coefficients, 0x40))))
                c3 := add(c3, mul(power, mload(add(coefficients, 0x60))))
                power := mulmod(power, x, P)
            }
        }
        return reduce(c0, c1, c2, c3);
    }

    /// @notice The value at `beta` of the polynomial whose values on a coset of 2^`arityBits` points are at `values`, which it
    /// overwrites. The coset's order is bit-reversed.
    ///
    /// In that order, neighbours are the values at x and -x, from which (f(x) + f(-x)) / 2 + beta (f(x) - f(-x)) / (2 x) is
    /// the value at x^2 of the polynomial of half the degree. This repeats, with beta^2 for beta, until one value is left.
    /// @param startInverse The inverse of the coset's first point.
    /// @param roots Pointer to the inverses of the first half of the roots of unity of order 16, in bit-reversed order. Those
    /// of a lower order are at its start.
    function fold(uint256 values, uint256 arityBits, uint256 startInverse, Quartic beta, uint256 roots)
        internal
        pure
        returns (Quartic)
    {
        unchecked {
            uint256 size = 1 << arityBits;
            // Halves are left to the end: 2^-arityBits modulo P.
            uint256 halves = P - ((P - 1) >> arityBits);
            while (size > 1) {
                size >>= 1;
                Quartic start = scale(beta, startInverse);
                for (uint256 i = 0; i < size; ++i) {
                    uint256 root = Quartic.unwrap(load(roots, i));
                    store(values, i, foldPair(load(values, 2 * i), load(values, 2 * i + 1), scale(start, root)));
                }
                beta = beta * beta;
                startInverse = mulmod(startInverse, startInverse, P);
            }
            return scale(load(values, 0), halves);
        }
    }

    /// @dev `a + b + (a - b) * factor`.
    function foldPair(Quartic a, Quartic b, Quartic factor) private pure returns (Quartic) {
        return a + b + (a - b) * factor;
    }
}
