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
    /// The most that whoever makes the block is offered.
    pub priority_cap: u128,
}

impl Default for FeeLimits {
    fn default() -> Self {
        Self { cap: 200 * GWEI, priority: GWEI, priority_cap: 10 * GWEI }
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
        let cap = self.cap;
        let priority = self.priority.min(self.priority_cap);
        if base_fee.saturating_add(priority) > cap {
            return Err(OverCap { base_fee, cap });
        }
        Ok(Fees { max: base_fee.saturating_mul(2).saturating_add(priority).min(cap), priority })
    }

    /// The offer that replaces `fees`; `None` if the caps allow none that a node takes.
    ///
    /// What is for the block's maker rises no more than nodes ask for, unless the old offer was good for the next block: then it is
    /// what did not suffice.
    #[must_use]
    pub fn raised(&self, fees: Fees, base_fee: u128) -> Option<Fees> {
        let fresh = self.first(base_fee).map_or(self.cap, |fresh| fresh.max);
        let (least_max, least_priority) = (least_rise(fees.max), least_rise(fees.priority));
        let is_tip_too_low = base_fee.saturating_add(fees.priority) <= fees.max;
        let wanted = if is_tip_too_low { percent(fees.priority, RISE_PERCENT) } else { least_priority };
        let max = percent(fees.max, RISE_PERCENT).max(fresh).max(least_max).min(self.cap);
        let priority = wanted.max(least_priority).min(self.priority_cap).min(max);
        (max >= least_max && priority >= least_priority).then_some(Fees { max, priority })
    }
}

/// The least fee that nodes take in place of this one: a tenth more, and more.
const fn least_rise(fee: u128) -> u128 {
    let (tenth, one) = (percent(fee, LEAST_RISE_PERCENT), fee.saturating_add(1));
    if tenth > one { tenth } else { one }
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
        fn an_offer_rises_by_a_tenth_at_least_and_never_beyond_the_caps(
            cap in 1..u128::from(u64::MAX),
            priority in 0..u128::from(u64::MAX),
            priority_cap in 0..u128::from(u64::MAX),
            base_fee in 0..u128::from(u64::MAX),
        ) {
            let limits = FeeLimits { cap, priority, priority_cap };
            match limits.first(base_fee) {
                Err(over) => prop_assert_eq!(over, OverCap { base_fee, cap }),
                Ok(mut fees) => {
                    prop_assert!(base_fee + fees.priority <= fees.max && fees.max <= cap);
                    prop_assert!(fees.priority <= priority_cap);
                    let mut rises = 0;
                    while let Some(raised) = limits.raised(fees, base_fee) {
                        prop_assert!(raised.max * 10 >= fees.max * 11 && raised.max <= cap);
                        prop_assert!(raised.priority * 10 >= fees.priority * 11);
                        prop_assert!(raised.max > fees.max && raised.priority > fees.priority);
                        prop_assert!(raised.priority <= raised.max.min(priority_cap));
                        fees = raised;
                        rises += 1;
                        prop_assert!(rises < 1000);
                    }
                }
            }
        }
    }

    const LIMITS: FeeLimits = FeeLimits { cap: 100, priority: 2, priority_cap: 20 };

    #[test]
    fn a_base_fee_at_the_cap_leaves_nothing_to_offer() {
        assert_eq!(LIMITS.first(98), Ok(Fees { max: 100, priority: 2 }));
        let error = LIMITS.first(99).unwrap_err();
        assert!(error.to_string().contains("99 wei per gas, and the cap of 100"), "{error}");
        assert_eq!(LIMITS.first(10), Ok(Fees { max: 22, priority: 2 }));
        assert_eq!(LIMITS.raised(Fees { max: 22, priority: 2 }, 10), Some(Fees { max: 28, priority: 3 }));
        assert_eq!(LIMITS.raised(Fees { max: 95, priority: 3 }, 10), None);
    }

    #[test]
    fn the_tip_rises_by_the_least_unless_it_is_what_was_too_low() {
        // The next block's base fee is above the offer.
        assert_eq!(LIMITS.raised(Fees { max: 40, priority: 10 }, 45), Some(Fees { max: 92, priority: 11 }));
        // It is not, and still no block took the offer.
        assert_eq!(LIMITS.raised(Fees { max: 40, priority: 10 }, 20), Some(Fees { max: 50, priority: 13 }));
        assert_eq!(LIMITS.raised(Fees { max: 40, priority: 0 }, 20), Some(Fees { max: 50, priority: 1 }));
        assert_eq!(LIMITS.raised(Fees { max: 40, priority: 20 }, 20), None);
    }
}
