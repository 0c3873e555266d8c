//! The account-based state model as an [`Environment`].

use bridge_core::{BlockMessages, Consumption, MAX_BLOCK_STEPS, Message};
use circuits_core::Digest;
use circuits_keys::CircuitCache;
use environments_core::{
    block::ProposedBlock,
    environment::{Environment, EnvironmentId, Proposal, ProveError},
    graph::BlockGraph,
    instance::Instance,
    kernel::{AnyKernel, Kernels as _, ProducerSecret},
    pool::{Cell, Draw, ENTRY_BYTES, Footprint, Room, Terms},
};

use crate::{
    account::Account,
    address::Address,
    block::{MAX_TRANSACTIONS, variants},
    body::{Body, BodyTransaction},
    config::{Deployment, Genesis, GenesisError},
    error::AccountsError,
    execute::{Invalid, Outcome},
    propose::Draft,
    prove::block_graph,
    signatures::KERNELS,
    state::{AccountsState, StateFields, state_commitment},
    transaction::{AccountsTransaction, Action, SignedTransaction},
    witness::AccountsBlock,
};

/// The part of the state with the nonces of accounts.
const NONCES: u64 = 0;
/// The part of the state with their balances of the fee asset.
const BALANCES: u64 = 1;

/// What the state has in the cell of an account that has made so many transactions; zero is for no account.
fn made(transactions: u64) -> Digest {
    Cell::of_number(transactions + 1)
}

/// One account-based environment.
#[derive(Clone, Debug)]
pub struct Accounts {
    instance: Instance<AccountsState>,
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
        let genesis = AccountsState::genesis(genesis.deployment(chain_id, id), genesis)?;
        Ok(Self { instance: Instance::new(secret, genesis, MAX_TRANSACTIONS) })
    }

    /// The same environment with blocks of at most `limit` transactions and messages taken in. Its registry
    /// entry then lists only the kernels that such blocks need, and only their circuits are built.
    #[must_use]
    pub fn with_limit(self, limit: usize) -> Self {
        Self { instance: self.instance.with_limit(limit) }
    }

    /// What every state, transaction and block of the environment agrees on.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        self.instance.deployment()
    }
}

impl Environment for Accounts {
    const KIND: &'static str = "accounts";

    type State = AccountsState;
    type Transaction = AccountsTransaction;
    type BlockWitness = AccountsBlock;
    type Error = AccountsError;

    fn id(&self) -> EnvironmentId {
        self.instance.id()
    }

    fn chain_id(&self) -> u64 {
        self.instance.chain_id()
    }

    fn producer(&self) -> Digest {
        self.instance.producer()
    }

    fn genesis(&self) -> AccountsState {
        self.instance.genesis().clone()
    }

    fn height(&self, state: &AccountsState) -> u32 {
        state.height()
    }

    fn commitment(&self, state: &AccountsState) -> Digest {
        let ours = self.instance.genesis().fields();
        let fields = StateFields { chain_id: ours.chain_id, environment: ours.environment, ..state.fields() };
        state_commitment(&fields)
    }

    fn execute(
        &self,
        state: &mut AccountsState,
        transaction: &AccountsTransaction,
    ) -> Result<(), AccountsError> {
        self.instance.check_state(state)?;
        match transaction {
            AccountsTransaction::Signed(signed) => drop(state.execute(signed)?),
            AccountsTransaction::Arrival { message, consumption } => {
                drop(state.arrive(message, *consumption)?);
            }
        }
        Ok(())
    }

    fn propose(
        &self,
        before: &AccountsState,
        transactions: &[&AccountsTransaction],
    ) -> Result<Proposal<Self>, AccountsError> {
        self.instance.check_state(before)?;
        let Draft { included, rejected, content } = Draft::new(before, transactions, self.instance.limit());
        let (block, state) = content.seal(before, self.instance.secret())?;
        Ok(Proposal { block, state, included, rejected })
    }

    fn apply_body(&self, state: &AccountsState, body: &[u8]) -> Result<AccountsState, AccountsError> {
        self.instance.check_state(state)?;
        let Body { arrivals, transactions } = Body::decode(body)?;
        let mut after = state.clone();
        for (index, (message, consumption)) in arrivals.into_iter().enumerate() {
            after
                .arrive_proven(&message, consumption)
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
        Ok(Body::decode(body)?.digest(&self.deployment().signing_domain()))
    }

    fn kernels(&self, cache: &CircuitCache) -> Result<Vec<Box<dyn AnyKernel>>, ProveError> {
        Ok(KERNELS.listed(cache, variants(self.instance.limit()))?)
    }

    fn graph<'a>(
        &'a self,
        cache: &'a CircuitCache,
        block: &'a ProposedBlock<AccountsBlock>,
    ) -> Result<BlockGraph<'a>, ProveError> {
        block_graph(cache, KERNELS, self.instance.secret(), block)
    }

    fn check(&self, transaction: &AccountsTransaction) -> Result<(), AccountsError> {
        match transaction {
            AccountsTransaction::Signed(signed) => {
                signed.check(self.deployment())?;
                Ok(())
            }
            // The environment made it itself.
            AccountsTransaction::Arrival { .. } => Ok(()),
        }
    }

    fn terms(&self, transaction: &AccountsTransaction) -> Terms {
        let AccountsTransaction::Signed(SignedTransaction { transaction, .. }) = transaction else {
            return Terms::of_bytes(size_of_val(transaction));
        };
        let name = transaction.sender.to_digest();
        let (nonces, balances) = (Cell { part: NONCES, name }, Cell { part: BALANCES, name });
        // Without what its actions spend, a transaction fails and pays.
        let spent = transaction.actions.iter().map(|action| action.spent(self.deployment().fee_asset));
        let (needed, spent) = (transaction.fee.get(), spent.fold(0, u64::saturating_add));
        let footprint = Footprint {
            reads: vec![(nonces, made(transaction.nonce.into()))],
            writes: vec![(nonces, made(u64::from(transaction.nonce) + 1))],
            condition: None,
            draws: vec![Draw { cell: balances, whole: None, needed, taken: needed.saturating_add(spent) }],
        };
        Terms {
            sender: Some(transaction.sender.to_digest()),
            nonce: Some(transaction.nonce.into()),
            fee: transaction.fee,
            // What proving it takes.
            slots: u32::try_from(transaction.actions.len()).unwrap_or(u32::MAX),
            bytes: ENTRY_BYTES
                + size_of::<AccountsTransaction>()
                + transaction.actions.capacity() * size_of::<Action>()
                + footprint.bytes(),
            footprint,
        }
    }

    fn cell(&self, state: &AccountsState, Cell { part, name }: &Cell) -> Digest {
        let account = Address::from_digest(*name).and_then(|address| state.account(&address));
        let value = |account: &Account| match *part {
            NONCES => made(account.nonce.into()),
            BALANCES => Cell::of_number(account.balances.balance(self.deployment().fee_asset).get()),
            _ => Digest::ZERO,
        };
        account.map_or(Digest::ZERO, value)
    }

    fn may_come_next(&self, state: &AccountsState, transaction: &AccountsTransaction) -> bool {
        match transaction {
            AccountsTransaction::Signed(signed) => signed.transaction.deadline > state.height(),
            AccountsTransaction::Arrival { .. } => true,
        }
    }

    fn room(&self) -> Room {
        let limit = self.instance.limit();
        // Messages take steps of the bridge too, which transactions need for what they send.
        let shared = limit.min(MAX_BLOCK_STEPS);
        Room { transactions: limit, messages: shared, together: shared }
    }

    fn may_come_later(&self, reason: &AccountsError) -> bool {
        match reason {
            AccountsError::Invalid(Invalid::Nonce { expected, found, .. }) => found > expected,
            AccountsError::Invalid(Invalid::NoSuchAccount(_) | Invalid::TooManyFees(_)) => true,
            _ => false,
        }
    }

    fn messages(&self, transaction: &AccountsTransaction) -> BlockMessages {
        let Deployment { chain_id, environment, .. } = *self.deployment();
        let none = BlockMessages::none(environment);
        match transaction {
            AccountsTransaction::Signed(signed) => {
                BlockMessages { outbox: signed.transaction.messages(chain_id, environment), ..none }
            }
            AccountsTransaction::Arrival { message, consumption } => {
                BlockMessages { inbox: vec![(message.clone(), *consumption)], ..none }
            }
        }
    }

    fn consume(
        &self,
        message: &Message,
        consumption: Consumption,
    ) -> Option<Result<AccountsTransaction, AccountsError>> {
        let beneficiary = self.deployment().beneficiary(message, consumption);
        let arrival = |_| AccountsTransaction::Arrival { message: message.clone(), consumption };
        Some(beneficiary.map(arrival).map_err(Into::into))
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
}
