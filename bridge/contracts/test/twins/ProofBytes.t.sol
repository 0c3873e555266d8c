// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Test} from "../support/Test.sol";
import {P} from "./Twin.sol";

/// @notice What `VerifierHarness` has of `ProofBytes`.
interface IProofBytes {
    error ElementTooLarge(uint256 position, uint256 word);

    function copyElements(bytes calldata proof, uint256 position, uint256 length) external pure returns (bytes memory);
    function readElements(bytes calldata proof, uint256 position, uint256 length) external pure returns (bytes memory);
    function readCap(bytes calldata proof, uint256 position, uint256 size)
        external
        pure
        returns (uint256[] memory cap, uint256[] memory absorbed);
    function expandCap(bytes memory digests, uint256 size) external pure returns (uint256[] memory cap);
    function copy(bytes memory data) external pure returns (bytes memory);
    function hashLeaf(bytes memory leaf) external pure returns (bytes32);
    function allocate(uint256 size) external pure returns (uint256);
}

/// @notice What reads a proof equals its twin in plain Solidity, which goes byte by byte.
contract ProofBytesTest is Test {
    IProofBytes private constant HARNESS = IProofBytes(address(0x4a));
    uint256 private constant DIGEST_BYTES = 25;

    function setUp() public {
        string memory artifact = vm.readFile("test/artifacts/VerifierHarness.json");
        vm.etch(address(HARNESS), vm.parseJsonBytes(artifact, ".deployedBytecode"));
    }

    /// @dev Any bytes; elements among them are at or above the order, with 2^-32 of chance each.
    function _random(uint256 seed, uint256 length) private pure returns (bytes memory data) {
        data = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            data[i] = keccak256(abi.encode(seed, i / 32))[i % 32];
        }
    }

    /// @dev The number whose bytes, the highest first, are `count` ones at `from`.
    function _number(bytes memory data, uint256 from, uint256 count) private pure returns (uint256 number) {
        for (uint256 i = 0; i < count; ++i) {
            number = number << 8 | uint8(data[from + i]);
        }
    }

    /// @dev The bytes from `from` on, zeros after the last of them up to `size`.
    function _padded(bytes memory data, uint256 from, uint256 count, uint256 size)
        private
        pure
        returns (bytes memory part)
    {
        part = new bytes(size);
        for (uint256 i = 0; i < count; ++i) {
            part[i] = data[from + i];
        }
    }

    /// @dev What `readElements` reverts with: nothing if every element is below the order.
    function _refusal(bytes memory data, uint256 position, uint256 length) private pure returns (bytes memory) {
        for (uint256 i = 0; i < length; i += 8) {
            if (_number(data, position + i, 8) < P) continue;
            uint256 from = i / 32 * 32;
            uint256 count = length - from < 32 ? length - from : 32;
            bytes32 word = bytes32(_padded(data, position + from, count, 32));
            return abi.encodeWithSelector(IProofBytes.ElementTooLarge.selector, position + from, word);
        }
        return "";
    }

    function testFuzz_elements(uint256 seed, uint256 position, uint256 count, uint256 excess, uint256 place) public pure {
        position = bound(position, 0, 70);
        uint256 length = 8 * bound(count, 1, 24);
        bytes memory data = _random(seed, position + length + 40);
        // None, one or all elements are too large: the order itself, the greatest word, and between them.
        place = 8 * bound(place, 0, length / 8 - 1);
        uint256 greatest = excess % 2 == 0 ? P : excess % 3 == 0 ? type(uint64).max : bound(seed, P, type(uint64).max);
        for (uint256 i = 0; i < length; i += 8) {
            if (excess % 5 == 0 || excess % 5 < 3 && i == place) {
                for (uint256 j = 0; j < 8; ++j) {
                    data[position + i + j] = bytes1(uint8(greatest >> 56 - 8 * j));
                }
            }
        }
        bytes memory expected = _padded(data, position, length, length / 32 * 32 + 32);
        assertEq(string(HARNESS.copyElements(data, position, length)), string(expected), "copied");
        bytes memory refusal = _refusal(data, position, length);
        assertTrue(excess % 5 >= 3 || refusal.length > 0, "an element is too large");
        try HARNESS.readElements(data, position, length) returns (bytes memory found) {
            assertEq(string(refusal), "", "accepted");
            assertEq(string(found), string(expected), "read");
        } catch (bytes memory reason) {
            assertEq(string(reason), string(refusal), "reason");
        }
    }

    /// @dev Elements next to each other are refused for the first word, and what is around them does not matter.
    function test_elements_outside_are_not_looked_at() public pure {
        bytes memory data = new bytes(96);
        for (uint256 i = 0; i < 96; ++i) {
            if (i < 8 || i >= 80) data[i] = 0xff;
        }
        assertEq(string(HARNESS.readElements(data, 8, 72)), string(new bytes(96)), "read");
    }

    function testFuzz_caps(uint256 seed, uint256 position, uint256 size) public pure {
        position = bound(position, 0, 70);
        size = bound(size, 1, 16);
        bytes memory data = _random(seed, position + DIGEST_BYTES * size);
        (uint256[] memory cap, uint256[] memory absorbed) = HARNESS.readCap(data, position, size);
        uint256[] memory expanded =
            HARNESS.expandCap(_padded(data, position, DIGEST_BYTES * size, DIGEST_BYTES * size), size);
        for (uint256 i = 0; i < size; ++i) {
            uint256 from = position + DIGEST_BYTES * i;
            uint256 digest = uint256(bytes32(_padded(data, from, DIGEST_BYTES, 32)));
            assertEq(cap[i], digest, "digest");
            assertEq(expanded[i], digest, "expanded digest");
            uint256 word = _number(data, from, 7) << 192 | _number(data, from + 7, 7) << 128;
            word |= _number(data, from + 14, 7) << 64 | _number(data, from + 21, 4);
            assertEq(absorbed[i], word, "absorbed");
        }
    }

    function testFuzz_leaves(uint256 seed, uint256 count) public pure {
        bytes memory leaf = _random(seed, 8 * bound(count, 0, 200));
        assertEq(HARNESS.hashLeaf(leaf), bytes32(bytes25(keccak256(leaf))), "digest");
    }

    function testFuzz_memory(uint256 seed, uint256 length) public pure {
        bytes memory data = _random(seed, bound(length, 0, 200));
        assertEq(string(HARNESS.copy(data)), string(data), "copy");
        uint256 size = 32 * bound(length, 0, 1000);
        assertEq(HARNESS.allocate(size), size, "allocated");
    }
}
