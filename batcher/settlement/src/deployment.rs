//! The number by which proofs know a contract.

use alloy_primitives::{Address, U256, keccak256};
use alloy_sol_types::SolValue;

/// Bits of a deployment id: below the field's order with room.
const ID_BITS: u32 = 62;

/// The deployment id of a contract: the low 62 bits of `keccak256(abi.encode(chain id, address))`. It is what `chain_id`
/// means in every statement.
#[must_use]
pub fn deployment_id(chain_id: u64, contract: Address) -> u64 {
    let digest = keccak256((U256::from(chain_id), contract).abi_encode());
    let last: [u8; 8] = std::array::from_fn(|position| digest[24 + position]);
    u64::from_be_bytes(last) & ((1 << ID_BITS) - 1)
}
