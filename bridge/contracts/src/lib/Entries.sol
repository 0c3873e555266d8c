// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Deposit, Payout} from "../interfaces/SettlementTypes.sol";

/// @title What is hashed of deposits and payouts
/// @notice The layouts are those of `environments/l1`, whose kernels prove the same hashes. Integers are big-endian.
library Entries {
    /// @dev Bytes of a payout in calldata.
    uint256 internal constant PAYOUT_BYTES = 72;

    /// @notice The queue's digest after one more deposit; 104 bytes are hashed.
    function appendDeposit(bytes32 queueDigest, Deposit memory entry) internal pure returns (bytes32) {
        return keccak256(
            abi.encodePacked(
                queueDigest,
                entry.depositor,
                entry.recipient,
                entry.destination,
                entry.asset.origin,
                entry.asset.number,
                entry.amount,
                entry.lifetime
            )
        );
    }

    /// @notice The digest of a list of payouts after one more, which is packed; 104 bytes are hashed.
    function appendPayout(bytes32 listDigest, bytes calldata packed) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(listDigest, packed));
    }

    /// @notice Reads a packed payout.
    ///
    /// | bytes | 4     | 20        | 2    | 2      | 4      | 8      | 32   |
    /// |-------|-------|-----------|------|--------|--------|--------|------|
    /// | field | index | recipient | kind | origin | number | amount | name |
    function unpack(bytes calldata packed) internal pure returns (Payout memory payout) {
        uint256 head = uint256(bytes32(packed[:32]));
        payout.index = uint32(head >> 224);
        payout.recipient = address(uint160(head >> 64));
        payout.kind = uint16(head >> 48);
        payout.asset.origin = uint16(head >> 32);
        payout.asset.number = uint32(head);
        payout.amount = uint64(bytes8(packed[32:40]));
        payout.name = bytes32(packed[40:72]);
    }

    /// @notice The leaf of a payout, as OpenZeppelin's `StandardMerkleTree` has it.
    function leaf(Payout memory payout) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(payout))));
    }
}
