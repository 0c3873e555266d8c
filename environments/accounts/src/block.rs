//! Blocks: what they hold, and how their parts are grouped.

use environments_core::folding;

use crate::transaction::MAX_ACTIONS;

/// Transactions and messages taken in that one block holds at most: the largest table has a signature for each.
pub const MAX_TRANSACTIONS: usize = 240;

/// Slots of the circuit of a chunk: as many as its shape holds.
pub const CHUNK_SLOTS: usize = 67;
/// Slots that the kernels of small blocks apply themselves: as many as 2^13 and 2^14 rows hold.
pub const DIRECT_SLOTS: [usize; 2] = [4, 22];
/// Slots of the kernel of blocks without signatures: as many as 2^13 rows hold.
pub const UNSIGNED_SLOTS: usize = 15;
/// Chunks or folds that a block kernel verifies, at most.
pub const MAX_CHILDREN: usize = 3;
/// Arities of folds, the largest first.
pub const FOLD_ARITIES: [usize; 3] = [6, 5, 3];
/// Signatures that fit the tables, the smallest first.
pub const TABLES: [usize; 3] = [30, 60, MAX_TRANSACTIONS];

/// How a block kernel takes its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// No transactions, and no signatures.
    Empty,
    /// No transactions, and no signatures: only messages are taken in, in [`UNSIGNED_SLOTS`] slots of its own.
    Unsigned,
    /// In this number of slots of its own, with the smallest table of signatures.
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
    /// The name of the kernel.
    #[must_use]
    pub fn kernel_name(self) -> String {
        match self {
            Self::Empty => "accounts-block-empty".to_owned(),
            Self::Unsigned => format!("accounts-block-unsigned-{UNSIGNED_SLOTS}"),
            Self::Direct(slots) => format!("accounts-block-direct-{slots}"),
            Self::Chunks { children, table } => format!("accounts-block-chunks-{children}-of-{table}"),
        }
    }

    /// How many signatures fit the table that the kernel verifies; `None` for a block without transactions.
    #[must_use]
    pub const fn table(self) -> Option<usize> {
        match self {
            Self::Empty | Self::Unsigned => None,
            Self::Direct(_) => Some(TABLES[0]),
            Self::Chunks { table, .. } => Some(table),
        }
    }
}

/// How many messages and transactions, in order, each chunk takes, given the number of slots that each needs.
#[must_use]
pub fn chunk_sizes(slots: &[usize]) -> Vec<usize> {
    let (mut sizes, mut free) = (vec![], 0);
    for &count in slots {
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

/// The kernel of a block that takes in `arrivals` messages, and whose transactions have these numbers of `actions`.
/// `None` if no table holds their signatures, or if there are more messages than a block without signatures has slots.
#[must_use]
pub fn variant(arrivals: usize, actions: &[usize]) -> Option<Variant> {
    let (slots, signatures) = (arrivals + actions.iter().sum::<usize>(), actions.len());
    match (slots, signatures) {
        (0, 0) => return Some(Variant::Empty),
        (_, 0) => return (slots <= UNSIGNED_SLOTS).then_some(Variant::Unsigned),
        _ => {}
    }
    if let Some(direct) = DIRECT_SLOTS.into_iter().find(|&direct| slots <= direct) {
        return Some(Variant::Direct(direct));
    }
    let table = TABLES.into_iter().find(|&table| signatures <= table)?;
    let sizes = [vec![1; arrivals], actions.to_vec()].concat();
    Some(Variant::Chunks { children: fold_sizes(chunk_sizes(&sizes).len()).len(), table })
}

/// Every variant that blocks of up to `limit` transactions and messages taken in need, for any actions.
#[must_use]
pub fn variants(limit: usize) -> Vec<Variant> {
    // A chunk is left with fewer free slots than a transaction has actions.
    const FILLED: usize = CHUNK_SLOTS - MAX_ACTIONS + 1;
    let mut variants = vec![Variant::Empty];
    let limit = limit.min(MAX_TRANSACTIONS);
    if limit > 0 {
        variants.push(Variant::Unsigned);
    }
    let counts =
        (1..=limit).flat_map(|signatures| (signatures..=limit).map(move |count| (count, signatures)));
    for (count, signatures) in counts {
        let (fewest, most) = (count, count + signatures * (MAX_ACTIONS - 1));
        let mut applied = 0;
        for direct in DIRECT_SLOTS {
            if fewest <= direct && most > applied {
                variants.push(Variant::Direct(direct));
            }
            applied = direct;
        }
        if let (true, Some(table)) = (most > applied, TABLES.into_iter().find(|&table| signatures <= table)) {
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
        let up_to: Vec<_> = (0..=MAX_TRANSACTIONS).map(variants).collect();
        let cases =
            (0..=MAX_TRANSACTIONS).flat_map(|count| [0, 1, 40, 128].map(|messages| (count, messages)));
        for (count, messages) in cases.filter(|(count, messages)| messages <= count) {
            for pattern in [&[1][..], &[4], &[1, 4], &[3, 4, 4], &[2, 3], &[4, 1, 1, 1, 1]] {
                let actions: Vec<_> = pattern.iter().copied().cycle().take(count - messages).collect();
                let sizes = [vec![1; messages], actions.clone()].concat();
                let chunks = chunk_sizes(&sizes);
                assert_eq!(chunks.iter().sum::<usize>(), count);
                let mut rest = sizes.as_slice();
                for size in &chunks {
                    let (chunk, later) = rest.split_at(*size);
                    assert!(chunk.iter().sum::<usize>() <= CHUNK_SLOTS);
                    rest = later;
                }
                let folds = fold_sizes(chunks.len());
                assert_eq!(folds.iter().sum::<usize>(), chunks.len(), "{count} of {pattern:?}");
                let found = variant(messages, &actions);
                if actions.is_empty() && messages > UNSIGNED_SLOTS {
                    assert_eq!(found, None);
                    continue;
                }
                let variant = found.unwrap();
                assert!(all.contains(&variant) && up_to[count].contains(&variant), "{variant:?}");
            }
        }
        assert_eq!(variant(0, &[1; MAX_TRANSACTIONS + 1]), None);
        assert_eq!(variant(1, &[]), Some(Variant::Unsigned));
    }
}
