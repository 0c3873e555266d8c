//! The targets of a slot.

use circuits_core::{
    Builder, DigestTarget, Witness,
    constrain::{DigestOps, within_gadget},
    layout::{self, WitnessError, set_target},
    trees::{LeafOpeningTarget, SetTarget},
};
use plonky2::iop::target::Target;

use super::{
    action::ActionTarget,
    crossing::MessageTarget,
    witness::{SlotInput, Terms},
};
use crate::{
    account::AccountFields,
    pool::PoolFields,
    state::{BlockContext, TREE_DEPTH},
    typed_data::SlotHashes,
};

/// An account's record; slot 0 of its vault is the fee asset's by construction.
pub(crate) struct AccountTarget(pub(crate) AccountFields<Target>);

impl AccountTarget {
    /// Fresh targets.
    pub(crate) fn new_virtual(builder: &mut Builder, fee_asset: Target) -> Self {
        let (key, nonce) = (builder.new_digest(), builder.add_virtual_target());
        let vault = std::array::from_fn(|i| if i == 0 { fee_asset } else { builder.add_virtual_target() });
        Self(AccountFields { key, nonce, vault })
    }

    /// Assigns a record.
    #[track_caller]
    pub(crate) fn set_targets(
        &self,
        witness: &mut Witness,
        value: &AccountFields,
    ) -> Result<(), WitnessError> {
        within_gadget(|| {
            layout::set(witness, &self.0.key, &value.key)?;
            set_target(witness, self.0.nonce, value.nonce)?;
            let rest = self.0.vault.iter().zip(value.vault).skip(1);
            rest.into_iter().try_for_each(|(&target, value)| set_target(witness, target, value))
        })
    }
}

/// Targets of a slot.
pub struct SlotTargets {
    pub(super) mode: Target,
    pub(super) idle_root: DigestTarget,
    pub(super) terms: Terms<Target>,
    pub(super) hashes: SlotHashes<Target>,
    pub(super) sender: AccountTarget,
    pub(super) sender_leaf: LeafOpeningTarget,
    pub(super) action: ActionTarget,
    pub(super) receiver: AccountTarget,
    /// Without its assets, which are the action's.
    pub(super) pool: PoolFields<Target>,
    pub(super) set: SetTarget,
    pub(super) message: MessageTarget,
}

impl SlotTargets {
    pub(super) fn new_virtual(builder: &mut Builder, context: &BlockContext<Target>) -> Self {
        let zero = builder.zero();
        let [number, reserve_a, reserve_b, shares] = builder.add_virtual_target_arr();
        let pool = PoolFields { number, asset_a: zero, asset_b: zero, reserve_a, reserve_b, shares };
        Self {
            mode: builder.add_virtual_target(),
            idle_root: builder.new_digest(),
            terms: layout::new_virtual(builder),
            hashes: layout::new_virtual(builder),
            sender: AccountTarget::new_virtual(builder, context.fee_asset),
            sender_leaf: LeafOpeningTarget::new_virtual(builder, TREE_DEPTH),
            action: ActionTarget::new_virtual(builder),
            receiver: AccountTarget::new_virtual(builder, context.fee_asset),
            pool,
            set: SetTarget::new_virtual(builder, TREE_DEPTH),
            message: MessageTarget::new_virtual(builder),
        }
    }

    /// Assigns a slot.
    ///
    /// # Errors
    /// If a target was already set to another value.
    pub fn set_targets(&self, witness: &mut Witness, value: &SlotInput) -> Result<(), WitnessError> {
        set_target(witness, self.mode, value.mode)?;
        layout::set(witness, &self.idle_root, &value.idle_root)?;
        layout::set(witness, &self.terms, &value.terms)?;
        layout::set(witness, &self.hashes, &value.hashes)?;
        self.sender.set_targets(witness, &value.sender)?;
        self.sender_leaf.set_targets(witness, &value.sender_leaf)?;
        self.action.set_targets(witness, &value.action)?;
        self.receiver.set_targets(witness, &value.receiver)?;
        let PoolFields { number, reserve_a, reserve_b, shares, .. } = value.pool;
        let targets = [self.pool.number, self.pool.reserve_a, self.pool.reserve_b, self.pool.shares];
        layout::set(witness, &targets, &[number, reserve_a, reserve_b, shares])?;
        self.message.set_targets(witness, &value.message, value.refund)?;
        self.set.set_targets(witness, &value.set)
    }
}
