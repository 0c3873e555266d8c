//! Messages of a slot. A slot that emits one computes it from its action; a slot that takes one in reads from its
//! witness what the credit does not determine.
//!
//! | field | emitted | claimed | refunded |
//! |---|---|---|---|
//! | chain id, source | the block's | witness | witness |
//! | destination, deadline | the action's | witness | witness |
//! | sequence | 4 * nonce + position of the action | witness | witness |
//! | sender | the sender | witness | the beneficiary |
//! | recipient | the action's | the beneficiary | witness |
//! | asset, amount | the action's | the credit's | the credit's |
//! | data | 0 | witness | witness |

use bridge_core::message::{
    MessageFields, inbox_append_circuit, message_hash_circuit, outbox_append_circuit,
};
use circuits_core::{
    Builder, Digest, DigestTarget, F, Witness,
    constrain::{Constrain, DigestOps},
    layout::{self, WitnessError, set_target},
};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use super::action::WellFormed;
use crate::{address::LIMBS, state::BlockContext, transaction::MAX_ACTIONS};

circuits_core::layout! {
    /// The fields of a message that is taken in, without beneficiary, asset and amount.
    pub struct MessageTerms<T> {
        /// The deployment.
        pub chain_id: T,
        /// The environment that emitted it.
        pub source: T,
        /// The environment that may claim it.
        pub destination: T,
        /// Number among the messages of its sender.
        pub sequence: T,
        /// The sender of a message that is claimed, the recipient of one that is refunded.
        pub other: Digest<T>,
        /// The last superblock in which the destination may claim it.
        pub deadline: T,
        /// Digest of data that the sender adds for the recipient.
        pub data: Digest<T>,
    }
}

/// A message that is taken in.
pub(super) struct MessageTarget {
    terms: MessageTerms<Target>,
    /// Whether it is refunded, if it is taken in.
    pub(super) refund: BoolTarget,
}

/// The lists of messages after a slot: the outbox if it emits, the inbox if it takes in.
pub(super) struct Lists {
    pub(super) outbox: DigestTarget,
    pub(super) inbox: DigestTarget,
}

impl MessageTarget {
    /// Fresh targets.
    pub(super) fn new_virtual(builder: &mut Builder) -> Self {
        Self { terms: layout::new_virtual(builder), refund: builder.new_bool() }
    }

    /// Assigns a message.
    pub(super) fn set_targets(
        &self,
        witness: &mut Witness,
        terms: &MessageTerms,
        refund: F,
    ) -> Result<(), WitnessError> {
        layout::set(witness, &self.terms, terms)?;
        set_target(witness, self.refund.target, refund)
    }

    /// The lists with the slot's message at their ends. It is the `done`-th action of `sender`, whose nonce is
    /// already increased.
    pub(super) fn append_circuit(
        &self,
        builder: &mut Builder,
        context: &BlockContext<Target>,
        action: &WellFormed,
        consumes: BoolTarget,
        (sender, nonce, done): (&[Target; LIMBS], Target, Target),
        before: &Lists,
    ) -> Lists {
        let terms = &self.terms;
        let WellFormed { fields, destination, deadline, .. } = *action;

        // 4 * (nonce - 1) + (done - 1)
        let actions = F::from_canonical_usize(MAX_ACTIONS);
        let sequence = builder.mul_const_add(actions, nonce, done);
        let sequence = builder.add_const(sequence, -(actions + F::ONE));

        let credited = Digest(fields.to);
        let returns = builder.and(consumes, self.refund);
        let by = builder.select_digest(consumes, terms.other, Digest(*sender));
        let mut choose = |taken, emitted| builder.select(consumes, taken, emitted);
        let chain_id = choose(terms.chain_id, context.chain_id);
        let source = choose(terms.source, context.environment);
        let destination = choose(terms.destination, destination);
        let sequence = choose(terms.sequence, sequence);
        let deadline = choose(terms.deadline, deadline);
        let message = MessageFields {
            chain_id,
            source,
            destination,
            sequence,
            sender: builder.select_digest(returns, credited, by),
            recipient: builder.select_digest(returns, terms.other, credited),
            asset: fields.asset_in,
            amount: fields.amount,
            deadline,
            data: Digest(terms.data.0.map(|element| builder.mul(consumes.target, element))),
        };
        let hash = message_hash_circuit(builder, &message);
        Lists {
            outbox: outbox_append_circuit(builder, before.outbox, hash),
            inbox: inbox_append_circuit(builder, before.inbox, hash, self.refund.target),
        }
    }
}

impl MessageTerms {
    /// The terms in a slot that takes no message in.
    #[must_use]
    pub(super) fn none() -> Self {
        Self {
            chain_id: F::ZERO,
            source: F::ZERO,
            destination: F::ZERO,
            sequence: F::ZERO,
            other: Digest::ZERO,
            deadline: F::ZERO,
            data: Digest::ZERO,
        }
    }
}
