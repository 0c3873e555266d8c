// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Algebra} from "../../src/verifier/Algebra.sol";
import {ArithmeticGates} from "../../src/verifier/ArithmeticGates.sol";
import {CosetInterpolationGate} from "../../src/verifier/CosetInterpolationGate.sol";
import {Goldilocks, P} from "../../src/verifier/Goldilocks.sol";
import {Poseidon} from "../../src/verifier/Poseidon.sol";
import {PoseidonGate} from "../../src/verifier/PoseidonGate.sol";
import {Quartic, inverse, load, powerOfTwoPower, scale, scaleAdd} from "../../src/verifier/Quartic.sol";
import {ReducingGates} from "../../src/verifier/ReducingGates.sol";

/// @title VerifierHarness
/// @notice The verifier's parts as external functions, for the tests that compare them with plonky2. Elements of the
/// extension field are words as in `Quartic`. Functions that return `gasUsed` measure the part alone.
contract VerifierHarness {
    error UnknownGate(uint256 kind);

    function baseInverse(uint256 x) external pure returns (uint256) {
        return Goldilocks.inverse(x);
    }

    /// @return results Sum, difference, product, `a * b_0 + b`, `a * b_0`, inverse of `a`, `a^8`.
    function quartic(Quartic a, Quartic b) external pure returns (Quartic[7] memory results) {
        uint256 base = Quartic.unwrap(b) >> 192;
        return [a + b, a - b, a * b, scaleAdd(a, base, b), scale(a, base), inverse(a), powerOfTwoPower(a, 3)];
    }

    function algebra(uint256[4] memory a, uint256[4] memory b) external pure returns (uint256[4] memory product) {
        uint256 x;
        uint256 y;
        uint256 z;
        assembly ("memory-safe") {
            x := a
            y := b
            z := product
        }
        Algebra.mul(z, x, y);
    }

    function permute(uint256[12] memory state) external view returns (uint256[12] memory, uint256 gasUsed) {
        uint256 table = Poseidon.loadConstants();
        uint256 pointer;
        assembly ("memory-safe") {
            pointer := state
        }
        gasUsed = gasleft();
        Poseidon.permute(pointer, table);
        gasUsed -= gasleft();
        return (state, gasUsed);
    }

    function hashNoPad(uint256[] calldata inputs) external view returns (uint256[4] memory digest, uint256 gasUsed) {
        uint256 table = Poseidon.loadConstants();
        gasUsed = gasleft();
        uint256 pointer = Poseidon.hashNoPad(inputs, table);
        gasUsed -= gasleft();
        for (uint256 i = 0; i < 4; ++i) {
            digest[i] = Quartic.unwrap(load(pointer, i));
        }
    }

    /// @param kind The gate's place in the list below.
    /// @param parameters Its parameters.
    function gate(
        uint256 kind,
        uint256[] memory parameters,
        uint256[] memory wires,
        uint256[] memory constants,
        uint256[4] memory publicInputsHash
    ) external view returns (uint256[] memory constraints, uint256 gasUsed) {
        uint256 table = Poseidon.loadConstants();
        constraints = new uint256[](256);
        (uint256 w, uint256 c, uint256 d, uint256 o) =
            (pointerTo(wires), pointerTo(constants), 0, pointerTo(constraints));
        assembly ("memory-safe") {
            d := publicInputsHash
        }
        uint256[] memory p = parameters;
        gasUsed = gasleft();
        uint256 end;
        if (kind == 0) end = ArithmeticGates.constants(w, c, o, p[0]);
        else if (kind == 1) end = ArithmeticGates.publicInput(w, d, o);
        else if (kind == 2) end = ArithmeticGates.arithmetic(w, c, o, p[0]);
        else if (kind == 3) end = ArithmeticGates.arithmeticExtension(w, c, o, p[0]);
        else if (kind == 4) end = ArithmeticGates.mulExtension(w, c, o, p[0]);
        else if (kind == 5) end = ArithmeticGates.baseSum(w, o, p[0]);
        else if (kind == 6) end = ArithmeticGates.exponentiation(w, o, p[0]);
        else if (kind == 7) end = ArithmeticGates.randomAccess(w, c, o, p[0], p[1], p[2]);
        else if (kind == 8) end = CosetInterpolationGate.evaluate(w, o, p[0], p[1]);
        else if (kind == 9) end = PoseidonGate.evaluate(w, table, o);
        else revert UnknownGate(kind);
        gasUsed -= gasleft();
        assembly ("memory-safe") {
            mstore(constraints, shr(5, sub(end, o)))
        }
    }

    /// @return sum The constraints of a reducing gate, combined with the powers of `challenge`, the first of which is `first`.
    function reducing(uint256[] memory wires, uint256 first, uint256 challenge, uint256 count, uint256 width)
        external
        view
        returns (Quartic sum, uint256 gasUsed)
    {
        uint256[] memory powers = new uint256[](4 * count);
        for (uint256 i = 0; i < powers.length; ++i) {
            powers[i] = first;
            first = mulmod(first, challenge, P);
        }
        uint256 w = pointerTo(wires);
        uint256 weights = pointerTo(powers);
        gasUsed = gasleft();
        sum = ReducingGates.combined(w, weights, challenge, count, width);
        gasUsed -= gasleft();
    }

    function pointerTo(uint256[] memory array) private pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := add(array, 0x20)
        }
    }
}
