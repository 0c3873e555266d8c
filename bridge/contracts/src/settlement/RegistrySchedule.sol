// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISettlement} from "../interfaces/ISettlement.sol";
import {IRegistryTree} from "../interfaces/IRegistryTree.sol";
import {IVerifierRouter} from "../interfaces/IVerifierRouter.sol";
import {Base} from "./Base.sol";

/// @title Registry roots by superblock number
/// @notice Invariants:
/// 1. The root of a number is fixed at least `registryNoticeDays` before a superblock of that number can be settled, because no
///    more than `superblocksPerDay` are settled in a day.
/// 2. Every root that was scheduled has the entry of environment 0 that was pinned then. That entry decides what L1 pays, and
///    it changes only after the router's delay, like verifiers.
abstract contract RegistrySchedule is Base {
    /// @inheritdoc ISettlement
    IVerifierRouter public immutable router;
    /// @inheritdoc ISettlement
    IRegistryTree public immutable registryTree;

    /// @inheritdoc ISettlement
    bytes32 public entryZero;
    /// @dev The root of the newest superblock's number.
    bytes32 private _registryRoot;
    bytes32 private _proposedEntryZero;
    uint64 private _entryZeroReadyAt;
    mapping(uint32 number => bytes32) private _scheduled;

    constructor(IVerifierRouter router_, IRegistryTree registryTree_) {
        router = router_;
        registryTree = registryTree_;
    }

    /// @inheritdoc ISettlement
    function nextRegistryRoot() public view returns (bytes32) {
        bytes32 scheduled = _scheduled[_progress.number + 1];
        return scheduled == 0 ? _registryRoot : scheduled;
    }

    /// @inheritdoc ISettlement
    function scheduledRegistryRoot(uint32 number) external view returns (bytes32) {
        return _scheduled[number];
    }

    /// @inheritdoc ISettlement
    function earliestRegistryChange() public view returns (uint256) {
        // One day more, because the superblocks of two days can follow on each other.
        return uint256(_progress.number) + 1 + uint256(SUPERBLOCKS_PER_DAY) * (uint256(REGISTRY_NOTICE_DAYS) + 1);
    }

    /// @inheritdoc ISettlement
    function scheduleRegistry(uint32 number, bytes32 registryRoot, bytes32[16] calldata path) external restricted {
        uint256 earliest = earliestRegistryChange();
        if (number < earliest) revert NoticeTooShort(number, earliest);
        _checkEntryZero(registryRoot, entryZero, path);
        _scheduled[number] = registryRoot;
        emit RegistryScheduled(number, registryRoot);
    }

    /// @inheritdoc ISettlement
    function proposeEntryZero(bytes32 entry) external restricted {
        uint64 readyAt = uint64(block.timestamp) + router.delay();
        (_proposedEntryZero, _entryZeroReadyAt) = (entry, readyAt);
        emit EntryZeroProposed(entry, readyAt);
    }

    /// @inheritdoc ISettlement
    function withdrawEntryZero() external restricted {
        emit EntryZeroWithdrawn(_takeProposal());
    }

    /// @inheritdoc ISettlement
    function changeEntryZero() external {
        if (block.timestamp < _entryZeroReadyAt) revert EntryZeroNotReady(_entryZeroReadyAt);
        entryZero = _takeProposal();
        emit EntryZeroChanged(entryZero);
    }

    /// @dev The registry with which the deployment begins.
    function _initialiseRegistry(bytes32 registryRoot, bytes32 entry, bytes32[16] calldata path) internal {
        _checkEntryZero(registryRoot, entry, path);
        (_registryRoot, entryZero) = (registryRoot, entry);
    }

    /// @dev Remembers the root of the superblock that is settled.
    function _useRegistry(bytes32 registryRoot) internal {
        if (registryRoot != _registryRoot) _registryRoot = registryRoot;
    }

    /// @dev Ends the announcement of a change, and returns the entry announced.
    function _takeProposal() private returns (bytes32 entry) {
        entry = _proposedEntryZero;
        if (_entryZeroReadyAt == 0) revert NoEntryZeroProposed();
        (_proposedEntryZero, _entryZeroReadyAt) = (0, 0);
    }

    function _checkEntryZero(bytes32 registryRoot, bytes32 entry, bytes32[16] calldata path) private view {
        bytes32 found = registryTree.rootOf(entry, path);
        if (found != registryRoot) revert OtherEntryZero(registryRoot, found);
    }
}
