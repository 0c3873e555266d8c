//! `superblock keys`: key files, judged by their headers and checksums alone.

mod check;
mod copy;
mod files;
mod generate;
mod header;
mod list;
mod missing;
mod prune;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::PathBuf};

use batcher_keys::config::Config;
use circuits_keys::Header;

use self::files::expected_files;
use crate::{
    answer::{Answer, Failure},
    key_arguments::KeyArguments,
    options::Options,
};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Generate(generate::Arguments),
    Verify(check::Arguments),
    /// List the key files of all configured stores.
    ///
    /// A file is `pinned` if a circuit of this program uses it, `unused` if none does, and `refused` if it is not a key
    /// file. An unused file is listed with the first field in which it differs from the pinned file of its circuit. Only
    /// headers are read: use `keys verify` to check payloads.
    List(KeyArguments),
    /// Show the header of a key file, and check its name, hash, length and checksum.
    ///
    /// Use this to see what a single file is: the circuit, the sources that it was made from, and the checksum of its
    /// payload.
    Inspect {
        /// Show this key file.
        ///
        /// It may lie anywhere, but must have the name that its header determines.
        file: PathBuf,
    },
    /// Remove key files that the pinned circuits do not use.
    ///
    /// New versions of a circuit leave the files of older ones behind. This removes them from the key directories,
    /// together with files that were refused or never finished.
    Prune {
        #[command(flatten)]
        keys: KeyArguments,
        /// Remove without asking.
        ///
        /// For scripts: without a terminal nothing is removed unless this flag is given.
        #[arg(long)]
        yes: bool,
        /// List what would be removed, and remove nothing.
        ///
        /// Use this first if other programs share the directories.
        #[arg(long)]
        dry_run: bool,
    },
    /// Copy the key files of all stores into a directory.
    ///
    /// Use this to take keys to other machines. Every file is checked; those that are not whole are refused and named.
    Export {
        #[command(flatten)]
        keys: KeyArguments,
        /// Copy to this directory.
        ///
        /// Files that it has already are not copied again.
        directory: PathBuf,
    },
    /// Copy the key files of a directory into the first key directory.
    ///
    /// The counterpart of `keys export`. Every file is checked; those that are not whole are refused and named.
    Import {
        #[command(flatten)]
        keys: KeyArguments,
        /// Copy from this directory.
        ///
        /// It is read and never changed.
        directory: PathBuf,
    },
}

pub(crate) fn run(command: Command, options: Options) -> Result<Answer, Failure> {
    run_with(command, options, expected_files)
}

/// Runs a command. `expected` finds the key files that the pins of a configuration determine.
fn run_with(
    command: Command,
    options: Options,
    expected: impl Fn(&Config) -> Result<BTreeMap<String, Header>, Failure>,
) -> Result<Answer, Failure> {
    match command {
        Command::Generate(arguments) => generate::run(&arguments, options),
        Command::Verify(arguments) => check::run(&arguments, options),
        Command::List(keys) => {
            let config = keys.load()?;
            Ok(list::run(&config.stores()?, &expected(&config)?))
        }
        Command::Inspect { file } => header::run(&file),
        Command::Prune { keys, yes, dry_run } => {
            let config = keys.load()?;
            prune::run(&config.directories(), &expected(&config)?, yes, dry_run)
        }
        Command::Export { keys, directory } => copy::export(&keys.load()?, directory),
        Command::Import { keys, directory } => copy::import(&keys.load()?, directory),
    }
}
