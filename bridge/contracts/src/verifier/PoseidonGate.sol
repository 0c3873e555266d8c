// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {P} from "./Goldilocks.sol";
import {Poseidon} from "./Poseidon.sol";
import {COEFFICIENT, Quartic, load, reduce, store} from "./Quartic.sol";

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

    /// @dev A state is four rows of 12 words, one row for each coefficient.
    uint256 private constant ROW = 0x180;

    /// @dev The element 1.
    Quartic private constant ONE = Quartic.wrap(1 << 192);

    /// @notice Writes the gate's 123 constraints.
    /// @param table The constants of `Poseidon`.
    function evaluate(uint256 wires, uint256 table, uint256 out) internal pure returns (uint256) {
        unchecked {
            uint256 state;
            assembly ("memory-safe") {
                // The permutation's layers use what is at the free pointer.
                state := mload(0x40)
                mstore(0x40, add(state, mul(4, ROW)))
            }
            out = swapInputs(wires, state, out);
            Poseidon.addConstants(state, table);
            for (uint256 i = 0; i < Poseidon.WIDTH; ++i) {
                seventhPower(state + 0x20 * i, collect(state + 0x20 * i));
            }
            uint256 constants = table + Poseidon.LAYER_BYTES;
            mix(state, constants, table);
            uint256 inputs = wires + 0x20 * SBOXES;
            for (uint256 round = 1; round < Poseidon.HALF_FULL_ROUNDS; ++round) {
                for (uint256 i = 0; i < Poseidon.WIDTH; ++i) {
                    out = sbox(state + 0x20 * i, inputs, out);
                    inputs += 0x20;
                }
                mix(state, constants += Poseidon.LAYER_BYTES, table);
            }

            for (uint256 row = state; row < state + 4 * ROW; row += ROW) {
                Poseidon.mixInitially(row, table + Poseidon.INITIAL_MATRIX);
            }
            constants = table + Poseidon.PARTIAL_CONSTANTS;
            for (uint256 round = 0; round < Poseidon.PARTIAL_ROUNDS; ++round) {
                out = sbox(state, inputs, out);
                inputs += 0x20;
                assembly ("memory-safe") {
                    mstore(state, add(mload(state), shr(192, mload(constants))))
                }
                for (uint256 row = state; row < state + 4 * ROW; row += ROW) {
                    Poseidon.mixPartially(row, constants);
                }
                constants += Poseidon.PARTIAL_ROUND_BYTES;
            }

            constants = table + Poseidon.SECOND_HALF;
            Poseidon.addConstants(state, constants);
            for (uint256 round = 0; round < Poseidon.HALF_FULL_ROUNDS; ++round) {
                for (uint256 i = 0; i < Poseidon.WIDTH; ++i) {
                    out = sbox(state + 0x20 * i, inputs, out);
                    inputs += 0x20;
                }
                mix(state, constants += Poseidon.LAYER_BYTES, table);
            }
            for (uint256 i = 0; i < Poseidon.WIDTH; ++i) {
                store(out, i, collect(state + 0x20 * i) - load(wires, OUTPUT + i));
            }
            assembly ("memory-safe") {
                mstore(0x40, state)
            }
            return out + ROW;
        }
    }

    /// @dev The swap is a bit, and the deltas are what it moves from the second four inputs to the first four. Writes the
    /// inputs as they are after the swap to `state`.
    function swapInputs(uint256 wires, uint256 state, uint256 out) private pure returns (uint256) {
        unchecked {
            Quartic swap = load(wires, SWAP);
            store(out, 0, swap * (swap - ONE));
            for (uint256 i = 0; i < 4; ++i) {
                Quartic left = load(wires, i);
                Quartic right = load(wires, i + 4);
                Quartic delta = load(wires, DELTA + i);
                store(out, i + 1, swap * (right - left) - delta);
                spread(state + 0x20 * i, left + delta);
                spread(state + 0x20 * (i + 4), right - delta);
                spread(state + 0x20 * (i + 8), load(wires, i + 8));
            }
            return out + 0xa0;
        }
    }

    /// @dev Constrains a wire at `input` to be what `element` of the state has become, and replaces that by the S-box of the
    /// wire.
    function sbox(uint256 element, uint256 input, uint256 out) private pure returns (uint256) {
        unchecked {
            Quartic wire = load(input, 0);
            store(out, 0, collect(element) - wire);
            seventhPower(element, wire);
            return out + 0x20;
        }
    }

    /// @dev The MDS layer, and the constants that come next: they are in the base field.
    function mix(uint256 state, uint256 constants, uint256 table) private pure {
        unchecked {
            Poseidon.mixAndAdd(state, constants);
            uint256 zeros = table + Poseidon.ZEROS;
            for (uint256 row = state + ROW; row < state + 4 * ROW; row += ROW) {
                Poseidon.mixAndAdd(row, zeros);
            }
        }
    }

    /// @dev The element whose coefficients, of any size, are in four rows.
    function collect(uint256 element) private pure returns (Quartic) {
        unchecked {
            return reduce(
                Quartic.unwrap(load(element, 0)),
                Quartic.unwrap(load(element + ROW, 0)),
                Quartic.unwrap(load(element + 2 * ROW, 0)),
                Quartic.unwrap(load(element + 3 * ROW, 0))
            );
        }
    }

    /// @dev Writes an element's coefficients to four rows.
    function spread(uint256 element, Quartic value) private pure {
        assembly ("memory-safe") {
            mstore(element, shr(192, value))
            mstore(add(element, ROW), and(shr(128, value), COEFFICIENT))
            mstore(add(element, mul(2, ROW)), and(shr(64, value), COEFFICIENT))
            mstore(add(element, mul(3, ROW)), and(value, COEFFICIENT))
        }
    }

    /// @dev Writes the coefficients of `value^7` to four rows.
    function seventhPower(uint256 element, Quartic value) private pure {
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
            mstore(element, z0)
            mstore(add(element, ROW), z1)
            mstore(add(element, mul(2, ROW)), z2)
            mstore(add(element, mul(3, ROW)), z3)
        }
    }
}
