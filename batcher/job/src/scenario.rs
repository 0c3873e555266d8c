//! Scenarios: a deployment with its environments and their transactions, in a TOML file.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    str::Utf8Error,
};

use circuits_core::chain_id::{ChainIdError, check_chain_id};
use circuits_files::text::{self, TextError, may_be_secret, quoted, shown, without_secrets};
use circuits_keys::CircuitCache;
use circuits_protocol::registry::{
    EnvironmentId, KernelEntry, Producer, Registry, RegistryEntry, RegistryError,
};
use environments_core::{
    DynEnvironment, ProveError,
    address::Address,
    dynamic::LineError,
    kernel::ProducerSecret,
    kind::{Kind, KindError, Start},
    pool::PoolError,
    producer::ProducerError,
};
use environments_l1::{
    block::{MAX_DEPOSITS, registry_entry},
    circuits::KERNELS,
};
use serde::Deserialize;
use thiserror::Error;

use crate::{
    planner::MAX_BLOCKS,
    queue::{Queue, QueueError},
};

/// Bytes of the largest scenario, genesis or transactions file.
const FILE_LIMIT: u64 = 64 << 20;
/// The most superblocks of a scenario.
const MAX_SUPERBLOCKS: u32 = 10_000;

/// The deployment of a development network's first contract: the low 62 bits of Keccak-256 over the network's id, 31337, and
/// the contract's address.
pub const LOCAL_DEPLOYMENT: u64 = 2_212_840_405_466_451_118;

const fn local_deployment() -> u64 {
    LOCAL_DEPLOYMENT
}

/// A scenario file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The deployment; without it, [`LOCAL_DEPLOYMENT`], whose contract an embedded L1 has.
    #[serde(default = "local_deployment")]
    pub chain_id: u64,
    /// How many superblocks to make.
    pub superblocks: u32,
    /// The path of [L1's queue](crate::queue).
    pub deposits: Option<PathBuf>,
    /// How many deposits each superblock takes, at most [`MAX_DEPOSITS`]; without this, as many as are left, up to that.
    pub deposits_per_superblock: Option<usize>,
    pub environments: Vec<EnvironmentConfig>,
    /// The directory in which relative paths start.
    #[serde(skip)]
    directory: PathBuf,
    #[serde(skip)]
    path: PathBuf,
}

/// One environment of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentConfig {
    /// Its id, not 0.
    pub id: u16,
    /// Its state model: the name of a kind.
    pub kind: String,
    /// The secret of its producer. In a deployment, only the producer knows it.
    pub producer_secret: ProducerSecret,
    /// Parameters of its genesis: a table, or the path of a JSON file.
    pub genesis: toml::Value,
    /// The path of its transactions, one JSON object per line.
    pub transactions: PathBuf,
    /// Blocks that it makes for each superblock, if it has transactions for them and the superblock has room for their
    /// messages. All environments together make at most [`MAX_BLOCKS`].
    #[serde(default = "one")]
    pub blocks_per_superblock: u32,
    /// How many transactions are offered to each block, lines that are refused not counted; without this, all that are
    /// left.
    pub transactions_per_block: Option<usize>,
    /// For `accounts` and `notes`: the most transactions of a block. Kernels for larger blocks are neither
    /// built nor registered.
    pub block_limit: Option<usize>,
}

const fn one() -> u32 {
    1
}

/// The contract on L1 under which an environment's accounts sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct SignedFor {
    /// L1's network.
    pub chain_id: u64,
    pub contract: Address,
}

/// Why a scenario is refused.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// A file cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The content of a file is refused.
    #[error("{path}: {reason}", path = .path.display())]
    Malformed { path: PathBuf, reason: String },
    /// An environment cannot be made.
    #[error("{path}: environment {id}: {reason}", path = .path.display())]
    Environment { path: PathBuf, id: u16, reason: String },
    /// There is no deployment with this chain id.
    #[error(transparent)]
    ChainId(#[from] ChainIdError),
    /// A kernel cannot be built.
    #[error(transparent)]
    Kernel(#[from] ProveError),
    /// The registry refuses an environment.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// An environment of a scenario, ready to make blocks.
pub struct Participant {
    pub producer: Box<dyn DynEnvironment>,
    /// What the registry names of the producer.
    registered: Producer,
    /// Transactions that were not offered yet, with their line numbers, last one first.
    lines: Vec<(usize, Result<String, Utf8Error>)>,
    /// Where they came from.
    pub transactions: PathBuf,
    /// Blocks that it makes for each superblock.
    pub blocks_per_superblock: u32,
    transactions_per_block: Option<usize>,
}

/// A line that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedLine {
    pub line: usize,
    pub reason: String,
}

impl Participant {
    /// Offers the next block's transactions to the pool; returns the lines that do not enter it.
    pub fn offer(&mut self, cache: &CircuitCache) -> Vec<RejectedLine> {
        let count = self.transactions_per_block.unwrap_or(usize::MAX);
        let (mut accepted, mut rejected, mut kept) = (0, vec![], vec![]);
        while accepted < count {
            let Some((line, text)) = self.lines.pop() else { break };
            match text {
                Ok(text) => {
                    let submission = self.producer.submit_lines(cache, &text);
                    accepted += submission.accepted.len();
                    for (_, error) in submission.rejected {
                        match &error {
                            // A later block makes room.
                            LineError::Producer(ProducerError::Pool(
                                PoolError::Full
                                | PoolError::TooManyBytes { .. }
                                | PoolError::TooManyOfSender(_),
                            )) => kept.push((line, Ok(text.clone()))),
                            error => rejected.push(RejectedLine { line, reason: chain_of(error) }),
                        }
                    }
                }
                Err(error) => rejected.push(RejectedLine { line, reason: error.to_string() }),
            }
        }
        self.lines.extend(kept.into_iter().rev());
        rejected
    }

    /// The lines that were not offered.
    #[must_use]
    pub fn unoffered(&self) -> Vec<RejectedLine> {
        let reason = "the run ended before a block had room for it";
        let lines = self.lines.iter().rev();
        lines.map(|(line, _)| RejectedLine { line: *line, reason: reason.to_owned() }).collect()
    }
}

/// An error's message, followed by those of its causes, as one line.
#[must_use]
pub fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    shown(text).to_string()
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// [`ScenarioError`], which names the file.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let malformed = |reason| ScenarioError::Malformed { path: path.to_owned(), reason };
        let mut scenario: Self = text::parse_toml(&text::read(path, FILE_LIMIT)?).map_err(&malformed)?;
        scenario.directory = path.parent().map(Path::to_owned).unwrap_or_default();
        scenario.path = path.to_owned();
        check_chain_id(scenario.chain_id).map_err(|error| malformed(error.to_string()))?;
        if !(1..=MAX_SUPERBLOCKS).contains(&scenario.superblocks) {
            return Err(malformed(format!(
                "superblocks must be from 1 to {MAX_SUPERBLOCKS}, found {}",
                scenario.superblocks
            )));
        }
        let mut ids = BTreeSet::new();
        for environment in &scenario.environments {
            if !ids.insert(environment.id) {
                return Err(malformed(format!("environment {} is listed twice", environment.id)));
            }
        }
        let blocks: u64 = scenario.environments.iter().map(|one| u64::from(one.blocks_per_superblock)).sum();
        if blocks > MAX_BLOCKS as u64 {
            return Err(malformed(format!(
                "blocks_per_superblock must be at most {MAX_BLOCKS} for all environments together, found {blocks}"
            )));
        }
        if let Some(found) = scenario.deposits_per_superblock.filter(|&count| count > MAX_DEPOSITS) {
            return Err(malformed(format!(
                "deposits_per_superblock must be at most {MAX_DEPOSITS}, found {found}"
            )));
        }
        if ids.is_empty() {
            return Err(malformed("a scenario has at least one environment".to_owned()));
        }
        let is_secret =
            |file: &Path| may_be_secret(&file.to_string_lossy()) && !scenario.directory.join(file).exists();
        let wrong = scenario.files().find(|(_, file)| is_secret(file)).map(|(field, _)| field);
        match wrong {
            Some(field) => Err(malformed(format!(
                "{field} names no file; its value is not shown, because it may be a secret"
            ))),
            None => Ok(scenario),
        }
    }

    /// The files that the scenario names, with the fields that name them.
    fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let deposits = self.deposits.iter().map(|file| ("deposits", file.as_path()));
        let of_environments = self.environments.iter().flat_map(|one| {
            let genesis = one.genesis.as_str().map(|file| ("genesis", Path::new(file)));
            genesis.into_iter().chain([("transactions", one.transactions.as_path())])
        });
        deposits.chain(of_environments)
    }

    /// The environments at genesis, with their transactions.
    ///
    /// # Errors
    /// [`ScenarioError`], which names the file.
    pub fn participants(&self, kinds: &[&dyn Kind]) -> Result<Vec<Participant>, ScenarioError> {
        self.environments.iter().map(|config| self.participant(config, kinds)).collect()
    }

    /// L1's deposits; an empty queue if the scenario names no file.
    ///
    /// # Errors
    /// [`QueueError`], which names the file and the line.
    pub fn queue(&self) -> Result<Queue, QueueError> {
        self.deposits.as_ref().map_or_else(
            || Ok(Queue::default()),
            |path| Queue::read(&self.directory.join(path), self.chain_id),
        )
    }

    /// The environments whose genesis has a `settlement`, which signatures name.
    ///
    /// # Errors
    /// [`ScenarioError`] if a genesis cannot be read. What is malformed in it, the environment says when it is started.
    pub fn signed_for(&self) -> Result<Vec<(u16, SignedFor)>, ScenarioError> {
        #[derive(Deserialize)]
        struct Genesis {
            settlement: Option<SignedFor>,
        }
        let mut found = vec![];
        for config in &self.environments {
            let genesis: Option<Genesis> = serde_json::from_str(&self.genesis(config)?.0).ok();
            let settlement = genesis.and_then(|genesis| genesis.settlement);
            found.extend(settlement.map(|settlement| (config.id, settlement)));
        }
        Ok(found)
    }

    fn participant(
        &self,
        config: &EnvironmentConfig,
        kinds: &[&dyn Kind],
    ) -> Result<Participant, ScenarioError> {
        let refused = |reason: String| ScenarioError::Environment {
            path: self.path.clone(),
            id: config.id,
            reason: without_secrets(&reason),
        };
        let id = EnvironmentId::new(config.id).map_err(|error| refused(error.to_string()))?;
        let kind = kinds.iter().find(|kind| kind.name() == config.kind).ok_or_else(|| {
            let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
            refused(format!(
                "there is no state model {}; the state models are {}",
                quoted(&config.kind),
                names.join(", ")
            ))
        })?;
        let (genesis, file) = self.genesis(config)?;
        let start = Start {
            chain_id: self.chain_id,
            id,
            secret: config.producer_secret,
            genesis: &genesis,
            block_limit: config.block_limit,
        };
        let producer = kind.start(&start).map_err(|error| match (error, file) {
            (KindError::Genesis(source), Some(path)) => {
                ScenarioError::Malformed { path, reason: without_secrets(&source.to_string()) }
            }
            (error, _) => refused(chain_of(&error)),
        })?;
        let transactions = self.directory.join(&config.transactions);
        let is_blank =
            |line: &Result<String, Utf8Error>| line.as_ref().is_ok_and(|line| line.trim().is_empty());
        let mut lines: Vec<_> = (1..)
            .zip(text::read_lines(&transactions, FILE_LIMIT)?)
            .filter(|(_, line)| !is_blank(line))
            .collect();
        lines.reverse();
        Ok(Participant {
            producer,
            registered: config.producer_secret.producer(),
            lines,
            transactions,
            blocks_per_superblock: config.blocks_per_superblock,
            transactions_per_block: config.transactions_per_block,
        })
    }

    /// The genesis parameters as JSON, and the file that they come from if they are not a table of the scenario.
    fn genesis(&self, config: &EnvironmentConfig) -> Result<(String, Option<PathBuf>), ScenarioError> {
        if let toml::Value::String(file) = &config.genesis {
            let path = self.directory.join(file);
            return Ok((text::read(&path, FILE_LIMIT)?, Some(path)));
        }
        let json = serde_json::to_string(&config.genesis).map_err(|error| ScenarioError::Environment {
            path: self.path.clone(),
            id: config.id,
            reason: format!("genesis: {error}"),
        })?;
        Ok((json, None))
    }
}

/// The registry of environment 0 and of the environments' producers and kernels, valid from superblock 1 on.
///
/// # Errors
/// - [`ScenarioError::ChainId`]
/// - [`ScenarioError::Kernel`] if a kernel cannot be built.
pub fn registry(
    cache: &CircuitCache,
    chain_id: u64,
    participants: &[Participant],
) -> Result<Registry, ScenarioError> {
    let mut registry = Registry::default();
    registry.insert(EnvironmentId::L1, registry_entry(chain_id, &KERNELS.key_digests(cache)?)?)?;
    for Participant { producer, registered, .. } in participants {
        let kernels = producer
            .key_digests(cache)?
            .into_iter()
            .map(|key| KernelEntry { key, valid_from: 1, valid_until: u32::MAX })
            .collect();
        let entry = RegistryEntry::new(producer.genesis_commitment(), *registered, kernels);
        registry.insert(EnvironmentId(producer.id().get()), entry)?;
    }
    Ok(registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What reading a scenario says whose environments make so many blocks for a superblock that takes so many deposits.
    fn read(blocks: &[u32], deposits: usize) -> Result<Scenario, ScenarioError> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("scenario.toml");
        let mut text = format!("chain_id = 7\nsuperblocks = 1\ndeposits_per_superblock = {deposits}\n");
        for (id, count) in (1..).zip(blocks) {
            text += &format!(
                "[[environments]]\nid = {id}\nkind = \"counter\"\nproducer_secret = \"{id:064}\"\ngenesis = {{}}\n\
                 transactions = \"lines.jsonl\"\nblocks_per_superblock = {count}\n"
            );
        }
        std::fs::write(&path, text).expect("writable");
        Scenario::read(&path)
    }

    #[test]
    fn a_scenario_asks_for_no_more_blocks_and_deposits_than_a_superblock_takes() {
        let most = MAX_BLOCKS as u32;
        assert!(read(&[most - 1, 1], MAX_DEPOSITS).is_ok());
        for (blocks, deposits, part) in [
            (
                &[most, 1][..],
                1,
                "blocks_per_superblock must be at most 512 for all environments together, found 513",
            ),
            (&[u32::MAX, u32::MAX][..], 1, "found 8589934590"),
            (&[1][..], MAX_DEPOSITS + 1, "deposits_per_superblock must be at most 64, found 65"),
        ] {
            let error = read(blocks, deposits).expect_err("too many").to_string();
            assert!(error.contains(part) && error.contains("scenario.toml"), "{error}");
        }
    }
}
