// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Algebra} from "./Algebra.sol";
import {P} from "./Goldilocks.sol";
import {Quartic, combine, innerProduct, load, scale, store} from "./Quartic.sol";

/// @title ReducingGates
/// @notice plonky2's gates that combine a list with powers of a challenge, at one point.
library ReducingGates {
    /// @notice The sum of the constraints of `ReducingGate` or `ReducingExtensionGate`, in plonky2's order, times as many
    /// words at `powers`: those of `challenge`, from any of them on.
    ///
    /// The constraints are `accumulator_(i-1) * alpha + coefficient_i - accumulator_i`, elements of the extension field of
    /// four wires each. Wires: output, alpha, the accumulator before the first; then `count` coefficients, of one wire in
    /// `ReducingGate` and of four in `ReducingExtensionGate`; then the accumulators but the last, which is the output.
    ///
    /// All products have the factor alpha. So the accumulators are combined first, and one product is left.
    /// @param width The wires of a coefficient, 1 or 4.
    function combined(uint256 wires, uint256 powers, uint256 challenge, uint256 count, uint256 width)
        internal
        pure
        returns (Quartic)
    {
        unchecked {
            uint256 coefficients = wires + 3 * Algebra.BYTES;
            uint256 accumulators = coefficients + 0x20 * width * count;
            Quartic linear = combine(coefficients, 0x20, powers, 0x80 / width, width * count);
            linear = linear - combine(accumulators, 0x20, powers, 0x20, 4 * (count - 1));
            linear = linear - combine(wires, 0x20, powers + Algebra.BYTES * (count - 1), 0x20, 4);

            uint256 weights;
            assembly ("memory-safe") {
                weights := mload(0x40)
            }
            uint256 sums = weights + 7 * 0x20;
            uint256 factors = sums + Algebra.BYTES;
            // Coefficient k of a product has the weight challenge^k, and y^4 = 7.
            uint256 power = 1;
            for (uint256 i = 0; i < 4; ++i) {
                store(weights, i, Quartic.wrap(power));
                if (i < 3) store(weights, i + 4, Quartic.wrap(mulmod(power, 7, P)));
                power = mulmod(power, challenge, P);
            }
            uint256 first = Quartic.unwrap(load(powers, 0));
            for (uint256 i = 0; i < 4; ++i) {
                Quartic sum = combine(accumulators + 0x20 * i, Algebra.BYTES, powers + 0x80, 0x80, count - 1);
                store(sums, i, sum + scale(load(wires, 8 + i), first));
                store(factors, i, combine(wires + Algebra.BYTES, 0x20, weights + 0x20 * i, 0x20, 4));
            }
            return linear + innerProduct(sums, factors, 4);
        }
    }
}
