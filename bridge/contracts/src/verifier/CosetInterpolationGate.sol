// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Algebra} from "./Algebra.sol";
import {P} from "./Goldilocks.sol";
import {Quartic, load, store, sub} from "./Quartic.sol";

/// @title CosetInterpolationGate
/// @notice The constraints of plonky2's `CosetInterpolationGate` at one point: a polynomial given by its values on a coset of
/// a small subgroup, evaluated at a point. Functions are as in `ArithmeticGates`.
library CosetInterpolationGate {
    /// @notice The gate without intermediate values: its degree is the number of points.
    ///
    /// Wires: the coset's shift, the values (four wires each), the point, its evaluation, the point divided by the shift.
    /// @param points How many points the coset has, a power of two.
    /// @param generator The subgroup's generator, in plonky2's choice.
    function evaluate(uint256 wires, uint256 out, uint256 points, uint256 generator) internal pure returns (uint256) {
        unchecked {
            uint256 values = wires + 0x20;
            uint256 point = values + Algebra.BYTES * points;
            uint256 shifted = point + 2 * Algebra.BYTES;
            Quartic shift = load(wires, 0);
            for (uint256 i = 0; i < 4; ++i) {
                store(out, i, load(point, i) - load(shifted, i) * shift);
            }
            out += Algebra.BYTES;

            // The polynomial's coefficients, from its values on the subgroup, then Horner's rule: plonky2 computes the same
            // polynomial in the point from barycentric weights.
            uint256 scaleInverse = P - (P - 1) / points;
            uint256 product;
            assembly ("memory-safe") {
                product := mload(0x40)
            }
            uint256 coefficient = product + Algebra.BYTES;
            uint256 rootInverse = generatorPower(generator, points - 1);
            for (uint256 i = 0; i < 4; ++i) {
                store(out, i, Quartic.wrap(0));
            }
            for (uint256 k = points; k-- > 0;) {
                Algebra.mul(product, out, shifted);
                // The k-th coefficient is the mean of the values times root^(-k i).
                for (uint256 i = 0; i < 4; ++i) {
                    store(coefficient, i, Quartic.wrap(0));
                }
                uint256 step = generatorPower(rootInverse, k);
                uint256 factor = scaleInverse;
                for (uint256 i = 0; i < points; ++i) {
                    Algebra.addScaled(coefficient, values + Algebra.BYTES * i, factor);
                    factor = mulmod(factor, step, P);
                }
                for (uint256 i = 0; i < 4; ++i) {
                    store(out, i, load(product, i) + load(coefficient, i));
                }
            }
            uint256 evaluation = point + Algebra.BYTES;
            for (uint256 i = 0; i < 4; ++i) {
                store(out, i, load(evaluation, i) - load(out, i));
            }
            return out + Algebra.BYTES;
        }
    }

    /// @dev `base^exponent`, for small exponents.
    function generatorPower(uint256 base, uint256 exponent) private pure returns (uint256 result) {
        unchecked {
            result = 1;
            for (; exponent != 0; --exponent) {
                result = mulmod(result, base, P);
            }
        }
    }
}
