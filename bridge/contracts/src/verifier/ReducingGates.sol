// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Algebra} from "./Algebra.sol";
import {Quartic, load, store} from "./Quartic.sol";

/// @title ReducingGates
/// @notice The constraints of plonky2's gates that combine a list with powers of a challenge, at one point. Functions are as
/// in `ArithmeticGates`.
library ReducingGates {
    /// @notice `ReducingGate` and `ReducingExtensionGate`: `accumulator_i = accumulator_(i-1) * alpha + coefficient_i`.
    ///
    /// Elements of the extension field take four wires each: output, alpha, the accumulator before the first; then `count`
    /// coefficients, of one wire in `ReducingGate` and of four in `ReducingExtensionGate`; then the accumulators but the last,
    /// which is the output.
    /// @param width The wires of a coefficient, 1 or 4.
    function reducing(uint256 wires, uint256 out, uint256 count, uint256 width) internal pure returns (uint256) {
        unchecked {
            uint256 alpha = wires + Algebra.BYTES;
            uint256 previous = alpha + Algebra.BYTES;
            uint256 coefficient = previous + Algebra.BYTES;
            uint256 accumulator = coefficient + 0x20 * width * count;
            for (; count != 0; --count) {
                if (count == 1) accumulator = wires;
                Algebra.mul(out, previous, alpha);
                for (uint256 i = 0; i < 4; ++i) {
                    Quartic computed = load(out, i);
                    if (i < width) computed = computed + load(coefficient, i);
                    store(out, i, computed - load(accumulator, i));
                }
                out += Algebra.BYTES;
                coefficient += 0x20 * width;
                previous = accumulator;
                accumulator += Algebra.BYTES;
            }
            return out;
        }
    }
}
