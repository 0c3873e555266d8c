// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {
    Action,
    AssetId,
    Claim,
    Deposit,
    Payout,
    Progress,
    Statement
} from "../../../src/interfaces/SettlementTypes.sol";
import {Fixture} from "../../support/Fixture.sol";
import {Refuser} from "../../support/Mocks.sol";

/// @notice Plays users, batchers, strangers, guardians, governors and attackers in any order, and keeps books of its own.
/// @dev What an action expects of the contract, success or a refusal, is part of the action: a surprise reverts, and a reverting
/// action fails the campaign.
contract Handler is Fixture {
    error Surprise(string what);

    /// @dev What moved of an asset, in units. `taken` is what superblocks took of the deposits.
    struct Book {
        uint256 deposited;
        uint256 taken;
        uint256 listed;
        uint256 claimed;
        uint256 withdrawn;
    }

    uint256 public constant ASSETS = 3;

    AssetId[3] private _assets;
    address[4] private _people;
    Refuser private _refuser;

    mapping(uint256 asset => Book) public books;
    /// @dev The deposits of each generation that were not cut, the ones of generations before included.
    mapping(uint256 generation => Deposit[]) private _entries;
    /// @dev Where the deposits of a generation were cut.
    mapping(uint256 generation => uint256) private _cutFrom;
    uint256 public generation;
    uint256 public taken;
    mapping(uint256 generation => mapping(uint256 index => bool)) private _withdrawn;
    /// @dev The payouts of each superblock.
    mapping(uint256 number => Payout[]) private _listed;
    bytes32 private _entryZero = ENTRY_ZERO;
    uint256 public payouts;
    mapping(uint256 index => bool) private _claimed;
    /// @dev Superblocks that list payouts.
    uint32[] private _withPayouts;

    constructor() {
        _deployAll();
        _refuser = new Refuser();
        _assets[0] = AssetId(0, 1);
        _assets[1] = AssetId(0, TOKEN);
        _assets[2] = AssetId(7, 9);
        _people = [ALICE, BOB, address(_refuser), address(settlement)];
    }

    // Users.

    function deposit(uint256 seed) external {
        _depositSome(seed);
    }

    function claim(uint256 seed) external {
        (bool found, uint32 number, uint256 position) = _pick(seed);
        if (!found) return;
        Payout memory payout = _listed[number][position];
        uint256 asset = _indexOf(payout.asset);
        bool pays = !_claimed[payout.index] && _accepts(payout) && _open(Action.Pay);
        uint256 before = _balance(asset, payout.recipient);
        try settlement.claim(_claimOf(number, _listed[number], position)) {
            if (!pays) revert Surprise("a payout was paid");
            _claimed[payout.index] = true;
            books[asset].claimed += payout.amount;
            uint256 expected = before + payout.amount * _unit(asset);
            assertEq(_balance(asset, payout.recipient), expected, "the recipient's balance");
            try settlement.claim(_claimOf(number, _listed[number], position)) {
                revert Surprise("a payout was paid twice");
            } catch {}
        } catch {
            if (pays) revert Surprise("a payout was not paid");
        }
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
            bool pays = !_claimed[all[i].index] && _accepts(all[i]);
            if (!pays) continue;
            _claimed[all[i].index] = true;
            books[_indexOf(all[i].asset)].claimed += all[i].amount;
        }
    }

    function withdraw(uint256 seed) external {
        if (generation == 0) return;
        uint32 cut = uint32(seed % generation);
        Deposit[] storage entries = _entries[cut];
        if (entries.length == 0) return;
        uint32 index = uint32((seed >> 32) % entries.length);
        Deposit memory entry = entries[index];
        bool pays = index >= _cutFrom[cut] && !_withdrawn[cut][index] && _open(Action.Pay)
            && (entry.asset.number != 1 || entry.depositor != address(_refuser) || _refuser.accepts());
        try settlement.withdraw(cut, index, entry) {
            if (!pays) revert Surprise("a deposit was withdrawn");
            _withdrawn[cut][index] = true;
            books[_indexOf(entry.asset)].withdrawn += entry.amount;
            try settlement.withdraw(cut, index, entry) {
                revert Surprise("a deposit was withdrawn twice");
            } catch {}
        } catch {
            if (pays) revert Surprise("a deposit was not withdrawn");
        }
    }

    function cutQueue(uint256 seed) external {
        uint32 length = _queueLength();
        // Else few sequences would cut twice.
        if (seed % 2 == 0 && length > taken) _wait(14 days);
        Progress memory current = settlement.progress();
        uint32 since = length == taken ? 0 : settlement.depositedAt(uint32(taken));
        if (since < current.takenAt) since = current.takenAt;
        bool cuts = length > taken && settlement.time() >= since + 14 days && _open(Action.Settle);
        try settlement.cutQueue() {
            if (!cuts) revert Surprise("the queue was cut");
            _cutFrom[generation] = taken;
            for (uint256 i = 0; i < taken; ++i) {
                _entries[generation + 1].push(_entries[generation][i]);
            }
            ++generation;
        } catch {
            if (cuts) revert Surprise("the queue was not cut");
        }
    }

    function accept() external {
        _refuser.accept();
    }

    // Superblocks.

    /// @notice An honest batcher proves the next superblock, and others deposit meanwhile. It is settled.
    function settle(uint256 seed) external {
        if (!_roomToday()) return;
        Payout[] memory list = _honestPayouts(seed);
        Statement memory statement = _nextWith(_honestLength(seed), list);
        for (uint256 i = 0; i < seed % 3; ++i) {
            _depositSome(seed >> i);
        }
        // Proving takes time, in which deposits ripen.
        _wait((seed >> 24) % 12 hours);
        if (!_open(Action.Settle)) return;
        _settle(statement, _pack(list));
        _keep(statement, list);
    }

    /// @notice A stranger settles after a stall, and not before.
    function settleAsStranger(uint256 seed) external {
        if (!_roomToday()) return;
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
        if (!_roomToday()) return;
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
        bytes memory proof = _prove(statement);
        vm.prank(BATCHER);
        try settlement.settle(OUTER, statement, _pack(list), proof) {
            revert Surprise("a hostile superblock was settled");
        } catch {}
    }

    /// @notice A deposit that a reorganisation drops is in no superblock that is settled afterwards.
    function reorganise(uint256 seed) external {
        if (!_open(Action.Deposit) || !_roomToday() || settlement.progress().owed > taken + 63) return;
        uint256 snapshot = vm.snapshotState();
        uint256 before = clock;
        _depositSome(seed | 1 << 255);
        uint32 length = _queueLength();
        if (length > taken + 64) return;
        Statement memory statement = _nextWith(length, new Payout[](0));
        vm.revertToState(snapshot);
        vm.warp(before);
        bytes memory proof = _prove(statement);
        vm.prank(BATCHER);
        try settlement.settle(OUTER, statement, "", proof) {
            if (_queueLength() < length) revert Surprise("a dropped deposit was settled");
            _keep(statement, new Payout[](0));
        } catch {}
    }

    // Guardians, governors and time.

    function pause(uint256 seed) external {
        Action action = Action(seed % 3);
        uint32 duration = uint32(seed & 1 << 64 == 0 ? (seed >> 8) % 3 days : 1);
        uint32 last = settlement.pausedUntil(action);
        bool pauses = last == 0 || clock >= last + 3 days;
        vm.prank(GUARDIAN);
        try settlement.pause(action, duration) {
            if (!pauses) revert Surprise("an action was paused again so soon");
        } catch {
            if (pauses) revert Surprise("an action was not paused");
        }
    }

    function resume(uint256 seed) external {
        vm.prank(GUARDIAN);
        try settlement.resume(Action(seed % 3)) {} catch {}
    }

    function wait(uint256 seed) external {
        _wait(seed % 3 == 0 ? seed % 20 days : seed % 6 hours);
    }

    /// @notice The governor changes entry 0, and nothing that was scheduled before brings the old one back.
    function changeEntryZero(uint256 seed) external {
        bytes32 entry = keccak256(abi.encode("entry", seed));
        bytes32[16] memory path;
        vm.prank(GOVERNOR);
        settlement.proposeEntryZero(entry);
        uint32 readyAt = settlement.time() + DELAY;
        _wait(DELAY);
        while (settlement.time() < readyAt) _wait(readyAt - settlement.time());
        bytes32 root = tree.rootOf(entry, path);
        vm.prank(GOVERNOR);
        settlement.changeEntryZero(root, path);
        _entryZero = entry;
        uint32 number = uint32(settlement.earliestRegistryChange());
        if (settlement.scheduledRegistryRoot(number) != root) revert Surprise("another root was scheduled");
        for (uint32 i = 1; i < 300; i += 23) {
            if (settlement.scheduledRegistryRoot(number + i) != 0) revert Surprise("an old root is not void");
        }
    }

    /// @notice The registry's governor does what it can, and tries what it cannot.
    function govern(uint256 seed) external {
        bytes32[16] memory path;
        path[seed % 16] = bytes32(seed);
        uint32 number = uint32(settlement.earliestRegistryChange() + 23 * (seed % 10));
        vm.startPrank(REGISTRY_GOVERNOR);
        settlement.scheduleRegistry(number, tree.rootOf(_entryZero, path), path);
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

    // Books.

    /// @notice The names of what the invariants look up.
    function assetAt(uint256 asset) external view returns (AssetId memory) {
        return _assets[asset];
    }

    /// @notice What the contract holds of an asset, or for an environment's asset what circulates, in units.
    function held(uint256 asset) external view returns (uint256) {
        if (asset == 0) return address(settlement).balance / ETHER_UNIT;
        if (asset == 1) return token.balanceOf(address(settlement)) / TOKEN_UNIT;
        address wrapped = settlement.wrappedToken(_assets[2]);
        return wrapped.code.length == 0 ? 0 : IERC20(wrapped).totalSupply();
    }

    function outstanding(uint256 asset) external view returns (uint256) {
        return settlement.assetOf(_assets[asset]).outstanding;
    }

    /// @notice Whether the contract's queue is the one in the books.
    function queueIsKept() external view returns (bool) {
        (uint32 found, uint32 length, bytes32 digest) = settlement.queue();
        Deposit[] storage entries = _entries[generation];
        bytes32 expected = 0;
        for (uint256 i = 0; i < entries.length; ++i) {
            expected = keccak256(
                abi.encodePacked(
                    expected,
                    entries[i].depositor,
                    entries[i].recipient,
                    entries[i].destination,
                    entries[i].asset.origin,
                    entries[i].asset.number,
                    entries[i].amount,
                    entries[i].lifetime
                )
            );
        }
        return
            found == generation && length == entries.length && digest == expected
                && settlement.progress().taken == taken;
    }

    /// @notice Whether exactly the payouts that were paid are marked as claimed.
    function claimsAreKept() external view returns (bool) {
        for (uint32 i = 0; i < payouts; ++i) {
            if (settlement.isClaimed(i) != _claimed[i]) return false;
        }
        return !settlement.isClaimed(uint32(payouts)) && settlement.progress().nextPayout == payouts;
    }

    /// @notice Whether the next superblock owes no more than it can take of what is there.
    function owedIsPayable() external view returns (bool) {
        uint32 owed = settlement.progress().owed;
        return owed >= taken && owed <= taken + 64 && owed <= _queueLength();
    }

    function _depositSome(uint256 seed) private {
        uint256 asset = seed % ASSETS;
        address depositor = _people[(seed >> 16) % 3];
        uint64 amount = MINIMUM + uint64((seed >> 32) % 1_000_000);
        if (!_open(Action.Deposit)) return;
        if (asset == 0) _deposit(depositor, amount);
        if (asset == 1) _depositToken(depositor, amount);
        if (asset == 2) {
            uint256 balance = _balance(2, depositor);
            if (balance == 0) return;
            amount = uint64(bound(amount, 1, balance));
            vm.prank(depositor);
            settlement.deposit(_assets[2], amount, 5, RECIPIENT, 64);
        }
        Deposit memory entry = _entry(depositor, amount);
        entry.asset = _assets[asset];
        _entries[generation].push(entry);
        books[asset].deposited += amount;
    }

    /// @dev Payouts that a kernel could prove: of what is outstanding, and of whatever an environment issues.
    function _honestPayouts(uint256 seed) private view returns (Payout[] memory list) {
        list = new Payout[](seed % 4);
        for (uint256 i = 0; i < list.length; ++i) {
            uint256 asset = (seed >> 8 * i) % ASSETS;
            // A quarter each, so that several never exceed what superblocks took in.
            uint256 amount = asset == 2 ? 1 + seed % 10_000 : (books[asset].taken - books[asset].listed) / 4;
            address recipient = _people[(seed >> 16 + i) % 4];
            list[i] = _payoutOf(_assets[asset], uint32(payouts + i), recipient, uint64(amount));
        }
    }

    /// @dev A queue length that a superblock may state now: all that it owes, and no more than a block takes.
    function _honestLength(uint256 seed) private view returns (uint32) {
        uint256 most = _queueLength();
        if (most > taken + 64) most = taken + 64;
        return uint32(bound(seed >> 40, settlement.progress().owed, most));
    }

    function _keep(Statement memory statement, Payout[] memory list) private {
        for (; taken < statement.l1Body.queueLength; ++taken) {
            Deposit storage entry = _entries[generation][taken];
            books[_indexOf(entry.asset)].taken += entry.amount;
        }
        payouts += list.length;
        if (list.length > 0) _withPayouts.push(statement.number);
        for (uint256 i = 0; i < list.length; ++i) {
            _listed[statement.number].push(list[i]);
            books[_indexOf(list[i].asset)].listed += list[i].amount;
        }
    }

    function _pick(uint256 seed) private view returns (bool, uint32, uint256) {
        if (_withPayouts.length == 0) return (false, 0, 0);
        uint32 number = _withPayouts[seed % _withPayouts.length];
        return (true, number, (seed >> 32) % _listed[number].length);
    }

    function _accepts(Payout memory payout) private view returns (bool) {
        if (payout.recipient == address(settlement)) return false;
        return payout.asset.number != 1 || payout.recipient != address(_refuser) || _refuser.accepts();
    }

    function _open(Action action) private view returns (bool) {
        return clock >= settlement.pausedUntil(action);
    }

    function _roomToday() private view returns (bool) {
        Progress memory current = settlement.progress();
        return current.pacedUntil <= settlement.time() + (BURST - 1) * PACE;
    }

    function _balance(uint256 asset, address account) private view returns (uint256) {
        if (asset == 0) return account.balance;
        if (asset == 1) return token.balanceOf(account);
        address wrapped = settlement.wrappedToken(_assets[2]);
        return wrapped.code.length == 0 ? 0 : IERC20(wrapped).balanceOf(account);
    }

    function _indexOf(AssetId memory asset) private pure returns (uint256) {
        return asset.origin == 7 ? 2 : asset.number - 1;
    }

    function _unit(uint256 asset) private pure returns (uint256) {
        return asset == 0 ? ETHER_UNIT : asset == 1 ? TOKEN_UNIT : 1;
    }
}
