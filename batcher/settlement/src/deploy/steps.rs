//! The transactions of a deployment, and sending them.

use std::{cell::RefCell, collections::BTreeMap, thread, time::Instant};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolCall;
use circuits_core::Digest;
use circuits_protocol::registry::Registry;

use super::{DeployError, Deployed, Plan, entry_zero, init};
use crate::{
    abi::{AccessManager, Settlement, VerifierRouter},
    deployment::deployment_id,
    journal::{DeploymentRecord, Journal, JournalError},
    l1::{At, L1Error, Receipt},
    roles::{Parties, Roles},
    superblock::of_digest,
    wallet::{Wallet, WalletError},
};

/// So often is sent again what a reorganisation took away, until the command is repeated: a call takes another nonce each time.
const MOST_REPEATS: usize = 3;

/// What is sent, in the order of nonces, and what comes of it.
pub(super) struct Transactions {
    first_nonce: u64,
    all: Vec<Transaction>,
    pub(super) leaf: B256,
    pub(super) root: B256,
    pub(super) genesis: B256,
    pub(super) settlement: Address,
    pub(super) access_manager: Address,
    pub(super) registry_tree: Address,
    pub(super) verifiers: Vec<Address>,
    pub(super) router: Address,
}

/// A contract is created where `to` is `None`.
struct Transaction {
    to: Option<Address>,
    input: Bytes,
}

impl Transactions {
    /// The transactions from this nonce on.
    pub(super) fn new(
        wallet: &Wallet<'_>,
        plan: &Plan,
        registry: &Registry,
        genesis: Digest,
        first_nonce: u64,
    ) -> Result<Self, DeployError> {
        let created = |position: usize| wallet.address().create(first_nonce + position as u64);
        let (settlement, access_manager, registry_tree) = (created(0), created(1), created(2));
        let verifiers: Vec<_> = (0..plan.verifiers.len()).map(|index| created(3 + index)).collect();
        let router = created(3 + verifiers.len());
        let (leaf, path) = entry_zero(registry)?;
        let (leaf, root, genesis) = (of_digest(leaf), of_digest(registry.root()), of_digest(genesis));

        let create = |input: Bytes| Transaction { to: None, input };
        let constructor = Settlement::constructorCall {
            authority: access_manager,
            router,
            registryTree: registry_tree,
            rules: plan.parameters.clone(),
            etherMinimum: plan.ether_minimum,
            etherDayLimit: plan.ether_day_limit,
        };
        let mut all = vec![create(init(&Settlement::BYTECODE, &constructor))];
        let constructor = AccessManager::constructorCall { initialAdmin: wallet.address() };
        all.push(create(init(&AccessManager::BYTECODE, &constructor)));
        all.push(create(plan.registry_tree.clone()));
        all.extend(plan.verifiers.iter().cloned().map(create));
        let constructor = VerifierRouter::constructorCall {
            authority: access_manager,
            delay_: plan.router_delay,
            verifiers: verifiers.clone(),
        };
        all.push(create(init(&VerifierRouter::BYTECODE, &constructor)));
        let parties = Parties {
            settlement,
            router,
            batchers: &plan.batchers,
            admin: plan.admin.unwrap_or(wallet.address()),
            deployer: wallet.address(),
        };
        let roles = Roles::embedded()?.setup(&parties)?.abi_encode();
        all.push(Transaction { to: Some(access_manager), input: roles.into() });
        // Last: before it the contract takes nothing, whatever is cut off above.
        let initialise =
            Settlement::initialiseCall { genesisState: genesis, registryRoot: root, entry: leaf, path };
        all.push(Transaction { to: Some(settlement), input: initialise.abi_encode().into() });
        Ok(Self {
            first_nonce,
            all,
            leaf,
            root,
            genesis,
            settlement,
            access_manager,
            registry_tree,
            verifiers,
            router,
        })
    }

    /// Keccak-256 of what all of them do.
    fn content(&self) -> B256 {
        let one = |Transaction { to, input }: &Transaction| {
            [to.unwrap_or_default().as_slice(), keccak256(input).as_slice()].concat()
        };
        keccak256(self.all.iter().flat_map(one).collect::<Vec<_>>())
    }

    /// The record of this deployment: the known one, if that is about the same. A new one is written before anything is sent.
    pub(super) fn record(
        &self,
        wallet: &Wallet<'_>,
        known: Option<DeploymentRecord>,
        journal: Option<&Journal>,
    ) -> Result<DeploymentRecord, DeployError> {
        let new = DeploymentRecord {
            chain_id: wallet.chain_id,
            deployer: wallet.address(),
            first_nonce: self.first_nonce,
            content: self.content(),
            transactions: vec![vec![]; self.all.len()],
        };
        let Some(journal) = journal else { return Ok(new) };
        let Some(known) = known else {
            journal.write_deployment(&new)?;
            return Ok(new);
        };
        let expected = DeploymentRecord { transactions: known.transactions.clone(), ..new.clone() };
        if known == expected && known.transactions.len() == self.all.len() {
            return Ok(known);
        }
        let DeploymentRecord { deployer, chain_id, first_nonce, .. } = known;
        let path = journal.deployment_path();
        Err(DeployError::OtherDeployment { path, deployer, chain_id, first_nonce })
    }

    /// Sends what L1 does not have, and waits until the blocks that have everything are final. What a reorganisation takes away is sent
    /// again. `waiting` is given the last of these blocks, whenever it is another one.
    pub(super) fn send(
        &self,
        wallet: &Wallet<'_>,
        plan: &Plan,
        record: DeploymentRecord,
        journal: Option<&Journal>,
        waiting: &dyn Fn(u64),
    ) -> Result<Deployed, DeployError> {
        let (record, mut sent) = (RefCell::new(record), false);
        let mut receipts = self.receipts(wallet, &record, journal, &mut sent)?;
        self.check_in_doubt(wallet, plan, sent)?;
        let (mut since, mut gone_since, mut told, mut repeats) = (Instant::now(), None, None, 0);
        loop {
            let blocks = match standing(wallet, &receipts) {
                Ok(blocks) => blocks,
                // The journal has everything, so a node that is away is asked again.
                Err(error) if error.is_transient() => Standing::Waiting,
                Err(error) => return Err(error.into()),
            };
            match blocks {
                Standing::Final => return Ok(self.deployed(wallet, &receipts)),
                Standing::Waiting => gone_since = None,
                // One of several nodes may lack a block for a while: nothing is sent before that lasts.
                Standing::Gone
                    if gone_since.get_or_insert_with(Instant::now).elapsed() < wallet.policy.doubt => {}
                Standing::Gone if repeats < MOST_REPEATS => {
                    repeats += 1;
                    gone_since = None;
                    match self.receipts(wallet, &record, journal, &mut sent) {
                        Ok(found) => {
                            self.check_in_doubt(wallet, plan, sent)?;
                            (receipts, since) = (found, Instant::now());
                        }
                        Err(error) if repeats == MOST_REPEATS => return Err(error),
                        // The nodes may not agree yet.
                        Err(_) => {}
                    }
                    continue;
                }
                Standing::Gone => {}
            }
            let block = last_block(&receipts);
            if gone_since.is_none() && told.replace(block) != Some(block) {
                waiting(block);
            }
            if since.elapsed() >= wallet.policy.patience {
                return Err(DeployError::NotFinal { block, seconds: since.elapsed().as_secs() });
            }
            thread::sleep(wallet.policy.poll);
        }
    }

    /// [`Self::check`], again for a while if a node that is behind may be the reason for what it says.
    fn check_in_doubt(&self, wallet: &Wallet<'_>, plan: &Plan, is_new: bool) -> Result<(), DeployError> {
        let since = Instant::now();
        loop {
            match self.check(wallet, plan, is_new) {
                Err(DeployError::OtherContract { .. }) if since.elapsed() < wallet.policy.doubt => {
                    thread::sleep(wallet.policy.poll);
                }
                answer => return answer,
            }
        }
    }

    /// The receipts of all transactions, each of which is `sent` if no block has it.
    fn receipts(
        &self,
        wallet: &Wallet<'_>,
        record: &RefCell<DeploymentRecord>,
        journal: Option<&Journal>,
        sent: &mut bool,
    ) -> Result<Vec<Receipt>, DeployError> {
        let mut receipts = vec![];
        for (position, transaction) in self.all.iter().enumerate() {
            let planned = self.first_nonce + position as u64;
            let known = find_in_doubt(wallet, transaction, planned, &record.borrow().transactions[position])?;
            let receipt = match known {
                Some(receipt) => receipt,
                None => {
                    *sent = true;
                    self.send_one(wallet, transaction, position, record, journal)?
                }
            };
            let expected = wallet.address().create(planned);
            if transaction.to.is_none() && receipt.created != Some(expected) {
                let found = receipt.created.unwrap_or_default();
                return Err(DeployError::OtherAddress { expected, found });
            }
            receipts.push(receipt);
        }
        Ok(receipts)
    }

    fn deployed(&self, wallet: &Wallet<'_>, receipts: &[Receipt]) -> Deployed {
        Deployed {
            chain_id: wallet.chain_id,
            deployment: deployment_id(wallet.chain_id, self.settlement),
            settlement: self.settlement,
            access_manager: self.access_manager,
            router: self.router,
            registry_tree: self.registry_tree,
            verifiers: self.verifiers.clone(),
            first_block: receipts.first().map_or(0, |receipt| receipt.block_number),
            gas_used: receipts.iter().map(|receipt| receipt.gas_used).sum(),
        }
    }

    /// Sends a transaction with its nonce, and has its hash in the journal before anybody else has it. Only the addresses of contracts
    /// follow from nonces: a call that failed, or whose nonce is used, takes the next one.
    fn send_one(
        &self,
        wallet: &Wallet<'_>,
        transaction: &Transaction,
        position: usize,
        record: &RefCell<DeploymentRecord>,
        journal: Option<&Journal>,
    ) -> Result<Receipt, DeployError> {
        let Transaction { to, input } = transaction;
        let planned = self.first_nonce + position as u64;
        let nonce = match to {
            Some(_) => planned.max(wallet.l1.nonces(wallet.address())?.latest),
            None => planned,
        };
        let keep = |hash| -> Result<(), JournalError> {
            let mut record = record.borrow_mut();
            if !record.transactions[position].contains(&hash) {
                record.transactions[position].push(hash);
                journal.map_or(Ok(()), |journal| journal.write_deployment(&record))?;
            }
            Ok(())
        };
        // An announcement cannot stop the wallet. Without the hash the nonce still keeps a second transaction away.
        let unkept = RefCell::new(None);
        let announce = |hash, nonce| {
            if let Err(error) = keep(hash) {
                unkept.borrow_mut().get_or_insert(error);
            }
            (wallet.announce)(hash, nonce);
        };
        let answer =
            Wallet { announce: &announce, ..*wallet }.send_with(nonce, *to, U256::ZERO, input.clone());
        if let Some(error) = unkept.into_inner() {
            return Err(error.into());
        }
        match answer {
            Ok(receipt) => Ok(receipt),
            // One of a call that was cut off may have come meanwhile.
            Err(error) => {
                find(wallet, transaction, &record.borrow().transactions[position])?.ok_or(error.into())
            }
        }
    }
}

fn last_block(receipts: &[Receipt]) -> u64 {
    receipts.iter().map(|receipt| receipt.block_number).max().unwrap_or_default()
}

/// What L1 says of blocks that had all transactions.
enum Standing {
    /// They stay for good.
    Final,
    /// They are there.
    Waiting,
    /// One of them is not.
    Gone,
}

fn standing(wallet: &Wallet<'_>, receipts: &[Receipt]) -> Result<Standing, L1Error> {
    let Wallet { l1, policy, .. } = wallet;
    let Some(latest) = l1.block(At::Latest)? else { return Ok(Standing::Waiting) };
    let last = policy.finality.block(*l1, &latest)?;
    // Asked after finality: a block that was there before may have gone since.
    let blocks: BTreeMap<_, _> =
        receipts.iter().map(|receipt| (receipt.block_number, receipt.block_hash)).collect();
    for (number, hash) in blocks {
        if l1.block(At::Number(number))?.is_none_or(|block| block.hash != hash) {
            return Ok(Standing::Gone);
        }
    }
    let is_final = last.is_some_and(|last| last.number >= last_block(receipts));
    Ok(if is_final { Standing::Final } else { Standing::Waiting })
}

/// The receipt of one of these transactions, if a block has it. A contract whose creation failed has no other address.
fn find(
    wallet: &Wallet<'_>,
    transaction: &Transaction,
    hashes: &[B256],
) -> Result<Option<Receipt>, DeployError> {
    for &hash in hashes {
        match wallet.l1.receipt(hash)? {
            Some(receipt) if receipt.succeeded => return Ok(Some(receipt)),
            Some(_) if transaction.to.is_none() => return Err(WalletError::Failed(hash).into()),
            Some(_) | None => {}
        }
    }
    Ok(None)
}

/// [`find`], again for a while if the nonce that was planned for them is used: one of several nodes may lack the block.
fn find_in_doubt(
    wallet: &Wallet<'_>,
    transaction: &Transaction,
    planned: u64,
    hashes: &[B256],
) -> Result<Option<Receipt>, DeployError> {
    let since = Instant::now();
    loop {
        let found = find(wallet, transaction, hashes)?;
        let is_doubtful = found.is_none() && !hashes.is_empty() && since.elapsed() < wallet.policy.doubt;
        if !is_doubtful || wallet.l1.nonces(wallet.address())?.latest <= planned {
            return Ok(found);
        }
        thread::sleep(wallet.policy.poll);
    }
}
