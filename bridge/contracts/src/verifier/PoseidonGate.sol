// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {P} from "./Goldilocks.sol";
import {Poseidon} from "./Poseidon.sol";
import {COEFFICIENT, Quartic, load, store} from "./Quartic.sol";

/// @title PoseidonGate
/// @notice The constraints of plonky2's `PoseidonGate` at one point. Functions are as in `ArithmeticGates`.
/// @dev The wires hold the inputs of all S-boxes but the first round's, so everything between S-boxes is linear over the
/// base field: it is done by `Poseidon`'s layers, for each of the four coefficients apart.
library PoseidonGate {
    // The wires of the gate.
    uint256 private constant OUTPUT = 12;
    uint256 private constant SWAP = 24;
    uint256 private constant DELTA = 25;
    uint256 private constant SBOXES = 29;

    /// @dev A state is four rows of four words as in `Poseidon`, one row for each coefficient.
    uint256 private constant ROW = 0x80;
    uint256 private constant STATE_BYTES = 4 * ROW;

    /// @dev The element 1.
    Quartic private constant ONE = Quartic.wrap(1 << 192);

    /// @notice Writes the gate's 123 constraints.
    /// @param table The constants of `Poseidon`.
    function evaluate(uint256 wires, uint256 table, uint256 out) internal pure returns (uint256) {
        unchecked {
            uint256 state;
            assembly ("memory-safe") {
                state := mload(0x40)
                calldatacopy(state, calldatasize(), mul(4, ROW))
            }
            out = swapInputs(wires, state, out);
            addConstants(state, table);
            for (uint256 i = 0; i < Poseidon.WIDTH; ++i) {
                (uint256 word, uint256 shift) = place(state, i);
                replace(word, shift, collect(word, shift, Quartic.wrap(0)));
            }
            mix(state);
            uint256 inputs = wires + 0x20 * SBOXES;
            for (uint256 round = 1; round < Poseidon.HALF_FULL_ROUNDS; ++round) {
                (inputs, out) = fullRound(state, table += Poseidon.LAYER_BYTES, inputs, out);
            }

            table += Poseidon.LAYER_BYTES;
            uint256 constants = table + Poseidon.PARTIAL_CONSTANTS - Poseidon.SECOND_HALF;
            for (uint256 round = 0; round < Poseidon.PARTIAL_ROUNDS; ++round) {
                assembly ("memory-safe") {
                    mstore(state, add(mload(state), shr(192, mload(constants))))
                }
                out = sbox(state, 0, inputs, out);
                inputs += 0x20;
                constants += 8;
                mix(state);
                // Lanes are below 2^81 after two rounds.
                if (round & 1 == 0) reduceLanes(state);
            }

            for (uint256 round = 0; round < Poseidon.HALF_FULL_ROUNDS; ++round) {
                (inputs, out) = fullRound(state, table, inputs, out);
                table += Poseidon.LAYER_BYTES;
            }
            for (uint256 i = 0; i < Poseidon.WIDTH; ++i) {
                (uint256 word, uint256 shift) = place(state, i);
                store(out, i, collect(word, shift, load(wires, OUTPUT + i)));
            }
            return out + 0x20 * Poseidon.WIDTH;
        }
    }

    /// @dev The word of the first row that holds element `i`, and by how many bits it is shifted there.
    function place(uint256 state, uint256 i) private pure returns (uint256 word, uint256 shift) {
        unchecked {
            return (state + 0x20 * (i & 3), Poseidon.LANE_BITS * (i % 3));
        }
    }

    /// @dev The swap is a bit, and the deltas are what it moves from the second four inputs to the first four. Writes the
    /// inputs as they are after the swap to `state`, which holds zeros.
    function swapInputs(uint256 wires, uint256 state, uint256 out) private pure returns (uint256) {
        unchecked {
            Quartic swap = load(wires, SWAP);
            store(out, 0, swap * (swap - ONE));
            for (uint256 i = 0; i < 4; ++i) {
                Quartic left = load(wires, i);
                Quartic right = load(wires, i + 4);
                Quartic delta = load(wires, DELTA + i);
                store(out, i + 1, swap * (right - left) - delta);
                set(state, i, left + delta);
                set(state, i + 4, right - delta);
                set(state, i + 8, load(wires, i + 8));
            }
            return out + 0xa0;
        }
    }

    /// @dev Sets element `i`, which is zero.
    function set(uint256 state, uint256 i, Quartic value) private pure {
        (uint256 word, uint256 shift) = place(state, i);
        assembly ("memory-safe") {
            mstore(word, or(mload(word), shl(shift, shr(192, value))))
            word := add(word, ROW)
            mstore(word, or(mload(word), shl(shift, and(shr(128, value), COEFFICIENT))))
            word := add(word, ROW)
            mstore(word, or(mload(word), shl(shift, and(shr(64, value), COEFFICIENT))))
            word := add(word, ROW)
            mstore(word, or(mload(word), shl(shift, and(value, COEFFICIENT))))
        }
    }

    /// @dev A round with S-boxes on all elements, whose inputs are at `inputs`. Returns where the next ones are, and the end of
    /// what it has written to `out`.
    function fullRound(uint256 state, uint256 constants, uint256 inputs, uint256 out)
        private
        pure
        returns (uint256, uint256)
    {
        unchecked {
            addConstants(state, constants);
            for (uint256 i = 0; i < Poseidon.WIDTH; ++i) {
                (uint256 word, uint256 shift) = place(state, i);
                out = sbox(word, shift, inputs, out);
                inputs += 0x20;
            }
            mix(state);
            return (inputs, out);
        }
    }

    /// @dev Constrains the wire at `input` to be what an element of the state has become, and replaces that by the S-box of the
    /// wire.
    function sbox(uint256 word, uint256 shift, uint256 input, uint256 out) private pure returns (uint256) {
        unchecked {
            Quartic wire = load(input, 0);
            store(out, 0, collect(word, shift, wire));
            replace(word, shift, wire);
            return out + 0x20;
        }
    }

    /// @dev Adds a round's constants. They are in the base field.
    function addConstants(uint256 state, uint256 constants) private pure {
        assembly ("memory-safe") {
            for { let end := add(state, ROW) } lt(state, end) { state := add(state, 0x20) } {
                mstore(state, add(mload(state), mload(constants)))
                constants := add(constants, 0x20)
            }
        }
    }

    /// @dev The MDS layer.
    function mix(uint256 state) private pure {
        unchecked {
            for (uint256 row = state; row < state + STATE_BYTES; row += ROW) {
                uint256 a;
                uint256 b;
                uint256 c;
                uint256 d;
                assembly ("memory-safe") {
                    a := mload(row)
                    b := mload(add(row, 0x20))
                    c := mload(add(row, 0x40))
                    d := mload(add(row, 0x60))
                }
                (a, b, c, d) = Poseidon.mix(a, b, c, d);
                assembly ("memory-safe") {
                    mstore(row, a)
                    mstore(add(row, 0x20), b)
                    mstore(add(row, 0x40), c)
                    mstore(add(row, 0x60), d)
                }
            }
        }
    }

    /// @dev Reduces all lanes of the state.
    function reduceLanes(uint256 state) private pure {
        unchecked {
            for (uint256 word = state; word < state + STATE_BYTES; word += 0x20) {
                store(word, 0, Quartic.wrap(Poseidon.reduceLanes(Quartic.unwrap(load(word, 0)))));
            }
        }
    }

    /// @dev The element whose coefficients are in four rows, minus `value`.
    function collect(uint256 word, uint256 shift, Quartic value) private pure returns (Quartic result) {
        uint256 lane = Poseidon.LANE;
        assembly ("memory-safe") {
            result := shl(192, mod(sub(add(and(shr(shift, mload(word)), lane), P), shr(192, value)), P))
            word := add(word, ROW)
            let c := sub(add(and(shr(shift, mload(word)), lane), P), and(shr(128, value), COEFFICIENT))
            result := or(result, shl(128, mod(c, P)))
            word := add(word, ROW)
            c := sub(add(and(shr(shift, mload(word)), lane), P), and(shr(64, value), COEFFICIENT))
            result := or(result, shl(64, mod(c, P)))
            word := add(word, ROW)
            c := sub(add(and(shr(shift, mload(word)), lane), P), and(value, COEFFICIENT))
            result := or(result, mod(c, P))
        }
    }

    /// @dev Replaces an element by the coefficients of `value^7`.
    function replace(uint256 word, uint256 shift, Quartic value) private pure {
        uint256 lane = Poseidon.LANE;
        assembly ("memory-safe") {
            // `z^2 x`. Coefficients of the square have less than 133 bits, so only the product is reduced.
            function squareTimes(z0, z1, z2, z3, x0, x1, x2, x3) -> r0, r1, r2, r3 {
                let y0 := add(mul(z0, z0), mul(7, add(mul(z2, z2), shl(1, mul(z1, z3)))))
                let y1 := shl(1, add(mul(z0, z1), mul(7, mul(z2, z3))))
                let y2 := add(add(mul(z1, z1), shl(1, mul(z0, z2))), mul(7, mul(z3, z3)))
                let y3 := shl(1, add(mul(z0, z3), mul(z1, z2)))
                r0 := mod(add(mul(y0, x0), mul(7, add(add(mul(y1, x3), mul(y2, x2)), mul(y3, x1)))), P)
                r1 := mod(add(add(mul(y0, x1), mul(y1, x0)), mul(7, add(mul(y2, x3), mul(y3, x2)))), P)
                r2 := mod(add(add(mul(y0, x2), mul(y1, x1)), add(mul(y2, x0), mul(7, mul(y3, x3)))), P)
                r3 := mod(add(add(mul(y0, x3), mul(y1, x2)), add(mul(y2, x1), mul(y3, x0))), P)
            }
            let x0 := shr(192, value)
            let x1 := and(shr(128, value), COEFFICIENT)
            let x2 := and(shr(64, value), COEFFICIENT)
            let x3 := and(value, COEFFICIENT)
            let z0, z1, z2, z3 := squareTimes(x0, x1, x2, x3, x0, x1, x2, x3)
            z0, z1, z2, z3 := squareTimes(z0, z1, z2, z3, x0, x1, x2, x3)
            let others := not(shl(shift, lane))
            mstore(word, or(and(mload(word), others), shl(shift, z0)))
            word := add(word, ROW)
            mstore(word, or(and(mload(word), others), shl(shift, z1)))
            word := add(word, ROW)
            mstore(word, or(and(mload(word), others), shl(shift, z2)))
            word := add(word, ROW)
            mstore(word, or(and(mload(word), others), shl(shift, z3)))
        }
    }
}
