// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AssetId, Claim, Deposit, Payout, Statement} from "../../src/interfaces/SettlementTypes.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {ISuperblockVerifier} from "../../src/interfaces/ISuperblockVerifier.sol";
import {DeployedTest} from "../support/Fixture.sol";
import {BurningVerifier} from "../support/Mocks.sol";

/// @notice Gas of whole transactions: `npm run gas` runs each call as one, and compares with gas.json.
contract GasTest is DeployedTest {
    uint64 private constant AMOUNT = 5000;

    /// @dev The gas that a deposit and a claim may use.
    uint256 private constant DEPOSIT_LIMIT = 120_000;
    uint256 private constant CLAIM_LIMIT = 110_000;

    function setUp() public override {
        super.setUp();
        // Users who were here before: words of times, bitmaps and balances are not empty.
        for (uint256 i = 0; i < 2; ++i) {
            _deposit(ALICE, 1000 * AMOUNT);
            _depositToken(ALICE, 1000 * AMOUNT);
        }
        Payout[] memory payouts = new Payout[](3);
        payouts[0] = _payout(0, ALICE, AMOUNT);
        payouts[1] = _payoutOf(AssetId(0, TOKEN), 1, ALICE, AMOUNT);
        payouts[2] = _payoutOf(AssetId(7, 9), 2, ALICE, AMOUNT);
        _settlePayouts(payouts);
        for (uint256 i = 0; i < 3; ++i) {
            settlement.claim(_claimOf(1, payouts, i));
        }
        _wait(1 days);
    }

    function _record(string memory name) private returns (uint256) {
        return vm.snapshotGasLastCall("gas", name);
    }

    function _recordWithin(string memory name, uint256 limit) private {
        uint256 gas = _record(name);
        assertTrue(gas <= limit, string.concat(name, " uses ", vm.toString(gas), " gas"));
    }

    function test_gas_of_deposits() public {
        uint256 value = AMOUNT * ETHER_UNIT;
        vm.deal(ALICE, 10 * value);
        vm.prank(ALICE);
        settlement.deposit{value: value}(_ether(), value, 5, RECIPIENT, 64);
        _recordWithin("deposit of ether", DEPOSIT_LIMIT);

        // More than is deposited: what becomes zero is refunded.
        token.mint(ALICE, 3 * AMOUNT * TOKEN_UNIT);
        vm.prank(ALICE);
        token.approve(address(settlement), 3 * AMOUNT * TOKEN_UNIT);
        vm.prank(ALICE);
        settlement.deposit(AssetId(0, TOKEN), AMOUNT * TOKEN_UNIT, 5, RECIPIENT, 64);
        _recordWithin("deposit of a token", DEPOSIT_LIMIT);

        vm.prank(ALICE);
        settlement.deposit(AssetId(7, 9), 2000, 5, RECIPIENT, 64);
        _recordWithin("deposit of a wrapped asset", DEPOSIT_LIMIT);

        // Every eighth deposit begins a word of times.
        _deposit(ALICE, AMOUNT);
        assertEq(_queueLength() % 8, 0, "the next deposit's lane");
        vm.prank(ALICE);
        settlement.deposit(AssetId(0, TOKEN), AMOUNT * TOKEN_UNIT, 5, RECIPIENT, 64);
        _recordWithin("deposit of a token that begins a word of times", DEPOSIT_LIMIT);
    }

    function test_gas_of_claims() public {
        Payout[] memory payouts = new Payout[](96);
        for (uint32 i = 0; i < 96; ++i) {
            payouts[i] = _payout(3 + i, ALICE, AMOUNT);
        }
        payouts[1] = _payoutOf(AssetId(0, TOKEN), 4, ALICE, AMOUNT);
        payouts[2] = _payoutOf(AssetId(7, 9), 5, ALICE, AMOUNT);
        payouts[3] = _payoutOf(AssetId(7, 10), 6, ALICE, AMOUNT);
        _settlePayouts(payouts);
        _claim(payouts, 0);
        _recordWithin("claim of ether, one of 96 payouts", CLAIM_LIMIT);
        _claim(payouts, 1);
        _recordWithin("claim of a token", CLAIM_LIMIT);
        _claim(payouts, 2);
        _recordWithin("claim of a wrapped asset", CLAIM_LIMIT);
        // Makes the token, once for each asset.
        _claim(payouts, 3);
        _record("first claim of a wrapped asset");

        Claim[] memory claims = new Claim[](16);
        for (uint256 i = 0; i < 16; ++i) {
            claims[i] = _claimOf(2, payouts, 8 + i);
        }
        settlement.claimAll(claims);
        _record("claim of 16 payouts in a batch");
    }

    function _claim(Payout[] memory payouts, uint256 position) private {
        Claim memory claimed = _claimOf(2, payouts, position);
        vm.prank(ALICE);
        settlement.claim(claimed);
    }

    /// @dev What settling takes besides the verifier, whose place a mock takes that hashes the public inputs.
    function test_gas_of_settling() public {
        _settle(_next(), "");
        _record("settle, no block of environment 0, no verifier");
        _settle(_nextWith(_queueLength(), new Payout[](0)), "");
        _record("settle, no payouts, no verifier");
        for (uint256 i = 0; i < 128; ++i) {
            _deposit(ALICE, AMOUNT);
        }
        _wait(1 days);
        Payout[] memory payouts = new Payout[](96);
        for (uint32 i = 0; i < 96; ++i) {
            payouts[i] = _payoutOf(AssetId(0, 1 + i % 2), 3 + i, ALICE, AMOUNT);
        }
        uint32 length = _queueLength() - 64;
        Statement memory statement = _nextWith(length, payouts);
        _settle(statement, _pack(payouts));
        _record("settle, 64 deposits and 96 payouts, no verifier");
        settlement.settle(OUTER, statement, "", "");
        _record("settle again");
    }

    /// @dev A proof states one statement, of one deployment. So the recorded one is verified apart, and settling takes its calldata
    /// and a verifier that uses as much gas.
    function test_gas_with_a_real_proof() public {
        string memory recorded = vm.readFile("../../batcher/hop/tests/hop/fixture.json");
        bytes memory proof = vm.parseJsonBytes(recorded, ".proof");
        uint256[] memory inputs = vm.parseJsonUintArray(recorded, ".public_inputs");
        ISuperblockVerifier real = ISuperblockVerifier(_create("SuperblockVerifier", ""));
        // A static call is no transaction: this is what the contract executes.
        real.verify(proof, inputs);
        uint256 verifying = _record("verify: execution");

        BurningVerifier burning = new BurningVerifier(OUTER, verifying);
        vm.prank(GOVERNOR);
        router.list(burning);
        _wait(DELAY);
        _recordSettling("settle, no payouts", new Payout[](0), proof);
        for (uint256 i = 0; i < 64; ++i) {
            _deposit(ALICE, AMOUNT);
        }
        _wait(1 days);
        Payout[] memory payouts = new Payout[](96);
        for (uint32 i = 0; i < 96; ++i) {
            payouts[i] = _payoutOf(AssetId(0, 1 + i % 2), 3 + i, ALICE, AMOUNT);
        }
        _recordSettling("settle, 64 deposits and 96 payouts", payouts, proof);
    }

    function _recordSettling(string memory name, Payout[] memory payouts, bytes memory proof) private {
        Statement memory statement = _nextWith(_queueLength(), payouts);
        bytes memory packed = _pack(payouts);
        vm.prank(BATCHER);
        settlement.settle(OUTER, statement, packed, proof);
        _record(name);
        _recordCalldata(name, abi.encodeCall(ISettlement.settle, (OUTER, statement, packed, proof)));
    }

    /// @dev Records what calldata has of zeros and others, from which scripts/gas.mjs computes what it costs.
    function _recordCalldata(string memory name, bytes memory data) private {
        uint256 zeros = 0;
        for (uint256 i = 0; i < data.length; ++i) {
            if (data[i] == 0) ++zeros;
        }
        vm.snapshotValue("calldata", string.concat(name, ": zeros"), zeros);
        vm.snapshotValue("calldata", string.concat(name, ": others"), data.length - zeros);
    }

    function test_gas_of_the_queues_end() public {
        _deposit(ALICE, AMOUNT);
        _wait(14 days);
        settlement.cutQueue();
        _record("cut of the queue");
        Deposit memory entry = _entry(ALICE, AMOUNT);
        settlement.withdraw(0, 4, entry);
        _record("withdrawal of a deposit");
    }
}
