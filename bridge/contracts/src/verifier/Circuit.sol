// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ArithmeticGates} from "./ArithmeticGates.sol";
import {CosetInterpolationGate} from "./CosetInterpolationGate.sol";
import {PoseidonGate} from "./PoseidonGate.sol";
import {ReducingGates} from "./ReducingGates.sol";

/// @title Circuit
/// @notice The last circuit of the hop: its parameters, key and gates. This file is generated.
library Circuit {
    /// @notice Keccak-256 of the key: `KEY_CAP`, then the circuit's digest.
    bytes32 internal constant OUTER_DIGEST = 0x7831de5968a5666b7b4c000edd760f0a7767621b4cdd1f62d89865d2b571bd37;
    /// @notice The number of public inputs.
    uint256 internal constant PUBLIC_INPUTS = 39;
    /// @notice The number of challenges of each argument.
    uint256 internal constant CHALLENGES = 3;
    /// @notice Wires of a row.
    uint256 internal constant WIRES = 135;
    /// @notice Wires of a row that copies can reach.
    uint256 internal constant ROUTED_WIRES = 41;
    /// @notice Constants of a row, selectors included, which come first.
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
    uint256 internal constant ARITY_BITS = 0x404;
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
    /// @notice The selector of each gate, a byte each, the first gate's lowest.
    uint256 internal constant GATE_SELECTORS = 0x3020101010101000000000000;
    /// @notice The first gate of each gate's group, likewise.
    uint256 internal constant GATE_GROUP_STARTS = 0xc0b0606060606000000000000;
    /// @notice The gate after each gate's group, likewise.
    uint256 internal constant GATE_GROUP_ENDS = 0xd0c0b0b0b0b0b060606060606;
    /// @notice The cap over constants and permutation.
    bytes internal constant KEY_CAP =
        hex"8f6346d934c8871089f3a498514fefc88e63963bdd43cdc71621300920a7dbdf043a40d58efd0dd5"
        hex"48a44750adc894cef1040c2e3c9ad7a543f4fb34f08b5ec7df534276ec0806c893c61063d5db31a8"
        hex"9790af43a0d8e7c9ba884e93d5d4759f676e3c04bd5eb8d16cc978e2bbf56a99d4a4f7e4141cffc8"
        hex"4d28c0135eaca6d81b886bdef807d83d6ec761dd6e66fd637b2a6afa2714f22463de1c361197b608"
        hex"d617df21b05181a1a938c2131c187f136950b592a7e4433e0d070c70a4d6e13f4c01f64a898c590c"
        hex"c75d7c7f04fd5d5996c6c66158b5c992fc42f87e33ff70b92c9071a4a0aebbe91a5a23c65d902cdc"
        hex"55cdb67b2265753e3234c4ccc9ffaa5a1fe4f39007bffde5741f257dd08a47b6e7de66d114647f4a"
        hex"b931a0be0e5a7f21a32c2c588119bbd672e4a41b83e940ca01f290d9667eea50d172e1249ad823eb"
        hex"452beafd589b0341f0474eb8db8a114147bcc7bbb4cac6fa55c2f4dde7c6f6c189a914214e03c5fd"
        hex"17feb16a3f4b4e4e722e5d2a67eabffeba648282f36f297c24879ecdb36b3229136159b283300728";
    /// @notice What the transcript absorbs first: FRI's parameters and the circuit's digest.
    bytes internal constant TRANSCRIPT_START =
        hex"000000000000000a0000000000000004000000000000001a00000000000000000000000000000004"
        hex"0000000000000004000000000000000f0000000000000000000000000000000d0000000000000004"
        hex"000000000000000400b198fc8ce74e2a00130fe92be834e90040a5280f1e68930000000028fb5ba5";

    /// @notice Writes a gate's constraints to `out`, and returns their end. Pointers are to extension elements, that of the
    /// public inputs' digest is to words.
    function evaluateGate(
        uint256 gate,
        uint256 wires,
        uint256 constants,
        uint256 publicInputsHash,
        uint256 poseidonTable,
        uint256 out
    ) internal pure returns (uint256 end) {
        if (gate == 1) return ArithmeticGates.constants(wires, constants, out, 2);
        if (gate == 2) return ArithmeticGates.publicInput(wires, publicInputsHash, out);
        if (gate == 3) return ArithmeticGates.baseSum(wires, out, 40);
        if (gate == 4) return ReducingGates.reducing(wires, out, 7, 4);
        if (gate == 5) return ReducingGates.reducing(wires, out, 25, 1);
        if (gate == 6) return ArithmeticGates.arithmeticExtension(wires, constants, out, 2);
        if (gate == 7) return ArithmeticGates.arithmetic(wires, constants, out, 10);
        if (gate == 8) return ArithmeticGates.mulExtension(wires, constants, out, 3);
        if (gate == 9) return ArithmeticGates.exponentiation(wires, out, 39);
        if (gate == 10) return ArithmeticGates.randomAccess(wires, constants, out, 3, 4, 1);
        if (gate == 11) return PoseidonGate.evaluate(wires, poseidonTable, out);
        if (gate == 12) return CosetInterpolationGate.evaluate(wires, out, 8, 16777216);
        return out;
    }
}
