// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {WrappedAsset} from "../WrappedAsset.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {Asset, AssetId, AssetKind} from "../interfaces/SettlementTypes.sol";
import {Payments} from "../lib/Payments.sol";
import {Base} from "./Base.sol";

/// @title Assets: what is locked, what is paid, and how much of it
/// @notice Invariants:
/// 1. Token and unit of an asset never change.
/// 2. For each asset of L1: `outstanding` is below 2^58, and the contract holds at least `outstanding` units and the payouts that
///    are listed and not claimed; more only if somebody sent it some.
/// 3. What is minted of an environment's asset was listed as a payout or deposited before; what is deposited is burned.
abstract contract AssetTable is Base {
    using SafeERC20 for IERC20;

    /// @dev Balances of the bridge are below this, so that sums of them stay below the field's order.
    uint64 internal constant AMOUNT_LIMIT = 1 << 58;
    /// @dev Ether has asset number 1 of L1.
    uint32 internal constant ETHER_NUMBER = 1;
    /// @dev A unit of ether is 10^10 wei: eight decimals.
    uint8 internal constant ETHER_UNIT_EXPONENT = 10;
    /// @dev 10^57 times 2^58 has less than 256 bits.
    uint8 internal constant MAX_UNIT_EXPONENT = 57;
    /// @dev Gas for each payment of a batch, so that no receiver and no token uses up what is for the others. Enough for a wallet
    /// that is a contract; who needs more is paid alone.
    uint256 internal constant BATCH_PAYMENT_GAS = 100_000;

    /// @dev The code of all wrapped assets.
    WrappedAsset private immutable WRAPPED;

    mapping(uint256 key => Asset) private _assets;

    constructor(uint64 etherMinimum, uint64 etherDayLimit) {
        WRAPPED = new WrappedAsset();
        _list(AssetId(0, ETHER_NUMBER), AssetKind.Ether, address(0), ETHER_UNIT_EXPONENT, etherMinimum, etherDayLimit);
    }

    /// @inheritdoc ISettlement
    function assetOf(AssetId calldata asset) external view returns (Asset memory) {
        return _assets[_key(asset)];
    }

    /// @inheritdoc ISettlement
    function wrappedToken(AssetId calldata asset) external view returns (address) {
        return Clones.predictDeterministicAddressWithImmutableArgs(address(WRAPPED), _cloneArguments(asset), 0);
    }

    /// @inheritdoc ISettlement
    function listAsset(uint32 number, address token, uint8 unitExponent, uint64 minimum, uint64 dayLimit)
        external
        restricted
    {
        if (number == 0) revert NotAnL1Asset(number);
        if (token.code.length == 0) revert NoToken(token);
        if (unitExponent > MAX_UNIT_EXPONENT) revert UnitTooLarge(unitExponent, MAX_UNIT_EXPONENT);
        AssetId memory asset = AssetId(0, number);
        if (_assets[_key(asset)].kind != AssetKind.None) revert AssetExists(0, number);
        _list(asset, AssetKind.Token, token, unitExponent, minimum, dayLimit);
    }

    /// @inheritdoc ISettlement
    function limitAsset(AssetId calldata asset, uint64 minimum, uint64 dayLimit) external restricted {
        Asset storage row = _assets[_key(asset)];
        if (row.kind == AssetKind.None) revert UnknownAsset(asset.origin, asset.number);
        if (row.kind == AssetKind.Wrapped) revert NotAnL1Asset(asset.number);
        row.minimum = minimum;
        row.dayLimit = dayLimit;
        emit AssetLimited(asset.origin, asset.number, minimum, dayLimit);
    }

    /// @dev Takes `tokens` of an asset and a fee in wei from the caller, and gives back what else was sent along. Returns how many
    /// units the tokens are.
    function _take(AssetId calldata asset, uint256 tokens, uint256 fee) internal returns (uint64 amount) {
        Asset storage row = _assets[_key(asset)];
        AssetKind kind = row.kind;
        if (kind == AssetKind.None) revert UnknownAsset(asset.origin, asset.number);
        amount = _count(row, kind, tokens);
        uint256 value = kind == AssetKind.Ether ? tokens + fee : fee;
        if (msg.value < value) revert TooLittleValue(msg.value, value);
        if (kind == AssetKind.Token) {
            IERC20 token = IERC20(row.token);
            uint256 before = token.balanceOf(address(this));
            token.safeTransferFrom(msg.sender, address(this), tokens);
            uint256 received = token.balanceOf(address(this)) - before;
            if (received != tokens) revert WrongReceipt(received, tokens);
        } else if (kind == AssetKind.Wrapped) {
            WrappedAsset(row.token).burn(msg.sender, tokens);
        }
        if (msg.value > value && !Payments.sendEther(msg.sender, msg.value - value, gasleft())) {
            revert PaymentFailed(msg.sender);
        }
    }

    /// @dev Checks a deposit of `tokens` and counts it. Returns how many units it is.
    function _count(Asset storage row, AssetKind kind, uint256 tokens) private returns (uint64) {
        uint256 unit = _unit(row.unitExponent);
        if (tokens % unit != 0) revert Remainder(tokens, unit);
        uint256 amount = tokens / unit;
        // Nothing is no deposit, whatever the minimum.
        uint64 minimum = row.minimum;
        if (amount == 0 || amount < minimum) revert BelowMinimum(amount, minimum);
        // An environment's asset was let in by the bridge, which takes no more of it than this either.
        uint256 outstanding = kind == AssetKind.Wrapped ? amount : row.outstanding + amount;
        if (outstanding >= AMOUNT_LIMIT) revert AmountTooLarge(outstanding, AMOUNT_LIMIT);
        uint64 dayLimit = row.dayLimit;
        uint256 full = uint256(dayLimit) * 1 days;
        uint32 timestamp = _now();
        // After the limit was lowered, what it has no room for does not count against it.
        uint256 used = row.used > full ? full : row.used;
        uint256 refilled = uint256(dayLimit) * (timestamp - row.usedAt);
        used = (used > refilled ? used - refilled : 0) + amount * 1 days;
        if (used > full) revert AboveDayLimit((used + 1 days - 1) / 1 days, dayLimit);
        if (kind != AssetKind.Wrapped) row.outstanding = uint64(outstanding);
        (row.used, row.usedAt) = (uint96(used), timestamp);
        return uint64(amount);
    }

    /// @dev Takes `amount` units of an asset off what is outstanding, because they will be paid. What environments issue is
    /// theirs to limit.
    function _release(AssetId memory asset, uint64 amount) internal {
        if (asset.origin != 0) return;
        Asset storage row = _assets[_key(asset)];
        uint64 outstanding = row.outstanding;
        if (amount > outstanding) revert OverPaid(asset.origin, asset.number, amount, outstanding);
        row.outstanding = outstanding - amount;
    }

    /// @dev Pays `amount` units of an asset; receiver and token get at most `paymentGas`. Returns whether the payment was made; if
    /// not, nothing has moved. Nothing is paid to this contract, which could do nothing with it.
    function _pay(AssetId memory asset, address recipient, uint64 amount, uint256 paymentGas) internal returns (bool) {
        if (recipient == address(this)) return false;
        Asset storage row = _assets[_key(asset)];
        AssetKind kind = row.kind;
        if (kind == AssetKind.None) {
            // An environment's asset, and the first payout in it. Of an asset of L1 that is unknown nothing is outstanding.
            if (asset.origin == 0) return false;
            _wrap(asset);
            kind = AssetKind.Wrapped;
        }
        uint256 tokens = amount * _unit(row.unitExponent);
        if (kind == AssetKind.Ether) return Payments.sendEther(recipient, tokens, paymentGas);
        if (kind == AssetKind.Token) return Payments.sendToken(row.token, recipient, tokens, paymentGas);
        try WrappedAsset(row.token).mint(recipient, tokens) {
            return true;
        } catch {
            return false;
        }
    }

    /// @dev Only the payee itself names another receiver.
    function _checkPayee(address payee) internal view {
        if (msg.sender != payee) revert NotPayee(msg.sender, payee);
    }

    /// @dev Makes the token of an environment's asset.
    function _wrap(AssetId memory asset) private {
        address token = Clones.cloneDeterministicWithImmutableArgs(address(WRAPPED), _cloneArguments(asset), 0);
        _list(asset, AssetKind.Wrapped, token, 0, 1, type(uint64).max);
    }

    function _list(
        AssetId memory asset,
        AssetKind kind,
        address token,
        uint8 unitExponent,
        uint64 minimum,
        uint64 dayLimit
    ) private {
        Asset storage row = _assets[_key(asset)];
        row.kind = kind;
        row.unitExponent = unitExponent;
        row.token = token;
        row.minimum = minimum;
        row.dayLimit = dayLimit;
        emit AssetListed(asset.origin, asset.number, token, unitExponent);
        emit AssetLimited(asset.origin, asset.number, minimum, dayLimit);
    }

    function _unit(uint8 exponent) private pure returns (uint256) {
        return 10 ** uint256(exponent);
    }

    function _key(AssetId memory asset) private pure returns (uint256) {
        return uint256(asset.origin) << 32 | asset.number;
    }

    function _cloneArguments(AssetId memory asset) private pure returns (bytes memory) {
        return abi.encodePacked(asset.origin, asset.number);
    }
}
