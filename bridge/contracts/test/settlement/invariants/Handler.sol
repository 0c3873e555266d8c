// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Action, Claim, Deposit, Payout, Progress, Statement} from "../../../src/interfaces/SettlementTypes.sol";
import {Books} from "./Books.sol";

/// @notice Plays users, two batchers, strangers, guardians, governors and attackers in any order.
/// @dev What an action expects of the contract, success or a refusal, is part of the action: a surprise reverts, and a reverting
/// action fails the campaign.
contract Handler is Books {
    // Users.

    function deposit(uint256 seed) external {
        // Now and then more than a superblock takes.
        uint256 count = seed % 16 == 0 ? 70 : 1;
        for (uint256 i = 0; i < count; ++i) {
            _depositSome(seed >> i);
        }
    }

    /// @notice Somebody claims for the recipient, or the recipient for somebody else.
    function claim(uint256 seed) external {
        (bool found, uint32 number, uint256 position) = _pick(seed);
        if (!found) return;
        Payout memory payout = _listed[number][position];
        bool redirects = seed >> 64 & 1 == 1;
        address receiver = redirects ? _people[(seed >> 65) % 4] : payout.recipient;
        uint256 asset = _indexOf(payout.asset);
        bool pays = !_claimed[payout.index] && _accepts(payout.asset, receiver) && _open(Action.Pay);
        uint256 before = _balance(asset, receiver);
        Claim memory claimed = _claimOf(number, _listed[number], position);
        if (redirects) _refuseRedirection(claimed);
        if (_tryClaim(claimed, redirects, receiver)) {
            if (!pays) revert Surprise("a payout was paid");
            _claimed[payout.index] = true;
            books[asset].claimed += payout.amount;
            assertEq(_balance(asset, receiver), before + payout.amount * unitOf(asset), "the receiver's balance");
            if (_tryClaim(claimed, false, receiver)) revert Surprise("a payout was paid twice");
        } else if (pays) {
            revert Surprise("a payout was not paid");
        }
    }

    function _tryClaim(Claim memory claimed, bool redirects, address receiver) private returns (bool done) {
        vm.prank(claimed.payout.recipient);
        bytes memory call = redirects
            ? abi.encodeCall(settlement.claimTo, (claimed, receiver))
            : abi.encodeCall(settlement.claim, (claimed));
        (done,) = address(settlement).call(call);
    }

    /// @dev Nobody but the recipient says where a payout goes.
    function _refuseRedirection(Claim memory claimed) private {
        vm.prank(GUARDIAN);
        try settlement.claimTo(claimed, GUARDIAN) {
            revert Surprise("a payout was redirected by somebody");
        } catch {}
    }

    function claimAll(uint256 seed) external {
        (bool found, uint32 number,) = _pick(seed);
        if (!found || !_open(Action.Pay)) return;
        Payout[] memory all = _listed[number];
        Claim[] memory claims = new Claim[](all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            claims[i] = _claimOf(number, all, i);
        }
        settlement.claimAll(claims);
        for (uint256 i = 0; i < all.length; ++i) {
            if (_claimed[all[i].index] || !_accepts(all[i].asset, all[i].recipient)) continue;
            _claimed[all[i].index] = true;
            books[_indexOf(all[i].asset)].claimed += all[i].amount;
        }
    }

    /// @notice Somebody withdraws for the depositor, or the depositor for somebody else.
    function withdraw(uint256 seed) external {
        if (generation == 0) return;
        uint32 cut = uint32(seed % generation);
        Deposit[] storage entries = _entries[cut];
        if (entries.length == 0) return;
        uint32 index = uint32((seed >> 32) % entries.length);
        Deposit memory entry = entries[index];
        bool redirects = seed >> 64 & 1 == 1;
        address receiver = redirects ? _people[(seed >> 65) % 4] : entry.depositor;
        bool pays = index >= _cutFrom[cut] && !_withdrawn[cut][index] && _open(Action.Pay)
            && _accepts(entry.asset, receiver);
        bytes memory alone = abi.encodeCall(settlement.withdraw, (cut, index, entry));
        bytes memory call = redirects ? abi.encodeCall(settlement.withdrawTo, (cut, index, entry, receiver)) : alone;
        vm.prank(GUARDIAN);
        try settlement.withdrawTo(cut, index, entry, GUARDIAN) {
            revert Surprise("a deposit was redirected by somebody");
        } catch {}
        vm.prank(entry.depositor);
        (bool done,) = address(settlement).call(call);
        if (done != pays) revert Surprise(done ? "a deposit was withdrawn" : "a deposit was not withdrawn");
        if (!done) return;
        _withdrawn[cut][index] = true;
        books[_indexOf(entry.asset)].withdrawn += entry.amount;
        (done,) = address(settlement).call(alone);
        if (done) revert Surprise("a deposit was withdrawn twice");
    }

    function cutQueue(uint256 seed) external {
        uint32 length = _queueLength();
        // Else few sequences would cut twice.
        if (seed % 2 == 0 && length > taken) _wait(14 days);
        if (seed % 4 == 1) _ageQueue(seed);
        _cut();
    }

    /// @dev If more wait than a superblock takes, lets them wait until they can be cut, though one superblock takes some.
    function _ageQueue(uint256 seed) private {
        if (_queueLength() <= taken + 64 || !_open(Action.Settle)) return;
        _wait(28 days);
        uint32 length = uint32(taken) + 1 + uint32(seed >> 8) % 64;
        uint32 owed = settlement.progress().owed;
        _settleBy(BATCHER, _nextWith(length < owed ? owed : length, _none()), _none());
    }

    function accept() external {
        _refuser.accept();
    }

    /// @notice Somebody sends the contract ether, as a block's proposer can, or a token.
    function donate(uint256 seed) external {
        uint256 value = seed % 1 ether;
        if (seed >> 128 & 1 == 0) vm.deal(address(settlement), address(settlement).balance + value);
        else token.mint(address(settlement), value);
        books[seed >> 128 & 1].donated += value;
    }

    // Superblocks.

    function _none() private pure returns (Payout[] memory) {
        return new Payout[](0);
    }

    /// @notice An honest batcher proves the next superblock, and others deposit and cut meanwhile. It is settled.
    function settle(uint256 seed) external {
        _ageQueue(seed);
        if (!_hasRoom()) return;
        Payout[] memory list = _honestPayouts(seed);
        Statement memory statement = _nextWith(_honestLength(seed), list);
        for (uint256 i = 0; i < seed % 3; ++i) {
            _depositSome(seed >> i);
        }
        // Proving takes time, in which deposits ripen.
        _wait((seed >> 24) % 12 hours);
        uint256 before = generation;
        // A queue from which nothing was taken for long is cut at the superblock's cost.
        if (!_cut() && generation != before) return;
        if (!_open(Action.Settle)) return;
        _settleBy(seed >> 200 & 1 == 0 ? BATCHER : OTHER_BATCHER, statement, list);
    }

    /// @dev A batcher settles up to superblock `number`.
    function _advance(uint256 number) private {
        while (!_open(Action.Settle)) _wait(1 days);
        for (Progress memory current = settlement.progress(); current.number < number; current = settlement.progress()) {
            if (!_hasRoom()) _wait(BURST * PACE);
            bool owes = current.owed > current.taken;
            _settleBy(BATCHER, owes ? _nextWith(current.owed, _none()) : _next(), _none());
        }
    }

    /// @notice Two batchers prove the next superblock; the second one changes nothing, and what follows on it is refused.
    function race(uint256 seed) external {
        if (!_hasRoom() || !_open(Action.Settle)) return;
        Payout[] memory list = _honestPayouts(seed);
        Payout[] memory otherList = _honestPayouts(seed >> 6);
        Statement memory statement = _nextWith(_honestLength(seed), list);
        Statement memory other = _nextWith(_honestLength(seed >> 5), otherList);
        // Both may lead to one state.
        if (seed >> 128 & 1 == 1) other.newState = ~other.newState;
        _settleBy(BATCHER, statement, list);
        bool same = keccak256(abi.encode(statement)) == keccak256(abi.encode(other));
        if (_isTaken(OTHER_BATCHER, other, otherList) != same) revert Surprise("the second superblock");
        if (!_hasRoom()) return;
        Statement memory next = _nextWith(_honestLength(seed), _none());
        next.previousState = other.newState;
        bool follows = other.newState == statement.newState;
        if (_isTaken(OTHER_BATCHER, next, _none()) != follows) revert Surprise("the second superblock's successor");
        if (follows) _keep(next, _none());
    }

    /// @notice A stranger settles after a stall, and not before.
    function settleAsStranger(uint256 seed) external {
        if (!_hasRoom()) return;
        Progress memory current = settlement.progress();
        uint32 time = settlement.time();
        bool stalled = time >= current.batcherAt + 2 days && time >= current.settledAt + 2 hours;
        Payout[] memory list = _honestPayouts(seed);
        Statement memory statement = _lone(_honestLength(seed), list);
        statement.blockCount += uint32(seed % 2);
        bool settles = stalled && statement.blockCount == 1 && _open(Action.Settle);
        bytes memory proof = _prove(statement);
        bytes memory packed = _pack(list);
        vm.prank(ALICE);
        try settlement.settleStalled(OUTER, statement, packed, proof, BLOCK, _indices()) {
            if (!settles) revert Surprise("a stranger settled");
            _keep(statement, list);
        } catch {
            if (settles) revert Surprise("a stranger did not settle");
        }
    }

    /// @notice Whatever kernels of other environments prove, what would pay more than was deposited is refused, and so are
    /// payouts that were listed before and deposits that are not in the queue.
    function settleHostile(uint256 seed) external {
        if (!_hasRoom()) return;
        Payout[] memory list = _honestPayouts(seed);
        uint32 length = _honestLength(seed);
        uint256 attack = seed % 4;
        if (attack == 0) {
            uint64 most = settlement.assetOf(_assets[seed % 2]).outstanding;
            list = _one(_payoutOf(_assets[seed % 2], uint32(payouts), ALICE, most + 1));
        }
        if (attack == 1 && payouts > 0) list = _one(_payoutOf(_assets[2], uint32(payouts) - 1, ALICE, 1));
        if (attack == 1 && payouts == 0) list = _one(_payoutOf(_assets[2], 1, ALICE, 1));
        Statement memory statement = _nextWith(length, list);
        if (attack == 2) statement.l1Body.queueLength += 1 + _queueLength();
        if (attack == 3) statement.l1Body.queueDigest ^= bytes32(uint256(1));
        if (_isTaken(BATCHER, statement, list)) revert Surprise("a hostile superblock was settled");
    }

    /// @notice A batcher settles over a deposit, and proves on; a reorganisation drops both; another batcher settles meanwhile, or does
    /// not. The first one hands in again what it proved.
    function reorganise(uint256 seed) external {
        if (!_hasRoom() || !_open(Action.Settle) || settlement.progress().owed > taken + 63) return;
        uint256 snapshot = vm.snapshotState();
        _depositSome(seed | 1 << 255);
        Payout[] memory list = _honestPayouts(seed);
        uint256 length = _queueLength();
        if (length > taken + 64) length = taken + 64;
        Statement memory dropped = _nextWith(uint32(length), list);
        _settleBy(BATCHER, dropped, list);
        Statement memory next = _nextWith(_honestLength(seed), _none());
        vm.revertToState(snapshot);
        vm.warp(clock);

        if (seed >> 130 & 1 == 1) _depositSome(seed >> 3);
        bool another = seed >> 129 & 1 == 1;
        if (another) {
            Statement memory statement = _next();
            if (settlement.progress().owed > taken) statement = _nextWith(settlement.progress().owed, _none());
            statement.newState = ~statement.newState;
            _settleBy(OTHER_BATCHER, statement, _none());
        }
        bool there = length <= _queueLength()
            && settlement.queueDigest(uint32(generation), uint32(length)) == dropped.l1Body.queueDigest;
        if (_isTaken(BATCHER, dropped, list) != (there && !another)) revert Surprise("a dropped superblock");
        if (!another && there) _keep(dropped, list);
        if (!_hasRoom()) return;
        there = there && !another && next.l1Body.queueLength <= _queueLength();
        there = there
            && settlement.queueDigest(uint32(generation), uint32(next.l1Body.queueLength)) == next.l1Body.queueDigest;
        if (_isTaken(BATCHER, next, _none()) != there) revert Surprise("the successor of a dropped superblock");
        if (there) _keep(next, _none());
    }

    // Guardians, governors and time.

    /// @notice A pause, now and then of a second in each of some blocks: only one of these counts.
    function pause(uint256 seed) external {
        Action action = Action(seed % 3);
        uint32 duration = uint32((seed >> 8) % 3 days);
        uint256 blocks = seed >> 64 & 3 == 0 ? 5 : 1;
        if (blocks > 1) duration = 1;
        for (uint256 i = 0; i < blocks; ++i) {
            uint32 last = settlement.pausedUntil(action);
            bool pauses = last == 0 || clock >= last + 3 days;
            vm.prank(GUARDIAN);
            try settlement.pause(action, duration) {
                if (!pauses) revert Surprise("an action was paused again so soon");
            } catch {
                if (pauses) revert Surprise("an action was not paused");
            }
            if (blocks > 1) _wait(12);
        }
    }

    function resume(uint256 seed) external {
        vm.prank(GUARDIAN);
        try settlement.resume(Action(seed % 3)) {} catch {}
    }

    function wait(uint256 seed) external {
        _wait(seed % 3 == 0 ? seed % 20 days : seed % 6 hours);
    }

    function proposeEntryZero(uint256 seed) external {
        bool empty = seed % 16 == 0;
        bytes32 entry = empty ? bytes32(0) : keccak256(abi.encode("entry", seed));
        vm.prank(GOVERNOR);
        try settlement.proposeEntryZero(entry) {
            if (empty) revert Surprise("an empty entry 0 was proposed");
            (_proposed, _proposedFor) = (entry, settlement.time() + DELAY);
        } catch {
            if (!empty) revert Surprise("an entry 0 was not proposed");
        }
    }

    function withdrawEntryZero(uint256 seed) external {
        if (seed % 4 != 0) return;
        vm.prank(GUARDIAN);
        try settlement.withdrawEntryZero() {
            if (_proposedFor == 0) revert Surprise("nothing was withdrawn");
            _proposedFor = 0;
        } catch {
            if (_proposedFor != 0) revert Surprise("a proposal was not withdrawn");
        }
    }

    /// @notice The governor pins what it proposed, within its time, and roots that were scheduled before are void.
    function changeEntryZero(uint256 seed) external {
        // Else few would be ready.
        if (seed % 2 == 0 && _proposedFor != 0) {
            while (settlement.time() < _proposedFor) _wait(_proposedFor - settlement.time());
        }
        bool ready =
            _proposedFor != 0 && settlement.time() >= _proposedFor && settlement.time() <= _proposedFor + DELAY;
        bytes32[16] memory path;
        bytes32 root = tree.rootOf(_proposed, path);
        uint32 number = uint32(settlement.earliestRegistryChange());
        vm.prank(GOVERNOR);
        try settlement.changeEntryZero(root, path) {
            if (!ready) revert Surprise("entry 0 changed");
        } catch {
            if (ready) revert Surprise("entry 0 did not change");
            return;
        }
        (_entryZero, _proposedFor) = (_proposed, 0);
        _entryOf[root] = _entryZero;
        _entryZeroFrom = number;
        if (settlement.scheduledRegistryRoot(number) != root) revert Surprise("another root was scheduled");
        for (uint32 i = 1; i < 300; i += 23) {
            if (settlement.scheduledRegistryRoot(number + i) != 0) revert Surprise("an old root is not void");
        }
        // Else no sequence would come so far.
        if (seed >> 8 & 15 == 0) _advance(number);
    }

    /// @notice The guardian withdraws what is scheduled. The change of entry 0 stays.
    function withdrawRegistries() external {
        bytes32 change = settlement.scheduledRegistryRoot(uint32(_entryZeroFrom));
        uint32 first = settlement.progress().number + 1 + uint32(BURST);
        bytes32 near = settlement.scheduledRegistryRoot(first - 1);
        vm.prank(GUARDIAN);
        settlement.withdrawRegistries();
        if (settlement.scheduledRegistryRoot(uint32(_entryZeroFrom)) != change) revert Surprise("entry 0 is another one");
        if (settlement.scheduledRegistryRoot(first - 1) != near) revert Surprise("a root that is near is void");
        for (uint32 number = first; number < first + 300; number += 23) {
            if (number > _entryZeroFrom && settlement.scheduledRegistryRoot(number) != 0) {
                revert Surprise("a root was not withdrawn");
            }
        }
    }

    /// @notice The registry's governor does what it can, and tries what it cannot.
    function govern(uint256 seed) external {
        bytes32[16] memory path;
        path[seed % 16] = bytes32(seed);
        uint32 number = uint32(settlement.earliestRegistryChange() + 23 * (seed % 10));
        bytes32 root = tree.rootOf(_entryZero, path);
        _entryOf[root] = _entryZero;
        vm.startPrank(REGISTRY_GOVERNOR);
        settlement.scheduleRegistry(number, root, path);
        bytes32 other = tree.rootOf(keccak256(abi.encode(seed)), path);
        try settlement.scheduleRegistry(number, other, path) {
            revert Surprise("a registry with another entry 0 was scheduled");
        } catch {}
        try settlement.proposeEntryZero(bytes32(seed)) {
            revert Surprise("the registry's governor proposed an entry 0");
        } catch {}
        try router.list(verifier) {
            revert Surprise("the registry's governor listed a verifier");
        } catch {}
        try settlement.limitAsset(_assets[0], 0, 0) {
            revert Surprise("the registry's governor limited deposits");
        } catch {}
        vm.stopPrank();
    }
}
