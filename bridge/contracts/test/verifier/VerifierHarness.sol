// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Algebra} from "../../src/verifier/Algebra.sol";
import {ArithmeticGates} from "../../src/verifier/ArithmeticGates.sol";
import {CosetInterpolationGate} from "../../src/verifier/CosetInterpolationGate.sol";
import {Fri} from "../../src/verifier/Fri.sol";
import {Goldilocks} from "../../src/verifier/Goldilocks.sol";
import {PermutationArgument} from "../../src/verifier/PermutationArgument.sol";
import {Poseidon} from "../../src/verifier/Poseidon.sol";
import {PoseidonGate} from "../../src/verifier/PoseidonGate.sol";
import {ProofBytes} from "../../src/verifier/ProofBytes.sol";
import {
    Quartic,
    inverse,
    load,
    mulAdd,
    mulAffine,
    mulSub,
    powerOfTwoPower,
    scale,
    scaleAdd
} from "../../src/verifier/Quartic.sol";
import "../../src/verifier/Quartic.sol" as Quartics;
import {ReducingGates} from "../../src/verifier/ReducingGates.sol";
import {Transcript, TranscriptLibrary} from "../../src/verifier/Transcript.sol";

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

    /// @return results `a * b + c`, `a * b - c`, `a * (b * x + c + y)`.
    function fused(Quartic a, Quartic b, Quartic c, uint256 x, uint256 y)
        external
        pure
        returns (Quartic[3] memory results)
    {
        return [mulAdd(a, b, c), mulSub(a, b, c), mulAffine(a, b, x, c, y)];
    }

    /// @notice Every `stride`th of `coefficients`, as a polynomial at `x`.
    function evaluateAt(uint256[] memory coefficients, uint256 stride, uint256 x) external pure returns (Quartic) {
        return Quartics.evaluateAt(pointerTo(coefficients), 0x20 * stride, coefficients.length / stride, x);
    }

    function innerProduct(uint256[] memory a, uint256[] memory b) external pure returns (Quartic) {
        return Quartics.innerProduct(pointerTo(a), pointerTo(b), a.length);
    }

    /// @return values The values of `a` at the roots of y^4 - 7.
    /// @return same `a` again, from its values.
    function valuesAtRoots(uint256[4] memory a)
        external
        pure
        returns (uint256[4] memory values, uint256[4] memory same)
    {
        uint256 x;
        uint256 y;
        uint256 z;
        assembly ("memory-safe") {
            x := a
            y := values
            z := same
        }
        Algebra.toRoots(y, x);
        Algebra.fromRoots(z, y);
    }

    /// @notice Whether an element among `data`, 8 bytes each, is at or above the field's order.
    function anyTooLarge(bytes memory data) external pure returns (bool) {
        uint256 length = data.length;
        data = bytes.concat(data, new bytes(32));
        return Fri.anyTooLarge(pointerTo(data), length);
    }

    /// @notice The root over a leaf with this digest, 25 bytes for each of `siblings`.
    function ancestor(bytes32 digest, uint256 index, bytes calldata siblings) external pure returns (bytes32) {
        uint256 from = ProofBytes.startOf(siblings);
        return bytes32(Fri.ancestor(uint256(digest), Fri.sidesOf(index), from, siblings.length / Fri.DIGEST_BYTES));
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

    /// @return sum The constraints of a reducing gate, combined with the powers of `challenge`.
    function reducing(uint256[] memory wires, uint256 challenge, uint256 count, uint256 width)
        external
        view
        returns (Quartic sum, uint256 gasUsed)
    {
        uint256 w = pointerTo(wires);
        gasUsed = gasleft();
        sum = ReducingGates.combined(w, challenge, count, width);
        gasUsed -= gasleft();
    }

    /// @notice Absorbs each of `inputs` and then squeezes as many elements as `counts` says.
    function challenges(bytes[] calldata inputs, uint256[] calldata counts)
        external
        pure
        returns (uint256[] memory elements)
    {
        Transcript memory transcript = TranscriptLibrary.create();
        elements = new uint256[](256);
        uint256 count;
        for (uint256 i = 0; i < inputs.length; ++i) {
            bytes memory input = inputs[i];
            if (input.length != 0) transcript.absorb(pointerTo(input), input.length);
            for (uint256 j = 0; j < counts[i]; ++j) {
                elements[count++] = transcript.squeeze();
            }
        }
        assembly ("memory-safe") {
            mstore(elements, count)
        }
    }

    /// @param values The values on a coset, 2^arityBits of them.
    /// @param roots As `Fri.fold` takes them.
    function fold(
        uint256[] memory values,
        uint256 arityBits,
        uint256 startInverse,
        Quartic beta,
        uint256[] memory roots
    ) external view returns (Quartic value, uint256 gasUsed) {
        uint256[] memory betas = new uint256[](arityBits);
        for (uint256 i = 0; i < arityBits; ++i) {
            betas[i] = Quartic.unwrap(beta);
            beta = beta * beta;
        }
        uint256 v = pointerTo(values);
        uint256 r = pointerTo(roots);
        uint256 b = pointerTo(betas);
        gasUsed = gasleft();
        value = Fri.fold(v, arityBits, startInverse, b, r);
        gasUsed -= gasleft();
    }

    /// @return combination The sum of the values, 8 bytes each, times the powers of `alpha`.
    function combineBase(bytes memory values, Quartic alpha)
        external
        view
        returns (Quartic combination, uint256 gasUsed, uint256 powersGasUsed)
    {
        uint256 count = (values.length / 8 + 3) & ~uint256(3);
        uint256[] memory pairs = new uint256[](2 * count);
        uint256[] memory powers = new uint256[](count);
        uint256 v = pointerTo(bytes.concat(values, new bytes(32)));
        powersGasUsed = gasleft();
        Fri.writePowers(alpha, count, pointerTo(powers), pointerTo(pairs));
        powersGasUsed -= gasleft();
        gasUsed = gasleft();
        combination = Fri.combineBase(v, pointerTo(pairs), count);
        gasUsed -= gasleft();
    }

    /// @notice The terms of the permutation argument, with `routedWires` wires and as many sigmas.
    function permutationArgument(
        uint256[4] memory sizes,
        Quartic zeta,
        uint256[][5] memory openings,
        uint256[] memory betas,
        uint256[] memory gammas
    ) external view returns (uint256[] memory terms, uint256 gasUsed) {
        PermutationArgument.Openings memory argument;
        argument.zeta = zeta;
        argument.wires = pointerTo(openings[0]);
        argument.sigmas = pointerTo(openings[1]);
        argument.zs = pointerTo(openings[2]);
        argument.zsNext = pointerTo(openings[3]);
        argument.partialProducts = pointerTo(openings[4]);
        argument.betas = pointerTo(betas);
        argument.gammas = pointerTo(gammas);
        terms = new uint256[](256);
        uint256 out = pointerTo(terms);
        uint256 degreeBits = sizes[0];
        gasUsed = gasleft();
        uint256 end =
            PermutationArgument.starts(argument, powerOfTwoPower(zeta, degreeBits), 1 << degreeBits, sizes[3], out);
        end = PermutationArgument.steps(argument, sizes[1], sizes[2], sizes[3], end);
        gasUsed -= gasleft();
        assembly ("memory-safe") {
            mstore(terms, shr(5, sub(end, out)))
        }
    }

    /// @notice The elements as they are copied over bytes that are not zero, up to the end of the word after the last whole one.
    function copyElements(bytes calldata proof, uint256 position, uint256 length)
        external
        pure
        returns (bytes memory elements)
    {
        elements = ones(length / 32 * 32 + 32);
        ProofBytes.copyElements(ProofBytes.startOf(proof), position, length, pointerTo(elements));
    }

    /// @notice As `copyElements`; reverts if one is at or above the field's order.
    function readElements(bytes calldata proof, uint256 position, uint256 length)
        external
        pure
        returns (bytes memory elements)
    {
        elements = ones(length / 32 * 32 + 32);
        ProofBytes.readElements(ProofBytes.startOf(proof), position, length, pointerTo(elements));
    }

    /// @return cap The digests.
    /// @return absorbed What a transcript absorbs of them.
    function readCap(bytes calldata proof, uint256 position, uint256 size)
        external
        pure
        returns (uint256[] memory cap, uint256[] memory absorbed)
    {
        cap = new uint256[](size);
        absorbed = new uint256[](size);
        ProofBytes.readCap(ProofBytes.startOf(proof), position, size, pointerTo(cap), pointerTo(absorbed));
    }

    function expandCap(bytes memory digests, uint256 size) external pure returns (uint256[] memory cap) {
        cap = new uint256[](size);
        ProofBytes.expandCap(digests, size, pointerTo(cap));
    }

    function copy(bytes memory data) external pure returns (bytes memory copied) {
        copied = ones(data.length);
        ProofBytes.copy(data, pointerTo(copied));
    }

    function hashLeaf(bytes memory leaf) external pure returns (bytes32) {
        return bytes32(ProofBytes.hashLeaf(pointerTo(leaf), leaf.length));
    }

    /// @return used The bytes from what is allocated to what is allocated next.
    function allocate(uint256 size) external pure returns (uint256 used) {
        uint256 pointer = ProofBytes.allocate(size);
        return ProofBytes.allocate(0) - pointer;
    }

    /// @dev Bytes that are not zero.
    function ones(uint256 length) private pure returns (bytes memory data) {
        data = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            data[i] = 0xff;
        }
    }

    function pointerTo(bytes memory data) private pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := add(data, 0x20)
        }
    }

    function pointerTo(uint256[] memory array) private pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := add(array, 0x20)
        }
    }
}
