//! Pools: two reserves whose product no swap lowers, and shares of both.
//!
//! All arithmetic is exact, and rounding favours the pool.

use bridge_core::AssetId;
use circuits_core::{
    Builder, Digest, DigestTarget, F,
    amount::{AMOUNT_BITS, Amount},
    hash::{Domain, hash, hash_circuit},
    layout::Layout,
};
use environments_core::environment::EnvironmentId;
use plonky2::{field::types::Field, iop::target::Target};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Domain of pool records, the values of the state's tree.
pub const POOL: Domain = Domain::new("a-pool");
/// Shares that are locked for good when a pool is made, so that nobody can make one share worth a fortune.
pub const MINIMUM_SHARES: u64 = 1000;
/// The part of the amount sold that a swap leaves in the pool, in thousandths.
pub const SWAP_FEE: u64 = 3;
/// The whole of which [`SWAP_FEE`] is a part.
pub const SWAP_FEE_WHOLE: u64 = 1000;
/// Bits of a pool's number. Its shares are the asset `2^31 + number` of this environment.
pub const POOL_NUMBER_BITS: usize = 31;

circuits_core::layout! {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Why a pool does not do what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PoolError {
    /// So little is sold that nothing is bought.
    #[error("{amount} sold buys nothing")]
    Nothing {
        /// What was to be sold.
        amount: Amount,
    },
    /// Less would be paid out than asked for.
    #[error("{found} of asset {asset} would be paid out, at least {minimum} was asked for")]
    TooLittle {
        /// The asset.
        asset: AssetId,
        /// The bound.
        minimum: Amount,
        /// What would be paid out.
        found: Amount,
    },
    /// More would have to be paid in than allowed.
    #[error("{found} of asset {asset} would have to be paid in, at most {maximum} was allowed")]
    TooMuch {
        /// The asset.
        asset: AssetId,
        /// The bound.
        maximum: Amount,
        /// What would have to be paid in.
        found: u128,
    },
    /// A reserve or the shares would leave their range.
    #[error("the pool's {what} would be {found}, which is not below 2^{AMOUNT_BITS}")]
    Range {
        /// What.
        what: &'static str,
        /// What it would be.
        found: u64,
    },
    /// More shares are given back than are not locked.
    #[error("{found} shares cannot be given back, {shares} exist")]
    Shares {
        /// Shares that exist, the locked ones included.
        shares: Amount,
        /// What was to be given back.
        found: Amount,
    },
    /// A pool is made with other shares than its first reserve less the locked ones.
    #[error(
        "who makes a pool with {reserve_a} and {reserve_b} asks for {reserve_a} - {MINIMUM_SHARES} shares, at least 1, \
         and pays some of both assets; found {found} shares"
    )]
    FirstShares {
        /// What is paid in of the first asset.
        reserve_a: Amount,
        /// What is paid in of the second asset.
        reserve_b: Amount,
        /// Shares asked for.
        found: Amount,
    },
    /// There are as many pools as there can be.
    #[error("pool number {0} is not below 2^{POOL_NUMBER_BITS}")]
    Number(u32),
}

/// The asset that the shares of pool `number` are.
///
/// # Panics
/// Never: the number of the asset is not 0.
#[must_use]
pub fn share_asset(environment: EnvironmentId, number: u32) -> AssetId {
    AssetId::new(environment.get(), 1 << POOL_NUMBER_BITS | number).expect("the top bit is set")
}

/// In-circuit twin of [`share_asset`]: the packed asset.
pub fn share_asset_circuit(builder: &mut Builder, environment: Target, number: Target) -> Target {
    let local = builder.add_const(number, F::from_canonical_u64(1 << POOL_NUMBER_BITS));
    builder.mul_const_add(F::from_canonical_u64(1 << 32), environment, local)
}

/// `floor(a * b / d)`.
fn mul_div(a: Amount, b: Amount, d: u64) -> u128 {
    u128::from(a.get()) * u128::from(b.get()) / u128::from(d)
}

/// `ceil(a * b / d)`.
fn mul_div_ceil(a: Amount, b: Amount, d: u64) -> u128 {
    (u128::from(a.get()) * u128::from(b.get())).div_ceil(u128::from(d))
}

fn in_range(what: &'static str, found: u64) -> Result<Amount, PoolError> {
    Amount::new(found).map_err(|_| PoolError::Range { what, found })
}

impl Pool {
    /// Makes a pool of these reserves, for `shares = reserve_a - MINIMUM_SHARES`.
    ///
    /// # Errors
    /// - [`PoolError::FirstShares`]
    /// - [`PoolError::Number`]
    pub fn create(
        number: u32,
        (asset_a, asset_b): (AssetId, AssetId),
        shares: Amount,
        (reserve_a, reserve_b): (Amount, Amount),
    ) -> Result<Self, PoolError> {
        let expected = reserve_a.get().checked_sub(MINIMUM_SHARES);
        if shares == Amount::ZERO || reserve_b == Amount::ZERO || expected != Some(shares.get()) {
            return Err(PoolError::FirstShares { reserve_a, reserve_b, found: shares });
        }
        if number >> POOL_NUMBER_BITS != 0 {
            return Err(PoolError::Number(number));
        }
        Ok(Self { number, asset_a, asset_b, reserve_a, reserve_b, shares: reserve_a })
    }

    /// Sells `amount` of `asset_in`, one of the pool's assets: what is bought, and the pool after.
    ///
    /// ```text
    /// counted = amount - ceil(3 amount / 1000)
    /// bought  = floor(reserve_out * counted / (reserve_in + counted))      less than reserve_out
    /// ```
    ///
    /// # Errors
    /// - [`PoolError::Nothing`]
    /// - [`PoolError::TooLittle`]: less than `minimum`.
    /// - [`PoolError::Range`]
    pub fn swap(
        mut self,
        asset_in: AssetId,
        amount: Amount,
        minimum: Amount,
    ) -> Result<(Amount, Self), PoolError> {
        let (reserve_in, reserve_out, asset_out) = if asset_in == self.asset_a {
            (&mut self.reserve_a, &mut self.reserve_b, self.asset_b)
        } else {
            (&mut self.reserve_b, &mut self.reserve_a, self.asset_a)
        };
        let counted = amount.get() - (SWAP_FEE * amount.get()).div_ceil(SWAP_FEE_WHOLE);
        let bought = mul_div(*reserve_out, in_range("sale", counted)?, reserve_in.get() + counted);
        let bought =
            Amount::new(u64::try_from(bought).unwrap_or(u64::MAX)).expect("less is bought than the reserve");
        if bought == Amount::ZERO {
            return Err(PoolError::Nothing { amount });
        }
        if bought < minimum {
            return Err(PoolError::TooLittle { asset: asset_out, minimum, found: bought });
        }
        *reserve_in = in_range("reserve", reserve_in.get() + amount.get())?;
        *reserve_out = in_range("reserve", reserve_out.get() - bought.get())?;
        Ok((bought, self))
    }

    /// Sells `shares` of the pool: what is paid in, and the pool after. Each payment is
    /// `ceil(shares * reserve / existing shares)`.
    ///
    /// # Errors
    /// - [`PoolError::TooMuch`]
    /// - [`PoolError::Range`]
    pub fn add(
        self,
        shares: Amount,
        (maximum_a, maximum_b): (Amount, Amount),
    ) -> Result<((Amount, Amount), Self), PoolError> {
        let pay = |asset, reserve, maximum: Amount| {
            let found = mul_div_ceil(shares, reserve, self.shares.get());
            let paid = u64::try_from(found).ok().and_then(|paid| Amount::new(paid).ok());
            paid.filter(|&paid| paid <= maximum).ok_or(PoolError::TooMuch { asset, maximum, found })
        };
        let paid_a = pay(self.asset_a, self.reserve_a, maximum_a)?;
        let paid_b = pay(self.asset_b, self.reserve_b, maximum_b)?;
        let after = Self {
            reserve_a: in_range("reserve", self.reserve_a.get() + paid_a.get())?,
            reserve_b: in_range("reserve", self.reserve_b.get() + paid_b.get())?,
            shares: in_range("shares", self.shares.get() + shares.get())?,
            ..self
        };
        Ok(((paid_a, paid_b), after))
    }

    /// Takes `shares` back: what is paid out, and the pool after. Each payment is
    /// `floor(shares * reserve / existing shares)`.
    ///
    /// # Errors
    /// - [`PoolError::Shares`]
    /// - [`PoolError::TooLittle`]
    pub fn remove(
        self,
        shares: Amount,
        (minimum_a, minimum_b): (Amount, Amount),
    ) -> Result<((Amount, Amount), Self), PoolError> {
        // The locked shares have no owner, so this leaves some, and some of both reserves.
        if shares >= self.shares {
            return Err(PoolError::Shares { shares: self.shares, found: shares });
        }
        let pay = |asset, reserve: Amount, minimum| {
            let found = mul_div(shares, reserve, self.shares.get());
            let found = in_range("payment", u64::try_from(found).unwrap_or(u64::MAX))?;
            if found < minimum { Err(PoolError::TooLittle { asset, minimum, found }) } else { Ok(found) }
        };
        let paid_a = pay(self.asset_a, self.reserve_a, minimum_a)?;
        let paid_b = pay(self.asset_b, self.reserve_b, minimum_b)?;
        let after = Self {
            reserve_a: in_range("reserve", self.reserve_a.get() - paid_a.get())?,
            reserve_b: in_range("reserve", self.reserve_b.get() - paid_b.get())?,
            shares: in_range("shares", self.shares.get() - shares.get())?,
            ..self
        };
        Ok(((paid_a, paid_b), after))
    }

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amount(value: u64) -> Amount {
        Amount::new(value).unwrap()
    }

    fn pool(reserve_a: u64, reserve_b: u64) -> Pool {
        let assets = (AssetId::new(1, 1).unwrap(), AssetId::new(1, 2).unwrap());
        let shares = amount(reserve_a - MINIMUM_SHARES);
        Pool::create(0, assets, shares, (amount(reserve_a), amount(reserve_b))).unwrap()
    }

    fn product(pool: &Pool) -> u128 {
        u128::from(pool.reserve_a.get()) * u128::from(pool.reserve_b.get())
    }

    /// Whether a share is worth as much of both reserves as before, or more.
    fn worth_kept(before: &Pool, after: &Pool) -> bool {
        let cross = |x: Amount, y: Amount| u128::from(x.get()) * u128::from(y.get());
        cross(after.reserve_a, before.shares) >= cross(before.reserve_a, after.shares)
            && cross(after.reserve_b, before.shares) >= cross(before.reserve_b, after.shares)
    }

    #[test]
    fn a_swap_rounds_in_the_pools_favour() {
        let pool = pool(1_000_000, 500_000);
        let (bought, after) = pool.swap(pool.asset_a, amount(1000), Amount::ZERO).unwrap();
        // 1000 - 3 = 997 counted; 500,000 * 997 / 1,000,997 = 498.003..
        assert_eq!(
            (bought, after.reserve_a, after.reserve_b),
            (amount(498), amount(1_001_000), amount(499_502))
        );
        // ceil(3 * 1001 / 1000) = 4: the same 997 counted.
        assert_eq!(pool.swap(pool.asset_a, amount(1001), Amount::ZERO).unwrap().0, amount(498));
        assert_eq!(
            pool.swap(pool.asset_a, amount(1), Amount::ZERO),
            Err(PoolError::Nothing { amount: amount(1) })
        );
        let short = pool.swap(pool.asset_a, amount(1000), amount(499));
        assert!(matches!(short, Err(PoolError::TooLittle { .. })));
        let full = pool.swap(pool.asset_a, Amount::MAX, Amount::ZERO);
        assert!(matches!(full, Err(PoolError::Range { .. })));
    }

    #[test]
    fn a_pool_is_made_with_locked_shares() {
        let made = pool(5000, 7);
        assert_eq!(made.shares, amount(5000));
        let assets = (made.asset_a, made.asset_b);
        for (shares, a, b) in [(4000, 5001, 7), (4001, 5000, 7), (0, 1000, 7), (0, 999, 7), (4000, 5000, 0)] {
            let result = Pool::create(0, assets, amount(shares), (amount(a), amount(b)));
            assert!(matches!(result, Err(PoolError::FirstShares { .. })), "{shares} {a} {b}");
        }
        let result = Pool::create(1 << 31, assets, amount(1), (amount(1001), amount(1)));
        assert_eq!(result, Err(PoolError::Number(1 << 31)));
        assert!(matches!(
            made.remove(amount(5000), (Amount::ZERO, Amount::ZERO)),
            Err(PoolError::Shares { .. })
        ));
    }

    fn any_pool() -> impl Strategy<Value = Pool> {
        let reserve = || prop_oneof![1001u64..1 << 20, 1001u64..1 << 58];
        (reserve(), reserve(), 1000u64..1 << 58)
            .prop_map(|(a, b, shares)| Pool { shares: amount(shares), ..pool(a, b) })
    }

    proptest! {
        #[test]
        fn no_swap_lowers_the_product_or_drains(pool in any_pool(), sold in 1u64..1 << 58, first: bool) {
            let asset = if first { pool.asset_a } else { pool.asset_b };
            if let Ok((bought, after)) = pool.swap(asset, amount(sold), Amount::ZERO) {
                prop_assert!(bought > Amount::ZERO);
                prop_assert!(product(&after) >= product(&pool));
                prop_assert!(after.reserve_a > Amount::ZERO && after.reserve_b > Amount::ZERO);
                prop_assert!(worth_kept(&pool, &after) || after.shares == pool.shares);
            }
        }

        #[test]
        fn no_share_loses_worth(pool in any_pool(), shares in 1u64..1 << 58) {
            let nothing = (Amount::ZERO, Amount::ZERO);
            if let Ok(((a, b), after)) = pool.add(amount(shares), (Amount::MAX, Amount::MAX)) {
                prop_assert!(worth_kept(&pool, &after));
                let (back, _) = after.remove(amount(shares), nothing).unwrap();
                prop_assert!(back.0 <= a && back.1 <= b, "shares are never sold for more than they were bought for");
            }
            if let Ok((_, after)) = pool.remove(amount(shares), nothing) {
                prop_assert!(worth_kept(&pool, &after));
                prop_assert!(after.reserve_a > Amount::ZERO && after.reserve_b > Amount::ZERO);
            }
        }
    }
}
