// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ISettlement} from "../interfaces/ISettlement.sol";
import {Action, Parameters, Progress} from "../interfaces/SettlementTypes.sol";

/// @title Parameters, progress and pauses
/// @notice Invariants:
/// 1. The clock never runs backwards, and stands still as long as settling is paused.
/// 2. An action is paused for at most half of the time: a pause ends by itself, and the next one begins no sooner than as much
///    time has passed. So nobody can lock funds in by pauses.
abstract contract Base is ISettlement, AccessManaged, ReentrancyGuardTransient {
    /// @dev A pause, and how long those before were together.
    struct Pause {
        uint32 from;
        uint32 until;
        uint32 before;
    }

    uint32 internal immutable RIPE_AGE;
    uint32 internal immutable STALL_AGE;
    uint32 internal immutable STRANGER_GAP;
    uint32 internal immutable CUT_AGE;
    uint16 internal immutable SUPERBLOCKS_PER_DAY;
    uint16 internal immutable REGISTRY_NOTICE_DAYS;
    uint32 internal immutable LONGEST_PAUSE;
    /// @dev The chain on which the contract was deployed.
    uint256 internal immutable CHAIN_ID;

    Progress internal _progress;
    mapping(Action action => Pause) private _pauses;

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
        _checkRange("longestPause", rules.longestPause, 0, 30 days);
        RIPE_AGE = rules.ripeAge;
        STALL_AGE = rules.stallAge;
        STRANGER_GAP = rules.strangerGap;
        CUT_AGE = rules.cutAge;
        SUPERBLOCKS_PER_DAY = rules.superblocksPerDay;
        REGISTRY_NOTICE_DAYS = rules.registryNoticeDays;
        LONGEST_PAUSE = rules.longestPause;
        CHAIN_ID = block.chainid;
    }

    /// @dev A fork of the chain has its own copy of this contract, and of what it holds. There the contract pays what it listed and
    /// gives back what it cut, and does nothing new.
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
        return _pauses[action].until;
    }

    /// @inheritdoc ISettlement
    function time() public view returns (uint32) {
        Pause memory last = _pauses[Action.Settle];
        uint32 timestamp = _now();
        uint32 end = timestamp < last.until ? timestamp : last.until;
        return timestamp - last.before - (end - last.from);
    }

    /// @inheritdoc ISettlement
    function pause(Action action, uint32 duration) external restricted {
        if (duration > LONGEST_PAUSE) revert PauseTooLong(duration, LONGEST_PAUSE);
        Pause memory last = _pauses[action];
        uint32 timestamp = _now();
        if (timestamp < last.until) revert PausedUntil(action, last.until);
        uint32 lasted = last.until - last.from;
        if (timestamp - last.until < lasted) revert PausedLately(action, last.until + lasted);
        uint32 until = timestamp + duration;
        _pauses[action] = Pause({from: timestamp, until: until, before: last.before + lasted});
        emit Paused(action, until);
    }

    /// @inheritdoc ISettlement
    function resume(Action action) external restricted {
        uint32 timestamp = _now();
        if (timestamp >= _pauses[action].until) revert NotPaused(action);
        _pauses[action].until = timestamp;
        emit Resumed(action);
    }

    function _checkOpen(Action action) internal view {
        uint32 until = _pauses[action].until;
        if (_now() < until) revert PausedUntil(action, until);
    }

    /// @dev Seconds since 1970, which have 32 bits until 2106.
    function _now() internal view returns (uint32) {
        return uint32(block.timestamp);
    }

    function _checkRange(string memory name, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least || value > most) revert ParameterOutOfRange(name, value, least, most);
    }
}
