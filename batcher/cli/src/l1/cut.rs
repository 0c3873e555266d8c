//! `superblock l1 cut`.

use std::fmt;

use batcher_settlement::withdrawals::{Cut, cut_queue};
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    l1::call::CallArguments,
    options::Options,
};

/// Cut the deposits from L1's queue that no superblock takes.
///
/// Anybody may, once no superblock has taken a deposit for as long as the contract says, or once one has waited for twice as long. What
/// is cut leaves the queue for good, and each depositor withdraws it with `l1 withdraw`. Until then the contract says from when on.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    call: CallArguments,
}

/// What was cut.
#[derive(Serialize)]
struct Done(Cut);

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cut { generation, from, to, transaction, gas_used } = self.0;
        let (count, last) = (to.saturating_sub(from), to.saturating_sub(1));
        write!(
            f,
            "{count} deposits are cut, {generation}:{from} to {generation}:{last}, by transaction {transaction}, "
        )?;
        write!(f, "{gas_used} gas")
    }
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    arguments.call.run(options, |wallet, contract| Ok(Answer::new(&Done(cut_queue(wallet, contract)?))))
}
