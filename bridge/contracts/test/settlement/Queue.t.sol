// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Action, AssetId, Deposit, Payout, Statement} from "../../src/interfaces/SettlementTypes.sol";
import {DeployedTest} from "../support/Fixture.sol";
import {Refuser} from "../support/Mocks.sol";

/// @notice How deposits leave a queue that nobody takes, or that is too long, and what a place in a long one costs.
contract QueueTest is DeployedTest {
    uint64 private constant AMOUNT = 5000;
    /// @dev Deposits that wait without a fee, and so many more double it.
    uint32 private constant FREE_PLACES = 1024;
    uint32 private constant FEE_STEP = 512;
    uint256 private constant FIRST_FEE = 1e14;

    function _refused(address caller, bytes memory reason, Statement memory statement) private {
        bytes memory proof = _prove(statement);
        vm.expectRevert(reason);
        vm.prank(caller);
        settlement.settle(OUTER, statement, "", proof);
    }

    function test_a_queue_that_nobody_takes_is_cut_and_withdrawn() public {
        _deposit(ALICE, AMOUNT);
        _settleAll();
        bytes32 taken = settlement.queueDigest(0, 1);
        _wait(3 days);
        _deposit(ALICE, AMOUNT);
        _deposit(BOB, 2 * AMOUNT);
        _wait(14 days);
        vm.expectEmit(address(settlement));
        emit QueueCut(0, 1, 3);
        vm.prank(BOB);
        settlement.cutQueue();
        (uint32 generation, uint32 length, bytes32 digest) = settlement.queue();
        assertEq(generation, 1, "generation");
        assertEq(length, 1, "length");
        assertEq(digest, taken, "digest");

        uint256 held = address(settlement).balance;
        vm.expectEmit(address(settlement));
        emit Withdrawn(0, 2, BOB, BOB, 0, 1, 2 * AMOUNT);
        settlement.withdraw(0, 2, _entry(BOB, 2 * AMOUNT));
        settlement.withdraw(0, 1, _entry(ALICE, AMOUNT));
        assertEq(BOB.balance, 2 * AMOUNT * ETHER_UNIT, "Bob");
        assertEq(ALICE.balance, AMOUNT * ETHER_UNIT, "Alice");
        assertEq(address(settlement).balance, held - 3 * AMOUNT * ETHER_UNIT, "held");
        assertEq(settlement.assetOf(_ether()).outstanding, AMOUNT, "outstanding");
        assertTrue(settlement.isWithdrawn(0, 1) && settlement.isWithdrawn(0, 2), "withdrawn");

        vm.expectRevert(abi.encodeWithSelector(AlreadyWithdrawn.selector, 0, 1));
        settlement.withdraw(0, 1, _entry(ALICE, AMOUNT));
        // What was taken before the cut is no longer anybody's to withdraw, and neither is what never was.
        vm.expectRevert(abi.encodeWithSelector(NotCut.selector, 0, 0));
        settlement.withdraw(0, 0, _entry(ALICE, AMOUNT));
        vm.expectRevert(abi.encodeWithSelector(NotCut.selector, 0, 3));
        settlement.withdraw(0, 3, _entry(ALICE, AMOUNT));
        vm.expectRevert(abi.encodeWithSelector(NotCut.selector, 1, 1));
        settlement.withdraw(1, 1, _entry(ALICE, AMOUNT));
    }

    function test_a_superblock_over_the_tail_that_was_cut_is_refused() public {
        _deposit(ALICE, AMOUNT);
        Statement memory statement = _nextWith(1, new Payout[](0));
        _wait(14 days);
        settlement.cutQueue();
        _refused(BATCHER, abi.encodeWithSelector(NotInQueue.selector, 1, 0), statement);
        _deposit(BOB, AMOUNT);
        bytes32 expected = settlement.queueDigest(1, 1);
        bytes32 found = statement.l1Body.queueDigest;
        _refused(BATCHER, abi.encodeWithSelector(WrongQueueDigest.selector, found, expected), statement);
        _settle(_nextWith(1, new Payout[](0)), "");
    }

    function test_generations_are_withdrawn_apart() public {
        _deposit(ALICE, AMOUNT);
        _wait(14 days);
        settlement.cutQueue();
        _deposit(ALICE, AMOUNT);
        _wait(14 days);
        settlement.cutQueue();
        settlement.withdraw(1, 0, _entry(ALICE, AMOUNT));
        settlement.withdraw(0, 0, _entry(ALICE, AMOUNT));
        assertEq(ALICE.balance, 2 * AMOUNT * ETHER_UNIT, "Alice");
        assertEq(settlement.assetOf(_ether()).outstanding, 0, "outstanding");
    }

    function test_what_was_owed_of_a_tail_that_was_cut_is_owed_no_more() public {
        _deposit(ALICE, AMOUNT);
        _wait(6 hours);
        _settle(_next(), "");
        assertEq(settlement.progress().owed, 1, "owed");
        _wait(14 days);
        settlement.cutQueue();
        _settle(_next(), "");
    }

    function test_a_queue_is_cut_only_after_a_long_time_without_consumption() public {
        vm.expectRevert(abi.encodeWithSelector(NothingToCut.selector));
        settlement.cutQueue();
        _deposit(ALICE, AMOUNT);
        _deposit(ALICE, AMOUNT);
        uint32 allowedAt = settlement.time() + 14 days;
        _wait(14 days - 1);
        vm.expectRevert(abi.encodeWithSelector(CutTooEarly.selector, allowedAt, allowedAt - 1));
        settlement.cutQueue();
        // Consumption starts the time anew, though the other deposit is as old.
        _settle(_nextWith(1, new Payout[](0)), "");
        _wait(14 days - 1);
        vm.expectRevert(abi.encodeWithSelector(CutTooEarly.selector, allowedAt - 1 + 14 days, allowedAt + 14 days - 2));
        settlement.cutQueue();
        _wait(1);
        settlement.cutQueue();
    }

    function test_a_block_of_environment_0_that_takes_nothing_does_not_stop_a_cut() public {
        _settle(_next(), "");
        _deposit(ALICE, AMOUNT);
        _wait(14 days - 1);
        _settle(_nextWith(0, new Payout[](0)), "");
        _wait(1);
        settlement.cutQueue();
    }

    function test_a_pause_of_settling_stops_the_clock_of_cutting() public {
        _deposit(ALICE, AMOUNT);
        uint32 allowedAt = settlement.time() + 14 days;
        _wait(14 days - 1);
        vm.prank(GUARDIAN);
        settlement.pause(Action.Settle, 1 days);
        _wait(1 days - 1);
        vm.expectRevert(abi.encodeWithSelector(PausedUntil.selector, Action.Settle, clock + 1));
        settlement.cutQueue();
        _wait(1);
        vm.expectRevert(abi.encodeWithSelector(CutTooEarly.selector, allowedAt, allowedAt - 1));
        settlement.cutQueue();
        _wait(1);
        settlement.cutQueue();
    }

    function test_only_what_was_deposited_is_withdrawn() public {
        _deposit(ALICE, AMOUNT);
        _wait(14 days);
        settlement.cutQueue();
        bytes memory reason = abi.encodeWithSelector(NotDeposited.selector, 0, 0);
        for (uint256 field = 0; field < 6; ++field) {
            Deposit memory entry = _entry(ALICE, AMOUNT);
            if (field == 0) entry.depositor = BOB;
            if (field == 1) entry.destination = 6;
            if (field == 2) entry.recipient = 0;
            if (field == 3) entry.asset.number = TOKEN;
            if (field == 4) entry.amount += 1;
            if (field == 5) entry.lifetime = 65;
            vm.expectRevert(reason);
            settlement.withdraw(0, 0, entry);
        }
    }

    function test_a_depositor_that_refuses_ether_can_withdraw_later() public {
        Refuser refuser = new Refuser();
        _deposit(address(refuser), AMOUNT);
        _wait(14 days);
        settlement.cutQueue();
        vm.expectRevert(abi.encodeWithSelector(PaymentFailed.selector, address(refuser)));
        settlement.withdraw(0, 0, _entry(address(refuser), AMOUNT));
        refuser.accept();
        settlement.withdraw(0, 0, _entry(address(refuser), AMOUNT));
        assertEq(address(refuser).balance, AMOUNT * ETHER_UNIT, "balance");
    }

    function test_withdrawing_is_paused_with_payments() public {
        _deposit(ALICE, AMOUNT);
        _wait(14 days);
        settlement.cutQueue();
        vm.prank(GUARDIAN);
        settlement.pause(Action.Pay, 1 days);
        bytes memory reason = abi.encodeWithSelector(PausedUntil.selector, Action.Pay, clock + 1 days);
        vm.expectRevert(reason);
        settlement.withdraw(0, 0, _entry(ALICE, AMOUNT));
        vm.expectRevert(reason);
        vm.prank(ALICE);
        settlement.withdrawTo(0, 0, _entry(ALICE, AMOUNT), BOB);
    }

    function test_whoever_deposited_and_cannot_receive_names_somebody_else() public {
        Refuser refuser = new Refuser();
        _deposit(address(refuser), AMOUNT);
        _wait(14 days);
        settlement.cutQueue();
        Deposit memory entry = _entry(address(refuser), AMOUNT);
        vm.expectRevert(abi.encodeWithSelector(NotPayee.selector, ALICE, address(refuser)));
        vm.prank(ALICE);
        settlement.withdrawTo(0, 0, entry, ALICE);
        vm.startPrank(address(refuser));
        vm.expectRevert(abi.encodeWithSelector(PaymentFailed.selector, address(refuser)));
        settlement.withdrawTo(0, 0, entry, address(refuser));
        vm.expectEmit(address(settlement));
        emit Withdrawn(0, 0, address(refuser), BOB, 0, 1, AMOUNT);
        settlement.withdrawTo(0, 0, entry, BOB);
        assertEq(BOB.balance, AMOUNT * ETHER_UNIT, "Bob");
        vm.expectRevert(abi.encodeWithSelector(AlreadyWithdrawn.selector, 0, 0));
        settlement.withdrawTo(0, 0, entry, BOB);
        vm.stopPrank();
    }

    // Queues that are too long.

    function _depositSeveral(uint256 count) private {
        for (uint256 i = 0; i < count; ++i) {
            _deposit(ALICE, AMOUNT);
        }
    }

    function test_what_waits_for_twice_the_time_is_cut_though_superblocks_take_deposits() public {
        _depositSeveral(70);
        _wait(1);
        _deposit(BOB, AMOUNT);
        _wait(28 days - 2);
        _settle(_nextWith(3, new Payout[](0)), "");
        assertEq(settlement.progress().owed, 67, "owed");
        // Deposit 67 is the first one that is not owed.
        vm.expectRevert(abi.encodeWithSelector(CutTooEarly.selector, clock + 1, clock));
        settlement.cutQueue();
        // The next superblock is proved over all that it may take.
        Statement memory proved = _nextWith(67, new Payout[](0));
        _wait(1);
        bytes32[] memory digests = new bytes32[](68);
        for (uint32 i = 3; i < 68; ++i) {
            digests[i] = settlement.queueDigest(0, i);
        }
        vm.expectEmit(address(settlement));
        emit QueueCut(0, 67, 71);
        settlement.cutQueue();
        (uint32 generation, uint32 length, bytes32 digest) = settlement.queue();
        assertEq(generation, 1, "generation");
        assertEq(length, 67, "length");
        assertEq(digest, digests[67], "digest");
        for (uint32 i = 3; i < 68; ++i) {
            assertEq(settlement.queueDigest(1, i), digests[i], "a digest that is kept");
        }
        assertEq(settlement.progress().owed, 67, "owed");
        settlement.withdraw(0, 70, _entry(BOB, AMOUNT));
        settlement.withdraw(0, 67, _entry(ALICE, AMOUNT));
        vm.expectRevert(abi.encodeWithSelector(NotCut.selector, 0, 66));
        settlement.withdraw(0, 66, _entry(ALICE, AMOUNT));
        _settle(proved, "");
        assertEq(settlement.progress().taken, 67, "taken");
        _deposit(BOB, AMOUNT);
        _settleAll();
    }

    function test_a_superblock_may_take_a_part_of_what_a_cut_left() public {
        _depositSeveral(80);
        _wait(28 days - 1);
        _settle(_nextWith(3, new Payout[](0)), "");
        _wait(1);
        settlement.cutQueue();
        _refused(BATCHER, abi.encodeWithSelector(OwesDeposits.selector, 66, 67), _nextWith(66, new Payout[](0)));
        _settle(_nextWith(67, new Payout[](0)), "");
        // What comes later takes the places of what was cut.
        _deposit(BOB, AMOUNT);
        assertEq(settlement.depositedAt(67), settlement.time(), "time");
        _wait(14 days);
        settlement.cutQueue();
        settlement.withdraw(1, 67, _entry(BOB, AMOUNT));
        settlement.withdraw(0, 67, _entry(ALICE, AMOUNT));
    }

    function test_what_the_next_superblock_owes_is_not_cut_while_superblocks_take_deposits() public {
        _depositSeveral(5);
        _wait(100 days);
        _settle(_nextWith(1, new Payout[](0)), "");
        assertEq(settlement.progress().owed, 5, "owed");
        vm.expectRevert(abi.encodeWithSelector(CutTooEarly.selector, clock + 14 days, clock));
        settlement.cutQueue();
        _deposit(BOB, AMOUNT);
        vm.expectRevert(abi.encodeWithSelector(CutTooEarly.selector, clock + 14 days, clock));
        settlement.cutQueue();
        // If no superblock takes it, all of it is cut after all.
        _wait(14 days);
        vm.expectEmit(address(settlement));
        emit QueueCut(0, 1, 6);
        settlement.cutQueue();
    }

    // Fees.

    /// @dev Adds deposits of Alice, at whatever they cost, and returns what their fees were together.
    function _fill(uint256 count) private returns (uint256 fees) {
        uint256 value = AMOUNT * ETHER_UNIT;
        vm.deal(ALICE, 1000 ether);
        vm.startPrank(ALICE);
        for (uint256 i = 0; i < count; ++i) {
            uint256 fee = settlement.depositFee();
            settlement.deposit{value: value + fee}(_ether(), value, 5, RECIPIENT, 64);
            fees += fee;
        }
        vm.stopPrank();
    }

    function test_a_place_in_a_long_queue_costs_a_fee_that_doubles() public {
        assertEq(_fill(FREE_PLACES), 0, "fees of free places");
        assertEq(settlement.depositFee(), FIRST_FEE, "first fee");
        for (uint256 step = 0; step < 3; ++step) {
            assertEq(_fill(FEE_STEP - 1), (FEE_STEP - 1) * (FIRST_FEE << step), "fees of a step");
            assertEq(settlement.depositFee(), FIRST_FEE << step, "last fee of a step");
            _fill(1);
        }
        assertEq(settlement.depositFee(), 8 * FIRST_FEE, "fee");
        uint256 fees = FEE_STEP * 7 * FIRST_FEE;
        uint256 locked = (FREE_PLACES + 3 * FEE_STEP) * AMOUNT;
        assertEq(settlement.assetOf(_ether()).outstanding, locked, "a fee is no deposit");
        assertEq(address(settlement).balance, locked * ETHER_UNIT + fees, "held");
        // It is the deposits that wait that count: superblocks make room.
        _settle(_nextWith(64, new Payout[](0)), "");
        assertEq(settlement.depositFee(), 4 * FIRST_FEE, "fee with room");
        uint32 length = 3 * FEE_STEP + 1;
        _settle(_nextWith(length, new Payout[](0)), "");
        assertEq(settlement.depositFee(), 0, "fee of a short queue");
    }

    function test_a_fee_is_paid_in_ether_whatever_is_deposited() public {
        _fill(FREE_PLACES + 1);
        uint256 value = AMOUNT * ETHER_UNIT;
        token.mint(BOB, AMOUNT * TOKEN_UNIT);
        vm.deal(BOB, 1 ether);
        vm.startPrank(BOB);
        token.approve(address(settlement), AMOUNT * TOKEN_UNIT);
        vm.expectRevert(abi.encodeWithSelector(TooLittleValue.selector, FIRST_FEE - 1, FIRST_FEE));
        settlement.deposit{value: FIRST_FEE - 1}(AssetId(0, TOKEN), AMOUNT * TOKEN_UNIT, 5, RECIPIENT, 64);
        settlement.deposit{value: FIRST_FEE + 7}(AssetId(0, TOKEN), AMOUNT * TOKEN_UNIT, 5, RECIPIENT, 64);
        assertEq(BOB.balance, 1 ether - FIRST_FEE, "Bob");
        vm.expectRevert(abi.encodeWithSelector(TooLittleValue.selector, value, value + FIRST_FEE));
        settlement.deposit{value: value}(_ether(), value, 5, RECIPIENT, 64);
        vm.stopPrank();
    }
}
