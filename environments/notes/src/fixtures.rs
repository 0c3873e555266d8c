//! Simulated clients: accounts with their secrets, and requests that follow on each other.

use bridge_core::{AssetId, Consumption, Message};
use circuits_core::{
    Digest, F,
    amount::Amount,
    hash::{Domain, hash},
    secret::Secret,
};
use environments_core::{environment::EnvironmentId, kernel::ProducerSecret};
use plonky2::field::types::Field;

use crate::{
    account::{Account, Holding, Vault, local_authorisation},
    adapter::Notes,
    arrival::arrival_note,
    config::{Genesis, GenesisAccount},
    emission::Emission,
    note::{Note, Script},
    policy::{ExchangeOrder, ExchangeTerms},
    state::NotesState,
    transaction::{Authority, NotesTransaction, Output, Request, RequestInput, TransactionWitness},
};

const SECRET: Domain = Domain::new("testkey");

/// What an account holds of each of the first two assets at genesis.
pub const START: u64 = 1_000_000;

/// The minimum fee, for each note that a transaction consumes or creates and for its message.
pub const MINIMUM_FEE: u64 = 1;
/// The minimum fee of network accounts.
pub const NETWORK_MINIMUM_FEE: u64 = 3;

/// The environment that issues [`asset`].
pub const HOME: EnvironmentId = EnvironmentId(1);

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

/// Secret or salt number `n`.
#[must_use]
pub fn secret(n: u64) -> Digest {
    hash(SECRET, &[F::from_canonical_u64(n)])
}

/// Another environment.
pub const ELSEWHERE: EnvironmentId = EnvironmentId(900);

/// What sends `value` of asset `of` from [`HOME`] to [`ELSEWHERE`].
#[must_use]
pub fn emission(of: u32, value: u64) -> Emission {
    Emission {
        destination: ELSEWHERE,
        recipient: secret(9000),
        asset: asset(of),
        amount: amount(value),
        deadline: 1000,
        data: Digest::ZERO,
    }
}

/// The notes that these messages become, as the first ones that the block on top of `state` takes in.
#[must_use]
pub fn arriving(state: &NotesState, messages: &[(Message, Consumption)]) -> Vec<Note> {
    let messages = (state.next_note()..).zip(messages);
    messages.map(|(index, (message, consumption))| arrival_note(message, *consumption, index)).collect()
}

/// A client: what it knows of its own account.
#[derive(Clone, Debug)]
pub struct Client {
    /// The account as its last transaction left it.
    pub account: Account,
    /// Its salt.
    pub salt: Digest,
    /// What authorises it.
    pub authority: Authority,
    /// Whether the account exists.
    pub exists: bool,
}

impl Client {
    /// The id of its account.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.account.id
    }
}

/// An environment and its clients. Accounts 0 to 2 hold [`START`] of assets 0 and 1; 3 is an exchange order
/// that holds as much of asset 0, and pays 3 of it per 2 of asset 1; 4 and 5 do not exist yet.
#[derive(Clone, Debug)]
pub struct World {
    /// The environment.
    pub environment: Notes,
    /// The clients.
    pub clients: Vec<Client>,
}

/// The client with the exchange order.
pub const EXCHANGE: usize = 3;
/// The first client whose account does not exist at genesis.
pub const NEWCOMER: usize = 4;

/// The order of client [`EXCHANGE`] in [`HOME`].
///
/// # Panics
/// Never: the terms are an order's.
#[must_use]
pub fn order() -> ExchangeOrder {
    order_of(HOME)
}

/// The same order in an environment.
fn order_of(id: EnvironmentId) -> ExchangeOrder {
    let (gives, takes, owner) = (asset_of(id, 0), asset_of(id, 1), local_authorisation(owner()));
    ExchangeOrder::new(ExchangeTerms { gives, takes, pays: 3, per: 2, owner })
        .expect("two assets and a price")
}

/// The secret of the owner of the exchange order.
#[must_use]
pub fn owner() -> Secret {
    Secret::new(secret(200))
}

/// A note to be consumed, which is opened if it can be.
fn consumed(note: Note) -> RequestInput {
    RequestInput { note, unauthenticated: false, pays_fee: false }
}

impl World {
    /// The world at genesis.
    ///
    /// # Panics
    /// Never: the genesis is valid.
    #[must_use]
    pub fn new(chain_id: u64, id: EnvironmentId, producer: ProducerSecret) -> Self {
        let holding = |n| Holding { asset: asset_of(id, n), amount: amount(START) };
        let both = Vault::new(&[holding(0), holding(1)]).expect("two assets");
        let given = Vault::new(&[holding(0)]).expect("one asset");
        let (mut clients, mut accounts) = (vec![], vec![]);
        for n in 0..6 {
            let number = u64::try_from(n).expect("small");
            let authority = match n {
                EXCHANGE => Authority::Exchange { order: order_of(id) },
                _ => Authority::Local { secret: Secret::new(secret(number)) },
            };
            let (authorisation, salt) = (authority.authorisation(), secret(100 + number));
            let exists = n < NEWCOMER;
            let vault = match n {
                EXCHANGE => given.clone(),
                _ if exists => both.clone(),
                _ => Vault::default(),
            };
            if exists {
                accounts.push(GenesisAccount { authorisation, salt, vault: vault.clone() });
            }
            let account = Account { vault, ..Account::new(chain_id, id, authorisation, salt) };
            clients.push(Client { account, salt, authority, exists });
        }
        let fee_account = clients[2].id();
        let genesis = Genesis {
            fee_asset: asset_of(id, 0),
            fee_account,
            minimum_fee: amount(MINIMUM_FEE),
            network_minimum_fee: amount(NETWORK_MINIMUM_FEE),
            accounts,
        };
        let environment = Notes::new(chain_id, id, producer, &genesis).expect("a valid genesis");
        Self { environment, clients }
    }

    /// The `n`-th asset of the environment.
    #[must_use]
    pub fn asset(&self, n: u32) -> AssetId {
        asset_of(self.environment.deployment().environment, n)
    }

    /// A request of client `who` that follows on its last one, and pays `tip` more than it must.
    ///
    /// # Panics
    /// If the vault does not allow it.
    pub fn request(&mut self, who: usize, inputs: &[Note], outputs: Vec<Output>, tip: u64) -> Request {
        self.request_with(who, inputs, outputs, None, tip)
    }

    /// As [`Self::request`], with a message.
    ///
    /// # Panics
    /// If the vault does not allow it.
    pub fn request_with(
        &mut self,
        who: usize,
        inputs: &[Note],
        outputs: Vec<Output>,
        send: Option<Emission>,
        tip: u64,
    ) -> Request {
        let client = &self.clients[who];
        let mut request = Request {
            account: client.account.clone(),
            salt: (!client.exists).then_some(client.salt),
            authority: client.authority,
            inputs: inputs.iter().map(|&note| consumed(note)).collect(),
            outputs,
            send,
            fee: Amount::ZERO,
            not_before: 0,
            valid_until: u32::MAX,
        };
        request.fee = amount(self.witness(&request).least_fee() + tip);
        self.follow(who, &request);
        request
    }

    /// A request by the exchange order, whose fee `fees` hold.
    ///
    /// # Panics
    /// If the vault does not allow it.
    pub fn trade(&mut self, inputs: &[Note], fees: &[Note], outputs: Vec<Output>) -> Request {
        let fee = fees.iter().map(|note| note.amount.get()).sum::<u64>();
        let client = &self.clients[EXCHANGE];
        let fees = fees.iter().map(|&note| RequestInput { pays_fee: true, ..consumed(note) });
        let request = Request {
            account: client.account.clone(),
            salt: None,
            authority: client.authority,
            inputs: inputs.iter().map(|&note| consumed(note)).chain(fees).collect(),
            outputs,
            send: None,
            fee: amount(fee),
            not_before: 0,
            valid_until: u32::MAX,
        };
        self.follow(EXCHANGE, &request);
        request
    }

    /// Client `who` has made a request.
    fn follow(&mut self, who: usize, request: &Request) {
        let after = self.witness(request).account_after().expect("the vault allows it");
        let client = &mut self.clients[who];
        client.account = after;
        client.exists = true;
    }

    /// A request of the owner of the exchange order that follows on the order's last one.
    ///
    /// # Panics
    /// If the vault does not allow it.
    pub fn own(
        &mut self,
        inputs: &[Note],
        outputs: Vec<Output>,
        send: Option<Emission>,
        tip: u64,
    ) -> Request {
        let client = &mut self.clients[EXCHANGE];
        let by_order = client.authority;
        if let Authority::Exchange { order } = by_order {
            client.authority = Authority::Owner { order, secret: owner() };
        }
        let request = self.request_with(EXCHANGE, inputs, outputs, send, tip);
        self.clients[EXCHANGE].authority = by_order;
        request
    }

    /// The request as a witness whose inputs all are for the block to find.
    #[must_use]
    pub fn witness(&self, request: &Request) -> TransactionWitness {
        TransactionWitness::new(*self.environment.deployment(), request, Digest::ZERO, |_| None)
    }

    /// The notes that a request creates.
    #[must_use]
    pub fn notes(&self, request: &Request) -> Vec<Note> {
        self.witness(request).notes()
    }

    /// A request of `who` that pays each of `to` one note of `paid` of asset 0, for the minimum fee.
    pub fn pay(&mut self, who: usize, to: &[usize], paid: u64) -> (Request, Vec<Note>) {
        let outputs = to.iter().map(|&to| self.payment(to, 0, paid)).collect();
        let request = self.request(who, &[], outputs, 0);
        let notes = self.notes(&request);
        (request, notes)
    }

    /// A request of `who` that sends `value` of asset `of` to the environment [`ELSEWHERE`], for the minimum fee.
    pub fn send(&mut self, who: usize, of: u32, value: u64) -> Request {
        self.request_with(
            who,
            &[],
            vec![],
            Some(Emission { asset: self.asset(of), ..emission(of, value) }),
            0,
        )
    }

    /// A message from [`ELSEWHERE`] of `value` of asset `of` to client `to`, the `n`-th of its sender.
    #[must_use]
    pub fn message_to(&self, to: usize, of: u32, value: u64, n: u64) -> Message {
        let deployment = self.environment.deployment();
        Message {
            chain_id: deployment.chain_id,
            source: ELSEWHERE,
            destination: deployment.environment,
            sequence: n,
            sender: secret(9001),
            recipient: self.clients[to].id(),
            asset: self.asset(of),
            amount: amount(value),
            deadline: 1000,
            data: Digest::ZERO,
        }
    }

    /// A request of `who` that takes notes into its vault, for the minimum fee.
    pub fn take(&mut self, who: usize, notes: &[Note]) -> Request {
        self.request(who, notes, vec![], 0)
    }

    /// An output that pays client `to`.
    #[must_use]
    pub fn payment(&self, to: usize, of: u32, paid: u64) -> Output {
        let script = Script::Pay { target: self.clients[to].id() };
        Output { asset: self.asset(of), amount: amount(paid), script, settles: None }
    }

    /// A chain of `count` transactions: in turn, client 0 pays client 1, who takes the note in the next one.
    ///
    /// # Panics
    /// Never.
    pub fn ping_pong(&mut self, count: usize) -> Vec<NotesTransaction> {
        let mut transactions = vec![];
        let mut open = vec![];
        while transactions.len() < count {
            let request = if open.is_empty() {
                let (request, notes) = self.pay(0, &[1], 5);
                open = notes;
                request
            } else {
                self.take(1, &std::mem::take(&mut open))
            };
            transactions.push(request.into());
        }
        transactions
    }

    /// The state at genesis.
    #[must_use]
    pub fn genesis(&self) -> NotesState {
        environments_core::Environment::genesis(&self.environment)
    }
}
