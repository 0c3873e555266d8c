// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {Claim, Deposit, Payout, Statement} from "../../src/interfaces/SettlementTypes.sol";
import {DeployedTest} from "../support/Fixture.sol";

/// @notice Calls the contract for itself, and once more while it is paid.
contract Entrant {
    ISettlement private immutable SETTLEMENT;
    bytes private _planned;
    bytes4 public reason;

    constructor(ISettlement settlement) {
        SETTLEMENT = settlement;
    }

    function plan(bytes calldata planned) external {
        (_planned, reason) = (planned, 0);
    }

    function act(bytes calldata call) external payable returns (bool done) {
        (done,) = address(SETTLEMENT).call{value: msg.value}(call);
    }

    receive() external payable {
        (, bytes memory data) = address(SETTLEMENT).call(_planned);
        reason = bytes4(data);
    }
}

/// @notice Nobody who is paid gets into the contract again meanwhile.
contract ReentrancyTest is DeployedTest {
    uint64 private constant AMOUNT = 5000;

    Entrant private _entrant;
    Claim[] private _claims;

    function setUp() public override {
        super.setUp();
        _entrant = new Entrant(settlement);
        _deposit(BOB, 100 * AMOUNT);
        Payout[] memory payouts = new Payout[](16);
        for (uint32 i = 0; i < 16; ++i) {
            payouts[i] = _payout(i, address(_entrant), AMOUNT);
        }
        _settlePayouts(payouts);
        for (uint256 i = 0; i < 16; ++i) {
            _claims.push(_claimOf(1, payouts, i));
        }
        _deposit(address(_entrant), AMOUNT);
        _deposit(address(_entrant), AMOUNT);
        _wait(14 days);
        settlement.cutQueue();
    }

    function _entry() private view returns (Deposit memory) {
        return _entry(address(_entrant), AMOUNT);
    }

    /// @dev The entrant makes this call, is paid, and is refused when it comes again.
    function _refused(bytes memory first, uint256 value, bytes memory second) private {
        _entrant.plan(second);
        vm.deal(address(this), value);
        assertTrue(_entrant.act{value: value}(first), "the first call");
        bytes4 expected = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
        assertEq(bytes32(_entrant.reason()), bytes32(expected), "reason");
    }

    function test_whatever_pays_closes_the_contract() public {
        bytes memory second = abi.encodeCall(settlement.claim, (_claims[15]));
        address entrant = address(_entrant);
        Claim[] memory batch = new Claim[](1);
        batch[0] = _claims[2];
        _refused(abi.encodeCall(settlement.claim, (_claims[0])), 0, second);
        _refused(abi.encodeCall(settlement.claimTo, (_claims[1], entrant)), 0, second);
        _refused(abi.encodeCall(settlement.claimAll, (batch)), 0, second);
        _refused(abi.encodeCall(settlement.withdraw, (0, 1, _entry())), 0, second);
        _refused(abi.encodeCall(settlement.withdrawTo, (0, 2, _entry(), entrant)), 0, second);
        // A depositor is paid what it sent beyond its deposit.
        uint256 tokens = AMOUNT * ETHER_UNIT;
        bytes memory first = abi.encodeCall(settlement.deposit, (_ether(), tokens, 5, RECIPIENT, 64));
        _refused(first, tokens + 1, second);
        assertTrue(!settlement.isClaimed(15), "claimed");
    }

    function test_whatever_moves_something_is_closed_meanwhile() public {
        Statement memory statement = _next();
        address entrant = address(_entrant);
        Claim[] memory batch = new Claim[](1);
        batch[0] = _claims[15];
        bytes[9] memory calls = [
            abi.encodeCall(settlement.claim, (_claims[15])),
            abi.encodeCall(settlement.claimTo, (_claims[15], entrant)),
            abi.encodeCall(settlement.claimAll, (batch)),
            abi.encodeCall(settlement.withdraw, (0, 1, _entry())),
            abi.encodeCall(settlement.withdrawTo, (0, 1, _entry(), entrant)),
            abi.encodeCall(settlement.deposit, (_ether(), 0, 5, RECIPIENT, 64)),
            abi.encodeCall(settlement.cutQueue, ()),
            abi.encodeCall(settlement.settle, (OUTER, statement, "", "")),
            abi.encodeCall(settlement.settleStalled, (OUTER, statement, "", "", BLOCK, _indices()))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            _refused(abi.encodeCall(settlement.claim, (_claims[i])), 0, calls[i]);
        }
    }
}
