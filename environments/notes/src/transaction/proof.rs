//! Proofs of transactions.

use circuits_core::Proof;

use super::kernel::TransactionKernel;

/// A transaction's proof, and the kernel it is of.
#[derive(Clone, Debug)]
pub struct TransactionProof {
    /// The kernel.
    pub kernel: TransactionKernel,
    /// The proof.
    pub proof: Proof,
}
