//! A circuit in the form in which the contract is compiled for it: its parameters, key and gates.

use std::fmt::Write;

use batcher_hop::keys::{key_cap, outer_digest, transcript_start};
use circuits_prover::{D, F, outer::OuterKey, selectors::Selectors};
use plonky2::{
    field::types::{Field, PrimeField64},
    gates::{
        arithmetic_base::ArithmeticGate, arithmetic_extension::ArithmeticExtensionGate,
        base_sum::BaseSumGate, constant::ConstantGate, coset_interpolation::CosetInterpolationGate,
        exponentiation::ExponentiationGate, gate::GateRef, multiplication_extension::MulExtensionGate,
        noop::NoopGate, poseidon::PoseidonGate, public_input::PublicInputGate,
        random_access::RandomAccessGate, reducing::ReducingGate, reducing_extension::ReducingExtensionGate,
    },
    plonk::circuit_data::CommonCircuitData,
};
use revm::primitives::hex;

/// Gates whose places in groups a word has room for, a byte each.
const MAX_GATES: usize = 32;
/// The arity that the contract folds by has at most so many bits.
const MAX_ARITY_BITS: usize = 4;
/// Merkle trees that the contract climbs have at most so many levels below their caps.
const MAX_LEVELS: usize = 21;
/// Challenges of each argument that the contract combines at once: elements of 64 bits in a word.
const MAX_CHALLENGES: usize = 4;
/// Bytes of one line of a literal.
const LINE: usize = 40;

/// A circuit that the contract cannot verify.
#[derive(Debug, thiserror::Error)]
pub enum UnsupportedCircuit {
    /// The contract does not know the gate, or not with these parameters.
    #[error("the contract has no gate {0}")]
    Gate(String),
    /// There are too many gates.
    #[error("the circuit has {found} kinds of gates, and the contract knows at most {MAX_GATES}")]
    Gates {
        /// How many there are.
        found: usize,
    },
    /// A layer of FRI is folded by too much.
    #[error("a layer of FRI is folded by 2^{found}, and the contract folds by at most 2^{MAX_ARITY_BITS}")]
    Arity {
        /// The logarithm of the size of its cosets.
        found: usize,
    },
    /// A Merkle tree is too high.
    #[error("a tree has {found} levels below its cap, and the contract climbs at most {MAX_LEVELS}")]
    Levels {
        /// How many levels it has.
        found: usize,
    },
    /// There are too many challenges.
    #[error("the circuit has {found} challenges, and the contract combines at most {MAX_CHALLENGES}")]
    Challenges {
        /// How many there are.
        found: usize,
    },
    /// The contract has neither lookup tables nor salts.
    #[error("the circuit has lookup tables or is zero-knowledge")]
    Features,
    /// The selectors cannot be read.
    #[error("the selectors cannot be read: {0}")]
    Selectors(String),
}

/// The text of `Circuit.sol` for the circuit with this key.
///
/// # Errors
///
/// [`UnsupportedCircuit`] if the contract cannot verify it.
pub fn circuit_source(
    key: &OuterKey,
    common: &CommonCircuitData<F, D>,
) -> Result<String, UnsupportedCircuit> {
    let config = &common.config;
    let fri = &config.fri_config;
    let params = &common.fri_params;
    if common.num_lookup_polys != 0 || params.hiding || config.zero_knowledge {
        return Err(UnsupportedCircuit::Features);
    }
    if let Some(&found) = params.reduction_arity_bits.iter().find(|&&bits| bits > MAX_ARITY_BITS) {
        return Err(UnsupportedCircuit::Arity { found });
    }
    let levels = common.degree_bits() + fri.rate_bits - fri.cap_height;
    if levels > MAX_LEVELS {
        return Err(UnsupportedCircuit::Levels { found: levels });
    }
    if config.num_challenges > MAX_CHALLENGES {
        return Err(UnsupportedCircuit::Challenges { found: config.num_challenges });
    }
    if common.gates.len() > MAX_GATES {
        return Err(UnsupportedCircuit::Gates { found: common.gates.len() });
    }
    let selectors =
        Selectors::of(common).map_err(|error| UnsupportedCircuit::Selectors(format!("{error:?}")))?;
    let groups: Vec<_> = selectors.polynomials.iter().map(|&i| selectors.groups[i].clone()).collect();

    let reducing = common.gates.iter().enumerate().filter(|(_, gate)| reducing_call(gate).is_some());
    let reducing_mask = reducing.fold(0u32, |mask, (i, _)| mask | 1 << i);

    let cap = key_cap(key);
    let start = transcript_start(key, common);

    let root = |bits: usize| F::primitive_root_of_unity(bits).to_canonical_u64().to_string();
    let number = |value: usize| value.to_string();
    let tree_bits = common.degree_bits() + fri.rate_bits;
    let constants = [
        ("The number of public inputs.", "PUBLIC_INPUTS", number(common.num_public_inputs)),
        ("The number of challenges of each argument.", "CHALLENGES", number(config.num_challenges)),
        ("Wires of a row.", "WIRES", number(config.num_wires)),
        ("Wires of a row that copies can reach.", "ROUTED_WIRES", number(config.num_routed_wires)),
        ("Constants of a row. Selectors come first.", "CONSTANTS", number(common.num_constants)),
        ("Selectors of a row.", "SELECTORS", number(selectors.groups.len())),
        ("Partial products of each challenge.", "PARTIAL_PRODUCTS", number(common.num_partial_products)),
        (
            "The degree of the quotient in multiples of the rows, and the wires of a partial product.",
            "QUOTIENT_DEGREE_FACTOR",
            number(common.quotient_degree_factor),
        ),
        ("The logarithm of the number of rows.", "DEGREE_BITS", number(common.degree_bits())),
        ("The logarithm of the inverse of the rate.", "RATE_BITS", number(fri.rate_bits)),
        ("The logarithm of the number of digests of a cap.", "CAP_HEIGHT", number(fri.cap_height)),
        ("Queries of FRI.", "QUERIES", number(fri.num_query_rounds)),
        ("Bits of grinding.", "GRINDING_BITS", fri.proof_of_work_bits.to_string()),
        ("FRI's layers.", "LAYERS", number(params.reduction_arity_bits.len())),
        (
            "The logarithms of the sizes of the layers' cosets, a byte each, the first layer's lowest.",
            "ARITY_BITS",
            packed(&params.reduction_arity_bits),
        ),
        ("Coefficients of the final polynomial.", "FINAL_COEFFICIENTS", number(params.final_poly_len())),
        ("The generator of the rows.", "ROW_GENERATOR", root(common.degree_bits())),
        ("The generator of the domain of the commitments.", "DOMAIN_GENERATOR", root(tree_bits)),
        (
            "The inverse of the field's generator.",
            "GENERATOR_INVERSE",
            F::MULTIPLICATIVE_GROUP_GENERATOR.inverse().to_canonical_u64().to_string(),
        ),
        ("Kinds of gates.", "GATES", number(common.gates.len())),
        ("The most constraints of a gate.", "GATE_CONSTRAINTS", number(common.num_gate_constraints)),
        (
            "The gates whose constraints are combined at once, a bit each, the first gate's lowest.",
            "REDUCING_GATES",
            format!("{reducing_mask:#x}"),
        ),
        (
            "The selector of each gate, a byte each, the first gate's lowest.",
            "GATE_SELECTORS",
            packed(&selectors.polynomials),
        ),
        (
            "The first gate of each gate's group, likewise.",
            "GATE_GROUP_STARTS",
            packed(&groups.iter().map(|group| group.start).collect::<Vec<_>>()),
        ),
        (
            "The gate after each gate's group, likewise.",
            "GATE_GROUP_ENDS",
            packed(&groups.iter().map(|group| group.end).collect::<Vec<_>>()),
        ),
    ];

    let mut text = format!(
        "// SPDX-License-Identifier: MIT OR Apache-2.0\n\
         pragma solidity 0.8.37;\n\
         \n\
         import {{ArithmeticGates}} from \"./ArithmeticGates.sol\";\n\
         import {{CosetInterpolationGate}} from \"./CosetInterpolationGate.sol\";\n\
         import {{PoseidonGate}} from \"./PoseidonGate.sol\";\n\
         import {{Quartic}} from \"./Quartic.sol\";\n\
         import {{ReducingGates}} from \"./ReducingGates.sol\";\n\
         \n\
         /// @title Circuit\n\
         /// @notice The last circuit of the hop: its parameters, key and gates. Written by Rust, crate `bridge/verifier`.\n\
         library Circuit {{\n    \
             /// @notice The name of the circuit: Keccak-256 of `TRANSCRIPT_START`, then `KEY_CAP`.\n    \
             bytes32 internal constant OUTER_DIGEST = 0x{};\n",
        hex::encode(outer_digest(key, common))
    );
    for (comment, name, value) in constants {
        text += &format!("    /// @notice {comment}\n    uint256 internal constant {name} = {value};\n");
    }
    text +=
        "    /// @notice The cap over constants and permutation.\n    bytes internal constant KEY_CAP =\n";
    text += &literal(&cap);
    text += "    /// @notice What the transcript absorbs first: FRI's parameters and the circuit's digest.\n    \
             bytes internal constant TRANSCRIPT_START =\n";
    text += &literal(&start);
    text += "\n    \
             /// @notice Writes a gate's constraints to `out`, and returns their end. Pointers are to extension elements, and\n    \
             /// `publicInputsHash` to four words.\n    \
             function evaluateGate(\n        \
                 uint256 gate,\n        \
                 uint256 wires,\n        \
                 uint256 constants,\n        \
                 uint256 publicInputsHash,\n        \
                 uint256 poseidonTable,\n        \
                 uint256 out\n    \
             ) internal pure returns (uint256 end) {\n";
    for (i, gate) in common.gates.iter().enumerate().filter(|(_, gate)| reducing_call(gate).is_none()) {
        text += &format!("        if (gate == {i}) return {};\n", gate_call(gate)?);
    }
    text += "        return out;\n    }\n\n    \
             /// @notice The sum of a reducing gate's constraints times the powers of `challenge`.\n    \
             function combineReducingGate(uint256 gate, uint256 wires, uint256 challenge)\n        \
                 internal\n        \
                 pure\n        \
                 returns (Quartic)\n    \
             {\n";
    for (i, call) in common.gates.iter().map(reducing_call).enumerate() {
        if let Some(call) = call {
            text += &format!("        if (gate == {i}) return {call};\n");
        }
    }
    text += "        return Quartic.wrap(0);\n    }\n}\n";
    Ok(text)
}

/// The call that evaluates a gate.
fn gate_call(gate: &GateRef<F, D>) -> Result<String, UnsupportedCircuit> {
    let any = gate.0.as_any();
    let unsupported = || UnsupportedCircuit::Gate(gate.0.id());
    if any.is::<NoopGate>() {
        return Ok("out".to_owned());
    }
    if any.is::<ConstantGate>() {
        return Ok(format!("ArithmeticGates.constants(wires, constants, out, {})", gate.0.num_constants()));
    }
    if any.is::<PublicInputGate>() {
        return Ok("ArithmeticGates.publicInput(wires, publicInputsHash, out)".to_owned());
    }
    if let Some(gate) = any.downcast_ref::<BaseSumGate<2>>() {
        return Ok(format!("ArithmeticGates.baseSum(wires, out, {})", gate.num_limbs));
    }
    if let Some(gate) = any.downcast_ref::<ArithmeticGate>() {
        return Ok(format!("ArithmeticGates.arithmetic(wires, constants, out, {})", gate.num_ops));
    }
    if let Some(gate) = any.downcast_ref::<ArithmeticExtensionGate<D>>() {
        return Ok(format!("ArithmeticGates.arithmeticExtension(wires, constants, out, {})", gate.num_ops));
    }
    if let Some(gate) = any.downcast_ref::<MulExtensionGate<D>>() {
        return Ok(format!("ArithmeticGates.mulExtension(wires, constants, out, {})", gate.num_ops));
    }
    if let Some(gate) = any.downcast_ref::<ExponentiationGate<F, D>>() {
        return Ok(format!("ArithmeticGates.exponentiation(wires, out, {})", gate.num_power_bits));
    }
    if let Some(gate) = any.downcast_ref::<RandomAccessGate<F, D>>() {
        let (bits, copies, extra) = (gate.bits, gate.num_copies, gate.num_extra_constants);
        return Ok(format!("ArithmeticGates.randomAccess(wires, constants, out, {bits}, {copies}, {extra})"));
    }
    if let Some(gate) = any.downcast_ref::<CosetInterpolationGate<F, D>>() {
        let points = 1 << gate.subgroup_bits;
        // With a lower degree, the gate has intermediate values.
        if gate.degree != points {
            return Err(unsupported());
        }
        let generator = F::primitive_root_of_unity(gate.subgroup_bits).to_canonical_u64();
        return Ok(format!("CosetInterpolationGate.evaluate(wires, out, {points}, {generator})"));
    }
    if any.is::<PoseidonGate<F, D>>() {
        return Ok("PoseidonGate.evaluate(wires, poseidonTable, out)".to_owned());
    }
    Err(unsupported())
}

/// The call that combines the constraints of a gate whose constraints are combined at once.
fn reducing_call(gate: &GateRef<F, D>) -> Option<String> {
    let any = gate.0.as_any();
    let call = |count, width| format!("ReducingGates.combined(wires, challenge, {count}, {width})");
    if let Some(gate) = any.downcast_ref::<ReducingGate<D>>() {
        return Some(call(gate.num_coeffs, 1));
    }
    any.downcast_ref::<ReducingExtensionGate<D>>().map(|gate| call(gate.num_coeffs, D))
}

/// Numbers below 256, a byte each, the first one lowest.
fn packed(numbers: &[usize]) -> String {
    let digits: String = numbers.iter().rev().map(|number| format!("{number:02x}")).collect();
    format!("0x{digits}")
}

/// Bytes as a literal of several lines.
fn literal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (i, line) in bytes.chunks(LINE).enumerate() {
        let end = if (i + 1) * LINE >= bytes.len() { ";\n" } else { "\n" };
        // A string takes any text.
        let _ = write!(text, "        hex\"{}\"{end}", hex::encode(line));
    }
    text
}
