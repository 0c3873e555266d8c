// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {P} from "./Goldilocks.sol";
import {COEFFICIENT, Quartic, load, mulUnreduced, reduce, scale, store} from "./Quartic.sol";

/// @title Algebra
/// @notice Arithmetic on what four wires at zeta are that carry one element of the extension field on every row: an element
/// of E[y] / (y^4 - 7), E being the extension field. It is passed as a pointer to its four coefficients.
library Algebra {
    /// @notice The bytes of an element in memory.
    uint256 internal constant BYTES = 0x80;

    /// @dev A root of unity of order 4: 2^96 is -1 modulo P.
    uint256 private constant FOURTH_ROOT = 1 << 48;
    /// @dev `1 / 4` and `1 / 28`.
    uint256 private constant QUARTER = P - (P - 1) / 4;
    uint256 private constant QUARTER_OF_SEVENTH = 9882184322900670172;

    /// @notice Writes `a * b` to `result`, which overlaps neither.
    function mul(uint256 result, uint256 a, uint256 b) internal pure {
        unchecked {
            for (uint256 k = 0; k < 4; ++k) {
                // y^4 = 7: first the products that wrap.
                uint256 c0;
                uint256 c1;
                uint256 c2;
                uint256 c3;
                for (uint256 i = 3; i > k; --i) {
                    (uint256 d0, uint256 d1, uint256 d2, uint256 d3) = mulUnreduced(load(a, i), load(b, k + 4 - i));
                    (c0, c1, c2, c3) = (c0 + d0, c1 + d1, c2 + d2, c3 + d3);
                }
                (c0, c1, c2, c3) = (7 * c0, 7 * c1, 7 * c2, 7 * c3);
                for (uint256 i = 0; i <= k; ++i) {
                    (uint256 d0, uint256 d1, uint256 d2, uint256 d3) = mulUnreduced(load(a, i), load(b, k - i));
                    (c0, c1, c2, c3) = (c0 + d0, c1 + d1, c2 + d2, c3 + d3);
                }
                store(result, k, reduce(c0, c1, c2, c3));
            }
        }
    }

    /// @notice Writes the values of the polynomial `a` in y at the four roots of y^4 - 7, which are x, i x, -x and -i x for
    /// `i = FOURTH_ROOT`. Elements are equal if their values are, and a product's values are the products of the values.
    /// @param values Where the four values go; it may be `a`.
    function toRoots(uint256 values, uint256 a) internal pure {
        Quartic a1 = timesX(load(a, 1));
        Quartic a2 = timesX(timesX(load(a, 2)));
        Quartic a3 = timesX(timesX(timesX(load(a, 3))));
        transform(values, load(a, 0), a1, a2, a3);
    }

    /// @notice Writes the polynomial with these values: what `toRoots` undoes.
    /// @param a Where the four coefficients go; it may be `values`.
    function fromRoots(uint256 a, uint256 values) internal pure {
        // The same sums, but for the order of roots, are four times the coefficients times powers of x. Times x, down to x^4 = 7.
        transform(a, load(values, 0), load(values, 3), load(values, 2), load(values, 1));
        store(a, 0, scale(load(a, 0), QUARTER));
        store(a, 1, scale(timesX(timesX(timesX(load(a, 1)))), QUARTER_OF_SEVENTH));
        store(a, 2, scale(timesX(timesX(load(a, 2))), QUARTER_OF_SEVENTH));
        store(a, 3, scale(timesX(load(a, 3)), QUARTER_OF_SEVENTH));
    }

    /// @dev Writes `b0 + i^k b1 + i^2k b2 + i^3k b3` for k from 0 to 3.
    function transform(uint256 to, Quartic b0, Quartic b1, Quartic b2, Quartic b3) private pure {
        Quartic even = b0 + b2;
        Quartic odd = b1 + b3;
        store(to, 0, even + odd);
        store(to, 2, even - odd);
        even = b0 - b2;
        odd = scale(b1 - b3, FOURTH_ROOT);
        store(to, 1, even + odd);
        store(to, 3, even - odd);
    }

    /// @dev `a * x`.
    function timesX(Quartic a) private pure returns (Quartic result) {
        assembly ("memory-safe") {
            result := or(shr(64, a), shl(192, mulmod(and(a, COEFFICIENT), 7, P)))
        }
    }
}
