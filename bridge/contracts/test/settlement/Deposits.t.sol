// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {WrappedAsset} from "../../src/WrappedAsset.sol";
import {Action, Asset, AssetId, AssetKind, Payout, Progress} from "../../src/interfaces/SettlementTypes.sol";
import {DeployedTest} from "../support/Fixture.sol";
import {FeeToken, Refuser} from "../support/Mocks.sol";

/// @notice What the queue takes, and what it refuses because kernels would send it back.
contract DepositsTest is DeployedTest {
    uint64 private constant AMOUNT = 5000;

    function _refused(bytes memory reason, uint256 tokens, uint16 destination, bytes32 recipient, uint32 lifetime)
        private
    {
        vm.deal(ALICE, tokens);
        vm.expectRevert(reason);
        vm.prank(ALICE);
        settlement.deposit{value: tokens}(_ether(), tokens, destination, recipient, lifetime);
    }

    function test_a_deposit_joins_the_queue_with_the_digest_of_its_104_bytes() public {
        _deposit(ALICE, AMOUNT);
        (uint32 generation, uint32 length, bytes32 digest) = settlement.queue();
        bytes memory packed =
            abi.encodePacked(bytes32(0), ALICE, RECIPIENT, uint16(5), uint16(0), uint32(1), AMOUNT, uint32(64));
        assertEq(packed.length, 104, "bytes");
        assertEq(digest, keccak256(packed), "digest");
        assertEq(generation, 0, "generation");
        assertEq(length, 1, "length");
        assertEq(settlement.queueDigest(0, 1), digest, "digest on record");
        assertEq(settlement.queueDigest(0, 0), bytes32(0), "digest of none");
        assertEq(settlement.depositedAt(0), settlement.time(), "time");
    }

    function test_a_deposit_is_announced_with_all_that_is_hashed() public {
        uint256 value = AMOUNT * ETHER_UNIT;
        vm.deal(ALICE, value);
        bytes32 digest = keccak256(
            abi.encodePacked(bytes32(0), ALICE, RECIPIENT, uint16(5), uint16(0), uint32(1), AMOUNT, uint32(64))
        );
        vm.expectEmit(address(settlement));
        emit Deposited(0, 0, ALICE, 5, RECIPIENT, 0, 1, AMOUNT, 64, digest);
        vm.prank(ALICE);
        settlement.deposit{value: value}(_ether(), value, 5, RECIPIENT, 64);
    }

    function test_times_of_many_deposits_share_words_and_stay_apart() public {
        uint256 start = clock;
        for (uint32 i = 0; i < 20; ++i) {
            _waitUntil(start + 7 * i);
            _deposit(ALICE, AMOUNT);
        }
        for (uint32 i = 0; i < 20; ++i) {
            assertEq(settlement.depositedAt(i), start + 7 * i, "time");
        }
    }

    function test_a_token_is_pulled_and_counted_in_units() public {
        _depositToken(ALICE, AMOUNT);
        assertEq(token.balanceOf(address(settlement)), AMOUNT * TOKEN_UNIT, "held");
        Asset memory asset = settlement.assetOf(AssetId(0, TOKEN));
        assertEq(asset.outstanding, AMOUNT, "outstanding");
        assertEq(asset.used, uint256(AMOUNT) * 1 days, "used");
        assertEq(asset.usedAt, clock, "usedAt");
        assertTrue(asset.kind == AssetKind.Token, "kind");
    }

    function test_a_contract_deposits_like_anybody() public {
        assertEq(_deposit(address(this), AMOUNT), 0, "index");
    }

    function test_environment_0_is_no_destination() public {
        _refused(abi.encodeWithSelector(DestinationIsL1.selector), AMOUNT * ETHER_UNIT, 0, RECIPIENT, 64);
    }

    function test_lifetimes_have_bounds() public {
        uint32 most = 1 << 20;
        bytes4 selector = LifetimeOutOfRange.selector;
        _refused(abi.encodeWithSelector(selector, 63, 64, most), AMOUNT * ETHER_UNIT, 5, RECIPIENT, 63);
        _refused(abi.encodeWithSelector(selector, most + 1, 64, most), AMOUNT * ETHER_UNIT, 5, RECIPIENT, most + 1);
        vm.deal(ALICE, AMOUNT * ETHER_UNIT);
        vm.prank(ALICE);
        settlement.deposit{value: AMOUNT * ETHER_UNIT}(_ether(), AMOUNT * ETHER_UNIT, 5, RECIPIENT, most);
    }

    function test_each_word_of_a_recipient_is_below_the_fields_order() public {
        uint256 order = 0xffffffff00000001;
        for (uint256 word = 0; word < 4; ++word) {
            bytes32 recipient = bytes32(order << 64 * word);
            bytes memory reason = abi.encodeWithSelector(RecipientOutOfField.selector, recipient);
            _refused(reason, AMOUNT * ETHER_UNIT, 5, recipient, 64);
            recipient = bytes32(uint256(type(uint64).max) << 64 * word);
            _refused(
                abi.encodeWithSelector(RecipientOutOfField.selector, recipient), AMOUNT * ETHER_UNIT, 5, recipient, 64
            );
        }
        uint256 largest = order - 1;
        bytes32 last = bytes32(largest << 192 | largest << 128 | largest << 64 | largest);
        vm.deal(ALICE, AMOUNT * ETHER_UNIT);
        vm.prank(ALICE);
        settlement.deposit{value: AMOUNT * ETHER_UNIT}(_ether(), AMOUNT * ETHER_UNIT, 5, last, 64);
    }

    function test_remainders_are_refused() public {
        uint256 tokens = AMOUNT * ETHER_UNIT + 1;
        _refused(abi.encodeWithSelector(Remainder.selector, tokens, ETHER_UNIT), tokens, 5, RECIPIENT, 64);
    }

    function test_less_than_the_minimum_is_refused() public {
        uint256 amount = MINIMUM - 1;
        bytes memory reason = abi.encodeWithSelector(BelowMinimum.selector, amount, MINIMUM);
        _refused(reason, amount * ETHER_UNIT, 5, RECIPIENT, 64);
    }

    function test_nothing_is_refused_even_without_a_minimum() public {
        vm.prank(ASSET_GOVERNOR);
        settlement.limitAsset(_ether(), 0, DAY_LIMIT);
        _refused(abi.encodeWithSelector(BelowMinimum.selector, 0, 0), 0, 5, RECIPIENT, 64);
    }

    function test_a_days_limit_comes_free_again_evenly() public {
        uint64 limit = 2 * AMOUNT;
        vm.prank(ASSET_GOVERNOR);
        settlement.limitAsset(_ether(), 1, limit);
        _deposit(ALICE, AMOUNT);
        bytes memory reason = abi.encodeWithSelector(AboveDayLimit.selector, limit + 1, limit);
        _refused(reason, (AMOUNT + 1) * ETHER_UNIT, 5, RECIPIENT, 64);
        _deposit(ALICE, AMOUNT);
        // All of it is in use; a unit comes free in 8.64 seconds.
        _wait(8);
        _refused(reason, ETHER_UNIT, 5, RECIPIENT, 64);
        _wait(1);
        _deposit(ALICE, 1);
        // Whoever deposits often keeps nothing of it: 25 units in 216 seconds.
        for (uint256 i = 0; i < 24; ++i) {
            _wait(i < 15 ? 9 : 8);
            _deposit(ALICE, 1);
        }
        _refused(reason, ETHER_UNIT, 5, RECIPIENT, 64);
        // What is free does not grow beyond the limit.
        _wait(3 days);
        _refused(reason, (limit + 1) * ETHER_UNIT, 5, RECIPIENT, 64);
        _deposit(ALICE, limit);
    }

    function test_a_lower_limit_comes_free_in_a_day_whatever_was_used() public {
        _deposit(ALICE, 10 * AMOUNT);
        vm.prank(ASSET_GOVERNOR);
        settlement.limitAsset(_ether(), 1, AMOUNT);
        bytes memory reason = abi.encodeWithSelector(AboveDayLimit.selector, AMOUNT + 1, AMOUNT);
        _refused(reason, ETHER_UNIT, 5, RECIPIENT, 64);
        _wait(1 days - 1);
        _refused(reason, AMOUNT * ETHER_UNIT, 5, RECIPIENT, 64);
        _wait(1);
        _deposit(ALICE, AMOUNT);
    }

    function test_a_limit_of_zero_stops_deposits() public {
        vm.prank(ASSET_GOVERNOR);
        settlement.limitAsset(_ether(), 1, 0);
        _refused(abi.encodeWithSelector(AboveDayLimit.selector, AMOUNT, 0), AMOUNT * ETHER_UNIT, 5, RECIPIENT, 64);
    }

    function test_what_is_outstanding_stays_below_2_to_the_58() public {
        vm.prank(ASSET_GOVERNOR);
        settlement.limitAsset(_ether(), MINIMUM, type(uint64).max);
        uint64 limit = 1 << 58;
        _refused(abi.encodeWithSelector(AmountTooLarge.selector, limit, limit), limit * ETHER_UNIT, 5, RECIPIENT, 64);
        _deposit(ALICE, limit - MINIMUM);
        bytes memory reason = abi.encodeWithSelector(AmountTooLarge.selector, limit, limit);
        _refused(reason, MINIMUM * ETHER_UNIT, 5, RECIPIENT, 64);
        // An amount of more than 64 bits is not cut down to fewer.
        uint256 huge = (1 << 64) + uint256(AMOUNT);
        reason = abi.encodeWithSelector(AmountTooLarge.selector, huge + limit - MINIMUM, limit);
        _refused(reason, huge * ETHER_UNIT, 5, RECIPIENT, 64);
    }

    function test_ether_is_sent_along_and_the_rest_comes_back() public {
        vm.deal(ALICE, 1 ether);
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(TooLittleValue.selector, 1e14 - 1, 1e14));
        settlement.deposit{value: 1e14 - 1}(_ether(), 1e14, 5, RECIPIENT, 64);
        settlement.deposit{value: 3e14}(_ether(), 1e14, 5, RECIPIENT, 64);
        assertEq(ALICE.balance, 1 ether - 1e14, "Alice");
        token.mint(ALICE, AMOUNT * TOKEN_UNIT);
        token.approve(address(settlement), AMOUNT * TOKEN_UNIT);
        settlement.deposit{value: 1 gwei}(AssetId(0, TOKEN), AMOUNT * TOKEN_UNIT, 5, RECIPIENT, 64);
        assertEq(ALICE.balance, 1 ether - 1e14, "Alice");
        assertEq(address(settlement).balance, 1e14, "held");
        vm.stopPrank();
    }

    function test_a_depositor_that_cannot_take_the_rest_back_sends_what_is_needed() public {
        address refuser = address(new Refuser());
        vm.deal(refuser, 1 ether);
        vm.startPrank(refuser);
        vm.expectRevert(abi.encodeWithSelector(PaymentFailed.selector, refuser));
        settlement.deposit{value: 1e14 + 1}(_ether(), 1e14, 5, RECIPIENT, 64);
        settlement.deposit{value: 1e14}(_ether(), 1e14, 5, RECIPIENT, 64);
        vm.stopPrank();
    }

    function test_ether_is_not_taken_without_a_deposit() public {
        vm.deal(ALICE, 1 ether);
        vm.prank(ALICE);
        (bool taken,) = address(settlement).call{value: 1 ether}("");
        assertTrue(!taken, "ether came in without a deposit");
    }

    function test_unknown_assets_are_refused() public {
        vm.expectRevert(abi.encodeWithSelector(UnknownAsset.selector, 0, 3));
        settlement.deposit(AssetId(0, 3), 1, 5, RECIPIENT, 64);
        vm.expectRevert(abi.encodeWithSelector(UnknownAsset.selector, 7, 1));
        settlement.deposit(AssetId(7, 1), 1, 5, RECIPIENT, 64);
        vm.expectRevert(abi.encodeWithSelector(UnknownAsset.selector, 0, 0));
        settlement.deposit(AssetId(0, 0), 1, 5, RECIPIENT, 64);
    }

    function test_a_token_that_takes_a_fee_is_refused() public {
        FeeToken fee = new FeeToken();
        vm.prank(ASSET_GOVERNOR);
        settlement.listAsset(9, address(fee), 0, 1, DAY_LIMIT);
        fee.mint(ALICE, 10_000);
        vm.startPrank(ALICE);
        fee.approve(address(settlement), 10_000);
        vm.expectRevert(abi.encodeWithSelector(WrongReceipt.selector, 9900, 10_000));
        settlement.deposit(AssetId(0, 9), 10_000, 5, RECIPIENT, 64);
        vm.stopPrank();
    }

    function test_deposits_end_before_numbers_do() public {
        // The newest number is in the low bits of the slot of `Progress`; genesis is at 0.
        uint32 last = type(uint32).max - (1 << 22);
        _setNumber(last);
        _deposit(ALICE, AMOUNT);
        _setNumber(last + 1);
        _refused(abi.encodeWithSelector(NumbersEnd.selector, last + 1), AMOUNT * ETHER_UNIT, 5, RECIPIENT, 64);
    }

    function test_the_queue_holds_fewer_than_2_to_the_32_deposits() public {
        _deposit(ALICE, AMOUNT);
        uint256 slot = 0;
        // The length shares a slot with the generation, which is 0.
        while (uint256(vm.load(address(settlement), bytes32(slot))) != 1 << 32) ++slot;
        vm.store(address(settlement), bytes32(slot), bytes32(uint256(type(uint32).max) << 32));
        assertEq(_queueLength(), type(uint32).max, "slot of the length");
        _refused(abi.encodeWithSelector(QueueFull.selector), AMOUNT * ETHER_UNIT, 5, RECIPIENT, 64);
    }

    function test_deposits_can_be_paused_apart() public {
        vm.prank(GUARDIAN);
        settlement.pause(Action.Deposit, 1 days);
        uint256 until = clock + 1 days;
        bytes memory reason = abi.encodeWithSelector(PausedUntil.selector, Action.Deposit, until);
        _refused(reason, AMOUNT * ETHER_UNIT, 5, RECIPIENT, 64);
        _settleAll();
        _waitUntil(until);
        _deposit(ALICE, AMOUNT);
    }

    function test_a_fork_of_the_chain_takes_no_deposits() public {
        vm.chainId(99);
        _refused(abi.encodeWithSelector(WrongChain.selector, 99, 31337), AMOUNT * ETHER_UNIT, 5, RECIPIENT, 64);
    }

    // Assets.

    function test_an_asset_is_listed_once() public {
        vm.startPrank(ASSET_GOVERNOR);
        vm.expectRevert(abi.encodeWithSelector(AssetExists.selector, 0, TOKEN));
        settlement.listAsset(TOKEN, address(token), 2, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(AssetExists.selector, 0, 1));
        settlement.listAsset(1, address(token), 2, 1, 1);
        vm.stopPrank();
    }

    function test_an_asset_has_a_number_a_token_and_a_unit() public {
        vm.startPrank(ASSET_GOVERNOR);
        vm.expectRevert(abi.encodeWithSelector(NotAnL1Asset.selector, 0));
        settlement.listAsset(0, address(token), 2, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(NoToken.selector, ALICE));
        settlement.listAsset(3, ALICE, 2, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(UnitTooLarge.selector, 58, 57));
        settlement.listAsset(3, address(token), 58, 1, 1);
        vm.expectEmit(address(settlement));
        emit AssetListed(0, 3, address(token), 57);
        vm.expectEmit(address(settlement));
        emit AssetLimited(0, 3, 1, 2);
        settlement.listAsset(3, address(token), 57, 1, 2);
        vm.stopPrank();
    }

    function test_limits_are_of_a_known_asset() public {
        vm.prank(ASSET_GOVERNOR);
        vm.expectRevert(abi.encodeWithSelector(UnknownAsset.selector, 0, 77));
        settlement.limitAsset(AssetId(0, 77), 1, 1);
    }

    function test_an_environments_asset_has_no_limits() public {
        _wrapped(AMOUNT);
        vm.prank(ASSET_GOVERNOR);
        vm.expectRevert(abi.encodeWithSelector(NotAnL1Asset.selector, 9));
        settlement.limitAsset(AssetId(7, 9), 1, 0);
        vm.prank(ALICE);
        settlement.deposit(AssetId(7, 9), 1, 5, RECIPIENT, 64);
    }

    function test_only_the_asset_governor_lists_and_limits() public {
        vm.startPrank(REGISTRY_GOVERNOR);
        bytes memory reason =
            abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, REGISTRY_GOVERNOR);
        vm.expectRevert(reason);
        settlement.listAsset(3, address(token), 2, 1, 1);
        vm.expectRevert(reason);
        settlement.limitAsset(_ether(), 1, 1);
        vm.stopPrank();
    }

    // Wrapped assets.

    function _wrapped(uint64 amount) private returns (WrappedAsset) {
        AssetId memory asset = AssetId(7, 9);
        Payout[] memory payouts = _one(_payoutOf(asset, settlement.progress().nextPayout, ALICE, amount));
        _settlePayouts(payouts);
        settlement.claim(_claimOf(settlement.progress().number, payouts, 0));
        return WrappedAsset(settlement.wrappedToken(asset));
    }

    function test_an_environments_asset_gets_its_token_with_the_first_payout() public {
        address predicted = settlement.wrappedToken(AssetId(7, 9));
        assertEq(predicted.code.length, 0, "code before");
        WrappedAsset asset = _wrapped(AMOUNT);
        assertEq(asset.balanceOf(ALICE), AMOUNT, "balance");
        assertEq(asset.totalSupply(), AMOUNT, "supply");
        assertEq(asset.name(), "Superblock asset 7:9", "name");
        assertEq(asset.symbol(), "SB-7-9", "symbol");
        assertEq(asset.decimals(), 0, "decimals");
        assertEq(asset.origin(), 7, "origin");
        assertEq(asset.number(), 9, "number");
        assertTrue(address(_wrapped(AMOUNT)) == address(asset), "one token for all payouts");
        assertEq(asset.totalSupply(), 2 * AMOUNT, "supply");
    }

    function test_a_deposit_of_a_wrapped_asset_burns_it() public {
        WrappedAsset asset = _wrapped(AMOUNT);
        vm.startPrank(ALICE);
        settlement.deposit(AssetId(7, 9), 2000, 5, RECIPIENT, 64);
        assertEq(asset.totalSupply(), AMOUNT - 2000, "supply");
        assertEq(settlement.assetOf(AssetId(7, 9)).outstanding, 0, "nothing of it is outstanding on L1");
        bytes4 selector = IERC20Errors.ERC20InsufficientBalance.selector;
        vm.expectRevert(abi.encodeWithSelector(selector, ALICE, AMOUNT - 2000, AMOUNT));
        settlement.deposit(AssetId(7, 9), AMOUNT, 5, RECIPIENT, 64);
        vm.stopPrank();
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(selector, BOB, 0, 1));
        settlement.deposit(AssetId(7, 9), 1, 5, RECIPIENT, 64);
    }

    function test_only_the_settlement_contract_mints_and_burns() public {
        WrappedAsset asset = _wrapped(AMOUNT);
        vm.startPrank(ADMIN);
        bytes memory reason = abi.encodeWithSelector(WrappedAsset.NotSettlement.selector, ADMIN);
        vm.expectRevert(reason);
        asset.mint(ADMIN, 1);
        vm.expectRevert(reason);
        asset.burn(ALICE, 1);
        vm.stopPrank();
    }
}
