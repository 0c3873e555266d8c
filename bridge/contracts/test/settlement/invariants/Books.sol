// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Action, AssetId, Deposit, Payout, Progress, Statement} from "../../../src/interfaces/SettlementTypes.sol";
import {Fixture} from "../../support/Fixture.sol";
import {Refuser} from "../../support/Mocks.sol";

/// @notice A deployment, and books of what should have moved, kept apart from the contract's own.
abstract contract Books is Fixture {
    error Surprise(string what);

    /// @dev What moved of an asset, in units. `taken` is what superblocks took of the deposits.
    struct Book {
        uint256 deposited;
        uint256 taken;
        uint256 listed;
        uint256 claimed;
        uint256 withdrawn;
        /// What somebody sent the contract for nothing, in the token's smallest parts.
        uint256 donated;
    }

    uint256 public constant ASSETS = 3;
    address internal constant OTHER_BATCHER = address(0xbb);

    AssetId[3] internal _assets;
    address[4] internal _people;
    Refuser internal _refuser;

    mapping(uint256 asset => Book) public books;
    /// @dev The deposits of each generation that were not cut, the ones of generations before included, and the queue's digest
    /// after each.
    mapping(uint256 generation => Deposit[]) internal _entries;
    mapping(uint256 generation => bytes32[]) internal _queueDigests;
    /// @dev Where the deposits of a generation were cut.
    mapping(uint256 generation => uint256) internal _cutFrom;
    uint256 public generation;
    uint256 public taken;
    mapping(uint256 generation => mapping(uint256 index => bool)) internal _withdrawn;
    /// @dev The payouts of each superblock.
    mapping(uint256 number => Payout[]) internal _listed;
    uint256 public payouts;
    mapping(uint256 index => bool) internal _claimed;
    /// @dev Superblocks that list payouts.
    uint32[] internal _withPayouts;

    /// @dev The entry 0 that is pinned, and from which superblock on every registry has it.
    bytes32 internal _entryZero = ENTRY_ZERO;
    uint256 internal _entryZeroFrom;
    /// @dev The entry 0 of each registry root.
    mapping(bytes32 root => bytes32) internal _entryOf;
    /// @dev The proposed entry 0, and when it can be pinned; 0 if there is none.
    bytes32 internal _proposed;
    uint256 internal _proposedFor;

    constructor() {
        _deployAll();
        vm.prank(ADMIN);
        manager.grantRole(1, OTHER_BATCHER, 0);
        _refuser = new Refuser();
        _assets[0] = AssetId(0, 1);
        _assets[1] = AssetId(0, TOKEN);
        _assets[2] = AssetId(7, 9);
        _people = [ALICE, BOB, address(_refuser), address(settlement)];
        _entryOf[registryRoot] = ENTRY_ZERO;
    }

    // What the invariants look up.

    /// @notice What the contract holds of an asset, or for an environment's asset what circulates, in the token's smallest parts.
    function held(uint256 asset) external view returns (uint256) {
        if (asset == 0) return address(settlement).balance;
        if (asset == 1) return token.balanceOf(address(settlement));
        address wrapped = settlement.wrappedToken(_assets[2]);
        return wrapped.code.length == 0 ? 0 : IERC20(wrapped).totalSupply();
    }

    function outstanding(uint256 asset) external view returns (uint256) {
        return settlement.assetOf(_assets[asset]).outstanding;
    }

    function unitOf(uint256 asset) public pure returns (uint256) {
        return asset == 0 ? ETHER_UNIT : asset == 1 ? TOKEN_UNIT : 1;
    }

    /// @notice Whether the contract's queue is the one in the books.
    function queueIsKept() external view returns (bool) {
        (uint32 found, uint32 length, bytes32 digest) = settlement.queue();
        return found == generation && length == _entries[generation].length && digest == _queueDigest()
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

    /// @notice Whether the registry in force has the pinned entry 0, once the notice of its change is over.
    function entryZeroIsPinned() external view returns (bool) {
        if (settlement.entryZero() != _entryZero) return false;
        return settlement.progress().number + 1 < _entryZeroFrom
            || _entryOf[settlement.nextRegistryRoot()] == _entryZero;
    }

    // Deposits.

    function _depositSome(uint256 seed) internal {
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
        bytes32 digest = keccak256(
            abi.encodePacked(
                _queueDigest(),
                depositor,
                entry.recipient,
                entry.destination,
                entry.asset.origin,
                entry.asset.number,
                amount,
                entry.lifetime
            )
        );
        _entries[generation].push(entry);
        _queueDigests[generation].push(digest);
        books[asset].deposited += amount;
    }

    function _queueDigest() private view returns (bytes32) {
        bytes32[] storage digests = _queueDigests[generation];
        return digests.length == 0 ? bytes32(0) : digests[digests.length - 1];
    }

    /// @dev Tries to cut the queue. Returns whether it was cut though superblocks take deposits.
    function _cut() internal returns (bool behindOwed) {
        uint32 length = _queueLength();
        Progress memory current = settlement.progress();
        uint256 from = taken;
        bool cuts = false;
        if (length > taken) {
            uint32 since = settlement.depositedAt(uint32(taken));
            if (since < current.takenAt) since = current.takenAt;
            cuts = settlement.time() >= since + 14 days;
            behindOwed = !cuts && current.owed < length
                && settlement.time() >= settlement.depositedAt(current.owed) + 28 days;
            if (behindOwed) from = current.owed;
        }
        cuts = (cuts || behindOwed) && _open(Action.Settle);
        try settlement.cutQueue() {
            if (!cuts) revert Surprise("the queue was cut");
            _cutFrom[generation] = from;
            for (uint256 i = 0; i < from; ++i) {
                _entries[generation + 1].push(_entries[generation][i]);
                _queueDigests[generation + 1].push(_queueDigests[generation][i]);
            }
            ++generation;
        } catch {
            if (cuts) revert Surprise("the queue was not cut");
            behindOwed = false;
        }
    }

    // Superblocks.

    /// @dev Payouts that a kernel could prove: of what is outstanding, and of whatever an environment issues.
    function _honestPayouts(uint256 seed) internal view returns (Payout[] memory list) {
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
    function _honestLength(uint256 seed) internal view returns (uint32) {
        uint256 most = _queueLength();
        if (most > taken + 64) most = taken + 64;
        return uint32(bound(seed >> 40, settlement.progress().owed, most));
    }

    function _settleBy(address batcher, Statement memory statement, Payout[] memory list) internal {
        bytes memory proof = _prove(statement);
        bytes memory packed = _pack(list);
        vm.prank(batcher);
        settlement.settle(OUTER, statement, packed, proof);
        _keep(statement, list);
    }

    /// @dev Whether a batcher's superblock is settled, or is settled already.
    function _isTaken(address batcher, Statement memory statement, Payout[] memory list) internal returns (bool) {
        bytes memory proof = _prove(statement);
        bytes memory packed = _pack(list);
        vm.prank(batcher);
        try settlement.settle(OUTER, statement, packed, proof) {
            return true;
        } catch {
            return false;
        }
    }

    function _keep(Statement memory statement, Payout[] memory list) internal {
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

    // What the contract should do.

    function _pick(uint256 seed) internal view returns (bool, uint32, uint256) {
        if (_withPayouts.length == 0) return (false, 0, 0);
        uint32 number = _withPayouts[seed % _withPayouts.length];
        return (true, number, (seed >> 32) % _listed[number].length);
    }

    function _accepts(AssetId memory asset, address receiver) internal view returns (bool) {
        if (receiver == address(settlement)) return false;
        return asset.number != 1 || receiver != address(_refuser) || _refuser.accepts();
    }

    function _open(Action action) internal view returns (bool) {
        return clock >= settlement.pausedUntil(action);
    }

    function _hasRoom() internal view returns (bool) {
        Progress memory current = settlement.progress();
        return current.pacedUntil <= settlement.time() + (BURST - 1) * PACE;
    }

    function _balance(uint256 asset, address account) internal view returns (uint256) {
        if (asset == 0) return account.balance;
        if (asset == 1) return token.balanceOf(account);
        address wrapped = settlement.wrappedToken(_assets[2]);
        return wrapped.code.length == 0 ? 0 : IERC20(wrapped).balanceOf(account);
    }

    function _indexOf(AssetId memory asset) internal pure returns (uint256) {
        return asset.origin == 7 ? 2 : asset.number - 1;
    }
}
