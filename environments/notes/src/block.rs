//! Blocks: how many transactions they hold, and how these are grouped.

use environments_core::folding;

use crate::arrival::MAX_ARRIVALS;

/// Transactions that one block holds at most.
pub const MAX_TRANSACTIONS: usize = 64;
/// Transactions that a block kernel verifies itself, at most: as many as 2^15 rows hold.
pub const MAX_DIRECT: usize = 6;
/// Transactions of the smallest batch.
pub const MIN_BATCH: usize = 3;
/// Transactions of the largest batch.
pub const MAX_BATCH: usize = 6;

/// Sizes of the groups in which a block of `transactions` is applied: one group if the block kernel takes them itself,
/// otherwise batches of nearly equal sizes, as few as can hold them and have a kernel.
#[must_use]
pub fn group_sizes(transactions: usize) -> Vec<usize> {
    if transactions <= MAX_DIRECT {
        return vec![transactions];
    }
    let fewest = transactions.div_ceil(MAX_BATCH);
    let groups = (fewest..=transactions).find(|&groups| !child_sizes(groups).is_empty()).unwrap_or(fewest);
    let (least, larger) = (transactions / groups, transactions % groups);
    (0..groups).map(|group| if group < larger { least + 1 } else { least }).collect()
}

/// How a block kernel takes its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// None, but as many messages as a block can take in.
    Inbox,
    /// This number of transactions, verified by the kernel itself.
    Direct(usize),
    /// This number of batches or folds of batches.
    Batches(usize),
}

impl Variant {
    /// The name of the kernel.
    #[must_use]
    pub fn kernel_name(self) -> String {
        match self {
            Self::Inbox => "notes-block-inbox".to_owned(),
            Self::Direct(count) => format!("notes-block-direct-{count}"),
            Self::Batches(count) => format!("notes-block-batches-{count}"),
        }
    }

    /// Transactions that the kernel verifies itself; `None` if it verifies batches.
    #[must_use]
    pub const fn direct(self) -> Option<usize> {
        match self {
            Self::Inbox => Some(0),
            Self::Direct(count) => Some(count),
            Self::Batches(_) => None,
        }
    }

    /// Messages that the kernel takes in, at most: as many as the rows hold that its proofs need anyway.
    #[must_use]
    pub const fn arrivals(self) -> usize {
        match self {
            Self::Direct(0) => 12,
            Self::Direct(1) => 92,
            Self::Direct(3) => 24,
            Self::Direct(6) => 52,
            Self::Batches(3) => 72,
            Self::Inbox | Self::Direct(_) | Self::Batches(_) => MAX_ARRIVALS,
        }
    }
}

/// The numbers of batches and folds that block kernels verify, the largest first. 3 fill 2^15 rows and 6 fill 2^16. With 2
/// among them, every number of batches from 2 to 12 has a kernel, except for 11.
pub const CHILDREN: [usize; 3] = [6, 3, 2];
/// Batches that a fold joins: as many as 2^15 rows verify.
pub const FOLD_ARITY: usize = 3;

/// Every variant that blocks of up to `transactions` transactions need.
#[must_use]
pub fn variants(transactions: usize) -> Vec<Variant> {
    let mut variants: Vec<_> = (0..=transactions).map(|transactions| variant(transactions, 0)).collect();
    variants.push(Variant::Inbox);
    variants.sort_unstable();
    variants.dedup();
    variants
}

/// The variant that proves a block of `transactions` transactions and `arrivals` messages that it takes in, of which there
/// are at most [`arrivals_beside`] the transactions.
#[must_use]
pub fn variant(transactions: usize, arrivals: usize) -> Variant {
    if transactions > MAX_DIRECT {
        return Variant::Batches(child_sizes(group_sizes(transactions).len()).len());
    }
    let direct = Variant::Direct(transactions);
    if transactions == 0 && arrivals > direct.arrivals() { Variant::Inbox } else { direct }
}

/// Messages that a block of `transactions` transactions takes in, at most.
#[must_use]
pub fn arrivals_beside(transactions: usize) -> usize {
    variant(transactions, MAX_ARRIVALS).arrivals()
}

/// How many of a block's batches, in order, each child of the block kernel covers: 1 for a batch, more for a
/// fold. Folds are as few as the [kernels](CHILDREN) allow, and come first; empty if no kernel takes so many batches.
///
/// ```text
/// batches    2  3  4    5      6  7      8      9      10       12
/// folds      0  0  1    1      0  2      1      3      2        3
/// children   2  3  2    3      6  3      6      3      6        6
/// ```
/// A fold costs as much as a batch, and a kernel of 6 children as much as a fold and a kernel of 3.
#[must_use]
pub fn child_sizes(batches: usize) -> Vec<usize> {
    let sizes = |&children: &usize| folding::child_sizes(batches, &[FOLD_ARITY], children);
    CHILDREN.iter().find_map(sizes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_has_batches_of_the_sizes_that_exist() {
        for transactions in 0..=MAX_TRANSACTIONS {
            let groups = group_sizes(transactions);
            assert_eq!(groups.iter().sum::<usize>(), transactions);
            let sizes = if transactions <= MAX_DIRECT { 0..=MAX_DIRECT } else { MIN_BATCH..=MAX_BATCH };
            assert!(groups.iter().all(|group| sizes.contains(group)), "{transactions}: {groups:?}");
            let folds = child_sizes(groups.len());
            if transactions > MAX_DIRECT {
                assert_eq!(folds.iter().sum::<usize>(), groups.len(), "{transactions}");
                assert!(CHILDREN.contains(&folds.len()), "{transactions}");
            }
        }
    }

    #[test]
    fn a_block_has_as_few_batches_and_folds_as_its_kernels_allow() {
        let sizes = |batches| child_sizes(batches);
        assert_eq!(sizes(2), [1, 1]);
        assert_eq!(sizes(4), [3, 1]);
        assert_eq!(sizes(5), [3, 1, 1]);
        assert_eq!(sizes(6), [1; 6]);
        assert_eq!(sizes(8), [3, 1, 1, 1, 1, 1]);
        assert_eq!(sizes(9), [3, 3, 3]);
        assert_eq!(sizes(11), [0usize; 0]);
        assert_eq!(group_sizes(16), [6, 5, 5]);
        assert_eq!(group_sizes(MAX_TRANSACTIONS).len(), 12);
    }

    #[test]
    fn every_block_has_a_kernel_that_takes_in_what_arrives_beside_its_transactions() {
        let kernels = variants(MAX_TRANSACTIONS);
        for transactions in 0..=MAX_TRANSACTIONS {
            let most = arrivals_beside(transactions);
            for arrivals in [0, 1, most / 2, most] {
                let variant = variant(transactions, arrivals);
                assert!(
                    kernels.contains(&variant) && variant.arrivals() >= arrivals,
                    "{transactions}, {arrivals}"
                );
            }
        }
        assert_eq!(arrivals_beside(0), MAX_ARRIVALS);
    }
}
