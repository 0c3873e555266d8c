// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISuperblockVerifier} from "../../src/interfaces/ISuperblockVerifier.sol";
import {IVerifierRouter, Listing} from "../../src/interfaces/IVerifierRouter.sol";
import {Statement} from "../../src/interfaces/SettlementTypes.sol";
import {DeployedTest} from "../support/Fixture.sol";
import {MockVerifier, ReversedMockVerifier} from "../support/Mocks.sol";

/// @notice Which verifier a proof is given to: delays, corrections, suspensions and freezing.
contract VerifiersTest is DeployedTest {
    function test_a_verifier_is_active_after_the_delay() public {
        bytes32 outer = bytes32(uint256(0x456));
        MockVerifier other = new MockVerifier(outer);
        uint64 activeFrom = uint64(clock + DELAY);
        vm.expectEmit(address(router));
        emit IVerifierRouter.VerifierListed(outer, other, address(other).codehash, activeFrom);
        vm.prank(GOVERNOR);
        router.list(other);
        bytes memory proof = _mockProof(outer);
        _wait(DELAY - 1);
        bytes memory reason = abi.encodeWithSelector(IVerifierRouter.NoVerifierActive.selector, outer, activeFrom);
        vm.expectRevert(reason);
        router.verify(outer, proof, _oneInput());
        vm.expectRevert(reason);
        router.verifierOf(outer);
        _wait(1);
        router.verify(outer, proof, _oneInput());
        vm.expectRevert(abi.encodeWithSelector(MockVerifier.InvalidProof.selector, bytes32(proof)));
        router.verify(outer, "", _oneInput());
        assertEq(address(router.verifierOf(outer)), address(other), "verifier");
        Listing[] memory listings = router.listingsOf(outer);
        assertEq(listings.length, 1, "listings");
        assertEq(address(listings[0].verifier), address(other), "listed");
        assertEq(listings[0].activeFrom, activeFrom, "activeFrom");
        assertEq(listings[0].codeHash, address(other).codehash, "codeHash");
    }

    function test_a_corrected_verifier_takes_the_place_of_the_one_before_it() public {
        ReversedMockVerifier corrected = new ReversedMockVerifier(OUTER);
        vm.prank(GOVERNOR);
        router.list(corrected);
        bytes memory before = _mockProof(OUTER);
        bytes memory afterwards = abi.encodePacked(~bytes32(before));
        _wait(DELAY - 1);
        router.verify(OUTER, before, _oneInput());
        vm.expectRevert(abi.encodeWithSelector(MockVerifier.InvalidProof.selector, bytes32(before)));
        router.verify(OUTER, afterwards, _oneInput());
        _wait(1);
        assertEq(address(router.verifierOf(OUTER)), address(corrected), "verifier");
        router.verify(OUTER, afterwards, _oneInput());
        vm.expectRevert(abi.encodeWithSelector(MockVerifier.InvalidProof.selector, bytes32(afterwards)));
        router.verify(OUTER, before, _oneInput());
    }

    /// @dev A corrected verifier that turns out to be wrong makes way for the one before it.
    function test_the_last_verifier_that_is_not_frozen_verifies() public {
        ReversedMockVerifier corrected = new ReversedMockVerifier(OUTER);
        vm.startPrank(GOVERNOR);
        router.list(corrected);
        _wait(DELAY);
        router.freeze(OUTER, corrected);
        assertEq(address(router.verifierOf(OUTER)), address(verifier), "verifier");
        router.verify(OUTER, _mockProof(OUTER), _oneInput());
        router.freeze(OUTER, verifier);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnknownCircuit.selector, OUTER));
        router.verify(OUTER, _mockProof(OUTER), _oneInput());
    }

    function test_a_verifier_is_frozen_before_it_is_active() public {
        ReversedMockVerifier corrected = new ReversedMockVerifier(OUTER);
        vm.startPrank(GOVERNOR);
        router.list(corrected);
        router.freeze(OUTER, corrected);
        vm.stopPrank();
        _wait(DELAY);
        assertEq(address(router.verifierOf(OUTER)), address(verifier), "verifier");
    }

    function test_a_verifier_is_frozen_at_once_and_for_good() public {
        vm.expectEmit(address(router));
        emit IVerifierRouter.VerifierFrozen(OUTER, verifier);
        vm.prank(GOVERNOR);
        router.freeze(OUTER, verifier);
        bytes memory reason = abi.encodeWithSelector(IVerifierRouter.UnknownCircuit.selector, OUTER);
        vm.expectRevert(reason);
        router.verify(OUTER, "", _oneInput());
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnknownVerifier.selector, OUTER, verifier));
        vm.prank(GOVERNOR);
        router.freeze(OUTER, verifier);
        // The same contract, and another one with its code.
        MockVerifier again = new MockVerifier(OUTER);
        MockVerifier[2] memory others = [verifier, again];
        for (uint256 i = 0; i < others.length; ++i) {
            bytes32 codeHash = address(verifier).codehash;
            vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.AlreadyListed.selector, others[i], codeHash));
            vm.prank(GOVERNOR);
            router.list(others[i]);
        }
        Statement memory statement = _next();
        bytes memory proof = _prove(statement);
        vm.expectRevert(reason);
        vm.prank(BATCHER);
        settlement.settle(OUTER, statement, "", proof);
        // Another contract of the circuit does not wake it.
        ReversedMockVerifier corrected = new ReversedMockVerifier(OUTER);
        vm.prank(GOVERNOR);
        router.list(corrected);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.NoVerifierActive.selector, OUTER, clock + DELAY));
        router.verify(OUTER, "", _oneInput());
        _wait(DELAY);
        assertEq(address(router.verifierOf(OUTER)), address(corrected), "verifier");
    }

    function test_a_suspension_ends_by_itself() public {
        Statement memory statement = _next();
        bytes memory proof = _prove(statement);
        uint64 until = uint64(clock + 3 days);
        assertEq(router.suspendedUntil(OUTER), 0, "suspendedUntil");
        vm.startPrank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.SuspensionOutOfRange.selector, 3 days + 1, 3 days));
        router.suspend(OUTER, 3 days + 1);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.SuspensionOutOfRange.selector, 0, 3 days));
        router.suspend(OUTER, 0);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnknownCircuit.selector, bytes32(0)));
        router.suspend(0, 1);
        vm.expectEmit(address(router));
        emit IVerifierRouter.CircuitSuspended(OUTER, until);
        router.suspend(OUTER, 3 days);
        assertEq(router.suspendedUntil(OUTER), until, "suspendedUntil");
        bytes memory suspended = abi.encodeWithSelector(IVerifierRouter.SuspendedCircuit.selector, OUTER, until);
        vm.expectRevert(suspended);
        router.suspend(OUTER, 1);
        vm.stopPrank();
        assertEq(address(router.verifierOf(OUTER)), address(verifier), "verifier");
        _wait(3 days - 1);
        vm.expectRevert(suspended);
        vm.prank(BATCHER);
        settlement.settle(OUTER, statement, "", proof);
        _wait(1);
        bytes memory lately =
            abi.encodeWithSelector(IVerifierRouter.SuspendedLately.selector, OUTER, until + 30 days);
        vm.expectRevert(lately);
        vm.prank(GUARDIAN);
        router.suspend(OUTER, 1);
        _settle(statement, "");
        _wait(30 days - 1);
        vm.expectRevert(lately);
        vm.prank(GUARDIAN);
        router.suspend(OUTER, 1);
        _wait(1);
        vm.prank(GUARDIAN);
        router.suspend(OUTER, 1);
    }

    function test_only_a_verifier_that_is_listed_is_frozen() public {
        MockVerifier other = new MockVerifier(OUTER);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnknownVerifier.selector, OUTER, other));
        vm.prank(GOVERNOR);
        router.freeze(OUTER, other);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnknownVerifier.selector, bytes32(0), verifier));
        vm.prank(GOVERNOR);
        router.freeze(0, verifier);
    }

    function test_a_guardian_withdraws_a_verifier_that_is_not_active_yet() public {
        ReversedMockVerifier corrected = new ReversedMockVerifier(OUTER);
        vm.prank(GOVERNOR);
        router.list(corrected);
        uint256 activeFrom = clock + DELAY;
        _wait(DELAY - 1);
        vm.expectEmit(address(router));
        emit IVerifierRouter.VerifierWithdrawn(OUTER, corrected);
        vm.prank(GUARDIAN);
        router.withdraw(OUTER, corrected);
        bytes memory unknown = abi.encodeWithSelector(IVerifierRouter.UnknownVerifier.selector, OUTER, corrected);
        vm.expectRevert(unknown);
        vm.prank(GUARDIAN);
        router.withdraw(OUTER, corrected);
        _wait(1);
        assertEq(address(router.verifierOf(OUTER)), address(verifier), "verifier");
        // It is announced again, and waits again.
        vm.prank(GOVERNOR);
        router.list(corrected);
        activeFrom = clock + DELAY;
        _wait(DELAY);
        vm.expectRevert(
            abi.encodeWithSelector(IVerifierRouter.VerifierActive.selector, OUTER, corrected, activeFrom)
        );
        vm.prank(GUARDIAN);
        router.withdraw(OUTER, corrected);
        assertEq(address(router.verifierOf(OUTER)), address(corrected), "verifier");
    }

    function test_a_circuit_has_at_most_8_verifiers_that_are_not_frozen() public {
        for (uint256 i = 1; i < 8; ++i) {
            _listVariant(uint8(i));
        }
        MockVerifier ninth = _variant(8);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.TooManyVerifiers.selector, OUTER, 8));
        vm.prank(GOVERNOR);
        router.list(ninth);
        _wait(DELAY);
        Listing[] memory listings = router.listingsOf(OUTER);
        // One from the middle leaves the order of the others.
        vm.startPrank(GOVERNOR);
        router.freeze(OUTER, listings[4].verifier);
        router.list(ninth);
        vm.stopPrank();
        Listing[] memory left = router.listingsOf(OUTER);
        assertEq(left.length, 8, "listings");
        for (uint256 i = 0; i < 7; ++i) {
            uint256 before = i < 4 ? i : i + 1;
            assertEq(address(left[i].verifier), address(listings[before].verifier), "order");
        }
        assertEq(address(left[7].verifier), address(ninth), "last");
        assertEq(address(router.verifierOf(OUTER)), address(listings[7].verifier), "verifier");
    }

    function test_a_verifier_has_code_that_cannot_change() public {
        address delegating = address(0xde1e);
        vm.etch(delegating, abi.encodePacked(hex"ef0100", address(verifier)));
        address[2] memory others = [address(0xe0a), delegating];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.NoFixedCode.selector, others[i]));
            vm.prank(GOVERNOR);
            router.list(ISuperblockVerifier(others[i]));
        }
    }

    function test_a_verifier_with_other_code_than_was_listed_verifies_nothing() public {
        bytes32 listed = address(verifier).codehash;
        vm.etch(address(verifier), address(_variant(1)).code);
        bytes32 found = address(verifier).codehash;
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.CodeChanged.selector, verifier, listed, found));
        router.verify(OUTER, _mockProof(OUTER), _oneInput());
    }

    /// @dev A verifier of the circuit with code of its own: a byte follows that is never reached.
    function _variant(uint8 variant) private returns (MockVerifier) {
        address account = address(uint160(0x7000 + uint256(variant)));
        vm.etch(account, abi.encodePacked(address(verifier).code, variant));
        return MockVerifier(account);
    }

    function _listVariant(uint8 variant) private {
        MockVerifier other = _variant(variant);
        vm.prank(GOVERNOR);
        router.list(other);
    }

    function _oneInput() private pure returns (uint256[] memory) {
        return new uint256[](1);
    }

    /// @dev What `MockVerifier` accepts for `_oneInput`.
    function _mockProof(bytes32 outer) private pure returns (bytes memory) {
        return abi.encodePacked(keccak256(abi.encodePacked(outer, _oneInput())));
    }

    function test_a_routers_delay_has_a_least() public {
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.DelayTooShort.selector, 1 days - 1, 1 days));
        _deployRouter(1 days - 1, new ISuperblockVerifier[](0));
    }
}
