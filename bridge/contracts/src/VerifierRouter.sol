// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {ISuperblockVerifier} from "./interfaces/ISuperblockVerifier.sol";
import {IVerifierRouter, LONGEST_SUSPENSION, Listing} from "./interfaces/IVerifierRouter.sol";

/// @title Chooses the verifier of a proof
/// @notice The invariants are those of `IVerifierRouter`. The delay is this contract's own, whatever delays roles have.
contract VerifierRouter is IVerifierRouter, AccessManaged {
    /// @dev Time for users to see a verifier that they do not trust, and to take their money out.
    uint32 private constant SHORTEST_DELAY = 1 days;

    /// @dev Time between two suspensions of a circuit. It is so long that suspensions and pauses of settling together cannot
    /// close it for good.
    uint32 private constant SUSPENSION_GAP = 30 days;

    /// @inheritdoc IVerifierRouter
    uint32 public immutable delay;

    /// @dev The verifiers of each circuit, in the order in which they become active.
    mapping(bytes32 outerDigest => Listing[]) private _listings;
    mapping(bytes32 outerDigest => uint64) private _suspendedUntil;
    /// @dev Code that is listed, or was.
    mapping(bytes32 codeHash => bool) private _isListed;

    /// @param verifiers Those that are active from the start.
    constructor(address authority, uint32 delay_, ISuperblockVerifier[] memory verifiers) AccessManaged(authority) {
        if (delay_ < SHORTEST_DELAY) revert DelayTooShort(delay_, SHORTEST_DELAY);
        delay = delay_;
        for (uint256 i = 0; i < verifiers.length; ++i) {
            _list(verifiers[i], uint64(block.timestamp));
        }
    }

    /// @inheritdoc IVerifierRouter
    function listingsOf(bytes32 outerDigest) external view returns (Listing[] memory) {
        return _listings[outerDigest];
    }

    /// @inheritdoc IVerifierRouter
    function suspendedUntil(bytes32 outerDigest) external view returns (uint64) {
        return _suspendedUntil[outerDigest];
    }

    /// @inheritdoc IVerifierRouter
    function list(ISuperblockVerifier verifier) external restricted {
        _list(verifier, uint64(block.timestamp) + delay);
    }

    /// @inheritdoc IVerifierRouter
    function suspend(bytes32 outerDigest, uint32 duration) external restricted {
        if (duration > LONGEST_SUSPENSION) revert SuspensionTooLong(duration, LONGEST_SUSPENSION);
        if (_listings[outerDigest].length == 0) revert UnknownCircuit(outerDigest);
        uint64 last = _suspendedUntil[outerDigest];
        if (block.timestamp < last) revert SuspendedCircuit(outerDigest, last);
        if (last != 0 && block.timestamp < last + SUSPENSION_GAP) {
            revert SuspendedLately(outerDigest, last + SUSPENSION_GAP);
        }
        uint64 until = uint64(block.timestamp) + duration;
        _suspendedUntil[outerDigest] = until;
        emit CircuitSuspended(outerDigest, until);
    }

    /// @inheritdoc IVerifierRouter
    function freeze(bytes32 outerDigest, ISuperblockVerifier verifier) external restricted {
        Listing[] storage listings = _listings[outerDigest];
        for (uint256 i = 0; i < listings.length; ++i) {
            if (address(listings[i].verifier) != address(verifier)) continue;
            if (listings[i].frozen) revert AlreadyFrozen(outerDigest, verifier);
            listings[i].frozen = true;
            emit VerifierFrozen(outerDigest, verifier);
            return;
        }
        revert UnknownVerifier(outerDigest, verifier);
    }

    /// @inheritdoc IVerifierRouter
    function verify(bytes32 outerDigest, bytes calldata proof, uint256[] calldata publicInputs) external view {
        ISuperblockVerifier verifier = verifierOf(outerDigest);
        uint64 until = _suspendedUntil[outerDigest];
        if (block.timestamp < until) revert SuspendedCircuit(outerDigest, until);
        verifier.verify(proof, publicInputs);
    }

    /// @inheritdoc IVerifierRouter
    function verifierOf(bytes32 outerDigest) public view returns (ISuperblockVerifier) {
        Listing[] storage listings = _listings[outerDigest];
        uint256 length = listings.length;
        if (length == 0) revert UnknownCircuit(outerDigest);
        uint64 next;
        for (uint256 i = length; i != 0; --i) {
            Listing memory listing = listings[i - 1];
            if (listing.frozen) continue;
            if (block.timestamp >= listing.activeFrom) return listing.verifier;
            next = listing.activeFrom;
        }
        if (next == 0) revert AllVerifiersFrozen(outerDigest);
        revert NoVerifierActive(outerDigest, next);
    }

    function _list(ISuperblockVerifier verifier, uint64 activeFrom) private {
        bytes32 codeHash = address(verifier).codehash;
        if (_isListed[codeHash]) revert AlreadyListed(verifier, codeHash);
        _isListed[codeHash] = true;
        bytes32 outerDigest = verifier.outerDigest();
        _listings[outerDigest].push(Listing({verifier: verifier, activeFrom: activeFrom, frozen: false}));
        emit VerifierListed(outerDigest, verifier, codeHash, activeFrom);
    }
}
