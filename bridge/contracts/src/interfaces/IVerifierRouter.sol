// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISuperblockVerifier} from "./ISuperblockVerifier.sol";

/// @dev The longest suspension of a circuit: time for the governor to look at it.
uint32 constant LONGEST_SUSPENSION = 3 days;

/// @notice A verifier of a circuit, which verifies from `activeFrom` on as long as its code is that which was listed.
struct Listing {
    ISuperblockVerifier verifier;
    uint64 activeFrom;
    bytes32 codeHash;
}

/// @title Chooses the verifier of a proof by the circuit that made it
/// @notice A circuit may have several verifiers: contracts with the same key and other code. Of those that are active and not
/// frozen the one that was listed last verifies, so a corrected contract takes the place of the one before it, and accepts proofs
/// that were made earlier.
///
/// Invariants: a verifier that was not listed at deployment verifies nothing before `delay` seconds have passed since
/// it was announced, and can be withdrawn until then. A frozen one never verifies again, and neither does another contract with its
/// code. A verifier whose code is another one than was listed verifies nothing. A suspension ends by itself, and the next one of the same circuit begins no sooner than 30 days after it.
interface IVerifierRouter {
    /// @notice A verifier with this code is listed, and verifies from `activeFrom` on.
    event VerifierListed(
        bytes32 indexed outerDigest, ISuperblockVerifier indexed verifier, bytes32 codeHash, uint256 activeFrom
    );
    /// @notice A verifier never verifies again.
    event VerifierFrozen(bytes32 indexed outerDigest, ISuperblockVerifier indexed verifier);
    /// @notice A verifier is not listed any more, and was never active.
    event VerifierWithdrawn(bytes32 indexed outerDigest, ISuperblockVerifier indexed verifier);
    /// @notice No proof of the circuit is verified until then.
    event CircuitSuspended(bytes32 indexed outerDigest, uint256 until);

    /// @notice The delay is shorter than it may be.
    error DelayTooShort(uint32 delay, uint32 shortest);
    /// @notice The account has no code, or code that delegates to code that can change.
    error NoFixedCode(ISuperblockVerifier verifier);
    /// @notice The verifier has other code than was listed.
    error CodeChanged(ISuperblockVerifier verifier, bytes32 listed, bytes32 found);
    /// @notice The circuit has the most verifiers that it may have, those that are not active yet included.
    error TooManyVerifiers(bytes32 outerDigest, uint256 most);
    /// @notice A verifier with the code of this one is listed, or frozen.
    error AlreadyListed(ISuperblockVerifier verifier, bytes32 codeHash);
    /// @notice The verifier is not listed for this circuit, or not any more.
    error UnknownVerifier(bytes32 outerDigest, ISuperblockVerifier verifier);
    /// @notice The verifier is active, so it is frozen and not withdrawn.
    error VerifierActive(bytes32 outerDigest, ISuperblockVerifier verifier, uint256 activeFrom);
    /// @notice No verifier of this circuit is listed: none was, or all are frozen or withdrawn.
    error UnknownCircuit(bytes32 outerDigest);
    /// @notice No verifier of the circuit verifies yet; the first one does from `activeFrom` on.
    error NoVerifierActive(bytes32 outerDigest, uint256 activeFrom);
    /// @notice The circuit is suspended.
    error SuspendedCircuit(bytes32 outerDigest, uint256 until);
    /// @notice A suspension takes a second at least, and no longer than it may.
    error SuspensionOutOfRange(uint32 duration, uint32 longest);
    /// @notice The circuit was suspended so lately that it may be suspended again at `allowedAt`.
    error SuspendedLately(bytes32 outerDigest, uint256 allowedAt);

    /// @notice Seconds between the announcement of a verifier and its first use. It never changes.
    function delay() external view returns (uint32);

    /// @notice The verifiers of a circuit that are not frozen, at most 8, in the order in which they become active.
    function listingsOf(bytes32 outerDigest) external view returns (Listing[] memory);

    /// @notice When the circuit's last suspension ends or ended; 0 if there was none.
    function suspendedUntil(bytes32 outerDigest) external view returns (uint64);

    /// @notice The verifier of a circuit, suspended or not.
    /// @dev Errors: `UnknownCircuit`, `NoVerifierActive`, `CodeChanged`.
    function verifierOf(bytes32 outerDigest) external view returns (ISuperblockVerifier);

    /// @notice Lists a verifier for its circuit; it is active after the delay. Restricted.
    /// @dev Errors: `NoFixedCode`, `AlreadyListed`, `TooManyVerifiers`.
    function list(ISuperblockVerifier verifier) external;

    /// @notice Suspends a circuit at once, for at most 3 days: time for the governor to look. Restricted.
    /// @dev Errors: `UnknownCircuit`, `SuspensionOutOfRange`, `SuspendedCircuit`, `SuspendedLately`.
    function suspend(bytes32 outerDigest, uint32 duration) external;

    /// @notice Freezes a verifier, active or not, at once and for good. If it was the circuit's last one that is active, the one
    /// before it verifies again, if there is one. Restricted.
    /// @dev Errors: `UnknownVerifier`.
    function freeze(bytes32 outerDigest, ISuperblockVerifier verifier) external;

    /// @notice Takes back a verifier that is not active yet. It may be listed again. Restricted.
    /// @dev Errors: `UnknownVerifier`, `VerifierActive`.
    function withdraw(bytes32 outerDigest, ISuperblockVerifier verifier) external;

    /// @notice Verifies `proof` with the verifier of its circuit.
    /// @dev Errors: those of `verifierOf`, `SuspendedCircuit`, and those of the verifier.
    function verify(bytes32 outerDigest, bytes calldata proof, uint256[] calldata publicInputs) external view;
}
