//! The account-based state model as an [`Environment`].

use bridge::BlockMessages;
use circuits::{
    Digest,
    ecdsa::{append, empty_claims},
    hash::hash,
    layout::Layout,
    statement::{BlockStatement, empty_list},
};
use plonky2::field::types::Field;
use thiserror::Error;

use crate::{
    accounts::{
        block::{AccountsBlock, MAX_TRANSACTIONS, variants},
        body::{BodyError, BodyTransaction, decode_body, encode_body},
        config::{Deployment, Genesis, GenesisError},
        execute::{Failure, Invalid, Outcome},
        message::claim,
        prove::prove_block,
        signatures::KERNELS,
        state::{AccountsState, STATE, SealError, StateFields, body_digest},
        transaction::SignedTransaction,
    },
    block::{BlockError, ProposedBlock, ProvenBlock},
    environment::{Environment, EnvironmentId, Proposal, ProveError},
    kernel::{OneBlock, ProducerSecret},
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
    type Transaction = SignedTransaction;
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
        transaction: &SignedTransaction,
    ) -> Result<(), AccountsError> {
        self.check_deployment(state)?;
        state.execute(transaction)?;
        Ok(())
    }

    fn propose(
        &self,
        before: &AccountsState,
        transactions: &[&SignedTransaction],
    ) -> Result<Proposal<Self>, AccountsError> {
        self.check_deployment(before)?;
        let mut state = before.clone();
        let (mut included, mut rejected) = (vec![], vec![]);
        let (mut witnesses, mut signatures, mut body) = (vec![], vec![], vec![]);
        for (index, &signed) in transactions.iter().enumerate() {
            if included.len() == self.limit {
                break;
            }
            match state.execute(signed) {
                Ok(witness) => {
                    included.push(index);
                    witnesses.push(witness);
                    signatures.push(signed.signed(self.deployment.chain_id, self.deployment.environment));
                    let SignedTransaction { transaction, key, .. } = signed.clone();
                    body.push(BodyTransaction { transaction, key });
                }
                Err(reason) => rejected.push((index, reason.into())),
            }
        }
        let moved = state.running();
        let seal = state.seal()?;
        let statement: BlockStatement = OneBlock {
            environment: self.deployment.environment.to_field(),
            height: circuits::F::from_canonical_u32(state.height()),
            previous_state: before.commitment(),
            new_state: state.commitment(),
            outbox: empty_list(),
            inbox: empty_list(),
            body: body_digest(moved.claims),
            secret: self.secret,
        }
        .statement();
        let witness = AccountsBlock {
            before: before.fields(),
            context: before.context(),
            transactions: witnesses,
            signatures,
            moved,
            seal,
        };
        let block =
            ProposedBlock::new(statement, BlockMessages::none(self.id()), encode_body(&body)?, witness)?;
        Ok(Proposal { block, state, included, rejected })
    }

    fn apply_body(&self, state: &AccountsState, body: &[u8]) -> Result<AccountsState, AccountsError> {
        self.check_deployment(state)?;
        let mut after = state.clone();
        for (index, BodyTransaction { transaction, key }) in decode_body(body)?.into_iter().enumerate() {
            after
                .execute_proven(&transaction, key)
                .map_err(|source| AccountsError::BodyTransaction { index, source })?;
        }
        after.seal()?;
        Ok(after)
    }

    fn body_digest(&self, body: &[u8]) -> Result<Digest, AccountsError> {
        let Deployment { chain_id, environment, .. } = self.deployment;
        let claims = decode_body(body)?.into_iter().fold(empty_claims(), |list, published| {
            append(list, &claim(chain_id, environment, &published.transaction, &published.key))
        });
        Ok(body_digest(claims))
    }

    fn failures(&self, block: &AccountsBlock) -> Vec<(usize, AccountsError)> {
        let outcomes = block.transactions.iter().map(|transaction| transaction.outcome).enumerate();
        let failed = outcomes.filter_map(|(position, outcome)| match outcome {
            Outcome::Done => None,
            Outcome::Failed { action, reason } => {
                Some((position, AccountsError::Failed { action, source: reason }))
            }
        });
        failed.collect()
    }

    fn kernels(&self) -> Result<Vec<Digest>, ProveError> {
        let kernels = variants(self.limit).into_iter().map(|variant| Ok(KERNELS.get(variant)?.key_digest()));
        kernels.collect()
    }

    fn prove(&self, block: &ProposedBlock<AccountsBlock>) -> Result<ProvenBlock, ProveError> {
        prove_block(&KERNELS, self.secret, block)
    }
}
