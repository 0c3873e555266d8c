// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AssetId, Claim, Payout} from "../../src/interfaces/SettlementTypes.sol";
import {DeployedTest} from "../support/Fixture.sol";
import {LooseToken} from "../support/Mocks.sol";

/// @notice Which answers of a token count as a payment.
contract TokensTest is DeployedTest {
    uint64 private constant AMOUNT = 5000;
    /// @dev An answer of less than a word leaves memory's last byte, and there is that of the asset's key: here it is that of `true`.
    uint32 private constant LOOSE = 257;

    LooseToken private _loose;

    function setUp() public override {
        super.setUp();
        _loose = new LooseToken();
        vm.prank(ASSET_GOVERNOR);
        settlement.listAsset(LOOSE, address(_loose), 0, 1, DAY_LIMIT);
    }

    /// @dev A deposit of Bob that is paid to Alice.
    function _owed() private returns (Claim memory) {
        _loose.mint(BOB, AMOUNT);
        vm.startPrank(BOB);
        _loose.approve(address(settlement), AMOUNT);
        settlement.deposit(AssetId(0, LOOSE), AMOUNT, 5, RECIPIENT, 64);
        vm.stopPrank();
        Payout[] memory payouts = _one(_payoutOf(AssetId(0, LOOSE), 0, ALICE, AMOUNT));
        _settlePayouts(payouts);
        return _claimOf(1, payouts, 0);
    }

    function _pays(Claim memory claimed) private {
        settlement.claim(claimed);
        assertEq(_loose.balanceOf(ALICE), AMOUNT, "Alice");
        assertEq(_loose.balanceOf(address(settlement)), 0, "held");
    }

    function _paysNothing(Claim memory claimed) private {
        vm.expectRevert(abi.encodeWithSelector(PaymentFailed.selector, ALICE));
        settlement.claim(claimed);
        assertEq(_loose.balanceOf(address(settlement)), AMOUNT, "held");
    }

    function test_a_token_that_returns_nothing_pays() public {
        Claim memory claimed = _owed();
        _loose.answerWith(false, "");
        _pays(claimed);
    }

    function test_a_token_that_returns_more_than_true_pays() public {
        Claim memory claimed = _owed();
        _loose.answerWith(false, abi.encode(true, 7));
        _pays(claimed);
    }

    function test_what_a_token_does_not_confirm_stays_owed() public {
        bytes[3] memory answers = [abi.encode(false), abi.encode(2), new bytes(31)];
        Claim memory claimed = _owed();
        for (uint256 i = 0; i < answers.length; ++i) {
            _loose.answerWith(false, answers[i]);
            _paysNothing(claimed);
        }
        _loose.answerWith(false, abi.encode(true));
        _pays(claimed);
    }

    function test_what_a_token_reverts_stays_owed() public {
        bytes[2] memory reasons = [new bytes(0), abi.encode(true)];
        Claim memory claimed = _owed();
        for (uint256 i = 0; i < reasons.length; ++i) {
            _loose.answerWith(true, reasons[i]);
            _paysNothing(claimed);
        }
        _loose.answerWith(false, abi.encode(true));
        _pays(claimed);
    }

    function test_a_token_without_code_pays_nothing() public {
        Claim memory claimed = _owed();
        bytes memory code = address(_loose).code;
        vm.etch(address(_loose), "");
        vm.expectRevert(abi.encodeWithSelector(PaymentFailed.selector, ALICE));
        settlement.claim(claimed);
        vm.etch(address(_loose), code);
        _loose.answerWith(false, abi.encode(true));
        _pays(claimed);
    }
}
