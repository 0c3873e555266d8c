// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRegistryTree} from "./interfaces/IRegistryTree.sol";
import {P} from "./verifier/Goldilocks.sol";
import {Poseidon} from "./verifier/Poseidon.sol";

/// @title The registry's tree of environments
/// @notice A node is `H("node", left, right)`, the first four elements of one permutation:
///
/// | elements | 0 to 3 | 4 to 7 | 8      | 9                 | 10, 11 |
/// |----------|--------|--------|--------|-------------------|--------|
/// | state    | left   | right  | "node" | 8 elements hashed | zeros  |
///
/// Environment 0 is the left child on each level.
contract RegistryTree is IRegistryTree {
    /// @dev The domain of nodes, as an integer.
    uint256 private constant NODE = uint32(bytes4("node"));
    /// @dev Elements of two digests.
    uint256 private constant NODE_LENGTH = 8;
    /// @dev Elements of a digest.
    uint256 private constant DIGEST = 4;

    /// @inheritdoc IRegistryTree
    function rootOf(bytes32 entry, bytes32[16] calldata path) external pure returns (bytes32 root) {
        uint256 table = Poseidon.loadConstants();
        uint256[12] memory state;
        uint256 pointer;
        assembly ("memory-safe") {
            pointer := state
        }
        _load(state, 0, entry);
        for (uint256 level = 0; level < path.length; ++level) {
            _load(state, DIGEST, path[level]);
            (state[8], state[9], state[10], state[11]) = (NODE, NODE_LENGTH, 0, 0);
            // The first four elements are the node, which is the left child of the next one.
            Poseidon.permute(pointer, table);
        }
        return bytes32(state[0] << 192 | state[1] << 128 | state[2] << 64 | state[3]);
    }

    /// @dev Puts a digest's elements at `start`.
    function _load(uint256[12] memory state, uint256 start, bytes32 digest) private pure {
        for (uint256 i = 0; i < DIGEST; ++i) {
            uint64 word = uint64(uint256(digest) >> 64 * (DIGEST - 1 - i));
            if (word >= P) revert NoFieldElement(word);
            state[start + i] = word;
        }
    }
}
