//! `superblock registry`.

use std::path::{Path, PathBuf};

use circuits_core::Digest;
use circuits_files::file::{self, Kind, SMALL_LIMIT};
use circuits_protocol::registry::{EnvironmentId, KernelEntry, Registry, RegistryEntry, RegistryError};
use serde_json::{Value, json};

use super::answer::{Answer, Coded, Failure, REJECTED, path_json};

impl Coded for RegistryError {
    fn code(&self) -> u8 {
        REJECTED
    }
}

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make an empty registry.
    Make {
        /// The file to write; it must not exist.
        file: PathBuf,
    },
    /// List environments and kernels.
    List {
        /// The registry.
        file: PathBuf,
    },
    /// Add an environment, or kernels to an environment.
    Add(Add),
    /// Print the root, which L1 fixes and every superblock names.
    Root {
        /// The registry.
        file: PathBuf,
    },
}

#[derive(clap::Args)]
pub(super) struct Add {
    /// The registry, which is changed.
    file: PathBuf,
    /// The environment's id, from 1 to 65535.
    #[arg(long, value_name = "ID")]
    environment: u16,
    /// State commitment before block 1; for a new environment.
    #[arg(long, value_name = "DIGEST", requires = "producer")]
    genesis_state: Option<Digest>,
    /// Commitment of the one who may produce blocks; for a new environment.
    #[arg(long, value_name = "DIGEST", requires = "genesis_state")]
    producer: Option<Digest>,
    /// A kernel: KEY, KEY:FROM or KEY:FROM:UNTIL, with the first and last superblock number it is valid in.
    #[arg(long = "kernel", value_name = "KERNEL", value_parser = kernel)]
    kernels: Vec<KernelEntry>,
    /// End the validity of the environment's earlier kernels with this superblock.
    #[arg(long, value_name = "NUMBER", conflicts_with = "genesis_state")]
    end_earlier: Option<u32>,
    /// Allow a gap, in which the environment has no kernel.
    #[arg(long)]
    force: bool,
}

fn kernel(text: &str) -> Result<KernelEntry, String> {
    let mut parts = text.splitn(3, ':');
    let key = parts.next().unwrap_or_default().parse::<Digest>().map_err(|error| error.to_string())?;
    let mut number = |default: u32| -> Result<u32, String> {
        parts.next().map_or(Ok(default), |part| {
            part.parse().map_err(|_| format!("{part:?} is not a superblock number"))
        })
    };
    Ok(KernelEntry { key, valid_from: number(1)?, valid_until: number(u32::MAX)? })
}

fn read(path: &Path) -> Result<Registry, Failure> {
    Ok(file::read(Kind::Registry, path, SMALL_LIMIT)?)
}

fn answer(path: &Path, registry: &Registry) -> Answer {
    let mut json = registry_json(registry);
    json["ok"] = Value::Bool(true);
    json["file"] = path_json(path);
    let mut text = format!("root {}", registry.root());
    for (id, entry) in registry.entries() {
        text += &format!(
            "\nenvironment {id}\n  genesis state {}\n  producer {}",
            entry.genesis_state, entry.producer
        );
        for kernel in &entry.kernels {
            text += &format!(
                "\n  kernel {} in superblocks {} to {}",
                kernel.key, kernel.valid_from, kernel.valid_until
            );
        }
    }
    Answer::new(json, text)
}

/// A registry for `--json`.
pub(super) fn registry_json(registry: &Registry) -> Value {
    let environments: Vec<_> =
        registry.entries().map(|(id, entry)| json!({ "id": id, "entry": entry })).collect();
    json!({ "root": registry.root(), "environments": environments })
}

pub(super) fn run(command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Make { file } => {
            if file.exists() {
                return Err(Failure::new(REJECTED, format!("{}: the file exists", file.display())));
            }
            let registry = Registry::default();
            file::write(Kind::Registry, &file, &registry)?;
            Ok(answer(&file, &registry))
        }
        Command::List { file } => Ok(answer(&file, &read(&file)?)),
        Command::Root { file } => {
            let root = read(&file)?.root();
            Ok(Answer::new(json!({ "ok": true, "root": root }), root.to_string()))
        }
        Command::Add(add) => {
            let mut registry = read(&add.file)?;
            let id = EnvironmentId(add.environment);
            match (add.genesis_state, add.producer) {
                (Some(genesis_state), Some(producer)) => {
                    registry.insert(id, RegistryEntry { genesis_state, producer, kernels: add.kernels })?;
                }
                _ => {
                    let mut kernels = registry.entry(id)?.kernels.clone();
                    if let Some(end) = add.end_earlier {
                        for kernel in &mut kernels {
                            kernel.valid_until = kernel.valid_until.min(end).max(kernel.valid_from);
                        }
                    }
                    kernels.extend(add.kernels);
                    registry.set_kernels(id, kernels, add.force)?;
                }
            }
            file::write(Kind::Registry, &add.file, &registry)?;
            Ok(answer(&add.file, &registry))
        }
    }
}
