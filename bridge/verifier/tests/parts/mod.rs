//! The harness of the contract's parts, and the values that tests give it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

use std::sync::LazyLock;

use alloy_sol_types::{SolCall, sol};
use bridge_verifier::evm::{CallError, Contract, Outcome};
use circuits_prover::{D, F};
use plonky2::field::{
    extension::{Extendable, FieldExtension},
    types::{Field, Field64, PrimeField64},
};
use proptest::prelude::{Strategy, prop};
use revm::primitives::U256;

/// The extension field.
pub type E = <F as Extendable<D>>::Extension;

sol! {
    function baseInverse(uint256 x) external pure returns (uint256);
    function quartic(uint256 a, uint256 b) external pure returns (uint256[7] memory results);
    function algebra(uint256[4] memory a, uint256[4] memory b) external pure returns (uint256[4] memory product);
    function permute(uint256[12] memory state) external view returns (uint256[12] memory result, uint256 gasUsed);
    function hashNoPad(uint256[] calldata inputs) external view returns (uint256[4] memory digest, uint256 gasUsed);
    function gate(uint256 kind, uint256[] memory parameters, uint256[] memory wires, uint256[] memory constants, uint256[4] memory publicInputsHash)
        external view returns (uint256[] memory constraints, uint256 gasUsed);
    function challenges(bytes[] calldata inputs, uint256[] calldata counts) external pure returns (uint256[] memory elements);
    function fold(uint256[] memory values, uint256 arityBits, uint256 startInverse, uint256 beta, uint256[] memory roots)
        external view returns (uint256 value, uint256 gasUsed);
    function combineBase(bytes memory values, uint256 alpha)
        external view returns (uint256 combination, uint256 gasUsed, uint256 powersGasUsed);
    function permutationArgument(uint256[4] memory sizes, uint256 zeta, uint256[][5] memory openings, uint256[] memory betas, uint256[] memory gammas)
        external view returns (uint256[] memory terms, uint256 gasUsed);
    function reducing(uint256[] memory wires, uint256 challenge, uint256 count, uint256 width)
        external view returns (uint256 sum, uint256 gasUsed);
}

static HARNESS: LazyLock<Contract> = LazyLock::new(|| {
    Contract::from_artifact(include_str!("../../../contracts/test/artifacts/VerifierHarness.json")).unwrap()
});

/// Calls a function of the harness that does not revert.
pub fn call<T: SolCall>(call: &T) -> T::Return {
    try_call(call).unwrap().result
}

/// Calls a function of the harness.
pub fn try_call<T: SolCall>(call: &T) -> Result<Outcome<T::Return>, CallError> {
    HARNESS.call(call)
}

/// An element of the base field as a word.
pub fn base_word(x: F) -> U256 {
    U256::from(x.to_canonical_u64())
}

/// An element of the extension field as a word: four coefficients, that of 1 in the highest bits.
pub fn word(x: E) -> U256 {
    let coefficients: [F; D] = FieldExtension::<D>::to_basefield_array(&x);
    coefficients.iter().fold(U256::ZERO, |word, &c| word << 64 | base_word(c))
}

/// `x * factor`.
pub fn scaled(x: E, factor: F) -> E {
    FieldExtension::<D>::scalar_mul(&x, factor)
}

/// Elements of the base field, with those at the ends of their range often among them.
pub fn base() -> impl Strategy<Value = F> + Clone {
    let near_the_end = (0u64..4).prop_map(|i| F::from_canonical_u64(F::ORDER - 1 - i));
    let near_a_carry = ((1u64 << 32) - 4..(1 << 32) + 4).prop_map(F::from_canonical_u64);
    prop::strategy::Union::new_weighted(vec![
        (6, (0..F::ORDER).prop_map(F::from_canonical_u64).boxed()),
        (1, (0u64..4).prop_map(F::from_canonical_u64).boxed()),
        (1, near_the_end.boxed()),
        (1, near_a_carry.boxed()),
    ])
}

/// Elements of the extension field.
pub fn extension() -> impl Strategy<Value = E> + Clone {
    prop::array::uniform4(base()).prop_map(<E as FieldExtension<D>>::from_basefield_array)
}
