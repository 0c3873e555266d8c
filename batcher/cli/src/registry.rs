//! `superblock registry`.

use std::{
    fmt,
    fs::File,
    path::{Path, PathBuf},
};

use circuits_core::Digest;
use circuits_files::{
    file::{self, FileError, FileKind, SMALL_LIMIT},
    text::quoted,
};
use circuits_protocol::registry::{EnvironmentId, KernelEntry, Registry, RegistryEntry};
use serde::Serialize;
use thiserror::Error;

use crate::{
    answer::{Answer, Failure},
    as_text,
    exit::{ExitCode, HasExitCode},
    new_file::check_is_new,
    table::{Align, Table},
};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make an empty registry.
    ///
    /// The first step of a deployment: environments and their kernels are added to the file afterwards, and L1 fixes
    /// the root.
    Make {
        /// Write the registry to this file, which must not exist.
        ///
        /// `batch --registry` reads it.
        file: PathBuf,
    },
    /// List environments and kernels.
    ///
    /// Use this to see which keys a registry allows, and in which superblocks.
    List {
        /// Read the registry from this file.
        ///
        /// `run` writes one to registry.superblock in its output directory.
        file: PathBuf,
    },
    /// Add an environment, or kernels to an environment.
    ///
    /// A new environment comes with its genesis state, its producer and its first kernels. A known environment gets
    /// more kernels when its state model or its block size changes. The root changes, so L1 must fix the new one.
    Add(Add),
    /// Print the root, which L1 fixes and every superblock names.
    ///
    /// Compare it with `registry_roots` of an answer of `verify`, or put it into a trust file.
    Root {
        /// Read the registry from this file.
        ///
        /// The root commits to everything that the file holds.
        file: PathBuf,
    },
}

#[derive(clap::Args)]
pub(crate) struct Add {
    /// Change the registry in this file.
    ///
    /// If a rule is broken, the file stays as it was. Processes that change one file wait for each other, by a lock beside
    /// it.
    file: PathBuf,
    /// Add to the environment with this id, from 1 to 65535.
    ///
    /// Id 0 is L1, which has no kernels.
    #[arg(long, value_name = "ID")]
    environment: u16,
    /// Start the new environment from this state commitment.
    ///
    /// It is the state before block 1. Only a new environment has it, together with --producer.
    #[arg(long, value_name = "DIGEST", requires = "producer")]
    genesis_state: Option<Digest>,
    /// Let the holder of the secret behind this commitment produce blocks.
    ///
    /// Without a producer anybody who knows the public state could extend it. Only a new environment has it, together
    /// with --genesis-state.
    #[arg(long, value_name = "DIGEST", requires = "genesis_state")]
    producer: Option<Digest>,
    /// Allow a kernel: KEY, KEY:FROM or KEY:FROM:UNTIL.
    ///
    /// KEY is the digest of the wrapped kernel's key, FROM and UNTIL are the first and the last superblock number in
    /// which it may prove blocks. Repeat the flag for several kernels.
    #[arg(long = "kernel", value_name = "KERNEL", value_parser = kernel)]
    kernels: Vec<KernelEntry>,
    /// End the validity of the environment's earlier kernels with this superblock.
    ///
    /// Use this to replace kernels: the old ones end with NUMBER, the new ones begin with the next number. An earlier
    /// kernel that would begin after NUMBER is removed.
    #[arg(long, value_name = "NUMBER", conflicts_with = "genesis_state")]
    end_earlier: Option<u32>,
    /// Allow a gap in which the environment has no kernel.
    ///
    /// Without a kernel the environment stands still, so a gap is refused unless it is meant.
    #[arg(long)]
    force: bool,
}

/// Why nothing is changed.
#[derive(Debug, Error)]
enum AddError {
    #[error(
        "nothing is to be added; expected --kernel or --end-earlier, or --genesis-state and --producer of a new environment"
    )]
    Nothing,
    #[error(
        "no kernel of environment {environment} is valid after superblock {end}: --end-earlier changes nothing"
    )]
    NothingEnds { environment: u16, end: u32 },
}

impl HasExitCode for AddError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Nothing | Self::NothingEnds { .. } => ExitCode::Rejected,
        }
    }
}

fn kernel(text: &str) -> Result<KernelEntry, String> {
    let mut parts = text.splitn(3, ':');
    let key = parts.next().unwrap_or_default().parse::<Digest>().map_err(|error| error.to_string())?;
    let mut number = |default: u32| -> Result<u32, String> {
        parts.next().map_or(Ok(default), |part| {
            part.parse().map_err(|_| format!("a superblock number is below 2^32, found {}", quoted(part)))
        })
    };
    Ok(KernelEntry { key, valid_from: number(1)?, valid_until: number(u32::MAX)? })
}

/// A registry and the file that holds it.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(serialize_with = "as_text::path")]
    file: &'a Path,
    #[serde(flatten)]
    content: Listing,
}

/// What a registry holds.
#[derive(Serialize)]
pub(crate) struct Listing {
    root: Digest,
    environments: Vec<ListedEnvironment>,
}

#[derive(Serialize)]
struct ListedEnvironment {
    id: EnvironmentId,
    entry: RegistryEntry,
}

/// The root of a registry.
#[derive(Serialize)]
struct Root {
    root: Digest,
}

impl Listing {
    pub(crate) fn new(registry: &Registry) -> Self {
        let environments =
            registry.entries().map(|(id, entry)| ListedEnvironment { id, entry: entry.clone() });
        Self { root: registry.root(), environments: environments.collect() }
    }
}

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new([Align::Left; 3]);
        for ListedEnvironment { id, entry } in &self.content.environments {
            let mut push = |name: &str, value: String, validity: String| {
                table.push([name.to_owned(), value, validity]);
            };
            push(&format!("environment {id}"), String::new(), String::new());
            push("  genesis state", entry.genesis_state.to_string(), String::new());
            push("  producer", entry.producer.to_string(), String::new());
            for kernel in &entry.kernels {
                let validity = format!("in superblocks {} to {}", kernel.valid_from, kernel.valid_until);
                push("  kernel", kernel.key.to_string(), validity);
            }
        }
        write!(f, "root {}", self.content.root)?;
        if self.content.environments.is_empty() { Ok(()) } else { write!(f, "\n{table}") }
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

fn read(path: &Path) -> Result<Registry, FileError> {
    file::read(FileKind::Registry, path, SMALL_LIMIT)
}

/// Waits until no other process changes the registry in `path`, and keeps others waiting until the file is dropped.
fn lock(path: &Path) -> Result<File, FileError> {
    let failed = |source| FileError::Io { path: path.to_owned(), action: "lock it", source };
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    file::open_lock(Path::new(&name)).and_then(|lock| lock.lock().map(|()| lock)).map_err(failed)
}

fn answer(file: &Path, registry: &Registry) -> Answer {
    Answer::new(&Listed { file, content: Listing::new(registry) })
}

pub(crate) fn run(command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Make { file } => {
            check_is_new(&file)?;
            let registry = Registry::default();
            file::create(FileKind::Registry, &file, &registry, SMALL_LIMIT)?;
            Ok(answer(&file, &registry))
        }
        Command::List { file } => Ok(answer(&file, &read(&file)?)),
        Command::Root { file } => Ok(Answer::new(&Root { root: read(&file)?.root() })),
        Command::Add(add) => {
            // A file that cannot be read gets no lock beside it.
            read(&add.file)?;
            // Whatever links lead to the file, there is one, and one lock.
            let failed = |source| FileError::Io { path: add.file.clone(), action: "find it", source };
            let path = add.file.canonicalize().map_err(failed)?;
            let _lock = lock(&path)?;
            let mut registry = read(&path)?;
            let id = EnvironmentId(add.environment);
            match (add.genesis_state, add.producer) {
                (Some(genesis_state), Some(producer)) => {
                    registry.insert(id, RegistryEntry { genesis_state, producer, kernels: add.kernels })?;
                }
                _ if add.kernels.is_empty() && add.end_earlier.is_none() => {
                    return Err(AddError::Nothing.into());
                }
                _ => {
                    let mut kernels = registry.entry(id)?.kernels.clone();
                    if let Some(end) = add.end_earlier {
                        if add.kernels.is_empty() && kernels.iter().all(|kernel| kernel.valid_until <= end) {
                            return Err(AddError::NothingEnds { environment: add.environment, end }.into());
                        }
                        // A kernel whose window would begin later has none left.
                        kernels.retain_mut(|kernel| {
                            kernel.valid_until = kernel.valid_until.min(end);
                            kernel.valid_from <= kernel.valid_until
                        });
                    }
                    kernels.extend(add.kernels);
                    registry.set_kernels(id, kernels, add.force)?;
                }
            }
            file::write(FileKind::Registry, &path, &registry, SMALL_LIMIT)?;
            Ok(answer(&add.file, &registry))
        }
    }
}
