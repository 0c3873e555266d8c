// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {A, E, Twin} from "./Twin.sol";

/// @title TwinGates
/// @notice The constraints of plonky2's other gates, and the terms of the permutation argument, as `Twin` computes. `start` is the
/// first wire of an operation.
library TwinGates {
    function constantGate(E[] memory wires, E[] memory constants) internal pure returns (E[] memory result) {
        result = new E[](constants.length);
        for (uint256 i = 0; i < result.length; ++i) {
            result[i] = Twin.sub(constants[i], wires[i]);
        }
    }

    function publicInputGate(E[] memory wires, uint256[4] memory digest) internal pure returns (E[] memory result) {
        result = new E[](4);
        for (uint256 i = 0; i < 4; ++i) {
            result[i] = Twin.sub(wires[i], Twin.fromBase(digest[i]));
        }
    }

    /// @dev `output - (c0 x y + c1 z)`, wires x, y, z, output.
    function arithmeticGate(E[] memory wires, E[] memory constants, uint256 count)
        internal
        pure
        returns (E[] memory result)
    {
        result = new E[](count);
        for (uint256 i = 0; i < count; ++i) {
            E memory product = Twin.mul(Twin.mul(wires[4 * i], wires[4 * i + 1]), constants[0]);
            E memory computed = Twin.add(product, Twin.mul(wires[4 * i + 2], constants[1]));
            result[i] = Twin.sub(wires[4 * i + 3], computed);
        }
    }

    /// @dev The same with elements of the algebra, or without z.
    function algebraGate(E[] memory wires, E[] memory constants, uint256 count, bool withAddend)
        internal
        pure
        returns (E[] memory result)
    {
        result = new E[](4 * count);
        uint256 size = withAddend ? 16 : 12;
        for (uint256 i = 0; i < count; ++i) {
            uint256 start = size * i;
            A memory product = Twin.mul(Twin.four(wires, start), Twin.four(wires, start + 4));
            for (uint256 j = 0; j < 4; ++j) {
                E memory computed = Twin.mul(product.c[j], constants[0]);
                if (withAddend) computed = Twin.add(computed, Twin.mul(wires[start + 8 + j], constants[1]));
                result[4 * i + j] = Twin.sub(wires[start + size - 4 + j], computed);
            }
        }
    }

    function baseSumGate(E[] memory wires, uint256 limbs) internal pure returns (E[] memory result) {
        result = new E[](limbs + 1);
        E memory sum;
        for (uint256 i = 0; i < limbs; ++i) {
            E memory bit = wires[i + 1];
            sum = Twin.add(sum, Twin.scale(bit, Twin.power(2, i)));
            result[i + 1] = Twin.mul(bit, Twin.sub(bit, Twin.fromBase(1)));
        }
        result[0] = Twin.sub(sum, wires[0]);
    }

    function exponentiationGate(E[] memory wires, uint256 bits) internal pure returns (E[] memory result) {
        result = new E[](bits + 1);
        E memory one = Twin.fromBase(1);
        E memory square = one;
        for (uint256 i = 0; i < bits; ++i) {
            // From the highest bit down.
            E memory bit = wires[bits - i];
            E memory factor = Twin.add(Twin.mul(bit, wires[0]), Twin.sub(one, bit));
            E memory value = wires[2 + bits + i];
            result[i] = Twin.sub(Twin.mul(square, factor), value);
            square = Twin.mul(value, value);
        }
        result[bits] = Twin.sub(wires[1 + bits], wires[1 + 2 * bits]);
    }

    function randomAccessGate(E[] memory wires, E[] memory constants, uint256 bits, uint256 copies, uint256 extra)
        internal
        pure
        returns (E[] memory result)
    {
        uint256 size = 2 ** bits;
        result = new E[]((bits + 2) * copies + extra);
        uint256 count = 0;
        uint256 extras = (2 + size) * copies;
        for (uint256 copy = 0; copy < copies; ++copy) {
            uint256 start = (2 + size) * copy;
            uint256 bitWires = extras + extra + bits * copy;
            E memory index;
            for (uint256 i = 0; i < bits; ++i) {
                E memory bit = wires[bitWires + i];
                index = Twin.add(index, Twin.scale(bit, 2 ** i));
                result[count++] = Twin.mul(bit, Twin.sub(bit, Twin.fromBase(1)));
            }
            result[count++] = Twin.sub(index, wires[start]);
            E memory item = chosen(wires, start + 2, bitWires, bits);
            result[count++] = Twin.sub(item, wires[start + 1]);
        }
        for (uint256 i = 0; i < extra; ++i) {
            result[count++] = Twin.sub(constants[i], wires[extras + i]);
        }
    }

    /// @dev The sum of 2^`bits` items from `start` on, each times the product that is 1 if the bits are its index.
    function chosen(E[] memory wires, uint256 start, uint256 bitWires, uint256 bits)
        private
        pure
        returns (E memory item)
    {
        for (uint256 i = 0; i < 2 ** bits; ++i) {
            E memory term = wires[start + i];
            for (uint256 j = 0; j < bits; ++j) {
                E memory bit = wires[bitWires + j];
                bool isSet = (i / 2 ** j) % 2 == 1;
                term = Twin.mul(term, isSet ? bit : Twin.sub(Twin.fromBase(1), bit));
            }
            item = Twin.add(item, term);
        }
    }

    /// @dev What the permutation argument is about, as `VerifierHarness` takes it.
    struct Argument {
        uint256 degreeBits;
        uint256 chunk;
        E zeta;
        E[] wires;
        E[] sigmas;
        E[] zs;
        E[] zsNext;
        E[] partialProducts;
        uint256[] betas;
        uint256[] gammas;
    }

    /// @dev `L_0 (Z - 1)` for each challenge, then for each challenge and chunk of wires what comes in times the numerators minus
    /// what comes out times the denominators.
    function permutationTerms(Argument memory a) internal pure returns (E[] memory terms) {
        uint256 challenges = a.betas.length;
        uint256 chunks = (a.wires.length + a.chunk - 1) / a.chunk;
        terms = new E[](challenges * (1 + chunks));
        E memory power = a.zeta;
        for (uint256 i = 0; i < a.degreeBits; ++i) {
            power = Twin.mul(power, power);
        }
        E memory one = Twin.fromBase(1);
        E memory denominator = Twin.scale(Twin.sub(a.zeta, one), 2 ** a.degreeBits);
        E memory first = Twin.mul(Twin.sub(power, one), Twin.inverse(denominator));
        for (uint256 i = 0; i < challenges; ++i) {
            terms[i] = Twin.mul(first, Twin.sub(a.zs[i], one));
            for (uint256 j = 0; j < chunks; ++j) {
                E memory before = j == 0 ? a.zs[i] : a.partialProducts[(chunks - 1) * i + j - 1];
                E memory next = j + 1 == chunks ? a.zsNext[i] : a.partialProducts[(chunks - 1) * i + j];
                terms[challenges + chunks * i + j] = chunkTerm(a, i, a.chunk * j, before, next);
            }
        }
    }

    function chunkTerm(Argument memory a, uint256 challenge, uint256 start, E memory before, E memory next)
        private
        pure
        returns (E memory)
    {
        uint256 beta = a.betas[challenge];
        for (uint256 i = start; i < a.wires.length && i < start + a.chunk; ++i) {
            E memory wire = Twin.add(a.wires[i], Twin.fromBase(a.gammas[challenge]));
            uint256 shift = Twin.mul(beta, Twin.power(14293326489335486720, i));
            before = Twin.mul(before, Twin.add(wire, Twin.scale(a.zeta, shift)));
            next = Twin.mul(next, Twin.add(wire, Twin.scale(a.sigmas[i], beta)));
        }
        return Twin.sub(before, next);
    }
}
