// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {load, mulUnreduced, reduce, store} from "./Quartic.sol";

/// @title Algebra
/// @notice Arithmetic on what four wires at zeta are that carry one element of the extension field on every row: an element
/// of E[y] / (y^4 - 7), E being the extension field. It is passed as a pointer to its four coefficients.
library Algebra {
    /// @notice The bytes of an element in memory.
    uint256 internal constant BYTES = 0x80;

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
}
