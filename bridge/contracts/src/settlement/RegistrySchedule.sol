// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISettlement} from "../interfaces/ISettlement.sol";
import {IRegistryTree} from "../interfaces/IRegistryTree.sol";
import {IVerifierRouter, LONGEST_SUSPENSION} from "../interfaces/IVerifierRouter.sol";
import {Base} from "./Base.sol";

/// @title Registry roots by superblock number
/// @notice Invariants:
/// 1. The root of a number is fixed at least `registryNoticeDays` before a superblock of that number can be settled, because no
///    more than `superblocksPerDay` are settled in a day.
/// 2. Every root in force has the entry of environment 0 that was pinned last, as soon as the notice of its change is over. That
///    entry decides what L1 pays. It changes only after the router's delay, like verifiers, and with it a root that has the new
///    entry is scheduled, and all that were scheduled for later before are void. So an old entry 0 never comes back, and nobody
///    but the governor of verifiers changes it or keeps it.
/// 3. What is scheduled can be withdrawn until its number is among the next `BURST`, and the change of entry 0 never.
abstract contract RegistrySchedule is Base {
    /// @dev A root, and the epoch in which it was scheduled.
    struct Scheduled {
        bytes32 root;
        uint32 epoch;
    }

    /// @inheritdoc ISettlement
    IVerifierRouter public immutable router;
    /// @inheritdoc ISettlement
    IRegistryTree public immutable registryTree;

    /// @inheritdoc ISettlement
    bytes32 public entryZero;
    /// @dev The root of the newest superblock's number.
    bytes32 private _registryRoot;
    bytes32 private _proposedEntryZero;
    uint32 private _entryZeroReadyAt;
    /// @dev How often entry 0 changed or roots were withdrawn.
    uint32 private _epoch;
    /// @dev From which number on the pinned entry 0 is in force; 0 for the first one.
    uint32 private _entryZeroFrom;
    /// @dev The first number for which the roots of an epoch that is over are void; 0 for the current one. It is never above that of a later
    /// epoch, so what is void for an epoch is so for those before it.
    mapping(uint32 epoch => uint256) private _voidFrom;
    mapping(uint32 number => Scheduled) private _scheduled;

    constructor(IVerifierRouter router_, IRegistryTree registryTree_) {
        router = router_;
        registryTree = registryTree_;
    }

    /// @inheritdoc ISettlement
    function nextRegistryRoot() public view returns (bytes32) {
        bytes32 scheduled = scheduledRegistryRoot(_progress.number + 1);
        return scheduled == 0 ? _registryRoot : scheduled;
    }

    /// @inheritdoc ISettlement
    function scheduledRegistryRoot(uint32 number) public view returns (bytes32) {
        Scheduled memory scheduled = _scheduled[number];
        uint256 voidFrom = _voidFrom[scheduled.epoch];
        return voidFrom != 0 && number >= voidFrom ? bytes32(0) : scheduled.root;
    }

    /// @inheritdoc ISettlement
    function earliestRegistryChange() public view returns (uint256 number) {
        number = _firstOpen() + uint256(SUPERBLOCKS_PER_DAY) * REGISTRY_NOTICE_DAYS;
        // Nobody schedules over a change of entry 0, which is not withdrawn.
        if (number <= _entryZeroFrom) number = uint256(_entryZeroFrom) + 1;
    }

    /// @inheritdoc ISettlement
    function scheduleRegistry(uint32 number, bytes32 registryRoot, bytes32[16] calldata path) external restricted {
        uint256 earliest = earliestRegistryChange();
        if (number < earliest) revert NoticeTooShort(number, earliest);
        _schedule(number, registryRoot, path);
    }

    /// @inheritdoc ISettlement
    function withdrawRegistries() external restricted {
        uint256 number = _firstOpen();
        if (number <= _entryZeroFrom) number = uint256(_entryZeroFrom) + 1;
        _void(number);
        emit RegistriesWithdrawn(number);
    }

    /// @inheritdoc ISettlement
    function proposeEntryZero(bytes32 entry) external restricted {
        // An empty entry has no kernels, so L1 would neither pay nor take deposits.
        if (entry == 0) revert EmptyEntryZero();
        // One with a word that is no field element would leave nothing that can be scheduled.
        bytes32[16] memory path;
        registryTree.rootOf(entry, path);
        uint32 readyAt = time() + router.delay();
        (_proposedEntryZero, _entryZeroReadyAt) = (entry, readyAt);
        emit EntryZeroProposed(entry, readyAt);
    }

    /// @inheritdoc ISettlement
    function withdrawEntryZero() external restricted {
        emit EntryZeroWithdrawn(_takeProposal());
    }

    /// @inheritdoc ISettlement
    function changeEntryZero(bytes32 registryRoot, bytes32[16] calldata path) external restricted {
        (uint32 readyAt, uint32 timestamp) = (_entryZeroReadyAt, time());
        if (timestamp < readyAt) revert EntryZeroNotReady(readyAt, timestamp);
        entryZero = _takeProposal();
        uint32 expiredAt = readyAt + router.delay();
        if (timestamp > expiredAt) revert EntryZeroExpired(expiredAt, timestamp);
        uint256 number = earliestRegistryChange();
        if (number > type(uint32).max) revert NumbersEnd(_progress.number);
        _void(number);
        _entryZeroFrom = uint32(number);
        emit EntryZeroChanged(entryZero, uint32(number));
        _schedule(uint32(number), registryRoot, path);
    }

    /// @dev Whether the router's delay is long enough for users to leave while it runs. A guardian closes settling and paying for half
    /// of the time at most, and for a suspension on top; so of twice two pauses and a suspension two pauses and a
    /// suspension's time stay open at least. Batchers may have to stall before strangers settle, who then have a day.
    function _checkDelay() internal view {
        (uint32 delay, uint256 least) =
            (router.delay(), 2 * (2 * uint256(LONGEST_PAUSE) + LONGEST_SUSPENSION) + STALL_AGE + STRANGER_GAP + 1 days);
        if (delay < least) revert RouterDelayTooShort(delay, least);
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

    /// @dev The first number of which no superblock is proved yet: `BURST` of them may be settled at once.
    function _firstOpen() private view returns (uint256) {
        return uint256(_progress.number) + 1 + BURST;
    }

    /// @dev Makes all roots void that were scheduled for `number` or later.
    function _void(uint256 number) private {
        _voidFrom[_epoch] = number;
        ++_epoch;
    }

    /// @dev Ends the announcement of a change, and returns the entry announced.
    function _takeProposal() private returns (bytes32 entry) {
        entry = _proposedEntryZero;
        if (_entryZeroReadyAt == 0) revert NoEntryZeroProposed();
        (_proposedEntryZero, _entryZeroReadyAt) = (0, 0);
    }

    function _schedule(uint32 number, bytes32 registryRoot, bytes32[16] calldata path) private {
        _checkEntryZero(registryRoot, entryZero, path);
        _scheduled[number] = Scheduled({root: registryRoot, epoch: _epoch});
        emit RegistryScheduled(number, registryRoot);
    }

    function _checkEntryZero(bytes32 registryRoot, bytes32 entry, bytes32[16] calldata path) private view {
        bytes32 found = registryTree.rootOf(entry, path);
        if (found != registryRoot) revert OtherEntryZero(registryRoot, found);
    }
}
