// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Algebra} from "./Algebra.sol";
import {Quartic, evaluateAt, fromBase, load, mulAdd, mulSub, store} from "./Quartic.sol";

/// @title ArithmeticGates
/// @notice The constraints of plonky2's gates for arithmetic, constants, bits and lists, at one point.
/// @dev Each function takes pointers to the openings of the wires and of the gate's constants, writes the gate's constraints
/// to `out` in plonky2's order, and returns the end of what it has written.
library ArithmeticGates {
    /// @dev The element 1.
    Quartic private constant ONE = Quartic.wrap(1 << 192);
    /// @dev The element 0.
    Quartic private constant ZERO = Quartic.wrap(0);

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
            Quartic minusC0 = ZERO - load(constants_, 0);
            Quartic minusC1 = ZERO - load(constants_, 1);
            for (uint256 end = out + 0x20 * count; out < end; out += 0x20) {
                Quartic rest = mulAdd(load(wires, 2), minusC1, load(wires, 3));
                store(out, 0, mulAdd(load(wires, 0) * load(wires, 1), minusC0, rest));
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
            Quartic minusC0 = ZERO - load(constants_, 0);
            Quartic minusC1 = ZERO - load(constants_, 1);
            for (uint256 end = out + Algebra.BYTES * count; out < end; out += Algebra.BYTES) {
                Algebra.mul(out, wires, wires + Algebra.BYTES);
                for (uint256 i = 0; i < 4; ++i) {
                    Quartic rest = mulAdd(load(wires, 8 + i), minusC1, load(wires, 12 + i));
                    store(out, i, mulAdd(load(out, i), minusC0, rest));
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
            Quartic minusC0 = ZERO - load(constants_, 0);
            for (uint256 end = out + Algebra.BYTES * count; out < end; out += Algebra.BYTES) {
                Algebra.mul(out, wires, wires + Algebra.BYTES);
                for (uint256 i = 0; i < 4; ++i) {
                    store(out, i, mulAdd(load(out, i), minusC0, load(wires, 8 + i)));
                }
                wires += 3 * Algebra.BYTES;
            }
            return out;
        }
    }

    /// @notice `BaseSumGate<2>`: the first wire is the sum of the next `limbs`, which are bits, the lowest first.
    function baseSum(uint256 wires, uint256 out, uint256 limbs) internal pure returns (uint256) {
        unchecked {
            for (uint256 i = 1; i <= limbs; ++i) {
                Quartic limb = load(wires, i);
                store(out, i, mulSub(limb, limb, limb));
            }
            store(out, 0, evaluateAt(wires + 0x20, 0x20, limbs, 2) - load(wires, 0));
            return out + 0x20 * (limbs + 1);
        }
    }

    /// @notice `ExponentiationGate`: wires base, `bits` of the exponent with the lowest first, output, then `bits`
    /// intermediate values, the last of which is the output.
    function exponentiation(uint256 wires, uint256 out, uint256 bits) internal pure returns (uint256) {
        unchecked {
            Quartic factor = load(wires, 0) - ONE;
            uint256 intermediates = wires + 0x20 * (2 + bits);
            Quartic previous = ONE;
            for (uint256 i = 0; i < bits; ++i) {
                Quartic bit = load(wires, bits - i);
                Quartic value = load(intermediates, i);
                store(out, i, mulSub(previous, mulAdd(bit, factor, ONE), value));
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
                    store(out, i, mulSub(bit, bit, bit));
                }
                store(out, bits, index - load(wires, 0));

                assembly ("memory-safe") {
                    mcopy(items, add(wires, 0x40), shl(5, size))
                }
                for (uint256 i = 0; i < bits; ++i) {
                    Quartic bit = load(bitWires, i);
                    for (uint256 j = 0; j < size >> (i + 1); ++j) {
                        Quartic left = load(items, 2 * j);
                        store(items, j, mulAdd(bit, load(items, 2 * j + 1) - left, left));
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
