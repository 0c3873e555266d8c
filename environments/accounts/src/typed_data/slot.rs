//! What a slot hashes: the key before the first action of the first transaction of an account, every action, and the
//! transaction after its last action.

use circuits_core::{
    Builder, DigestTarget, F,
    constrain::{Constrain, DigestOps},
};
use circuits_tables::{
    ecdsa::{PublicKey, Words, key_commitment_circuit},
    keccak::{Block, DIGEST_WORDS},
};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use super::{
    blocks::{
        ActionWords, BlockList, HeaderWords, action_blocks_circuit, key_block_circuit, signed_block_circuit,
        transaction_blocks_circuit,
    },
    domain::DOMAIN_WORDS,
    type_tree::{TypeStep, type_root, type_step, type_step_circuit},
    types::{ACTION_TYPES, ActionType},
    words::{
        ADDRESS_WORDS, HALF_PACKS, claim_words_circuit, digest_words, enforce_address_if, halves_circuit,
        low_halves, low_word,
    },
};
use crate::{
    address::LIMBS,
    transaction::{ActionFields, MAX_ACTIONS, Transaction},
};

circuits_core::layout! {
    /// The words of what a slot hashes, as its prover knows them, and of their digests.
    pub struct SlotHashes<T> {
        /// First coordinate of the key.
        pub key_x: [T; 8],
        /// Second coordinate of the key.
        pub key_y: [T; 8],
        /// Digest of the key, which ends in the address.
        pub key: [T; 8],
        /// Digest of the action.
        pub action: [T; 8],
        /// Digest of the transaction.
        pub transaction: [T; 8],
        /// What is signed.
        pub signed: [T; 8],
        /// The low words of the action's amount and limits.
        pub amounts: [T; 3],
        /// The low word of the fee.
        pub fee: T,
        /// The low halves of the words of the transaction's digest, several in an element.
        pub low_halves: [T; 3],
        /// The step to the transaction's type with this action.
        pub step: TypeStep<T>,
    }
}

const _: () = assert!(HALF_PACKS == 3, "as the layout says");

/// The words of a digest or of a coordinate.
type Digest256<T> = [T; DIGEST_WORDS];

impl SlotHashes {
    /// What each slot of a transaction hashes, given the blocks of everything that is hashed of it, and the key if this is
    /// the account's first transaction.
    ///
    /// # Panics
    /// If the transaction has more actions than any may have.
    #[must_use]
    pub fn of_transaction(
        transaction: &Transaction,
        first: Option<&PublicKey>,
        blocks: &[Block],
    ) -> Vec<Self> {
        let mut digests = blocks.iter().filter(|block| block.last == F::ONE).map(|block| block.digest);
        let mut next = || digests.next().unwrap_or_default();
        let types: Vec<_> = transaction.actions.iter().map(ActionType::of).collect();
        let key = first.map(|key| (digest_words(key.x()), digest_words(key.y()), next()));
        let mut slots: Vec<_> = (1..=types.len())
            .map(|count| {
                let ActionFields { amount, limit_a, limit_b, .. } = transaction.actions[count - 1].fields();
                let (action, step) = (next(), type_step(&types[..count]));
                Self { action, amounts: [amount, limit_a, limit_b].map(low_word), step, ..Self::idle() }
            })
            .collect();
        if let (Some(slot), Some((key_x, key_y, key))) = (slots.first_mut(), key) {
            *slot = Self { key_x, key_y, key, ..*slot };
        }
        if let Some(slot) = slots.last_mut() {
            let fee = low_word(transaction.fee.to_field());
            let transaction = next();
            let low_halves = low_halves(&transaction);
            *slot = Self { transaction, signed: next(), fee, low_halves, ..*slot };
        }
        slots
    }

    /// What an idle slot hashes, whose action is a transfer: nothing.
    #[must_use]
    pub fn idle() -> Self {
        let nothing = [F::ZERO; DIGEST_WORDS];
        Self {
            key_x: nothing,
            key_y: nothing,
            key: nothing,
            action: nothing,
            transaction: nothing,
            signed: nothing,
            amounts: [F::ZERO; 3],
            fee: F::ZERO,
            low_halves: [F::ZERO; HALF_PACKS],
            step: type_step(&[ActionType::Transfer]),
        }
    }
}

/// What the actions of a transaction so far leave for the next one.
#[derive(Clone, Copy)]
pub(crate) struct Hashed {
    /// Their types: what is below them in the tree of types.
    below: DigestTarget,
    /// Their digests, zeros after them.
    actions: [Digest256<Target>; MAX_ACTIONS],
}

/// What is hashed in a slot.
pub(crate) struct SlotTerms<'a> {
    /// The domain of what accounts sign.
    pub(crate) domain: &'a [Target; DOMAIN_WORDS],
    /// Commitment to the sender's key.
    pub(crate) key: DigestTarget,
    /// The sender's address.
    pub(crate) sender: &'a [Target; LIMBS],
    /// The type of the action.
    pub(crate) is_type: [BoolTarget; ACTION_TYPES],
    /// Its members.
    pub(crate) action: ActionWords,
    /// Its position in the transaction.
    pub(crate) is_at: [BoolTarget; MAX_ACTIONS],
    /// The nonce.
    pub(crate) nonce: Target,
    /// The fee, high word first.
    pub(crate) fee: [Target; 2],
    /// The last height.
    pub(crate) deadline: Target,
}

/// Whether a slot hashes something.
#[derive(Clone, Copy)]
pub(crate) struct SlotFlags {
    /// The key: this is the first slot of the first transaction of its account.
    pub(crate) spends_first: BoolTarget,
    /// The action: the slot is one of a transaction.
    pub(crate) active: BoolTarget,
    /// The transaction: the slot is the last one of it.
    pub(crate) ends: BoolTarget,
}

impl Hashed {
    /// Before the first action.
    pub(crate) fn nothing(builder: &mut Builder) -> Self {
        let zero = builder.zero();
        Self { below: builder.constant_digest(type_root()), actions: [[zero; DIGEST_WORDS]; MAX_ACTIONS] }
    }
}

impl SlotHashes<Target> {
    /// Lists the blocks of what the slot hashes. Returns what is hashed so far, the list after the slot, and the words of
    /// what is signed, which are only meaningful if the slot ends a transaction.
    pub(crate) fn list_circuit(
        &self,
        builder: &mut Builder,
        terms: &SlotTerms<'_>,
        flags: SlotFlags,
        before: &Hashed,
        list: BlockList,
    ) -> (Hashed, BlockList, Words<Target>) {
        let SlotFlags { spends_first, active, ends } = flags;

        // The key is the one that is committed to, and its digest ends in the sender's address.
        let words = [self.key_x, self.key_y].map(|words| claim_words_circuit(builder, &words));
        let commitment = key_commitment_circuit(builder, &words[0], &words[1]);
        builder.enforce_digest_equal_if(spends_first, commitment, terms.key);
        let address: [Target; ADDRESS_WORDS] =
            std::array::from_fn(|i| self.key[DIGEST_WORDS - ADDRESS_WORDS + i]);
        enforce_address_if(builder, spends_first, &address, terms.sender);
        let key = key_block_circuit(builder, &self.key_x, &self.key_y, &self.key);
        let with_key = list.append(builder, &key);
        let list = BlockList::select(builder, spends_first, with_key, list);

        // The action, in one block or two.
        let [first, second] = action_blocks_circuit(builder, &terms.is_type, &terms.action, &self.action);
        let short = list.append(builder, &first);
        let long = short.append(builder, &second);
        let with_action =
            BlockList::select(builder, terms.is_type[ActionType::Transfer as usize], short, long);
        let list = BlockList::select(builder, active, with_action, list);

        // The type of the transaction is that of its actions' types.
        let [is_first, ..] = terms.is_at;
        let start = Self::start(builder, is_first, before);
        type_step_circuit(builder, start.below, &terms.is_type, &self.step);
        let mut actions = start.actions;
        for (action, &is_at) in actions.iter_mut().zip(&terms.is_at) {
            for (word, &digest) in action.iter_mut().zip(&self.action) {
                // There are zeros so far.
                *word = builder.mul_add(is_at.target, digest, *word);
            }
        }

        // The transaction, and what is signed.
        let header = HeaderWords {
            type_hash: self.step.type_hash,
            nonce: terms.nonce,
            fee: terms.fee,
            deadline: terms.deadline,
        };
        let blocks = transaction_blocks_circuit(builder, &header, &actions, &terms.is_at, &self.transaction);
        let halves = halves_circuit(builder, &self.transaction, &self.low_halves);
        let signed = signed_block_circuit(builder, terms.domain, &halves, &self.signed);
        let mut with_transaction = list;
        for block in blocks.iter().chain([&signed]) {
            with_transaction = with_transaction.append(builder, block);
        }
        let list = BlockList::select(builder, ends, with_transaction, list);
        let hash = claim_words_circuit(builder, &self.signed);
        (Hashed { below: self.step.below, actions }, list, hash)
    }

    /// What is hashed before the slot: nothing before the first action.
    fn start(builder: &mut Builder, is_first: BoolTarget, before: &Hashed) -> Hashed {
        let nothing = Hashed::nothing(builder);
        let later = builder.not(is_first);
        let mut actions = before.actions;
        for word in actions.as_flattened_mut() {
            *word = builder.mul(later.target, *word);
        }
        Hashed { below: builder.select_digest(is_first, nothing.below, before.below), actions }
    }
}
