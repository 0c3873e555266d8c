// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @dev The order of the Goldilocks field, 2^64 - 2^32 + 1.
uint256 constant P = 0xffffffff00000001;

/// @dev A generator of the field's multiplicative group. Evaluation domains are cosets shifted by it, and its powers are
/// the shifts of the permutation argument.
uint256 constant GENERATOR = 14293326489335486720;

/// @title Goldilocks
/// @notice Arithmetic in the base field that plain `mulmod` does not say. Arguments and results are below P.
library Goldilocks {
    /// @notice `x^(2^k)`.
    function powerOfTwoPower(uint256 x, uint256 k) internal pure returns (uint256) {
        unchecked {
            for (; k != 0; --k) {
                x = mulmod(x, x, P);
            }
            return x;
        }
    }

    /// @notice `x^n`.
    function power(uint256 x, uint256 n) internal pure returns (uint256 result) {
        result = 1;
        for (; n != 0; n >>= 1) {
            if (n & 1 == 1) result = mulmod(result, x, P);
            x = mulmod(x, x, P);
        }
    }

    /// @notice `1 / x` for `x != 0`, and 0 for 0: `x^(P - 2)`.
    function inverse(uint256 x) internal pure returns (uint256 result) {
        // P - 2 = 2^64 - 2^32 - 1: 31 ones, a zero, 32 ones.
        uint256 ones = x;
        unchecked {
            for (uint256 i = 1; i < 31; ++i) {
                ones = mulmod(mulmod(ones, ones, P), x, P);
            }
        }
        result = powerOfTwoPower(ones, 33);
        ones = mulmod(mulmod(ones, ones, P), x, P);
        result = mulmod(result, ones, P);
    }
}
