//! `superblock keys list`.

use std::{collections::BTreeSet, fmt, sync::Arc};

use circuits_keys::{Header, KeyKind, KeyStore};
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
    Unused(Key),
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
            let (word, key) = match status {
                Status::Pinned(key) => ("pinned", key),
                Status::Unused(key) => ("unused", key),
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
                file.unwrap_or_default(),
            ]);
        }
        table.fmt(f)
    }
}

/// Lists the files of all stores; it is an error if none can be listed. `expected` names those that the pins determine.
pub(super) fn run(stores: &[Arc<dyn KeyStore>], expected: &BTreeSet<String>) -> Answer {
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
                Ok(Some(header)) if expected.contains(&name) => Status::Pinned(Key::new(header)),
                Ok(Some(header)) => Status::Unused(Key::new(header)),
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
