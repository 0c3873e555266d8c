// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {L1Body, Statement} from "../interfaces/SettlementTypes.sol";

/// @title The public inputs of a superblock's proof
/// @notice One field element each, in the order of `SuperblockStatement` in `circuits/protocol`:
///
/// | elements | 1          | 1      | 4              | 4         | 4             | 4          | 1           | 1           |
/// |----------|------------|--------|----------------|-----------|---------------|------------|-------------|-------------|
/// | field    | deployment | number | previous state | new state | registry root | body chain | block count | has L1 block|
///
/// | elements | 8            | 1            | 8              | 1            | 1            |
/// |----------|--------------|--------------|----------------|--------------|--------------|
/// | field    | queue digest | queue length | payouts digest | first payout | payout count |
///
/// A digest of the proof system is four integers of 64 bits, one of Keccak-256 eight of 32 bits; both are big-endian.
/// That elements are below the field's order is the verifier's to check.
library PublicInputs {
    uint256 internal constant COUNT = 39;

    /// @notice The public inputs of a proof of `statement`.
    function encode(Statement calldata statement) internal pure returns (uint256[] memory inputs) {
        L1Body calldata body = statement.l1Body;
        inputs = new uint256[](COUNT);
        inputs[0] = statement.deployment;
        inputs[1] = statement.number;
        _split(inputs, 2, statement.previousState, 64);
        _split(inputs, 6, statement.newState, 64);
        _split(inputs, 10, statement.registryRoot, 64);
        _split(inputs, 14, statement.bodyChain, 64);
        inputs[18] = statement.blockCount;
        inputs[19] = statement.hasL1Block ? 1 : 0;
        _split(inputs, 20, body.queueDigest, 32);
        inputs[28] = body.queueLength;
        _split(inputs, 29, body.payoutsDigest, 32);
        inputs[37] = body.firstPayout;
        inputs[38] = body.payoutCount;
    }

    /// @dev Puts the integers of `bits` bits of which `digest` consists at `inputs[start..]`, the first one first.
    function _split(uint256[] memory inputs, uint256 start, bytes32 digest, uint256 bits) private pure {
        uint256 count = 256 / bits;
        uint256 mask = (1 << bits) - 1;
        for (uint256 i = 0; i < count; ++i) {
            inputs[start + i] = uint256(digest) >> (256 - bits * (i + 1)) & mask;
        }
    }
}
