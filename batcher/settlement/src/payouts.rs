//! Claiming what superblocks pay.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall as _;
use batcher_job::payouts::{L1Summary, MalformedPayouts};
use batcher_verify::bundle::SuperblockBundle;
use environments_l1::{Payout, PayoutTree};
use serde::Serialize;
use thiserror::Error;

use crate::{
    abi::Settlement::{AssetId, Claim, Payout as ClaimedPayout, claimAllCall, isClaimedCall, payoutRootCall},
    contract::{Contract, NoContract},
    l1::{At, L1Error},
    wallet::{Wallet, WalletError},
};

/// Payouts in one transaction: each takes about 60,000 gas, and its receiver at most 100,000.
const BATCH: usize = 32;

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

/// Claims those payouts of a superblock that `wanted` names, several in a transaction. The contract gives each receiver a limited
/// amount of gas, and a receiver that refuses keeps no other from its payout. What was claimed already is listed and not
/// claimed again. Whoever claims, the recipient is paid.
///
/// # Errors
/// [`ClaimError`]. Batches before the one that fails are claimed.
pub fn claim(
    wallet: &Wallet<'_>,
    contract: Address,
    superblock: u32,
    payouts: &[Payout],
    wanted: impl Fn(&Payout) -> bool,
) -> Result<Claims, ClaimError> {
    let settlement = Contract { l1: wallet.l1, address: contract };
    let tree = PayoutTree::new(payouts);
    let expected = settlement.view(&payoutRootCall { number: superblock }, At::Latest)?;
    let (expected, found) = (expected.ok_or(NoContract(contract))?, B256::new(tree.root().0));
    if expected != found {
        return Err(ClaimError::OtherRoot { superblock, expected, found });
    }
    let is_claimed = |payout: &Payout| -> Result<bool, ClaimError> {
        Ok(settlement.view(&isClaimedCall { index: payout.index }, At::Latest)?.unwrap_or_default())
    };
    let mut claims = Claims::default();
    let mut open = vec![];
    for (position, &payout) in payouts.iter().enumerate().filter(|(_, payout)| wanted(payout)) {
        if is_claimed(&payout)? {
            claims.payouts.push(Claimed { superblock, payout, outcome: ClaimOutcome::PaidEarlier });
        } else {
            open.push((position, payout));
        }
    }
    for batch in open.chunks(BATCH) {
        let claimed = batch.iter().map(|(position, payout)| {
            let proof = tree.proof(*position).unwrap_or_default();
            let proof = proof.iter().map(|node| B256::new(node.0)).collect();
            Claim { superblock, payout: of_payout(payout), proof }
        });
        let call = claimAllCall { claimed: claimed.collect() };
        let receipt = wallet.send(Some(contract), U256::ZERO, call.abi_encode().into())?;
        claims.gas_used += receipt.gas_used;
        for &(_, payout) in batch {
            let transaction = receipt.transaction;
            let outcome = if is_claimed(&payout)? {
                ClaimOutcome::Paid(transaction)
            } else {
                ClaimOutcome::Refused(transaction)
            };
            claims.payouts.push(Claimed { superblock, payout, outcome });
        }
    }
    claims.payouts.sort_by_key(|claimed| claimed.payout.index);
    Ok(claims)
}

/// The number and the payouts of a bundle, whose proof is not verified: the contract knows what it pays.
///
/// # Errors
/// [`ClaimError::Payouts`]
pub fn payouts_of(bundle: &SuperblockBundle) -> Result<Option<(u32, Vec<Payout>)>, ClaimError> {
    let summary = L1Summary::of(bundle)?;
    Ok(summary.and_then(|summary| Some((u32::try_from(summary.superblock).ok()?, summary.payouts))))
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
