//! The note-based state model as an [`Environment`].

use bridge_core::{BlockMessages, Consumption, Message};
use circuits_core::{Digest, amount::Amount};
use circuits_keys::CircuitCache;
use environments_core::{
    block::ProposedBlock,
    environment::{Environment, EnvironmentId, Proposal, ProveError},
    graph::BlockGraph,
    instance::Instance,
    kernel::{AnyKernel, Kernels as _, ProducerSecret},
    pool::{Cell, Footprint, Room, Terms},
};
use plonky2::field::types::PrimeField64;

use crate::{
    account::account_id,
    arrival::{Arrival, MAX_ARRIVALS},
    block::{MAX_TRANSACTIONS, variants},
    body::Body,
    circuits::{KERNELS, prove_transaction},
    config::{Deployment, Genesis, GenesisError},
    error::NotesError,
    execute::StateError,
    kernel::BlockInput,
    propose::{Checked, Draft, check},
    prove::{block_graph, kernel_input},
    state::{NotesState, StateFields, state_commitment},
    transaction::{
        Authority, NotesTransaction, Opened, Output, ProvenTransaction, Request, RequestInput,
        TransactionError, TransactionWitness,
    },
    witness::NotesBlock,
};

/// One note-based environment.
#[derive(Clone, Debug)]
pub struct Notes {
    instance: Instance<NotesState>,
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
        let genesis = NotesState::genesis(genesis.deployment(chain_id, id), genesis)?;
        Ok(Self { instance: Instance::new(secret, genesis, MAX_TRANSACTIONS) })
    }

    /// The same environment with blocks of at most `limit` transactions. Its registry entry then lists only the
    /// kernels that such blocks need, and only their circuits are built.
    #[must_use]
    pub fn with_limit(self, limit: usize) -> Self {
        Self { instance: self.instance.with_limit(limit) }
    }

    /// What every state, transaction and block of the environment agrees on.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        self.instance.deployment()
    }

    /// A request on top of a state: each input that was in the note tree at the last block's end is opened, the
    /// others are left for the block to find. A trade starts from its order's account as the state has it: see
    /// [`TransactionWitness::resolve`].
    #[must_use]
    pub fn resolve(&self, state: &NotesState, request: &Request) -> TransactionWitness {
        TransactionWitness::resolve(state, request)
    }

    /// Who makes the requests of an account's owner, as nobody else can claim: the account's id alone can stand in a request
    /// with anybody's secret.
    fn owner(&self, request: &Request) -> Digest {
        let Request { account, .. } = request;
        account_id(self.instance.chain_id(), self.instance.id(), account.authorisation, account.id)
    }

    /// Proves a request as its client does.
    ///
    /// # Errors
    /// - [`ProveError::Part`] if the state is of another deployment, or the request breaks a rule of the transaction
    ///   kernel.
    /// - [`ProveError::Circuit`]
    pub fn prove_transaction(
        &self,
        cache: &CircuitCache,
        state: &NotesState,
        request: &Request,
    ) -> Result<ProvenTransaction, ProveError> {
        self.instance.check_state(state).map_err(|error| ProveError::Part(Box::new(error)))?;
        let witness = self.resolve(state, request);
        witness.check().map_err(|error| ProveError::Part(Box::new(error)))?;
        let proved = prove_transaction(cache, &witness)?;
        let published = witness.published().map_err(|error| ProveError::Part(Box::new(error)))?;
        ProvenTransaction::new(proved.kernel, &proved.proof, witness.message(), published)
            .map_err(|error| ProveError::Part(Box::new(error)))
    }

    /// What the block kernel's prover must know; proves the transactions and batches.
    ///
    /// # Errors
    /// If one of them cannot be proved.
    pub fn kernel_input(&self, cache: &CircuitCache, block: &NotesBlock) -> Result<BlockInput, ProveError> {
        kernel_input(cache, self.instance.secret(), block)
    }
}

impl Environment for Notes {
    const KIND: &'static str = "notes";

    type State = NotesState;
    type Transaction = NotesTransaction;
    type BlockWitness = NotesBlock;
    type Error = NotesError;

    fn id(&self) -> EnvironmentId {
        self.instance.id()
    }

    fn chain_id(&self) -> u64 {
        self.instance.chain_id()
    }

    fn producer(&self) -> Digest {
        self.instance.producer()
    }

    fn genesis(&self) -> NotesState {
        self.instance.genesis().clone()
    }

    fn height(&self, state: &NotesState) -> u32 {
        state.height()
    }

    fn commitment(&self, state: &NotesState) -> Digest {
        let ours = self.instance.genesis().fields();
        let fields = StateFields { chain_id: ours.chain_id, environment: ours.environment, ..state.fields() };
        state_commitment(&fields)
    }

    fn execute(&self, state: &mut NotesState, transaction: &NotesTransaction) -> Result<(), NotesError> {
        self.instance.check_state(state)?;
        match check(state, transaction)? {
            Checked::Arrives(arrival) => {
                let note = arrival.note(state.next_note());
                state.arrive(&[note.commitment()])?;
            }
            Checked::Moves(made) => made.execute(state)?,
        }
        Ok(())
    }

    fn propose(
        &self,
        before: &NotesState,
        transactions: &[&NotesTransaction],
    ) -> Result<Proposal<Self>, NotesError> {
        self.instance.check_state(before)?;
        let Draft { included, rejected, content } = Draft::new(before, transactions, self.instance.limit())?;
        let (block, state) = content.seal(before, self.instance.secret())?;
        Ok(Proposal { block, state, included, rejected })
    }

    fn apply_body(&self, state: &NotesState, body: &[u8]) -> Result<NotesState, NotesError> {
        self.instance.check_state(state)?;
        let Body { arrivals, records, accounts } = Body::decode(body)?;
        let mut after = state.clone();
        after.arrive(&arrivals)?;
        for record in records {
            after.apply_record(&record)?;
        }
        accounts.into_iter().for_each(|account| after.publish(account));
        after.seal()?;
        Ok(after)
    }

    fn body_digest(&self, body: &[u8]) -> Result<Digest, NotesError> {
        Ok(Body::decode(body)?.digest())
    }

    fn kernels(&self, cache: &CircuitCache) -> Result<Vec<Box<dyn AnyKernel>>, ProveError> {
        Ok(KERNELS.listed(cache, variants(self.instance.limit()))?)
    }

    fn graph<'a>(
        &'a self,
        cache: &'a CircuitCache,
        block: &'a ProposedBlock<NotesBlock>,
    ) -> Result<BlockGraph<'a>, ProveError> {
        block_graph(cache, self.instance.secret(), block)
    }

    fn parse(&self, cache: &CircuitCache, line: &str) -> Result<NotesTransaction, serde_json::Error> {
        let transaction = serde_json::from_str(line)?;
        if let NotesTransaction::Proven { bundle } = &transaction {
            // The transaction keeps the verdict, with which the pool accepts or refuses it.
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

    fn check(&self, transaction: &NotesTransaction) -> Result<(), NotesError> {
        // Of a state, the rules that are checked here ask for the deployment only.
        let state = self.instance.genesis();
        let Checked::Moves(made) = check(state, transaction)? else { return Ok(()) };
        match state.check(&made.statement) {
            Err(
                error @ (StateError::OtherChain { .. }
                | StateError::OtherEnvironment { .. }
                | StateError::OtherFeeAsset { .. }
                | StateError::OtherMinimumFee { .. }),
            ) => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn terms(&self, transaction: &NotesTransaction) -> Terms {
        let with_footprint = |terms: Terms, footprint: Footprint| {
            let bytes = terms.bytes + footprint.bytes();
            Terms { bytes, footprint, ..terms }
        };
        match transaction {
            NotesTransaction::Request(request) => {
                let Request { inputs, outputs, .. } = &**request;
                let bytes = size_of::<NotesTransaction>()
                    + size_of::<Request>()
                    + inputs.capacity() * size_of::<RequestInput>()
                    + outputs.capacity() * size_of::<Output>();
                let terms = Terms { fee: request.fee, ..Terms::of_bytes(bytes) };
                let terms = match request.authority {
                    Authority::Local { .. } | Authority::Owner { .. } => Terms {
                        sender: Some(self.owner(request)),
                        nonce: Some(request.account.nonce.into()),
                        ..terms
                    },
                    // Anybody makes requests of a network account.
                    Authority::Exchange { .. } => terms,
                };
                let witness = TransactionWitness::unopened(self.instance.genesis(), request);
                let footprint = witness.check().and_then(|statement| witness.footprint(&statement));
                with_footprint(terms, footprint.unwrap_or(Footprint::NONE))
            }
            NotesTransaction::Proven { bundle } => {
                // A proof does not show who made it: that the account which it names is there in this form, the state
                // must say. Decoded, the proof takes its bytes once more.
                let terms = Terms::of_bytes(2 * bundle.bytes().len());
                let Ok(Opened { statement, account, .. }) = bundle.opened() else { return terms };
                let fee = Amount::new(statement.fee.to_canonical_u64()).unwrap_or(Amount::ZERO);
                with_footprint(Terms { fee, ..terms }, statement.footprint(account.as_ref()))
            }
            NotesTransaction::Arrival(_) => Terms::of_bytes(size_of::<Arrival>()),
        }
    }

    fn cell(&self, state: &NotesState, cell: &Cell) -> Digest {
        state.cell(cell)
    }

    fn may_come_next(&self, state: &NotesState, transaction: &NotesTransaction) -> bool {
        let (not_before, valid_until) = match transaction {
            NotesTransaction::Request(request) => {
                // Other requests start from exactly the account that they name, which was checked. What the account lacks,
                // the footprint shows: another transaction may bring it there, or make the account, before this one.
                let is_allowed = request.account_traded(state).is_none_or(|account| {
                    let named = TransactionWitness::unopened(state, request);
                    let after = TransactionWitness { account: account.clone(), ..named }.account_after();
                    matches!(after, Ok(_) | Err(TransactionError::Insufficient { .. }))
                });
                if !is_allowed {
                    return false;
                }
                (request.not_before.into(), request.valid_until.into())
            }
            NotesTransaction::Proven { bundle } => {
                let Ok(Opened { statement, .. }) = bundle.opened() else { return false };
                (statement.not_before.to_canonical_u64(), statement.valid_until.to_canonical_u64())
            }
            NotesTransaction::Arrival(_) => return true,
        };
        (not_before..=valid_until).contains(&(u64::from(state.height()) + 1))
    }

    fn room(&self) -> Room {
        let limit = self.instance.limit();
        // Messages take no transaction's place.
        Room { transactions: limit, messages: MAX_ARRIVALS, together: limit + MAX_ARRIVALS }
    }

    fn may_come_later(&self, reason: &NotesError) -> bool {
        // The state knows accounts by their hashes only, which do not tell an early transaction from a late one.
        matches!(
            reason,
            NotesError::State(
                StateError::TooEarly { .. }
                    | StateError::UnknownRoot(_)
                    | StateError::NoSuchAccount(_)
                    | StateError::StaleAccount { .. }
                    | StateError::NoSuchNote { .. }
                    | StateError::TooManyFees(_)
            )
        )
    }

    fn messages(&self, transaction: &NotesTransaction) -> BlockMessages {
        let mut messages = BlockMessages::none(self.id());
        match transaction {
            NotesTransaction::Request(request) => messages.outbox.extend(request.message(self.deployment())),
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
        let arrival = Arrival::new(self.deployment(), message, consumption);
        Some(arrival.map(|arrival| NotesTransaction::Arrival(Box::new(arrival))).map_err(NotesError::from))
    }
}
