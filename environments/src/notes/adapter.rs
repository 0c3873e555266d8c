//! The note-based environment as an [`Environment`].

use bridge::BlockMessages;
use circuits::{
    CircuitError, Digest,
    hash::hash,
    layout::Layout,
    recursion::FoldChild,
    statement::{BlockStatement, empty_list},
    trees::TreeError,
};
use plonky2::field::types::Field;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    block::{BlockError, ProposedBlock, ProvenBlock},
    environment::{Environment, EnvironmentId, Proposal, ProveError},
    kernel::ProducerSecret,
    notes::{
        apply::{Application, StateError},
        batch::{BatchInput, TransactionProof},
        block::{MAX_TRANSACTIONS, Variant, fold_sizes, group_sizes, variant, variants},
        body::{BodyError, add_record, body_digest, decode_body, encode_body, no_records},
        circuits::{BatchCircuits, batch_circuits, block_kernel, transaction_kernels},
        config::{Deployment, Genesis, GenesisError},
        kernel::{BlockInput, BlockTransactions},
        state::{BlockContext, NotesState, Running, STATE, SealWitness, StateFields},
        transaction::{
            ProvenTransaction, Request, TransactionBundleError, TransactionError, TransactionStatement,
            TransactionWitness,
        },
    },
};

/// One note-based environment.
#[derive(Clone, Debug)]
pub struct Notes {
    deployment: Deployment,
    secret: ProducerSecret,
    genesis: NotesState,
    limit: usize,
}

/// What users submit.
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

/// A transaction of a block: proved already, or to be proved with the block.
#[derive(Clone, Debug)]
enum Source {
    Witness(Box<TransactionWitness>),
    Proven(Box<TransactionProof>),
}

/// A group of a block's transactions.
#[derive(Clone, Debug)]
struct BlockGroup {
    before: Running,
    sources: Vec<Source>,
    applications: Vec<Application>,
}

/// A block as its provers need it.
#[derive(Clone, Debug)]
pub struct NotesBlock {
    before: StateFields,
    context: BlockContext,
    groups: Vec<BlockGroup>,
    seal: SealWitness,
}

impl NotesBlock {
    /// Transactions in the block.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.groups.iter().map(|group| group.sources.len()).sum()
    }
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

    /// The same environment with blocks of at most `limit` transactions. Its registry entry then lists only the kernels
    /// that such blocks need, and only their circuits are built.
    #[must_use]
    pub fn with_limit(self, limit: usize) -> Self {
        Self { limit: limit.min(MAX_TRANSACTIONS), ..self }
    }

    /// Where the environment runs.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// A request on top of a state: each input that was in the note tree at the last block's end is opened, the others
    /// are left for the block to find.
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
        state: &NotesState,
        request: &Request,
    ) -> Result<ProvenTransaction, ProveError> {
        let witness = self.resolve(state, request);
        witness.check().map_err(|error| ProveError::Part(Box::new(error)))?;
        let proved = transaction_kernels()?.prove(&witness)?;
        ProvenTransaction::new(proved.kernel, &proved.proof)
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

    /// Judges a transaction by itself.
    fn judge(
        &self,
        state: &NotesState,
        transaction: &NotesTransaction,
    ) -> Result<(TransactionStatement, Source), NotesError> {
        match transaction {
            NotesTransaction::Request(request) => {
                let witness = self.resolve(state, request);
                Ok((witness.check()?, Source::Witness(Box::new(witness))))
            }
            NotesTransaction::Proven { bundle } => {
                let opened = bundle.open()?;
                Ok((opened.statement, Source::Proven(Box::new(opened.proof.clone()))))
            }
        }
    }

    fn statement(
        &self,
        before: &NotesState,
        after: &NotesState,
        records: &[crate::notes::body::Record],
    ) -> BlockStatement {
        let height = circuits::F::from_canonical_u32(after.height());
        BlockStatement {
            environment: self.deployment.environment.to_field(),
            first_height: height,
            last_height: height,
            previous_state: before.commitment(),
            new_state: after.commitment(),
            outbox: empty_list(),
            inbox: empty_list(),
            body: body_digest(records.iter().fold(no_records(), add_record), records.len() as u64),
            producer: self.secret.commitment(),
        }
    }

    /// Proves the transactions that come without a proof.
    fn prove_transactions(group: &BlockGroup) -> Result<Vec<TransactionProof>, CircuitError> {
        let kernels = transaction_kernels()?;
        let sources = group.sources.par_iter();
        sources
            .map(|source| match source {
                Source::Witness(witness) => kernels.prove(witness),
                Source::Proven(proof) => Ok(proof.as_ref().clone()),
            })
            .collect()
    }

    fn prove_batch(
        block: &NotesBlock,
        group: &BlockGroup,
        circuits: &BatchCircuits,
    ) -> Result<FoldChild, ProveError> {
        let input = BatchInput {
            key_set_root: circuits.key_set_root(),
            context: block.context,
            before: group.before,
            proofs: Self::prove_transactions(group)?,
            applications: group.applications.clone(),
        };
        let proof = circuits.prove(&input).ok_or_else(|| Self::no_kernel(block))?;
        Ok(proof?)
    }

    fn prove_batches(block: &NotesBlock) -> Result<Vec<FoldChild>, ProveError> {
        let circuits = batch_circuits()?;
        let batches: Vec<FoldChild> = block
            .groups
            .par_iter()
            .map(|group| Self::prove_batch(block, group, &circuits))
            .collect::<Result<_, _>>()?;
        let mut rest = batches.into_iter();
        let parts: Vec<Vec<FoldChild>> = fold_sizes(block.groups.len())
            .into_iter()
            .map(|size| rest.by_ref().take(size).collect())
            .collect();
        let children = parts.into_par_iter().map(|mut part| match part.len() {
            1 => part.pop().ok_or_else(|| Self::no_kernel(block)),
            _ => Ok(circuits.fold(&part).ok_or_else(|| Self::no_kernel(block))??),
        });
        children.collect()
    }

    fn no_kernel(block: &NotesBlock) -> ProveError {
        ProveError::NoKernel {
            environment: Self::KIND.to_owned(),
            transactions: block.transactions(),
            largest: MAX_TRANSACTIONS,
        }
    }

    /// What the block kernel's prover must know; proves the transactions and batches.
    ///
    /// # Errors
    /// If one of them cannot be proved.
    pub fn kernel_input(&self, block: &NotesBlock) -> Result<BlockInput, ProveError> {
        let transactions = match (variant(block.transactions()), block.groups.as_slice()) {
            (Variant::Direct(_), [group]) => BlockTransactions::Direct {
                proofs: Self::prove_transactions(group)?,
                applications: group.applications.clone(),
            },
            (Variant::Direct(_) | Variant::Batches(_), _) => {
                BlockTransactions::Batches(Self::prove_batches(block)?)
            }
        };
        Ok(BlockInput { before: block.before, transactions, seal: block.seal.clone(), secret: self.secret })
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
        let (statement, _) = self.judge(state, transaction)?;
        Ok(state.execute(&statement)?)
    }

    fn propose(
        &self,
        before: &NotesState,
        transactions: &[&NotesTransaction],
    ) -> Result<Proposal<Self>, NotesError> {
        self.check_deployment(before)?;
        let (mut trial, mut included, mut rejected) = (before.clone(), vec![], vec![]);
        let (mut statements, mut sources) = (vec![], vec![]);
        for (index, transaction) in transactions.iter().enumerate() {
            if included.len() == self.limit {
                break;
            }
            let judged = self.judge(&trial, transaction).and_then(|(statement, source)| {
                trial.execute(&statement)?;
                Ok((statement, source))
            });
            match judged {
                Ok((statement, source)) => {
                    included.push(index);
                    statements.push(statement);
                    sources.push(source);
                }
                Err(reason) => rejected.push((index, reason)),
            }
        }

        // The trial took them one by one; the block takes them in the groups that its circuits apply together.
        let mut state = before.clone();
        let (mut groups, mut records) = (vec![], vec![]);
        let (mut statements, mut sources) = (statements.as_slice(), sources.into_iter());
        for size in group_sizes(statements.len()) {
            let (group, rest) = statements.split_at(size);
            statements = rest;
            let before = state.running();
            let applied = state.apply_group(group)?;
            records.extend(applied.records);
            groups.push(BlockGroup {
                before,
                sources: sources.by_ref().take(size).collect(),
                applications: applied.applications,
            });
        }
        let context = before.context();
        let seal = state.seal()?;
        let statement = self.statement(before, &state, &records);
        let witness = NotesBlock { before: before.fields(), context, groups, seal };
        let block =
            ProposedBlock::new(statement, BlockMessages::none(self.id()), encode_body(&records), witness)?;
        Ok(Proposal { block, state, included, rejected })
    }

    fn apply_body(&self, state: &NotesState, body: &[u8]) -> Result<NotesState, NotesError> {
        self.check_deployment(state)?;
        let mut after = state.clone();
        for record in decode_body(body)? {
            after.apply_record(&record)?;
        }
        after.seal()?;
        Ok(after)
    }

    fn body_digest(&self, body: &[u8]) -> Result<Digest, NotesError> {
        let records = decode_body(body)?;
        Ok(body_digest(records.iter().fold(no_records(), add_record), records.len() as u64))
    }

    fn kernels(&self) -> Result<Vec<Digest>, ProveError> {
        let kernels = variants(self.limit).into_iter().map(|variant| Ok(block_kernel(variant)?.key_digest()));
        kernels.collect()
    }

    fn prove(&self, block: &ProposedBlock<NotesBlock>) -> Result<ProvenBlock, ProveError> {
        let input = self.kernel_input(block.witness())?;
        block_kernel(variant(block.witness().transactions()))?.prove(block, &input)
    }

    fn open_bundle(&self, bundle: &[u8]) -> Option<Result<NotesTransaction, NotesError>> {
        let bundle = ProvenTransaction::from_bytes(bundle);
        let opened = bundle.open().map(|_| ());
        Some(opened.map(|()| NotesTransaction::Proven { bundle }).map_err(NotesError::from))
    }
}
