// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {GENERATOR, P} from "./Goldilocks.sol";
import {Quartic, affine, inverse, load, scale, store} from "./Quartic.sol";

/// @title PermutationArgument
/// @notice The terms of plonky2's permutation argument at zeta.
library PermutationArgument {
    /// @notice What the argument is about. Pointers are to elements of the extension field; `betas` and `gammas` to words.
    struct Openings {
        Quartic zeta;
        uint256 wires;
        uint256 sigmas;
        uint256 zs;
        uint256 zsNext;
        uint256 partialProducts;
        uint256 betas;
        uint256 gammas;
    }

    /// @dev The element 1.
    Quartic private constant ONE = Quartic.wrap(1 << 192);

    /// @notice Writes the terms that say that each product starts at 1: `L_0(zeta) (Z(zeta) - 1)`.
    /// @param zetaPower zeta to the power of the number of rows.
    /// @return end The end of what it has written to `out`.
    function starts(Openings memory openings, Quartic zetaPower, uint256 rows, uint256 challenges, uint256 out)
        internal
        pure
        returns (uint256 end)
    {
        unchecked {
            Quartic l0 = lagrangeFirst(openings.zeta, zetaPower, rows);
            for (uint256 i = 0; i < challenges; ++i) {
                store(out, i, l0 * (load(openings.zs, i) - ONE));
            }
            return out + 0x20 * challenges;
        }
    }

    /// @notice Writes the terms that say that each product goes on as it should, `chunkSize` wires at a time: with the
    /// product before the chunk and the one after it, `before * numerators - after * denominators`.
    /// @return end The end of what it has written to `out`.
    function steps(Openings memory openings, uint256 routedWires, uint256 chunkSize, uint256 challenges, uint256 out)
        internal
        pure
        returns (uint256 end)
    {
        unchecked {
            uint256 partialProduct = openings.partialProducts;
            for (uint256 i = 0; i < challenges; ++i) {
                Quartic before = load(openings.zs, i);
                // The identity permutation sends wire j at row x to GENERATOR^j x.
                uint256 betaShift = Quartic.unwrap(load(openings.betas, i));
                for (uint256 wire = 0; wire < routedWires;) {
                    uint256 chunkEnd = wire + chunkSize;
                    if (chunkEnd > routedWires) chunkEnd = routedWires;
                    Quartic numerators = before;
                    Quartic denominators = ONE;
                    uint256 beta = Quartic.unwrap(load(openings.betas, i));
                    uint256 gamma = Quartic.unwrap(load(openings.gammas, i));
                    for (; wire < chunkEnd; ++wire) {
                        Quartic value = load(openings.wires, wire);
                        numerators = numerators * affine(openings.zeta, betaShift, value, gamma);
                        denominators = denominators * affine(load(openings.sigmas, wire), beta, value, gamma);
                        betaShift = mulmod(betaShift, GENERATOR, P);
                    }
                    if (chunkEnd == routedWires) {
                        before = load(openings.zsNext, i);
                    } else {
                        before = load(partialProduct, 0);
                        partialProduct += 0x20;
                    }
                    store(out, 0, numerators - before * denominators);
                    out += 0x20;
                }
            }
            return out;
        }
    }

    /// @notice The first Lagrange polynomial of the rows at zeta: 1 in the first row, 0 in the others.
    function lagrangeFirst(Quartic zeta, Quartic zetaPower, uint256 rows) internal pure returns (Quartic) {
        // In the first row itself the quotient below is 0 / 0.
        if (zeta == ONE) return ONE;
        return (zetaPower - ONE) * inverse(scale(zeta - ONE, rows));
    }
}
