//! A deployment whose verifiers hardly look at proofs: these tests are about the job, and proofs take minutes.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolCall, SolEvent as _};
use batcher_settlement::{
    abi::Settlement::SuperblockSettled,
    contract::Contract,
    deploy::{Deployed, deploy, predict},
    fees::{FeeLimits, GWEI},
    job::{Finality, Job, JobError, Policy, Progress, Prove},
    journal::{Journal, Record},
    l1::{At, L1 as _},
    rpc::Rpc,
    signer::Signer,
    superblock::Superblock,
    wallet::Wallet,
};
use circuits_core::{Digest, F};
use circuits_protocol::registry::Registry;
use circuits_protocol::{
    l1::QueuePosition,
    statement::{L1Body, SuperblockStatement},
};
use plonky2::field::types::Field as _;
use serde_json::json;

pub(crate) use crate::support::digest;
use crate::{
    anvil::{Anvil, KEY},
    support::{GOOD_PROOF, l1_statement, plan, registry},
};

/// The network that anvil makes.
pub(crate) const CHAIN_ID: u64 = 31337;
/// The key of anvil's second account.
pub(crate) const OTHER_KEY: &str = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
/// The key of anvil's third account, which is no batcher.
pub(crate) const STRANGER_KEY: &str = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";
/// A node that says nothing for so long is asked again.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(500);

/// Quick, with finality as anvil tells it.
pub(crate) const POLICY: Policy = Policy {
    finality: Finality::Node,
    fees: FeeLimits { cap: 200 * GWEI, priority: GWEI, priority_cap: 10 * GWEI, blob_cap: 100 * GWEI },
    poll: Duration::from_millis(20),
    raise_after: Duration::from_millis(600),
    patience: Duration::from_secs(20),
    doubt: Duration::from_millis(60),
};

/// Gives up soon.
pub(crate) const IMPATIENT: Policy = Policy { patience: Duration::from_millis(1500), ..POLICY };

/// Takes every block for final.
pub(crate) const AT_ONCE: Policy = Policy { finality: Finality::Depth(0), ..POLICY };

/// The signer with this key.
pub(crate) fn signer(key: &str) -> Signer {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("key");
    fs::write(&path, key).expect("writable");
    Signer::from_key_file(&path).expect("a key")
}

/// The contracts on a node.
pub(crate) struct Deployment {
    pub(crate) node: Anvil,
    pub(crate) deployed: Deployed,
    pub(crate) root: Digest,
}

impl Deployment {
    /// On a node that mines each transaction at once.
    pub(crate) fn new() -> Self {
        Self::on(Anvil::start(&[]))
    }

    /// On this node, which mines each transaction at once until now.
    pub(crate) fn on(node: Anvil) -> Self {
        Self::from_genesis(node, registry, |_| digest(0))
    }

    /// With the registry and the genesis of the deployment with an id.
    pub(crate) fn from_genesis(
        node: Anvil,
        registry: impl Fn(u64) -> Registry,
        genesis: impl Fn(u64) -> Digest,
    ) -> Self {
        let (rpc, signer) = (Rpc::new(&node.url(), TIMEOUT * 10).expect("an address"), signer(KEY));
        let wallet =
            Wallet { l1: &rpc, chain_id: CHAIN_ID, signer: &signer, policy: AT_ONCE, announce: &|_, _| {} };
        let (_, deployment) = predict(&wallet).expect("the node answers");
        let registry = registry(deployment);
        let batchers = [signer.address(), crate::deployment::signer(OTHER_KEY).address()];
        let plan = plan(&batchers);
        let deployed =
            deploy(&wallet, &plan, &registry, genesis(deployment), None, &|_| {}).expect("a fresh network");
        Self { node, deployed, root: registry.root() }
    }

    /// The superblocks `numbers` of a chain whose states are 0 and those after `first_state`.
    pub(crate) fn chain(&self, numbers: std::ops::RangeInclusive<u32>, first_state: u64) -> Vec<Superblock> {
        let state = |number: u32| digest(if number == 0 { 0 } else { first_state + u64::from(number) });
        numbers.map(|number| self.superblock(number, state(number - 1), state(number))).collect()
    }

    pub(crate) fn superblock(&self, number: u32, before: Digest, after: Digest) -> Superblock {
        Superblock::new(&self.statement(number, before, after), &[]).expect("it fits")
    }

    pub(crate) fn statement(&self, number: u32, before: Digest, after: Digest) -> SuperblockStatement {
        statement(self.deployed.deployment, self.root, number, before, after)
    }

    /// A superblock whose only block is environment 0's, and which does nothing there.
    pub(crate) fn l1_superblock(&self, number: u32, before: Digest, after: Digest) -> Superblock {
        let statement = self.statement(number, before, after);
        let consumed = [3, 8];
        let (statement, element) = l1_statement(statement, QueuePosition::default(), 0, &consumed);
        Superblock::new(&statement, &[]).expect("it fits").with_only_block(element, &consumed)
    }

    /// Moves the clock of L1 forward.
    pub(crate) fn skip(&self, seconds: u64) {
        self.node.ask("evm_increaseTime", json!([seconds]));
        self.node.mine(1);
    }

    /// What a view of the contract returns.
    pub(crate) fn view<C: SolCall>(&self, call: &C) -> C::Return {
        let l1 = Rpc::new(&self.node.url(), TIMEOUT * 10).expect("an address");
        let contract = Contract { l1: &l1, address: self.deployed.settlement };
        contract.view(call, At::Latest).expect("it answers").expect("a contract")
    }

    /// A transaction of the first account, which has all roles.
    pub(crate) fn send(&self, to: Address, value: U256, call: &impl SolCall) {
        let (rpc, signer) = (Rpc::new(&self.node.url(), TIMEOUT * 10).expect("an address"), signer(KEY));
        let wallet =
            Wallet { l1: &rpc, chain_id: CHAIN_ID, signer: &signer, policy: POLICY, announce: &|_, _| {} };
        wallet.send(Some(to), value, call.abi_encode().into()).expect("it succeeds");
    }

    /// Settles with the first account.
    pub(crate) fn settle(&self, superblocks: &[Superblock], journal: &Path) -> Result<Vec<Record>, JobError> {
        self.settle_as(KEY, &self.node.url(), superblocks, journal, POLICY, &|_| {})
    }

    /// Settles through the node at `url`.
    pub(crate) fn settle_as(
        &self,
        key: &str,
        url: &str,
        superblocks: &[Superblock],
        journal: &Path,
        policy: Policy,
        listener: &dyn Fn(&Progress),
    ) -> Result<Vec<Record>, JobError> {
        self.settle_with(&GOOD_PROOF, key, url, superblocks, journal, policy, listener)
    }

    /// Settles with the proofs of this prover.
    #[expect(clippy::too_many_arguments, reason = "a job has so many parts")]
    pub(crate) fn settle_with(
        &self,
        prover: &dyn Prove,
        key: &str,
        url: &str,
        superblocks: &[Superblock],
        journal: &Path,
        policy: Policy,
        listener: &dyn Fn(&Progress),
    ) -> Result<Vec<Record>, JobError> {
        settle(url, self.deployed.settlement, prover, key, superblocks, journal, policy, listener)
    }

    /// How often each superblock was settled: numbers, in the order of L1.
    pub(crate) fn settlements(&self) -> Vec<u32> {
        let rpc = Rpc::new(&self.node.url(), TIMEOUT * 10).expect("an address");
        let last = rpc.block(At::Latest).expect("it answers").expect("a block").number;
        let events =
            rpc.events(self.deployed.settlement, &[Some(SuperblockSettled::SIGNATURE_HASH)], 0, last);
        let number = |topic: &B256| U256::from_be_bytes(topic.0).to::<u32>();
        events.expect("it answers").iter().map(|event| number(&event.topics[1])).collect()
    }

    /// Keeps mining in the background.
    pub(crate) fn miner(&self) -> Miner {
        let stop = Arc::new(AtomicBool::new(false));
        let (port, stopped) = (self.node.port, stop.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "anvil_mine", "params": ["0x1"] });
                let _ = crate::anvil::post(port, request.to_string().as_bytes());
                thread::sleep(Duration::from_millis(60));
            }
        });
        Miner { stop, thread: Some(thread) }
    }
}

/// The statement of a superblock without a block of environment 0.
pub(crate) fn statement(
    deployment: u64,
    root: Digest,
    number: u32,
    before: Digest,
    after: Digest,
) -> SuperblockStatement {
    SuperblockStatement {
        chain_id: F::from_canonical_u64(deployment),
        number: F::from_canonical_u32(number),
        previous_state: before,
        new_state: after,
        registry_root: root,
        body_chain: digest(77),
        block_count: F::ONE,
        has_l1_block: F::ZERO,
        l1_body: L1Body::ZERO,
    }
}

/// Settles for the contract at this address.
#[expect(clippy::too_many_arguments, reason = "a job has so many parts")]
pub(crate) fn settle(
    url: &str,
    contract: Address,
    prover: &dyn Prove,
    key: &str,
    superblocks: &[Superblock],
    journal: &Path,
    policy: Policy,
    listener: &dyn Fn(&Progress),
) -> Result<Vec<Record>, JobError> {
    let (rpc, signer) = (Rpc::new(url, TIMEOUT).expect("an address"), signer(key));
    let journal = Journal::open(journal)?;
    let stop = AtomicBool::new(false);
    let job = Job {
        l1: &rpc,
        chain_id: CHAIN_ID,
        contract,
        signer: &signer,
        prover,
        journal: &journal,
        policy,
        listener,
        stop: &stop,
    };
    job.run(superblocks)
}

/// Mines until it is dropped.
pub(crate) struct Miner {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Miner {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
