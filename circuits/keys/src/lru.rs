//! Values in memory, bounded by their bytes: the least recently used one goes first.

use std::{any::Any, collections::BTreeMap, sync::Arc};

/// The default bound of memory for circuits, in bytes: enough for the circuits of one small superblock.
pub const DEFAULT_MEMORY_BYTES: u64 = 2 << 30;

type Value = Arc<dyn Any + Send + Sync>;

/// Values by key, with a bound on the sum of their sizes.
pub(crate) struct Lru<K> {
    limit: u64,
    used: u64,
    clock: u64,
    entries: BTreeMap<K, Entry>,
}

struct Entry {
    value: Value,
    bytes: u64,
    last_use: u64,
}

impl<K: Ord + Clone> Lru<K> {
    /// An empty cache of at most `limit` bytes.
    pub(crate) const fn new(limit: u64) -> Self {
        Self { limit, used: 0, clock: 0, entries: BTreeMap::new() }
    }

    /// The value of `key`, which becomes the most recently used.
    pub(crate) fn get(&mut self, key: &K) -> Option<Value> {
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        entry.last_use = self.clock;
        Some(entry.value.clone())
    }

    /// Adds a value. A value that is larger than the limit is not kept.
    pub(crate) fn insert(&mut self, key: K, value: Value, bytes: u64) {
        self.remove(&key);
        if bytes > self.limit {
            return;
        }
        while self.used + bytes > self.limit {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.last_use);
            match oldest.map(|(key, _)| key.clone()) {
                Some(key) => self.remove(&key),
                None => break,
            }
        }
        self.clock += 1;
        self.used += bytes;
        self.entries.insert(key, Entry { value, bytes, last_use: self.clock });
    }

    /// The bytes of all values.
    #[cfg(test)]
    const fn used(&self) -> u64 {
        self.used
    }

    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.used -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lru() -> Lru<&'static str> {
        let mut cache = Lru::new(10);
        cache.insert("a", Arc::new(1), 4);
        cache.insert("b", Arc::new(2), 4);
        cache
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut cache = lru();
        assert!(cache.get(&"a").is_some());
        cache.insert("c", Arc::new(3), 4);
        assert!(cache.get(&"a").is_some() && cache.get(&"b").is_none() && cache.get(&"c").is_some());
        assert_eq!(cache.used(), 8);
    }

    #[test]
    fn the_bound_holds_whatever_comes() {
        let mut cache = Lru::new(100);
        for step in 0..1000_u64 {
            cache.insert(step % 37, Arc::new(step), step * 7 % 120);
            let sum: u64 = cache.entries.values().map(|entry| entry.bytes).sum();
            assert!(sum == cache.used() && sum <= 100);
        }
        assert!(cache.used() > 0);
    }

    #[test]
    fn what_is_larger_than_the_bound_drives_nothing_out() {
        let mut cache = lru();
        cache.insert("c", Arc::new(3), 11);
        assert!(cache.get(&"a").is_some() && cache.get(&"b").is_some() && cache.get(&"c").is_none());
    }
}
