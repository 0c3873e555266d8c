//! `superblock keys list`.

use std::{collections::BTreeMap, fmt, sync::Arc};

use circuits_keys::{Header, KeyFileError, KeyKind, KeyStore};
use serde::Serialize;

use super::files::{Refusal, header_in};
use crate::{
    answer::Answer,
    as_text,
    exit::ExitCode,
    table::{Align, Table},
};

/// The key files of all stores.
#[derive(Serialize)]
struct List {
    files: Vec<Listed>,
}

/// A key file, or a store that cannot be listed.
#[derive(Serialize)]
struct Listed {
    store: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(flatten)]
    status: Status,
}

#[derive(Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Status {
    /// The pins determine the file.
    Pinned(Key),
    /// No pin determines the file.
    Unused {
        #[serde(flatten)]
        key: Key,
        /// How the file differs from that of the pinned circuit of its name, if there is one.
        #[serde(serialize_with = "as_text::optional", skip_serializing_if = "Option::is_none")]
        reason: Option<KeyFileError>,
    },
    /// The file is not a key file, or the store cannot be read.
    Refused {
        #[serde(serialize_with = "as_text::display")]
        reason: Refusal,
    },
}

/// What the header says.
#[derive(Serialize)]
struct Key {
    kind: KeyKind,
    circuit: String,
    payload_bytes: u64,
}

impl Key {
    fn new(header: Header) -> Self {
        let Header { kind, payload, .. } = header;
        Self { kind: kind.kind, circuit: kind.identifier, payload_bytes: payload.bytes }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.files.is_empty() {
            return f.write_str("no key files");
        }
        let mut table = Table::with_titles([
            ("status", Align::Left),
            ("kind", Align::Left),
            ("circuit", Align::Left),
            ("bytes", Align::Right),
            ("file", Align::Left),
        ]);
        for Listed { store, name, status } in &self.files {
            let file = name.as_ref().map(|name| format!("{store}/{name}"));
            let (word, key, reason) = match status {
                Status::Pinned(key) => ("pinned", key, None),
                Status::Unused { key, reason } => ("unused", key, reason.as_ref()),
                Status::Refused { reason } => {
                    // The reason of a store that cannot be listed names the store.
                    let text = file.map_or_else(|| reason.to_string(), |file| format!("{file}: {reason}"));
                    table.push(["refused", "", "", "", &text].map(str::to_owned));
                    continue;
                }
            };
            table.push([
                word.to_owned(),
                key.kind.to_string(),
                key.circuit.clone(),
                key.payload_bytes.to_string(),
                match (file, reason) {
                    (Some(file), Some(reason)) => format!("{file}: {reason}"),
                    (file, _) => file.unwrap_or_default(),
                },
            ]);
        }
        table.fmt(f)
    }
}

/// Lists the files of all stores; it is an error if none can be listed. `expected` has the headers that the pins
/// determine, by the names of their files.
pub(super) fn run(stores: &[Arc<dyn KeyStore>], expected: &BTreeMap<String, Header>) -> Answer {
    let (mut files, mut unreachable) = (vec![], 0);
    for store in stores {
        let location = store.location();
        let names = match store.list() {
            Ok(names) => names,
            // A store that cannot be reached does not hide the others.
            Err(error) => {
                unreachable += 1;
                let status = Status::Refused { reason: error.into() };
                files.push(Listed { store: location, name: None, status });
                continue;
            }
        };
        for name in names {
            let status = match header_in(store.as_ref(), &name) {
                Ok(None) => continue,
                Ok(Some(header)) if expected.contains_key(&name) => Status::Pinned(Key::new(header)),
                Ok(Some(header)) => {
                    let pinned = expected.values().find(|pinned| pinned.kind == header.kind);
                    let reason = pinned.and_then(|pinned| header.check_is(pinned).err());
                    Status::Unused { key: Key::new(header), reason }
                }
                Err(reason) => Status::Refused { reason },
            };
            files.push(Listed { store: location.clone(), name: Some(name), status });
        }
    }
    // Whoever asks what there is learns nothing if no store answers.
    let is_any = stores.is_empty() || unreachable < stores.len();
    let has_refusals = files.iter().any(|file| matches!(file.status, Status::Refused { .. }));
    Answer::new(&List { files }).with_refusals(has_refusals).or_else(is_any, ExitCode::Unavailable)
}
