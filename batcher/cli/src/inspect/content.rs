//! The contents of files by kind, in the form in which they are shown.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use batcher_circuits::{
    heads::EnvironmentHeads,
    state::{L1Head, SuperblockState},
};
use batcher_hop::HopProof;
use batcher_job::{location::Location, payouts::L1Summary, state, store::QuarantineRecord};
use batcher_settlement::data::SuperblockData;
use batcher_verify::{
    bundle::{BlockEntry, SuperblockBundle, l1_outcome},
    circuit::SuperblockCircuit,
    keys::PinnedKeys,
    trust::Trust,
};
use bridge_core::{AssetId, BlockMessages, BridgeState, Consumption, state::Record};
use circuits_core::{Digest, amount::Amount, proof, recursion::key_digest};
use circuits_files::file::{self, FileError, FileKind, SMALL_LIMIT};
use circuits_protocol::{
    l1::{L1Outcome, NotAWord},
    registry::{EnvironmentId, Registry},
    statement::{BlockStatement, SuperblockStatement, statement_digest},
    wrap::block_shape,
};
use circuits_tasks::{
    graph::{self, Graph, Place},
    id::TaskId,
    proof::StoredProof,
};
use environments_core::{
    BlockBundle,
    published::PublishedBlock,
    snapshot::{SNAPSHOT_LIMIT, Snapshot},
};
use environments_kinds::KINDS;
use plonky2::field::types::PrimeField64 as _;
use serde::Serialize;
use serde_json::Value;

use super::{L1, error::InspectError};
use crate::{as_text, registry::Listing};

/// What a file holds, by its kind.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content {
    Registry(Listing),
    Block(Box<Block>),
    Proposed(Box<Proposed>),
    Transaction(Box<Transaction>),
    Superblock(Box<Superblock>),
    State(Box<State>),
    Environment(EnvironmentState),
    TaskProof(TaskProof),
    Task(Task),
    TaskInput(TaskInput),
    TaskGraph(Vec<Task>),
    Quarantine(QuarantineRecord),
    Location(SuperblocksDirectory),
    Hop(Box<Hop>),
    Data(Box<Data>),
    Trust(Trust),
}

/// Reads the content of a file that begins with the header of a kind.
pub(super) fn read(
    path: &Path,
    bytes: &[u8],
    kind_of_body: Option<&str>,
) -> Result<(FileKind, Content), InspectError> {
    let in_file = |source| FileError::Format { path: path.to_owned(), source };
    let malformed = |source| InspectError::Malformed { path: path.to_owned(), source };
    let (kind, payload) = file::open(bytes).map_err(in_file)?;
    let content = match kind {
        FileKind::Registry => {
            let registry: Registry = file::decode(kind, bytes, SMALL_LIMIT).map_err(in_file)?;
            Content::Registry(Listing::new(&registry))
        }
        FileKind::BlockBundle => {
            Content::Block(Box::new(Block::read(bytes, kind_of_body).map_err(malformed)?))
        }
        FileKind::ProposedBlock => {
            Content::Proposed(Box::new(Proposed::read(bytes, kind_of_body).map_err(malformed)?))
        }
        FileKind::TransactionBundle => {
            Content::Transaction(Box::new(Transaction::read(bytes, payload.len()).map_err(malformed)?))
        }
        FileKind::SuperblockBundle => {
            Content::Superblock(Box::new(Superblock::read(bytes).map_err(malformed)?))
        }
        FileKind::EnvironmentState => {
            let snapshot: Snapshot = file::decode(kind, bytes, SNAPSHOT_LIMIT).map_err(in_file)?;
            Content::Environment(EnvironmentState::new(&snapshot))
        }
        FileKind::SuperblockState => Content::State(Box::new(State::new(state::read(path)?))),
        FileKind::TaskProof => {
            let stored = StoredProof::decode(bytes).map_err(in_file)?;
            Content::TaskProof(TaskProof {
                task: stored.label,
                key: hex::encode(stored.key),
                proof_bytes: stored.proof.len(),
            })
        }
        FileKind::QuarantineRecord => {
            Content::Quarantine(file::decode(kind, bytes, SMALL_LIMIT).map_err(in_file)?)
        }
        FileKind::SuperblockLocation => {
            let location: Location = file::decode(kind, bytes, SMALL_LIMIT).map_err(in_file)?;
            Content::Location(SuperblocksDirectory { superblocks: location.path().to_owned() })
        }
        FileKind::SuperblockHop => {
            let hop = batcher_hop::file::read(path).map_err(|error| malformed(error.into()))?;
            Content::Hop(Box::new(Hop::new(&hop).map_err(malformed)?))
        }
        FileKind::SuperblockData => Content::Data(Box::new(Data::read(bytes).map_err(malformed)?)),
        FileKind::Task => {
            let task = graph::Task::decode(bytes).map_err(|error| malformed(error.into()))?;
            Content::Task(Task::new(task.id(), &task))
        }
        FileKind::TaskInput => Content::TaskInput(TaskInput { input_bytes: payload.len() }),
        FileKind::TaskGraph => {
            let graph = Graph::decode(bytes).map_err(|error| malformed(error.into()))?;
            Content::TaskGraph(graph.tasks().map(|(id, task)| Task::new(id, task)).collect())
        }
    };
    Ok((kind, content))
}

type Malformed = Box<dyn Error + Send + Sync>;

/// A block bundle.
#[derive(Serialize)]
pub(super) struct Block {
    statement: BlockFields,
    statement_digest: Digest,
    key: Digest,
    proof_bytes: usize,
    body_bytes: usize,
    messages: BlockMessages,
    #[serde(flatten)]
    body: Option<Value>,
}

impl Block {
    fn read(bytes: &[u8], kind_of_body: Option<&str>) -> Result<Self, Malformed> {
        let bundle = BlockBundle::decode(bytes)?;
        let key = proof::decode_key(&bundle.key, &block_shape().common)?;
        Ok(Self {
            statement: BlockFields::new(&bundle.statement),
            statement_digest: statement_digest(&bundle.statement),
            key: key_digest(&key),
            proof_bytes: bundle.proof.len(),
            body_bytes: bundle.body.len(),
            body: kind_of_body.map(|kind| describe_body(kind, &bundle.body)).transpose()?,
            messages: bundle.messages,
        })
    }
}

/// A block before it is proved.
#[derive(Serialize)]
pub(super) struct Proposed {
    chain_id: u64,
    statement: BlockFields,
    id: Digest,
    body_bytes: usize,
    messages: BlockMessages,
    #[serde(flatten)]
    body: Option<Value>,
}

impl Proposed {
    fn read(bytes: &[u8], kind_of_body: Option<&str>) -> Result<Self, Malformed> {
        let block = PublishedBlock::decode(bytes)?;
        Ok(Self {
            chain_id: block.chain_id(),
            statement: BlockFields::new(block.statement()),
            id: block.id(),
            body_bytes: block.body().len(),
            body: kind_of_body.map(|kind| describe_body(kind, block.body())).transpose()?,
            messages: block.messages().clone(),
        })
    }
}

/// A block statement. Numbers are shown as integers.
#[derive(Serialize)]
struct BlockFields {
    environment: u64,
    first_height: u64,
    last_height: u64,
    previous_state: Digest,
    new_state: Digest,
    outbox: Digest,
    inbox: Digest,
    body: Digest,
    producer: Digest,
}

impl BlockFields {
    fn new(statement: &BlockStatement) -> Self {
        Self {
            environment: statement.environment.to_canonical_u64(),
            first_height: statement.first_height.to_canonical_u64(),
            last_height: statement.last_height.to_canonical_u64(),
            previous_state: statement.previous_state,
            new_state: statement.new_state,
            outbox: statement.outbox,
            inbox: statement.inbox,
            body: statement.body,
            producer: statement.producer,
        }
    }
}

/// What the block's state model shows of its body.
fn describe_body(kind: &str, body: &[u8]) -> Result<Value, Malformed> {
    if kind == L1 {
        return Ok(serde_json::to_value(environments_l1::Body::decode(body)?)?);
    }
    let kind = KINDS.into_iter().find(|known| known.name() == kind);
    let described = kind.and_then(|kind| kind.describe_body(body));
    Ok(described.ok_or("the state model does not show its bodies")??)
}

/// A proven transaction.
#[derive(Serialize)]
pub(super) struct Transaction {
    payload_bytes: usize,
    #[serde(flatten)]
    content: Value,
}

impl Transaction {
    fn read(bytes: &[u8], payload_bytes: usize) -> Result<Self, Malformed> {
        // A file does not say of which kind it is: the first that takes it describes it, else the last one says why.
        let mut described = KINDS.into_iter().filter_map(|kind| kind.describe_transaction(bytes));
        let first = described.next().ok_or("no state model has proven transactions")?;
        let content = described.fold(first, |found, next| found.or(next))?;
        Ok(Self { payload_bytes, content })
    }
}

/// A superblock bundle.
#[derive(Serialize)]
pub(super) struct Superblock {
    statement: SuperblockFields,
    key: Digest,
    /// The circuit that has the key, if this program has it.
    circuit: Option<String>,
    blocks: Vec<BlockEntry>,
    messages: Vec<BlockMessages>,
    /// The indices of the messages consumed.
    consumed: Vec<u32>,
    /// What its block of environment 0 did.
    l1: Option<L1Summary>,
    proof_bytes: usize,
}

impl Superblock {
    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let bundle = SuperblockBundle::decode(bytes)?;
        Ok(Self {
            l1: L1Summary::of(&bundle)?,
            statement: SuperblockFields::new(&bundle.statement()?)?,
            key: bundle.key,
            circuit: PinnedKeys::embedded().source_of(bundle.key).map(SuperblockCircuit::name),
            blocks: bundle.blocks,
            messages: bundle.messages,
            consumed: bundle.consumed,
            proof_bytes: bundle.proof.len(),
        })
    }
}

/// What is published of a superblock on L1.
#[derive(Serialize)]
pub(super) struct Data {
    statement: SuperblockFields,
    blocks: Vec<BlockEntry>,
    messages: Vec<BlockMessages>,
    consumed: Vec<u32>,
    payout_bytes: usize,
    /// Bytes of each published body.
    body_bytes: Vec<usize>,
}

impl Data {
    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let data = SuperblockData::decode(bytes)?;
        let body_bytes = data.bodies().map(|(_, body)| body.len()).collect();
        let bundle = data.superblock().clone();
        Ok(Self {
            statement: SuperblockFields::new(&bundle.statement()?)?,
            blocks: bundle.blocks,
            messages: bundle.messages,
            consumed: bundle.consumed,
            payout_bytes: bundle.payouts.len(),
            body_bytes,
        })
    }
}

/// The hop of a superblock.
#[derive(Serialize)]
pub(super) struct Hop {
    statement: SuperblockFields,
    /// By which a router of contracts finds the verifier.
    outer_digest: String,
    calldata_bytes: usize,
}

impl Hop {
    fn new(hop: &HopProof) -> Result<Self, Malformed> {
        Ok(Self {
            statement: SuperblockFields::new(&hop.statement()?)?,
            outer_digest: format!("0x{}", hex::encode(hop.outer_digest())),
            calldata_bytes: hop.to_calldata().len(),
        })
    }
}

/// A superblock statement. Numbers are shown as integers.
#[derive(Serialize)]
struct SuperblockFields {
    chain_id: u64,
    number: u64,
    block_count: u64,
    previous_state: Digest,
    new_state: Digest,
    registry_root: Digest,
    body_chain: Digest,
    /// What its block of environment 0 means to L1.
    l1: Option<L1Outcome>,
}

impl SuperblockFields {
    fn new(statement: &SuperblockStatement) -> Result<Self, NotAWord> {
        Ok(Self {
            chain_id: statement.chain_id.to_canonical_u64(),
            number: statement.number.to_canonical_u64(),
            block_count: statement.block_count.to_canonical_u64(),
            previous_state: statement.previous_state,
            new_state: statement.new_state,
            registry_root: statement.registry_root,
            body_chain: statement.body_chain,
            l1: l1_outcome(statement)?,
        })
    }
}

/// A superblock state.
#[derive(Serialize)]
pub(super) struct State {
    chain_id: u64,
    number: u32,
    commitment: Digest,
    environments: EnvironmentHeads,
    past_states: u64,
    /// What blocks of environment 0 have taken from L1's queue, and how many payouts they have made.
    l1: L1Head,
    messages: Messages,
    balances: Vec<Balance>,
}

impl State {
    fn new(state: SuperblockState) -> Self {
        Self {
            chain_id: state.chain_id,
            number: state.number,
            commitment: state.commitment(),
            past_states: state.history.len(),
            l1: state.l1,
            messages: Messages::new(&state.bridge),
            balances: balances(&state.bridge),
            environments: state.environments,
        }
    }
}

/// The state of an environment. Only its state model can read more of it.
#[derive(Serialize)]
pub(super) struct EnvironmentState {
    chain_id: u64,
    environment: u16,
    height: u32,
    /// As the file says: `environment import` compares it with the rest.
    commitment: Digest,
    entries: usize,
}

impl EnvironmentState {
    fn new(snapshot: &Snapshot) -> Self {
        let &Snapshot { chain_id, environment, height, commitment, .. } = snapshot;
        Self { chain_id, environment, height, commitment, entries: snapshot.len() }
    }
}

/// How many messages there are in each condition, and the hashes of those that are on their way.
#[derive(Serialize)]
struct Messages {
    emitted: u64,
    claimed: usize,
    refunded: usize,
    pending: Vec<Digest>,
}

impl Messages {
    fn new(bridge: &BridgeState) -> Self {
        let count = |consumption| {
            let is = |record: &Record| record.consumed.is_some_and(|(found, _)| found == consumption);
            bridge.records().filter(is).count()
        };
        Self {
            emitted: bridge.message_count(),
            claimed: count(Consumption::Claim),
            refunded: count(Consumption::Refund),
            pending: bridge.in_flight().map(|record| record.message.hash()).collect(),
        }
    }
}

/// A balance of the bridge. At the asset's origin it is what is outstanding, elsewhere what was let in.
#[derive(Serialize)]
struct Balance {
    environment: EnvironmentId,
    asset: AssetId,
    #[serde(skip_serializing_if = "Option::is_none")]
    outstanding: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    let_in: Option<Amount>,
}

fn balances(bridge: &BridgeState) -> Vec<Balance> {
    let balances = bridge.balances().map(|(key, amount)| Balance {
        environment: key.environment,
        asset: key.asset,
        outstanding: key.is_origin().then_some(amount),
        let_in: (!key.is_origin()).then_some(amount),
    });
    balances.collect()
}

/// A finished proof of one of the batcher's tasks.
#[derive(Serialize)]
pub(super) struct TaskProof {
    task: String,
    key: String,
    proof_bytes: usize,
}

/// What the prover of a task must know. Only the circuit that it is for can read it.
#[derive(Serialize)]
pub(super) struct TaskInput {
    input_bytes: usize,
}

/// A task whose proof is to be made.
#[derive(Serialize)]
pub(super) struct Task {
    id: String,
    label: String,
    provable: String,
    key: String,
    statement_bytes: usize,
    children: Vec<String>,
    memory: u64,
    place: Place,
}

impl Task {
    fn new(id: TaskId, task: &graph::Task) -> Self {
        Self {
            id: id.to_string(),
            label: task.label.clone(),
            provable: task.provable.clone(),
            key: hex::encode(task.key),
            statement_bytes: task.statement.len(),
            children: task.children.iter().map(TaskId::to_string).collect(),
            memory: task.memory,
            place: task.place,
        }
    }
}

/// Where a superblock goes, seen from its states.
#[derive(Serialize)]
pub(super) struct SuperblocksDirectory {
    #[serde(serialize_with = "as_text::path")]
    superblocks: PathBuf,
}
