// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @title The Merkle tree of a superblock's payouts
/// @notice OpenZeppelin's `StandardMerkleTree` with its option `sortLeaves: false`: a complete binary tree in one array, node `i`
/// above nodes `2i + 1` and `2i + 2`, the leaves last and in reverse.
///
///     leaves a, b, c:   0 = (1, 2)    1 = (3, 4)    2 = c    3 = b    4 = a
///
/// The array is the caller's: `count` leaves take its last `count` places.
library PayoutTree {
    /// @notice An array for the tree of `count` leaves; empty if there are none.
    function allocate(uint256 count) internal pure returns (bytes32[] memory nodes) {
        return new bytes32[](count == 0 ? 0 : 2 * count - 1);
    }

    /// @notice Puts the leaf of the payout at `position` in its place.
    function setLeaf(bytes32[] memory nodes, uint256 position, bytes32 leaf) internal pure {
        nodes[nodes.length - 1 - position] = leaf;
    }

    /// @notice Fills the nodes above the leaves, of which there is one at least, and returns the root.
    function root(bytes32[] memory nodes) internal pure returns (bytes32) {
        for (uint256 i = nodes.length / 2; i > 0; --i) {
            nodes[i - 1] = Hashes.commutativeKeccak256(nodes[2 * i - 1], nodes[2 * i]);
        }
        return nodes[0];
    }
}
