// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {Action} from "../../src/interfaces/SettlementTypes.sol";
import {DeployedTest} from "../support/Fixture.sol";

/// @notice Which function needs which role. Delays of roles are tested where contracts are deployed with them.
contract RolesTest is DeployedTest {
    bytes32[16] private _path;

    function _unauthorized(address caller) private {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, caller));
        vm.prank(caller);
    }

    function test_each_function_has_its_role() public {
        _unauthorized(GOVERNOR);
        settlement.scheduleRegistry(1000, registryRoot, _path);
        _unauthorized(REGISTRY_GOVERNOR);
        settlement.withdrawRegistries();
        _unauthorized(REGISTRY_GOVERNOR);
        settlement.proposeEntryZero(0);
        _unauthorized(REGISTRY_GOVERNOR);
        settlement.withdrawEntryZero();
        _unauthorized(GOVERNOR);
        settlement.pause(Action.Settle, 1);
        _unauthorized(BATCHER);
        settlement.resume(Action.Settle);
        _unauthorized(REGISTRY_GOVERNOR);
        router.list(verifier);
        _unauthorized(GUARDIAN);
        router.freeze(OUTER, verifier);
        _unauthorized(GOVERNOR);
        router.withdraw(OUTER, verifier);
        _unauthorized(GOVERNOR);
        router.suspend(OUTER, 1);
        _unauthorized(GUARDIAN);
        settlement.changeEntryZero(0, _path);
    }

    /// @dev Whoever adds a function has to say here that it is open, or give it a role.
    function test_each_function_that_changes_something_is_open_or_has_a_role() public view {
        string[10] memory settlementOpen = [
            "initialise",
            "deposit",
            "cutQueue",
            "withdraw",
            "withdrawTo",
            "claim",
            "claimTo",
            "claimAll",
            "settleStalled",
            "setAuthority"
        ];
        string[10] memory routerOpen = ["setAuthority", "", "", "", "", "", "", "", "", ""];
        _checkOpen("Settlement", settlementOpen, 10);
        _checkOpen("VerifierRouter", routerOpen, 1);
    }

    function _checkOpen(string memory name, string[10] memory open, uint256 expected) private view {
        string memory artifact = vm.readFile(string.concat("artifacts/", name, ".json"));
        string[] memory signatures = vm.parseJsonKeys(vm.readFile("roles.json"), string.concat(".functions.", name));
        uint256 found = 0;
        uint256 withRole = 0;
        uint256 functions = 0;
        for (uint256 i = 0;; ++i) {
            string memory entry = string.concat(".abi[", vm.toString(i), "]");
            if (!vm.keyExistsJson(artifact, entry)) break;
            if (!vm.keyExistsJson(artifact, string.concat(entry, ".stateMutability"))) continue;
            bytes32 mutability =
                keccak256(bytes(vm.parseJsonString(artifact, string.concat(entry, ".stateMutability"))));
            if (mutability == keccak256("view") || mutability == keccak256("pure")) continue;
            // The constructor has no name.
            if (!vm.keyExistsJson(artifact, string.concat(entry, ".name"))) continue;
            string memory named = vm.parseJsonString(artifact, string.concat(entry, ".name"));
            for (uint256 j = 0; j < open.length; ++j) {
                if (keccak256(bytes(open[j])) == keccak256(bytes(named))) ++found;
            }
            for (uint256 j = 0; j < signatures.length; ++j) {
                if (_startsWith(bytes(signatures[j]), string.concat(named, "("))) ++withRole;
            }
            ++functions;
        }
        assertEq(found, expected, "open functions");
        assertEq(withRole, signatures.length, "functions with roles");
        assertEq(functions, found + withRole, "functions");
    }

    function _startsWith(bytes memory text, string memory start) private pure returns (bool) {
        bytes memory expected = bytes(start);
        if (text.length < expected.length) return false;
        for (uint256 i = 0; i < expected.length; ++i) {
            if (text[i] != expected[i]) return false;
        }
        return true;
    }

    function test_batchers_are_those_with_the_role() public {
        assertTrue(settlement.isBatcher(BATCHER), "batcher");
        assertTrue(!settlement.isBatcher(ALICE) && !settlement.isBatcher(GOVERNOR), "others");
        vm.prank(ADMIN);
        manager.revokeRole(1, BATCHER);
        assertTrue(!settlement.isBatcher(BATCHER), "batcher without role");
    }
}
