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

    /// @dev The most verifiers of a circuit, active or not, so that a governor cannot make the list too long to be walked.
    uint256 private constant MOST_VERIFIERS = 8;

    /// @inheritdoc IVerifierRouter
    uint32 public immutable delay;

    /// @dev The verifiers of each circuit that are not frozen, in the order in which they become active.
    mapping(bytes32 outerDigest => Listing[]) private _listings;
    mapping(bytes32 outerDigest => uint64) private _suspendedUntil;
    /// @dev Code that is listed, or was and is frozen.
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
        if (duration == 0 || duration > LONGEST_SUSPENSION) {
            revert SuspensionOutOfRange(duration, LONGEST_SUSPENSION);
        }
        if (_listings[outerDigest].length == 0) revert UnknownCircuit(outerDigest);
        uint64 last = _suspendedUntil[outerDigest];
        if (block.timestamp < last) revert SuspendedCircuit(outerDigest, last);
        if (block.timestamp < last + SUSPENSION_GAP) revert SuspendedLately(outerDigest, last + SUSPENSION_GAP);
        uint64 until = uint64(block.timestamp) + duration;
        _suspendedUntil[outerDigest] = until;
        emit CircuitSuspended(outerDigest, until);
    }

    /// @inheritdoc IVerifierRouter
    function freeze(bytes32 outerDigest, ISuperblockVerifier verifier) external restricted {
        _remove(outerDigest, _indexOf(outerDigest, verifier));
        emit VerifierFrozen(outerDigest, verifier);
    }

    /// @inheritdoc IVerifierRouter
    function withdraw(bytes32 outerDigest, ISuperblockVerifier verifier) external restricted {
        uint256 index = _indexOf(outerDigest, verifier);
        Listing memory listing = _listings[outerDigest][index];
        if (block.timestamp >= listing.activeFrom) revert VerifierActive(outerDigest, verifier, listing.activeFrom);
        _remove(outerDigest, index);
        _isListed[listing.codeHash] = false;
        emit VerifierWithdrawn(outerDigest, verifier);
    }

    /// @inheritdoc IVerifierRouter
    function verify(bytes32 outerDigest, bytes calldata proof, uint256[] calldata publicInputs) external view {
        ISuperblockVerifier verifier = verifierOf(outerDigest);
        uint64 until = _suspendedUntil[outerDigest];
        if (block.timestamp < until) revert SuspendedCircuit(outerDigest, until);
        verifier.verify(proof, publicInputs);
    }

    /// @inheritdoc IVerifierRouter
    function verifierOf(bytes32 outerDigest) public view returns (ISuperblockVerifier verifier) {
        Listing[] storage listings = _listings[outerDigest];
        uint256 index = listings.length;
        if (index == 0) revert UnknownCircuit(outerDigest);
        while (block.timestamp < listings[index - 1].activeFrom) {
            if (--index == 0) revert NoVerifierActive(outerDigest, listings[0].activeFrom);
        }
        Listing memory listing = listings[index - 1];
        verifier = listing.verifier;
        bytes32 found = address(verifier).codehash;
        if (found != listing.codeHash) revert CodeChanged(verifier, listing.codeHash, found);
    }

    function _list(ISuperblockVerifier verifier, uint64 activeFrom) private {
        bytes memory code = address(verifier).code;
        // Code that begins so delegates to other code, which changes at will (EIP-7702).
        if (code.length == 0 || code[0] == 0xef) revert NoFixedCode(verifier);
        bytes32 codeHash = address(verifier).codehash;
        if (_isListed[codeHash]) revert AlreadyListed(verifier, codeHash);
        _isListed[codeHash] = true;
        bytes32 outerDigest = verifier.outerDigest();
        Listing[] storage listings = _listings[outerDigest];
        if (listings.length == MOST_VERIFIERS) revert TooManyVerifiers(outerDigest, MOST_VERIFIERS);
        listings.push(Listing({verifier: verifier, activeFrom: activeFrom, codeHash: codeHash}));
        emit VerifierListed(outerDigest, verifier, codeHash, activeFrom);
    }

    /// @dev Where a verifier is among those of its circuit.
    function _indexOf(bytes32 outerDigest, ISuperblockVerifier verifier) private view returns (uint256 index) {
        Listing[] storage listings = _listings[outerDigest];
        for (index = listings.length; index != 0; --index) {
            if (address(listings[index - 1].verifier) == address(verifier)) return index - 1;
        }
        revert UnknownVerifier(outerDigest, verifier);
    }

    /// @dev Takes a listing out, and keeps the order of the others.
    function _remove(bytes32 outerDigest, uint256 index) private {
        Listing[] storage listings = _listings[outerDigest];
        for (uint256 next = index + 1; next < listings.length; ++next) {
            listings[next - 1] = listings[next];
        }
        listings.pop();
    }
}
