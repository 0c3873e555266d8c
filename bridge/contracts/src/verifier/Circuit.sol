// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ArithmeticGates} from "./ArithmeticGates.sol";
import {CosetInterpolationGate} from "./CosetInterpolationGate.sol";
import {PoseidonGate} from "./PoseidonGate.sol";
import {Quartic} from "./Quartic.sol";
import {ReducingGates} from "./ReducingGates.sol";

/// @title Circuit
/// @notice The last circuit of the hop: its parameters, key and gates. Written by Rust, crate `bridge/verifier`.
library Circuit {
    /// @notice The name of the circuit: Keccak-256 of `TRANSCRIPT_START`, then `KEY_CAP`.
    bytes32 internal constant OUTER_DIGEST = 0x5cf1f0fda6e967b94781592030dc24367b1cb037407810e1abe68cee6bf9f3e6;
    /// @notice The number of public inputs.
    uint256 internal constant PUBLIC_INPUTS = 39;
    /// @notice The number of challenges of each argument.
    uint256 internal constant CHALLENGES = 3;
    /// @notice Wires of a row.
    uint256 internal constant WIRES = 135;
    /// @notice Wires of a row that copies can reach.
    uint256 internal constant ROUTED_WIRES = 41;
    /// @notice Constants of a row. Selectors come first.
    uint256 internal constant CONSTANTS = 6;
    /// @notice Selectors of a row.
    uint256 internal constant SELECTORS = 4;
    /// @notice Partial products of each challenge.
    uint256 internal constant PARTIAL_PRODUCTS = 5;
    /// @notice The degree of the quotient in multiples of the rows, and the wires of a partial product.
    uint256 internal constant QUOTIENT_DEGREE_FACTOR = 8;
    /// @notice The logarithm of the number of rows.
    uint256 internal constant DEGREE_BITS = 13;
    /// @notice The logarithm of the inverse of the rate.
    uint256 internal constant RATE_BITS = 10;
    /// @notice The logarithm of the number of digests of a cap.
    uint256 internal constant CAP_HEIGHT = 4;
    /// @notice Queries of FRI.
    uint256 internal constant QUERIES = 15;
    /// @notice Bits of grinding.
    uint256 internal constant GRINDING_BITS = 26;
    /// @notice FRI's layers.
    uint256 internal constant LAYERS = 2;
    /// @notice The logarithms of the sizes of the layers' cosets, a byte each, the first layer's lowest.
    uint256 internal constant ARITY_BITS = 0x0404;
    /// @notice Coefficients of the final polynomial.
    uint256 internal constant FINAL_COEFFICIENTS = 32;
    /// @notice The generator of the rows.
    uint256 internal constant ROW_GENERATOR = 4308460244895131701;
    /// @notice The generator of the domain of the commitments.
    uint256 internal constant DOMAIN_GENERATOR = 5936499541590631774;
    /// @notice The inverse of the field's generator.
    uint256 internal constant GENERATOR_INVERSE = 12816621545846906060;
    /// @notice Kinds of gates.
    uint256 internal constant GATES = 13;
    /// @notice The most constraints of a gate.
    uint256 internal constant GATE_CONSTRAINTS = 123;
    /// @notice The gates whose constraints are combined at once, a bit each, the first gate's lowest.
    uint256 internal constant REDUCING_GATES = 0x30;
    /// @notice The selector of each gate, a byte each, the first gate's lowest.
    uint256 internal constant GATE_SELECTORS = 0x03020101010101000000000000;
    /// @notice The first gate of each gate's group, likewise.
    uint256 internal constant GATE_GROUP_STARTS = 0x0c0b0606060606000000000000;
    /// @notice The gate after each gate's group, likewise.
    uint256 internal constant GATE_GROUP_ENDS = 0x0d0c0b0b0b0b0b060606060606;
    /// @notice The cap over constants and permutation.
    bytes internal constant KEY_CAP =
        hex"a4ce78bd93afb33b9b04041add25ea4f4e896c6a5cc33eb81586a65637b91a2db2c656e2688308c1"
        hex"e7242d0282b64fd4757e535d953b698b6e5fc6b7d0b5b120471da1af58d546b77a688f4fc96e8cfc"
        hex"52baf95c0955d95c90c613194dc183b4df66439c34032d3516ee08c4f80f0adab124a25db74fda6e"
        hex"96884ef31208f4da89bb4e1a4414d44f78307f1eca12e4bc533fcb39aad686c854a4f7db05a85485"
        hex"3be4e5d5ed82bc3bd6e937b95893174894d43f9d0da1870dcf9fe9a5584f7eabcf7ed793e6cedc70"
        hex"2e47cb4b4f1e051019567d7f8eba410ae64a7d941f61531f5cf34891d380fcd91c5e7699595afb40"
        hex"670544061bd6937a920652e4a783ca1aa52760057c994c51696473215bccf7a84254c27f21461344"
        hex"2cb2ec82119f82965fa77a208f9a86b66909a962a377786126632913076a606f824be10bf309e24a"
        hex"05b448e7500185f13272a7893b6a5be32377e5a1b85b857b8bf52c9a80145d49689b60f1ff7c60d7"
        hex"52b263a3b1643d2470705208092441d4c770e50cdedd32c69f2269e7b74c38005f3a9ff90d22de69";
    /// @notice What the transcript absorbs first: FRI's parameters and the circuit's digest.
    bytes internal constant TRANSCRIPT_START =
        hex"000000000000000a0000000000000004000000000000001a00000000000000000000000000000004"
        hex"0000000000000004000000000000000f0000000000000000000000000000000d0000000000000004"
        hex"000000000000000400180252903bc27f00e6c0c7aa3a590700fa8cf7e1ee4d3800000000a4ac7c1c";

    /// @notice Writes a gate's constraints to `out`, and returns their end. Pointers are to extension elements, and
    /// `publicInputsHash` to four words.
    function evaluateGate(
        uint256 gate,
        uint256 wires,
        uint256 constants,
        uint256 publicInputsHash,
        uint256 poseidonTable,
        uint256 out
    ) internal pure returns (uint256 end) {
        if (gate == 0) return out;
        if (gate == 1) return ArithmeticGates.constants(wires, constants, out, 2);
        if (gate == 2) return ArithmeticGates.publicInput(wires, publicInputsHash, out);
        if (gate == 3) return ArithmeticGates.baseSum(wires, out, 40);
        if (gate == 6) return ArithmeticGates.arithmeticExtension(wires, constants, out, 2);
        if (gate == 7) return ArithmeticGates.arithmetic(wires, constants, out, 10);
        if (gate == 8) return ArithmeticGates.mulExtension(wires, constants, out, 3);
        if (gate == 9) return ArithmeticGates.exponentiation(wires, out, 39);
        if (gate == 10) return ArithmeticGates.randomAccess(wires, constants, out, 3, 4, 1);
        if (gate == 11) return PoseidonGate.evaluate(wires, poseidonTable, out);
        if (gate == 12) return CosetInterpolationGate.evaluate(wires, out, 8, 16777216);
        return out;
    }

    /// @notice The sum of a reducing gate's constraints times the powers of `challenge`.
    function combineReducingGate(uint256 gate, uint256 wires, uint256 challenge)
        internal
        pure
        returns (Quartic)
    {
        if (gate == 4) return ReducingGates.combined(wires, challenge, 7, 4);
        if (gate == 5) return ReducingGates.combined(wires, challenge, 25, 1);
        return Quartic.wrap(0);
    }
}
