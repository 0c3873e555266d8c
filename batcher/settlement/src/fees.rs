//! What a transaction offers for its gas, and how the offer rises.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Wei in a gwei.
pub const GWEI: u128 = 1_000_000_000;

/// A node replaces a waiting transaction with blobs only by one that offers at least twice as much, of all three fees: megabytes are
/// passed on for it.
const RISE_WITH_BLOBS: u128 = 2;
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
    /// The most that it pays for the gas of its blobs, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<u128>,
}

/// What the next block takes, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseFees {
    pub gas: u128,
    /// For the gas of blobs; `None` for a transaction without blobs.
    pub blob: Option<u128>,
}

impl From<u128> for BaseFees {
    fn from(gas: u128) -> Self {
        Self { gas, blob: None }
    }
}

impl BaseFees {
    /// Whether the next block takes no transaction that offers this.
    #[must_use]
    pub fn exceed(&self, fees: &Fees) -> bool {
        self.gas > fees.max || self.blob > fees.blob
    }
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
    /// No transaction offers more for the gas of its blobs.
    pub blob_cap: u128,
}

impl Default for FeeLimits {
    fn default() -> Self {
        Self { cap: 200 * GWEI, priority: GWEI, priority_cap: 10 * GWEI, blob_cap: 100 * GWEI }
    }
}

/// The next block costs more than a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OverCap {
    #[error(
        "the base fee of L1 is {base_fee} wei per gas, and the cap of {cap} wei per gas leaves no fee for the block's maker"
    )]
    Gas { base_fee: u128, cap: u128 },
    #[error("the base fee of L1's blobs is {base_fee} wei per gas, the cap is {cap} wei per gas")]
    Blobs { base_fee: u128, cap: u128 },
}

impl FeeLimits {
    /// The cap that the next block exceeds, if there is one.
    #[must_use]
    pub fn over_cap(&self, base_fees: BaseFees) -> Option<OverCap> {
        self.first(base_fees).err()
    }

    /// The first offer: it stays good while the base fees double, if the caps allow that.
    ///
    /// # Errors
    /// [`OverCap`] if the next block would not take what the caps allow.
    pub fn first(&self, base_fees: impl Into<BaseFees>) -> Result<Fees, OverCap> {
        let &Self { cap, blob_cap, .. } = self;
        let BaseFees { gas: base_fee, blob } = base_fees.into();
        let priority = self.priority.min(self.priority_cap);
        if base_fee.saturating_add(priority) > cap {
            return Err(OverCap::Gas { base_fee, cap });
        }
        let blob = match blob {
            Some(base_fee) if base_fee > blob_cap => {
                return Err(OverCap::Blobs { base_fee, cap: blob_cap });
            }
            // Nodes take no transaction that offers nothing for blobs.
            blob => blob.map(|base_fee| base_fee.max(1).saturating_mul(2).min(blob_cap)),
        };
        Ok(Fees { max: base_fee.saturating_mul(2).saturating_add(priority).min(cap), priority, blob })
    }

    /// The offer that replaces `fees`; `None` if the caps allow none that a node takes.
    #[must_use]
    pub fn raised(&self, fees: Fees, base_fees: impl Into<BaseFees>) -> Option<Fees> {
        let base_fees = base_fees.into();
        match fees.blob {
            None => self.raised_without_blobs(fees, base_fees.gas),
            Some(blob) => self.raised_with_blobs(fees, blob, base_fees),
        }
    }

    /// What is for the block's maker rises no more than nodes ask for, unless the old offer was good for the next block: then it is
    /// what did not suffice.
    fn raised_without_blobs(&self, fees: Fees, base_fee: u128) -> Option<Fees> {
        let fresh = self.first(base_fee).map_or(self.cap, |fresh| fresh.max);
        let (least_max, least_priority) = (least_rise(fees.max), least_rise(fees.priority));
        let is_tip_too_low = base_fee.saturating_add(fees.priority) <= fees.max;
        let wanted = if is_tip_too_low { percent(fees.priority, RISE_PERCENT) } else { least_priority };
        let max = percent(fees.max, RISE_PERCENT).max(fresh).max(least_max).min(self.cap);
        let priority = wanted.max(least_priority).min(self.priority_cap).min(max);
        (max >= least_max && priority >= least_priority).then_some(Fees { max, priority, blob: None })
    }

    fn raised_with_blobs(&self, fees: Fees, blob: u128, base_fees: BaseFees) -> Option<Fees> {
        let fresh = self.first(base_fees).ok();
        let rise = |fee: u128, fresh: Option<u128>, cap: u128| {
            let least = fee.max(1).saturating_mul(RISE_WITH_BLOBS);
            (least <= cap).then(|| least.max(fresh.unwrap_or(cap)).min(cap))
        };
        let max = rise(fees.max, fresh.map(|fresh| fresh.max), self.cap)?;
        let priority = rise(fees.priority, Some(self.priority), self.priority_cap.min(max))?;
        let blob = rise(blob, fresh.and_then(|fresh| fresh.blob), self.blob_cap)?;
        Some(Fees { max, priority, blob: Some(blob) })
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
            let limits = FeeLimits { cap, priority, priority_cap, blob_cap: 0 };
            match limits.first(base_fee) {
                Err(over) => prop_assert_eq!(over, OverCap::Gas { base_fee, cap }),
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

    const LIMITS: FeeLimits = FeeLimits { cap: 100, priority: 2, priority_cap: 20, blob_cap: 30 };

    const fn plain(max: u128, priority: u128) -> Fees {
        Fees { max, priority, blob: None }
    }

    #[test]
    fn a_base_fee_at_the_cap_leaves_nothing_to_offer() {
        assert_eq!(LIMITS.first(98), Ok(plain(100, 2)));
        let error = LIMITS.first(99).unwrap_err();
        assert!(error.to_string().contains("99 wei per gas, and the cap of 100"), "{error}");
        assert_eq!(LIMITS.first(10), Ok(plain(22, 2)));
        assert_eq!(LIMITS.raised(plain(22, 2), 10), Some(plain(28, 3)));
        assert_eq!(LIMITS.raised(plain(95, 3), 10), None);
    }

    #[test]
    fn the_tip_rises_by_the_least_unless_it_is_what_was_too_low() {
        // The next block's base fee is above the offer.
        assert_eq!(LIMITS.raised(plain(40, 10), 45), Some(plain(92, 11)));
        // It is not, and still no block took the offer.
        assert_eq!(LIMITS.raised(plain(40, 10), 20), Some(plain(50, 13)));
        assert_eq!(LIMITS.raised(plain(40, 0), 20), Some(plain(50, 1)));
        assert_eq!(LIMITS.raised(plain(40, 20), 20), None);
    }

    proptest! {
        #[test]
        fn an_offer_with_blobs_doubles_all_its_fees_or_stays(
            cap in 1..u128::from(u64::MAX),
            priority in 0..u128::from(u64::MAX),
            priority_cap in 1..u128::from(u64::MAX),
            blob_cap in 1..u128::from(u64::MAX),
            gas in 0..u128::from(u64::MAX),
            blob in 0..u128::from(u64::MAX),
        ) {
            let limits = FeeLimits { cap, priority, priority_cap, blob_cap };
            let base_fees = BaseFees { gas, blob: Some(blob) };
            let Ok(mut fees) = limits.first(base_fees) else {
                prop_assert!(gas + priority.min(priority_cap) > cap || blob > blob_cap);
                return Ok(());
            };
            prop_assert!(!base_fees.exceed(&fees) && fees.blob > Some(0));
            let mut rises = 0;
            while let Some(raised) = limits.raised(fees, base_fees) {
                let offers = |fees: Fees| [fees.max, fees.priority, fees.blob.unwrap_or_default()];
                let caps = [cap, priority_cap, blob_cap];
                for ((now, before), cap) in offers(raised).into_iter().zip(offers(fees)).zip(caps) {
                    prop_assert!(now >= 2 * before && now > before && now <= cap);
                }
                prop_assert!(raised.priority <= raised.max);
                fees = raised;
                rises += 1;
                prop_assert!(rises < 200);
            }
        }
    }

    #[test]
    fn an_offer_for_blobs_has_a_cap_of_its_own() {
        let base_fees = |blob| BaseFees { gas: 10, blob: Some(blob) };
        let fees = Fees { max: 22, priority: 2, blob: Some(14) };
        assert_eq!(LIMITS.first(base_fees(7)), Ok(fees));
        let error = LIMITS.first(base_fees(31)).unwrap_err();
        assert!(error.to_string().contains("blobs is 31 wei per gas, the cap is 30"), "{error}");
        let raised = Fees { max: 44, priority: 4, blob: Some(28) };
        assert_eq!(LIMITS.raised(fees, base_fees(7)), Some(raised));
        assert_eq!(LIMITS.raised(raised, base_fees(7)), None);
        // What the next block takes for blobs is more than twice the offer.
        assert_eq!(LIMITS.raised(fees, base_fees(16)).and_then(|fees| fees.blob), Some(30));
    }
}
