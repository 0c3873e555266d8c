// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Test} from "../../support/Test.sol";
import {Handler} from "./Handler.sol";

/// @notice What holds after any sequence of actions; foundry.toml says how many sequences. They are played by two contracts, since forge
/// plays those of one contract one after the other and those of two at the same time.
abstract contract Invariants is Test {
    Handler private _handler;

    function setUp() public {
        _handler = new Handler();
    }

    /// @notice Tells forge whom to call.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    /// @dev One function, so that each sequence is played once and judged by all of them.
    function invariant_books_balance() external view {
        for (uint256 asset = 0; asset < _handler.ASSETS(); ++asset) {
            (
                uint256 deposited,
                uint256 taken,
                uint256 listed,
                uint256 claimed,
                uint256 withdrawn,
                uint256 donated
            ) = _handler.books(asset);
            assertTrue(taken + withdrawn <= deposited, "a deposit was both taken and withdrawn");
            assertTrue(claimed <= listed, "more was paid than listed");
            if (asset == 2) {
                assertEq(_handler.held(asset), claimed + withdrawn - deposited, "supply = paid and withdrawn - burned");
                continue;
            }
            uint256 outstanding = _handler.outstanding(asset);
            assertEq(outstanding, deposited - listed - withdrawn, "outstanding = deposited - listed - withdrawn");
            // What somebody sent for nothing is the only reason to hold more.
            uint256 owed = (outstanding + listed - claimed) * _handler.unitOf(asset);
            assertEq(_handler.held(asset), owed + donated, "held = outstanding + owed + donated");
        }
        assertTrue(_handler.queueIsKept(), "the queue is another one");
        assertTrue(_handler.claimsAreKept(), "claims are other ones");
        assertTrue(_handler.entryZeroIsPinned(), "a registry has another entry 0");
        assertTrue(_handler.owedIsPayable(), "the next superblock owes what it cannot take");
    }
}

contract FirstInvariantsTest is Invariants {}

/// @notice Other sequences.
/// forge-config: tests.fuzz.seed = "0x5eee"
contract SecondInvariantsTest is Invariants {}
