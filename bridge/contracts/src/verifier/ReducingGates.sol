// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Algebra} from "./Algebra.sol";
import {Goldilocks, P} from "./Goldilocks.sol";
import {Quartic, evaluateAt, innerProduct, load, scale, scaleAdd, store} from "./Quartic.sol";

/// @title ReducingGates
/// @notice plonky2's gates that combine a list with powers of a challenge, at one point.
library ReducingGates {
    /// @notice The sum of the constraints of `ReducingGate` or `ReducingExtensionGate`, in plonky2's order, times the powers of
    /// `challenge`, from 1 on.
    ///
    /// The constraints are `accumulator_(i-1) * alpha + coefficient_i - accumulator_i`, elements of the extension field of
    /// four wires each. Wires: output, alpha, the accumulator before the first; then `count` coefficients, of one wire in
    /// `ReducingGate` and of four in `ReducingExtensionGate`; then the accumulators but the last, which is the output.
    ///
    /// All products have the factor alpha. So the accumulators are combined first, and one product is left: with
    /// `T_k` the sum of coefficient k of all accumulators but the last times powers of `challenge^4`, the first factors are
    /// combined to `start_k + challenge^4 T_k`, and what is subtracted to the sum of `challenge^k T_k` and of the output.
    /// @param width The wires of a coefficient, 1 or 4.
    function combined(uint256 wires, uint256 challenge, uint256 count, uint256 width) internal pure returns (Quartic) {
        unchecked {
            uint256 coefficients = wires + 3 * Algebra.BYTES;
            uint256 fourth = Goldilocks.powerOfTwoPower(challenge, 2);
            Quartic linear = evaluateAt(coefficients, 0x20, width * count, width == 1 ? fourth : challenge);
            linear = linear - scale(evaluateAt(wires, 0x20, 4, challenge), Goldilocks.power(fourth, count - 1));

            uint256 accumulators = coefficients + 0x20 * width * count;
            uint256 sums;
            assembly ("memory-safe") {
                sums := mload(0x40)
            }
            for (uint256 i = 0; i < 4; ++i) {
                store(sums, i, evaluateAt(accumulators + 0x20 * i, Algebra.BYTES, count - 1, fourth));
            }
            linear = linear - evaluateAt(sums, 0x20, 4, challenge);

            // The factor of the sum's coefficient i is what y^i alpha combines to. Times y, coefficients move on by one, the last
            // one to 7 times the first: so it is multiplied by `challenge`, and the last one counts 7 and not challenge^4.
            uint256 factors = sums + Algebra.BYTES;
            Quartic factor = evaluateAt(wires + Algebra.BYTES, 0x20, 4, challenge);
            for (uint256 i = 0; i < 4; ++i) {
                store(sums, i, scaleAdd(load(sums, i), fourth, load(wires, 8 + i)));
                store(factors, i, factor);
                factor = scaleAdd(factor, challenge, scale(load(wires, 7 - i), P + 7 - fourth));
            }
            return linear + innerProduct(sums, factors, 4);
        }
    }
}
