//! Blocks: what they hold, and what their provers need to know.

use circuits::ecdsa::Signed;

use crate::{
    accounts::{
        execute::TransactionWitness,
        state::{BlockContext, Running, SealWitness, StateFields},
        transaction::MAX_ACTIONS,
    },
    folding,
};

/// Transactions that one block holds at most: those of the largest table of signatures.
pub const MAX_TRANSACTIONS: usize = 240;

/// A block as its provers need it.
#[derive(Clone, Debug)]
pub struct AccountsBlock {
    /// The state before.
    pub before: StateFields,
    /// What every transaction is held against.
    pub context: BlockContext,
    /// The transactions, in order.
    pub transactions: Vec<TransactionWitness>,
    /// Their signatures, in the same order.
    pub signatures: Vec<Signed>,
    /// What the transactions moved.
    pub moved: Running,
    /// The fee account.
    pub seal: SealWitness,
}

/// Slots of the circuit of a chunk: as many as its shape holds.
pub const CHUNK_SLOTS: usize = 70;
/// Slots that the kernels of small blocks apply themselves: as many as 2^13 and 2^14 rows hold.
pub const DIRECT_SLOTS: [usize; 2] = [4, 23];
/// Chunks or folds that a block kernel verifies, at most.
pub const MAX_CHILDREN: usize = 3;
/// Arities of folds, the largest first.
pub const FOLD_ARITIES: [usize; 3] = [6, 5, 3];
/// Signatures that fit the tables, the smallest first.
pub const TABLES: [usize; 3] = [30, 60, MAX_TRANSACTIONS];

/// How a block kernel takes its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// None, and no signatures.
    Empty,
    /// In so many slots of its own, with the smallest table of signatures.
    Direct(usize),
    /// In chunks or folds of chunks.
    Chunks {
        /// How many.
        children: usize,
        /// How many signatures fit the table.
        table: usize,
    },
}

impl Variant {
    /// How many signatures fit the table that the kernel verifies; none for a block without transactions.
    #[must_use]
    pub const fn table(self) -> Option<usize> {
        match self {
            Self::Empty => None,
            Self::Direct(_) => Some(TABLES[0]),
            Self::Chunks { table, .. } => Some(table),
        }
    }
}

/// How many transactions, in order, each chunk takes, if they have so many actions each.
#[must_use]
pub fn chunk_sizes(actions: &[usize]) -> Vec<usize> {
    let (mut sizes, mut free) = (vec![], 0);
    for &count in actions {
        if count > free {
            sizes.push(0);
            free = CHUNK_SLOTS;
        }
        free -= count;
        *sizes.last_mut().expect("the first transaction starts a chunk") += 1;
    }
    sizes
}

/// How many chunks each child of the block kernel covers.
#[must_use]
pub fn fold_sizes(chunks: usize) -> Vec<usize> {
    folding::fold_sizes(chunks, &FOLD_ARITIES, MAX_CHILDREN)
}

/// The kernel of a block whose transactions have so many actions each; none if no table holds their signatures.
#[must_use]
pub fn variant(actions: &[usize]) -> Option<Variant> {
    if actions.is_empty() {
        return Some(Variant::Empty);
    }
    let (slots, signatures): (usize, _) = (actions.iter().sum(), actions.len());
    if let Some(direct) = DIRECT_SLOTS.into_iter().find(|&direct| slots <= direct) {
        return Some(Variant::Direct(direct));
    }
    let table = TABLES.into_iter().find(|&table| signatures <= table)?;
    Some(Variant::Chunks { children: fold_sizes(chunk_sizes(actions).len()).len(), table })
}

/// Every variant that blocks of up to `transactions` transactions need, whatever their actions.
#[must_use]
pub fn variants(transactions: usize) -> Vec<Variant> {
    // A chunk is left with fewer free slots than a transaction has actions.
    const FILLED: usize = CHUNK_SLOTS - MAX_ACTIONS + 1;
    let mut variants = vec![Variant::Empty];
    for count in 1..=transactions.min(MAX_TRANSACTIONS) {
        let (fewest, most) = (count, count * MAX_ACTIONS);
        let mut applied = 0;
        for direct in DIRECT_SLOTS {
            if fewest <= direct && most > applied {
                variants.push(Variant::Direct(direct));
            }
            applied = direct;
        }
        if let (true, Some(table)) = (most > applied, TABLES.into_iter().find(|&table| count <= table)) {
            let chunks = fewest.div_ceil(CHUNK_SLOTS)..=most.div_ceil(FILLED);
            let children = chunks.map(|chunks| fold_sizes(chunks).len());
            variants.extend(children.map(|children| Variant::Chunks { children, table }));
        }
    }
    variants.sort_unstable();
    variants.dedup();
    variants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_has_chunks_and_a_kernel() {
        let all = variants(MAX_TRANSACTIONS);
        for count in 0..=MAX_TRANSACTIONS {
            for pattern in [&[1][..], &[4], &[1, 4], &[3, 4, 4], &[2, 3], &[4, 1, 1, 1, 1]] {
                let actions: Vec<_> = pattern.iter().copied().cycle().take(count).collect();
                let sizes = chunk_sizes(&actions);
                assert_eq!(sizes.iter().sum::<usize>(), count);
                let mut rest = actions.as_slice();
                for size in &sizes {
                    let (chunk, later) = rest.split_at(*size);
                    assert!(chunk.iter().sum::<usize>() <= CHUNK_SLOTS);
                    rest = later;
                }
                let folds = fold_sizes(sizes.len());
                assert_eq!(folds.iter().sum::<usize>(), sizes.len(), "{count} of {pattern:?}");
                let variant = variant(&actions).unwrap();
                assert!(all.contains(&variant) && variants(count).contains(&variant), "{variant:?}");
            }
        }
        assert_eq!(variant(&[1; MAX_TRANSACTIONS + 1]), None);
    }
}
