// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Verifies the last proof of the hop
/// @notice A verifier has no setup, no owner and no storage: its code holds the key of one circuit for good.
interface ISuperblockVerifier {
    /// @notice The name of the last circuit: the digest of its verifier key and of FRI's parameters. It does not cover the
    /// contract's code, so verifiers of one circuit share it.
    function outerDigest() external view returns (bytes32);

    /// @notice Returns if and only if `proof` is valid for these public inputs, and else reverts with an error of its own.
    /// @param proof The proof's bytes, without its public inputs.
    /// @param publicInputs The fields of the superblock's statement in their order, each below 2^64 - 2^32 + 1.
    function verify(bytes calldata proof, uint256[] calldata publicInputs) external view;
}
