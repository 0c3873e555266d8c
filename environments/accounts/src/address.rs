//! The keys of the state's tree.
//!
//! ```text
//! tree key, account  = (limb 0, limb 1, limb 2, limb 3 + 2^40)
//! tree key, pool     = (asset a, asset b, 0, 2 * 2^40)
//! ```
//! The kind is above the last limb, so accounts and pools never have one key.

use bridge_core::AssetId;
use circuits_core::{Builder, Digest, DigestTarget, F, constrain::DigestOps};
pub use environments_core::address::{ADDRESS_BYTES, Address, AddressError, LIMB_BITS, LIMBS};
use plonky2::{field::types::Field, iop::target::Target};

/// Kind of the tree keys of accounts.
pub const KIND_ACCOUNT: u64 = 1;
/// Kind of the tree keys of pools.
pub const KIND_POOL: u64 = 2;

/// The key of an account's record in the tree.
#[must_use]
pub fn account_key(address: Address) -> Digest {
    let mut limbs = address.limbs();
    limbs[LIMBS - 1] += F::from_canonical_u64(KIND_ACCOUNT << LIMB_BITS);
    Digest(limbs)
}

/// In-circuit twin of [`account_key`]. Limbs that are not below `2^40` never give the key of
/// an account.
pub fn account_key_circuit(builder: &mut Builder, address: &[Target; LIMBS]) -> DigestTarget {
    let mut limbs = *address;
    limbs[LIMBS - 1] = builder.add_const(limbs[LIMBS - 1], F::from_canonical_u64(KIND_ACCOUNT << LIMB_BITS));
    Digest(limbs)
}

/// The key of a pool's record in the tree.
#[must_use]
pub fn pool_key(asset_a: AssetId, asset_b: AssetId) -> Digest {
    Digest([asset_a.to_field(), asset_b.to_field(), F::ZERO, F::from_canonical_u64(KIND_POOL << LIMB_BITS)])
}

/// In-circuit twin of [`pool_key`].
pub fn pool_key_circuit(builder: &mut Builder, asset_a: Target, asset_b: Target) -> DigestTarget {
    Digest([asset_a, asset_b, builder.zero(), builder.constant_u64(KIND_POOL << LIMB_BITS)])
}

#[cfg(test)]
mod tests {
    use circuits_core::trees::SHORT_LIMB_BITS;

    use super::*;

    #[test]
    fn accounts_and_pools_never_share_a_key() {
        let asset = AssetId::new(u16::MAX, u32::MAX).unwrap();
        let pool = pool_key(asset, asset).to_u64s()[3];
        let most = account_key(Address([0xff; ADDRESS_BYTES])).to_u64s()[3];
        assert!(most < pool && account_key(Address::default()) != Digest::ZERO);
        for key in [account_key(Address([0xff; ADDRESS_BYTES])), pool_key(asset, asset)] {
            assert!(
                key.to_u64s().iter().all(|limb| limb >> SHORT_LIMB_BITS == 0),
                "as the tree's order needs"
            );
        }
    }
}
