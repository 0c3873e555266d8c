//! `superblock inspect`.

mod content;
mod error;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use batcher_job::output::database_file;
use batcher_verify::trust::Trust;
use circuits_files::{
    file::{self, BUNDLE_LIMIT, FileKind, MAGIC},
    text::shown,
};
use clap::builder::PossibleValuesParser;
use environments_kinds::KINDS;
use serde::Serialize;
use serde_json::Value;

use self::{content::Content, error::InspectError};
use crate::{
    answer::{Answer, Failure},
    as_text,
};

/// Show what a file of superblock holds.
///
/// Use this to look at a registry, a proposed block, a block, transaction or superblock bundle, a superblock state or location, a finished
/// proof, a quarantine record or a trust file. Nothing is verified: use `verify` or `batch` for that.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Show this file.
    ///
    /// Its first bytes say which kind it is; a file without them can only be a trust file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show the body of a block bundle or of a proposed block, which holds what its state model publishes of the block.
    ///
    /// A block does not say which state model it is of, so KIND does: `accounts` shows every transaction and every
    /// message that the block consumed, `notes` the notes that arrived, the number of transactions and the network accounts
    /// that they leave, `l1` the messages that a block of environment 0 consumed and the deposits that it took.
    #[arg(long, value_name = "KIND", num_args = 0..=1, require_equals = true, default_missing_value = "accounts", value_parser = kinds())]
    transactions: Option<String>,
}

/// What a block of environment 0 is called, which is of no kind that a scenario can name.
const L1: &str = "l1";

/// The names of the state models that this program knows.
fn kinds() -> PossibleValuesParser {
    KINDS.iter().map(|kind| kind.name()).chain([L1]).collect::<Vec<_>>().into()
}

/// What a file holds.
#[derive(Serialize)]
struct Inspection<'a> {
    #[serde(serialize_with = "as_text::path")]
    file: &'a Path,
    kind: String,
    content: Content,
}

impl fmt::Display for Inspection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = serde_json::to_value(&self.content).map_err(|_| fmt::Error)?;
        let mut text = format!("{}: {}\n", shown(self.file.display()), self.kind);
        write_value(&mut text, &content, 1);
        f.write_str(text.trim_end())
    }
}

/// Adds indented lines of the form `key: value`.
fn write_value(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    let mut line = |key: &str, value: &Value| match value {
        Value::Object(_) | Value::Array(_) => {
            *text += &format!("{indent}{key}:\n");
            write_value(text, value, depth + 1);
        }
        Value::String(value) => *text += &format!("{indent}{key}: {}\n", shown(value)),
        other => *text += &format!("{indent}{key}: {other}\n"),
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| line(key, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| line(&format!("[{index}]"), item));
        }
        other => *text += &format!("{indent}{other}\n"),
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let path = arguments.file.as_path();
    if path.parent().is_some_and(|directory| database_file(directory) == path) {
        return Err(InspectError::States { path: path.to_owned() }.into());
    }
    // Any kind serves for reading the bytes: the header says which one it is.
    let bytes = file::read_bytes(FileKind::BlockBundle, path, BUNDLE_LIMIT)?;
    let (kind, content) = if bytes.starts_with(&MAGIC) {
        let (kind, content) = content::read(path, &bytes, arguments.transactions.as_deref())?;
        (kind.to_string(), content)
    } else {
        let neither = |source| InspectError::Neither { path: path.to_owned(), source };
        ("trust file".to_owned(), Content::Trust(Trust::read(path).map_err(neither)?))
    };
    Ok(Answer::new(&Inspection { file: path, kind, content }))
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        let command = Arguments::augment_args(clap::Command::new("inspect").no_binary_name(true));
        Arguments::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    #[test]
    fn the_option_for_transactions_does_not_take_the_file_for_a_kind() {
        for (arguments, kind) in [
            (&["block", "--transactions"][..], Some("accounts")),
            (&["--transactions", "block"][..], Some("accounts")),
            (&["--transactions=notes", "block"][..], Some("notes")),
            (&["block"][..], None),
        ] {
            let parsed = parse(arguments).expect("well-formed");
            assert_eq!((parsed.file.as_path(), parsed.transactions.as_deref()), (Path::new("block"), kind));
        }
        assert!(parse(&["--transactions=block", "block"]).is_err());
    }
}
