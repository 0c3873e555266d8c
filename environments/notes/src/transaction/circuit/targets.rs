//! What the prover of a transaction chooses.

use circuits_core::{
    Builder, DigestTarget,
    constrain::{Constrain, DigestOps},
    layout,
    trees::PathTarget,
};
use plonky2::iop::target::{BoolTarget, Target};

use crate::{
    account::{AccountFields, VAULT_SLOTS, local_authorisation_circuit, vault_hash_circuit},
    note::NoteFields,
    policy::ExchangeFields,
    state::TREE_DEPTH,
    transaction::{
        emission::EmissionTargets,
        kernel::TransactionKernel,
        statement::{MAX_ASSETS, MAX_INPUTS, MAX_OUTPUTS},
    },
};

/// Targets of a note to be consumed.
pub(in crate::transaction) struct InputTargets {
    pub(in crate::transaction) used: BoolTarget,
    pub(in crate::transaction) unauthenticated: BoolTarget,
    pub(in crate::transaction) note: NoteFields<Target>,
    pub(in crate::transaction) is_reclaim: BoolTarget,
    pub(in crate::transaction) is_swap: BoolTarget,
    pub(in crate::transaction) index: Target,
    pub(in crate::transaction) path: PathTarget,
    pub(in crate::transaction) lanes: [BoolTarget; MAX_ASSETS],
}

/// Targets of a note to be created.
pub(in crate::transaction) struct OutputTargets {
    pub(in crate::transaction) used: BoolTarget,
    /// All but sender and serial, which are computed.
    pub(in crate::transaction) note: NoteFields<Target>,
    pub(in crate::transaction) settles: [BoolTarget; MAX_INPUTS],
    pub(in crate::transaction) lanes: [BoolTarget; MAX_ASSETS],
}

/// Targets of one asset's balance.
pub(in crate::transaction) struct LaneTargets {
    pub(in crate::transaction) asset: Target,
    pub(in crate::transaction) slots: [BoolTarget; VAULT_SLOTS],
    pub(in crate::transaction) pays_fee: BoolTarget,
}

/// Targets of what authorises the transaction.
pub(in crate::transaction) enum AuthorityTargets {
    /// A local account's secret; or that of the owner of the account's order.
    Local { secret: DigestTarget, owns_order: BoolTarget, order: ExchangeFields<Target> },
    /// The account's order, how often each input fills it, and which inputs pay the fee instead.
    Exchange {
        order: ExchangeFields<Target>,
        fills: [Target; MAX_INPUTS],
        pays_fee: [BoolTarget; MAX_INPUTS],
    },
}

/// Targets of a transaction kernel.
pub struct TransactionTargets {
    pub(in crate::transaction) chain_id: Target,
    pub(in crate::transaction) environment: Target,
    pub(in crate::transaction) fee_asset: Target,
    pub(in crate::transaction) minimum_fee: Target,
    pub(in crate::transaction) fee: Target,
    pub(in crate::transaction) not_before: Target,
    pub(in crate::transaction) valid_until: Target,
    pub(in crate::transaction) is_new: BoolTarget,
    pub(in crate::transaction) salt: DigestTarget,
    pub(in crate::transaction) account: AccountFields<Target>,
    pub(in crate::transaction) vault: [[Target; 2]; VAULT_SLOTS],
    pub(in crate::transaction) notes_root: DigestTarget,
    pub(in crate::transaction) inputs: Vec<InputTargets>,
    pub(in crate::transaction) outputs: Vec<OutputTargets>,
    /// The message; the kernel of network accounts has none.
    pub(in crate::transaction) send: Option<EmissionTargets>,
    pub(in crate::transaction) lanes: Vec<LaneTargets>,
    pub(in crate::transaction) authority: AuthorityTargets,
}

impl AuthorityTargets {
    /// 1 if the account is a network account, else 0.
    pub(super) fn is_network(&self, builder: &mut Builder) -> Target {
        match self {
            Self::Local { owns_order, .. } => owns_order.target,
            Self::Exchange { .. } => builder.one(),
        }
    }
}

#[track_caller]
fn bools<const N: usize>(builder: &mut Builder) -> [BoolTarget; N] {
    let mut flags = [BoolTarget::default(); N];
    for flag in &mut flags {
        *flag = builder.new_bool();
    }
    flags
}

/// Note fields that the prover chooses; `sender` and `serial` are given.
fn note_with(
    builder: &mut Builder,
    sender: DigestTarget,
    serial: DigestTarget,
    target: DigestTarget,
) -> NoteFields<Target> {
    NoteFields {
        asset: builder.add_virtual_target(),
        amount: builder.add_virtual_target(),
        kind: builder.add_virtual_target(),
        height: builder.add_virtual_target(),
        requested_asset: builder.add_virtual_target(),
        requested_amount: builder.add_virtual_target(),
        sender,
        target,
        serial,
    }
}

impl TransactionKernel {
    pub(super) fn new_virtual(self, builder: &mut Builder) -> TransactionTargets {
        let id = builder.new_digest();
        let vault: [[Target; 2]; VAULT_SLOTS] =
            std::array::from_fn(|_| [builder.add_virtual_target(), builder.add_virtual_target()]);
        let vault_hash = vault_hash_circuit(builder, &vault);
        let inputs = (0..MAX_INPUTS)
            .map(|_| {
                let [sender, serial, target] = std::array::from_fn(|_| builder.new_digest());
                InputTargets {
                    used: builder.new_bool(),
                    unauthenticated: builder.new_bool(),
                    note: note_with(builder, sender, serial, target),
                    is_reclaim: builder.new_bool(),
                    is_swap: builder.new_bool(),
                    index: builder.add_virtual_target(),
                    path: PathTarget::new_virtual(builder, TREE_DEPTH),
                    lanes: bools(builder),
                }
            })
            .collect();
        let outputs = (0..MAX_OUTPUTS)
            .map(|_| {
                let target = builder.new_digest();
                OutputTargets {
                    used: builder.new_bool(),
                    // Sender and serial are replaced by what is computed, see `outputs_circuit`.
                    note: note_with(builder, id, id, target),
                    settles: bools(builder),
                    lanes: bools(builder),
                }
            })
            .collect();
        let lanes = (0..MAX_ASSETS)
            .map(|_| LaneTargets {
                asset: builder.add_virtual_target(),
                slots: bools(builder),
                pays_fee: builder.new_bool(),
            })
            .collect();
        let authority = match self {
            Self::Local => {
                let secret = builder.new_digest();
                AuthorityTargets::Local {
                    secret,
                    owns_order: builder.new_bool(),
                    order: ExchangeFields {
                        gives: builder.add_virtual_target(),
                        takes: builder.add_virtual_target(),
                        pays: builder.add_virtual_target(),
                        per: builder.add_virtual_target(),
                        owner: local_authorisation_circuit(builder, secret),
                    },
                }
            }
            Self::Exchange => AuthorityTargets::Exchange {
                order: layout::new_virtual(builder),
                fills: std::array::from_fn(|_| builder.add_virtual_target()),
                pays_fee: bools(builder),
            },
        };
        TransactionTargets {
            chain_id: builder.add_virtual_target(),
            environment: builder.add_virtual_target(),
            fee_asset: builder.add_virtual_target(),
            minimum_fee: builder.add_virtual_target(),
            fee: builder.add_virtual_target(),
            not_before: builder.add_virtual_target(),
            valid_until: builder.add_virtual_target(),
            is_new: builder.new_bool(),
            salt: builder.new_digest(),
            account: AccountFields {
                id,
                authorisation: builder.new_digest(),
                vault: vault_hash,
                nonce: builder.add_virtual_target(),
            },
            vault,
            notes_root: builder.new_digest(),
            inputs,
            outputs,
            send: match self {
                Self::Local => Some(EmissionTargets::new_virtual(builder)),
                Self::Exchange => None,
            },
            lanes,
            authority,
        }
    }
}
