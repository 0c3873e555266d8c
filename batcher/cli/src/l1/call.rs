//! What all commands have in common that send transactions to the settlement contract.

use batcher_job::scenario::chain_of;
use batcher_settlement::{Address, wallet::Wallet};

use crate::{
    answer::{Answer, Failure},
    exit::{ExitCode, HasExitCode},
    l1::announcer,
    l1_arguments::{Contract, PolicyArguments, SignerArguments},
    options::Options,
};

/// Which contract is called, who signs, and what it may cost.
#[derive(clap::Args)]
pub(crate) struct CallArguments {
    #[command(flatten)]
    contract: Contract,
    #[command(flatten)]
    signer: SignerArguments,
    #[command(flatten)]
    policy: PolicyArguments,
}

impl CallArguments {
    /// Opens node and signer, and gives `call` a wallet of them and the contract.
    pub(crate) fn run(
        &self,
        options: Options,
        call: impl FnOnce(&Wallet<'_>, Address) -> Result<Answer, Failure>,
    ) -> Result<Answer, Failure> {
        let announce = announcer(options);
        let Contract { node, contract } = &self.contract;
        let (l1, signer) = (node.open()?, self.signer.open()?);
        let policy = self.policy.get(node.finality());
        let chain_id = node.l1_chain_id;
        call(&Wallet { l1: &l1, chain_id, signer: &signer, policy, announce: &announce }, *contract)
    }
}

/// The exit code and the text of the error with which several transactions ended, for an answer that says what was done before.
///
/// # Errors
/// The error itself if nothing was.
pub(crate) fn split<E: HasExitCode + 'static>(
    ended: Result<(), E>,
    is_nothing: bool,
) -> Result<(ExitCode, Option<String>), Failure> {
    match ended {
        Ok(()) => Ok((ExitCode::Done, None)),
        Err(error) if is_nothing => Err(error.into()),
        Err(error) => Ok((error.exit_code(), Some(chain_of(&error)))),
    }
}
