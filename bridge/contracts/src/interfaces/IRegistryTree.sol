// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Digests in Poseidon that the settlement contract recomputes
interface IRegistryTree {
    /// @notice A word of a digest is not below the field's order.
    error NoFieldElement(uint64 word);

    /// @notice The root of the registry whose entry of environment 0 has the leaf `entry`.
    /// @param entry A Poseidon digest: four big-endian integers of 64 bits, element 0 first.
    /// @param path The siblings of environment 0, from the leaf up.
    function rootOf(bytes32 entry, bytes32[16] calldata path) external view returns (bytes32 root);

    /// @notice The body chain of a superblock of one block.
    /// @param blockDigest The block's element of the chain.
    /// @param indices The indices of the messages that the block consumes, in order.
    function bodyChainOf(bytes32 blockDigest, uint32[] calldata indices) external view returns (bytes32 bodyChain);
}
