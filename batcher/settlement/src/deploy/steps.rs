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
        let record = RefCell::new(record);
        let (mut known, mut sent, mut since) = (vec![], false, Instant::now());
        loop {
            match self.receipts(wallet, &record, journal, &mut sent) {
                Ok(receipts) if receipts == known => {}
                Ok(receipts) => {
                    self.check(wallet, plan, sent)?;
                    (known, since) = (receipts, Instant::now());
                    if !is_final(wallet, &known)? {
                        waiting(last_block(&known));
                    }
                }
                // The journal has everything, so a node that is away is asked again.
                Err(DeployError::L1(error)) if !known.is_empty() && error.is_transient() => {}
                Err(error) => return Err(error),
            }
            match is_final(wallet, &known) {
                Ok(true) => return Ok(self.deployed(wallet, &known)),
                Err(error) if !error.is_transient() => return Err(error.into()),
                Ok(false) | Err(_) => {}
            }
            if since.elapsed() >= wallet.policy.patience {
                let (block, seconds) = (last_block(&known), since.elapsed().as_secs());
                return Err(DeployError::NotFinal { block, seconds });
            }
            thread::sleep(wallet.policy.poll);
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
            let known = find(wallet, transaction, &record.borrow().transactions[position])?;
            let receipt = match known {
                Some(receipt) => receipt,
                None => {
                    *sent = true;
                    self.send_one(wallet, transaction, position, record, journal)?
                }
            };
            let expected = wallet.address().create(self.first_nonce + position as u64);
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

/// Whether the blocks of these receipts stay for good.
fn is_final(wallet: &Wallet<'_>, receipts: &[Receipt]) -> Result<bool, L1Error> {
    let Wallet { l1, policy, .. } = wallet;
    let Some(latest) = l1.block(At::Latest)? else { return Ok(false) };
    let last = policy.finality.block(*l1, &latest)?;
    if last.is_none_or(|last| last.number < last_block(receipts)) {
        return Ok(false);
    }
    // The receipts may be those of blocks that went before the others became final.
    let blocks: BTreeMap<_, _> =
        receipts.iter().map(|receipt| (receipt.block_number, receipt.block_hash)).collect();
    for (number, hash) in blocks {
        if l1.block(At::Number(number))?.is_none_or(|block| block.hash != hash) {
            return Ok(false);
        }
    }
    Ok(true)
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
