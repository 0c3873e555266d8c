//! An ordered map that is stored, and of which entries are read where somebody needs them.
//!
//! Problem: a state has an entry for every account or note, and whoever continues it after a restart needs a few of them. To
//! read them all first takes longer the more there are.
//!
//! Approach: what is stored stays where it is. Over it lies a [`SharedMap`] of what changed since. An entry that was read is
//! kept, since look-ups lend what they find, and costs no second read.
//!
//! ```text
//! changes    20: b'    30: none    50: e        what is another one than is stored, or there no more
//! stored     20: b     30: c       40: d
//! map        20: b'    40: d       50: e
//! ```
//! A map that nobody stored is all changes. Look-ups have no errors of their own: see [`crate::stored`].

use std::{
    fmt,
    hash::{BuildHasher as _, Hash, RandomState},
    iter,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    shared::SharedMap,
    stored::{Contradiction, ReadFailure, Reads},
};

/// The entries of a map that is stored. They never change.
pub trait Entries<K, V>: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// [`ReadFailure`]
    fn get(&self, key: &K) -> Result<Option<V>, ReadFailure>;

    /// All entries.
    ///
    /// # Errors
    /// [`ReadFailure`]
    fn all(&self) -> Result<Vec<(K, V)>, ReadFailure>;

    /// The entry with the largest key below `key`.
    ///
    /// # Errors
    /// [`ReadFailure`]
    fn below(&self, key: &K) -> Result<Option<(K, V)>, ReadFailure>;

    /// The entry with the smallest key above `key`.
    ///
    /// # Errors
    /// [`ReadFailure`]
    fn above(&self, key: &K) -> Result<Option<(K, V)>, ReadFailure>;
}

/// An ordered map of which entries are read late; see the module's drawing. Copies share what they have in common.
#[derive(Clone)]
pub struct LateMap<K, V> {
    /// `None` for what is there no more.
    changes: SharedMap<K, Option<V>>,
    len: u64,
    stored: Option<Arc<Stored<K, V>>>,
}

/// What is stored, and what of it was read.
struct Stored<K, V> {
    entries: Box<dyn Entries<K, V>>,
    reads: Reads,
    found: Found<K, V>,
    /// All of it, once somebody needed that.
    all: OnceLock<SharedMap<K, V>>,
}

impl<K, V> LateMap<K, V> {
    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self { changes: SharedMap::new(), len: 0, stored: None }
    }

    /// The map with these entries, of which there are `len`. A failure goes to `reads`.
    pub fn from_stored(len: u64, reads: Reads, entries: impl Entries<K, V> + 'static) -> Self {
        let entries = Box::new(entries);
        let stored = Stored { entries, reads, found: Found::default(), all: OnceLock::new() };
        Self { changes: SharedMap::new(), len, stored: Some(Arc::new(stored)) }
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where failures go, if entries are read late.
    #[must_use]
    pub fn reads(&self) -> Option<&Reads> {
        self.stored.as_ref().map(|stored| &stored.reads)
    }

    fn has_stored_of(&self, other: &Self) -> bool {
        match (&self.stored, &other.stored) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl<K: Ord + Clone + Hash + fmt::Debug, V: Clone> LateMap<K, V> {
    /// The value of a key, compared with nothing.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        match self.changes.get(key) {
            Some(change) => change.as_ref(),
            None => self.stored.as_ref()?.get(key).map(|kept| &kept.value),
        }
    }

    /// The value of a key. What is stored has to be right when it is first asked for in this way; otherwise that is a failure, and
    /// there is no value.
    #[must_use]
    pub fn get_checked(&self, key: &K, is_right: impl FnOnce(Option<&V>) -> bool) -> Option<&V> {
        match self.changes.get(key) {
            Some(change) => change.as_ref(),
            None => self.stored.as_ref()?.get_checked(key, is_right),
        }
    }

    /// Whether there is an entry with this key.
    #[must_use]
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// The entry with the largest key below `key`.
    #[must_use]
    pub fn below(&self, key: &K) -> Option<(K, V)> {
        self.beside(key, SharedMap::below, |entries, key| entries.below(key), |one, other| one > other)
    }

    /// The entry with the smallest key above `key`.
    #[must_use]
    pub fn above(&self, key: &K) -> Option<(K, V)> {
        self.beside(key, SharedMap::above, |entries, key| entries.above(key), |one, other| one < other)
    }

    /// The next entry on a side of `key`, of two the one that is `closer`.
    fn beside(
        &self,
        key: &K,
        changed: impl for<'m> Fn(&'m SharedMap<K, Option<V>>, &K) -> Option<(&'m K, &'m Option<V>)>,
        read: impl Fn(&dyn Entries<K, V>, &K) -> Result<Option<(K, V)>, ReadFailure>,
        closer: impl Fn(&K, &K) -> bool,
    ) -> Option<(K, V)> {
        let mut from = key;
        loop {
            let stored = self.stored.as_ref();
            let stored = stored.and_then(|one| one.reads.or_default(read(&*one.entries, from)));
            let Some((key, change)) = changed(&self.changes, from) else { return stored };
            match (stored, change) {
                (Some(stored), _) if closer(&stored.0, key) => return Some(stored),
                (_, Some(value)) => return Some((key.clone(), value.clone())),
                // It is there no more.
                (_, None) => from = key,
            }
        }
    }

    /// The entries in increasing order of keys. All that is stored is read.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let mut stored = self.stored.iter().flat_map(|stored| stored.all().iter()).peekable();
        let mut changes = self.changes.iter().peekable();
        iter::from_fn(move || {
            loop {
                let next = changes.peek().map(|(key, _)| *key);
                let is_before = |(key, _): &(&K, &V)| next.is_none_or(|next| *key < next);
                if let Some(entry) = stored.next_if(is_before) {
                    return Some(entry);
                }
                let (key, change) = changes.next()?;
                stored.next_if(|(stored, _)| *stored == key);
                if let Some(value) = change {
                    return Some((key, value));
                }
            }
        })
    }

    /// The values in increasing order of keys. All that is stored is read.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Sets the value of a key, and returns the one before, as [`Self::get`] gives it. Only [`Self::len`] depends on that one.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let before = self.get(&key).cloned();
        self.changes.insert(key, Some(value));
        self.len += u64::from(before.is_none());
        before
    }

    /// Removes a key, and returns its value, as [`Self::get`] gives it. Whatever is stored, there is no value afterwards.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let before = self.get(key).cloned()?;
        match &self.stored {
            Some(stored) if stored.get(key).is_some() => self.changes.insert(key.clone(), None),
            _ => self.changes.remove(key),
        };
        self.len = self.len.saturating_sub(1);
        Some(before)
    }
}

impl<K: Ord + Clone + Hash + fmt::Debug, V: Clone + PartialEq> LateMap<K, V> {
    /// The entries of `after` that are other ones here, and the keys that it has no more (`None`), in increasing order of keys. It
    /// costs what changed, if both are copies of one map.
    #[must_use]
    pub fn changed_entries(&self, after: &Self) -> Vec<(K, Option<V>)> {
        if self.has_stored_of(after) {
            let changed = self.changes.changed_entries(&after.changes);
            return changed.map(|(key, _)| (key.clone(), after.get(key).cloned())).collect();
        }
        let [before, after] = [self, after]
            .map(|map| map.iter().map(|(k, v)| (k.clone(), v.clone())).collect::<SharedMap<_, _>>());
        before.changed_entries(&after).map(|(key, value)| (key.clone(), value.cloned())).collect()
    }
}

impl<K: Ord + Clone + Hash + fmt::Debug, V: Clone> Stored<K, V> {
    fn get(&self, key: &K) -> Option<&Kept<K, V>> {
        if let Some(kept) = self.found.get(key) {
            return Some(kept);
        }
        let value = self.reads.or_default(self.entries.get(key))?;
        Some(self.found.keep(key, &value))
    }

    fn get_checked(&self, key: &K, is_right: impl FnOnce(Option<&V>) -> bool) -> Option<&V> {
        let kept = self.get(key);
        if !kept.is_some_and(|kept| kept.is_right.load(Ordering::Relaxed)) {
            if !is_right(kept.map(|kept| &kept.value)) {
                self.reads.fail(ReadFailure::new(Contradiction::Entry { key: format!("{key:?}") }));
                return None;
            }
            kept?.is_right.store(true, Ordering::Relaxed);
        }
        kept.map(|kept| &kept.value)
    }

    fn all(&self) -> &SharedMap<K, V> {
        self.all.get_or_init(|| self.reads.or_default(self.entries.all()).into_iter().collect())
    }
}

/// Entries that were read. There are only ever more of them, so that they can be lent.
struct Found<K, V> {
    hasher: RandomState,
    first: Slot<K, V>,
}

/// A place for one entry, and for those that come by it later.
type Slot<K, V> = OnceLock<Box<Kept<K, V>>>;

/// Ways on from an entry: few, since each takes memory, and enough for a million entries in ten steps.
const WAYS: usize = 4;

struct Kept<K, V> {
    key: K,
    value: V,
    /// Whether it was checked. A copy may have read it to change it, and compared it with nothing.
    is_right: AtomicBool,
    ways: [Slot<K, V>; WAYS],
}

impl<K, V> Default for Found<K, V> {
    fn default() -> Self {
        Self { hasher: RandomState::new(), first: OnceLock::new() }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Found<K, V> {
    fn get(&self, key: &K) -> Option<&Kept<K, V>> {
        let mut slot = &self.first;
        for step in 0_u32.. {
            let kept = slot.get()?;
            if kept.key == *key {
                return Some(kept);
            }
            slot = &kept.ways[self.way(step, key)];
        }
        None
    }

    /// Keeps a value, unless another thread has kept it.
    fn keep(&self, key: &K, value: &V) -> &Kept<K, V> {
        let (mut slot, mut step) = (&self.first, 0);
        let new = || {
            let ways = [const { OnceLock::new() }; WAYS];
            Box::new(Kept { key: key.clone(), value: value.clone(), is_right: AtomicBool::new(false), ways })
        };
        loop {
            let kept = slot.get_or_init(new);
            if kept.key == *key {
                return kept;
            }
            slot = &kept.ways[self.way(step, key)];
            step += 1;
        }
    }

    /// Which way a key takes at a step. The hasher is secret, so that nobody chooses keys that take the same ways.
    fn way(&self, step: u32, key: &K) -> usize {
        self.hasher.hash_one((step, key)) as usize % WAYS
    }
}

impl<K, V> Default for LateMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// Two maps are equal if and only if they have the same entries, regardless of their history. All that is stored is read.
impl<K: Ord + Clone + Hash + fmt::Debug, V: Clone + PartialEq> PartialEq for LateMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Ord + Clone + Hash + fmt::Debug, V: Clone + Eq> Eq for LateMap<K, V> {}

/// Shows what changed only, since showing reads nothing.
impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for LateMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LateMap")
            .field("changes", &self.changes)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl<K: Ord + Clone + Hash + fmt::Debug, V: Clone> Extend<(K, V)> for LateMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

/// Of equal keys, the last one counts. Costs a sort.
impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for LateMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let changes: SharedMap<_, _> = entries.into_iter().map(|(key, value)| (key, Some(value))).collect();
        Self { len: changes.len() as u64, changes, stored: None }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What is stored, with reads that fail for some keys and for everything at once.
    pub(crate) struct Table<K, V> {
        pub(crate) entries: BTreeMap<K, V>,
        pub(crate) unreadable: Vec<K>,
    }

    fn failure() -> ReadFailure {
        ReadFailure::new(fmt::Error)
    }

    impl<K: Ord + Clone + Send + Sync, V: Clone + Send + Sync> Entries<K, V> for Table<K, V> {
        fn get(&self, key: &K) -> Result<Option<V>, ReadFailure> {
            if self.unreadable.contains(key) { Err(failure()) } else { Ok(self.entries.get(key).cloned()) }
        }

        fn all(&self) -> Result<Vec<(K, V)>, ReadFailure> {
            let all = self.entries.iter().map(|(key, value)| (key.clone(), value.clone()));
            if self.unreadable.is_empty() { Ok(all.collect()) } else { Err(failure()) }
        }

        fn below(&self, key: &K) -> Result<Option<(K, V)>, ReadFailure> {
            Ok(self.entries.range(..key).next_back().map(|(key, value)| (key.clone(), value.clone())))
        }

        fn above(&self, key: &K) -> Result<Option<(K, V)>, ReadFailure> {
            let beyond = (std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded);
            Ok(self.entries.range(beyond).next().map(|(key, value)| (key.clone(), value.clone())))
        }
    }

    pub(crate) fn stored<K, V>(entries: BTreeMap<K, V>) -> LateMap<K, V>
    where
        K: Ord + Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        let len = entries.len() as u64;
        LateMap::from_stored(len, Reads::default(), Table { entries, unreadable: vec![] })
    }

    fn check(map: &LateMap<u8, u16>, expected: &BTreeMap<u8, u16>) {
        for key in 0..=u8::MAX {
            assert_eq!(map.get(&key), expected.get(&key));
            let entry = |(&key, &value): (&u8, &u16)| (key, value);
            assert_eq!(map.below(&key), expected.range(..key).next_back().map(entry));
            let beyond = (std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded);
            assert_eq!(map.above(&key), expected.range(beyond).next().map(entry));
        }
        assert_eq!(map.len(), expected.len() as u64);
    }

    proptest! {
        #[test]
        fn a_map_over_what_is_stored_is_the_map_and_copies_keep_what_they_had(
            start in prop::collection::btree_map(any::<u8>(), any::<u16>(), 0..60),
            changes in prop::collection::vec((any::<u8>(), prop::option::of(any::<u16>())), 0..40),
        ) {
            let plain: LateMap<_, _> = start.clone().into_iter().collect();
            let mut copies = vec![(stored(start.clone()), plain, start)];
            for (key, value) in changes {
                let (mut late, mut plain, mut expected) = copies.last().cloned().unwrap();
                let before = match value {
                    Some(value) => expected.insert(key, value),
                    None => expected.remove(&key),
                };
                for map in [&mut late, &mut plain] {
                    let found = match value {
                        Some(value) => map.insert(key, value),
                        None => map.remove(&key),
                    };
                    prop_assert_eq!(found, before);
                }
                copies.push((late, plain, expected));
            }
            for (late, plain, expected) in &copies {
                check(late, expected);
                check(plain, expected);
            }
            let (first, .., was) = &copies[0];
            for (late, plain, expected) in &copies {
                let gone = was.keys().filter(|key| !expected.contains_key(key)).map(|&key| (key, None));
                let new = expected.iter().filter(|(key, value)| was.get(key) != Some(value));
                let changed: BTreeMap<_, _> = gone.chain(new.map(|(&key, &value)| (key, Some(value)))).collect();
                // What became what it was may be listed too.
                let listed = first.changed_entries(late);
                prop_assert!(listed.iter().all(|(key, value)| expected.get(key) == value.as_ref()));
                prop_assert!(changed.iter().all(|(&key, &value)| listed.contains(&(key, value))));
                prop_assert!(first.changed_entries(plain).into_iter().eq(changed));
                prop_assert!(late.iter().eq(expected.iter()));
                prop_assert_eq!(late, plain);
                prop_assert_eq!(late == first, expected == was);
                prop_assert_eq!(late.reads().map(Reads::check), Some(Ok(())));
            }
        }
    }

    #[test]
    fn what_cannot_be_read_or_is_not_right_is_a_failure_and_not_there() {
        let entries: BTreeMap<u8, u16> = [(1, 10), (2, 20), (3, 30)].into();
        let map = || {
            let table = Table { entries: entries.clone(), unreadable: vec![2] };
            LateMap::from_stored(3, Reads::default(), table)
        };
        let failed = |map: &LateMap<u8, u16>| map.reads().unwrap().check().unwrap_err().to_string();
        let late = map();
        assert_eq!((late.get(&1), late.get(&4)), (Some(&10), None));
        assert_eq!(late.reads().unwrap().check(), Ok(()));
        assert_eq!(late.clone().get(&2), None);
        assert_eq!(failed(&late), failure().to_string());
        let late = map();
        assert_eq!(late.iter().count(), 0);
        assert_eq!(failed(&late), failure().to_string());

        let late = map();
        assert_eq!(late.get_checked(&1, |value| value == Some(&10)), Some(&10));
        assert_eq!(late.get_checked(&1, |_| false), Some(&10), "it is checked once");
        assert_eq!(late.get_checked(&4, |value| value.is_none()), None);
        assert_eq!(late.reads().unwrap().check(), Ok(()));
        assert_eq!(late.get_checked(&3, |value| value == Some(&31)), None);
        let expected = "the entry of 3 is missing or not the one that the rest says";
        assert_eq!(failed(&late), expected);
        let late = map();
        assert_eq!(late.get_checked(&4, |value| value.is_some()), None, "it is missing");
        assert_eq!(failed(&late), expected.replace('3', "4"));
    }

    /// An entry that is not right changes no copy but by the number of its entries, and is no answer of another one.
    #[test]
    fn what_was_read_to_be_changed_is_checked_when_it_is_needed() {
        let is_missing = |value: Option<&u16>| value.is_none();
        type Change = fn(&mut LateMap<u8, u16>);
        let changes: [(Change, Option<&u16>); 4] = [
            (|map| assert_eq!(map.insert(3, 31), Some(30)), Some(&31)),
            (|map| assert_eq!(map.remove(&3), Some(30)), None),
            (|map| assert!(map.contains_key(&3)), None),
            (|map| assert_eq!((map.insert(3, 31), map.remove(&3)), (Some(30), Some(31))), None),
        ];
        for (change, expected) in changes {
            let late = stored([(3, 30)].into());
            let mut changed = late.clone();
            change(&mut changed);
            assert_eq!(changed.get_checked(&3, is_missing), expected);
            assert_eq!(late.get_checked(&3, is_missing), None);
            assert!(late.reads().unwrap().check().is_err());
        }
    }

    #[test]
    fn what_many_threads_read_is_kept_once() {
        let late = stored((0..2_000_u32).map(|key| (key, key)).collect());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..2_000).for_each(|key| assert_eq!(late.get(&key), Some(&key))));
            }
        });
        let again: Vec<_> = (0..2_000).filter_map(|key| late.get(&key)).collect();
        assert!(
            (0..2_000)
                .filter_map(|key| late.get(&key))
                .zip(again)
                .all(|(one, other)| std::ptr::eq(one, other))
        );
    }
}
