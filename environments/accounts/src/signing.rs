//! What a signature signs: a digest of the transaction in one deployment and environment, as 32 bytes.
//!
//! Only this module knows how. The message is a running hash, so that the circuit adds one action at a time:
//!
//! ```text
//! m_0    = H(TRANSACTION, chain_id, environment, sender, nonce, fee, deadline, number of actions)
//! m_i    = H(ACTION, m_{i-1}, action i)
//! signed = e_0 + e_1 2^64 + e_2 2^128 + e_3 2^192 for the elements e of the last m, as 32 big-endian bytes
//! ```

use circuits_core::{
    Builder, Digest, DigestTarget, F,
    hash::{Domain, hash, hash_circuit},
    layout::Layout,
    trees::canonical_bits,
};
use circuits_tables::ecdsa::{WORD_BITS, Words, to_words};
use environments_core::environment::EnvironmentId;
use plonky2::{field::types::Field, iop::target::Target};

use crate::{
    address::LIMBS,
    transaction::{Action, ActionFields, Transaction},
};

/// Domain of the start of a message.
pub const TRANSACTION: Domain = Domain::new("a-tx");
/// Domain of the steps of a message.
pub const ACTION: Domain = Domain::new("a-act");

circuits_core::layout! {
    /// What a message says before the actions.
    pub struct HeaderFields<T> {
        /// The deployment.
        pub chain_id: T,
        /// The environment.
        pub environment: T,
        /// Limbs of the sender's address.
        pub sender: [T; LIMBS],
        /// The sender's transactions before.
        pub nonce: T,
        /// The fee.
        pub fee: T,
        /// The last height.
        pub deadline: T,
        /// The number of actions.
        pub actions: T,
    }
}

impl HeaderFields {
    /// The header of a transaction.
    #[must_use]
    pub fn new(chain_id: u64, environment: EnvironmentId, transaction: &Transaction) -> Self {
        Self {
            chain_id: F::from_canonical_u64(chain_id),
            environment: environment.to_field(),
            sender: transaction.sender.limbs(),
            nonce: F::from_canonical_u32(transaction.nonce),
            fee: transaction.fee.to_field(),
            deadline: F::from_canonical_u32(transaction.deadline),
            actions: F::from_canonical_usize(transaction.actions.len()),
        }
    }
}

/// The message before the first action.
#[must_use]
pub fn message_start(header: &HeaderFields) -> Digest {
    hash(TRANSACTION, &header.encode())
}

/// In-circuit twin of [`message_start`].
pub fn message_start_circuit(builder: &mut Builder, header: &HeaderFields<Target>) -> DigestTarget {
    hash_circuit(builder, TRANSACTION, &header.encode())
}

/// The message with one more action.
#[must_use]
pub fn message_step(message: Digest, action: &ActionFields) -> Digest {
    hash(ACTION, &[message.0.to_vec(), action.encode()].concat())
}

/// In-circuit twin of [`message_step`].
pub fn message_step_circuit(
    builder: &mut Builder,
    message: DigestTarget,
    action: &ActionFields<Target>,
) -> DigestTarget {
    hash_circuit(builder, ACTION, &[message.0.to_vec(), action.encode()].concat())
}

/// The message of a transaction.
#[must_use]
pub fn message(chain_id: u64, environment: EnvironmentId, transaction: &Transaction) -> Digest {
    let start = message_start(&HeaderFields::new(chain_id, environment, transaction));
    transaction
        .actions
        .iter()
        .map(Action::fields)
        .fold(start, |message, action| message_step(message, &action))
}

/// The 32 bytes that a signature signs.
#[must_use]
pub fn signed_bytes(message: Digest) -> [u8; 32] {
    let mut bytes = message.to_bytes();
    bytes.reverse();
    bytes
}

/// The words of [`signed_bytes`].
#[must_use]
pub fn words(message: Digest) -> Words {
    to_words(&signed_bytes(message))
}

/// In-circuit twin of [`words`]. The elements are split canonically, so that a message has one list of words.
pub fn words_circuit(builder: &mut Builder, message: DigestTarget) -> Words<Target> {
    let bits: Vec<_> = message.0.iter().flat_map(|&element| canonical_bits(builder, element)).collect();
    let words: Vec<_> = bits.chunks(WORD_BITS).map(|bits| builder.le_sum(bits.iter())).collect();
    words.try_into().expect("256 bits are seven words")
}

#[cfg(test)]
mod tests {
    use circuits_core::{Circuit, Witness, layout};
    use circuits_prover::basetypes::standard_config;
    use circuits_tables::ecdsa::from_words;
    use plonky2::field::types::{Field64, PrimeField64};

    use super::*;

    #[test]
    fn the_words_are_those_of_the_signed_bytes() {
        let digest = Digest([5, F::ORDER - 1, (1 << 32) - 2, 1 << 63].map(F::from_canonical_u64));
        assert_eq!(from_words(&words(digest)), Some(signed_bytes(digest)));
        assert_eq!(signed_bytes(digest)[24..], 5u64.to_be_bytes());

        let mut builder = Builder::new(standard_config());
        let target: DigestTarget = layout::new_virtual(&mut builder);
        let outputs = words_circuit(&mut builder, target);
        builder.register_public_inputs(&outputs);
        let circuit: Circuit = builder.build();
        let mut witness = Witness::new();
        layout::set(&mut witness, &target, &digest).unwrap();
        let proof = circuit.prove(witness).unwrap();
        let ours = words(digest).map(|word| word.to_canonical_u64());
        assert_eq!(proof.public_inputs.iter().map(|word| word.to_canonical_u64()).collect::<Vec<_>>(), ours);
    }
}
