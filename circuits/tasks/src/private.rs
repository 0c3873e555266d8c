//! A store with objects beside it that stay in this process.

use crate::store::{MemoryStore, Object, Store, StoreError};

/// Reads what this process keeps to itself, and everything else from the store that it shares with others.
pub(crate) struct Private<'a> {
    shared: &'a dyn Store,
    own: MemoryStore,
}

impl<'a> Private<'a> {
    pub(crate) fn new(shared: &'a dyn Store) -> Self {
        Self { shared, own: MemoryStore::default() }
    }

    /// Keeps an object that nobody else may see, or needs to.
    pub(crate) fn keep(&self, object: &Object, bytes: &[u8]) -> Result<(), StoreError> {
        self.own.replace(object, bytes)
    }
}

impl Store for Private<'_> {
    fn get(&self, object: &Object) -> Result<Option<Vec<u8>>, StoreError> {
        match self.own.get(object)? {
            Some(bytes) => Ok(Some(bytes)),
            None => self.shared.get(object),
        }
    }

    fn has(&self, object: &Object) -> Result<bool, StoreError> {
        Ok(self.own.has(object)? || self.shared.has(object)?)
    }

    fn create(&self, object: &Object, bytes: &[u8]) -> Result<bool, StoreError> {
        if self.own.has(object)? { Ok(false) } else { self.shared.create(object, bytes) }
    }

    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), StoreError> {
        self.shared.replace(object, bytes)
    }

    fn remove(&self, object: &Object) -> Result<(), StoreError> {
        if self.own.has(object)? { self.own.remove(object) } else { self.shared.remove(object) }
    }
}
