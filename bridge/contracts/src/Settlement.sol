// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AuthorityUtils} from "@openzeppelin/contracts/access/manager/AuthorityUtils.sol";

import {IRegistryTree} from "./interfaces/IRegistryTree.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {IVerifierRouter} from "./interfaces/IVerifierRouter.sol";
import {Action, L1Body, Parameters, Progress, Statement} from "./interfaces/SettlementTypes.sol";
import {PublicInputs} from "./lib/PublicInputs.sol";
import {AssetTable} from "./settlement/AssetTable.sol";
import {Base} from "./settlement/Base.sol";
import {DepositQueue} from "./settlement/DepositQueue.sol";
import {PayoutBook} from "./settlement/PayoutBook.sol";
import {RegistrySchedule} from "./settlement/RegistrySchedule.sol";

/// @title Settles superblocks
/// @notice Deployed with CREATE, because genesis names this contract's address; nothing of it is ever replaced but verifiers,
/// which the router lists. The invariants are those of `ISettlement`.
contract Settlement is ISettlement, DepositQueue, PayoutBook, RegistrySchedule {
    /// @dev A deployment's id has 62 bits, so that it is below the field's order.
    uint64 private constant DEPLOYMENT_MASK = (1 << 62) - 1;

    /// @inheritdoc ISettlement
    uint64 public immutable deployment;
    address private immutable DEPLOYER;

    mapping(uint32 number => bytes32) private _states;
    mapping(uint32 number => bytes32) private _statementDigests;

    /// @param authority OpenZeppelin's AccessManager: who has which role, and with which delay.
    /// @param etherMinimum The least amount of a deposit of ether, in units of 10^10 wei.
    /// @param etherDayLimit The most ether that is deposited in a day, in the same units.
    constructor(
        address authority,
        IVerifierRouter router,
        IRegistryTree registryTree,
        Parameters memory rules,
        uint64 etherMinimum,
        uint64 etherDayLimit
    ) Base(authority, rules) AssetTable(etherMinimum, etherDayLimit) RegistrySchedule(router, registryTree) {
        deployment = uint64(uint256(keccak256(abi.encode(block.chainid, address(this))))) & DEPLOYMENT_MASK;
        DEPLOYER = msg.sender;
    }

    /// @inheritdoc ISettlement
    function initialise(bytes32 genesisState, bytes32 registryRoot, bytes32 entry, bytes32[16] calldata path) external {
        if (msg.sender != DEPLOYER) revert NotDeployer(msg.sender);
        if (_progress.settledAt != 0) revert AlreadyInitialised();
        _checkDelay();
        _initialiseRegistry(registryRoot, entry, path);
        _states[0] = genesisState;
        uint32 timestamp = time();
        (_progress.settledAt, _progress.batcherAt, _progress.pacedUntil) = (timestamp, timestamp, timestamp);
        emit Initialised(genesisState, registryRoot, entry);
    }

    /// @inheritdoc ISettlement
    function stateOf(uint32 number) external view returns (bytes32) {
        return _states[number];
    }

    /// @inheritdoc ISettlement
    function isBatcher(address account) public view returns (bool) {
        (bool immediate,) = AuthorityUtils.canCallWithDelay(authority(), account, address(this), this.settle.selector);
        return immediate;
    }

    /// @inheritdoc ISettlement
    function statementDigestOf(uint32 number) external view returns (bytes32) {
        return _statementDigests[number];
    }

    /// @inheritdoc ISettlement
    function settle(bytes32 outerDigest, Statement calldata statement, bytes calldata payouts, bytes calldata proof)
        external
        nonReentrant
        onChain
        whenOpen(Action.Settle)
    {
        if (_isSettled(statement)) return;
        if (!isBatcher(msg.sender)) revert NotBatcher(msg.sender);
        Progress memory current = _progress;
        current.batcherAt = time();
        _settle(current, outerDigest, statement, payouts, proof);
    }

    /// @inheritdoc ISettlement
    function settleStalled(
        bytes32 outerDigest,
        Statement calldata statement,
        bytes calldata payouts,
        bytes calldata proof,
        bytes32 blockDigest,
        uint32[] calldata indices
    ) external nonReentrant onChain whenOpen(Action.Settle) {
        if (_isSettled(statement)) return;
        Progress memory current = _progress;
        // A batcher that comes back has the time to prove on the newest superblock.
        uint32 allowedAt = current.settledAt + STRANGER_GAP;
        uint32 stalledAt = current.batcherAt + STALL_AGE;
        if (allowedAt < stalledAt) allowedAt = stalledAt;
        if (time() < allowedAt) revert StrangerTooEarly(msg.sender, allowedAt, time());
        if (statement.blockCount != 1 || !statement.hasL1Block) {
            revert StrangerBlocks(statement.blockCount, statement.hasL1Block);
        }
        bytes32 bodyChain = registryTree.bodyChainOf(blockDigest, indices);
        if (statement.bodyChain != bodyChain) revert WrongBodyChain(statement.bodyChain, bodyChain);
        _settle(current, outerDigest, statement, payouts, proof);
        emit MessagesConsumed(statement.number, indices);
    }

    /// @dev Whether the superblock is settled already: then whoever comes second has what they wanted.
    function _isSettled(Statement calldata statement) private view returns (bool) {
        if (_progress.settledAt == 0) revert NotInitialised();
        if (statement.number > _progress.number) return false;
        bytes32 digest = keccak256(abi.encode(statement));
        bytes32 settled = _statementDigests[statement.number];
        if (digest != settled) revert SettledOtherwise(statement.number, digest, settled);
        return true;
    }

    /// @dev Settles the next superblock for somebody who may.
    function _settle(
        Progress memory current,
        bytes32 outerDigest,
        Statement calldata statement,
        bytes calldata payouts,
        bytes calldata proof
    ) private {
        _checkStatement(current, statement);
        _advance(current, statement.number);
        _applyBody(current, statement, payouts);
        _progress = current;
        _useRegistry(statement.registryRoot);
        _states[statement.number] = statement.newState;
        _statementDigests[statement.number] = keccak256(abi.encode(statement));
        router.verify(outerDigest, proof, PublicInputs.encode(statement));
        emit SuperblockSettled(
            statement.number,
            statement.newState,
            statement.registryRoot,
            statement.bodyChain,
            current.taken,
            msg.sender,
            _blobs()
        );
    }

    /// @dev The superblock is the next one, of this deployment and the registry of its number.
    function _checkStatement(Progress memory current, Statement calldata statement) private view {
        if (statement.number != current.number + 1) revert NotNext(statement.number, current.number + 1);
        if (statement.deployment != deployment) revert WrongDeployment(statement.deployment, deployment);
        bytes32 previousState = _states[current.number];
        if (statement.previousState != previousState) {
            revert WrongPreviousState(statement.previousState, previousState);
        }
        bytes32 registryRoot = nextRegistryRoot();
        if (statement.registryRoot != registryRoot) revert WrongRegistryRoot(statement.registryRoot, registryRoot);
    }

    /// @dev Moves number and times on, unless superblocks come too fast. Each takes its share of a day, and they may be so many shares
    /// ahead of the clock that `BURST` of them come at once.
    function _advance(Progress memory current, uint32 number) private view {
        uint32 timestamp = time();
        uint32 pacedUntil = (current.pacedUntil > timestamp ? current.pacedUntil : timestamp) + PACE;
        if (pacedUntil > timestamp + BURST * PACE) revert TooManySuperblocks(pacedUntil - BURST * PACE, timestamp);
        current.pacedUntil = pacedUntil;
        current.settledAt = timestamp;
        current.number = number;
    }

    /// @dev Takes deposits and lists payouts as the block of environment 0 says, if there is one. Moves both counts on.
    function _applyBody(Progress memory current, Statement calldata statement, bytes calldata payouts) private {
        L1Body calldata body = statement.l1Body;
        if (statement.hasL1Block) {
            uint32 taken = _checkQueue(current, body);
            if (taken > current.taken) (current.taken, current.takenAt) = (taken, current.settledAt);
            current.nextPayout = _listPayouts(statement.number, current.nextPayout, body, payouts);
        } else {
            if (current.owed > current.taken) revert OwesDeposits(current.taken, current.owed);
            if (payouts.length != 0) revert WrongPayoutsLength(payouts.length, 0);
            bool isEmpty = body.queueDigest == 0 && body.queueLength == 0 && body.payoutsDigest == 0
                && body.firstPayout == 0 && body.payoutCount == 0;
            if (!isEmpty) revert BodyWithoutBlock();
        }
        current.owed = _owedAfter(current.taken);
    }

    /// @dev The versioned hashes of the transaction's blobs.
    function _blobs() private view returns (bytes32[] memory hashes) {
        uint256 count = 0;
        while (blobhash(count) != 0) ++count;
        hashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            hashes[i] = blobhash(i);
        }
    }
}
