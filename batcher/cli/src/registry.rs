//! `superblock registry`.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use batcher_settlement::{B256, deploy::entry_zero, superblock::of_digest};
use circuits_core::{Digest, chain_id::parse_chain_id};
use circuits_files::{
    file::{self, FileError, FileKind, SMALL_LIMIT},
    text::quoted,
};
use circuits_protocol::registry::{
    EnvironmentId, KernelChange, KernelEntry, Producer, ProducerEntry, Registry, RegistryEntry, RegistryError,
};
use circuits_tables::ecdsa::PublicKey;
use environments_core::kernel::ProducerSecret;
use environments_l1::{circuits::KERNELS, registry_entry};
use serde::Serialize;
use thiserror::Error;

use crate::{
    answer::{Answer, Failure},
    as_text,
    environment::read_secret,
    exit::{ExitCode, HasExitCode},
    key_arguments::KeyArguments,
    new_file::check_is_new,
    options::Options,
    table::{Align, Table},
};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make a registry of environment 0.
    ///
    /// The first step of a deployment: its entry says where L1's queue and payouts start and which kernels prove their
    /// blocks. Other environments, with their producers and kernels, are added to the file afterwards, and L1 fixes the
    /// root.
    Make(Make),
    /// List environments, producers and kernels.
    ///
    /// Use this to see which keys and producers a registry allows, and in which superblocks, and which it had before.
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
    /// Make another producer the environment's, from a superblock on.
    ///
    /// The producer before ends with the superblock before, and one that would follow later is removed. The root changes,
    /// so L1 must fix the new one, at the latest for that superblock. A block that the earlier producer made and no
    /// superblock took until then is refused; the new producer goes on from the last block that one took.
    Rotate(Rotate),
    /// Print what a registry names of a producer: the commitment to its secret, and its signing key.
    ///
    /// The producer gives both to those who govern the registry, for `registry add` and `registry rotate`. The secret is
    /// never printed.
    Producer {
        /// Read the secret from this file: 64 hexadecimal digits.
        ///
        /// A scenario has it as `producer_secret`. The signing key derives from it.
        file: PathBuf,
    },
    /// Remove the producers and kernels that have expired.
    ///
    /// An environment lists at most 8 producers and 32 kernels; this makes room for more. What is removed stays on record
    /// in the file. The root changes, so L1 must fix the new one, and not for superblocks before NUMBER.
    Prune {
        /// Change the registry in this file.
        ///
        /// If nothing has expired, the file stays as it was.
        file: PathBuf,
        /// Remove what is valid in no superblock from this one on.
        ///
        /// It is the first superblock for which L1 fixes the new root: no kernel and no producer that is valid in it, or
        /// later, is removed.
        #[arg(long, value_name = "NUMBER")]
        before: u32,
    },
    /// Print the root, which L1 fixes and every superblock names.
    ///
    /// Compare it with `registry_roots` of an answer of `verify`, or put it into a trust file.
    Root {
        /// Read the registry from this file.
        ///
        /// The root commits to everything that the file holds.
        file: PathBuf,
    },
    /// Print what the contract on L1 takes of a registry: its root, its entry 0 and the siblings of that.
    ///
    /// Those who govern the registry pass root and path to `scheduleRegistry`; those who change entry 0 pass it to `proposeEntryZero`,
    /// and root and path to `changeEntryZero`. All are words as `cast` takes them, unlike the root that `registry root` prints.
    L1 {
        /// Read the registry from this file.
        ///
        /// Its entry 0 is the one that the contract pins, unless entry 0 is what changes.
        file: PathBuf,
    },
}

#[derive(clap::Args)]
pub(crate) struct Make {
    /// Write the registry to this file, which must not exist.
    ///
    /// `batch --registry` reads it.
    file: PathBuf,
    /// Make it for the deployment with this chain id.
    ///
    /// The state that environment 0 starts from contains it.
    #[arg(long, value_name = "CHAIN_ID", value_parser = parse_chain_id)]
    chain_id: u64,
    #[command(flatten)]
    keys: KeyArguments,
}

#[derive(clap::Args)]
pub(crate) struct Add {
    /// Change the registry in this file.
    ///
    /// If a rule is broken, the file stays as it was. Processes that change one file wait for each other, by a lock beside
    /// it.
    file: PathBuf,
    /// Add to the environment with this id, from 0 to 65535.
    ///
    /// Id 0 is L1, whose entry `registry make` writes; it may get more kernels.
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
    /// with --genesis-state and --signing-key; `registry rotate` changes the producer of a known one.
    #[arg(long, value_name = "DIGEST", requires = "genesis_state", requires = "signing_key")]
    producer: Option<Digest>,
    /// Name the secp256k1 key with which the producer signs the blocks that it proposes.
    ///
    /// It is hexadecimal, in the SEC1 encoding of 33 or 65 bytes, and comes together with --producer.
    #[arg(long, value_name = "KEY", requires = "producer")]
    signing_key: Option<PublicKey>,
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
    /// Allow a kernel that the environment has or had already.
    ///
    /// It may have been ended for a reason, so that it gets another window only if that is meant.
    #[arg(long, requires = "kernels")]
    readmit: bool,
}

#[derive(clap::Args)]
pub(crate) struct Rotate {
    /// Change the registry in this file.
    ///
    /// If a rule is broken, the file stays as it was.
    file: PathBuf,
    /// Change the producer of the environment with this id.
    ///
    /// It keeps its genesis, its state and its kernels. Environment 0 has no other producer than the one that everybody is.
    #[arg(long, value_name = "ID")]
    environment: u16,
    /// Let the holder of the secret behind this commitment produce blocks.
    ///
    /// `registry producer` prints it to the holder, and the signing key with it.
    #[arg(long, value_name = "DIGEST")]
    producer: Digest,
    /// Name the secp256k1 key with which the producer signs the blocks that it proposes.
    ///
    /// It is hexadecimal, in the SEC1 encoding of 33 or 65 bytes.
    #[arg(long, value_name = "KEY")]
    signing_key: PublicKey,
    /// Take the new producer's blocks from this superblock on, and the earlier one's before it.
    ///
    /// A superblock that is made already states the registry of its time; this changes none.
    #[arg(long, value_name = "NUMBER")]
    from: u32,
    /// Allow a producer whose secret or signing key the environment has or had already.
    ///
    /// It may have been replaced for a reason, so that it comes back only if that is meant.
    #[arg(long)]
    readmit: bool,
}

/// What a command was to do and finds nothing of.
#[derive(Debug, Error)]
enum Nothing {
    #[error(
        "nothing is to be added; expected --kernel or --end-earlier, or --genesis-state, --producer and --signing-key of a \
         new environment"
    )]
    Added,
    #[error(
        "no kernel of environment {environment} is valid after superblock {end}: --end-earlier changes nothing"
    )]
    Ends { environment: u16, end: u32 },
    #[error("every producer and kernel is valid in superblock {before} or later: nothing has expired")]
    Expired { before: u32 },
    #[error("environment 0 is L1, whose genesis and producer are fixed; `registry make` writes its entry")]
    L1,
}

impl HasExitCode for Nothing {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Added | Self::Ends { .. } | Self::Expired { .. } | Self::L1 => ExitCode::Rejected,
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

/// What a registry names of a producer.
#[derive(Serialize)]
struct Named {
    producer: Digest,
    signing_key: PublicKey,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { producer, signing_key } = self;
        write!(f, "producer {producer}\nsigning key {signing_key}")
    }
}

/// The root of a registry.
#[derive(Serialize)]
struct Root {
    root: Digest,
}

/// What the contract takes of a registry, each digest as a word.
#[derive(Serialize)]
struct OnL1 {
    root: B256,
    entry_zero: B256,
    /// The siblings of entry 0, from the leaf up.
    path: Vec<B256>,
}

impl OnL1 {
    fn new(registry: &Registry) -> Result<Self, RegistryError> {
        let (entry_zero, path) = entry_zero(registry)?;
        Ok(Self { root: of_digest(registry.root()), entry_zero: of_digest(entry_zero), path: path.into() })
    }
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
            let lists = [
                ("", &entry.producers, &entry.kernels),
                ("removed ", &entry.removed.producers, &entry.removed.kernels),
            ];
            for (prefix, producers, kernels) in lists {
                for &ProducerEntry { commitment, signing_key, valid_from, valid_until } in producers {
                    let validity = validity(valid_from, valid_until);
                    push(&format!("  {prefix}producer"), commitment.to_string(), validity);
                    push("    signing key", signing_key.to_string(), String::new());
                }
                for &KernelEntry { key, valid_from, valid_until } in kernels {
                    push(&format!("  {prefix}kernel"), key.to_string(), validity(valid_from, valid_until));
                }
            }
        }
        write!(f, "root {}", self.content.root)?;
        if self.content.environments.is_empty() { Ok(()) } else { write!(f, "\n{table}") }
    }
}

fn validity(from: u32, until: u32) -> String {
    format!("in superblocks {from} to {until}")
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl fmt::Display for OnL1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path: Vec<_> = self.path.iter().map(B256::to_string).collect();
        write!(f, "root: {}\nentry 0: {}\npath: [{}]", self.root, self.entry_zero, path.join(","))
    }
}

fn read(path: &Path) -> Result<Registry, FileError> {
    file::read(FileKind::Registry, path, SMALL_LIMIT)
}

fn answer(file: &Path, registry: &Registry) -> Answer {
    Answer::new(&Listed { file, content: Listing::new(registry) })
}

pub(crate) fn run(command: Command, options: Options) -> Result<Answer, Failure> {
    match command {
        Command::Make(Make { file, chain_id, keys }) => {
            check_is_new(&file)?;
            let kernels = KERNELS.key_digests(&keys.cache(options)?)?;
            let mut registry = Registry::default();
            registry.insert(EnvironmentId::L1, registry_entry(chain_id, &kernels)?)?;
            file::create(FileKind::Registry, &file, &registry, SMALL_LIMIT)?;
            Ok(answer(&file, &registry))
        }
        Command::List { file } => Ok(answer(&file, &read(&file)?)),
        Command::Root { file } => Ok(Answer::new(&Root { root: read(&file)?.root() })),
        Command::L1 { file } => Ok(Answer::new(&OnL1::new(&read(&file)?)?)),
        Command::Add(arguments) => change(&arguments.file, |registry| add(registry, &arguments)),
        Command::Rotate(arguments) => change(&arguments.file, |registry| {
            let Rotate { environment, producer: commitment, signing_key, from, readmit, .. } = arguments;
            let producer = Producer { commitment, signing_key };
            // Its kernels state one producer, so with another one it would make no block any more.
            if environment == EnvironmentId::L1.get() {
                return Err(Nothing::L1.into());
            }
            Ok(registry.rotate_producer(EnvironmentId(environment), producer, from, readmit)?)
        }),
        Command::Producer { file } => {
            let Producer { commitment, signing_key } = ProducerSecret::new(read_secret(&file)?).producer();
            Ok(Answer::new(&Named { producer: commitment, signing_key }))
        }
        Command::Prune { file, before } => change(&file, |registry| match registry.remove_expired(before) {
            0 => Err(Nothing::Expired { before }.into()),
            _ => Ok(()),
        }),
    }
}

/// Changes the registry in `file`, unless `change` fails. Nobody else changes the file meanwhile.
fn change(file: &Path, change: impl FnOnce(&mut Registry) -> Result<(), Failure>) -> Result<Answer, Failure> {
    // A file that cannot be read gets no lock beside it.
    read(file)?;
    // Whatever links lead to the file, there is one, and one lock.
    let failed = |source| FileError::Io { path: file.to_owned(), action: "find it", source };
    let path = file.canonicalize().map_err(failed)?;
    let _lock = file::lock(&path)?;
    let mut registry = read(&path)?;
    change(&mut registry)?;
    file::write(FileKind::Registry, &path, &registry, SMALL_LIMIT)?;
    Ok(answer(file, &registry))
}

fn add(registry: &mut Registry, arguments: &Add) -> Result<(), Failure> {
    let Add { genesis_state, producer, signing_key, kernels, end_earlier, .. } = arguments;
    let id = EnvironmentId(arguments.environment);
    if let (&Some(genesis_state), &Some(commitment), &Some(signing_key)) =
        (genesis_state, producer, signing_key)
    {
        let producer = Producer { commitment, signing_key };
        if id == EnvironmentId::L1 {
            return Err(Nothing::L1.into());
        }
        return Ok(registry.insert(id, RegistryEntry::new(genesis_state, producer, kernels.clone()))?);
    }
    if kernels.is_empty() {
        let Some(end) = *end_earlier else { return Err(Nothing::Added.into()) };
        if registry.entry(id)?.kernels.iter().all(|kernel| kernel.valid_until <= end) {
            return Err(Nothing::Ends { environment: arguments.environment, end }.into());
        }
    }
    let change = KernelChange {
        end_earlier: *end_earlier,
        add: kernels.clone(),
        allow_gap: arguments.force,
        readmit: arguments.readmit,
    };
    Ok(registry.change_kernels(id, &change)?)
}
