//! Errors of settling on L1.

use batcher_settlement::{
    anchor::AnchorError, contract::NoContract, deploy::DeployError, deposit::DepositError,
    finalized::FinalizedError, hops::HopsError, job::JobError, journal::JournalError, l1::L1Error,
    limits::Limit, payouts::ClaimError, rpc::UrlError, settled_run::SettledRunError, signer::SignerError,
    superblock::UnstatableError, wallet::WalletError, watch::WatchError, withdrawals::WithdrawError,
};

use super::{ExitCode, HasExitCode};

impl HasExitCode for L1Error {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Malformed { .. }
            | Self::Oversized { .. }
            | Self::Stopped => ExitCode::Unavailable,
            // What passes in time is no fault of the input.
            Self::Reverted(reason) if reason.until().is_some() => ExitCode::Unavailable,
            Self::Search { .. } => ExitCode::Limit,
            Self::Reverted(_) | Self::Untrusted { .. } | Self::Transaction { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for Limit {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Bytes { .. } | Self::Gas { .. } => ExitCode::Limit,
            Self::Funds { .. } | Self::Signing => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for NoContract {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Rejected
    }
}

impl HasExitCode for UrlError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Malformed => ExitCode::Rejected,
            Self::System => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for SignerError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Text(error) => error.exit_code(),
            Self::NoKey { .. } | Self::Keystore { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for WalletError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::L1(error) => error.exit_code(),
            Self::Limit(limit) => limit.exit_code(),
            Self::Network { .. } | Self::Failed(_) => ExitCode::Rejected,
            Self::NotTaken { source, .. } => source.exit_code(),
            // Gas that is too expensive gets cheaper, as `settle` waits for.
            Self::Fee(_)
            | Self::NoCode(_)
            | Self::NoEvents(_)
            | Self::NonceUsed { .. }
            | Self::Patience { .. } => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for DeployError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Wallet(error) => error.exit_code(),
            Self::L1(error) => error.exit_code(),
            Self::Registry(error) => error.exit_code(),
            Self::Journal(error) => error.exit_code(),
            Self::OtherRegistry { .. }
            | Self::OtherDeployment { .. }
            | Self::OtherKernels { .. }
            | Self::OtherVerifier { .. } => ExitCode::Rejected,
            Self::Roles(_)
            | Self::OtherAddress { .. }
            | Self::NotFinal { .. }
            | Self::OtherContract { .. } => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for DepositError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::L1(error) => error.exit_code(),
            Self::NoContract(error) => error.exit_code(),
            Self::Wallet(error) => error.exit_code(),
            Self::Text(error) => error.exit_code(),
            Self::File(error) => error.exit_code(),
            Self::UnknownAsset(_)
            | Self::Tokens { .. }
            | Self::Token { .. }
            | Self::Fee { .. }
            | Self::NoRecord { .. }
            | Self::OtherDeposit { .. } => ExitCode::Rejected,
            Self::NonceUsed { .. } | Self::Lock { .. } | Self::Locked { .. } => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for ClaimError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::L1(error) => error.exit_code(),
            Self::NoContract(error) => error.exit_code(),
            Self::Wallet(error) => error.exit_code(),
            Self::Payouts(error) => error.exit_code(),
            Self::OtherRoot { .. } | Self::NotRecipient { .. } | Self::NoPayout { .. } => ExitCode::Rejected,
            Self::NoEvent { .. } | Self::TooMany { .. } | Self::NotSettled { .. } => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for WithdrawError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::L1(error) => error.exit_code(),
            Self::NoContract(error) => error.exit_code(),
            Self::Wallet(error) => error.exit_code(),
            Self::NotCut(_) | Self::NotDepositor { .. } => ExitCode::Rejected,
            Self::NoCut { .. } | Self::Unknown(_) => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for WatchError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::L1(error) => error.exit_code(),
            Self::NoContract(error) => error.exit_code(),
            Self::Full(_) | Self::TooLong { .. } => ExitCode::Limit,
            Self::File(error) => error.exit_code(),
            Self::NoQueue { .. } | Self::OtherDeposits { .. } => ExitCode::Rejected,
            Self::NothingFinal | Self::OtherQueue { .. } | Self::Json { .. } => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for FinalizedError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::L1(error) => error.exit_code(),
            Self::NoContract(error) => error.exit_code(),
            Self::NothingFinal | Self::NoEvent { .. } => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for AnchorError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::L1(error) => error.exit_code(),
            Self::Finalized(error) => error.exit_code(),
            // L1 may settle it later.
            Self::NoDigest { .. } | Self::NotSettled { .. } => ExitCode::Unavailable,
            Self::OtherDeployment { .. } | Self::OtherSuperblock { .. } => ExitCode::Invalid,
        }
    }
}

impl HasExitCode for JournalError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::File(error) => error.exit_code(),
            Self::Text(error) => error.exit_code(),
            Self::Directory { .. } | Self::Locked { .. } | Self::Unreadable { .. } => ExitCode::Unavailable,
            Self::Malformed { .. }
            | Self::OtherGoal { .. }
            | Self::OtherProof { .. }
            | Self::OtherData { .. } => ExitCode::Rejected,
        }
    }
}

impl HasExitCode for UnstatableError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Wide { .. } | Self::Body(_) => ExitCode::Invalid,
            Self::Bundle(error) => error.exit_code(),
        }
    }
}

impl HasExitCode for JobError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Journal(error) => error.exit_code(),
            Self::L1(error) => error.exit_code(),
            Self::NoContract(error) => error.exit_code(),
            Self::Limit { source, .. } => source.exit_code(),
            Self::Blobs { source, .. } => source.exit_code(),
            Self::NoBlobs { .. }
            | Self::BlobsNeeded { .. }
            | Self::Network { .. }
            | Self::OtherDeployment { .. }
            | Self::Order { .. }
            | Self::Gap { .. }
            | Self::Stranger { .. }
            | Self::Refused { .. }
            | Self::Failed { .. } => ExitCode::Rejected,
            Self::OtherState { .. } | Self::OtherStatement { .. } | Self::OtherPrevious { .. } => {
                ExitCode::Invalid
            }
            Self::Prove { .. }
            | Self::TooEarly { .. }
            | Self::Contradiction { .. }
            | Self::Nonces { .. }
            | Self::Patience { .. }
            | Self::Stopped => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for HopsError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Verify(error) => error.exit_code(),
            Self::Superblock(error) => error.exit_code(),
        }
    }
}

impl HasExitCode for SettledRunError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Scenario(error) => error.exit_code(),
            Self::Registry(error) => error.exit_code(),
            Self::Hops(error) => error.exit_code(),
            Self::Deploy(error) => error.exit_code(),
            Self::Deposit { .. } | Self::SignedFor { .. } => ExitCode::Rejected,
            Self::OtherQueue { .. } => ExitCode::Invalid,
            Self::Settle { source, .. } => source.exit_code(),
            Self::Prove { .. } => ExitCode::Unavailable,
            Self::Claim(error) => error.exit_code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use batcher_settlement::{fees::OverCap, job::Waiting, journal::Stage};

    use super::*;

    #[test]
    fn gas_above_the_cap_ends_all_commands_alike() {
        let over = OverCap::Gas { base_fee: 2, cap: 1 };
        let settled = JobError::Patience {
            number: 1,
            stage: Stage::Proven,
            patience: Duration::ZERO,
            waiting: Waiting::Fee(over),
        };
        let sent = WalletError::Fee(over);
        assert_eq!((settled.exit_code(), sent.exit_code()), (ExitCode::Unavailable, ExitCode::Unavailable));
    }
}
