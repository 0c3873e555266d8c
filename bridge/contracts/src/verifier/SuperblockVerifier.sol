// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISuperblockVerifier} from "../interfaces/ISuperblockVerifier.sol";
import {Circuit} from "./Circuit.sol";
import {Fri} from "./Fri.sol";
import {GENERATOR, Goldilocks, P} from "./Goldilocks.sol";
import {PermutationArgument} from "./PermutationArgument.sol";
import {Poseidon} from "./Poseidon.sol";
import {ProofBytes} from "./ProofBytes.sol";
import {
    Quartic,
    evaluateAt,
    fromBase,
    innerProduct,
    load,
    mulAdd,
    powerOfTwoPower,
    scale,
    scaleAdd,
    store
} from "./Quartic.sol";
import {Transcript, TranscriptLibrary} from "./Transcript.sol";

/// @title SuperblockVerifier
/// @notice plonky2's verifier for one circuit, the last of the hop. It has no setup, no owner and no storage, does every
/// check for every proof, and accepts a proof in one encoding only:
///
///     caps of wires, products, quotients       digests of 25 bytes
///     openings at zeta, and of the products at the next row: constants, sigmas, wires, products Z, partial products,
///         quotients; Z at the next row          32 bytes each
///     caps of FRI's layers                      digests of 25 bytes
///     coefficients of the final polynomial      32 bytes each
///     the nonce of the grinding                 8 bytes
///     for each query, for each of four trees    its leaf, 8 bytes an element; its siblings, 25 bytes each
///         and for each layer                    its coset's values, 32 bytes each; its siblings, 25 bytes each
contract SuperblockVerifier is ISuperblockVerifier {
    /// @notice The proof has `length` bytes and not `expected`.
    error WrongProofLength(uint256 length, uint256 expected);
    /// @notice There are `count` public inputs and not `expected`.
    error WrongPublicInputCount(uint256 count, uint256 expected);
    /// @notice The public input is at or above the field's order.
    error PublicInputTooLarge(uint256 index, uint256 value);
    /// @notice The constraints do not hold: with this challenge their combination at zeta is not what the quotient says.
    error WrongQuotient(uint256 challenge, Quartic constraints, Quartic quotient);
    /// @notice The nonce's response has fewer leading zeros than the grinding asks for.
    error TooLittleWork(uint256 response, uint256 limit);
    /// @notice A query's leaf is not in the tree. Trees: constants, wires, products, quotients, FRI's layers.
    error WrongLeaf(uint256 query, uint256 tree, bytes32 root, bytes32 expected);
    /// @notice A query's point is one of the points of the openings.
    error PointIsOpened(uint256 query);
    /// @notice The first layer does not hold what follows from the openings at the query.
    error WrongFirstLayer(uint256 query, Quartic value);
    /// @notice The layer does not hold what follows from the layer before it.
    error WrongLayer(uint256 query, uint256 layer, Quartic value, Quartic expected);
    /// @notice The final polynomial is not what follows from the last layer.
    error WrongFinalPolynomial(uint256 query, Quartic value, Quartic expected);

    // Where the parts of a proof are, in bytes, and how many elements they have.
    uint256 private constant CAP_SIZE = 1 << Circuit.CAP_HEIGHT;
    uint256 private constant CAP_BYTES = CAP_SIZE * Fri.DIGEST_BYTES;
    uint256 private constant PRODUCTS = Circuit.CHALLENGES * (1 + Circuit.PARTIAL_PRODUCTS);
    uint256 private constant QUOTIENTS = Circuit.CHALLENGES * Circuit.QUOTIENT_DEGREE_FACTOR;
    uint256 private constant FIXED = Circuit.CONSTANTS + Circuit.ROUTED_WIRES;
    uint256 private constant POLYNOMIALS = FIXED + Circuit.WIRES + PRODUCTS + QUOTIENTS;
    uint256 private constant OPENINGS = POLYNOMIALS + Circuit.CHALLENGES;
    uint256 private constant OPENINGS_START = 3 * CAP_BYTES;
    uint256 private constant LAYER_CAPS_START = OPENINGS_START + 32 * OPENINGS;
    uint256 private constant FINAL_START = LAYER_CAPS_START + Circuit.LAYERS * CAP_BYTES;
    uint256 private constant FINAL_BYTES = 32 * Circuit.FINAL_COEFFICIENTS + 8;
    uint256 private constant QUERIES_START = FINAL_START + FINAL_BYTES;
    uint256 private constant TREE_BITS = Circuit.DEGREE_BITS + Circuit.RATE_BITS;
    uint256 private constant TREE_LEVELS = TREE_BITS - Circuit.CAP_HEIGHT;
    uint256 private constant LEAVES_BYTES = 8 * POLYNOMIALS;
    /// @dev The trees that a query opens before FRI's layers.
    uint256 private constant TREES = 4;

    /// @dev The terms of the permutation argument, which come before those of gates.
    uint256 private constant ARGUMENT_TERMS = Circuit.CHALLENGES * (2 + Circuit.PARTIAL_PRODUCTS);

    /// @dev How many powers of FRI's alpha are written down. Longer lists are combined so many elements at a time, which takes a
    /// product for each part.
    uint256 private constant POWERS = 56;

    /// @dev The element 1.
    Quartic private constant ONE = Quartic.wrap(1 << 192);
    /// @dev plonky2's mark in a selector for "the gate of this row is in another group".
    uint256 private constant UNUSED_SELECTOR = 0xffffffff;

    /// @dev What follows from the proof before the queries are looked at. Arrays are pointers: `betas`, `gammas`, `alphas` and
    /// `queries` of words, `caps` of digests, the others of extension elements.
    struct Proof {
        uint256 start;
        uint256 publicInputsHash;
        uint256 poseidonTable;
        uint256 openings;
        uint256 betas;
        uint256 gammas;
        uint256 alphas;
        Quartic zeta;
        Quartic friAlpha;
        uint256 friBetas;
        uint256 finalPolynomial;
        uint256 response;
        uint256 queries;
        uint256 caps;
    }

    /// @dev What all queries share. `powers` are those of FRI's alpha, two words each, and `power` the one that comes next;
    /// `betas` are those of `Fri.fold`, for each layer. `points` and `inversePoints` are those of the queries, a word each.
    struct Combination {
        uint256 powers;
        Quartic power;
        Quartic openings;
        Quartic nextOpenings;
        Quartic shift;
        Quartic zetaNext;
        uint256 foldRoots;
        uint256 foldInverseRoots;
        uint256 points;
        uint256 inversePoints;
        uint256 betas;
        uint256 buffer;
    }

    /// @inheritdoc ISuperblockVerifier
    function outerDigest() external pure returns (bytes32) {
        return Circuit.OUTER_DIGEST;
    }

    /// @inheritdoc ISuperblockVerifier
    function verify(bytes calldata proof, uint256[] calldata publicInputs) external pure {
        Proof memory read = begin(proof, publicInputs);
        readChallenges(read);
        checkWork(read);
        checkChallenged(read);
    }

    /// @dev Checks what depends on challenges. It stands apart from the work, so that tests can choose the challenges: a changed proof
    /// with enough work is out of their reach.
    function checkChallenged(Proof memory read) internal pure {
        checkQuotients(read);
        checkQueries(read);
    }

    /// @dev Checks lengths and public inputs.
    function begin(bytes calldata proof, uint256[] calldata publicInputs) internal pure returns (Proof memory read) {
        uint256 length = proofLength();
        if (proof.length != length) revert WrongProofLength(proof.length, length);
        if (publicInputs.length != Circuit.PUBLIC_INPUTS) {
            revert WrongPublicInputCount(publicInputs.length, Circuit.PUBLIC_INPUTS);
        }
        for (uint256 i = 0; i < Circuit.PUBLIC_INPUTS; ++i) {
            if (publicInputs[i] >= P) revert PublicInputTooLarge(i, publicInputs[i]);
        }
        read.start = ProofBytes.startOf(proof);
        read.poseidonTable = Poseidon.loadConstants();
        read.publicInputsHash = Poseidon.hashNoPad(publicInputs, read.poseidonTable);
    }

    /// @dev The bytes of a proof.
    function proofLength() private pure returns (uint256 length) {
        unchecked {
            uint256 query = LEAVES_BYTES + TREES * TREE_LEVELS * Fri.DIGEST_BYTES;
            uint256 bits = TREE_BITS;
            for (uint256 layer = 0; layer < Circuit.LAYERS; ++layer) {
                uint256 arityBits = layerArityBits(layer);
                bits -= arityBits;
                query += (32 << arityBits) + (bits - Circuit.CAP_HEIGHT) * Fri.DIGEST_BYTES;
            }
            return QUERIES_START + Circuit.QUERIES * query;
        }
    }

    /// @dev The logarithm of the size of a layer's cosets.
    function layerArityBits(uint256 layer) private pure returns (uint256) {
        return (Circuit.ARITY_BITS >> (8 * layer)) & 0xff;
    }

    /// @dev `count` challenges in the base field.
    function squeezeMany(Transcript memory transcript, uint256 count) private pure returns (uint256 challenges) {
        unchecked {
            challenges = ProofBytes.allocate(0x20 * count);
            for (uint256 i = 0; i < count; ++i) {
                store(challenges, i, Quartic.wrap(transcript.squeeze()));
            }
        }
    }

    /// @dev The four elements of a hash as a word.
    function packedHash(uint256 hash) private pure returns (Quartic) {
        uint256 word = Quartic.unwrap(load(hash, 0)) << 192 | Quartic.unwrap(load(hash, 1)) << 128;
        return Quartic.wrap(word | Quartic.unwrap(load(hash, 2)) << 64 | Quartic.unwrap(load(hash, 3)));
    }

    /// @dev Reads everything before the queries, and derives all challenges, the queries' indices included.
    function readChallenges(Proof memory proof) internal pure {
        unchecked {
            Transcript memory transcript = TranscriptLibrary.create();
            uint256 start = proof.start;
            proof.caps = ProofBytes.allocate((TREES + Circuit.LAYERS) * 32 * CAP_SIZE);
            uint256 cap = proof.caps;
            uint256 buffer = ProofBytes.allocate(0x400 + 32 * CAP_SIZE + FINAL_BYTES);
            ProofBytes.expandCap(Circuit.KEY_CAP, CAP_SIZE, cap);
            cap += 32 * CAP_SIZE;
            {
                bytes memory prefix = Circuit.TRANSCRIPT_START;
                ProofBytes.copy(prefix, buffer);
                uint256 length = prefix.length;
                store(buffer + length, 0, packedHash(proof.publicInputsHash));
                length += 32;
                ProofBytes.readCap(start, 0, CAP_SIZE, cap, buffer + length);
                transcript.absorb(buffer, length + 32 * CAP_SIZE);
            }
            proof.betas = squeezeMany(transcript, Circuit.CHALLENGES);
            proof.gammas = squeezeMany(transcript, Circuit.CHALLENGES);

            ProofBytes.readCap(start, CAP_BYTES, CAP_SIZE, cap += 32 * CAP_SIZE, buffer);
            transcript.absorb(buffer, 32 * CAP_SIZE);
            proof.alphas = squeezeMany(transcript, Circuit.CHALLENGES);

            ProofBytes.readCap(start, 2 * CAP_BYTES, CAP_SIZE, cap += 32 * CAP_SIZE, buffer);
            transcript.absorb(buffer, 32 * CAP_SIZE);
            proof.zeta = transcript.squeezeQuartic();

            proof.openings = ProofBytes.allocate(32 * OPENINGS + 32);
            ProofBytes.readElements(start, OPENINGS_START, 32 * OPENINGS, proof.openings);
            transcript.absorb(proof.openings, 32 * OPENINGS);
            proof.friAlpha = transcript.squeezeQuartic();

            proof.friBetas = ProofBytes.allocate(32 * Circuit.LAYERS);
            for (uint256 layer = 0; layer < Circuit.LAYERS; ++layer) {
                ProofBytes.readCap(start, LAYER_CAPS_START + layer * CAP_BYTES, CAP_SIZE, cap += 32 * CAP_SIZE, buffer);
                transcript.absorb(buffer, 32 * CAP_SIZE);
                store(proof.friBetas, layer, transcript.squeezeQuartic());
            }

            proof.finalPolynomial = ProofBytes.allocate(FINAL_BYTES + 32);
            ProofBytes.readElements(start, FINAL_START, FINAL_BYTES, proof.finalPolynomial);
            transcript.absorb(proof.finalPolynomial, FINAL_BYTES);
            proof.response = transcript.squeeze();
            proof.queries = squeezeMany(transcript, Circuit.QUERIES);
        }
    }

    /// @dev The nonce was searched for.
    function checkWork(Proof memory proof) internal pure {
        uint256 limit = 1 << (64 - Circuit.GRINDING_BITS);
        if (proof.response >= limit) revert TooLittleWork(proof.response, limit);
    }

    /// @dev The constraints hold at zeta: for each challenge alpha, the sum of all terms times the powers of alpha is the
    /// quotient times the polynomial that vanishes on all rows.
    function checkQuotients(Proof memory proof) internal pure {
        unchecked {
            uint256 openings = proof.openings;
            Quartic zetaPower = powerOfTwoPower(proof.zeta, Circuit.DEGREE_BITS);
            PermutationArgument.Openings memory argument;
            argument.zeta = proof.zeta;
            argument.sigmas = openings + 32 * Circuit.CONSTANTS;
            argument.wires = openings + 32 * FIXED;
            argument.zs = argument.wires + 32 * Circuit.WIRES;
            argument.partialProducts = argument.zs + 32 * Circuit.CHALLENGES;
            uint256 quotients = argument.zs + 32 * PRODUCTS;
            argument.zsNext = quotients + 32 * QUOTIENTS;
            argument.betas = proof.betas;
            argument.gammas = proof.gammas;

            uint256 terms = ProofBytes.allocate(32 * ARGUMENT_TERMS);
            uint256 end =
                PermutationArgument.starts(argument, zetaPower, 1 << Circuit.DEGREE_BITS, Circuit.CHALLENGES, terms);
            PermutationArgument.steps(
                argument, Circuit.ROUTED_WIRES, Circuit.QUOTIENT_DEGREE_FACTOR, Circuit.CHALLENGES, end
            );
            uint256 sums = combineGates(proof, argument.wires);
            for (uint256 i = 0; i < Circuit.CHALLENGES; ++i) {
                uint256 alpha = Quartic.unwrap(load(proof.alphas, i));
                Quartic argumentSum = evaluateAt(terms, 32, ARGUMENT_TERMS, alpha);
                store(sums, i, scaleAdd(load(sums, i), Goldilocks.power(alpha, ARGUMENT_TERMS), argumentSum));
            }

            Quartic vanishing = zetaPower - ONE;
            for (uint256 i = 0; i < Circuit.CHALLENGES; ++i) {
                Quartic quotient = Quartic.wrap(0);
                for (uint256 j = Circuit.QUOTIENT_DEGREE_FACTOR; j-- > 0;) {
                    quotient = mulAdd(quotient, zetaPower, load(quotients, i * Circuit.QUOTIENT_DEGREE_FACTOR + j));
                }
                quotient = quotient * vanishing;
                if (!(load(sums, i) == quotient)) revert WrongQuotient(i, load(sums, i), quotient);
            }
        }
    }

    /// @dev For each alpha, the sum of the constraints of all gates, each times the gate's filter and a power of alpha.
    function combineGates(Proof memory proof, uint256 wires) private pure returns (uint256 sums) {
        unchecked {
            sums = ProofBytes.allocate(32 * Circuit.CHALLENGES);
            for (uint256 i = 0; i < Circuit.CHALLENGES; ++i) {
                store(sums, i, Quartic.wrap(0));
            }
            uint256 constraints = ProofBytes.allocate(32 * Circuit.GATE_CONSTRAINTS);
            uint256 constants = proof.openings + 32 * Circuit.SELECTORS;
            for (uint256 gate = 0; gate < Circuit.GATES; ++gate) {
                uint256 end = Circuit.evaluateGate(
                    gate, wires, constants, proof.publicInputsHash, proof.poseidonTable, constraints
                );
                uint256 count = (end - constraints) / 32;
                bool isReducing = (Circuit.REDUCING_GATES >> gate) & 1 == 1;
                if (count == 0 && !isReducing) continue;
                Quartic filter = gateFilter(gate, proof.openings);
                for (uint256 i = 0; i < Circuit.CHALLENGES; ++i) {
                    uint256 alpha = Quartic.unwrap(load(proof.alphas, i));
                    Quartic sum = isReducing
                        ? Circuit.combineReducingGate(gate, wires, alpha)
                        : evaluateAt(constraints, 32, count, alpha);
                    store(sums, i, mulAdd(filter, sum, load(sums, i)));
                }
            }
        }
    }

    /// @dev What is not zero in rows of this gate only: the product of `i - selector` over the other gates of its group, and
    /// over the mark of other groups if there are any.
    function gateFilter(uint256 gate, uint256 selectors) private pure returns (Quartic filter) {
        unchecked {
            Quartic selector = load(selectors, (Circuit.GATE_SELECTORS >> (8 * gate)) & 0xff);
            uint256 end = (Circuit.GATE_GROUP_ENDS >> (8 * gate)) & 0xff;
            filter = Circuit.SELECTORS > 1 ? fromBase(UNUSED_SELECTOR) - selector : ONE;
            for (uint256 i = (Circuit.GATE_GROUP_STARTS >> (8 * gate)) & 0xff; i < end; ++i) {
                if (i != gate) filter = filter * (fromBase(i) - selector);
            }
        }
    }

    /// @dev The openings are those of polynomials of low degree: FRI at all queries.
    function checkQueries(Proof memory proof) internal pure {
        unchecked {
            Combination memory shared;
            uint256 powers = ProofBytes.allocate(32 * POWERS);
            shared.powers = ProofBytes.allocate(64 * POWERS);
            shared.power = Fri.writePowers(proof.friAlpha, POWERS, powers, shared.powers);
            Quartic sum = Quartic.wrap(0);
            for (uint256 part = (POLYNOMIALS + POWERS - 1) / POWERS; part-- > 0;) {
                uint256 from = part * POWERS;
                uint256 count = POLYNOMIALS - from < POWERS ? POLYNOMIALS - from : POWERS;
                sum = mulAdd(sum, shared.power, innerProduct(proof.openings + 32 * from, powers, count));
            }
            shared.openings = sum;
            shared.nextOpenings = innerProduct(proof.openings + 32 * POLYNOMIALS, powers, Circuit.CHALLENGES);
            shared.shift = load(powers, Circuit.CHALLENGES);
            shared.zetaNext = scale(proof.zeta, Circuit.ROW_GENERATOR);
            shared.betas = ProofBytes.allocate(32 * Fri.MAX_ARITY_BITS * Circuit.LAYERS);
            for (uint256 layer = 0; layer < Circuit.LAYERS; ++layer) {
                Quartic beta = load(proof.friBetas, layer);
                for (uint256 i = 0; i < Fri.MAX_ARITY_BITS; ++i) {
                    store(shared.betas, Fri.MAX_ARITY_BITS * layer + i, beta);
                    beta = beta * beta;
                }
            }
            writePoints(shared, proof.queries);
            shared.buffer = ProofBytes.allocate(LEAVES_BYTES + 0x40 + (32 << Fri.MAX_ARITY_BITS));

            uint256 position = QUERIES_START;
            for (uint256 query = 0; query < Circuit.QUERIES; ++query) {
                position = checkQuery(proof, shared, query, position);
            }
        }
    }

    /// @dev Writes the points of all queries, their inverses, and the roots of unity that cosets need.
    function writePoints(Combination memory shared, uint256 queries) private pure {
        unchecked {
            // Indices are bit-reversed: bit i stands for the generator to the power of 2^(TREE_BITS - 1 - i).
            uint256 roots = ProofBytes.allocate(32 * TREE_BITS);
            uint256 root = Circuit.DOMAIN_GENERATOR;
            for (uint256 i = TREE_BITS; i-- > 0;) {
                store(roots, i, Quartic.wrap(root));
                root = mulmod(root, root, P);
            }
            // All inverses from that of the product of all points, the last one first: until then the place of a point's inverse
            // holds the product of the points before it.
            uint256 points = ProofBytes.allocate(32 * Circuit.QUERIES);
            uint256 inverses = ProofBytes.allocate(32 * Circuit.QUERIES);
            uint256 product = 1;
            for (uint256 i = 0; i < Circuit.QUERIES; ++i) {
                uint256 x = pointAt(roots, Quartic.unwrap(load(queries, i)) & ((1 << TREE_BITS) - 1));
                store(points, i, Quartic.wrap(x));
                store(inverses, i, Quartic.wrap(product));
                product = mulmod(product, x, P);
            }
            product = Goldilocks.inverse(product);
            for (uint256 i = Circuit.QUERIES; i-- > 0;) {
                store(inverses, i, Quartic.wrap(mulmod(Quartic.unwrap(load(inverses, i)), product, P)));
                product = mulmod(product, Quartic.unwrap(load(points, i)), P);
            }
            (shared.points, shared.inversePoints) = (points, inverses);
            shared.foldRoots = cosetRoots(roots, false);
            shared.foldInverseRoots = cosetRoots(roots, true);
        }
    }

    /// @dev The domain's point at an index.
    function pointAt(uint256 roots, uint256 index) private pure returns (uint256 x) {
        unchecked {
            for (x = GENERATOR; index != 0; index >>= 1) {
                if (index & 1 == 1) x = mulmod(x, Quartic.unwrap(load(roots, 0)), P);
                roots += 0x20;
            }
        }
    }

    /// @dev The first half of the roots of the largest coset, bit-reversed, or their inverses.
    function cosetRoots(uint256 roots, bool inverted) private pure returns (uint256 result) {
        unchecked {
            result = ProofBytes.allocate(16 << Fri.MAX_ARITY_BITS);
            store(result, 0, Quartic.wrap(1));
            // The root of order 2 is what tells one half from the other, so the first bit stands for that of order 4. The inverse
            // of a root of order 2^n is the product of this root and all those of lower orders.
            uint256 lower = Quartic.unwrap(load(roots, 0));
            for (uint256 bit = 0; bit < Fri.MAX_ARITY_BITS - 1; ++bit) {
                uint256 root = Quartic.unwrap(load(roots, bit + 1));
                lower = mulmod(lower, root, P);
                if (inverted) root = lower;
                for (uint256 i = 0; i < 1 << bit; ++i) {
                    store(result, (1 << bit) + i, Quartic.wrap(mulmod(Quartic.unwrap(load(result, i)), root, P)));
                }
            }
        }
    }

    /// @dev Checks the query that is at byte `position` of the proof, and returns the position after it.
    function checkQuery(Proof memory proof, Combination memory shared, uint256 query, uint256 position)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256 index = Quartic.unwrap(load(proof.queries, query)) & ((1 << TREE_BITS) - 1);
            uint256 x = Quartic.unwrap(load(shared.points, query));
            uint256 xInverse = Quartic.unwrap(load(shared.inversePoints, query));
            uint256 sides = Fri.sidesOf(index);
            position = readLeaves(proof, shared, query, index, sides, position);
            (Quartic numerator, Quartic denominator) = combineOpenings(proof, shared, x);
            if (Quartic.unwrap(denominator) == 0) revert PointIsOpened(query);

            uint256 buffer = shared.buffer;
            uint256 bits = TREE_BITS;
            Quartic value;
            for (uint256 layer = 0; layer < Circuit.LAYERS; ++layer) {
                uint256 arityBits = layerArityBits(layer);
                uint256 length = 32 << arityBits;
                ProofBytes.readElements(proof.start, position, length, buffer);
                position += length;
                uint256 place = index & ((1 << arityBits) - 1);
                index >>= arityBits;
                sides >>= 8 * arityBits;
                bits -= arityBits;
                Quartic found = load(buffer, place);
                if (layer == 0) {
                    if (!(found * denominator == numerator)) revert WrongFirstLayer(query, found);
                } else if (!(found == value)) {
                    revert WrongLayer(query, layer, found, value);
                }
                position = checkLeaf(
                    proof, query, TREES + layer, ProofBytes.hashLeaf(buffer, length), index, sides, bits, position
                );

                // The coset's first point is the query's point divided by a root of unity.
                uint256 root = Quartic.unwrap(load(shared.foldRoots, place >> 1));
                if (place & 1 == 1) root = P - root;
                xInverse = mulmod(xInverse, root, P);
                uint256 betas = shared.betas + 32 * Fri.MAX_ARITY_BITS * layer;
                value = Fri.fold(buffer, arityBits, xInverse, betas, shared.foldInverseRoots);
                xInverse = Goldilocks.powerOfTwoPower(xInverse, arityBits);
                x = Goldilocks.powerOfTwoPower(x, arityBits);
            }
            Quartic expected = evaluateAt(proof.finalPolynomial, 32, Circuit.FINAL_COEFFICIENTS, x);
            if (!(value == expected)) revert WrongFinalPolynomial(query, value, expected);
            return position;
        }
    }

    /// @dev Reads a query's four leaves to the buffer, one after the other, and checks that they are in their trees.
    function readLeaves(
        Proof memory proof,
        Combination memory shared,
        uint256 query,
        uint256 index,
        uint256 sides,
        uint256 position
    ) private pure returns (uint256) {
        unchecked {
            uint256 buffer = shared.buffer;
            uint256 leaf = buffer;
            uint256 leafPosition = position;
            for (uint256 tree = 0; tree < TREES; ++tree) {
                uint256 length = 8 * leafSize(tree);
                ProofBytes.copyElements(proof.start, leafPosition, length, leaf);
                leaf += length;
                leafPosition += length + TREE_LEVELS * Fri.DIGEST_BYTES;
            }
            // Zeros follow: the elements are checked and combined four at a time.
            store(leaf, 0, Quartic.wrap(0));
            if (Fri.anyTooLarge(buffer, LEAVES_BYTES)) {
                for (uint256 tree = 0; tree < TREES; ++tree) {
                    uint256 length = 8 * leafSize(tree);
                    ProofBytes.refuseElements(proof.start, position, length);
                    position += length + TREE_LEVELS * Fri.DIGEST_BYTES;
                }
                assert(false);
            }
            leaf = buffer;
            for (uint256 tree = 0; tree < TREES; ++tree) {
                uint256 length = 8 * leafSize(tree);
                position += length;
                position =
                    checkLeaf(proof, query, tree, ProofBytes.hashLeaf(leaf, length), index, sides, TREE_BITS, position);
                leaf += length;
            }
            return position;
        }
    }

    /// @dev The elements of a leaf of each tree.
    function leafSize(uint256 tree) private pure returns (uint256) {
        if (tree == 0) return FIXED;
        if (tree == 1) return Circuit.WIRES;
        if (tree == 2) return PRODUCTS;
        return QUOTIENTS;
    }

    /// @dev Checks that a leaf is at `index`, on these sides, of a tree of 2^`bits` leaves, and returns the position after its siblings.
    function checkLeaf(
        Proof memory proof,
        uint256 query,
        uint256 tree,
        uint256 digest,
        uint256 index,
        uint256 sides,
        uint256 bits,
        uint256 position
    ) private pure returns (uint256) {
        unchecked {
            uint256 levels = bits - Circuit.CAP_HEIGHT;
            uint256 root = Fri.ancestor(digest, sides, proof.start + position, levels);
            uint256 expected = Quartic.unwrap(load(proof.caps, tree * CAP_SIZE + (index >> levels)));
            if (root != expected) revert WrongLeaf(query, tree, bytes32(root), bytes32(expected));
            return position + levels * Fri.DIGEST_BYTES;
        }
    }

    /// @dev What the openings say that the first layer holds at `x`, as a fraction: with the leaf's values combined like the
    /// openings, `shift (leaf - openings) / (x - zeta) + (products - nextOpenings) / (x - zetaNext)`.
    function combineOpenings(Proof memory proof, Combination memory shared, uint256 x)
        private
        pure
        returns (Quartic numerator, Quartic denominator)
    {
        unchecked {
            // The products' first elements alone, with zeros up to four.
            uint256 products = shared.buffer + LEAVES_BYTES + 0x20;
            uint256 word = Quartic.unwrap(load(shared.buffer + 8 * (FIXED + Circuit.WIRES), 0));
            store(products, 0, Quartic.wrap(word & ~((1 << (256 - 64 * Circuit.CHALLENGES)) - 1)));
            Quartic point = fromBase(x);
            Quartic toZeta = point - proof.zeta;
            Quartic toZetaNext = point - shared.zetaNext;
            Quartic first = combineLeaves(shared) - shared.openings;
            Quartic second = Fri.combineBase(products, shared.powers, Circuit.CHALLENGES) - shared.nextOpenings;
            numerator = shared.shift * first * toZetaNext + second * toZeta;
            denominator = toZeta * toZetaNext;
        }
    }

    /// @dev The sum of the elements of a query's leaves, which are in the buffer, times the powers of FRI's alpha.
    function combineLeaves(Combination memory shared) private pure returns (Quartic sum) {
        unchecked {
            for (uint256 part = (POLYNOMIALS + POWERS - 1) / POWERS; part-- > 0;) {
                uint256 from = part * POWERS;
                uint256 count = POLYNOMIALS - from < POWERS ? POLYNOMIALS - from : POWERS;
                Quartic combined = Fri.combineBase(shared.buffer + 8 * from, shared.powers, count);
                sum = mulAdd(sum, shared.power, combined);
            }
        }
    }
}
