// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Algebra} from "./Algebra.sol";
import {Quartic, fromBase, load, store} from "./Quartic.sol";

/// @title ArithmeticGates
/// @notice The constraints of plonky2's gates for arithmetic, constants, bits and lists, at one point.
/// @dev Each function takes pointers to the openings of the wires and of the gate's constants, writes the gate's constraints
/// to `out` in plonky2's order, and returns the end of what it has written.
library ArithmeticGates {
    /// @dev The element 1.
    Quartic private constant ONE = Quartic.wrap(1 << 192);

    /// @notice `ConstantGate`: wire i equals constant i.
    function constants(uint256 wires, uint256 constants_, uint256 out, uint256 count) internal pure returns (uint256) {
        unchecked {
            for (uint256 i = 0; i < count; ++i) {
                store(out, i, load(constants_, i) - load(wires, i));
            }
            return out + 0x20 * count;
        }
    }

    /// @notice `PublicInputGate`: the first four wires are the digest of the public inputs, four words at `digest`.
    function publicInput(uint256 wires, uint256 digest, uint256 out) internal pure returns (uint256) {
        unchecked {
            for (uint256 i = 0; i < 4; ++i) {
                store(out, i, load(wires, i) - fromBase(Quartic.unwrap(load(digest, i))));
            }
            return out + 0x80;
        }
    }

    /// @notice `ArithmeticGate`: `count` times `output = c0 * x * y + c1 * z`, wires x, y, z, output.
    function arithmetic(uint256 wires, uint256 constants_, uint256 out, uint256 count) internal pure returns (uint256) {
        unchecked {
            Quartic c0 = load(constants_, 0);
            Quartic c1 = load(constants_, 1);
            for (uint256 end = out + 0x20 * count; out < end; out += 0x20) {
                Quartic computed = load(wires, 0) * load(wires, 1) * c0 + load(wires, 2) * c1;
                store(out, 0, load(wires, 3) - computed);
                wires += 0x80;
            }
            return out;
        }
    }

    /// @notice `ArithmeticExtensionGate`: the same with elements of the extension field, four wires each.
    function arithmeticExtension(uint256 wires, uint256 constants_, uint256 out, uint256 count)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            Quartic c0 = load(constants_, 0);
            Quartic c1 = load(constants_, 1);
            for (uint256 end = out + Algebra.BYTES * count; out < end; out += Algebra.BYTES) {
                Algebra.mul(out, wires, wires + Algebra.BYTES);
                for (uint256 i = 0; i < 4; ++i) {
                    Quartic computed = load(out, i) * c0 + load(wires, 8 + i) * c1;
                    store(out, i, load(wires, 12 + i) - computed);
                }
                wires += 4 * Algebra.BYTES;
            }
            return out;
        }
    }

    /// @notice `MulExtensionGate`: `count` times `output = c0 * x * y`, elements of the extension field.
    function mulExtension(uint256 wires, uint256 constants_, uint256 out, uint256 count)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            Quartic c0 = load(constants_, 0);
            for (uint256 end = out + Algebra.BYTES * count; out < end; out += Algebra.BYTES) {
                Algebra.mul(out, wires, wires + Algebra.BYTES);
                for (uint256 i = 0; i < 4; ++i) {
                    store(out, i, load(wires, 8 + i) - load(out, i) * c0);
                }
                wires += 3 * Algebra.BYTES;
            }
            return out;
        }
    }

    /// @notice `BaseSumGate<2>`: the first wire is the sum of the next `limbs`, which are bits, the lowest first.
    function baseSum(uint256 wires, uint256 out, uint256 limbs) internal pure returns (uint256) {
        unchecked {
            Quartic sum = Quartic.wrap(0);
            for (uint256 i = limbs; i > 0; --i) {
                Quartic limb = load(wires, i);
                sum = sum + sum + limb;
                store(out, i, limb * (limb - ONE));
            }
            store(out, 0, sum - load(wires, 0));
            return out + 0x20 * (limbs + 1);
        }
    }

    /// @notice `ExponentiationGate`: wires base, `bits` of the exponent with the lowest first, output, then `bits`
    /// intermediate values, the last of which is the output.
    function exponentiation(uint256 wires, uint256 out, uint256 bits) internal pure returns (uint256) {
        unchecked {
            Quartic base = load(wires, 0);
            uint256 intermediates = wires + 0x20 * (2 + bits);
            Quartic previous = ONE;
            for (uint256 i = 0; i < bits; ++i) {
                Quartic bit = load(wires, bits - i);
                Quartic value = load(intermediates, i);
                store(out, i, previous * (bit * base + (ONE - bit)) - value);
                previous = value * value;
            }
            store(out, bits, load(wires, 1 + bits) - load(intermediates, bits - 1));
            return out + 0x20 * (bits + 1);
        }
    }

    /// @notice `RandomAccessGate`: `copies` lists of 2^`bits` items, wires index, claimed item, items; then `extra` wires that
    /// equal constants; then the bits of each index, the lowest first.
    function randomAccess(uint256 wires, uint256 constants_, uint256 out, uint256 bits, uint256 copies, uint256 extra)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            uint256 size = 1 << bits;
            uint256 extraWires = wires + 0x20 * (2 + size) * copies;
            uint256 bitWires = extraWires + 0x20 * extra;
            uint256 items;
            assembly ("memory-safe") {
                items := mload(0x40)
            }
            for (; copies != 0; --copies) {
                Quartic index = Quartic.wrap(0);
                for (uint256 i = bits; i-- > 0;) {
                    Quartic bit = load(bitWires, i);
                    index = index + index + bit;
                    store(out, i, bit * (bit - ONE));
                }
                store(out, bits, index - load(wires, 0));

                assembly ("memory-safe") {
                    mcopy(items, add(wires, 0x40), shl(5, size))
                }
                for (uint256 i = 0; i < bits; ++i) {
                    Quartic bit = load(bitWires, i);
                    for (uint256 j = 0; j < size >> (i + 1); ++j) {
                        Quartic left = load(items, 2 * j);
                        store(items, j, left + bit * (load(items, 2 * j + 1) - left));
                    }
                }
                store(out, bits + 1, load(items, 0) - load(wires, 1));

                out += 0x20 * (bits + 2);
                wires += 0x20 * (2 + size);
                bitWires += 0x20 * bits;
            }
            return constants(extraWires, constants_, out, extra);
        }
    }
}
