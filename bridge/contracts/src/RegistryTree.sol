// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRegistryTree} from "./interfaces/IRegistryTree.sol";
import {P} from "./verifier/Goldilocks.sol";
import {Poseidon} from "./verifier/Poseidon.sol";

/// @title The registry's tree of environments, and the body chain of a superblock of one block
/// @notice All hashes are of at most eight elements, so each is one permutation:
///
/// | elements | 0 to 7                 | 8      | 9                         | 10, 11 |
/// |----------|------------------------|--------|---------------------------|--------|
/// | state    | what is hashed, zeros  | domain | how many elements that is | zeros  |
///
/// Its first four elements are the digest. So running digests stay where they are.
contract RegistryTree is IRegistryTree {
    /// @dev Domains, as the integers of their names.
    uint256 private constant NODE = uint32(bytes4("node"));
    uint256 private constant BODY_CHAIN = uint56(bytes7("body-ch"));
    uint256 private constant MESSAGE_LIST = uint56(bytes7("msglist"));
    uint256 private constant INDICES = uint56(bytes7("indices"));
    /// @dev Elements of a digest.
    uint256 private constant DIGEST = 4;

    /// @inheritdoc IRegistryTree
    /// @dev Environment 0 is the left child on each level.
    function rootOf(bytes32 entry, bytes32[16] calldata path) external pure returns (bytes32) {
        uint256 table = Poseidon.loadConstants();
        uint256[12] memory state;
        _load(state, 0, entry);
        for (uint256 level = 0; level < path.length; ++level) {
            _load(state, DIGEST, path[level]);
            _hash(state, NODE, 2 * DIGEST, table);
        }
        return _digest(state);
    }

    /// @inheritdoc IRegistryTree
    function bodyChainOf(bytes32 blockDigest, uint32[] calldata indices) external pure returns (bytes32) {
        uint256 table = Poseidon.loadConstants();
        uint256[12] memory list;
        _hash(list, MESSAGE_LIST, 0, table);
        uint256[12] memory chain;
        for (uint256 i = 0; i < DIGEST; ++i) {
            chain[i] = list[i];
        }
        for (uint256 i = 0; i < indices.length; ++i) {
            (list[4], list[5], list[6], list[7]) = (indices[i], 0, 0, 0);
            _hash(list, INDICES, DIGEST + 1, table);
        }
        _load(chain, DIGEST, blockDigest);
        _hash(chain, BODY_CHAIN, 2 * DIGEST, table);
        for (uint256 i = 0; i < DIGEST; ++i) {
            chain[DIGEST + i] = list[i];
        }
        _hash(chain, BODY_CHAIN, 2 * DIGEST, table);
        return _digest(chain);
    }

    /// @dev Replaces the first `length` elements by their digest.
    function _hash(uint256[12] memory state, uint256 domain, uint256 length, uint256 table) private pure {
        (state[8], state[9], state[10], state[11]) = (domain, length, 0, 0);
        uint256 pointer;
        assembly ("memory-safe") {
            pointer := state
        }
        Poseidon.permute(pointer, table);
    }

    /// @dev Puts a digest's elements at `start`.
    function _load(uint256[12] memory state, uint256 start, bytes32 digest) private pure {
        for (uint256 i = 0; i < DIGEST; ++i) {
            uint64 word = uint64(uint256(digest) >> 64 * (DIGEST - 1 - i));
            if (word >= P) revert NoFieldElement(word);
            state[start + i] = word;
        }
    }

    function _digest(uint256[12] memory state) private pure returns (bytes32) {
        return bytes32(state[0] << 192 | state[1] << 128 | state[2] << 64 | state[3]);
    }
}
