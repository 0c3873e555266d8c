// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Action, Payout, Statement} from "../../src/interfaces/SettlementTypes.sol";
import {DeployedTest} from "../support/Fixture.sol";

/// @notice What superblocks owe the queue, and who settles if batchers do not.
contract OwedTest is DeployedTest {
    uint64 private constant AMOUNT = 5000;

    function _refused(address caller, bytes memory reason, Statement memory statement) private {
        bytes memory proof = _prove(statement);
        vm.expectRevert(reason);
        vm.prank(caller);
        settlement.settle(OUTER, statement, "", proof);
    }

    function _refusedStranger(address caller, bytes memory reason, Statement memory statement) private {
        bytes memory proof = _prove(statement);
        vm.expectRevert(reason);
        vm.prank(caller);
        settlement.settleStalled(OUTER, statement, "", proof, BLOCK, _indices());
    }

    function _settleAs(address caller, Statement memory statement) private {
        _settleStalled(caller, statement, "");
    }

    /// @dev A superblock that strangers may settle.
    function _lone(uint32 length) private view returns (Statement memory) {
        return _lone(length, new Payout[](0));
    }

    // Forced inclusion.

    function test_a_superblock_owes_what_was_ripe_when_its_predecessor_was_settled() public {
        _deposit(ALICE, AMOUNT);
        _deposit(ALICE, AMOUNT);
        _wait(1);
        _deposit(BOB, AMOUNT);
        _wait(6 hours - 1);
        _settle(_next(), "");
        assertEq(settlement.progress().owed, 2, "owed");
        _wait(1 days);
        _refused(BATCHER, abi.encodeWithSelector(OwesDeposits.selector, 0, 2), _next());
        _refused(BATCHER, abi.encodeWithSelector(OwesDeposits.selector, 1, 2), _nextWith(1, new Payout[](0)));
        // The third one ripened since, and is owed by the next superblock only.
        _settle(_nextWith(2, new Payout[](0)), "");
        assertEq(settlement.progress().owed, 3, "owed");
        _settle(_nextWith(3, new Payout[](0)), "");
        assertEq(settlement.progress().owed, 3, "owed");
        _settle(_next(), "");
    }

    function test_a_superblock_owes_no_more_than_it_can_take() public {
        for (uint256 i = 0; i < 150; ++i) {
            _deposit(ALICE, AMOUNT);
        }
        _wait(6 hours);
        _settle(_next(), "");
        assertEq(settlement.progress().owed, 64, "owed");
        _settle(_nextWith(70, new Payout[](0)), "");
        assertEq(settlement.progress().owed, 134, "owed");
        _settle(_nextWith(150, new Payout[](0)), "");
        assertEq(settlement.progress().owed, 150, "owed");
    }

    function test_a_pause_of_settling_stops_the_clock_of_ripening() public {
        _deposit(ALICE, AMOUNT);
        _wait(1 hours);
        vm.prank(GUARDIAN);
        settlement.pause(Action.Settle, 1 days);
        uint32 time = settlement.time();
        _wait(12 hours);
        assertEq(settlement.time(), time, "time while paused");
        _wait(12 hours);
        assertEq(settlement.time(), time, "time after the pause");
        _wait(5 hours - 1);
        _settle(_next(), "");
        assertEq(settlement.progress().owed, 0, "owed");
        _wait(1);
        _settle(_next(), "");
        assertEq(settlement.progress().owed, 1, "owed");
    }

    // Strangers.

    function test_strangers_wait_for_a_stall() public {
        _wait(1 hours);
        _settle(_next(), "");
        uint32 allowedAt = settlement.time() + 2 days;
        _wait(2 days - 1);
        bytes memory reason = abi.encodeWithSelector(StrangerTooEarly.selector, ALICE, allowedAt, allowedAt - 1);
        _refusedStranger(ALICE, reason, _lone(0));
        _wait(1);
        _settleAs(ALICE, _lone(0));
        assertEq(settlement.progress().settledAt, allowedAt, "settledAt");
        assertEq(settlement.progress().batcherAt, allowedAt - 2 days, "batcherAt");
    }

    function test_the_next_stranger_waits_and_batchers_do_not() public {
        _wait(2 days);
        _settleAs(ALICE, _lone(0));
        uint32 allowedAt = settlement.time() + 2 hours;
        _wait(2 hours - 1);
        bytes memory reason = abi.encodeWithSelector(StrangerTooEarly.selector, BOB, allowedAt, allowedAt - 1);
        _refusedStranger(BOB, reason, _lone(0));
        _wait(1);
        _settleAs(BOB, _lone(0));
        _settle(_next(), "");
        allowedAt = settlement.time() + 2 days;
        _wait(2 hours);
        reason = abi.encodeWithSelector(StrangerTooEarly.selector, BOB, allowedAt, settlement.time());
        _refusedStranger(BOB, reason, _lone(0));
    }

    function test_strangers_settle_blocks_of_environment_0_only() public {
        _wait(2 days);
        Statement memory statement = _lone(0);
        statement.blockCount = 2;
        _refusedStranger(ALICE, abi.encodeWithSelector(StrangerBlocks.selector, 2, true), statement);
        statement = _next();
        statement.blockCount = 1;
        _refusedStranger(ALICE, abi.encodeWithSelector(StrangerBlocks.selector, 1, false), statement);
    }

    function test_strangers_bring_what_others_need_to_follow() public {
        _wait(2 days);
        Statement memory statement = _lone(0);
        bytes32 expected = statement.bodyChain;
        statement.bodyChain = bytes32(uint256(1));
        bytes memory reason = abi.encodeWithSelector(WrongBodyChain.selector, statement.bodyChain, expected);
        _refusedStranger(ALICE, reason, statement);
        statement = _lone(0);
        bytes memory proof = _prove(statement);
        uint32[] memory other = _indices();
        other[1] = 4;
        bytes32 found = tree.bodyChainOf(BLOCK, other);
        vm.expectRevert(abi.encodeWithSelector(WrongBodyChain.selector, expected, found));
        settlement.settleStalled(OUTER, statement, "", proof, BLOCK, other);
    }

    function test_only_batchers_settle_without_a_stall() public {
        _wait(2 days);
        _refused(ALICE, abi.encodeWithSelector(NotBatcher.selector, ALICE), _lone(0));
    }

    function test_strangers_owe_deposits_too() public {
        _deposit(BOB, AMOUNT);
        _wait(2 days);
        _settle(_next(), "");
        _wait(2 days);
        _refusedStranger(ALICE, abi.encodeWithSelector(OwesDeposits.selector, 0, 1), _lone(0));
        _settleAs(ALICE, _lone(1));
    }

    function test_a_pause_of_settling_is_no_stall() public {
        vm.prank(GUARDIAN);
        settlement.pause(Action.Settle, 3 days);
        _wait(3 days);
        uint32 time = settlement.time();
        bytes memory reason = abi.encodeWithSelector(StrangerTooEarly.selector, ALICE, time + 2 days, time);
        _refusedStranger(ALICE, reason, _lone(0));
    }
}
