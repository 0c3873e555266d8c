// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {ISuperblockVerifier} from "./interfaces/ISuperblockVerifier.sol";
import {IVerifierRouter, LONGEST_SUSPENSION} from "./interfaces/IVerifierRouter.sol";

/// @title Chooses the verifier of a proof
/// @notice The invariants are those of `IVerifierRouter`. The delay is this contract's own, whatever delays roles have.
contract VerifierRouter is IVerifierRouter, AccessManaged {
    struct Listing {
        ISuperblockVerifier verifier;
        uint64 activeFrom;
        bool frozen;
        uint64 suspendedUntil;
    }

    /// @dev Time for users to see a verifier that they do not trust, and to take their money out.
    uint32 private constant SHORTEST_DELAY = 1 days;

    /// @dev Time between two suspensions of a verifier. It is so long that suspensions and pauses of settling together cannot close
    /// it for good.
    uint32 private constant SUSPENSION_GAP = 30 days;

    /// @inheritdoc IVerifierRouter
    uint32 public immutable delay;

    mapping(bytes32 outerDigest => Listing) private _listings;

    /// @param verifiers Those that are active from the start.
    constructor(address authority, uint32 delay_, ISuperblockVerifier[] memory verifiers) AccessManaged(authority) {
        if (delay_ < SHORTEST_DELAY) revert DelayTooShort(delay_, SHORTEST_DELAY);
        delay = delay_;
        for (uint256 i = 0; i < verifiers.length; ++i) {
            _list(verifiers[i], uint64(block.timestamp));
        }
    }

    /// @inheritdoc IVerifierRouter
    function verifierOf(bytes32 outerDigest)
        external
        view
        returns (ISuperblockVerifier verifier, uint64 activeFrom, bool frozen, uint64 suspendedUntil)
    {
        Listing memory listing = _listings[outerDigest];
        return (listing.verifier, listing.activeFrom, listing.frozen, listing.suspendedUntil);
    }

    /// @inheritdoc IVerifierRouter
    function list(ISuperblockVerifier verifier) external restricted {
        _list(verifier, uint64(block.timestamp) + delay);
    }

    /// @inheritdoc IVerifierRouter
    function suspend(bytes32 outerDigest, uint32 duration) external restricted {
        if (duration > LONGEST_SUSPENSION) revert SuspensionTooLong(duration, LONGEST_SUSPENSION);
        uint64 last = _listed(outerDigest).suspendedUntil;
        if (block.timestamp < last) revert SuspendedVerifier(outerDigest, last);
        if (last != 0 && block.timestamp < last + SUSPENSION_GAP) {
            revert SuspendedLately(outerDigest, last + SUSPENSION_GAP);
        }
        uint64 until = uint64(block.timestamp) + duration;
        _listings[outerDigest].suspendedUntil = until;
        emit VerifierSuspended(outerDigest, until);
    }

    /// @inheritdoc IVerifierRouter
    function freeze(bytes32 outerDigest) external restricted {
        _listed(outerDigest);
        _listings[outerDigest].frozen = true;
        emit VerifierFrozen(outerDigest);
    }

    /// @inheritdoc IVerifierRouter
    function verify(bytes32 outerDigest, bytes calldata proof, uint256[] calldata publicInputs) external view {
        Listing memory listing = _listed(outerDigest);
        if (block.timestamp < listing.activeFrom) revert VerifierNotActive(outerDigest, listing.activeFrom);
        if (block.timestamp < listing.suspendedUntil) revert SuspendedVerifier(outerDigest, listing.suspendedUntil);
        listing.verifier.verify(proof, publicInputs);
    }

    function _list(ISuperblockVerifier verifier, uint64 activeFrom) private {
        bytes32 outerDigest = verifier.outerDigest();
        if (_listings[outerDigest].activeFrom != 0) revert AlreadyListed(outerDigest);
        _listings[outerDigest] = Listing({verifier: verifier, activeFrom: activeFrom, frozen: false, suspendedUntil: 0});
        emit VerifierListed(outerDigest, address(verifier), activeFrom);
    }

    /// @dev A listing that is not frozen.
    function _listed(bytes32 outerDigest) private view returns (Listing memory listing) {
        listing = _listings[outerDigest];
        if (listing.activeFrom == 0) revert UnknownVerifier(outerDigest);
        if (listing.frozen) revert FrozenVerifier(outerDigest);
    }
}
