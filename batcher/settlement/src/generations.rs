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

    /// The queue at the end of a generation, or as it is now.
    #[must_use]
    pub fn queue(&self, generation: u32) -> Vec<Deposit> {
        let mut queue = vec![];
        for (&number, Generation { deposits, cut_from }) in self.0.range(..=generation) {
            queue.extend(deposits);
            if let Some(from) = *cut_from
                && number < generation
            {
                queue.truncate(from as usize);
            }
        }
        queue
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

    fn amounts(generations: &Generations, generation: u32) -> Vec<u64> {
        generations.queue(generation).iter().map(|deposit| deposit.amount).collect()
    }

    #[test]
    fn deposits_that_were_cut_are_in_the_queue_no_more() {
        let all = generations(&[(0, 0..4), (1, 2..4), (2, 1..3)], &[(0, 2), (1, 1)]);
        assert_eq!(amounts(&all, 0), [0, 1, 2, 3]);
        assert_eq!(amounts(&all, 1), [0, 1, 102, 103]);
        assert_eq!(amounts(&all, 2), [0, 201, 202]);
        // Generations without deposits.
        let all = generations(&[(0, 0..4), (2, 1..2)], &[(0, 2), (1, 1), (2, 1)]);
        assert_eq!(amounts(&all, 1), [0, 1]);
        assert_eq!(amounts(&all, 2), [0, 201]);
        assert_eq!(amounts(&all, 3), [0]);
    }
}
