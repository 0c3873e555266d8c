// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {GENERATOR, P} from "./Goldilocks.sol";
import {Quartic, inverse, load, mulAffine, scale, store} from "./Quartic.sol";

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
            uint256 zeta;
            assembly ("memory-safe") {
                // The first field of the openings.
                zeta := openings
            }
            for (uint256 i = 0; i < challenges; ++i) {
                Quartic before = load(openings.zs, i);
                // The identity permutation sends wire j at row x to GENERATOR^j x.
                uint256 shift = Quartic.unwrap(load(openings.betas, i));
                for (uint256 wire = 0; wire < routedWires; wire += chunkSize) {
                    uint256 count = routedWires - wire;
                    if (count > chunkSize) count = chunkSize;
                    uint256 wires = openings.wires + 0x20 * wire;
                    uint256 gamma = Quartic.unwrap(load(openings.gammas, i));
                    Quartic numerators;
                    (numerators, shift) = multiply(before, zeta, 0, shift, GENERATOR, wires, count, gamma);
                    if (wire + count == routedWires) {
                        before = load(openings.zsNext, i);
                    } else {
                        before = load(partialProduct, 0);
                        partialProduct += 0x20;
                    }
                    uint256 beta = Quartic.unwrap(load(openings.betas, i));
                    (Quartic denominators,) =
                        multiply(before, openings.sigmas + 0x20 * wire, 0x20, beta, 1, wires, count, gamma);
                    store(out, 0, numerators - denominators);
                    out += 0x20;
                }
            }
            return out;
        }
    }

    /// @dev `product` times `wire + shift * point + gamma` for each of `count` wires. Points are `stride` bytes apart, and
    /// the shift is multiplied by `factor` after each; returns it as it is in the end.
    function multiply(
        Quartic product,
        uint256 points,
        uint256 stride,
        uint256 shift,
        uint256 factor,
        uint256 wires,
        uint256 count,
        uint256 gamma
    ) private pure returns (Quartic, uint256) {
        unchecked {
            for (uint256 end = wires + 0x20 * count; wires < end; wires += 0x20) {
                product = mulAffine(product, load(points, 0), shift, load(wires, 0), gamma);
                points += stride;
                shift = mulmod(shift, factor, P);
            }
            return (product, shift);
        }
    }

    /// @notice The first Lagrange polynomial of the rows at zeta: 1 in the first row, 0 in the others.
    function lagrangeFirst(Quartic zeta, Quartic zetaPower, uint256 rows) internal pure returns (Quartic) {
        // In the first row itself the quotient below is 0 / 0.
        if (zeta == ONE) return ONE;
        return (zetaPower - ONE) * inverse(scale(zeta - ONE, rows));
    }
}
