//! The two transaction kernels and their keys.

use std::collections::BTreeMap;

use circuits_core::{Digest, VerifierKey, recursion::key_digest};
use serde::{Deserialize, Serialize};

/// A transaction kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransactionKernel {
    /// For accounts with a secret.
    Local,
    /// For accounts with an exchange order.
    Exchange,
}

impl TransactionKernel {
    /// The name of the circuit.
    #[must_use]
    pub const fn circuit_name(self) -> &'static str {
        match self {
            Self::Local => "notes-transaction-local",
            Self::Exchange => "notes-transaction-exchange",
        }
    }
}

/// Keys of the transaction kernels, constants of every circuit that verifies transactions.
#[derive(Clone, Debug)]
pub struct TransactionKeys {
    local: VerifierKey,
    exchange: VerifierKey,
}

impl TransactionKeys {
    /// The two keys.
    #[must_use]
    pub const fn new(local: VerifierKey, exchange: VerifierKey) -> Self {
        Self { local, exchange }
    }

    /// The key of a kernel.
    #[must_use]
    pub const fn of(&self, kernel: TransactionKernel) -> &VerifierKey {
        match kernel {
            TransactionKernel::Local => &self.local,
            TransactionKernel::Exchange => &self.exchange,
        }
    }

    /// The digests of both keys, by the names of the kernels.
    #[must_use]
    pub fn digests(&self) -> BTreeMap<String, Digest> {
        let kernels = [TransactionKernel::Local, TransactionKernel::Exchange];
        kernels.map(|kernel| (kernel.circuit_name().to_owned(), self.digest_of(kernel))).into()
    }

    /// The digest of a kernel's key.
    #[must_use]
    pub fn digest_of(&self, kernel: TransactionKernel) -> Digest {
        key_digest(self.of(kernel))
    }
}
