// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

import {IRegistryTree} from "../../src/interfaces/IRegistryTree.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {ISuperblockVerifier} from "../../src/interfaces/ISuperblockVerifier.sol";
import {AssetId} from "../../src/interfaces/SettlementTypes.sol";

/// @notice Accepts as a proof of public inputs their digest, which everybody can make.
contract MockVerifier is ISuperblockVerifier {
    bytes32 public immutable outerDigest;

    error InvalidProof(bytes32 expected);

    constructor(bytes32 outerDigest_) {
        outerDigest = outerDigest_;
    }

    function verify(bytes calldata proof, uint256[] calldata publicInputs) external view {
        bytes32 expected = keccak256(abi.encodePacked(outerDigest, publicInputs));
        if (proof.length != 32 || bytes32(proof) != expected) revert InvalidProof(expected);
    }
}

/// @notice Accepts everything, and uses as much gas for it as it is told.
contract BurningVerifier is ISuperblockVerifier {
    bytes32 public immutable outerDigest;
    uint256 private immutable AMOUNT;

    constructor(bytes32 outerDigest_, uint256 amount) {
        outerDigest = outerDigest_;
        AMOUNT = amount;
    }

    function verify(bytes calldata, uint256[] calldata) external view {
        uint256 end = gasleft() - AMOUNT;
        while (gasleft() > end) {}
    }
}

/// @notice A verifier of the same circuit with other code: it accepts the complement of what the other one accepts.
contract ReversedMockVerifier is ISuperblockVerifier {
    bytes32 public immutable outerDigest;

    constructor(bytes32 outerDigest_) {
        outerDigest = outerDigest_;
    }

    function verify(bytes calldata proof, uint256[] calldata publicInputs) external view {
        bytes32 expected = ~keccak256(abi.encodePacked(outerDigest, publicInputs));
        if (proof.length != 32 || bytes32(proof) != expected) revert MockVerifier.InvalidProof(expected);
    }
}

/// @notice A tree that costs nothing, and takes all entries but that of ones.
contract MockRegistryTree is IRegistryTree {
    function rootOf(bytes32 entry, bytes32[16] calldata path) external pure returns (bytes32) {
        if (entry == bytes32(type(uint256).max)) revert NoFieldElement(type(uint64).max);
        return keccak256(abi.encode(entry, path));
    }

    function bodyChainOf(bytes32 blockDigest, uint32[] calldata indices) external pure returns (bytes32) {
        return keccak256(abi.encode(blockDigest, indices));
    }
}

contract MockToken is ERC20 {
    constructor() ERC20("Token", "TOK") {}

    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }
}

/// @notice Keeps a hundredth of each transfer.
contract FeeToken is MockToken {
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0)) super._update(to, address(0xfee), value / 100);
    }
}

/// @notice Can refuse transfers, and does so without a revert.
contract RefusingToken is MockToken {
    bool public refuses;

    function refuse(bool value) external {
        refuses = value;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return !refuses && super.transfer(to, value);
    }
}

/// @notice Moves what it should, and then returns or reverts with whatever it is told.
contract LooseToken is MockToken {
    bool private _reverts;
    bytes private _answer;

    function answerWith(bool reverts, bytes calldata answer) external {
        (_reverts, _answer) = (reverts, answer);
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        super.transfer(to, value);
        (bool reverts, bytes memory answer) = (_reverts, _answer);
        assembly ("memory-safe") {
            if reverts { revert(add(answer, 0x20), mload(answer)) }
            return(add(answer, 0x20), mload(answer))
        }
    }
}

/// @notice Refuses ether until it is told otherwise.
contract Refuser {
    bool public accepts;

    function accept() external {
        accepts = true;
    }

    receive() external payable {
        require(accepts);
    }
}

/// @notice Uses up whatever gas it gets.
contract Guzzler {
    uint256 private _count;

    receive() external payable {
        while (true) ++_count;
    }
}

/// @notice Returns much more than anybody asked for.
contract Bomber {
    receive() external payable {
        assembly {
            return(0, 100000)
        }
    }
}

/// @notice A token that calls its receivers.
contract HookToken is MockToken {
    function transfer(address to, uint256 value) public override returns (bool) {
        super.transfer(to, value);
        (bool called,) = to.call("");
        return called;
    }
}

/// @notice A wallet that is a contract and writes down what it receives.
contract Wallet {
    uint256 public received;

    function deposit(ISettlement settlement, AssetId calldata asset, uint256 tokens) external payable {
        settlement.deposit{value: msg.value}(asset, tokens, 5, bytes32(0), 64);
    }

    receive() external payable {
        received += msg.value;
    }
}
