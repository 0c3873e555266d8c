// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ROUND_CONSTANTS} from "./RoundConstants.sol";

/// @dev The order of the field.
uint256 constant P = 0xffffffff00000001;
/// @dev An element of the extension field: the coefficients of 1, x, x^2 and x^3, with x^4 = 7.
struct E {
    uint256[4] c;
}
/// @dev An element of E[y] / (y^4 - 7), the coefficient of 1 first.
struct A {
    E[4] c;
}

/// @title Twin
/// @notice What the Yul blocks of the verifier compute, in plain Solidity: one operation after the other, by the definition,
/// each reduced at once.
library Twin {
    // The base field.

    function add(uint256 a, uint256 b) internal pure returns (uint256) {
        return addmod(a, b, P);
    }

    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        return addmod(a, P - b, P);
    }

    function mul(uint256 a, uint256 b) internal pure returns (uint256) {
        return mulmod(a, b, P);
    }

    function power(uint256 x, uint256 n) internal pure returns (uint256 result) {
        result = 1;
        for (; n > 0; n /= 2) {
            if (n % 2 == 1) result = mul(result, x);
            x = mul(x, x);
        }
    }

    function inverse(uint256 x) internal pure returns (uint256) {
        return power(x, P - 2);
    }

    /// @dev A root of unity of order 2^`bits`, plonky2's choice.
    function rootOfUnity(uint256 bits) internal pure returns (uint256) {
        // Of order 2^32.
        return power(1753635133440165772, 2 ** (32 - bits));
    }

    // The extension field.

    function fromBase(uint256 a) internal pure returns (E memory e) {
        e.c[0] = a;
    }

    function add(E memory a, E memory b) internal pure returns (E memory r) {
        for (uint256 i = 0; i < 4; ++i) {
            r.c[i] = add(a.c[i], b.c[i]);
        }
    }

    function sub(E memory a, E memory b) internal pure returns (E memory r) {
        for (uint256 i = 0; i < 4; ++i) {
            r.c[i] = sub(a.c[i], b.c[i]);
        }
    }

    function scale(E memory a, uint256 b) internal pure returns (E memory r) {
        for (uint256 i = 0; i < 4; ++i) {
            r.c[i] = mul(a.c[i], b);
        }
    }

    function mul(E memory a, E memory b) internal pure returns (E memory r) {
        for (uint256 i = 0; i < 4; ++i) {
            for (uint256 j = 0; j < 4; ++j) {
                uint256 product = mul(a.c[i], b.c[j]);
                if (i + j >= 4) product = mul(product, 7);
                r.c[(i + j) % 4] = add(r.c[(i + j) % 4], product);
            }
        }
    }

    /// @dev By the norm: the product with its three conjugates is in the base field. A conjugation sends x to i x, a root of
    /// unity of order 4 times it.
    function inverse(E memory a) internal pure returns (E memory) {
        E memory others = conjugate(a, 1);
        others = mul(others, mul(conjugate(a, 2), conjugate(a, 3)));
        return scale(others, inverse(mul(a, others).c[0]));
    }

    function conjugate(E memory a, uint256 times) private pure returns (E memory r) {
        uint256 i = power(7, (P - 1) / 4 * times);
        uint256 factor = 1;
        for (uint256 k = 0; k < 4; ++k) {
            r.c[k] = mul(a.c[k], factor);
            factor = mul(factor, i);
        }
    }

    function evaluate(E[] memory coefficients, uint256 x) internal pure returns (E memory sum) {
        for (uint256 i = 0; i < coefficients.length; ++i) {
            sum = add(sum, scale(coefficients[i], power(x, i)));
        }
    }

    function seventh(E memory a) internal pure returns (E memory r) {
        r = a;
        for (uint256 i = 1; i < 7; ++i) {
            r = mul(r, a);
        }
    }

    // The algebra.

    function add(A memory a, A memory b) internal pure returns (A memory r) {
        for (uint256 i = 0; i < 4; ++i) {
            r.c[i] = add(a.c[i], b.c[i]);
        }
    }

    function sub(A memory a, A memory b) internal pure returns (A memory r) {
        for (uint256 i = 0; i < 4; ++i) {
            r.c[i] = sub(a.c[i], b.c[i]);
        }
    }

    function mul(A memory a, A memory b) internal pure returns (A memory r) {
        for (uint256 i = 0; i < 4; ++i) {
            for (uint256 j = 0; j < 4; ++j) {
                E memory product = mul(a.c[i], b.c[j]);
                if (i + j >= 4) product = scale(product, 7);
                r.c[(i + j) % 4] = add(r.c[(i + j) % 4], product);
            }
        }
    }

    function scale(A memory a, uint256 b) internal pure returns (A memory r) {
        for (uint256 i = 0; i < 4; ++i) {
            r.c[i] = scale(a.c[i], b);
        }
    }

    // Poseidon.

    function permute(uint256[12] memory state) internal pure {
        bytes memory constants = ROUND_CONSTANTS;
        for (uint256 round = 0; round < 30; ++round) {
            bool full = round < 4 || round >= 26;
            for (uint256 i = 0; i < 12; ++i) {
                state[i] = add(state[i], roundConstant(constants, round, i));
                if (full || i == 0) state[i] = power(state[i], 7);
            }
            uint256[12] memory mixed;
            for (uint256 i = 0; i < 12; ++i) {
                for (uint256 j = 0; j < 12; ++j) {
                    mixed[i] = add(mixed[i], mul(matrix(i, j), state[j]));
                }
            }
            for (uint256 i = 0; i < 12; ++i) {
                state[i] = mixed[i];
            }
        }
    }

    /// @dev What `element` gets in `round`.
    function roundConstant(bytes memory constants, uint256 round, uint256 element)
        internal
        pure
        returns (uint256 result)
    {
        for (uint256 i = 0; i < 8; ++i) {
            result = result * 256 + uint8(constants[8 * (12 * round + element) + i]);
        }
    }

    /// @dev An entry of the MDS matrix.
    function matrix(uint256 row, uint256 column) internal pure returns (uint256 entry) {
        uint8[12] memory first = [17, 15, 41, 16, 2, 28, 13, 13, 39, 18, 34, 20];
        entry = first[(column + 12 - row) % 12];
        if (row == 0 && column == 0) entry += 8;
    }

    function hashNoPad(uint256[] memory inputs) internal pure returns (uint256[4] memory) {
        uint256[12] memory state;
        for (uint256 i = 0; i < inputs.length; ++i) {
            state[i % 8] = inputs[i];
            if (i % 8 == 7 || i + 1 == inputs.length) permute(state);
        }
        return [state[0], state[1], state[2], state[3]];
    }

    /// @dev The constraints of plonky2's `PoseidonGate`. Wires: 12 inputs, 12 outputs, swap, 4 deltas, then the inputs of the
    /// S-boxes of all rounds but the first.
    function poseidonGate(E[] memory wires) internal pure returns (E[] memory constraints) {
        constraints = new E[](123);
        bytes memory constants = ROUND_CONSTANTS;
        uint256 count = 0;
        E[12] memory state;
        E memory swap = wires[24];
        constraints[count++] = mul(swap, sub(swap, fromBase(1)));
        for (uint256 i = 0; i < 4; ++i) {
            E memory delta = wires[25 + i];
            constraints[count++] = sub(mul(swap, sub(wires[i + 4], wires[i])), delta);
            state[i] = add(wires[i], delta);
            state[i + 4] = sub(wires[i + 4], delta);
            state[i + 8] = wires[i + 8];
        }
        uint256 input = 29;
        for (uint256 round = 0; round < 30; ++round) {
            bool full = round < 4 || round >= 26;
            for (uint256 i = 0; i < 12; ++i) {
                state[i] = add(state[i], fromBase(roundConstant(constants, round, i)));
                if (!full && i != 0) continue;
                if (round != 0) {
                    constraints[count++] = sub(state[i], wires[input]);
                    state[i] = wires[input++];
                }
                state[i] = seventh(state[i]);
            }
            E[12] memory mixed;
            for (uint256 i = 0; i < 12; ++i) {
                for (uint256 j = 0; j < 12; ++j) {
                    mixed[i] = add(mixed[i], scale(state[j], matrix(i, j)));
                }
            }
            state = mixed;
        }
        for (uint256 i = 0; i < 12; ++i) {
            constraints[count++] = sub(state[i], wires[12 + i]);
        }
        require(count == 123, "constraints");
    }

    // Other gates.

    /// @dev The element of the algebra that four wires hold.
    function four(E[] memory wires, uint256 first) internal pure returns (A memory a) {
        for (uint256 i = 0; i < 4; ++i) {
            a.c[i] = wires[first + i];
        }
    }

    /// @dev The constraints of plonky2's `CosetInterpolationGate` for 2^`bits` points: by Lagrange's formula.
    function interpolationGate(E[] memory wires, uint256 bits) internal pure returns (E[] memory constraints) {
        uint256 points = 2 ** bits;
        uint256 generator = rootOfUnity(bits);
        A memory point = four(wires, 1 + 4 * points);
        A memory shifted = four(wires, 9 + 4 * points);
        constraints = new E[](8);
        for (uint256 i = 0; i < 4; ++i) {
            constraints[i] = sub(point.c[i], mul(shifted.c[i], wires[0]));
        }
        A memory sum;
        for (uint256 i = 0; i < points; ++i) {
            A memory term = four(wires, 1 + 4 * i);
            uint256 x = power(generator, i);
            for (uint256 j = 0; j < points; ++j) {
                if (i == j) continue;
                A memory factor = shifted;
                uint256 other = power(generator, j);
                A memory difference;
                difference.c[0] = fromBase(other);
                factor = sub(factor, difference);
                term = scale(mul(term, factor), inverse(sub(x, other)));
            }
            sum = add(sum, term);
        }
        A memory evaluation = four(wires, 5 + 4 * points);
        for (uint256 i = 0; i < 4; ++i) {
            constraints[4 + i] = sub(evaluation.c[i], sum.c[i]);
        }
    }

    /// @dev The constraints of plonky2's reducing gates: `accumulator * alpha + coefficient - next accumulator`.
    function reducingGate(E[] memory wires, uint256 count, uint256 width)
        internal
        pure
        returns (E[] memory constraints)
    {
        constraints = new E[](4 * count);
        A memory alpha = four(wires, 4);
        A memory accumulator = four(wires, 8);
        for (uint256 i = 0; i < count; ++i) {
            A memory coefficient;
            for (uint256 j = 0; j < width; ++j) {
                coefficient.c[j] = wires[12 + width * i + j];
            }
            A memory next = four(wires, i + 1 == count ? 0 : 12 + width * count + 4 * i);
            A memory constraint = sub(add(mul(accumulator, alpha), coefficient), next);
            for (uint256 j = 0; j < 4; ++j) {
                constraints[4 * i + j] = constraint.c[j];
            }
            accumulator = next;
        }
    }

    // FRI.

    /// @dev The value at `beta` of the polynomial through `values`, in bit-reversed order on the coset that starts at `start`.
    function fold(E[] memory values, uint256 bits, uint256 start, E memory beta) internal pure returns (E memory sum) {
        uint256[] memory xs = new uint256[](values.length);
        for (uint256 i = 0; i < values.length; ++i) {
            uint256 exponent = 0;
            for (uint256 bit = 0; bit < bits; ++bit) {
                if ((i >> bit) & 1 == 1) exponent += 2 ** (bits - 1 - bit);
            }
            xs[i] = mul(start, power(rootOfUnity(bits), exponent));
        }
        for (uint256 i = 0; i < values.length; ++i) {
            E memory term = values[i];
            uint256 denominator = 1;
            for (uint256 j = 0; j < values.length; ++j) {
                if (i == j) continue;
                term = mul(term, sub(beta, fromBase(xs[j])));
                denominator = mul(denominator, sub(xs[i], xs[j]));
            }
            sum = add(sum, scale(term, inverse(denominator)));
        }
    }

    /// @dev A digest's ancestor: 25 bytes of keccak256 of both children, left one first.
    function ancestor(bytes25 digest, uint256 index, bytes25[] memory siblings) internal pure returns (bytes25) {
        for (uint256 i = 0; i < siblings.length; ++i) {
            bool isRight = (index >> i) & 1 == 1;
            bytes memory both =
                isRight ? abi.encodePacked(siblings[i], digest) : abi.encodePacked(digest, siblings[i]);
            digest = bytes25(keccak256(both));
        }
        return digest;
    }
}

/// @title TwinTranscript
/// @notice plonky2's challenger over the permutation of `Transcript`, an element at a time.
library TwinTranscript {
    struct Sponge {
        uint256[12] state;
        uint256[] input;
        uint256[] output;
    }

    function create() internal pure returns (Sponge memory) {}

    function observe(Sponge memory self, uint256 element) internal pure {
        self.output = new uint256[](0);
        uint256[] memory input = new uint256[](self.input.length + 1);
        for (uint256 i = 0; i < self.input.length; ++i) {
            input[i] = self.input[i];
        }
        input[self.input.length] = element;
        self.input = input;
        if (input.length == 8) duplex(self);
    }

    function challenge(Sponge memory self) internal pure returns (uint256 element) {
        if (self.input.length > 0 || self.output.length == 0) duplex(self);
        uint256 last = self.output.length - 1;
        element = self.output[last];
        uint256[] memory output = new uint256[](last);
        for (uint256 i = 0; i < last; ++i) {
            output[i] = self.output[i];
        }
        self.output = output;
    }

    function duplex(Sponge memory self) private pure {
        for (uint256 i = 0; i < self.input.length; ++i) {
            self.state[i] = self.input[i];
        }
        self.input = new uint256[](0);
        bytes memory packed;
        for (uint256 i = 0; i < 12; ++i) {
            packed = abi.encodePacked(packed, uint64(self.state[i]));
        }
        bytes32 seed = keccak256(abi.encodePacked(packed, uint8(0)));
        for (uint8 i = 0; i < 4; ++i) {
            self.state[8 + i] = (uint256(seed) >> (192 - 64 * i)) % 2 ** 63;
            uint256 part = uint256(keccak256(abi.encodePacked(seed, i + 1)));
            self.state[2 * i] = (part >> 128) % P;
            self.state[2 * i + 1] = (part % 2 ** 128) % P;
        }
        self.output = new uint256[](8);
        for (uint256 i = 0; i < 8; ++i) {
            self.output[i] = self.state[i];
        }
    }
}
