//! How far environments have come, and what superblocks led to: the parts of a superblock state that have trees of their own.
//!
//! A batcher keeps a state for every superblock that it tries, and a superblock changes few heads. So copies share what they
//! have in common, and the trees stay as they are built.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use bridge_core::state::append_all;
use circuits_core::{
    Digest, F,
    shared::SharedMap,
    stored::{ReadFailure, Reads, StoredList},
    trees::{AppendTree, IndexTree, Path, TreeError},
};
use circuits_protocol::registry::{ENVIRONMENT_BITS, EnvironmentId};
use plonky2::field::types::Field;
use serde::{Deserialize, Serialize, Serializer};

use super::state::{EnvironmentHead, HISTORY_DEPTH, environment_head};

/// The head of each environment that has a block, and the tree of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "BTreeMap<EnvironmentId, EnvironmentHead>")]
pub struct EnvironmentHeads {
    heads: SharedMap<EnvironmentId, EnvironmentHead>,
    tree: IndexTree,
}

impl Default for EnvironmentHeads {
    fn default() -> Self {
        Self { heads: SharedMap::new(), tree: IndexTree::new(ENVIRONMENT_BITS) }
    }
}

impl From<BTreeMap<EnvironmentId, EnvironmentHead>> for EnvironmentHeads {
    fn from(heads: BTreeMap<EnvironmentId, EnvironmentHead>) -> Self {
        heads.into_iter().collect()
    }
}

impl FromIterator<(EnvironmentId, EnvironmentHead)> for EnvironmentHeads {
    fn from_iter<I: IntoIterator<Item = (EnvironmentId, EnvironmentHead)>>(heads: I) -> Self {
        let mut all = Self::default();
        heads.into_iter().for_each(|(id, head)| all.insert(id, head));
        all
    }
}

/// As a map by id.
impl Serialize for EnvironmentHeads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Not every format takes a map of unknown length.
        self.iter().collect::<BTreeMap<_, _>>().serialize(serializer)
    }
}

impl EnvironmentHeads {
    /// These heads, from the roots of the pages of their tree ([`Self::page_root`]) up to the last head's. A page is hashed when it
    /// is needed, and gives a failure of `reads` if it has another root.
    ///
    /// # Errors
    /// [`TreeError::Pages`] if there is not one root for each page.
    pub fn from_stored(
        heads: impl IntoIterator<Item = (EnvironmentId, EnvironmentHead)>,
        pages: &[Digest],
        reads: Reads,
    ) -> Result<Self, TreeError> {
        let heads: SharedMap<_, _> = heads.into_iter().collect();
        let count = heads.iter().last().map_or(0, |(id, _)| u64::from(id.0) + 1);
        let all = heads.clone();
        let read = move |ids: Range<u64>| {
            // Ids have 16 bits.
            let ids = ids.map(|id| EnvironmentId(id as u16));
            Ok(ids.map(|id| all.get(&id).map_or(Digest::ZERO, |head| leaf(id, head))).collect())
        };
        let leaves = Arc::new(StoredList::new(count, reads, read));
        Ok(Self { heads, tree: IndexTree::from_stored(ENVIRONMENT_BITS, &leaves, pages)? })
    }

    /// The root of the page of the tree with the [`PAGE_LEAVES`](circuits_core::trees::PAGE_LEAVES) environments from
    /// `PAGE_LEAVES * page` on.
    #[must_use]
    pub fn page_root(&self, page: u64) -> Option<Digest> {
        self.tree.page_root(page)
    }

    /// The head of an environment, if it has a block.
    #[must_use]
    pub fn get(&self, id: EnvironmentId) -> Option<EnvironmentHead> {
        self.heads.get(&id).copied()
    }

    /// Moves the head of an environment.
    ///
    /// # Panics
    /// Never: ids have as many bits as the tree has levels.
    pub fn insert(&mut self, id: EnvironmentId, head: EnvironmentHead) {
        self.tree.set(u64::from(id.0), leaf(id, &head)).expect("ids have 16 bits");
        self.heads.insert(id, head);
    }

    /// The heads, ascending by id.
    pub fn iter(&self) -> impl Iterator<Item = (&EnvironmentId, &EnvironmentHead)> {
        self.heads.iter()
    }

    /// How many environments have a block.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether no environment has a block.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The heads that `after`, which continues these, has moved, ascending by id.
    pub fn moved<'h>(&'h self, after: &'h Self) -> impl Iterator<Item = (EnvironmentId, EnvironmentHead)> {
        let all = after.heads.iter().map(|(&id, &head)| (id, head));
        all.filter(|&(id, head)| self.get(id) != Some(head))
    }

    /// The root of the tree of heads.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// The path of an environment's head.
    #[must_use]
    pub fn path(&self, id: EnvironmentId) -> Path {
        self.tree.path(u64::from(id.0))
    }
}

/// The leaf of an environment's head.
fn leaf(id: EnvironmentId, head: &EnvironmentHead) -> Digest {
    environment_head(id.to_field(), F::from_canonical_u32(head.height), head.state)
}

/// The states of superblocks `0..n`, by number, and the tree of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Vec<Digest>")]
pub struct History {
    tree: AppendTree,
    /// Those of the states that are stored.
    reads: Reads,
}

impl PartialEq for History {
    fn eq(&self, other: &Self) -> bool {
        self.tree == other.tree
    }
}

impl Eq for History {}

impl Default for History {
    fn default() -> Self {
        Self { tree: AppendTree::new(HISTORY_DEPTH), reads: Reads::default() }
    }
}

impl TryFrom<Vec<Digest>> for History {
    type Error = TreeError;

    fn try_from(states: Vec<Digest>) -> Result<Self, TreeError> {
        let mut history = Self::default();
        if let Some(number) = states.iter().position(|&state| state == Digest::ZERO) {
            return Err(TreeError::EmptyLeaf { index: number as u64 });
        }
        append_all(&mut history.tree, &states)?;
        Ok(history)
    }
}

/// As the list of states.
impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let states: Vec<_> = self.iter().collect();
        states.serialize(serializer)
    }
}

impl History {
    /// The history of states that are stored, from the roots of the pages of their tree ([`Self::page_root`]). A page is read when
    /// one of its states is needed.
    ///
    /// # Errors
    /// [`TreeError`]: they do not fit, or there is not one root for each page.
    pub fn from_stored(states: StoredList<Digest>, pages: &[Digest]) -> Result<Self, TreeError> {
        let reads = states.reads().clone();
        Ok(Self { tree: AppendTree::from_stored(HISTORY_DEPTH, &Arc::new(states), pages)?, reads })
    }

    /// The root of the page of the tree with the [`PAGE_LEAVES`](circuits_core::trees::PAGE_LEAVES) states from
    /// `PAGE_LEAVES * page` on.
    #[must_use]
    pub fn page_root(&self, page: u64) -> Option<Digest> {
        self.tree.page_root(page)
    }

    /// Checks that every state that was needed so far could be read.
    ///
    /// # Errors
    /// The first [`ReadFailure`]: what could not be read was taken for absent.
    pub fn check_reads(&self) -> Result<(), ReadFailure> {
        self.reads.check()
    }

    /// How many states there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.tree.count()
    }

    /// Whether there is no state.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The state of superblock `number`, if it is a past one.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<Digest> {
        (number < self.len()).then(|| self.tree.get(number))
    }

    /// The states, by number.
    pub fn iter(&self) -> impl Iterator<Item = Digest> {
        (0..self.len()).map(|number| self.tree.get(number))
    }

    /// Adds the state of the next superblock, whose number is one of 32 bits.
    ///
    /// # Panics
    /// If the state is zero, which no commitment is, or there are `2^32` already.
    pub fn push(&mut self, state: Digest) {
        self.tree.push(state).expect("a commitment is not zero, and numbers have 32 bits");
    }

    /// The root of the tree of states.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// The path of the next free leaf.
    #[must_use]
    pub fn next_path(&self) -> Path {
        self.tree.next_path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::digest;

    #[test]
    fn heads_are_read_back_as_they_were_stored_and_show_what_was_moved() {
        let head = |height: u32| EnvironmentHead { height, state: digest(height.into()) };
        let before: EnvironmentHeads = (1..40).map(|id| (EnvironmentId(id), head(id.into()))).collect();
        let mut after = before.clone();
        after.insert(EnvironmentId(7), head(9));
        after.insert(EnvironmentId(300), head(1));
        let moved: Vec<_> = before.moved(&after).collect();
        assert_eq!(moved, [(EnvironmentId(7), head(9)), (EnvironmentId(300), head(1))]);
        let text = serde_json::to_string(&after).unwrap();
        assert_eq!(serde_json::from_str::<EnvironmentHeads>(&text).unwrap(), after);
        let leaf = environment_head(F::from_canonical_u16(7), F::from_canonical_u32(9), digest(9));
        assert_eq!(after.path(EnvironmentId(7)).verify(after.root(), 7, leaf), Ok(()));
    }

    #[test]
    fn a_history_is_the_list_of_its_states_whichever_way_it_was_made() {
        for count in [0, 1, 5, 16, 21] {
            let states: Vec<_> = (1..=count).map(digest).collect();
            let mut history = History::default();
            states.iter().for_each(|&state| history.push(state));
            assert_eq!(History::try_from(states.clone()), Ok(history.clone()));
            assert!(history.iter().eq(states));
            assert_eq!((history.len(), history.get(count)), (count, None));
        }
        let zero = History::try_from(vec![digest(1), Digest::ZERO]);
        assert_eq!(zero, Err(TreeError::EmptyLeaf { index: 1 }));
    }
}
