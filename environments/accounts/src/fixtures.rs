//! Simulated clients: keys, and signed transactions that follow on each other.

pub mod viem;

use bridge_core::{AssetId, Message};
use circuits_core::{
    F,
    amount::Amount,
    hash::{Domain, hash},
};
use environments_core::{
    environment::{Environment, EnvironmentId},
    kernel::ProducerSecret,
    vault::Holding,
};
use plonky2::field::types::Field;

use crate::{
    adapter::Accounts,
    address::{ADDRESS_BYTES, Address},
    config::{Genesis, GenesisAccount, GenesisPool},
    key::SecretKey,
    state::AccountsState,
    transaction::{Action, MAX_ACTIONS, SignedTransaction, Transaction},
    typed_data::Settlement,
};

const SECRET: Domain = Domain::new("testkey");

/// What an account holds of each of the first two assets at genesis.
pub const START: u64 = 1_000_000;
/// What the pool of the first two assets holds at genesis.
pub const RESERVES: (u64, u64) = (600_000, 300_000);
/// The minimum deposit, which creates an account.
pub const DEPOSIT: u64 = 10;
/// The minimum fee of an action.
pub const MINIMUM_FEE: u64 = 1;
/// Every transaction's fee, which is enough for as many actions as there can be.
pub const FEE: u64 = MINIMUM_FEE * MAX_ACTIONS as u64;
/// Clients that exist at genesis.
pub const CLIENTS: usize = 4;
/// The client that gets the fees.
pub const COLLECTOR: usize = 2;
/// The first client whose account does not exist at genesis.
pub const NEWCOMER: usize = CLIENTS;

/// The environment that most tests are about.
pub const HOME: EnvironmentId = EnvironmentId(5);

/// The `n`-th asset of environment [`HOME`]; fees are paid in the first.
#[must_use]
pub fn asset(n: u32) -> AssetId {
    asset_of(HOME, n)
}

/// The `n`-th asset of an environment.
///
/// # Panics
/// Never: the number is not 0.
#[must_use]
pub fn asset_of(issuer: EnvironmentId, n: u32) -> AssetId {
    AssetId::new(issuer.get(), n + 1).expect("not 0")
}

/// An amount.
///
/// # Panics
/// From `2^58` on.
#[must_use]
pub fn amount(value: u64) -> Amount {
    Amount::new(value).expect("below 2^58")
}

/// The key of client `n`.
///
/// # Panics
/// Never in practice: a hash is almost never above the group order.
#[must_use]
pub fn key(n: usize) -> SecretKey {
    SecretKey::from_bytes(&hash(SECRET, &[F::from_canonical_usize(n)]).to_bytes())
        .expect("below the group order")
}

/// The genesis of every test: [`CLIENTS`] accounts that hold [`START`] of two assets of the environment each, and the
/// pool of these, whose shares client 0 has.
#[must_use]
pub fn genesis(id: EnvironmentId) -> Genesis {
    let asset = |n| asset_of(id, n);
    let holding = |n| Holding { asset: asset(n), amount: amount(START) };
    let account = |n| GenesisAccount { address: key(n).address(), holdings: vec![holding(0), holding(1)] };
    Genesis {
        fee_asset: asset(0),
        fee_account: key(COLLECTOR).address(),
        minimum_deposit: amount(DEPOSIT),
        minimum_fee: amount(MINIMUM_FEE),
        settlement: settlement(0),
        accounts: (0..CLIENTS).map(account).collect(),
        pools: vec![GenesisPool {
            asset_a: asset(0),
            asset_b: asset(1),
            reserve_a: amount(RESERVES.0),
            reserve_b: amount(RESERVES.1),
            owner: key(0).address(),
        }],
    }
}

/// The contract that settles a simulated deployment; no two deployments have one.
///
/// # Panics
/// Never: the address is longer than a chain id.
#[must_use]
pub fn settlement(chain_id: u64) -> Settlement {
    let mut contract = Address([0xc0; _]);
    contract.0[ADDRESS_BYTES - 8..].copy_from_slice(&chain_id.to_be_bytes());
    Settlement { chain_id: 1, contract }
}

/// A transfer to client `to`.
#[must_use]
pub fn transfer(to: usize, n: u32, value: u64) -> Action {
    Action::Transfer { to: key(to).address(), asset: asset(n), amount: amount(value) }
}

/// A swap between the first two assets.
#[must_use]
pub fn swap(sold: u32, value: u64, minimum: u64) -> Action {
    Action::Swap {
        asset_in: asset(sold),
        asset_out: asset(1 - sold),
        amount: amount(value),
        minimum: amount(minimum),
    }
}

/// Buys shares of the pool of the first two assets.
#[must_use]
pub fn add(shares: u64, maximum_a: u64, maximum_b: u64) -> Action {
    Action::AddLiquidity {
        asset_a: asset(0),
        asset_b: asset(1),
        shares: amount(shares),
        maximum_a: amount(maximum_a),
        maximum_b: amount(maximum_b),
    }
}

/// Returns shares of the pool of the first two assets.
#[must_use]
pub fn remove(shares: u64, minimum_a: u64, minimum_b: u64) -> Action {
    Action::RemoveLiquidity {
        asset_a: asset(0),
        asset_b: asset(1),
        shares: amount(shares),
        minimum_a: amount(minimum_a),
        minimum_b: amount(minimum_b),
    }
}

/// Sends a message to environment `destination`; to the collector of the fees if that is L1.
#[must_use]
pub fn bridge(destination: u16, n: u32, value: u64) -> Action {
    let destination = EnvironmentId(destination);
    let recipient = match destination {
        EnvironmentId::L1 => key(COLLECTOR).address().to_digest(),
        _ => hash(SECRET, &[F::NEG_ONE]),
    };
    Action::Bridge { destination, recipient, asset: asset(n), amount: amount(value), deadline: 200 }
}

/// An environment, its state and its clients.
#[derive(Clone, Debug)]
pub struct World {
    /// The environment.
    pub environment: Accounts,
    /// The state that transactions are made for.
    pub state: AccountsState,
}

impl World {
    /// The world at genesis.
    ///
    /// # Panics
    /// Never: the genesis is valid.
    #[must_use]
    pub fn new(chain_id: u64, id: EnvironmentId, producer: ProducerSecret) -> Self {
        let genesis = Genesis { settlement: settlement(chain_id), ..genesis(id) };
        let environment = Accounts::new(chain_id, id, producer, &genesis).expect("a valid genesis");
        Self { state: environment.genesis(), environment }
    }

    /// An action of [`HOME`] with this environment's assets instead of [`HOME`]'s.
    #[must_use]
    pub fn here(&self, mut action: Action) -> Action {
        let id = self.environment.deployment().environment;
        let assets: &mut [&mut AssetId] = match &mut action {
            Action::Transfer { asset, .. } | Action::Bridge { asset, .. } => &mut [asset],
            Action::Swap { asset_in: one, asset_out: other, .. }
            | Action::AddLiquidity { asset_a: one, asset_b: other, .. }
            | Action::RemoveLiquidity { asset_a: one, asset_b: other, .. } => &mut [one, other],
        };
        for asset in assets {
            if asset.origin() == HOME.get() {
                **asset = AssetId::new(id.get(), asset.local()).expect("not 0");
            }
        }
        action
    }

    /// A transaction of client `sender` that is valid on [`Self::state`], up to its actions.
    #[must_use]
    pub fn unsigned(&self, sender: usize, actions: &[Action]) -> Transaction {
        let sender = key(sender).address();
        Transaction {
            sender,
            nonce: self.nonce(sender),
            fee: amount(FEE),
            deadline: self.state.height().saturating_add(1000),
            actions: actions.to_vec(),
        }
    }

    /// The `sequence`-th message from one sender in environment `source` to client `to`.
    #[must_use]
    pub fn message(&self, source: u16, sequence: u64, to: usize, n: u32, value: u64) -> Message {
        let deployment = self.environment.deployment();
        Message {
            chain_id: deployment.chain_id,
            source: EnvironmentId(source),
            destination: deployment.environment,
            sequence,
            sender: hash(SECRET, &[F::NEG_ONE]),
            recipient: key(to).address().to_digest(),
            asset: asset(n),
            amount: amount(value),
            deadline: 200,
            data: hash(SECRET, &[F::TWO]),
        }
    }

    /// What comes back to client `to` if environment `destination` does not take it in: its `sequence`-th message.
    #[must_use]
    pub fn returned(&self, destination: u16, sequence: u64, to: usize, n: u32, value: u64) -> Message {
        let sent = self.message(destination, sequence, to, n, value);
        Message {
            source: sent.destination,
            destination: sent.source,
            sender: sent.recipient,
            recipient: sent.sender,
            ..sent
        }
    }

    fn nonce(&self, address: Address) -> u32 {
        self.state.account(&address).map_or(0, |account| account.nonce)
    }

    /// Signs with the key of client `signer`.
    ///
    /// # Panics
    /// Never in practice.
    #[must_use]
    pub fn sign(&self, signer: usize, transaction: Transaction) -> SignedTransaction {
        let domain = self.environment.deployment().signing_domain();
        key(signer).sign(transaction, &domain).expect("a signature")
    }

    /// A signed transaction of client `sender`, executed on [`Self::state`].
    ///
    /// # Panics
    /// If it is invalid.
    pub fn act(&mut self, sender: usize, actions: &[Action]) -> SignedTransaction {
        let signed = self.sign(sender, self.unsigned(sender, actions));
        self.state.execute(&signed).expect("a valid transaction");
        signed
    }

    /// The next `count` transactions of a mix: of ten, six make one transfer, two one swap, one makes four
    /// actions, and one creates an account. `first` is the number of the first one, which names the accounts
    /// that are created.
    ///
    /// # Panics
    /// After some thousand transactions, when the clients have spent everything.
    pub fn mix(&mut self, first: usize, count: usize) -> Vec<SignedTransaction> {
        let numbers = first..first + count;
        numbers
            .map(|n| {
                let (sender, other) = (n % CLIENTS, (n + 1) % CLIENTS);
                let actions = match n % 10 {
                    3 => vec![swap(0, 100, 1)],
                    5 => vec![transfer(NEWCOMER + n, 0, 2 * DEPOSIT)],
                    7 => vec![swap(1, 50, 1)],
                    9 => vec![swap(0, 40, 1), add(20, 40, 40), remove(10, 1, 1), transfer(other, 1, 3)],
                    _ => vec![transfer(other, 0, 7)],
                };
                let actions: Vec<_> = actions.into_iter().map(|action| self.here(action)).collect();
                self.act(sender, &actions)
            })
            .collect()
    }
}
