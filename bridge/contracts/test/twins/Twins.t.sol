// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Test} from "../support/Test.sol";
import {A, E, P, Twin, TwinTranscript} from "./Twin.sol";
import {TwinGates} from "./TwinGates.sol";

/// @notice `VerifierHarness`, with elements of the extension field as words.
interface IHarness {
    function baseInverse(uint256 x) external pure returns (uint256);
    function quartic(uint256 a, uint256 b) external pure returns (uint256[7] memory);
    function fused(uint256 a, uint256 b, uint256 c, uint256 x, uint256 y) external pure returns (uint256[3] memory);
    function evaluateAt(uint256[] memory coefficients, uint256 stride, uint256 x) external pure returns (uint256);
    function innerProduct(uint256[] memory a, uint256[] memory b) external pure returns (uint256);
    function algebra(uint256[4] memory a, uint256[4] memory b) external pure returns (uint256[4] memory);
    function valuesAtRoots(uint256[4] memory a) external pure returns (uint256[4] memory values, uint256[4] memory same);
    function permute(uint256[12] memory state) external view returns (uint256[12] memory, uint256 gasUsed);
    function hashNoPad(uint256[] calldata inputs) external view returns (uint256[4] memory digest, uint256 gasUsed);
    function gate(
        uint256 kind,
        uint256[] memory parameters,
        uint256[] memory wires,
        uint256[] memory constants,
        uint256[4] memory publicInputsHash
    ) external view returns (uint256[] memory constraints, uint256 gasUsed);
    function reducing(uint256[] memory wires, uint256 challenge, uint256 count, uint256 width)
        external
        view
        returns (uint256 sum, uint256 gasUsed);
    function permutationArgument(
        uint256[4] memory sizes,
        uint256 zeta,
        uint256[][5] memory openings,
        uint256[] memory betas,
        uint256[] memory gammas
    ) external view returns (uint256[] memory terms, uint256 gasUsed);
    function challenges(bytes[] calldata inputs, uint256[] calldata counts) external pure returns (uint256[] memory);
    function anyTooLarge(bytes memory data) external pure returns (bool);
    function ancestor(bytes32 digest, uint256 index, bytes calldata siblings) external pure returns (bytes32);
    function combineBase(bytes memory values, uint256 alpha)
        external
        view
        returns (uint256 combination, uint256 gasUsed, uint256 powersGasUsed);
    function fold(
        uint256[] memory values,
        uint256 arityBits,
        uint256 startInverse,
        uint256 beta,
        uint256[] memory roots
    ) external view returns (uint256 value, uint256 gasUsed);
}

/// @notice Each Yul block of the verifier, as its artefact has it, equals its twin in plain Solidity.
contract TwinsTest is Test {
    IHarness private constant HARNESS = IHarness(address(0x4a));
    /// @dev Wires of a row.
    uint256 private constant WIRES = 135;

    function setUp() public {
        string memory artifact = vm.readFile("test/artifacts/VerifierHarness.json");
        vm.etch(address(HARNESS), vm.parseJsonBytes(artifact, ".deployedBytecode"));
    }

    // Random elements: one in four is at an end of the field's range or of 32 bits.

    function _base(uint256 seed) private pure returns (uint256) {
        uint256 hash = uint256(keccak256(abi.encode(seed)));
        uint256 small = (hash >> 8) % 4;
        if (hash % 12 == 0) return small;
        if (hash % 12 == 1) return P - 1 - small;
        if (hash % 12 == 2) return 2 ** 32 - 2 + small;
        return (hash >> 16) % P;
    }

    function _extension(uint256 seed) private pure returns (E memory e) {
        for (uint256 i = 0; i < 4; ++i) {
            unchecked {
                e.c[i] = _base(seed + i);
            }
        }
    }

    function _extensions(uint256 seed, uint256 count) private pure returns (E[] memory es) {
        es = new E[](count);
        for (uint256 i = 0; i < count; ++i) {
            unchecked {
                es[i] = _extension(seed + 4 * i);
            }
        }
    }

    function _word(E memory e) private pure returns (uint256 word) {
        for (uint256 i = 0; i < 4; ++i) {
            word = word << 64 | e.c[i];
        }
    }

    function _words(E[] memory es) private pure returns (uint256[] memory words) {
        words = new uint256[](es.length);
        for (uint256 i = 0; i < es.length; ++i) {
            words[i] = _word(es[i]);
        }
    }

    function _words(A memory a) private pure returns (uint256[4] memory words) {
        for (uint256 i = 0; i < 4; ++i) {
            words[i] = _word(a.c[i]);
        }
    }

    function _algebra(uint256 seed) private pure returns (A memory a) {
        return Twin.four(_extensions(seed, 4), 0);
    }

    function _bytes(uint256[] memory elements) private pure returns (bytes memory packed) {
        for (uint256 i = 0; i < elements.length; ++i) {
            packed = bytes.concat(packed, bytes8(uint64(elements[i])));
        }
    }

    function _bases(uint256 seed, uint256 count) private pure returns (uint256[] memory elements) {
        elements = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            unchecked {
                elements[i] = _base(seed + i);
            }
        }
    }

    // Arithmetic.

    function testFuzz_inverses(uint256 seed) public pure {
        assertEq(HARNESS.baseInverse(_base(seed)), Twin.inverse(_base(seed)), "inverse");
    }

    function testFuzz_extension_field(uint256 seedA, uint256 seedB) public pure {
        E memory a = _extension(seedA);
        E memory b = _extension(seedB);
        uint256[7] memory results = HARNESS.quartic(_word(a), _word(b));
        assertEq(results[0], _word(Twin.add(a, b)), "sum");
        assertEq(results[1], _word(Twin.sub(a, b)), "difference");
        assertEq(results[2], _word(Twin.mul(a, b)), "product");
        assertEq(results[3], _word(Twin.add(Twin.scale(a, b.c[0]), b)), "scaled sum");
        assertEq(results[4], _word(Twin.scale(a, b.c[0])), "scaled");
        assertEq(results[5], _word(Twin.inverse(a)), "inverse");
        E memory square = Twin.mul(a, a);
        E memory fourth = Twin.mul(square, square);
        assertEq(results[6], _word(Twin.mul(fourth, fourth)), "eighth power");
    }

    function testFuzz_fused_products(uint256 seedA, uint256 seedB, uint256 seedC) public pure {
        E memory a = _extension(seedA);
        E memory b = _extension(seedB);
        E memory c = _extension(seedC);
        (uint256 x, uint256 y) = (_base(seedA ^ seedB), _base(seedA ^ seedC));
        uint256[3] memory results = HARNESS.fused(_word(a), _word(b), _word(c), x, y);
        assertEq(results[0], _word(Twin.add(Twin.mul(a, b), c)), "sum");
        assertEq(results[1], _word(Twin.sub(Twin.mul(a, b), c)), "difference");
        E memory factor = Twin.add(Twin.add(Twin.scale(b, x), c), Twin.fromBase(y));
        assertEq(results[2], _word(Twin.mul(a, factor)), "affine factor");
    }

    function testFuzz_polynomials(uint256 seed, uint256 count, uint256 stride) public pure {
        count = bound(count, 0, 12);
        stride = bound(stride, 1, 4);
        E[] memory all = _extensions(seed, count * stride);
        E[] memory coefficients = new E[](count);
        for (uint256 i = 0; i < count; ++i) {
            coefficients[i] = all[i * stride];
        }
        // All numbers at their greatest, too: that is what a word has to hold.
        uint256 x = seed % 4 == 0 ? P - 1 : _base(~seed);
        assertEq(
            HARNESS.evaluateAt(_words(all), stride, x), _word(Twin.evaluate(coefficients, x)), "polynomial"
        );
    }

    function test_a_polynomial_of_greatest_numbers() public pure {
        for (uint256 count = 0; count < 12; ++count) {
            E[] memory coefficients = new E[](count);
            for (uint256 i = 0; i < count; ++i) {
                coefficients[i] = E([P - 1, P - 1, P - 1, P - 1]);
            }
            uint256 value = HARNESS.evaluateAt(_words(coefficients), 1, P - 1);
            assertEq(value, _word(Twin.evaluate(coefficients, P - 1)), "polynomial");
        }
    }

    function testFuzz_inner_products(uint256 seed, uint256 count) public pure {
        count = bound(count, 0, 12);
        E[] memory a = _extensions(seed, count);
        E[] memory b = _extensions(~seed, count);
        E memory sum;
        for (uint256 i = 0; i < count; ++i) {
            sum = Twin.add(sum, Twin.mul(a[i], b[i]));
        }
        assertEq(HARNESS.innerProduct(_words(a), _words(b)), _word(sum), "inner product");
    }

    function testFuzz_algebra(uint256 seedA, uint256 seedB) public pure {
        A memory a = _algebra(seedA);
        A memory b = _algebra(seedB);
        A memory product = Twin.mul(a, b);
        uint256[4] memory found = HARNESS.algebra(_words(a), _words(b));
        (uint256[4] memory atRootsOfA, uint256[4] memory same) = HARNESS.valuesAtRoots(_words(a));
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(found[i], _word(product.c[i]), "product");
            assertEq(same[i], _word(a.c[i]), "from values");
            // The value at i^k x, with x the element and i = 2^48.
            E memory root;
            root.c[1] = Twin.power(2 ** 48, i);
            E memory sum;
            for (uint256 j = 0; j < 4; ++j) {
                sum = Twin.add(Twin.mul(sum, root), a.c[3 - j]);
            }
            assertEq(atRootsOfA[i], _word(sum), "value at a root");
        }
    }

    // Poseidon.

    /// forge-config: twins.fuzz.runs = 32
    function testFuzz_permutation(uint256 seed) public view {
        uint256[12] memory state;
        for (uint256 i = 0; i < 12; ++i) {
            unchecked {
                // Sometimes all at their greatest.
                state[i] = seed % 8 == 0 ? P - 1 : _base(seed + i);
            }
        }
        (uint256[12] memory found,) = HARNESS.permute(state);
        Twin.permute(state);
        for (uint256 i = 0; i < 12; ++i) {
            assertEq(found[i], state[i], "permutation");
        }
    }

    /// forge-config: twins.fuzz.runs = 8
    function testFuzz_hash(uint256 seed, uint256 count) public view {
        uint256[] memory inputs = _bases(seed, bound(count, 0, 40));
        (uint256[4] memory found,) = HARNESS.hashNoPad(inputs);
        uint256[4] memory expected = Twin.hashNoPad(inputs);
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(found[i], expected[i], "hash");
        }
    }

    // Gates.

    /// @dev A gate's wires and constants, and the digest of public inputs.
    struct Row {
        E[] wires;
        E[] constants;
        uint256[4] digest;
    }

    function _row(uint256 seed) private pure returns (Row memory row) {
        row.wires = _extensions(seed, WIRES);
        row.constants = _extensions(~seed, 2);
        uint256[] memory digest = _bases(seed ^ 1, 4);
        row.digest = [digest[0], digest[1], digest[2], digest[3]];
    }

    function _compare(uint256 kind, uint256[3] memory sizes, Row memory row, E[] memory expected) private view {
        uint256[] memory parameters = new uint256[](3);
        (parameters[0], parameters[1], parameters[2]) = (sizes[0], sizes[1], sizes[2]);
        (uint256[] memory found,) =
            HARNESS.gate(kind, parameters, _words(row.wires), _words(row.constants), row.digest);
        _assertSame(found, expected);
    }

    function _assertSame(uint256[] memory found, E[] memory expected) private pure {
        assertEq(found.length, expected.length, "how many");
        for (uint256 i = 0; i < expected.length; ++i) {
            assertEq(found[i], _word(expected[i]), "constraint");
        }
    }

    function testFuzz_small_gates(uint256 seed) public view {
        Row memory row = _row(seed);
        _compare(0, [uint256(2), 0, 0], row, TwinGates.constantGate(row.wires, row.constants));
        _compare(1, [uint256(0), 0, 0], row, TwinGates.publicInputGate(row.wires, row.digest));
        _compare(2, [uint256(10), 0, 0], row, TwinGates.arithmeticGate(row.wires, row.constants, 10));
    }

    /// forge-config: twins.fuzz.runs = 32
    function testFuzz_gates_of_the_extension_field(uint256 seed) public view {
        Row memory row = _row(seed);
        _compare(3, [uint256(2), 0, 0], row, TwinGates.algebraGate(row.wires, row.constants, 2, true));
        _compare(4, [uint256(3), 0, 0], row, TwinGates.algebraGate(row.wires, row.constants, 3, false));
    }

    function testFuzz_gates_of_bits(uint256 seed, uint256 limbs, uint256 bits) public view {
        Row memory row = _row(seed);
        limbs = bound(limbs, 1, 63);
        bits = bound(bits, 1, 39);
        _compare(5, [limbs, 0, 0], row, TwinGates.baseSumGate(row.wires, limbs));
        _compare(6, [bits, 0, 0], row, TwinGates.exponentiationGate(row.wires, bits));
    }

    /// forge-config: twins.fuzz.runs = 32
    function testFuzz_random_access(uint256 seed, uint256 bits, uint256 copies, uint256 extra) public view {
        Row memory row = _row(seed);
        bits = bound(bits, 1, 4);
        copies = bound(copies, 1, 3);
        extra = bound(extra, 0, 2);
        E[] memory expected = TwinGates.randomAccessGate(row.wires, row.constants, bits, copies, extra);
        _compare(7, [bits, copies, extra], row, expected);
    }

    /// forge-config: twins.fuzz.runs = 16
    function testFuzz_permutation_argument(uint256 seed, uint256 wires, uint256 chunk) public view {
        TwinGates.Argument memory a;
        a.degreeBits = 13;
        wires = bound(wires, 1, 20);
        a.chunk = bound(chunk, 1, 8);
        a.zeta = _extension(seed);
        a.wires = _extensions(seed ^ 1 << 64, wires);
        a.sigmas = _extensions(seed ^ 2 << 64, wires);
        a.zs = _extensions(seed ^ 3 << 64, 2);
        a.zsNext = _extensions(seed ^ 4 << 64, 2);
        a.partialProducts = _extensions(seed ^ 5 << 64, 2 * ((wires - 1) / a.chunk));
        a.betas = _bases(seed ^ 6 << 64, 2);
        a.gammas = _bases(seed ^ 7 << 64, 2);
        (uint256[] memory found,) = HARNESS.permutationArgument(
            [a.degreeBits, wires, a.chunk, 2],
            _word(a.zeta),
            [_words(a.wires), _words(a.sigmas), _words(a.zs), _words(a.zsNext), _words(a.partialProducts)],
            a.betas,
            a.gammas
        );
        _assertSame(found, TwinGates.permutationTerms(a));
    }

    /// forge-config: twins.fuzz.runs = 8
    function testFuzz_poseidon_gate(uint256 seed) public view {
        Row memory row = _row(seed);
        _compare(9, [uint256(0), 0, 0], row, Twin.poseidonGate(row.wires));
    }

    /// forge-config: twins.fuzz.runs = 16
    function testFuzz_interpolation_gate(uint256 seed, uint256 bits) public view {
        bits = bound(bits, 1, 3);
        Row memory row = _row(seed);
        uint256[3] memory sizes = [2 ** bits, Twin.rootOfUnity(bits), 0];
        _compare(8, sizes, row, Twin.interpolationGate(row.wires, bits));
    }

    function testFuzz_reducing_gates(uint256 seed, uint256 count, bool wide) public view {
        count = bound(count, 1, wide ? 7 : 25);
        uint256 width = wide ? 4 : 1;
        E[] memory wires = _extensions(seed, WIRES);
        uint256 challenge = _base(~seed);
        (uint256 found,) = HARNESS.reducing(_words(wires), challenge, count, width);
        E[] memory constraints = Twin.reducingGate(wires, count, width);
        assertEq(found, _word(Twin.evaluate(constraints, challenge)), "sum of constraints");
    }

    // Transcript and FRI.

    function testFuzz_challenges(uint256 seed, uint256[3] memory absorbed, uint256[3] memory squeezed) public pure {
        bytes[] memory inputs = new bytes[](3);
        uint256[] memory counts = new uint256[](3);
        TwinTranscript.Sponge memory sponge = TwinTranscript.create();
        uint256[] memory expected = new uint256[](64);
        uint256 length = 0;
        for (uint256 i = 0; i < 3; ++i) {
            uint256[] memory elements = _bases(seed ^ i << 128, bound(absorbed[i], 0, 40));
            inputs[i] = _bytes(elements);
            for (uint256 j = 0; j < elements.length; ++j) {
                TwinTranscript.observe(sponge, elements[j]);
            }
            // All that is absorbed between two challenges is absorbed at once.
            counts[i] = bound(squeezed[i], 1, 20);
            for (uint256 j = 0; j < counts[i]; ++j) {
                expected[length++] = TwinTranscript.challenge(sponge);
            }
        }
        uint256[] memory found = HARNESS.challenges(inputs, counts);
        assertEq(found.length, length, "challenges");
        for (uint256 i = 0; i < length; ++i) {
            assertEq(found[i], expected[i], "challenge");
        }
    }

    function testFuzz_elements_too_large(uint256 seed, uint256 count, uint256 place, uint256 excess) public pure {
        uint256[] memory elements = _bases(seed, bound(count, 1, 40));
        assertTrue(!HARNESS.anyTooLarge(_bytes(elements)), "elements of the field");
        place = bound(place, 0, elements.length - 1);
        // The order itself, the greatest word, and between them.
        excess = bound(excess, 0, 2);
        elements[place] = excess == 0 ? P : excess == 1 ? type(uint64).max : bound(seed, P, type(uint64).max);
        assertTrue(HARNESS.anyTooLarge(_bytes(elements)), "an element that is too large");
        // Another one, above or below it in the same word.
        elements[seed % elements.length] = type(uint64).max;
        assertTrue(HARNESS.anyTooLarge(_bytes(elements)), "two elements that are too large");
    }

    function testFuzz_ancestors(uint256 seed, uint256 index, uint256 levels) public pure {
        bytes25[] memory siblings = new bytes25[](bound(levels, 0, 21));
        bytes memory packed;
        for (uint256 i = 0; i < siblings.length; ++i) {
            siblings[i] = bytes25(keccak256(abi.encode(seed, i)));
            packed = bytes.concat(packed, siblings[i]);
        }
        bytes25 digest = bytes25(keccak256(abi.encode(seed)));
        bytes32 found = HARNESS.ancestor(digest, index, packed);
        assertEq(found, bytes32(Twin.ancestor(digest, index, siblings)), "ancestor");
    }

    function testFuzz_combinations_of_leaves(uint256 seed, uint256 count) public view {
        uint256[] memory values = _bases(seed, bound(count, 1, 64));
        E memory alpha = _extension(~seed);
        E memory sum;
        for (uint256 i = 1; i <= values.length; ++i) {
            sum = Twin.add(Twin.mul(sum, alpha), Twin.fromBase(values[values.length - i]));
        }
        (uint256 found,,) = HARNESS.combineBase(_bytes(values), _word(alpha));
        assertEq(found, _word(sum), "combination");
    }

    /// forge-config: twins.fuzz.runs = 16
    function testFuzz_layers_of_fri(uint256 seed, uint256 bits) public view {
        bits = bound(bits, 1, 4);
        E[] memory values = _extensions(seed, 2 ** bits);
        E memory beta = _extension(~seed);
        uint256 start = 1 + _base(seed ^ 1) % (P - 1);
        uint256[] memory inverseRoots = new uint256[](8);
        uint256 root = Twin.inverse(Twin.rootOfUnity(4));
        for (uint256 i = 0; i < 8; ++i) {
            inverseRoots[i] = Twin.power(root, (i & 1) * 4 + (i & 2) + (i >> 2));
        }
        (uint256 found,) =
            HARNESS.fold(_words(values), bits, Twin.inverse(start), _word(beta), inverseRoots);
        assertEq(found, _word(Twin.fold(values, bits, start, beta)), "layer");
    }
}
