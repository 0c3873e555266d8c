//! An ordered map whose copies share what they have in common.
//!
//! Problem: whoever executes a block keeps the state before it, and a state has a record for every account or note. A copy
//! of a `BTreeMap` costs them all, though a block changes a few.
//!
//! Approach: a balanced binary tree whose nodes are counted references. A copy is one more reference to the root. A
//! change copies the nodes on its path that somebody else refers to, and no others.
//!
//! ```text
//! before ──> 40              after ──> 40'           70 is set in `after`: only the path to it is copied
//!           /  \                      /  \
//!         20    60                  20    60'        the subtree at 20, and 50, are the same nodes
//!              /  \                      /  \
//!            50    70                  50    70'
//! ```
//! Cost: a copy takes constant time, a look-up or change logarithmic time, for n entries at most `1.44 log2(n + 2)` nodes:
//! the heights of two siblings differ by at most 1.

use std::{cmp::Ordering, fmt, iter, sync::Arc};

/// An ordered map whose copies share what they have in common; see the module's drawing.
#[derive(Clone)]
pub struct SharedMap<K, V> {
    root: Link<K, V>,
    len: usize,
}

type Link<K, V> = Option<Arc<Node<K, V>>>;

#[derive(Clone)]
struct Node<K, V> {
    key: K,
    value: V,
    /// Nodes on the longest path down from here, this one included.
    height: u8,
    /// Smaller keys, larger keys.
    children: [Link<K, V>; 2],
}

/// The side of smaller keys.
const LEFT: usize = 0;
/// The side of larger keys.
const RIGHT: usize = 1;

impl<K, V> SharedMap<K, V> {
    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self { root: None, len: 0 }
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries in increasing order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let mut stack = vec![];
        let mut next = self.root.as_deref();
        std::iter::from_fn(move || {
            while let Some(node) = next {
                stack.push(node);
                next = node.children[LEFT].as_deref();
            }
            let node: &Node<K, V> = stack.pop()?;
            next = node.children[RIGHT].as_deref();
            Some((&node.key, &node.value))
        })
    }

    /// The values in increasing order of keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V> SharedMap<K, V> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        let mut next = self.root.as_deref();
        while let Some(node) = next {
            next = match key.cmp(&node.key) {
                Ordering::Equal => return Some(&node.value),
                Ordering::Less => node.children[LEFT].as_deref(),
                Ordering::Greater => node.children[RIGHT].as_deref(),
            };
        }
        None
    }

    /// Whether there is an entry with this key.
    #[must_use]
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// The entry with the largest key below `key`.
    #[must_use]
    pub fn below(&self, key: &K) -> Option<(&K, &V)> {
        let (mut found, mut next) = (None, self.root.as_deref());
        while let Some(node) = next {
            if node.key < *key {
                found = Some((&node.key, &node.value));
                next = node.children[RIGHT].as_deref();
            } else {
                next = node.children[LEFT].as_deref();
            }
        }
        found
    }

    /// The entry with the smallest key above `key`.
    #[must_use]
    pub fn above(&self, key: &K) -> Option<(&K, &V)> {
        let (mut found, mut next) = (None, self.root.as_deref());
        while let Some(node) = next {
            if node.key > *key {
                found = Some((&node.key, &node.value));
                next = node.children[LEFT].as_deref();
            } else {
                next = node.children[RIGHT].as_deref();
            }
        }
        found
    }
}

impl<K: Ord, V: PartialEq> SharedMap<K, V> {
    /// The entries of `after` that are other ones here, and the keys that it has no more (`None`), in increasing order of keys.
    /// What both share is skipped, so that this costs what changed, not what exists.
    pub fn changed_entries<'m>(&'m self, after: &'m Self) -> impl Iterator<Item = (&'m K, Option<&'m V>)> {
        let (mut before, mut after) = (Rest::new(&self.root), Rest::new(&after.root));
        iter::from_fn(move || {
            loop {
                match (before.0.last().copied(), after.0.last().copied()) {
                    (None, None) => return None,
                    (Some(Ahead::Tree(one)), Some(Ahead::Tree(other))) if Arc::ptr_eq(one, other) => {
                        before.0.pop();
                        after.0.pop();
                    }
                    // The higher one first, so that what both share comes up on both sides at once.
                    (Some(Ahead::Tree(one)), Some(Ahead::Tree(other))) if one.height < other.height => {
                        after.open(other);
                    }
                    (Some(Ahead::Tree(one)), _) => before.open(one),
                    (_, Some(Ahead::Tree(other))) => after.open(other),
                    (Some(Ahead::Entry(one)), Some(Ahead::Entry(other))) if one.key == other.key => {
                        before.0.pop();
                        after.0.pop();
                        if one.value != other.value {
                            return Some((&other.key, Some(&other.value)));
                        }
                    }
                    (Some(Ahead::Entry(one)), other) => match other {
                        Some(Ahead::Entry(other)) if other.key < one.key => {
                            after.0.pop();
                            return Some((&other.key, Some(&other.value)));
                        }
                        _ => {
                            before.0.pop();
                            return Some((&one.key, None));
                        }
                    },
                    (None, Some(Ahead::Entry(other))) => {
                        after.0.pop();
                        return Some((&other.key, Some(&other.value)));
                    }
                }
            }
        })
    }
}

/// What a walk in the order of keys has not passed yet, the next one last.
struct Rest<'m, K, V>(Vec<Ahead<'m, K, V>>);

/// A part of what is ahead of a walk.
enum Ahead<'m, K, V> {
    Tree(&'m Arc<Node<K, V>>),
    /// A node without its subtrees.
    Entry(&'m Node<K, V>),
}

impl<K, V> Clone for Ahead<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Ahead<'_, K, V> {}

impl<'m, K, V> Rest<'m, K, V> {
    fn new(root: &'m Link<K, V>) -> Self {
        Self(root.iter().map(Ahead::Tree).collect())
    }

    /// Replaces the tree that is next by its parts.
    fn open(&mut self, tree: &'m Arc<Node<K, V>>) {
        self.0.pop();
        let [left, right] = &tree.children;
        self.0.extend(right.iter().map(Ahead::Tree));
        self.0.push(Ahead::Entry(tree));
        self.0.extend(left.iter().map(Ahead::Tree));
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// Sets the value of a key, and returns the one before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let before = insert(&mut self.root, key, value);
        self.len += usize::from(before.is_none());
        before
    }

    /// Removes a key, and returns its value.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        // The path is copied only if something changes.
        if !self.contains_key(key) {
            return None;
        }
        let removed = remove(&mut self.root, key);
        self.len -= usize::from(removed.is_some());
        removed
    }
}

fn insert<K: Ord + Clone, V: Clone>(link: &mut Link<K, V>, key: K, value: V) -> Option<V> {
    let Some(node) = link else {
        *link = Some(Arc::new(Node { key, value, height: 1, children: [None, None] }));
        return None;
    };
    let node = Arc::make_mut(node);
    let before = match key.cmp(&node.key) {
        Ordering::Equal => return Some(std::mem::replace(&mut node.value, value)),
        Ordering::Less => insert(&mut node.children[LEFT], key, value),
        Ordering::Greater => insert(&mut node.children[RIGHT], key, value),
    };
    rebalance(link);
    before
}

fn remove<K: Ord + Clone, V: Clone>(link: &mut Link<K, V>, key: &K) -> Option<V> {
    let node = Arc::make_mut(link.as_mut()?);
    let removed = match key.cmp(&node.key) {
        Ordering::Less => remove(&mut node.children[LEFT], key)?,
        Ordering::Greater => remove(&mut node.children[RIGHT], key)?,
        Ordering::Equal => {
            let Node { value, children: [left, mut right], .. } = Arc::unwrap_or_clone(link.take()?);
            // The next larger entry takes the place.
            *link = match remove_first(&mut right) {
                None => left,
                Some((key, value)) => Some(Arc::new(Node { key, value, height: 0, children: [left, right] })),
            };
            value
        }
    };
    rebalance(link);
    Some(removed)
}

/// Removes the entry with the smallest key.
fn remove_first<K: Clone, V: Clone>(link: &mut Link<K, V>) -> Option<(K, V)> {
    let node = Arc::make_mut(link.as_mut()?);
    let first = if node.children[LEFT].is_some() {
        remove_first(&mut node.children[LEFT])?
    } else {
        let Node { key, value, children: [_, right], .. } = Arc::unwrap_or_clone(link.take()?);
        *link = right;
        (key, value)
    };
    rebalance(link);
    Some(first)
}

fn height<K, V>(link: &Link<K, V>) -> u8 {
    link.as_ref().map_or(0, |node| node.height)
}

impl<K, V> Node<K, V> {
    fn measure(&mut self) {
        let [left, right] = self.children.each_ref().map(height);
        self.height = 1 + left.max(right);
    }
}

/// Restores the balance of a node whose children are balanced and differ in height by at most 2.
fn rebalance<K: Clone, V: Clone>(link: &mut Link<K, V>) {
    let Some(node) = link else { return };
    let node = Arc::make_mut(node);
    node.measure();
    let [left, right] = node.children.each_ref().map(height);
    if left.abs_diff(right) < 2 {
        return;
    }
    let high = if left > right { LEFT } else { RIGHT };
    // A single rotation moves the outer grandchild up, so the inner one must not be the higher one.
    if let Some(child) = &node.children[high]
        && height(&child.children[1 - high]) > height(&child.children[high])
    {
        rotate(&mut node.children[high], 1 - high);
    }
    rotate(link, high);
}

/// Moves the child on a side up, into the place of its parent.
///
/// ```text
///     y            x
///    / \          / \
///   x   c   -->  a   y        for the left side; the right side is the mirror image
///  / \              / \
/// a   b            b   c
/// ```
fn rotate<K: Clone, V: Clone>(link: &mut Link<K, V>, side: usize) {
    let Some(mut parent) = link.take() else { return };
    let below = Arc::make_mut(&mut parent);
    let Some(mut child) = below.children[side].take() else {
        *link = Some(parent);
        return;
    };
    let above = Arc::make_mut(&mut child);
    below.children[side] = above.children[1 - side].take();
    below.measure();
    above.children[1 - side] = Some(parent);
    above.measure();
    *link = Some(child);
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// Two maps are equal if and only if they have the same entries, regardless of their history.
impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Eq, V: Eq> Eq for SharedMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone, V: Clone> Extend<(K, V)> for SharedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

/// Of equal keys, the last one counts. Costs a sort.
impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut all: Vec<_> = entries.into_iter().collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        // The later of two stays in the place of the earlier.
        all.dedup_by(|later, earlier| {
            let is_same = later.0 == earlier.0;
            if is_same {
                std::mem::swap(later, earlier);
            }
            is_same
        });
        let len = all.len();
        Self { root: balanced(&mut all.into_iter(), len), len }
    }
}

/// The subtree of the next `len` entries, which ascend.
fn balanced<K, V>(entries: &mut impl Iterator<Item = (K, V)>, len: usize) -> Link<K, V> {
    let left_len = len.checked_sub(1)? / 2;
    let left = balanced(entries, left_len);
    let (key, value) = entries.next()?;
    let right = balanced(entries, len - 1 - left_len);
    let mut node = Node { key, value, height: 1, children: [left, right] };
    node.measure();
    Some(Arc::new(node))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Checks order, heights and balance.
    fn check(map: &SharedMap<u8, u16>) {
        fn balanced(link: &Link<u8, u16>) -> u8 {
            let Some(node) = link else { return 0 };
            let [left, right] = node.children.each_ref().map(balanced);
            assert!(left.abs_diff(right) < 2);
            assert_eq!(node.height, 1 + left.max(right));
            node.height
        }
        balanced(&map.root);
        assert_eq!(map.iter().count(), map.len());
        assert!(map.iter().is_sorted_by(|a, b| a.0 < b.0));
    }

    proptest! {
        #[test]
        fn a_map_holds_what_an_ordered_map_holds_and_its_copies_keep_what_they_had(
            changes in prop::collection::vec((any::<u8>(), prop::option::of(any::<u16>())), 0..200),
        ) {
            let (mut map, mut expected) = (SharedMap::new(), BTreeMap::new());
            let mut copies = vec![];
            for (key, value) in changes {
                copies.push((map.clone(), expected.clone()));
                let before = match value {
                    Some(value) => (map.insert(key, value), expected.insert(key, value)),
                    None => (map.remove(&key), expected.remove(&key)),
                };
                prop_assert_eq!(before.0, before.1);
                prop_assert_eq!(map.get(&key), expected.get(&key));
                prop_assert_eq!(map.below(&key), expected.range(..key).next_back());
                let above = expected.range((std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded));
                prop_assert_eq!(map.above(&key), above.into_iter().next());
                check(&map);
            }
            copies.push((map, expected));
            // Neighbours and others, in both directions.
            for ((before, was), (after, is)) in
                [1, 23].into_iter().flat_map(|step| copies.iter().zip(copies.iter().skip(step))).flat_map(|(a, b)| [(a, b), (b, a)])
            {
                let gone = was.keys().filter(|key| !is.contains_key(key)).map(|key| (key, None));
                let mut expected: BTreeMap<_, _> = gone.collect();
                let new = is.iter().filter(|(key, value)| was.get(key) != Some(value));
                expected.extend(new.map(|(key, value)| (key, Some(value))));
                prop_assert!(before.changed_entries(after).eq(expected));
            }
            for (map, expected) in copies {
                prop_assert!(map.iter().eq(expected.iter()));
                prop_assert_eq!(map.is_empty(), expected.is_empty());
                let twice = expected.iter().map(|(&key, _)| (key, 0)).chain(expected.clone()).rev();
                let reversed: SharedMap<_, _> = expected.clone().into_iter().rev().collect();
                check(&reversed);
                prop_assert_eq!(&map, &reversed);
                let of_two: SharedMap<_, _> = twice.collect();
                check(&of_two);
                prop_assert!(of_two.iter().all(|(_, &value)| value == 0) && of_two.len() == map.len());
            }
        }
    }

    /// A value that counts how often it is compared.
    #[derive(Clone)]
    struct Counted(std::rc::Rc<std::cell::Cell<u32>>);

    impl PartialEq for Counted {
        fn eq(&self, _: &Self) -> bool {
            self.0.set(self.0.get() + 1);
            true
        }
    }

    #[test]
    fn finding_what_changed_passes_what_is_shared() {
        let compared: std::rc::Rc<std::cell::Cell<u32>> = std::rc::Rc::default();
        let map: SharedMap<_, _> = (0..10_000).map(|key| (2 * key, Counted(compared.clone()))).collect();
        let mut changed = map.clone();
        for key in (1..200).step_by(2) {
            changed.insert(100 * key + 1, Counted(compared.clone()));
            changed.remove(&(100 * key));
        }
        assert_eq!(map.changed_entries(&changed).count(), 200);
        assert!(compared.get() < 4_000, "{} of 10,000 entries were compared", compared.get());
    }

    #[test]
    fn a_copy_shares_all_but_the_path_of_a_change() {
        fn nodes(link: &Link<u32, ()>, found: &mut Vec<*const Node<u32, ()>>) {
            if let Some(node) = link {
                found.push(Arc::as_ptr(node));
                node.children.iter().for_each(|child| nodes(child, found));
            }
        }
        let map: SharedMap<_, _> = (0..1000).map(|key| (2 * key, ())).collect();
        let mut changed = map.clone();
        changed.insert(501, ());
        changed.remove(&1200);
        let (mut before, mut after) = (vec![], vec![]);
        nodes(&map.root, &mut before);
        nodes(&changed.root, &mut after);
        before.sort_unstable();
        let new = after.iter().filter(|node| before.binary_search(node).is_err()).count();
        assert!(new <= 40, "{new} new nodes");
    }
}
