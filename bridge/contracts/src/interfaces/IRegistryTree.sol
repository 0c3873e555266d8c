// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title The registry's tree of environments
interface IRegistryTree {
    /// @notice A word of a digest is not below the field's order.
    error NoFieldElement(uint64 word);

    /// @notice The root of the registry whose entry of environment 0 has the leaf `entry`.
    /// @param entry A Poseidon digest: four big-endian integers of 64 bits, element 0 first.
    /// @param path The siblings of environment 0, from the leaf up.
    function rootOf(bytes32 entry, bytes32[16] calldata path) external view returns (bytes32 root);
}
