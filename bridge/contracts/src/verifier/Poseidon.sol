// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {P} from "./Goldilocks.sol";
import {POSEIDON_CONSTANTS} from "./PoseidonConstants.sol";

/// @title Poseidon
/// @notice plonky2's Poseidon permutation of 12 elements of the Goldilocks field, and its hash without padding.
/// @dev The permutation keeps its state in four words of three lanes, 85 bits each. Element i is in lane i mod 3, the lowest
/// being lane 0, of word i mod 4:
///
///     word   lane 2   lane 1   lane 0
///     0           8        4        0
///     1           5        1        9
///     2           2       10        6
///     3          11        7        3
///
/// The MDS matrix is circulant but for its first entry, so it multiplies polynomials modulo X^12 - 1. The indices modulo 12
/// are pairs of indices modulo 4 and 3: what is left of the product is cyclic in words and cyclic in lanes. A product modulo
/// 2^255 - 1 is cyclic in lanes, as long as no lane overflows: the matrix is 16 of them. Its entries are small, each row
/// sums up to 264 at most. So values are reduced where they would outgrow a lane or leave the library, and nowhere else.
library Poseidon {
    /// @notice How many elements the permutation takes.
    uint256 internal constant WIDTH = 12;
    /// @notice How many of them absorb input.
    uint256 internal constant RATE = 8;
    /// @notice Rounds with S-boxes on all elements: so many at each end.
    uint256 internal constant HALF_FULL_ROUNDS = 4;
    /// @notice Rounds with an S-box on the first element only.
    uint256 internal constant PARTIAL_ROUNDS = 22;

    // The layout of the constants.
    //
    //   4 layers      rounds 0 to 3, each four words like the state
    //   4 layers      the full rounds after the partial rounds
    //   22 times 8    bytes: what the first element gets in each partial round
    //
    // Only the first element has an S-box in partial rounds. So the constants of the others move on through the matrices, to the
    // first element of later rounds and to the first full round after them.
    uint256 internal constant LAYER_BYTES = 0x80;
    uint256 internal constant SECOND_HALF = 4 * LAYER_BYTES;
    uint256 internal constant PARTIAL_CONSTANTS = 8 * LAYER_BYTES;

    /// @notice The bits of a lane.
    uint256 internal constant LANE_BITS = 85;
    /// @notice The lowest lane.
    uint256 internal constant LANE = 0x1fffffffffffffffffffff;
    /// @dev 64 bits of each lane, and the other 21, moved to the lane's start.
    uint256 private constant LOW_BITS = 0x3fffffffffffffffc00001fffffffffffffffe00000ffffffffffffffff;
    uint256 private constant HIGH_BITS = 0x7ffffc0000000000000003ffffe0000000000000001fffff;

    /// @notice Loads the constants into memory.
    /// @return table Pointer to them.
    function loadConstants() internal pure returns (uint256 table) {
        bytes memory constants = POSEIDON_CONSTANTS;
        assembly ("memory-safe") {
            table := add(constants, 0x20)
        }
    }

    /// @notice Replaces the 12 words at `state`, each below P, by their permutation.
    /// @param state Pointer to 12 words.
    /// @param table What `loadConstants` returned.
    function permute(uint256 state, uint256 table) internal pure {
        unchecked {
            (uint256 a, uint256 b, uint256 c, uint256 d) = pack(state);
            uint256 constants = table;
            for (uint256 round = 0; round < HALF_FULL_ROUNDS; ++round) {
                (a, b, c, d) = fullRound(a, b, c, d, constants);
                constants += LAYER_BYTES;
            }
            // Two at a time: lanes are below 2^73, 2^81 after the first, below 2^65 reduced, 2^73 after the second.
            constants = table + PARTIAL_CONSTANTS;
            for (uint256 round = 0; round < PARTIAL_ROUNDS; round += 2) {
                (a, b, c, d) = mix(firstSbox(a, constants), b, c, d);
                (a, b, c, d) =
                    mix(firstSbox(reduceLanes(a), constants + 8), reduceLanes(b), reduceLanes(c), reduceLanes(d));
                constants += 16;
            }
            constants = table + SECOND_HALF;
            for (uint256 round = 0; round < HALF_FULL_ROUNDS; ++round) {
                (a, b, c, d) = fullRound(a, b, c, d, constants);
                constants += LAYER_BYTES;
            }
            unpack(state, a, b, c, d);
        }
    }

    /// @notice The digest of `inputs`, each below P: `hash_no_pad`.
    /// @return digest Pointer to four words.
    function hashNoPad(uint256[] calldata inputs, uint256 table) internal pure returns (uint256 digest) {
        unchecked {
            assembly ("memory-safe") {
                digest := mload(0x40)
                mstore(0x40, add(digest, 0x180))
                calldatacopy(digest, calldatasize(), 0x180)
            }
            uint256 count = inputs.length;
            for (uint256 start = 0; start < count; start += RATE) {
                assembly ("memory-safe") {
                    // An incomplete last chunk overwrites as many elements as it has.
                    let length := sub(count, start)
                    if gt(length, RATE) { length := RATE }
                    calldatacopy(digest, add(inputs.offset, shl(5, start)), shl(5, length))
                }
                permute(digest, table);
            }
        }
    }

    /// @dev The state of the 12 words at `state`, each below 2^85.
    function pack(uint256 state) private pure returns (uint256 a, uint256 b, uint256 c, uint256 d) {
        assembly ("memory-safe") {
            a := or(or(mload(state), shl(85, mload(add(state, 0x80)))), shl(170, mload(add(state, 0x100))))
            b := or(or(mload(add(state, 0x120)), shl(85, mload(add(state, 0x20)))), shl(170, mload(add(state, 0xa0))))
            c := or(or(mload(add(state, 0xc0)), shl(85, mload(add(state, 0x140)))), shl(170, mload(add(state, 0x40))))
            d := or(or(mload(add(state, 0x60)), shl(85, mload(add(state, 0xe0)))), shl(170, mload(add(state, 0x160))))
        }
    }

    /// @dev Writes the state's elements, reduced, to the 12 words at `state`.
    function unpack(uint256 state, uint256 a, uint256 b, uint256 c, uint256 d) private pure {
        assembly ("memory-safe") {
            mstore(state, mod(and(a, LANE), P))
            mstore(add(state, 0x20), mod(and(shr(85, b), LANE), P))
            mstore(add(state, 0x40), mod(shr(170, c), P))
            mstore(add(state, 0x60), mod(and(d, LANE), P))
            mstore(add(state, 0x80), mod(and(shr(85, a), LANE), P))
            mstore(add(state, 0xa0), mod(shr(170, b), P))
            mstore(add(state, 0xc0), mod(and(c, LANE), P))
            mstore(add(state, 0xe0), mod(and(shr(85, d), LANE), P))
            mstore(add(state, 0x100), mod(shr(170, a), P))
            mstore(add(state, 0x120), mod(and(b, LANE), P))
            mstore(add(state, 0x140), mod(and(shr(85, c), LANE), P))
            mstore(add(state, 0x160), mod(shr(170, d), P))
        }
    }

    /// @dev Adds a layer of constants, raises all elements to the seventh power, and multiplies by the matrix. Lanes are below
    /// 2^84, and below 2^73 after it.
    function fullRound(uint256 a, uint256 b, uint256 c, uint256 d, uint256 constants)
        private
        pure
        returns (uint256, uint256, uint256, uint256)
    {
        assembly ("memory-safe") {
            a := add(a, mload(constants))
            b := add(b, mload(add(constants, 0x20)))
            c := add(c, mload(add(constants, 0x40)))
            d := add(d, mload(add(constants, 0x60)))
        }
        return mix(sboxes(a), sboxes(b), sboxes(c), sboxes(d));
    }

    /// @dev Raises the three lanes of a word, each below 2^85, to the seventh power. The results are below P.
    function sboxes(uint256 word) private pure returns (uint256 powers) {
        assembly ("memory-safe") {
            let x := shr(170, word)
            let cube := mod(mul(mul(x, x), x), P)
            powers := mod(mul(mul(cube, cube), x), P)
            x := and(shr(85, word), LANE)
            cube := mod(mul(mul(x, x), x), P)
            powers := or(shl(85, powers), mod(mul(mul(cube, cube), x), P))
            x := and(word, LANE)
            cube := mod(mul(mul(x, x), x), P)
            powers := or(shl(85, powers), mod(mul(mul(cube, cube), x), P))
        }
    }

    /// @dev Adds the constant of 8 bytes at `constant_` to the first element, and raises it to the seventh power. The sum is below
    /// 2^85, the result below P.
    function firstSbox(uint256 a, uint256 constant_) private pure returns (uint256 result) {
        assembly ("memory-safe") {
            let lane := and(a, LANE)
            let x := add(lane, shr(192, mload(constant_)))
            let cube := mod(mul(mul(x, x), x), P)
            result := add(sub(a, lane), mod(mul(mul(cube, cube), x), P))
        }
    }

    /// @notice Multiplies a state by the MDS matrix. Lanes grow by less than 9 bits, and have to stay below 2^85.
    function mix(uint256 a, uint256 b, uint256 c, uint256 d)
        internal
        pure
        returns (uint256 e, uint256 f, uint256 g, uint256 h)
    {
        assembly ("memory-safe") {
            let n := 0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
            // The matrix's first column in the layout of the state, without the 8 that the first entry has more.
            let m0 := 0x800000000000000000004e000000000000000000011
            let m1 := 0x34000000000000000000028000000000000000000010
            let m2 := 0x8800000000000000000005200000000000000000000d
            let m3 := 0x3c000000000000000000038000000000000000000012
            e := add(add(mulmod(a, m0, n), mulmod(b, m3, n)), add(mulmod(c, m2, n), mulmod(d, m1, n)))
            e := add(e, shl(3, and(a, LANE)))
            f := add(add(mulmod(a, m1, n), mulmod(b, m0, n)), add(mulmod(c, m3, n), mulmod(d, m2, n)))
            g := add(add(mulmod(a, m2, n), mulmod(b, m1, n)), add(mulmod(c, m0, n), mulmod(d, m3, n)))
            h := add(add(mulmod(a, m3, n), mulmod(b, m2, n)), add(mulmod(c, m1, n), mulmod(d, m0, n)))
        }
    }

    /// @notice A word whose lanes are the same modulo P, and below 2^65 if they were below 2^84: 2^64 is 2^32 - 1 modulo P.
    function reduceLanes(uint256 word) internal pure returns (uint256 reduced) {
        assembly ("memory-safe") {
            reduced := add(and(word, LOW_BITS), mul(and(shr(64, word), HIGH_BITS), 0xffffffff))
        }
    }
}
