// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IVerifierRouter} from "../../src/interfaces/IVerifierRouter.sol";
import {Action, Payout, Progress, Statement} from "../../src/interfaces/SettlementTypes.sol";
import {DeployedTest} from "../support/Fixture.sol";
import {MockVerifier} from "../support/Mocks.sol";

/// @notice Which superblocks are settled.
contract SettleTest is DeployedTest {
    function _refused(bytes memory reason, Statement memory statement, bytes memory payouts) internal {
        bytes memory proof = _prove(statement);
        vm.expectRevert(reason);
        vm.prank(BATCHER);
        settlement.settle(OUTER, statement, payouts, proof);
    }

    function test_a_superblock_moves_the_state() public {
        Statement memory statement = _next();
        bytes32[] memory blobs = new bytes32[](2);
        (blobs[0], blobs[1]) = (bytes32(uint256(1) << 248 | 5), bytes32(uint256(1) << 248 | 6));
        vm.blobhashes(blobs);
        _wait(60);
        vm.expectEmit(address(settlement));
        emit SuperblockSettled(1, statement.newState, registryRoot, statement.bodyChain, 0, BATCHER, blobs);
        _settle(statement, "");
        assertEq(settlement.stateOf(1), statement.newState, "state");
        assertEq(settlement.stateOf(0), state, "genesis");
        Progress memory current = settlement.progress();
        assertEq(current.number, 1, "number");
        assertEq(current.settledAt, clock, "settledAt");
        assertEq(current.batcherAt, clock, "batcherAt");
        assertEq(current.pacedUntil, clock + PACE, "pacedUntil");
        assertEq(settlement.statementDigestOf(1), keccak256(abi.encode(statement)), "statement");
    }

    function test_a_superblock_that_is_settled_changes_nothing() public {
        Statement memory first = _next();
        _settle(first, "");
        _settle(_next(), "");
        bytes32 before = keccak256(abi.encode(settlement.progress()));
        // Whoever comes second needs no valid proof, and need not be a batcher.
        vm.prank(ALICE);
        settlement.settle(OUTER, first, "", "");
        assertEq(keccak256(abi.encode(settlement.progress())), before, "progress");
    }

    function test_another_superblock_with_a_settled_number_is_refused() public {
        Statement memory other = _next();
        // The state is the same: payouts in another order lead to one.
        other.bodyChain = bytes32(uint256(77));
        bytes32 settled = keccak256(abi.encode(_next()));
        _settle(_next(), "");
        bytes32 found = keccak256(abi.encode(other));
        _refused(abi.encodeWithSelector(SettledOtherwise.selector, 1, found, settled), other, "");
        other.number = 0;
        found = keccak256(abi.encode(other));
        _refused(abi.encodeWithSelector(SettledOtherwise.selector, 0, found, bytes32(0)), other, "");
    }

    function test_a_gap_is_refused() public {
        Statement memory statement = _next();
        statement.number = 2;
        _refused(abi.encodeWithSelector(NotNext.selector, 2, 1), statement, "");
    }

    function test_another_deployment_is_refused() public {
        Statement memory statement = _next();
        statement.deployment ^= 1;
        bytes4 selector = WrongDeployment.selector;
        _refused(abi.encodeWithSelector(selector, statement.deployment, settlement.deployment()), statement, "");
    }

    function test_the_deployment_is_named_by_chain_and_address() public view {
        uint256 digest = uint256(keccak256(abi.encode(block.chainid, address(settlement))));
        assertEq(settlement.deployment(), digest % (1 << 62), "deployment");
    }

    function test_another_previous_state_is_refused() public {
        Statement memory statement = _next();
        statement.previousState = bytes32(uint256(1));
        _refused(abi.encodeWithSelector(WrongPreviousState.selector, bytes32(uint256(1)), state), statement, "");
    }

    function test_another_registry_is_refused() public {
        Statement memory statement = _next();
        statement.registryRoot = bytes32(uint256(1));
        bytes memory reason = abi.encodeWithSelector(WrongRegistryRoot.selector, bytes32(uint256(1)), registryRoot);
        _refused(reason, statement, "");
    }

    function test_a_fork_of_the_chain_refuses() public {
        vm.chainId(99);
        _refused(abi.encodeWithSelector(WrongChain.selector, 99, 31337), _next(), "");
    }

    function test_settling_can_be_paused_apart() public {
        vm.prank(GUARDIAN);
        settlement.pause(Action.Settle, 1 days);
        uint256 until = clock + 1 days;
        _refused(abi.encodeWithSelector(PausedUntil.selector, Action.Settle, until), _next(), "");
        _deposit(ALICE, 5000);
        _waitUntil(until);
        _settle(_next(), "");
    }

    /// @dev Every field of the statement is under the proof.
    function test_each_public_input_counts() public {
        Payout[] memory none = new Payout[](0);
        _deposit(ALICE, 5000);
        Statement memory statement = _nextWith(1, none);
        bytes memory proof = _prove(statement);
        for (uint256 field = 0; field < 4; ++field) {
            Statement memory other = _nextWith(1, none);
            if (field == 0) other.newState ^= bytes32(uint256(1));
            if (field == 1) other.bodyChain ^= bytes32(uint256(1));
            if (field == 2) other.blockCount += 1;
            if (field == 3) other = _nextWith(0, none);
            bytes memory expected = _prove(other);
            vm.expectRevert(abi.encodeWithSelector(MockVerifier.InvalidProof.selector, bytes32(expected)));
            vm.prank(BATCHER);
            settlement.settle(OUTER, other, "", proof);
        }
        vm.prank(BATCHER);
        settlement.settle(OUTER, statement, "", proof);
    }

    function test_an_unknown_verifier_is_refused() public {
        Statement memory statement = _next();
        bytes memory proof = _prove(statement);
        bytes32 other = bytes32(uint256(5));
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnknownCircuit.selector, other));
        vm.prank(BATCHER);
        settlement.settle(other, statement, "", proof);
    }

    function test_superblocks_come_in_bursts_and_then_evenly() public {
        _waitForRoom();
        for (uint256 i = 0; i < BURST; ++i) {
            _settle(_next(), "");
        }
        for (uint256 i = 0; i < 3; ++i) {
            bytes memory reason = abi.encodeWithSelector(TooManySuperblocks.selector, clock + PACE, clock);
            _refused(reason, _next(), "");
            _wait(PACE - 1);
            reason = abi.encodeWithSelector(TooManySuperblocks.selector, clock + 1, clock);
            _refused(reason, _next(), "");
            _wait(1);
            _settle(_next(), "");
        }
    }

    // The queue.

    function test_a_superblock_takes_any_part_of_the_queue() public {
        for (uint256 i = 0; i < 5; ++i) {
            _deposit(ALICE, 5000);
        }
        Payout[] memory none = new Payout[](0);
        _settle(_nextWith(2, none), "");
        assertEq(settlement.progress().taken, 2, "taken");
        _settle(_nextWith(2, none), "");
        assertEq(settlement.progress().taken, 2, "taken");
        _settle(_nextWith(5, none), "");
        assertEq(settlement.progress().taken, 5, "taken");
    }

    function test_deposits_that_come_while_a_proof_is_made_change_nothing() public {
        _deposit(ALICE, 5000);
        Statement memory statement = _nextWith(1, new Payout[](0));
        for (uint256 i = 0; i < 100; ++i) {
            _deposit(BOB, 5000);
        }
        _wait(30 days);
        _settle(statement, "");
    }

    function test_deposits_of_another_queue_are_refused() public {
        _deposit(ALICE, 5000);
        Statement memory statement = _nextWith(1, new Payout[](0));
        bytes32 expected = statement.l1Body.queueDigest;
        statement.l1Body.queueDigest = bytes32(uint256(1));
        _refused(abi.encodeWithSelector(WrongQueueDigest.selector, bytes32(uint256(1)), expected), statement, "");
    }

    function test_deposits_that_nobody_made_are_refused() public {
        _deposit(ALICE, 5000);
        Statement memory statement = _nextWith(1, new Payout[](0));
        statement.l1Body.queueLength = 2;
        _refused(abi.encodeWithSelector(NotInQueue.selector, 2, 1), statement, "");
        // 2^32 + 1 is not cut down to 1.
        statement.l1Body.queueLength = (1 << 32) + 1;
        _refused(abi.encodeWithSelector(NotInQueue.selector, (1 << 32) + 1, 1), statement, "");
    }

    function test_what_was_taken_stays_taken() public {
        _deposit(ALICE, 5000);
        _settleAll();
        Statement memory statement = _nextWith(0, new Payout[](0));
        _refused(abi.encodeWithSelector(TakenBefore.selector, 0, 1), statement, "");
    }

    function test_a_statement_without_a_block_of_environment_0_has_no_body() public {
        for (uint256 field = 0; field < 5; ++field) {
            Statement memory statement = _next();
            if (field == 0) statement.l1Body.queueDigest = bytes32(uint256(1));
            if (field == 1) statement.l1Body.queueLength = 1;
            if (field == 2) statement.l1Body.payoutsDigest = bytes32(uint256(1));
            if (field == 3) statement.l1Body.firstPayout = 1;
            if (field == 4) statement.l1Body.payoutCount = 1;
            _refused(abi.encodeWithSelector(BodyWithoutBlock.selector), statement, "");
        }
    }

    // Deployment.

    function test_only_the_deployer_initialises_and_once() public {
        bytes32[16] memory path;
        vm.expectRevert(abi.encodeWithSelector(AlreadyInitialised.selector));
        settlement.initialise(state, registryRoot, ENTRY_ZERO, path);
        vm.expectRevert(abi.encodeWithSelector(NotDeployer.selector, ADMIN));
        vm.prank(ADMIN);
        settlement.initialise(state, registryRoot, ENTRY_ZERO, path);
    }

    function test_nothing_happens_before_genesis() public {
        settlement = _deploySettlement(_parameters());
        Statement memory statement = _next();
        bytes memory notInitialised = abi.encodeWithSelector(NotInitialised.selector);
        bytes memory proof = _prove(statement);
        vm.expectRevert(notInitialised);
        settlement.settle(OUTER, statement, "", proof);
        vm.expectRevert(notInitialised);
        settlement.deposit{value: 1e14}(_ether(), 1e14, 5, RECIPIENT, 64);
        bytes32[16] memory path;
        vm.expectRevert(abi.encodeWithSelector(OtherEntryZero.selector, bytes32(0), registryRoot));
        settlement.initialise(state, bytes32(0), ENTRY_ZERO, path);
        vm.expectEmit(address(settlement));
        emit Initialised(state, registryRoot, ENTRY_ZERO);
        settlement.initialise(state, registryRoot, ENTRY_ZERO, path);
    }
}
