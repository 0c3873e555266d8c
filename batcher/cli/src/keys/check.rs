//! `superblock keys verify`.

use std::fmt;

use circuits_files::text::shown;
use circuits_keys::{CircuitCache, Header, KeyFile, KeyFileError, StoreError};
use serde::Serialize;

use super::files::{headers, pins_of};
use crate::{
    answer::{Answer, Failure},
    as_text,
    exit::ExitCode,
    key_arguments::KeyArguments,
    options::Options,
    pins::{Changed, differences},
    progress::KeyProgress,
};

/// Check the key files of the pinned circuits: headers, lengths and checksums.
///
/// Use this after copying keys, or if a disk is in doubt. A run checks every file that it loads as well, so nothing
/// wrong is ever used; this finds it before a run does.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    keys: KeyArguments,
    /// Make every key anew and compare it.
    ///
    /// Use this to check that the pins themselves are those of this program's code. It takes minutes.
    #[arg(long)]
    rebuild: bool,
}

/// The key files of the pinned circuits, checked.
#[derive(Serialize)]
struct Check {
    /// How many files are right.
    checked: usize,
    /// Whether the circuits were built and are as pinned.
    rebuilt: bool,
    #[serde(serialize_with = "as_text::displays")]
    problems: Vec<Problem>,
}

enum Problem {
    Store(StoreError),
    File { location: String, name: String, source: KeyFileError },
    Pin(Changed),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::File { location, name, source } => write!(f, "{location}: {name}: {source}"),
            Self::Pin(changed) => changed.fmt(f),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.problems.is_empty() {
            return match (self.checked, self.rebuilt) {
                (0, false) => f.write_str("there is no key file of a pinned circuit"),
                (checked, false) => write!(f, "{checked} key files are right"),
                (checked, true) => write!(f, "{checked} key files are right, and the circuits are as pinned"),
            };
        }
        let lines: Vec<_> = self.problems.iter().map(|problem| shown(problem).to_string()).collect();
        f.write_str(&lines.join("\n"))
    }
}

pub(super) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    let config = arguments.keys.load()?;
    let pins = pins_of(&config)?;
    let stores = config.stores()?;
    let headers = headers(&pins);
    let (mut checked, mut problems) = (0, vec![]);
    let progress = KeyProgress::new(options, headers.iter().map(Header::file_name).collect());
    for header in &headers {
        let name = header.file_name();
        progress.start(&name);
        for store in &stores {
            // A store that cannot be read hides no other.
            match store.read(&name, header.file_limit()) {
                Ok(None) => {}
                Ok(Some(bytes)) => match KeyFile::expect(header, bytes) {
                    Ok(_) => checked += 1,
                    Err(source) => {
                        problems.push(Problem::File {
                            location: store.location(),
                            name: name.clone(),
                            source,
                        });
                    }
                },
                Err(error) => problems.push(Problem::Store(error)),
            }
        }
        progress.done();
    }
    drop(progress);
    if arguments.rebuild {
        // A file with a pinned header has the pinned payload, so it is enough to compare the pins.
        let differences = differences(CircuitCache::default(), options)?;
        problems.extend(differences.into_iter().map(Problem::Pin));
    }
    let (ok, is_any) = (problems.is_empty(), checked > 0 || arguments.rebuild);
    let rebuilt = arguments.rebuild;
    let answer = Answer::new(&Check { checked, rebuilt, problems });
    Ok(answer.or_else(is_any, ExitCode::Rejected).or_else(ok, ExitCode::Invalid))
}
