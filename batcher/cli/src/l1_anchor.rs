//! Verification that takes its anchor from L1.

use std::{fmt, num::NonZeroU64, path::Path};

use batcher_settlement::{Address, anchor::Anchor, contract::Contract, job::Finality};
use batcher_verify::{
    circuit::SuperblockCircuit,
    keys::PinnedKeys,
    verify::{Report, VerifyError, verify},
};
use circuits_core::recursion::key_digest;
use serde::Serialize;

use crate::{
    answer::Failure,
    l1_arguments::{open_node, parse_address},
};

/// L1 as an anchor.
#[derive(clap::Args)]
pub(crate) struct AnchorArguments {
    /// Take what is trusted from the contract, by asking the node of L1 at this address.
    ///
    /// The superblocks must be the ones that the contract has settled, in blocks that are final. The answer is worth as much as
    /// the node. @FILE takes the address from the first line of a file.
    #[arg(long = "l1", value_name = "URL", requires_all = ["contract", "l1_chain_id"], conflicts_with_all = ["trust", "deposits"])]
    url: Option<String>,
    /// Ask the settlement contract at this address.
    ///
    /// It is the anchor: whoever names it has to know that it is the right one.
    #[arg(long, value_name = "ADDRESS", requires = "url", value_parser = parse_address)]
    contract: Option<Address>,
    /// Ask on the network with this chain id only.
    ///
    /// Ethereum's is 1. A contract of a test network can have the same address.
    #[arg(long, value_name = "NUMBER", requires = "url")]
    l1_chain_id: Option<u64>,
    /// Search the contract's events from this block of L1 on.
    ///
    /// The newest are searched first, and the search ends once the superblocks are found. Without it, no block is left out.
    #[arg(long, value_name = "BLOCK", default_value_t = 0, requires = "url")]
    from_block: u64,
    /// Call a block final when N blocks are on top of it.
    ///
    /// Without it, a block is final when the node says so.
    #[arg(long, value_name = "N", requires = "url")]
    confirmations: Option<NonZeroU64>,
}

/// Which contract an answer is anchored to.
#[derive(Serialize)]
pub(crate) struct AnchoredTo {
    l1_chain_id: u64,
    contract: Address,
    /// The final block of L1 in which it said so.
    block: u64,
}

impl fmt::Display for AnchoredTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { l1_chain_id, contract, block } = self;
        write!(f, "The anchor is contract {contract} on network {l1_chain_id}, in final block {block}.")
    }
}

impl AnchorArguments {
    /// Verifies the superblocks, which L1 has settled; `None` if L1 is not asked.
    pub(crate) fn verify(&self, files: &[impl AsRef<Path>]) -> Result<Option<(Report, AnchoredTo)>, Failure> {
        let (Some(url), Some(contract), Some(chain_id)) = (&self.url, self.contract, self.l1_chain_id) else {
            return Ok(None);
        };
        let l1 = open_node(url, chain_id)?;
        let finality = self.confirmations.map_or(Finality::Node, |depth| Finality::Depth(depth.get()));
        let pinned = PinnedKeys::embedded();
        let paths = || files.iter().map(|path| path.as_ref().to_owned()).collect();
        let relative = verify(paths(), None, pinned)?;
        let numbers = |report: &Report| {
            let number = |one: Option<&batcher_verify::verify::Verified>| {
                one.and_then(|one| u32::try_from(one.number).ok())
            };
            Some((number(report.superblocks.first())?, number(report.superblocks.last())?))
        };
        let range = numbers(&relative).ok_or(VerifyError::Empty)?;
        let keys = SuperblockCircuit::all().filter_map(|circuit| pinned.superblock(circuit)).map(key_digest);
        let asked = Contract { l1: &l1, address: contract };
        let anchor = Anchor::read(&asked, finality, self.from_block, range, keys.collect())?;
        let report = verify(paths(), Some(&anchor.trust), pinned)?;
        for one in &report.superblocks {
            anchor.check(one)?;
        }
        // The contract compared the deposits with its queue before it settled this state.
        let report = Report { deposits_checked: report.l1_queue.is_some(), ..report };
        Ok(Some((report, AnchoredTo { l1_chain_id: chain_id, contract, block: anchor.block })))
    }
}
