//! Claiming what superblocks pay.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall as _;
use batcher_job::payouts::{L1Summary, MalformedPayouts};
use batcher_verify::bundle::SuperblockBundle;
use environments_l1::{Payout, PayoutTree};
use serde::Serialize;
use thiserror::Error;

use crate::{
    abi::Settlement::{AssetId, Claim, Payout as ClaimedPayout, claimCall, isClaimedCall, payoutRootCall},
    contract::{Contract, NoContract},
    l1::{At, L1Error},
    wallet::{Wallet, WalletError},
};

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

/// A payout that was claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claimed {
    pub superblock: u32,
    pub payout: Payout,
    /// The transaction; none if somebody claimed it before.
    pub transaction: Option<B256>,
    pub gas_used: Option<u64>,
}

/// Claims those payouts of a superblock that `wanted` names, one transaction each. What was claimed already is listed and not
/// claimed again. Whoever claims, the recipient is paid.
///
/// # Errors
/// [`ClaimError`]. Payouts before the one that fails are claimed.
pub fn claim(
    wallet: &Wallet<'_>,
    contract: Address,
    superblock: u32,
    payouts: &[Payout],
    wanted: impl Fn(&Payout) -> bool,
) -> Result<Vec<Claimed>, ClaimError> {
    let settlement = Contract { l1: wallet.l1, address: contract };
    let tree = PayoutTree::new(payouts);
    let expected = settlement.view(&payoutRootCall { number: superblock }, At::Latest)?;
    let (expected, found) = (expected.ok_or(NoContract(contract))?, B256::new(tree.root().0));
    if expected != found {
        return Err(ClaimError::OtherRoot { superblock, expected, found });
    }
    let mut claimed = vec![];
    for (position, &payout) in payouts.iter().enumerate().filter(|(_, payout)| wanted(payout)) {
        let is_claimed = settlement.view(&isClaimedCall { index: payout.index }, At::Latest)?;
        let receipt = if is_claimed == Some(true) {
            None
        } else {
            let proof = tree.proof(position).unwrap_or_default();
            let proof = proof.iter().map(|node| B256::new(node.0)).collect();
            let call = claimCall { claimed: Claim { superblock, payout: of_payout(&payout), proof } };
            Some(wallet.send(Some(contract), U256::ZERO, call.abi_encode().into())?)
        };
        claimed.push(Claimed {
            superblock,
            payout,
            transaction: receipt.map(|receipt| receipt.transaction),
            gas_used: receipt.map(|receipt| receipt.gas_used),
        });
    }
    Ok(claimed)
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
