// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {Action, Claim, Deposit, Payout, Statement} from "../../src/interfaces/SettlementTypes.sol";
import {DeployedTest} from "../support/Fixture.sol";

/// @notice What stands before every function: the chain and pauses. `ReentrancyTest` has the rest.
contract GuardsTest is DeployedTest {
    uint64 private constant AMOUNT = 5000;

    /// @dev A call of each function that moves money or the state.
    function _calls() private view returns (bytes[9] memory calls) {
        Statement memory statement = _next();
        Claim memory claimed;
        Deposit memory entry = _entry(ALICE, AMOUNT);
        calls[0] = abi.encodeCall(ISettlement.settle, (OUTER, statement, "", ""));
        calls[1] = abi.encodeCall(ISettlement.settleStalled, (OUTER, statement, "", "", BLOCK, _indices()));
        calls[2] = abi.encodeCall(ISettlement.deposit, (_ether(), 0, 5, RECIPIENT, 64));
        calls[3] = abi.encodeCall(ISettlement.cutQueue, ());
        calls[4] = abi.encodeCall(ISettlement.withdraw, (0, 0, entry));
        calls[5] = abi.encodeCall(ISettlement.withdrawTo, (0, 0, entry, BOB));
        calls[6] = abi.encodeCall(ISettlement.claim, (claimed));
        calls[7] = abi.encodeCall(ISettlement.claimTo, (claimed, BOB));
        calls[8] = abi.encodeCall(ISettlement.claimAll, (new Claim[](0)));
    }

    function test_each_function_can_be_paused() public {
        bytes[9] memory calls = _calls();
        Action[3] memory actions = [Action.Deposit, Action.Settle, Action.Pay];
        vm.startPrank(GUARDIAN);
        for (uint256 i = 0; i < actions.length; ++i) {
            settlement.pause(actions[i], 1 days);
        }
        vm.stopPrank();
        for (uint256 i = 0; i < calls.length; ++i) {
            Action action = i == 2 ? Action.Deposit : i < 4 ? Action.Settle : Action.Pay;
            (bool called, bytes memory reason) = address(settlement).call(calls[i]);
            assertTrue(!called, "called");
            bytes memory expected = abi.encodeWithSelector(PausedUntil.selector, action, clock + 1 days);
            assertEq(keccak256(reason), keccak256(expected), "reason");
        }
    }

    // Strangers.

    /// @dev A superblock that strangers may settle, in a stall.
    function _stalled() private returns (Statement memory) {
        _wait(2 days);
        return _lone(0, new Payout[](0));
    }

    function _refused(bytes memory reason, Statement memory statement) private {
        bytes memory proof = _prove(statement);
        vm.expectRevert(reason);
        vm.prank(ALICE);
        settlement.settleStalled(OUTER, statement, "", proof, BLOCK, _indices());
    }

    function test_strangers_settle_on_the_right_chain_only() public {
        Statement memory statement = _stalled();
        vm.chainId(99);
        _refused(abi.encodeWithSelector(WrongChain.selector, 99, 31337), statement);
    }

    function test_strangers_wait_for_pauses() public {
        Statement memory statement = _stalled();
        vm.prank(GUARDIAN);
        settlement.pause(Action.Settle, 1 days);
        _refused(abi.encodeWithSelector(PausedUntil.selector, Action.Settle, clock + 1 days), statement);
        _wait(1 days);
        _settleStalled(ALICE, statement, "");
    }

    function test_a_stranger_who_comes_second_has_what_it_wanted() public {
        Statement memory statement = _stalled();
        bytes memory proof = _prove(statement);
        vm.expectEmit(address(settlement));
        emit MessagesConsumed(1, _indices());
        vm.prank(ALICE);
        settlement.settleStalled(OUTER, statement, "", proof, BLOCK, _indices());
        _settleStalled(BOB, statement, "");
        assertEq(settlement.progress().number, 1, "number");
        statement.newState = 0;
        bytes32 settled = settlement.statementDigestOf(1);
        bytes32 other = keccak256(abi.encode(statement));
        _refused(abi.encodeWithSelector(SettledOtherwise.selector, 1, other, settled), statement);
    }
}
