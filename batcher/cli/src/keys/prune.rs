//! `superblock keys prune`.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, BufRead, IsTerminal as _, Read as _, Write},
    path::PathBuf,
};

use circuits_files::text::shown;
use circuits_keys::{DirectoryStore, Header, KeyStore as _};
use serde::Serialize;
use thiserror::Error;

use crate::{
    answer::{Answer, Failure},
    as_text,
    exit::{ExitCode, HasExitCode},
};

/// Bytes of the longest answer that is read.
const ANSWER_LIMIT: u64 = 100;

/// Why nothing, or not everything, is removed.
#[derive(Debug, Error)]
enum PruneError {
    #[error("no pin says which key files are used; expected at least one")]
    NoPins,
    #[error("{files} files would be removed; expected --yes or --dry-run without a terminal")]
    NoTerminal { files: usize },
    #[error("terminal: cannot ask: {0}")]
    Ask(#[source] io::Error),
    #[error("{path}: cannot remove it: {source}", path = .path.display())]
    Remove { path: PathBuf, source: io::Error },
}

impl HasExitCode for PruneError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoPins | Self::NoTerminal { .. } => ExitCode::Rejected,
            Self::Ask(_) | Self::Remove { .. } => ExitCode::Unavailable,
        }
    }
}

/// Files that no pin determines.
#[derive(Serialize)]
struct Pruned {
    #[serde(serialize_with = "as_text::paths")]
    files: Vec<PathBuf>,
    removed: bool,
}

impl fmt::Display for Pruned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.removed { "removed" } else { "unused, not removed" };
        write!(f, "{} files {verb}", self.files.len())?;
        self.files.iter().try_for_each(|path| write!(f, "\n{}", shown(path.display())))
    }
}

/// Removes from `directories` the key files that are not `expected`, and those that were refused or never finished.
pub(super) fn run(
    directories: &[DirectoryStore],
    expected: &BTreeMap<String, Header>,
    yes: bool,
    dry_run: bool,
) -> Result<Answer, Failure> {
    if expected.is_empty() {
        // Every file would count as unused.
        return Err(PruneError::NoPins.into());
    }
    let (mut unused, mut leftovers) = (vec![], vec![]);
    for directory in directories {
        let names = directory.list()?.into_iter().filter(|name| !expected.contains_key(name));
        unused.extend(names.map(|name| (directory, name)));
        leftovers.extend(directory.leftovers()?);
    }
    let paths = unused.iter().map(|(directory, name)| directory.path().join(name));
    let files: Vec<_> = paths.chain(leftovers.iter().cloned()).collect();
    let removed = !dry_run && !files.is_empty() && (yes || agreed(&files)?);
    if removed {
        for (directory, name) in &unused {
            directory.remove(name)?;
        }
        for path in leftovers {
            fs::remove_file(&path).map_err(|source| PruneError::Remove { path, source })?;
        }
    }
    Ok(Answer::new(&Pruned { files, removed }))
}

/// Asks the person at the terminal.
fn agreed(files: &[PathBuf]) -> Result<bool, PruneError> {
    if !io::stdin().is_terminal() {
        return Err(PruneError::NoTerminal { files: files.len() });
    }
    ask(files, &mut io::stdin().lock(), &mut io::stderr()).map_err(PruneError::Ask)
}

/// Whether the answer to the question is yes; no answer is a no.
fn ask(files: &[PathBuf], answers: &mut impl BufRead, questions: &mut impl Write) -> io::Result<bool> {
    for path in files {
        writeln!(questions, "{}", shown(path.display()))?;
    }
    write!(questions, "remove these {} files? [y/N] ", files.len())?;
    questions.flush()?;
    let mut answer = String::new();
    answers.take(ANSWER_LIMIT).read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prune_takes_nothing_but_yes_for_an_answer() {
        let files = ["first", "second"].map(PathBuf::from);
        for (answer, agreed) in [
            ("y\n", true),
            ("Y\n", true),
            (" yes \r\n", true),
            ("", false),
            ("\n", false),
            ("n\n", false),
            ("no\ny\n", false),
            ("yesterday\n", false),
        ] {
            let mut question = vec![];
            let found = ask(&files, &mut answer.as_bytes(), &mut question).expect("no terminal to fail");
            assert_eq!(found, agreed, "{answer:?}");
            let question = String::from_utf8(question).expect("text");
            assert_eq!(question, "first\nsecond\nremove these 2 files? [y/N] ");
        }
        // Bytes that are not text are not an answer.
        assert!(ask(&files, &mut &[0xff, b'\n'][..], &mut vec![]).is_err());
    }
}
