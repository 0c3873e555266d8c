//! The account-based state model as an [`Environment`].

use bridge_core::{BlockMessages, Consumption, Message};
use circuits_core::{Digest, hash::hash, layout::Layout};
use circuits_keys::CircuitCache;
use circuits_protocol::statement::BlockStatement;
use circuits_tables::ecdsa::{append, empty_claims};
use environments_core::{
    block::{BlockError, ProposedBlock, ProvenBlock},
    environment::{Environment, EnvironmentId, Proposal, ProveError},
    kernel::{OneBlock, ProducerSecret},
};
use plonky2::field::types::Field;
use thiserror::Error;

use crate::{
    block::{AccountsBlock, MAX_TRANSACTIONS, variants},
    body::{Body, BodyError, BodyTransaction, decode_body, encode_body},
    config::{Deployment, Genesis, GenesisError},
    consume::ConsumeError,
    execute::{Failure, Invalid, Outcome},
    message::claim,
    propose::Draft,
    prove::prove_block,
    signatures::KERNELS,
    state::{AccountsState, STATE, SealError, StateFields, body_digest},
    transaction::AccountsTransaction,
};

/// One account-based environment.
#[derive(Clone, Debug)]
pub struct Accounts {
    deployment: Deployment,
    secret: ProducerSecret,
    genesis: AccountsState,
    limit: usize,
}

/// Why the environment refuses something.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AccountsError {
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
    /// The transaction cannot be in a block.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The transaction is in a block, but paid only its fee and its nonce.
    #[error("action {action} cannot be done")]
    Failed {
        /// The first action that cannot be done.
        action: usize,
        /// Why.
        source: Failure,
    },
    /// The message cannot be taken in.
    #[error("the message cannot be taken in")]
    Consume(#[from] ConsumeError),
    /// A message of the body cannot be in a block.
    #[error("message {index} of the body cannot be taken in")]
    BodyMessage {
        /// Its position.
        index: usize,
        /// Why.
        source: ConsumeError,
    },
    /// A transaction of the body cannot be in a block.
    #[error("transaction {index} of the body is invalid")]
    BodyTransaction {
        /// Its position.
        index: usize,
        /// Why.
        source: Invalid,
    },
    /// The body is malformed.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The block is none.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The block cannot end.
    #[error("no block can follow")]
    Seal(#[from] SealError),
}

impl Accounts {
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
        let &Genesis { fee_asset, fee_account, minimum_deposit, .. } = genesis;
        let deployment = Deployment { chain_id, environment: id, fee_asset, fee_account, minimum_deposit };
        let genesis = AccountsState::genesis(deployment, genesis)?;
        Ok(Self { deployment, secret, genesis, limit: MAX_TRANSACTIONS })
    }

    /// The same environment with blocks of at most `limit` transactions and messages taken in. Its registry
    /// entry then lists only the kernels that such blocks need, and only their circuits are built.
    #[must_use]
    pub fn with_limit(self, limit: usize) -> Self {
        Self { limit: limit.min(MAX_TRANSACTIONS), ..self }
    }

    /// Where the environment runs.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    fn check_deployment(&self, state: &AccountsState) -> Result<(), AccountsError> {
        let (ours, other) = (&self.deployment, state.deployment());
        if ours == other {
            return Ok(());
        }
        Err(AccountsError::OtherDeployment {
            chain: ours.chain_id,
            expected: ours.environment,
            found_chain: other.chain_id,
            found: other.environment,
        })
    }
}

impl Environment for Accounts {
    const KIND: &'static str = "accounts";

    type State = AccountsState;
    type Transaction = AccountsTransaction;
    type BlockWitness = AccountsBlock;
    type Error = AccountsError;

    fn id(&self) -> EnvironmentId {
        self.deployment.environment
    }

    fn chain_id(&self) -> u64 {
        self.deployment.chain_id
    }

    fn producer(&self) -> Digest {
        self.secret.commitment()
    }

    fn genesis(&self) -> AccountsState {
        self.genesis.clone()
    }

    fn height(&self, state: &AccountsState) -> u32 {
        state.height()
    }

    fn commitment(&self, state: &AccountsState) -> Digest {
        let ours = self.genesis.fields();
        let fields = StateFields { chain_id: ours.chain_id, environment: ours.environment, ..state.fields() };
        hash(STATE, &fields.encode())
    }

    fn execute(
        &self,
        state: &mut AccountsState,
        transaction: &AccountsTransaction,
    ) -> Result<(), AccountsError> {
        self.check_deployment(state)?;
        match transaction {
            AccountsTransaction::Signed(signed) => drop(state.execute(signed)?),
            AccountsTransaction::Consume { message, consumption } => {
                state.consume(message, *consumption)?;
            }
        }
        Ok(())
    }

    fn propose(
        &self,
        before: &AccountsState,
        transactions: &[&AccountsTransaction],
    ) -> Result<Proposal<Self>, AccountsError> {
        self.check_deployment(before)?;
        let draft = Draft::new(before, transactions, self.limit);
        let moved = draft.state.running();
        let mut state = draft.state;
        let seal = state.seal()?;
        let statement: BlockStatement = OneBlock {
            environment: self.deployment.environment.to_field(),
            height: circuits_core::F::from_canonical_u32(state.height()),
            previous_state: before.commitment(),
            new_state: state.commitment(),
            outbox: moved.outbox,
            inbox: moved.inbox,
            body: body_digest(moved.claims, moved.inbox),
            secret: self.secret,
        }
        .statement();
        let witness = AccountsBlock {
            before: before.fields(),
            context: before.context(),
            consumptions: draft.consumptions,
            transactions: draft.transactions,
            signatures: draft.signatures,
            positions: draft.positions,
            moved,
            seal,
        };
        let block = ProposedBlock::new(statement, draft.messages, encode_body(&draft.body)?, witness)?;
        Ok(Proposal { block, state, included: draft.included, rejected: draft.rejected })
    }

    fn apply_body(&self, state: &AccountsState, body: &[u8]) -> Result<AccountsState, AccountsError> {
        self.check_deployment(state)?;
        let mut after = state.clone();
        let Body { consumed, transactions } = decode_body(body)?;
        for (index, (message, consumption)) in consumed.into_iter().enumerate() {
            after
                .consume_proven(&message, consumption)
                .map_err(|source| AccountsError::BodyMessage { index, source })?;
        }
        for (index, BodyTransaction { transaction, key }) in transactions.into_iter().enumerate() {
            after
                .execute_proven(&transaction, key)
                .map_err(|source| AccountsError::BodyTransaction { index, source })?;
        }
        after.seal()?;
        Ok(after)
    }

    fn body_digest(&self, body: &[u8]) -> Result<Digest, AccountsError> {
        let Deployment { chain_id, environment, .. } = self.deployment;
        let Body { consumed, transactions } = decode_body(body)?;
        let claims = transactions.into_iter().fold(empty_claims(), |list, published| {
            append(list, &claim(chain_id, environment, &published.transaction, &published.key))
        });
        let messages = BlockMessages { inbox: consumed, ..BlockMessages::none(environment) };
        Ok(body_digest(claims, messages.inbox_digest()))
    }

    fn messages(&self, transaction: &AccountsTransaction) -> BlockMessages {
        let Deployment { chain_id, environment, .. } = self.deployment;
        let none = BlockMessages::none(environment);
        match transaction {
            AccountsTransaction::Signed(signed) => {
                BlockMessages { outbox: signed.transaction.messages(chain_id, environment), ..none }
            }
            AccountsTransaction::Consume { message, consumption } => {
                BlockMessages { inbox: vec![(message.clone(), *consumption)], ..none }
            }
        }
    }

    fn consume(
        &self,
        message: &Message,
        consumption: Consumption,
    ) -> Option<Result<AccountsTransaction, AccountsError>> {
        let consume = |_| AccountsTransaction::Consume { message: message.clone(), consumption };
        Some(self.deployment.beneficiary(message, consumption).map(consume).map_err(Into::into))
    }

    fn failures(&self, block: &AccountsBlock) -> Vec<(usize, AccountsError)> {
        let outcomes = block.transactions.iter().map(|transaction| transaction.outcome);
        let failed =
            block.positions.iter().copied().zip(outcomes).filter_map(|(position, outcome)| match outcome {
                Outcome::Done => None,
                Outcome::Failed { action, reason } => {
                    Some((position, AccountsError::Failed { action, source: reason }))
                }
            });
        failed.collect()
    }

    fn kernels(&self, cache: &CircuitCache) -> Result<Vec<Digest>, ProveError> {
        let kernels = variants(self.limit)
            .into_iter()
            .map(|variant| Ok(KERNELS.get(cache, variant)?.key_digest(cache)?));
        kernels.collect()
    }

    fn prove(
        &self,
        cache: &CircuitCache,
        block: &ProposedBlock<AccountsBlock>,
    ) -> Result<ProvenBlock, ProveError> {
        prove_block(cache, &KERNELS, self.secret, block)
    }
}
