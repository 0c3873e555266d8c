// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {PayoutTree} from "../../src/lib/PayoutTree.sol";
import {Action, AssetId, Claim, Payout, Statement} from "../../src/interfaces/SettlementTypes.sol";
import {DeployedTest} from "../support/Fixture.sol";
import {
    Bomber,
    Guzzler,
    HookToken,
    MockToken,
    RefusingToken,
    Refuser,
    Wallet
} from "../support/Mocks.sol";

/// @notice What superblocks list, and what recipients get.
contract PayoutsTest is DeployedTest {
    uint64 private constant AMOUNT = 5000;

    function setUp() public override {
        super.setUp();
        _deposit(BOB, 100 * AMOUNT);
        _settleAll();
    }

    function _refused(bytes memory reason, Statement memory statement, bytes memory payouts) private {
        bytes memory proof = _prove(statement);
        vm.expectRevert(reason);
        vm.prank(BATCHER);
        settlement.settle(OUTER, statement, payouts, proof);
    }

    function _several(uint256 count) private view returns (Payout[] memory payouts) {
        payouts = new Payout[](count);
        uint32 first = settlement.progress().nextPayout;
        for (uint32 i = 0; i < count; ++i) {
            payouts[i] = _payout(first + i, address(uint160(0x1000 + i)), AMOUNT + i);
        }
    }

    // Listing.

    function test_a_superblock_lists_payouts() public {
        Payout[] memory payouts = _several(3);
        // The root, by way of the path of the first payout.
        bytes32 root = MerkleProof.processProof(_claimOf(2, payouts, 0).proof, _leaf(payouts[0]));
        Statement memory statement = _nextWith(1, payouts);
        bytes memory packed = _pack(payouts);
        bytes memory proof = _prove(statement);
        vm.expectEmit(address(settlement));
        emit PayoutsListed(2, 0, root, packed);
        vm.prank(BATCHER);
        settlement.settle(OUTER, statement, packed, proof);
        assertEq(settlement.payoutRoot(2), root, "root");
        assertEq(settlement.progress().nextPayout, 3, "nextPayout");
        assertEq(settlement.assetOf(_ether()).outstanding, 97 * AMOUNT - 3, "outstanding");
        assertEq(settlement.payoutRoot(1), bytes32(0), "root of a superblock without payouts");
        _settlePayouts(_several(2));
        assertEq(settlement.progress().nextPayout, 5, "nextPayout");
    }

    function test_payouts_have_the_length_that_their_number_asks_for() public {
        Payout[] memory payouts = _several(2);
        Statement memory statement = _nextWith(1, payouts);
        bytes memory packed = _pack(payouts);
        bytes memory shorter = _packOne(payouts[0]);
        _refused(abi.encodeWithSelector(WrongPayoutsLength.selector, 72, 144), statement, shorter);
        bytes memory longer = bytes.concat(packed, hex"00");
        _refused(abi.encodeWithSelector(WrongPayoutsLength.selector, 145, 144), statement, longer);
        Statement memory without = _next();
        _refused(abi.encodeWithSelector(WrongPayoutsLength.selector, 72, 0), without, shorter);
    }

    function test_payouts_are_those_of_the_proof() public {
        Payout[] memory payouts = _several(2);
        Statement memory statement = _nextWith(1, payouts);
        bytes32 expected = statement.l1Body.payoutsDigest;
        for (uint256 field = 0; field < 5; ++field) {
            Payout[] memory others = _several(2);
            if (field == 0) others[1].recipient = BOB;
            if (field == 1) others[1].kind = 1;
            if (field == 2) others[1].asset.origin = 7;
            if (field == 3) others[1].amount -= 1;
            if (field == 4) others[1].name = 0;
            bytes memory reason = abi.encodeWithSelector(WrongPayoutsDigest.selector, _payoutsDigest(others), expected);
            _refused(reason, statement, _pack(others));
        }
    }

    function test_indices_continue() public {
        _settlePayouts(_several(2));
        Payout[] memory payouts = _several(2);
        Statement memory statement = _nextWith(1, payouts);
        statement.l1Body.firstPayout = 3;
        _refused(abi.encodeWithSelector(WrongFirstPayout.selector, 3, 2), statement, _pack(payouts));
        statement.l1Body.firstPayout = 2 + (1 << 32);
        _refused(abi.encodeWithSelector(WrongFirstPayout.selector, 2 + (1 << 32), 2), statement, _pack(payouts));
        payouts[1].index = 2;
        statement = _nextWith(1, payouts);
        _refused(abi.encodeWithSelector(WrongPayoutIndex.selector, 2, 3), statement, _pack(payouts));
    }

    function test_no_more_is_paid_than_was_deposited() public {
        Payout[] memory payouts = _several(2);
        payouts[0].amount = 99 * AMOUNT;
        payouts[1].amount = AMOUNT + 1;
        bytes memory reason = abi.encodeWithSelector(OverPaid.selector, 0, 1, AMOUNT + 1, AMOUNT);
        _refused(reason, _nextWith(1, payouts), _pack(payouts));
        payouts[1].amount = AMOUNT;
        _settlePayouts(payouts);
        assertEq(settlement.assetOf(_ether()).outstanding, 0, "outstanding");
        payouts = _one(_payoutOf(AssetId(0, TOKEN), 2, ALICE, 1));
        reason = abi.encodeWithSelector(OverPaid.selector, 0, TOKEN, 1, 0);
        _refused(reason, _nextWith(1, payouts), _pack(payouts));
        payouts = _one(_payoutOf(AssetId(0, 77), 2, ALICE, 1));
        reason = abi.encodeWithSelector(OverPaid.selector, 0, 77, 1, 0);
        _refused(reason, _nextWith(1, payouts), _pack(payouts));
    }

    /// @dev Trees that OpenZeppelin's package made, which the Rust tests compare with too.
    function test_trees_are_those_of_openzeppelin() public view {
        string memory json = vm.readFile("../../environments/l1/tests/openzeppelin/trees.json");
        for (uint256 tree = 1; tree < 5; ++tree) {
            string memory path = string.concat("$[", vm.toString(tree), "]");
            uint256 count = 0;
            bytes32[] memory leaves = new bytes32[](96);
            while (vm.keyExistsJson(json, string.concat(path, ".payouts[", vm.toString(count), "]"))) {
                leaves[count] = _leafOf(json, string.concat(path, ".payouts[", vm.toString(count), "]"));
                ++count;
            }
            bytes32[] memory nodes = PayoutTree.allocate(count);
            for (uint256 i = 0; i < count; ++i) {
                PayoutTree.setLeaf(nodes, i, leaves[i]);
            }
            assertEq(PayoutTree.root(nodes), vm.parseJsonBytes32(json, string.concat(path, ".root")), path);
        }
    }

    function _leafOf(string memory json, string memory path) private pure returns (bytes32) {
        string memory kind = vm.parseJsonString(json, string.concat(path, ".kind"));
        bytes memory asset = bytes(vm.parseJsonString(json, string.concat(path, ".asset")));
        uint256 number = 0;
        for (uint256 i = 2; i < asset.length; ++i) {
            number = 10 * number + uint8(asset[i]) - 48;
        }
        bytes memory encoded = abi.encode(
            vm.parseJsonUint(json, string.concat(path, ".index")),
            vm.parseJsonAddress(json, string.concat(path, ".recipient")),
            _kindOf(bytes(kind)),
            uint8(asset[0]) - 48,
            number,
            vm.parseJsonUint(json, string.concat(path, ".amount")),
            vm.parseJsonBytes32(json, string.concat(path, ".name"))
        );
        return keccak256(bytes.concat(keccak256(encoded)));
    }

    /// @dev The first letters of "claim", "refund" and "bounce" tell them apart.
    function _kindOf(bytes memory kind) private pure returns (uint256) {
        return kind[0] == "c" ? 0 : kind[0] == "r" ? 1 : 2;
    }

    // Claiming.

    function test_every_payout_of_a_superblock_is_claimed_once() public {
        for (uint256 count = 1; count < 10; ++count) {
            Payout[] memory payouts = _several(count);
            _settlePayouts(payouts);
            uint32 number = settlement.progress().number;
            for (uint256 i = 0; i < count; ++i) {
                Payout memory payout = payouts[i];
                uint256 before = payout.recipient.balance;
                assertTrue(!settlement.isClaimed(payout.index), "claimed before");
                vm.expectEmit(address(settlement));
                emit PayoutClaimed(payout.index, payout.recipient, payout.recipient, 0, 0, 1, payout.amount);
                settlement.claim(_claimOf(number, payouts, i));
                assertEq(payout.recipient.balance, before + payout.amount * ETHER_UNIT, "balance");
                assertTrue(settlement.isClaimed(payout.index), "not claimed after");
                vm.expectRevert(abi.encodeWithSelector(AlreadyClaimed.selector, payout.index));
                settlement.claim(_claimOf(number, payouts, i));
            }
        }
    }

    function test_only_what_was_listed_is_paid() public {
        Payout[] memory payouts = _several(4);
        _settlePayouts(payouts);
        Claim memory claimed;
        for (uint256 field = 0; field < 9; ++field) {
            claimed = _claimOf(2, payouts, 1);
            // A struct in memory is shared; this one is a copy.
            Payout memory p = claimed.payout = _several(4)[0];
            (p.index, p.recipient, p.amount, p.name) = (1, payouts[1].recipient, payouts[1].amount, payouts[1].name);
            if (field == 0) p.index = 2;
            if (field == 1) p.recipient = BOB;
            if (field == 2) p.kind = 1;
            if (field == 3) p.asset.number = TOKEN;
            if (field == 4) p.amount += 1;
            if (field == 5) p.name = 0;
            if (field == 6) claimed.superblock = 1;
            if (field == 7) claimed.proof[0] = 0;
            if (field == 8) claimed.proof = new bytes32[](0);
            vm.expectRevert(abi.encodeWithSelector(NotAPayout.selector, claimed.superblock, p.index));
            settlement.claim(claimed);
        }
        settlement.claim(_claimOf(2, payouts, 1));
    }

    function test_nothing_is_paid_of_a_superblock_without_payouts() public {
        _settleAll();
        Claim memory claimed = Claim(2, _payout(0, ALICE, AMOUNT), new bytes32[](0));
        vm.expectRevert(abi.encodeWithSelector(NotAPayout.selector, 2, 0));
        settlement.claim(claimed);
        claimed.superblock = 99;
        vm.expectRevert(abi.encodeWithSelector(NotAPayout.selector, 99, 0));
        settlement.claim(claimed);
    }

    function test_tokens_are_paid() public {
        _depositToken(BOB, 3 * AMOUNT);
        Payout[] memory payouts = _one(_payoutOf(AssetId(0, TOKEN), 0, ALICE, AMOUNT));
        _settlePayouts(payouts);
        settlement.claim(_claimOf(2, payouts, 0));
        assertEq(token.balanceOf(ALICE), AMOUNT * TOKEN_UNIT, "balance");
        assertEq(token.balanceOf(address(settlement)), 2 * AMOUNT * TOKEN_UNIT, "held");
    }

    function test_a_contract_is_paid() public {
        Wallet wallet = new Wallet();
        Payout[] memory payouts = _one(_payout(0, address(wallet), AMOUNT));
        _settlePayouts(payouts);
        settlement.claim(_claimOf(2, payouts, 0));
        assertEq(wallet.received(), AMOUNT * ETHER_UNIT, "received");
    }

    function test_a_receiver_that_refuses_can_claim_later() public {
        Refuser refuser = new Refuser();
        Payout[] memory payouts = _one(_payout(0, address(refuser), AMOUNT));
        _settlePayouts(payouts);
        vm.expectRevert(abi.encodeWithSelector(PaymentFailed.selector, address(refuser)));
        settlement.claim(_claimOf(2, payouts, 0));
        refuser.accept();
        settlement.claim(_claimOf(2, payouts, 0));
        assertEq(address(refuser).balance, AMOUNT * ETHER_UNIT, "balance");
    }

    function test_a_recipient_that_cannot_receive_names_somebody_else() public {
        Refuser refuser = new Refuser();
        Payout[] memory payouts = _several(2);
        payouts[0].recipient = address(refuser);
        _settlePayouts(payouts);
        Claim memory claimed = _claimOf(2, payouts, 0);
        vm.expectRevert(abi.encodeWithSelector(NotPayee.selector, ALICE, address(refuser)));
        vm.prank(ALICE);
        settlement.claimTo(claimed, ALICE);
        // Another one that refuses takes nothing away.
        vm.startPrank(address(refuser));
        vm.expectRevert(abi.encodeWithSelector(PaymentFailed.selector, address(refuser)));
        settlement.claimTo(claimed, address(refuser));
        vm.expectRevert(abi.encodeWithSelector(PaymentFailed.selector, address(settlement)));
        settlement.claimTo(claimed, address(settlement));
        vm.expectEmit(address(settlement));
        emit PayoutClaimed(0, address(refuser), BOB, 0, 0, 1, AMOUNT);
        settlement.claimTo(claimed, BOB);
        assertEq(BOB.balance, AMOUNT * ETHER_UNIT, "Bob");
        vm.expectRevert(abi.encodeWithSelector(AlreadyClaimed.selector, 0));
        settlement.claimTo(claimed, BOB);
        vm.stopPrank();
        claimed = _claimOf(2, payouts, 1);
        claimed.payout.amount += 1;
        vm.expectRevert(abi.encodeWithSelector(NotAPayout.selector, 2, 1));
        vm.prank(payouts[1].recipient);
        settlement.claimTo(claimed, BOB);
    }

    function test_tokens_are_paid_to_whom_the_recipient_names() public {
        _depositToken(BOB, AMOUNT);
        Payout[] memory payouts = new Payout[](2);
        payouts[0] = _payoutOf(AssetId(0, TOKEN), 0, ALICE, AMOUNT);
        payouts[1] = _payoutOf(AssetId(7, 9), 1, ALICE, AMOUNT);
        _settlePayouts(payouts);
        for (uint256 i = 0; i < 2; ++i) {
            Claim memory claimed = _claimOf(2, payouts, i);
            vm.prank(ALICE);
            settlement.claimTo(claimed, BOB);
        }
        assertEq(token.balanceOf(BOB), AMOUNT * TOKEN_UNIT, "token");
        assertEq(MockToken(settlement.wrappedToken(AssetId(7, 9))).balanceOf(BOB), AMOUNT, "wrapped");
    }

    function test_a_failing_receiver_harms_nobody_else() public {
        RefusingToken refusing = new RefusingToken();
        vm.prank(ASSET_GOVERNOR);
        settlement.listAsset(3, address(refusing), 0, 1, DAY_LIMIT);
        refusing.mint(BOB, AMOUNT);
        vm.startPrank(BOB);
        refusing.approve(address(settlement), AMOUNT);
        settlement.deposit(AssetId(0, 3), AMOUNT, 5, RECIPIENT, 64);
        vm.stopPrank();
        refusing.refuse(true);

        Payout[] memory payouts = _several(5);
        payouts[1].recipient = address(new Refuser());
        payouts[2].recipient = address(new Guzzler());
        payouts[3] = _payoutOf(AssetId(0, 3), 3, BOB, AMOUNT);
        _settlePayouts(payouts);
        Claim[] memory claims = new Claim[](5);
        for (uint256 i = 0; i < 5; ++i) {
            claims[i] = _claimOf(2, payouts, i);
        }
        for (uint256 i = 1; i < 4; ++i) {
            vm.expectEmit(address(settlement));
            emit PayoutRefused(uint32(i), payouts[i].recipient);
        }
        settlement.claimAll{gas: 2_000_000}(claims);
        assertEq(payouts[0].recipient.balance, payouts[0].amount * ETHER_UNIT, "first");
        assertEq(payouts[4].recipient.balance, payouts[4].amount * ETHER_UNIT, "last");
        assertTrue(!settlement.isClaimed(1) && !settlement.isClaimed(2) && !settlement.isClaimed(3), "claimed");

        // Those who refused can be paid later, and those who were paid are not paid again.
        refusing.refuse(false);
        settlement.claimAll{gas: 2_000_000}(claims);
        assertEq(refusing.balanceOf(BOB), AMOUNT, "Bob");
        assertEq(payouts[0].recipient.balance, payouts[0].amount * ETHER_UNIT, "first");
    }

    function test_receivers_and_tokens_of_a_batch_cannot_use_up_its_gas() public {
        HookToken hooked = new HookToken();
        vm.prank(ASSET_GOVERNOR);
        settlement.listAsset(7, address(hooked), 0, 1, DAY_LIMIT);
        hooked.mint(ALICE, AMOUNT);
        vm.startPrank(ALICE);
        hooked.approve(address(settlement), AMOUNT);
        settlement.deposit(AssetId(0, 7), AMOUNT, 5, RECIPIENT, 64);
        vm.stopPrank();
        Payout[] memory payouts = _several(30);
        for (uint32 i = 0; i < 29; ++i) {
            payouts[i].recipient = address(new Bomber());
        }
        payouts[0] = _payoutOf(AssetId(0, 7), 0, address(new Guzzler()), 1);
        payouts[1] = _payoutOf(AssetId(0, 7), 1, address(new Guzzler()), 1);
        _settlePayouts(payouts);
        Claim[] memory claims = new Claim[](30);
        for (uint256 i = 0; i < 30; ++i) {
            claims[i] = _claimOf(2, payouts, i);
        }
        // 100,000 for each, and what a claim takes itself.
        settlement.claimAll{gas: 30 * 130_000 + 400_000}(claims);
        assertTrue(settlement.isClaimed(29), "the last receiver was not paid");
        assertTrue(!settlement.isClaimed(0) && !settlement.isClaimed(1), "a token paid without its hook");
    }

    function test_a_batch_has_the_gas_that_receivers_may_use() public {
        Payout[] memory payouts = _several(1);
        _settlePayouts(payouts);
        Claim[] memory claims = new Claim[](1);
        claims[0] = _claimOf(2, payouts, 0);
        (bool done, bytes memory reason) =
            address(settlement).call{gas: 390_000}(abi.encodeCall(settlement.claimAll, (claims)));
        assertTrue(!done, "claimed with too little gas");
        assertEq(bytes32(bytes4(reason)), bytes32(TooLittleGas.selector), "reason");
    }

    function test_nothing_is_paid_to_the_contract_itself() public {
        _depositToken(BOB, 3 * AMOUNT);
        Payout[] memory payouts = new Payout[](3);
        payouts[0] = _payout(0, address(settlement), AMOUNT);
        payouts[1] = _payoutOf(AssetId(0, TOKEN), 1, address(settlement), AMOUNT);
        payouts[2] = _payoutOf(AssetId(7, 9), 2, address(settlement), AMOUNT);
        _settlePayouts(payouts);
        for (uint256 i = 0; i < 3; ++i) {
            Claim memory claimed = _claimOf(2, payouts, i);
            vm.expectRevert(abi.encodeWithSelector(PaymentFailed.selector, address(settlement)));
            settlement.claim(claimed);
            assertTrue(!settlement.isClaimed(uint32(i)), "claimed");
        }
    }

    function test_a_payout_that_nobody_can_receive_harms_nobody() public {
        // An environment's asset to nobody: no token is minted for the zero address.
        Payout[] memory payouts = _one(_payoutOf(AssetId(7, 9), 0, address(0), AMOUNT));
        _settlePayouts(payouts);
        vm.expectRevert(abi.encodeWithSelector(PaymentFailed.selector, address(0)));
        settlement.claim(_claimOf(2, payouts, 0));
    }

    function test_an_unknown_asset_of_l1_is_not_wrapped() public {
        Payout[] memory payouts = _one(_payoutOf(AssetId(0, 77), 0, ALICE, 0));
        _settlePayouts(payouts);
        vm.expectRevert(abi.encodeWithSelector(PaymentFailed.selector, ALICE));
        settlement.claim(_claimOf(2, payouts, 0));
    }

    function test_paying_can_be_paused_apart() public {
        Payout[] memory payouts = _several(1);
        _settlePayouts(payouts);
        vm.prank(GUARDIAN);
        settlement.pause(Action.Pay, 1 days);
        Claim[] memory claims = new Claim[](1);
        claims[0] = _claimOf(2, payouts, 0);
        bytes memory reason = abi.encodeWithSelector(PausedUntil.selector, Action.Pay, clock + 1 days);
        vm.expectRevert(reason);
        settlement.claim(claims[0]);
        vm.expectRevert(reason);
        settlement.claimAll(claims);
        vm.expectRevert(reason);
        vm.prank(payouts[0].recipient);
        settlement.claimTo(claims[0], BOB);
        _deposit(ALICE, AMOUNT);
        _settleAll();
        _wait(1 days);
        settlement.claim(claims[0]);
    }

    function test_a_fork_of_the_chain_pays_what_was_listed_before() public {
        Payout[] memory payouts = _several(1);
        _settlePayouts(payouts);
        vm.chainId(99);
        settlement.claim(_claimOf(2, payouts, 0));
    }
}
