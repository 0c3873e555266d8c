// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Fri} from "./Fri.sol";
import {Quartic, load} from "./Quartic.sol";

/// @title ProofBytes
/// @notice Reads a proof from calldata to memory. A proof is a pointer to its first byte, and positions count from there.
library ProofBytes {
    /// @notice An element in the word at byte `position` of the proof is at or above the field's order.
    error ElementTooLarge(uint256 position, uint256 word);

    /// @notice Where calldata of bytes begins.
    function startOf(bytes calldata data) internal pure returns (uint256 start) {
        assembly ("memory-safe") {
            start := data.offset
        }
    }

    /// @notice Memory for `size` bytes, a multiple of 32.
    function allocate(uint256 size) internal pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := mload(0x40)
            mstore(0x40, add(pointer, size))
        }
    }

    /// @notice Copies `length` bytes of elements at byte `position` of the proof to memory, zeros up to a multiple of 32 after
    /// them, and refuses elements at or above the field's order.
    function readElements(uint256 start, uint256 position, uint256 length, uint256 to) internal pure {
        copyElements(start, position, length, to);
        if (Fri.anyTooLarge(to, length)) {
            refuseElements(start, position, length);
            assert(false);
        }
    }

    /// @notice Copies without looking at the elements. If `length` is a multiple of 32, a word of zeros follows.
    function copyElements(uint256 start, uint256 position, uint256 length, uint256 to) internal pure {
        assembly ("memory-safe") {
            mstore(add(to, and(length, not(31))), 0)
            calldatacopy(to, add(start, position), length)
        }
    }

    /// @notice Reverts with the first word among `length` bytes at byte `position` of the proof that holds an element at or above
    /// the field's order, if there is one.
    function refuseElements(uint256 start, uint256 position, uint256 length) internal pure {
        unchecked {
            uint256 buffer = allocate(0x20);
            for (uint256 end = position + length; position < end; position += 0x20) {
                uint256 size = end - position < 0x20 ? end - position : 0x20;
                copyElements(start, position, size, buffer);
                if (Fri.anyTooLarge(buffer, 0x20)) {
                    revert ElementTooLarge(position, Quartic.unwrap(load(buffer, 0)));
                }
            }
        }
    }

    /// @notice Copies a cap of `size` digests at byte `position` of the proof to `cap`, a word each, and to `absorbed` in the form
    /// that the transcript absorbs: each digest as four elements of 7, 7, 7 and 4 bytes.
    function readCap(uint256 start, uint256 position, uint256 size, uint256 cap, uint256 absorbed) internal pure {
        uint256 mask = Fri.DIGEST_MASK;
        assembly ("memory-safe") {
            let from := add(start, position)
            for { let i := 0 } lt(i, size) { i := add(i, 1) } {
                let digest := and(calldataload(from), mask)
                mstore(add(cap, shl(5, i)), digest)
                let word := or(shl(192, shr(200, digest)), shl(128, and(shr(144, digest), 0xffffffffffffff)))
                word := or(word, or(shl(64, and(shr(88, digest), 0xffffffffffffff)), and(shr(56, digest), 0xffffffff)))
                mstore(add(absorbed, shl(5, i)), word)
                from := add(from, 25)
            }
        }
    }

    /// @notice Copies `size` digests that are in memory, one behind the other, to `cap`, a word each.
    function expandCap(bytes memory digests, uint256 size, uint256 cap) internal pure {
        uint256 mask = Fri.DIGEST_MASK;
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, size) { i := add(i, 1) } {
                mstore(add(cap, shl(5, i)), and(mload(add(digests, add(0x20, mul(25, i)))), mask))
            }
        }
    }

    /// @notice Copies bytes within memory.
    function copy(bytes memory data, uint256 to) internal pure {
        assembly ("memory-safe") {
            mcopy(to, add(data, 0x20), mload(data))
        }
    }

    /// @notice The digest of a leaf.
    function hashLeaf(uint256 leaf, uint256 length) internal pure returns (uint256 digest) {
        uint256 mask = Fri.DIGEST_MASK;
        assembly ("memory-safe") {
            digest := and(keccak256(leaf, length), mask)
        }
    }
}
