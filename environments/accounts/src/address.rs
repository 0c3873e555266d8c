//! The keys of the state's tree.
//!
//! ```text
//! tree key, account  = (limb 0, limb 1, limb 2, limb 3 + 2^40)
//! tree key, pool     = (asset a, asset b, 0, 2 * 2^40)
//! ```
//! The kind is above the last limb, so accounts and pools never have one key.

use bridge_core::AssetId;
use circuits_core::{
    Builder, Digest, DigestTarget, F,
    trees::{ShortKey, ShortKeyTarget, ShortLimb},
};
pub use environments_core::address::{ADDRESS_BYTES, Address, AddressError, LIMB_BITS, LIMBS};
use plonky2::{field::types::Field, iop::target::Target};

/// Kind of the tree keys of accounts.
pub const KIND_ACCOUNT: u64 = 1;
/// Kind of the tree keys of pools.
pub const KIND_POOL: u64 = 2;

/// What the last limb of a key of this kind has above a limb's bits.
const fn above_last(kind: u64) -> u64 {
    kind << LIMB_BITS
}

/// The key of an account's record in the tree.
#[must_use]
pub fn account_key(address: Address) -> ShortKey {
    let mut limbs = address.limbs();
    limbs[LIMBS - 1] += F::from_canonical_u64(above_last(KIND_ACCOUNT));
    ShortKey::try_from(Digest(limbs)).expect("limbs of an address have 40 bits")
}

/// In-circuit twin of [`account_key`] for an account that the caller finds in the tree. Limbs that are not below `2^40`
/// never give the key of an account.
pub fn account_key_circuit(builder: &mut Builder, address: &[Target; LIMBS]) -> DigestTarget {
    let mut limbs = *address;
    limbs[LIMBS - 1] = builder.add_const(limbs[LIMBS - 1], F::from_canonical_u64(above_last(KIND_ACCOUNT)));
    Digest(limbs)
}

/// In-circuit twin of [`account_key`] for an account that need not exist yet.
pub fn receiver_key_circuit(builder: &mut Builder, address: &[ShortLimb; LIMBS]) -> ShortKeyTarget {
    let mut limbs = *address;
    limbs[LIMBS - 1] = limbs[LIMBS - 1].plus(builder, above_last(KIND_ACCOUNT));
    ShortKeyTarget::new(limbs)
}

/// The key of a pool's record in the tree.
#[must_use]
pub fn pool_key(asset_a: AssetId, asset_b: AssetId) -> ShortKey {
    let kind = F::from_canonical_u64(above_last(KIND_POOL));
    let key = Digest([asset_a.to_field(), asset_b.to_field(), F::ZERO, kind]);
    ShortKey::try_from(key).expect("assets have 48 bits")
}

/// In-circuit twin of [`pool_key`].
pub fn pool_key_circuit(builder: &mut Builder, assets: [ShortLimb; 2]) -> ShortKeyTarget {
    let [asset_a, asset_b] = assets;
    let [zero, kind] = [0, above_last(KIND_POOL)].map(|value| ShortLimb::constant(builder, value));
    ShortKeyTarget::new([asset_a, asset_b, zero, kind])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_pools_never_share_a_key() {
        let asset = AssetId::new(u16::MAX, u32::MAX).unwrap();
        let pool = pool_key(asset, asset).to_u64s()[3];
        let most = account_key(Address([0xff; ADDRESS_BYTES])).to_u64s()[3];
        assert!(most < pool && *account_key(Address::default()) != Digest::ZERO);
    }
}
