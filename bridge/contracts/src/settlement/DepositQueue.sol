// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";

import {ISettlement} from "../interfaces/ISettlement.sol";
import {Action, AssetId, Deposit, L1Body, Progress} from "../interfaces/SettlementTypes.sol";
import {Entries} from "../lib/Entries.sol";
import {AssetTable} from "./AssetTable.sol";

/// @title The queue of deposits
/// @notice The queue's digest after each deposit is on record, so a superblock may take any number of deposits, and deposits
/// that join later do not change what it is compared with.
///
///     generation 0:   0  1  2 | 3  4  5        taken = 3; deposits 3 to 5 are cut, and can be withdrawn as (0, 3) to (0, 5)
///     generation 1:             3  4           later deposits take the indices again; they are (1, 3) and (1, 4)
///
/// A queue that no superblock takes from is cut behind what was taken; one that is taken from and is too long, behind what the next
/// superblock owes. While many wait, a deposit pays a fee that nobody gets: whoever earned by a long queue would make it long.
///
/// Invariants:
/// 1. The contract keeps no deposit that kernels send back at once: every rule of `Deposit::verdict` in `environments/l1` that
///    does not depend on the superblock's number is checked, and numbers end far above those for which it could matter.
/// 2. A deposit is either taken by a superblock or cut, never both; one that was cut is withdrawn at most once.
/// 3. What the next superblock owes is fixed when its predecessor is settled.
/// 4. A deposit that is behind what the next superblock owes, and has waited for twice `cutAge`, can be cut.
abstract contract DepositQueue is AssetTable {
    using BitMaps for BitMaps.BitMap;

    /// @dev The deposits of a generation that were cut: `from` is the first, and `to` is behind the last.
    struct Cut {
        uint32 from;
        uint32 to;
    }

    /// @dev The order of the Goldilocks field.
    uint64 private constant FIELD_ORDER = 0xffffffff00000001;
    /// @dev Superblocks in which a deposit can be claimed: the bridge's bounds of a lifetime.
    uint32 private constant MIN_LIFETIME = 64;
    uint32 private constant MAX_LIFETIME = 1 << 20;
    /// @dev Deadlines have 32 bits. From this number on there are no deposits, so that one that waits for three million
    /// superblocks still has a deadline.
    uint32 private constant LAST_NUMBER = type(uint32).max - 4 * MAX_LIFETIME;
    /// @dev The most deposits that a superblock owes, which are the most that it can take.
    uint32 internal constant MOST_OWED = 64;
    /// @dev A deposit is free while fewer than these wait: 16 superblocks take them.
    uint256 private constant FREE_PLACES = 16 * MOST_OWED;
    /// @dev What the first deposit beyond them costs, in wei: what its gas costs at 1.3 gwei.
    uint256 private constant FIRST_FEE = 0.0001 ether;
    /// @dev The fee doubles with so many more: 8 superblocks take them.
    uint256 private constant FEE_STEP = 8 * MOST_OWED;
    /// @dev Times have 32 bits, and a word holds so many.
    uint32 private constant TIMES_PER_WORD = 8;

    /// @dev How often the queue was cut.
    uint32 private _generation;
    uint32 private _length;
    /// @dev The digest of so many deposits of a generation. The digest of none is zero.
    mapping(uint32 generation => mapping(uint32 length => bytes32)) private _digests;
    /// @dev When deposits of the current generation were made, eight to a word.
    mapping(uint32 word => uint256) private _times;
    mapping(uint32 generation => Cut) private _cuts;
    BitMaps.BitMap private _withdrawn;

    /// @inheritdoc ISettlement
    function queue() external view returns (uint32 generation, uint32 length, bytes32 digest) {
        (generation, length) = (_generation, _length);
        digest = _digests[generation][length];
    }

    /// @inheritdoc ISettlement
    function queueDigest(uint32 generation, uint32 length) external view returns (bytes32) {
        return _digests[generation][length];
    }

    /// @inheritdoc ISettlement
    function depositedAt(uint32 index) public view returns (uint32) {
        return uint32(_times[index / TIMES_PER_WORD] >> _timeShift(index));
    }

    /// @inheritdoc ISettlement
    function depositFee() public view returns (uint256) {
        uint256 waiting = _length - _progress.taken;
        // There is not enough ether for a hundred steps.
        return waiting < FREE_PLACES ? 0 : FIRST_FEE << (waiting - FREE_PLACES) / FEE_STEP;
    }

    /// @inheritdoc ISettlement
    function isWithdrawn(uint32 generation, uint32 index) external view returns (bool) {
        return _withdrawn.get(_withdrawal(generation, index));
    }

    /// @inheritdoc ISettlement
    function deposit(AssetId calldata asset, uint256 tokens, uint16 destination, bytes32 recipient, uint32 lifetime)
        external
        payable
        nonReentrant
        onChain
        whenOpen(Action.Deposit)
        returns (uint32 index)
    {
        _checkDestination(destination, recipient, lifetime);
        Deposit memory entry = Deposit({
            depositor: msg.sender,
            destination: destination,
            recipient: recipient,
            asset: asset,
            amount: _take(asset, tokens, depositFee()),
            lifetime: lifetime
        });
        index = _append(entry);
    }

    /// @inheritdoc ISettlement
    function cutQueue() external nonReentrant whenOpen(Action.Settle) {
        Progress memory current = _progress;
        (uint32 generation, uint32 length) = (_generation, _length);
        (uint32 from, uint32 timestamp) = (current.taken, time());
        if (length == from) revert NothingToCut();
        uint32 oldest = depositedAt(from);
        uint32 allowedAt = (oldest > current.takenAt ? oldest : current.takenAt) + CUT_AGE;
        if (timestamp < allowedAt) {
            // Superblocks take deposits, and fewer than come in. The next one may be proved, and keeps what it owes: 64, since
            // these were ripe when its predecessor was settled.
            from = current.owed;
            uint32 waitedUntil = from == length ? allowedAt : depositedAt(from) + 2 * CUT_AGE;
            if (waitedUntil < allowedAt) allowedAt = waitedUntil;
            if (timestamp < allowedAt) revert CutTooEarly(allowedAt, timestamp);
        }
        _cuts[generation] = Cut({from: from, to: length});
        for (uint32 i = current.taken; i <= from; ++i) {
            _digests[generation + 1][i] = _digests[generation][i];
        }
        (_generation, _length) = (generation + 1, from);
        _progress.owed = from;
        emit QueueCut(generation, from, length);
    }

    /// @inheritdoc ISettlement
    function withdraw(uint32 generation, uint32 index, Deposit calldata entry)
        external
        nonReentrant
        whenOpen(Action.Pay)
    {
        _withdraw(generation, index, entry, entry.depositor);
    }

    /// @inheritdoc ISettlement
    function withdrawTo(uint32 generation, uint32 index, Deposit calldata entry, address receiver)
        external
        nonReentrant
        whenOpen(Action.Pay)
    {
        _checkPayee(entry.depositor);
        _withdraw(generation, index, entry, receiver);
    }

    /// @dev Pays a deposit that was cut to `receiver`, who is the depositor or was named by it.
    function _withdraw(uint32 generation, uint32 index, Deposit calldata entry, address receiver) private {
        Cut memory cut = _cuts[generation];
        if (index < cut.from || index >= cut.to) revert NotCut(generation, index);
        bytes32 digest = Entries.appendDeposit(_digests[generation][index], entry);
        if (digest != _digests[generation][index + 1]) revert NotDeposited(generation, index);
        uint256 withdrawal = _withdrawal(generation, index);
        if (_withdrawn.get(withdrawal)) revert AlreadyWithdrawn(generation, index);
        _withdrawn.set(withdrawal);
        _release(entry.asset, entry.amount);
        if (!_pay(entry.asset, receiver, entry.amount, gasleft())) revert PaymentFailed(receiver);
        emit Withdrawn(
            generation, index, entry.depositor, receiver, entry.asset.origin, entry.asset.number, entry.amount
        );
    }

    /// @dev Compares the deposits that a superblock takes with the queue. Returns how many are taken after it.
    function _checkQueue(Progress memory current, L1Body calldata body) internal view returns (uint32) {
        uint64 length = body.queueLength;
        if (length < current.taken) revert TakenBefore(length, current.taken);
        if (length < current.owed) revert OwesDeposits(length, current.owed);
        if (length > _length) revert NotInQueue(length, _length);
        bytes32 expected = _digests[_generation][uint32(length)];
        if (body.queueDigest != expected) revert WrongQueueDigest(body.queueDigest, expected);
        return uint32(length);
    }

    /// @dev The least queue length that a superblock may have after one that took `taken` deposits and is settled now: it takes
    /// those that are ripe, as far as it can.
    function _owedAfter(uint32 taken) internal view returns (uint32 owed) {
        uint256 timestamp = time();
        uint32 length = _length;
        uint32 end = length - taken > MOST_OWED ? taken + MOST_OWED : length;
        for (owed = taken; owed < end; ++owed) {
            if (uint256(depositedAt(owed)) + RIPE_AGE > timestamp) break;
        }
    }

    /// @dev The rules of the bridge for whom a deposit is for.
    function _checkDestination(uint16 destination, bytes32 recipient, uint32 lifetime) private view {
        if (_progress.settledAt == 0) revert NotInitialised();
        uint32 number = _progress.number;
        if (number > LAST_NUMBER) revert NumbersEnd(number);
        if (destination == 0) revert DestinationIsL1();
        if (lifetime < MIN_LIFETIME || lifetime > MAX_LIFETIME) {
            revert LifetimeOutOfRange(lifetime, MIN_LIFETIME, MAX_LIFETIME);
        }
        for (uint256 shift = 0; shift < 256; shift += 64) {
            if (uint64(uint256(recipient) >> shift) >= FIELD_ORDER) revert RecipientOutOfField(recipient);
        }
    }

    /// @dev Adds a deposit to the queue, and returns its index.
    function _append(Deposit memory entry) private returns (uint32 index) {
        uint32 generation = _generation;
        index = _length;
        if (index == type(uint32).max) revert QueueFull();
        bytes32 digest = Entries.appendDeposit(_digests[generation][index], entry);
        _digests[generation][index + 1] = digest;
        _length = index + 1;
        uint32 word = index / TIMES_PER_WORD;
        uint256 shift = _timeShift(index);
        _times[word] = _times[word] & ~(uint256(type(uint32).max) << shift) | uint256(time()) << shift;
        emit Deposited(
            generation,
            index,
            entry.depositor,
            entry.destination,
            entry.recipient,
            entry.asset.origin,
            entry.asset.number,
            entry.amount,
            entry.lifetime,
            digest
        );
    }

    function _timeShift(uint32 index) private pure returns (uint256) {
        return 32 * uint256(index % TIMES_PER_WORD);
    }

    function _withdrawal(uint32 generation, uint32 index) private pure returns (uint256) {
        return uint256(generation) << 32 | index;
    }
}
