// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Algebra} from "./Algebra.sol";
import {P} from "./Goldilocks.sol";
import {Quartic, evaluateAt, load, mulAdd, scale, store} from "./Quartic.sol";

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
            // polynomial in the point from barycentric weights. Coefficient k is the mean of the values times
            // generator^(-k i). Products are those of places at roots, see `Algebra`.
            uint256 places;
            assembly ("memory-safe") {
                places := mload(0x40)
            }
            uint256 sum = places + Algebra.BYTES;
            uint256 mean = P - (P - 1) / points;
            Algebra.toRoots(places, shifted);
            // generator^(-k), from the last coefficient down.
            uint256 root = generator;
            for (uint256 k = points; k-- > 0;) {
                for (uint256 i = 0; i < 4; ++i) {
                    store(out, i, scale(evaluateAt(values + 0x20 * i, Algebra.BYTES, points, root), mean));
                }
                Algebra.toRoots(out, out);
                for (uint256 i = 0; i < 4; ++i) {
                    Quartic value = load(out, i);
                    // The leading coefficient starts the sum.
                    store(sum, i, k == points - 1 ? value : mulAdd(load(sum, i), load(places, i), value));
                }
                root = mulmod(root, generator, P);
            }
            Algebra.fromRoots(sum, sum);
            uint256 evaluation = point + Algebra.BYTES;
            for (uint256 i = 0; i < 4; ++i) {
                store(out, i, load(evaluation, i) - load(sum, i));
            }
            return out + Algebra.BYTES;
        }
    }
}
