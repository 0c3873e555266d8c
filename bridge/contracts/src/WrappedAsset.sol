// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

/// @title An asset of an environment on L1
/// @notice The settlement contract clones this contract for each asset that is paid out, and mints and burns. An asset is named
/// by its origin and its number alone: whatever an environment calls it, no contract knows.
contract WrappedAsset is ERC20 {
    using Strings for uint256;

    /// @notice Only the settlement contract mints and burns.
    error NotSettlement(address caller);

    /// @notice The contract that mints and burns.
    address public immutable SETTLEMENT;

    constructor() ERC20("", "") {
        SETTLEMENT = msg.sender;
    }

    modifier onlySettlement() {
        if (msg.sender != SETTLEMENT) revert NotSettlement(msg.sender);
        _;
    }

    /// @notice Makes `amount` units for `account`.
    /// @dev Errors: `NotSettlement`.
    function mint(address account, uint256 amount) external onlySettlement {
        _mint(account, amount);
    }

    /// @notice Takes `amount` units from `account`, who asked the settlement contract for it.
    /// @dev Errors: `NotSettlement`, `ERC20InsufficientBalance`.
    function burn(address account, uint256 amount) external onlySettlement {
        _burn(account, amount);
    }

    /// @notice The environment that issues the asset.
    function origin() public view returns (uint16) {
        return uint16(bytes2(Clones.fetchCloneArgs(address(this))));
    }

    /// @notice The asset's number there.
    function number() public view returns (uint32) {
        return uint32(bytes4(bytes6(Clones.fetchCloneArgs(address(this))) << 16));
    }

    /// @notice "Superblock asset ORIGIN:NUMBER".
    function name() public view override returns (string memory) {
        return string.concat("Superblock asset ", uint256(origin()).toString(), ":", uint256(number()).toString());
    }

    /// @notice "SB-ORIGIN-NUMBER".
    function symbol() public view override returns (string memory) {
        return string.concat("SB-", uint256(origin()).toString(), "-", uint256(number()).toString());
    }

    /// @notice None: amounts are in units of the bridge, and environments do not say what a whole is.
    function decimals() public pure override returns (uint8) {
        return 0;
    }
}
