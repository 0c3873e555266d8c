//! Pools: two reserves whose product no swap lowers, and shares of both.
//!
//! All arithmetic is exact, and rounding favours the pool.

use circuits::{
    Builder, Digest, DigestTarget, F,
    amount::Amount,
    hash::{Domain, hash, hash_circuit},
    layout,
    layout::Layout,
};
use plonky2::{field::types::Field, iop::target::Target};

use crate::{
    asset::{AssetError, AssetId},
    environment::EnvironmentId,
};

/// Domain of pool records, the values of the state's tree.
pub const POOL: Domain = Domain::new("a-pool");
/// Shares that are locked for good when a pool is made, so that nobody can make one share worth a fortune.
pub const MINIMUM_SHARES: u64 = 1000;
/// What a swap leaves in the pool, in thousandths of what is sold.
pub const SWAP_FEE: u64 = 3;
/// The whole that [`SWAP_FEE`] is a part of.
pub const SWAP_FEE_WHOLE: u64 = 1000;
/// Bits of a pool's number. Its shares are the asset `2^31 + number` of this environment.
pub const POOL_NUMBER_BITS: usize = 31;

layout! {
    /// What a pool's record covers.
    pub struct PoolFields<T> {
        /// Its number, in order of creation.
        pub number: T,
        /// The smaller packed asset.
        pub asset_a: T,
        /// The larger packed asset.
        pub asset_b: T,
        /// How much of the first asset it holds.
        pub reserve_a: T,
        /// How much of the second asset it holds.
        pub reserve_b: T,
        /// Shares that exist, the locked ones included.
        pub shares: T,
    }
}

/// A pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its number, in order of creation.
    pub number: u32,
    /// The smaller asset.
    pub asset_a: AssetId,
    /// The larger asset.
    pub asset_b: AssetId,
    /// How much of the first asset it holds, never 0.
    pub reserve_a: Amount,
    /// How much of the second asset it holds, never 0.
    pub reserve_b: Amount,
    /// Shares that exist, the locked ones included.
    pub shares: Amount,
}

/// The asset that the shares of pool `number` are.
///
/// # Errors
/// Never for numbers below `2^31`.
pub const fn share_asset(environment: EnvironmentId, number: u32) -> Result<AssetId, AssetError> {
    AssetId::new(environment.get(), 1 << POOL_NUMBER_BITS | number)
}

/// In-circuit twin of [`share_asset`]: the packed asset.
pub fn share_asset_circuit(builder: &mut Builder, environment: Target, number: Target) -> Target {
    let local = builder.add_const(number, F::from_canonical_u64(1 << POOL_NUMBER_BITS));
    builder.mul_const_add(F::from_canonical_u64(1 << 32), environment, local)
}

impl Pool {
    /// What its record covers.
    #[must_use]
    pub fn fields(&self) -> PoolFields {
        PoolFields {
            number: F::from_canonical_u32(self.number),
            asset_a: self.asset_a.to_field(),
            asset_b: self.asset_b.to_field(),
            reserve_a: self.reserve_a.to_field(),
            reserve_b: self.reserve_b.to_field(),
            shares: self.shares.to_field(),
        }
    }

    /// The value that the state's tree holds.
    #[must_use]
    pub fn hash(&self) -> Digest {
        hash(POOL, &self.fields().encode())
    }
}

/// In-circuit twin of [`Pool::hash`].
pub fn pool_hash_circuit(builder: &mut Builder, fields: &PoolFields<Target>) -> DigestTarget {
    hash_circuit(builder, POOL, &fields.encode())
}
