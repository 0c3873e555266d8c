//! Filling the witness of a transaction kernel, without checking it.

use bridge_core::AssetId;
use circuits_core::{
    Digest, F, Witness,
    amount::Amount,
    layout::{WitnessError, set, set_target},
};
use plonky2::{field::types::Field, iop::target::BoolTarget};

use super::{
    circuit::targets::{AuthorityTargets, InputTargets, TransactionTargets},
    request::Authority,
    statement::MAX_ASSETS,
    witness::{Input, TransactionWitness},
};
use crate::{note::NoteFields, policy::ExchangeFields};

/// The lane of each asset of a transaction, and its slot in the vault as the lanes before left it.
struct LaneValues {
    assets: [F; MAX_ASSETS],
    slots: [usize; MAX_ASSETS],
}

impl LaneValues {
    /// Follows the lanes with field arithmetic, so that it does something for any transaction, valid or not.
    fn of(input: &TransactionWitness) -> Self {
        let moved = input.assets();
        let mut vault = input.account.vault.to_fields();
        let mut values = Self { assets: [F::ZERO; MAX_ASSETS], slots: [0; MAX_ASSETS] };
        for lane in 0..MAX_ASSETS {
            let Some(&asset) = moved.get(lane) else {
                // A lane without an asset leaves slot 0 as it is.
                values.assets[lane] = vault[0][0];
                continue;
            };
            let name = asset.to_field();
            let slot = vault
                .iter()
                .position(|slot| slot[0] == name)
                .or_else(|| vault.iter().position(|slot| slot[0] == F::ZERO))
                .unwrap_or(0);
            let inputs = input.inputs.iter().filter(|input| input.note.asset == asset);
            let outputs = input.outputs.iter().filter(|output| output.asset == asset);
            let fee = if asset == input.deployment.fee_asset { input.fee.to_field() } else { F::ZERO };
            let received: F = inputs.map(|input| input.note.amount.to_field()).sum();
            let sent: F = outputs.map(|output| output.amount.to_field()).sum();
            let message = input.send.iter().filter(|send| send.asset == asset);
            let message: F = message.map(|send| send.amount.to_field()).sum();
            let after = vault[slot][1] + received - sent - message - fee;
            vault[slot] = [if after == F::ZERO { F::ZERO } else { name }, after];
            values.assets[lane] = name;
            values.slots[lane] = slot;
        }
        values
    }
}

#[track_caller]
fn set_flag(witness: &mut Witness, target: BoolTarget, value: bool) -> Result<(), WitnessError> {
    set_target(witness, target.target, F::from_bool(value))
}

impl TransactionTargets {
    pub(super) fn assign(
        &self,
        input: &TransactionWitness,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        let height = F::from_canonical_u32;
        set_target(witness, self.chain_id, input.deployment.chain_id())?;
        set_target(witness, self.environment, input.deployment.environment.to_field())?;
        set_target(witness, self.fee_asset, input.deployment.fee_asset.to_field())?;
        set_target(witness, self.minimum_fee, input.minimum_fee().to_field())?;
        set_target(witness, self.fee, input.fee.to_field())?;
        set_target(witness, self.not_before, height(input.not_before))?;
        set_target(witness, self.valid_until, height(input.valid_until))?;
        set_flag(witness, self.is_new, input.salt.is_some())?;
        set(witness, &self.salt, &input.salt.unwrap_or(Digest::ZERO))?;
        set(witness, &self.account.id, &input.account.id)?;
        set(witness, &self.account.authorisation, &input.account.authorisation)?;
        set_target(witness, self.account.nonce, height(input.account.nonce))?;
        for (vault_slot, values) in self.vault.iter().zip(input.account.vault.to_fields()) {
            set(witness, vault_slot, &values)?;
        }
        set(witness, &self.notes_root, &input.notes_root)?;

        let moved = input.assets();
        let lane_of = |asset| moved.iter().position(|&moved| moved == asset);
        for (slot, targets) in self.inputs.iter().enumerate() {
            targets.assign(input.inputs.get(slot), lane_of, witness)?;
        }
        let notes = input.notes();
        for (slot, targets) in self.outputs.iter().enumerate() {
            let fields = notes.get(slot).map(|note| note.fields());
            let chosen = OutputFields::of(fields.as_ref().unwrap_or(&NO_NOTE));
            set(witness, &OutputFields::of(&targets.note), &chosen)?;
            let output = input.outputs.get(slot);
            set_flag(witness, targets.used, output.is_some())?;
            for (i, &settles) in targets.settles.iter().enumerate() {
                set_flag(witness, settles, output.is_some_and(|output| output.settles == Some(i)))?;
            }
            for (k, &lane) in targets.lanes.iter().enumerate() {
                set_flag(witness, lane, output.is_some_and(|output| lane_of(output.asset) == Some(k)))?;
            }
        }

        if let Some(targets) = &self.send {
            let lane = input.send.as_ref().and_then(|send| lane_of(send.asset));
            targets.set_targets(witness, input.send.as_ref(), lane)?;
        }

        let lanes = LaneValues::of(input);
        let pays_fee = input.fee != Amount::ZERO;
        for (k, targets) in self.lanes.iter().enumerate() {
            set_target(witness, targets.asset, lanes.assets[k])?;
            for (slot, &here) in targets.slots.iter().enumerate() {
                set_flag(witness, here, lanes.slots[k] == slot)?;
            }
            set_flag(witness, targets.pays_fee, pays_fee && lane_of(input.deployment.fee_asset) == Some(k))?;
        }
        self.authority.assign(input, witness)
    }
}

impl InputTargets {
    fn assign(
        &self,
        input: Option<&Input>,
        lane_of: impl Fn(AssetId) -> Option<usize>,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        let membership = input.and_then(|input| input.membership.as_ref());
        let fields = match input {
            Some(input) => input.note.fields(),
            None => NO_NOTE,
        };
        set(witness, &self.note, &fields)?;
        set_flag(witness, self.used, input.is_some())?;
        set_flag(witness, self.unauthenticated, input.is_some() && membership.is_none())?;
        set_flag(witness, self.is_reclaim, fields.kind == F::ONE)?;
        set_flag(witness, self.is_swap, fields.kind == F::TWO)?;
        let index = membership.map_or(0, |membership| membership.index);
        set_target(witness, self.index, F::from_noncanonical_u64(index))?;
        let path = membership.map(|membership| membership.path.clone()).unwrap_or_default();
        self.path.set_targets(witness, &path)?;
        for (k, lane) in self.lanes.iter().enumerate() {
            let here = input.is_some_and(|input| lane_of(input.note.asset) == Some(k));
            set_flag(witness, *lane, here)?;
        }
        Ok(())
    }
}

/// The encoding of no note.
const NO_NOTE: NoteFields = NoteFields {
    asset: F::ZERO,
    amount: F::ZERO,
    kind: F::ZERO,
    height: F::ZERO,
    requested_asset: F::ZERO,
    requested_amount: F::ZERO,
    sender: Digest::ZERO,
    target: Digest::ZERO,
    serial: Digest::ZERO,
};

/// The encoding of no order.
const NO_ORDER: ExchangeFields =
    ExchangeFields { gives: F::ZERO, takes: F::ZERO, pays: F::ZERO, per: F::ZERO, owner: Digest::ZERO };

circuits_core::layout! {
    /// What the prover chooses of a note that is created: all but its sender and its serial.
    pub struct OutputFields<T> {
        pub asset: T,
        pub amount: T,
        pub kind: T,
        pub height: T,
        pub requested_asset: T,
        pub requested_amount: T,
        pub target: Digest<T>,
    }
}

impl<T: Copy> OutputFields<T> {
    fn of(note: &NoteFields<T>) -> Self {
        let NoteFields { asset, amount, kind, height, requested_asset, requested_amount, target, .. } = *note;
        Self { asset, amount, kind, height, requested_asset, requested_amount, target }
    }
}

impl AuthorityTargets {
    pub(super) fn assign(
        &self,
        input: &TransactionWitness,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        match (self, &input.authority) {
            (Self::Local { secret, owns_order, order }, authority) => {
                // A stranger to the order has no secret: any value will do, because none satisfies the circuit.
                let (value, owned) = match authority {
                    Authority::Local { secret } => (secret.expose(), None),
                    Authority::Exchange { .. } => (Digest::ZERO, None),
                    Authority::Owner { order, secret } => (secret.expose(), Some(order.fields())),
                };
                set(witness, secret, &value)?;
                set_target(witness, owns_order.target, F::from_bool(owned.is_some()))?;
                // The owner is computed.
                let fields = owned.unwrap_or(NO_ORDER);
                set_target(witness, order.gives, fields.gives)?;
                set_target(witness, order.takes, fields.takes)?;
                set_target(witness, order.pays, fields.pays)?;
                set_target(witness, order.per, fields.per)
            }
            (Self::Exchange { order, fills, pays_fee }, authority) => {
                let (fields, count) = match authority {
                    Authority::Exchange { order } | Authority::Owner { order, .. } => {
                        (order.fields(), Some(move |amount| order.fills(amount).unwrap_or(0)))
                    }
                    Authority::Local { .. } => (NO_ORDER, None),
                };
                set(witness, order, &fields)?;
                for (slot, &pays) in pays_fee.iter().enumerate() {
                    let value = input.inputs.get(slot).is_some_and(|input| input.pays_fee);
                    set_target(witness, pays.target, F::from_bool(value))?;
                }
                for (i, &target) in fills.iter().enumerate() {
                    let amount = input.inputs.get(i).map_or(0, |input| input.note.amount.get());
                    let value = count.as_ref().map_or(0, |count| count(amount));
                    set_target(witness, target, F::from_canonical_u64(value))?;
                }
                Ok(())
            }
        }
    }
}
