// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {P} from "./Goldilocks.sol";
import {Quartic, store} from "./Quartic.sol";
import {POSEIDON_CONSTANTS} from "./PoseidonConstants.sol";

/// @title Poseidon
/// @notice plonky2's Poseidon permutation of 12 elements of the Goldilocks field, and its hash without padding.
/// @dev The MDS matrix has small entries. So three outputs of the layer fit into one word, in lanes of 85 bits, and an input
/// times a word of three entries moves three outputs at once. Values are reduced where they would outgrow a word or leave the
/// library, and nowhere else.
library Poseidon {
    /// @notice How many elements the permutation takes.
    uint256 internal constant WIDTH = 12;
    /// @notice How many of them absorb input.
    uint256 internal constant RATE = 8;
    /// @notice Rounds with S-boxes on all elements: so many at each end.
    uint256 internal constant HALF_FULL_ROUNDS = 4;
    /// @notice Rounds with an S-box on the first element only.
    uint256 internal constant PARTIAL_ROUNDS = 22;

    // The layout of the constants. Twelve of a layer take four words, in each word three, the first in the lowest lane.
    //
    //   5 layers      rounds 0 to 3, and the one before the partial rounds
    //   5 layers      the full rounds after them, and zeros
    //   11 rows       of 11 times 8 bytes: the matrix before the partial rounds
    //   22 rounds     of 23 times 8 bytes: a constant, the 11 weights of all elements but the first in the new first one, and
    //                 the 11 weights of the first one in each of them
    uint256 internal constant LAYER_BYTES = 0x80;
    uint256 internal constant SECOND_HALF = 5 * LAYER_BYTES;
    uint256 internal constant ZEROS = 9 * LAYER_BYTES;
    uint256 internal constant INITIAL_MATRIX = 10 * LAYER_BYTES;
    uint256 internal constant ROW_BYTES = 11 * 8;
    uint256 internal constant PARTIAL_CONSTANTS = INITIAL_MATRIX + 11 * ROW_BYTES;
    uint256 internal constant PARTIAL_ROUND_BYTES = 23 * 8;

    /// @dev The lowest lane.
    uint256 private constant LANE = 0x1fffffffffffffffffffff;

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
            addConstants(state, table);
            uint256 constants = table;
            for (uint256 round = 0; round < HALF_FULL_ROUNDS; ++round) {
                sboxes(state);
                mixAndAdd(state, constants += LAYER_BYTES);
            }
            mixInitially(state, table + INITIAL_MATRIX);
            constants = table + PARTIAL_CONSTANTS;
            for (uint256 round = 0; round < PARTIAL_ROUNDS; ++round) {
                assembly ("memory-safe") {
                    // The first element is below 2^206, as `mixPartially` leaves it.
                    let x := mod(mload(state), P)
                    let cube := mod(mul(mul(x, x), x), P)
                    mstore(state, add(mod(mul(mul(cube, cube), x), P), shr(192, mload(constants))))
                }
                mixPartially(state, constants);
                constants += PARTIAL_ROUND_BYTES;
            }
            reduceAll(state);
            constants = table + SECOND_HALF;
            addConstants(state, constants);
            for (uint256 round = 0; round < HALF_FULL_ROUNDS; ++round) {
                sboxes(state);
                mixAndAdd(state, constants += LAYER_BYTES);
            }
            reduceAll(state);
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

    /// @dev Adds a round's constants to the 12 words at `state`.
    function addConstants(uint256 state, uint256 constants) internal pure {
        assembly ("memory-safe") {
            for { let end := add(state, 0x180) } lt(state, end) { state := add(state, 0x60) } {
                let word := mload(constants)
                mstore(state, add(mload(state), and(word, LANE)))
                mstore(add(state, 0x20), add(mload(add(state, 0x20)), and(shr(85, word), LANE)))
                mstore(add(state, 0x40), add(mload(add(state, 0x40)), shr(170, word)))
                constants := add(constants, 0x20)
            }
        }
    }

    /// @dev Multiplies the 12 words at `state`, each below P, by the MDS matrix, and adds constants. The results are below 2^73.
    /// The matrix is circulant but for the first entry, which is greater by 8: so three columns of four words say it all, if the
    /// words that accumulate move on by one for the next three columns.
    function mixAndAdd(uint256 state, uint256 constants) internal pure {
        assembly ("memory-safe") {
            let w0 := add(mload(constants), shl(3, mload(state)))
            let w1 := mload(add(constants, 0x20))
            let w2 := mload(add(constants, 0x40))
            let w3 := mload(add(constants, 0x60))
            for {
                let end := add(state, 0x180)
                let from := state
            } lt(from, end) { from := add(from, 0x60) } {
                let x := mload(from)
                let next := add(w1, mul(x, 0x3400000000000000000004e000000000000000000012))
                w1 := add(w2, mul(x, 0x800000000000000000003800000000000000000000d))
                w2 := add(w3, mul(x, 0x3c000000000000000000052000000000000000000010))
                w3 := add(w0, mul(x, 0x88000000000000000000028000000000000000000011))
                w0 := next
                x := mload(add(from, 0x20))
                w3 := add(w3, mul(x, 0x5000000000000000000002200000000000000000000f))
                w0 := add(w0, mul(x, 0x9c000000000000000000024000000000000000000022))
                w1 := add(w1, mul(x, 0x7000000000000000000001a00000000000000000000d))
                w2 := add(w2, mul(x, 0xa4000000000000000000020000000000000000000002))
                x := mload(add(from, 0x40))
                w3 := add(w3, mul(x, 0x4400000000000000000001e000000000000000000029))
                w0 := add(w0, mul(x, 0x48000000000000000000044000000000000000000014))
                w1 := add(w1, mul(x, 0x3400000000000000000001a000000000000000000027))
                w2 := add(w2, mul(x, 0x4000000000000000000000400000000000000000001c))
            }
            mstore(state, and(w0, LANE))
            mstore(add(state, 0x20), and(shr(85, w0), LANE))
            mstore(add(state, 0x40), shr(170, w0))
            mstore(add(state, 0x60), and(w1, LANE))
            mstore(add(state, 0x80), and(shr(85, w1), LANE))
            mstore(add(state, 0xa0), shr(170, w1))
            mstore(add(state, 0xc0), and(w2, LANE))
            mstore(add(state, 0xe0), and(shr(85, w2), LANE))
            mstore(add(state, 0x100), shr(170, w2))
            mstore(add(state, 0x120), and(w3, LANE))
            mstore(add(state, 0x140), and(shr(85, w3), LANE))
            mstore(add(state, 0x160), shr(170, w3))
        }
    }

    /// @dev Raises the 12 words at `state`, each below 2^85, to the seventh power. The results are below P.
    function sboxes(uint256 state) private pure {
        assembly ("memory-safe") {
            for { let end := add(state, 0x180) } lt(state, end) { state := add(state, 0x40) } {
                let x := mload(state)
                let cube := mod(mul(mul(x, x), x), P)
                mstore(state, mod(mul(mul(cube, cube), x), P))
                x := mload(add(state, 0x20))
                cube := mod(mul(mul(x, x), x), P)
                mstore(add(state, 0x20), mod(mul(mul(cube, cube), x), P))
            }
        }
    }

    /// @dev Multiplies all words but the first, each below 2^73, by the matrix before the partial rounds. The results are below
    /// 2^141.
    function mixInitially(uint256 state, uint256 constants) internal pure {
        unchecked {
            uint256 others = state + 0x20;
            uint256 results;
            assembly ("memory-safe") {
                results := mload(0x40)
            }
            for (uint256 i = 0; i < WIDTH - 1; ++i) {
                store(results, i, Quartic.wrap(dotProduct(constants, others)));
                constants += ROW_BYTES;
            }
            assembly ("memory-safe") {
                mcopy(others, results, 0x160)
            }
        }
    }

    /// @dev The linear layer of a partial round, in the sparse form that leaves the S-boxes where they are. The first word is
    /// below 2^65; the others start below 2^141 and grow by less than 2^129 in each round. The first word becomes less than
    /// 2^210. `constants` points to those of the round.
    function mixPartially(uint256 state, uint256 constants) internal pure {
        uint256 dot;
        unchecked {
            dot = dotProduct(constants + 8, state + 0x20);
        }
        assembly ("memory-safe") {
            let s0 := mload(state)
            // 25 is the first entry of the MDS matrix.
            mstore(state, add(dot, mul(s0, 25)))
            mstore(add(state, 0x20), add(mload(add(state, 0x20)), mul(shr(192, mload(add(constants, 0x60))), s0)))
            mstore(add(state, 0x40), add(mload(add(state, 0x40)), mul(shr(192, mload(add(constants, 0x68))), s0)))
            mstore(add(state, 0x60), add(mload(add(state, 0x60)), mul(shr(192, mload(add(constants, 0x70))), s0)))
            mstore(add(state, 0x80), add(mload(add(state, 0x80)), mul(shr(192, mload(add(constants, 0x78))), s0)))
            mstore(add(state, 0xa0), add(mload(add(state, 0xa0)), mul(shr(192, mload(add(constants, 0x80))), s0)))
            mstore(add(state, 0xc0), add(mload(add(state, 0xc0)), mul(shr(192, mload(add(constants, 0x88))), s0)))
            mstore(add(state, 0xe0), add(mload(add(state, 0xe0)), mul(shr(192, mload(add(constants, 0x90))), s0)))
            mstore(add(state, 0x100), add(mload(add(state, 0x100)), mul(shr(192, mload(add(constants, 0x98))), s0)))
            mstore(add(state, 0x120), add(mload(add(state, 0x120)), mul(shr(192, mload(add(constants, 0xa0))), s0)))
            mstore(add(state, 0x140), add(mload(add(state, 0x140)), mul(shr(192, mload(add(constants, 0xa8))), s0)))
            mstore(add(state, 0x160), add(mload(add(state, 0x160)), mul(shr(192, mload(add(constants, 0xb0))), s0)))
        }
    }

    /// @dev The sum of 11 words at `elements` times 11 weights of 8 bytes each.
    function dotProduct(uint256 weights, uint256 elements) private pure returns (uint256 dot) {
        assembly ("memory-safe") {
            dot := add(
                mul(shr(192, mload(add(weights, 0x50))), mload(add(elements, 0x140))),
                add(
                    mul(shr(192, mload(add(weights, 0x48))), mload(add(elements, 0x120))),
                    add(
                        mul(shr(192, mload(add(weights, 0x40))), mload(add(elements, 0x100))),
                        add(
                            mul(shr(192, mload(add(weights, 0x38))), mload(add(elements, 0xe0))),
                            add(
                                mul(shr(192, mload(add(weights, 0x30))), mload(add(elements, 0xc0))),
                                add(
                                    mul(shr(192, mload(add(weights, 0x28))), mload(add(elements, 0xa0))),
                                    add(
                                        mul(shr(192, mload(add(weights, 0x20))), mload(add(elements, 0x80))),
                                        add(
                                            mul(shr(192, mload(add(weights, 0x18))), mload(add(elements, 0x60))),
                                            add(
                                                mul(shr(192, mload(add(weights, 0x10))), mload(add(elements, 0x40))),
                                                add(
                                                    mul(shr(192, mload(add(weights, 0x8))), mload(add(elements, 0x20))),
                                                    mul(shr(192, mload(weights)), mload(elements))
                                                )
                                            )
                                        )
                                    )
                                )
                            )
                        )
                    )
                )
            )
        }
    }

    /// @dev Reduces the 12 words at `state`.
    function reduceAll(uint256 state) internal pure {
        assembly ("memory-safe") {
            for { let end := add(state, 0x180) } lt(state, end) { state := add(state, 0x40) } {
                mstore(state, mod(mload(state), P))
                mstore(add(state, 0x20), mod(mload(add(state, 0x20)), P))
            }
        }
    }
}
