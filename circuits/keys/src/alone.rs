//! Work that at most one thread does at a time for each key.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Locks by key. A lock exists while a thread holds it or waits for it.
pub(crate) struct Alone<K> {
    locks: Mutex<BTreeMap<K, Arc<Mutex<()>>>>,
}

impl<K> Default for Alone<K> {
    fn default() -> Self {
        Self { locks: Mutex::default() }
    }
}

impl<K: Ord + Clone> Alone<K> {
    /// Runs `work` while no other thread runs work for `key`.
    pub(crate) fn run<R>(&self, key: &K, work: impl FnOnce() -> R) -> R {
        let lock_of_key = lock(&self.locks).entry(key.clone()).or_default().clone();
        let result = {
            let _alone = lock(&lock_of_key);
            work()
        };
        drop(lock_of_key);
        self.forget_unused(key);
        result
    }

    /// Removes the lock of `key` if nobody holds it or waits for it.
    fn forget_unused(&self, key: &K) {
        // A thread that waits holds the lock too, because it took it from the map while the map was locked.
        let mut locks = lock(&self.locks);
        if locks.get(key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(key);
        }
    }
}

/// Locks a mutex. A panic of another thread leaves its content usable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rayon::prelude::*;

    use super::*;

    #[test]
    fn work_for_one_key_never_overlaps_and_no_lock_is_left_behind() {
        let (alone, running) = (Alone::default(), [const { AtomicUsize::new(0) }; 3]);
        (0..64).into_par_iter().for_each(|number| {
            let key = number % running.len();
            alone.run(&key, || {
                assert_eq!(running[key].fetch_add(1, Ordering::SeqCst), 0);
                std::thread::yield_now();
                running[key].fetch_sub(1, Ordering::SeqCst);
            });
        });
        assert_eq!(lock(&alone.locks).len(), 0);
    }
}
