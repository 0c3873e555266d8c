// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISuperblockVerifier} from "./ISuperblockVerifier.sol";

/// @dev The longest suspension of a verifier: time for the governor to look at it.
uint32 constant LONGEST_SUSPENSION = 3 days;

/// @title Chooses the verifier of a proof by its outer digest
/// @notice Invariants: a verifier that was not listed at deployment verifies nothing before `delay` seconds have passed since
/// it was announced, and a frozen one never verifies again, nor does another one with its digest. A suspension ends by itself, and the next one of the
/// same verifier begins no sooner than 30 days after it.
interface IVerifierRouter {
    /// @notice A verifier is listed, and verifies from `activeFrom` on.
    event VerifierListed(bytes32 indexed outerDigest, address indexed verifier, uint256 activeFrom);
    /// @notice A verifier never verifies again.
    event VerifierFrozen(bytes32 indexed outerDigest);
    /// @notice A verifier verifies nothing until then.
    event VerifierSuspended(bytes32 indexed outerDigest, uint256 until);

    /// @notice The delay is shorter than it may be.
    error DelayTooShort(uint32 delay, uint32 shortest);
    /// @notice A verifier with this digest is listed, or was.
    error AlreadyListed(bytes32 outerDigest);
    /// @notice No verifier with this digest is listed.
    error UnknownVerifier(bytes32 outerDigest);
    /// @notice The verifier is listed, and does not verify yet.
    error VerifierNotActive(bytes32 outerDigest, uint256 activeFrom);
    /// @notice The verifier is frozen.
    error FrozenVerifier(bytes32 outerDigest);
    /// @notice The verifier is suspended.
    error SuspendedVerifier(bytes32 outerDigest, uint256 until);
    /// @notice The suspension is longer than it may be.
    error SuspensionTooLong(uint32 duration, uint32 longest);
    /// @notice The verifier was suspended so lately that it may be suspended again at `allowedAt`.
    error SuspendedLately(bytes32 outerDigest, uint256 allowedAt);

    /// @notice Seconds between the announcement of a verifier and its first use. It never changes.
    function delay() external view returns (uint32);

    /// @notice What is listed under a digest; zeros if nothing is.
    function verifierOf(bytes32 outerDigest)
        external
        view
        returns (ISuperblockVerifier verifier, uint64 activeFrom, bool frozen, uint64 suspendedUntil);

    /// @notice Lists a verifier, under its own digest; it is active after the delay. Restricted.
    /// @dev Errors: `AlreadyListed`.
    function list(ISuperblockVerifier verifier) external;

    /// @notice Suspends a verifier, active or not, at once, for at most 3 days: time for the governor to look. Restricted.
    /// @dev Errors: `UnknownVerifier`, `FrozenVerifier`, `SuspensionTooLong`, `SuspendedVerifier`, `SuspendedLately`.
    function suspend(bytes32 outerDigest, uint32 duration) external;

    /// @notice Freezes a verifier, active or not, at once and for good. Restricted.
    /// @dev Errors: `UnknownVerifier`, `FrozenVerifier`.
    function freeze(bytes32 outerDigest) external;

    /// @notice Verifies `proof` with the active verifier of this digest.
    /// @dev Errors: `UnknownVerifier`, `VerifierNotActive`, `FrozenVerifier`, `SuspendedVerifier`, and those of the verifier.
    function verify(bytes32 outerDigest, bytes calldata proof, uint256[] calldata publicInputs) external view;
}
