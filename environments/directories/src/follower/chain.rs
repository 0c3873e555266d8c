//! Which of the published blocks make the chain.
//!
//! A producer signs one chain, unless it goes back and signs another one. Then the chain is the one that superblocks have taken, as
//! far as they have; else the one that is in place, unless another one is higher, since a producer goes on with what it did not
//! drop.
//!
//! ```text
//! in place   genesis ── 1 ── 2 ── 3
//! published             └── 2' ── 3' ── 4'      higher: the chain goes back to 1 and on to 4'
//!                             └── 3"            as high as what is in place, which stays
//! ```
//!
//! Nothing is given up for a promise: of a chain that leaves the one in place, as much as makes it better is applied first, and the
//! turn is one transaction.

use std::collections::{BTreeMap, BTreeSet};

use circuits_core::Digest;
use environments_core::published::PublishedBlock;
use serde::{Deserialize, Serialize};

/// A published block, as far as the choice needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) height: u32,
    pub(super) previous_state: Digest,
    pub(super) new_state: Digest,
    pub(super) id: Digest,
    pub(super) producer: Digest,
}

impl Link {
    pub(super) fn of(block: &PublishedBlock) -> Self {
        let statement = block.statement();
        Self {
            height: block.header().last_height,
            previous_state: statement.previous_state,
            new_state: statement.new_state,
            id: block.id(),
            producer: statement.producer,
        }
    }
}

/// The state that superblocks have taken of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batched {
    /// Its height; 0 is genesis.
    pub height: u32,
    /// Its commitment.
    pub state: Digest,
}

/// How well a chain suits: first whether it agrees with superblocks, then how high it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Worth {
    agreement: Agreement,
    tip: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Agreement {
    Contradicts,
    /// It does not reach the height.
    Unknown,
    Agrees,
}

/// Where a better chain leaves the one in place, and its blocks from there on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// The height to go back to.
    pub(super) from: u32,
    /// Ascending.
    pub(super) links: Vec<Link>,
    /// So many of them make a chain that is better than the one in place, whatever becomes of the others.
    pub(super) enough: usize,
}

/// The better chain, if there is one. `states` are those of the chain in place, by height, as far back as it can go.
pub(super) fn turn(
    states: &BTreeMap<u32, Digest>,
    published: &BTreeSet<Link>,
    batched: Option<Batched>,
) -> Option<Turn> {
    let (&height, _) = states.last_key_value()?;
    let agreement = |at: u32, state: Digest| match batched {
        Some(batched) if batched.height == at => {
            if batched.state == state {
                Agreement::Agrees
            } else {
                Agreement::Contradicts
            }
        }
        _ => Agreement::Unknown,
    };
    let decided = |below: Agreement, above: Agreement| match (below, above) {
        (Agreement::Unknown, other) | (other, Agreement::Unknown) => other,
        (below, _) => below,
    };
    // By the state that they continue: what each block leads to at best, from the highest blocks down.
    let mut best: BTreeMap<(u32, Digest), (Worth, Link)> = BTreeMap::new();
    for link in published.iter().rev() {
        let own = agreement(link.height, link.new_state);
        let worth = match after(link.height, link.new_state).and_then(|next| best.get(&next)) {
            Some((above, _)) => Worth { agreement: decided(own, above.agreement), tip: above.tip },
            None => Worth { agreement: own, tip: link.height },
        };
        let entry = best.entry((link.height, link.previous_state)).or_insert((worth, *link));
        if entry.0 < worth {
            *entry = (worth, *link);
        }
    }
    let mut in_place = Agreement::Unknown;
    let mut chosen: Option<(Worth, u32, Agreement)> = None;
    let mut forks = vec![];
    for (&at, &state) in states {
        in_place = decided(in_place, agreement(at, state));
        if let Some((above, _)) = after(at, state).and_then(|next| best.get(&next)) {
            let worth = Worth { agreement: decided(in_place, above.agreement), tip: above.tip };
            forks.push((worth, at, in_place));
        }
    }
    let stays = Worth { agreement: in_place, tip: height };
    for fork in forks {
        // Of two that are worth the same, the one that goes back less.
        if fork.0 > stays && chosen.is_none_or(|(other, ..)| fork.0 >= other) {
            chosen = Some(fork);
        }
    }
    let (_, from, mut agrees) = chosen?;
    let (mut links, mut next) = (vec![], after(from, *states.get(&from)?));
    let mut enough = None;
    while let Some((_, link)) = next.and_then(|next| best.get(&next)) {
        links.push(*link);
        agrees = decided(agrees, agreement(link.height, link.new_state));
        if enough.is_none() && (Worth { agreement: agrees, tip: link.height }) > stays {
            enough = Some(links.len());
        }
        next = after(link.height, link.new_state);
    }
    let enough = enough.unwrap_or(links.len());
    Some(Turn { from, links, enough })
}

/// What a block that continues the state of `height` is found by. Nothing continues the last height that there is.
fn after(height: u32, state: Digest) -> Option<(u32, Digest)> {
    Some((height.checked_add(1)?, state))
}

#[cfg(test)]
mod tests {
    use circuits_core::F;
    use plonky2::field::types::Field as _;

    use super::*;

    fn state(n: u64) -> Digest {
        Digest([n, 0, 0, 0].map(F::from_canonical_u64))
    }

    /// A block between two states, whose names begin with their heights.
    fn link(previous: u64, new: u64) -> Link {
        Link {
            height: (new / 10) as u32,
            previous_state: state(previous),
            new_state: state(new),
            id: state(100 + new),
            producer: Digest::ZERO,
        }
    }

    fn turned(in_place: &[u64], published: &[(u64, u64)], batched: Option<u64>) -> Option<(u32, Vec<u64>)> {
        let states = in_place.iter().map(|&name| ((name / 10) as u32, state(name))).collect();
        let links = published.iter().map(|&(previous, new)| link(previous, new)).collect();
        let batched = batched.map(|name| Batched { height: (name / 10) as u32, state: state(name) });
        let Turn { from, links, .. } = turn(&states, &links, batched)?;
        Some((from, links.into_iter().map(|link| link.new_state.0[0].0).collect()))
    }

    #[test]
    fn a_chain_goes_on_with_what_continues_it() {
        assert_eq!(turned(&[0], &[], None), None);
        assert_eq!(turned(&[0], &[(0, 10), (10, 20)], None), Some((0, vec![10, 20])));
        assert_eq!(turned(&[0, 10], &[(0, 10), (10, 20)], None), Some((1, vec![20])));
        assert_eq!(turned(&[0, 10], &[(0, 10), (20, 30)], None), None, "a block is missing");
        assert_eq!(turned(&[0, 10, 20], &[(0, 10), (10, 20)], None), None);
    }

    #[test]
    fn a_higher_chain_takes_the_place_and_one_as_high_does_not() {
        let published = [(0, 10), (10, 20), (10, 21), (21, 31)];
        assert_eq!(turned(&[0, 10, 20], &published[..3], None), None);
        assert_eq!(turned(&[0, 10, 20], &published, None), Some((1, vec![21, 31])));
        assert_eq!(turned(&[0, 10, 21, 31], &published, None), None);
    }

    #[test]
    fn what_superblocks_have_taken_decides() {
        let published = [(0, 10), (10, 20), (20, 30), (10, 21)];
        assert_eq!(turned(&[0, 10, 20, 30], &published, Some(21)), Some((1, vec![21])));
        assert_eq!(turned(&[0, 10, 21], &published, Some(21)), None, "though the other one is higher");
        assert_eq!(turned(&[0, 10, 21], &published, Some(30)), Some((1, vec![20, 30])));
        assert_eq!(turned(&[0, 10, 21], &published, Some(40)), Some((1, vec![20, 30])), "nobody knows yet");
    }

    #[test]
    fn what_makes_a_chain_better_is_enough() {
        let enough = |in_place: &[u64], published: &[(u64, u64)], batched: Option<(u32, u64)>| {
            let states = in_place.iter().map(|&name| ((name / 10) as u32, state(name))).collect();
            let links = published.iter().map(|&(previous, new)| link(previous, new)).collect();
            let batched = batched.map(|(height, name)| Batched { height, state: state(name) });
            turn(&states, &links, batched).map(|turn| (turn.from, turn.links.len(), turn.enough))
        };
        let published = [(0, 11), (11, 21), (21, 31), (31, 41)];
        assert_eq!(enough(&[0], &published, None), Some((0, 4, 1)));
        assert_eq!(enough(&[0, 10, 20], &published, None), Some((0, 4, 3)), "as high is not higher");
        assert_eq!(
            enough(&[0, 10, 20], &published, Some((2, 21))),
            Some((0, 4, 1)),
            "it contradicts no more"
        );
        assert_eq!(enough(&[0, 10, 20], &published, Some((3, 31))), Some((0, 4, 3)));
        assert_eq!(enough(&[0, 10, 20, 30, 40, 50], &published, Some((3, 31))), Some((0, 4, 1)));
        assert_eq!(enough(&[0, 10, 20], &published[..2], Some((2, 20))), None);
    }

    #[test]
    fn a_block_of_the_last_height_there_is_leads_nowhere() {
        // It would continue itself if heights did not end.
        let last = Link { height: u32::MAX, ..link(10, 10) };
        let published = BTreeSet::from([link(0, 10), last]);
        let states = BTreeMap::from([(0, state(0))]);
        let expected = Turn { from: 0, links: vec![link(0, 10)], enough: 1 };
        assert_eq!(turn(&states, &published, None), Some(expected));
    }

    #[test]
    fn a_chain_goes_back_as_far_as_its_states_are_kept() {
        assert_eq!(turned(&[20, 30], &[(0, 11), (11, 21), (21, 31), (31, 41)], None), None);
    }
}
