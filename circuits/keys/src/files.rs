//! The key files of one origin in the stores of a cache: found, checked, and refused.

use std::{io, sync::Arc};

use crate::{
    event::{Event, Listener},
    format::{KeyFile, KeyFileError, START_LIMIT, read_header},
    header::{Header, KeyKind, Origin},
    pins::Pin,
    store::{KeyStore, StoreLock},
};

/// Where the key files of a cache are.
#[derive(Default)]
pub(crate) struct KeyFiles {
    /// The code whose key files count; without it there are none.
    pub(crate) origin: Option<Origin>,
    /// The stores, in the order in which they are searched.
    pub(crate) stores: Vec<Arc<dyn KeyStore>>,
    /// Receives the files of every key that is used or made.
    pub(crate) collection: Option<Arc<dyn KeyStore>>,
    pub(crate) listener: Option<Listener>,
}

impl KeyFiles {
    pub(crate) fn tell(&self, event: &Event) {
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }

    /// The header that a pinned circuit's file must have; `None` without an origin, or if the circuit cannot be
    /// serialised.
    pub(crate) fn header(&self, pin: &Pin, kind: KeyKind) -> Option<Header> {
        Header::of(pin, kind, self.origin.as_ref()?)
    }

    /// The headers of a pinned circuit's files that no store has.
    pub(crate) fn missing(&self, pin: &Pin) -> Vec<Header> {
        let headers = KeyKind::ALL.into_iter().filter_map(|kind| self.header(pin, kind));
        headers.filter(|header| !self.stores.iter().any(|store| has(store.as_ref(), header))).collect()
    }

    /// Acquires the right to make the key from the first store that grants it.
    pub(crate) fn lock(&self, pin: &Pin) -> Option<StoreLock> {
        let name = self.header(pin, KeyKind::ProverKey)?.file_name();
        let waiting = || self.tell(&Event::Waiting { identifier: pin.name.clone() });
        let mut refusals = vec![];
        for store in &self.stores {
            match store.lock(&name, &waiting) {
                Ok(lock) => return Some(lock),
                Err(error) => refusals.push(error.to_string()),
            }
        }
        self.tell(&Event::Trouble { reason: refusals.join("; ") });
        None
    }

    /// Reads the file that the pin asks for, with its payload checked, from the first store that has it. A caller that
    /// holds the right to make the key says so with `is_locked`.
    pub(crate) fn file(
        &self,
        pin: &Pin,
        kind: KeyKind,
        is_locked: bool,
    ) -> Option<(&Arc<dyn KeyStore>, KeyFile)> {
        let header = self.header(pin, kind)?;
        self.stores.iter().find_map(|store| {
            let mut found = self.read(store.as_ref(), &header);
            let mut _lock = None;
            if matches!(found, Some(Err(_))) && !is_locked {
                // Another process may have replaced the file by a good one since, which must not be set aside.
                _lock = self.lock(pin);
                found = self.read(store.as_ref(), &header);
            }
            match found? {
                Ok(file) => Some((store, file)),
                Err(reason) => {
                    self.refuse(store, &header, &reason);
                    None
                }
            }
        })
    }

    /// Reads what a store has under the name of the file with this header; `None` if it has nothing readable.
    fn read(&self, store: &dyn KeyStore, header: &Header) -> Option<Result<KeyFile, KeyFileError>> {
        let limit = header.file_limit();
        match store.read(&header.file_name(), limit) {
            Ok(bytes) => Some(KeyFile::expect(header, bytes?)),
            Err(error) if error.source.kind() == io::ErrorKind::FileTooLarge => {
                Some(Err(KeyFileError::TooLarge { limit }))
            }
            Err(error) => {
                self.tell(&Event::Trouble { reason: error.to_string() });
                None
            }
        }
    }

    /// Sets a file aside, and reports why.
    pub(crate) fn refuse(&self, store: &Arc<dyn KeyStore>, header: &Header, reason: &KeyFileError) {
        let (name, reason) = (header.file_name(), reason.to_string());
        if let Err(error) = store.set_aside(&name, &reason) {
            self.tell(&Event::Trouble { reason: error.to_string() });
        }
        self.tell(&Event::Refused { name, location: store.location(), reason });
    }
}

/// Whether the store has a file with this header.
fn has(store: &dyn KeyStore, header: &Header) -> bool {
    let name = header.file_name();
    let start = store.read_start(&name, START_LIMIT).ok().flatten();
    start.and_then(|start| read_header(&name, &start).ok()).is_some_and(|(found, _)| found == *header)
}
