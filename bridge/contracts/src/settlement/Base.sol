// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ISettlement} from "../interfaces/ISettlement.sol";
import {Action, Parameters, Progress} from "../interfaces/SettlementTypes.sol";

/// @title Parameters, progress and pauses
/// @notice Invariants:
/// 1. The clock never runs backwards, and stands still as long as settling is paused.
/// 2. After each pause of an action, however short and however it ended, the action stays open for `longestPause`. So an action
///    is paused for at most half of the time, and between two pauses there is a day at least.
abstract contract Base is ISettlement, AccessManaged, ReentrancyGuardTransient {
    /// @dev Where the sum of earlier pauses of settling lies in `_pauses`.
    uint256 private constant STOPPED_SHIFT = 192;
    /// @dev So many superblocks may come at once: half of the shortest lifetime of a message, so that no deadline passes unseen.
    uint32 internal constant BURST = 32;

    uint32 internal immutable RIPE_AGE;
    uint32 internal immutable STALL_AGE;
    uint32 internal immutable STRANGER_GAP;
    uint32 internal immutable CUT_AGE;
    uint16 internal immutable SUPERBLOCKS_PER_DAY;
    /// @dev Seconds between superblocks that come evenly, rounded up.
    uint32 internal immutable PACE;
    uint16 internal immutable REGISTRY_NOTICE_DAYS;
    uint32 internal immutable LONGEST_PAUSE;
    /// @dev The chain on which the contract was deployed.
    uint256 internal immutable CHAIN_ID;

    Progress internal _progress;
    /// @dev The last pause of each action, 64 bits each: from when and until when, 32 bits each. Above them, how long all pauses
    /// of settling but the last one were together. In one word, because a deposit reads it.
    uint256 private _pauses;

    constructor(address authority, Parameters memory rules) AccessManaged(authority) {
        // B exceeds Ethereum's finality, so that batchers see each deposit that they owe, even if it was reorganised.
        _checkRange("ripeAge", rules.ripeAge, 1 hours, 7 days);
        _checkRange("stallAge", rules.stallAge, 1 hours, 30 days);
        _checkRange("strangerGap", rules.strangerGap, 10 minutes, 7 days);
        // Strangers get their turn before the queue may be cut.
        uint256 leastCutAge = uint256(rules.ripeAge) + rules.stallAge + rules.strangerGap;
        _checkRange("cutAge", rules.cutAge, leastCutAge, 365 days);
        // At most one in a slot of Ethereum.
        _checkRange("superblocksPerDay", rules.superblocksPerDay, 1, 7200);
        _checkRange("registryNoticeDays", rules.registryNoticeDays, 1, 90);
        // It is also the time between two pauses, in which users leave.
        _checkRange("longestPause", rules.longestPause, 1 days, 30 days);
        RIPE_AGE = rules.ripeAge;
        STALL_AGE = rules.stallAge;
        STRANGER_GAP = rules.strangerGap;
        CUT_AGE = rules.cutAge;
        SUPERBLOCKS_PER_DAY = rules.superblocksPerDay;
        PACE = (1 days + rules.superblocksPerDay - 1) / rules.superblocksPerDay;
        REGISTRY_NOTICE_DAYS = rules.registryNoticeDays;
        LONGEST_PAUSE = rules.longestPause;
        CHAIN_ID = block.chainid;
    }

    /// @dev A fork of the chain has its own copy of this contract, and of what it holds. There the contract neither settles nor
    /// takes deposits; it pays what it listed, and what is in the queue can be cut and withdrawn.
    modifier onChain() {
        if (block.chainid != CHAIN_ID) revert WrongChain(block.chainid, CHAIN_ID);
        _;
    }

    /// @dev The action is not paused.
    modifier whenOpen(Action action) {
        _checkOpen(action);
        _;
    }

    /// @inheritdoc ISettlement
    function parameters() external view returns (Parameters memory) {
        return Parameters({
            ripeAge: RIPE_AGE,
            stallAge: STALL_AGE,
            strangerGap: STRANGER_GAP,
            cutAge: CUT_AGE,
            superblocksPerDay: SUPERBLOCKS_PER_DAY,
            registryNoticeDays: REGISTRY_NOTICE_DAYS,
            longestPause: LONGEST_PAUSE
        });
    }

    /// @inheritdoc ISettlement
    function progress() external view returns (Progress memory) {
        return _progress;
    }

    /// @inheritdoc ISettlement
    function pausedUntil(Action action) external view returns (uint32) {
        (, uint32 until) = _lastPause(_pauses, action);
        return until;
    }

    /// @inheritdoc ISettlement
    function time() public view returns (uint32) {
        uint256 pauses = _pauses;
        (uint32 from, uint32 until) = _lastPause(pauses, Action.Settle);
        uint32 timestamp = _now();
        uint32 end = timestamp < until ? timestamp : until;
        return timestamp - _stoppedBefore(pauses) - (end - from);
    }

    /// @inheritdoc ISettlement
    function pause(Action action, uint32 duration) external restricted {
        if (duration == 0 || duration > LONGEST_PAUSE) revert PauseOutOfRange(duration, LONGEST_PAUSE);
        uint256 pauses = _pauses;
        (uint32 from, uint32 last) = _lastPause(pauses, action);
        uint32 timestamp = _now();
        if (timestamp < last) revert PausedUntil(action, last);
        if (timestamp < last + LONGEST_PAUSE) revert PausedLately(action, last + LONGEST_PAUSE);
        if (action == Action.Settle) pauses += uint256(last - from) << STOPPED_SHIFT;
        uint32 until = timestamp + duration;
        _pauses = _withPause(pauses, action, timestamp, until);
        emit Paused(action, until);
    }

    /// @inheritdoc ISettlement
    function resume(Action action) external restricted {
        uint256 pauses = _pauses;
        (uint32 from, uint32 until) = _lastPause(pauses, action);
        uint32 timestamp = _now();
        if (timestamp >= until) revert NotPaused(action);
        _pauses = _withPause(pauses, action, from, timestamp);
        emit Resumed(action);
    }

    function _checkOpen(Action action) internal view {
        (, uint32 until) = _lastPause(_pauses, action);
        if (_now() < until) revert PausedUntil(action, until);
    }

    function _lastPause(uint256 pauses, Action action) private pure returns (uint32 from, uint32 until) {
        uint256 shift = 64 * uint256(action);
        return (uint32(pauses >> shift), uint32(pauses >> (shift + 32)));
    }

    function _withPause(uint256 pauses, Action action, uint32 from, uint32 until) private pure returns (uint256) {
        uint256 shift = 64 * uint256(action);
        return pauses & ~(uint256(type(uint64).max) << shift) | (uint256(until) << 32 | from) << shift;
    }

    function _stoppedBefore(uint256 pauses) private pure returns (uint32) {
        return uint32(pauses >> STOPPED_SHIFT);
    }

    /// @dev Seconds since 1970, which have 32 bits until 2106.
    function _now() internal view returns (uint32) {
        return uint32(block.timestamp);
    }

    function _checkRange(string memory name, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least || value > most) revert ParameterOutOfRange(name, value, least, most);
    }
}
