// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {IVerifierRouter} from "../../src/interfaces/IVerifierRouter.sol";
import {ISuperblockVerifier} from "../../src/interfaces/ISuperblockVerifier.sol";
import {ISettlement, ISettlementErrors, ISettlementEvents} from "../../src/interfaces/ISettlement.sol";
import {
    AssetId,
    Claim,
    Deposit,
    L1Body,
    Parameters,
    Payout,
    Progress,
    Statement
} from "../../src/interfaces/SettlementTypes.sol";
import {MockRegistryTree, MockToken, MockVerifier} from "./Mocks.sol";
import {Test} from "./Test.sol";

/// @notice A deployment with a verifier that everybody can satisfy, and the ways to use it.
abstract contract Fixture is Test, ISettlementErrors, ISettlementEvents {
    bytes32 internal constant OUTER = bytes32(uint256(0x0123));
    uint32 internal constant DELAY = 22 days;
    /// @dev Seconds between superblocks that come evenly, and how many may come at once.
    uint256 internal constant PACE = 900;
    uint256 internal constant BURST = 32;
    bytes32 internal constant BLOCK = bytes32(uint256(0xb10c));
    uint64 internal constant MINIMUM = 1000;
    uint64 internal constant DAY_LIMIT = 1 << 40;
    uint256 internal constant ETHER_UNIT = 1e10;
    uint32 internal constant TOKEN = 2;
    uint256 internal constant TOKEN_UNIT = 100;
    bytes32 internal constant ENTRY_ZERO = bytes32(uint256(0xe0));
    bytes32 internal constant RECIPIENT = bytes32(uint256(1) << 192 | uint256(2) << 128 | uint256(3) << 64 | 4);

    address internal constant ADMIN = address(0xad);
    address internal constant BATCHER = address(0xba);
    address internal constant GUARDIAN = address(0x6a);
    address internal constant REGISTRY_GOVERNOR = address(0x4e);
    address internal constant ASSET_GOVERNOR = address(0xa5);
    address internal constant GOVERNOR = address(0x60);
    address internal constant ALICE = address(0xa11ce);
    address internal constant BOB = address(0xb0b);

    AccessManager internal manager;
    MockVerifier internal verifier;
    MockRegistryTree internal tree;
    IVerifierRouter internal router;
    ISettlement internal settlement;
    MockToken internal token;
    bytes32 internal registryRoot;
    /// @dev The state that `_next` builds on, and counts on what is taken and paid.
    bytes32 internal state;
    /// @dev The time. The compiler takes `block.timestamp` for a constant of a transaction, which it is not here.
    uint256 internal clock;

    /// @dev Deploys everything.
    function _deployAll() internal {
        _waitUntil(1_800_000_000);
        manager = new AccessManager(ADMIN);
        verifier = new MockVerifier(OUTER);
        tree = new MockRegistryTree();
        ISuperblockVerifier[] memory verifiers = new ISuperblockVerifier[](1);
        verifiers[0] = verifier;
        router = _deployRouter(DELAY, verifiers);
        settlement = _deploySettlement(_parameters());
        _setRoles();
        bytes32[16] memory path;
        registryRoot = tree.rootOf(ENTRY_ZERO, path);
        state = bytes32(uint256(0x9e0));
        settlement.initialise(state, registryRoot, ENTRY_ZERO, path);
        token = new MockToken();
        vm.prank(ASSET_GOVERNOR);
        settlement.listAsset(TOKEN, address(token), 2, MINIMUM, DAY_LIMIT);
    }

    function _parameters() internal pure virtual returns (Parameters memory) {
        return Parameters({
            ripeAge: 6 hours,
            stallAge: 2 days,
            strangerGap: 2 hours,
            cutAge: 14 days,
            superblocksPerDay: 96,
            registryNoticeDays: 2,
            longestPause: 3 days
        });
    }

    function _deployRouter(uint32 delay, ISuperblockVerifier[] memory verifiers) internal returns (IVerifierRouter) {
        bytes memory arguments = abi.encode(manager, delay, verifiers);
        return IVerifierRouter(_create("VerifierRouter", arguments));
    }

    function _deploySettlement(Parameters memory rules) internal returns (ISettlement) {
        bytes memory arguments = abi.encode(manager, router, tree, rules, MINIMUM, DAY_LIMIT);
        return ISettlement(_create("Settlement", arguments));
    }

    /// @dev Deploys a contract as its artefact has it, which is what users get.
    function _create(string memory name, bytes memory arguments) internal returns (address created) {
        string memory artifact = vm.readFile(string.concat("artifacts/", name, ".json"));
        bytes memory code = bytes.concat(vm.parseJsonBytes(artifact, ".bytecode"), arguments);
        assembly ("memory-safe") {
            created := create(0, add(code, 0x20), mload(code))
            if iszero(created) {
                let reason := mload(0x40)
                returndatacopy(reason, 0, returndatasize())
                revert(reason, returndatasize())
            }
        }
    }

    function _wait(uint256 duration) internal {
        _waitUntil(clock + duration);
    }

    function _waitUntil(uint256 timestamp) internal {
        clock = timestamp;
        vm.warp(timestamp);
    }

    /// @dev Gives each function the role of roles.json, and each role its holder, who need not announce calls: the delays of
    /// roles.json are AccessManager's, and the deployment's tests are about them.
    function _setRoles() private {
        string memory json = vm.readFile("roles.json");
        string[2] memory names = ["Settlement", "VerifierRouter"];
        address[2] memory targets = [address(settlement), address(router)];
        vm.startPrank(ADMIN);
        for (uint256 i = 0; i < names.length; ++i) {
            string memory functions = string.concat(".functions.", names[i]);
            string[] memory signatures = vm.parseJsonKeys(json, functions);
            for (uint256 j = 0; j < signatures.length; ++j) {
                string memory role = vm.parseJsonString(json, string.concat(functions, "['", signatures[j], "']"));
                bytes4[] memory selectors = new bytes4[](1);
                selectors[0] = bytes4(keccak256(bytes(signatures[j])));
                manager.setTargetFunctionRole(targets[i], selectors, _role(json, role));
            }
        }
        string[5] memory roles = ["batcher", "guardian", "registryGovernor", "assetGovernor", "governor"];
        address[5] memory holders = [BATCHER, GUARDIAN, REGISTRY_GOVERNOR, ASSET_GOVERNOR, GOVERNOR];
        for (uint256 i = 0; i < roles.length; ++i) {
            manager.grantRole(_role(json, roles[i]), holders[i], 0);
        }
        vm.stopPrank();
    }

    function _role(string memory json, string memory name) private pure returns (uint64) {
        return uint64(vm.parseJsonUint(json, string.concat(".roles.", name, ".id")));
    }

    // Deposits.

    function _ether() internal pure returns (AssetId memory) {
        return AssetId(0, 1);
    }

    function _deposit(address depositor, uint64 amount) internal returns (uint32) {
        uint256 value = amount * ETHER_UNIT;
        vm.deal(depositor, depositor.balance + value);
        vm.prank(depositor);
        return settlement.deposit{value: value}(_ether(), value, 5, RECIPIENT, 64);
    }

    function _depositToken(address depositor, uint64 amount) internal returns (uint32) {
        uint256 tokens = amount * TOKEN_UNIT;
        token.mint(depositor, tokens);
        vm.startPrank(depositor);
        token.approve(address(settlement), tokens);
        uint32 index = settlement.deposit(AssetId(0, TOKEN), tokens, 5, RECIPIENT, 64);
        vm.stopPrank();
        return index;
    }

    /// @dev What `_deposit` puts into the queue.
    function _entry(address depositor, uint64 amount) internal pure returns (Deposit memory) {
        return Deposit({
            depositor: depositor, destination: 5, recipient: RECIPIENT, asset: _ether(), amount: amount, lifetime: 64
        });
    }

    function _queueLength() internal view returns (uint32 length) {
        (, length,) = settlement.queue();
    }

    // Superblocks.

    /// @dev The next superblock, without a block of environment 0.
    function _next() internal view returns (Statement memory statement) {
        Progress memory current = settlement.progress();
        statement.deployment = settlement.deployment();
        statement.number = current.number + 1;
        statement.previousState = settlement.stateOf(current.number);
        statement.newState = keccak256(abi.encode(statement.previousState, statement.number));
        statement.registryRoot = settlement.nextRegistryRoot();
        statement.bodyChain = keccak256("bodies");
        statement.blockCount = 3;
    }

    /// @dev The next superblock: it takes all deposits up to `length` and makes these payouts.
    function _nextWith(uint32 length, Payout[] memory payouts) internal view returns (Statement memory statement) {
        statement = _next();
        (uint32 generation,,) = settlement.queue();
        statement.hasL1Block = true;
        statement.l1Body = L1Body({
            queueDigest: settlement.queueDigest(generation, length),
            queueLength: length,
            payoutsDigest: _payoutsDigest(payouts),
            firstPayout: settlement.progress().nextPayout,
            payoutCount: uint32(payouts.length)
        });
    }

    /// @dev OpenZeppelin's AccessManaged takes the first slot.
    function _progressSlot() internal pure returns (uint256) {
        return 1;
    }

    /// @dev Sets the newest superblock's number, which is in the low bits of the slot of `Progress`.
    function _setNumber(uint32 number) internal {
        bytes32 slot = bytes32(uint256(_progressSlot()));
        uint256 word = uint256(vm.load(address(settlement), slot));
        vm.store(address(settlement), slot, bytes32(word >> 32 << 32 | number));
        assertEq(settlement.progress().number, number, "slot of the progress");
    }

    function _settle(Statement memory statement, bytes memory payouts) internal {
        bytes memory proof = _prove(statement);
        vm.prank(BATCHER);
        settlement.settle(OUTER, statement, payouts, proof);
    }

    /// @dev The next superblock, as a stranger may settle it in a stall.
    function _lone(uint32 length, Payout[] memory payouts) internal view returns (Statement memory statement) {
        statement = _nextWith(length, payouts);
        statement.blockCount = 1;
        statement.bodyChain = tree.bodyChainOf(BLOCK, _indices());
    }

    function _indices() internal pure returns (uint32[] memory indices) {
        indices = new uint32[](2);
        (indices[0], indices[1]) = (5, 3);
    }

    function _settleStalled(address stranger, Statement memory statement, bytes memory payouts) internal {
        bytes memory proof = _prove(statement);
        vm.prank(stranger);
        settlement.settleStalled(OUTER, statement, payouts, proof, BLOCK, _indices());
    }

    /// @dev Waits until so many superblocks can be settled at once.
    function _waitForRoom() internal {
        _wait(BURST * PACE);
    }

    /// @dev Settles a superblock that takes the whole queue.
    function _settleAll() internal {
        Payout[] memory none = new Payout[](0);
        _settle(_nextWith(_queueLength(), none), "");
    }

    /// @dev Settles a superblock that takes the whole queue and makes these payouts.
    function _settlePayouts(Payout[] memory payouts) internal {
        _settle(_nextWith(_queueLength(), payouts), _pack(payouts));
    }

    /// @dev A proof for the mock: written apart from `PublicInputs`, so that they check each other.
    function _prove(Statement memory s) internal pure returns (bytes memory) {
        bytes memory inputs = abi.encodePacked(uint256(s.deployment), uint256(s.number));
        inputs = abi.encodePacked(inputs, _words64(s.previousState), _words64(s.newState));
        inputs = abi.encodePacked(inputs, _words64(s.registryRoot), _words64(s.bodyChain));
        inputs = abi.encodePacked(inputs, uint256(s.blockCount), uint256(s.hasL1Block ? 1 : 0));
        inputs = abi.encodePacked(inputs, _words32(s.l1Body.queueDigest), uint256(s.l1Body.queueLength));
        inputs = abi.encodePacked(inputs, _words32(s.l1Body.payoutsDigest), uint256(s.l1Body.firstPayout));
        inputs = abi.encodePacked(inputs, uint256(s.l1Body.payoutCount));
        return abi.encodePacked(keccak256(abi.encodePacked(OUTER, inputs)));
    }

    function _words64(bytes32 d) private pure returns (bytes memory words) {
        uint256 value = uint256(d);
        uint256 mask = type(uint64).max;
        return abi.encodePacked(value >> 192, value >> 128 & mask, value >> 64 & mask, value & mask);
    }

    function _words32(bytes32 d) private pure returns (bytes memory words) {
        for (uint256 i = 0; i < 8; ++i) {
            words = bytes.concat(words, bytes32(uint256(uint32(bytes4(d << 32 * i)))));
        }
    }

    // Payouts.

    /// @dev A claim of ether.
    function _payout(uint32 index, address recipient, uint64 amount) internal pure returns (Payout memory) {
        return _payoutOf(_ether(), index, recipient, amount);
    }

    function _payoutOf(AssetId memory asset, uint32 index, address recipient, uint64 amount)
        internal
        pure
        returns (Payout memory)
    {
        return Payout(index, recipient, 0, asset, amount, keccak256(abi.encode("message", index)));
    }

    function _one(Payout memory payout) internal pure returns (Payout[] memory payouts) {
        payouts = new Payout[](1);
        payouts[0] = payout;
    }

    function _packOne(Payout memory p) internal pure returns (bytes memory) {
        return abi.encodePacked(p.index, p.recipient, p.kind, p.asset.origin, p.asset.number, p.amount, p.name);
    }

    function _pack(Payout[] memory payouts) internal pure returns (bytes memory packed) {
        for (uint256 i = 0; i < payouts.length; ++i) {
            packed = bytes.concat(packed, _packOne(payouts[i]));
        }
    }

    function _payoutsDigest(Payout[] memory payouts) internal pure returns (bytes32 digest) {
        for (uint256 i = 0; i < payouts.length; ++i) {
            digest = keccak256(bytes.concat(digest, _packOne(payouts[i])));
        }
    }

    /// @dev The claim of the payout at `position` of superblock `number`, with its path from the leaf up.
    function _claimOf(uint32 number, Payout[] memory payouts, uint256 position) internal pure returns (Claim memory) {
        bytes32[] memory nodes = new bytes32[](2 * payouts.length - 1);
        for (uint256 i = 0; i < payouts.length; ++i) {
            nodes[nodes.length - 1 - i] = _leaf(payouts[i]);
        }
        for (uint256 i = payouts.length - 1; i > 0; --i) {
            nodes[i - 1] = _pair(nodes[2 * i - 1], nodes[2 * i]);
        }
        bytes32[] memory siblings = new bytes32[](32);
        uint256 length = 0;
        for (uint256 node = nodes.length - 1 - position; node > 0; node = (node - 1) / 2) {
            siblings[length++] = nodes[node % 2 == 1 ? node + 1 : node - 1];
        }
        bytes32[] memory proof = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) {
            proof[i] = siblings[i];
        }
        return Claim(number, payouts[position], proof);
    }

    function _leaf(Payout memory p) internal pure returns (bytes32) {
        bytes memory encoded =
            abi.encode(p.index, p.recipient, p.kind, p.asset.origin, p.asset.number, p.amount, p.name);
        return keccak256(bytes.concat(keccak256(encoded)));
    }

    function _pair(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }
}

/// @notice A test of one deployment.
abstract contract DeployedTest is Fixture {
    function setUp() public virtual {
        _deployAll();
    }
}
