// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {P} from "./Goldilocks.sol";
import {Quartic} from "./Quartic.sol";

/// @dev A duplex sponge of 12 elements. Eight of them absorb and are squeezed, from the eighth to the first.
struct Transcript {
    // Pointer to the state: 96 bytes, each element big-endian, and a byte 0. The last permutation's seed and a byte follow.
    uint256 state;
    // How many elements can be squeezed before the next permutation.
    uint256 available;
}

using TranscriptLibrary for Transcript global;

/// @title TranscriptLibrary
/// @notice plonky2's challenger over the permutation whose parts are Keccak-256 digests:
///
///     seed            = keccak256(state, 0)                      97 bytes
///     elements 8..12  = the seed's four words of 64 bits, without their highest bits
///     part_i          = keccak256(seed, i + 1), i = 0 to 3       33 bytes
///     elements 2i, 2i + 1 = the halves of part_i, modulo P
///
/// @dev Lengths tell these inputs from each other, from leaves (multiples of 8 bytes) and from nodes (50 bytes).
library TranscriptLibrary {
    uint256 private constant RATE_BYTES = 64;
    uint256 private constant STATE_BYTES = 96;
    /// @dev Where the seed is, from the state.
    uint256 private constant SEED = 0x80;
    /// @dev All but the highest bit of each of four words.
    uint256 private constant CAPACITY_MASK = 0x7fffffffffffffff7fffffffffffffff7fffffffffffffff7fffffffffffffff;
    /// @dev The lowest 128 bits.
    uint256 private constant HALF = 0xffffffffffffffffffffffffffffffff;

    /// @notice The transcript of nothing.
    function create() internal pure returns (Transcript memory transcript) {
        uint256 state;
        assembly ("memory-safe") {
            state := mload(0x40)
            mstore(0x40, add(state, 0xc0))
            calldatacopy(state, calldatasize(), 0xc0)
        }
        transcript.state = state;
    }

    /// @notice Absorbs `length` bytes at `data`: elements of 8 bytes, all that are absorbed between two challenges.
    function absorb(Transcript memory self, uint256 data, uint256 length) internal pure {
        unchecked {
            uint256 state = self.state;
            if (length >= RATE_BYTES) {
                for (; length >= RATE_BYTES; length -= RATE_BYTES) {
                    assembly ("memory-safe") {
                        mcopy(state, data, RATE_BYTES)
                    }
                    permuteCapacity(state);
                    data += RATE_BYTES;
                }
                fillRate(state);
            }
            if (length != 0) {
                // The elements that are not overwritten stay.
                assembly ("memory-safe") {
                    mcopy(state, data, length)
                }
                permuteCapacity(state);
                fillRate(state);
            }
            self.available = 8;
        }
    }

    /// @notice The next challenge in the base field.
    function squeeze(Transcript memory self) internal pure returns (uint256 element) {
        unchecked {
            uint256 state = self.state;
            uint256 available = self.available;
            if (available == 0) {
                permuteCapacity(state);
                fillRate(state);
                available = 8;
            }
            self.available = --available;
            assembly ("memory-safe") {
                element := shr(192, mload(add(state, shl(3, available))))
            }
        }
    }

    /// @notice The next challenge in the extension field: four in the base field, the coefficient of 1 first.
    function squeezeQuartic(Transcript memory self) internal pure returns (Quartic) {
        uint256 word;
        for (uint256 i = 0; i < 4; ++i) {
            word = (word << 64) | squeeze(self);
        }
        return Quartic.wrap(word);
    }

    /// @dev The permutation, as far as the next block absorbed needs it: the capacity and the seed.
    function permuteCapacity(uint256 state) private pure {
        assembly ("memory-safe") {
            let seed := keccak256(state, add(STATE_BYTES, 1))
            mstore(add(state, RATE_BYTES), and(seed, CAPACITY_MASK))
            mstore(add(state, SEED), seed)
        }
    }

    /// @dev The rest of the permutation: the elements that can be squeezed.
    function fillRate(uint256 state) private pure {
        assembly ("memory-safe") {
            let seed := add(state, SEED)
            for { let i := 0 } lt(i, 2) { i := add(i, 1) } {
                let tag := add(seed, 0x20)
                mstore8(tag, add(shl(1, i), 1))
                let part := keccak256(seed, 33)
                let word := or(shl(192, mod(shr(128, part), P)), shl(128, mod(and(part, HALF), P)))
                mstore8(tag, add(shl(1, i), 2))
                part := keccak256(seed, 33)
                mstore(add(state, shl(5, i)), or(word, or(shl(64, mod(shr(128, part), P)), mod(and(part, HALF), P))))
            }
        }
    }
}
