// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRegistryTree} from "../../src/interfaces/IRegistryTree.sol";
import {ISuperblockVerifier} from "../../src/interfaces/ISuperblockVerifier.sol";
import {Action, Parameters, Statement} from "../../src/interfaces/SettlementTypes.sol";
import {DeployedTest} from "../support/Fixture.sol";

/// @notice Registries and pauses: what governors can do, when, and what not.
contract GovernanceTest is DeployedTest {
    bytes32[16] private _path;

    /// @dev A registry whose other entries changed: the siblings of entry 0.
    function _changed(bytes32 entry) private returns (bytes32) {
        _path[3] = bytes32(uint256(1));
        return tree.rootOf(entry, _path);
    }

    // Registry.

    function test_a_registry_is_in_force_from_its_number_on() public {
        bytes32 changed = _changed(ENTRY_ZERO);
        uint32 number = uint32(settlement.earliestRegistryChange());
        assertEq(number, 1 + 32 + 96 * 2, "earliest");
        vm.expectEmit(address(settlement));
        emit RegistryScheduled(number, changed);
        vm.prank(REGISTRY_GOVERNOR);
        settlement.scheduleRegistry(number, changed, _path);
        assertEq(settlement.scheduledRegistryRoot(number), changed, "scheduled");
        for (uint32 i = 1; i < number; ++i) {
            assertEq(settlement.nextRegistryRoot(), registryRoot, "before");
            _settle(_next(), "");
            if (i % BURST == 0) _waitForRoom();
        }
        assertEq(settlement.nextRegistryRoot(), changed, "from there on");
        Statement memory statement = _next();
        statement.registryRoot = registryRoot;
        bytes memory proof = _prove(statement);
        vm.expectRevert(abi.encodeWithSelector(WrongRegistryRoot.selector, registryRoot, changed));
        vm.prank(BATCHER);
        settlement.settle(OUTER, statement, "", proof);
        _settle(_next(), "");
        assertEq(settlement.nextRegistryRoot(), changed, "later");
        _settle(_next(), "");
    }

    function test_a_registry_is_scheduled_ahead() public {
        bytes32 changed = _changed(ENTRY_ZERO);
        uint32 number = uint32(settlement.earliestRegistryChange());
        vm.startPrank(REGISTRY_GOVERNOR);
        vm.expectRevert(abi.encodeWithSelector(NoticeTooShort.selector, number - 1, number));
        settlement.scheduleRegistry(number - 1, changed, _path);
        settlement.scheduleRegistry(number, changed, _path);
        vm.stopPrank();
        // What is fixed for a number cannot be changed once the number is near.
        _settle(_next(), "");
        vm.prank(REGISTRY_GOVERNOR);
        vm.expectRevert(abi.encodeWithSelector(NoticeTooShort.selector, number, number + 1));
        settlement.scheduleRegistry(number, changed, _path);
    }

    function test_a_registry_with_another_entry_0_is_refused() public {
        bytes32 changed = _changed(bytes32(uint256(0xbad)));
        bytes32 expected = tree.rootOf(ENTRY_ZERO, _path);
        vm.prank(REGISTRY_GOVERNOR);
        vm.expectRevert(abi.encodeWithSelector(OtherEntryZero.selector, changed, expected));
        settlement.scheduleRegistry(1000, changed, _path);
    }

    function test_entry_0_stays_when_numbers_end() public {
        vm.prank(GOVERNOR);
        settlement.proposeEntryZero(bytes32(uint256(0xe1)));
        _wait(DELAY);
        bytes32 changed = _changed(bytes32(uint256(0xe1)));
        // The last number from which a registry can still be announced.
        uint32 last = uint32(type(uint32).max - settlement.earliestRegistryChange());
        _setNumber(last + 1);
        vm.expectRevert(abi.encodeWithSelector(NumbersEnd.selector, last + 1));
        vm.prank(GOVERNOR);
        settlement.changeEntryZero(changed, _path);
        _setNumber(last);
        vm.prank(GOVERNOR);
        settlement.changeEntryZero(changed, _path);
    }

    function test_entry_0_changes_after_the_routers_delay() public {
        bytes32 entry = bytes32(uint256(0xe1));
        bytes32 changed = _changed(entry);
        uint256 readyAt = settlement.time() + DELAY;
        vm.expectEmit(address(settlement));
        emit EntryZeroProposed(entry, uint32(readyAt));
        vm.prank(GOVERNOR);
        settlement.proposeEntryZero(entry);
        _wait(DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(EntryZeroNotReady.selector, readyAt, readyAt - 1));
        vm.prank(GOVERNOR);
        settlement.changeEntryZero(changed, _path);
        bytes32 found = tree.rootOf(ENTRY_ZERO, _path);
        vm.expectRevert(abi.encodeWithSelector(OtherEntryZero.selector, changed, found));
        vm.prank(REGISTRY_GOVERNOR);
        settlement.scheduleRegistry(1000, changed, _path);
        _wait(1);
        bytes32 wrong = tree.rootOf(ENTRY_ZERO, _path);
        vm.expectRevert(abi.encodeWithSelector(OtherEntryZero.selector, wrong, changed));
        vm.prank(GOVERNOR);
        settlement.changeEntryZero(wrong, _path);
        uint32 number = uint32(settlement.earliestRegistryChange());
        vm.expectEmit(address(settlement));
        emit EntryZeroChanged(entry, number);
        vm.prank(GOVERNOR);
        settlement.changeEntryZero(changed, _path);
        assertEq(settlement.entryZero(), entry, "entry 0");
        assertEq(settlement.scheduledRegistryRoot(number), changed, "scheduled");
        vm.prank(REGISTRY_GOVERNOR);
        settlement.scheduleRegistry(1000, changed, _path);
        vm.expectRevert(abi.encodeWithSelector(NoEntryZeroProposed.selector));
        vm.prank(GOVERNOR);
        settlement.changeEntryZero(changed, _path);
    }

    function _change(bytes32 entry) private returns (bytes32 root) {
        vm.prank(GOVERNOR);
        settlement.proposeEntryZero(entry);
        _wait(DELAY);
        root = _changed(entry);
        vm.prank(GOVERNOR);
        settlement.changeEntryZero(root, _path);
    }

    function _schedule(uint32 number, bytes32 entry) private returns (bytes32 root) {
        root = _changed(entry);
        vm.prank(REGISTRY_GOVERNOR);
        settlement.scheduleRegistry(number, root, _path);
    }

    function test_an_old_entry_0_never_comes_back() public {
        uint32 within = uint32(settlement.earliestRegistryChange());
        bytes32 old = _schedule(within, ENTRY_ZERO);
        for (uint32 number = within + 1; number < within + 400; number += 57) {
            _schedule(number, ENTRY_ZERO);
        }
        _settle(_next(), "");
        uint32 first = uint32(settlement.earliestRegistryChange());
        bytes32 root = _change(bytes32(uint256(0xe1)));
        // Within the notice nothing changes, so that proofs in the making stay valid.
        assertEq(settlement.scheduledRegistryRoot(within), old, "within the notice");
        assertEq(settlement.scheduledRegistryRoot(first), root, "the change");
        for (uint32 number = first + 1; number < within + 400; ++number) {
            assertEq(settlement.scheduledRegistryRoot(number), bytes32(0), "a void root");
        }
        // A second change does not bring back what the first one made void.
        bytes32 later = _schedule(first + 5, bytes32(uint256(0xe1)));
        for (uint256 i = 0; i < 60; ++i) {
            if (i % BURST == 0) _waitForRoom();
            _settle(_next(), "");
        }
        uint32 second = uint32(settlement.earliestRegistryChange());
        bytes32 newest = _change(bytes32(uint256(0xe2)));
        for (uint32 number = within; number < within + 400; ++number) {
            bytes32 expected = number == within ? old : number == first ? root : bytes32(0);
            if (number == first + 5) expected = later;
            if (number == second) expected = newest;
            assertEq(settlement.scheduledRegistryRoot(number), expected, "a root");
        }
    }

    /// @dev Whoever stole the key of a registry governor schedules once; nobody could schedule again for that number.
    function test_what_is_scheduled_can_be_withdrawn() public {
        uint32 number = uint32(settlement.earliestRegistryChange());
        _schedule(number, ENTRY_ZERO);
        _schedule(number + 5000, ENTRY_ZERO);
        _settle(_next(), "");
        vm.expectEmit(address(settlement));
        emit RegistriesWithdrawn(2 + BURST);
        vm.prank(GUARDIAN);
        settlement.withdrawRegistries();
        assertEq(settlement.scheduledRegistryRoot(number), bytes32(0), "the earliest");
        assertEq(settlement.scheduledRegistryRoot(number + 5000), bytes32(0), "a far one");
        // What is scheduled afterwards counts.
        bytes32 later = _schedule(number + 5000, ENTRY_ZERO);
        assertEq(settlement.scheduledRegistryRoot(number + 5000), later, "scheduled again");
    }

    function test_the_last_moment_to_withdraw_a_registry() public {
        uint32 number = uint32(settlement.earliestRegistryChange());
        _schedule(number, ENTRY_ZERO);
        _setNumber(number - 1 - uint32(BURST));
        vm.prank(GUARDIAN);
        settlement.withdrawRegistries();
        assertEq(settlement.scheduledRegistryRoot(number), bytes32(0), "withdrawn");
    }

    function test_a_registry_that_may_be_proved_already_is_not_withdrawn() public {
        uint32 number = uint32(settlement.earliestRegistryChange());
        bytes32 near = _schedule(number, ENTRY_ZERO);
        _setNumber(number - uint32(BURST));
        vm.prank(GUARDIAN);
        settlement.withdrawRegistries();
        assertEq(settlement.scheduledRegistryRoot(number), near, "it may be proved already");
    }

    /// @dev Else a guardian could keep or bring back an entry 0 that the governor changed.
    function test_a_change_of_entry_0_is_not_withdrawn() public {
        uint32 far = uint32(settlement.earliestRegistryChange()) + 1000;
        _schedule(far, ENTRY_ZERO);
        vm.prank(GUARDIAN);
        settlement.withdrawRegistries();
        bytes32 entry = bytes32(uint256(0xe1));
        uint32 number = uint32(settlement.earliestRegistryChange());
        bytes32 root = _change(entry);
        _schedule(number + 1, entry);
        vm.expectEmit(address(settlement));
        emit RegistriesWithdrawn(number + 1);
        vm.prank(GUARDIAN);
        settlement.withdrawRegistries();
        assertEq(settlement.scheduledRegistryRoot(number), root, "the change");
        assertEq(settlement.scheduledRegistryRoot(number + 1), bytes32(0), "what came after it");
        assertEq(settlement.scheduledRegistryRoot(far), bytes32(0), "with the old entry");
        // Nor is anything scheduled over it.
        vm.expectRevert(abi.encodeWithSelector(NoticeTooShort.selector, number, number + 1));
        vm.prank(REGISTRY_GOVERNOR);
        settlement.scheduleRegistry(number, root, _path);
        bytes32 newest = _change(bytes32(uint256(0xe2)));
        assertEq(settlement.scheduledRegistryRoot(number), root, "the first change");
        assertEq(settlement.scheduledRegistryRoot(number + 1), newest, "the second change");
    }

    function test_a_proposal_expires() public {
        bytes32 entry = bytes32(uint256(0xe1));
        vm.prank(GOVERNOR);
        settlement.proposeEntryZero(entry);
        uint256 expiredAt = clock + 2 * DELAY;
        _wait(2 * DELAY + 1);
        bytes32 changed = _changed(entry);
        vm.expectRevert(abi.encodeWithSelector(EntryZeroExpired.selector, expiredAt, expiredAt + 1));
        vm.prank(GOVERNOR);
        settlement.changeEntryZero(changed, _path);
    }

    function test_a_proposal_counts_to_its_last_second() public {
        bytes32 entry = bytes32(uint256(0xe1));
        vm.prank(GOVERNOR);
        settlement.proposeEntryZero(entry);
        _wait(2 * DELAY);
        bytes32 changed = _changed(entry);
        vm.prank(GOVERNOR);
        settlement.changeEntryZero(changed, _path);
    }

    function test_the_delay_of_entry_0_does_not_run_in_pauses() public {
        vm.prank(GOVERNOR);
        settlement.proposeEntryZero(bytes32(uint256(0xe1)));
        uint32 readyAt = settlement.time() + DELAY;
        vm.prank(GUARDIAN);
        settlement.pause(Action.Settle, 3 days);
        _wait(DELAY);
        bytes32 changed = _changed(bytes32(uint256(0xe1)));
        vm.expectRevert(abi.encodeWithSelector(EntryZeroNotReady.selector, readyAt, readyAt - 3 days));
        vm.prank(GOVERNOR);
        settlement.changeEntryZero(changed, _path);
    }

    function test_an_empty_entry_0_is_not_proposed() public {
        vm.expectRevert(abi.encodeWithSelector(EmptyEntryZero.selector));
        vm.prank(GOVERNOR);
        settlement.proposeEntryZero(0);
        vm.expectRevert(abi.encodeWithSelector(NoEntryZeroProposed.selector));
        vm.prank(GUARDIAN);
        settlement.withdrawEntryZero();
    }

    function test_an_entry_0_that_no_registry_can_have_is_not_proposed() public {
        vm.expectRevert(abi.encodeWithSelector(IRegistryTree.NoFieldElement.selector, type(uint64).max));
        vm.prank(GOVERNOR);
        settlement.proposeEntryZero(bytes32(type(uint256).max));
    }

    function test_another_proposal_waits_anew() public {
        vm.prank(GOVERNOR);
        settlement.proposeEntryZero(bytes32(uint256(1)));
        _wait(DELAY);
        vm.prank(GOVERNOR);
        settlement.proposeEntryZero(bytes32(uint256(2)));
        vm.expectRevert(abi.encodeWithSelector(EntryZeroNotReady.selector, clock + DELAY, clock));
        vm.prank(GOVERNOR);
        settlement.changeEntryZero(0, _path);
    }

    function test_a_guardian_withdraws_a_proposal() public {
        vm.prank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(NoEntryZeroProposed.selector));
        settlement.withdrawEntryZero();
        vm.prank(GOVERNOR);
        settlement.proposeEntryZero(bytes32(uint256(1)));
        vm.expectEmit(address(settlement));
        emit EntryZeroWithdrawn(bytes32(uint256(1)));
        vm.prank(GUARDIAN);
        settlement.withdrawEntryZero();
        _wait(DELAY);
        vm.expectRevert(abi.encodeWithSelector(NoEntryZeroProposed.selector));
        vm.prank(GOVERNOR);
        settlement.changeEntryZero(0, _path);
    }

    // Pauses.

    function test_a_pause_ends_by_itself_and_the_action_stays_open_then() public {
        for (uint32 duration = 1; duration <= 3 days; duration += 1 days + 1) {
            vm.startPrank(GUARDIAN);
            uint256 until = clock + duration;
            vm.expectEmit(address(settlement));
            emit Paused(Action.Pay, uint32(until));
            settlement.pause(Action.Pay, duration);
            assertEq(settlement.pausedUntil(Action.Pay), until, "until");
            vm.expectRevert(abi.encodeWithSelector(PausedUntil.selector, Action.Pay, until));
            settlement.pause(Action.Pay, 1);
            _wait(duration);
            bytes memory lately = abi.encodeWithSelector(PausedLately.selector, Action.Pay, until + 3 days);
            vm.expectRevert(lately);
            settlement.pause(Action.Pay, 1);
            _wait(3 days - 1);
            vm.expectRevert(lately);
            settlement.pause(Action.Pay, 1);
            _wait(1);
            vm.stopPrank();
        }
    }

    function test_a_pause_has_a_shortest_and_a_longest() public {
        vm.startPrank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(PauseOutOfRange.selector, 3 days + 1, 3 days));
        settlement.pause(Action.Settle, 3 days + 1);
        vm.expectRevert(abi.encodeWithSelector(PauseOutOfRange.selector, 0, 3 days));
        settlement.pause(Action.Settle, 0);
        settlement.pause(Action.Settle, 1);
        vm.stopPrank();
    }

    function test_a_pause_can_end_before_its_time() public {
        vm.startPrank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(NotPaused.selector, Action.Settle));
        settlement.resume(Action.Settle);
        uint32 time = settlement.time();
        settlement.pause(Action.Settle, 2 days);
        _wait(1 hours);
        vm.expectEmit(address(settlement));
        emit Resumed(Action.Settle);
        settlement.resume(Action.Settle);
        vm.stopPrank();
        _wait(1 minutes);
        assertEq(settlement.time(), time + 1 minutes, "time");
        _settle(_next(), "");
    }

    function test_only_pauses_of_settling_stop_the_clock() public {
        vm.startPrank(GUARDIAN);
        for (uint256 i = 0; i < 2; ++i) {
            settlement.pause(Action.Deposit, 1 days);
            settlement.pause(Action.Pay, 1 days);
            assertEq(settlement.time(), clock, "within");
            _wait(4 days);
            assertEq(settlement.time(), clock, "after");
        }
        vm.stopPrank();
    }

    /// @dev Whatever is paused and resumed, the clock counts the seconds in which settling was open.
    function test_the_clock_counts_open_seconds(uint256 seed) public {
        uint256 open = settlement.time();
        vm.startPrank(GUARDIAN);
        for (uint256 i = 0; i < 8; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 closed = bound(seed, 1, 3 days);
            settlement.pause(Action.Settle, uint32(closed));
            bool early = seed >> 128 & 1 == 1 && closed > 1;
            if (early) closed /= 2;
            _wait(closed / 2);
            assertEq(settlement.time(), open, "within");
            _wait(closed - closed / 2);
            if (early) settlement.resume(Action.Settle);
            assertEq(settlement.time(), open, "at the end");
            _wait(3 days + seed % 7);
            open += 3 days + seed % 7;
            assertEq(settlement.time(), open, "after");
        }
        vm.stopPrank();
    }

    // Parameters.

    function test_parameters_are_on_record() public view {
        assertEq(keccak256(abi.encode(settlement.parameters())), keccak256(abi.encode(_parameters())), "parameters");
    }

    function test_parameters_have_ranges() public {
        string[7] memory names =
            ["ripeAge", "stallAge", "strangerGap", "cutAge", "superblocksPerDay", "registryNoticeDays", "longestPause"];
        uint256[7] memory least = [uint256(1 hours), 1 hours, 10 minutes, 2 days + 8 hours, 1, 1, 1 days];
        uint256[7] memory most = [uint256(7 days), 30 days, 7 days, 365 days, 7200, 90, 30 days];
        for (uint256 i = 0; i < 7; ++i) {
            if (least[i] > 0) _refusedParameter(i, least[i] - 1, names[i], least[i], most[i]);
            _refusedParameter(i, most[i] + 1, names[i], least[i], most[i]);
        }
    }

    function _refusedParameter(uint256 i, uint256 value, string memory name, uint256 least, uint256 most) private {
        Parameters memory rules = _parameters();
        if (i == 0) rules.ripeAge = uint32(value);
        if (i == 1) rules.stallAge = uint32(value);
        if (i == 2) rules.strangerGap = uint32(value);
        if (i == 3) rules.cutAge = uint32(value);
        if (i == 4) rules.superblocksPerDay = uint16(value);
        if (i == 5) rules.registryNoticeDays = uint16(value);
        if (i == 6) rules.longestPause = uint32(value);
        vm.expectRevert(abi.encodeWithSelector(ParameterOutOfRange.selector, name, value, least, most));
        _deploySettlement(rules);
    }

    function test_the_routers_delay_leaves_time_to_leave() public {
        router = _deployRouter(21 days + 2 hours - 1, new ISuperblockVerifier[](0));
        settlement = _deploySettlement(_parameters());
        bytes memory reason =
            abi.encodeWithSelector(RouterDelayTooShort.selector, 21 days + 2 hours - 1, 21 days + 2 hours);
        vm.expectRevert(reason);
        settlement.initialise(state, registryRoot, ENTRY_ZERO, _path);
        router = _deployRouter(21 days + 2 hours, new ISuperblockVerifier[](0));
        settlement = _deploySettlement(_parameters());
        settlement.initialise(state, registryRoot, ENTRY_ZERO, _path);
    }
}
