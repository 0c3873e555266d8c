//! Blocks: how many transactions they hold and how these are grouped.

/// Transactions that one block holds at most.
pub const MAX_TRANSACTIONS: usize = 64;
/// Transactions that a block kernel verifies itself, at most.
pub const MAX_DIRECT: usize = 3;
/// Transactions of the smallest batch.
pub const MIN_BATCH: usize = 3;
/// Transactions of the largest batch.
pub const MAX_BATCH: usize = 6;

/// Sizes of the groups that a block of `transactions` is applied in: one group if the block kernel takes them itself,
/// otherwise as few batches as hold them, of nearly equal sizes.
#[must_use]
pub fn group_sizes(transactions: usize) -> Vec<usize> {
    if transactions <= MAX_DIRECT {
        return vec![transactions];
    }
    let groups = transactions.div_ceil(MAX_BATCH);
    let (least, larger) = (transactions / groups, transactions % groups);
    (0..groups).map(|group| if group < larger { least + 1 } else { least }).collect()
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
        }
    }
}
