//! Claiming what superblocks pay.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolCall as _, SolEvent as _};
use batcher_job::payouts::{L1Summary, MalformedPayouts, unpacked};
use batcher_verify::bundle::SuperblockBundle;
use circuits_protocol::l1::PAYOUT_BYTES;
use environments_core::address::Address as Account;
use environments_l1::{
    Payout, PayoutTree,
    block::{MAX_CONSUMED, MAX_DEPOSITS},
};
use serde::Serialize;
use thiserror::Error;

use crate::{
    abi::Settlement::{
        AssetId, Claim, Payout as ClaimedPayout, PayoutClaimed, PayoutRefused, PayoutsListed,
        SettlementErrors, claimAllCall, claimToCall, isClaimedCall, payoutRootCall,
    },
    contract::{Contract, NoContract},
    history::{decode, search_back},
    l1::{At, L1Error},
    wallet::{Wallet, WalletError},
};

/// Payouts in one transaction: each takes about 60,000 gas, and its receiver at most 100,000.
const BATCH: usize = 32;

/// The most payouts of a superblock: what its block of environment 0 consumes, and deposits that bounce.
const MOST_PAYOUTS: usize = MAX_CONSUMED + MAX_DEPOSITS;

/// Why nothing is claimed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClaimError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    NoContract(#[from] NoContract),
    #[error(transparent)]
    Wallet(#[from] WalletError),
    #[error(transparent)]
    Payouts(#[from] MalformedPayouts),
    /// The contract has other payouts of this superblock, or none yet.
    #[error(
        "the contract has payout root {expected} for superblock {superblock}, the superblock's payouts give {found}"
    )]
    OtherRoot { superblock: u32, expected: B256, found: B256 },
    /// The payout is somebody else's, and would be paid to another address.
    #[error("payout {index} is one to {recipient}, who alone names another receiver; the signer is {signer}")]
    NotRecipient { index: u32, recipient: Account, signer: Address },
    /// L1 is not so far.
    #[error("L1 has settled up to superblock {settled}, not superblock {superblock}")]
    NotSettled { superblock: u32, settled: u32 },
    /// The node leaves out the event.
    #[error("the node does not tell the payouts of superblock {superblock}: name its bundle instead")]
    NoEvent { superblock: u32 },
    /// A payout that was named is in none of the superblocks.
    #[error("none of these superblocks makes payout {index}")]
    NoPayout { index: u32 },
    /// No kernel of environment 0 makes so many.
    #[error(
        "the node tells of {found} payouts of superblock {superblock}, a superblock has at most {MOST_PAYOUTS}"
    )]
    TooMany { superblock: u32, found: usize },
}

/// A payout that was to be claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claimed {
    pub superblock: u32,
    pub payout: Payout,
    pub outcome: ClaimOutcome,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimOutcome {
    /// This transaction paid it.
    Paid(B256),
    /// Somebody claimed it before.
    PaidEarlier,
    /// The receiver refuses, or needs more gas than a batch gives it. It can be claimed again.
    Refused(B256),
}

/// What claiming did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Claims {
    pub payouts: Vec<Claimed>,
    pub gas_used: u64,
}

impl Claims {
    /// Adds the claims of another superblock.
    pub fn extend(&mut self, other: Self) {
        self.payouts.extend(other.payouts);
        self.gas_used += other.gas_used;
    }
}

/// Claims those payouts of a superblock that `wanted` names, several in a transaction. The contract gives each receiver a limited
/// amount of gas, and a receiver that refuses keeps no other from its payout. What was claimed already is listed and not
/// claimed again. Whoever claims, the recipient is paid. What was done is added to `claims`.
///
/// # Errors
/// [`ClaimError`]. Batches before the one that fails are claimed, and in `claims`.
pub fn claim(
    wallet: &Wallet<'_>,
    contract: Address,
    superblock: u32,
    payouts: &[Payout],
    wanted: impl Fn(&Payout) -> bool,
    claims: &mut Claims,
) -> Result<(), ClaimError> {
    let settlement = Contract { l1: wallet.l1, address: contract };
    let open = open_claims(&settlement, superblock, payouts, wanted, claims)?;
    for batch in open.chunks(BATCH) {
        let call = claimAllCall { claimed: batch.iter().map(|(_, claim)| claim.clone()).collect() };
        let receipt = wallet.send(Some(contract), U256::ZERO, call.abi_encode().into())?;
        claims.gas_used += receipt.gas_used;
        let transaction = receipt.transaction;
        let events = wallet.events_of(contract, transaction)?;
        let says = |topic, payout: &Payout| {
            let topics = [topic, U256::from(payout.index).into()];
            events.iter().any(|event| event.topics.starts_with(&topics))
        };
        for &(payout, _) in batch {
            let outcome = if says(PayoutClaimed::SIGNATURE_HASH, &payout) {
                ClaimOutcome::Paid(transaction)
            } else if says(PayoutRefused::SIGNATURE_HASH, &payout) {
                ClaimOutcome::Refused(transaction)
            } else if is_claimed(&settlement, &payout, At::Number(receipt.block_number))? {
                // Somebody claimed it in between, and the contract left it out.
                ClaimOutcome::PaidEarlier
            } else {
                ClaimOutcome::Refused(transaction)
            };
            claims.payouts.push(Claimed { superblock, payout, outcome });
        }
    }
    claims.payouts.sort_by_key(|claimed| claimed.payout.index);
    Ok(())
}

/// Has those payouts of a superblock that `wanted` names paid to `receiver` in place of their recipient, who must be the wallet's
/// account. Each has a transaction of its own, in which the receiver may use all gas. What was claimed already is listed. What was
/// done is added to `claims`.
///
/// # Errors
/// [`ClaimError`], [`ClaimError::NotRecipient`] before anything is sent. Payouts before the one that fails are claimed, and in `claims`.
pub fn claim_to(
    wallet: &Wallet<'_>,
    contract: Address,
    superblock: u32,
    payouts: &[Payout],
    wanted: impl Fn(&Payout) -> bool,
    receiver: Address,
    claims: &mut Claims,
) -> Result<(), ClaimError> {
    let signer = wallet.address();
    let others = |payout: &&Payout| wanted(payout) && payout.recipient.0 != signer.0.0;
    if let Some(&Payout { index, recipient, .. }) = payouts.iter().find(others) {
        return Err(ClaimError::NotRecipient { index, recipient, signer });
    }
    let settlement = Contract { l1: wallet.l1, address: contract };
    for (payout, claimed) in open_claims(&settlement, superblock, payouts, wanted, claims)? {
        let call = claimToCall { claimed, receiver };
        let outcome = match wallet.send(Some(contract), U256::ZERO, call.abi_encode().into()) {
            Ok(receipt) => {
                claims.gas_used += receipt.gas_used;
                ClaimOutcome::Paid(receipt.transaction)
            }
            // Somebody claimed it in between.
            Err(WalletError::L1(L1Error::Reverted(reason)))
                if matches!(reason.of_settlement(), Some(SettlementErrors::AlreadyClaimed(_))) =>
            {
                ClaimOutcome::PaidEarlier
            }
            Err(error) => return Err(error.into()),
        };
        claims.payouts.push(Claimed { superblock, payout, outcome });
    }
    claims.payouts.sort_by_key(|claimed| claimed.payout.index);
    Ok(())
}

/// The wanted payouts that were not claimed before, each with what the contract asks for; the others are added to `claims`. The
/// payouts must be the contract's own.
fn open_claims(
    settlement: &Contract<'_>,
    superblock: u32,
    payouts: &[Payout],
    wanted: impl Fn(&Payout) -> bool,
    claims: &mut Claims,
) -> Result<Vec<(Payout, Claim)>, ClaimError> {
    let tree = PayoutTree::new(payouts);
    let expected = settlement.view(&payoutRootCall { number: superblock }, At::Latest)?;
    let (expected, found) = (expected.ok_or(NoContract(settlement.address))?, B256::new(tree.root().0));
    if expected != found {
        return Err(ClaimError::OtherRoot { superblock, expected, found });
    }
    let mut open = vec![];
    for (position, &payout) in payouts.iter().enumerate().filter(|(_, payout)| wanted(payout)) {
        if is_claimed(settlement, &payout, At::Latest)? {
            claims.payouts.push(Claimed { superblock, payout, outcome: ClaimOutcome::PaidEarlier });
        } else {
            let proof = tree.proof(position).unwrap_or_default();
            let proof = proof.iter().map(|node| B256::new(node.0)).collect();
            open.push((payout, Claim { superblock, payout: of_payout(&payout), proof }));
        }
    }
    Ok(open)
}

fn is_claimed(settlement: &Contract<'_>, payout: &Payout, at: At) -> Result<bool, ClaimError> {
    Ok(settlement.view(&isClaimedCall { index: payout.index }, at)?.unwrap_or_default())
}

/// The number and the payouts of a bundle, whose proof is not verified: the contract knows what it pays.
///
/// # Errors
/// [`ClaimError::Payouts`]
pub fn payouts_of(bundle: &SuperblockBundle) -> Result<Option<(u32, Vec<Payout>)>, ClaimError> {
    let summary = L1Summary::of(bundle)?;
    Ok(summary.and_then(|summary| Some((u32::try_from(summary.superblock).ok()?, summary.payouts))))
}

/// The payouts of a superblock as the contract told them, for which blocks from `first_block` on are searched, the newest first.
/// Nobody has to be asked for a bundle, and [`claim`] compares what was read with the contract.
///
/// # Errors
/// [`ClaimError`]
pub fn settled_payouts(
    contract: &Contract<'_>,
    superblock: u32,
    first_block: u64,
) -> Result<Vec<Payout>, ClaimError> {
    let &Contract { l1, address } = contract;
    let settled = contract.settled(At::Latest)?.ok_or(NoContract(address))?.number;
    if superblock > settled {
        return Err(ClaimError::NotSettled { superblock, settled });
    }
    let root = contract.view(&payoutRootCall { number: superblock }, At::Latest)?;
    if root.ok_or(NoContract(address))? == B256::ZERO {
        return Ok(vec![]);
    }
    let missing = ClaimError::NoEvent { superblock };
    let Some(head) = l1.block(At::Latest)? else { return Err(missing) };
    let topics = [PayoutsListed::SIGNATURE_HASH, U256::from(superblock).into()].map(Some);
    let mut found = None;
    search_back(l1, address, &topics, (first_block, head.number), |event| {
        found = Some(event);
        false
    })?;
    let packed = decode::<PayoutsListed>(&found.ok_or(missing)?)?.payouts;
    let found = packed.len() / PAYOUT_BYTES;
    if found > MOST_PAYOUTS {
        return Err(ClaimError::TooMany { superblock, found });
    }
    Ok(unpacked(superblock.into(), &packed)?)
}

/// The payout as the contract takes it.
fn of_payout(payout: &Payout) -> ClaimedPayout {
    let &Payout { index, recipient, kind, asset, amount, name } = payout;
    ClaimedPayout {
        index,
        recipient: Address::new(recipient.0),
        kind: kind as u16,
        asset: AssetId { origin: asset.origin, number: asset.number },
        amount,
        name: B256::new(name.0),
    }
}
