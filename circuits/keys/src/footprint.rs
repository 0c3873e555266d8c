//! How much memory a circuit takes.

use circuits_prover::basetypes::Circuit;

/// Estimates the bytes that a circuit takes in memory: its tables, and what allocations cost besides their content.
/// Generators are counted with an average size.
pub(crate) fn memory_bytes(circuit: &Circuit) -> u64 {
    // Both in words of 8 bytes; a vector's header with what the allocator adds.
    const VECTOR: usize = 5;
    const GENERATOR: usize = 16;
    let prover = &circuit.prover_only;
    let commitment = &prover.constants_sigmas_commitment;
    let rows = 1_usize << circuit.common.degree_bits();
    let columns = commitment.polynomials.len();
    let leaves = commitment.merkle_tree.leaves.len() * (columns + VECTOR);
    let digests = commitment.merkle_tree.digests.len() * 4;
    let sigmas = rows * (columns + VECTOR);
    let watches = &prover.generator_indices_by_watches;
    let watches = watches.values().map(|generators| generators.len() + 2 * VECTOR).sum::<usize>();
    let generators = prover.generators.len() * GENERATOR;
    let words =
        leaves + digests + rows * columns + sigmas + watches + generators + prover.representative_map.len();
    8 * words as u64
}
