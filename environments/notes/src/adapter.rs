//! The note-based environment as an [`Environment`].

use bridge_core::{BlockMessages, Consumption, Message};
use circuits_core::{Digest, hash::hash, layout::Layout, trees::TreeError};
use circuits_keys::CircuitCache;
use environments_core::{
    block::{BlockError, ProposedBlock, ProvenBlock},
    environment::{Environment, EnvironmentId, Proposal, ProveError},
    kernel::ProducerSecret,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    apply::StateError,
    arrival::{Arrival, ArrivalError},
    block::{MAX_TRANSACTIONS, variant, variants},
    body::{Body, BodyError},
    circuits::{block_kernel, prove_transaction},
    config::{Deployment, Genesis, GenesisError},
    propose::Judged,
    prove::NotesBlock,
    state::{NotesState, STATE, StateFields},
    transaction::{ProvenTransaction, Request, TransactionBundleError, TransactionError, TransactionWitness},
};

/// One note-based environment.
#[derive(Clone, Debug)]
pub struct Notes {
    pub(super) deployment: Deployment,
    pub(super) secret: ProducerSecret,
    genesis: NotesState,
    pub(super) limit: usize,
}

/// What users submit, and what arrives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum NotesTransaction {
    /// To be proved by the producer: it is of a network account, or of a local one whose client trusts the producer
    /// with its secret (such as the simulated clients of a scenario).
    Request(Box<Request>),
    /// Proved by its client.
    Proven {
        /// The bundle.
        bundle: ProvenTransaction,
    },
    /// A message that arrives. The producer makes it, and no line is read as one.
    #[serde(skip_deserializing)]
    Arrival(Box<Arrival>),
}

impl From<Request> for NotesTransaction {
    fn from(request: Request) -> Self {
        Self::Request(Box::new(request))
    }
}

/// Why the environment refuses something.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotesError {
    /// The state is of another environment.
    #[error(
        "the state is of chain {found_chain}, environment {found}, not of chain {chain}, environment {expected}"
    )]
    OtherDeployment {
        /// This chain.
        chain: u64,
        /// This environment.
        expected: EnvironmentId,
        /// The state's chain.
        found_chain: u64,
        /// The state's environment.
        found: EnvironmentId,
    },
    /// The transaction breaks a rule of the transaction kernel.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The proven transaction is malformed or its proof invalid.
    #[error(transparent)]
    Bundle(#[from] TransactionBundleError),
    /// The message is not taken in.
    #[error(transparent)]
    Arrival(#[from] ArrivalError),
    /// The transaction cannot be applied to the state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The body is malformed.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The block is none.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The state cannot take another block.
    #[error("no block can follow")]
    Full(#[from] TreeError),
}

impl Notes {
    /// The environment `id` of the deployment `chain_id`, whose blocks `secret` proves.
    ///
    /// # Errors
    /// [`GenesisError`]
    pub fn new(
        chain_id: u64,
        id: EnvironmentId,
        secret: ProducerSecret,
        genesis: &Genesis,
    ) -> Result<Self, GenesisError> {
        let deployment = Deployment {
            chain_id,
            environment: id,
            fee_asset: genesis.fee_asset,
            fee_account: genesis.fee_account,
        };
        let accounts = genesis.accounts(chain_id, id)?;
        let genesis = NotesState::genesis(deployment, &accounts)?;
        Ok(Self { deployment, secret, genesis, limit: MAX_TRANSACTIONS })
    }

    /// The same environment with blocks of at most `limit` transactions. Its registry entry then lists only the
    /// kernels that such blocks need, and only their circuits are built.
    #[must_use]
    pub fn with_limit(self, limit: usize) -> Self {
        Self { limit: limit.min(MAX_TRANSACTIONS), ..self }
    }

    /// Where the environment runs.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// A request on top of a state: each input that was in the note tree at the last block's end is opened, the
    /// others are left for the block to find.
    #[must_use]
    pub fn resolve(&self, state: &NotesState, request: &Request) -> TransactionWitness {
        TransactionWitness::new(self.deployment, request, state.notes_root(), |note| state.open(note))
    }

    /// Proves a request as its client does.
    ///
    /// # Errors
    /// - [`ProveError::Part`] if the request breaks a rule of the transaction kernel.
    /// - [`ProveError::Circuit`]
    pub fn prove_transaction(
        &self,
        cache: &CircuitCache,
        state: &NotesState,
        request: &Request,
    ) -> Result<ProvenTransaction, ProveError> {
        let witness = self.resolve(state, request);
        witness.check().map_err(|error| ProveError::Part(Box::new(error)))?;
        let proved = prove_transaction(cache, &witness)?;
        ProvenTransaction::new(proved.kernel, &proved.proof, witness.message())
            .map_err(|error| ProveError::Part(Box::new(error)))
    }

    fn check_deployment(&self, state: &NotesState) -> Result<(), NotesError> {
        let (ours, other) = (&self.deployment, state.deployment());
        if ours == other {
            return Ok(());
        }
        Err(NotesError::OtherDeployment {
            chain: ours.chain_id,
            expected: ours.environment,
            found_chain: other.chain_id,
            found: other.environment,
        })
    }
}

impl Environment for Notes {
    const KIND: &'static str = "notes";

    type State = NotesState;
    type Transaction = NotesTransaction;
    type BlockWitness = NotesBlock;
    type Error = NotesError;

    fn id(&self) -> EnvironmentId {
        self.deployment.environment
    }

    fn chain_id(&self) -> u64 {
        self.deployment.chain_id
    }

    fn producer(&self) -> Digest {
        self.secret.commitment()
    }

    fn genesis(&self) -> NotesState {
        self.genesis.clone()
    }

    fn height(&self, state: &NotesState) -> u32 {
        state.height()
    }

    fn commitment(&self, state: &NotesState) -> Digest {
        let fields = StateFields {
            chain_id: self.deployment.chain_id(),
            environment: self.deployment.environment.to_field(),
            ..state.fields()
        };
        hash(STATE, &fields.encode())
    }

    fn execute(&self, state: &mut NotesState, transaction: &NotesTransaction) -> Result<(), NotesError> {
        self.check_deployment(state)?;
        match self.judge(state, transaction)? {
            Judged::Arrives(arrival) => state.arrive(&[arrival.note().commitment()]).map(|_| ())?,
            Judged::Moves(made) => state.execute(&made.statement)?,
        }
        Ok(())
    }

    fn propose(
        &self,
        before: &NotesState,
        transactions: &[&NotesTransaction],
    ) -> Result<Proposal<Self>, NotesError> {
        self.check_deployment(before)?;
        self.make_block(before, transactions)
    }

    fn apply_body(&self, state: &NotesState, body: &[u8]) -> Result<NotesState, NotesError> {
        self.check_deployment(state)?;
        let Body { arrivals, records } = Body::decode(body)?;
        let mut after = state.clone();
        after.arrive(&arrivals)?;
        for record in records {
            after.apply_record(&record)?;
        }
        after.seal()?;
        Ok(after)
    }

    fn body_digest(&self, body: &[u8]) -> Result<Digest, NotesError> {
        Ok(Body::decode(body)?.digest())
    }

    fn kernels(&self, cache: &CircuitCache) -> Result<Vec<Digest>, ProveError> {
        let kernels = variants(self.limit)
            .into_iter()
            .map(|variant| Ok(block_kernel(cache, variant)?.key_digest(cache)?));
        kernels.collect()
    }

    fn prove(
        &self,
        cache: &CircuitCache,
        block: &ProposedBlock<NotesBlock>,
    ) -> Result<ProvenBlock, ProveError> {
        let input = self.kernel_input(cache, block.witness())?;
        block_kernel(cache, variant(block.witness().transactions()))?.prove(cache, block, &input)
    }

    fn parse(&self, cache: &CircuitCache, line: &str) -> Result<NotesTransaction, serde_json::Error> {
        let transaction = serde_json::from_str(line)?;
        if let NotesTransaction::Proven { bundle } = &transaction {
            // The verdict stays with the transaction, and a block refuses it by that.
            let _ = bundle.open(cache);
        }
        Ok(transaction)
    }

    fn open_bundle(
        &self,
        cache: &CircuitCache,
        bundle: &[u8],
    ) -> Option<Result<NotesTransaction, NotesError>> {
        let bundle = ProvenTransaction::from_bytes(bundle);
        let opened = bundle.open(cache).map(|_| ());
        Some(opened.map(|()| NotesTransaction::Proven { bundle }).map_err(NotesError::from))
    }

    fn messages(&self, transaction: &NotesTransaction) -> BlockMessages {
        let mut messages = BlockMessages::none(self.id());
        match transaction {
            NotesTransaction::Request(request) => messages.outbox.extend(request.message(&self.deployment)),
            NotesTransaction::Proven { bundle } => messages.outbox.extend(bundle.message()),
            NotesTransaction::Arrival(arrival) => {
                messages.inbox.push((arrival.message().clone(), arrival.consumption()));
            }
        }
        messages
    }

    fn consume(
        &self,
        message: &Message,
        consumption: Consumption,
    ) -> Option<Result<NotesTransaction, NotesError>> {
        let arrival = Arrival::new(&self.deployment, message, consumption);
        Some(arrival.map(|arrival| NotesTransaction::Arrival(Box::new(arrival))).map_err(NotesError::from))
    }
}
