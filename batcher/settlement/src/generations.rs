//! All deposits that were ever made, and how the queue was cut.
//!
//! ```text
//! generation 0:   a0 a1 a2 | a3 a4         cut from index 3 on: a3 and a4 left the queue
//! generation 1:   a0 a1 a2   b3 b4 b5      those that came later took their indices
//! ```

use std::collections::BTreeMap;

use environments_l1::Deposit;

/// The generations of a queue, as far as events tell them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generations(BTreeMap<u32, Generation>);

/// What joined the queue between two cuts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Generation {
    deposits: Vec<Deposit>,
    /// The index from which on the cut at its end took deposits out; `None` if it has not ended.
    cut_from: Option<u32>,
}

impl Generations {
    /// Adds a deposit at the end of its generation.
    pub fn push(&mut self, generation: u32, deposit: Deposit) {
        self.0.entry(generation).or_default().deposits.push(deposit);
    }

    /// Ends a generation by a cut from this index on.
    pub fn cut(&mut self, generation: u32, from: u32) {
        self.0.entry(generation).or_default().cut_from = Some(from);
    }

    /// The deposits that are in the queue.
    #[must_use]
    pub fn queue(&self) -> Vec<Deposit> {
        let mut queue = vec![];
        self.visit(&mut queue, |_| false);
        queue
    }

    /// Whether these deposits were the whole queue at some time. Whoever is behind has not seen a later queue, so it is none of theirs.
    #[must_use]
    pub fn have_been(&self, deposits: &[Deposit]) -> bool {
        // What a generation begins with, the one before it has had, and all beginnings of that too.
        deposits.is_empty() || self.visit(&mut vec![], |queue| queue.starts_with(deposits))
    }

    /// Shows the queue as it was when each generation ended, or is. Returns whether one of them is what is looked for; the queue is then
    /// that one.
    fn visit(&self, queue: &mut Vec<Deposit>, mut is_found: impl FnMut(&[Deposit]) -> bool) -> bool {
        self.0.values().any(|Generation { deposits, cut_from }| {
            queue.extend(deposits);
            let found = is_found(queue);
            if let Some(from) = *cut_from
                && !found
            {
                queue.truncate(from as usize);
            }
            found
        })
    }
}

#[cfg(test)]
mod tests {
    use environments_core::address::Address;
    use environments_l1::Bytes32;

    use super::*;

    /// A deposit that no other generation or index has.
    fn deposit(generation: u32, index: u32) -> Deposit {
        Deposit {
            depositor: Address([1; 20]),
            destination: 1,
            recipient: Bytes32::default(),
            asset: "0:1".parse().expect("an asset"),
            amount: u64::from(100 * generation + index),
            lifetime: 64,
        }
    }

    /// The deposits of each generation, as a range of indices, and where they were cut.
    fn generations(all: &[(u32, std::ops::Range<u32>)], cuts: &[(u32, u32)]) -> Generations {
        let mut generations = Generations::default();
        for (generation, indices) in all {
            indices.clone().for_each(|index| generations.push(*generation, deposit(*generation, index)));
        }
        cuts.iter().for_each(|&(generation, from)| generations.cut(generation, from));
        generations
    }

    fn amounts(generations: &Generations) -> Vec<u64> {
        generations.queue().iter().map(|deposit| deposit.amount).collect()
    }

    #[test]
    fn deposits_that_were_cut_are_in_the_queue_no_more() {
        assert_eq!(amounts(&generations(&[(0, 0..4)], &[])), [0, 1, 2, 3]);
        assert_eq!(amounts(&generations(&[(0, 0..4)], &[(0, 2)])), [0, 1]);
        let two = [(0, 0..4), (1, 2..4)];
        assert_eq!(amounts(&generations(&two, &[(0, 2)])), [0, 1, 102, 103]);
        assert_eq!(amounts(&generations(&two, &[(0, 2), (1, 3)])), [0, 1, 102]);
        // A generation without deposits.
        assert_eq!(amounts(&generations(&[(0, 0..4), (2, 1..2)], &[(0, 2), (1, 1)])), [0, 201]);
    }

    #[test]
    fn the_queue_has_been_what_events_lead_to_and_nothing_else() {
        let all = generations(&[(0, 0..4), (1, 2..4), (2, 1..3)], &[(0, 2), (1, 1)]);
        let queue = |names: &[(u32, u32)]| -> Vec<_> {
            names.iter().map(|&(generation, index)| deposit(generation, index)).collect()
        };
        for names in [
            &[][..],
            &[(0, 0)],
            &[(0, 0), (0, 1), (0, 2), (0, 3)],
            &[(0, 0), (0, 1)],
            &[(0, 0), (0, 1), (1, 2), (1, 3)],
            &[(0, 0), (2, 1)],
            &[(0, 0), (2, 1), (2, 2)],
        ] {
            assert!(all.have_been(&queue(names)), "{names:?}");
        }
        for names in [
            &[(0, 1)][..],
            &[(0, 0), (1, 2)],
            &[(0, 0), (0, 1), (0, 2), (1, 3)],
            &[(0, 0), (0, 1), (2, 1)],
            &[(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)],
            &[(0, 0), (2, 1), (2, 2), (2, 3)],
        ] {
            assert!(!all.have_been(&queue(names)), "{names:?}");
        }
    }
}
