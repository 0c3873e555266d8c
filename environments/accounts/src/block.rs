//! Blocks: what they hold, and how their parts are grouped.

use std::collections::BTreeSet;

use environments_core::folding;

use crate::transaction::MAX_ACTIONS;

/// Transactions and messages taken in that one block holds at most: the largest table has a signature for each.
pub const MAX_TRANSACTIONS: usize = 240;

/// Blocks of Keccak-256 that one block's transactions hash at most: what the largest table proves.
pub const MAX_BLOCKS: usize = 1260;

/// Slots of the circuit of a chunk: as many as its shape holds.
pub const CHUNK_SLOTS: usize = 63;
/// Slots that the kernels of small blocks apply themselves: as many as 2^15 and 2^16 rows hold.
pub const DIRECT_SLOTS: [usize; 2] = [22, 85];
/// Slots of the kernel of blocks without signatures: as many as 2^13 rows hold.
pub const UNSIGNED_SLOTS: usize = 15;
/// Chunks or folds that the kernels of large blocks verify, in 2^16 rows, which hold no more than the larger number.
pub const CHILDREN: [usize; 2] = [2, 4];
/// Arities of folds, the largest first: 3 children fill the shape of chunks.
pub const FOLD_ARITIES: [usize; 2] = [3, 2];
/// Signatures that fit the tables, the smallest first.
pub const TABLES: [usize; 3] = [30, 60, MAX_TRANSACTIONS];

/// The kernels of blocks with transactions, the cheapest first; a block takes the first that holds it.
///
/// Every further combination would be one more key to make and to list, and would serve few blocks: most blocks with that
/// many slots have more signatures than a smaller table holds, and the others would save less than a fold costs.
const SIGNED_VARIANTS: [Variant; 6] = [
    Variant::Direct { slots: DIRECT_SLOTS[0], table: TABLES[0] },
    Variant::Direct { slots: DIRECT_SLOTS[1], table: TABLES[1] },
    Variant::Direct { slots: DIRECT_SLOTS[1], table: TABLES[2] },
    Variant::Chunks { children: CHILDREN[0], table: TABLES[1] },
    Variant::Chunks { children: CHILDREN[0], table: TABLES[2] },
    Variant::Chunks { children: CHILDREN[1], table: TABLES[2] },
];

/// How a block kernel takes its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// No transactions, and no signatures.
    Empty,
    /// No transactions, and no signatures: only messages are taken in, in [`UNSIGNED_SLOTS`] slots of its own.
    Unsigned,
    /// In slots of its own.
    Direct {
        /// How many.
        slots: usize,
        /// How many signatures fit the table.
        table: usize,
    },
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
            Self::Direct { slots, table } => format!("accounts-block-direct-{slots}-of-{table}"),
            Self::Chunks { children, table } => format!("accounts-block-chunks-{children}-of-{table}"),
        }
    }

    /// How many signatures fit the table that the kernel verifies; `None` for a block without transactions.
    #[must_use]
    pub const fn table(self) -> Option<usize> {
        match self {
            Self::Empty | Self::Unsigned => None,
            Self::Direct { table, .. } | Self::Chunks { table, .. } => Some(table),
        }
    }

    /// The cheapest kernel of a block with transactions, whose `slots` fill this number of chunks.
    fn signed(slots: usize, signatures: usize, chunks: usize) -> Option<Self> {
        let holds = |&variant: &Self| match variant {
            Self::Empty | Self::Unsigned => false,
            Self::Direct { slots: most, table } => slots <= most && signatures <= table,
            Self::Chunks { children, table } => {
                children == kernel_children(chunks)
                    && (children..=children * FOLD_ARITIES[0]).contains(&chunks)
                    && signatures <= table
            }
        };
        SIGNED_VARIANTS.into_iter().find(holds)
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

/// The number of children of the cheapest kernel over so many chunks: both cost the same, so the one that takes fewer folds.
const fn kernel_children(chunks: usize) -> usize {
    let [fewer, more] = CHILDREN;
    if chunks < more { fewer } else { more }
}

/// How many chunks each child of the block kernel covers; empty if there are too few or too many for any.
#[must_use]
pub fn child_sizes(chunks: usize) -> Vec<usize> {
    folding::child_sizes(chunks, &FOLD_ARITIES, kernel_children(chunks)).unwrap_or_default()
}

/// The kernel of a block that takes in `arrivals` messages, and whose transactions have these numbers of `actions` and hash
/// so many `blocks`. `None` if no table holds their signatures or their hashes, if the slots are more than the chunks of any
/// kernel have, or if there are more messages than a block without signatures has slots.
#[must_use]
pub fn variant(arrivals: usize, actions: &[usize], blocks: usize) -> Option<Variant> {
    let (slots, signatures) = (arrivals + actions.iter().sum::<usize>(), actions.len());
    match (slots, signatures) {
        (0, 0) => Some(Variant::Empty),
        (_, 0) => (slots <= UNSIGNED_SLOTS).then_some(Variant::Unsigned),
        _ if blocks > MAX_BLOCKS => None,
        _ => {
            let sizes = [vec![1; arrivals], actions.to_vec()].concat();
            Variant::signed(slots, signatures, chunk_sizes(&sizes).len())
        }
    }
}

/// Every variant that blocks of up to `limit` transactions and messages taken in need, for any actions.
#[must_use]
pub fn variants(limit: usize) -> Vec<Variant> {
    // A chunk is left with fewer free slots than a transaction has actions.
    const FILLED: usize = CHUNK_SLOTS - MAX_ACTIONS + 1;
    let mut variants = BTreeSet::from([Variant::Empty]);
    let limit = limit.min(MAX_TRANSACTIONS);
    if limit > 0 {
        variants.insert(Variant::Unsigned);
    }
    for signatures in 1..=limit {
        for slots in signatures..=limit + signatures * (MAX_ACTIONS - 1) {
            let chunks = slots.div_ceil(CHUNK_SLOTS)..=slots.div_ceil(FILLED);
            variants.extend(chunks.filter_map(|chunks| Variant::signed(slots, signatures, chunks)));
        }
    }
    variants.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use circuits_tables::{batch::Batch as _, ecdsa::batch::SignatureSize, keccak::batch::KeccakSize};

    use super::*;

    #[test]
    fn every_block_has_chunks_and_a_kernel() {
        let all = variants(MAX_TRANSACTIONS);
        let most = FOLD_ARITIES[0] * CHILDREN[1];
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
                let found = variant(messages, &actions, MAX_BLOCKS);
                if actions.is_empty() && messages > UNSIGNED_SLOTS || chunks.len() > most {
                    assert_eq!(found, None);
                    continue;
                }
                let variant = found.unwrap();
                if let Variant::Chunks { children, .. } = variant {
                    let folds = child_sizes(chunks.len());
                    assert_eq!(folds.iter().sum::<usize>(), chunks.len(), "{count} of {pattern:?}");
                    assert_eq!(folds.len(), children, "{count} of {pattern:?}");
                }
                assert!(all.contains(&variant) && up_to[count].contains(&variant), "{variant:?}");
            }
        }
        assert_eq!(variant(0, &[1; MAX_TRANSACTIONS + 1], MAX_BLOCKS), None);
        assert_eq!(variant(0, &[1], MAX_BLOCKS + 1), None);
        assert_eq!(variant(1, &[], 0), Some(Variant::Unsigned));
    }

    #[test]
    fn the_largest_table_has_as_many_blocks_as_a_block_may_hash() {
        assert_eq!(KeccakSize::Large.capacity(), MAX_BLOCKS);
        assert_eq!(SignatureSize::Large.capacity(), MAX_TRANSACTIONS);
    }

    #[test]
    fn a_block_takes_the_cheapest_kernel_that_holds_it() {
        let kernel = |arrivals, transactions, actions| {
            let actions = vec![actions; transactions];
            let chunks = chunk_sizes(&[vec![1; arrivals], actions.clone()].concat()).len();
            (variant(arrivals, &actions, 0).unwrap(), child_sizes(chunks))
        };
        let direct = |slots, table| Variant::Direct { slots, table };
        for (arrivals, transactions, actions, expected) in [
            (0, 1, 1, direct(22, 30)),
            (18, 1, 4, direct(22, 30)),
            (19, 1, 4, direct(85, 60)),
            (55, 30, 1, direct(85, 60)),
            (25, 60, 1, direct(85, 60)),
            (0, 61, 1, direct(85, 240)),
            (0, 85, 1, direct(85, 240)),
        ] {
            assert_eq!(kernel(arrivals, transactions, actions).0, expected);
        }
        let chunks = |children, table| Variant::Chunks { children, table };
        for (arrivals, transactions, actions, expected, folds) in [
            (26, 60, 1, chunks(2, 60), vec![1, 1]),
            (0, 86, 1, chunks(2, 240), vec![1, 1]),
            (0, 127, 1, chunks(2, 240), vec![2, 1]),
            (0, 190, 1, chunks(4, 240), vec![1; 4]),
            (13, 240, 1, chunks(4, 240), vec![2, 1, 1, 1]),
            (0, 180, 4, chunks(4, 240), vec![3; 4]),
        ] {
            assert_eq!(kernel(arrivals, transactions, actions), (expected, folds));
        }
    }
}
