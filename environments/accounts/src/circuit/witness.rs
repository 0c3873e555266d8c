//! What the prover of a slot must know, from the execution of transactions.

use bridge_core::{Consumption, message::MessageFields};
use circuits_core::{
    Digest, F,
    hash::hash,
    layout::{Layout, as_bytes},
    trees::{KeyedTree, LeafOpening, SetWitness},
};
use circuits_tables::ecdsa::key_commitment;
use environments_core::vault::VAULT_SLOTS;
use plonky2::field::types::Field;
use serde::{Deserialize, Serialize};

use super::crossing::MessageTerms;
use crate::{
    account::{ACCOUNT, Account, AccountFields},
    address::{Address, LIMBS, account_key},
    arrival::ArrivalWitness,
    execute::{Record, SlotWitness, TransactionWitness},
    pool::PoolFields,
    state::{BlockContext, TREE_DEPTH},
    transaction::{ActionFields, Kind},
    typed_data::SlotHashes,
};

circuits_core::layout! {
    /// What a transaction says besides nonce and actions.
    pub struct Terms<T> {
        /// Limbs of the sender's address.
        pub sender: [T; LIMBS],
        /// Commitment to the sender's public key.
        pub key: Digest<T>,
        /// The fee.
        pub fee: T,
        /// The last height.
        pub deadline: T,
        /// The number of actions.
        pub actions: T,
    }
}

/// What the prover of a slot must know. All of it follows from what is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotInput {
    /// [`TRANSACTS`], [`CONSUMES`], or any other value for an idle slot.
    #[serde(with = "as_bytes")]
    pub mode: F,
    /// The root that an idle slot acts on.
    pub idle_root: Digest,
    /// The transaction's terms; only its first slot reads them.
    #[serde(with = "as_bytes")]
    pub terms: Terms,
    /// What the slot hashes.
    #[serde(with = "as_bytes")]
    pub hashes: SlotHashes,
    /// The sender before the slot.
    #[serde(with = "as_bytes")]
    pub sender: AccountFields,
    /// Its leaf.
    pub sender_leaf: LeafOpening,
    /// The action.
    #[serde(with = "as_bytes")]
    pub action: ActionFields,
    /// The receiver of a transfer before; all 0, but for the name of the fee asset, if it is absent.
    #[serde(with = "as_bytes")]
    pub receiver: AccountFields,
    /// The pool of another action before; all 0, but for the names of its assets, if it is absent.
    #[serde(with = "as_bytes")]
    pub pool: PoolFields,
    /// Writing the receiver or the pool; the sender's record for a message.
    pub set: SetWitness,
    /// The fields of a message that is taken in, without beneficiary, asset and amount.
    #[serde(with = "as_bytes")]
    pub message: MessageTerms,
    /// 1 if it is refunded, 0 if it is claimed.
    #[serde(with = "as_bytes")]
    pub refund: F,
}

/// Mode of the slots of transactions.
pub const TRANSACTS: F = F::ONE;
/// Mode of the slots of messages that are taken in.
pub const CONSUMES: F = F::TWO;

impl SlotInput {
    /// The slots of a transaction.
    #[must_use]
    pub fn of_transaction(context: &BlockContext, executed: &TransactionWitness) -> Vec<Self> {
        let transaction = &executed.transaction;
        let (x, y) = executed.key.words();
        let terms = Terms {
            sender: transaction.sender.limbs(),
            key: key_commitment(&x, &y),
            fee: transaction.fee.to_field(),
            deadline: F::from_canonical_u32(transaction.deadline),
            actions: F::from_canonical_usize(transaction.actions.len()),
        };
        let first = executed.is_first().then_some(&executed.key);
        let hashes = SlotHashes::of_transaction(transaction, first, &executed.blocks);
        let slots = executed.slots.iter().zip(hashes);
        slots.map(|(slot, hashes)| Self::of_action(context, terms, hashes, slot)).collect()
    }

    fn of_action(context: &BlockContext, terms: Terms, hashes: SlotHashes, slot: &SlotWitness) -> Self {
        let mut receiver = absent_account(context);
        let mut pool = ABSENT_POOL;
        match &slot.counterpart {
            Some(Record::Account(account)) => receiver = account.fields(),
            Some(Record::Pool(found)) => pool = found.fields(),
            None => {}
        }
        Self {
            mode: TRANSACTS,
            idle_root: Digest::ZERO,
            terms,
            hashes,
            sender: slot.sender.fields(),
            sender_leaf: slot.sender_leaf.clone(),
            action: slot.action.fields(),
            receiver,
            pool,
            set: slot.set.clone(),
            message: MessageTerms::none(),
            refund: F::ZERO,
        }
    }

    /// The slot of a message that is taken in: an idle one with a transfer to the beneficiary.
    #[must_use]
    pub fn of_arrival(context: &BlockContext, taken: &ArrivalWitness) -> Self {
        let fields = taken.message.fields();
        let other = match taken.consumption {
            Consumption::Claim => fields.sender,
            Consumption::Refund => fields.recipient,
        };
        let MessageFields { chain_id, source, destination, sequence, deadline, data, .. } = fields;
        let idle = Self::idle(context);
        Self {
            mode: CONSUMES,
            action: ActionFields {
                to: taken.beneficiary.limbs(),
                asset_in: fields.asset,
                amount: fields.amount,
                ..idle.action
            },
            receiver: taken.account.as_ref().map_or(absent_account(context), Account::fields),
            set: taken.set.clone(),
            message: MessageTerms { chain_id, source, destination, sequence, other, deadline, data },
            refund: taken.consumption.to_field(),
            ..idle
        }
    }

    /// A slot without an action: in a world of one account, that account fails to pay itself.
    ///
    /// # Panics
    /// Never: an empty tree takes an account.
    #[must_use]
    pub fn idle(context: &BlockContext) -> Self {
        let key = Digest::ZERO;
        let address = Address::default();
        let broke = absent_account(context);
        // It pays the minimum fee, to nobody.
        let mut account = broke;
        account.vault[1] = context.minimum_fee;
        let mut tree = KeyedTree::new(TREE_DEPTH);
        let tree_key = account_key(address);
        tree.insert(*tree_key, hash(ACCOUNT, &account.encode())).expect("an empty tree has room");
        let sender_leaf = tree.prove_update(&tree_key).expect("the account is there");
        let action = ActionFields {
            kind: F::from_canonical_u8(Kind::Transfer as u8),
            to: address.limbs(),
            asset_in: context.fee_asset,
            asset_out: F::ZERO,
            amount: F::ONE,
            limit_a: F::ZERO,
            limit_b: F::ZERO,
        };
        let charged = AccountFields { nonce: F::ONE, ..broke };
        tree.update(*tree_key, hash(ACCOUNT, &charged.encode())).expect("the account is there");
        let set = tree.prove_set(tree_key).expect("the account is there");
        Self {
            mode: F::ZERO,
            idle_root: sender_leaf.path.root(sender_leaf.index, sender_leaf.leaf()),
            terms: Terms {
                sender: address.limbs(),
                key,
                fee: context.minimum_fee,
                deadline: context.height,
                actions: F::ONE,
            },
            hashes: SlotHashes::idle(),
            sender: account,
            sender_leaf,
            action,
            receiver: charged,
            pool: ABSENT_POOL,
            set,
            message: MessageTerms::none(),
            refund: F::ZERO,
        }
    }
}

/// The fields of a pool that does not exist, without its assets.
const ABSENT_POOL: PoolFields = PoolFields {
    number: F::ZERO,
    asset_a: F::ZERO,
    asset_b: F::ZERO,
    reserve_a: F::ZERO,
    reserve_b: F::ZERO,
    shares: F::ZERO,
};

/// The fields of an account that does not exist.
fn absent_account(context: &BlockContext) -> AccountFields {
    let mut vault = [F::ZERO; 2 * VAULT_SLOTS];
    vault[0] = context.fee_asset;
    AccountFields { key: Digest::ZERO, nonce: F::ZERO, vault }
}
