// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Payments that cannot harm the payer
/// @notice Whoever is called gets a bounded amount of gas, and what it returns is not copied: memory that a hostile receiver fills
/// would cost all later payments of a batch. Solidity copies it, so these calls are in assembly.
library Payments {
    /// @notice Sends `value` wei. Returns whether the receiver took it.
    function sendEther(address recipient, uint256 value, uint256 gasLimit) internal returns (bool taken) {
        assembly ("memory-safe") {
            taken := call(gasLimit, recipient, value, 0, 0, 0, 0)
        }
    }

    /// @notice Transfers `value` of a token. Returns whether it did, as OpenZeppelin's `SafeERC20` judges it: a contract that
    /// does not revert, and that returns nothing or `true`.
    function sendToken(address token, address recipient, uint256 value, uint256 gasLimit) internal returns (bool) {
        bytes memory data = abi.encodeCall(IERC20.transfer, (recipient, value));
        bool success;
        uint256 size;
        uint256 word;
        assembly ("memory-safe") {
            success := call(gasLimit, token, 0, add(data, 0x20), mload(data), 0, 0x20)
            size := returndatasize()
            word := mload(0)
        }
        return success && (size == 0 ? token.code.length > 0 : size >= 32 && word == 1);
    }
}
