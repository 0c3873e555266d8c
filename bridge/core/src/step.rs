//! One message, one step: natively.
//!
//! | step | actor | list that gains | leaf | balance of the actor |
//! |---|---|---|---|---|
//! | emit | the source | its outbox | empty to message | origin +, else - |
//! | claim | the destination | its inbox | message to tombstone | origin -, else + |
//! | refund | the source | its inbox | message to tombstone | origin -, else + |
//!
//! Whoever knows a superblock's lists can compute the state that its steps lead to. Steps have one order: that of the
//! blocks, in each of which what it consumes comes before what it emits. Balances take their slots in the order in which
//! steps first move them. A list of its own says at which index each message is consumed, because a dishonest kernel can
//! emit one message twice.

use circuits_core::{
    Digest, F,
    amount::Amount,
    layout::Layout,
    trees::{InsertWitness, KeyedTree, LeafOpening, Path},
};
use circuits_protocol::registry::EnvironmentId;
use plonky2::field::types::Field;
use serde::{Deserialize, Serialize};

use crate::{
    asset::AssetId,
    balance::BalanceKey,
    block::BlockMessages,
    error::BridgeError,
    lists::{BridgeLists, append_index},
    message::{Consumption, MessageFields},
    rules::{Action, Holdings, Movement},
    state::{BridgeState, Location, Undo},
};

circuits_core::layout! {
    /// One step, in field elements.
    pub struct StepFields<T> {
        pub emit: T,
        pub claim: T,
        pub refund: T,
        /// Whether the block's messages end here.
        pub ends_block: T,
        pub actor: T,
        pub message: MessageFields<T>,
        /// The environment that issued its asset.
        pub asset_origin: T,
        /// Its index in the tree.
        pub index: T,
        /// What the actor's balance in the asset holds before.
        pub balance: T,
        /// Whether no message has moved the balance before.
        pub first: T,
    }
}

/// What a circuit must know of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    #[serde(with = "circuits_core::layout::as_bytes")]
    pub fields: StepFields,
    /// The path of the message's leaf.
    pub path: Path,
    /// The leaf of the actor's balance in the asset, before.
    pub balance_leaf: LeafOpening,
}

/// A balance that is added, of amount 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBalance {
    pub key: BalanceKey,
    /// What the insertion into the tree of balances must know.
    pub witness: InsertWitness,
}

/// What one circuit moves: balances are added first, then steps are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    pub new_balances: Vec<NewBalance>,
    /// A balance that could be added after these: fills the circuit's slots for balances that are left over.
    pub idle: NewBalance,
    pub steps: Vec<Step>,
}

/// A bridge while a superblock moves its messages: the state reached, and what was done.
#[derive(Clone, Debug)]
pub struct Crossing {
    pub chain_id: u64,
    pub number: u32,
    /// First height of the block whose messages are moved: recorded with each message.
    pub height: u32,
    pub state: BridgeState,
    /// The running lists reached.
    pub lists: BridgeLists,
    /// The indices of the messages consumed, in order.
    pub consumed: Vec<u32>,
    /// The indices at which messages are to be consumed, if somebody else has chosen them.
    published: Option<Vec<u32>>,
    /// What was done since the last chunk ended.
    pub chunk: Chunk,
    /// What is needed to undo what the present block did.
    journal: Vec<Undo>,
}

impl Step {
    /// Fills a slot that does nothing. The only rules that apply to it are that its numbers have their bits.
    pub(crate) fn idle() -> Self {
        let nothing: StepFields =
            Layout::decode(&[F::ZERO; <StepFields as Layout<F>>::LEN]).expect("the length is the layout's");
        let message = MessageFields { amount: F::ONE, asset: F::ONE, ..nothing.message };
        let path = Path { siblings: vec![] };
        let (key, value, next_key) = (Digest::ZERO, Digest::ZERO, Digest::ZERO);
        let balance_leaf = LeafOpening { index: 0, key, value, next_key, path: path.clone() };
        Self { fields: StepFields { message, ..nothing }, path, balance_leaf }
    }
}

impl Chunk {
    /// An empty chunk on these balances.
    fn new(balances: &KeyedTree) -> Result<Self, BridgeError> {
        Ok(Self { new_balances: vec![], idle: NewBalance::idle(balances)?, steps: vec![] })
    }
}

impl NewBalance {
    /// Adds a balance under `key`, which has none.
    fn of(key: BalanceKey, balances: &KeyedTree) -> Result<Self, BridgeError> {
        Ok(Self { key, witness: balances.prove_insert(&key.digest())? })
    }

    /// A balance that nothing has asked for.
    fn idle(balances: &KeyedTree) -> Result<Self, BridgeError> {
        let nobody = EnvironmentId(u16::MAX);
        let keys = (1..=u32::MAX).rev().filter_map(|local| {
            Some(BalanceKey { environment: nobody, asset: AssetId::new(nobody.0, local).ok()? })
        });
        let absent = keys.into_iter().find(|key| balances.get(&key.digest()).is_none());
        Self::of(absent.expect("the tree has fewer balances than there are numbers"), balances)
    }
}

impl Crossing {
    /// A superblock that has moved nothing yet.
    ///
    /// # Errors
    /// [`BridgeError::Tree`] if the tree of balances is full.
    pub fn new(
        chain_id: u64,
        number: u32,
        state: BridgeState,
        lists: BridgeLists,
    ) -> Result<Self, BridgeError> {
        let chunk = Chunk::new(&state.balance_tree)?;
        let (height, consumed, published, journal) = Default::default();
        Ok(Self { chain_id, number, height, state, lists, consumed, published, chunk, journal })
    }

    /// Consumes messages at these indices, as another batcher did, and not each at the first index at which it is pending.
    #[must_use]
    pub fn following(self, consumed: Vec<u32>) -> Self {
        Self { published: Some(consumed), ..self }
    }

    /// Adds those of these balances that do not exist; messages must move them in this order. A circuit adds balances
    /// before it takes steps: balances that are opened after the first step of a chunk can be used in later chunks only.
    ///
    /// # Errors
    /// [`BridgeError::Tree`] if the tree of balances is full.
    pub fn open_balances(&mut self, keys: impl IntoIterator<Item = BalanceKey>) -> Result<(), BridgeError> {
        let before = self.chunk.new_balances.len();
        for key in keys {
            if !self.state.has_balance(key) {
                self.chunk.new_balances.push(NewBalance::of(key, &self.state.balance_tree)?);
                self.state.add_balance(key)?;
                self.lists.unused_balances += F::ONE;
            }
        }
        if self.chunk.new_balances.len() > before {
            self.chunk.idle = NewBalance::idle(&self.state.balance_tree)?;
        }
        Ok(())
    }

    /// Ends the chunk: what was done since the last one ended.
    ///
    /// # Errors
    /// [`BridgeError::Tree`] if the tree of balances is full.
    pub fn end_chunk(&mut self) -> Result<Chunk, BridgeError> {
        let next = Chunk::new(&self.state.balance_tree)?;
        Ok(std::mem::replace(&mut self.chunk, next))
    }

    /// Applies what a block emits and consumes. Nothing is changed on error.
    ///
    /// # Errors
    /// [`BridgeError`], the first rule broken.
    pub fn apply_block(&mut self, block: &BlockMessages) -> Result<(), BridgeError> {
        let lists = self.lists;
        let (steps, consumed) = (self.chunk.steps.len(), self.consumed.len());
        self.journal.clear();
        let result = block.movements().try_for_each(|movement| self.step(movement));
        if result.is_err() {
            while let Some(change) = self.journal.pop() {
                self.state.undo(change)?;
            }
            self.lists = lists;
            self.chunk.steps.truncate(steps);
            self.consumed.truncate(consumed);
            return result;
        }
        self.end_block(block);
        Ok(())
    }

    /// Marks the last step as the end of the block, and adds the block to those whose messages were moved.
    pub(crate) fn end_block(&mut self, block: &BlockMessages) {
        if let Some(last) = self.chunk.steps.last_mut().filter(|_| !block.is_empty()) {
            last.fields.ends_block = F::ONE;
            self.lists.append_block(block.element());
        }
    }

    /// Takes one step. What it changed is in the journal, also on error.
    fn step(&mut self, movement: Movement<'_>) -> Result<(), BridgeError> {
        let Movement { action, message, .. } = movement;
        let hash = message.hash();
        let after = movement.check(self.chain_id, self.number, hash, &self.state).inspect_err(|_| {
            // That a message is not found where it waits is no fault of those who consume it: a failure to read comes first.
            if let (Action::Consume(_), Some(Some(index))) = (action, self.published_index()) {
                self.state.is_pending_at(&hash, index.into());
            }
        })?;
        let key = movement.balance_key();
        let location = Location { superblock: self.number, height: self.height };
        let index = match action {
            Action::Consume(_) => self.consumed_index(hash)?,
            Action::Emit => self.state.message_count(),
        };

        let step = self.open(&movement, index)?;
        let undo = if self.state.is_unused(key) {
            self.check_turn(key)?;
            Undo::FirstUse(key)
        } else {
            Undo::Balance(key, self.state.balance(key))
        };
        self.state.set_balance(key, after)?;
        self.lists.unused_balances -= step.fields.first;
        self.journal.push(undo);
        match action {
            Action::Consume(consumption) => {
                self.state.compare(index, &hash);
                self.state.consume(index, consumption, location)?;
                self.journal.push(Undo::Consume(index));
                self.note_index(index);
            }
            Action::Emit => {
                let known = self.state.knows(&hash);
                self.state.push(message.clone(), location)?;
                self.journal.push(Undo::Push { known });
            }
        }
        self.chunk.steps.push(step);
        Ok(())
    }

    /// Balances are moved for the first time in the order in which they were added.
    fn check_turn(&self, key: BalanceKey) -> Result<(), BridgeError> {
        match self.state.next_unused() {
            Some(next) if next != key => Err(BridgeError::OutOfTurn { key, next }),
            _ => Ok(()),
        }
    }

    /// The published index of the next message that is consumed, if indices were published.
    fn published_index(&self) -> Option<Option<u32>> {
        self.published.as_ref().map(|indices| indices.get(self.consumed.len()).copied())
    }

    /// The index at which the pending `message` is consumed: the published one, or the first if none was published.
    fn consumed_index(&self, message: Digest) -> Result<u64, BridgeError> {
        let published = self.published_index();
        let index = match published {
            None => self.state.pending(&message),
            Some(index) => index.map(u64::from).filter(|&index| self.state.is_pending_at(&message, index)),
        };
        index.ok_or(BridgeError::OtherIndex { message, index: published.flatten() })
    }

    /// Adds the index of a message that is consumed to the list of these.
    pub(crate) fn note_index(&mut self, index: u64) {
        self.lists.consumed = append_index(self.lists.consumed, F::from_canonical_u64(index));
        // The tree has 2^32 leaves.
        self.consumed.push(index as u32);
    }

    /// What a circuit must know to take the step from the present state, whether or not a rule forbids it.
    ///
    /// # Errors
    /// [`BridgeError::Tree`] if the balance was not opened.
    pub(crate) fn open(&self, movement: &Movement<'_>, index: u64) -> Result<Step, BridgeError> {
        let &Movement { action, actor, message } = movement;
        let key = movement.balance_key();
        let is = |other| F::from_bool(action == other);
        let fields = StepFields {
            emit: is(Action::Emit),
            claim: is(Action::Consume(Consumption::Claim)),
            refund: is(Action::Consume(Consumption::Refund)),
            ends_block: F::ZERO,
            actor: actor.to_field(),
            message: message.fields(),
            asset_origin: F::from_canonical_u16(message.asset.origin()),
            index: F::from_canonical_u64(index),
            balance: self.state.balance(key).to_field(),
            first: F::from_bool(self.state.is_unused(key)),
        };
        let balance_leaf = self.state.balance_tree.prove_update(&key.digest())?;
        Ok(Step { fields, path: self.state.message_path(index), balance_leaf })
    }
}

impl Holdings for BridgeState {
    fn balance(&self, key: BalanceKey) -> Amount {
        self.balance(key)
    }

    fn is_pending(&self, hash: &Digest) -> bool {
        self.pending(hash).is_some()
    }
}
