//! Messages that transactions send.

use bridge_core::{
    AssetId, Message,
    message::{MessageFields, message_hash_circuit, outbox_append, outbox_append_circuit},
};
use circuits_core::{
    Builder, Digest, DigestTarget, F, Witness,
    amount::Amount,
    constrain::{Constrain, DigestOps},
    layout::{WitnessError, set, set_target},
};
use environments_core::environment::EnvironmentId;
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};
use serde::{Deserialize, Serialize};

use super::{error::TransactionError, statement::MAX_ASSETS};
use crate::{
    account::{Account, AccountFields},
    config::Deployment,
};

/// Numbers of messages that one nonce reserves: an account never uses a nonce twice, so no two of its
/// messages share one. A transaction sends at most one, with the first of them.
const NUMBERS_PER_NONCE: u64 = 4;

/// What a transaction sends to another environment. It leaves the account as notes and fees do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emission {
    /// The environment that may claim it; 0 is L1.
    pub destination: EnvironmentId,
    /// Who receives it, in the destination's terms.
    pub recipient: Digest,
    /// The asset.
    pub asset: AssetId,
    /// How much of it; not zero.
    pub amount: Amount,
    /// The last superblock in which the destination may claim it.
    pub deadline: u32,
    /// Digest of data that the sender adds for the recipient.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub data: Digest,
}

fn is_zero(digest: &Digest) -> bool {
    *digest == Digest::ZERO
}

impl Emission {
    /// Checks the rules that do not depend on the account.
    ///
    /// # Errors
    /// - [`TransactionError::SendsNothing`]
    /// - [`TransactionError::SendsToItself`]: the bridge refuses such a message, and with it its block.
    pub fn check(&self, deployment: &Deployment) -> Result<(), TransactionError> {
        check_message(deployment, self.destination, self.amount)
    }

    /// The message that `account`, as it is before the transaction, sends.
    #[must_use]
    pub fn message(&self, deployment: &Deployment, account: &Account) -> Message {
        let Self { destination, recipient, asset, amount, deadline, data } = *self;
        Message {
            chain_id: deployment.chain_id,
            source: deployment.environment,
            destination,
            sequence: NUMBERS_PER_NONCE * u64::from(account.nonce),
            sender: account.id,
            recipient,
            asset,
            amount,
            deadline,
            data,
        }
    }
}

/// Checks a message as [`Emission::check`] does, but one whose transaction is already proved.
///
/// # Errors
/// - [`TransactionError::SendsNothing`]
/// - [`TransactionError::SendsToItself`]
pub fn check_message(
    deployment: &Deployment,
    destination: EnvironmentId,
    amount: Amount,
) -> Result<(), TransactionError> {
    if amount == Amount::ZERO {
        return Err(TransactionError::SendsNothing);
    }
    if destination == deployment.environment {
        return Err(TransactionError::SendsToItself(destination));
    }
    Ok(())
}

/// The targets of a transaction's message. The prover does not choose chain, source, number and sender.
pub struct EmissionTargets {
    pub(super) used: BoolTarget,
    pub(super) destination: Target,
    pub(super) recipient: DigestTarget,
    pub(super) asset: Target,
    pub(super) amount: Target,
    pub(super) deadline: Target,
    pub(super) data: DigestTarget,
    /// The lane of its asset.
    pub(super) lanes: [BoolTarget; MAX_ASSETS],
}

impl EmissionTargets {
    /// Fresh targets.
    pub fn new_virtual(builder: &mut Builder) -> Self {
        Self {
            used: builder.new_bool(),
            destination: builder.add_virtual_target(),
            recipient: builder.new_digest(),
            asset: builder.add_virtual_target(),
            amount: builder.add_virtual_target(),
            deadline: builder.add_virtual_target(),
            data: builder.new_digest(),
            lanes: std::array::from_fn(|_| builder.new_bool()),
        }
    }

    /// Assigns a message, or none, whose asset is in lane `lane`.
    ///
    /// # Errors
    /// If a target was already set to another value.
    pub fn set_targets(
        &self,
        witness: &mut Witness,
        send: Option<&Emission>,
        lane: Option<usize>,
    ) -> Result<(), WitnessError> {
        set_target(witness, self.used.target, F::from_bool(send.is_some()))?;
        for (k, here) in self.lanes.iter().enumerate() {
            set_target(witness, here.target, F::from_bool(lane == Some(k)))?;
        }
        let integer = |value: fn(&Emission) -> F| send.map_or(F::ZERO, value);
        set_target(witness, self.destination, integer(|send| send.destination.to_field()))?;
        set_target(witness, self.asset, integer(|send| send.asset.to_field()))?;
        set_target(witness, self.amount, integer(|send| send.amount.to_field()))?;
        set_target(witness, self.deadline, integer(|send| F::from_canonical_u32(send.deadline)))?;
        set(witness, &self.recipient, &send.map_or(Digest::ZERO, |send| send.recipient))?;
        set(witness, &self.data, &send.map_or(Digest::ZERO, |send| send.data))
    }

    /// The hash of [`Emission::message`], in-circuit. Three rows. The bridge checks deadline and
    /// destination, because it knows the superblock.
    pub fn message_hash_circuit(
        &self,
        builder: &mut Builder,
        deployment: [Target; 2],
        account: &AccountFields<Target>,
    ) -> DigestTarget {
        let [chain_id, source] = deployment;
        let sequence = builder.mul_const(F::from_canonical_u64(NUMBERS_PER_NONCE), account.nonce);
        let fields = MessageFields {
            chain_id,
            source,
            destination: self.destination,
            sequence,
            sender: account.id,
            recipient: self.recipient,
            asset: self.asset,
            amount: self.amount,
            deadline: self.deadline,
            data: self.data,
        };
        message_hash_circuit(builder, &fields)
    }
}

/// The outbox after a transaction that states `message`; zero means that it sends none, and no message hashes to it.
#[must_use]
pub fn outbox_after(outbox: Digest, message: Digest) -> Digest {
    if message == Digest::ZERO { outbox } else { outbox_append(outbox, message) }
}

/// In-circuit twin of [`outbox_after`]. Whether there is a message is computed, so none can be dropped or invented.
pub fn outbox_after_circuit(
    builder: &mut Builder,
    outbox: DigestTarget,
    message: DigestTarget,
) -> DigestTarget {
    let zero = builder.constant_digest(Digest::ZERO);
    let is_none = builder.digests_equal(message, zero);
    let longer = outbox_append_circuit(builder, outbox, message);
    builder.select_digest(is_none, outbox, longer)
}
