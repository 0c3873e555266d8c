//! What a transaction's proof states.

use circuits_core::Digest;

/// Notes that one transaction can consume.
pub const MAX_INPUTS: usize = 4;
/// Notes that one transaction can create.
pub const MAX_OUTPUTS: usize = 4;
/// Assets that one transaction can move.
pub const MAX_ASSETS: usize = 4;

circuits_core::layout! {
    /// "This account consumed and created these notes and sent this message, as its authorisation and their
    /// scripts allow." The block holds the parts that depend on the state against it.
    pub struct TransactionStatement<T> {
        /// The deployment.
        pub chain_id: T,
        /// The environment.
        pub environment: T,
        /// The packed asset that fees are paid in.
        pub fee_asset: T,
        /// The minimum fee that it is made for: for each note that it consumes or creates, and for its message.
        pub minimum_fee: T,
        /// The fee.
        pub fee: T,
        /// First height of a block that may contain the transaction.
        pub not_before: T,
        /// Last height of a block that may contain the transaction.
        pub valid_until: T,
        /// 1 if the account is a network account, which the body publishes as the transaction leaves it; else 0.
        pub network: T,
        /// Id of the account.
        pub account: Digest<T>,
        /// Hash of the account before; zero if the transaction creates it.
        pub before: Digest<T>,
        /// Hash of the account after.
        pub after: Digest<T>,
        /// The past root of the note tree that authenticated inputs were opened under.
        pub notes_root: Digest<T>,
        /// Nullifiers of the notes consumed; zero for none.
        pub nullifiers: [Digest<T>; MAX_INPUTS],
        /// For each input that was not opened under `notes_root`, the commitment that the block must find; zero for
        /// the others.
        pub unauthenticated: [Digest<T>; MAX_INPUTS],
        /// Commitments of the notes created; zero for none.
        pub notes: [Digest<T>; MAX_OUTPUTS],
        /// Hash of the message sent; zero for none.
        pub message: Digest<T>,
    }
}
