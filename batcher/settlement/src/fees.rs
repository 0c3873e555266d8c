//! What a transaction offers for its gas, and how the offer rises.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Wei in a gwei.
pub const GWEI: u128 = 1_000_000_000;

/// A node replaces a waiting transaction only by one that offers a tenth more, of both fees.
const LEAST_RISE_PERCENT: u128 = 110;
/// What an offer rises by each time: more than the least, so that nodes with a stricter rule take it too.
const RISE_PERCENT: u128 = 125;

/// What a transaction offers, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fees {
    /// The most that it pays.
    pub max: u128,
    /// What of that is for whoever makes the block.
    pub priority: u128,
}

/// What the user is willing to offer, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeLimits {
    /// No transaction offers more.
    pub cap: u128,
    /// What the first offer has for whoever makes the block.
    pub priority: u128,
}

impl Default for FeeLimits {
    fn default() -> Self {
        Self { cap: 200 * GWEI, priority: GWEI }
    }
}

/// The next block costs more than the cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the base fee of L1 is {base_fee} wei per gas, and the cap of {cap} wei per gas leaves no fee for the block's maker"
)]
pub struct OverCap {
    pub base_fee: u128,
    pub cap: u128,
}

impl FeeLimits {
    /// The first offer: it stays good while the base fee doubles, if the cap allows that.
    ///
    /// # Errors
    /// [`OverCap`] if the next block would not take what the cap allows.
    pub fn first(&self, base_fee: u128) -> Result<Fees, OverCap> {
        let &Self { cap, priority } = self;
        if base_fee.saturating_add(priority) > cap {
            return Err(OverCap { base_fee, cap });
        }
        Ok(Fees { max: base_fee.saturating_mul(2).saturating_add(priority).min(cap), priority })
    }

    /// The offer that replaces `fees`; `None` if the cap allows none that a node takes.
    #[must_use]
    pub fn raised(&self, fees: Fees, base_fee: u128) -> Option<Fees> {
        let fresh = self.first(base_fee).unwrap_or(Fees { max: self.cap, priority: self.priority });
        let rise = |fee: u128, fresh: u128| percent(fee, RISE_PERCENT).max(fresh).min(self.cap);
        let raised = Fees { max: rise(fees.max, fresh.max), priority: rise(fees.priority, fresh.priority) };
        let is_enough = |raised: u128, fee: u128| raised >= percent(fee, LEAST_RISE_PERCENT);
        (is_enough(raised.max, fees.max) && is_enough(raised.priority, fees.priority)).then_some(raised)
    }
}

/// So many percent of the fee, rounded up.
const fn percent(fee: u128, percent: u128) -> u128 {
    fee.saturating_mul(percent).div_ceil(100)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_offer_rises_by_a_tenth_at_least_and_never_beyond_the_cap(
            cap in 1..u128::from(u64::MAX),
            priority in 0..u128::from(u64::MAX),
            base_fee in 0..u128::from(u64::MAX),
        ) {
            let limits = FeeLimits { cap, priority };
            match limits.first(base_fee) {
                Err(over) => prop_assert_eq!(over, OverCap { base_fee, cap }),
                Ok(mut fees) => {
                    prop_assert!(base_fee + fees.priority <= fees.max && fees.max <= cap);
                    let mut rises = 0;
                    while let Some(raised) = limits.raised(fees, base_fee) {
                        prop_assert!(raised.max * 10 >= fees.max * 11 && raised.max <= cap);
                        prop_assert!(raised.priority * 10 >= fees.priority * 11 && raised.priority <= raised.max);
                        if raised == fees {
                            break;
                        }
                        fees = raised;
                        rises += 1;
                        prop_assert!(rises < 1000);
                    }
                }
            }
        }
    }

    #[test]
    fn a_base_fee_at_the_cap_leaves_nothing_to_offer() {
        let limits = FeeLimits { cap: 100, priority: 2 };
        assert_eq!(limits.first(98), Ok(Fees { max: 100, priority: 2 }));
        let error = limits.first(99).unwrap_err();
        assert!(error.to_string().contains("99 wei per gas, and the cap of 100"), "{error}");
        assert_eq!(limits.first(10), Ok(Fees { max: 22, priority: 2 }));
        assert_eq!(limits.raised(Fees { max: 22, priority: 2 }, 10), Some(Fees { max: 28, priority: 3 }));
        assert_eq!(limits.raised(Fees { max: 95, priority: 3 }, 10), None);
    }
}
